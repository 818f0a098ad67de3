/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ranges of ports: both ends belong to a range, merging keeps the ports and touches the ends of the number space.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ports.h"
#include "seed.h"

static void both_ends_are_inside(void **state)
{
	const struct port_range ranges[] = { { 20, 22 }, { 80, 80 }, { 65000, 65535 } };

	(void)state;
	assert_false(ports_contain(ranges, 3, 19));
	assert_true(ports_contain(ranges, 3, 20));
	assert_true(ports_contain(ranges, 3, 22));
	assert_false(ports_contain(ranges, 3, 23));
	assert_true(ports_contain(ranges, 3, 80));
	assert_true(ports_contain(ranges, 3, 65535));
	assert_false(ports_contain(ranges, 3, 0));
	assert_false(ports_contain(ranges, 0, 80));
	assert_int_equal(ports_total(ranges, 3), 3 + 1 + 536);
	assert_int_equal(ports_total(ranges, 0), 0);
}

static void ranges_that_touch_become_one(void **state)
{
	struct port_range ranges[] = { { 30, 40 }, { 10, 19 }, { 20, 29 }, { 50, 60 }, { 55, 58 }, { 62, 62 } };

	(void)state;
	assert_int_equal(ports_merge(ranges, 6), 3);
	assert_int_equal(ranges[0].first, 10);
	assert_int_equal(ranges[0].last, 40);
	assert_int_equal(ranges[1].first, 50);
	assert_int_equal(ranges[1].last, 60);
	assert_int_equal(ranges[2].first, 62);
	assert_int_equal(ranges[2].last, 62);
}

static void the_last_port_does_not_overflow(void **state)
{
	struct port_range ranges[] = { { 65535, 65535 }, { 0, 0 }, { 1, 65535 }, { 65534, 65535 } };

	(void)state;
	assert_int_equal(ports_total(ranges, 4), 1 + 1 + 65535 + 2);
	assert_int_equal(ports_merge(ranges, 4), 1);
	assert_int_equal(ranges[0].first, 0);
	assert_int_equal(ranges[0].last, 65535);
	assert_int_equal(ports_total(ranges, 1), 65536);
	assert_int_equal(ports_merge(ranges, 0), 0);
}

/* Against a set of bits: the same ports before and after, in as few ranges as there can be. */
static void merging_keeps_the_ports(void **state)
{
	struct seed seed = seed_new("merging_keeps_the_ports");
	enum { LIMIT = 200, COUNT = 12 };

	(void)state;
	for (int round = 0; round < 500; round++) {
		struct port_range ranges[COUNT];
		uint8_t in[LIMIT + 2] = { 0 };
		size_t runs = 0, count = seed_below(&seed, COUNT + 1), merged;

		for (size_t i = 0; i < count; i++) {
			uint16_t first = (uint16_t)(1 + seed_below(&seed, LIMIT));

			ranges[i] =
				(struct port_range){ first, (uint16_t)(first + seed_below(&seed, LIMIT + 1u - first)) };
			memset(in + ranges[i].first, 1, ranges[i].last - ranges[i].first + 1u);
		}
		for (size_t port = 1; port <= LIMIT; port++)
			runs += in[port] && !in[port - 1];
		merged = ports_merge(ranges, count);
		assert_int_equal(merged, runs);
		for (uint16_t port = 0; port <= LIMIT + 1; port++)
			assert_int_equal(ports_contain(ranges, merged, port), in[port]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_are_inside),
		cmocka_unit_test(ranges_that_touch_become_one),
		cmocka_unit_test(the_last_port_does_not_overflow),
		cmocka_unit_test(merging_keeps_the_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
