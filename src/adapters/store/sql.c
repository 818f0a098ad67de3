/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SQLite as the store uses it: the settings of a connection, values that go into a statement, and values that come
 * out of a row and are checked then: type, length, range.  The file may have been written by an attacker who took
 * the keeper over: no triggers, views or functions of its schema are run, no file is attached, and no value is
 * larger than VALUE_MAX.
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
	 * back.  A megabyte of pages: eight read no faster, and write a fifth faster than the 11,000 rows
	 * a second that were measured. */
	return sqlite3_exec(store->db,
			    "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cache_size = -1024;"
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

struct store_row store_bind(struct store *store, enum store_statement which)
{
	sqlite3_reset(store->statements[which]);
	return (struct store_row){ .statement = store->statements[which] };
}

void store_bind_int(struct store_row *row, int64_t value)
{
	sqlite3_bind_int64(row->statement, ++row->next, value);
}

static void bind_text(struct store_row *row, const char *text, size_t len)
{
	sqlite3_bind_text(row->statement, ++row->next, text, (int)len, SQLITE_TRANSIENT);
}

void store_bind_blob(struct store_row *row, const void *data, size_t len)
{
	sqlite3_bind_blob(row->statement, ++row->next, data, (int)len, SQLITE_TRANSIENT);
}

int store_step(struct store_row *row)
{
	row->reading = true;
	row->bad = false;
	row->next = 0;
	return sqlite3_step(row->statement);
}

int store_run(struct store_row *row)
{
	int result;

	do {
		result = sqlite3_step(row->statement);
	} while (result == SQLITE_ROW);
	sqlite3_reset(row->statement);
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_number(struct store_row *query, int64_t *out)
{
	int result = sqlite3_step(query->statement);

	if (result == SQLITE_ROW)
		*out = sqlite3_column_int64(query->statement, 0);
	sqlite3_reset(query->statement);
	return result == SQLITE_ROW ? SQLITE_OK : result;
}

int store_read_meta(struct store *store, const char *name, int64_t *out)
{
	struct store_row query = store_bind(store, STORE_READ_META);
	int result;

	store_note(&query, name);
	result = store_number(&query, out);
	return result == SQLITE_DONE ? SQLITE_OK : result; /* not there: *out stays */
}

int store_write_meta(struct store *store, const char *name, int64_t value)
{
	struct store_row put = store_bind(store, STORE_PUT_META);

	store_note(&put, name);
	store_bind_int(&put, value);
	return store_run(&put);
}

int store_ask_number(struct store *store, const char *sql, int64_t *out)
{
	struct store_row query = { .next = 0 };
	int result = sqlite3_prepare_v2(store->db, sql, -1, &query.statement, NULL);

	if (result == SQLITE_OK)
		result = store_number(&query, out);
	sqlite3_finalize(query.statement);
	return result == SQLITE_DONE ? SQLITE_CORRUPT : result;
}

int store_run_plain(struct store *store, enum store_statement which)
{
	struct store_row row = store_bind(store, which);

	return store_run(&row);
}

int64_t store_int(struct store_row *row, int64_t value, int64_t min, int64_t max)
{
	int column = row->next;

	if (!row->reading) {
		store_bind_int(row, value);
		return value;
	}
	row->next++;
	value = sqlite3_column_int64(row->statement, column);
	if (sqlite3_column_type(row->statement, column) == SQLITE_INTEGER && value >= min && value <= max)
		return value;
	row->bad = true;
	return min;
}

const void *store_read_blob(struct store_row *row, size_t *len)
{
	int column = row->next++;
	const void *data = sqlite3_column_blob(row->statement, column);

	*len = data ? (size_t)sqlite3_column_bytes(row->statement, column) : 0;
	return data;
}

static void read_text(struct store_row *row, char *out, size_t size)
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

void store_text(struct store_row *row, char *text, size_t size)
{
	if (row->reading)
		read_text(row, text, size);
	else
		bind_text(row, text, strnlen(text, size));
}

void store_note(struct store_row *row, const char *text)
{
	if (row->reading)
		row->next++;
	else
		bind_text(row, text, strlen(text));
}

uint8_t store_name(struct store_row *row, uint8_t value, const char *(*name)(unsigned), unsigned count)
{
	char text[16];

	if (!row->reading) {
		store_note(row, name(value));
		return value;
	}
	read_text(row, text, sizeof(text));
	for (unsigned i = 0; i < count; i++)
		if (strcmp(name(i), text) == 0)
			return (uint8_t)i;
	row->bad = true;
	return 0;
}

void store_source(struct store_row *row, struct prefix *source)
{
	char text[PREFIX_TEXT_MAX];
	const void *key;
	size_t len;

	store_note(row, source->len == 0 ? "" : prefix_format(source, text));
	if (!row->reading) {
		/* A pointer and no length: an empty blob, not NULL. */
		store_bind_blob(row, source->addr.b, source->len == 0 ? 0 : sizeof(source->addr.b));
		store_bind_int(row, source->len);
		return;
	}
	key = store_read_blob(row, &len);
	if (len == sizeof(source->addr.b))
		memcpy(source->addr.b, key, len);
	else if (len != 0)
		row->bad = true;
	source->len = (uint8_t)store_int(row, 0, 0, 128);
	/* A source has a key, and no source has none. */
	if (!prefix_is_valid(source) || (source->len == 0) != (len == 0))
		row->bad = true;
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
