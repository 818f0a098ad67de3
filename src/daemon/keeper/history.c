/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The events of this run in a ring of fixed size: a flood of events costs the oldest ones, never memory.
 */
#include "history.h"

#include <stdlib.h>

struct history {
	uint64_t count; /* ever added: the position of the next one */
	struct event rows[HISTORY_ROWS_MAX];
};

struct history *history_new(void)
{
	return calloc(1, sizeof(struct history));
}

void history_free(struct history *history)
{
	free(history);
}

void history_add(struct history *history, const struct event *event)
{
	history->rows[history->count++ % HISTORY_ROWS_MAX] = *event;
}

static uint64_t oldest(const struct history *history)
{
	return history->count > HISTORY_ROWS_MAX ? history->count - HISTORY_ROWS_MAX : 0;
}

static bool matches(const struct history_query *query, const struct event *event)
{
	if (event->at_ms < query->since_ms)
		return false;
	if (!query->by_source)
		return true;
	/* An event without a source has the whole space for one, in which everything lies. */
	return prefix_covers(&query->source, &event->source) ||
	       (event->source.len > 0 && prefix_covers(&event->source, &query->source));
}

uint64_t history_start(const struct history *history, const struct history_query *query)
{
	uint64_t position = history->count, start = history->count;

	for (uint32_t found = 0; position > oldest(history) && (query->last == 0 || found < query->last); position--)
		if (matches(query, &history->rows[(position - 1) % HISTORY_ROWS_MAX])) {
			start = position - 1;
			found++;
		}
	return start;
}

const struct event *history_next(const struct history *history, const struct history_query *query, uint64_t *position,
				 uint64_t *lost)
{
	if (*position < oldest(history)) {
		*lost += oldest(history) - *position;
		*position = oldest(history);
	}
	while (*position < history->count) {
		const struct event *event = &history->rows[(*position)++ % HISTORY_ROWS_MAX];

		if (matches(query, event))
			return event;
	}
	return NULL;
}

uint64_t history_rows(const struct history *history)
{
	return history->count - oldest(history);
}
