/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers for people: a shape says how the objects of one answer are shown.  Tables, times and durations in words.
 */
#ifndef PICKET_CTL_RENDER_H
#define PICKET_CTL_RENDER_H

#include "client/client.h"

/* ---- tables: the first TABLE_MEASURED rows decide the widths, the rest streams ---- */

#define TABLE_COLUMNS_MAX 12
#define TABLE_MEASURED    256
#define TABLE_CELL_MAX    160 /* with its NUL */

struct table;

/* columns: titles, NULL-terminated; one that begins with '>' is set flush right.  NULL when out of memory. */
struct table *table_new(FILE *out, const char *const *columns);
/* As many cells as columns; made printable, and cut to TABLE_CELL_MAX. */
void table_row(struct table *table, const char *const *cells);
void table_free(struct table *table); /* prints what waits */

/* ---- values in words ---- */

/* Local time, or "-". */
const char *time_words(const json_t *object, const char *key, char out[32]);
/* Seconds as 10m. */
const char *left_words(const json_t *object, const char *key, const char *otherwise, char out[32]);

/* ---- answers ---- */

struct ctl_shape;

/* Asks, shows what comes while it comes, and returns the exit status; problems are told on stderr.  With --json every
 * object is a line.  Takes the reference of the request. */
enum ctl_exit ctl_show(const struct ctl_args *args, json_t *request, const struct ctl_shape *shape);

extern const struct ctl_shape shape_status, shape_list, shape_sources, shape_explain, shape_block, shape_unblock,
	shape_allow, shape_allow_list, shape_allow_check, shape_mode, shape_events, shape_reload;

#endif
