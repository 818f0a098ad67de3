/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What code of a stranger's would try in one of our processes.  Each attempt runs in a child that has set itself up as
 * the sentry, the keeper or the supervisor does, and must fail: by an error, or by the end of the process.  Each is
 * first tried without any of that; where it does not even work then (an old kernel, a container), it proves nothing
 * here, and is said to be skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandboxed.h"

#define HARD_LIMIT 65536 /* of locked memory */
#define WORKED     0
#define FAILED     1

/* What is there to be attacked, made before. */
static struct {
	char directory[64], own[80], program[96];
	int inet_port;
	pid_t sibling;
	int terminal; /* the controlling one of the child */
} field;

/* ---- the attempts: 0 where it worked ---- */

static int outcome(long result)
{
	return result < 0 ? FAILED : WORKED;
}

static int execute(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return FAILED;
}

static int start_a_process(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return outcome(child);
}

static int open_a_file(void)
{
	return outcome(open("/etc/passwd", O_RDONLY));
}

static int open_other_state(void)
{
	return outcome(open("/var/lib/dpkg/status", O_RDONLY));
}

static int write_elsewhere(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/elsewhere", field.directory);
	return outcome(open(path, O_WRONLY | O_CREAT, 0600));
}

static int make_a_set_uid_file(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/made", field.own);
	unlink(path);
	return outcome(open(path, O_WRONLY | O_CREAT, 06755));
}

static int make_a_file_set_uid(void)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/changed", field.own);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT, 0700);
	return fd < 0 ? FAILED : outcome(fchmod(fd, 04755));
}

