/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * base/hashindex and the hashes of prefixes: against the plainest code that does the same.
 */
#include "core.h"
#include "hashindex.h"
#include "prefixset.h"

#define SLOTS 300

/* Keys of which many share a hash, beside a table as an index has it. */
struct table {
	struct hashindex index;
	uint32_t keys[SLOTS];
	bool used[SLOTS];
};

static uint32_t few_hashes(uint32_t key)
{
	return key % 7 * 0x20800000u + key % 3;
}

static uint32_t many_hashes(uint32_t key)
{
	return (key + 1) * 2654435761u;
}

static bool is_key(const void *keys, uint32_t slot, const void *key)
{
	return ((const uint32_t *)keys)[slot] == *(const uint32_t *)key;
}

static uint32_t walk(const struct table *table, uint32_t key)
{
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		if (table->used[slot] && table->keys[slot] == key)
			return slot;
	return HASHINDEX_NONE;
}

/* Comes and goes at random: what is there is found, what is not is not, however full the lines are. */
static void agrees_with_a_walk(uint32_t (*hash_of)(uint32_t key), uint32_t steps)
{
	struct seed seed = seed_new("agrees_with_a_walk");
	static struct table table;

	table = (struct table){ .used = { false } };
	assert_true(hashindex_init(&table.index, SLOTS));
	for (uint32_t step = 0; step < steps; step++) {
		uint32_t key = seed_below(&seed, 2 * SLOTS), slot = walk(&table, key), free_slot = 0;

		assert_int_equal(hashindex_find(&table.index, hash_of(key), is_key, table.keys, &key), slot);
		if (slot != HASHINDEX_NONE) {
			hashindex_remove(&table.index, hash_of(key), slot);
			table.used[slot] = false;
			continue;
		}
		while (free_slot < SLOTS && table.used[free_slot])
			free_slot++;
		if (free_slot == SLOTS)
			continue;
		table.keys[free_slot] = key;
		table.used[free_slot] = true;
		hashindex_add(&table.index, hash_of(key), free_slot);
	}
	hashindex_free(&table.index);
}

static void it_finds_what_is_there(void **state)
{
	(void)state;
	agrees_with_a_walk(many_hashes, 50000);
}

static void it_finds_it_where_hashes_collide(void **state)
{
	(void)state;
	agrees_with_a_walk(few_hashes, 50000);
}

static void the_largest_slots_and_hashes_are_told_apart(void **state)
{
	static uint32_t keys[2] = { 1, 2 };
	struct hashindex index;

	(void)state;
	assert_true(hashindex_init(&index, 2));
	for (uint32_t i = 0; i < 2; i++) {
		hashindex_add(&index, i == 0 ? 0 : UINT32_MAX, i);
		assert_int_equal(hashindex_find(&index, i == 0 ? 0 : UINT32_MAX, is_key, keys, &keys[i]), i);
	}
	assert_int_equal(hashindex_find(&index, 0, is_key, keys, &keys[1]), HASHINDEX_NONE);
	hashindex_remove(&index, 0, 0);
	hashindex_add(&index, 0, HASHINDEX_SLOTS_MAX - 1);
	assert_int_equal(hashindex_guess(&index, 0), HASHINDEX_SLOTS_MAX - 1);
	hashindex_remove(&index, 0, HASHINDEX_SLOTS_MAX - 1);
	assert_int_equal(hashindex_guess(&index, 0), HASHINDEX_NONE);
	hashindex_free(&index);
}

/* SipHash-1-3 by another program (CPython's, key 0) of the address's bytes, as far as the prefix may have some, and its
 * length. */
static void prefixes_are_hashed_by_siphash_1_3(void **state)
{
	static const struct {
		const char *prefix;
		uint32_t hash;
	} cases[] = {
		{ "198.51.100.7", 0xec14bff2 },
		{ "198.51.100.0/24", 0x40e73bb5 },
		{ "2001:db8:1:2::/64", 0x0ed03b9f },
		{ "2001:db8:1:2::7", 0xfcfd4cee },
	};
	const struct hash_key key = { 0, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix prefix = core_prefix(cases[i].prefix);

		assert_int_equal(prefix_hash(&key, &prefix), cases[i].hash);
	}
}

static void an_address_has_the_hashes_of_its_prefixes(void **state)
{
	struct seed seed = seed_new("an_address_has_the_hashes_of_its_prefixes");

	(void)state;
	for (int i = 0; i < 200; i++) {
		uint8_t bytes[16];
		struct prefix_hashes hashes;
		struct addr addr;

		for (int b = 0; b < 16; b++)
			bytes[b] = (uint8_t)seed_next(&seed);
		addr = i % 2 ? addr_from_v4(bytes) : addr_from_v6(bytes);
		prefix_hashes_begin(&hashes, &core_key, &addr);
		for (int k = 0; k < 300; k++) {
			struct prefix prefix = prefix_of(&addr, seed_below(&seed, 129));

			assert_true(prefix_is_valid(&prefix));
			assert_int_equal(prefix_hashes_of(&hashes, prefix.len), prefix_hash(&core_key, &prefix));
		}
	}
}

/* Random members around random addresses: those that hold one are what prefixset_cover() finds step by step. */
static void holders_are_all_covers(void **state)
{
	struct seed seed = seed_new("holders_are_all_covers");
	struct prefixset *set = prefixset_new(500, &core_key);

	(void)state;
	for (int i = 0; i < 5000; i++) {
		uint8_t bytes[16] = { 198, 51, (uint8_t)seed_below(&seed, 4), (uint8_t)seed_below(&seed, 256) };
		struct addr addr = seed_below(&seed, 2) ? addr_from_v4(bytes) : addr_from_v6(bytes);
		struct prefix host = prefix_host(&addr), prefix = prefix_of(&addr, seed_below(&seed, 129));
		uint32_t slots[129], slot;
		struct prefix_hashes hashes;
		unsigned count;

		prefix_hashes_begin(&hashes, &core_key, &addr);
		count = prefixset_holders(set, &hashes, slots);
		slot = prefixset_cover(set, &host, 128);
		for (unsigned k = 0; k < count; k++) {
			assert_int_equal(slots[k], slot);
			slot = prefixset_cover(set, &host, (int)prefixset_at(set, slot)->len - 1);
		}
		assert_int_equal(slot, PREFIXSET_NONE);
		slot = prefixset_find(set, &prefix);
		if (slot == PREFIXSET_NONE)
			prefixset_add(set, &prefix);
		else
			prefixset_remove(set, slot);
	}
	prefixset_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_finds_what_is_there),
		cmocka_unit_test(it_finds_it_where_hashes_collide),
		cmocka_unit_test(the_largest_slots_and_hashes_are_told_apart),
		cmocka_unit_test(prefixes_are_hashed_by_siphash_1_3),
		cmocka_unit_test(an_address_has_the_hashes_of_its_prefixes),
		cmocka_unit_test(holders_are_all_covers),
	};

	return cmocka_run_group_tests_name("hashindex", tests, NULL, NULL);
}
