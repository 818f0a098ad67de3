/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files below a root of the test's own, and the addresses that logins_read() finds in them.  It reads fixed paths, so
 * it runs in a child that has changed its root: as root, or in a user namespace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmpx.h>
#include <cmocka.h>

#include "host/logins.h"
#include "sandbox/sandbox.h"

#define ALL           64
#define NOT_PERMITTED 77

static int make_root(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *root = malloc(PATH_MAX);

	if (!root)
		return -1;
	snprintf(root, PATH_MAX, "%s/picket-logins-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root)) {
		free(root);
		return -1;
	}
	*state = root;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int remove_root(void **state)
{
	nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

static void put(const char *root, const char *path, const void *data, size_t len)
{
	char full[PATH_MAX];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *slash = strchr(full + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	fclose(file);
}

static void put_text(const char *root, const char *path, const char *text)
{
	put(root, path, text, strlen(text));
}

/* "KIND ADDR" for each of at most max entries, in order, for a comparison that reads well. */
static void write_names(int fd, size_t max)
{
	static const char kinds[] = {
		[LOGINS_SESSION] = 'S',
		[LOGINS_RESOLVER] = 'R',
		[LOGINS_NTP] = 'N',
		[LOGINS_DHCP] = 'D',
	};
	struct logins_entry list[64];
	const char *denied;
	static const struct logins_admins admins = { 2, { { 0, "root" }, { 1000, "anna" } } };
	size_t count = logins_read(&admins, list, max, &denied);

	for (size_t i = 0; i < count; i++) {
		char text[ADDR_TEXT_MAX];

		dprintf(fd, "%s%c %s", i ? ", " : "", kinds[list[i].kind], addr_format(&list[i].addr, text));
	}
}

/* What a child with that root finds. */
static const char *names_in(const char *root, void (*confine)(void), size_t max, char *out, size_t size)
{
	int fds[2], status;
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (geteuid() != 0 && unshare(CLONE_NEWUSER) != 0)
			_exit(NOT_PERMITTED);
		if (chroot(root) != 0 || chdir("/") != 0)
			_exit(NOT_PERMITTED);
		if (confine)
			confine();
		write_names(fds[1], max);
		_exit(0);
	}
	close(fds[1]);
	while ((got = read(fds[0], out + len, size - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED) {
		print_message("SKIPPED: no root of its own permitted here\n");
		skip();
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return out;
}

static const char *names(const char *root, size_t max, char *out, size_t size)
{
	return names_in(root, NULL, max, out, size);
}

static void test_text_files(void **state)
{
	static const struct {
		const char *path, *text, *expected;
	} cases[] = {
		{ "/run/systemd/sessions/3",
		  "UID=0\nACTIVE=1\nSTATE=active\nREMOTE=1\nREMOTE_HOST=198.51.100.7\nSERVICE=sshd\n",
		  "S 198.51.100.7" },
		{ "/run/systemd/sessions/4", "UID=0\nSTATE=closing\nREMOTE_HOST=198.51.100.7\n", "" },
		{ "/run/systemd/sessions/5", "UID=0\nREMOTE_HOST=198.51.100.7\nSTATE=closing\n", "" },
		{ "/run/systemd/sessions/6", "UID=1000\nREMOTE_HOST=fe80::7%eth0\nSTATE=online\n", "S fe80::7" },
		{ "/run/systemd/sessions/8", "UID=1001\nREMOTE_HOST=198.51.100.7\nSTATE=active\n", "" },
		{ "/run/systemd/sessions/9", "REMOTE_HOST=198.51.100.7\nSTATE=active\n", "" },
		{ "/run/systemd/sessions/7", "UID=0\nREMOTE_HOST=host.example\nXREMOTE_HOST=192.0.2.1\n", "" },
		{ "/etc/resolv.conf",
		  "# nameserver 192.0.2.9\nnameserver 192.0.2.1\nnameserver\t2001:db8::53%eth0 \n"
		  "search 192.0.2.3\nnameserver 127.0.0.53\nnameservers 192.0.2.4\n"
		  "nameserver 192.0.2.1",
		  "R 192.0.2.1, R 2001:db8::53" },
		{ "/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\r\n", "R 192.0.2.1" },
		{ "/run/systemd/netif/leases/2",
		  "ADDRESS=192.0.2.50\nROUTER=192.0.2.254\nSERVER_ADDRESS=192.0.2.253\n"
		  "DNS=192.0.2.1 192.0.2.2\nNTP=192.0.2.3\n",
		  "D 192.0.2.254, D 192.0.2.253, R 192.0.2.1, R 192.0.2.2, N 192.0.2.3" },
		{ "/run/systemd/netif/links/2",
		  "OPER_STATE=routable\nDNS=192.0.2.1:53%eth0#dns.example [2001:db8::2]:853#x\nNTP=ntp.example\n",
		  "R 192.0.2.1, R 2001:db8::2" },
		{ "/var/lib/dhcp/dhclient.eth0.leases",
		  "lease {\n  option dhcp-server-identifier 192.0.2.111;\n}\nlease {\n"
		  "  option domain-name-servers 192.0.2.1,192.0.2.2;\n"
		  "  option ntp-servers 192.0.2.3;\n"
		  "  option dhcp-server-identifier 192.0.2.254;\n}\n",
		  "R 192.0.2.1, R 192.0.2.2, N 192.0.2.3, D 192.0.2.254" },
		{ "/var/lib/dhcp/dhclient6.leases",
		  "lease6 {\n ia-na 1 {\n }\n"
		  " option dhcp6.name-servers 2001:db8::1,2001:db8::2;\n}\n",
		  "R 2001:db8::1, R 2001:db8::2" },
		{ "/var/lib/dhcp/README", "option ntp-servers 192.0.2.3;\n", "" },
		{ "/etc/chrony/chrony.conf",
		  "Server 192.0.2.3 iburst # not 192.0.2.4\npool ntp.example\npeer 2001:db8::3\n"
		  "!server 192.0.2.5\nallow 192.0.2.6\n",
		  "N 192.0.2.3, N 2001:db8::3" },
		{ "/etc/chrony/sources.d/a.sources", "server 192.0.2.3\n", "N 192.0.2.3" },
		{ "/etc/chrony/sources.d/a.old", "server 192.0.2.3\n", "" },
		{ "/etc/ntpsec/ntp.conf", "server -4 192.0.2.3 key 7\nserver 127.127.1.0\nrestrict 192.0.2.4\n",
		  "N 192.0.2.3" },
		{ "/etc/systemd/timesyncd.conf",
		  "[Time]\n#NTP=192.0.2.9\nNTP=192.0.2.3 ntp.example 2001:db8::3\n"
		  "FallbackNTP=\"192.0.2.4\"\n",
		  "N 192.0.2.3, N 2001:db8::3, N 192.0.2.4" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char got[1024], full[PATH_MAX];

		put_text(*state, cases[i].path, cases[i].text);
		names(*state, ALL, got, sizeof(got));
		if (strcmp(got, cases[i].expected) != 0)
			fail_msg("%s: \"%s\", expected \"%s\"", cases[i].path, got, cases[i].expected);
		snprintf(full, sizeof(full), "%s%s", (const char *)*state, cases[i].path);
		assert_int_equal(unlink(full), 0);
	}
}

static void put_process(const char *root, int pid, const char *name, int real_uid, int uid)
{
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	snprintf(text, sizeof(text), "Name:\t%s\nPPid:\t1\nUid:\t%d\t%d\t%d\t%d\n", name, real_uid, uid, uid, uid);
	put_text(root, path, text);
}

/* Without logind: an admin's record whose process is root's own sshd or login. */
static void test_utmp(void **state)
{
	static const struct {
		const char *user, *host, *program;
		int type, real_uid, uid;
	} rows[] = {
		{ "root", "", "sshd", USER_PROCESS, 0, 0 }, /* by its address, see below */
		{ "root", "198.51.100.8", "sshd", DEAD_PROCESS, 0, 0 },
		{ "root", "198.51.100.9", "sshd", LOGIN_PROCESS, 0, 0 }, /* at the prompt: not logged in */
		{ "anna", "198.51.100.10", "sshd-session", USER_PROCESS, 0, 0 },
		{ "anna", ":0", "login", USER_PROCESS, 0, 0 },
		{ "anna", "198.51.100.11", "su", USER_PROCESS, 0, 0 },
		{ "anna", "198.51.100.12", "sshd", USER_PROCESS, 1001, 0 }, /* a setuid program under that name */
		{ "anna", "198.51.100.13", "sshd", USER_PROCESS, 1001, 1001 },
		{ "mallory", "198.51.100.14", "sshd", USER_PROCESS, 0, 0 },
		{ "anna", "198.51.100.15", NULL, USER_PROCESS, 0, 0 },   /* a process that is gone */
		{ "anna", "198.51.100.16", "sshd", USER_PROCESS, 0, 0 }, /* cut off below: half a record */
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
	struct utmpx records[ROWS];
	char got[1024];

	memset(records, 0, sizeof(records));
	for (int i = 0; i < ROWS; i++) {
		records[i].ut_type = (short)rows[i].type;
		records[i].ut_pid = 100 + i;
		memcpy(records[i].ut_user, rows[i].user, strlen(rows[i].user));
		memcpy(records[i].ut_host, rows[i].host, strlen(rows[i].host));
		if (rows[i].program)
			put_process(*state, 100 + i, rows[i].program, rows[i].real_uid, rows[i].uid);
	}
	memcpy(records[0].ut_addr_v6, (const uint8_t[]){ 0x20, 0x01, 0x0d, 0xb8, [15] = 0x77 }, 16);
	memset(records[0].ut_host, '9', sizeof(records[0].ut_host)); /* no NUL in it */
	put(*state, "/run/utmp", records, sizeof(records) - sizeof(records[0]) / 2);
	assert_string_equal(names(*state, ALL, got, sizeof(got)), "S 2001:db8::77, S 198.51.100.10");
	/* Where logind is, its word alone counts. */
	put_text(*state, "/run/systemd/sessions/3", "UID=1000\nSTATE=active\nREMOTE_HOST=203.0.113.5\n");
	assert_string_equal(names(*state, ALL, got, sizeof(got)), "S 203.0.113.5");
}

static void test_nothing_there(void **state)
{
	char got[1024], path[PATH_MAX];

	assert_string_equal(names(*state, ALL, got, sizeof(got)), "");
	snprintf(path, sizeof(path), "%s/run", (const char *)*state);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_string_equal(names(*state, ALL, got, sizeof(got)), "");
}

/* A FIFO, an endless line, binary rubbish, a directory in a file's place, more entries than fit. */
static void test_hostile_files(void **state)
{
	static char rubbish[400 * 1024];
	char path[PATH_MAX], got[1024];
	uint32_t x = 88172645u;

	put_text(*state, "/run/systemd/sessions/1", "UID=0\nREMOTE_HOST=192.0.2.1\n");
	snprintf(path, sizeof(path), "%s/run/systemd/sessions/1.ref", (const char *)*state);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/etc", (const char *)*state);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/etc/resolv.conf", (const char *)*state);
	assert_int_equal(mkdir(path, 0755), 0);
	for (size_t i = 0; i < sizeof(rubbish); i++) {
		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		rubbish[i] = (char)(x >> 8);
	}
	put(*state, "/run/utmp", rubbish, 383);
	put(*state, "/etc/ntp.conf", rubbish, sizeof(rubbish));
	memset(rubbish, ' ', sizeof(rubbish));
	memcpy(rubbish, "server", 6);
	memcpy(rubbish + 2000, "192.0.2.2\nserver 192.0.2.3\n", 27);
	put(*state, "/etc/ntpsec/ntp.conf", rubbish, sizeof(rubbish));
	assert_string_equal(names(*state, ALL, got, sizeof(got)), "S 192.0.2.1, N 192.0.2.3");
	put_text(*state, "/etc/chrony/chrony.conf", "server 192.0.2.4\nserver 192.0.2.5\nserver 192.0.2.6\n");
	assert_string_equal(names(*state, 3, got, sizeof(got)), "S 192.0.2.1, N 192.0.2.4, N 192.0.2.5");
}

/* As the keeper does: no privilege, seccomp, and Landlock. */
static void confine_as_keeper(void)
{
	const char *readable[LOGINS_PATHS_MAX + 1];
	const char *const writable[] = { NULL };
	int abi;

	logins_paths(readable);
	if (geteuid() != 0 || sandbox_drop(65534, 65534, false) != 0)
		_exit(NOT_PERMITTED);
	if (sandbox_landlock(writable, readable, &abi) != 0 || sandbox_seccomp(SANDBOX_KEEPER) != 0)
		_exit(1);
}

static void test_inside_the_sandbox(void **state)
{
	struct utmpx record = { .ut_type = USER_PROCESS, .ut_pid = 77, .ut_user = "root", .ut_host = "198.51.100.10" };
	char got[1024];

	assert_int_equal(chmod(*state, 0755), 0);
	put_text(*state, "/etc/resolv.conf", "nameserver 192.0.2.1\n");
	put(*state, "/run/utmp", &record, sizeof(record));
	put_process(*state, 77, "sshd", 0, 0);
	assert_string_equal(names_in(*state, confine_as_keeper, ALL, got, sizeof(got)), "S 198.51.100.10, R 192.0.2.1");
	put_text(*state, "/run/systemd/sessions/3", "UID=0\nSTATE=active\nREMOTE_HOST=198.51.100.7\n");
	put_text(*state, "/run/systemd/sessions/c4", "UID=0\nSTATE=closing\nREMOTE_HOST=198.51.100.8\n");
	assert_string_equal(names_in(*state, confine_as_keeper, ALL, got, sizeof(got)), "S 198.51.100.7, R 192.0.2.1");
}

/* What the sandbox lets through is what there is to be read. */
static void test_each_source_inside_the_sandbox(void **state)
{
	static const struct {
		const char *path, *text;
	} files[] = {
		{ "/etc/resolv.conf", "nameserver 192.0.2.1\n" },
		{ "/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.2\n" },
		{ "/run/NetworkManager/no-stub-resolv.conf", "nameserver 192.0.2.3\n" },
		{ "/run/systemd/netif/leases/2", "SERVER_ADDRESS=192.0.2.4\n" },
		{ "/run/systemd/netif/links/2", "DNS=192.0.2.5\n" },
		{ "/var/lib/dhcp/dhclient.eth0.leases", "option dhcp-server-identifier 192.0.2.6;\n" },
		{ "/etc/chrony/chrony.conf", "server 192.0.2.7\n" },
		{ "/etc/chrony/conf.d/own.conf", "server 192.0.2.8\n" },
		{ "/etc/chrony/sources.d/own.sources", "server 192.0.2.9\n" },
		{ "/run/chrony-dhcp/eth0.sources", "server 192.0.2.10\n" },
		{ "/etc/chrony.conf", "server 192.0.2.11\n" },
		{ "/etc/ntp.conf", "server 192.0.2.12\n" },
		{ "/etc/ntpsec/ntp.conf", "server 192.0.2.13\n" },
		{ "/etc/systemd/timesyncd.conf", "NTP=192.0.2.14\n" },
		{ "/etc/systemd/timesyncd.conf.d/own.conf", "NTP=192.0.2.15\n" },
		{ "/run/systemd/sessions/3", "UID=0\nSTATE=active\nREMOTE_HOST=192.0.2.16\n" },
	};
	char inside[1024], outside[1024];

	assert_int_equal(chmod(*state, 0755), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put_text(*state, files[i].path, files[i].text);
	names(*state, ALL, outside, sizeof(outside));
	assert_string_equal(names_in(*state, confine_as_keeper, ALL, inside, sizeof(inside)), outside);
	for (size_t i = 1; i <= sizeof(files) / sizeof(files[0]); i++) {
		char wanted[32];

		snprintf(wanted, sizeof(wanted), "192.0.2.%zu", i);
		assert_non_null(strstr(outside, wanted));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text_files, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_utmp, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_nothing_there, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_hostile_files, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_inside_the_sandbox, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_each_source_inside_the_sandbox, make_root, remove_root),
	};

	return cmocka_run_group_tests_name("logins", tests, NULL, NULL);
}
