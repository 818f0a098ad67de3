/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the store share.  store.c owns health and retries; clock.c by which clock the file's times are;
 * file.c the file on the disk; sql.c the connection; tables.c schema, statements, save and restore; history.c events
 * in; room.c how many stay; query.c questions; codec.c packing; older.c the file for an older picket.
 */
#ifndef PICKET_STORE_INTERNAL_H
#define PICKET_STORE_INTERNAL_H

#include <limits.h>
#include <sqlite3.h>

#include "store.h"

#define STORE_NAME             "picket.db"
#define STORE_APPLICATION_ID   0x70696b74 /* "pikt" */
#define STORE_CONSEQUENCE      "; history is not kept, the guard goes on"
#define STORE_BEGUN_ANEW       ", a new one begun; the guard goes on"
#define STORE_RETRY_MS         60000
#define STORE_RETRY_FULL_MS    5000 /* of a full disk alone: one small row is tried */
#define STORE_BUSY_MS          50   /* at most that long the keeper's loop waits for another program's lock */
#define STORE_BUSY_SAVE_MS     1000
#define STORE_BUSY_TICKS       5                 /* when it was locked that often in a row, it is told */
#define STORE_SAVE_PATIENCE_MS 120000            /* a save that takes longer is abandoned */
#define STORE_CHECK_BYTES      (64LL << 20)      /* smaller files are checked as a whole */
#define STORE_DAMAGED_MAX      4                 /* damaged files that are kept */
#define STORE_WAL_PAGES        1000              /* checkpoint from there on */
#define STORE_WAL_PAGES_MAX    65536             /* 256 MiB: a reader that never ends stops the writing, not the disk */
#define STORE_PACKED_MAX       512               /* bytes of a packed event or source */
#define STORE_VERBS            3                 /* statements that every table has */
#define STORE_TIME_MAX_MS      253402300799000LL /* the end of the year 9999 */

enum store_statement {
	STORE_BEGIN,
	STORE_COMMIT,
	STORE_ROLLBACK,
	STORE_PUT_META,
	STORE_READ_META,
	STORE_MOVE_BLOCKS,
	STORE_MOVE_SERVED,
	STORE_MOVE_LEARNED,
	STORE_MOVE_EVENTS,
	STORE_PUT_EVENT,
	STORE_BEGIN_BLOCK,
	STORE_END_BLOCK,
	STORE_FIRST_ROW,
	STORE_LAST_ROW,
	STORE_TRIM_AGE,
	STORE_COUNT_ALL,
	STORE_COUNT_LASTING,
	STORE_TRIM_LASTING,
	STORE_FORGEABLE_UP_TO,
	STORE_TRIM_FORGEABLE,
	STORE_PAGES,
	STORE_PAGE_SIZE,
	STORE_TRIM_BLOCKS,
	STORE_FREE_PAGES,
	STORE_VACUUM,
	STORE_EDGE,
	STORE_FETCH,
	STORE_COUNT_RANGE,
	/* each followed by its oldest-first twin */
	STORE_BY_TIME,
	STORE_BY_TIME_UP,
	STORE_BY_SOURCE,
	STORE_BY_SOURCE_UP,
	STORE_BY_RANGE,
	STORE_BY_RANGE_UP,
	STORE_BY_STRETCH,
	STORE_BY_STRETCH_UP,
	STORE_NEXT_STRETCH,
	STORE_NEXT_STRETCH_UP,
	STORE_OF_TABLES, /* from here on, STORE_VERBS for each table */
	STORE_STATEMENT_COUNT = STORE_OF_TABLES + STORE_VERBS * STORE_TABLE_COUNT
};

enum store_saving { STORE_IDLE, STORE_SAVES_BLOCKS, STORE_SAVES_THE_REST, STORE_SAVE_FAILED };

struct store {
	char *directory;
	char path[PATH_MAX]; /* of the file, without links; "" before the first try */
	sqlite3 *db;         /* NULL: nothing is kept until the next try */
	sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
	struct event *queue; /* STORE_QUEUE_MAX */
	size_t queued;
	int64_t now_ms;             /* of the last tick */
	bool read_only;             /* db can be read alone */
	bool failing;               /* tried again at retry_ms */
	bool notice;                /* the problem is over already and must be told once */
	bool waiting;               /* the file is locked: not tried again before the next tick */
	bool wal_stuck;             /* a reader keeps the log from being written into the file */
	bool clock_settled;         /* the times in the file are by our clock */
	bool use_unmarked;          /* the file still says that its last use ended well */
	bool blocks_stale;          /* the live blocks on the disk may not be the true ones */
	bool trimming;              /* the file is larger than it should be */
	bool disk_low;              /* the disk is nearly full: blocks alone are written */
	int64_t history_max;        /* bytes */
	int64_t forgeable_from;     /* no row up to this one is about what anybody can forge */
	int64_t forgeable, lasting; /* rows about that, and about the rest; -1: to be counted */
	unsigned busy_ticks, ticks;
	int64_t boot, boot_ms; /* 0: not told yet */
	int64_t started_up_ms; /* for how long the boot had been running when it was told */
	int64_t unmoved_ms;    /* what is read is behind our clock by that much */
	int64_t trim_age_ms;   /* nothing is too old before that */
	int64_t retry_ms;
	enum store_saving saving;
	int64_t save_began_ms;
	int64_t first_row, last_row; /* 0: none */
	struct store_stats stats;    /* counters and problem; rows and bytes are asked for */
	char told[sizeof(((struct store_stats *)0)->problem)];
};

