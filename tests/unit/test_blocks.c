/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of prefixes, and the table of blocks with its heap of ends.
 */
#include "engine/blocks.h"
#include "core.h"

static void the_longest_cover_is_found(void **state)
{
	struct prefixset *set = prefixset_new(64, &core_key);
	struct prefix host = core_prefix("198.51.100.7"), wide = core_prefix("198.51.0.0/16"),
		      net = core_prefix("198.51.100.0/24");
	struct prefix other = core_prefix("203.0.113.1");
	uint32_t a = prefixset_add(set, &wide), b = prefixset_add(set, &net);

	(void)state;
	assert_int_equal(prefixset_cover(set, &host, 128), b);
	assert_int_equal(prefixset_cover(set, &host, (int)net.len - 1), a);
	assert_int_equal(prefixset_cover(set, &other, 128), PREFIXSET_NONE);
	assert_int_equal(prefixset_cover(set, &wide, 128), a);
	assert_int_equal(prefixset_add(set, &net), b);
	assert_int_equal(prefixset_next(set, 0, &net), b);
	prefixset_remove(set, b);
	assert_int_equal(prefixset_cover(set, &host, 128), a);
	assert_int_equal(prefixset_next(set, 0, &net), PREFIXSET_NONE);
	prefixset_free(set);
}

static void a_set_is_bounded(void **state)
{
	struct seed seed = seed_new("a_set_is_bounded");
	struct prefixset *set = prefixset_new(100, &core_key);
	uint32_t refused = 0, count = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct addr addr;

		for (int b = 0; b < 16; b++)
			addr.b[b] = (uint8_t)seed_next(&seed);
		struct prefix prefix = prefix_of(&addr, seed_below(&seed, 129));

		refused += prefixset_add(set, &prefix) == PREFIXSET_NONE;
	}
	assert_int_equal(prefixset_count(set), 100);
	assert_true(refused > 800);
	for (uint32_t slot = prefixset_next(set, 0, NULL); slot != PREFIXSET_NONE;
	     slot = prefixset_next(set, slot + 1, NULL)) {
		prefixset_remove(set, slot);
		count++;
	}
	assert_int_equal(count, 100);
	assert_int_equal(prefixset_count(set), 0);
	prefixset_free(set);
}

static void blocks_end_in_order(void **state)
{
	struct seed seed = seed_new("blocks_end_in_order");
	struct blocks *blocks = blocks_new(&core_key);
	int64_t last_ms = 0;
	uint32_t slot, ended = 0;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		const uint8_t b[4] = { 10, 0, (uint8_t)seed_below(&seed, 8), (uint8_t)seed_below(&seed, 256) };
		struct addr addr = addr_from_v4(b);
		struct prefix key = prefix_host(&addr);
		struct block block = { .grade = GRADE_BAN, .until_ms = seed_below(&seed, 1000000) + 1 };

		if (seed_below(&seed, 4) == 0 && blocks_find(blocks, &key) != BLOCKS_NONE)
			blocks_remove(blocks, blocks_find(blocks, &key));
		else
			blocks_put(blocks, &key, &block, 1000, "");
	}
	uint32_t count = blocks_count(blocks, GRADE_NONE);
	assert_int_equal(count, blocks_count(blocks, GRADE_BAN));
	while ((slot = blocks_due(blocks, INT64_MAX)) != BLOCKS_NONE) {
		assert_true(blocks_at(blocks, slot)->until_ms >= last_ms);
		last_ms = blocks_at(blocks, slot)->until_ms;
		blocks_remove(blocks, slot);
		ended++;
	}
	assert_int_equal(ended, count);
	assert_int_equal(blocks_count(blocks, GRADE_NONE), 0);
	blocks_free(blocks);
}

/* A veil that lives on ends later than it is due: due is when it is looked at. */
static void veils_come_due_when_they_are_looked_at(void **state)
{
	struct blocks *blocks = blocks_new(&core_key);
	struct prefix early = core_prefix("198.51.100.7"), late = core_prefix("198.51.100.8");
	struct block block = { .grade = GRADE_VEIL, .until_ms = 1000 };

	(void)state;
	blocks_put(blocks, &early, &block, 60, "");
	block.until_ms = 100;
	blocks_put(blocks, &late, &block, 100, "");
	assert_int_equal(blocks_due(blocks, 59), BLOCKS_NONE);
	assert_int_equal(blocks_due(blocks, 60), blocks_find(blocks, &early));
	blocks_put(blocks, &early, &block, 160, "");
	assert_int_equal(blocks_due(blocks, 100), blocks_find(blocks, &late));
	blocks_free(blocks);
}

