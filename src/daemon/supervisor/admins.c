/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who the admins are whose logins are protected: the members of admin_groups, looked up at the start and at each
 * reload. The host's accounts may be on another host that does not answer: a child asks, and has a few seconds for
 * it.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

struct found {
	struct logins_admins admins;
	size_t refused;
};

static void __attribute__((noreturn)) look_up(const struct config *config, int fd)
{
	struct found found;

	found.refused = logins_find_admins(config->admin_groups, config->admin_group_count, &found.admins);
	/* Less than a pipe holds: nobody has to read meanwhile. */
	_exit(write(fd, &found, sizeof(found)) == (ssize_t)sizeof(found) ? 0 : 1);
}

/* All of it, in time. */
static bool receive(int fd, struct found *found, int patience_ms)
{
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + patience_ms, left_ms = patience_ms;
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	size_t len = 0;

	for (; left_ms > 0 && len < sizeof(*found); left_ms = end_ms - clock_ms(CLOCK_MONOTONIC)) {
		ssize_t got;

		if (poll(&answer, 1, (int)left_ms) <= 0)
			continue; /* a signal, or too late */
		got = read(fd, (char *)found + len, sizeof(*found) - len);
		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
		len += got > 0 ? (size_t)got : 0;
	}
	return len == sizeof(*found);
}

static bool ask(const struct config *config, struct found *found, int patience_ms)
{
	int fds[2];
	bool answered;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	child = fork();
	if (child == 0)
		look_up(config, fds[1]);
	close(fds[1]);
	answered = child > 0 && receive(fds[0], found, patience_ms);
	close(fds[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return answered;
}

void supervisor_find_admins(struct supervisor *s, const struct config *config, int patience_ms)
{
	struct found *found = calloc(1, sizeof(*found));

	_Static_assert(CONFIG_GROUP_MAX == LOGINS_NAME_MAX, "one size of a name");
	if (!found || !ask(config, found, patience_ms)) {
		journal_log(s->journal, LOG_WARNING,
			    "the members of admin_groups cannot be looked up: only %s are protected when they log in; "
			    "a reload tries again",
			    s->admins.count ? "those found earlier" : "logins of root");
		if (s->admins.count == 0)
			logins_find_admins(NULL, 0, &s->admins);
	} else {
		s->admins = found->admins;
		if (found->refused > 0)
			journal_log(s->journal, LOG_WARNING,
				    "admin_groups have more than %d members: the logins of %zu are not protected",
				    LOGINS_ADMINS_MAX, found->refused);
	}
	free(found);
}
