/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bare reader of the queues: what every program pays that reads them, without a judgement.
 *
 *   bench_queue NETNS FIRST COUNT [WAIT_US]
 *
 * The same flags, copy range and buffer as picketd's, up to 32 packets a read, one verdict for all of them, accept.
 * WAIT_US: it waits so long before each read, so that packets share it.  Prints "ready", and reads until it is ended.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BURST       32
#define MESSAGE_MAX 4096
#define COPY_RANGE  2048
#define QUEUE_LEN   4096
#define QUEUES_MAX  8

struct last {
	bool pending;
	uint32_t id;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_queue: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const char *netns)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		die(path);
}

static int open_queues(unsigned first, unsigned count)
{
	const uint32_t flags = htonl(NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO);
	const int room = 32 << 20;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0 ||
	    connect(fd, (struct sockaddr *)&kernel, sizeof(kernel)) != 0)
		die("a netlink socket");
	for (unsigned i = 0; i < count; i++) {
		_Alignas(16) char buf[256], answer[512];
		struct nlmsghdr *nlh = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, first + i);

		nlh->nlmsg_flags |= NLM_F_ACK;
		nfq_nlmsg_cfg_put_cmd(nlh, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
		nfq_nlmsg_cfg_put_params(nlh, NFQNL_COPY_PACKET, COPY_RANGE);
		mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, flags);
		mnl_attr_put_u32(nlh, NFQA_CFG_MASK, flags);
		nfq_nlmsg_cfg_put_qmaxlen(nlh, QUEUE_LEN);
		if (send(fd, nlh, nlh->nlmsg_len, 0) < 0 || recv(fd, answer, sizeof(answer), 0) < 0)
			die("a queue");
		if (((struct nlmsgerr *)mnl_nlmsg_get_payload((struct nlmsghdr *)answer))->error) {
			errno = EBUSY;
			die("a queue");
		}
	}
	return fd;
}

static void note(const void *message, unsigned first, struct last last[QUEUES_MAX])
{
	const struct nlmsghdr *nlh = message;
	const struct nfgenmsg *family = mnl_nlmsg_get_payload(nlh);
	const unsigned number = ntohs(family->res_id) - first;
	struct nlattr *attr[NFQA_MAX + 1] = { NULL };
	struct nfqnl_msg_packet_hdr header;

	if (nlh->nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET) || number >= QUEUES_MAX ||
	    nfq_nlmsg_parse(nlh, attr) < 0 || !attr[NFQA_PACKET_HDR])
		return;
	memcpy(&header, mnl_attr_get_payload(attr[NFQA_PACKET_HDR]), sizeof(header));
	last[number] = (struct last){ true, ntohl(header.packet_id) };
}

static void accept_all(int fd, unsigned first, struct last last[QUEUES_MAX])
{
	for (unsigned i = 0; i < QUEUES_MAX; i++) {
		_Alignas(16) char buf[256];
		struct nlmsghdr *nlh;

		if (!last[i].pending)
			continue;
		nlh = nfq_nlmsg_put(buf, NFQNL_MSG_VERDICT_BATCH, first + i);
		nfq_nlmsg_verdict_put(nlh, (int)last[i].id, NF_ACCEPT);
		(void)!send(fd, nlh, nlh->nlmsg_len, 0);
		last[i].pending = false;
	}
}

static void read_queues(int fd, unsigned first, long wait_us)
{
	static _Alignas(16) uint8_t messages[BURST][MESSAGE_MAX];
	const struct timespec pause = { .tv_nsec = wait_us * 1000 };
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct last last[QUEUES_MAX] = { 0 };
	struct iovec parts[BURST];
	struct mmsghdr headers[BURST] = { 0 };

	for (unsigned i = 0; i < BURST; i++) {
		parts[i] = (struct iovec){ messages[i], MESSAGE_MAX };
		headers[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	for (;;) {
		int got;

		if (poll(&ready, 1, -1) < 0)
			die("poll");
		if (wait_us)
			nanosleep(&pause, NULL);
		got = recvmmsg(fd, headers, BURST, MSG_DONTWAIT, NULL);
		for (int i = 0; i < got; i++)
			note(messages[i], first, last);
		accept_all(fd, first, last);
	}
}

int main(int argc, char **argv)
{
	unsigned first;
	int fd;

	if (argc < 4) {
		fprintf(stderr, "usage: bench_queue NETNS FIRST COUNT [WAIT_US]\n");
		return 2;
	}
	enter(argv[1]);
	first = (unsigned)atol(argv[2]);
	fd = open_queues(first, (unsigned)atol(argv[3]));
	puts("ready");
	fflush(stdout);
	read_queues(fd, first, argc > 4 ? atol(argv[4]) : 0);
	return 0;
}
