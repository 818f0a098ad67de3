/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the database holds: its schema, every statement, and the rows of the tables that are saved and restored as a
 * whole.  A save is one transaction, so that one that is cut short leaves the one before it; events wait meanwhile.
 * Every row is checked when it is restored, since the kernel's sets and the engine's tables are filled from it, and no
 * table gives more rows than the engine could hold.
 *
 * A table more is a value of enum store_table with the shape of its row in store.h, and here the SQL that makes it, as
 * another format, a row of `tables`, and the two functions that it names.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "duration.h"
#include "writer.h"

#define SOURCES_MAX   4194304
#define SERVED_MAX    262144
#define CUSTOMERS_MAX 1048576
#define TIME_MAX_MS   253402300799000LL /* the end of the year 9999 */
#define PORTS_LEN     (4 * 6 + 1)       /* "1,2,3,4" */

#define STRETCH "at_ms >> 24"

/* formats[n] makes a file of format n + 1 from one of format n: a file of an older picket goes through those that it
 * lacks.  STRICT: a column holds what it says.  An event without a source has an empty source and key, and is found by
 * time alone. */
static const char *const formats[STORE_FORMAT] = {
	"CREATE TABLE event(row INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL,"
	" source_key BLOB NOT NULL, len INTEGER NOT NULL, grade TEXT NOT NULL, duration_ms INTEGER NOT NULL,"
	" incident INTEGER NOT NULL, tool TEXT NOT NULL, times INTEGER NOT NULL, observed INTEGER NOT NULL,"
	" reason TEXT NOT NULL, ports TEXT NOT NULL, detail BLOB NOT NULL) STRICT;"
	"CREATE INDEX event_time ON event(at_ms);"
	"CREATE INDEX event_source ON event(source_key, len, at_ms);"
	/* A wide prefix: by stretches of 4.7 hours, so that one silent for a year is found in 1,900 steps. */
	"CREATE INDEX event_stretch ON event(" STRETCH ", source_key, len, at_ms);"
	"CREATE TABLE block(source TEXT NOT NULL, source_key BLOB NOT NULL, len INTEGER NOT NULL, grade TEXT NOT NULL,"
	" times INTEGER NOT NULL, tool TEXT NOT NULL, incident INTEGER NOT NULL, kinds INTEGER NOT NULL,"
	" since_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, ports TEXT NOT NULL, reason TEXT NOT NULL,"
	" PRIMARY KEY(source_key, len)) STRICT;"
	"CREATE TABLE source(source TEXT NOT NULL, source_key BLOB NOT NULL, len INTEGER NOT NULL, grade TEXT NOT NULL,"
	" view BLOB NOT NULL) STRICT;"
	"CREATE TABLE served(protocol INTEGER NOT NULL, port INTEGER NOT NULL, last_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE customer(source TEXT NOT NULL, source_key BLOB NOT NULL, len INTEGER NOT NULL,"
	" protocol INTEGER NOT NULL, port INTEGER NOT NULL, until_ms INTEGER NOT NULL) STRICT;"
	"CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
	/* For an admin who looks with a shell of SQLite. */
	"CREATE VIEW history AS SELECT row, datetime(at_ms / 1000, 'unixepoch') AS at_utc, type, source, grade,"
	" duration_ms / 1000 AS duration_s, incident, tool, ports, reason, observed FROM event;"
	"CREATE VIEW live AS SELECT source, grade, datetime(since_ms / 1000, 'unixepoch') AS since_utc,"
	" CASE until_ms WHEN 0 THEN 'unblocked' ELSE datetime(until_ms / 1000, 'unixepoch') END AS until_utc,"
	" times, tool, incident, ports, reason FROM block;",
};

/* Pages of history.  Parameters: 1 to 3 depend on the index, 4 since when, 5 and 6 the last row seen (time, row), 7 how
 * many. */
#define HISTORY(index, where, before, order)                                                                           \
	"SELECT at_ms, row FROM event INDEXED BY " index " WHERE " where "at_ms >= ?4 AND at_ms " before "= ?5 AND "   \
	"(at_ms, row) " before " (?5, ?6) ORDER BY at_ms " order ", row " order " LIMIT ?7"
