/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's doors: orders and their refusals, actions and their order, views, state over a restart.  What it makes
 * of scans and of honest senders stands in tests/replay.
 */
#include "core.h"

static void a_veil_orders_first_and_tells_then(void **state)
{
	struct core core = core_new(NULL);
	const struct actions *a = core.actions;

	(void)state;
	core_scan(&core, "198.51.100.7");
	assert_int_equal(a->count, 2);
	assert_int_equal(a->items[0].type, ACTION_ADD);
	assert_int_equal(a->items[0].grade, GRADE_VEIL);
	assert_true(a->items[0].duration_ms > 3600000); /* the kernel's element outlives the veil */
	assert_int_equal(a->items[1].type, ACTION_EVENT);
	assert_int_equal(a->items[1].event.type, EVENT_VEIL);
	assert_int_equal(a->items[1].event.duration_ms, 3600000);
	assert_int_equal(a->items[1].event.ports, 5);
	assert_int_equal(a->items[1].event.hosts, 1);
	assert_true(a->items[1].event.incident > 0);
	assert_true(event_is_valid(&a->items[1].event));
	core_free(&core);
}

static void orders_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *what;
		bool force;
		enum engine_result result;
	} cases[] = {
		{ "198.51.100.7", false, ENGINE_OK },
		{ "192.0.2.1", false, ENGINE_PROTECTED },
		{ "192.0.2.1", true, ENGINE_OK },
		{ "192.0.2.0/24", false, ENGINE_PROTECTED },
		{ "203.0.113.5", false, ENGINE_ALLOWED },
		{ "203.0.113.5", true, ENGINE_ALLOWED },
		{ "10.0.0.0/8", false, ENGINE_OK },
		{ "8.0.0.0/7", false, ENGINE_TOO_WIDE },
		{ "8.0.0.0/7", true, ENGINE_OK },
		{ "2000::/31", false, ENGINE_TOO_WIDE },
		{ "2001:db8::/32", false, ENGINE_OK },
		{ "fe80::1", false, ENGINE_PROTECTED },
		{ "127.0.0.1", false, ENGINE_PROTECTED },
		{ "169.254.169.254", false, ENGINE_PROTECTED },
		{ "fd00:ec2::254", false, ENGINE_PROTECTED },
		{ "0.0.0.0", false, ENGINE_NO_SOURCE },
		{ "0.0.0.0", true, ENGINE_NO_SOURCE },
		{ "0.1.2.0/24", true, ENGINE_NO_SOURCE },
		{ "::ffff:0.0.0.0", true, ENGINE_NO_SOURCE },
		{ "224.0.0.1", true, ENGINE_NO_SOURCE },
		{ "239.255.255.255", false, ENGINE_NO_SOURCE },
		{ "240.0.0.1", true, ENGINE_NO_SOURCE },
		{ "224.0.0.0/3", true, ENGINE_NO_SOURCE },
		{ "255.255.255.255", true, ENGINE_NO_SOURCE },
		{ "::", true, ENGINE_NO_SOURCE },
		{ "ff02::1", true, ENGINE_NO_SOURCE },
		{ "ff00::/8", true, ENGINE_NO_SOURCE },
		{ "1.0.0.0", false, ENGINE_OK },
		{ "223.255.255.255", false, ENGINE_OK },
		{ "fe00::1", false, ENGINE_OK },
		{ "0.0.0.0/0", false, ENGINE_TOO_WIDE },
	};
	struct core core = core_new(NULL);
	struct prefix own = core_prefix("192.0.2.1"), allowed = core_prefix("203.0.113.0/28");

	(void)state;
	engine_protect(core.engine, &own, PROTECT_OWN, core.now_ms, core.actions);
	engine_allow(core.engine, &allowed, 0, ALLOW_CONFIG, core.now_ms, core.actions);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix what = core_prefix(cases[i].what);
		uint32_t before = core_status(&core).blocks;
		enum engine_result result =
			engine_block(core.engine, &what, 60000, cases[i].force, "because", core.now_ms, core.actions);

		if (result != cases[i].result)
			fail_msg("block %s: %d, expected %d", cases[i].what, result, cases[i].result);
		assert_int_equal(core.actions->count, result == ENGINE_OK ? 2 : 0);
		assert_int_equal(core_status(&core).blocks, before + (result == ENGINE_OK));
		if (result == ENGINE_OK)
			assert_int_equal(engine_unblock(core.engine, &what, core.now_ms, core.actions), ENGINE_OK);
	}
	core_free(&core);
}

