/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of clients: each becomes a task, which asks the process that can do it, one question at a time, and turns
 * the answer into JSON.  Here stand the tasks, then what each command does.  The keeper itself can do nothing; it only
 * checks that an admin does not block the address that he is logged in from, and the sentry checks everything again.
 * Promises: a client always gets an end line, whatever the other processes do; an answer that comes too late, or for a
 * client that is gone, harms nothing.  A client has at most one task, so the control server limits their number.
 */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "probenet.h"

/* ---- tasks ---- */

static void task_free(struct task *task)
{
	LIST_REMOVE(task, entry);
	list_free(task);
	many_free(task->many);
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

bool task_ask(struct task *task, enum wire_type type, const void *body, enum wire_type expected, task_answer_fn *answer)
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
		return false;
	}
	task->id = keeper->last_id;
	task->expected = expected;
	task->answer = answer;
	task->deadline_ms = clock_ms(CLOCK_MONOTONIC) + TASK_PATIENCE_MS;
	return true;
}

void task_answered(struct keeper *keeper, const struct wire_message *message)
{
	enum wire_type type = (enum wire_type)message->header.type;
	struct task *task;

	for (task = LIST_FIRST(&keeper->tasks); task; task = LIST_NEXT(task, entry))
		if (task->id && task->id == message->header.id)
			break;
	if (!task || (type != task->expected && type != WIRE_RESULT && type != WIRE_TEXT)) {
		keeper->late_answers++;
		return;
	}
	/* More comes after a text: a reload that makes progress is not late. */
	if (type == WIRE_TEXT)
		task->deadline_ms = clock_ms(CLOCK_MONOTONIC) + TASK_PATIENCE_MS;
	else
		task->id = 0;
	task->answer(task, message);
}

void task_expire(struct keeper *keeper)
{
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC);
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

/* ---- what the commands have in common ---- */

/* Asks for what the table below says of the task's command. */
static void ask(struct task *task);

void task_fill_order(const struct task *task, struct wire_order *out)
{
	const struct control_request *request = &task->request;

	memset(out, 0, sizeof(*out));
	out->source = request->source;
	out->duration_ms = request->for_s * 1000;
	out->force = request->force;
	if (request->command == CONTROL_MODE)
		out->value = request->observe ? NFT_OBSERVE : NFT_BLOCK;
	memcpy(out->reason, request->reason, sizeof(out->reason));
}

/* An engine_result other than OK, in words for the admin who gave the order. */
static const char *refusal(const struct task *task, uint32_t result)
{
	switch (result) {
	case ENGINE_FULL: return "there is no room for it: the table is full";
	case ENGINE_ALLOWED: return "it is on the allow list (picketctl allow check says why): take it off first";
	case ENGINE_PROTECTED: return "it is protected (picketctl explain says why); --force blocks it all the same";
	case ENGINE_TOO_WIDE: return "wider than /8 (IPv6: /32); --force blocks it all the same";
	case ENGINE_NOT_FOUND:
		return task->request.command == CONTROL_UNBLOCK     ? "it is neither veiled, banned nor blocked"
		       : task->request.command == CONTROL_ALLOW_DEL ? "it is not on the allow list"
		       : task->request.command == CONTROL_RESUME    ? "picket is not paused"
								    : "there is no such thing";
	default: return "it was refused";
	}
}

bool task_obeyed(const struct task *task, const struct wire_result *result, char text[WIRE_TEXT_MAX])
{
	struct writer w = writer_over(text, WIRE_TEXT_MAX);

	if (result->result == ENGINE_OK && result->error == 0)
		return true;
	if (result->result == ENGINE_NO_SOURCE)
		writer_format(
			&w, "no host can send from it (%s), expected the address of a host or a prefix that holds one",
			prefix_no_source(&task->request.source));
	else
		writer_bytes(&w, result->text, strnlen(result->text, sizeof(result->text)));
	if (result->error)
		writer_format(&w, "%s%s", w.len ? ": " : "", strerror(result->error));
	if (!w.len)
		writer_text(&w, refusal(task, result->result));
	return false;
}