static void of_veils_the_lowest_gives_way_and_no_ban(void **state)
{
	struct blocks *blocks = blocks_new(&core_key);
	struct prefix ban = core_prefix("198.51.100.7"), low = core_prefix("198.51.100.8"),
		      high = core_prefix("198.51.100.9"), other = core_prefix("198.51.100.10");
	struct block block = { .grade = GRADE_BAN, .until_ms = 1000 };

	(void)state;
	blocks_put(blocks, &ban, &block, 1000, "");
	assert_int_equal(blocks_lowest(blocks, &ban, GRADE_VEIL), BLOCKS_NONE);
	block.grade = GRADE_VEIL;
	block.score = 9;
	blocks_put(blocks, &high, &block, 1000, "");
	block.score = 7;
	blocks_put(blocks, &low, &block, 1000, "");
	assert_int_equal(blocks_lowest(blocks, &ban, GRADE_VEIL), blocks_find(blocks, &low));
	assert_int_equal(blocks_lowest_like(blocks, &ban), blocks_find(blocks, &low));
	block.score = 10; /* renewed: now the other is lower */
	blocks_put(blocks, &low, &block, 1000, "");
	assert_int_equal(blocks_lowest(blocks, &ban, GRADE_VEIL), blocks_find(blocks, &high));
	assert_int_equal(blocks_lowest_like(blocks, &ban), blocks_find(blocks, &high));
	assert_true(blocks_fits(blocks, &other, GRADE_VEIL));
	blocks_free(blocks);
}

/* Each set of the kernel has a room of its own: a full one says nothing about the others. */
static void each_set_has_its_own_room(void **state)
{
	const struct engine_room room = { .alerts = 1, .veils = 1, .rare_alerts = 1, .rare_veils = 1 };
	struct blocks *blocks = blocks_new(&core_key);
	struct prefix one = core_prefix("198.51.100.8"), two = core_prefix("198.51.100.9"),
		      net = core_prefix("203.0.113.0/24"), other_net = core_prefix("192.0.2.0/24"),
		      six = core_prefix("2001:db8:1::/64"), net6 = core_prefix("2001:db8::/48");
	struct block block = { .grade = GRADE_ALERT, .until_ms = 1000, .score = 5 };

	(void)state;
	blocks_set_room(blocks, &room);
	blocks_put(blocks, &one, &block, 1000, "");
	assert_false(blocks_fits(blocks, &two, GRADE_ALERT));
	assert_int_equal(blocks_lowest(blocks, &two, GRADE_ALERT), blocks_find(blocks, &one));
	assert_true(blocks_fits(blocks, &one, GRADE_VEIL)); /* it leaves the alerts */
	block.grade = GRADE_VEIL;
	block.score = 8;
	blocks_put(blocks, &one, &block, 1000, "");
	assert_true(blocks_fits(blocks, &two, GRADE_ALERT));
	assert_false(blocks_fits(blocks, &two, GRADE_VEIL));
	assert_true(blocks_fits(blocks, &net, GRADE_VEIL));
	blocks_put(blocks, &net, &block, 1000, "");
	assert_int_equal(blocks_lowest(blocks, &two, GRADE_VEIL), blocks_find(blocks, &one));
	assert_int_equal(blocks_lowest_like(blocks, &two), blocks_find(blocks, &one));
	assert_true(blocks_fits(blocks, &six, GRADE_VEIL)); /* IPv6 has sets of its own */
	assert_int_equal(blocks_lowest_like(blocks, &six), BLOCKS_NONE);
	assert_false(blocks_fits(blocks, &net6, GRADE_VEIL));
	assert_int_equal(blocks_lowest_like(blocks, &net6), BLOCKS_NONE);
	assert_int_equal(blocks_lowest_like(blocks, &other_net), blocks_find(blocks, &net));
	blocks_free(blocks);
}

/* Of nets, which share a room, one of the same family and length gives its element to a block: the lowest. */
static void of_nets_the_lowest_of_the_same_length_gives_way(void **state)
{
	static const struct {
		const char *net;
		uint8_t grade;
		float score;
	} rows[] = {
		{ "203.0.112.0/24", GRADE_VEIL, 12 }, { "203.0.113.0/24", GRADE_VEIL, 11 },
		{ "203.0.114.0/24", GRADE_VEIL, 13 }, { "203.0.115.0/24", GRADE_BAN, 0 },
		{ "2001:db8::/48", GRADE_VEIL, 9 },   { "2001:db8:100::/40", GRADE_VEIL, 8 },
		{ "198.51.100.7", GRADE_VEIL, 7 },
	};
	struct blocks *blocks = blocks_new(&core_key);
	struct prefix lowest = core_prefix("203.0.113.0/24"), net = core_prefix("192.0.2.0/24"),
		      net6 = core_prefix("2001:db8:1::/48"), wide = core_prefix("192.0.0.0/16");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct block block = { .grade = rows[i].grade, .until_ms = 1000, .score = rows[i].score };
		struct prefix source = core_prefix(rows[i].net);

		blocks_put(blocks, &source, &block, 1000, "");
	}
	assert_int_equal(blocks_lowest_like(blocks, &net), blocks_find(blocks, &lowest));
	lowest = core_prefix("2001:db8::/48");
	assert_int_equal(blocks_lowest_like(blocks, &net6), blocks_find(blocks, &lowest));
	assert_int_equal(blocks_lowest_like(blocks, &wide), BLOCKS_NONE);
	blocks_free(blocks);
}