/* ---- store.c: health ---- */
/* Sets the problem; a notice is told once, anything else until it is over. */
void store_problem(struct store *store, bool notice, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A statement failed with `result`: rolls back, sets the problem, and waits, tries again later or sets a damaged file
 * aside. */
void store_failed(struct store *store, int result, const char *doing);
/* An SQLite result in words; error: the errno behind it, or 0. */
const char *store_error_text(int result, int error);
bool store_can_write(const struct store *store);

/* ---- clock.c ---- */
/* Sets the times in the file right, if that is still to do.  By how much they moved. */
int64_t store_settle_clock(struct store *store);
/* Nothing is written by our clock before what stands in the file is. */
bool store_clock_is_settled(struct store *store);
/* Within a transaction: when it was.  An SQLite result. */
int store_write_last(struct store *store);

/* ---- file.c ---- */
/* Opens or creates the file.  Whatever comes of it is in db, read_only, failing and the problem. */
void store_file_open(struct store *store);
void store_file_close(struct store *store);
/* The open file is damaged: sets it aside and begins a new one. */
void store_file_replace(struct store *store, const char *why);
/* The file was removed or replaced by another program. */
bool store_file_is_gone(struct store *store);
/* Runs a PRAGMA quick_check: SQLITE_OK, SQLITE_CORRUPT or another error. */
int store_quick_check(struct store *store, const char *sql);

/* ---- sql.c: functions that return an int return an SQLite result ---- */
/* The settings of a connection. */
int store_settle(struct store *store);
void store_finish(struct store *store);

/*
 * A statement.  First its parameters are bound, in order; after store_step() the columns of a row are read, in order,
 * and anything of the wrong type or out of range sets `bad`.  The functions that take a value serve both, so that one
 * function walks the columns of a table: they bind the value that they are given, or return or replace it by the one
 * that was read.
 */
struct store_row {
	sqlite3_stmt *statement;
	int next;
	bool reading, bad;
};
struct store_row store_bind(struct store *store, enum store_statement which);
void store_bind_int(struct store_row *row, int64_t value);
void store_bind_blob(struct store_row *row, const void *data, size_t len);
/* SQLITE_ROW: a row can be read. */
int store_step(struct store_row *row);
/* Runs it to its end: SQLITE_OK or the error. */
int store_run(struct store_row *row);
int store_run_plain(struct store *store, enum store_statement which);
/* A query of one integer; SQLITE_DONE when there is no row. */
int store_number(struct store_row *query, int64_t *out);
/* A number under a name; *out stays as it is when there is none. */
int store_read_meta(struct store *store, const char *name, int64_t *out);
int store_write_meta(struct store *store, const char *name, int64_t value);
/* A query of one integer for a pragma or query that is not prepared; no row is SQLITE_CORRUPT. */
int store_ask_number(struct store *store, const char *sql, int64_t *out);

int64_t store_int(struct store_row *row, int64_t value, int64_t min, int64_t max);
/* NUL-terminated and printable; longer text is bad. */
void store_text(struct store_row *row, char *text, size_t size);
/* A name out of `count`, as `name` spells them. */
uint8_t store_name(struct store_row *row, uint8_t value, const char *(*name)(unsigned), unsigned count);
/* Source text, key and length, in this order; text and key are empty when there is no source. */
void store_source(struct store_row *row, struct prefix *source);
/* A text for people: it is passed over when reading. */
void store_note(struct store_row *row, const char *text);
const void *store_read_blob(struct store_row *row, size_t *len);
const char *store_type_name(unsigned type);
const char *store_grade_name(unsigned grade);
const char *store_tool_name(unsigned tool);

/* ---- tables.c: functions that return an int return an SQLite result ---- */
/* Brings an open file from a format (0: empty) to STORE_FORMAT. */
int store_upgrade(struct store *store, int64_t format);
/* Prepares every statement: a file with another schema is found out here. */
int store_prepare(struct store *store);
/* Looks for damage in all tables but the history. */
int store_check_tables(struct store *store);
/* The columns of an event, and of a block in STORE_BEGIN_BLOCK and its table. */
void store_event_columns(struct store_row *row, struct event *event);
void store_block_columns(struct store_row *row, void *item, int64_t now_ms);

/* ---- room.c ---- */
/* Once a second: lets a little go of what is too old or too much, and looks how full the disk is. */
void store_trim(struct store *store);

/* ---- history.c ---- */
/* Commits what is queued. */
void store_flush(struct store *store);
/* A query of one integer, 0 where there is no row. */
int store_first_integer(struct store *store, enum store_statement which, int64_t *out);
/* Reads first_row and last_row; SQLITE_CORRUPT when they make no sense. */
int store_read_extent(struct store *store);

/* ---- codec.c ---- */
size_t store_pack_event(const struct event *event, uint8_t out[STORE_PACKED_MAX]);
/* Adds scores, kinds, counts, pieces and text to what the columns said.  False: a bad row, *event is not valid. */
bool store_unpack_event(const void *data, size_t len, struct event *event);
/* All but the prefix. */
size_t store_pack_source(const struct source_view *source, uint8_t out[STORE_PACKED_MAX]);
bool store_unpack_source(const void *data, size_t len, struct source_view *source);

#endif
