/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's health and time: what is wrong, told once and in words; when it is tried again; what is done once a
 * second.  No failure ends the keeper or holds it up for long: the store goes on to take events and tells what it
 * lacks.
 */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ENDED_WELL "ended_well"

void store_problem(struct store *store, bool notice, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(store->stats.problem, sizeof(store->stats.problem), format, arguments);
	va_end(arguments);
	store->notice = notice;
}

bool store_can_write(const struct store *store)
{
	return store->db && !store->read_only;
}

static void roll_back(struct store *store)
{
	if (store->db && !sqlite3_get_autocommit(store->db))
		store_run_plain(store, STORE_ROLLBACK);
}

const char *store_error_text(int result, int error)
{
	if ((result & 0xff) == SQLITE_FULL)
		return strerror(ENOSPC);
	return error ? strerror(error) : sqlite3_errstr(result);
}

void store_failed(struct store *store, int result, const char *doing)
{
	int error = store->db ? sqlite3_system_errno(store->db) : 0;

	roll_back(store);
	if (store->saving != STORE_IDLE)
		store->saving = STORE_SAVE_FAILED;
	switch (result & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED: store->waiting = true; return;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: store_file_replace(store, doing); return;
	}
	store->failing = true;
	store->retry_ms = store->now_ms + ((result & 0xff) == SQLITE_FULL ? STORE_RETRY_FULL_MS : STORE_RETRY_MS);
	store_problem(store, false, STORE_NAME ": %s: %s" STORE_CONSEQUENCE, doing, store_error_text(result, error));
}

/* The file says whether the last use of it ended well.  After any other end a block may stand in the kernel that is not
 * in the file, and once the kernel's table goes it would be forgotten. */
static void begin_use(struct store *store)
{
	int64_t ended_well = 0;

	if (store->db && store_read_meta(store, ENDED_WELL, &ended_well) != SQLITE_OK)
		ended_well = 0;
	store->blocks_stale |= !ended_well;
	store->use_unmarked = ended_well;
}

/* From then on an end that is not orderly shows.  On a full disk there is no room for it yet. */
static void mark_use(struct store *store)
{
	if (store->use_unmarked && store_can_write(store) && !store->failing)
		store->use_unmarked = store_write_meta(store, ENDED_WELL, 0) != SQLITE_OK;
}

static bool end_use(struct store *store)
{
	return store->db && !store->failing && store->queued == 0 && !store->blocks_stale &&
	       store_clock_is_settled(store) && store_write_last(store) == SQLITE_OK &&
	       store_write_meta(store, ENDED_WELL, 1) == SQLITE_OK;
}

struct store *store_open(const char *state_dir, int64_t now_ms)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	store->directory = strdup(state_dir);
	store->queue = calloc(STORE_QUEUE_MAX, sizeof(store->queue[0]));
	if (!store->directory || !store->queue) {
		store_close(store);
		return NULL;
	}
	store->now_ms = now_ms;
	store->history_max = STORE_HISTORY_BYTES;
	store_file_open(store);
	begin_use(store);
	mark_use(store);
	return store;
}

bool store_close(struct store *store)
{
	bool saved;

	if (!store)
		return false;
	store_save_abandon(store);
	/* One last try, whatever went wrong before. */
	store->waiting = false;
	store->failing = !store_can_write(store);
	store_flush(store);
	saved = end_use(store);
	store_file_close(store);
	free(store->queue);
	free(store->directory);
	free(store);
	return saved;
}

/* A notice is over once it has been told. */
static void forget_notice(struct store *store)
{
	if (store->notice && strcmp(store->stats.problem, store->told) == 0)
		store_problem(store, false, "%s", "");
}

/* Tries to write one value.  While the disk is full the file stays open and readable; after any other failure it is
 * opened anew. */
static void try_again(struct store *store)
{
	struct store_row touch;
	int result = SQLITE_CANTOPEN;

	store->retry_ms = store->now_ms + STORE_RETRY_MS;
	if (store_can_write(store)) {
		touch = store_bind(store, STORE_PUT_META);
		store_note(&touch, "tried_ms");
		store_bind_int(&touch, store->now_ms);
		result = store_run(&touch);
	}
	if (result == SQLITE_FULL) {
		store->retry_ms = store->now_ms + STORE_RETRY_FULL_MS;
		return;
	}
	if (result != SQLITE_OK) {
		store_file_close(store);
		store_file_open(store);
	} else {
		store->failing = false;
	}
	if (!store->failing && !store->notice)
		store_problem(store, false, "%s", "");
}

static void look_for_file(struct store *store)
{
	if (!store->db || !store_file_is_gone(store))
		return;
	/* Closed in full, since SQLite would take a log that is left behind for the new file's. */
	store->failing = false;
	store_file_close(store);
	store->blocks_stale = true;
	store_file_open(store);
	if (!store->failing)
		store_problem(store, true, STORE_NAME " was removed or replaced: begun anew; the guard goes on");
}

/* Another program locks the file or reads it without end: told when it lasts, and taken back when it is over. */
static void watch_others(struct store *store)
{
	if (!store->waiting && !store->wal_stuck) {
		if (store->busy_ticks >= STORE_BUSY_TICKS && !store->failing && !store->notice)
			store_problem(store, false, "%s", "");
		store->busy_ticks = 0;
	} else if (++store->busy_ticks == STORE_BUSY_TICKS && !store->failing) {
		store_problem(store, false, STORE_NAME ": another program %s; history waits, the guard goes on",
			      store->wal_stuck ? "reads it without end" : "holds it locked");
	}
}

bool store_tick(struct store *store, int64_t now_ms)
{
	bool clock_went_back = now_ms < store->now_ms;

	store->now_ms = now_ms;
	forget_notice(store);
	if (store->saving != STORE_IDLE && (clock_went_back || now_ms - store->save_began_ms > STORE_SAVE_PATIENCE_MS))
		store_save_abandon(store);
	if (store->saving == STORE_IDLE) {
		store->waiting = false;
		look_for_file(store);
		if (store->failing && (clock_went_back || now_ms >= store->retry_ms))
			try_again(store);
		mark_use(store);
		store_settle_clock(store);
		store_flush(store);
		store_trim(store);
		watch_others(store);
	}
	if (strcmp(store->stats.problem, store->told) == 0)
		return false;
	memcpy(store->told, store->stats.problem, sizeof(store->told));
	return true;
}

void store_read_stats(struct store *store, struct store_stats *out)
{
	struct stat info;

	*out = store->stats;
	out->queued = (uint32_t)store->queued;
	out->rows = store->db && store->last_row > 0 ? (uint64_t)(store->last_row - store->first_row) + 1 : 0;
	out->bytes = store->db && stat(store->path, &info) == 0 ? (int64_t)info.st_size : 0;
}

bool store_keeps_blocks(const struct store *store)
{
	return !store->blocks_stale;
}

void store_lacks_blocks(struct store *store)
{
	store->blocks_stale = true;
}

bool store_wants_blocks(const struct store *store)
{
	return store->blocks_stale && store_can_write(store) && !store->failing && store->saving == STORE_IDLE;
}
