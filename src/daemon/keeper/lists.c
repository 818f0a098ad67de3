/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers of many lines.  The sentry's tables come page by page, and the next page is asked for only while the client
 * reads, so that neither a long list nor a slow reader takes memory. `sources` must be sorted, so the highest scores
 * are kept in a heap of limited size while all pages go by.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define SOURCES_DEFAULT 100
#define PROTECTS_MAX    4096

/* ---- pages ---- */

static void ask_page(struct task *task);

static void emit_page(struct task *task, const struct wire_message *message, uint32_t *next)
{
	int64_t now_ms = keeper_now_ms();

	if (message->header.type == WIRE_BLOCKS) {
		const struct wire_blocks *page = &message->body.blocks;

		*next = page->next;
		for (uint32_t i = 0; i < page->count && i < WIRE_BLOCK_BATCH; i++)
			if (control_send(task->client, view_block(&page->items[i], now_ms)) < 0)
				task->lost++;
	} else if (message->header.type == WIRE_ALLOWS) {
		const struct wire_allows *page = &message->body.allows;

		*next = page->next;
		for (uint32_t i = 0; i < page->count && i < WIRE_ALLOW_BATCH; i++)
			if (control_send(task->client, view_allow(&page->items[i], now_ms)) < 0)
				task->lost++;
	}
}

static void on_page(struct task *task, const struct wire_message *message)
{
	uint32_t next = 0;

	if ((enum wire_type)message->header.type != task->expected) {
		task_fail(task, CONTROL_FAILED, "the sentry did not answer");
		return;
	}
	emit_page(task, message, &next);
	if (task->lost)
		task_fail(task, CONTROL_FAILED, "picketd is out of memory");
	else if (next == 0)
		task_done(task);
	else {
		task->cursor = next;
		if (!control_is_full(task->client))
			ask_page(task);
	}
}

static void ask_page(struct task *task)
{
	struct wire_cursor body = { .cursor = task->cursor };

	task_ask(task, task->page, &body, task->page == WIRE_ASK_BLOCKS ? WIRE_BLOCKS : WIRE_ALLOWS, on_page);
}

void list_start(struct task *task)
{
	task->page = task->request.command == CONTROL_LIST ? WIRE_ASK_BLOCKS : WIRE_ASK_ALLOWS;
	ask_page(task);
}

/* ---- status: its protected addresses ---- */

static void ask_protects(struct task *task);

static void on_protects(struct task *task, const struct wire_message *message)
{
	const struct wire_protects *page = &message->body.protects;
	json_t *array = json_object_get(task->collected, "protected");

	if (message->header.type != WIRE_PROTECTS) {
		task_fail(task, CONTROL_FAILED, "the sentry did not answer");
		return;
	}
	for (uint32_t i = 0; i < page->count && i < WIRE_PROTECT_BATCH && json_array_size(array) < PROTECTS_MAX; i++)
		/* On-link prefixes only steer how IPv6 hosts are told apart. */
		if (page->items[i].why != PROTECT_ONLINK)
			json_array_append_new(array, view_protected(&page->items[i]));
	if (page->next && json_array_size(array) < PROTECTS_MAX) {
		task->cursor = page->next;
		ask_protects(task);
		return;
	}
	json_t *object = task->collected;

	task->collected = NULL;
	if (task_line(task, object))
		task_done(task);
}

static void ask_protects(struct task *task)
{
	struct wire_cursor body = { .cursor = task->cursor };

	task_ask(task, WIRE_ASK_PROTECTS, &body, WIRE_PROTECTS, on_protects);
}

void list_protects_start(struct task *task)
{
	if (json_object_set_new(task->collected, "protected", json_array()) < 0)
		task_fail(task, CONTROL_FAILED, "picketd is out of memory");
	else
		ask_protects(task);
}

/* ---- sources, highest score first ---- */

/* A heap with the lowest score on top while it is filled; sorted, highest first, once it is complete. */
struct source_top {
	size_t limit, room, count, sent;
	bool complete;
	struct source_row *rows;
};

