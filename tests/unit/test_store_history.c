/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to the history: answered as a plain search would, whichever index they are answered from.
 */
#include "store_fixture.h"

static bool matches(const struct event *event, const struct store_query *query)
{
	if (event->at_ms < query->since_ms)
		return false;
	if (query->within.len == 0)
		return true;
	return prefix_covers(&query->within, &event->source) ||
	       (event->source.len > 0 && prefix_covers(&event->source, &query->within));
}

static int by_time(const void *a, const void *b)
{
	const struct event *first = a, *second = b;

	if (first->at_ms != second->at_ms)
		return first->at_ms < second->at_ms ? -1 : 1;
	return first->incident < second->incident ? -1 : 1;
}

/* Events crowd in few prefixes and few milliseconds; the incident is the row number. */
static struct event crowded_event(struct seed *seed, uint32_t row)
{
	struct event event = event_of(EVENT_ALERT, NULL, NOW_MS + seed_below(seed, 300));
	struct addr addr = prefix("2001:db8::").addr;

	event.incident = row;
	if (seed_below(seed, 20) == 0) {
		event.type = EVENT_NOTICE;
		return event;
	}
	if (seed_below(seed, 2)) {
		const uint8_t v4[4] = { 10, 0, (uint8_t)seed_below(seed, 4), (uint8_t)seed_below(seed, 8) };
		addr = addr_from_v4(v4);
		event.source = prefix_of(&addr, seed_below(seed, 4) ? 128 : 100 + seed_below(seed, 29));
	} else {
		addr.b[7] = (uint8_t)seed_below(seed, 4);
		addr.b[15] = (uint8_t)seed_below(seed, 4);
		event.source = prefix_of(&addr, seed_below(seed, 3) ? 64 : 30 + seed_below(seed, 99));
	}
	return event;
}

static struct store_query random_query(struct seed *seed)
{
	struct store_query query = { .limit = 1 + seed_below(seed, 700), .oldest_first = seed_below(seed, 2) };
	struct event about = crowded_event(seed, 1);

	if (seed_below(seed, 5) > 0)
		query.within = about.source;
	if (seed_below(seed, 3) == 0)
		query.since_ms = NOW_MS + seed_below(seed, 300);
	return query;
}

static void test_history_answers_like_a_plain_search(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 6000 };
	struct event *events = calloc(COUNT, sizeof(*events));
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store = open_well(f->directory);

	for (uint32_t i = 0; i < COUNT; i++) {
		events[i] = crowded_event(&f->seed, i + 1);
		store_event(store, &events[i]);
	}
	qsort(events, COUNT, sizeof(events[0]), by_time);
	for (int round = 0; round < 60; round++) {
		struct store_query query = random_query(&f->seed);
		size_t given;

		answer->count = 0;
		do {
			given = store_history(store, &query, take_event, answer);
			if (given > 0)
				query.before_row = answer->rows[answer->count - 1];
		} while (given == query.limit);
		for (size_t i = 0, at = 0; i <= COUNT; i++) {
			const struct event *event = &events[query.oldest_first ? i : COUNT - 1 - i];
			if (i == COUNT) {
				assert_int_equal(at, answer->count);
				break;
			}
			if (!matches(event, &query))
				continue;
			assert_true(at < answer->count);
			assert_int_equal(answer->rows[at], event->incident);
			assert_memory_equal(&answer->events[at++], event, sizeof(*event));
		}
	}
	store_close(store);
	free(events);
	free(answer);
}

