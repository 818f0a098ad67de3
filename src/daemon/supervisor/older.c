/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `picketd --store-format`: the saved state for an older picket, before its package takes the place of this one.  The
 * file is another user's, so it is opened as that user: a link in its place leads root nowhere.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "store/store.h"
#include "writer.h"

/* Where nothing has run since the boot there is no lock file.  It is held until we end. */
static bool picketd_runs(const struct config *config)
{
	char path[CONFIG_PATH_MAX + sizeof(LOCK_FILE)];
	struct writer w = writer_over(path, sizeof(path));
	int fd;

	writer_format(&w, "%s/" LOCK_FILE, config->run_dir);
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static int become(const char *name)
{
	const struct passwd *user = getpwnam(name);

	if (!user || user->pw_uid == 0) {
		fprintf(stderr, "picketd: user '%s' does not exist or is root\n", name);
		return -1;
	}
	umask(0077);
	if (setgroups(0, NULL) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0) {
		fprintf(stderr, "picketd: cannot become user '%s': %s\n", name, strerror(errno));
		return -1;
	}
	return 0;
}

int supervisor_write_older(const struct config *config, int format)
{
	struct store_stats stats;
	struct store *store;
	bool written;

	if (picketd_runs(config)) {
		fprintf(stderr, "picketd: --store-format: stop the picketd that runs with run_dir %s first\n",
			config->run_dir);
		return 1;
	}
	if (become(config->user) < 0)
		return 1;
	if (access(config->state_dir, F_OK) < 0) {
		printf("%s: there is none, nothing to do\n", config->state_dir);
		return 0;
	}
	store = store_open(config->state_dir, clock_ms(CLOCK_REALTIME));
	if (!store) {
		fputs("picketd: out of memory\n", stderr);
		return 1;
	}
	written = store_write_older(store, format);
	store_read_stats(store, &stats);
	store_close(store);
	if (!written) {
		fprintf(stderr, "picketd: --store-format %d: %s\n", format,
			stats.problem[0] ? stats.problem : "this picket does not know that format");
		return 1;
	}
	printf("%s: rewritten in format %d\n", config->state_dir, format);
	return 0;
}
