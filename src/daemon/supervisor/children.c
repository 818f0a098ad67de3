/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes that the supervisor starts.  Sentry and keeper are forked with only the descriptors that they need,
 * watched, and ended in order; when the sentry dies, what the kernel held for it is accepted in one batch from our copy
 * of the queue's socket, so that no packet is lost.  Hooks are run for the events that want them.
 */
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "keeper/keeper.h"
#include "sentry/sentry.h"

#define DESCRIPTORS 8192 /* what sentry and keeper may be given */

/* What each takes at most: several times what was measured (114 MiB of address space with the default max_sources, 280
 * bytes for each source more; 16 MiB), far less than a host has. */
#define SENTRY_MEMORY        (512ULL << 20)
#define SENTRY_MEMORY_SOURCE 1024
#define SENTRY_DESCRIPTORS   4096 /* each visit to a trap is one */
#define KEEPER_MEMORY        (512ULL << 20)
#define KEEPER_DESCRIPTORS   512 /* 64 clients, the store, the files of logins */

/* Pairs of sockets; [0] is the end of the process that is named first. */
struct wires {
	int to_sentry[2], to_keeper[2]; /* from the supervisor */
	int between[2];                 /* sentry and keeper */
};

/* In a child that cannot be set up. */
static void __attribute__((noreturn)) give_up(struct supervisor *s, const char *name, int error)
{
	supervisor_fail(s, error, "%s cannot be set up, ending", name);
	_exit(1);
}

static void __attribute__((noreturn)) be_sentry(struct supervisor *s, const struct wires *wires)
{
	const struct sentry_start start = {
		.supervisor_fd = wires->to_sentry[1],
		.keeper_fd = wires->between[0],
		.queue = s->queue,
		.uid = s->sentry_account.uid,
		.gid = s->sentry_account.gid,
		.boot_ms = s->boot_ms,
		.sandbox = s->config->sandbox,
		.verbose = s->options->verbose,
	};
	const struct child_limits limits = {
		.name = "picket-sentry",
		.memory = SENTRY_MEMORY + (uint64_t)s->config->engine.max_sources * SENTRY_MEMORY_SOURCE,
		.descriptors = SENTRY_DESCRIPTORS,
	};
	int kept[] = { start.supervisor_fd, start.keeper_fd, nfqueue_fd(s->queue) };
	int result = supervisor_become(s, &limits, kept, 3);

	if (result < 0)
		give_up(s, limits.name, result);
	_exit(sentry_run(&start));
}

static void __attribute__((noreturn)) be_keeper(struct supervisor *s, const struct wires *wires)
{
	struct keeper_start start = {
		.supervisor_fd = wires->to_keeper[1],
		.sentry_fd = wires->between[1],
		.control_fd = s->control_fd,
		.uid = s->keeper_account.uid,
		.gid = s->keeper_account.gid,
		.sandbox = s->config->sandbox,
		.log_fd = s->options->foreground ? s->options->log_fd : -1,
		.boot_ms = s->boot_ms,
		.verbose = s->options->verbose,
		.history_max = s->config->history_max,
		.log_rate = s->config->log_rate,
		.admin_gid = s->admin_gid,
	};
	const struct child_limits limits = { .name = "picket-keeper",
					     .memory = KEEPER_MEMORY,
					     .descriptors = KEEPER_DESCRIPTORS };
	int kept[] = { start.supervisor_fd, start.sentry_fd, start.control_fd, start.log_fd };
	int result;

	_Static_assert(sizeof(start.state_dir) == sizeof(s->config->state_dir), "one path");
	memcpy(start.state_dir, s->config->state_dir, sizeof(start.state_dir));
	start.admins = s->admins;
	result = supervisor_become(s, &limits, kept, 4);
	if (result < 0)
		give_up(s, limits.name, result);
	_exit(keeper_run(&start));
}

static int make_wires(struct wires *wires)
{
	int result = wire_pair(wires->to_sentry);

	if (result == 0)
		result = wire_pair(wires->to_keeper);
	if (result == 0)
		result = wire_pair(wires->between);
	return result;
}

