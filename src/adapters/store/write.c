/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events into the history, and into the live blocks that they begin and end.  They gather in a queue of fixed size
 * and go in one transaction: all of them or none, so that a failure costs nothing until the queue is full.
 */
#include "internal.h"

#include <string.h>

#include <picket/describe.h>

#include "codec.h"

#define REASON_MAX 512

/* A failure without a grade is that of an unblock: the block lives on. */
static bool is_about_live(const struct event *event)
{
	return !event->observed && event->source.len > 0 &&
	       (event->type == EVENT_BLOCK || event->type == EVENT_BAN || event->type == EVENT_UNBLOCK ||
		event->type == EVENT_EXPIRE || (event->type == EVENT_FAILED && event->grade != GRADE_NONE));
}

static int put_event(struct store *store, const struct event *event)
{
	char reason[REASON_MAX], ports[EVENT_PIECES_MAX * 6 + 1];
	struct writer reason_writer = writer_over(reason, sizeof(reason));
	struct writer ports_writer = writer_over(ports, sizeof(ports));
	struct store_binder row = store_bind(store, STORE_PUT_EVENT);
	struct store_source_text source;
	uint8_t detail[STORE_PACKED_MAX];
	int result;

	describe_reason(&reason_writer, event, NULL);
	describe_ports(&ports_writer, event);
	store_bind_int(&row, event->at_ms);
	store_bind_text(&row, store_type_name(event->type));
	store_bind_source(&row, &event->source, &source);
	store_bind_text(&row, store_grade_name(event->grade));
	store_bind_int(&row, event->duration_ms);
	store_bind_int(&row, event->incident);
	store_bind_text(&row, store_tool_name(event->tool));
	store_bind_int(&row, event->times);
	store_bind_int(&row, event->observed);
	store_bind_text(&row, reason);
	store_bind_text(&row, ports);
	store_bind_blob(&row, detail, store_pack_event(event, detail));
	result = store_run(&row);
	if (result == SQLITE_OK)
		store->last_row = sqlite3_last_insert_rowid(store->db);
	return result;
}

/* The first ports that were touched, each once: pieces are newest first. */
static void first_ports(const struct event *event, uint16_t ports[4])
{
	size_t count = 0;

	for (size_t i = event->piece_count; i-- > 0 && count < 4;) {
		bool known = event->pieces[i].port == 0;
		for (size_t k = 0; k < count; k++)
			known |= ports[k] == event->pieces[i].port;
		if (!known)
			ports[count++] = event->pieces[i].port;
	}
}

static int begin_block(struct store *store, const struct event *event)
{
	struct block_view block = {
		.source = event->source,
		.grade = event->grade,
		.times = event->times,
		.tool = event->tool,
		.incident = event->incident,
		.kinds = event->kinds,
		.since_ms = event->at_ms,
		.until_ms = event->duration_ms > 0 ? event->at_ms + event->duration_ms : 0,
	};
	struct writer reason = writer_over(block.reason, sizeof(block.reason));

	/* A manual block's words come back as they were given. */
	if (event->grade == GRADE_MANUAL && event->text[0])
		writer_text(&reason, event->text);
	else
		describe_reason(&reason, event, NULL);
	first_ports(event, block.ports);
	return store_put_block(store, STORE_BEGIN_BLOCK, &block);
}

static int end_block(struct store *store, const struct event *event)
{
	struct store_binder row = store_bind(store, STORE_END_BLOCK);

	store_bind_blob(&row, event->source.addr.b, sizeof(event->source.addr.b));
	store_bind_int(&row, event->source.len);
	return store_run(&row);
}

static int put(struct store *store, const struct event *event)
{
	int result = put_event(store, event);

	if (result != SQLITE_OK || !is_about_live(event))
		return result;
	if (event->type == EVENT_BLOCK || event->type == EVENT_BAN)
		return begin_block(store, event);
	return end_block(store, event);
}

void store_flush(struct store *store)
{
	int64_t last_row = store->last_row;
	int result;

	if (store->queued == 0 || store->failing || store->waiting || store->saving != STORE_IDLE)
		return;
	if (store->wal_stuck) {
		/* The log is as long as it may get: is the reader gone? */
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
		result = store_run_plain(store, STORE_COMMIT);
	if (result != SQLITE_OK) {
		store->last_row = last_row;
		store_failed(store, result, "cannot write");
		return;
	}
	if (store->first_row == 0)
		store->first_row = store->last_row - (int64_t)store->queued + 1;
	store->stats.written += store->queued;
	store->queued = 0;
}

void store_event(struct store *store, const struct event *event)
{
	if (store->queued == STORE_QUEUE_MAX || !event_is_valid(event)) {
		store->stats.dropped++;
		/* What begins or ends here is missing from the live blocks from now on. */
		store->blocks_stale |= event_is_valid(event) && is_about_live(event);
		return;
	}
	store->queue[store->queued++] = *event;
	if (store->queued >= STORE_QUEUE_MAX / 2)
		store_flush(store);
}
