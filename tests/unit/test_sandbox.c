/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Privilege is gone for good: each case runs in a child, drops what the case is about, then tries to misbehave and
 * tells by its exit status (or the signal that ended it) what came of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

#define NOBODY 65534

static int in_child(void **state, int (*act)(const char *directory))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(act(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool has(cap_value_t cap, cap_flag_t flag)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	cap_get_flag(caps, cap, flag, &value);
	cap_free(caps);
	return value == CAP_SET;
}

static int drop_all(const char *directory)
{
	(void)directory;
	if (sandbox_drop(NOBODY, NOBODY, false) != 0)
		return 10;
	if (has(CAP_NET_ADMIN, CAP_PERMITTED) || has(CAP_NET_ADMIN, CAP_EFFECTIVE) || has(CAP_SETUID, CAP_PERMITTED))
		return 11;
	if (setuid(0) == 0 || getuid() != NOBODY || getegid() != NOBODY || getgroups(0, NULL) != 0)
		return 12;
	return open("/etc/shadow", O_RDONLY) >= 0 ? 13 : 0;
}

static int drop_but_net_admin(const char *directory)
{
	int fds[2], size = 32 * 1024 * 1024;

	(void)directory;
	if (sandbox_drop(NOBODY, NOBODY, true) != 0)
		return 10;
	if (!has(CAP_NET_ADMIN, CAP_PERMITTED) || !has(CAP_NET_ADMIN, CAP_EFFECTIVE) ||
	    has(CAP_NET_ADMIN, CAP_INHERITABLE))
		return 11;
	if (has(CAP_NET_RAW, CAP_PERMITTED) || has(CAP_SYS_ADMIN, CAP_PERMITTED) || has(CAP_SETUID, CAP_PERMITTED))
		return 12;
	if (cap_get_bound(CAP_NET_ADMIN) != 0 || setuid(0) == 0)
		return 13;
	/* What the capability is for. */
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) < 0 ||
	    setsockopt(fds[0], SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		return 14;
	return 0;
}

static void privilege_goes(void **state)
{
	if (getuid() != 0)
		skip();
	assert_int_equal(in_child(state, drop_all), 0);
	assert_int_equal(in_child(state, drop_but_net_admin), 0);
}

/* Writes in WAL mode, as the keeper's store does. */
static int use_database(const char *directory)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/own/test.db", directory);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		return 20;
	if (sqlite3_exec(db,
			 "PRAGMA journal_mode=WAL; DROP TABLE IF EXISTS t; CREATE TABLE t(a); INSERT INTO t VALUES(1);"
			 "PRAGMA wal_checkpoint(TRUNCATE); DELETE FROM t; VACUUM;",
			 NULL, NULL, NULL) != SQLITE_OK)
		return 21;
	return sqlite3_close(db) == SQLITE_OK ? 0 : 22;
}

static int confined(const char *directory)
{
	char own[64], other[64];
	const char *const writable[] = { own, NULL };
	const char *const readable[] = { "/etc/services", "/nonexistent", NULL };
	int abi = -1;

	snprintf(own, sizeof(own), "%s/own", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	if (sandbox_landlock(writable, readable, &abi) != 0)
		return 10;
	if (abi == 0)
		return 77;
	if (open(other, O_WRONLY | O_CREAT, 0600) >= 0 || errno != EACCES)
		return 11;
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
		return 12;
	if (access("/etc/services", F_OK) == 0 && open("/etc/services", O_RDONLY) < 0)
		return 13;
	if (open("/etc/services", O_WRONLY) >= 0)
		return 14;
	return use_database(directory);
}

static void files_are_confined(void **state)
{
	int status = in_child(state, confined);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("this kernel has no Landlock\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static int keeper_works(const char *directory)
{
	struct timespec moment = { .tv_nsec = 1000 };
	void *big;

	if (sandbox_seccomp(SANDBOX_KEEPER) != 0)
		return 10;
	big = malloc(4 * 1024 * 1024);
	free(big);
	nanosleep(&moment, NULL);
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT || socket(AF_NETLINK, SOCK_RAW, 0) >= 0 ||
	    socket(AF_UNIX, SOCK_DGRAM, 0) >= 0)
		return 11;
	return use_database(directory);
}

static int keeper_runs_a_program(const char *directory)
{
	char name[] = "true";
	char *const arguments[] = { name, NULL };

	(void)directory;
	if (sandbox_seccomp(SANDBOX_KEEPER) == 0)
		execv("/bin/true", arguments);
	return 0;
}

static int sentry_works(const char *directory)
{
	(void)directory;
	if (sandbox_seccomp(SANDBOX_SENTRY) != 0)
		return 10;
	if (open("/etc/passwd", O_RDONLY) >= 0 || errno != ENOENT)
		return 11;
	if (socket(AF_NETLINK, SOCK_RAW, 12) < 0 || socket(AF_INET, SOCK_STREAM, 0) < 0 ||
	    socket(AF_INET6, SOCK_DGRAM, 0) < 0)
		return 12;
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0 ? 13 : 0;
}

static int sentry_maps_code(const char *directory)
{
	(void)directory;
	if (sandbox_seccomp(SANDBOX_SENTRY) == 0)
		mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return 0;
}

static int sentry_forks(const char *directory)
{
	(void)directory;
	if (sandbox_seccomp(SANDBOX_SENTRY) == 0)
		fork();
	return 0;
}

static void calls_are_filtered(void **state)
{
	assert_int_equal(in_child(state, keeper_works), 0);
	assert_int_equal(in_child(state, sentry_works), 0);
	int status = in_child(state, keeper_runs_a_program);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = in_child(state, sentry_maps_code);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = in_child(state, sentry_forks);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static int arrange(void **state)
{
	char *directory = strdup("/tmp/picket-sandbox-XXXXXX"), own[64];

	if (!directory || !mkdtemp(directory))
		return -1;
	*state = directory;
	snprintf(own, sizeof(own), "%s/own", directory);
	return mkdir(own, 0700);
}

static int clear(void **state)
{
	static const char *const left[] = { "/own/test.db", "/own/test.db-wal", "/own/test.db-shm" };
	char *directory = *state, path[96];
	int result;

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", directory, left[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/own", directory);
	result = rmdir(path) | rmdir(directory);
	free(directory);
	return result;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(privilege_goes),
		cmocka_unit_test(files_are_confined),
		cmocka_unit_test(calls_are_filtered),
	};

	return cmocka_run_group_tests(tests, arrange, clear);
}
