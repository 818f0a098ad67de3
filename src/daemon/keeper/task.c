/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests under way: each has at most one question open, with an id of its own and a time limit.
 * Promises: a client always gets an end line, whatever the other processes do; an answer that comes too late, or to a
 * client that went away, harms nothing.  At most one task a client, so their number is the control server's limit.
 */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void task_free(struct task *task)
{
	LIST_REMOVE(task, entry);
	list_free(task);
	json_decref(task->collected);
	free(task);
}

void task_done(struct task *task)
{
	struct control_client *client = task->client;

	task_free(task);
	control_done(client);
}

void task_fail(struct task *task, enum control_code code, const char *format, ...)
{
	struct control_client *client = task->client;
	char text[CONTROL_ERROR_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	task_free(task);
	control_fail(client, code, "%s", text);
}

bool task_line(struct task *task, json_t *object)
{
	int result = object ? control_send(task->client, object) : -ENOMEM;

	if (result < 0)
		task_fail(task, CONTROL_FAILED, "%s",
			  result == -ENOBUFS ? "the answer is too long" : "picketd is out of memory");
	return result == 0;
}

void task_ask(struct task *task, enum wire_type type, const void *body, enum wire_type expected, task_answer_fn *answer)
{
	struct keeper *keeper = task->keeper;
	bool of_supervisor = type == WIRE_RELOAD || type == WIRE_ALLOW_SAVE;
	int fd = of_supervisor ? keeper->start->supervisor_fd : keeper->start->sentry_fd, result;

	if (++keeper->last_id == 0)
		keeper->last_id = 1;
	result = wire_send(fd, type, keeper->last_id, body);
	if (result < 0) {
		task_fail(task, CONTROL_FAILED, "the %s %s", of_supervisor ? "supervisor" : "sentry",
			  result == -EAGAIN ? "is too busy: try again" : "is gone: picketd is ending");
		return;
	}
	task->id = keeper->last_id;
	task->expected = expected;
	task->answer = answer;
	task->deadline_ms = control_now_ms() + TASK_PATIENCE_MS;
}

void task_answered(struct keeper *keeper, const struct wire_message *message)
{
	enum wire_type type = (enum wire_type)message->header.type;
	struct task *task;

	LIST_FOREACH(task, &keeper->tasks, entry)
	if (task->id && task->id == message->header.id)
		break;
	if (!task || (type != task->expected && type != WIRE_RESULT && type != WIRE_TEXT)) {
		keeper->late_answers++;
		return;
	}
	/* More is to come after a text: a reload that is getting on is not late. */
	if (type == WIRE_TEXT)
		task->deadline_ms = control_now_ms() + TASK_PATIENCE_MS;
	else
		task->id = 0;
	task->answer(task, message);
}

void task_expire(struct keeper *keeper)
{
	int64_t now_ms = control_now_ms();
	struct task *task = LIST_FIRST(&keeper->tasks);

	while (task) {
		struct task *next = LIST_NEXT(task, entry);

		if (task->id && now_ms > task->deadline_ms) {
			task_fail(task, CONTROL_FAILED, "no answer within %d s: picketd is overloaded or ending",
				  TASK_PATIENCE_MS / 1000);
			/* Ending a task may have begun another one of the same client. */
			next = LIST_FIRST(&keeper->tasks);
		}
		task = next;
	}
}

void task_fail_all(struct keeper *keeper, const char *why)
{
	struct task *task;

	while ((task = LIST_FIRST(&keeper->tasks)))
		task_fail(task, CONTROL_FAILED, "%s", why);
}

static void on_request(void *context, struct control_client *client, const struct control_request *request)
{
	struct keeper *keeper = context;
	struct task *task;

	if (keeper->sentry_gone || keeper->supervisor_gone) {
		control_fail(client, CONTROL_FAILED, "picketd is ending");
		return;
	}
	task = calloc(1, sizeof(*task));
	if (!task) {
		control_fail(client, CONTROL_FAILED, "picketd is out of memory");
		return;
	}
	task->keeper = keeper;
	task->client = client;
	task->request = *request;
	control_set_data(client, task);
	LIST_INSERT_HEAD(&keeper->tasks, task, entry);
	command_start(task);
}

static void on_drained(void *context, struct control_client *client)
{
	struct task *task = control_data(client);

	(void)context;
	if (task)
		list_resume(task);
}

static void on_gone(void *context, struct control_client *client)
{
	struct task *task = control_data(client);

	(void)context;
	if (task)
		task_free(task);
}

static const struct control_callbacks callbacks = { .request = on_request, .drained = on_drained, .gone = on_gone };

const struct control_callbacks *task_callbacks(void)
{
	return &callbacks;
}
