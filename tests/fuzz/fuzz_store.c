/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the rows of the store, which any program with the right to write the file may have made.  The first
 * byte names a column, the second how the history is asked, the rest is the value of the column in the first row.
 * What the store hands out is valid, whatever stands in the file.
 */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "duration.h"
#include "fuzz.h"
#include "store/store.h"

#define NOW_MS 1800000000000LL
#define EVENTS 20100

enum kind { BLOB, TEXT, NUMBER };

static const struct {
	const char *update;
	enum kind kind;
} columns[] = {
	{ "UPDATE event SET detail = ? WHERE row = 1", BLOB },
	{ "UPDATE source SET view = ?", BLOB },
	{ "UPDATE event SET source_key = ? WHERE row = 1", BLOB },
	{ "UPDATE block SET source_key = ?", BLOB },
	{ "UPDATE source SET source_key = ?", BLOB },
	{ "UPDATE event SET reason = ? WHERE row = 1", TEXT },
	{ "UPDATE event SET ports = ? WHERE row = 1", TEXT },
	{ "UPDATE event SET type = ? WHERE row = 1", TEXT },
	{ "UPDATE event SET tool = ? WHERE row = 1", TEXT },
	{ "UPDATE block SET reason = ?", TEXT },
	{ "UPDATE block SET ports = ?", TEXT },
	{ "UPDATE source SET grade = ?", TEXT },
	{ "UPDATE event SET at_ms = ? WHERE row = 1", NUMBER },
	{ "UPDATE event SET duration_ms = ? WHERE row = 1", NUMBER },
	{ "UPDATE event SET len = ? WHERE row = 1", NUMBER },
	{ "UPDATE block SET since_ms = ?", NUMBER },
	{ "UPDATE block SET until_ms = ?", NUMBER },
	{ "UPDATE block SET kinds = ?", NUMBER },
	{ "UPDATE learned SET until_ms = ?", NUMBER },
	{ "UPDATE learned SET kind = ?", NUMBER },
	{ "UPDATE served SET last_ms = ?", NUMBER },
	{ "UPDATE served SET port = ?", NUMBER },
	{ "UPDATE meta SET value = ?", NUMBER },
	{ "UPDATE block SET grade = ?", TEXT },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct place {
	char directory[64], path[96];
	struct store *store;
	sqlite3 *db;
	sqlite3_stmt *updates[COLUMNS];
};

static struct place place;

static void leave(void)
{
	char path[128];

	for (size_t i = 0; i < COLUMNS; i++)
		sqlite3_finalize(place.updates[i]);
	sqlite3_close(place.db);
	store_close(place.store);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", place.path, (const char *[]){ "", "-wal", "-shm" }[i]);
		unlink(path);
	}
	rmdir(place.directory);
}

static void fill(void)
{
	const struct evidence piece = { .at_s = 1800000000, .port = 22, .weight = 28, .kind = EVIDENCE_SYN };
	const uint8_t v4[4] = { 198, 51, 100, 7 };
	struct source_view source = { .source = { .len = 128 }, .grade = GRADE_VEIL, .piece_count = 1 };
	const struct served_view served = { .last_ms = NOW_MS, .port = 80, .protocol = 6 };
	const struct store_learned learned = { .addr = addr_from_v4(v4), .until_ms = NOW_MS + 60000, .port = 80 };
	struct event event = { .source = { .len = 128 }, .type = EVENT_VEIL, .grade = GRADE_VEIL, .piece_count = 1 };

	event.source.addr = source.source.addr = addr_from_v4(v4);
	event.pieces[0] = source.pieces[0] = piece;
	event.kinds = source.kinds = 1u << EVIDENCE_SYN;
	event.at_ms = source.first_ms = source.last_ms = source.at_ms = NOW_MS;
	event.duration_ms = 3600000;
	event.sources = 1;
	/* More than a page is sorted from, of one net. */
	for (unsigned i = 0; i < EVENTS; i++) {
		event.source.addr.b[15] = (uint8_t)(i % 200 + 1);
		event.at_ms = NOW_MS - (int64_t)i * 1000000;
		store_event(place.store, &event);
	}
	event.at_ms = NOW_MS;
	event.source.addr = source.source.addr;
	store_event(place.store, &event);
	store_save_begin(place.store);
	store_save(place.store, STORE_SOURCES, &source);
	store_save(place.store, STORE_SERVED, &served);
	store_save(place.store, STORE_LEARNED, &learned);
	store_save_end(place.store);
	store_tick(place.store, NOW_MS);
}

