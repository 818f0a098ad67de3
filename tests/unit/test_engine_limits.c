/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine at its limits: thresholds and durations, and what an earlier run may tell, each at the limit and one
 * beyond it; and that what it told comes back as it was.
 */
#include "core.h"

#include <math.h>

#include "engine/internal.h"

static void thresholds_are_reached_exactly(void **state)
{
	struct engine_config config;
	struct score score = { .confirmed = 0 };

	(void)state;
	engine_config_defaults(&config);
	assert_true(fabs(config.alert - log(99)) < 1e-12 && fabs(config.veil - log(990)) < 1e-12);
	assert_true(fabs(config.ban - log(9900)) < 1e-12);
	assert_int_equal(policy_grade(&config, &score), GRADE_WATCH);
	for (enum grade grade = GRADE_ALERT; grade <= GRADE_BAN; grade++) {
		score.confirmed = policy_threshold(&config, grade);
		assert_int_equal(policy_grade(&config, &score), grade);
		score.confirmed = nextafter(score.confirmed, 0);
		assert_int_equal(policy_grade(&config, &score), grade - 1);
	}
	assert_true(policy_threshold(&config, GRADE_WATCH) == 0 && policy_threshold(&config, GRADE_BLOCK) == 0);
}

static void bans_double_up_to_their_longest(void **state)
{
	struct engine_config config;
	struct source source = { .times = 0 };
	const int64_t hour = 3600000, day = 24 * hour;

	(void)state;
	engine_config_defaults(&config);
	for (unsigned times = 1; times <= 8; times++)
		assert_int_equal(policy_ban_ms(&config, times), hour << (times - 1));
	assert_int_equal(policy_ban_ms(&config, 9), 7 * day);
	assert_int_equal(policy_ban_ms(&config, 255), 7 * day);
	assert_int_equal(policy_ban_ms(&config, 0), hour);
	config.ban_first_ms = config.ban_max_ms = 5;
	assert_int_equal(policy_ban_ms(&config, 3), 5);

	assert_int_equal(policy_next_times(&source, 100 * day), 1);
	source.times = 3;
	source.last_ban_day = 100;
	assert_int_equal(policy_next_times(&source, 130 * day + day - 1), 4);
	assert_int_equal(policy_next_times(&source, 131 * day), 1);
	source.times = UINT8_MAX;
	assert_int_equal(policy_next_times(&source, 100 * day), UINT8_MAX);
	source.times = UINT8_MAX - 1;
	assert_int_equal(policy_next_times(&source, 100 * day), UINT8_MAX);
}

/* Whatever comes over the wire, the engine has a configuration that it can live with. */
static void a_configuration_is_made_sane(void **state)
{
	struct engine_config config, defaults;

	(void)state;
	engine_config_defaults(&defaults);
	config = policy_sane(&defaults);
	assert_true(config.ipv6_prefix == defaults.ipv6_prefix && config.alert == defaults.alert);
	assert_true(config.veil == defaults.veil && config.ban == defaults.ban);
	assert_true(config.max_sources == defaults.max_sources && config.ban_first_ms == defaults.ban_first_ms);
	assert_true(config.ban_max_ms == defaults.ban_max_ms && config.veil_max_ms == defaults.veil_max_ms);
	assert_int_equal(config.slow_half_life_ms, defaults.slow_half_life_ms);
	config = defaults;
	config.ipv6_prefix = 47;
	config.max_sources = 1023;
	config.slow_half_life_ms = 999;
	config.veil_max_ms = config.ban_first_ms = 0;
	config.ban_max_ms = -1;
	config.alert = config.ban = 0;
	config.veil = NAN;
	config = policy_sane(&config);
	assert_true(config.ipv6_prefix == 48 && config.max_sources == 1024 && config.slow_half_life_ms == 1000);
	assert_true(config.veil_max_ms == 1 && config.ban_first_ms == 1 && config.ban_max_ms == 1);
	assert_true(config.alert == defaults.alert && config.veil == defaults.veil && config.ban == defaults.ban);
	config.ipv6_prefix = 129;
	config.max_sources = 4194305;
	config.slow_half_life_ms = config.veil_max_ms = config.ban_first_ms = config.ban_max_ms = INT64_MAX;
	config.alert = 9;
	config.veil = 8;
	config.ban = INFINITY;
	config = policy_sane(&config);
	assert_true(config.ipv6_prefix == 128 && config.max_sources == 4194304 && config.veil == 9);
	assert_true(config.ban == defaults.ban);
	assert_true(config.slow_half_life_ms < INT64_MAX && config.ban_first_ms == config.ban_max_ms);
}

