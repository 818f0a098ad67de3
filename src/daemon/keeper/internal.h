/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper's own room: what its parts share.  keeper.c owns start, loop and the two wires; keeper_task.c the
 * questions under way; keeper_commands.c what each request does; keeper_lists.c the answers that come in pages;
 * keeper_events.c history and live events.
 */
#ifndef PICKET_KEEPER_ROOM_H
#define PICKET_KEEPER_ROOM_H

#include <sys/queue.h>

#include "control/control.h"
#include "journal/journal.h"
#include "json_view.h"
#include "keeper.h"
#include "exposure.h"
#include "history.h"
#include "memory.h"
#include "protect.h"
#include "wire/wire.h"

#define TASK_PATIENCE_MS   5000 /* how long a question may stay without an answer */
#define TASK_BIG_SORTS_MAX 4    /* `sources` with more than TASK_SMALL_LIMIT rows at once */
#define TASK_SMALL_LIMIT   1000

struct source_top;
struct keeper;
struct task;

/* An answer to the task's question has come. */
typedef void task_answer_fn(struct task *task, const struct wire_message *message);

/* One unfinished request of a client. */
struct task {
	LIST_ENTRY(task) entry;
	struct keeper *keeper;
	struct control_client *client;
	struct control_request request;
	/* the question under way; id 0: none */
	uint32_t id;
	enum wire_type expected; /* WIRE_RESULT is understood as well */
	int64_t deadline_ms;
	task_answer_fn *answer;
	/* paging */
	enum wire_type page; /* WIRE_ASK_..., to be asked when the client has room; WIRE_NONE: not waiting */
	uint32_t cursor;
	/* by command */
	json_t *collected; /* status: becomes the answer; reload: mistakes are counted in count */
	uint32_t count;
	struct source_top *top; /* sources */
	struct thresholds thresholds;
	struct history_query query; /* history, events */
	uint64_t position, lost;
	int64_t row; /* history from memory: the last row that was sent */
	bool from_memory;
	bool streaming;
};

LIST_HEAD(task_list, task);

struct keeper {
	const struct keeper_start *start;
	struct event_base *base;
	struct event *sentry_event, *supervisor_event, *tick, *farewell;
	struct journal *journal;
	struct service_names *names;
	struct history *history; /* the newest events, for those who follow; all of them when memory fails */
	struct memory *memory;
	struct protect *protect;
	struct exposure *exposure;
	struct control *control;
	struct task_list tasks;
	uint32_t last_id;
	unsigned big_sorts;
	bool sentry_ready; /* it has answered: its engine is there */
	bool sentry_gone, supervisor_gone;
	uint32_t ticks;
	int64_t complained_ms; /* of messages that made no sense, once a minute */
	struct wire_hooks hooks;
	bool hooks_known;
	uint64_t bad_messages, late_answers, followers_lost;
	struct wire_message message; /* scratch: the one just received */
};

int64_t keeper_now_ms(void); /* since the epoch */
/* Keeps an event, writes its line, and lets it flow to those who follow. */
void keeper_event(struct keeper *keeper, const struct event *event);

/* Asks the sentry (or, for RELOAD and ALLOW_SAVE, the supervisor); the answer goes to `answer`.
 * Whoever can't be asked costs the task, with a clear line to the client: the caller just returns. */
void task_ask(struct task *task, enum wire_type type, const void *body, enum wire_type expected,
	      task_answer_fn *answer);
/* Sends a line of the answer; false when the client can't take it: the task is finished then. */
bool task_line(struct task *task, json_t *object);
/* The end of a task; it must not be used any more. */
void task_done(struct task *task);
void task_fail(struct task *task, enum control_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A message that carries an id; unknown ids are counted. */
void task_answered(struct keeper *keeper, const struct wire_message *message);
void task_expire(struct keeper *keeper);
void task_fail_all(struct keeper *keeper, const char *why);
/* The callbacks for the control server; context is the keeper. */
const struct control_callbacks *task_callbacks(void);

/* Starts a command. */
void command_start(struct task *task);

/* Lists that come in pages, and streams. */
void list_start(struct task *task); /* list, allow-list */
void list_sources_start(struct task *task);
void list_protects_start(struct task *task); /* the end of status */
void list_history_start(struct task *task);  /* keeper_events.c */
void history_resume(struct task *task);
/* The client has room again. */
void list_resume(struct task *task);
void list_free(struct task *task);

#endif