static void bad_values_change_nothing(void **state)
{
	struct core core = core_new(NULL);
	struct prefix good = core_prefix("198.51.100.7"), bad = { .addr = good.addr, .len = 64 };

	(void)state;
	bad.addr.b[15] = 1;
	assert_int_equal(engine_block(core.engine, &bad, 0, true, NULL, core.now_ms, core.actions), ENGINE_INVALID);
	assert_int_equal(engine_block(core.engine, &good, -1, true, NULL, core.now_ms, core.actions), ENGINE_INVALID);
	assert_int_equal(engine_allow(core.engine, &bad, 0, ALLOW_ADMIN, core.now_ms, core.actions), ENGINE_INVALID);
	assert_int_equal(engine_allow(core.engine, &good, 0, ALLOW_ORIGIN_COUNT, core.now_ms, core.actions),
			 ENGINE_INVALID);
	assert_int_equal(engine_allow(core.engine, &good, core.now_ms, ALLOW_ADMIN, core.now_ms, core.actions),
			 ENGINE_INVALID);
	assert_int_equal(engine_protect(core.engine, &good, PROTECT_NONE, core.now_ms, core.actions), ENGINE_INVALID);
	assert_int_equal(engine_unblock(core.engine, &good, core.now_ms, core.actions), ENGINE_NOT_FOUND);
	assert_int_equal(engine_disallow(core.engine, &good), ENGINE_NOT_FOUND);
	assert_int_equal(core_status(&core).blocks + core_status(&core).allow, 0);
	core_free(&core);
}

static void an_allowed_net_lives_as_long_as_one_of_its_reasons(void **state)
{
	struct core core = core_new(NULL);
	struct prefix configured = core_prefix("198.51.100.0/24"), both = core_prefix("203.0.113.0/24"),
		      own = core_prefix("192.0.2.9");

	(void)state;
	engine_allow(core.engine, &configured, 0, ALLOW_CONFIG, core.now_ms, core.actions);
	engine_allow(core.engine, &both, 0, ALLOW_CONFIG, core.now_ms, core.actions);
	engine_allow(core.engine, &both, core.now_ms + 5000, ALLOW_ADMIN, core.now_ms, core.actions);
	engine_allow(core.engine, &own, core.now_ms + 5000, ALLOW_ADMIN, core.now_ms, core.actions);
	engine_disallow(core.engine, &configured);
	assert_int_equal(core_status(&core).allow, 2);
	engine_tick(core.engine, core.now_ms + 6000, core.actions);
	assert_int_equal(core_status(&core).allow, 1);
	assert_int_equal(core_explain(&core, "203.0.113.7").allowed, 1);
	assert_int_equal(core_explain(&core, "192.0.2.9").allowed, 0);
	core_free(&core);
}

