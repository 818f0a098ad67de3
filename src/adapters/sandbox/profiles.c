/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each process may ask of the kernel, as tables.  A call is here because a library that the process uses makes it:
 * libc's allocator, clock and stdio, libevent's epoll loop, libmnl's netlink, SQLite's files.
 */
#include "profile.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define ANY(name)                                                                                                      \
	{                                                                                                              \
		SCMP_SYS(name), -1, 0, 0                                                                               \
	}
#define BITS(name, arg, mask, value)                                                                                   \
	{                                                                                                              \
		SCMP_SYS(name), arg, mask, value                                                                       \
	}
/* The lower half alone: that is what the kernel reads of an int. */
#define EQUALS(name, arg, value)                                                                                       \
	{                                                                                                              \
		SCMP_SYS(name), arg, 0xffffffff, value                                                                 \
	}
#define NO_CODE(name) BITS(name, 2, PROT_EXEC, 0)
/* No file is made set-uid or set-gid. */
#define PLAIN_MODE(name, arg) BITS(name, arg, S_ISUID | S_ISGID, 0)

/* clang-format off */
/* Memory, time, the loop, messages between the processes.  Names that end in 64, mmap2 and the like are those of 32-bit
 * machines. */
static const struct sandbox_call common_calls[] = {
	ANY(read), ANY(readv), ANY(write), ANY(writev), ANY(close), ANY(lseek), ANY(_llseek), ANY(fstat), ANY(fstat64),
	EQUALS(fcntl, 1, F_GETFD), EQUALS(fcntl, 1, F_SETFD), EQUALS(fcntl, 1, F_GETFL), EQUALS(fcntl, 1, F_SETFL),
	EQUALS(fcntl64, 1, F_GETFD), EQUALS(fcntl64, 1, F_SETFD), EQUALS(fcntl64, 1, F_GETFL),
	EQUALS(fcntl64, 1, F_SETFL),
	ANY(brk), ANY(munmap), ANY(mremap), ANY(madvise), NO_CODE(mmap), NO_CODE(mmap2), NO_CODE(mprotect),
	ANY(clock_gettime), ANY(clock_gettime64), ANY(clock_getres), ANY(clock_nanosleep), ANY(clock_nanosleep_time64),
	ANY(nanosleep), ANY(gettimeofday), ANY(time),
	ANY(getrandom), ANY(getpid), ANY(getppid), ANY(gettid), ANY(getuid), ANY(geteuid), ANY(getgid), ANY(getegid),
	ANY(getuid32), ANY(geteuid32), ANY(getgid32), ANY(getegid32),
	ANY(getrusage), ANY(sysinfo), ANY(uname), ANY(sched_getaffinity),
	ANY(rt_sigaction), ANY(rt_sigprocmask), ANY(rt_sigreturn), ANY(sigreturn), ANY(sigaltstack),
	ANY(restart_syscall),
	ANY(epoll_ctl), ANY(epoll_wait), ANY(epoll_pwait), ANY(poll), ANY(ppoll), ANY(ppoll_time64),
#ifdef __NR_epoll_pwait2 /* headers of Linux 5.11 */
	ANY(epoll_pwait2),
#endif
	ANY(timerfd_create), ANY(timerfd_settime), ANY(timerfd_settime64),
	ANY(sendto), ANY(sendmsg), ANY(sendmmsg), ANY(recvfrom), ANY(recvmsg), ANY(recvmmsg), ANY(recvmmsg_time64),
	ANY(accept4), ANY(accept), ANY(shutdown), ANY(getsockname), ANY(getpeername), ANY(getsockopt),
	ANY(futex), ANY(futex_time64), ANY(sched_yield), ANY(set_robust_list), ANY(rseq),
	ANY(exit), ANY(exit_group),
};

/* Nothing of the file system: what was read there was read before. */
static const struct sandbox_call sentry_calls[] = {
	ANY(bind), ANY(listen),
};
/* Netlink for rules, sets and conntrack (the sockets that ask for routes and for listeners were opened before); the
 * traps, which are opened again at a reload, and datagrams to ask the older iptables who uses conntrack. */
