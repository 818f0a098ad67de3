/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Durations as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "duration.h"
#include "seed.h"

#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static void durations_are_parsed_strictly(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* 0: refused */
	} cases[] = {
		{ "90s", 90 * SECOND },
		{ "10m", 10 * MINUTE },
		{ "4h", 4 * HOUR },
		{ "7d", 7 * DAY },
		{ "2w", 14 * DAY },
		{ "1h30m", 90 * MINUTE },
		{ "500ms", 500 },
		{ "1s500ms", 1500 },
		{ "1m500ms", MINUTE + 500 },
		{ "1w2d3h4m5s6ms", 9 * DAY + 3 * HOUR + 4 * MINUTE + 5 * SECOND + 6 },
		{ "3650d", DURATION_MAX_MS },
		{ "0h5m", 5 * MINUTE },
		{ "007s", 7 * SECOND },
		{ "", 0 },
		{ "10", 0 },
		{ "m", 0 },
		{ "0s", 0 },
		{ "0h0m", 0 },
		{ "-1s", 0 },
		{ "+1s", 0 },
		{ "1.5h", 0 },
		{ " 1h", 0 },
		{ "1h ", 0 },
		{ "1 h", 0 },
		{ "1H", 0 },
		{ "1y", 0 },
		{ "1min", 0 },
		{ "30m1h", 0 },
		{ "1h1h", 0 },
		{ "1h30", 0 },
		{ "3651d", 0 },
		{ "522w", 0 },
		{ "3650d1ms", 0 },
		{ "99999999999999999999999s", 0 },
		{ "9223372036854775807ms", 0 },
		{ "1h\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms = -7;
		bool taken = duration_parse(cases[i].text, &ms);

		if (taken != (cases[i].ms != 0) || ms != (taken ? cases[i].ms : -7))
			fail_msg("'%s': %s, %lld", cases[i].text, taken ? "taken" : "refused", (long long)ms);
	}
}

static void durations_are_written_short(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "0s" },
		{ -5, "0s" },
		{ INT64_MIN, "0s" },
		{ 1, "1ms" },
		{ 999, "999ms" },
		{ 1000, "1s" },
		{ 2999, "2s" },
		{ 3 * SECOND, "3s" },
		{ 90 * SECOND, "1m30s" },
		{ 10 * MINUTE, "10m" },
		{ HOUR, "1h" },
		{ 90 * MINUTE, "1h30m" },
		{ HOUR + 5 * SECOND, "1h" },
		{ 4 * HOUR, "4h" },
		{ DAY, "1d" },
		{ 7 * DAY, "7d" },
		{ 7 * DAY - HOUR, "6d23h" },
		{ 7 * DAY - 1, "6d23h" },
		{ DURATION_MAX_MS, "3650d" },
		{ INT64_MAX, "106751991167d7h" },
	};
	char text[DURATION_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(duration_format(cases[i].ms, text), cases[i].text);
}

static void random_durations_come_back_within_their_precision(void **state)
{
	struct seed seed = seed_new("random_durations_come_back_within_their_precision");

	(void)state;
	for (int round = 0; round < 20000; round++) {
		int64_t limit = DURATION_MAX_MS >> seed_below(&seed, 30);
		int64_t ms = 1 + (int64_t)(seed_next(&seed) % (uint64_t)limit);
		char text[DURATION_TEXT_MAX];
		int64_t back;

		if (!duration_parse(duration_format(ms, text), &back))
			fail_msg("%lld: '%s'", (long long)ms, text);
		/* Never longer than it is, and short by less than the second unit. */
		assert_true(back <= ms);
		assert_true(ms - back < (ms < MINUTE ? SECOND : ms / 23 + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_parsed_strictly),
		cmocka_unit_test(durations_are_written_short),
		cmocka_unit_test(random_durations_come_back_within_their_precision),
	};

	return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
