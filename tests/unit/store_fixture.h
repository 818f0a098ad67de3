/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the store share: a directory for each test, events and state to put in, and what another program
 * would do to the file.
 */
#ifndef PICKET_TEST_STORE_FIXTURE_H
#define PICKET_TEST_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seed.h"
#include "store/store.h"

#define NOW_MS 1800000000000LL
#define DAY_MS 86400000LL

struct fixture {
	char directory[64], path[PATH_MAX];
	struct seed seed;
};

static inline int set_up(void **state)
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

static inline void remove_matching(const char *directory, const char *pattern)
{
	char text[PATH_MAX + 64];
	glob_t found;

	snprintf(text, sizeof(text), "%s/%s", directory, pattern);
	if (glob(text, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
	globfree(&found);
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	remove_matching(f->directory, "*");
	rmdir(f->directory);
	free(f);
	return 0;
}

static inline size_t count_matching(const char *directory, const char *pattern)
{
	char text[PATH_MAX + 64];
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

static inline struct store_stats stats_of(struct store *store)
{
	struct store_stats stats;

	store_read_stats(store, &stats);
	return stats;
}

static inline struct store *open_well(const char *directory)
{
	struct store *store = store_open(directory, NOW_MS);

	assert_non_null(store);
	assert_string_equal(problem(store), "");
	return store;
}

/* Runs SQL on a connection of its own, as another program would. */
static inline void by_hand(const char *path, const char *sql)
{
	sqlite3 *db;
	char *error = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 1000);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
}

static inline struct prefix prefix(const char *text)
{
	const char *error;
	struct prefix out;

	assert_true(prefix_parse(text, &out, &error));
	return out;
}

static inline struct event event_of(enum event_type type, const char *source, int64_t at_ms)
{
	struct event event;

	memset(&event, 0, sizeof(event));
	event.type = (uint8_t)type;
	event.at_ms = at_ms;
	event.sources = 1;
	if (source)
		event.source = prefix(source);
	event.grade = type == EVENT_BAN ? GRADE_BAN : GRADE_VEIL;
	if (type == EVENT_VEIL || type == EVENT_BAN)
		event.duration_ms = 600000;
	return event;
}

struct answer {
	size_t count;
	int64_t rows[20000];
	struct event events[20000];
};

static inline void take_event(void *context, int64_t row, const struct event *event)
{
	struct answer *answer = context;

	assert_true(answer->count < sizeof(answer->rows) / sizeof(answer->rows[0]));
	answer->rows[answer->count] = row;
	answer->events[answer->count++] = *event;
}

static inline size_t ask(struct store *store, const char *within, uint32_t limit, struct answer *answer)
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

static inline void take_block(void *context, const void *block)
{
	struct blocks *blocks = context;

	assert_true(blocks->count < 64);
	blocks->views[blocks->count++] = *(const struct block_view *)block;
}

static inline const struct block_view *find_block(const struct blocks *blocks, const char *source)
{
	struct prefix wanted = prefix(source);

	for (size_t i = 0; i < blocks->count; i++)
		if (prefix_equal(&blocks->views[i].source, &wanted))
			return &blocks->views[i];
	return NULL;
}

static inline void count_item(void *context, const void *item)
{
	(void)item;
	++*(size_t *)context;
}

static inline struct source_view some_source(const char *text)
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

static inline void save(struct store *store, size_t sources, bool to_the_end)
{
	const struct served_view served = { .last_ms = NOW_MS, .port = 443, .protocol = 6 };
	const struct store_learned learned = {
		.addr = prefix("203.0.113.5").addr,
		.until_ms = NOW_MS + 1000,
		.port = 443,
		.kind = 1,
	};
	struct source_view source = some_source("198.51.100.7");

	store_save_begin(store);
	for (size_t i = 0; i < sources; i++)
		store_save(store, STORE_SOURCES, &source);
	store_save(store, STORE_SERVED, &served);
	store_save(store, STORE_LEARNED, &learned);
	if (to_the_end)
		store_save_end(store);
}

static inline void write_file(const char *path, const void *data, size_t len, off_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

static inline void fill(struct store *store, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct event event = event_of(EVENT_VEIL, "192.0.2.1", NOW_MS + (int64_t)i);
		event.source.addr.b[14] = (uint8_t)(i >> 8);
		event.source.addr.b[15] = (uint8_t)i;
		store_event(store, &event);
	}
	store_tick(store, NOW_MS);
}

static inline void make_garbage(const char *path)
{
	char noise[5000];

	memset(noise, 0x5a, sizeof(noise));
	write_file(path, noise, sizeof(noise), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
