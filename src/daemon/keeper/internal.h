/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by the keeper's files, for them alone.
 *
 *   keeper.c       the process: start, loop, the wires to the sentry and the supervisor
 *   commands.c     requests of clients: tasks, and what each command does
 *   many.c         orders about many sources: all or nothing
 *   lists.c        answers that are made of the sentry's tables, page by page
 *   history.c      the newest events, and answers that are made of events
 *   save.c         save and restore: the store behind events and the sentry's tables
 *   protect.c      the addresses that must not be blocked, as files tell them
 *   exposure.c     the ports that this host offers
 *   json.c, json_status.c  views as JSON
 */
#ifndef PICKET_KEEPER_INTERNAL_H
#define PICKET_KEEPER_INTERNAL_H

#include <sys/queue.h>

#include <jansson.h>

#include <picket/describe.h>
#include <picket/engine.h>
#include <picket/event.h>
#include "control/control.h"
#include "host/listeners.h"
#include "journal/journal.h"
#include "keeper.h"
#include "wire/wire.h"
#include "writer.h"

struct exposure;
struct history;
struct keeper;
struct many;
struct page_kind;
struct protect;
struct save;
struct source_top;
struct store;
struct task;

/* ---- json.c, json_status.c: each returns a new reference, or NULL when out of memory.  Scores are in nats, times as
 * in RFC 3339, in UTC. ---- */

/* What a list of sources shows of a source_view: a quarter of its size, since 65,536 of them may be kept while they
 * are sorted. */
struct source_row {
	struct prefix source;
	uint8_t grade, tool, times, port_count, net;
	uint16_t ports[8];
	int32_t confirmed_mn, suspected_mn, fast_mn;
	uint32_t incident, kinds, probes;
	int64_t first_ms, last_ms;
};

struct thresholds {
	int32_t alert_mn, veil_mn, ban_mn;
};

/* Of the history on the disk. */
struct kept {
	uint64_t rows, bytes, bytes_max; /* rows: an upper bound; bytes_max 0: no limit */
	uint64_t trimmed;                /* gone for age or room */
	uint64_t left_out;               /* not written for a nearly full disk */
	uint64_t dropped;                /* could not be written, or made no sense when they were read */
};

/* All that `status` tells but the protected addresses. */
struct status {
	struct wire_status sentry;
	struct wire_hooks hooks;
	bool hooks_known;
	struct control_stats control;
	struct journal_stats log;
	struct kept kept;
	uint64_t bad_messages, late_answers, followers_lost, history_rows;
	const char *state_dir;
};

/* Text that is not trusted: at most max bytes up to a NUL, each that is not printable ASCII as '?'. */
json_t *json_ascii(const char *text, size_t max);
json_t *json_time(int64_t ms); /* 0 or less: null */
json_t *json_prefix(const struct prefix *prefix);
json_t *json_seconds_left(int64_t until_ms, int64_t now_ms); /* until 0: null */
const char *protect_why_name(uint8_t why);

json_t *view_source(const struct source_row *row, const struct thresholds *thresholds);
json_t *view_protected(const struct protected_view *protected);
json_t *view_event(const struct event *event, const struct service_names *names);
json_t *view_explain(const struct explain_view *explain, int64_t now_ms, const struct service_names *names);
json_t *view_status(const struct status *status);
/* Rows of long lists, as whole lines of an answer.  waits: nothing of it touches a packet now. */
#define ROW_MAX 2048
void row_block(struct writer *w, const struct block_view *block, bool waits, int64_t now_ms);
void row_allow(struct writer *w, const struct allow_view *allow, int64_t now_ms);
void source_row_of(const struct source_view *view, struct source_row *out);

/* ---- history.c: events by position, oldest first.  A reader keeps a position and comes back for more. ---- */

#define HISTORY_ROWS_MAX 4096

struct history_query {
	bool by_source;
	struct prefix source; /* what lies in it, and what it lies in */
	int64_t since_ms;
	uint32_t last; /* at most so many, the newest; 0: all */
};

struct history *history_new(void); /* NULL when out of memory */
void history_free(struct history *history);
void history_add(struct history *history, const struct event *event);
void history_clock_set(struct history *history, int64_t by_ms);
/* The position at which an answer to the query starts. */
uint64_t history_start(const struct history *history, const struct history_query *query);
/* The next event of the answer, or NULL when there is none yet.  Moves *position on; adds to *lost what was overwritten
 * before it could be read. */