static void enter(void)
{
	snprintf(place.directory, sizeof(place.directory), "/dev/shm/picket-fuzz-XXXXXX");
	require(mkdtemp(place.directory) != NULL);
	snprintf(place.path, sizeof(place.path), "%s/picket.db", place.directory);
	place.store = store_open(place.directory, NOW_MS);
	atexit(leave);
	fill();
	require(sqlite3_open(place.path, &place.db) == SQLITE_OK);
	require(sqlite3_exec(place.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL) == SQLITE_OK);
	for (size_t i = 0; i < COLUMNS; i++)
		require(sqlite3_prepare_v2(place.db, columns[i].update, -1, &place.updates[i], NULL) == SQLITE_OK);
}

static void look_event(void *context, int64_t row, const struct event *event)
{
	(void)context, (void)row;
	require(event_is_valid(event));
}

static void look_block(void *context, const void *item)
{
	const struct block_view *block = item;

	(void)context;
	require(block->source.len <= 128 && block->grade < GRADE_COUNT);
	require(memchr(block->reason, 0, sizeof(block->reason)) != NULL);
}

static void look_source(void *context, const void *item)
{
	const struct source_view *source = item;

	(void)context;
	require(source->source.len <= 128 && source->grade < GRADE_COUNT);
	require(source->piece_count <= EVENT_PIECES_MAX);
	for (unsigned i = 0; i < source->piece_count; i++)
		require(source->pieces[i].kind < EVIDENCE_KIND_COUNT);
}

static void look_served(void *context, const void *item)
{
	const struct served_view *served = item;

	(void)context;
	require(served->port > 0 && served->last_ms >= 0);
}

static void look_learned(void *context, const void *item)
{
	const struct store_learned *learned = item;

	(void)context;
	require(learned->kind <= STORE_LEARNED_KINDS && learned->until_ms <= NOW_MS + DURATION_MAX_MS);
}

/* The history of everything, of a host, of nets of several lengths, forwards or backwards, from the middle on. */
static void ask(uint8_t how)
{
	static const uint8_t lengths[] = { 0, 128, 120, 97, 96, 64, 8, 127 };
	struct store_query query = { .limit = how & 32 ? 3 : 200,
				     .oldest_first = how & 8,
				     .before_row = how & 16 ? 20 : 0,
				     .since_ms = how & 64 ? NOW_MS - 1000 : 0 };
	const uint8_t v4[4] = { 198, 51, 100, 7 };
	const struct addr addr = addr_from_v4(v4);

	query.within = prefix_of(&addr, lengths[how % 8]);
	store_history(place.store, &query, look_event, NULL);
}

static int64_t number_of(const uint8_t *data, size_t size)
{
	uint64_t number = 0;

	for (size_t i = 0; i < size && i < 8; i++)
		number = number << 8 | data[i];
	return (int64_t)number;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sqlite3_stmt *update;
	size_t column;

	if (size < 2)
		return 0;
	if (!place.store)
		enter();
	column = data[0] % COLUMNS;
	update = place.updates[column];
	if (columns[column].kind == TEXT)
		sqlite3_bind_text(update, 1, (const char *)data + 2, (int)size - 2, SQLITE_STATIC);
	else if (columns[column].kind == BLOB)
		sqlite3_bind_blob(update, 1, data + 2, (int)size - 2, SQLITE_STATIC);
	else
		sqlite3_bind_int64(update, 1, number_of(data + 2, size - 2));
	require(sqlite3_step(update) == SQLITE_DONE);
	sqlite3_reset(update);
	ask(data[1]);
	store_restore(place.store, STORE_BLOCKS, NOW_MS, look_block, NULL);
	store_restore(place.store, STORE_SOURCES, NOW_MS, look_source, NULL);
	store_restore(place.store, STORE_SERVED, NOW_MS, look_served, NULL);
	store_restore(place.store, STORE_LEARNED, NOW_MS, look_learned, NULL);
	/* The boot that the file tells of is the same, and began at another time. */
	store_clock(place.store, data[1] & 1 ? number_of(data + 2, size - 2) : 1, NOW_MS);
	return 0;
}