#define BOTH_WAYS(which, index, where)                                                                                 \
	[which] = HISTORY(index, where, "<", "DESC"), [which##_UP] = HISTORY(index, where, ">", "ASC")
#define BLOCK_COLUMNS "source, source_key, len, grade, times, tool, incident, kinds, since_ms, until_ms, ports, reason"
#define NEXT_STRETCH(before, order)                                                                                    \
	"SELECT " STRETCH " FROM event INDEXED BY event_stretch WHERE " STRETCH " " before "= ? "                      \
	"ORDER BY " STRETCH " " order " LIMIT 1"

static const char *const statements[STORE_OF_TABLES] = {
	[STORE_BEGIN] = "BEGIN IMMEDIATE",
	[STORE_COMMIT] = "COMMIT",
	[STORE_ROLLBACK] = "ROLLBACK",
	[STORE_TOUCH] = "INSERT OR REPLACE INTO meta(name, value) VALUES('tried_ms', ?)",
	[STORE_PUT_EVENT] =
		"INSERT INTO event(at_ms, type, source, source_key, len, grade, duration_ms, incident, tool, times,"
		" observed, reason, ports, detail) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	/* While it stands, a block keeps its beginning and its first reason. */
	[STORE_BEGIN_BLOCK] =
		"INSERT INTO block(" BLOCK_COLUMNS ")"
		" VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(source_key, len) DO UPDATE SET"
		" since_ms = iif(until_ms = 0 OR until_ms > excluded.since_ms, since_ms, excluded.since_ms),"
		" reason = iif(until_ms = 0 OR until_ms > excluded.since_ms, reason, excluded.reason),"
		" grade = excluded.grade, times = excluded.times, tool = excluded.tool, incident = excluded.incident,"
		" kinds = excluded.kinds, until_ms = excluded.until_ms, ports = excluded.ports",
	[STORE_END_BLOCK] = "DELETE FROM block WHERE source_key = ? AND len = ?",
	[STORE_FIRST_ROW] = "SELECT row FROM event ORDER BY row LIMIT 1",
	[STORE_LAST_ROW] = "SELECT row FROM event ORDER BY row DESC LIMIT 1",
	[STORE_TRIM_AGE] = "DELETE FROM event WHERE row IN (SELECT row FROM event INDEXED BY event_time WHERE at_ms < ?"
			   " ORDER BY at_ms LIMIT ?)",
	[STORE_TRIM_ROWS] = "DELETE FROM event WHERE row IN (SELECT row FROM event ORDER BY row LIMIT ?)",
	[STORE_TRIM_BLOCKS] = "DELETE FROM block WHERE until_ms > 0 AND until_ms < ?",
	[STORE_FREE_PAGES] = "PRAGMA freelist_count",
	[STORE_VACUUM] = "PRAGMA incremental_vacuum(256)",
	[STORE_EDGE] = "SELECT at_ms FROM event WHERE row <= ? ORDER BY row DESC LIMIT 1",
	[STORE_FETCH] =
		"SELECT at_ms, type, source_key, len, grade, duration_ms, incident, tool, times, observed, detail"
		" FROM event WHERE row = ?",
	[STORE_COUNT_RANGE] = "SELECT count(*) FROM (SELECT 1 FROM event INDEXED BY event_source"
			      " WHERE source_key BETWEEN ? AND ? LIMIT ?)",
	BOTH_WAYS(STORE_BY_TIME, "event_time", ""),
	BOTH_WAYS(STORE_BY_SOURCE, "event_source", "source_key = ?1 AND len = ?2 AND "),
	BOTH_WAYS(STORE_BY_RANGE, "event_source", "source_key BETWEEN ?1 AND ?2 AND "),
	BOTH_WAYS(STORE_BY_STRETCH, "event_stretch", "source_key BETWEEN ?1 AND ?2 AND " STRETCH " = ?3 AND "),
	[STORE_NEXT_STRETCH] = NEXT_STRETCH("<", "DESC"),
	[STORE_NEXT_STRETCH_UP] = NEXT_STRETCH(">", "ASC"),
};

union item {
	struct block_view block;
	struct source_view source;
	struct served_view served;
	struct store_customer customer;
};

/* ---- rows: each put function writes one, each take function reads and checks one; false: a bad row ---- */

int store_put_block(struct store_binder *row, const void *item)
{
	const struct block_view *block = item;
	struct store_source_text text;
	char ports[PORTS_LEN];
	struct writer w = writer_over(ports, sizeof(ports));

	if (!memchr(block->reason, '\0', sizeof(block->reason)))
		return SQLITE_OK;
	for (size_t i = 0; i < 4 && block->ports[i] != 0; i++)
		writer_format(&w, i == 0 ? "%u" : ",%u", block->ports[i]);
	store_bind_source(row, &block->source, &text);
	store_bind_text(row, store_grade_name(block->grade));
	store_bind_int(row, block->times);
	store_bind_text(row, store_tool_name(block->tool));
	store_bind_int(row, block->incident);
	store_bind_int(row, block->kinds);
	store_bind_int(row, block->since_ms);
	store_bind_int(row, block->until_ms);
	store_bind_text(row, ports);
	store_bind_text(row, block->reason);
	return store_run(row);
}

/* "21,22,80": up to four ports, in the order in which they were probed. */
static bool parse_ports(const char *text, uint16_t ports[4])
{
	size_t count = 0;

	while (*text) {
		unsigned port = 0;
		if (count == 4)
			return false;
		for (; *text >= '0' && *text <= '9' && port <= UINT16_MAX; text++)
			port = port * 10 + (unsigned)(*text - '0');
		if (port == 0 || port > UINT16_MAX || (*text && *text != ',') || (*text == ',' && !text[1]))
			return false;
		ports[count++] = (uint16_t)port;
		text += *text == ',';
	}
	return true;
}

static bool take_block(struct store_row *row, int64_t now_ms, union item *out)
{
	struct block_view *block = &out->block;
	char ports[PORTS_LEN];

	row->next++; /* the source as text is for people */
	block->source = store_row_source(row);
	block->grade = store_row_name(row, store_grade_name, GRADE_COUNT);
	block->times = (uint8_t)store_row_int(row, 0, UINT8_MAX);
	block->tool = store_row_name(row, store_tool_name, TOOL_COUNT);
	block->incident = (uint32_t)store_row_int(row, 0, UINT32_MAX);
	block->kinds = (uint32_t)store_row_int(row, 0, (1LL << EVIDENCE_KIND_COUNT) - 1);
	block->since_ms = store_row_int(row, 0, TIME_MAX_MS);
	block->until_ms = store_row_int(row, 0, now_ms + DURATION_MAX_MS);
	store_row_text(row, ports, sizeof(ports));
	store_row_text(row, block->reason, sizeof(block->reason));
	return !row->bad && block->source.len > 0 && block->grade >= GRADE_BLOCK && parse_ports(ports, block->ports);
}

static int put_source(struct store_binder *row, const void *item)
{
	const struct source_view *source = item;
	uint8_t view[STORE_PACKED_MAX];
	struct store_source_text text;

	if (source->piece_count > EVENT_PIECES_MAX)
		return SQLITE_OK;
	store_bind_source(row, &source->source, &text);
	store_bind_text(row, store_grade_name(source->grade));
	store_bind_blob(row, view, store_pack_source(source, view));
	return store_run(row);
}

static bool take_source(struct store_row *row, int64_t now_ms, union item *out)
{
	const void *view;
	size_t len;

	(void)now_ms;
	row->next++;
	out->source.source = store_row_source(row);
	row->next++; /* its grade, which the view holds too */
	view = store_row_blob(row, &len);
	return !row->bad && out->source.source.len > 0 && store_unpack_source(view, len, &out->source);
}

static int put_served(struct store_binder *row, const void *item)
{
	const struct served_view *served = item;

	store_bind_int(row, served->protocol);
	store_bind_int(row, served->port);
	store_bind_int(row, served->last_ms);
	return store_run(row);
}

static bool take_served(struct store_row *row, int64_t now_ms, union item *out)
{
	(void)now_ms;
	out->served.protocol = (uint8_t)store_row_int(row, 0, UINT8_MAX);
	out->served.port = (uint16_t)store_row_int(row, 0, UINT16_MAX);
	out->served.last_ms = store_row_int(row, 0, TIME_MAX_MS);
	return !row->bad;
}

static int put_customer(struct store_binder *row, const void *item)
{
	const struct store_customer *customer = item;
	struct prefix host = prefix_host(&customer->addr);
	struct store_source_text text;

	store_bind_source(row, &host, &text);
	store_bind_int(row, customer->protocol);
	store_bind_int(row, customer->port);
	store_bind_int(row, customer->until_ms);
	return store_run(row);
}

static bool take_customer(struct store_row *row, int64_t now_ms, union item *out)
{
	struct prefix host;

	row->next++;
	host = store_row_source(row);
	out->customer.addr = host.addr;
	out->customer.protocol = (uint8_t)store_row_int(row, 0, UINT8_MAX);
	out->customer.port = (uint16_t)store_row_int(row, 1, UINT16_MAX);
	out->customer.until_ms = store_row_int(row, 0, now_ms + DURATION_MAX_MS);
	return !row->bad && host.len == 128;
}

/* ---- tables ---- */

static const struct {
	const char *name, *columns; /* in the order that put and take follow */
	const char *alive;          /* which rows are restored; ?1 is the time now */
	int64_t rows_max;
	int (*put)(struct store_binder *row, const void *item);
	bool (*take)(struct store_row *row, int64_t now_ms, union item *out);
} tables[STORE_TABLE_COUNT] = {
	[STORE_BLOCKS] = { "block", BLOCK_COLUMNS, "until_ms = 0 OR until_ms > ?1", ENGINE_BLOCKS_MAX, store_put_block,
			   take_block },
	[STORE_SOURCES] = { "source", "source, source_key, len, grade, view", "TRUE", SOURCES_MAX, put_source,
			    take_source },
	[STORE_SERVED] = { "served", "protocol, port, last_ms", "TRUE", SERVED_MAX, put_served, take_served },
	[STORE_CUSTOMERS] = { "customer", "source, source_key, len, protocol, port, until_ms", "until_ms > ?1",
			      CUSTOMERS_MAX, put_customer, take_customer },
};

/* Every table has these statements. */
enum verb { CLEAR, PUT, EACH };

static enum store_statement statement_of(enum store_table table, enum verb verb)
{
	return STORE_OF_TABLES + (enum store_statement)(STORE_VERBS * table + verb);
}

static int prepare(struct store *store, enum store_statement which, const char *sql)
{
	return sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &store->statements[which], NULL);
}