static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur < DESCRIPTORS) {
		limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int supervisor_children_start(struct supervisor *s)
{
	struct wires wires = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int64_t wall_ms = clock_wall_ms();
	int result = make_wires(&wires);

	raise_limit();
	s->boot_ms = (wall_ms ? wall_ms : CLOCK_WALL_MIN_MS) - clock_ms(CLOCK_BOOTTIME);
	if (result == 0 && (s->keeper.pid = fork()) == 0)
		be_keeper(s, &wires);
	if (result == 0 && s->keeper.pid > 0 && (s->sentry.pid = fork()) == 0)
		be_sentry(s, &wires);
	if (result == 0 && (s->keeper.pid < 0 || s->sentry.pid < 0))
		result = -errno;
	/* A process sees that its peer has ended only when no other process holds the peer's end of the wire. */
	const int theirs[] = { wires.to_sentry[1], wires.to_keeper[1], wires.between[0], wires.between[1] };
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		if (theirs[i] >= 0)
			close(theirs[i]);
	s->sentry.fd = wires.to_sentry[0];
	s->keeper.fd = wires.to_keeper[0];
	if (s->keeper.pid < 0)
		s->keeper.pid = 0;
	if (s->sentry.pid < 0)
		s->sentry.pid = 0;
	return result < 0 ? supervisor_fail(s, result, "cannot start sentry and keeper") : 0;
}

static void let_all_pass(struct supervisor *s)
{
	int result;

	if (!s->queue)
		return;
	result = nfqueue_accept_all(s->queue);
	if (result < 0)
		journal_log_errno(s->journal, LOG_ERR, result,
				  "cannot accept what the sentry held: those packets are lost");
	nfqueue_close(s->queue);
	s->queue = NULL;
}

static void tell_death(struct supervisor *s, const struct child *child, const siginfo_t *info)
{
	const char *then =
		s->stage == STAGE_SERVING ? "; ending all, the kernel holds bans and blocks and passes the rest" : "";

	if (info->si_code == CLD_EXITED)
		journal_log(s->journal, LOG_ERR, "the %s ended (exit status %d)%s", child->name, info->si_status, then);
	else
		journal_log(s->journal, LOG_ERR, "the %s was killed by signal %d (%s)%s", child->name, info->si_status,
			    strsignal(info->si_status), then);
}

static void child_ended(struct supervisor *s, struct child *child, const siginfo_t *info)
{
	child->pid = 0;
	if (child == &s->sentry)
		let_all_pass(s);
	/* Its last messages: they say why a start failed. */
	supervisor_wire_drain(s, child);
	if (child == &s->keeper)
		s->saved = info->si_code == CLD_EXITED && info->si_status == 0;
	if (s->stage == STAGE_ENDING) {
		supervisor_children_end(s);
		return;
	}
	if (s->stage == STAGE_SERVING || info->si_code != CLD_EXITED || info->si_status != 0)
		tell_death(s, child, info);
	supervisor_end(s, s->stage == STAGE_STARTING ? SUPERVISOR_NOT_STARTED : 1);
}

void supervisor_children_reap(struct supervisor *s)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		/* The zombie is collected last: until then no other process can get its number. */
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		if (info.si_pid == s->sentry.pid || info.si_pid == s->keeper.pid)
			child_ended(s, info.si_pid == s->sentry.pid ? &s->sentry : &s->keeper, &info);
		else if (s->hooks)
			hook_reap(s->hooks, info.si_pid,
				  info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f);
		supervisor_tick_soon(s); /* for what the hooks count */
		waitpid(info.si_pid, NULL, 0);
	}
}

void supervisor_children_end(struct supervisor *s)
{
	const struct timeval patience = { SUPERVISOR_PATIENCE_S, 0 };

	if (s->sentry.pid) {
		if (!s->sentry.told_to_end) {
			kill(s->sentry.pid, SIGTERM);
			evtimer_add(s->deadline, &patience);
		}
		s->sentry.told_to_end = true;
	} else if (s->keeper.pid) {
		/* It ends when its wire is closed. */
		if (!s->keeper.told_to_end) {
			supervisor_wire_close(&s->keeper);
			evtimer_add(s->deadline, &patience);
		}
		s->keeper.told_to_end = true;
	} else {
		event_base_loopbreak(s->base);
	}
}

void supervisor_children_kill(struct supervisor *s)
{
	const struct child *child = s->sentry.pid ? &s->sentry : &s->keeper;

	if (!child->pid)
		return;
	journal_log(s->journal, LOG_WARNING, "the %s does not end: killing it", child->name);
	kill(child->pid, SIGKILL);
}

/* ---- hooks ---- */

static void on_report(void *context, const struct hook_report *report)
{
	struct supervisor *s = context;

	journal_log(s->journal, LOG_WARNING, "hook %s: %s%s%s", report->name, report->problem,
		    report->output[0] ? ": " : "", report->output);
}

int supervisor_hooks_open(struct supervisor *s)
{
	s->hooks = hook_runner_new(s->base, on_report, s);
	return s->hooks ? 0 : -ENOMEM;
}

void supervisor_hooks_event(struct supervisor *s, const struct event *event)
{
	struct hook_values values;
	struct hook_spec spec;
	bool filled = false;

	/* In observe mode nothing was done: a hook that acts on a ban must not be run for one. */
	if (!s->hooks || s->stage == STAGE_ENDING || (event->observed && event->type != EVENT_ALERT))
		return;
	for (size_t i = 0; i < s->config->hook_count; i++) {
		if (!(s->config->hooks[i].on & (1u << event->type)))
			continue;
		if (!filled)
			hook_values_fill(&values, event, s->names);
		filled = true;
		supervisor_hook_of(&s->config->hooks[i], &spec);
		spec.worth = event_worth(event);
		hook_run(s->hooks, &spec, &values);
		supervisor_tick_soon(s);
	}
}

void supervisor_hooks_tick(struct supervisor *s)
{
	struct wire_hooks message;
	struct hook_stats stats;

	if (!s->hooks || s->keeper.fd < 0)
		return;
	hook_read_stats(s->hooks, &stats);
	if (s->hooks_ever_told && memcmp(&stats, &s->hooks_told, sizeof(stats)) == 0)
		return;
	message = (struct wire_hooks){ stats.started, stats.succeeded, stats.failed, stats.timed_out,
				       stats.dropped, stats.running,   stats.waiting };
	if (wire_send(s->keeper.fd, WIRE_HOOKS, 0, &message) == 0) {
		s->hooks_told = stats;
		s->hooks_ever_told = true;
	} else {
		supervisor_tick_soon(s); /* the keeper does not read just now */
	}
}