/* True when the order was carried out; else the task is over. */
static bool result_is_good(struct task *task, const struct wire_message *message)
{
	bool about_source = task->request.given & 1u << CONTROL_FIELD_SOURCE;
	char source[PREFIX_TEXT_MAX], text[WIRE_TEXT_MAX];

	if (message->header.type != WIRE_RESULT) {
		task_fail(task, CONTROL_FAILED, "an answer made no sense");
		return false;
	}
	if (task_obeyed(task, &message->body.result, text))
		return true;
	task_fail(task, CONTROL_FAILED, "%s%s%s", about_source ? prefix_format(&task->request.source, source) : "",
		  about_source ? ": " : "", text);
	return false;
}

static json_t *with_note(json_t *object, const struct wire_result *result)
{
	if (object && result->text[0])
		json_object_set_new(object, "note", json_ascii(result->text, sizeof(result->text)));
	return object;
}

/* The object that says what was done, then the end. */
static void finish_order(struct task *task, const struct wire_message *message, json_t *object)
{
	if (task_line(task, with_note(object, &message->body.result)))
		task_done(task);
}

static json_t *duration_of(const struct task *task)
{
	return task->request.for_s ? json_integer(task->request.for_s) : json_null();
}

json_t *task_order_object(const struct task *task, const struct wire_result *result, bool saved)
{
	const struct control_request *request = &task->request;
	json_t *source = request->all ? json_null() : json_prefix(&request->source);
	json_int_t count = result->count;

	switch (request->command) {
	case CONTROL_BLOCK:
		return with_note(json_pack("{s:o, s:s, s:o, s:s}", "source", source, "grade", "block", "expires_in_s",
					   duration_of(task), "reason", request->reason),
				 result);
	case CONTROL_UNBLOCK: return with_note(json_pack("{s:o, s:I}", "source", source, "unblocked", count), result);
	default:
		return with_note(json_pack("{s:o, s:b, s:o, s:b, s:I}", "source", source, "allowed",
					   request->command == CONTROL_ALLOW_ADD, "expires_in_s", duration_of(task),
					   "saved", saved, "unblocked",
					   request->command == CONTROL_ALLOW_ADD ? count : 0),
				 result);
	}
}

/* The answer about one source. */
static void tell_order(struct task *task, const struct wire_result *result, bool saved)
{
	if (task_line(task, task_order_object(task, result, saved)))
		task_done(task);
}

/* ---- block, unblock ---- */

static void order_answer(struct task *task, const struct wire_message *message)
{
	if (result_is_good(task, message))
		tell_order(task, &message->body.result, false);
}

bool task_blocks_caller(const struct task *task, char text[WIRE_TEXT_MAX])
{
	const struct control_request *request = &task->request;
	char caller[ADDR_TEXT_MAX];

	if (request->force || !(request->given & 1u << CONTROL_FIELD_CALLER) ||
	    !prefix_contains(&request->source, &request->caller))
		return false;
	if (request->source.len == 128)
		snprintf(text, WIRE_TEXT_MAX, ": that is the address you are logged in from");
	else
		snprintf(text, WIRE_TEXT_MAX, " holds %s, the address you are logged in from",
			 addr_format(&request->caller, caller));
	return true;
}

static void block_start(struct task *task)
{
	char source[PREFIX_TEXT_MAX], text[WIRE_TEXT_MAX];

	if (task_blocks_caller(task, text))
		task_fail(task, CONTROL_FAILED, "%s%s; --force blocks it all the same",
			  prefix_format(&task->request.source, source), text);
	else
		ask(task);
}

/* ---- allow ---- */

static void save_answer(struct task *task, const struct wire_message *message)
{
	struct wire_result done = { .count = task->count };

	if (!result_is_good(task, message))
		return;
	memcpy(done.text, message->body.result.text, sizeof(done.text));
	tell_order(task, &done, true);
}

static void allow_answer(struct task *task, const struct wire_message *message)
{
	bool adds = task->request.command == CONTROL_ALLOW_ADD;
	struct wire_order order;

	/* An entry that only the file has must still be deleted from it. */
	if (!adds && task->request.save && message->header.type == WIRE_RESULT &&
	    message->body.result.result == ENGINE_NOT_FOUND)
		task->count = 0;
	else if (!result_is_good(task, message))
		return;
	else
		task->count = message->body.result.count;
	if (!task->request.save) {
		tell_order(task, &message->body.result, false);
		return;
	}
	task_fill_order(task, &order);
	order.value = adds;
	task_ask(task, WIRE_ALLOW_SAVE, &order, WIRE_RESULT, save_answer);
}

