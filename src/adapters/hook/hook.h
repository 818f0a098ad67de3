/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs the admin's hooks: by argument vector, never a shell; as the hook's user, in a session of its own, with a clean
 * environment, empty stdin, output read up to HOOK_OUTPUT_MAX bytes, and a time limit.  What it started ends when it
 * does, or is killed.  At most HOOK_RUNNING_MAX run at once, half of them for what anybody can forge and a quarter for
 * bans alone, and HOOK_WAITING_MAX wait, bans first.  For a run beyond that the least urgent is dropped, counted and
 * reported.
 */
#ifndef PICKET_HOOK_H
#define PICKET_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <picket/event.h>
#include <picket/hook_values.h>

#define HOOK_RUNNING_MAX 16
#define HOOK_WAITING_MAX 256
#define HOOK_OUTPUT_MAX  4096
#define HOOK_ARGS_MAX    32
#define HOOK_ARG_MAX     512
#define HOOK_NAME_MAX    32

struct hook_spec {
	char name[HOOK_NAME_MAX];
	char args[HOOK_ARGS_MAX][HOOK_ARG_MAX]; /* placeholders not yet filled in */
	size_t arg_count;
	uid_t uid;
	gid_t gid;
	int64_t timeout_ms;
	enum event_worth worth; /* of the event that this run tells */
};

struct hook_report {
	const char *name; /* of the hook */
	/* "exit status 3", "killed by signal 9", "timed out after 10s", "turned away: 256 waiting", or
	 * "cannot start: ..." */
	const char *problem;
	const char *output; /* the first line that it printed, made printable; "" if nothing */
};

/* Called for every run that went wrong. */
typedef void hook_report_fn(void *context, const struct hook_report *report);

struct hook_stats {
	uint64_t started, succeeded, failed, timed_out, dropped;
	uint32_t running, waiting;
};

struct event_base;
struct hook_runner;

struct hook_runner *hook_runner_new(struct event_base *base, hook_report_fn *report, void *context);
void hook_runner_free(struct hook_runner *runner); /* kills what still runs */
/* Takes copies of both.  0, or -ENOBUFS when it was dropped; that is reported too, as is the run that it pushed out, so
 * that the result may be ignored. */
int hook_run(struct hook_runner *runner, const struct hook_spec *spec, const struct hook_values *values);
/* To be called when a child has ended that may be a hook's: 1 when it was. */
int hook_reap(struct hook_runner *runner, pid_t pid, int status);
void hook_read_stats(const struct hook_runner *runner, struct hook_stats *out);

#endif
