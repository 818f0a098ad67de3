/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory over restarts, in SQLite (WAL) under the state directory: history, live blocks, scores, served ports,
 * customers. Owned by the keeper.  Writes are gathered and committed to the disk once a second: a crash of
 * picket, or a power cut, loses at most that second. Blocking never depends on it: whatever is wrong with the database
 * is told once, and the rest of picket goes on without.
 */
#ifndef PICKET_STORE_H
#define PICKET_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <picket/engine.h>

#define STORE_FORMAT       1        /* PRAGMA user_version */
#define STORE_HISTORY_DAYS 365      /* older rows go */
#define STORE_HISTORY_ROWS 10000000 /* more rows than that: the oldest go */
#define STORE_QUEUE_MAX    8192     /* events that wait for a commit, or for the disk; more are turned away */
#define STORE_PAGE_MAX     1000     /* rows an answer of store_history() holds at most */

struct store_served {
	int64_t last_ms;
	uint16_t port;
	uint8_t protocol;
};

struct store_customer {
	struct addr addr;
	int64_t until_ms;
	uint16_t port;
	uint8_t protocol;
};

struct store_stats {
	uint64_t rows, written, trimmed; /* rows: an upper bound after the clock was set back */
	uint32_t queued;                 /* events that wait to be written */
	uint64_t dropped;                /* events that could not be written */
	int64_t bytes;                   /* of the database file */
	char problem[160];               /* "" while all is well: what is wrong, in words */
};

struct store;

/* Opens state_dir/picket.db, creating it.  A damaged file is set aside as picket.db.damaged-EPOCH and a new one begun;
 * a newer format is refused; a read-only or full file system is no end either.  Always returns a store (NULL: out of
 * memory): one with a problem (store_read_stats) takes everything and keeps nothing but STORE_QUEUE_MAX events. */
struct store *store_open(const char *state_dir, int64_t now_ms);
void store_close(struct store *store); /* commits */

/* One event: a history row; BLOCK and BAN also begin a live block, UNBLOCK, EXPIRE and FAILED end it.  Observed
 * ones are history alone. */
void store_event(struct store *store, const struct event *event);
/* Once a second: commits; tries anew after a full disk; trims a little when due.  True when `problem` changed. */
bool store_tick(struct store *store, int64_t now_ms);

typedef void store_block_fn(void *context, const struct block_view *block);
typedef void store_source_fn(void *context, const struct source_view *source);
typedef void store_served_fn(void *context, const struct store_served *served);
typedef void store_customer_fn(void *context, const struct store_customer *customer);
/* Those still alive at now_ms; every row is checked, bad ones are passed over and counted in dropped. */
size_t store_each_block(struct store *store, int64_t now_ms, store_block_fn *each, void *context);
size_t store_each_source(struct store *store, store_source_fn *each, void *context);
size_t store_each_served(struct store *store, store_served_fn *each, void *context);
size_t store_each_customer(struct store *store, int64_t now_ms, store_customer_fn *each, void *context);

/* Replacing what was saved: begin, any number of saves, end (one transaction). */
void store_save_begin(struct store *store);
void store_save_source(struct store *store, const struct source_view *source);
void store_save_served(struct store *store, const struct store_served *served);
void store_save_customer(struct store *store, const struct store_customer *customer);
void store_save_end(struct store *store);
/* True when the live blocks on the disk may not be the true ones: the disk was full for too long, or a damaged file was
 * set aside while running.  Then: store_save_blocks_begin(), every block of the engine, store_save_end().  Events that
 * come in meanwhile wait and are applied after it, in order. */
bool store_wants_blocks(const struct store *store);
void store_save_blocks_begin(struct store *store);
void store_save_block(struct store *store, const struct block_view *block);

struct store_query {
	struct prefix within; /* what lies in it, and what it lies in; len 0: everything */
	int64_t since_ms;     /* 0: from the beginning */
	int64_t before_row;   /* 0: from the newest; else rows older than this one: paging */
	uint32_t limit;       /* at most STORE_PAGE_MAX; 0 means that */
	bool oldest_first;    /* the other way round: before_row 0 from the oldest, else rows newer than it */
};
typedef void store_event_fn(void *context, int64_t row, const struct event *event);
/* Newest first, by time.  Answers at once with ten million rows: every path has its index.  Fewer rows than `limit`:
 * there are no more.  Events that wait are written first, unless a save is under way. */
size_t store_history(struct store *store, const struct store_query *query, store_event_fn *each, void *context);
void store_read_stats(struct store *store, struct store_stats *out);

#endif
