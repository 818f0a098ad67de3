/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into picketd, so that calls fail with the sandbox on: each n-th call of some kinds, of one process or of
 * all, gets an error, or writes half of what it was given.  A batch for nftables can be refused by the kernel itself,
 * for whatever reason is told.  The clock of the day is as wrong as is said.  A test says all of it in a file that is
 * mapped here at the start, as struct orders (faults.py has it as well).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, OPEN = 4, SEND = 8, RECV = 16, WAIT = 32, MEMORY = 64, BATCH = 128, OVERRUN = 256 };

#define BATCH_BEGIN   0x10 /* NFNL_MSG_BATCH_BEGIN */
#define NFTABLES      10   /* NFNL_SUBSYS_NFTABLES */
#define NO_SUCH_ORDER 0xff

struct orders {
	int64_t clock_ms;
	uint32_t pid;   /* 0: all */
	uint32_t kinds; /* 0: none */
	uint32_t each;
	int32_t error; /* 0: half is written */
	uint32_t turn, failed;
};

static struct orders none, *orders = &none;

#define REAL(call)                                                                                                     \
	({                                                                                                             \
		static __typeof__(&call) found;                                                                        \
                                                                                                                       \
		if (!found)                                                                                            \
			found = (__typeof__(&call))dlsym(RTLD_NEXT, #call);                                            \
		found;                                                                                                 \
	})

static void __attribute__((constructor)) map_orders(void)
{
	const char *path = getenv("FAULTY");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(none), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (mapped != MAP_FAILED)
		orders = mapped;
	if (fd >= 0)
		close(fd);
}

static bool turn(unsigned kind)
{
	if (!(orders->kinds & kind) || (orders->pid && orders->pid != (uint32_t)getpid()) ||
	    __atomic_add_fetch(&orders->turn, 1, __ATOMIC_RELAXED) % orders->each != 0)
		return false;
	__atomic_add_fetch(&orders->failed, 1, __ATOMIC_RELAXED);
	return true;
}

/* The kernel interrupts only who waits. */
static bool may_wait(int fd, int flags)
{
	int how;

	if (orders->error != EINTR || fd < 0)
		return true;
	how = fcntl(fd, F_GETFL);
	return !(flags & MSG_DONTWAIT) && how >= 0 && !(how & O_NONBLOCK);
}

/* A disk is full for files alone. */
static bool may_fail(unsigned kind, int fd, int flags)
{
	struct stat status;

	if (kind == WRITE && orders->error != EINTR)
		return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	return may_wait(fd, flags);
}

static bool fails(unsigned kind, int fd, int flags)
{
	if (!(orders->kinds & kind) || orders->error == 0 || !may_fail(kind, fd, flags) || !turn(kind))
		return false;
	errno = orders->error;
	return true;
}

/* Whole messages are taken whole or not at all. */
static size_t taken(int fd, size_t len)
{
	struct stat status;

	return orders->kinds && orders->error == 0 && len > 1 && fstat(fd, &status) == 0 &&
			       (S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode)) && turn(WRITE)
		       ? len / 2
		       : len;
}

/* ---- files ---- */