static void check_answer(struct task *task, const struct wire_message *message)
{
	const struct explain_view *explain = &message->body.explain;

	if (message->header.type != WIRE_EXPLAIN) {
		result_is_good(task, message);
		return;
	}
	if (task_line(task,
		      json_pack("{s:o, s:b, s:o, s:o}", "source", json_prefix(&task->request.source), "allowed",
				explain->allowed != 0, "allowed_by",
				explain->allowed ? json_prefix(&explain->allowed_by) : json_null(), "protected_why",
				explain->protect_why ? json_string(protect_why_name(explain->protect_why))
						     : json_null())))
		task_done(task);
}

/* ---- explain, status ---- */

static void explain_answer(struct task *task, const struct wire_message *message)
{
	const struct explain_view *explain = &message->body.explain;
	json_t *object;

	if (message->header.type != WIRE_EXPLAIN) {
		result_is_good(task, message);
		return;
	}
	object = view_explain(explain, keeper_now_ms(task->keeper), task->keeper->names);
	/* For an unknown source the engine has no key to show. */
	if (object && explain->source.grade == GRADE_NONE)
		json_object_set_new(object, "source", json_prefix(&task->request.source));
	if (task_line(task, object))
		task_done(task);
}

static void status_answer(struct task *task, const struct wire_message *message)
{
	struct keeper *keeper = task->keeper;
	struct status *status;

	if (message->header.type != WIRE_STATUS) {
		result_is_good(task, message);
		return;
	}
	status = calloc(1, sizeof(*status));
	if (status) {
		status->sentry = message->body.status;
		status->hooks = keeper->hooks;
		status->hooks_known = keeper->hooks_known;
		control_read_stats(keeper->control, &status->control);
		status->log = journal_stats(keeper->journal);
		status->bad_messages = keeper->bad_messages;
		status->late_answers = keeper->late_answers;
		status->followers_lost = keeper->followers_lost;
		status->history_rows = history_rows(keeper->history);
		save_read_kept(keeper->save, &status->kept);
		status->state_dir = keeper->start->state_dir;
		task->collected = view_status(status);
		free(status);
	}
	if (task->collected)
		list_protects_start(task);
	else
		task_fail(task, CONTROL_FAILED, "picketd is out of memory");
}

/* ---- mode, pause, resume, reload, version ---- */

static void brake_answer(struct task *task, const struct wire_message *message)
{
	json_t *object;

	if (!result_is_good(task, message))
		return;
	switch (task->request.command) {
	case CONTROL_MODE: object = json_pack("{s:s}", "mode", task->request.observe ? "observe" : "block"); break;
	case CONTROL_PAUSE:
		object = json_pack("{s:s, s:o}", "mode", "paused", "expires_in_s", duration_of(task));
		break;
	default: object = json_pack("{s:b}", "resumed", 1); break;
	}
	finish_order(task, message, object);
}

static void reload_answer(struct task *task, const struct wire_message *message)
{
	if (message->header.type == WIRE_TEXT) {
		task->count++;
		task_line(task, json_pack("{s:o}", "mistake",
					  json_ascii(message->body.text.text, sizeof(message->body.text.text))));
		return;
	}
	if (task->count && message->header.type == WIRE_RESULT &&
	    (message->body.result.result != ENGINE_OK || message->body.result.error)) {
		task_fail(task, CONTROL_FAILED, "not reloaded: the configuration in force is as before");
		return;
	}
	if (!result_is_good(task, message))
		return;
	/* The new configuration may have switched the protection of logins on. */
	protect_refresh(task->keeper->protect, task->keeper->start->sentry_fd, keeper_now_ms(task->keeper) / 1000,
			true);
	finish_order(task, message, json_pack("{s:b}", "reloaded", 1));
}

/* The doctor is about to try each trap; without a duration it has finished. */
static void probe_answer(struct task *task, const struct wire_message *message)
{
	const struct prefix *given = task->request.given & 1u << CONTROL_FIELD_SOURCE ? &task->request.source : NULL;
	const struct prefix *four = !given ? probenet_at(false, 0) : prefix_is_v4(given) ? given : NULL;
	const struct prefix *six = !given ? probenet_at(true, 0) : prefix_is_v4(given) ? NULL : given;

	if (result_is_good(task, message))
		finish_order(task, message,
			     json_pack("{s:o, s:o, s:o}", "source", four ? json_prefix(four) : json_null(), "source6",
				       six ? json_prefix(six) : json_null(), "expires_in_s", duration_of(task)));
}