static int prepare_table(struct store *store, enum store_table table)
{
	static const char more[] = ", ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?";
	const char *name = tables[table].name, *columns = tables[table].columns;
	char clear[64], put[512], each[512];
	int commas = 0, result;

	for (const char *c = columns; *c; c++)
		commas += *c == ',';
	snprintf(clear, sizeof(clear), "DELETE FROM %s", name);
	snprintf(put, sizeof(put), "INSERT OR REPLACE INTO %s(%s) VALUES(?%.*s)", name, columns, 3 * commas, more);
	snprintf(each, sizeof(each), "SELECT %s FROM %s WHERE %s LIMIT ?2", columns, name, tables[table].alive);
	result = prepare(store, statement_of(table, CLEAR), clear);
	if (result == SQLITE_OK)
		result = prepare(store, statement_of(table, PUT), put);
	return result == SQLITE_OK ? prepare(store, statement_of(table, EACH), each) : result;
}

int store_prepare(struct store *store)
{
	int result = SQLITE_OK;

	for (enum store_statement i = 0; result == SQLITE_OK && i < STORE_OF_TABLES; i++)
		result = prepare(store, i, statements[i]);
	for (enum store_table i = 0; result == SQLITE_OK && i < STORE_TABLE_COUNT; i++)
		result = prepare_table(store, i);
	return result;
}

