/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory over restarts: what goes in comes back, questions are answered as a plain search would, rows by a foreign hand are
 * passed over, and a file that is damaged, newer, foreign, full or read-only is told in words while the store lives on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <picket/describe.h>

#include "duration.h"
#include "sandbox.h"
#include "seed.h"
#include "store.h"

#define NOW_MS 1800000000000LL
#define DAY_MS 86400000LL
#define NOT_PERMITTED 77

struct fixture {
	char directory[64], path[PATH_MAX];
	struct seed seed;
};

/* ---- helpers ---- */

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->directory, "/tmp/picket-store-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/picket.db", f->directory);
	f->seed = seed_new("store");
	*state = f;
	return 0;
}

static void remove_matching(const char *directory, const char *pattern)
{
	char text[PATH_MAX];
	glob_t found;

	snprintf(text, sizeof(text), "%s/%s", directory, pattern);
	if (glob(text, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
	globfree(&found);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	remove_matching(f->directory, "*");
	rmdir(f->directory);
	free(f);
	return 0;
}

static size_t count_matching(const char *directory, const char *pattern)
{
	char text[PATH_MAX];
	glob_t found;
	size_t count = 0;

	snprintf(text, sizeof(text), "%s/%s", directory, pattern);
	if (glob(text, 0, NULL, &found) == 0)
		count = found.gl_pathc;
	globfree(&found);
	return count;
}

static const char *problem(struct store *store)
{
	static struct store_stats stats;

	store_read_stats(store, &stats);
	return stats.problem;
}

static struct store_stats stats_of(struct store *store)
{
	struct store_stats stats;

	store_read_stats(store, &stats);
	return stats;
}

static struct store *open_well(const char *directory)
{
	struct store *store = store_open(directory, NOW_MS);

	assert_non_null(store);
	assert_string_equal(problem(store), "");
	return store;
}

/* Runs SQL on a connection of its own, as another program would. */
static void by_hand(const char *path, const char *sql)
{
	sqlite3 *db;
	char *error = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 1000);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
}

static struct prefix prefix(const char *text)
{
	const char *error;
	struct prefix out;

	assert_true(prefix_parse(text, &out, &error));
	return out;
}

static struct event event_of(enum event_type type, const char *source, int64_t at_ms)
{
	struct event event;

	memset(&event, 0, sizeof(event));
	event.type = (uint8_t)type;
	event.at_ms = at_ms;
	event.sources = 1;
	if (source)
		event.source = prefix(source);
	event.grade = type == EVENT_BAN ? GRADE_BAN : GRADE_BLOCK;
	if (type == EVENT_BLOCK || type == EVENT_BAN)
		event.duration_ms = 600000;
	return event;
}

static struct event random_event(struct seed *seed)
{
	struct event event;
	struct addr addr = { { 0 } };
	unsigned len = 96 + seed_below(seed, 33);

	memset(&event, 0, sizeof(event));
	for (size_t i = 0; i < 16; i++)
		addr.b[i] = (uint8_t)seed_below(seed, 256);
	if (seed_below(seed, 2))
		addr = addr_from_v4(&addr.b[12]);
	else
		len = 1 + seed_below(seed, 128);
	event.source = prefix_of(&addr, len);
	event.at_ms = NOW_MS - seed_below(seed, 1000000);
	event.type = (uint8_t)(1 + seed_below(seed, EVENT_TYPE_COUNT - 1));
	event.grade = (uint8_t)seed_below(seed, GRADE_COUNT);
	event.tool = (uint8_t)seed_below(seed, TOOL_COUNT);
	event.observed = (uint8_t)seed_below(seed, 2);
	event.duration_ms = (int64_t)(seed_next(seed) % DURATION_MAX_MS);
	event.times = (uint8_t)seed_below(seed, 256);
	event.incident = (uint32_t)seed_next(seed);
	event.confirmed_mn = (int32_t)seed_next(seed);
	event.suspected_mn = (int32_t)seed_next(seed);
	event.threshold_mn = (int32_t)seed_next(seed);
	event.kinds = (uint32_t)seed_next(seed) & ((1u << EVIDENCE_KIND_COUNT) - 1);
	event.probes = (uint32_t)seed_next(seed);
	event.ports = (uint16_t)seed_next(seed);
	event.hosts = (uint16_t)seed_next(seed);
	event.sources = (uint16_t)seed_next(seed);
	event.piece_count = (uint8_t)seed_below(seed, EVENT_PIECES_MAX + 1);
	for (size_t i = 0; i < event.piece_count; i++) {
		event.pieces[i].at_s = (uint32_t)seed_next(seed);
		event.pieces[i].port = (uint16_t)seed_next(seed);
		event.pieces[i].host_tag = (uint16_t)seed_next(seed);
		event.pieces[i].weight = (uint8_t)seed_next(seed);
		event.pieces[i].kind = (uint8_t)seed_below(seed, EVIDENCE_KIND_COUNT);
	}
	for (size_t i = 0, len_text = seed_below(seed, EVENT_TEXT_MAX); i < len_text; i++)
		event.text[i] = (char)(0x20 + seed_below(seed, 0x5f));
	return event;
}

struct answer {
	size_t count;
	int64_t rows[20000];
	struct event events[20000];
};

static void take_event(void *context, int64_t row, const struct event *event)
{
	struct answer *answer = context;

	assert_true(answer->count < sizeof(answer->rows) / sizeof(answer->rows[0]));
	answer->rows[answer->count] = row;
	answer->events[answer->count++] = *event;
}

static size_t ask(struct store *store, const char *within, uint32_t limit, struct answer *answer)
{
	struct store_query query = { .limit = limit };

	if (within)
		query.within = prefix(within);
	answer->count = 0;
	return store_history(store, &query, take_event, answer);
}

struct blocks {
	size_t count;
	struct block_view views[64];
};

static void take_block(void *context, const struct block_view *block)
{
	struct blocks *blocks = context;

	assert_true(blocks->count < 64);
	blocks->views[blocks->count++] = *block;
}

static const struct block_view *find_block(const struct blocks *blocks, const char *source)
{
	struct prefix wanted = prefix(source);

	for (size_t i = 0; i < blocks->count; i++)
		if (prefix_equal(&blocks->views[i].source, &wanted))
			return &blocks->views[i];
	return NULL;
}

static void count_row(void *context, const void *row)
{
	(void)row;
	++*(size_t *)context;
}

static void count_source(void *context, const struct source_view *source)
{
	count_row(context, source);
}

static void count_served(void *context, const struct store_served *served)
{
	count_row(context, served);
}

static void count_customer(void *context, const struct store_customer *customer)
{
	count_row(context, customer);
}

static void count_block(void *context, const struct block_view *block)
{
	count_row(context, block);
}

/* ---- what goes in comes back ---- */

static void test_events_come_back_as_they_were(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 2000 };
	struct event *events = calloc(COUNT, sizeof(*events));
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store = open_well(f->directory);
	struct stat info;

	for (size_t i = 0; i < COUNT; i++) {
		events[i] = random_event(&f->seed);
		events[i].at_ms = NOW_MS + (int64_t)i;
		assert_true(event_is_valid(&events[i]));
		store_event(store, &events[i]);
	}
	assert_int_equal(stats_of(store).queued, COUNT);
	assert_false(store_tick(store, NOW_MS));
	assert_int_equal(stats_of(store).written, COUNT);
	assert_int_equal(stats_of(store).rows, COUNT);
	store_close(store);
	assert_int_equal(stat(f->path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_int_equal(count_matching(f->directory, "picket.db-wal"), 0);

	store = open_well(f->directory);
	assert_int_equal(stats_of(store).rows, COUNT);
	assert_int_equal(ask(store, NULL, 0, answer), STORE_PAGE_MAX);
	for (size_t i = 0; i < answer->count; i++)
		assert_memory_equal(&answer->events[i], &events[COUNT - 1 - i], sizeof(struct event));
	store_close(store);
	free(events);
	free(answer);
}

static void test_columns_are_for_people(void **state)
{
	static const char *const wanted[][2] = {
		{ "SELECT type || ' ' || source || ' ' || grade || ' ' || duration_ms || ' ' || tool FROM event",
		  "block 198.51.100.7 block 600000 nmap" },
		{ "SELECT hex(source_key) || '/' || len FROM event", "00000000000000000000FFFFC6336407/128" },
		{ "SELECT ports FROM event", "22,23" },
		{ "SELECT at_utc FROM history", "2027-01-15 08:00:00" },
		{ "SELECT until_utc FROM live", "2027-01-15 08:10:00" },
		{ "SELECT reason FROM event WHERE reason LIKE 'suspected 7.2 of 6.9, SYN scan, %'", NULL },
	};
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_BLOCK, "198.51.100.7", NOW_MS);
	sqlite3_stmt *statement;
	sqlite3 *db;

	event.tool = TOOL_NMAP;
	event.suspected_mn = 7200;
	event.threshold_mn = 6900;
	event.kinds = 1u << EVIDENCE_SYN;
	event.piece_count = 2;
	event.pieces[0] = (struct evidence){ .port = 22, .kind = EVIDENCE_SYN, .weight = 28 };
	event.pieces[1] = (struct evidence){ .port = 23, .kind = EVIDENCE_SYN, .weight = 28 };
	store_event(store, &event);
	store_tick(store, NOW_MS);
	/* While picket has it open. */
	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(sqlite3_prepare_v2(db, wanted[i][0], -1, &statement, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
		if (wanted[i][1])
			assert_string_equal((const char *)sqlite3_column_text(statement, 0), wanted[i][1]);
		sqlite3_finalize(statement);
	}
	sqlite3_close(db);
	store_close(store);
}

static void test_live_blocks_over_a_restart(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct blocks blocks = { 0 };
	struct event event;
	const struct block_view *view;

	/* stands; became a ban; lifted; ran out; refused by the kernel; only observed; by hand without end */
	event = event_of(EVENT_BLOCK, "192.0.2.1", NOW_MS);
	event.tool = TOOL_ZMAP;
	event.times = 3;
	event.incident = 42;
	event.kinds = 1u << EVIDENCE_SYN;
	event.piece_count = 3;
	event.pieces[0] = (struct evidence){ .port = 80, .kind = EVIDENCE_SYN };
	event.pieces[1] = (struct evidence){ .port = 22, .kind = EVIDENCE_SYN };
	event.pieces[2] = (struct evidence){ .port = 80, .kind = EVIDENCE_SYN };
	store_event(store, &event);
	event = event_of(EVENT_BLOCK, "192.0.2.2", NOW_MS);
	event.suspected_mn = 7100;
	store_event(store, &event);
	event = event_of(EVENT_BAN, "192.0.2.2", NOW_MS + 1000);
	event.duration_ms = 3600000;
	store_event(store, &event);
	for (int i = 3; i <= 6; i++) {
		static const enum event_type ends[] = { EVENT_UNBLOCK, EVENT_EXPIRE, EVENT_FAILED, EVENT_UNBLOCK };
		char source[32];
		snprintf(source, sizeof(source), "192.0.2.%d", i);
		event = event_of(EVENT_BLOCK, source, NOW_MS);
		event.observed = i == 6;
		store_event(store, &event);
		event = event_of(ends[i - 3], source, NOW_MS + 1);
		store_event(store, &event);
	}
	event = event_of(EVENT_BLOCK, "2001:db8::/32", NOW_MS);
	event.grade = GRADE_MANUAL;
	event.duration_ms = 0;
	strcpy(event.text, "enough of it");
	store_event(store, &event);
	event = event_of(EVENT_BLOCK, "192.0.2.9", NOW_MS - 600000);    /* over exactly now */
	store_event(store, &event);
	store_close(store);

	store = open_well(f->directory);
	assert_int_equal(store_each_block(store, NOW_MS, take_block, &blocks), 3);
	view = find_block(&blocks, "192.0.2.1");
	assert_non_null(view);
	assert_int_equal(view->grade, GRADE_BLOCK);
	assert_int_equal(view->times, 3);
	assert_int_equal(view->tool, TOOL_ZMAP);
	assert_int_equal(view->incident, 42);
	assert_int_equal(view->kinds, 1u << EVIDENCE_SYN);
	assert_int_equal(view->since_ms, NOW_MS);
	assert_int_equal(view->until_ms, NOW_MS + 600000);
	assert_memory_equal(view->ports, ((const uint16_t[4]){ 80, 22 }), sizeof(view->ports));
	view = find_block(&blocks, "192.0.2.2");
	assert_non_null(view);
	assert_int_equal(view->grade, GRADE_BAN);
	assert_int_equal(view->since_ms, NOW_MS);
	assert_int_equal(view->until_ms, NOW_MS + 1000 + 3600000);
	assert_non_null(strstr(view->reason, "suspected 7.1"));
	view = find_block(&blocks, "2001:db8::/32");
	assert_non_null(view);
	assert_int_equal(view->until_ms, 0);
	assert_string_equal(view->reason, "enough of it");
	store_close(store);
}

static struct source_view some_source(const char *text)
{
	struct source_view source;

	memset(&source, 0, sizeof(source));
	source.source = prefix(text);
	source.grade = GRADE_ALERT;
	source.tool = TOOL_MIRAI;
	source.times = 2;
	source.confirmed_mn = 4700;
	source.suspected_mn = 1390;
	source.fast_mn = 700;
	source.incident = 7;
	source.kinds = 1u << EVIDENCE_TRAP;
	source.probes = 99;
	source.first_ms = NOW_MS - 5;
	source.last_ms = NOW_MS;
	source.piece_count = EVENT_PIECES_MAX;
	for (size_t i = 0; i < EVENT_PIECES_MAX; i++) {
		source.pieces[i].at_s = 1800000000u;
		source.pieces[i].port = (uint16_t)(1000 + i);
		source.pieces[i].kind = EVIDENCE_TRAP;
	}
	source.older[1].kind = EVIDENCE_UDP;
	source.older[1].count = 200;
	source.older[1].weight_mn = 123;
	return source;
}

static void same_source(void *context, const struct source_view *source)
{
	struct source_view wanted = some_source("198.51.100.7");

	assert_memory_equal(source, &wanted, sizeof(wanted));
	++*(size_t *)context;
}

static void save(struct store *store, size_t sources, bool to_the_end)
{
	const struct store_served served = { .last_ms = NOW_MS, .port = 443, .protocol = 6 };
	const struct store_customer customer = {
		.addr = prefix("203.0.113.5").addr, .until_ms = NOW_MS + 1000, .port = 443, .protocol = 6,
	};
	struct source_view source = some_source("198.51.100.7");

	store_save_begin(store);
	for (size_t i = 0; i < sources; i++)
		store_save_source(store, &source);
	store_save_served(store, &served);
	store_save_customer(store, &customer);
	if (to_the_end)
		store_save_end(store);
}

static void test_state_over_a_restart(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS);
	size_t sources = 0, served = 0, customers = 0;

	save(store, 5, true);
	save(store, 2, true);           /* replaces */
	save(store, 9, false);          /* cut short: as if it had never begun */
	store_event(store, &event);
	assert_false(store_tick(store, NOW_MS + 1000));
	assert_int_equal(stats_of(store).queued, 1);
	store_close(store);

	store = open_well(f->directory);
	assert_int_equal(stats_of(store).rows, 1);
	assert_int_equal(store_each_source(store, same_source, &sources), 2);
	assert_int_equal(sources, 2);
	assert_int_equal(store_each_served(store, count_served, &served), 1);
	assert_int_equal(store_each_customer(store, NOW_MS, count_customer, &customers), 1);
	assert_int_equal(store_each_customer(store, NOW_MS + 1000, count_customer, &customers), 0);
	/* A save that never ends doesn't hold events up for ever. */
	save(store, 9, false);
	store_event(store, &event);
	store_tick(store, NOW_MS + 121000);
	assert_int_equal(stats_of(store).queued, 0);
	assert_int_equal(store_each_source(store, same_source, &sources), 2);
	store_close(store);
}

/* ---- questions ---- */

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
		addr = addr_from_v4((const uint8_t[4]){ 10, 0, (uint8_t)seed_below(seed, 4), (uint8_t)seed_below(seed, 8) });
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
	struct store_query crowded = { .limit = 0 };

	store_event(store, &event);
	event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS + 1);
	store_event(store, &event);
	store_tick(store, NOW_MS);
	store_close(store);
	by_hand(f->path,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 210000)"
		"INSERT INTO event SELECT NULL, at_ms + i * 100000, type, source, made_key, 128, grade, duration_ms, incident, tool, times,"
		" observed, reason, ports, detail FROM (SELECT event.*, i, CAST(x'00000000000000000000FFFF0A0A' ||"
		" CAST(char(1 + i % 100, 1 + i / 100 % 100) AS BLOB) AS BLOB) AS made_key FROM event, n WHERE row = 1)");
	store = open_well(f->directory);
	assert_int_equal(ask(store, "10.0.0.0/8", 10, answer), 10);
	assert_int_equal(answer->rows[0], 210002);
	assert_int_equal(answer->rows[9], 209993);
	assert_int_equal(ask(store, "10.10.5.7", 500, answer), 22);     /* its own 21, and the /9 it lies in */
	assert_int_equal(answer->rows[21], 1);
	crowded.within = prefix("10.0.0.0/8");
	crowded.since_ms = NOW_MS + 100LL * 100000;
	crowded.before_row = 1000 + 2;
	answer->count = 0;
	assert_int_equal(store_history(store, &crowded, take_event, answer), 900);
	assert_int_equal(answer->rows[0], 999 + 2);
	assert_int_equal(answer->rows[899], 100 + 2);
	crowded.oldest_first = true;
	crowded.before_row = 50 + 2;
	answer->count = 0;
	assert_int_equal(store_history(store, &crowded, take_event, answer), 1000);
	assert_int_equal(answer->rows[0], 100 + 2);
	assert_int_equal(answer->rows[999], 1099 + 2);
	crowded.before_row = 210000;
	answer->count = 0;
	assert_int_equal(store_history(store, &crowded, take_event, answer), 2);
	assert_int_equal(ask(store, "192.0.0.0/16", 0, answer), 1);
	assert_int_equal(ask(store, "172.16.0.0/12", 0, answer), 0);
	store_close(store);
	free(answer);
}

