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
#include <stdlib.h>
#include <string.h>

#include <picket/describe.h>

#include "clamp.h"
#include "duration.h"
#include "writer.h"

#define SOURCES_MAX 4194304
#define SERVED_MAX  262144
#define LEARNED_MAX 1048576
#define REASON_MAX  512
#define PORTS_LEN   (4 * 6 + 1) /* "1,2,3,4" */

#define STRETCH "at_ms >> 24"
/* event_is_forgeable() in SQL, and its contrary. */
#define FORGEABLE "(type IN ('alert', 'veil') OR type = 'expire' AND grade = 'veil')"
#define LASTING   "NOT " FORGEABLE

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
	/* What was a block on suspicion is a veil, an admin's order a block; storms are no more.  A customer is one
	 * of TCP. */
	"UPDATE event SET type = 'veil' WHERE type = 'block' AND grade = 'block';"
	"UPDATE event SET type = 'notice' WHERE type = 'storm';"
	"UPDATE event SET grade = CASE grade WHEN 'block' THEN 'veil' WHEN 'manual' THEN 'block' ELSE grade END;"
	"UPDATE block SET grade = CASE grade WHEN 'block' THEN 'veil' WHEN 'manual' THEN 'block' ELSE grade END;"
	"UPDATE source SET grade = CASE grade WHEN 'block' THEN 'veil' ELSE grade END;"
	"CREATE TABLE learned(source TEXT NOT NULL, source_key BLOB NOT NULL, len INTEGER NOT NULL,"
	" port INTEGER NOT NULL, until_ms INTEGER NOT NULL, own_port INTEGER NOT NULL DEFAULT 0,"
	" kind INTEGER NOT NULL DEFAULT 0) STRICT;"
	"INSERT INTO learned(source, source_key, len, port, until_ms)"
	" SELECT source, source_key, len, port, until_ms FROM customer WHERE protocol = 6;"
	"DROP TABLE customer;"
	"ALTER TABLE served ADD COLUMN uid INTEGER NOT NULL DEFAULT 4294967295;",
	"CREATE INDEX event_lasting ON event(at_ms) WHERE " LASTING ";",
};

/* Pages of history.  Parameters: 1 to 3 depend on the index, 4 since when, 5 and 6 the last row seen (time, row), 7 how
 * many. */
#define HISTORY(index, where, before, order)                                                                           \
	"SELECT at_ms, row FROM event INDEXED BY " index " WHERE " where "at_ms >= ?4 AND at_ms " before "= ?5 AND "   \
	"(at_ms, row) " before " (?5, ?6) ORDER BY at_ms " order ", row " order " LIMIT ?7"
