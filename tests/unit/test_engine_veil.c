/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a veil: when it begins, how long it stands with and without further evidence, what the kernel is told and
 * how seldom, who gives way in a full table, and what a ban and an admin's block do to it.
 */
#include "core.h"

#define MINUTE_MS 60000
#define HOUR_MS   3600000

static const char *const scanner = "198.51.100.7";

/* Orders of one type and grade, and events of one type, that ticking until then brings. */
struct told {
	unsigned added[GRADE_COUNT], deleted[GRADE_COUNT], events[EVENT_TYPE_COUNT];
	int64_t added_for_ms; /* of the last addition */
};

static void take(const struct core *core, struct told *told)
{
	for (size_t i = 0; i < core->actions->count; i++) {
		const struct action *action = &core->actions->items[i];

		told->added[action->grade] += action->type == ACTION_ADD;
		told->deleted[action->grade] += action->type == ACTION_DELETE;
		told->events[action->event.type] += action->type == ACTION_EVENT;
		if (action->type == ACTION_ADD)
			told->added_for_ms = action->duration_ms;
	}
}

static struct told tick_for(struct core *core, int64_t duration_ms)
{
	struct told told = { .added = { 0 } };

	for (int64_t end_ms = core->now_ms + duration_ms; core->now_ms < end_ms;) {
		core->now_ms += 1000;
		engine_tick(core->engine, core->now_ms, core->actions);
		take(core, &told);
	}
	return told;
}

static struct told send_syn(struct core *core, const char *source, uint16_t port)
{
	struct addr addr = core_addr(source);
	struct probe probe = core_syn(&addr, port);
	struct told told = { .added = { 0 } };

	engine_probe(core->engine, &probe, core->now_ms, core->actions);
	take(core, &told);
	return told;
}

static enum grade grade_of(const struct core *core, const char *source)
{
	return (enum grade)core_explain(core, source).block.grade;
}

static void the_kernel_hears_of_alert_and_veil(void **state)
{
	struct core core = core_new(NULL);
	struct told told = { .added = { 0 } };
	uint16_t port = 21;

	(void)state;
	for (; told.added[GRADE_ALERT] == 0; port++) {
		assert_true(port < 40);
		told = send_syn(&core, scanner, port);
	}
	assert_int_equal(told.events[EVENT_ALERT], 1);
	assert_int_equal(core_status(&core).alerted, 1);
	assert_int_equal(grade_of(&core, scanner), GRADE_NONE); /* an alert does nothing to a source */
	for (; told.added[GRADE_VEIL] == 0; port++) {
		assert_true(port < 40);
		told = send_syn(&core, scanner, port);
	}
	assert_int_equal(told.events[EVENT_VEIL], 1);
	assert_true(told.added_for_ms >= HOUR_MS); /* the kernel's element never ends before the veil */
	assert_int_equal(grade_of(&core, scanner), GRADE_VEIL);
	assert_int_equal(core_status(&core).alerted, 0);
	core_free(&core);
}

static void it_ends_an_hour_after_the_last_evidence(void **state)
{
	struct engine_config config;
	struct told told;

	(void)state;
	engine_config_defaults(&config);
	config.slow_half_life_ms = 100LL * 24 * HOUR_MS; /* the score alone would keep it up */
	struct core core = core_new(&config);
	core_scan(&core, scanner);
	tick_for(&core, 50 * MINUTE_MS);
	send_syn(&core, scanner, 79);
	told = tick_for(&core, 59 * MINUTE_MS);
	assert_int_equal(told.events[EVENT_EXPIRE], 0);
	assert_int_equal(grade_of(&core, scanner), GRADE_VEIL);
	assert_int_equal(told.added[GRADE_VEIL], 1); /* one renewal an hour */
	told = tick_for(&core, 2 * MINUTE_MS);
	assert_int_equal(told.events[EVENT_EXPIRE], 1);
	assert_int_equal(told.deleted[GRADE_VEIL], 1);
	assert_int_equal(grade_of(&core, scanner), GRADE_NONE);
	core_free(&core);
}

static void it_ends_when_the_score_has_faded_but_not_before_ten_minutes(void **state)
{
	struct engine_config config;
	struct told told;

	(void)state;
	engine_config_defaults(&config);
	config.slow_half_life_ms = MINUTE_MS;
	struct core core = core_new(&config);
	core_scan(&core, scanner);
	assert_int_equal(grade_of(&core, scanner), GRADE_VEIL);
	told = tick_for(&core, 9 * MINUTE_MS);
	assert_int_equal(told.events[EVENT_EXPIRE], 0);
	told = tick_for(&core, 2 * MINUTE_MS);
	assert_int_equal(told.events[EVENT_EXPIRE], 1);
	core_free(&core);
}