/* Whatever the kernel's sets would take, alerts and veils leave the bans their part of the table. */
static void veils_leave_bans_their_part(void **state)
{
	const struct engine_room room = { .alerts = 200000, .veils = 200000 };
	struct blocks *blocks = blocks_new(&core_key);
	struct block block = { .until_ms = 1000, .score = 7 };
	struct prefix one, other = core_prefix("198.51.100.7");
	uint32_t veils = 0;

	(void)state;
	assert_int_equal(blocks_veils_max(blocks), ENGINE_VEILS_MAX);
	blocks_set_room(blocks, &room);
	assert_int_equal(blocks_veils_max(blocks), ENGINE_VEILS_MAX);
	for (; veils < ENGINE_VEILS_MAX; veils++) {
		const uint8_t b[4] = { 100, (uint8_t)(veils >> 16), (uint8_t)(veils >> 8), (uint8_t)veils };
		struct addr addr = addr_from_v4(b);

		one = prefix_host(&addr);
		block.grade = veils % 2 ? GRADE_VEIL : GRADE_ALERT;
		assert_true(blocks_fits(blocks, &one, (enum grade)block.grade));
		blocks_put(blocks, &one, &block, 1000, "");
	}
	assert_false(blocks_fits(blocks, &other, GRADE_VEIL));
	assert_false(blocks_fits(blocks, &other, GRADE_ALERT));
	assert_true(blocks_fits(blocks, &one, GRADE_ALERT)); /* it leaves the veils */
	assert_int_not_equal(blocks_lowest(blocks, &other, GRADE_VEIL), BLOCKS_NONE);
	block.grade = GRADE_BAN;
	assert_int_not_equal(blocks_put(blocks, &other, &block, 0, ""), BLOCKS_NONE);
	blocks_free(blocks);
}

static void a_block_for_good_never_comes_due(void **state)
{
	struct blocks *blocks = blocks_new(&core_key);
	struct prefix key = core_prefix("198.51.100.7");
	struct block block = { .grade = GRADE_BLOCK };

	(void)state;
	blocks_put(blocks, &key, &block, 1000, "");
	assert_int_equal(blocks_due(blocks, INT64_MAX), BLOCKS_NONE);
	block.until_ms = 5;
	blocks_put(blocks, &key, &block, 1000, "");
	assert_int_equal(blocks_count(blocks, GRADE_NONE), 1);
	assert_int_not_equal(blocks_due(blocks, 5), BLOCKS_NONE);
	blocks_free(blocks);
}

static void the_lowest_is_found_however_scores_move(void **state)
{
	struct seed seed = seed_new("the_lowest_is_found_however_scores_move");
	struct blocks *blocks = blocks_new(&core_key);
	struct prefix other = core_prefix("203.0.113.1");
	float scores[256] = { 0 };

	(void)state;
	for (int step = 0; step < 20000; step++) {
		uint32_t i = seed_below(&seed, 256), slot, lowest;
		const uint8_t b[4] = { 198, 51, 100, (uint8_t)i };
		struct addr addr = addr_from_v4(b);
		struct prefix key = prefix_host(&addr);
		struct block block = { .grade = GRADE_VEIL, .until_ms = 1000 };

		slot = blocks_find(blocks, &key);
		scores[i] = (float)(7 + seed_below(&seed, 100));
		block.score = scores[i];
		if (slot == BLOCKS_NONE)
			blocks_put(blocks, &key, &block, 1000, "");
		else
			blocks_renew(blocks, slot, 2000 + step, scores[i]);
		if (step % 10)
			continue;
		lowest = blocks_lowest(blocks, &other, GRADE_VEIL);
		for (uint32_t k = 0; k < 256; k++)
			assert_true(scores[k] == 0 || blocks_at(blocks, lowest)->score <= scores[k]);
	}
	blocks_free(blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_cover_is_found),
		cmocka_unit_test(a_set_is_bounded),
		cmocka_unit_test(blocks_end_in_order),
		cmocka_unit_test(veils_come_due_when_they_are_looked_at),
		cmocka_unit_test(of_veils_the_lowest_gives_way_and_no_ban),
		cmocka_unit_test(the_lowest_is_found_however_scores_move),
		cmocka_unit_test(each_set_has_its_own_room),
		cmocka_unit_test(of_nets_the_lowest_of_the_same_length_gives_way),
		cmocka_unit_test(veils_leave_bans_their_part),
		cmocka_unit_test(a_block_for_good_never_comes_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
