/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was decided, when, why: events by position, oldest first.  Readers keep a position and come back for more, so
 * that a slow one holds nothing up.  The events of this run live in memory, the newest HISTORY_ROWS_MAX of them; a
 * lasting store has its place behind these calls.
 */
#ifndef PICKET_KEEPER_HISTORY_H
#define PICKET_KEEPER_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include <picket/event.h>

#define HISTORY_ROWS_MAX 4096

struct history;

struct history_query {
	bool by_source;
	struct prefix source; /* what lies in it, and what it lies in */
	int64_t since_ms;
	uint32_t last; /* at most so many, the newest; 0: all */
};

struct history *history_new(void); /* NULL when out of memory */
void history_free(struct history *history);
void history_add(struct history *history, const struct event *event);
/* Where an answer to the query starts. */
uint64_t history_start(const struct history *history, const struct history_query *query);
/* The next event of the answer, or NULL when there is none yet.  Moves *position on; adds to *lost what was overwritten
 * before it could be read. */
const struct event *history_next(const struct history *history, const struct history_query *query, uint64_t *position,
				 uint64_t *lost);
uint64_t history_rows(const struct history *history);

#endif