/* 7.0 nats fall below the threshold of 6.9 after half an hour: from a veil to an alert, and to nothing after the hour
 * that a veil lasts. */
static void a_veil_that_fades_is_an_alert_for_the_rest_of_its_time(void **state)
{
	struct core core = core_new(NULL);
	struct told told;

	(void)state;
	core_scan(&core, scanner);
	told = tick_for(&core, 30 * MINUTE_MS);
	assert_int_equal(told.events[EVENT_EXPIRE] + told.added[GRADE_ALERT], 0);
	told = tick_for(&core, 3 * MINUTE_MS);
	assert_int_equal(told.events[EVENT_EXPIRE], 1);
	assert_int_equal(told.added[GRADE_ALERT], 1);
	assert_true(told.added_for_ms >= 27 * MINUTE_MS && told.added_for_ms <= 40 * MINUTE_MS);
	assert_int_equal(told.deleted[GRADE_VEIL], 0); /* the alert takes its place */
	assert_int_equal(core_status(&core).veils, 0);
	assert_int_equal(core_status(&core).alerted, 1);
	assert_int_equal(core_status(&core).expiries, 1);
	told = tick_for(&core, 26 * MINUTE_MS);
	assert_int_equal(told.deleted[GRADE_ALERT], 0);
	told = tick_for(&core, 2 * MINUTE_MS);
	assert_int_equal(told.deleted[GRADE_ALERT], 1);
	assert_int_equal(told.events[EVENT_EXPIRE], 0); /* its end is no news */
	assert_int_equal(core_status(&core).alerted, 0);
	assert_int_equal(core_status(&core).expiries, 1);
	core_free(&core);
}

/* The kernel's set has no room for a ban: the veil with the lowest score is over, and nobody is told. */
static void a_veil_makes_way_for_a_ban(void **state)
{
	struct core core = core_new(NULL);
	struct prefix banned = core_prefix("203.0.113.1"), net = core_prefix("2001:db8::/48"), gone;

	(void)state;
	assert_false(engine_make_way(core.engine, &banned, core.now_ms, &gone));
	core_scan(&core, "198.51.100.8");
	send_syn(&core, "198.51.100.8", 79);
	core_scan(&core, scanner);
	assert_false(engine_make_way(core.engine, &net, core.now_ms, &gone));
	assert_int_equal(core_status(&core).veils, 2);
	assert_true(engine_make_way(core.engine, &banned, core.now_ms, &gone));
	assert_int_equal(gone.addr.b[15], 7);
	assert_int_equal(grade_of(&core, scanner), GRADE_NONE);
	assert_int_equal(core_explain(&core, scanner).source.grade, GRADE_ALERT);
	assert_int_equal(grade_of(&core, "198.51.100.8"), GRADE_VEIL);
	assert_int_equal(core_status(&core).gave_way, 1);
	/* And it is veiled again by its next probe. */
	assert_int_equal(send_syn(&core, scanner, 79).added[GRADE_VEIL], 1);
	core_free(&core);
}

/* A set of the kernel that holds one veil: the higher score stands in it, and both are counted. */
static void in_a_full_set_the_higher_score_stands(void **state)
{
	const struct engine_room room = { .alerts = 10, .veils = 1, .rare_alerts = 1, .rare_veils = 1 };
	struct core core = core_new(NULL);
	struct told told;

	(void)state;
	engine_set_room(core.engine, &room);
	assert_int_equal(core_status(&core).veils_max, 1);
	core_scan(&core, scanner);
	core_scan(&core, "198.51.100.8"); /* as high: no reason to give way */
	assert_int_equal(grade_of(&core, scanner), GRADE_VEIL);
	assert_int_equal(core_status(&core).veils_refused, 1);
	assert_int_equal(core_status(&core).gave_way, 0);
	told = send_syn(&core, "198.51.100.8", 79);
	assert_int_equal(told.deleted[GRADE_VEIL], 1);
	assert_int_equal(told.added[GRADE_VEIL], 1);
	assert_int_equal(told.events[EVENT_UNBLOCK], 1);
	assert_string_equal(core.actions->items[1].event.text, "gave way to a higher score");
	assert_int_equal(grade_of(&core, scanner), GRADE_NONE);
	assert_int_equal(grade_of(&core, "198.51.100.8"), GRADE_VEIL);
	assert_int_equal(core_status(&core).gave_way, 1);
	core_free(&core);
}