ssize_t write(int fd, const void *data, size_t len)
{
	return fails(WRITE, fd, 0) ? -1 : REAL(write)(fd, data, taken(fd, len));
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	return fails(WRITE, fd, 0) ? -1 : REAL(pwrite)(fd, data, taken(fd, len), at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	return fails(WRITE, fd, 0) ? -1 : REAL(pwrite64)(fd, data, taken(fd, len), at);
}

int ftruncate(int fd, off_t len)
{
	return fails(WRITE, fd, 0) ? -1 : REAL(ftruncate)(fd, len);
}

int ftruncate64(int fd, off64_t len)
{
	return fails(WRITE, fd, 0) ? -1 : REAL(ftruncate64)(fd, len);
}

int fsync(int fd)
{
	return fails(SYNC, fd, 0) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
	return fails(SYNC, fd, 0) ? -1 : REAL(fdatasync)(fd);
}

static mode_t mode_of(int flags, va_list list)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

#define OPENS(name)                                                                                                    \
	int name(const char *path, int flags, ...)                                                                     \
	{                                                                                                              \
		va_list list;                                                                                          \
		mode_t mode;                                                                                           \
                                                                                                                       \
		va_start(list, flags);                                                                                 \
		mode = mode_of(flags, list);                                                                           \
		va_end(list);                                                                                          \
		return fails(OPEN, -1, 0) ? -1 : REAL(name)(path, flags, mode);                                        \
	}
OPENS(open)
OPENS(open64)

int openat(int folder, const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = mode_of(flags, list);
	va_end(list);
	return fails(OPEN, -1, 0) ? -1 : REAL(openat)(folder, path, flags, mode);
}

/* ---- sockets ---- */

int socket(int family, int type, int protocol)
{
	return fails(OPEN, -1, 0) ? -1 : REAL(socket)(family, type, protocol);
}

int accept4(int fd, struct sockaddr *restrict peer, socklen_t *restrict len, int flags)
{
	return fails(OPEN, -1, 0) ? -1 : REAL(accept4)(fd, peer, len, flags);
}

ssize_t read(int fd, void *data, size_t len)
{
	return fails(RECV, fd, 0) ? -1 : REAL(read)(fd, data, len);
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
	return fails(RECV, fd, flags) ? -1 : REAL(recv)(fd, data, len, flags);
}

static bool is_netlink(int fd)
{
	int family = 0;
	socklen_t len = sizeof(family);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 && family == AF_NETLINK;
}

/* Why the kernel refused what was spoiled. */
static void rename_error(struct msghdr *message, ssize_t len)
{
	struct nlmsghdr *answer = message->msg_iov[0].iov_base;

	while (len >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) && answer->nlmsg_len >= sizeof(*answer) &&
	       answer->nlmsg_len <= (size_t)len) {
		struct nlmsgerr *error = NLMSG_DATA(answer);

		if (answer->nlmsg_type == NLMSG_ERROR && error->error == -EINVAL)
			error->error = -orders->error;
		answer = NLMSG_NEXT(answer, len);
	}
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t len;

	if (orders->kinds & OVERRUN && is_netlink(fd) && turn(OVERRUN)) {
		errno = ENOBUFS;
		return -1;
	}
	if (fails(RECV, fd, flags))
		return -1;
	len = REAL(recvmsg)(fd, message, flags);
	if (orders->kinds & BATCH && len > 0 && message->msg_iovlen == 1 && is_netlink(fd))
		rename_error(message, len);
	return len;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *wait)
{
	return fails(RECV, fd, flags) ? -1 : REAL(recvmmsg)(fd, messages, count, flags, wait);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	return fails(SEND, fd, flags) ? -1 : REAL(send)(fd, data, len, flags);
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	return fails(SEND, fd, flags) ? -1 : REAL(sendto)(fd, data, len, flags, to, to_len);
}

/* The first order of a batch, or NULL. */
static struct nlmsghdr *first_order(const struct msghdr *message)
{
	const struct iovec *part = message->msg_iov;
	struct nlmsghdr *begin = message->msg_iovlen ? part[0].iov_base : NULL, *order;
	size_t at;

	if (!begin || part[0].iov_len < sizeof(*begin) || begin->nlmsg_type != BATCH_BEGIN)
		return NULL;
	at = NLMSG_ALIGN(begin->nlmsg_len);
	if (at + sizeof(*order) <= part[0].iov_len)
		order = (struct nlmsghdr *)((char *)begin + at);
	else
		order = message->msg_iovlen > 1 && part[1].iov_len >= sizeof(*order) ? part[1].iov_base : NULL;
	return order && order->nlmsg_type >> 8 == NFTABLES ? order : NULL;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct nlmsghdr *order = orders->kinds & BATCH ? first_order(message) : NULL;
	ssize_t sent;

	if (order && turn(BATCH)) {
		uint16_t type = order->nlmsg_type;

		order->nlmsg_type = NFTABLES << 8 | NO_SUCH_ORDER;
		sent = REAL(sendmsg)(fd, message, flags);
		order->nlmsg_type = type;
		return sent;
	}
	return fails(SEND, fd, flags) ? -1 : REAL(sendmsg)(fd, message, flags);
}

/* ---- waiting ---- */

int epoll_wait(int fd, struct epoll_event *events, int most, int wait_ms)
{
	return fails(WAIT, -1, 0) ? -1 : REAL(epoll_wait)(fd, events, most, wait_ms);
}

/* ---- memory ---- */

void *malloc(size_t size)
{
	return fails(MEMORY, -1, 0) ? NULL : REAL(malloc)(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(MEMORY, -1, 0) ? NULL : REAL(calloc)(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails(MEMORY, -1, 0) ? NULL : REAL(realloc)(old, size);
}

/* ---- the clock ---- */

int clock_gettime(clockid_t clock, struct timespec *at)
{
	int result = REAL(clock_gettime)(clock, at);

	if (clock == CLOCK_REALTIME && orders->clock_ms) {
		int64_t ns = at->tv_nsec + orders->clock_ms % 1000 * 1000000;

		at->tv_sec += orders->clock_ms / 1000 + (ns >= 1000000000) - (ns < 0);
		at->tv_nsec = ns >= 1000000000 ? ns - 1000000000 : ns < 0 ? ns + 1000000000 : ns;
	}
	return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}
