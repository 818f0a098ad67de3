/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sentry and keeper: forked with nothing but their own descriptors, watched, and ended in order.  When the sentry dies,
 * what the kernel held for it is accepted in one batch from our copy of the queue's socket, so that no packet is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "keeper/keeper.h"
#include "sentry/sentry.h"
#include "internal.h"

#define DESCRIPTORS 8192 /* traps and clients of the control socket */

/* Whose ends are whose. */
struct wires {
	int to_sentry[2], to_keeper[2], between[2];
};

static int compare(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

static void close_all_but(int *kept, size_t count)
{
	unsigned from = 3;

	qsort(kept, count, sizeof(*kept), compare);
	for (size_t i = 0; i < count; i++) {
		if ((unsigned)kept[i] > from)
			close_range(from, (unsigned)kept[i] - 1, 0);
		from = (unsigned)kept[i] + 1;
	}
	close_range(from, ~0U, 0);
}

/* In a child: nothing of the supervisor's is left but what the child's job needs. */
static void become(struct supervisor *s, const char *name, int *kept, size_t count)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	close_all_but(kept, count);
	for (int number = 1; number < 32; number++)
		sigaction(number, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	/* In the background a terminal that is held open would hang its owner's logout. */
	if (s->ready_fd >= 0) {
		int null = open("/dev/null", O_RDWR);
		for (int fd = 0; null >= 0 && fd < 3; fd++)
			dup2(null, fd);
		if (null > 2)
			close(null);
	}
}

static void __attribute__((noreturn)) be_sentry(struct supervisor *s, const struct wires *wires)
{
	const struct sentry_start start = {
		.supervisor_fd = wires->to_sentry[1],
		.keeper_fd = wires->between[0],
		.queue = s->queue,
		.uid = s->uid,
		.gid = s->gid,
		.sandbox = s->config->sandbox,
		.verbose = s->options->verbose,
	};
	int kept[] = { start.supervisor_fd, start.keeper_fd, nfqueue_fd(s->queue) };

	become(s, "picket-sentry", kept, 3);
	_exit(sentry_run(&start));
}

static void __attribute__((noreturn)) be_keeper(struct supervisor *s, const struct wires *wires)
{
	struct keeper_start start = {
		.supervisor_fd = wires->to_keeper[1],
		.sentry_fd = wires->between[1],
		.control_fd = s->control_fd,
		.uid = s->uid,
		.gid = s->gid,
		.sandbox = s->config->sandbox,
		.to_stderr = s->options->foreground,
		.verbose = s->options->verbose,
		.admin_gid = s->admin_gid,
	};
	int kept[] = { start.supervisor_fd, start.sentry_fd, start.control_fd };

	_Static_assert(sizeof(start.state_dir) == sizeof(s->config->state_dir), "one path");
	memcpy(start.state_dir, s->config->state_dir, sizeof(start.state_dir));
	become(s, "picket-keeper", kept, 3);
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
	int result = make_wires(&wires);

	raise_limit();
	if (result == 0 && (s->keeper.pid = fork()) == 0)
		be_keeper(s, &wires);
	if (result == 0 && s->keeper.pid > 0 && (s->sentry.pid = fork()) == 0)
		be_sentry(s, &wires);
	if (result == 0 && (s->keeper.pid < 0 || s->sentry.pid < 0))
		result = -errno;
	/* Only while nobody else holds an end does one side see the other's end. */
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
	if (result < 0)
		journal_log_errno(s->journal, LOG_ERR, result, "cannot start sentry and keeper");
	return result < 0 ? -1 : 0;
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
	const char *then = s->stage == STAGE_SERVING
				   ? "; ending all, the kernel keeps blocking what is blocked and passes the rest"
				   : "";

	if (info->si_code == CLD_EXITED)
		journal_log(s->journal, LOG_ERR, "the %s ended (exit status %d)%s", child->name, info->si_status, then);
	else
		journal_log(s->journal, LOG_ERR, "the %s was killed by signal %d (%s)%s", child->name, info->si_status,
			    sigdescr_np(info->si_status) ? sigdescr_np(info->si_status) : "unknown", then);
}

static void child_ended(struct supervisor *s, struct child *child, const siginfo_t *info)
{
	child->pid = 0;
	if (child == &s->sentry)
		let_all_pass(s);
	/* What it said last: a start that failed is told there. */
	supervisor_wire_drain(s, child);
	if (s->stage == STAGE_ENDING) {
		supervisor_children_end(s);
		return;
	}
	if (s->stage == STAGE_SERVING || info->si_code != CLD_EXITED || info->si_status != 0)
		tell_death(s, child, info);
	supervisor_end(s, s->stage == STAGE_STARTING ? BACKGROUND_NOT_STARTED : 1);
}

void supervisor_children_reap(struct supervisor *s)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		/* Looked at first, collected last: until then the number belongs to nobody else. */
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		if (info.si_pid == s->sentry.pid || info.si_pid == s->keeper.pid)
			child_ended(s, info.si_pid == s->sentry.pid ? &s->sentry : &s->keeper, &info);
		else if (s->hooks)
			hook_reap(s->hooks, info.si_pid,
				  info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f);
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
		/* Its wire's end is its sign. */
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
