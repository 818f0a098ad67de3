/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * History and live events.  The newest HISTORY_ROWS_MAX events of this run are kept in a ring, each at its position:
 * a flood of events costs the oldest ones, never memory.  A client is answered as far and as fast as it reads: from the
 * store by rows or, when it follows or the store fails, from the ring by positions, so that it holds nothing up.
 */
#include "internal.h"

#include <stdlib.h>

#include "clamp.h"
#include "store/store.h"

#define HISTORY_DEFAULT 1000 /* rows of an answer when the request does not say how many: the newest ones */

/* ---- the ring ---- */

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

void history_clock_set(struct history *history, int64_t by_ms)
{
	for (size_t i = 0; i < HISTORY_ROWS_MAX; i++)
		history->rows[i].at_ms = clamped_sum(history->rows[i].at_ms, by_ms);
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

/* ---- answers ---- */

struct history_page {
	struct task *task;
	bool failed; /* the task is gone */
};

static void send_row(void *context, int64_t row, const struct event *event)
{
	struct history_page *page = context;

	if (page->failed)
		return;
	page->task->row = row;
	page->failed = !task_line(page->task, view_event(event, page->task->keeper->names));
}

static void keep_row(void *context, int64_t row, const struct event *event)
{
	(void)event;
	*(int64_t *)context = row;
}

static struct store_query query_of(const struct task *task, uint32_t limit)
{
	struct store_query query = { .since_ms = task->query.since_ms, .limit = limit };

	if (task->query.by_source)
		query.within = task->query.source;
	return query;
}

/* The row before the newest `last` ones, 0 where there is none: rows are paged backwards once, so that they can be sent
 * forwards. */
static int64_t row_before_last(const struct task *task, struct store *store, uint32_t last)
{
	int64_t row = 0;

	for (uint64_t left = (uint64_t)last + 1; left > 0;) {
		uint32_t want = left < STORE_PAGE_MAX ? (uint32_t)left : STORE_PAGE_MAX;
		struct store_query query = query_of(task, want);

		query.before_row = row;
		if (store_history(store, &query, keep_row, &row) < want)
			return 0;
		left -= want;
	}
	return row;
}

/* From the store, page by page, while the client reads. */
static void send_rows(struct task *task)
{
	enum { PAGE = 64 };
	struct store *store = save_history(task->keeper->save);

	while (store && !control_is_full(task->client)) {
		struct history_page page = { .task = task };
		struct store_query query = query_of(task, PAGE);

		query.oldest_first = true;
		query.before_row = task->row;
		size_t count = store_history(store, &query, send_row, &page);
		if (page.failed)
			return;
		if (count < PAGE) {
			task_done(task);
			return;
		}
	}
	if (!store)
		task_fail(task, CONTROL_FAILED, "the history cannot be read just now");
}

/* From the ring, while the client reads. */
static void send_events(struct task *task)
{
	struct keeper *keeper = task->keeper;
	const struct event *event;
	uint64_t lost = 0;

	while (!control_is_full(task->client)) {
		event = history_next(keeper->history, &task->query, &task->position, &lost);
		if (lost) {
			keeper->followers_lost += lost;
			if (!task_line(task, json_pack("{s:I}", "lost", (json_int_t)lost)))
				return;
			lost = 0;
		}
		if (!event) {
			if (!task->request.follow)
				task_done(task);
			return;
		}
		if (!task_line(task, view_event(event, keeper->names)))
			return;
	}
}

void history_begin(struct task *task)
{
	const struct control_request *request = &task->request;

	task->query.by_source = request->given & 1u << CONTROL_FIELD_SOURCE;
	task->query.source = request->source;
	task->query.since_ms = request->since_s ? keeper_now_ms(task->keeper) - request->since_s * 1000 : 0;
	task->query.last = request->limit;
	if (request->command == CONTROL_HISTORY && save_history(task->keeper->save)) {
		uint32_t last = request->limit || request->since_s ? request->limit : HISTORY_DEFAULT;

		task->from_store = true;
		if (last)
			task->row = row_before_last(task, save_history(task->keeper->save), last);
		send_rows(task);
		return;
	}
	task->position = history_start(task->keeper->history, &task->query);
	task->streaming = true;
	if (request->follow)
		control_follow(task->client);
	send_events(task);
}

void history_resume(struct task *task)
{
	if (task->from_store)
		send_rows(task);
	else
		send_events(task);
}
