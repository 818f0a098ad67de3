/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The families of traps: every trap of the default configuration belongs to one, and none counts twice in a day.
 */
#include "core.h"

#include "config.h"
#include "evidence/evidence.h"

static void ignore(void *context, const char *text)
{
	(void)context;
	(void)text;
}

static void every_default_trap_has_a_family(void **state)
{
	struct config *config = config_read("/dev/null", 0, ignore, NULL);
	bool proves[TRAPS_COUNT] = { false };
	unsigned proving = 0;

	(void)state;
	assert_non_null(config);
	assert_true(config->trap_tcp.count > 20);
	for (size_t i = 0; i < config->trap_tcp.count; i++) {
		for (unsigned port = config->trap_tcp.ranges[i].first; port <= config->trap_tcp.ranges[i].last;
		     port++) {
			if (trap_family((uint16_t)port) == TRAPS_NONE)
				fail_msg("port %u has no family", port);
			assert_int_equal(trap_proves((uint16_t)port), port < 1024);
			proves[trap_family((uint16_t)port)] |= port < 1024;
		}
	}
	for (int i = 0; i < TRAPS_COUNT; i++)
		proving += proves[i];
	assert_true(proving >= 15); /* far more than the five that are a ban */
	config_free(config);
}

static void what_is_no_default_trap_proves_nothing(void **state)
{
	static const uint16_t ports[] = { 0, 22, 25, 53, 80, 443, 1024, 5900, 65535 };

	(void)state;
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		assert_false(trap_proves(ports[i]));
}

static void a_family_counts_once_a_day(void **state)
{
	struct trap_families seen = { 0 };
	int64_t now_ms = CORE_EPOCH_MS, counted_ms = 0;

	(void)state;
	for (int hour = 0; hour < 24 * 10; hour++) {
		now_ms += 3600000;
		if (!trap_family_seen(&seen, TRAPS_TELNET, now_ms)) {
			assert_true(counted_ms == 0 || now_ms - counted_ms >= 24 * 3600000LL);
			counted_ms = now_ms;
			trap_family_note(&seen, TRAPS_TELNET, now_ms);
		}
		assert_false(trap_family_seen(&seen, TRAPS_FINGER, now_ms));
	}
	assert_true(now_ms - counted_ms < 49 * 3600000LL); /* it does count again */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_trap_has_a_family),
		cmocka_unit_test(what_is_no_default_trap_proves_nothing),
		cmocka_unit_test(a_family_counts_once_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
