/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of sources: bounded, and who gives way.
 */
#include <stdio.h>
#include <unistd.h>

#include "core.h"
#include "source/source.h"

#define MAX 1024

static struct prefix forged(struct seed *seed)
{
	uint32_t v4 = (uint32_t)seed_next(seed);
	const uint8_t b[4] = { 100, (uint8_t)(v4 >> 16), (uint8_t)(v4 >> 8), (uint8_t)v4 };
	struct addr addr = addr_from_v4(b);

	return prefix_host(&addr);
}

static struct source *add(struct sources *table, const char *text, enum sources_rank rank, double score)
{
	struct prefix key = core_prefix(text);
	struct source *source = sources_add(table, &key);

	assert_non_null(source);
	sources_rank(table, source, rank, score);
	return source;
}

static bool known(const struct sources *table, const char *text)
{
	struct prefix key = core_prefix(text);

	return sources_find(table, &key) != NULL;
}

static void a_flood_flushes_out_itself(void **state)
{
	struct seed seed = seed_new("a_flood_flushes_out_itself");
	struct sources *table = sources_new(MAX, &core_key);

	(void)state;
	assert_non_null(table);
	add(table, "198.51.100.1", SOURCES_CONFIRMED, 4.7);
	add(table, "198.51.100.2", SOURCES_BLOCKED, 7.0);
	add(table, "198.51.100.3", SOURCES_SUSPECTED, 2.8);
	for (int i = 0; i < 100000; i++) {
		struct prefix key = forged(&seed);
		struct source *source = sources_find(table, &key);

		if (!source)
			source = sources_add(table, &key);
		assert_non_null(source);
		sources_rank(table, source, SOURCES_SUSPECTED, 1.4);
	}
	assert_true(known(table, "198.51.100.1"));
	assert_true(known(table, "198.51.100.2"));
	assert_true(known(table, "198.51.100.3"));
	assert_int_equal(sources_count(table), MAX);
	assert_true(sources_evicted(table) > 90000);
	sources_free(table);
}

static void a_newcomer_finds_room_among_high_scores(void **state)
{
	struct seed seed = seed_new("a_newcomer_finds_room_among_high_scores");
	struct sources *table = sources_new(MAX, &core_key);

	(void)state;
	while (sources_count(table) < MAX) {
		struct prefix key = forged(&seed);

		if (!sources_find(table, &key))
			sources_rank(table, sources_add(table, &key), SOURCES_SUSPECTED, 5.0);
	}
	add(table, "198.51.100.1", SOURCES_SUSPECTED, 0.5);
	add(table, "198.51.100.2", SOURCES_SUSPECTED, 0.5);
	assert_true(known(table, "198.51.100.1"));
	sources_free(table);
}

/* Forged names hold higher scores than a scanner at his second probe, and more of them come in between. */
static void who_has_shown_something_stays_among_higher_scores(void **state)
{
	struct seed seed = seed_new("who_has_shown_something_stays_among_higher_scores");
	struct sources *table = sources_new(MAX, &core_key);

	(void)state;
	for (int i = 0; i < 10 * MAX; i++) {
		struct prefix key = forged(&seed);
		struct source *source = sources_find(table, &key);

		if (!source)
			source = sources_add(table, &key);
		sources_rank(table, source, SOURCES_SUSPECTED, i < 5 * MAX ? 4.2 : 1.4);
		if (i == 5 * MAX)
			sources_rank(table, add(table, "198.51.100.1", SOURCES_SUSPECTED, 1.4), SOURCES_SUSPECTED, 2.8);
	}
	assert_true(known(table, "198.51.100.1"));
	sources_free(table);
}

/* However many are banned: a newcomer is judged.  A quarter of the table stays theirs. */
static void blocked_ones_give_way_to_newcomers(void **state)
{
	struct seed seed = seed_new("blocked_ones_give_way_to_newcomers");
	struct sources *table = sources_new(MAX, &core_key);
	struct prefix key = core_prefix("198.51.100.1");
	uint32_t blocked = 0;

	(void)state;
	while (sources_count(table) < MAX) {
		struct prefix other = forged(&seed);

		if (!sources_find(table, &other))
			sources_rank(table, sources_add(table, &other), SOURCES_BLOCKED, 7.0);
	}
	assert_non_null(sources_add(table, &key));
	assert_int_equal(sources_count(table), MAX);
	for (int i = 0; i < 3 * MAX; i++) {
		struct prefix other = forged(&seed);

		if (!sources_find(table, &other))
			sources_rank(table, sources_add(table, &other), SOURCES_SUSPECTED, 1.0);
	}
	assert_int_equal(sources_count(table), MAX);
	for (uint32_t i = 0; i < MAX; i++)
		blocked += sources_is_blocked(sources_at(table, i));
	assert_int_equal(blocked, MAX / 4);
	sources_free(table);
}

