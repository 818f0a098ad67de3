/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What time and a reload do to what the engine knows: who is forgotten when, what another half-life makes of a score,
 * how long a start excuses late packets; and that an engine that ends gives all of its memory back.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core.h"
#include "in_use.h"

#define MINUTE_MS 60000LL
#define HOUR_MS   3600000LL
#define DAY_MS    86400000LL

static const char *const one = "198.51.100.7";

/* The smallest table, which four ticks walk through. */
static struct core small_core(int64_t half_life_ms)
{
	struct engine_config config;

	engine_config_defaults(&config);
	config.max_sources = 1024;
	config.slow_half_life_ms = half_life_ms;
	return core_new(&config);
}

static void pass(struct core *core, int64_t ms)
{
	core->now_ms += ms;
	for (int i = 0; i < 8; i++)
		engine_tick(core->engine, core->now_ms, core->actions);
}

static void send_syn(struct core *core, const char *source, uint16_t port)
{
	struct addr addr = core_addr(source);
	struct probe probe = core_syn(&addr, port);

	engine_probe(core->engine, &probe, core->now_ms, core->actions);
}

static void ban(struct core *core, const char *source)
{
	static const uint16_t traps[] = { 7, 23, 79, 111, 513 };
	struct addr addr = core_addr(source);

	for (size_t i = 0; i < 5; i++) {
		struct probe probe = core_trap(&addr, traps[i]);

		engine_probe(core->engine, &probe, core->now_ms, core->actions);
	}
	assert_int_equal(core_explain(core, source).block.grade, GRADE_BAN);
}

/* 1.4 nats have faded to a tenth of one after 3.8 days; whose score fades sooner is known for a day. */
static void a_source_is_forgotten_when_its_score_has_faded(void **state)
{
	struct core core = small_core(DAY_MS);

	(void)state;
	send_syn(&core, one, 22);
	pass(&core, 3 * DAY_MS + 18 * HOUR_MS);
	assert_int_equal(core_status(&core).sources, 1);
	assert_int_equal(core_status(&core).nets, 1);
	pass(&core, 2 * HOUR_MS);
	assert_int_equal(core_status(&core).sources, 0);
	assert_int_equal(core_status(&core).nets, 0);
	core_free(&core);

	core = small_core(HOUR_MS);
	send_syn(&core, one, 22);
	pass(&core, DAY_MS);
	assert_int_equal(core_status(&core).sources, 1);
	pass(&core, 1);
	assert_int_equal(core_status(&core).sources, 0);
	core_free(&core);
}

static void how_often_one_was_banned_is_known_for_a_month(void **state)
{
	struct core core = small_core(HOUR_MS);

	(void)state;
	core.now_ms = CORE_EPOCH_MS / DAY_MS * DAY_MS + 12 * HOUR_MS;
	ban(&core, one);
	pass(&core, 30 * DAY_MS);
	assert_int_equal(core_explain(&core, one).source.times, 1);
	pass(&core, DAY_MS);
	assert_int_equal(core_explain(&core, one).source.times, 0);
	assert_int_equal(core_status(&core).sources, 0);
	core_free(&core);
}

/* As if it had always been so; the table is as large as it was at the start. */
static void another_half_life_makes_another_score(void **state)
{
	struct engine_config config;
	struct core core = small_core(DAY_MS);
	int32_t before;

	(void)state;
	send_syn(&core, one, 22);
	core.now_ms += 6 * HOUR_MS;
	before = core_explain(&core, one).source.suspected_mn;
	assert_in_range(before, 1170, 1180); /* 1.4 * 2^-.25 */
	engine_config_defaults(&config);
	config.max_sources = 4096;
	config.slow_half_life_ms = 6 * HOUR_MS;
	engine_tick(core.engine, core.now_ms, core.actions);
	engine_configure(core.engine, &config);
	assert_in_range(core_explain(&core, one).source.suspected_mn, 699, 701);
	assert_in_range(core_explain(&core, "198.51.100.0/24").source.suspected_mn, 699, 701);
	assert_int_equal(core_explain(&core, one).slow_half_life_ms, 6 * HOUR_MS);
	assert_int_equal(core_status(&core).sources_max, 1024);
	core.now_ms += 6 * HOUR_MS;
	assert_in_range(core_explain(&core, one).source.suspected_mn, 349, 351);
	core_free(&core);
}

