/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What separates the processes from who started them and from each other, before they give up their privileges: each
 * of sentry and keeper has a session of its own, so that no terminal is its controlling one, /dev/null as standard
 * input, output and error, no other descriptor of ours, no environment, and limits.  The supervisor keeps of root what
 * it uses.  Whatever fails here ends the program.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "descriptors.h"
#include "sandbox/sandbox.h"

int background_leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (int fd = 0; fd < 3; fd++)
		if (null != fd && dup2(null, fd) < 0)
			return -errno;
	if (null > 2)
		close(null);
	return 0;
}

/* systemd's unit does the same for all that it starts, and its drop-ins may allow hooks more. */
int supervisor_confine(const struct config *config)
{
	int result;

	if (!config->sandbox || getenv("NOTIFY_SOCKET"))
		return 0;
	result = sandbox_keep_root();
	if (result == 0)
		result = sandbox_seccomp(SANDBOX_SUPERVISOR);
	if (result < 0)
		fprintf(stderr, "picketd: cannot give up what root does not need here: %s\n", strerror(-result));
	return result < 0 ? -1 : 0;
}

int supervisor_log_fd(void)
{
	/* For writing alone, and without waiting: a terminal's descriptor can be read from, too. */
	int fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && isatty(STDERR_FILENO))
		return -errno;
	return fd < 0 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) : fd; /* the journal's stream, or closed */
}

/* What whoever started us has in its environment is none of a child's business: overwritten, not only forgotten. */
static void clean_environment(void)
{
	static const char *const kept[] = { "TZ=", "JOURNAL_STREAM=" };
	char **to = environ;

	for (char **from = environ; from && *from; from++) {
		bool keep = false;

		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			keep |= strncmp(*from, kept[i], strlen(kept[i])) == 0;
		if (keep)
			*to++ = *from;
		else
			explicit_bzero(*from, strlen(*from));
	}
	if (to)
		*to = NULL;
}

static int compare(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

static int close_all_but(int *kept, size_t count)
{
	unsigned from = 3;
	int result;

	qsort(kept, count, sizeof(*kept), compare);
	for (size_t i = 0; i < count; i++) {
		if (kept[i] < 0)
			continue;
		if ((unsigned)kept[i] > from && (result = descriptors_close(from, (unsigned)kept[i] - 1)) < 0)
			return result;
		from = (unsigned)kept[i] + 1;
	}
	return descriptors_close(from, DESCRIPTORS_LAST);
}

static void reset_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int number = 1; number < 32; number++)
		sigaction(number, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int supervisor_become(struct supervisor *s, const struct child_limits *limits, int *kept, size_t count)
{
	/* With sandbox = false, for debuggers and the like, which need memory and what their environment says. */
	int result =
		setsid() < 0 ? -errno : sandbox_limit(s->config->sandbox ? limits->memory : 0, limits->descriptors);

	if (result == 0 && prctl(PR_SET_NAME, limits->name, 0, 0, 0) < 0)
		result = -errno;
	/* The terminal last: what fails before is told there. */
	if (result == 0)
		result = close_all_but(kept, count);
	if (result == 0)
		result = background_leave_terminal();
	if (result < 0)
		return result;
	reset_signals();
	if (s->config->sandbox)
		clean_environment();
	return 0;
}
