/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tests against the real kernel share: a namespace of their own that ends with its process, the table, packets in
 * and out through a tun device.
 */
#ifndef PICKET_TEST_LIVE_H
#define PICKET_TEST_LIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nfqueue/nfqueue.h"
#include "nft/internal.h"

#define SKIPPED 77
#define QUEUE   4711
#define OURS    "192.0.2.1"

/* cmocka's assertions must not be used in a child: they would carry on with the next test there. */
#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

static inline void in_namespace(void (*test)(void))
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		alarm(60);
		if (unshare(CLONE_NEWNET) < 0)
			_exit(SKIPPED);
		test();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		puts("skipped: no network namespaces here");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- tools ---- */

static inline struct nft_rules *rules_of(enum nft_mode mode)
{
	struct nft_rules *rules = calloc(1, sizeof(*rules));

	CHECK(rules);
	rules->mode = mode;
	rules->queue = QUEUE;
	return rules;
}

static inline struct nft *open_sized(enum nft_mode mode, unsigned shift)
{
	struct nft_rules *rules = rules_of(mode);
	struct nft *nft = NULL;

	CHECK(nft_open("picket", &nft) == 0);
	nft->shift = shift; /* whatever memory this machine has */
	CHECK(nft_load(nft, rules, NULL, NULL) == 0);
	free(rules);
	return nft;
}

static inline struct nft *open_loaded(enum nft_mode mode)
{
	return open_sized(mode, 0);
}

static inline struct nft_element element(enum nft_grade grade, const char *source, int64_t timeout_ms)
{
	struct nft_element e = { .list = grade ? NFT_GRADED : NFT_ALLOW, .grade = grade, .timeout_ms = timeout_ms };
	const char *error = NULL;

	CHECK(prefix_parse(source, &e.source, &error));
	return e;
}

struct told {
	size_t count;
	struct nft_element last;
};

static inline void tell(void *context, const struct nft_element *element)
{
	struct told *told = context;

	told->count++;
	told->last = *element;
}

/* What stands in the maps of grades, by the way a restart finds it. */
static inline struct told standing(void)
{
	struct nft_rules *rules = rules_of(NFT_BLOCK);
	struct told told = { 0 };
	struct nft *other = NULL;

	CHECK(nft_open("picket", &other) == 0);
	other->shift = 0;
	CHECK(nft_load(other, rules, tell, &told) == 0);
	CHECK(nft_check(other) == 1);
	nft_close(other);
	free(rules);
	return told;
}

/* A SYN+ACK that is sent again after a second would be taken for the answer to something else on a loaded machine. */
static inline void answer_once(void)
{
	int fd = open("/proc/sys/net/ipv4/tcp_synack_retries", O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0 && write(fd, "0", 1) == 1 && close(fd) == 0);
}

static inline int tun_up(void)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct sockaddr_in address = { .sin_family = AF_INET };
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (tun < 0)
		_exit(SKIPPED);
	answer_once();
	snprintf(request.ifr_name, sizeof(request.ifr_name), "scan0");
	CHECK(control >= 0 && ioctl(tun, TUNSETIFF, &request) == 0);
	CHECK(inet_pton(AF_INET, OURS, &address.sin_addr) == 1);
	memcpy(&request.ifr_addr, &address, sizeof(address));
	CHECK(ioctl(control, SIOCSIFADDR, &request) == 0);
	CHECK(inet_pton(AF_INET, "255.255.255.0", &address.sin_addr) == 1);
	memcpy(&request.ifr_netmask, &address, sizeof(address));
	CHECK(ioctl(control, SIOCSIFNETMASK, &request) == 0);
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	CHECK(ioctl(control, SIOCSIFFLAGS, &request) == 0);
	close(control);
	return tun;
}

static inline uint16_t sum(const uint8_t *data, size_t len, uint32_t start)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		start += (uint32_t)(data[i] << 8 | data[i + 1]);
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)~start;
}

/* A bare TCP segment from 192.0.2.`host` to our port. */
static inline void send_tcp(int tun, uint8_t host, uint16_t port, uint8_t flags)
{
	uint8_t p[40] = { 0x45, 0, 0, 40,   0,   1, 0, 0, 64,   IPPROTO_TCP, 0,         0,
			  192,  0, 2, host, 192, 0, 2, 1, 0x9c, 0x40,        port >> 8, port & 0xff,
			  0,    0, 0, 1,    0,   0, 0, 0, 0x50, flags,       4,         0 };
	uint16_t check = sum(p, 20, 0);

	p[10] = check >> 8;
	p[11] = check & 0xff;
	check = sum(p + 12, 28, IPPROTO_TCP + 20);
	p[36] = check >> 8;
	p[37] = check & 0xff;
	CHECK(write(tun, p, sizeof(p)) == sizeof(p));
}

/* TCP flags of the next answer, or -1 after `ms`. */
static inline int answer(int tun, int ms)
{
	struct pollfd wait = { tun, POLLIN, 0 };
	uint8_t p[2048];

	while (poll(&wait, 1, ms) == 1) {
		ssize_t got = read(tun, p, sizeof(p));

		if (got >= 40 && p[0] == 0x45 && p[9] == IPPROTO_TCP)
			return p[33];
	}
	return -1;
}

static inline void listen_on(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && bind(fd, (void *)&address, sizeof(address)) == 0 && listen(fd, 8) == 0);
}

#define SYN 0x02
#define RST 0x04
#define ACK 0x10

static const struct nfqueue_setting settings[NFT_QUEUES] = { { 65535, false }, { 16384, true }, { 65535, false },
							     { 65535, false }, { 65535, true }, { 65535, false } };

struct seen {
	size_t count;
	unsigned classes[8];
	uint16_t drop_port;
};

static inline bool judge(void *context, const struct nfqueue_packet *packet)
{
	struct seen *seen = context;

	CHECK(packet->copied >= 24 && packet->ifindex > 0);
	if (seen->count < 8)
		seen->classes[seen->count] = packet->number;
	seen->count++;
	return (packet->data[22] << 8 | packet->data[23]) != seen->drop_port;
}

static inline void read_queue(struct nfqueue *queue, struct seen *seen, size_t wanted)
{
	struct pollfd wait = { nfqueue_fd(queue), POLLIN, 0 };

	while (seen->count < wanted && poll(&wait, 1, 2000) == 1)
		CHECK(nfqueue_read(queue, 64, judge, seen) >= 0);
}

struct body {
	void (*run)(void);
};

static inline void live(void **state)
{
	in_namespace(((const struct body *)*state)->run);
}

#define LIVE(name)                                                                                                     \
	{                                                                                                              \
#name, live, NULL, NULL, &(struct body)                                                                \
		{                                                                                                      \
			name                                                                                           \
		}                                                                                                      \
	}

#endif
