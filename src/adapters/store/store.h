/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is saved over restarts, in SQLite (WAL) under the state directory: the history, live blocks, scores, served
 * ports, what the rules have learned.  The keeper owns it.  Writes are gathered and committed to the disk once a
 * second: a crash of picket, or a power cut, loses that second at most.  Blocking never depends on the store:
 * whatever is wrong with the database is told once, and the rest of picket goes on without it.
 */
#ifndef PICKET_STORE_H
#define PICKET_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <picket/engine.h>

#define STORE_FORMAT        3             /* PRAGMA user_version */
#define STORE_HISTORY_DAYS  365           /* older rows go */
#define STORE_HISTORY_BYTES (256LL << 20) /* unless store_limit_history() says another */
#define STORE_FREE_PERCENT  10 /* of the disk, or STORE_FREE_BYTES if that is less: below it blocks alone are written */
#define STORE_FREE_BYTES    (1LL << 30)
#define STORE_QUEUE_MAX     8192 /* events that wait for a commit, or for the disk; more are dropped */
#define STORE_PAGE_MAX      1000 /* rows an answer of store_history() holds at most */

/* What is saved and restored as a whole, and the shape of an item. */
enum store_table {
	STORE_BLOCKS,  /* struct block_view; events begin and end them, too */
	STORE_SOURCES, /* struct source_view */
	STORE_SERVED,  /* struct served_view */
	STORE_LEARNED, /* struct store_learned */
	STORE_TABLE_COUNT
};

#define STORE_LEARNED_KINDS 5
struct store_learned {
	struct addr addr;
	int64_t until_ms;
	uint16_t port, own_port;
	uint8_t kind; /* up to STORE_LEARNED_KINDS; what it means is the caller's affair */
};

struct store_stats {
	uint64_t rows, written, trimmed; /* rows: an upper bound, since some in between may have gone */
	uint64_t left_out;               /* rows that a nearly full disk kept from being written */
	uint32_t queued;                 /* events that wait to be written */
	uint64_t dropped;                /* events that could not be written */
	int64_t bytes;                   /* of the database file */
	char problem[160];               /* "" while all is well: what is wrong, in words */
};

struct store;

/* Opens state_dir/picket.db, and creates it where there is none.  A damaged file is set aside as
 * picket.db.damaged-EPOCH and a new one begun; a file of a newer format is refused.  Always returns a store (NULL: out
 * of memory): one with a problem, see store_read_stats(), takes everything and keeps nothing but STORE_QUEUE_MAX
 * events. */
struct store *store_open(const char *state_dir, int64_t now_ms);
/*
 * How many bytes the file may have: 0 is no limit.  Beyond that old rows go, of what anybody can forge while that is
 * more than half of all rows, else of the rest: a flood of alerts pushes out alerts.
 */
void store_limit_history(struct store *store, int64_t bytes);
/* Commits.  False: what stands may be missing on the disk. */
bool store_close(struct store *store);

/* This boot of the host (not 0), and when it was as the clock on the wall says now: at the start, and when the clock
 * was set; from then on store_tick() gets times by the new clock.  What was written by another clock, or in another
 * boot, is moved: what lasts goes on with what was left.  Returns by how much: what store_restore() gives of
 * STORE_SOURCES must be moved by it as well. */
int64_t store_clock(struct store *store, int64_t boot, int64_t boot_ms);

/* One event: a row of the history; BLOCK and BAN also begin a live block, UNBLOCK, EXPIRE and FAILED end it.  Observed
 * events are history alone. */
void store_event(struct store *store, const struct event *event);
/* Once a second: commits; tries anew after a full disk; trims a little when due.  True when `problem` changed. */
bool store_tick(struct store *store, int64_t now_ms);

/* Rewrites the file in an older format, for a picket that knows no newer one; what that has no place for is left out.
 * False, and nothing changed, when it cannot be.  Whatever comes of it: store_close() is all that may follow. */
bool store_write_older(struct store *store, int64_t format);

typedef void store_item_fn(void *context, const void *item);
/* Hands on the items of a table that are still alive at now_ms.  Every row is checked; bad ones are passed over and
 * counted in dropped.  Returns how many were handed on. */
size_t store_restore(struct store *store, enum store_table table, int64_t now_ms, store_item_fn *each, void *context);

/* Replaces what was saved in every table but the blocks: begin, any number of items, end (one transaction). */
void store_save_begin(struct store *store);
void store_save(struct store *store, enum store_table table, const void *item);
void store_save_end(struct store *store);
/* What was saved since it began is as if it had not been; nothing where none is under way. */
void store_save_abandon(struct store *store);
/* False when the live blocks on the disk may not be the true ones: see below. */
bool store_keeps_blocks(const struct store *store);
/* There are others than those that were restored. */
void store_lacks_blocks(struct store *store);
/* True when the live blocks on the disk may not be the true ones: the disk was full for too long, or a damaged file was
 * set aside while running.  Then: store_save_blocks_begin(), every block of the engine, store_save_end().  Events that
 * come in meanwhile wait and are applied after it, in order. */
bool store_wants_blocks(const struct store *store);
void store_save_blocks_begin(struct store *store);

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
