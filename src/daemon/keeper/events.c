/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * History and live events, for as long and as fast as the client reads: from memory (the store) in pages by row, or
 * from the ring of the
 * newest events, by position.
 */
#include "internal.h"

/* What history answers with when it is not told how much: the newest, oldest of them first. */
#define HISTORY_DEFAULT 1000

struct history_page {
	struct task *task;
	bool failed; /* the task is gone */
};

static void send_remembered(void *context, int64_t row, const struct event *event)
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

/* The row before the first of the newest `last` ones: paging backwards once, so that sending can go forwards. */
static int64_t row_before_last(struct task *task, struct store *store, uint32_t last)
{
	int64_t row = 0;

	while (last > 0) {
		uint32_t want = last < STORE_PAGE_MAX ? last : STORE_PAGE_MAX;
		struct store_query query = query_of(task, want);

		query.before_row = row;
		if (store_history(store, &query, keep_row, &row) < want)
			return 0;
		last -= want;
	}
	struct store_query one_more = query_of(task, 1);
	int64_t before = 0;

	one_more.before_row = row;
	store_history(store, &one_more, keep_row, &before);
	return before;
}

static void send_memory(struct task *task)
{
	enum { PAGE = 64 };
	struct store *store = memory_history(task->keeper->memory);

	while (store && !control_is_full(task->client)) {
		struct history_page page = { .task = task };
		struct store_query query = query_of(task, PAGE);

		query.oldest_first = true;
		query.before_row = task->row;
		size_t count = store_history(store, &query, send_remembered, &page);
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

void list_history_start(struct task *task)
{
	const struct control_request *request = &task->request;

	task->query.by_source = request->given & 1u << CONTROL_FIELD_SOURCE;
	task->query.source = request->source;
	task->query.since_ms = request->since_s ? keeper_now_ms() - request->since_s * 1000 : 0;
	task->query.last = request->limit;
	if (request->command == CONTROL_HISTORY && memory_history(task->keeper->memory)) {
		uint32_t last = request->limit || request->since_s ? request->limit : HISTORY_DEFAULT;

		task->from_memory = true;
		if (last)
			task->row = row_before_last(task, memory_history(task->keeper->memory), last);
		send_memory(task);
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
	if (task->from_memory)
		send_memory(task);
	else
		send_events(task);
}