/* ---- a foreign hand ---- */

static void test_hostile_rows_are_passed_over(void **state)
{
	static const char *const good =
		"UPDATE block SET source_key = x'00000000000000000000FFFFC0000201', len = 128, grade = 'block', tool = '',"
		" kinds = 0, since_ms = 0, until_ms = 0, ports = '', reason = '', times = 1, incident = 0;";
	static const char *const bad_blocks[] = {
		"source_key = x'00'", "source_key = zeroblob(17)", "len = 129", "len = -1", "len = 96", "len = 0", "grade = 'watch'",
		"grade = 'x'", "grade = ''", "tool = 'metasploit'", "kinds = 1 << 40", "kinds = -1", "times = 256", "incident = -1",
		"since_ms = -1", "until_ms = 9223372036854775807", "ports = '0'", "ports = '65536'", "ports = '1,2,3,4,5'",
		"ports = ','", "ports = '1,'", "ports = 'x'", "reason = printf('%.*c', 96, 'x')", "reason = char(10)",
		"reason = char(0x2028)", "ports = '99999999999999999999'",
	};
	static const char *const bad_sources[] = {
		"view = x''", "view = x'01'", "view = zeroblob(100)", "view = zeroblob(100000)", "view = CAST(view || x'00' AS BLOB)",
		"view = CAST(substr(view, 1, 1) || x'05' || substr(view, 3) AS BLOB)",                /* grade */
		"view = CAST(substr(view, 1, 2) || x'20' || substr(view, 4) AS BLOB)",                /* tool */
		"view = CAST(substr(view, 1, 4) || x'ffffffff' || substr(view, 9) AS BLOB)",          /* score */
		"view = CAST(substr(view, 1, 44) || x'0d' || substr(view, 46) AS BLOB)",              /* pieces */
		"len = 0, source_key = x''",
	};
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_BLOCK, "192.0.2.1", NOW_MS);
	uint64_t turned_away = 0;
	size_t count = 0;
	char sql[512];

	store_event(store, &event);
	save(store, 1, true);
	for (size_t i = 0; i < sizeof(bad_blocks) / sizeof(bad_blocks[0]); i++) {
		snprintf(sql, sizeof(sql), "%s UPDATE block SET %s", good, bad_blocks[i]);
		by_hand(f->path, sql);
		if (store_each_block(store, NOW_MS, count_block, &count) != 0)
			fail_msg("taken: %s", bad_blocks[i]);
		assert_int_equal(stats_of(store).turned_away, ++turned_away);
	}
	by_hand(f->path, good);
	assert_int_equal(store_each_block(store, NOW_MS, count_block, &count), 1);
	by_hand(f->path, "CREATE TABLE kept AS SELECT * FROM source");
	for (size_t i = 0; i < sizeof(bad_sources) / sizeof(bad_sources[0]); i++) {
		snprintf(sql, sizeof(sql), "DELETE FROM source; INSERT INTO source SELECT * FROM kept; UPDATE source SET %s", bad_sources[i]);
		by_hand(f->path, sql);
		if (store_each_source(store, count_source, &count) != 0)
			fail_msg("taken: %s", bad_sources[i]);
		assert_int_equal(stats_of(store).turned_away, ++turned_away);
	}
	by_hand(f->path, "INSERT INTO served VALUES(256, 1, 1), (6, 65536, 1), (6, 1, -1)");
	assert_int_equal(store_each_served(store, count_served, &count), 1);
	by_hand(f->path, "INSERT INTO customer SELECT source, source_key, 127, 6, 1, until_ms FROM customer UNION ALL"
		" SELECT source, source_key, 128, 6, 0, until_ms FROM customer");
	assert_int_equal(store_each_customer(store, NOW_MS, count_customer, &count), 1);
	store_close(store);
}