const struct event *history_next(const struct history *history, const struct history_query *query, uint64_t *position,
				 uint64_t *lost);
uint64_t history_rows(const struct history *history);

/* ---- save.c ---- */

/* NULL: out of memory */
struct save *save_open(const struct keeper_start *start, struct journal *journal, int64_t now_ms);
/* False: what stands may be missing on the disk. */
bool save_close(struct save *save);
void save_event(struct save *save, const struct event *event);
/* Once a second. */
void save_tick(struct save *save, int64_t now_ms);
/* What the sentry's saves may leave out: false when the file was begun anew since. */
bool save_keeps_blocks(const struct save *save);
/* A save of all would be written now. */
bool save_wants_blocks(const struct save *save);
void save_lacks_blocks(struct save *save); /* the sentry found others in the kernel than those that it was given */
/* By how much the times of earlier runs were moved, so that what lasts goes on with what was left. */
int64_t save_moved_ms(const struct save *save);
/* The clock was set: what the disk says of times is no longer true. */
void save_clock_set(struct save *save, int64_t boot_ms);
/* Sends everything that was saved to a sentry that has just started; waits for it to read, within a limit. */
void save_restore(struct save *save, int sentry_fd, int64_t now_ms);
/* A message of the sentry with a part of what is to be saved. */
void save_message(struct save *save, const struct wire_message *message, int64_t now_ms);
void save_read_kept(const struct save *save, struct kept *out);
/* The history; NULL while the store cannot be used. */
struct store *save_history(struct save *save);

/* ---- protect.c ---- */

/* Reads state_dir/admin-logins.  NULL when out of memory. */
struct protect *protect_new(const char *state_dir, const struct logins_admins *admins, struct journal *journal);
void protect_free(struct protect *protect);
/* False: the list makes no sense, and the one before stays. */
bool protect_set_admins(struct protect *protect, const struct logins_admins *admins);
/* The clock was set, by so much. */
void protect_clock_set(struct protect *protect, int64_t by_s);
/* Looks again and sends the sentry what has changed, or everything. */
void protect_refresh(struct protect *protect, int sentry_fd, int64_t now_s, bool everything);

/* ---- exposure.c ---- */

#define EXPOSURE_MAX      1024
#define EXPOSURE_LINE_MAX 80
#define EXPOSURE_TEXT_MAX (EXPOSURE_LINE_MAX * (EXPOSURE_MAX + 2))

struct exposed_port {
	struct addr addr;
	uint16_t port;
	uint8_t protocol;
	bool v6; /* :: and 0.0.0.0 differ */
	bool accepted;
	bool told;    /* or there before the first look */
	bool present; /* at the last look */
	bool before;  /* at the one before it */
};

/* The list of exposed ports: those that the admin has accepted, and those that were told.  Where it is full, a port
 * that no longer listens and was never accepted gives way; else the new one is counted in `dropped`, and told at each
 * start. */
struct exposed_ports {
	struct exposed_port items[EXPOSURE_MAX];
	size_t count;
	bool begun;                               /* a first look was taken, in this run or an earlier one */
	uint16_t ephemeral_first, ephemeral_last; /* UDP ports that come and go with each question asked */
	uint64_t dropped;
};

/* Pure.  A listener that can be reached from outside. */
bool exposed_is_reachable(const struct listener *listener);
/* One look: marks the ports that are present.  Hands each port that is new to tell(); the very first look tells
 * nothing, for what it finds was there before picket.  A UDP socket is told at the second look, and never in the
 * ephemeral range. */
typedef void exposed_tell_fn(void *context, const struct listener *listener);
void exposed_ports_look(struct exposed_ports *ports, const struct listener *found, size_t count, exposed_tell_fn *tell,
			void *context);
struct exposed_port *exposed_ports_find(struct exposed_ports *ports, const struct listener *listener); /* or NULL */
/* Accepts the ports that are present and drops all others. */
void exposed_ports_accept(struct exposed_ports *ports);
/* The list as text, one port a line, and back.  Lines that make no sense are passed over: returns how many. */
void exposed_ports_write(const struct exposed_ports *ports, struct writer *w);
size_t exposed_ports_read(struct exposed_ports *ports, const char *text, size_t len);

/* Before the keeper confines itself: opens what it must not open later.  NULL when out of memory. */
struct exposure *exposure_open(const char *state_dir, struct journal *journal);
void exposure_close(struct exposure *exposure);
/* Looks, when it is time. */
void exposure_tick(struct keeper *keeper);
void exposure_start(struct task *task); /* the command */

