/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A delay line: what comes in on one interface leaves by another a fixed time later, and the other way round.
 * The laboratory needs it because over a bare veth a scan of a thousand ports is over before any reaction from user
 * space could count, and netem is not in every kernel.
 *
 *     delayline IFACE IFACE MICROSECONDS
 *
 * Prints "ready" once it forwards; ends on SIGTERM or SIGINT, telling on stderr what it carried and lost. Order is
 * kept.
 * Bounded: RING_SLOTS frames of FRAME_MAX bytes a direction; what does not fit is dropped and counted, like on a
 * real line.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

#define RING_SLOTS 16384u /* a power of two: 10 ms at a million packets a second */
#define FRAME_MAX  1536u
#define BATCH      64u

struct frame {
	int64_t due_ns;
	uint32_t len;
	uint8_t data[FRAME_MAX];
};

struct direction {
	int in, out;
	uint32_t head, tail; /* running counters; tail - head frames wait */
	struct frame *ring;
	uint64_t carried, lost, too_long;
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int fail(const char *what)
{
	fprintf(stderr, "delayline: %s: %s\n", what, strerror(errno));
	return -1;
}

static int line_open(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq promiscuous = { .mr_type = PACKET_MR_PROMISC };
	int one = 1, buffer = 32 << 20;
	/* Protocol 0: nothing is received before the socket is bound to its interface. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail("socket");
	at.sll_ifindex = promiscuous.mr_ifindex = (int)if_nametoindex(name);
	if (at.sll_ifindex == 0)
		return fail(name);
	/* Without this the line would hear its own frames and carry them round for ever. */
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0)
		return fail("PACKET_IGNORE_OUTGOING");
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) < 0)
		return fail("PACKET_ADD_MEMBERSHIP");
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0)
		return fail("PACKET_QDISC_BYPASS");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
		return fail("SO_RCVBUFFORCE");
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return fail("bind");
	return fd;
}

/* Takes what has come; every frame of a batch is due at the same time, which keeps their order. */
static void take(struct direction *d, int64_t delay_ns)
{
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	uint32_t room = RING_SLOTS - (d->tail - d->head);
	uint32_t want = room < BATCH ? room : BATCH;
	uint8_t scrap[64];
	int64_t due;
	int got;

	if (want == 0) {
		while (recv(d->in, scrap, sizeof(scrap), MSG_TRUNC) >= 0)
			d->lost++;
		return;
	}
	memset(messages, 0, sizeof(messages[0]) * want);
	for (uint32_t i = 0; i < want; i++) {
		parts[i] = (struct iovec){ d->ring[(d->tail + i) % RING_SLOTS].data, FRAME_MAX };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	got = recvmmsg(d->in, messages, want, MSG_DONTWAIT | MSG_TRUNC, NULL);
	due = now_ns() + delay_ns;
	for (int i = 0; i < got; i++) {
		struct frame *f = &d->ring[d->tail++ % RING_SLOTS];

		f->due_ns = due;
		f->len = messages[i].msg_len;
		if (f->len > FRAME_MAX) { /* offloads left on: a frame no wire would carry */
			f->len = 0;
			d->too_long++;
		}
	}
}

static void give(struct direction *d)
{
	int64_t now = now_ns();

	while (d->head != d->tail) {
		struct mmsghdr messages[BATCH];
		struct iovec parts[BATCH];
		uint32_t count = 0;
		int sent;

		memset(messages, 0, sizeof(messages));
		while (count < BATCH && d->head + count != d->tail) {
			struct frame *f = &d->ring[(d->head + count) % RING_SLOTS];

			if (f->due_ns > now || f->len == 0)
				break;
			parts[count] = (struct iovec){ f->data, f->len };
			messages[count].msg_hdr.msg_iov = &parts[count];
			messages[count].msg_hdr.msg_iovlen = 1;
			count++;
		}
		if (count == 0) {
			if (d->ring[d->head % RING_SLOTS].len != 0)
				return;
			d->head++;
			continue;
		}
		sent = sendmmsg(d->out, messages, count, MSG_DONTWAIT);
		if (sent > 0) {
			d->carried += (uint32_t)sent;
			d->head += (uint32_t)sent;
		} else { /* the first one cannot be sent: a line loses it, it does not wait */
			d->lost++;
			d->head++;
		}
	}
}

static void arm(int timer, const struct direction lines[2])
{
	struct itimerspec at = { 0 };
	int64_t due = INT64_MAX;

	for (int i = 0; i < 2; i++)
		if (lines[i].head != lines[i].tail && lines[i].ring[lines[i].head % RING_SLOTS].due_ns < due)
			due = lines[i].ring[lines[i].head % RING_SLOTS].due_ns;
	if (due != INT64_MAX) {
		at.it_value.tv_sec = due / 1000000000;
		at.it_value.tv_nsec = due % 1000000000;
	}
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* What the kernel could not put into the socket's buffer. */
static unsigned kernel_drops(int fd)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
	return stats.tp_drops;
}

static int run(struct direction lines[2], int64_t delay_ns, int timer, int stop)
{
	int fds[4] = { lines[0].in, lines[1].in, timer, stop };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		return fail("epoll_create1");
	for (unsigned i = 0; i < 4; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
			return fail("epoll_ctl");
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct epoll_event events[4];
		int count = epoll_wait(epoll, events, 4, -1);

		if (count < 0 && errno != EINTR)
			return fail("epoll_wait");
		for (int i = 0; i < count; i++) {
			uint64_t expired;

			if (events[i].data.u32 == 3)
				return 0;
			if (events[i].data.u32 < 2)
				take(&lines[events[i].data.u32], delay_ns);
			else if (read(timer, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
				return fail("timer");
		}
		give(&lines[0]);
		give(&lines[1]);
		arm(timer, lines);
	}
}

int main(int argc, char **argv)
{
	struct direction lines[2] = { 0 };
	sigset_t signals;
	long delay_us;
	int a, b, timer, stop, result;

	if (argc != 4 || (delay_us = strtol(argv[3], NULL, 10)) < 0 || delay_us > 1000000) {
		fprintf(stderr, "usage: delayline IFACE IFACE MICROSECONDS\n");
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	stop = signalfd(-1, &signals, SFD_CLOEXEC);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	a = line_open(argv[1]);
	b = line_open(argv[2]);
	if (stop < 0 || timer < 0 || a < 0 || b < 0)
		return 1;
	for (int i = 0; i < 2; i++) {
		lines[i] = (struct direction){ .in = i ? b : a, .out = i ? a : b };
		lines[i].ring = calloc(RING_SLOTS, sizeof(*lines[i].ring));
		if (!lines[i].ring)
			return 1;
	}
	result = run(lines, delay_us * 1000, timer, stop);
	for (int i = 0; i < 2; i++) {
		lines[i].lost += kernel_drops(lines[i].in);
		fprintf(stderr, "delayline: %s to %s: %llu carried, %llu lost, %llu too long\n", argv[1 + i],
			argv[2 - i], (unsigned long long)lines[i].carried, (unsigned long long)lines[i].lost,
			(unsigned long long)lines[i].too_long);
	}
	return result < 0 ? 1 : 0;
}
