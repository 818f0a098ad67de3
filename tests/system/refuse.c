/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refuse CALL[:ERRNO] [ARGUMENT=VALUE] PROGRAM ...: runs a program to which, and to whatever it starts, one system call
 * is refused (EPERM, or that number), everywhere or where an argument (0 to 5) has that value. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned number;
} calls[] = {
	{ "capset", SYS_capset },
	{ "close_range", SYS_close_range },
	{ "landlock_add_rule", SYS_landlock_add_rule },
	{ "landlock_create_ruleset", SYS_landlock_create_ruleset },
	{ "landlock_restrict_self", SYS_landlock_restrict_self },
	{ "openat", SYS_openat },
	{ "prctl", SYS_prctl },
	{ "prlimit64", SYS_prlimit64 },
	{ "seccomp", SYS_seccomp },
	{ "setgroups", SYS_setgroups },
	{ "setresgid", SYS_setresgid },
	{ "setresuid", SYS_setresuid },
	{ "setsid", SYS_setsid },
};

static unsigned number_of(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].number;
	fprintf(stderr, "refuse: no call %s\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	char *colon = argc > 2 ? strchr(argv[1], ':') : NULL;
	unsigned error = colon ? (unsigned)atoi(colon + 1) : EPERM, argument = 0, value = 0, next = 2;
	unsigned call = argc > 2 ? number_of(strtok(argv[1], ":")) : 0;
	int narrow = argc > 3 && sscanf(argv[2], "%u=%u", &argument, &value) == 2;
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
		/* The lower half, on a machine whose lower half comes first. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, args) + argument * 8),
		BPF_JUMP(BPF_JMP | (narrow ? BPF_JEQ : BPF_JGE) | BPF_K, narrow ? value : 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(program) / sizeof(program[0]), program };

	if (argc < 3)
		return 2;
	next += (unsigned)narrow;
	/* As root, so without no_new_privs, which is one of the things that may be refused. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0) {
		perror("refuse: seccomp");
		return 77;
	}
	execvp(argv[next], argv + next);
	perror(argv[next]);
	return 2;
}
