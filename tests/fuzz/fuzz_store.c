/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the rows of the store, which any program with the right to write the file may have made.  The first
 * byte names a column, the rest is its value in the only row of its table.  What the store hands out is valid, whatever
 * stands in the file.
 */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "store/store.h"

#define NOW_MS 1800000000000LL

static const struct {
	const char *update;
	bool text;
} columns[] = {
	{ "UPDATE event SET detail = ?", false },      { "UPDATE source SET view = ?", false },
	{ "UPDATE event SET source_key = ?", false },  { "UPDATE block SET source_key = ?", false },
	{ "UPDATE source SET source_key = ?", false }, { "UPDATE event SET reason = ?", true },
	{ "UPDATE event SET ports = ?", true },        { "UPDATE event SET type = ?", true },
	{ "UPDATE event SET tool = ?", true },         { "UPDATE block SET reason = ?", true },
	{ "UPDATE block SET ports = ?", true },        { "UPDATE source SET grade = ?", true },
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
	struct event event = { .source = { .len = 128 }, .type = EVENT_VEIL, .grade = GRADE_VEIL, .piece_count = 1 };

	event.source.addr = source.source.addr = addr_from_v4(v4);
	event.pieces[0] = source.pieces[0] = piece;
	event.kinds = source.kinds = 1u << EVIDENCE_SYN;
	event.at_ms = source.first_ms = source.last_ms = source.at_ms = NOW_MS;
	event.duration_ms = 3600000;
	event.sources = 1;
	store_event(place.store, &event);
	store_save_begin(place.store);
	store_save(place.store, STORE_SOURCES, &source);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct store_query query = { .limit = 10 };
	sqlite3_stmt *update;
	size_t column;

	if (size == 0)
		return 0;
	if (!place.store)
		enter();
	column = data[0] % COLUMNS;
	update = place.updates[column];
	if (columns[column].text)
		sqlite3_bind_text(update, 1, (const char *)data + 1, (int)size - 1, SQLITE_STATIC);
	else
		sqlite3_bind_blob(update, 1, data + 1, (int)size - 1, SQLITE_STATIC);
	require(sqlite3_step(update) == SQLITE_DONE);
	sqlite3_reset(update);
	store_history(place.store, &query, look_event, NULL);
	store_restore(place.store, STORE_BLOCKS, NOW_MS, look_block, NULL);
	store_restore(place.store, STORE_SOURCES, NOW_MS, look_source, NULL);
	return 0;
}
