/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An admin's orders at their limits: how long a block lasts beside a ban, whom an address stands for, what an allow
 * frees, what a full table refuses and counts, and what becomes of a packet after all that.
 */
#include "core.h"

#define MINUTE_MS 60000LL
#define HOUR_MS   3600000LL
#define YEARS_MS  (3650 * 24 * HOUR_MS) /* the longest duration */

static const char *const host_text = "198.51.100.7";

static enum engine_result block(struct core *core, const char *what, int64_t duration_ms)
{
	struct prefix source = core_prefix(what);

	return engine_block(core->engine, &source, duration_ms, false, "enough", core->now_ms, core->actions);
}

static enum engine_result unblock(struct core *core, const char *what)
{
	struct prefix source = core_prefix(what);

	return engine_unblock(core->engine, &source, core->now_ms, core->actions);
}

static enum engine_result allow(struct core *core, const char *what, int64_t until_ms)
{
	struct prefix source = core_prefix(what);

	return engine_allow(core->engine, &source, until_ms, ALLOW_ADMIN, core->now_ms, core->actions);
}

static enum engine_result protect(struct core *core, const char *what, enum protect_why why)
{
	struct prefix source = core_prefix(what);

	return engine_protect(core->engine, &source, why, core->now_ms, core->actions);
}

/* Silent visits to traps of five families: a ban. */
static void visit_traps(struct core *core, const char *source)
{
	static const uint16_t traps[] = { 7, 23, 79, 111, 513 };
	struct addr addr = core_addr(source);

	for (size_t i = 0; i < 5; i++) {
		struct probe probe = core_trap(&addr, traps[i]);

		engine_probe(core->engine, &probe, core->now_ms, core->actions);
	}
}

static enum grade grade_of(const struct core *core, const char *source)
{
	return (enum grade)core_explain(core, source).block.grade;
}

/* Until when, from now on, it stands after that order; 0: for good. */
static int64_t stands_for(struct core *core, int64_t ordered_ms)
{
	int64_t until_ms;

	assert_int_equal(block(core, host_text, ordered_ms), ENGINE_OK);
	assert_int_equal(core->actions->items[0].type, ACTION_ADD);
	until_ms = core_explain(core, host_text).block.until_ms;
	assert_int_equal(core->actions->items[0].duration_ms, until_ms ? until_ms - core->now_ms : 0);
	assert_int_equal(core->actions->items[1].event.duration_ms, core->actions->items[0].duration_ms);
	return until_ms ? until_ms - core->now_ms : 0;
}