/* A source as an earlier run may have told of it, with something in every field. */
static struct source_view full_view(const struct core *core)
{
	struct source_view view = { .source = core_prefix("198.51.100.7"),
				    .tool = 1,
				    .times = 3,
				    .piece_count = 2,
				    .fast_mn = 500,
				    .incident = 77,
				    .kinds = 1u << EVIDENCE_SYN,
				    .probes = 12,
				    .first_ms = core->now_ms - 90000,
				    .last_ms = core->now_ms - 30000,
				    .at_ms = core->now_ms };

	view.pieces[0] = (struct evidence){
		.at_s = (uint32_t)((core->now_ms - 30000) / 1000), .port = 23, .kind = EVIDENCE_SYN, .weight = 28
	};
	view.pieces[1] = (struct evidence){
		.at_s = (uint32_t)((core->now_ms - 60000) / 1000), .port = 513, .kind = EVIDENCE_TRAP, .weight = 20
	};
	view.older[1].kind = EVIDENCE_SYN;
	view.older[1].count = 9;
	view.older[1].weight_mn = 1500;
	return view;
}

static void a_source_comes_back_as_it_was(void **state)
{
	struct core core = core_new(NULL);
	struct source_view view = full_view(&core), again;

	(void)state;
	view.kinds |= 1u << EVIDENCE_UDP; /* of which no piece is left */
	assert_int_equal(engine_restore_source(core.engine, &view, core.now_ms), ENGINE_OK);
	again = core_explain(&core, "198.51.100.7").source;
	assert_true(again.tool == view.tool && again.times == view.times && again.piece_count == 2);
	assert_true(again.incident == 77 && again.probes == 12 && again.net == 0);
	assert_int_equal(again.kinds, 1u << EVIDENCE_SYN | 1u << EVIDENCE_TRAP | 1u << EVIDENCE_UDP);
	assert_int_equal(again.first_ms, view.first_ms);
	assert_in_range(again.last_ms, view.last_ms, view.at_ms);
	assert_memory_equal(again.pieces, view.pieces, 2 * sizeof(view.pieces[0]));
	assert_true(again.older[0].kind == EVIDENCE_SYN && again.older[0].count == 9);
	assert_in_range(again.older[0].weight_mn, 1490, 1510);
	assert_in_range(again.fast_mn, 490, 510);
	assert_true(again.confirmed_mn > 0 && again.suspected_mn > again.older[0].weight_mn);
	/* Told a second time it is no more than before, and fewer bans are not believed. */
	view.times = 2;
	assert_int_equal(engine_restore_source(core.engine, &view, core.now_ms), ENGINE_OK);
	assert_int_equal(core_explain(&core, "198.51.100.7").source.times, 3);
	assert_int_equal(core_explain(&core, "198.51.100.7").source.suspected_mn, again.suspected_mn);
	assert_int_equal(core_status(&core).sources, 1);
	core_free(&core);
}

static unsigned alerts_by(struct core *core, uint16_t port)
{
	struct addr addr = core_addr("198.51.100.7");
	struct probe probe = core_syn(&addr, port);
	unsigned alerts = 0;

	engine_probe(core->engine, &probe, core->now_ms, core->actions);
	for (size_t i = 0; i < core->actions->count; i++)
		alerts += core->actions->items[i].type == ACTION_EVENT &&
			  core->actions->items[i].event.type == EVENT_ALERT;
	return alerts;
}

/* Four SYNs are an alert: whoever was above it before the restart is told of no second time, whoever was below, is. */
static void an_alert_is_told_once_whatever_happens_between(void **state)
{
	(void)state;
	for (uint16_t before = 1; before <= 4; before++) {
		struct core core = core_new(NULL), later = core_new(NULL);
		unsigned alerts = 0;

		for (uint16_t i = 0; i < before; i++)
			alerts += alerts_by(&core, (uint16_t)(110 + i));
		struct source_view view = core_explain(&core, "198.51.100.7").source;
		assert_int_equal(engine_restore_source(later.engine, &view, later.now_ms), ENGINE_OK);
		assert_int_equal(core_explain(&later, "198.51.100.7").source.grade,
				 before < 4 ? GRADE_WATCH : GRADE_ALERT);
		for (uint16_t i = before; i < 5; i++)
			alerts += alerts_by(&later, (uint16_t)(110 + i));
		assert_int_equal(alerts, before < 5);
		core_free(&core);
		core_free(&later);
	}
}