/* Above the number that is sorted, a prefix is walked through time: the answer is the same. */
static void test_history_of_a_crowded_prefix(void **state)
{
	struct fixture *f = *state;
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_ALERT, "10.0.0.0/9", NOW_MS);
	struct store_query evicted = { .limit = 0 };

	store_event(store, &event);
	event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS + 1);
	store_event(store, &event);
	store_tick(store, NOW_MS);
	store_close(store);
	by_hand(f->path,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 210000)"
		"INSERT INTO event SELECT NULL, at_ms + i * 100000, type, source, made_key, 128, grade, duration_ms,"
		" incident, tool, times, observed, reason, ports, detail"
		" FROM (SELECT event.*, i, CAST(x'00000000000000000000FFFF0A0A' ||"
		" CAST(char(1 + i % 100, 1 + i / 100 % 100) AS BLOB) AS BLOB) AS made_key"
		" FROM event, n WHERE row = 1)");
	store = open_well(f->directory);
	assert_int_equal(ask(store, "10.0.0.0/8", 10, answer), 10);
	assert_int_equal(answer->rows[0], 210002);
	assert_int_equal(answer->rows[9], 209993);
	assert_int_equal(ask(store, "10.10.5.7", 500, answer), 22); /* its own 21, and the /9 it lies in */
	assert_int_equal(answer->rows[21], 1);
	evicted.within = prefix("10.0.0.0/8");
	evicted.since_ms = NOW_MS + 100LL * 100000;
	evicted.before_row = 1000 + 2;
	answer->count = 0;
	assert_int_equal(store_history(store, &evicted, take_event, answer), 900);
	assert_int_equal(answer->rows[0], 999 + 2);
	assert_int_equal(answer->rows[899], 100 + 2);
	evicted.oldest_first = true;
	evicted.before_row = 50 + 2;
	answer->count = 0;
	assert_int_equal(store_history(store, &evicted, take_event, answer), 1000);
	assert_int_equal(answer->rows[0], 100 + 2);
	assert_int_equal(answer->rows[999], 1099 + 2);
	evicted.before_row = 210000;
	answer->count = 0;
	assert_int_equal(store_history(store, &evicted, take_event, answer), 2);
	assert_int_equal(ask(store, "192.0.0.0/16", 0, answer), 1);
	assert_int_equal(ask(store, "172.16.0.0/12", 0, answer), 0);
	store_close(store);
	free(answer);
}

/* A page goes on where the last one ended, even if its last row has gone since. */
static void test_pages_after_rows_have_gone(void **state)
{
	struct fixture *f = *state;
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store = open_well(f->directory);
	struct store_query query = { .limit = 3 };

	fill(store, 30);
	store_tick(store, NOW_MS);
	by_hand(f->path, "DELETE FROM event WHERE row <= 5 OR row BETWEEN 15 AND 20");
	query.before_row = 17;
	assert_int_equal(store_history(store, &query, take_event, answer), 3);
	assert_int_equal(answer->rows[0], 14);
	query.oldest_first = true;
	answer->count = 0;
	assert_int_equal(store_history(store, &query, take_event, answer), 3);
	assert_int_equal(answer->rows[0], 21);
	/* All before it have gone. */
	query.before_row = 4;
	answer->count = 0;
	assert_int_equal(store_history(store, &query, take_event, answer), 3);
	assert_int_equal(answer->rows[0], 6);
	query.oldest_first = false;
	assert_int_equal(store_history(store, &query, take_event, answer), 0);
	/* No question. */
	query.before_row = -1;
	assert_int_equal(store_history(store, &query, take_event, answer), 0);
	query = (struct store_query){ .within = { .len = 129 } };
	assert_int_equal(store_history(store, &query, take_event, answer), 0);
	query = (struct store_query){ .limit = 999 };
	answer->count = 0;
	assert_int_equal(store_history(store, &query, take_event, answer), 19);
	store_close(store);
	store = store_open("/nonexistent", NOW_MS);
	assert_int_equal(store_history(store, &query, take_event, answer), 0);
	assert_int_equal(store_restore(store, STORE_SERVED, NOW_MS, count_item, &(size_t){ 0 }), 0);
	assert_int_equal(stats_of(store).rows + (uint64_t)stats_of(store).bytes, 0);
	assert_false(store_close(store));
	free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_history_answers_like_a_plain_search),
		CASE(test_history_of_a_crowded_prefix),
		CASE(test_pages_after_rows_have_gone),
	};

	return cmocka_run_group_tests_name("store_history", tests, NULL, NULL);
}
