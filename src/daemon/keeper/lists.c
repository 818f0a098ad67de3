/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers that are made of the sentry's tables, page by page.  The next page is asked for only while the client reads,
 * so that neither a long list nor a slow reader takes memory.  `sources` must be sorted: while the pages go by, only
 * the highest scores are kept.
 */
#include "internal.h"

#include <stdlib.h>

#define SOURCES_DEFAULT 100
#define PROTECTS_MAX    4096

struct page_kind {
	enum wire_type ask, answer;
	bool (*take)(struct task *task, const struct wire_message *message); /* false: out of memory */
	void (*end)(struct task *task);                                      /* all pages were taken */
};

static void ask_page(struct task *task);

static void on_page(struct task *task, const struct wire_message *message)
{
	if ((enum wire_type)message->header.type != task->page->answer) {
		task_fail(task, CONTROL_FAILED, "the sentry did not answer");
		return;
	}
	/* Every page begins with `next` and `count`. */
	task->cursor = message->body.blocks.next;
	if (!task->page->take(task, message))
		task_fail(task, CONTROL_FAILED, "picketd is out of memory");
	else if (task->cursor == 0)
		task->page->end(task);
	else if (!control_is_full(task->client))
		ask_page(task);
}

static void ask_page(struct task *task)
{
	struct wire_cursor body = { .cursor = task->cursor };

	task_ask(task, task->page->ask, &body, task->page->answer, on_page);
}

static void begin_pages(struct task *task, const struct page_kind *kind)
{
	task->page = kind;
	ask_page(task);
}

/* ---- list, allow-list ---- */

static bool take_blocks(struct task *task, const struct wire_message *message)
{
	const struct wire_blocks *page = &message->body.blocks;
	int64_t now_ms = keeper_now_ms(task->keeper);
	char line[ROW_MAX];

	for (uint32_t i = 0; i < page->count && i < WIRE_BLOCK_BATCH; i++) {
		struct writer w = writer_over(line, sizeof(line));

		row_block(&w, &page->items[i], page->wait, now_ms);
		if (control_send_line(task->client, line, w.len) < 0)
			return false;
	}
	return true;
}

static bool take_allows(struct task *task, const struct wire_message *message)
{
	const struct wire_allows *page = &message->body.allows;
	int64_t now_ms = keeper_now_ms(task->keeper);
	char line[ROW_MAX];

	for (uint32_t i = 0; i < page->count && i < WIRE_ALLOW_BATCH; i++) {
		struct writer w = writer_over(line, sizeof(line));

		row_allow(&w, &page->items[i], now_ms);
		if (control_send_line(task->client, line, w.len) < 0)
			return false;
	}
	return true;
}

void list_start(struct task *task)
{
	static const struct page_kind blocks = { WIRE_ASK_BLOCKS, WIRE_BLOCKS, take_blocks, task_done };
	static const struct page_kind allows = { WIRE_ASK_ALLOWS, WIRE_ALLOWS, take_allows, task_done };

	begin_pages(task, task->request.command == CONTROL_LIST ? &blocks : &allows);
}

/* ---- the protected addresses of status ---- */

static bool take_protects(struct task *task, const struct wire_message *message)
{
	const struct wire_protects *page = &message->body.protects;
	json_t *array = json_object_get(task->collected, "protected");

	for (uint32_t i = 0; i < page->count && i < WIRE_PROTECT_BATCH && json_array_size(array) < PROTECTS_MAX; i++)
		/* On-link prefixes only steer how IPv6 hosts are told apart. */
		if (page->items[i].why != PROTECT_ONLINK)
			json_array_append_new(array, view_protected(&page->items[i]));
	return true;
}

static void end_protects(struct task *task)
{
	json_t *object = task->collected;

	task->collected = NULL;
	if (task_line(task, object))
		task_done(task);
}

void list_protects_start(struct task *task)
{
	static const struct page_kind protects = { WIRE_ASK_PROTECTS, WIRE_PROTECTS, take_protects, end_protects };

	if (json_object_set_new(task->collected, "protected", json_array()) < 0)
		task_fail(task, CONTROL_FAILED, "picketd is out of memory");
	else
		begin_pages(task, &protects);
}

/* ---- sources, highest score first ---- */

