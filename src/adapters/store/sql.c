/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The schema and every statement, in one table, prepared once at opening: a file whose schema isn't ours is found
 * out there. The file may have been written by anyone who took the keeper over: no triggers, views or functions of
 * its schema are run, no file is attached, and no value is larger than STORE_VALUE_MAX.
 */
#include "internal.h"

#include <stdio.h>

#define STORE_VALUE_MAX (256 * 1024)

#define STRETCH "at_ms >> 24"

/* STRICT: a column holds what it says.  An event about nobody has an empty source and key: found by time alone. */
static const char schema[] =
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
	/* For whoever looks with a shell of their own. */
	"CREATE VIEW history AS SELECT row, datetime(at_ms / 1000, 'unixepoch') AS at_utc, type, source, grade,"
	" duration_ms / 1000 AS duration_s, incident, tool, ports, reason, observed FROM event;"
	"CREATE VIEW live AS SELECT source, grade, datetime(since_ms / 1000, 'unixepoch') AS since_utc,"
	" CASE until_ms WHEN 0 THEN 'unblocked' ELSE datetime(until_ms / 1000, 'unixepoch') END AS until_utc,"
	" times, tool, incident, ports, reason FROM block;";

/* Pages of history: parameters 1 to 3 by path, 4 since, 5 and 6 the last row seen (time, row), 7 how many. */
#define HISTORY(index, where, before, order)                                                                           \
	"SELECT at_ms, row FROM event INDEXED BY " index " WHERE " where "at_ms >= ?4 AND at_ms " before "= ?5 AND "   \
	"(at_ms, row) " before " (?5, ?6) ORDER BY at_ms " order ", row " order " LIMIT ?7"
#define BOTH_WAYS(which, index, where)                                                                                 \
	[which] = HISTORY(index, where, "<", "DESC"), [which##_UP] = HISTORY(index, where, ">", "ASC")
#define BLOCK_COLUMNS "source, source_key, len, grade, times, tool, incident, kinds, since_ms, until_ms, ports, reason"
#define NEXT_STRETCH(before, order)                                                                                    \
	"SELECT " STRETCH " FROM event INDEXED BY event_stretch WHERE " STRETCH " " before "= ? "                      \
	"ORDER BY " STRETCH " " order " LIMIT 1"

static const char *const statements[STORE_STATEMENT_COUNT] = {
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
	[STORE_PUT_BLOCK] =
		"INSERT OR REPLACE INTO block(" BLOCK_COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[STORE_END_BLOCK] = "DELETE FROM block WHERE source_key = ? AND len = ?",
	[STORE_PUT_SOURCE] = "INSERT INTO source(source, source_key, len, grade, view) VALUES(?, ?, ?, ?, ?)",
	[STORE_PUT_SERVED] = "INSERT INTO served(protocol, port, last_ms) VALUES(?, ?, ?)",
	[STORE_PUT_CUSTOMER] =
		"INSERT INTO customer(source, source_key, len, protocol, port, until_ms) VALUES(?, ?, ?, ?, ?, ?)",
	[STORE_CLEAR_SOURCES] = "DELETE FROM source",
	[STORE_CLEAR_SERVED] = "DELETE FROM served",
	[STORE_CLEAR_CUSTOMERS] = "DELETE FROM customer",
	[STORE_CLEAR_BLOCKS] = "DELETE FROM block",
	[STORE_EACH_BLOCK] = "SELECT " BLOCK_COLUMNS " FROM block WHERE until_ms = 0 OR until_ms > ? LIMIT ?",
	[STORE_EACH_SOURCE] = "SELECT source_key, len, view FROM source LIMIT ?",
	[STORE_EACH_SERVED] = "SELECT protocol, port, last_ms FROM served LIMIT ?",
	[STORE_EACH_CUSTOMER] =
		"SELECT source_key, len, protocol, port, until_ms FROM customer WHERE until_ms > ? LIMIT ?",
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

int store_sql_integer(struct store *store, const char *sql, int64_t *out)
{
	sqlite3_stmt *statement;
	int result = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

	if (result != SQLITE_OK)
		return result;
	result = sqlite3_step(statement);
	if (result == SQLITE_ROW) {
		*out = sqlite3_column_int64(statement, 0);
		sqlite3_finalize(statement);
		return SQLITE_OK;
	}
	sqlite3_finalize(statement);
	return result == SQLITE_DONE ? SQLITE_CORRUPT : result;
}

int store_sql_settle(struct store *store)
{
	static const struct {
		int option, value;
	} options[] = {
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },
		{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 },
		{ SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
		{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		sqlite3_db_config(store->db, options[i].option, options[i].value, NULL);
	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, STORE_VALUE_MAX);
	sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
	/* FULL: a commit has reached the disk. With one a second that is cheap, and a power cut takes no block back. */
	return sqlite3_exec(store->db,
			    "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cache_size = -8192;"
			    "PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL;"
			    "PRAGMA journal_size_limit = 16777216;",
			    NULL, NULL, NULL);
}

/* All in one transaction, so that a file is either empty or whole. */
int store_sql_create(struct store *store)
{
	char numbers[128];
	int result = store_can_write(store) ? SQLITE_OK : SQLITE_READONLY;

	snprintf(numbers, sizeof(numbers), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		 STORE_APPLICATION_ID, STORE_FORMAT);
	if (result == SQLITE_OK)
		result = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_exec(store->db, schema, NULL, NULL, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_exec(store->db, numbers, NULL, NULL, NULL);
	if (result != SQLITE_OK && !sqlite3_get_autocommit(store->db))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return result;
}

int store_sql_prepare(struct store *store)
{
	int result = SQLITE_OK;

	for (size_t i = 0; result == SQLITE_OK && i < STORE_STATEMENT_COUNT; i++)
		result = sqlite3_prepare_v3(store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &store->statements[i], NULL);
	return result;
}

void store_sql_finish(struct store *store)
{
	for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++) {
		sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
}