static void one_net_does_not_hold_all_confirmed_places(void **state)
{
	struct sources *table = sources_new(MAX, &core_key);

	(void)state;
	for (int i = 0; i < 200; i++) {
		const uint8_t b[4] = { 198, 51, 100, (uint8_t)i };
		struct addr addr = addr_from_v4(b);
		struct prefix key = prefix_host(&addr);

		sources_rank(table, sources_add(table, &key), SOURCES_CONFIRMED, 4.7);
	}
	assert_int_equal(sources_confirmed(table), 64);
	add(table, "203.0.113.1", SOURCES_CONFIRMED, 4.7);
	assert_int_equal(sources_confirmed(table), 65);
	sources_free(table);
}

static struct source *numbered(struct sources *table, unsigned number, enum sources_rank rank, double score)
{
	const uint8_t b[4] = { 100, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number };
	struct addr addr = addr_from_v4(b);
	struct prefix key = prefix_host(&addr);
	struct source *source = sources_add(table, &key);

	assert_non_null(source);
	sources_rank(table, source, rank, score);
	return source;
}

static bool is_known(const struct sources *table, unsigned number)
{
	char text[32];

	snprintf(text, sizeof(text), "100.%u.%u.%u", number >> 16, number >> 8 & 255, number & 255);
	return known(table, text);
}

/* Scores by whole nats, from seven on together: of the largest group the one that was quiet for longest gives way. */
static void the_quietest_of_the_largest_group_gives_way(void **state)
{
	static const struct {
		double most, fewer; /* scores of 700 and of 324 sources */
		bool one;           /* they are one group */
	} cases[] = {
		{ 1.0, 0.99, false }, { 1.0, 1.99, true }, { 0.0, 0.5, true },  { 7.0, 99.0, true },
		{ 7.0, 6.99, false }, { 6.0, 7.0, false }, { 2.0, 3.0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sources *table = sources_new(MAX, &core_key);

		for (unsigned n = 0; n < MAX; n++)
			numbered(table, n, SOURCES_SUSPECTED, n < 324 ? cases[i].fewer : cases[i].most);
		numbered(table, 5000, SOURCES_SUSPECTED, 3.5);
		assert_int_equal(is_known(table, 0), !cases[i].one);
		assert_int_equal(is_known(table, 324), cases[i].one);
		assert_int_equal(sources_evicted(table), 1);
		sources_free(table);
	}
}

static void new_evidence_is_no_silence(void **state)
{
	struct sources *table = sources_new(MAX, &core_key);

	(void)state;
	for (unsigned n = 0; n < MAX; n++)
		numbered(table, n, SOURCES_SUSPECTED, 1);
	for (unsigned n = 0; n < 10; n++) {
		char text[32];
		struct prefix key;

		snprintf(text, sizeof(text), "100.0.0.%u", n);
		key = core_prefix(text);
		sources_rank(table, sources_find(table, &key), SOURCES_SUSPECTED, 1.5);
		snprintf(text, sizeof(text), "100.0.0.%u", 10 + n);
		key = core_prefix(text);
		sources_rerank(table, sources_find(table, &key), SOURCES_SUSPECTED, 1.5); /* time alone */
	}
	for (unsigned n = 0; n < 10; n++)
		numbered(table, 5000 + n, SOURCES_SUSPECTED, 1);
	for (unsigned n = 0; n < 10; n++)
		assert_true(is_known(table, n) && !is_known(table, 10 + n));
	sources_free(table);
}

/* More than a quarter of the table: then of these, else of the crowd. */
static void a_quarter_is_theirs(void **state)
{
	static const enum sources_rank ranks[] = { SOURCES_BLOCKED, SOURCES_CONFIRMED };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (unsigned more = 0; more < 2; more++) {
			struct sources *table = sources_new(MAX, &core_key);

			/* each of a net of its own, or the net's quota would hold them down */
			for (unsigned n = 0; n < MAX / 4 + more; n++)
				numbered(table, n << 8, ranks[i], 8);
			for (unsigned n = MAX / 4 + more; n < MAX; n++)
				numbered(table, n << 8, SOURCES_SUSPECTED, 1);
			numbered(table, 1, SOURCES_SUSPECTED, 1);
			assert_int_equal(is_known(table, 0), !more);
			assert_int_equal(is_known(table, (MAX / 4 + more) << 8), more);
			sources_free(table);
		}
}

/* An IPv6 site, a /48, has as many reserved places as an IPv4 /24; who loses his place makes room for a neighbour. */
static void one_site_does_not_hold_all_confirmed_places(void **state)
{
	struct sources *table = sources_new(MAX, &core_key);
	struct addr addr = core_addr("2001:db8:1::");
	struct source *first = NULL;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		addr.b[7] = (uint8_t)i;
		struct prefix key = prefix_of(&addr, 64);
		struct source *source = sources_add(table, &key);

		sources_rank(table, source, SOURCES_CONFIRMED, 4.7);
		first = first ? first : source;
	}
	assert_int_equal(sources_confirmed(table), 64);
	sources_rank(table, first, SOURCES_CONFIRMED, 4.8);
	assert_int_equal(sources_confirmed(table), 64);
	sources_rank(table, first, SOURCES_SUSPECTED, 1);
	assert_int_equal(sources_confirmed(table), 63);
	addr.b[5] = 2; /* 2001:db8:2::/48 */
	for (unsigned i = 0; i < 10; i++) {
		addr.b[7] = (uint8_t)i;
		struct prefix key = prefix_of(&addr, 64);

		sources_rank(table, sources_add(table, &key), SOURCES_CONFIRMED, 4.7);
	}
	assert_int_equal(sources_confirmed(table), 73);
	sources_free(table);
}