int store_check_tables(struct store *store)
{
	char sql[64];
	int result = store_quick_check(store, "PRAGMA quick_check(meta)");

	for (size_t i = 0; result == SQLITE_OK && i < STORE_TABLE_COUNT; i++) {
		snprintf(sql, sizeof(sql), "PRAGMA quick_check(%s)", tables[i].name);
		result = store_quick_check(store, sql);
	}
	return result;
}

/* All in one transaction, so that a file is of the old format or of the new one. */
int store_upgrade(struct store *store, int64_t format)
{
	char numbers[128];
	int result = store_can_write(store) ? SQLITE_OK : SQLITE_READONLY;

	snprintf(numbers, sizeof(numbers), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		 STORE_APPLICATION_ID, STORE_FORMAT);
	if (result == SQLITE_OK)
		result = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	for (; result == SQLITE_OK && format < STORE_FORMAT; format++)
		result = sqlite3_exec(store->db, formats[format], NULL, NULL, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_exec(store->db, numbers, NULL, NULL, NULL);
	if (result != SQLITE_OK && !sqlite3_get_autocommit(store->db))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return result;
}

/* ---- save ---- */

static enum store_saving save_with(enum store_table table)
{
	return table == STORE_BLOCKS ? STORE_SAVES_BLOCKS : STORE_SAVES_THE_REST;
}

static void begin(struct store *store, enum store_saving what)
{
	int result;

	store_save_abandon(store);
	store->waiting = false;
	store_flush(store);
	store->saving = what;
	store->save_began_ms = store->now_ms;
	if (!store_can_write(store) || store->failing || store->waiting) {
		store->saving = STORE_SAVE_FAILED;
		return;
	}
	/* A save happens at a stop, too: it may wait longer for another program's lock. */
	sqlite3_busy_timeout(store->db, STORE_BUSY_SAVE_MS);
	result = store_run_plain(store, STORE_BEGIN);
	sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
	for (enum store_table i = 0; result == SQLITE_OK && i < STORE_TABLE_COUNT; i++)
		if (save_with(i) == what)
			result = store_run_plain(store, statement_of(i, CLEAR));
	if (result != SQLITE_OK)
		store_failed(store, result, "cannot save");
}

void store_save_begin(struct store *store)
{
	begin(store, STORE_SAVES_THE_REST);
}

void store_save_blocks_begin(struct store *store)
{
	begin(store, STORE_SAVES_BLOCKS);
}

void store_save(struct store *store, enum store_table table, const void *item)
{
	struct store_binder row;
	int result;

	if (store->saving != save_with(table))
		return;
	row = store_bind(store, statement_of(table, PUT));
	result = tables[table].put(&row, item);
	if (result != SQLITE_OK)
		store_failed(store, result, "cannot save");
}

void store_save_end(struct store *store)
{
	bool blocks = store->saving == STORE_SAVES_BLOCKS;
	int result;

	if (blocks || store->saving == STORE_SAVES_THE_REST) {
		result = store_run_plain(store, STORE_COMMIT);
		if (result != SQLITE_OK)
			store_failed(store, result, "cannot save");
		else if (blocks)
			store->blocks_stale = false;
	}
	store->saving = STORE_IDLE;
}

void store_save_abandon(struct store *store)
{
	if (store->saving == STORE_SAVES_BLOCKS || store->saving == STORE_SAVES_THE_REST)
		store_run_plain(store, STORE_ROLLBACK);
	store->saving = STORE_IDLE;
}

/* ---- restore ---- */

size_t store_restore(struct store *store, enum store_table table, int64_t now_ms, store_item_fn *each, void *context)
{
	struct store_binder query;
	size_t count = 0;
	int result;

	store_flush(store);
	if (!store->db)
		return 0;
	query = store_bind(store, statement_of(table, EACH));
	store_bind_int(&query, now_ms);
	store_bind_int(&query, tables[table].rows_max);
	while ((result = sqlite3_step(query.statement)) == SQLITE_ROW) {
		struct store_row row = { .statement = query.statement };
		union item item;

		memset(&item, 0, sizeof(item));
		if (tables[table].take(&row, now_ms, &item)) {
			each(context, &item);
			count++;
		} else {
			store->stats.dropped++;
		}
	}
	sqlite3_reset(query.statement);
	if (result != SQLITE_DONE)
		store_failed(store, result, "cannot read");
	return count;
}