/* A ban that is restored beside its source: the next one is longer; and a visit weighs no more than today's do. */
static void a_ban_and_its_source_come_back_together(void **state)
{
	struct core core = core_new(NULL);
	struct source_view view = full_view(&core);
	struct block_view ban = { .source = view.source,
				  .grade = GRADE_BAN,
				  .times = 5,
				  .incident = 900,
				  .since_ms = core.now_ms - 1000,
				  .until_ms = core.now_ms + 60000 };

	(void)state;
	view.pieces[1].weight = 94;
	view.pieces[1].at_s = (uint32_t)(core.now_ms / 1000);
	assert_int_equal(engine_restore_source(core.engine, &view, core.now_ms), ENGINE_OK);
	assert_int_equal(core_explain(&core, "198.51.100.7").source.pieces[1].weight, 45);
	assert_int_equal(core_explain(&core, "198.51.100.7").source.confirmed_mn, 2250);
	assert_int_equal(engine_restore_block(core.engine, &ban, core.now_ms), ENGINE_OK);
	assert_int_equal(core_explain(&core, "198.51.100.7").source.times, 5);
	assert_int_equal(core_explain(&core, "198.51.100.7").source.incident, 77);
	/* Incidents go on above the highest that was told. */
	core_scan(&core, "203.0.113.7");
	assert_int_equal(core_explain(&core, "203.0.113.7").source.incident, 901);
	core_free(&core);
}

static void incidents_are_numbered_for_ever(void **state)
{
	struct incidents *incidents = calloc(1, sizeof(*incidents));

	(void)state;
	assert_non_null(incidents);
	assert_int_equal(incidents_begin(incidents), 1);
	incidents_taken(incidents, UINT32_MAX / 2); /* from a damaged file: it would leave no numbers */
	assert_int_equal(incidents_begin(incidents), 2);
	incidents_taken(incidents, UINT32_MAX / 2 - 1);
	assert_int_equal(incidents_begin(incidents), UINT32_MAX / 2);
	incidents_taken(incidents, 7);
	assert_int_equal(incidents_begin(incidents), UINT32_MAX / 2 + 1);
	incidents->last = UINT32_MAX - 1;
	assert_int_equal(incidents_begin(incidents), UINT32_MAX);
	assert_int_equal(incidents_begin(incidents), 1); /* 0 is none */
	free(incidents);
}

/* A clock that was ahead: what lies in the future happened now. */
static void nothing_lies_in_the_future(void **state)
{
	struct core core = core_new(NULL);
	struct source_view view = full_view(&core);

	(void)state;
	view.first_ms = view.last_ms = view.at_ms = core.now_ms + 86400000;
	view.pieces[0].at_s += 86400;
	assert_int_equal(engine_restore_source(core.engine, &view, core.now_ms), ENGINE_OK);
	view = core_explain(&core, "198.51.100.7").source;
	assert_int_equal(view.pieces[0].at_s, core.now_ms / 1000);
	assert_true(view.first_ms <= core.now_ms && view.last_ms <= core.now_ms && view.at_ms <= core.now_ms);
	core_free(&core);
}

#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		struct source_view view = full_view(&core);                                                            \
		change;                                                                                                \
		assert_int_equal(engine_restore_source(core.engine, &view, core.now_ms), ENGINE_INVALID);              \
		assert_int_equal(core_status(&core).sources + core_status(&core).nets, 0);                             \
	} while (0)

static void each_field_of_a_source_is_checked(void **state)
{
	struct core core = core_new(NULL);

	(void)state;
	REFUSED(view.source = core_prefix("2001:db8::/39"));
	REFUSED(view.source = core_prefix("224.0.0.1"));
	REFUSED(view.net = 5);
	REFUSED(view.net = 1); /* of a single address */
	REFUSED(view.tool = TOOL_COUNT);
	REFUSED(view.piece_count = EVENT_PIECES_MAX + 1);
	REFUSED(view.kinds = 1);
	REFUSED(view.kinds = 1u << EVIDENCE_KIND_COUNT);
	REFUSED(view.first_ms = -1);
	REFUSED(view.last_ms = -1);
	REFUSED(view.at_ms = -1);
	REFUSED(view.fast_mn = -1);
	REFUSED(view.fast_mn = 100000001);
	REFUSED(view.pieces[1].kind = EVIDENCE_NONE);
	REFUSED(view.pieces[1].kind = EVIDENCE_KIND_COUNT);
	REFUSED(view.pieces[1].weight = 95);
	REFUSED(view.older[3].kind = EVIDENCE_KIND_COUNT);
	REFUSED(view.older[3].weight_mn = -1);
	REFUSED(view.older[3].weight_mn = 100000001);
	core_free(&core);
}