static void a_reload_changes_thresholds_and_keys(void **state)
{
	struct engine_config config;
	struct core core = small_core(DAY_MS);

	(void)state;
	send_syn(&core, "2001:db8:1:2::7", 22);
	engine_config_defaults(&config);
	config.ipv6_prefix = 56;
	config.alert = 1;
	config.veil = 2;
	engine_configure(core.engine, &config);
	send_syn(&core, "2001:db8:1:2::7", 23);
	assert_int_equal(core_explain(&core, "2001:db8:1:2::7").source.source.len, 56);
	assert_int_equal(core_explain(&core, "2001:db8:1:2::7").source.grade, GRADE_ALERT);
	send_syn(&core, "2001:db8:1:33::7", 25);
	assert_int_equal(core_explain(&core, "2001:db8:1:2::7").block.grade, GRADE_VEIL);
	core_free(&core);
}

/* For ten minutes, packets of connections that the kernel has forgotten, and nothing else. */
static void a_start_excuses_late_packets_for_ten_minutes(void **state)
{
	static const struct {
		uint8_t flags;
		int64_t after_ms;
		bool excused;
	} cases[] = {
		{ TCP_ACK, 0, true },
		{ TCP_FIN | TCP_ACK, 0, true },
		{ TCP_SYN, 0, false },
		{ TCP_ACK, 10 * MINUTE_MS - 1, true },
		{ TCP_ACK, 10 * MINUTE_MS, false },
	};
	struct addr addr = core_addr(one);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core core = small_core(DAY_MS);

		engine_fresh_start(core.engine, core.now_ms);
		core.now_ms += cases[i].after_ms;
		for (uint16_t n = 0; n < 10; n++) {
			struct probe probe = core_syn(&addr, (uint16_t)(2000 + n));

			probe.packet.tcp_flags = cases[i].flags;
			engine_probe(core.engine, &probe, core.now_ms, core.actions);
		}
		assert_int_equal(core_status(&core).evidence_total > 0, !cases[i].excused);
		core_free(&core);
	}
}

static void live_once(void)
{
	struct core core = core_new(NULL);
	struct prefix allowed = core_prefix("2001:db8:1:2::7");

	core_scan(&core, one);
	ban(&core, "198.51.100.9");
	engine_allow(core.engine, &allowed, 0, ALLOW_ADMIN, core.now_ms, core.actions);
	core_free(&core);
}

static void an_engine_that_ends_leaves_nothing_behind(void **state)
{
	size_t before;

	(void)state;
	live_once(); /* what the C library keeps for itself */
	before = in_use();
	live_once();
	assert_int_equal(in_use(), before);
	engine_free(NULL);
}

#ifndef __SANITIZE_ADDRESS__
static rlim_t address_space(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* NULL where there is no room for so much more memory. */
static struct engine *new_within(size_t more, const struct engine_config *config)
{
	struct rlimit old, less;
	struct engine *engine;

	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	less = (struct rlimit){ .rlim_cur = address_space() + more, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_AS, &less), 0);
	engine = engine_new(config, &core_key, CORE_EPOCH_MS);
	assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
	return engine;
}

/* Whichever of its tables finds no memory: there is no engine then, and nothing is left of its other tables. */
static void an_engine_without_memory_is_none(void **state)
{
	struct engine_config config;
	struct engine *engine;
	size_t before = in_use(), refused = 0;

	(void)state;
	engine_config_defaults(&config);
	config.max_sources = 1024;
	for (size_t more = 0; (engine = new_within(more, &config)) == NULL; more += 500000) {
		assert_true(in_use() < before + (64 << 10)); /* the C library keeps small ones for itself */
		refused++;
	}
	engine_free(engine);
	assert_true(refused > 10);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_is_forgotten_when_its_score_has_faded),
		cmocka_unit_test(how_often_one_was_banned_is_known_for_a_month),
		cmocka_unit_test(another_half_life_makes_another_score),
		cmocka_unit_test(a_reload_changes_thresholds_and_keys),
		cmocka_unit_test(a_start_excuses_late_packets_for_ten_minutes),
		cmocka_unit_test(an_engine_that_ends_leaves_nothing_behind),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(an_engine_without_memory_is_none),
#endif
	};

	return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