static void test_hostile_history_is_passed_over(void **state)
{
	static const char *const bad[] = {
		"type = 'x'", "type = 'none'", "grade = 'x'", "at_ms = -5", "duration_ms = -1", "duration_ms = 1 << 62", "observed = 2",
		"len = 200", "source_key = x'0102'", "source_key = x''", "detail = x''", "detail = x'02'", "detail = zeroblob(29)",
		"detail = CAST(detail || x'00' AS BLOB)", "detail = CAST(substr(detail, 1, 27) || x'ff' || substr(detail, 29) AS BLOB)",
		"tool = 'x'", "times = -1", "incident = 1 << 32",
	};
	struct fixture *f = *state;
	enum { BAD = sizeof(bad) / sizeof(bad[0]) };
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store = open_well(f->directory);
	char sql[512];

	for (size_t i = 0; i < 3 * BAD; i++) {
		struct event event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS + (int64_t)i);
		strcpy(event.text, "text");
		store_event(store, &event);
	}
	store_tick(store, NOW_MS);
	for (size_t i = 0; i < BAD; i++) {
		snprintf(sql, sizeof(sql), "UPDATE event SET %s WHERE row = %zu", bad[i], 20 + i);
		by_hand(f->path, sql);
	}
	/* A page is full all the same: what is bad is filled from behind it. */
	assert_int_equal(ask(store, NULL, 2 * BAD, answer), 2 * BAD);
	assert_int_equal(ask(store, NULL, 4 * BAD, answer), 2 * BAD);
	assert_int_equal(stats_of(store).turned_away, 2 * (BAD - 1));   /* the one before all time is never met */
	store_close(store);
	free(answer);
}