static void the_next_end_is_known(void **state)
{
	struct core core = core_new(NULL);
	struct prefix late = core_prefix("198.51.100.7"), soon = core_prefix("203.0.113.9"),
		      never = core_prefix("192.0.2.7");

	(void)state;
	assert_int_equal(engine_due_ms(core.engine), INT64_MAX);
	assert_int_equal(engine_block(core.engine, &never, 0, false, "", core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(engine_due_ms(core.engine), INT64_MAX);
	assert_int_equal(engine_block(core.engine, &late, 60000, false, "", core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(engine_block(core.engine, &soon, 5000, false, "", core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(engine_due_ms(core.engine), core.now_ms + 5000);
	engine_tick(core.engine, core.now_ms + 5000, core.actions);
	assert_int_equal(core.actions->count, 1);
	assert_int_equal(engine_due_ms(core.engine), core.now_ms + 60000);
	core_free(&core);
}

static void protection_frees_and_goes_with_its_last_reason(void **state)
{
	struct core core = core_new(NULL);
	struct prefix gateway = core_prefix("198.51.100.7");

	(void)state;
	core_scan(&core, "198.51.100.7");
	assert_int_equal(core_status(&core).veils, 1);
	engine_protect(core.engine, &gateway, PROTECT_GATEWAY, core.now_ms, core.actions);
	assert_int_equal(core.actions->count, 2);
	assert_int_equal(core.actions->items[0].type, ACTION_DELETE);
	engine_protect(core.engine, &gateway, PROTECT_RESOLVER, core.now_ms, core.actions);
	engine_protect_clear(core.engine, PROTECT_GATEWAY);
	assert_int_equal(core_explain(&core, "198.51.100.7").protect_why, PROTECT_RESOLVER);
	engine_protect_clear(core.engine, PROTECT_RESOLVER);
	assert_int_equal(core_explain(&core, "198.51.100.7").protect_why, PROTECT_NONE);
	core_free(&core);
}

static void a_refused_veil_is_forgotten_and_tried_again(void **state)
{
	struct core core = core_new(NULL);
	struct prefix source = core_prefix("198.51.100.7");
	struct probe probe = core_syn(&source.addr, 443);

	(void)state;
	core_scan(&core, "198.51.100.7");
	engine_block_failed(core.engine, &source, core.now_ms);
	assert_int_equal(core_status(&core).veils, 0);
	assert_int_equal(engine_probe(core.engine, &probe, core.now_ms, core.actions), VERDICT_VEIL);
	assert_int_equal(core_status(&core).veils, 1);
	core_free(&core);
}

static void a_refused_renewal_leaves_the_block_as_it_was(void **state)
{
	struct core core = core_new(NULL);
	struct prefix source = core_prefix("198.51.100.7");
	struct block_view had, again;

	(void)state;
	core_scan(&core, "198.51.100.7");
	had = core_explain(&core, "198.51.100.7").block;
	assert_int_equal(had.grade, GRADE_VEIL);
	core.now_ms += 1000;
	assert_int_equal(engine_block(core.engine, &source, 0, false, "enough", core.now_ms, core.actions), ENGINE_OK);
	engine_block_failed(core.engine, &source, core.now_ms);
	again = core_explain(&core, "198.51.100.7").block;
	assert_memory_equal(&again, &had, sizeof(had));
	assert_int_equal(core_status(&core).veils, 1);
	/* So it can be lifted, which reaches the kernel's element. */
	assert_int_equal(engine_unblock(core.engine, &source, core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(core.actions->items[0].type, ACTION_DELETE);
	/* A later block's refusal brings none back that was lifted, or replaced long ago. */
	core_scan(&core, "198.51.100.7");
	engine_block_failed(core.engine, &source, core.now_ms);
	assert_int_equal(core_explain(&core, "198.51.100.7").block.grade, GRADE_NONE);
	assert_int_equal(engine_block(core.engine, &source, 60000, false, "a", core.now_ms, core.actions), ENGINE_OK);
	core.now_ms += 1000;
	assert_int_equal(engine_block(core.engine, &source, 5000, false, "b", core.now_ms, core.actions), ENGINE_OK);
	core.now_ms += 6000;
	engine_tick(core.engine, core.now_ms, core.actions);
	assert_int_equal(core_explain(&core, "198.51.100.7").block.grade, GRADE_NONE);
	assert_int_equal(engine_block(core.engine, &source, 0, false, "c", core.now_ms, core.actions), ENGINE_OK);
	engine_block_failed(core.engine, &source, core.now_ms);
	assert_int_equal(core_explain(&core, "198.51.100.7").block.grade, GRADE_NONE);
	core_free(&core);
}

static void a_refused_unblock_leaves_the_block_as_it_was(void **state)
{
	struct core core = core_new(NULL);
	struct prefix source = core_prefix("198.51.100.7"), net = core_prefix("198.51.100.0/24");
	struct block_view had;

	(void)state;
	assert_int_equal(engine_block(core.engine, &source, 0, false, "enough", core.now_ms, core.actions), ENGINE_OK);
	had = core_explain(&core, "198.51.100.7").block;
	for (int by_net = 0; by_net < 2; by_net++) {
		assert_int_equal(engine_unblock(core.engine, by_net ? &net : &source, core.now_ms, core.actions),
				 ENGINE_OK);
		assert_int_equal(core_explain(&core, "198.51.100.7").block.grade, GRADE_NONE);
		engine_unblock_failed(core.engine, &source, core.now_ms);
		struct block_view again = core_explain(&core, "198.51.100.7").block;
		assert_memory_equal(&again, &had, sizeof(had));
	}
	assert_int_equal(core_status(&core).blocks, 1);
	/* What was never lifted, or is blocked anew, is none of its business. */
	engine_unblock_failed(core.engine, &net, core.now_ms);
	assert_int_equal(engine_unblock_exact(core.engine, &net, core.now_ms, core.actions), ENGINE_NOT_FOUND);
	assert_int_equal(engine_unblock_exact(core.engine, &source, core.now_ms, core.actions), ENGINE_OK);
	core_scan(&core, "198.51.100.7");
	engine_unblock_failed(core.engine, &source, core.now_ms);
	assert_int_equal(core_explain(&core, "198.51.100.7").block.grade, GRADE_VEIL);
	/* A veil whose source is known: its entry tells the same grade. */
	engine_unblock_within(core.engine, NULL, "", 0, core.now_ms, core.actions);
	engine_unblock_failed(core.engine, &source, core.now_ms);
	assert_int_equal(core_status(&core).veils, 1);
	core_free(&core);
}

static void time_never_runs_backwards(void **state)
{
	struct core core = core_new(NULL);

	(void)state;
	core_scan(&core, "198.51.100.7");
	engine_tick(core.engine, core.now_ms + 3601000, core.actions);
	assert_int_equal(core_status(&core).veils, 0);
	core.now_ms -= 86400000;
	core_scan(&core, "198.51.100.8");
	assert_int_equal(core_status(&core).veils, 1);
	engine_tick(core.engine, 0, core.actions);
	assert_int_equal(core_status(&core).veils, 1);
	core_free(&core);
}

static void unblock_within_empties_the_table(void **state)
{
	struct engine_config config;
	uint32_t cursor = 0;
	unsigned told = 0;

	(void)state;
	engine_config_defaults(&config);
	struct core core = core_new(&config);
	for (int i = 1; i <= 100; i++) {
		char text[32];

		snprintf(text, sizeof(text), "198.51.100.%d", i);
		core_scan(&core, text);
	}
	assert_int_equal(core_status(&core).veils, 100);
	do {
		cursor = engine_unblock_within(core.engine, NULL, "", cursor, core.now_ms, core.actions);
		for (size_t i = 0; i < core.actions->count; i++)
			told += core.actions->items[i].type == ACTION_EVENT;
	} while (cursor != 0);
	assert_int_equal(told, 100);
	assert_int_equal(core_status(&core).veils, 0);
	assert_int_equal(core_status(&core).sources, 0);
	core_free(&core);
}

static void pages_hold_everything_once(void **state)
{
	struct core core = core_new(NULL);
	struct source_view page[7];
	struct block_view blocks[7];
	uint32_t cursor = 0;
	size_t count, sources = 0, blocked = 0;

	(void)state;
	for (int i = 1; i <= 40; i++) {
		char text[32];

		snprintf(text, sizeof(text), "198.51.100.%d", i);
		core_scan(&core, text);
	}
	do {
		cursor = engine_sources(core.engine, cursor, core.now_ms, page, 7, &count);
		sources += count;
	} while (cursor);
	do {
		cursor = engine_blocks(core.engine, cursor, blocks, 7, &count);
		blocked += count;
	} while (cursor);
	assert_int_equal(sources, core_status(&core).sources + core_status(&core).nets);
	assert_int_equal(core_status(&core).sources, 40);
	assert_int_equal(blocked, core_status(&core).veils);
	core_free(&core);
}

static void state_survives_a_restart(void **state)
{
	struct core before = core_new(NULL), after = core_new(NULL);
	struct source_view sources[4];
	struct block_view blocks[4];
	struct explain_view a, b;
	struct addr addr = core_addr("198.51.100.7");
	size_t count;

	(void)state;
	for (uint16_t port = 1; port < 60; port++) {
		struct probe probe = core_syn(&addr, port);

		before.now_ms += 5000;
		engine_probe(before.engine, &probe, before.now_ms, before.actions);
	}
	struct probe trap = core_trap(&addr, 513);
	engine_probe(before.engine, &trap, before.now_ms, before.actions);
	engine_blocks(before.engine, 0, blocks, 4, &count);
	assert_int_equal(count, 1);
	after.now_ms = before.now_ms + 60000;
	assert_int_equal(engine_restore_block(after.engine, &blocks[0], after.now_ms), ENGINE_OK);
	engine_sources(before.engine, 0, before.now_ms, sources, 4, &count);
	assert_int_equal(count, 2); /* and its net */
	assert_int_equal(sources[1].net, 1);
	assert_int_equal(engine_restore_source(after.engine, &sources[1], after.now_ms), ENGINE_OK);
	assert_int_equal(core_status(&after).nets, 1);
	assert_int_equal(engine_restore_source(after.engine, &sources[0], after.now_ms), ENGINE_OK);
	before.now_ms = after.now_ms;
	a = core_explain(&before, "198.51.100.7");
	b = core_explain(&after, "198.51.100.7");
	assert_in_range(b.source.suspected_mn, a.source.suspected_mn - 20, a.source.suspected_mn + 20);
	assert_in_range(b.source.confirmed_mn, a.source.confirmed_mn - 5, a.source.confirmed_mn + 5);
	assert_int_equal(a.source.piece_count, b.source.piece_count);
	assert_int_equal(a.source.times, b.source.times);
	assert_int_equal(a.block.until_ms, b.block.until_ms);
	assert_string_equal(a.block.reason, b.block.reason);
	assert_int_equal(engine_restore_block(after.engine, &blocks[0], blocks[0].until_ms), ENGINE_NOT_FOUND);
	core_free(&before);
	core_free(&after);
}

static void a_clock_put_right_forgets_nothing(void **state)
{
	const int64_t ahead_ms = 400 * 86400000LL;
	struct core core = core_new(NULL);
	struct block_view block = { .source = core_prefix("198.51.100.7"), .grade = GRADE_VEIL, .times = 2 };
	struct source_view source = { .source = core_prefix("198.51.100.7"), .grade = GRADE_VEIL };
	struct explain_view view;

	(void)state;
	block.since_ms = core.now_ms + ahead_ms;
	block.until_ms = block.since_ms + 600000;
	source.first_ms = source.last_ms = source.at_ms = core.now_ms + ahead_ms;
	source.piece_count = 1;
	source.pieces[0] = (struct evidence){ .at_s = UINT32_MAX, .port = 22, .kind = EVIDENCE_SYN, .weight = 28 };
	assert_int_equal(engine_restore_block(core.engine, &block, core.now_ms), ENGINE_OK);
	assert_int_equal(engine_restore_source(core.engine, &source, core.now_ms), ENGINE_OK);
	view = core_explain(&core, "198.51.100.7");
	assert_int_equal(view.block.since_ms, core.now_ms);
	assert_int_equal(view.block.until_ms, core.now_ms + 600000);
	assert_int_equal(view.source.first_ms, core.now_ms);
	assert_int_equal(view.source.last_ms, core.now_ms);
	assert_int_equal(view.source.pieces[0].at_s, core.now_ms / 1000);
	assert_int_equal(view.source.suspected_mn, 1400);
	block.source = core_prefix("198.51.100.8");
	block.grade = GRADE_BLOCK;
	block.until_ms = core.now_ms + ahead_ms;
	assert_int_equal(engine_restore_block(core.engine, &block, core.now_ms), ENGINE_OK);
	assert_int_equal(core_explain(&core, "198.51.100.8").block.until_ms, core.now_ms + ahead_ms);
	/* Two hours are left of this one, and of that one nothing that makes sense. */
	block.source = core_prefix("198.51.100.9");
	block.since_ms = core.now_ms + ahead_ms;
	block.until_ms = block.since_ms + 7200000;
	assert_int_equal(engine_restore_block(core.engine, &block, core.now_ms), ENGINE_OK);
	assert_int_equal(core_explain(&core, "198.51.100.9").block.until_ms, core.now_ms + 7200000);
	block.source = core_prefix("198.51.100.10");
	block.since_ms = INT64_MAX;
	block.until_ms = -1;
	assert_int_equal(engine_restore_block(core.engine, &block, core.now_ms), ENGINE_INVALID);
	core_free(&core);
}

static void restore_ban(struct core *core, const struct prefix *source, uint8_t times)
{
	struct block_view ban = { .source = *source,
				  .grade = GRADE_BAN,
				  .times = times,
				  .since_ms = core->now_ms,
				  .until_ms = core->now_ms + 3600000,
				  .reason = "silent visits to 5 traps" };

	assert_int_equal(engine_restore_block(core->engine, &ban, core->now_ms), ENGINE_OK);
}

/* However many bans there are, more than the table has sources: who is new is judged. */
static void bans_leave_newcomers_their_place(void **state)
{
	enum { BANS = 5000 };
	struct engine_config config;
	struct core core;

	(void)state;
	engine_config_defaults(&config);
	config.max_sources = 1024;
	core = core_new(&config);
	for (unsigned i = 0; i < BANS; i++) {
		const uint8_t b[4] = { 100, 64, (uint8_t)(i / 256), (uint8_t)i };
		struct addr addr = addr_from_v4(b);
		struct prefix source = prefix_host(&addr);

		restore_ban(&core, &source, 1);
	}
	assert_int_equal(core_status(&core).bans, BANS);
	assert_int_equal(core_status(&core).sources, 0);
	core_scan(&core, "198.51.100.7");
	assert_int_equal(core_explain(&core, "198.51.100.7").block.grade, GRADE_VEIL);
	assert_int_equal(core_status(&core).dropped, 0);
	/* all of them end at once: what is remembered of them leaves room, too */
	core.now_ms += 3600000;
	for (int i = 0; i < BANS / 10; i++)
		engine_tick(core.engine, core.now_ms, core.actions);
	assert_int_equal(core_status(&core).bans, 0);
	core_scan(&core, "198.51.100.9");
	assert_int_equal(core_explain(&core, "198.51.100.9").block.grade, GRADE_VEIL);
	core_free(&core);
}

/* How often it was banned is known of a source of which nothing else is, while the ban stands and afterwards. */
static void a_restored_ban_is_counted(void **state)
{
	static const uint16_t traps[] = { 7, 23, 79, 111, 513 };

	(void)state;
	for (int sends_meanwhile = 0; sends_meanwhile < 2; sends_meanwhile++) {
		struct core core = core_new(NULL);
		struct prefix source = core_prefix("198.51.100.7");

		restore_ban(&core, &source, 2);
		core.now_ms += 1000;
		if (sends_meanwhile)
			core_scan(&core, "198.51.100.7");
		assert_int_equal(core_status(&core).veils, 0);
		core.now_ms += 3600000;
		engine_tick(core.engine, core.now_ms, core.actions);
		assert_int_equal(core_status(&core).bans, 0);
		assert_int_equal(core_explain(&core, "198.51.100.7").source.times, 2);
		core.now_ms += 60000;
		for (size_t i = 0; i < 5; i++) {
			struct probe trap = core_trap(&source.addr, traps[i]);

			engine_probe(core.engine, &trap, core.now_ms, core.actions);
		}
		assert_int_equal(core_explain(&core, "198.51.100.7").block.grade, GRADE_BAN);
		assert_int_equal(core_explain(&core, "198.51.100.7").block.times, 3);
		core_free(&core);
	}
}

static void untrusted_state_is_refused(void **state)
{
	struct core core = core_new(NULL);
	struct block_view block = { .source = core_prefix("198.51.100.7"),
				    .grade = GRADE_VEIL,
				    .until_ms = core.now_ms + 60000 };
	struct source_view source = { .source = core_prefix("198.51.100.7"), .grade = GRADE_WATCH };

	(void)state;
	struct block_view bad = block;
	bad.grade = GRADE_COUNT;
	assert_int_equal(engine_restore_block(core.engine, &bad, core.now_ms), ENGINE_INVALID);
	bad = block;
	bad.until_ms = 0; /* for good, without an admin's word */
	assert_int_equal(engine_restore_block(core.engine, &bad, core.now_ms), ENGINE_INVALID);
	bad = block;
	memset(bad.reason, 'x', sizeof(bad.reason));
	assert_int_equal(engine_restore_block(core.engine, &bad, core.now_ms), ENGINE_INVALID);
	bad = block;
	bad.source.len = 200;
	assert_int_equal(engine_restore_block(core.engine, &bad, core.now_ms), ENGINE_INVALID);
	bad = block;
	bad.source = core_prefix("0.0.0.0");
	bad.grade = GRADE_BLOCK;
	assert_int_equal(engine_restore_block(core.engine, &bad, core.now_ms), ENGINE_INVALID);
	bad = block;
	bad.tool = TOOL_COUNT;
	assert_int_equal(engine_restore_block(core.engine, &bad, core.now_ms), ENGINE_INVALID);
	struct source_view worse = source;
	worse.source = core_prefix("240.0.0.1");
	assert_int_equal(engine_restore_source(core.engine, &worse, core.now_ms), ENGINE_INVALID);
	worse = source;
	worse.piece_count = EVENT_PIECES_MAX + 1;
	assert_int_equal(engine_restore_source(core.engine, &worse, core.now_ms), ENGINE_INVALID);
	worse = source;
	worse.piece_count = 1;
	worse.pieces[0] = (struct evidence){ .at_s = 1, .kind = EVIDENCE_KIND_COUNT, .weight = 28 };
	assert_int_equal(engine_restore_source(core.engine, &worse, core.now_ms), ENGINE_INVALID);
	worse = source;
	worse.older[2].weight_mn = -1;
	assert_int_equal(engine_restore_source(core.engine, &worse, core.now_ms), ENGINE_INVALID);
	assert_int_equal(core_status(&core).blocks + core_status(&core).sources, 0);
	core_free(&core);
}

/* A packet that claims such an address cannot be answered, and a block of it would stop DHCP, say. */
static void nothing_is_held_against_what_is_no_source(void **state)
{
	static const char *const claimed[] = { "0.0.0.0",   "0.1.2.3",         "224.0.0.251", "239.1.1.1",
					       "240.0.0.1", "255.255.255.255", "::",          "ff02::fb" };
	struct core core = core_new(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(claimed) / sizeof(claimed[0]); i++)
		for (uint16_t port = 1; port <= 40; port++) {
			struct addr addr = core_addr(claimed[i]);
			struct probe probe = core_trap(&addr, port);

			assert_int_equal(engine_probe(core.engine, &probe, core.now_ms, core.actions), VERDICT_ACCEPT);
			assert_int_equal(core.actions->count, 0);
		}
	assert_int_equal(core_status(&core).blocks + core_status(&core).sources, 0);
	assert_int_equal(core_explain(&core, "224.0.0.251").protect_why, PROTECT_NO_SOURCE);
	core_free(&core);
}

/* Behind a translator each address is an IPv4 host of its own, and none answers for its neighbour. */
static void each_address_of_a_shared_net_is_a_source(void **state)
{
	static const struct {
		const char *guilty, *neighbour;
		unsigned len;
	} cases[] = {
		{ "64:ff9b::c633:6407", "64:ff9b::c633:6408", 128 },
		{ "64:ff9b:1::c633:6407", "64:ff9b:1::c633:6408", 128 },
		{ "64:ff9b:1:ffff:5::c633:6407", "64:ff9b:1:ffff:5::c633:6408", 128 },
		{ "2001:0:1:2::7", "2001:0:1:2::8", 128 },
		{ "64:ff9b:2::7", "64:ff9b:2::8", 64 }, /* an ordinary net */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core core = core_new(NULL);

		core_scan(&core, cases[i].guilty);
		assert_int_equal(core_status(&core).nets > 0, cases[i].len != 128);
		assert_int_equal(core_explain(&core, cases[i].guilty).block.source.len, cases[i].len);
		assert_int_equal(core_explain(&core, cases[i].neighbour).block.grade,
				 cases[i].len == 128 ? GRADE_NONE : GRADE_VEIL);
		core_free(&core);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_held_against_what_is_no_source),
		cmocka_unit_test(each_address_of_a_shared_net_is_a_source),
		cmocka_unit_test(a_veil_orders_first_and_tells_then),
		cmocka_unit_test(orders_are_refused_with_a_reason),
		cmocka_unit_test(bad_values_change_nothing),
		cmocka_unit_test(an_allowed_net_lives_as_long_as_one_of_its_reasons),
		cmocka_unit_test(the_next_end_is_known),
		cmocka_unit_test(protection_frees_and_goes_with_its_last_reason),
		cmocka_unit_test(a_refused_veil_is_forgotten_and_tried_again),
		cmocka_unit_test(a_refused_renewal_leaves_the_block_as_it_was),
		cmocka_unit_test(a_refused_unblock_leaves_the_block_as_it_was),
		cmocka_unit_test(time_never_runs_backwards),
		cmocka_unit_test(unblock_within_empties_the_table),
		cmocka_unit_test(pages_hold_everything_once),
		cmocka_unit_test(state_survives_a_restart),
		cmocka_unit_test(a_clock_put_right_forgets_nothing),
		cmocka_unit_test(untrusted_state_is_refused),
		cmocka_unit_test(bans_leave_newcomers_their_place),
		cmocka_unit_test(a_restored_ban_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