static void each_field_at_its_limit_is_good(void **state)
{
	struct core core = core_new(NULL);
	struct source_view view = full_view(&core);

	(void)state;
	view.tool = TOOL_COUNT - 1;
	view.piece_count = EVENT_PIECES_MAX;
	for (int i = 0; i < EVENT_PIECES_MAX; i++)
		view.pieces[i] = (struct evidence){ .at_s = 1, .kind = EVIDENCE_KIND_COUNT - 1, .weight = 94 };
	view.fast_mn = view.older[3].weight_mn = 100000000;
	view.older[3].kind = EVIDENCE_KIND_COUNT - 1;
	view.first_ms = view.last_ms = view.at_ms = 0;
	assert_int_equal(engine_restore_source(core.engine, &view, core.now_ms), ENGINE_OK);
	view.source = core_prefix("2001:db8::/40");
	view.net = 4;
	assert_int_equal(engine_restore_source(core.engine, &view, core.now_ms), ENGINE_OK);
	assert_true(core_status(&core).sources == 1 && core_status(&core).nets == 1);
	core_free(&core);
}

static enum engine_result restore(struct core *core, struct block_view block)
{
	return engine_restore_block(core->engine, &block, core->now_ms);
}

static void each_field_of_a_block_is_checked(void **state)
{
	struct core core = core_new(NULL);
	const struct block_view good = { .source = core_prefix("198.51.100.7"),
					 .grade = GRADE_BAN,
					 .since_ms = core.now_ms - 1000,
					 .until_ms = core.now_ms + 60000,
					 .reason = "a test" };
	struct block_view bad = good;

	(void)state;
	bad.grade = GRADE_WATCH;
	assert_int_equal(restore(&core, bad), ENGINE_INVALID);
	bad = good;
	bad.since_ms = -1;
	assert_int_equal(restore(&core, bad), ENGINE_INVALID);
	bad = good;
	bad.until_ms = -1;
	assert_int_equal(restore(&core, bad), ENGINE_INVALID);
	bad = good;
	bad.kinds = 1u << EVIDENCE_KIND_COUNT;
	assert_int_equal(restore(&core, bad), ENGINE_INVALID);
	bad = good;
	bad.source = core_prefix("2001:db8::/39");
	assert_int_equal(restore(&core, bad), ENGINE_INVALID);
	bad.grade = GRADE_BLOCK;
	assert_int_equal(restore(&core, bad), ENGINE_OK);
	bad = good;
	bad.until_ms = core.now_ms;
	assert_int_equal(restore(&core, bad), ENGINE_NOT_FOUND);
	bad.until_ms = core.now_ms + 1;
	assert_int_equal(restore(&core, bad), ENGINE_OK);
	/* No longer than one of its grade may, and for good by an admin's word alone. */
	bad = good;
	bad.until_ms = core.now_ms + 30 * 86400000LL;
	assert_int_equal(restore(&core, bad), ENGINE_OK);
	assert_int_equal(core_explain(&core, "198.51.100.7").block.until_ms, core.now_ms + 7 * 86400000LL);
	bad.source = core_prefix("198.51.100.8");
	bad.grade = GRADE_VEIL;
	assert_int_equal(restore(&core, bad), ENGINE_OK);
	assert_int_equal(core_explain(&core, "198.51.100.8").block.until_ms, core.now_ms + 3600000);
	bad.source = core_prefix("198.51.100.9");
	bad.grade = GRADE_BLOCK;
	bad.until_ms = 0;
	assert_int_equal(restore(&core, bad), ENGINE_OK);
	assert_int_equal(core_explain(&core, "198.51.100.9").block.until_ms, 0);
	/* From the future: it begins now, and lasts as long as it was meant to. */
	bad.source = core_prefix("198.51.100.10");
	bad.since_ms = core.now_ms + 500000;
	bad.until_ms = core.now_ms + 560000;
	assert_int_equal(restore(&core, bad), ENGINE_OK);
	assert_int_equal(core_explain(&core, "198.51.100.10").block.until_ms, core.now_ms + 60000);
	assert_int_equal(core_explain(&core, "198.51.100.10").block.since_ms, core.now_ms);
	core_free(&core);
}