/* ---- files that are not as they should be ---- */

static void write_file(const char *path, const void *data, size_t len, off_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

static void fill(struct store *store, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct event event = event_of(EVENT_BLOCK, "192.0.2.1", NOW_MS + (int64_t)i);
		event.source.addr.b[14] = (uint8_t)(i >> 8);
		event.source.addr.b[15] = (uint8_t)i;
		store_event(store, &event);
	}
	store_tick(store, NOW_MS);
}

static void make_garbage(const char *path)
{
	char noise[5000];

	memset(noise, 0x5a, sizeof(noise));
	write_file(path, noise, sizeof(noise), 0);
}

static void make_truncated(const char *path)
{
	struct stat info;

	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(truncate(path, info.st_size / 2), 0);
}

static void make_short(const char *path)
{
	assert_int_equal(truncate(path, 60), 0);
}

static void make_scribbled(const char *path)
{
	char noise[3 * 4096];

	memset(noise, 0xa5, sizeof(noise));
	write_file(path, noise, sizeof(noise), 4 * 4096);
}

static void make_other_schema(const char *path)
{
	by_hand(path, "DROP TABLE block");
}

static void test_damage_is_set_aside(void **state)
{
	static void (*const damages[])(const char *path) = {
		make_garbage, make_truncated, make_short, make_scribbled, make_other_schema,
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct store *store = open_well(f->directory);
		fill(store, 2000);
		store_close(store);
		damages[i](f->path);
		store = store_open(f->directory, NOW_MS);
		assert_non_null(strstr(problem(store), "damaged: set aside as picket.db.damaged-1800000000"));
		assert_int_equal(count_matching(f->directory, "picket.db.damaged-1800000000"), 1);
		/* Told once, then forgotten. */
		assert_true(store_tick(store, NOW_MS));
		assert_string_not_equal(problem(store), "");
		assert_true(store_tick(store, NOW_MS + 1000));
		assert_string_equal(problem(store), "");
		assert_false(store_tick(store, NOW_MS + 2000));
		fill(store, 10);
		assert_int_equal(stats_of(store).rows, 10);
		store_close(store);
		remove_matching(f->directory, "*");
	}
}

