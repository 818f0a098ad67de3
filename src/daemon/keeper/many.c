/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An order about many sources (block, unblock, allow, disallow): the sentry gets one after the other, so that it judges
 * packets in between.
 * Promises: all or nothing.  First the sentry is asked of each whether it objects; each objection is a line of the
 * answer, and with one of them nothing is done.  If one fails all the same (the kernel refused it, or it was allowed
 * meanwhile), the blocks that this order made are lifted again.  What is so already (not blocked, not on the allow
 * list) is no objection to an order that wants it so: a block that ends meanwhile must not stop an admin who unblocks a
 * list.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW 64 /* questions under way: else each source costs a change between two processes */

enum phase { PHASE_CHECK, PHASE_DO, PHASE_UNDO };

struct many {
	enum phase phase;
	size_t asked, answered; /* sources, in this phase */
	uint32_t ids[WINDOW];   /* of the questions under way */
	uint32_t refused, done;
	uint8_t *made; /* of a block: a bit for each that was not there before */
};

static void fill(struct task *task);

static bool is_made(const struct many *many, size_t at)
{
	return many->made[at / 8] >> at % 8 & 1;
}

static const char *what_for(const struct task *task)
{
	return task->request.command == CONTROL_BLOCK ? "blocked" : "allowed";
}

/* {"source", "number", "error"}: number is its place in the order, from 1.  False: the task has ended. */
static bool tell_refusal(struct task *task, size_t at, const char *text)
{
	json_t *object = json_pack("{s:o, s:I, s:s}", "source", json_prefix(&task->request.sources[at]), "number",
				   (json_int_t)at + 1, "error", text);

	task->many->refused++;
	return task_line(task, object);
}

static void begin_phase(struct task *task, enum phase phase)
{
	task->many->phase = phase;
	task->many->asked = task->many->answered = 0;
	fill(task);
}

/* All that was asked has been answered. */
static void end_phase(struct task *task)
{
	struct many *many = task->many;
	size_t count = task->request.source_count;

	if (many->phase == PHASE_UNDO)
		task_fail(task, CONTROL_FAILED, "%u of %zu cannot be blocked: the others were unblocked again",
			  many->refused, count);
	else if (many->refused > 0 && many->phase == PHASE_CHECK)
		task_fail(task, CONTROL_FAILED, "%u of %zu cannot be %s: nothing was done", many->refused, count,
			  what_for(task));
	else if (many->refused > 0 && task->request.command == CONTROL_BLOCK)
		begin_phase(task, PHASE_UNDO);
	else if (many->refused > 0)
		task_fail(task, CONTROL_FAILED, "%u of %zu failed, %u were done", many->refused, count, many->done);
	else if (many->phase == PHASE_CHECK)
		begin_phase(task, PHASE_DO);
	else if (many->done == 0)
		task_fail(task, CONTROL_FAILED, "there is nothing such: none of %zu", count);
	else
		task_done(task);
}

/* What the sentry said of one source.  False: the task has ended. */
static bool take(struct task *task, size_t at, const struct wire_result *result)
{
	struct many *many = task->many;
	char text[WIRE_TEXT_MAX];

	task->request.source = task->request.sources[at];
	if (task_obeyed(task, result, text)) {
		if (many->phase != PHASE_DO)
			return true;
		many->done++;
		if (result->count)
			many->made[at / 8] |= (uint8_t)(1u << at % 8);
		return task_line(task, task_order_object(task, result, false));
	}
	if (many->phase == PHASE_UNDO || (many->phase == PHASE_DO && result->result == ENGINE_NOT_FOUND))
		return true;
	return tell_refusal(task, at, text);
}

/* The next one that an answer is awaited for; those that were not asked about have none. */
static void pass_over(struct many *many)
{
	while (many->answered < many->asked && many->ids[many->answered % WINDOW] == 0)
		many->answered++;
}

static void on_result(struct task *task, const struct wire_message *message)
{
	if (message->header.type != WIRE_RESULT) {
		task_fail(task, CONTROL_FAILED, "an answer made no sense");
		return;
	}
	if (!take(task, task->many->answered++, &message->body.result))
		return;
	pass_over(task->many);
	fill(task);
}

/* The id of the question, 0 where none is needed.  False: the task has ended. */
static bool ask_about(struct task *task, size_t at, uint32_t *id)
{
	static const enum wire_type questions[CONTROL_COMMAND_COUNT] = {
		[CONTROL_BLOCK] = WIRE_BLOCK,
		[CONTROL_UNBLOCK] = WIRE_UNBLOCK,
		[CONTROL_ALLOW_ADD] = WIRE_ALLOW,
		[CONTROL_ALLOW_DEL] = WIRE_DISALLOW,
	};
	struct many *many = task->many;
	bool undo = many->phase == PHASE_UNDO, of_list = task->request.command != CONTROL_BLOCK;
	struct wire_order order;
	char text[WIRE_TEXT_MAX];

	*id = 0;
	task->request.source = task->request.sources[at];
	if (undo && !is_made(many, at))
		return true;
	if (many->phase == PHASE_CHECK && task_blocks_caller(task, text))
		return tell_refusal(
			task, at,
			"it is the address you are logged in from, or holds it; --force blocks it all the same");
	task_fill_order(task, &order);
	if (many->phase == PHASE_CHECK)
		order.value = (uint32_t)task->request.source_count;
	else if (of_list)
		order.force = at + 1 < task->request.source_count; /* the kernel gets the list once */
	if (!task_ask(task, undo ? WIRE_UNBLOCK : questions[task->request.command], &order, WIRE_RESULT, on_result))
		return false;
	*id = task->id;
	return true;
}

/* Asks on, while there is room for what is answered. */
static void fill(struct task *task)
{
	struct many *many = task->many;
	size_t count = task->request.source_count;

	while (many->asked < count && many->asked - many->answered < WINDOW && !control_is_full(task->client)) {
		if (many->phase == PHASE_DO && many->refused > 0)
			break;
		if (!ask_about(task, many->asked, &many->ids[many->asked % WINDOW]))
			return;
		many->asked++;
		pass_over(many);
	}
	/* The sentry answers in the order in which it was asked. */
	task->id = many->answered < many->asked ? many->ids[many->answered % WINDOW] : 0;
	if (!task->id && (many->asked == count || (many->phase == PHASE_DO && many->refused > 0)))
		end_phase(task);
}

void many_start(struct task *task)
{
	bool objected = task->request.command == CONTROL_BLOCK || task->request.command == CONTROL_ALLOW_ADD;

	task->many = calloc(1, sizeof(*task->many));
	if (task->many)
		task->many->made = calloc(task->request.source_count / 8 + 1, 1);
	if (!task->many || !task->many->made)
		task_fail(task, CONTROL_FAILED, "picketd is out of memory");
	else
		begin_phase(task, objected ? PHASE_CHECK : PHASE_DO);
}

void many_resume(struct task *task)
{
	if (task->id == 0)
		fill(task);
}

void many_free(struct many *many)
{
	if (many)
		free(many->made);
	free(many);
}