static int64_t score_of(const struct source_row *row)
{
	return (int64_t)row->confirmed_mn + row->suspected_mn + row->fast_mn;
}

static void swap(struct source_row *a, struct source_row *b)
{
	struct source_row kept = *a;

	*a = *b;
	*b = kept;
}

static void sift_down(struct source_row *rows, size_t count)
{
	size_t at = 0, child;

	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count && score_of(&rows[child + 1]) < score_of(&rows[child]))
			child++;
		if (score_of(&rows[at]) <= score_of(&rows[child]))
			break;
		swap(&rows[at], &rows[child]);
		at = child;
	}
}

static void sift_up(struct source_row *rows, size_t at)
{
	for (; at > 0 && score_of(&rows[at]) < score_of(&rows[(at - 1) / 2]); at = (at - 1) / 2)
		swap(&rows[at], &rows[(at - 1) / 2]);
}

static bool top_add(struct source_top *top, const struct source_row *row)
{
	if (top->count == top->limit) {
		if (score_of(row) > score_of(&top->rows[0])) {
			top->rows[0] = *row;
			sift_down(top->rows, top->count);
		}
		return true;
	}
	if (top->count == top->room) {
		size_t room = top->room ? top->room * 2 : 128;
		struct source_row *rows = reallocarray(top->rows, room, sizeof(*rows));

		if (!rows)
			return false;
		top->rows = rows;
		top->room = room;
	}
	top->rows[top->count++] = *row;
	sift_up(top->rows, top->count - 1);
	return true;
}

static int by_score(const void *a, const void *b)
{
	int64_t left = score_of(a), right = score_of(b);

	return left < right ? 1 : left > right ? -1 : 0;
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

static void ask_sources(struct task *task);

static void on_sources(struct task *task, const struct wire_message *message)
{
	const struct wire_sources *page = &message->body.sources;
	struct source_row row;

	if (message->header.type != WIRE_SOURCES) {
		task_fail(task, CONTROL_FAILED, "the sentry did not answer");
		return;
	}
	for (uint32_t i = 0; i < page->count && i < WIRE_SOURCE_BATCH; i++) {
		source_row_of(&page->items[i], &row);
		if (!top_add(task->top, &row)) {
			task_fail(task, CONTROL_FAILED, "picketd is out of memory");
			return;
		}
	}
	if (page->next) {
		task->cursor = page->next;
		ask_sources(task);
		return;
	}
	/* An empty heap has no array, which qsort() must not be given. */
	if (task->top->count > 0)
		qsort(task->top->rows, task->top->count, sizeof(*task->top->rows), by_score);
	task->top->complete = true;
	send_sources(task);
}

static void ask_sources(struct task *task)
{
	struct wire_cursor body = { .cursor = task->cursor };

	task_ask(task, WIRE_ASK_SOURCES, &body, WIRE_SOURCES, on_sources);
}

static void on_thresholds(struct task *task, const struct wire_message *message)
{
	const struct explain_view *explain = &message->body.explain;

	if (message->header.type != WIRE_EXPLAIN) {
		task_fail(task, CONTROL_FAILED, "the sentry did not answer");
		return;
	}
	task->thresholds = (struct thresholds){ explain->alert_mn, explain->block_mn, explain->ban_mn };
	ask_sources(task);
}

void list_sources_start(struct task *task)
{
	/* The thresholds come with any explanation: one of the unspecified address has nothing else in it. */
	struct wire_order body = { .source = { .len = 128 } };
	uint32_t limit = task->request.limit ? task->request.limit : SOURCES_DEFAULT;

	if (limit > TASK_SMALL_LIMIT && task->keeper->big_sorts >= TASK_BIG_SORTS_MAX) {
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
	task->keeper->big_sorts += limit > TASK_SMALL_LIMIT;
	task_ask(task, WIRE_ASK_EXPLAIN, &body, WIRE_EXPLAIN, on_thresholds);
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
	if (task->streaming || task->from_memory)
		history_resume(task);
	else if (task->top && task->top->complete)
		send_sources(task);
	else if (task->page != WIRE_NONE && task->id == 0)
		ask_page(task);
}
