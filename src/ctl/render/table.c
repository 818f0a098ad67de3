/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of fixed memory: a list of a hundred thousand blocks is printed while it comes.
 */
#include "render.h"

#include <stdlib.h>
#include <string.h>

struct table {
	FILE *out;
	const char *const *columns;
	size_t column_count, row_count;
	size_t widths[TABLE_COLUMNS_MAX];
	bool flushed;                  /* the widths are decided */
	char (*cells)[TABLE_CELL_MAX]; /* TABLE_MEASURED rows */
};

static bool is_right(const struct table *table, size_t column)
{
	return table->columns[column][0] == '>';
}

static const char *title(const struct table *table, size_t column)
{
	return table->columns[column] + is_right(table, column);
}

struct table *table_new(FILE *out, const char *const *columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->out = out;
	table->columns = columns;
	while (table->column_count < TABLE_COLUMNS_MAX && columns[table->column_count])
		table->column_count++;
	for (size_t i = 0; i < table->column_count; i++)
		table->widths[i] = strlen(title(table, i));
	table->cells = calloc(TABLE_MEASURED * table->column_count, sizeof(*table->cells));
	if (!table->cells) {
		free(table);
		return NULL;
	}
	return table;
}

static size_t copy_cell(char out[TABLE_CELL_MAX], const char *text)
{
	size_t len = 0;

	for (; len < TABLE_CELL_MAX - 1 && text[len]; len++)
		out[len] = text[len] >= 0x20 && text[len] < 0x7f ? text[len] : '?';
	out[len] = '\0';
	return len;
}

/* One row at once: a long list is printed as fast as it comes. */
static void print_row(const struct table *table, const char *const *cells)
{
	char line[TABLE_COLUMNS_MAX * (TABLE_CELL_MAX + 2) + 1], *at = line;

	for (size_t i = 0; i < table->column_count; i++) {
		size_t width = i + 1 < table->column_count || is_right(table, i) ? table->widths[i] : 0, len, pad;

		if (i > 0) {
			*at++ = ' ';
			*at++ = ' ';
		}
		len = copy_cell(at, cells[i]);
		pad = len < width ? width - len : 0;
		if (is_right(table, i))
			memmove(at + pad, at, len);
		memset(is_right(table, i) ? at : at + len, ' ', pad);
		at += len + pad;
	}
	*at++ = '\n';
	fwrite(line, 1, (size_t)(at - line), table->out);
}

static void flush(struct table *table)
{
	const char *cells[TABLE_COLUMNS_MAX];

	if (table->row_count == 0)
		return;
	for (size_t i = 0; i < table->column_count; i++)
		cells[i] = title(table, i);
	print_row(table, cells);
	for (size_t row = 0; row < table->row_count; row++) {
		for (size_t i = 0; i < table->column_count; i++)
			cells[i] = table->cells[row * table->column_count + i];
		print_row(table, cells);
	}
	table->row_count = 0;
	table->flushed = true;
}

void table_row(struct table *table, const char *const *cells)
{
	char(*row)[TABLE_CELL_MAX];

	if (!table)
		return;
	if (table->flushed) {
		print_row(table, cells);
		return;
	}
	row = table->cells + table->row_count++ * table->column_count;
	for (size_t i = 0; i < table->column_count; i++) {
		size_t len = copy_cell(row[i], cells[i]);

		if (len > table->widths[i])
			table->widths[i] = len;
	}
	if (table->row_count == TABLE_MEASURED)
		flush(table);
}

void table_free(struct table *table)
{
	if (!table)
		return;
	flush(table);
	free(table->cells);
	free(table);
}