static void what_must_be_left_alone_is_not_restored(void **state)
{
	struct core core = core_new(NULL);
	struct prefix allowed = core_prefix("192.0.2.0/24"), guarded = core_prefix("2001:db8:1:2::5");
	struct block_view block = { .source = core_prefix("192.0.2.9"),
				    .grade = GRADE_BAN,
				    .until_ms = core.now_ms + 60000 };

	(void)state;
	assert_int_equal(engine_allow(core.engine, &allowed, 0, ALLOW_CONFIG, core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(restore(&core, block), ENGINE_ALLOWED);
	engine_protect(core.engine, &guarded, PROTECT_GATEWAY, core.now_ms, core.actions);
	block.source = guarded;
	assert_int_equal(restore(&core, block), ENGINE_PROTECTED);
	block.source = core_prefix("2001:db8:1:2::/64");
	assert_int_equal(restore(&core, block), ENGINE_PROTECTED);
	block.grade = GRADE_BLOCK;
	assert_int_equal(restore(&core, block), ENGINE_OK);
	core_free(&core);
}

/* From the kernel's list: for what is left of the day, and for no day longer. */
static void an_exemption_comes_back(void **state)
{
	struct core core = core_new(NULL);
	const struct prefix host = core_prefix("198.51.100.7"), other = core_prefix("198.51.100.8"),
			    net = core_prefix("2001:db8:1:2::/64"), inside = core_prefix("2001:db8:1:2::5");
	const int64_t now = core.now_ms, day = 86400000;

	(void)state;
	engine_restore_exempt(core.engine, &host, now + 5000, now);
	engine_restore_exempt(core.engine, &net, now + 2 * day, now);
	engine_restore_exempt(core.engine, &other, now, now);
	assert_int_equal(engine_exempt_until(core.engine, &host), now + 5000);
	assert_int_equal(engine_exempt_until(core.engine, &inside), now + day);
	assert_int_equal(engine_exempt_until(core.engine, &other), 0);
	engine_exempt_failed(core.engine, &net);
	assert_int_equal(engine_exempt_until(core.engine, &inside), 0);
	engine_exempt_failed(core.engine, &other);
	engine_restore_exempt(core.engine, &other, now + 9000, now + 4999);
	assert_int_equal(engine_exempt_until(core.engine, &host), now + 5000);
	engine_restore_exempt(core.engine, &other, now + 9000, now + 5000);
	assert_int_equal(engine_exempt_until(core.engine, &host), 0);
	assert_int_equal(engine_exempt_until(core.engine, &other), now + 9000);
	core_free(&core);
}

static void exemptions_are_bounded(void **state)
{
	struct core core = core_new(NULL);
	struct block_view net = { .source = core_prefix("198.51.100.0/24"), .grade = GRADE_VEIL };
	struct prefix host = core_prefix("198.51.100.7"), other = core_prefix("10.0.0.0");
	const int64_t until_ms = core.now_ms + 60000;

	(void)state;
	net.since_ms = core.now_ms;
	net.until_ms = core.now_ms + 600000;
	assert_int_equal(engine_restore_block(core.engine, &net, core.now_ms), ENGINE_OK);
	for (unsigned i = 0; i + 1 < ENGINE_EXEMPT_MAX; i++) {
		other.addr.b[14] = (uint8_t)(i >> 8);
		other.addr.b[15] = (uint8_t)i;
		engine_restore_exempt(core.engine, &other, until_ms, core.now_ms);
	}
	assert_int_equal(engine_unblock(core.engine, &host, core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(core_status(&core).exempt, ENGINE_EXEMPT_MAX);
	host = core_prefix("198.51.100.8");
	assert_int_equal(engine_unblock(core.engine, &host, core.now_ms, core.actions), ENGINE_FULL);
	assert_int_equal(core_status(&core).exempt, ENGINE_EXEMPT_MAX);
	/* Those that are over make room. */
	assert_int_equal(engine_unblock(core.engine, &host, until_ms, core.actions), ENGINE_OK);
	assert_int_equal(core_status(&core).exempt, 2);
	core_free(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thresholds_are_reached_exactly),
		cmocka_unit_test(bans_double_up_to_their_longest),
		cmocka_unit_test(a_configuration_is_made_sane),
		cmocka_unit_test(a_source_comes_back_as_it_was),
		cmocka_unit_test(an_alert_is_told_once_whatever_happens_between),
		cmocka_unit_test(a_ban_and_its_source_come_back_together),
		cmocka_unit_test(incidents_are_numbered_for_ever),
		cmocka_unit_test(nothing_lies_in_the_future),
		cmocka_unit_test(each_field_of_a_source_is_checked),
		cmocka_unit_test(each_field_at_its_limit_is_good),
		cmocka_unit_test(each_field_of_a_block_is_checked),
		cmocka_unit_test(what_must_be_left_alone_is_not_restored),
		cmocka_unit_test(an_exemption_comes_back),
		cmocka_unit_test(exemptions_are_bounded),
	};

	return cmocka_run_group_tests_name("limits of the engine", tests, NULL, NULL);
}
