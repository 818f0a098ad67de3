/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The seccomp filters: lists of the calls that a process of ours needs; any other call ends it.  A call is on a list
 * because a library that the process uses makes it: libc's allocator, clock and stdio, libevent's epoll loop, libmnl's
 * netlink, SQLite's files.  Sockets are allowed by family alone, mappings never executable.
 */
#include "sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* clang-format off */
/* What every process of ours needs: memory, time, the loop, messages between the processes. */
static const int common[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(close_range),
	SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(fcntl), SCMP_SYS(dup), SCMP_SYS(pipe2),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(sysinfo),
	SCMP_SYS(uname), SCMP_SYS(prlimit64),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(accept4), SCMP_SYS(accept),
	SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(setsockopt), SCMP_SYS(getsockopt),
	SCMP_SYS(socketpair),
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(tgkill),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(membarrier), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(rt_sigtimedwait),
};

/* Traps are opened again at a reload. */
static const int sentry_calls[] = { SCMP_SYS(listen), SCMP_SYS(ioctl) };

/* Files: SQLite with WAL (locks, maps, truncation, renames), directories, the journal's memfd for long lines. */
static const int keeper_calls[] = {
	SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(access),
	SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
	SCMP_SYS(getdents64),
	SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
	SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(link), SCMP_SYS(linkat),
	SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(chown), SCMP_SYS(fchown), SCMP_SYS(utimensat),
	SCMP_SYS(umask),
	SCMP_SYS(flock), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(memfd_create),
	SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch), SCMP_SYS(ioctl),
};
/* clang-format on */

static const int sentry_families[] = { AF_NETLINK, AF_INET, AF_INET6, AF_UNIX };
static const int keeper_families[] = { AF_UNIX };

static const struct profile {
	const int *calls, *families;
	size_t call_count, family_count;
} profiles[] = {
/* clang-format off */
#define PROFILE(calls, families) { calls, families, sizeof(calls) / sizeof(int), sizeof(families) / sizeof(int) }
	/* clang-format on */
	[SANDBOX_SENTRY] = PROFILE(sentry_calls, sentry_families),
	[SANDBOX_KEEPER] = PROFILE(keeper_calls, keeper_families),
#undef PROFILE
};

/* A call that the machine's architecture lacks (-EDOM) cannot be made there. */
static int add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int result = seccomp_rule_add(filter, action, calls[i], 0);
		if (result < 0 && result != -EDOM)
			return result;
	}
	return 0;
}

static int allow_with_arguments(scmp_filter_ctx filter, const struct profile *profile)
{
	static const int mapping[] = { SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect) };
	int result = 0;

	for (size_t i = 0; result == 0 && i < sizeof(mapping) / sizeof(mapping[0]); i++) {
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, mapping[i], 1,
					  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
		if (result == -EDOM)
			result = 0;
	}
	for (size_t i = 0; result == 0 && i < profile->family_count; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
					  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)profile->families[i], 0));
	/* Other families get an error, not the end: libraries probe. */
	for (int family = 0; result == 0 && family < AF_MAX; family++) {
		bool known = false;
		for (size_t i = 0; i < profile->family_count; i++)
			known |= profile->families[i] == family;
		if (!known)
			result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
						  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0));
	}
	return result;
}

int sandbox_seccomp(enum sandbox_profile which)
{
	const struct profile *profile = &profiles[which];
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	/* The sentry's libraries only ask whether a file exists, and ENOENT is an answer to that. */
	static const int asks[] = { SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(access), SCMP_SYS(readlink),
				    SCMP_SYS(stat) };
	int result;

	if (!filter)
		return -ENOMEM;
	/* Binary search: the packet that is being judged waits for every call. */
	result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (result == 0)
		result = add(filter, SCMP_ACT_ALLOW, common, sizeof(common) / sizeof(common[0]));
	if (result == 0)
		result = add(filter, SCMP_ACT_ALLOW, profile->calls, profile->call_count);
	if (result == 0)
		result = allow_with_arguments(filter, profile);
	if (result == 0 && which == SANDBOX_SENTRY)
		result = add(filter, SCMP_ACT_ERRNO(ENOENT), asks, sizeof(asks) / sizeof(asks[0]));
	if (result == 0)
		result = seccomp_load(filter);
	seccomp_release(filter);
	return result;
}