/* The rows with the highest scores: a quarter more than `limit` are gathered, then sorted and cut down to it. */
struct source_top {
	size_t limit, room, count, sent;
	int64_t lowest; /* what does not score higher is among the highest no longer */
	bool complete;
	struct source_row *rows;
};

static int64_t score_of(const struct source_row *row)
{
	return (int64_t)row->confirmed_mn + row->suspected_mn + row->fast_mn;
}

static int by_score(const void *a, const void *b)
{
	int64_t left = score_of(a), right = score_of(b);

	return left < right ? 1 : left > right ? -1 : 0;
}

static void sort_and_cut(struct source_top *top)
{
	/* Without a row there is no array, which qsort() must not be given. */
	if (top->count > 0)
		qsort(top->rows, top->count, sizeof(*top->rows), by_score);
	if (top->count < top->limit)
		return;
	top->count = top->limit;
	top->lowest = score_of(&top->rows[top->limit - 1]);
}

static bool top_add(struct source_top *top, const struct source_row *row)
{
	const size_t most = top->limit + top->limit / 4 + 1;

	if (score_of(row) <= top->lowest)
		return true;
	if (top->count == most) {
		sort_and_cut(top);
	} else if (top->count == top->room) {
		size_t room = top->room ? top->room * 2 : 128;
		struct source_row *rows;

		room = room < most ? room : most;
		rows = reallocarray(top->rows, room, sizeof(*rows));
		if (!rows)
			return false;
		top->rows = rows;
		top->room = room;
	}
	top->rows[top->count++] = *row;
	return true;
}

static void send_sources(struct task *task)
{
	struct source_top *top = task->top;

	while (top->sent < top->count && !control_is_full(task->client))
		if (!task_line(task, view_source(&top->rows[top->sent++], &task->thresholds)))
			return;
	if (top->sent == top->count)
		task_done(task);
}

static bool take_sources(struct task *task, const struct wire_message *message)
{
	const struct wire_sources *page = &message->body.sources;
	struct source_row row;

	for (uint32_t i = 0; i < page->count && i < WIRE_SOURCE_BATCH; i++) {
		/* A net that is far from anything would be a line beside each of its members. */
		if (page->items[i].net && page->items[i].grade < GRADE_ALERT)
			continue;
		source_row_of(&page->items[i], &row);
		if (!top_add(task->top, &row))
			return false;
	}
	return true;
}

static void end_sources(struct task *task)
{
	sort_and_cut(task->top);
	task->top->complete = true;
	send_sources(task);
}

static void on_thresholds(struct task *task, const struct wire_message *message)
{
	static const struct page_kind sources = { WIRE_ASK_SOURCES, WIRE_SOURCES, take_sources, end_sources };
	const struct engine_status *engine = &message->body.status.engine;

	if (message->header.type != WIRE_STATUS) {
		task_fail(task, CONTROL_FAILED, "the sentry did not answer");
		return;
	}
	task->thresholds = (struct thresholds){ engine->alert_mn, engine->veil_mn, engine->ban_mn };
	begin_pages(task, &sources);
}

void list_sources_start(struct task *task)
{
	uint32_t limit = task->request.limit ? task->request.limit : SOURCES_DEFAULT;

	if (limit > TASK_SMALL_LIMIT && task->keeper->big_sorts >= TASK_BIG_SORTS_MAX) {
		control_count_busy(task->keeper->control);
		task_fail(task, CONTROL_FAILED, "%d long lists of sources are being made already: try again",
			  TASK_BIG_SORTS_MAX);
		return;
	}
	task->top = calloc(1, sizeof(*task->top));
	if (!task->top) {
		task_fail(task, CONTROL_FAILED, "picketd is out of memory");
		return;
	}
	task->top->limit = limit;
	task->top->lowest = INT64_MIN;
	task->keeper->big_sorts += limit > TASK_SMALL_LIMIT;
	task_ask(task, WIRE_ASK_STATUS, &(struct wire_empty){ 0 }, WIRE_STATUS, on_thresholds);
}

void list_free(struct task *task)
{
	if (!task->top)
		return;
	task->keeper->big_sorts -= task->top->limit > TASK_SMALL_LIMIT;
	free(task->top->rows);
	free(task->top);
}

void list_resume(struct task *task)
{
	if (task->top && task->top->complete)
		send_sources(task);
	else if (task->page && task->id == 0)
		ask_page(task);
}