static void test_damaged_files_do_not_pile_up(void **state)
{
	struct fixture *f = *state;
	struct store *store;

	for (int i = 0; i < 6; i++) {
		make_garbage(f->path);
		store = store_open(f->directory, NOW_MS);
		store_close(store);
	}
	assert_int_equal(count_matching(f->directory, "picket.db.damaged-*"), 4);
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "4 damaged ones lie there already"));
	remove_matching(f->directory, "picket.db.damaged-*");
	assert_true(store_tick(store, NOW_MS));
	assert_true(store_tick(store, NOW_MS + 60000));
	assert_non_null(strstr(problem(store), "set aside"));
	store_close(store);
}

/* Damage that shows while running: the history begins anew, and the engine is asked for its blocks. */
static void test_damage_while_running(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct answer *answer = calloc(1, sizeof(*answer));
	struct block_view block = { .source = prefix("192.0.2.77"), .grade = GRADE_BAN, .until_ms = NOW_MS + 5000 };
	struct blocks blocks = { 0 };

	fill(store, 4000);
	store_close(store);
	store = open_well(f->directory);
	by_hand(f->path, "INSERT INTO meta VALUES('x', 1)");    /* so that what is in memory is read again */
	for (off_t page = 1; page < 200; page++)
		write_file(f->path, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, page * 4096);
	ask(store, NULL, 0, answer);
	assert_non_null(strstr(problem(store), "is damaged (cannot read): set aside as picket.db.damaged-"));
	assert_int_equal(count_matching(f->directory, "picket.db.damaged-1800000000"), 1);
	assert_true(store_wants_blocks(store));
	store_save_blocks_begin(store);
	store_save_block(store, &block);
	store_save_end(store);
	assert_false(store_wants_blocks(store));
	assert_int_equal(store_each_block(store, NOW_MS, take_block, &blocks), 1);
	fill(store, 5);
	assert_int_equal(stats_of(store).rows, 5);
	store_close(store);
	free(answer);
}

