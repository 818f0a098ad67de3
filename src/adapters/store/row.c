/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values into statements and out of rows, in order.  What comes out of a row is checked as it is read: type,
 * length, range.
 */
#include "internal.h"

#include <string.h>

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

void store_bind_source(struct store_binder *binder, const struct prefix *source, struct store_source_text *room)
{
	bool nobody = source->len == 0;

	store_bind_text(binder, nobody ? "" : prefix_format(source, room->text));
	/* A pointer and no length: an empty blob, not NULL. */
	store_bind_blob(binder, source->addr.b, nobody ? 0 : sizeof(source->addr.b));
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
	/* An empty key is nobody, and nobody has an empty key. */
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
