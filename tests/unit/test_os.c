/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operating system's edges: files read and replaced, clocks, netlink sockets, /proc, names of services.  Each test
 * has a directory of its own, which must be empty when the test says that nothing is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>

#include "clock.h"
#include "file.h"
#include "netlink.h"
#include "procfs.h"
#include "services.h"

#define NOT_PERMITTED 77

static int make_directory(void **state)
{
	char *directory = strdup("/tmp/picket-os-XXXXXX");

	*state = directory;
	return directory && mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", (const char *)*state);
	free(*state);
	return system(command);
}

static const char *in(void **state, const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned next;
	char *out = path[next++ % 4];

	snprintf(out, PATH_MAX, "%s/%s", (const char *)*state, name);
	return out;
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void assert_file(const char *path, const char *text)
{
	char got[256];

	assert_int_equal(file_read(path, got, sizeof(got)), strlen(text));
	assert_string_equal(got, text);
}

static size_t entries(const char *directory)
{
	DIR *dir = opendir(directory);
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2; /* . and .. */
}

/* ---- reading ---- */

static void test_read(void **state)
{
	char got[5];

	strcpy(got, "old");
	assert_int_equal(file_read(in(state, "missing"), got, sizeof(got)), -ENOENT);
	assert_string_equal(got, "");
	put(in(state, "empty"), "");
	strcpy(got, "old");
	assert_int_equal(file_read(in(state, "empty"), got, sizeof(got)), 0);
	assert_string_equal(got, "");
	put(in(state, "fits"), "1234");
	assert_int_equal(file_read(in(state, "fits"), got, sizeof(got)), 4);
	assert_string_equal(got, "1234");
	put(in(state, "longer"), "abcdefgh");
	assert_int_equal(file_read(in(state, "longer"), got, sizeof(got)), 4);
	assert_string_equal(got, "abcd");
	assert_int_equal(file_read(*state, got, sizeof(got)), -EISDIR);
	assert_string_equal(got, "");
}

static void test_read_whole(void **state)
{
	char *text = NULL;
	size_t len = 99;

	put(in(state, "five"), "12345");
	assert_int_equal(file_read_whole(in(state, "five"), 5, &text, &len), 0);
	assert_int_equal(len, 5);
	assert_string_equal(text, "12345");
	free(text);
	text = NULL;
	len = 99;
	assert_int_equal(file_read_whole(in(state, "five"), 4, &text, &len), -EFBIG);
	assert_int_equal(file_read_whole(in(state, "missing"), 5, &text, &len), -ENOENT);
	assert_int_equal(file_read_whole(*state, 5, &text, &len), -EISDIR);
	/* Failures leave the outputs as they were. */
	assert_null(text);
	assert_int_equal(len, 99);
	put(in(state, "empty"), "");
	assert_int_equal(file_read_whole(in(state, "empty"), 0, &text, &len), 0);
	assert_int_equal(len, 0);
	assert_string_equal(text, "");
	free(text);
}

/* With no writer, and with a writer that writes nothing: neither holds the reader up. */
static void test_a_fifo_does_not_hang(void **state)
{
	const char *path = in(state, "fifo");
	char got[16], *text;
	size_t len;
	int writer;

	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(10);
	assert_int_equal(file_read(path, got, sizeof(got)), 0);
	assert_string_equal(got, "");
	assert_int_equal(file_read_whole(path, 10, &text, &len), 0);
	free(text);
	writer = open(path, O_RDWR);
	assert_true(writer >= 0);
	assert_int_equal(file_read(path, got, sizeof(got)), -EAGAIN);
	assert_string_equal(got, "");
	/* What a writer has written so far is read, though it may write more. */
	assert_int_equal(write(writer, "12345", 5), 5);
	assert_int_equal(file_read(path, got, sizeof(got)), 5);
	assert_string_equal(got, "12345");
	alarm(0);
	close(writer);
}

/* ---- replacing ---- */

static void test_replace(void **state)
{
	const char *path = in(state, "file");
	int dir = open(*state, O_RDONLY | O_DIRECTORY);
	mode_t mask = umask(077);
	struct stat info;

	assert_int_equal(file_replace(AT_FDCWD, path, 0644, NULL, "first\n", 6), 0);
	umask(mask);
	assert_file(path, "first\n");
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0644); /* whatever the umask */
	assert_int_equal(file_replace(AT_FDCWD, path, 0600, NULL, "2\n", 2), 0);
	assert_file(path, "2\n");
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	/* By a descriptor of its directory; nothing at all is a text, too. */
	assert_int_equal(file_replace(dir, "file", 0640, NULL, "", 0), 0);
	assert_file(path, "");
	assert_int_equal(file_replace(AT_FDCWD, in(state, "missing/file"), 0600, NULL, "x", 1), -ENOENT);
	assert_int_equal(entries(*state), 1);
	close(dir);
}