/* ---- tasks ---- */

#define TASK_PATIENCE_MS   5000 /* how long a question may stay without an answer */
#define TASK_BIG_SORTS_MAX 4    /* `sources` with more than TASK_SMALL_LIMIT rows at once */
#define TASK_SMALL_LIMIT   1000

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
	const struct page_kind *page; /* NULL: no pages; without a question under way: the client has no room */
	uint32_t cursor;
	/* by command */
	json_t *collected; /* status: becomes the answer; reload: mistakes are counted in count */
	uint32_t count;
	struct source_top *top; /* sources */
	struct thresholds thresholds;
	struct history_query query; /* history, events */
	uint64_t position, lost;
	struct many *many; /* an order about many sources */
	int64_t row;       /* of the store: the last one that was sent */
	bool from_store;
	bool streaming;
};

LIST_HEAD(task_list, task);

struct keeper {
	const struct keeper_start *start;
	struct event_base *base;
	struct event *sentry_event, *supervisor_event, *tick, *farewell;
	struct journal *journal;
	struct service_names *names;
	struct history *history; /* the newest events: for clients that follow, for all when the store fails */
	struct save *save;
	struct protect *protect;
	struct exposure *exposure;
	struct control *control;
	struct task_list tasks;
	uint32_t last_id;
	unsigned big_sorts;
	bool sentry_ready; /* it has answered: it has an engine */
	bool told_keeps_blocks, wanted_blocks;
	bool sentry_gone, supervisor_gone;
	int64_t busy_until_ms; /* the clock is looked at in short ticks */
	bool ticks_soon;       /* the next of them is set */
	int64_t next_save_ms, next_beat_ms;
	int64_t next_protect_ms, next_protect_all_ms;
	int64_t clock_set_ms;  /* by how much the clock was set since the start */
	int64_t complained_ms; /* of messages that made no sense, once a minute */
	struct wire_hooks hooks;
	bool hooks_known;
	uint64_t bad_messages, late_answers, followers_lost;
	struct wire_message message; /* scratch: the one just received */
};

/* Logs and saves an event, and sends it to the clients that follow. */
/* Something has happened: for a while it ticks in short steps. */
void keeper_wake(struct keeper *keeper);
void keeper_event(struct keeper *keeper, const struct event *event);
/* The time: what the clock on the wall says, by the clock of the boot. */
int64_t keeper_now_ms(const struct keeper *keeper);

/* Asks the sentry (or, for RELOAD and ALLOW_SAVE, the supervisor); the answer goes to `answer`.
 * When it cannot be asked, the task ends with an error that the client gets, and the caller, told so by false, just
 * returns. */
bool task_ask(struct task *task, enum wire_type type, const void *body, enum wire_type expected,
	      task_answer_fn *answer);
/* Sends a line of the answer; false when the client cannot take it: the task has ended then. */
bool task_line(struct task *task, json_t *object);
/* These end a task; it must not be used any more. */
void task_done(struct task *task);
void task_fail(struct task *task, enum control_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A message that carries an id; unknown ids are counted. */
void task_answered(struct keeper *keeper, const struct wire_message *message);
void task_expire(struct keeper *keeper);
void task_fail_all(struct keeper *keeper, const char *why);
/* The callbacks for the control server; context is the keeper. */
const struct control_callbacks *task_callbacks(void);

/* Commands that are made of pages or events. */
void list_start(struct task *task);          /* list, allow-list */
void list_sources_start(struct task *task);  /* sources */
void list_protects_start(struct task *task); /* the end of status */
void history_begin(struct task *task);       /* history, events */
/* ---- many.c: an order about many sources ---- */

void many_start(struct task *task);
void many_resume(struct task *task); /* the client has room again */
void many_free(struct many *many);

/* ---- of commands.c, for orders about one source and about many ---- */

/* The order as a message, about task->request.source. */
void task_fill_order(const struct task *task, struct wire_order *out);
/* True: it was carried out; else *text says why not. */
bool task_obeyed(const struct task *task, const struct wire_result *result, char text[WIRE_TEXT_MAX]);
/* An admin must not block the address that he is logged in from.  True: it would be. */
bool task_blocks_caller(const struct task *task, char text[WIRE_TEXT_MAX]);
/* What was done about task->request.source, as the answer tells it. */
json_t *task_order_object(const struct task *task, const struct wire_result *result, bool saved);

/* The client has room again. */
void list_resume(struct task *task);
void history_resume(struct task *task);
void list_free(struct task *task);

#endif
