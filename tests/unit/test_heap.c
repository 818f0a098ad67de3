/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * base/heap and base/ports: against the plainest code that does the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "heap.h"
#include "ports.h"
#include "seed.h"

#define SLOTS 300

static void what_comes_first_is_the_lowest_key(void **state)
{
	struct heap *heap = heap_new(4);
	int64_t key = 0;

	(void)state;
	assert_non_null(heap);
	assert_int_equal(heap_first(heap, NULL), HEAP_NONE);
	heap_add(heap, 3, 30);
	heap_add(heap, 1, -10);
	heap_add(heap, 0, 20);
	assert_int_equal(heap_first(heap, &key), 1);
	assert_int_equal(key, -10);
	heap_remove(heap, 1);
	heap_remove(heap, 1); /* once more: nothing happens */
	heap_remove(heap, 2); /* was never in it */
	assert_int_equal(heap_first(heap, &key), 0);
	assert_int_equal(key, 20);
	assert_int_equal(heap_count(heap), 2);
	heap_free(heap);
	heap_free(NULL);
}

static void equal_keys_keep_their_order(void **state)
{
	struct heap *heap = heap_new(SLOTS);

	(void)state;
	for (uint32_t i = 0; i < SLOTS; i++)
		heap_add(heap, SLOTS - 1 - i, i % 2);
	for (uint32_t i = 0; i < SLOTS; i++) {
		uint32_t expected = i < SLOTS / 2 ? 2 * i : 2 * (i - SLOTS / 2) + 1;

		assert_int_equal(heap_first(heap, NULL), SLOTS - 1 - expected);
		heap_remove(heap, SLOTS - 1 - expected);
	}
	assert_int_equal(heap_count(heap), 0);
	heap_free(heap);
}

/* Additions and removals at random; the plain answer is a walk over all slots. */
static void it_agrees_with_a_walk(void **state)
{
	struct seed seed = seed_new("it_agrees_with_a_walk");
	struct heap *heap = heap_new(SLOTS);
	int64_t keys[SLOTS];
	uint32_t since[SLOTS] = { 0 }, count = 0; /* when it was added; 0: it is not in */

	(void)state;
	for (uint32_t step = 1; step < 100000; step++) {
		uint32_t slot = seed_below(&seed, SLOTS), first = HEAP_NONE;

		if (since[slot]) {
			heap_remove(heap, slot);
			since[slot] = 0;
			count--;
		} else {
			keys[slot] = seed_below(&seed, 50);
			heap_add(heap, slot, keys[slot]);
			since[slot] = step;
			count++;
		}
		for (uint32_t i = 0; i < SLOTS; i++)
			if (since[i] && (first == HEAP_NONE || keys[i] < keys[first] ||
					 (keys[i] == keys[first] && since[i] < since[first])))
				first = i;
		assert_int_equal(heap_first(heap, NULL), first);
		assert_int_equal(heap_count(heap), count);
	}
	heap_free(heap);
}

static void ranges_are_merged_and_asked(void **state)
{
	struct port_range ranges[] = { { 100, 200 }, { 1, 1 },         { 150, 160 },
				       { 201, 210 }, { 65535, 65535 }, { 65000, 65534 } };
	size_t count = ports_merge(ranges, sizeof(ranges) / sizeof(ranges[0]));

	(void)state;
	assert_int_equal(count, 3);
	assert_int_equal(ranges[0].first, 1);
	assert_int_equal(ranges[1].first, 100);
	assert_int_equal(ranges[1].last, 210);
	assert_int_equal(ranges[2].first, 65000);
	assert_int_equal(ranges[2].last, 65535);
	assert_int_equal(ports_total(ranges, count), 1 + 111 + 536);
	assert_true(ports_contain(ranges, count, 1));
	assert_true(ports_contain(ranges, count, 65535));
	assert_false(ports_contain(ranges, count, 2));
	assert_false(ports_contain(ranges, count, 211));
	assert_false(ports_contain(ranges, 0, 1));
	assert_int_equal(ports_merge(ranges, 0), 0);
}

static void ranges_agree_with_a_bitmap(void **state)
{
	struct seed seed = seed_new("ranges_agree_with_a_bitmap");

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct port_range ranges[20];
		static bool in[65536];
		size_t count = seed_below(&seed, 20), kept;

		for (unsigned port = 0; port < 65536; port++)
			in[port] = false;
		for (size_t i = 0; i < count; i++) {
			ranges[i].first = (uint16_t)(1 + seed_below(&seed, 65535));
			ranges[i].last = (uint16_t)(ranges[i].first + seed_below(&seed, 65536u - ranges[i].first));
			for (unsigned port = ranges[i].first; port <= ranges[i].last; port++)
				in[port] = true;
		}
		kept = ports_merge(ranges, count);
		for (size_t i = 1; i < kept; i++)
			assert_true(ranges[i].first > ranges[i - 1].last + 1);
		for (unsigned port = 0; port < 65536; port += 7)
			assert_int_equal(ports_contain(ranges, kept, (uint16_t)port), in[port]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_first_is_the_lowest_key),
		cmocka_unit_test(equal_keys_keep_their_order),
		cmocka_unit_test(it_agrees_with_a_walk),
		cmocka_unit_test(ranges_are_merged_and_asked),
		cmocka_unit_test(ranges_agree_with_a_bitmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
