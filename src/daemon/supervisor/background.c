/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way into the background, and the guardian that stays there.  The guardian only waits for the supervisor and
 * starts it again, as a service manager would.  After RESTARTS starts within a minute it gives up; the kernel table
 * stays, and what is blocked stays blocked.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"

#define RESTARTS 5 /* at most so many within a minute */

/* The signals on which the supervisor stops. */
static void stop_signals(sigset_t *out)
{
	sigemptyset(out);
	sigaddset(out, SIGTERM);
	sigaddset(out, SIGINT);
}

/* Waits for the supervisor and hands signals on; returns its exit status. */
static int wait_for(pid_t child, const sigset_t *signals)
{
	for (;;) {
		int status, signal = sigwaitinfo(signals, NULL);

		if (signal > 0 && signal != SIGCHLD)
			kill(child, signal);
		if (waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
}

/* True when a signal to stop came meanwhile. */
static bool stopped_within(int seconds)
{
	const struct timespec limit = { .tv_sec = seconds };
	sigset_t signals;

	stop_signals(&signals);
	return sigtimedwait(&signals, NULL, &limit) > 0;
}

/* The guardian stays root for as long as the supervisors that it starts: it keeps no more than they. */
static void __attribute__((noreturn))
guard(const struct config *config, background_serve_fn *serve, void *context, int ready_fd)
{
	int64_t starts[RESTARTS] = { 0 };
	sigset_t signals, before;

	if (supervisor_confine(config) < 0)
		_exit(1);
	stop_signals(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &before);
	for (unsigned attempt = 0;; attempt++) {
		int64_t *slot = &starts[attempt % RESTARTS];
		pid_t child;
		int status;

		if (attempt >= RESTARTS && clock_s(CLOCK_MONOTONIC) - *slot < 60)
			_exit(1);
		*slot = clock_s(CLOCK_MONOTONIC);
		child = fork();
		if (child == 0) {
			/* When the guardian dies, the supervisor must stop as it does on a signal. */
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			sigprocmask(SIG_SETMASK, &before, NULL);
			_exit(serve(context, ready_fd, attempt));
		}
		if (ready_fd >= 0)
			close(ready_fd);
		/* Only the first start may write to the terminal. */
		if (attempt == 0 && background_leave_terminal() < 0)
			_exit(1); /* which ends the child */
		status = child < 0 ? 1 : wait_for(child, &signals);
		/* When the first start failed, the launcher has said so: then nothing may go on in the background. */
		if (status == 0 || (attempt == 0 && status == SUPERVISOR_NOT_STARTED) || stopped_within(1))
			_exit(status);
		ready_fd = -1;
	}
}

int background_run(const struct config *config, background_serve_fn *serve, void *context)
{
	unsigned char status;
	int fds[2];
	pid_t child;
	ssize_t got;

	/* What a shell or a test left open would otherwise stay open for as long as we run. */
	descriptors_close(3, DESCRIPTORS_LAST);
	if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		fprintf(stderr, "picketd: cannot go into the background: %s\n", strerror(errno));
		return 1;
	}
	if (child == 0) {
		close(fds[0]);
		/* A second fork: only a session leader can get a controlling terminal. */
		if (setsid() < 0 || (child = fork()) < 0)
			_exit(1);
		if (child > 0)
			_exit(0);
		if (chdir("/") < 0)
			_exit(1);
		guard(config, serve, context, fds[1]);
	}
	close(fds[1]);
	do
		got = read(fds[0], &status, 1);
	while (got < 0 && errno == EINTR);
	close(fds[0]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return got == 1 ? status : 1;
}