static void *contents(const char *path, size_t *len)
{
	struct stat info;
	int fd = open(path, O_RDONLY);
	char *data;

	assert_true(fd >= 0 && fstat(fd, &info) == 0);
	data = malloc((size_t)info.st_size);
	*len = (size_t)info.st_size;
	assert_int_equal(read(fd, data, *len), (ssize_t)*len);
	close(fd);
	return data;
}

static void test_newer_and_foreign_files_are_left_alone(void **state)
{
	static const struct { const char *sql, *words; } cases[] = {
		{ "PRAGMA user_version = 2", "is of a newer picket (format 2, this one knows 1)" },
		{ "PRAGMA application_id = 7", "is not picket's" },
		{ "PRAGMA application_id = 0", "is not picket's" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store *store = open_well(f->directory);
		size_t before_len, after_len, count = 0;
		void *before, *after;

		fill(store, 10);
		store_close(store);
		by_hand(f->path, cases[i].sql);
		before = contents(f->path, &before_len);
		store = store_open(f->directory, NOW_MS);
		assert_non_null(strstr(problem(store), cases[i].words));
		fill(store, 10);
		store_tick(store, NOW_MS + 60000);
		assert_int_equal(store_each_block(store, NOW_MS, count_block, &count), 0);
		store_close(store);
		after = contents(f->path, &after_len);
		assert_int_equal(before_len, after_len);
		assert_memory_equal(before, after, after_len);
		free(before);
		free(after);
		remove_matching(f->directory, "*");
	}
}

static void test_links_and_other_things_are_refused(void **state)
{
	struct fixture *f = *state;
	char target[PATH_MAX + 16];
	struct store *store;

	snprintf(target, sizeof(target), "%s/elsewhere", f->directory);
	assert_int_equal(symlink(target, f->path), 0);
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "is a symbolic link: refused"));
	fill(store, 10);
	store_close(store);
	assert_int_equal(access(target, F_OK), -1);
	unlink(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "not a regular file"));
	/* In order again: taken up by itself. */
	unlink(f->path);
	fill(store, 10);
	store_tick(store, NOW_MS + 60000);
	assert_string_equal(problem(store), "");
	assert_int_equal(stats_of(store).rows, 10);
	store_close(store);
}