static void an_order_ends_no_longer_ban_earlier(void **state)
{
	static const struct {
		uint8_t grade;
		int64_t ordered_ms, stands_ms;
	} cases[] = {
		{ GRADE_BAN, HOUR_MS, 3 * HOUR_MS },
		{ GRADE_BAN, 3 * HOUR_MS, 3 * HOUR_MS },
		{ GRADE_BAN, 3 * HOUR_MS + 1, 3 * HOUR_MS + 1 },
		{ GRADE_BAN, 0, 0 },
		/* a veil is less than a block, and an admin may think again about his own */
		{ GRADE_VEIL, 10 * MINUTE_MS, 10 * MINUTE_MS },
		{ GRADE_BLOCK, HOUR_MS, HOUR_MS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core core = core_new(NULL);
		struct block_view view = { .source = core_prefix(host_text),
					   .grade = cases[i].grade,
					   .since_ms = core.now_ms,
					   .until_ms = core.now_ms + 3 * HOUR_MS };

		assert_int_equal(engine_restore_block(core.engine, &view, core.now_ms), ENGINE_OK);
		assert_int_equal(stands_for(&core, cases[i].ordered_ms), cases[i].stands_ms);
		core_free(&core);
	}
}

static void a_duration_has_an_end(void **state)
{
	struct core core = core_new(NULL);

	(void)state;
	assert_int_equal(block(&core, host_text, YEARS_MS + 1), ENGINE_INVALID);
	assert_int_equal(block(&core, host_text, YEARS_MS), ENGINE_OK);
	assert_int_equal(allow(&core, host_text, -1), ENGINE_INVALID);
	assert_int_equal(allow(&core, host_text, core.now_ms + 1), ENGINE_OK);
	core_free(&core);
}

/* What stands in a log line and in the table is one line of printable text. */
static void a_reason_is_printable_and_fits(void **state)
{
	struct core core = core_new(NULL);
	struct prefix source = core_prefix(host_text);
	char text[2 * ENGINE_REASON_MAX];
	struct block_view view;

	(void)state;
	engine_block(core.engine, &source, 0, false, " a\n\033[2J\x7f~\xff", core.now_ms, core.actions);
	assert_string_equal(core_explain(&core, host_text).block.reason, " a??[2J?~?");
	assert_string_equal(core.actions->items[1].event.text, " a??[2J?~?");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	engine_block(core.engine, &source, 0, false, text, core.now_ms, core.actions);
	view = core_explain(&core, host_text).block;
	assert_int_equal(strlen(view.reason), ENGINE_REASON_MAX - 1);
	engine_block(core.engine, &source, 0, false, NULL, core.now_ms, core.actions);
	assert_string_equal(core_explain(&core, host_text).block.reason, "");
	core_free(&core);
}

/* A block is counted with the bans before it, is no deed of the observer, and says what the source had shown. */
static void an_order_tells_of_the_source(void **state)
{
	struct engine_config config;

	(void)state;
	engine_config_defaults(&config);
	for (uint8_t observe = 0; observe < 2; observe++) {
		config.observe = observe;
		struct core core = core_new(&config);

		assert_int_equal(block(&core, host_text, HOUR_MS), ENGINE_OK);
		assert_int_equal(core.actions->items[1].event.times, 1);
		assert_int_equal(core.actions->items[1].event.sources, 1);
		visit_traps(&core, "198.51.100.9");
		assert_int_equal(core_explain(&core, "198.51.100.9").source.times, 1);
		assert_int_equal(block(&core, "198.51.100.9", HOUR_MS), ENGINE_OK);
		assert_int_equal(core.actions->items[0].type, ACTION_ADD);
		assert_int_equal(core.actions->items[1].event.times, 2);
		assert_int_equal(core.actions->items[1].event.observed, 0);
		assert_true(core.actions->items[1].event.piece_count > 0);
		assert_int_equal(core_status(&core).blocks_total, 2);
		core_free(&core);
	}
}

static void a_list_of_orders_fits_or_is_refused_whole(void **state)
{
	struct core core = core_new(NULL);
	struct prefix source = core_prefix(host_text), own = core_prefix("192.0.2.1"), bad = source;

	(void)state;
	bad.len = 100;
	core_scan(&core, host_text); /* veils give way */
	assert_int_equal(engine_may_block(core.engine, &source, false, ENGINE_BLOCKS_MAX), ENGINE_OK);
	assert_int_equal(engine_may_block(core.engine, &source, false, ENGINE_BLOCKS_MAX + 1), ENGINE_FULL);
	assert_int_equal(engine_may_block(core.engine, &source, false, UINT32_MAX), ENGINE_FULL);
	assert_int_equal(engine_may_block(core.engine, &bad, false, 1), ENGINE_INVALID);
	assert_int_equal(block(&core, "203.0.113.1", 0), ENGINE_OK);
	visit_traps(&core, "203.0.113.2");
	assert_int_equal(core_status(&core).bans, 1);
	assert_int_equal(engine_may_block(core.engine, &source, false, ENGINE_BLOCKS_MAX - 2), ENGINE_OK);
	assert_int_equal(engine_may_block(core.engine, &source, false, ENGINE_BLOCKS_MAX - 1), ENGINE_FULL);
	protect(&core, "192.0.2.1", PROTECT_OWN);
	assert_int_equal(engine_may_block(core.engine, &own, false, 1), ENGINE_PROTECTED);
	assert_int_equal(engine_may_block(core.engine, &own, true, 1), ENGINE_OK);

	assert_int_equal(allow(&core, "192.0.2.7", 0), ENGINE_OK);
	assert_int_equal(engine_may_allow(core.engine, ENGINE_ALLOW_MAX - 1), ENGINE_OK);
	assert_int_equal(engine_may_allow(core.engine, ENGINE_ALLOW_MAX), ENGINE_FULL);
	assert_int_equal(engine_may_allow(core.engine, UINT32_MAX), ENGINE_FULL);
	core_free(&core);
}

static void banned_is_who_stands_there_itself(void **state)
{
	struct core core = core_new(NULL);
	struct prefix host = core_prefix(host_text), net = core_prefix("198.51.100.0/24"),
		      trapped = core_prefix("203.0.113.2");

	(void)state;
	assert_false(engine_is_banned(core.engine, &host));
	core_scan(&core, host_text);
	assert_false(engine_is_banned(core.engine, &host)); /* a veil is no ban */
	visit_traps(&core, "203.0.113.2");
	assert_true(engine_is_banned(core.engine, &trapped));
	assert_int_equal(block(&core, "198.51.100.0/24", 0), ENGINE_OK);
	assert_true(engine_is_banned(core.engine, &net));
	assert_false(engine_is_banned(core.engine, &host));
	core_free(&core);
}

/* An IPv6 host is its /64: who names one of its addresses means that, unless an admin blocked the net as one. */
static void an_address_stands_for_its_source(void **state)
{
	struct core core = core_new(NULL);

	(void)state;
	core_scan(&core, "2001:db8:1:2::7");
	assert_int_equal(grade_of(&core, "2001:db8:1:2::9"), GRADE_VEIL);
	assert_int_equal(unblock(&core, "2001:db8:1:2::9"), ENGINE_OK);
	assert_int_equal(core.actions->items[0].type, ACTION_DELETE);
	assert_int_equal(core.actions->items[0].source.len, 64);
	assert_int_equal(grade_of(&core, "2001:db8:1:2::7"), GRADE_NONE);
	assert_int_equal(core_status(&core).sources, 0);
	assert_int_equal(block(&core, "2001:db8:1:2::/64", 0), ENGINE_OK);
	assert_int_equal(unblock(&core, "2001:db8:1:2::9"), ENGINE_NOT_FOUND);
	assert_int_equal(grade_of(&core, "2001:db8:1:2::7"), GRADE_BLOCK);
	core_free(&core);
}

static unsigned told(const struct core *core, enum action_type type)
{
	unsigned count = 0;

	for (size_t i = 0; i < core->actions->count; i++)
		count += core->actions->items[i].type == type;
	return count;
}

/* As many as one call can tell of, the others in further calls; each is deleted and told of, with the reason. */
static void what_is_allowed_is_freed(void **state)
{
	struct core core = core_new(NULL);
	struct prefix net = core_prefix("198.51.100.0/24");

	(void)state;
	for (int i = 1; i <= 40; i++) {
		char text[32];

		snprintf(text, sizeof(text), "198.51.100.%d", i);
		assert_int_equal(block(&core, text, 0), ENGINE_OK);
	}
	assert_int_equal(block(&core, "203.0.113.1", 0), ENGINE_OK);
	assert_int_equal(allow(&core, "198.51.100.0/24", 0), ENGINE_OK);
	assert_int_equal(told(&core, ACTION_DELETE), ENGINE_ACTIONS_MAX / 2);
	assert_int_equal(told(&core, ACTION_EVENT), ENGINE_ACTIONS_MAX / 2);
	assert_string_equal(core.actions->items[1].event.text, "allowed");
	assert_int_equal(engine_unblock_within(core.engine, &net, "allowed", 0, core.now_ms, core.actions), 0);
	assert_int_equal(told(&core, ACTION_DELETE), 40 - ENGINE_ACTIONS_MAX / 2);
	assert_int_equal(core_status(&core).blocks, 1);
	net.len = 100;
	assert_int_equal(engine_unblock_within(core.engine, &net, "", 0, core.now_ms, core.actions), 0);
	assert_int_equal(core_status(&core).blocks, 1);
	core_free(&core);
}

/* An address that is allowed, or protected, frees the source that it was counted with, and what it did is forgotten. */
static void a_safeguard_frees_the_source_of_its_address(void **state)
{
	for (int by_protect = 0; by_protect < 2; by_protect++) {
		struct core core = core_new(NULL);

		(void)state;
		core_scan(&core, "2001:db8:1:2::7");
		assert_int_equal(by_protect ? protect(&core, "2001:db8:1:2::9", PROTECT_GATEWAY)
					    : allow(&core, "2001:db8:1:2::9", 0),
				 ENGINE_OK);
		assert_int_equal(told(&core, ACTION_DELETE), 1);
		assert_string_equal(core.actions->items[1].event.text, by_protect ? "protected: gateway" : "allowed");
		assert_int_equal(grade_of(&core, "2001:db8:1:2::7"), GRADE_NONE);
		core_free(&core);
	}
}

/* That a prefix is on a link of this host protects nobody in it. */
static void a_link_frees_nobody(void **state)
{
	struct core core = core_new(NULL);

	(void)state;
	core_scan(&core, host_text);
	assert_int_equal(protect(&core, "198.51.100.0/24", PROTECT_ONLINK), ENGINE_OK);
	assert_int_equal(core.actions->count, 0);
	assert_int_equal(grade_of(&core, host_text), GRADE_VEIL);
	assert_int_equal(protect(&core, host_text, PROTECT_WHY_COUNT), ENGINE_INVALID);
	assert_int_equal(core_status(&core).protected_count, 1);
	engine_protect_clear(core.engine, PROTECT_NONE);
	engine_protect_clear(core.engine, PROTECT_WHY_COUNT);
	assert_int_equal(core_status(&core).protected_count, 1);
	core_free(&core);
}

static struct prefix numbered(unsigned i)
{
	const uint8_t b[4] = { 100, (uint8_t)(64 + (i >> 16)), (uint8_t)(i >> 8), (uint8_t)i };
	struct addr addr = addr_from_v4(b);

	return prefix_host(&addr);
}

/* A full table refuses, counts it, and goes on with what it has. */
static void what_finds_no_room_is_counted(void **state)
{
	struct core core = core_new(NULL);

	(void)state;
	for (unsigned i = 0; i < ENGINE_BLOCKS_MAX; i++) {
		struct prefix source = numbered(i);

		assert_int_equal(engine_block(core.engine, &source, 0, false, "", core.now_ms, core.actions),
				 ENGINE_OK);
	}
	assert_int_equal(block(&core, host_text, 0), ENGINE_FULL);
	assert_int_equal(core.actions->count, 0);
	assert_int_equal(core_status(&core).blocks_full, 1);
	visit_traps(&core, host_text);
	assert_true(core_status(&core).blocks_full > 1);
	assert_int_equal(core_status(&core).bans + core_status(&core).bans_total, 0);
	assert_int_equal(core_explain(&core, host_text).source.times, 0);
	assert_int_equal(block(&core, "100.64.0.9", HOUR_MS), ENGINE_OK); /* it stands there already */
	assert_int_equal(unblock(&core, "100.64.0.8"), ENGINE_OK);
	assert_int_equal(block(&core, host_text, 0), ENGINE_OK);
	core_free(&core);
}

static void a_full_list_is_counted(void **state)
{
	struct core core = core_new(NULL);

	(void)state;
	for (unsigned i = 0; i < ENGINE_ALLOW_MAX; i++) {
		struct prefix source = numbered(i);

		engine_allow(core.engine, &source, 0, ALLOW_CONFIG, core.now_ms, core.actions);
	}
	assert_int_equal(core_status(&core).allow, ENGINE_ALLOW_MAX);
	assert_int_equal(core_status(&core).allow_full, 0);
	assert_int_equal(allow(&core, host_text, 0), ENGINE_FULL);
	assert_int_equal(core_status(&core).allow_full, 1);
	for (unsigned i = 0; i < ENGINE_PROTECTED_MAX; i++) {
		struct prefix source = numbered(ENGINE_ALLOW_MAX + i);

		engine_protect(core.engine, &source, PROTECT_LOGIN, core.now_ms, core.actions);
	}
	assert_int_equal(core_status(&core).protect_full, 0);
	core_scan(&core, host_text);
	assert_int_equal(protect(&core, host_text, PROTECT_LOGIN), ENGINE_FULL);
	assert_int_equal(core_status(&core).protect_full, 1);
	assert_int_equal(grade_of(&core, host_text), GRADE_VEIL);
	core_free(&core);
}

static enum verdict verdict_of(const struct core *core, const char *source)
{
	struct addr addr = core_addr(source);

	return engine_verdict(core->engine, &addr);
}

/* A packet that is no probe, such as a SYN to a real service. */
static void other_packets_share_their_senders_fate(void **state)
{
	struct engine_config config;
	struct core core = core_new(NULL);

	(void)state;
	core_scan(&core, "198.51.100.1");
	visit_traps(&core, "198.51.100.2");
	block(&core, "198.51.100.3", 0);
	assert_int_equal(verdict_of(&core, host_text), VERDICT_ACCEPT);
	assert_int_equal(verdict_of(&core, "198.51.100.1"), VERDICT_VEIL);
	assert_int_equal(verdict_of(&core, "198.51.100.2"), VERDICT_DROP);
	assert_int_equal(verdict_of(&core, "198.51.100.3"), VERDICT_DROP);
	/* What is safe passes whatever stands around it. */
	block(&core, "203.0.113.0/24", 0);
	assert_int_equal(verdict_of(&core, "203.0.113.5"), VERDICT_DROP);
	assert_int_equal(allow(&core, "203.0.113.5", 0), ENGINE_OK);
	assert_int_equal(verdict_of(&core, "203.0.113.5"), VERDICT_ACCEPT);
	assert_int_equal(protect(&core, "203.0.113.6", PROTECT_LOGIN), ENGINE_OK);
	assert_int_equal(verdict_of(&core, "203.0.113.6"), VERDICT_ACCEPT);
	assert_int_equal(verdict_of(&core, "203.0.113.7"), VERDICT_DROP);
	engine_config_defaults(&config);
	config.observe = 1;
	engine_configure(core.engine, &config);
	assert_int_equal(verdict_of(&core, "198.51.100.2"), VERDICT_ACCEPT);
	core_free(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_ends_no_longer_ban_earlier),
		cmocka_unit_test(a_duration_has_an_end),
		cmocka_unit_test(a_reason_is_printable_and_fits),
		cmocka_unit_test(an_order_tells_of_the_source),
		cmocka_unit_test(a_list_of_orders_fits_or_is_refused_whole),
		cmocka_unit_test(banned_is_who_stands_there_itself),
		cmocka_unit_test(an_address_stands_for_its_source),
		cmocka_unit_test(what_is_allowed_is_freed),
		cmocka_unit_test(a_safeguard_frees_the_source_of_its_address),
		cmocka_unit_test(a_link_frees_nobody),
		cmocka_unit_test(what_finds_no_room_is_counted),
		cmocka_unit_test(a_full_list_is_counted),
		cmocka_unit_test(other_packets_share_their_senders_fate),
	};

	return cmocka_run_group_tests_name("orders", tests, NULL, NULL);
}