/* What is no SYN and no datagram, and proves nothing, passes a veil: a veil hides ports.  Nothing passes a ban. */
static void a_veil_drops_no_neighbours_routing(void **state)
{
	static const uint16_t traps[] = { 7, 23, 79, 111, 513 };
	struct core core = core_new(NULL);
	struct addr addr = core_addr(scanner);
	struct probe routing = core_syn(&addr, 0), unknown, rst = core_syn(&addr, 99);

	(void)state;
	routing.packet.protocol = 89;
	routing.packet.payload_len = 44;
	unknown = routing;
	unknown.packet.protocol = 33;
	rst.packet.tcp_flags = TCP_RST;
	core_scan(&core, scanner);
	assert_int_equal(engine_probe(core.engine, &routing, core.now_ms, core.actions), VERDICT_ACCEPT);
	assert_int_equal(engine_probe(core.engine, &unknown, core.now_ms, core.actions), VERDICT_VEIL);
	assert_int_equal(engine_probe(core.engine, &rst, core.now_ms, core.actions), VERDICT_VEIL);
	for (size_t i = 0; i < 5; i++) {
		struct probe visit = core_trap(&addr, traps[i]);

		engine_probe(core.engine, &visit, core.now_ms, core.actions);
	}
	assert_int_equal(grade_of(&core, scanner), GRADE_BAN);
	assert_int_equal(engine_probe(core.engine, &routing, core.now_ms, core.actions), VERDICT_DROP);
	core_free(&core);
}

static void evidence_in_its_name_costs_no_order_to_the_kernel(void **state)
{
	struct core core = core_new(NULL);
	struct told told;
	unsigned added = 0;

	(void)state;
	core_scan(&core, scanner);
	for (unsigned i = 0; i < 10000; i++) {
		core.now_ms += 10;
		told = send_syn(&core, scanner, (uint16_t)(1000 + i));
		added += told.added[GRADE_VEIL] + told.events[EVENT_VEIL];
	}
	assert_int_equal(added, 0);
	core_free(&core);
}

/* A name from a net of its own each time. */
static struct probe forged(unsigned i, uint16_t port)
{
	uint8_t bytes[4] = { 100, (uint8_t)(64 + (i >> 16)), (uint8_t)(i >> 8), (uint8_t)i };
	struct addr addr = addr_from_v4(bytes);

	return core_syn(&addr, port);
}

static void tens_of_thousands_are_veiled_and_the_highest_stay(void **state)
{
	static const uint16_t ports[] = { 21, 22, 23, 111, 113, 79 };
	struct engine_config config;
	struct probe probe;

	(void)state;
	engine_config_defaults(&config);
	config.max_sources = 262144;
	struct core core = core_new(&config);
	for (unsigned i = 0; i < ENGINE_VEILS_MAX + 2000; i++) {
		for (unsigned n = 0; n < 5; n++) {
			probe = forged(i, ports[n]);
			engine_probe(core.engine, &probe, core.now_ms, core.actions);
		}
	}
	assert_true(core_status(&core).veils + core_status(&core).alerted <= ENGINE_VEILS_MAX);
	assert_true(core_status(&core).veils > ENGINE_VEILS_MAX - 100);
	assert_true(core_status(&core).veils_refused > 0);
	/* Who does more than the crowd finds a place, and an admin's word always does. */
	core_scan(&core, scanner);
	send_syn(&core, scanner, 79);
	assert_int_equal(grade_of(&core, scanner), GRADE_VEIL);
	struct prefix source = core_prefix("203.0.113.9");
	assert_int_equal(engine_block(core.engine, &source, 0, false, "", core.now_ms, core.actions), ENGINE_OK);
	core_free(&core);
}

static void a_flood_of_veiled_names_does_not_blind(void **state)
{
	static const uint16_t ports[] = { 21, 22, 23, 111, 113 };
	struct engine_config config;
	struct probe probe;

	(void)state;
	engine_config_defaults(&config);
	config.max_sources = 4096;
	struct core core = core_new(&config);
	for (unsigned i = 0; i < 40000; i++) {
		probe = forged(i, ports[i % 5]);
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
		for (unsigned n = 0; n < 5; n++) {
			probe = forged(i, ports[n]);
			engine_probe(core.engine, &probe, core.now_ms, core.actions);
		}
	}
	core_scan(&core, scanner);
	assert_int_equal(grade_of(&core, scanner), GRADE_VEIL);
	core_free(&core);
}

