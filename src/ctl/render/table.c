/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of fixed memory: a list of a hundred thousand blocks is printed while it comes.
 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#define CELL_MAX 160

struct table {
	FILE *out;
	const char *const *columns;
	size_t column_count, row_count;
	size_t widths[TABLE_COLUMNS_MAX];
	bool flushed;            /* the widths are decided */
	char (*cells)[CELL_MAX]; /* TABLE_MEASURED rows */
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

static void print_line(const struct table *table, const char *(*cell)(const struct table *, const void *, size_t),
		       const void *context)
{
	for (size_t i = 0; i < table->column_count; i++) {
		const char *text = cell(table, context, i);
		int width = (int)table->widths[i];

		if (i > 0)
			fputs("  ", table->out);
		if (is_right(table, i))
			fprintf(table->out, "%*s", width, text);
		else if (i + 1 < table->column_count)
			fprintf(table->out, "%-*s", width, text);
		else
			fputs(text, table->out);
	}
	fputc('\n', table->out);
}

static const char *title_cell(const struct table *table, const void *context, size_t column)
{
	(void)context;
	return title(table, column);
}

static const char *row_cell(const struct table *table, const void *context, size_t column)
{
	const char(*cells)[CELL_MAX] = context;

	(void)table;
	return cells[column];
}

static void copy_cell(char out[CELL_MAX], const char *text)
{
	size_t len = 0;

	for (; len < CELL_MAX - 1 && text[len]; len++)
		out[len] = text[len] >= 0x20 && text[len] < 0x7f ? text[len] : '?';
	out[len] = '\0';
}

void table_flush(struct table *table)
{
	if (!table->flushed && table->row_count > 0)
		print_line(table, title_cell, NULL);
	table->flushed |= table->row_count > 0;
	for (size_t i = 0; i < table->row_count; i++)
		print_line(table, row_cell, table->cells + i * table->column_count);
	table->row_count = 0;
}

void table_row(struct table *table, const char *const *cells)
{
	char(*row)[CELL_MAX];

	if (!table)
		return;
	row = table->cells + table->row_count++ * table->column_count;
	for (size_t i = 0; i < table->column_count; i++) {
		size_t len;

		copy_cell(row[i], cells[i]);
		len = strlen(row[i]);
		if (!table->flushed && len > table->widths[i])
			table->widths[i] = len;
	}
	if (table->flushed || table->row_count == TABLE_MEASURED)
		table_flush(table);
}

void table_free(struct table *table)
{
	if (!table)
		return;
	table_flush(table);
	free(table->cells);
	free(table);
}
