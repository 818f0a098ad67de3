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

static bool is_default_trap(const struct config *config, unsigned port)
{
	for (size_t i = 0; i < config->trap_tcp.count; i++)
		if (port >= config->trap_tcp.ranges[i].first && port <= config->trap_tcp.ranges[i].last)
			return true;
	return false;
}

/* Wherever an admin puts a trap: a web page can lead a browser to any port that browsers do not refuse. */
static void what_is_no_default_trap_proves_nothing(void **state)
{
	struct config *config = config_read("/dev/null", 0, ignore, NULL);

	(void)state;
	assert_non_null(config);
	for (unsigned port = 0; port < 65536; port++)
		if (!is_default_trap(config, port) && trap_proves((uint16_t)port))
			fail_msg("port %u", port);
	config_free(config);
}

/* One program, or one person after one service, makes one visit of all that it tries. */
static void ports_that_are_tried_together_are_one_family(void **state)
{
	static const uint16_t families[][12] = {
		{ 1, 7, 9, 11, 13, 15, 17, 19, 37 }, /* a test of network gear */
		{ 23 },
		{ 42, 43 },
		{ 77 },
		{ 79 },
		{ 87, 95 },
		{ 101, 102, 103, 104 },
		{ 109 },
		{ 111, 2049, 4045 }, /* a mount asks the port mapper first */
		{ 115 },
		{ 117, 540 },
		{ 119, 532, 563 },
		{ 161 },
		{ 179 },
		{ 427, 548, 3659 },
		{ 512, 513, 514, 601 },
		{ 526 },
		{ 530, 531 },
		{ 554 },
		{ 556 },
		{ 1719, 1720 },
		{ 1723 },
		{ 6566 },
		{ 6665, 6666, 6667, 6668, 6669 }, /* an IRC program goes on to the next */
		{ 10080 },
	};
	unsigned seen = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		enum trap_family family = trap_family(families[i][0]);

		assert_false(seen & 1u << family);
		seen |= 1u << family;
		for (size_t k = 0; families[i][k]; k++)
			assert_int_equal(trap_family(families[i][k]), family);
	}
	assert_int_equal(seen, (1u << TRAPS_COUNT) - 2); /* each one but TRAPS_NONE */
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
		cmocka_unit_test(ports_that_are_tried_together_are_one_family),
		cmocka_unit_test(a_family_counts_once_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
