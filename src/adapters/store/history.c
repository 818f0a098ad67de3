/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The history, the log of decisions, and the live blocks that its events begin and end.  Events gather in a queue of
 * fixed size and go in one transaction, all of them or none, so that a failure costs nothing until the queue is full.
 */
#include "internal.h"

#include <string.h>

#include <picket/describe.h>

#include "writer.h"

/* A failure without a grade is that of an unblock: the block lives on. */
static bool is_about_live(const struct event *event)
{
	return !event->observed && event->source.len > 0 &&
	       (event_is_beginning(event) || event->type == EVENT_UNBLOCK || event->type == EVENT_EXPIRE ||
		(event->type == EVENT_FAILED && event->grade != GRADE_NONE));
}

static int put_event(struct store *store, const struct event *event)
{
	struct store_row row = store_bind(store, STORE_PUT_EVENT);
	struct event copy = *event;
	int result;

	store_event_columns(&row, &copy);
	result = store_run(&row);
	if (result == SQLITE_OK)
		store->last_row = sqlite3_last_insert_rowid(store->db);
	return result;
}

static int begin_block(struct store *store, const struct event *event)
{
	struct block_view block;
	struct store_row row;

	event_block(event, &block);
	row = store_bind(store, STORE_BEGIN_BLOCK);
	store_block_columns(&row, &block, store->now_ms);
	return store_run(&row);
}

static int end_block(struct store *store, const struct event *event)
{
	struct store_row row = store_bind(store, STORE_END_BLOCK);

	store_bind_blob(&row, event->source.addr.b, sizeof(event->source.addr.b));
	store_bind_int(&row, event->source.len);
	return store_run(&row);
}

static int put(struct store *store, const struct event *event)
{
	int result = SQLITE_OK;

	if (!store->disk_low)
		result = put_event(store, event);
	else
		store->stats.left_out++;
	if (result != SQLITE_OK || !is_about_live(event))
		return result;
	if (event_is_beginning(event))
		return begin_block(store, event);
	return end_block(store, event);
}

static void count_new(struct store *store)
{
	for (size_t i = 0; i < store->queued && !store->disk_low; i++) {
		int64_t *rows = event_is_forgeable(&store->queue[i]) ? &store->forgeable : &store->lasting;

		*rows += *rows >= 0;
	}
}

void store_flush(struct store *store)
{
	int64_t last_row = store->last_row;
	int result;

	if (store->queued == 0 || store->failing || store->waiting || store->saving != STORE_IDLE ||
	    !store_clock_is_settled(store))
		return;
	if (store->wal_stuck) {
		/* The log has reached its limit: nothing is written before the reader has gone. */
		int logged = 0, taken = 0;
		sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &logged, &taken);
		store->wal_stuck = taken < logged;
		if (store->wal_stuck)
			return;
	}
	result = store_run_plain(store, STORE_BEGIN);
	for (size_t i = 0; result == SQLITE_OK && i < store->queued; i++)
		result = put(store, &store->queue[i]);
	if (result == SQLITE_OK)
		result = store_write_last(store);
	if (result == SQLITE_OK)
		result = store_run_plain(store, STORE_COMMIT);
	if (result != SQLITE_OK) {
		store->last_row = last_row;
		store_failed(store, result, "cannot write");
		return;
	}
	if (store->first_row == 0 && !store->disk_low)
		store->first_row = store->last_row - (int64_t)store->queued + 1;
	store->stats.written += store->disk_low ? 0 : store->queued;
	count_new(store);
	store->queued = 0;
}

void store_event(struct store *store, const struct event *event)
{
	if (store->queued == STORE_QUEUE_MAX || !event_is_valid(event)) {
		store->stats.dropped++;
		/* The block that begins or ends here is now missing from the live blocks, or too much among them. */
		store->blocks_stale |= event_is_valid(event) && is_about_live(event);
		return;
	}
	store->queue[store->queued++] = *event;
	if (store->queued >= STORE_QUEUE_MAX / 2)
		store_flush(store);
}

int store_first_integer(struct store *store, enum store_statement which, int64_t *out)
{
	struct store_row query = store_bind(store, which);
	int result = store_number(&query, out);

	if (result == SQLITE_DONE)
		*out = 0;
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_read_extent(struct store *store)
{
	int result = store_first_integer(store, STORE_FIRST_ROW, &store->first_row);

	if (result == SQLITE_OK)
		result = store_first_integer(store, STORE_LAST_ROW, &store->last_row);
	/* No history of ours reaches such numbers, from which SQLite would number rows at random. */
	if (result == SQLITE_OK && (store->first_row < 0 || store->last_row > INT64_MAX / 2))
		result = SQLITE_CORRUPT;
	return result;
}