#define BOTH_WAYS(which, index, where)                                                                                 \
	[which] = HISTORY(index, where, "<", "DESC"), [which##_UP] = HISTORY(index, where, ">", "ASC")
#define EVENT_COLUMNS                                                                                                  \
	"at_ms, type, source, source_key, len, grade, duration_ms, incident, tool, times, observed, reason, ports, "   \
	"detail"
#define BLOCK_COLUMNS "source, source_key, len, grade, times, tool, incident, kinds, since_ms, until_ms, ports, reason"
#define STILL_STANDS  "grade = excluded.grade AND (until_ms = 0 OR until_ms > excluded.since_ms)"
#define NEXT_STRETCH(before, order)                                                                                    \
	"SELECT " STRETCH " FROM event INDEXED BY event_stretch WHERE " STRETCH " " before "= ? "                      \
	"ORDER BY " STRETCH " " order " LIMIT 1"

/* No number in the file makes a sum that a column cannot hold. */
#define MOVED(column, by) "max(1, min(max(" column ", 0), 253402300799000) + " by ")"

static const char *const statements[STORE_OF_TABLES] = {
	[STORE_BEGIN] = "BEGIN IMMEDIATE",
	[STORE_COMMIT] = "COMMIT",
	[STORE_ROLLBACK] = "ROLLBACK",
	[STORE_PUT_META] = "INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)",
	[STORE_READ_META] = "SELECT value FROM meta WHERE name = ?",
	[STORE_MOVE_BLOCKS] = "UPDATE block SET since_ms = " MOVED(
		"since_ms", "?1") ","
				  " until_ms = iif(until_ms = 0, 0, " MOVED("until_ms", "?1") ")",
	[STORE_MOVE_SERVED] = "UPDATE served SET last_ms = " MOVED("last_ms", "?"),
	[STORE_MOVE_LEARNED] = "UPDATE learned SET until_ms = " MOVED("until_ms", "?"),
	[STORE_MOVE_EVENTS] = "UPDATE event SET at_ms = " MOVED("at_ms", "?") " WHERE row > ?",
	[STORE_PUT_EVENT] = "INSERT INTO event(" EVENT_COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	/* While it stands at one grade, a block keeps its beginning and its first reason. */
	[STORE_BEGIN_BLOCK] =
		"INSERT INTO block(" BLOCK_COLUMNS ")"
		" VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(source_key, len) DO UPDATE SET"
		" since_ms = iif(" STILL_STANDS ", since_ms, excluded.since_ms),"
		" reason = iif(" STILL_STANDS ", reason, excluded.reason),"
		" grade = excluded.grade, times = excluded.times, tool = excluded.tool, incident = excluded.incident,"
		" kinds = excluded.kinds, until_ms = excluded.until_ms, ports = excluded.ports",
	[STORE_END_BLOCK] = "DELETE FROM block WHERE source_key = ? AND len = ?",
	[STORE_FIRST_ROW] = "SELECT row FROM event ORDER BY row LIMIT 1",
	[STORE_LAST_ROW] = "SELECT row FROM event ORDER BY row DESC LIMIT 1",
	[STORE_TRIM_AGE] = "DELETE FROM event WHERE row IN (SELECT row FROM event INDEXED BY event_time WHERE at_ms < ?"
			   " ORDER BY at_ms LIMIT ?)",
	[STORE_COUNT_ALL] = "SELECT count(*) FROM event INDEXED BY event_time",
	[STORE_COUNT_LASTING] = "SELECT count(*) FROM event INDEXED BY event_lasting WHERE " LASTING,
	[STORE_TRIM_LASTING] =
		"DELETE FROM event WHERE row IN (SELECT row FROM event INDEXED BY event_lasting WHERE " LASTING
		" ORDER BY at_ms LIMIT ?)",
	[STORE_FORGEABLE_UP_TO] =
		"SELECT max(row) FROM (SELECT row FROM event WHERE row > ? AND " FORGEABLE " ORDER BY row LIMIT ?)",
	[STORE_TRIM_FORGEABLE] = "DELETE FROM event WHERE row > ? AND row <= ? AND " FORGEABLE,
	[STORE_PAGES] = "PRAGMA page_count",
	[STORE_PAGE_SIZE] = "PRAGMA page_size",
	[STORE_TRIM_BLOCKS] = "DELETE FROM block WHERE until_ms > 0 AND until_ms < ?",
	[STORE_FREE_PAGES] = "PRAGMA freelist_count",
	[STORE_VACUUM] = "PRAGMA incremental_vacuum(256)",
	[STORE_EDGE] = "SELECT at_ms FROM event WHERE row <= ? ORDER BY row DESC LIMIT 1",
	[STORE_FETCH] = "SELECT " EVENT_COLUMNS " FROM event WHERE row = ?",
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
	struct store_learned learned;
};

/* ---- the columns of each table, bound or read ---- */

void store_event_columns(struct store_row *row, struct event *event)
{
	char reason[REASON_MAX] = "", ports[EVENT_PIECES_MAX * 6 + 1] = "";
	struct writer reason_writer = writer_over(reason, sizeof(reason));
	struct writer ports_writer = writer_over(ports, sizeof(ports));
	uint8_t packed[STORE_PACKED_MAX];

	if (!row->reading) {
		describe_reason(&reason_writer, event, NULL);
		describe_ports(&ports_writer, event);
	}
	event->at_ms = store_int(row, event->at_ms, 0, INT64_MAX);
	event->type = store_name(row, event->type, store_type_name, EVENT_TYPE_COUNT);
	store_source(row, &event->source);
	event->grade = store_name(row, event->grade, store_grade_name, GRADE_COUNT);
	event->duration_ms = store_int(row, event->duration_ms, 0, INT64_MAX);
	event->incident = (uint32_t)store_int(row, event->incident, 0, UINT32_MAX);
	event->tool = store_name(row, event->tool, store_tool_name, TOOL_COUNT);
	event->times = (uint8_t)store_int(row, event->times, 0, UINT8_MAX);
	event->observed = (uint8_t)store_int(row, event->observed, 0, 1);
	store_note(row, reason);
	store_note(row, ports);
	if (row->reading) {
		size_t len;
		const void *data = store_read_blob(row, &len);

		row->bad |= !store_unpack_event(data, len, event) || !event_is_valid(event);
	} else {
		store_bind_blob(row, packed, store_pack_event(event, packed));
	}
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

void store_block_columns(struct store_row *row, void *item, int64_t now_ms)
{
	struct block_view *block = item;
	char ports[PORTS_LEN];
	struct writer w = writer_over(ports, sizeof(ports));

	for (size_t i = 0; i < 4 && block->ports[i] != 0; i++)
		writer_format(&w, i == 0 ? "%u" : ",%u", block->ports[i]);
	store_source(row, &block->source);
	block->grade = store_name(row, block->grade, store_grade_name, GRADE_COUNT);
	block->times = (uint8_t)store_int(row, block->times, 0, UINT8_MAX);
	block->tool = store_name(row, block->tool, store_tool_name, TOOL_COUNT);
	block->incident = (uint32_t)store_int(row, block->incident, 0, UINT32_MAX);
	block->kinds = (uint32_t)store_int(row, block->kinds, 0, (1LL << EVIDENCE_KIND_COUNT) - 1);
	block->since_ms = store_int(row, block->since_ms, 0, STORE_TIME_MAX_MS);
	block->until_ms = store_int(row, block->until_ms, 0, now_ms + DURATION_MAX_MS);
	store_text(row, ports, sizeof(ports));
	store_text(row, block->reason, sizeof(block->reason));
	if (row->reading)
		row->bad |= block->source.len == 0 || block->grade < GRADE_VEIL || !parse_ports(ports, block->ports);
	else
		row->bad |= !memchr(block->reason, '\0', sizeof(block->reason));
}

static void source_columns(struct store_row *row, void *item, int64_t now_ms)
{
	struct source_view *source = item;
	uint8_t packed[STORE_PACKED_MAX];

	(void)now_ms;
	store_source(row, &source->source);
	store_note(row, store_grade_name(source->grade));
	if (row->reading) {
		size_t len;
		const void *data = store_read_blob(row, &len);

		row->bad |= source->source.len == 0 || !store_unpack_source(data, len, source);
	} else {
		row->bad |= source->piece_count > EVENT_PIECES_MAX;
		store_bind_blob(row, packed, store_pack_source(source, packed));
	}
}

static void served_columns(struct store_row *row, void *item, int64_t now_ms)
{
	struct served_view *served = item;

	(void)now_ms;
	served->protocol = (uint8_t)store_int(row, served->protocol, 0, UINT8_MAX);
	served->port = (uint16_t)store_int(row, served->port, 0, UINT16_MAX);
	served->last_ms = store_int(row, served->last_ms, 0, STORE_TIME_MAX_MS);
	served->uid = (uint32_t)store_int(row, served->uid, 0, UINT32_MAX);
}

static void learned_columns(struct store_row *row, void *item, int64_t now_ms)
{
	struct store_learned *learned = item;
	struct prefix host = prefix_host(&learned->addr);

	store_source(row, &host);
	learned->addr = host.addr;
	learned->port = (uint16_t)store_int(row, learned->port, 0, UINT16_MAX);
	learned->own_port = (uint16_t)store_int(row, learned->own_port, 0, UINT16_MAX);
	learned->until_ms = store_int(row, learned->until_ms, 0, now_ms + DURATION_MAX_MS);
	learned->kind = (uint8_t)store_int(row, learned->kind, 0, STORE_LEARNED_KINDS - 1);
	row->bad |= host.len != 128;
}

/* ---- tables ---- */

static const struct {
	const char *name, *columns; /* in the order that walk follows */
	const char *alive;          /* which rows are restored; ?1 is the time now */
	int64_t rows_max;
	size_t size; /* of an item */
	void (*walk)(struct store_row *row, void *item, int64_t now_ms);
} tables[STORE_TABLE_COUNT] = {
	[STORE_BLOCKS] = { "block", BLOCK_COLUMNS, "until_ms = 0 OR until_ms > ?1", ENGINE_BLOCKS_MAX,
			   sizeof(struct block_view), store_block_columns },
	[STORE_SOURCES] = { "source", "source, source_key, len, grade, view", "TRUE", SOURCES_MAX,
			    sizeof(struct source_view), source_columns },
	[STORE_SERVED] = { "served", "protocol, port, last_ms, uid", "TRUE", SERVED_MAX, sizeof(struct served_view),
			   served_columns },
	[STORE_LEARNED] = { "learned", "source, source_key, len, port, own_port, until_ms, kind", "until_ms > ?1",
			    LEARNED_MAX, sizeof(struct store_learned), learned_columns },
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

/* SQLite knows STRICT since 3.37: without it (Debian 11) a column takes what it is given, and who reads it checks. */
static int run_format(struct store *store, const char *sql)
{
	static const char strict[] = ") STRICT;";
	char *plain;
	int result;

	if (sqlite3_libversion_number() >= 3037000)
		return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
	plain = strdup(sql);
	if (!plain)
		return SQLITE_NOMEM;
	for (char *at = plain; (at = strstr(at, strict)); at++)
		memset(at + 1, ' ', sizeof(strict) - 3);
	result = sqlite3_exec(store->db, plain, NULL, NULL, NULL);
	free(plain);
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
		result = run_format(store, formats[format]);
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
	if (!store_can_write(store) || store->failing || store->waiting || !store_clock_is_settled(store)) {
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
	struct store_row row;
	union item copy;
	int result;

	if (store->saving != save_with(table))
		return;
	row = store_bind(store, statement_of(table, PUT));
	memcpy(&copy, item, tables[table].size);
	tables[table].walk(&row, &copy, store->now_ms);
	result = row.bad ? SQLITE_OK : store_run(&row);
	if (result != SQLITE_OK)
		store_failed(store, result, "cannot save");
}

void store_save_end(struct store *store)
{
	bool blocks = store->saving == STORE_SAVES_BLOCKS;
	int result;

	if (blocks || store->saving == STORE_SAVES_THE_REST) {
		result = store_write_last(store);
		if (result == SQLITE_OK)
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

static void shift(int64_t *at_ms, int64_t by_ms)
{
	int64_t shifted = clamped_sum(*at_ms, by_ms);

	if (*at_ms != 0)
		*at_ms = shifted > 0 ? shifted : 1;
}

/* By what could not be written down yet; sources are the caller's to move. */
static void move_item(enum store_table table, union item *item, int64_t by_ms)
{
	switch (table) {
	case STORE_BLOCKS:
		shift(&item->block.since_ms, by_ms);
		shift(&item->block.until_ms, by_ms);
		break;
	case STORE_SERVED: shift(&item->served.last_ms, by_ms); break;
	case STORE_LEARNED: shift(&item->learned.until_ms, by_ms); break;
	default: break;
	}
}

size_t store_restore(struct store *store, enum store_table table, int64_t now_ms, store_item_fn *each, void *context)
{
	struct store_row query;
	size_t count = 0;
	int result;

	store_flush(store);
	if (!store->db)
		return 0;
	query = store_bind(store, statement_of(table, EACH));
	store_bind_int(&query, now_ms - store->unmoved_ms);
	store_bind_int(&query, tables[table].rows_max);
	while ((result = store_step(&query)) == SQLITE_ROW) {
		union item item;

		memset(&item, 0, sizeof(item));
		tables[table].walk(&query, &item, now_ms - store->unmoved_ms);
		if (query.bad) {
			store->stats.dropped++;
			continue;
		}
		move_item(table, &item, store->unmoved_ms);
		each(context, &item);
		count++;
	}
	sqlite3_reset(query.statement);
	if (result != SQLITE_DONE)
		store_failed(store, result, "cannot read");
	return count;
}
