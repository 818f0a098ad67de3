/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's own room: what its parts share.  store.c owns health and time; store_file.c the file on the disk;
 * store_sql.c schema and statements; store_write.c events; store_save.c and store_load.c state; store_history.c
 * questions; store_trim.c what goes again.
 */
#ifndef PICKET_STORE_INTERNAL_H
#define PICKET_STORE_INTERNAL_H

#include <limits.h>
#include <sqlite3.h>

#include "store.h"

#define STORE_NAME             "picket.db"
#define STORE_APPLICATION_ID   0x70696b74 /* "pikt" */
#define STORE_CONSEQUENCE      "; history is not kept, blocking goes on"
#define STORE_BEGUN_ANEW       ", a new one begun; blocking goes on"
#define STORE_RETRY_MS         60000
#define STORE_BUSY_MS          50 /* the keeper's loop waits no longer for another program's lock */
#define STORE_BUSY_SAVE_MS     1000
#define STORE_BUSY_TICKS       5            /* that often in a row is worth a word */
#define STORE_SAVE_PATIENCE_MS 120000       /* a save that never ends is given up */
#define STORE_CHECK_BYTES      (64LL << 20) /* smaller files are checked whole at start */
#define STORE_DAMAGED_MAX      4            /* damaged files kept; more would fill the disk */
#define STORE_WAL_PAGES        1000         /* checkpoint from there on */
#define STORE_WAL_PAGES_MAX    65536        /* 256 MiB: a reader that never ends stops the writing, not the disk */
#define STORE_SOURCES_MAX      4194304
#define STORE_SERVED_MAX       262144
#define STORE_CUSTOMERS_MAX    1048576

enum store_statement {
	STORE_BEGIN,
	STORE_COMMIT,
	STORE_ROLLBACK,
	STORE_TOUCH,
	STORE_PUT_EVENT,
	STORE_BEGIN_BLOCK,
	STORE_END_BLOCK,
	STORE_PUT_BLOCK,
	STORE_PUT_SOURCE,
	STORE_PUT_SERVED,
	STORE_PUT_CUSTOMER,
	STORE_CLEAR_SOURCES,
	STORE_CLEAR_SERVED,
	STORE_CLEAR_CUSTOMERS,
	STORE_CLEAR_BLOCKS,
	STORE_EACH_BLOCK,
	STORE_EACH_SOURCE,
	STORE_EACH_SERVED,
	STORE_EACH_CUSTOMER,
	STORE_FIRST_ROW,
	STORE_LAST_ROW,
	STORE_TRIM_AGE,
	STORE_TRIM_ROWS,
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
	STORE_STATEMENT_COUNT
};

enum store_saving { STORE_IDLE, STORE_SAVES_MEMORY, STORE_SAVES_BLOCKS, STORE_SAVE_FAILED };

struct store {
	char *directory;
	char path[PATH_MAX]; /* of the file, without links; "" before the first try */
	sqlite3 *db;         /* NULL: nothing is kept until the next try */
	sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
	struct event *queue; /* STORE_QUEUE_MAX */
	size_t queued;
	int64_t now_ms;    /* of the last tick */
	bool read_only;    /* db can be read alone */
	bool failing;      /* tried again at retry_ms */
	bool notice;       /* the problem is over already and is to be told once */
	bool waiting;      /* busy: not again before the next tick */
	bool wal_stuck;    /* a reader keeps the log from being taken over */
	bool blocks_stale; /* the live blocks on the disk may not be the true ones */
	bool trimming;     /* the file is larger than it should be */
	unsigned busy_ticks, ticks;
	int64_t retry_ms;
	enum store_saving saving;
	int64_t save_began_ms;
	int64_t first_row, last_row; /* 0: none */
	struct store_stats stats;    /* counters and problem; rows and bytes are asked for */
	char told[sizeof(((struct store_stats *)0)->problem)];
};

/* ---- store.c: health ---- */
/* Says what is wrong; a notice is told once, anything else until it is over. */
void store_problem(struct store *store, bool notice, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A statement failed with `result`: rolls back, says so, sees to what comes next (a damaged file is set aside). */
void store_failed(struct store *store, int result, const char *doing);
bool store_can_write(const struct store *store);

/* ---- store_file.c ---- */
/* Opens or creates the file.  Whatever comes of it is in db, read_only, failing and the problem. */
void store_file_open(struct store *store);
void store_file_close(struct store *store);
/* The open file is damaged: sets it aside and begins a new one. */
void store_file_replace(struct store *store, const char *why);
/* The file was removed or replaced behind our back. */
bool store_file_is_gone(struct store *store);

/* ---- store_sql.c ---- */
/* Settings of a connection; schema where there is none; every statement.  An SQLite result. */
int store_sql_settle(struct store *store);
int store_sql_prepare(struct store *store);
void store_sql_finish(struct store *store);
/* A pragma or query of one integer. */
int store_sql_integer(struct store *store, const char *sql, int64_t *out);
int store_sql_create(struct store *store);

/* A statement, reset, its parameters bound in order. */
struct store_binder {
	sqlite3_stmt *statement;
	int next;
};
struct store_binder store_bind(struct store *store, enum store_statement which);
void store_bind_int(struct store_binder *binder, int64_t value);
void store_bind_text(struct store_binder *binder, const char *text);             /* must live until the step */
void store_bind_blob(struct store_binder *binder, const void *data, size_t len); /* the same */
/* source text, key and length, in this order; nobody has an empty text and key. */
struct store_source_text {
	char text[PREFIX_TEXT_MAX];
};
void store_bind_source(struct store_binder *binder, const struct prefix *source, struct store_source_text *room);
/* Runs it to its end: SQLITE_OK or the error. */
int store_run(struct store_binder *binder);
int store_run_plain(struct store *store, enum store_statement which);

/* Columns of a row, in order; anything of the wrong type or out of range sets `bad`. */
struct store_row {
	sqlite3_stmt *statement;
	int next;
	bool bad;
};
int64_t store_row_int(struct store_row *row, int64_t min, int64_t max);
const void *store_row_blob(struct store_row *row, size_t *len);
/* NUL-terminated; longer text is bad. */
void store_row_text(struct store_row *row, char *out, size_t size);
/* A name out of `count`, as `name` spells them. */
uint8_t store_row_name(struct store_row *row, const char *(*name)(unsigned), unsigned count);
struct prefix store_row_source(struct store_row *row); /* key and length */
const char *store_type_name(unsigned type);
const char *store_grade_name(unsigned grade);
const char *store_tool_name(unsigned tool);

/* ---- store_write.c ---- */
/* Commits what is queued. */
void store_flush(struct store *store);
/* ---- store_save.c ---- */
/* how: STORE_BEGIN_BLOCK keeps what a standing block began with, STORE_PUT_BLOCK replaces it. */
int store_put_block(struct store *store, enum store_statement how, const struct block_view *block);
void store_save_abandon(struct store *store);
/* ---- store_trim.c ---- */
void store_trim(struct store *store);
/* Reads first_row and last_row; SQLITE_CORRUPT when they make no sense. */
int store_read_extent(struct store *store);

#endif