static void entries_come_and_go(void **state)
{
	struct seed seed = seed_new("entries_come_and_go");
	struct sources *table = sources_new(MAX, &core_key);
	uint32_t listed = 0;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		const uint8_t b[4] = { 10, 0, (uint8_t)seed_below(&seed, 16), (uint8_t)seed_below(&seed, 256) };
		struct addr addr = addr_from_v4(b);
		struct prefix key = prefix_host(&addr);
		struct source *source = sources_find(table, &key);

		if (source && seed_below(&seed, 2))
			sources_remove(table, source);
		else if (source)
			sources_rank(table, source, seed_below(&seed, 3), seed_below(&seed, 12));
		else
			sources_add(table, &key);
	}
	for (uint32_t i = 0; i < sources_max(table); i++)
		listed += sources_at(table, i) != NULL;
	assert_int_equal(listed, sources_count(table));
	sources_free(table);
}

static long resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all = 0, resident = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &all, &resident), 2);
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A table for 65,536 is 14 MB of addresses, and as much memory as it holds sources: places that came free first. */
static void memory_follows_the_number_of_sources(void **state)
{
	struct seed seed = seed_new("memory_follows_the_number_of_sources");
	long before = resident_kb(), empty, some;
	struct sources *table = sources_new(65536, &core_key);

	(void)state;
	assert_non_null(table);
	empty = resident_kb();
	assert_true(empty - before < 4096);
	for (int i = 0; i < 100000; i++) {
		struct prefix key = forged(&seed);
		struct source *source = sources_find(table, &key);

		source = source ? source : sources_add(table, &key);
		if (sources_count(table) > 5000)
			sources_remove(table, source);
	}
	some = resident_kb();
	assert_true(some - empty < 4096);
	sources_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_flushes_out_itself),
		cmocka_unit_test(a_newcomer_finds_room_among_high_scores),
		cmocka_unit_test(who_has_shown_something_stays_among_higher_scores),
		cmocka_unit_test(blocked_ones_give_way_to_newcomers),
		cmocka_unit_test(one_net_does_not_hold_all_confirmed_places),
		cmocka_unit_test(the_quietest_of_the_largest_group_gives_way),
		cmocka_unit_test(new_evidence_is_no_silence),
		cmocka_unit_test(a_quarter_is_theirs),
		cmocka_unit_test(one_site_does_not_hold_all_confirmed_places),
		cmocka_unit_test(entries_come_and_go),
		cmocka_unit_test(memory_follows_the_number_of_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