static void verdicts_follow_the_strictest(void **state)
{
	struct core core = core_new(NULL);
	struct addr addr = core_addr(scanner);
	struct probe probe = core_syn(&addr, 4000);
	struct prefix net = core_prefix("198.51.100.0/24"), host = prefix_host(&addr);

	(void)state;
	assert_int_equal(engine_probe(core.engine, &probe, core.now_ms, core.actions), VERDICT_ACCEPT);
	core_scan(&core, scanner);
	assert_int_equal(engine_probe(core.engine, &probe, core.now_ms, core.actions), VERDICT_VEIL);
	assert_int_equal(engine_block(core.engine, &net, 0, false, "", core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(engine_probe(core.engine, &probe, core.now_ms, core.actions), VERDICT_DROP);
	assert_int_equal(grade_of(&core, scanner), GRADE_BLOCK);
	assert_int_equal(engine_unblock_exact(core.engine, &net, core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(engine_probe(core.engine, &probe, core.now_ms, core.actions), VERDICT_VEIL);
	assert_int_equal(engine_unblock(core.engine, &host, core.now_ms, core.actions), ENGINE_OK);
	assert_int_equal(engine_probe(core.engine, &probe, core.now_ms, core.actions), VERDICT_ACCEPT);
	core_free(&core);
}

static void a_restored_veil_ends_in_its_time(void **state)
{
	struct core core = core_new(NULL);
	struct block_view view = { .source = core_prefix(scanner),
				   .grade = GRADE_VEIL,
				   .since_ms = CORE_EPOCH_MS - HOUR_MS / 2,
				   .until_ms = CORE_EPOCH_MS + HOUR_MS / 2,
				   .reason = "SYN scan" };
	struct told told;

	(void)state;
	assert_int_equal(engine_restore_block(core.engine, &view, core.now_ms), ENGINE_OK);
	told = tick_for(&core, 29 * MINUTE_MS);
	assert_int_equal(told.events[EVENT_EXPIRE], 0);
	assert_int_equal(told.added[GRADE_VEIL],
			 1); /* the kernel's element stood until the very end: a little longer now */
	told = tick_for(&core, 2 * MINUTE_MS);
	assert_int_equal(told.events[EVENT_EXPIRE], 1);
	core_free(&core);
}

static void a_running_session_excuses_a_few_closed_ports(void **state)
{
	struct core core = core_new(NULL);
	struct addr addr = core_addr(scanner);
	unsigned probes = 0;

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		struct probe probe = core_syn(&addr, (uint16_t)(40000 + i));

		probe.kin = 1;
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
		engine_probe(core.engine, &probe, core.now_ms, core.actions); /* the same again is nothing new */
		core.now_ms += 30000;
	}
	assert_int_equal(core_status(&core).evidence_total, 0);
	while (grade_of(&core, scanner) < GRADE_VEIL) {
		struct probe probe = core_syn(&addr, (uint16_t)(50000 + probes));

		probe.kin = 1;
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
		assert_true(probes++ < 20);
		core.now_ms += 30000;
	}
	core_free(&core);
}

static void no_more_than_three_of_kin_a_minute(void **state)
{
	struct core core = core_new(NULL);
	struct addr addr = core_addr(scanner);

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct probe probe = core_syn(&addr, (uint16_t)(40000 + i));

		probe.kin = 1;
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
	}
	assert_int_equal(core_status(&core).evidence_total, 3);
	core_free(&core);
}

static void late_packets_after_a_start_are_excused(void **state)
{
	struct core core = core_new(NULL);
	struct addr addr = core_addr(scanner);

	(void)state;
	engine_fresh_start(core.engine, core.now_ms);
	for (unsigned i = 0; i < 26; i++) {
		struct probe probe = core_syn(&addr, (uint16_t)(40000 + i));

		probe.packet.tcp_flags = TCP_ACK;
		engine_probe(core.engine, &probe, core.now_ms, core.actions);
	}
	assert_int_equal(core_status(&core).evidence_total, 6); /* twenty of a source */
	core_free(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_hears_of_alert_and_veil),
		cmocka_unit_test(it_ends_an_hour_after_the_last_evidence),
		cmocka_unit_test(it_ends_when_the_score_has_faded_but_not_before_ten_minutes),
		cmocka_unit_test(a_veil_that_fades_is_an_alert_for_the_rest_of_its_time),
		cmocka_unit_test(a_veil_makes_way_for_a_ban),
		cmocka_unit_test(in_a_full_set_the_higher_score_stands),
		cmocka_unit_test(a_veil_drops_no_neighbours_routing),
		cmocka_unit_test(evidence_in_its_name_costs_no_order_to_the_kernel),
		cmocka_unit_test(tens_of_thousands_are_veiled_and_the_highest_stay),
		cmocka_unit_test(a_flood_of_veiled_names_does_not_blind),
		cmocka_unit_test(verdicts_follow_the_strictest),
		cmocka_unit_test(a_restored_veil_ends_in_its_time),
		cmocka_unit_test(a_running_session_excuses_a_few_closed_ports),
		cmocka_unit_test(no_more_than_three_of_kin_a_minute),
		cmocka_unit_test(late_packets_after_a_start_are_excused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