static const struct sandbox_socket sentry_sockets[] = {
	{ AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER },
	{ AF_INET, SOCK_STREAM, 0 }, { AF_INET, SOCK_DGRAM, 0 },
	{ AF_INET6, SOCK_STREAM, 0 }, { AF_INET6, SOCK_DGRAM, 0 },
};
static const struct sandbox_option sentry_options[] = {
	{ SOL_SOCKET, SO_REUSEADDR }, { SOL_SOCKET, SO_REUSEPORT }, { SOL_SOCKET, SO_LINGER },
	{ SOL_SOCKET, SO_RCVTIMEO },
	{ SOL_SOCKET, SO_RCVBUF }, { SOL_SOCKET, SO_RCVBUFFORCE }, { SOL_SOCKET, SO_SNDBUF },
	{ SOL_SOCKET, SO_SNDBUFFORCE },
	{ SOL_NETLINK, NETLINK_ADD_MEMBERSHIP }, { SOL_NETLINK, NETLINK_DROP_MEMBERSHIP },
	{ SOL_NETLINK, NETLINK_CAP_ACK }, { SOL_NETLINK, NETLINK_EXT_ACK }, { SOL_NETLINK, NETLINK_NO_ENOBUFS },
	{ IPPROTO_IP, IP_TRANSPARENT }, { IPPROTO_IPV6, IPV6_V6ONLY }, { IPPROTO_IPV6, IPV6_TRANSPARENT },
	{ IPPROTO_TCP, TCP_SYNCNT }, { IPPROTO_TCP, TCP_SAVE_SYN }, { IPPROTO_TCP, TCP_REPAIR },
};
static const int sentry_absent[] = {
	SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(stat), SCMP_SYS(stat64), SCMP_SYS(lstat), SCMP_SYS(lstat64),
	SCMP_SYS(newfstatat),
	SCMP_SYS(fstatat64), SCMP_SYS(statx),
};

/* Files: SQLite with WAL (locks, maps, truncation, renames), directories; and libevent, which asks how much there is to
 * read.  No socket: those of the log, of clients and of the other processes were opened before, or are accepted. */
static const struct sandbox_call keeper_calls[] = {
	PLAIN_MODE(openat, 3), PLAIN_MODE(open, 2), ANY(stat), ANY(stat64), ANY(lstat), ANY(lstat64), ANY(newfstatat),
	ANY(fstatat64), ANY(statx), ANY(access), ANY(faccessat), ANY(faccessat2),
	ANY(statfs), ANY(statfs64), ANY(fstatfs), ANY(fstatfs64), ANY(readlink), ANY(readlinkat), ANY(getcwd),
	ANY(getdents64),
	ANY(pread64), ANY(pwrite64), ANY(preadv), ANY(pwritev), ANY(fsync), ANY(fdatasync), ANY(ftruncate),
	ANY(ftruncate64), ANY(fallocate),
	ANY(unlink), ANY(unlinkat), ANY(rename), ANY(renameat), ANY(renameat2),
	PLAIN_MODE(chmod, 1), PLAIN_MODE(fchmod, 1), PLAIN_MODE(fchmodat, 2), ANY(fchown), ANY(fchown32),
	ANY(utimensat), ANY(umask), ANY(flock), PLAIN_MODE(mkdir, 1), PLAIN_MODE(mkdirat, 2),
	EQUALS(fcntl, 1, F_GETLK), EQUALS(fcntl, 1, F_SETLK), EQUALS(fcntl, 1, F_DUPFD),
	EQUALS(fcntl, 1, F_DUPFD_CLOEXEC),
	EQUALS(fcntl64, 1, F_GETLK64), EQUALS(fcntl64, 1, F_SETLK64), EQUALS(fcntl64, 1, F_DUPFD),
	EQUALS(fcntl64, 1, F_DUPFD_CLOEXEC),
	ANY(epoll_create1), ANY(eventfd2), ANY(pipe2),
	EQUALS(ioctl, 1, FIONREAD),
};
/* As picket.service has it. */
const int sandbox_root_denied[] = {
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
	SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
	SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct),
	SCMP_SYS(quotactl), SCMP_SYS(syslog), SCMP_SYS(vhangup), SCMP_SYS(fanotify_init),
	SCMP_SYS(mount), SCMP_SYS(umount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
	SCMP_SYS(open_tree),
	SCMP_SYS(move_mount), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
	SCMP_SYS(setns), SCMP_SYS(unshare),
	SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at), SCMP_SYS(lookup_dcookie),
	SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_settime64), SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime), SCMP_SYS(clock_adjtime64), SCMP_SYS(stime),
	SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(iopl), SCMP_SYS(ioperm),
};
const size_t sandbox_root_denied_count = COUNT(sandbox_root_denied);
/* clang-format on */

const struct sandbox_profile_rules sandbox_common = { .calls = common_calls, .call_count = COUNT(common_calls) };

const struct sandbox_profile_rules *sandbox_rules_of(enum sandbox_profile profile)
{
	static const struct sandbox_profile_rules rules[] = {
		[SANDBOX_SENTRY] = { .calls = sentry_calls,
				     .call_count = COUNT(sentry_calls),
				     .sockets = sentry_sockets,
				     .socket_count = COUNT(sentry_sockets),
				     .options = sentry_options,
				     .option_count = COUNT(sentry_options),
				     .absent = sentry_absent,
				     .absent_count = COUNT(sentry_absent) },
		[SANDBOX_KEEPER] = { .calls = keeper_calls, .call_count = COUNT(keeper_calls) },
	};

	return &rules[profile];
}