static void test_replace_like_another(void **state)
{
	const char *path = in(state, "file"), *model = in(state, "model");
	struct stat like, info;

	put(model, "");
	assert_int_equal(chmod(model, 0641), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(model, 12, 34), 0);
	assert_int_equal(stat(model, &like), 0);
	assert_int_equal(file_replace(AT_FDCWD, path, 0600, &like, "x", 1), 0);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode, like.st_mode);
	assert_int_equal(info.st_uid, like.st_uid);
	assert_int_equal(info.st_gid, like.st_gid);
}

static void test_replace_a_link(void **state)
{
	const char *path = in(state, "file"), *target = in(state, "target");
	char beside[64];
	struct stat info;

	put(target, "untouched");
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(file_replace(AT_FDCWD, path, 0600, NULL, "new", 3), 0);
	assert_int_equal(lstat(path, &info), 0);
	assert_true(S_ISREG(info.st_mode));
	assert_file(path, "new");
	assert_file(target, "untouched");
	/* A link where the new file is written is not followed either. */
	snprintf(beside, sizeof(beside), "file.%ld.new", (long)getpid());
	assert_int_equal(symlink(target, in(state, beside)), 0);
	assert_int_equal(file_replace(AT_FDCWD, path, 0600, NULL, "newer", 5), 0);
	assert_file(path, "newer");
	assert_file(target, "untouched");
	assert_int_equal(entries(*state), 2);
}

static void test_a_directory_in_the_way(void **state)
{
	assert_int_equal(mkdir(in(state, "file"), 0700), 0);
	put(in(state, "file/inside"), "kept");
	assert_int_equal(file_replace(AT_FDCWD, in(state, "file"), 0600, NULL, "new", 3), -EISDIR);
	assert_file(in(state, "file/inside"), "kept");
	assert_int_equal(entries(*state), 1);
}

static int fill_disk(void **state)
{
	const char *path = in(state, "file");
	size_t len = 1024 * 1024;
	char *much = calloc(1, len), got[8];

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", *state, "tmpfs", 0, "size=64k,mode=0700") != 0)
		return NOT_PERMITTED;
	if (!much || file_replace(AT_FDCWD, path, 0600, NULL, "old", 3) != 0)
		return 1;
	if (file_replace(AT_FDCWD, path, 0600, NULL, much, len) != -ENOSPC)
		return 2;
	free(much);
	if (file_read(path, got, sizeof(got)) != 3 || strcmp(got, "old") != 0)
		return 3;
	return entries(*state) == 1 ? 0 : 4;
}

