/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way into the sandbox: each step of it is refused once, and what is opened on the way is good for nothing more
 * than it is for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandboxed.h"

#ifndef __NR_landlock_create_ruleset /* headers of Linux 5.13 */
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_add_rule       445
#define __NR_landlock_restrict_self  446
#endif

/* ---- what the sentry's capability is good for ---- */

/* Brings the loopback interface up, over that socket: 0 or -errno. */
static int change_an_interface(int fd)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} question = { .head = { .nlmsg_len = sizeof(question),
				 .nlmsg_type = RTM_NEWLINK,
				 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		       .link = { .ifi_index = 1, .ifi_flags = 1, .ifi_change = 1 } };
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[256];
	} answer;

	if (send(fd, &question, sizeof(question), 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		return -errno;
	return answer.error.error;
}

static void the_sentry_changes_no_interface(void **state)
{
	int status;

	(void)state;
	if (getuid() != 0)
		skip();
	/* In a network namespace of its own: with a socket opened as root opens it, it would. */
	for (int down = 0; down < 2; down++) {
		pid_t child = fork();

		if (child == 0) {
			int fd;

			if (unshare(CLONE_NEWNET) < 0 || sandbox_lay_down(down) < 0)
				_exit(NOT_SET);
			fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
			if (fd < 0 || sandbox_lay_down(false) < 0 || set_up(SENTRY, "/nonexistent") < 0)
				_exit(NOT_SET);
			_exit(change_an_interface(fd) == (down ? -EPERM : 0) ? 0 : 1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
}

/* ---- each step of the set-up fails ---- */

static const struct step {
	int call, argument; /* -1: whatever its arguments are */
	uint64_t value;
	int who;
} steps[] = {
	{ SCMP_SYS(prlimit64), -1, 0, WORKERS },
	{ SCMP_SYS(prctl), 0, PR_SET_KEEPCAPS, WORKERS },
	{ SCMP_SYS(prctl), 0, PR_CAP_AMBIENT, ALL },
	{ SCMP_SYS(prctl), 0, PR_CAPBSET_READ, ALL },
	{ SCMP_SYS(prctl), 0, PR_CAPBSET_DROP, ALL },
	{ SCMP_SYS(prctl), 0, PR_SET_NO_NEW_PRIVS, ALL },
	{ SCMP_SYS(prctl), 0, PR_SET_DUMPABLE, WORKERS },
	{ SCMP_SYS(setgroups), -1, 0, WORKERS },
	{ SCMP_SYS(setresgid), -1, 0, WORKERS },
	{ SCMP_SYS(setresuid), -1, 0, WORKERS },
	{ SCMP_SYS(capget), -1, 0, ALL },
	{ SCMP_SYS(capset), -1, 0, ALL },
	{ SCMP_SYS(landlock_create_ruleset), -1, 0, KEEPER },
	{ SCMP_SYS(landlock_add_rule), -1, 0, KEEPER },
	{ SCMP_SYS(landlock_restrict_self), -1, 0, KEEPER },
	{ SCMP_SYS(seccomp), -1, 0, ALL },
};

static void refuse(const struct step *step)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	const struct scmp_arg_cmp where = { (unsigned)step->argument, SCMP_CMP_EQ, step->value, 0 };

	if (!filter || seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) < 0 ||
	    seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), step->call, step->argument >= 0,
				   step->argument >= 0 ? &where : NULL) < 0 ||
	    seccomp_load(filter) < 0)
		_exit(NOT_SET);
	seccomp_release(filter);
}

static void every_step_must_succeed(void **state)
{
	static const int processes[] = { SENTRY, KEEPER, SUPERVISOR };
	bool landlock = syscall(__NR_landlock_create_ruleset, NULL, 0, 1) > 0;

	(void)state;
	if (getuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		for (size_t j = 0; j < sizeof(processes) / sizeof(processes[0]); j++) {
			int status;
			pid_t child;

			if (!(steps[i].who & processes[j]) || (steps[i].who == KEEPER && !landlock))
				continue;
			child = fork();
			if (child == 0) {
				refuse(&steps[i]);
				_exit(set_up(processes[j], "/nonexistent") < 0 ? 0 : 1);
			}
			assert_int_equal(waitpid(child, &status, 0), child);
			if (status != 0)
				print_message("step %zu of process %d: status %d\n", i, processes[j], status);
			assert_int_equal(status, 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sentry_changes_no_interface),
		cmocka_unit_test(every_step_must_succeed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
