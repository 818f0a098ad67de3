/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of fixed memory: a list of a hundred thousand blocks is printed while it comes.
 */
#include "render.h"

#include <stdlib.h>
#include <string.h>

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

static void print_cell(const struct table *table, size_t column, const char *text)
{
	int width = (int)table->widths[column];

	if (column > 0)
		fputs("  ", table->out);
	if (is_right(table, column))
		fprintf(table->out, "%*s", width, text);
	else if (column + 1 < table->column_count)
		fprintf(table->out, "%-*s", width, text);
	else
		fputs(text, table->out);
}

static void copy_cell(char out[CELL_MAX], const char *text)
{
	size_t len = 0;

	for (; len < CELL_MAX - 1 && text[len]; len++)
		out[len] = text[len] >= 0x20 && text[len] < 0x7f ? text[len] : '?';
	out[len] = '\0';
}

static void flush(struct table *table)
{
	for (size_t i = 0; !table->flushed && table->row_count > 0 && i < table->column_count; i++)
		print_cell(table, i, title(table, i));
	if (!table->flushed && table->row_count > 0)
		fputc('\n', table->out);
	table->flushed |= table->row_count > 0;
	for (size_t row = 0; row < table->row_count; row++) {
		for (size_t i = 0; i < table->column_count; i++)
			print_cell(table, i, table->cells[row * table->column_count + i]);
		fputc('\n', table->out);
	}
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
