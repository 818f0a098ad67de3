/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way into the background, and the guardian that stays there: it does nothing but wait for the supervisor and
 * start it again, as a service manager would.  Bounded: BACKGROUND_RESTARTS within a minute, then it gives up; the
 * kernel table stays and keeps blocking what is blocked.
 */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
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

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	return sigtimedwait(&signals, NULL, &limit) > 0;
}

static void __attribute__((noreturn)) guard(background_serve_fn *serve, void *context, int ready_fd)
{
	int64_t starts[BACKGROUND_RESTARTS] = { 0 };
	sigset_t signals, before;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &before);
	for (unsigned attempt = 0;; attempt++) {
		int64_t *slot = &starts[attempt % BACKGROUND_RESTARTS];
		pid_t child;
		int status;

		if (attempt >= BACKGROUND_RESTARTS && now_s() - *slot < 60)
			_exit(1);
		*slot = now_s();
		child = fork();
		if (child == 0) {
			/* Not an orphan's life: without the guardian the supervisor stops as it does on a signal. */
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			sigprocmask(SIG_SETMASK, &before, NULL);
			_exit(serve(context, ready_fd, attempt));
		}
		if (ready_fd >= 0)
			close(ready_fd);
		/* What the first start says is for the terminal alone. */
		if (attempt == 0) {
			int null = open("/dev/null", O_RDWR);
			for (int fd = 0; null >= 0 && fd < 3; fd++)
				dup2(null, fd);
			if (null > 2)
				close(null);
		}
		status = child < 0 ? 1 : wait_for(child, &signals);
		/* Whoever started us has been told when the first start failed: nothing goes on behind his back. */
		if (status == 0 || (attempt == 0 && status == BACKGROUND_NOT_STARTED) || stopped_within(1))
			_exit(status);
		ready_fd = -1;
	}
}

int background_run(background_serve_fn *serve, void *context)
{
	unsigned char status;
	int fds[2];
	pid_t child;
	ssize_t got;

	/* Whatever a shell or a test left open would be held for as long as we run. */
	close_range(3, ~0U, 0);
	if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		fprintf(stderr, "picketd: cannot go into the background: %s\n", strerror(errno));
		return 1;
	}
	if (child == 0) {
		close(fds[0]);
		/* A second fork: no session leader, so no terminal can become ours. */
		if (setsid() < 0 || (child = fork()) < 0)
			_exit(1);
		if (child > 0)
			_exit(0);
		if (chdir("/") < 0)
			_exit(1);
		guard(serve, context, fds[1]);
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