static void test_removed_while_running(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);

	fill(store, 10);
	unlink(f->path);
	assert_true(store_tick(store, NOW_MS + 1000));
	assert_non_null(strstr(problem(store), "was removed or replaced: begun anew"));
	assert_true(store_wants_blocks(store));
	fill(store, 3);
	assert_int_equal(stats_of(store).rows, 3);
	store_close(store);
}

/* ---- others, and limits ---- */

static void test_the_lock_of_another_program(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	sqlite3 *other;

	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	for (int i = 0; i < 5; i++) {
		assert_string_equal(problem(store), "");
		fill(store, 1);
	}
	assert_non_null(strstr(problem(store), "another program holds it locked"));
	assert_int_equal(stats_of(store).queued, 5);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	assert_true(store_tick(store, NOW_MS));
	assert_string_equal(problem(store), "");
	assert_int_equal(stats_of(store).rows, 5);
	store_close(store);
}

static void test_the_queue_is_bounded(void **state)
{
	struct fixture *f = *state;
	char missing[PATH_MAX];
	struct store *store;
	size_t blocks = 0;

	snprintf(missing, sizeof(missing), "%s/missing", f->directory);
	store = store_open(missing, NOW_MS);
	assert_non_null(strstr(problem(store), "No such file or directory"));
	fill(store, STORE_QUEUE_MAX + 1000);
	assert_int_equal(stats_of(store).queued, STORE_QUEUE_MAX);
	assert_int_equal(stats_of(store).turned_away, 1000);
	assert_false(store_wants_blocks(store));
	assert_int_equal(mkdir(missing, 0700), 0);
	assert_false(store_tick(store, NOW_MS + 59999));
	assert_int_equal(stats_of(store).queued, STORE_QUEUE_MAX);
	assert_true(store_tick(store, NOW_MS + 60000));
	assert_string_equal(problem(store), "");
	assert_int_equal(stats_of(store).rows, STORE_QUEUE_MAX);
	/* A thousand blocks were never written. */
	assert_true(store_wants_blocks(store));
	store_save_blocks_begin(store);
	store_save_end(store);
	assert_int_equal(store_each_block(store, NOW_MS, count_block, &blocks), 0);
	store_close(store);
	remove_matching(missing, "*");
	rmdir(missing);
}

static void test_half_a_queue_is_written_at_once(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS);

	for (int i = 0; i < 3 * STORE_QUEUE_MAX; i++)
		store_event(store, &event);
	assert_int_equal(stats_of(store).turned_away, 0);
	assert_int_equal(stats_of(store).written, 3 * STORE_QUEUE_MAX);
	store_close(store);
}

static void test_history_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct answer *answer = calloc(1, sizeof(*answer));
	uint64_t trimmed = 0;
	int64_t full;
	char sql[512];

	/* By age, in steps. */
	fill(store, 16384);
	full = stats_of(store).bytes;
	for (int i = 0; i < 600 && stats_of(store).rows > 0; i++) {
		store_tick(store, NOW_MS + (STORE_HISTORY_DAYS + 1) * DAY_MS + i);
		assert_true(stats_of(store).trimmed - trimmed <= 5000);
		trimmed = stats_of(store).trimmed;
	}
	assert_int_equal(trimmed, 16384);
	/* The file gives room back, in steps too. */
	for (int i = 0; i < 600; i++)
		store_tick(store, NOW_MS + (STORE_HISTORY_DAYS + 1) * DAY_MS + i);
	store_close(store);
	store = open_well(f->directory);
	if (full > 12 * 1024 * 1024)
		assert_true(stats_of(store).bytes < full);
	/* By rows: a hundred of them, and one that stands ten million and fifty further on. */
	fill(store, 100);
	assert_int_equal(ask(store, NULL, 1, answer), 1);
	snprintf(sql, sizeof(sql), "UPDATE event SET row = row - %lld; UPDATE event SET row = %d WHERE row = 100",
		 (long long)answer->rows[0] - 100, STORE_HISTORY_ROWS + 50);
	store_close(store);
	by_hand(f->path, sql);
	store = open_well(f->directory);
	store_tick(store, NOW_MS);
	assert_int_equal(stats_of(store).rows, STORE_HISTORY_ROWS);
	assert_int_equal(stats_of(store).trimmed, 50);
	assert_int_equal(ask(store, NULL, 0, answer), 50);
	store_close(store);
	free(answer);
}

/* ---- in a child of its own ---- */

