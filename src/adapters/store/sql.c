/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SQLite as the store uses it: the settings of a connection, values into statements, and values out of rows, which are
 * checked as they are read: type, length, range.  The file may have been written by an attacker who took the keeper
 * over: no triggers, views or functions of its schema are run, no file is attached, and no value is larger than
 * VALUE_MAX.
 */
#include "internal.h"

#include <string.h>

#define VALUE_MAX (256 * 1024)

int store_settle(struct store *store)
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
	sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
	/* FULL: a commit has reached the disk.  With one a second that is cheap, and no power cut takes a block
	 * back. */
	return sqlite3_exec(store->db,
			    "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cache_size = -8192;"
			    "PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL;"
			    "PRAGMA journal_size_limit = 16777216;",
			    NULL, NULL, NULL);
}

void store_finish(struct store *store)
{
	for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++) {
		sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
}

struct store_binder store_bind(struct store *store, enum store_statement which)
{
	sqlite3_reset(store->statements[which]);
	return (struct store_binder){ .statement = store->statements[which] };
}

void store_bind_int(struct store_binder *binder, int64_t value)
{
	sqlite3_bind_int64(binder->statement, ++binder->next, value);
}

void store_bind_text(struct store_binder *binder, const char *text)
{
	sqlite3_bind_text(binder->statement, ++binder->next, text, -1, SQLITE_STATIC);
}

void store_bind_blob(struct store_binder *binder, const void *data, size_t len)
{
	sqlite3_bind_blob(binder->statement, ++binder->next, data, (int)len, SQLITE_STATIC);
}

void store_bind_source(struct store_binder *binder, const struct prefix *source, struct store_source_text *buffer)
{
	bool none = source->len == 0;

	store_bind_text(binder, none ? "" : prefix_format(source, buffer->text));
	/* A pointer and no length: an empty blob, not NULL. */
	store_bind_blob(binder, source->addr.b, none ? 0 : sizeof(source->addr.b));
	store_bind_int(binder, source->len);
}

int store_run(struct store_binder *binder)
{
	int result;

	do {
		result = sqlite3_step(binder->statement);
	} while (result == SQLITE_ROW);
	sqlite3_reset(binder->statement);
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_number(struct store_binder *query, int64_t *out)
{
	int result = sqlite3_step(query->statement);

	if (result == SQLITE_ROW)
		*out = sqlite3_column_int64(query->statement, 0);
	sqlite3_reset(query->statement);
	return result == SQLITE_ROW ? SQLITE_OK : result;
}

int store_ask_number(struct store *store, const char *sql, int64_t *out)
{
	struct store_binder query = { .next = 0 };
	int result = sqlite3_prepare_v2(store->db, sql, -1, &query.statement, NULL);

	if (result == SQLITE_OK)
		result = store_number(&query, out);
	sqlite3_finalize(query.statement);
	return result == SQLITE_DONE ? SQLITE_CORRUPT : result;
}

int store_run_plain(struct store *store, enum store_statement which)
{
	struct store_binder binder = store_bind(store, which);

	return store_run(&binder);
}

int64_t store_row_int(struct store_row *row, int64_t min, int64_t max)
{
	int column = row->next++;
	int64_t value = sqlite3_column_int64(row->statement, column);

	if (sqlite3_column_type(row->statement, column) == SQLITE_INTEGER && value >= min && value <= max)
		return value;
	row->bad = true;
	return min;
}

const void *store_row_blob(struct store_row *row, size_t *len)
{
	int column = row->next++;
	const void *data = sqlite3_column_blob(row->statement, column);

	*len = data ? (size_t)sqlite3_column_bytes(row->statement, column) : 0;
	return data;
}

void store_row_text(struct store_row *row, char *out, size_t size)
{
	int column = row->next++;
	const unsigned char *text = sqlite3_column_text(row->statement, column);
	size_t len = text ? (size_t)sqlite3_column_bytes(row->statement, column) : 0;

	memset(out, 0, size);
	if (!text || len >= size) {
		row->bad = true;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			row->bad = true;
	}
	if (!row->bad)
		memcpy(out, text, len);
}

uint8_t store_row_name(struct store_row *row, const char *(*name)(unsigned), unsigned count)
{
	char text[16];

	store_row_text(row, text, sizeof(text));
	for (unsigned i = 0; i < count; i++)
		if (strcmp(name(i), text) == 0)
			return (uint8_t)i;
	row->bad = true;
	return 0;
}

struct prefix store_row_source(struct store_row *row)
{
	struct prefix source = { .len = 0 };
	size_t len;
	const void *key = store_row_blob(row, &len);

	if (len == sizeof(source.addr.b))
		memcpy(source.addr.b, key, len);
	else if (len != 0)
		row->bad = true;
	source.len = (uint8_t)store_row_int(row, 0, 128);
	/* A source has a key, and no source has none. */
	if (!prefix_is_valid(&source) || (source.len == 0) != (len == 0))
		row->bad = true;
	return source;
}

const char *store_type_name(unsigned type)
{
	return event_type_name((enum event_type)type);
}

const char *store_grade_name(unsigned grade)
{
	return grade_name((enum grade)grade);
}

const char *store_tool_name(unsigned tool)
{
	return evidence_tool_name((enum evidence_tool)tool);
}
