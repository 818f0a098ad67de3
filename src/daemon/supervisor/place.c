/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor's place in the system: accounts, directories, the lock that keeps a second instance out, pid file,
 * queue and control socket.  Names below run_dir are used through its descriptor and no link is followed, so that a
 * user who can write to a folder above cannot make root write elsewhere.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "file.h"
#include "trusted.h"

#define ADMIN_GROUP "picket-admin"
#define NO_GROUP    ((gid_t)-1) /* then root alone may use the control socket */
#define PID_FILE    "picketd.pid"
#define SOCKET_FILE "picket.sock"

static int find_account(struct supervisor *s, const char *option, const char *name, struct account *out)
{
	const struct passwd *user = getpwnam(name);

	if (!user) {
		return supervisor_fail(s, 0,
				       "user '%s' does not exist: \"make install\" or the package creates it, "
				       "or set another with %s = \"...\"",
				       name, option);
	}
	if (user->pw_uid == 0 || user->pw_gid == 0) {
		return supervisor_fail(s, 0,
				       "%s = \"%s\" is root or of root's group: an account without privilege is needed",
				       option, name);
	}
	*out = (struct account){ user->pw_uid, user->pw_gid };
	return 0;
}

/* Each process has an account of its own: code in one that was taken over reaches no other by signals, limits or
 * /proc. */
static int find_accounts(struct supervisor *s)
{
	const struct group *admins = getgrnam(ADMIN_GROUP);

	s->admin_gid = admins && admins->gr_gid != 0 ? admins->gr_gid : NO_GROUP;
	if (find_account(s, "user", s->config->user, &s->keeper_account) < 0 ||
	    find_account(s, "sentry_user", s->config->sentry_user, &s->sentry_account) < 0)
		return -1;
	if (s->keeper_account.uid == s->sentry_account.uid) {
		return supervisor_fail(s, 0, "user and sentry_user are one account ('%s'): two are needed",
				       s->config->user);
	}
	/* root without CAP_DAC_OVERRIDE looks into the state directory (0750) as one of its group. */
	if (setgroups(1, &s->keeper_account.gid) < 0)
		return supervisor_fail(s, errno, "cannot join the group of user '%s'", s->config->user);
	supervisor_find_admins(s, s->config, SUPERVISOR_ADMINS_START_MS);
	return 0;
}

/* Whoever could rename a folder above could put another one in its place.  0 or told. */
static int check_way(struct supervisor *s, const char *option, const char *path)
{
	char copy[PATH_MAX], inside[PATH_MAX], text[PATH_MAX + 64] = "";
	struct writer whole = writer_over(copy, sizeof(copy)), other = writer_over(inside, sizeof(inside));
	struct writer why = writer_over(text, sizeof(text));

	writer_text(&whole, path);
	writer_format(&other, "%s/-", dirname(copy)); /* /tmp itself will do: what is root's there stays */
	if (path_is_trusted(inside, &why) != -EPERM)
		return 0;
	return supervisor_fail(s, 0, "%s %s: %s, expected that root alone can change the folders above it", option,
			       path, text);
}

/* Makes the directory when it is missing.  Its descriptor or -errno. */
static int open_directory(const char *path, mode_t mode, bool *made)
{
	int fd;

	*made = mkdir(path, mode) == 0;
	if (!*made && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_run_dir(struct supervisor *s)
{
	struct stat info;
	bool made;
	int fd;

	if (check_way(s, "run_dir", s->config->run_dir) < 0)
		return -1;
	fd = open_directory(s->config->run_dir, 0755, &made);
	if (fd < 0)
		return supervisor_fail(s, fd, "cannot use run_dir %s", s->config->run_dir);
	s->run_fd = fd;
	if (made && fchmod(fd, 0755) < 0)
		return supervisor_fail(s, errno, "cannot use run_dir %s", s->config->run_dir);
	if (fstat(fd, &info) < 0)
		return supervisor_fail(s, errno, "cannot use run_dir %s", s->config->run_dir);
	if (info.st_uid != 0 || (info.st_mode & 022)) {
		return supervisor_fail(s, 0, "run_dir %s must belong to root and be writable for nobody else",
				       s->config->run_dir);
	}
	return 0;
}

static bool is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	bool empty = dir != NULL;

	while (dir && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			empty = false;
	if (dir)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
	return empty;
}

/* root changes the mode only of what belongs to root. */
static int give_away(int fd, const struct account *to)
{
	return fchown(fd, 0, to->gid) < 0 || fchmod(fd, 0750) < 0 || fchown(fd, to->uid, to->gid) < 0 ? -1 : 0;
}

/* It must belong to the keeper's user.  Of others' only root's is given away, and only when it is empty. */
static int make_state_dir(struct supervisor *s)
{
	const char *path = s->config->state_dir;
	struct stat info;
	bool made;
	int fd, result = 0;

	if (check_way(s, "state_dir", path) < 0)
		return -1;
	fd = open_directory(path, 0750, &made);
	if (fd < 0)
		return supervisor_fail(s, fd, "cannot use state_dir %s", path);
	if (fstat(fd, &info) < 0) {
		result = supervisor_fail(s, errno, "cannot use state_dir %s", path);
	} else if (info.st_uid != s->keeper_account.uid && (info.st_uid != 0 || !is_empty(fd))) {
		result = supervisor_fail(s, 0,
					 "state_dir %s belongs to another user than '%s' (an empty one may be root's): "
					 "chown it, or choose "
					 "another",
					 path, s->config->user);
	} else if ((info.st_uid != s->keeper_account.uid || made) && give_away(fd, &s->keeper_account) < 0) {
		result = supervisor_fail(s, errno, "cannot give away state_dir %s", path);
	}
	close(fd);
	return result;
}

static int take_lock(struct supervisor *s)
{
	char text[32] = "";
	int len;

	s->lock_fd = openat(s->run_fd, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* Who may read it may lock it, and keep us from starting. */
	if (s->lock_fd < 0 || fchmod(s->lock_fd, 0600) < 0)
		return supervisor_fail(s, errno, "cannot open the lock file in %s", s->config->run_dir);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return supervisor_fail(s, errno, "cannot lock %s", s->config->run_dir);
		if (pread(s->lock_fd, text, sizeof(text) - 1, 0) < 0)
			text[0] = '\0';
		return supervisor_fail(s, 0, "another picketd (pid %ld) already runs with run_dir %s",
				       strtol(text, NULL, 10), s->config->run_dir);
	}
	len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, text, (size_t)len, 0) != len)
		return supervisor_fail(s, errno, "cannot write the lock file in %s", s->config->run_dir);
	return 0;
}