static void probe_start(struct task *task)
{
	if (task->request.for_s > WIRE_PROBE_MS_MAX / 1000) {
		task_fail(task, CONTROL_USAGE, "for_s: expected a whole number from 1 to %d", WIRE_PROBE_MS_MAX / 1000);
		return;
	}
	if (task->request.given & 1u << CONTROL_FIELD_SOURCE && !probenet_is(&task->request.source)) {
		task_fail(task, CONTROL_USAGE, "source: expected a net that probes come from, such as 192.0.2.0/24");
		return;
	}
	ask(task);
}

static void version_start(struct task *task)
{
	if (task_line(task, json_pack("{s:s, s:i}", "version", PICKET_VERSION, "protocol", CONTROL_VERSION)))
		task_done(task);
}

/* ---- the table ---- */

static const struct command {
	void (*start)(struct task *task);
	/* of those that ask one question */
	enum wire_type question, expected;
	task_answer_fn *answer;
} commands[CONTROL_COMMAND_COUNT] = {
	[CONTROL_STATUS] = { ask, WIRE_ASK_STATUS, WIRE_STATUS, status_answer },
	[CONTROL_LIST] = { .start = list_start },
	[CONTROL_SOURCES] = { .start = list_sources_start },
	[CONTROL_EXPLAIN] = { ask, WIRE_ASK_EXPLAIN, WIRE_EXPLAIN, explain_answer },
	[CONTROL_BLOCK] = { block_start, WIRE_BLOCK, WIRE_RESULT, order_answer },
	[CONTROL_UNBLOCK] = { ask, WIRE_UNBLOCK, WIRE_RESULT, order_answer },
	[CONTROL_ALLOW_ADD] = { ask, WIRE_ALLOW, WIRE_RESULT, allow_answer },
	[CONTROL_ALLOW_DEL] = { ask, WIRE_DISALLOW, WIRE_RESULT, allow_answer },
	[CONTROL_ALLOW_LIST] = { .start = list_start },
	[CONTROL_ALLOW_CHECK] = { ask, WIRE_ASK_EXPLAIN, WIRE_EXPLAIN, check_answer },
	[CONTROL_MODE] = { ask, WIRE_MODE, WIRE_RESULT, brake_answer },
	[CONTROL_PAUSE] = { ask, WIRE_PAUSE, WIRE_RESULT, brake_answer },
	[CONTROL_RESUME] = { ask, WIRE_RESUME, WIRE_RESULT, brake_answer },
	[CONTROL_HISTORY] = { .start = history_begin },
	[CONTROL_EVENTS] = { .start = history_begin },
	[CONTROL_RELOAD] = { ask, WIRE_RELOAD, WIRE_RESULT, reload_answer },
	[CONTROL_VERSION_ASKED] = { .start = version_start },
	[CONTROL_EXPOSURE] = { .start = exposure_start },
	[CONTROL_PROBE] = { probe_start, WIRE_PROBE, WIRE_RESULT, probe_answer },
};

static void ask(struct task *task)
{
	const struct command *command = &commands[task->request.command];
	const struct wire_empty nothing = { 0 };
	struct wire_order order;
	enum wire_type question = task->request.all ? WIRE_UNBLOCK_ALL : command->question;
	bool is_order = wire_body_len(question) == sizeof(order);

	task_fill_order(task, &order);
	task_ask(task, question, is_order ? (const void *)&order : &nothing, command->expected, command->answer);
}

/* ---- from the control server ---- */

static void on_request(void *context, struct control_client *client, const struct control_request *request)
{
	struct keeper *keeper = context;
	struct task *task;

	if (keeper->sentry_gone || keeper->supervisor_gone) {
		control_fail(client, CONTROL_FAILED, "picketd is ending");
		return;
	}
	keeper_wake(keeper);
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
	if (request->source_count > 0)
		many_start(task);
	else
		commands[request->command].start(task);
}

static void on_drained(void *context, struct control_client *client)
{
	struct task *task = control_data(client);

	(void)context;
	if (!task)
		return;
	if (task->many)
		many_resume(task);
	else if (task->streaming || task->from_store)
		history_resume(task);
	else
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