static int connect_inet(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)field.inet_port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd < 0 ? FAILED : outcome(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int connect_unix(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s/stream", field.directory);
	return fd < 0 ? FAILED : outcome(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int open_unix(void)
{
	return outcome(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static int packet_socket(void)
{
	return outcome(socket(AF_PACKET, SOCK_RAW, 0));
}

static int raw_socket(void)
{
	return outcome(socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
}

static int multipath_socket(void)
{
	return outcome(socket(AF_INET, SOCK_STREAM, 262));
}

static int netlink_of_ipsec(void)
{
	return outcome(socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM));
}

static int generic_netlink(void)
{
	return outcome(socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC));
}

static int layer_over_tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* Refused for a socket that is not connected: then it was looked at. */
	return fd < 0 || (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4) < 0 && errno != ENOTCONN && errno != ENOENT)
		       ? FAILED
		       : WORKED;
}

static int trace_a_sibling(void)
{
	return outcome(ptrace(PTRACE_SEIZE, field.sibling, NULL, NULL));
}

static int load_bpf(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	return outcome(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int use_keys(void)
{
	return outcome(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1));
}

static int type_into_the_terminal(void)
{
	return outcome(ioctl(field.terminal, TIOCSTI, "x"));
}

/* The kernel is asked for something it does not know on this terminal: only EPERM, ENOTTY and the end mean no. */
static int use_the_console(void)
{
	char request[2] = { 6, 0 };

	return outcome(ioctl(field.terminal, TIOCLINUX, request));
}

/* As a process of the same user. */
static int signal_a_sibling(void)
{
	return outcome(kill(field.sibling, SIGCONT));
}

static int signal_a_thread_of_it(void)
{
	return outcome(syscall(SYS_tgkill, field.sibling, field.sibling, SIGCONT));
}

static int limit_a_sibling(void)
{
	struct rlimit limit = { 64, 64 };

	/* What root may do is another question: CAP_SYS_RESOURCE. */
	if (getuid() == 0 && (setresgid(USER, USER, USER) < 0 || setresuid(USER, USER, USER) < 0))
		return FAILED;
	return outcome(prlimit(field.sibling, RLIMIT_NOFILE, &limit, NULL));
}

static int raise_its_limits(void)
{
	struct rlimit limit = { HARD_LIMIT, HARD_LIMIT };

	return outcome(setrlimit(RLIMIT_MEMLOCK, &limit));
}

static int raise_its_hard_limits(void)
{
	struct rlimit limit = { 2 * HARD_LIMIT, 2 * HARD_LIMIT };

	return outcome(setrlimit(RLIMIT_MEMLOCK, &limit));
}

static int become_root(void)
{
	return outcome(setresuid(0, 0, 0));
}

static int __attribute__((unused)) take_much_memory(void)
{
	return mmap(NULL, 3UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) ==
			       MAP_FAILED
		       ? FAILED
		       : WORKED;
}

static int map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? FAILED
													 : WORKED;
}

static int leave_the_namespaces(void)
{
	return outcome(unshare(CLONE_NEWNET));
}

static int use_a_ring(void)
{
	char parameters[256] = "";

	return outcome(syscall(SYS_io_uring_setup, 1, parameters));
}

/* The other numbers of system calls that a 64-bit kernel of this machine takes. */
static int use_the_numbers_of_32_bits(void)
{
#ifdef __x86_64__
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11"); /* getpid */
	return result == getpid() ? WORKED : FAILED;
#else
	return FAILED;
#endif
}

/* A program that is set-uid to root, run by another user: as a hook would. */
static int gain_by_a_set_uid_program(void)
{
	if (getuid() == 0 && setresuid(USER, USER, USER) < 0)
		return FAILED;
	execl(field.program, "whoami", (char *)NULL);
	return FAILED;
}

static const struct attempt {
	const char *what;
	int (*act)(void);
	int who; /* must not be able to */
} attempts[] = {
	{ "execute a program", execute, WORKERS },
	{ "start a process", start_a_process, WORKERS },
	{ "open a file", open_a_file, WORKERS },
	{ "open a file of /var/lib", open_other_state, WORKERS },
	{ "write elsewhere", write_elsewhere, WORKERS },
	{ "make a set-uid file", make_a_set_uid_file, WORKERS },
	{ "make a file set-uid", make_a_file_set_uid, WORKERS },
	{ "connect, inet", connect_inet, WORKERS },
	{ "connect, unix", connect_unix, WORKERS },
	{ "a unix socket", open_unix, WORKERS },
	{ "a packet socket", packet_socket, ALL },
	{ "a raw socket", raw_socket, ALL },
	{ "multipath TCP", multipath_socket, WORKERS },
	{ "netlink of IPsec", netlink_of_ipsec, WORKERS },
	{ "generic netlink", generic_netlink, WORKERS },
	{ "TLS in the kernel", layer_over_tcp, WORKERS },
	{ "ptrace a sibling", trace_a_sibling, ALL },
	{ "bpf", load_bpf, ALL },
	{ "keyctl", use_keys, ALL },
	{ "TIOCSTI", type_into_the_terminal, ALL },
	{ "TIOCLINUX", use_the_console, ALL },
	{ "signal a sibling", signal_a_sibling, WORKERS },
	{ "signal a sibling's thread", signal_a_thread_of_it, WORKERS },
	{ "limit a sibling", limit_a_sibling, WORKERS },
	{ "raise its limits", raise_its_limits, WORKERS },
	{ "raise its hard limits", raise_its_hard_limits, ALL },
	{ "become root", become_root, WORKERS },
#ifndef __SANITIZE_ADDRESS__ /* which takes all of it */
	{ "take 3 GiB", take_much_memory, WORKERS },
#endif
	{ "map code", map_code, WORKERS },
	{ "unshare", leave_the_namespaces, ALL },
	{ "io_uring", use_a_ring, ALL },
	{ "system calls of 32 bits", use_the_numbers_of_32_bits, ALL },
	{ "gain by a set-uid program", gain_by_a_set_uid_program, ALL },
};

/* In a session whose controlling terminal is one of ours, as when picketd was started by hand: the worst case. */
static int try(const struct attempt *attempt, int who)
{
	int status, master, result;
	const struct rlimit memlock = { HARD_LIMIT / 2, HARD_LIMIT };
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		if (setrlimit(RLIMIT_MEMLOCK, &memlock) < 0 || setsid() < 0 ||
		    openpty(&master, &field.terminal, NULL, NULL, NULL) < 0 || ioctl(field.terminal, TIOCSCTTY, 0) < 0)
			_exit(NOT_SET);
		/* The sibling has the user of the process; nobody else's is asked about here. */
		result = set_up(who, field.own);
		_exit(result < 0 ? NOT_SET : attempt->act());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == NOT_SET);
	return status;
}

static bool has_failed(int status)
{
	return (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) ||
	       (WIFEXITED(status) && WEXITSTATUS(status) == FAILED);
}

static void try_all(int who)
{
	bool good = true;

	if (getuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (!(attempts[i].who & who))
			continue;
		if (try(&attempts[i], 0) != 0) {
			print_message("skipped, it does not work here anyway: %s\n", attempts[i].what);
			continue;
		}
		if (!has_failed(try(&attempts[i], who))) {
			print_message("WORKS: %s\n", attempts[i].what);
			good = false;
		}
	}
	assert_true(good);
}

static void the_sentry_can_do_none_of_it(void **state)
{
	(void)state;
	try_all(SENTRY);
}

static void the_keeper_can_do_none_of_it(void **state)
{
	(void)state;
	try_all(KEEPER);
}

static void the_supervisor_can_do_none_of_it(void **state)
{
	(void)state;
	try_all(SUPERVISOR);
}

/* ---- the field ---- */

static int listen_inet(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	field.inet_port = ntohs(at.sin_port);
	return 0;
}

static int listen_unix(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/stream", field.directory);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || chmod(at.sun_path, 0777) < 0)
		return -1;
	return listen(fd, 64);
}

/* This program again, set-uid: started as "whoami" it tells whether it is root. */
static int copy_program(void)
{
	char chunk[65536];
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to;
	ssize_t got;

	snprintf(field.program, sizeof(field.program), "%s/whoami", field.directory);
	to = open(field.program, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	if (from < 0 || to < 0)
		return -1;
	while ((got = read(from, chunk, sizeof(chunk))) > 0)
		if (write(to, chunk, (size_t)got) != got)
			return -1;
	close(from);
	return fchmod(to, 04755) < 0 || close(to) < 0 || got < 0 ? -1 : 0;
}

static int arrange(void **state)
{
	(void)state;
	if (getuid() != 0)
		return 0;
	strcpy(field.directory, "/tmp/picket-hostile-XXXXXX");
	if (!mkdtemp(field.directory) || chmod(field.directory, 0755) < 0)
		return -1;
	snprintf(field.own, sizeof(field.own), "%s/own", field.directory);
	if (mkdir(field.own, 0700) < 0 || chown(field.own, USER, USER) < 0 || listen_inet() < 0 || listen_unix() < 0 ||
	    copy_program() < 0)
		return -1;
	field.sibling = fork();
	if (field.sibling == 0) {
		if (setresgid(USER, USER, USER) == 0 && setresuid(USER, USER, USER) == 0)
			pause();
		_exit(0);
	}
	return field.sibling < 0 ? -1 : 0;
}

static int clear(void **state)
{
	static const char *const left[] = { "own/made", "own/changed", "elsewhere", "stream", "whoami" };
	char path[96];

	(void)state;
	if (getuid() != 0)
		return 0;
	kill(field.sibling, SIGKILL);
	waitpid(field.sibling, NULL, 0);
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", field.directory, left[i]);
		unlink(path);
	}
	return rmdir(field.own) | rmdir(field.directory);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sentry_can_do_none_of_it),
		cmocka_unit_test(the_keeper_can_do_none_of_it),
		cmocka_unit_test(the_supervisor_can_do_none_of_it),
	};

	if (argc == 1 && strcmp(argv[0], "whoami") == 0)
		return geteuid() == 0 ? WORKED : FAILED;
	return cmocka_run_group_tests(tests, arrange, clear);
}