static int in_child(int (*act)(struct fixture *), struct fixture *f)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(act(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED) {
		print_message("skipped: no mounts permitted here\n");
		skip();
	}
	if (WIFSIGNALED(status))
		fail_msg("ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static bool mount_small(const char *directory)
{
	return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", directory, "tmpfs", 0, "size=8m,mode=0700") == 0;
}

#define EXPECT(condition) do { if (!(condition)) { fprintf(stderr, "line %d: %s\n", __LINE__, #condition); return 1; } } while (0)

static int full_disk(struct fixture *f)
{
	char ballast[PATH_MAX + 16], noise[65536];
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store;
	uint64_t rows;
	int fd;

	if (!mount_small(f->directory))
		return NOT_PERMITTED;
	store = store_open(f->directory, NOW_MS);
	fill(store, 100);
	EXPECT(problem(store)[0] == '\0');
	snprintf(ballast, sizeof(ballast), "%s/ballast", f->directory);
	fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	memset(noise, 1, sizeof(noise));
	while (write(fd, noise, sizeof(noise)) > 0)
		;
	close(fd);
	fill(store, 6000);
	EXPECT(strstr(problem(store), "No space left on device; history is not kept, blocking goes on"));
	rows = stats_of(store).rows;
	EXPECT(rows >= 100 && rows < 6100);
	EXPECT(stats_of(store).queued > 0 && stats_of(store).turned_away == 0);
	/* What is there is still read; a retry while it is full changes nothing. */
	EXPECT(ask(store, NULL, 50, answer) == 50);
	store_tick(store, NOW_MS + 60000);
	EXPECT(strstr(problem(store), "No space left on device"));
	unlink(ballast);
	EXPECT(!store_tick(store, NOW_MS + 119000));
	EXPECT(store_tick(store, NOW_MS + 120000));
	EXPECT(problem(store)[0] == '\0');
	store_tick(store, NOW_MS + 121000);
	store_close(store);
	return 0;
}

static void test_full_disk(void **state)
{
	assert_int_equal(in_child(full_disk, *state), 0);
}

static int read_only_disk(struct fixture *f)
{
	struct store *store;
	size_t blocks = 0;

	if (!mount_small(f->directory))
		return NOT_PERMITTED;
	store = store_open(f->directory, NOW_MS);
	fill(store, 100);
	store_close(store);
	EXPECT(mount("none", f->directory, NULL, MS_REMOUNT | MS_RDONLY, "size=8m") == 0);
	store = store_open(f->directory, NOW_MS);
	EXPECT(strstr(problem(store), "Read-only file system; history is not kept, blocking goes on"));
	/* The blocks come back all the same. */
	EXPECT(store_each_block(store, NOW_MS, count_block, &blocks) == 100);
	fill(store, 50);
	EXPECT(stats_of(store).queued == 50);
	EXPECT(mount("none", f->directory, NULL, MS_REMOUNT, "size=8m") == 0);
	store_tick(store, NOW_MS + 60000);
	EXPECT(problem(store)[0] == '\0');
	EXPECT(stats_of(store).rows == 150);
	store_close(store);
	/* And an empty one. */
	unlink(f->path);
	EXPECT(mount("none", f->directory, NULL, MS_REMOUNT | MS_RDONLY, "size=8m") == 0);
	store = store_open(f->directory, NOW_MS);
	EXPECT(strstr(problem(store), "Read-only file system"));
	fill(store, 50);
	store_close(store);
	return 0;
}

static void test_read_only_disk(void **state)
{
	assert_int_equal(in_child(read_only_disk, *state), 0);
}

/* As the keeper runs it: no privilege, seccomp, Landlock. */
static int confined(struct fixture *f)
{
	const char *const writable[] = { f->directory, NULL }, *const readable[] = { NULL };
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store;
	int abi;

	if (chown(f->directory, 65534, 65534) < 0 || sandbox_drop(65534, 65534, false) < 0)
		return NOT_PERMITTED;
	EXPECT(sandbox_landlock(writable, readable, &abi) == 0);
	EXPECT(sandbox_seccomp(SANDBOX_KEEPER) == 0);
	for (int i = 0; i < 3; i++) {
		store = store_open(f->directory, NOW_MS);
		EXPECT(i == 2 || problem(store)[0] == '\0');
		EXPECT(i < 2 || strstr(problem(store), "set aside"));
		fill(store, 9000);
		save(store, 100, true);
		EXPECT(ask(store, "192.0.0.0/16", 0, answer) == STORE_PAGE_MAX);
		store_tick(store, NOW_MS + (STORE_HISTORY_DAYS + 1) * DAY_MS);
		store_close(store);
		if (i == 1)
			make_garbage(f->path);
	}
	free(answer);
	return 0;
}

static void test_inside_the_sandbox(void **state)
{
	assert_int_equal(in_child(confined, *state), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_events_come_back_as_they_were),
		CASE(test_columns_are_for_people),
		CASE(test_live_blocks_over_a_restart),
		CASE(test_state_over_a_restart),
		CASE(test_history_answers_like_a_plain_search),
		CASE(test_history_of_a_crowded_prefix),
		CASE(test_hostile_rows_are_passed_over),
		CASE(test_hostile_history_is_passed_over),
		CASE(test_damage_is_set_aside),
		CASE(test_damaged_files_do_not_pile_up),
		CASE(test_damage_while_running),
		CASE(test_newer_and_foreign_files_are_left_alone),
		CASE(test_links_and_other_things_are_refused),
		CASE(test_removed_while_running),
		CASE(test_the_lock_of_another_program),
		CASE(test_the_queue_is_bounded),
		CASE(test_half_a_queue_is_written_at_once),
		CASE(test_history_is_bounded),
		CASE(test_full_disk),
		CASE(test_read_only_disk),
		CASE(test_inside_the_sandbox),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