static int write_pid(struct supervisor *s)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	int result = file_replace(s->run_fd, PID_FILE, 0644, NULL, text, (size_t)len);

	if (result < 0)
		return supervisor_fail(s, result, "cannot write the pid file in %s", s->config->run_dir);
	s->pid_written = true;
	return 0;
}

static int open_queue(struct supervisor *s)
{
	/* A flood of veiled sources must not wait before others: a shorter queue, which then passes packets sooner. */
	static const struct nfqueue_setting settings[NFT_QUEUES] = {
		[NFT_QUEUE_JUDGE] = { .len = 65535 },
		[NFT_QUEUE_VEIL] = { .len = 16384, .original = true },
		[NFT_QUEUE_TRAP] = { .len = 65535 },
		[NFT_QUEUE_KIN] = { .len = 65535 },
		[NFT_QUEUE_ASK] = { .len = 65535, .original = true },
		[NFT_QUEUE_TOLD] = { .len = 65535 },
	};
	unsigned first = s->config->queue;
	int result = nfqueue_open((uint16_t)first, settings, NFT_QUEUES, &s->queue);

	if (result == -EBUSY)
		return supervisor_fail(
			s, 0,
			"queue %u..%u is in use by another program (another picketd?): set queue = another number",
			first, first + NFT_QUEUES - 1);
	if (result == -EPERM)
		return supervisor_fail(s, 0, "cannot open queue %u: root without CAP_NET_ADMIN (a container?)", first);
	if (result < 0)
		return supervisor_fail(s, result, "cannot open queue %u (does the kernel have nfnetlink_queue?)",
				       first);
	return 0;
}

static int open_socket(struct supervisor *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct writer path = writer_over(address.sun_path, sizeof(address.sun_path));
	mode_t before;
	int result;

	writer_format(&path, "%s/%s", s->config->run_dir, SOCKET_FILE);
	s->control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (path.truncated || s->control_fd < 0)
		return supervisor_fail(s, path.truncated ? ENAMETOOLONG : errno, "cannot open %s", address.sun_path);
	/* We hold the lock, so a socket that is there is left over. */
	unlinkat(s->run_fd, SOCKET_FILE, 0);
	before = umask(0177);
	result = bind(s->control_fd, (const struct sockaddr *)&address, sizeof(address));
	umask(before);
	if (result < 0)
		return supervisor_fail(s, errno, "cannot bind %s", address.sun_path);
	s->control_bound = true;
	if (fchownat(s->run_fd, SOCKET_FILE, 0, s->admin_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(s->run_fd, SOCKET_FILE, s->admin_gid == NO_GROUP ? 0600 : 0660, 0) < 0 ||
	    listen(s->control_fd, 64) < 0)
		return supervisor_fail(s, errno, "cannot listen on %s", address.sun_path);
	return 0;
}

int supervisor_place_open(struct supervisor *s)
{
	if (find_accounts(s) < 0 || open_run_dir(s) < 0 || take_lock(s) < 0 || supervisor_claim_table(s) < 0 ||
	    make_state_dir(s) < 0 || open_queue(s) < 0)
		return -1;
	return write_pid(s) < 0 || open_socket(s) < 0 ? -1 : 0;
}

void supervisor_place_close(struct supervisor *s)
{
	if (s->queue)
		nfqueue_close(s->queue);
	s->queue = NULL;
	if (s->control_bound)
		unlinkat(s->run_fd, SOCKET_FILE, 0);
	if (s->pid_written)
		unlinkat(s->run_fd, PID_FILE, 0);
	if (s->control_fd >= 0)
		close(s->control_fd);
	/* The lock file stays: if it were removed, two instances could lock two different files of one name. */
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->table_fd >= 0)
		close(s->table_fd);
	if (s->run_fd >= 0)
		close(s->run_fd);
	s->control_fd = s->lock_fd = s->table_fd = s->run_fd = -1;
}
