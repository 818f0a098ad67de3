/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of text in columns: the first TABLE_MEASURED rows decide the widths, the rest streams.
 */
#ifndef PICKET_TABLE_H
#define PICKET_TABLE_H

#include <stdio.h>

#define TABLE_COLUMNS_MAX 12
#define TABLE_MEASURED    256

struct table;

/* columns: titles, NULL-terminated; one that begins with '>' is set flush right.  NULL when out of memory. */
struct table *table_new(FILE *out, const char *const *columns);
/* As many cells as columns; copied, made printable, at most 160 bytes each. */
void table_row(struct table *table, const char *const *cells);
void table_flush(struct table *table);
void table_free(struct table *table); /* flushes */

#endif