static void test_a_full_disk(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fill_disk(state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NOT_PERMITTED) {
		print_message("SKIPPED: no mounts permitted here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the rest ---- */

static void test_clocks(void **state)
{
	int64_t before = clock_s(CLOCK_REALTIME), ms, us, ns;

	(void)state;
	assert_in_range(before, 1600000000, 7258118400); /* of this century and the next */
	ms = clock_ms(CLOCK_MONOTONIC);
	us = clock_us(CLOCK_MONOTONIC);
	ns = clock_ns(CLOCK_MONOTONIC);
	assert_true(ms > 0 && ms <= us / 1000 && us <= ns / 1000);
	assert_true(ns / 1000000 - ms < 10000);
	assert_true(clock_s(CLOCK_REALTIME) - before < 10);
}

static int count_message(const struct nlmsghdr *message, void *context)
{
	*(size_t *)context += message->nlmsg_type == RTM_NEWLINK;
	return MNL_CB_OK;
}

static void test_netlink(void **state)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	struct mnl_socket *socket = NULL;
	struct netlink_dump *dump;
	size_t links = 0;
	int size = 1 << 20, error;

	(void)state;
	assert_int_equal(netlink_open(NETLINK_ROUTE, SOCK_NONBLOCK, 0, &socket), 0);
	assert_true(mnl_socket_get_portid(socket) != 0);
	assert_true(fcntl(mnl_socket_get_fd(socket), F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(mnl_socket_get_fd(socket), F_GETFL) & O_NONBLOCK);
	mnl_socket_close(socket);
	socket = NULL;
	error = netlink_open(NETLINK_ROUTE, 0, size, &socket);
	if (error) { /* without CAP_NET_ADMIN, and then without a socket */
		assert_int_equal(error, -EPERM);
		assert_null(socket);
	} else {
		socklen_t len = sizeof(size);

		assert_int_equal(getsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUF, &size, &len), 0);
		assert_int_equal(size, 2 << 20); /* the kernel doubles it */
		mnl_socket_close(socket);
	}
	assert_int_equal(netlink_open(1000, 0, 0, &socket), -EPROTONOSUPPORT);
	assert_int_equal(netlink_dump_open(NETLINK_ROUTE, &dump), 0);
	assert_int_equal(netlink_dump_ask(dump, RTM_GETLINK, &header, 65, count_message, &links, NULL), -EINVAL);
	/* An error of the kernel's leaves the socket fit for the next question. */
	assert_true(netlink_dump_ask(dump, 0x7fff, &header, sizeof(header), count_message, &links, NULL) < 0);
	assert_int_equal(netlink_dump_ask(dump, RTM_GETLINK, &header, sizeof(header), count_message, &links, NULL), 0);
	assert_true(links > 0); /* lo is everywhere */
	netlink_dump_close(dump);
}

static void test_procfs(void **state)
{
	struct procfs_status status, children[4];
	struct procfs_owner owner = { 0 };
	int64_t number = 99;
	struct stat info;
	int fd, count;
	pid_t pid;

	put(in(state, "number"), " -42\n");
	assert_int_equal(procfs_number(in(state, "number"), &number), 0);
	assert_int_equal(number, -42);
	put(in(state, "word"), "many\n");
	assert_int_equal(procfs_number(in(state, "word"), &number), -EBADMSG);
	assert_int_equal(procfs_number(in(state, "missing"), &number), -ENOENT);
	assert_int_equal(number, -42);

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(procfs_status(pid, &status), 0);
	assert_int_equal(status.pid, pid);
	assert_int_equal(status.parent, getpid());
	assert_int_equal(status.uid, geteuid());
	assert_string_equal(status.name, "test_os");
	count = procfs_children(getpid(), children, 4);
	assert_int_equal(count, 1);
	assert_int_equal(children[0].pid, pid);
	assert_int_equal(procfs_children(getpid(), NULL, 0), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(procfs_status(pid, &status), -ENOENT);

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(fstat(fd, &info), 0);
	owner.inode = (uint32_t)info.st_ino;
	assert_int_equal(procfs_owners(&owner, 1), 0);
	assert_int_equal(owner.pid, getpid());
	assert_string_equal(owner.program, "test_os");
	assert_int_equal(procfs_owners(NULL, 0), 0);
	close(fd);
}

static void test_services(void **state)
{
	struct service_names *names = services_read();

	(void)state;
	if (!names) {
		print_message("SKIPPED: no " SERVICES_FILE " here\n");
		skip();
	}
	assert_string_equal(service_name(names, 6, 22), "ssh");
	service_names_free(names);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_read),
		CASE(test_read_whole),
		CASE(test_a_fifo_does_not_hang),
		CASE(test_replace),
		CASE(test_replace_like_another),
		CASE(test_replace_a_link),
		CASE(test_a_directory_in_the_way),
		CASE(test_a_full_disk),
		CASE(test_clocks),
		CASE(test_netlink),
		CASE(test_procfs),
		CASE(test_services),
	};

	return cmocka_run_group_tests_name("os", tests, NULL, NULL);
}
