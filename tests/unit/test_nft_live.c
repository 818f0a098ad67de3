/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules and the queue against the real kernel, in a network namespace that each test makes for itself and that ends
 * with its process.  Packets come in through a tun device, so that no other host and no other test is touched.
 * Where namespaces are not permitted the tests say "skipped".
 */
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

static void in_namespace(void (*test)(void))
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

static struct nft_rules *rules_of(enum nft_mode mode)
{
	struct nft_rules *rules = calloc(1, sizeof(*rules));

	CHECK(rules);
	rules->mode = mode;
	rules->queue = QUEUE;
	return rules;
}

static struct nft *open_sized(enum nft_mode mode, unsigned shift)
{
	struct nft_rules *rules = rules_of(mode);
	struct nft *nft = NULL;

	CHECK(nft_open("picket", &nft) == 0);
	nft->shift = shift; /* whatever memory this machine has */
	CHECK(nft_load(nft, rules, NULL, NULL) == 0);
	free(rules);
	return nft;
}

static struct nft *open_loaded(enum nft_mode mode)
{
	return open_sized(mode, 0);
}

static struct nft_element element(enum nft_grade grade, const char *source, int64_t timeout_ms)
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

static void tell(void *context, const struct nft_element *element)
{
	struct told *told = context;

	told->count++;
	told->last = *element;
}

/* What stands in the maps of grades, by the way a restart finds it. */
static struct told standing(void)
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
static void answer_once(void)
{
	int fd = open("/proc/sys/net/ipv4/tcp_synack_retries", O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0 && write(fd, "0", 1) == 1 && close(fd) == 0);
}

static int tun_up(void)
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

static uint16_t sum(const uint8_t *data, size_t len, uint32_t start)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		start += (uint32_t)(data[i] << 8 | data[i + 1]);
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)~start;
}

/* A bare TCP segment from 192.0.2.`host` to our port. */
static void send_tcp(int tun, uint8_t host, uint16_t port, uint8_t flags)
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
static int answer(int tun, int ms)
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

static void listen_on(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && bind(fd, (void *)&address, sizeof(address)) == 0 && listen(fd, 8) == 0);
}

#define SYN 0x02
#define RST 0x04
#define ACK 0x10

static const struct nfqueue_setting settings[NFT_QUEUES] = {
	{ 65535, false }, { 16384, true }, { 65535, false }, { 65535, false }
};

struct seen {
	size_t count;
	unsigned classes[8];
	uint16_t drop_port;
};

static bool judge(void *context, const struct nfqueue_packet *packet)
{
	struct seen *seen = context;

	CHECK(packet->copied >= 24 && packet->ifindex > 0);
	if (seen->count < 8)
		seen->classes[seen->count] = packet->number;
	seen->count++;
	return (packet->data[22] << 8 | packet->data[23]) != seen->drop_port;
}

static void read_queue(struct nfqueue *queue, struct seen *seen, size_t wanted)
{
	struct pollfd wait = { nfqueue_fd(queue), POLLIN, 0 };

	while (seen->count < wanted && poll(&wait, 1, 2000) == 1)
		CHECK(nfqueue_read(queue, 64, judge, seen) >= 0);
}

/* ---- tests ---- */

static void modes(void)
{
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_rules *rules = rules_of(NFT_OBSERVE);
	struct nft_element e = element(NFT_GRADE_VEIL, "203.0.113.0/28", 60000);

	CHECK(nft_check(nft) == 1);
	CHECK(nft_rules_replace(nft, rules) == 0 && nft_check(nft) == 1);
	CHECK(nft_add(nft, &e, 1) == 0 && nft_check(nft) == 1); /* a new length: a set, no rule yet */
	rules->mode = NFT_PAUSED;
	CHECK(nft_rules_replace(nft, rules) == 0 && nft_check(nft) == 1);
	rules->mode = NFT_BLOCK;
	rules->trap_port_v4 = rules->trap_port_v6 = 4000;
	rules->trap_tcp[0] = (struct port_range){ 20, 30 }; /* overlapping, and up to the end */
	rules->trap_tcp[1] = (struct port_range){ 25, 65535 };
	rules->trap_tcp_count = 2;
	CHECK(nft_rules_replace(nft, rules) == 0 && nft_check(nft) == 1);
	CHECK(standing().count == 1);
	CHECK(nft_unload(nft) == 0 && nft_check(nft) == 0);
	CHECK(nft_unload(nft) == 0);
	nft_close(nft);
}

static void lists(void)
{
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_element two[] = { element(NFT_GRADE_BAN, "198.51.100.7", 60000),
				     element(NFT_GRADE_BAN, "198.51.100.7", 9000) };
	struct nft_element wide = element(NFT_GRADE_NONE, "10.0.0.0/8", 0),
			   narrow = element(NFT_GRADE_NONE, "10.1.0.0/16", 0);
	struct nft_element gone = element(NFT_GRADE_VEIL, "203.0.113.9", 0);
	struct told told;

	CHECK(nft_add(nft, two, 1) == 0);
	CHECK(nft_add(nft, two, 2) == 0); /* again and twice: the last time counts */
	told = standing();
	CHECK(told.count == 1 && told.last.timeout_ms > 5000 && told.last.timeout_ms <= 9000);
	CHECK(nft_add(nft, two, 1) == 0);
	told = standing();
	CHECK(told.last.timeout_ms > 50000);
	CHECK(nft_add(nft, &wide, 1) == 0 && nft_add(nft, &narrow, 1) == 0); /* overlapping */
	CHECK(nft_delete(nft, &narrow, 1) == 0);
	CHECK(nft_delete(nft, &gone, 1) == 0 && nft_delete(nft, &two[0], 1) == 0 && nft_delete(nft, two, 2) == 0);
	CHECK(standing().count == 0);
	nft_close(nft);
}

/* One address after the other. */
static struct nft_element *veiled_addresses(size_t count)
{
	struct nft_element *many = calloc(count, sizeof(*many));

	CHECK(many);
	for (size_t i = 0; i < count; i++) {
		const uint8_t v4[4] = { 11, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
		const struct addr addr = addr_from_v4(v4);

		many[i] = (struct nft_element){ NFT_GRADED, NFT_GRADE_VEIL, prefix_host(&addr), 600000 };
	}
	return many;
}

static void full(void)
{
	const size_t count = 140000, fits = 20000;
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_element *many = veiled_addresses(count);

	CHECK(nft_add(nft, many, count) == -ENFILE);
	CHECK(standing().count == 0);
	CHECK(nft_add(nft, many, fits) == 0);
	CHECK(nft_watch_read(nft) != NFT_CHANGE_LOST);
	CHECK(standing().count == fits);
	CHECK(nft_delete(nft, many, fits) == 0 && nft_delete(nft, many, fits) == 0);
	CHECK(standing().count == 0);
	free(many);
	nft_close(nft);
}

/* All of it full, the table takes a twentieth of a small machine's memory, and it still works. */
static void small_machine(void)
{
	const uint64_t small = 512ULL << 20;
	const unsigned shift = nft_sets_shift(small);
	const size_t fits = 132096 >> (shift - 1);
	struct nft *nft = open_sized(NFT_BLOCK, shift);
	struct nft_element *many = veiled_addresses(fits + 1);

	CHECK(nft_sets_full_bytes(shift) <= small / 20 && nft_sets_shift(8ULL << 30) == 0);
	CHECK(fits > 10000 && nft_add(nft, many, fits) == 0 && nft_add(nft, &many[fits], 1) == -ENFILE);
	CHECK(nft_check(nft) == 1);
	free(many);
	nft_close(nft);
}

/* A full map does not hold back the deletion of its own elements, nor a change of their grade. */
static void delete_while_full(void)
{
	const size_t size = 132096, some = 20000;
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_element *many = veiled_addresses(size);
	struct nft_element missing = element(NFT_GRADE_VEIL, "203.0.113.9", 0);
	struct nft_element both[] = { missing, many[some] }, banned = many[some];

	banned.grade = NFT_GRADE_BAN;
	CHECK(nft_add(nft, many, size) == 0);
	CHECK(nft_watch_read(nft) != NFT_CHANGE_LOST);
	CHECK(nft_add(nft, &missing, 1) == -ENFILE);
	CHECK(nft_add(nft, &banned, 1) == 0 && standing().count == size);
	CHECK(nft_delete(nft, &missing, 1) == 0 && standing().count == size);
	CHECK(nft_delete(nft, both, 2) == 0);
	CHECK(nft_add(nft, &missing, 1) == 0 && nft_add(nft, &many[some], 1) == -ENFILE); /* full again */
	CHECK(nft_delete(nft, many, some + 1) == 0 && standing().count == size - some);
	CHECK(nft_check(nft) == 1);
	CHECK(nft_unload(nft) == 0 && nft_delete(nft, both, 2) == -ENOENT);
	free(many);
	nft_close(nft);
}

/* Each change of grade is one element's, whatever stood before. */
static void grades(void)
{
	struct nft *nft = open_loaded(NFT_BLOCK);

	for (int i = 0; i < 2; i++) {
		for (enum nft_grade grade = NFT_GRADE_VEIL; grade < NFT_GRADE_COUNT; grade++) {
			struct nft_element e = element(grade, "198.51.100.7", 60000);
			struct told told;

			CHECK((i == 0 ? nft_add : nft_ensure)(nft, &e, 1) == 0);
			told = standing();
			CHECK(told.count == 1 && told.last.grade == grade && told.last.timeout_ms > 50000);
		}
	}
	nft_close(nft);
}

static void learned(void)
{
	static const struct {
		const char *addr, *kept_as;
		int64_t left_ms, kept_ms;
		uint16_t port, own_port;
		uint8_t kind;
	} rows[] = {
		/* as they are told: kind by kind, IPv4 first */
		{ "198.51.100.7", "198.51.100.7", 60000, 60000, 22, 0, NFT_LEARNED_CUSTOMER },
		{ "2001:db8:1:2::7", "2001:db8:1:2::", 50000, 50000, 443, 0, NFT_LEARNED_LATE },
		{ "198.51.100.8", "198.51.100.8", 1LL << 40, 86400000, 25, 0,
		  NFT_LEARNED_CALLED }, /* of a wrong clock */
		{ "2001:db8:1:2::8", "2001:db8:1:2::", 60000, 60000, 25, 0, NFT_LEARNED_CALLED },
		{ "198.51.100.9", "198.51.100.9", 60000, 60000, 0, 0, NFT_LEARNED_KIN },
		{ "2001:db8:1:2::9", "2001:db8:1:2::", 86400000, 3600000, 0, 0, NFT_LEARNED_KIN },
		{ "198.51.100.10", "198.51.100.10", 60000, 60000, 53, 40000, NFT_LEARNED_ASKED },
		{ "2001:db8:1:2::10", "2001:db8:1:2::10", 86400000, 120000, 53, 40001, NFT_LEARNED_ASKED },
	};
	enum { COUNT = sizeof(rows) / sizeof(rows[0]) };
	const struct port_range ports[] = { { 25, 25 }, { 8000, 8003 } };
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_learned put[COUNT], read[COUNT + 1];

	for (int i = 0; i < COUNT; i++)
		put[i] = (struct nft_learned){
			.addr = element(NFT_GRADE_NONE, rows[i].addr, 0).source.addr,
			.left_ms = rows[i].left_ms,
			.port = rows[i].port,
			.own_port = rows[i].own_port,
			.kind = rows[i].kind,
		};
	CHECK(nft_add_learned(nft, put, COUNT) == 0 && nft_read_learned(nft, read, COUNT + 1) == COUNT);
	for (int i = 0; i < COUNT; i++) {
		const struct addr kept_as = element(NFT_GRADE_NONE, rows[i].kept_as, 0).source.addr;

		CHECK(read[i].kind == rows[i].kind && addr_equal(&read[i].addr, &kept_as));
		CHECK(read[i].port == rows[i].port && read[i].own_port == rows[i].own_port);
		CHECK(read[i].left_ms <= rows[i].kept_ms && read[i].left_ms > rows[i].kept_ms - 10000);
	}
	CHECK(nft_read_learned(nft, read, 3) == 3 && read[2].kind == NFT_LEARNED_CALLED);
	CHECK(nft_set_lately(nft, IPPROTO_TCP, ports, 2) == 0 && nft_set_lately(nft, IPPROTO_TCP, ports, 1) == 0);
	CHECK(nft_set_lately(nft, IPPROTO_UDP, NULL, 0) == 0);
	CHECK(nft_check(nft) == 1);
	nft_close(nft);
}

static void foreigners(void)
{
	struct nft *nft = open_loaded(NFT_BLOCK), *other = NULL, *same = NULL;
	struct nft_rules *rules = rules_of(NFT_BLOCK);
	struct nft_element e = element(NFT_GRADE_VEIL, "203.0.113.9", 60000);

	CHECK(nft_add(nft, &e, 1) == 0);
	CHECK(nft_watch_read(nft) == NFT_CHANGE_NONE);
	CHECK(nft_open("another", &other) == 0 && nft_load(other, rules, NULL, NULL) == 0 && nft_unload(other) == 0);
	CHECK(nft_watch_read(nft) == NFT_CHANGE_NONE);
	CHECK(nft_open("picket", &same) == 0 && nft_unload(same) == 0);
	CHECK(nft_watch_read(nft) == NFT_CHANGE_FOREIGN && nft_watch_read(nft) == NFT_CHANGE_NONE);
	CHECK(nft_check(nft) == 0 && nft_add(nft, &e, 1) == -ENOENT && nft_delete(nft, &e, 1) == -ENOENT);
	nft_close(same);
	nft_close(other);
	nft_close(nft);
	free(rules);
}

static void packets(void)
{
	struct nft_element veiled = element(NFT_GRADE_VEIL, "192.0.2.9", 60000);
	struct nft_element banned = element(NFT_GRADE_BAN, "192.0.2.10", 60000);
	struct seen seen = { .drop_port = 99 };
	struct nft_counters counters;
	struct nfqueue *queue = NULL, *second = NULL;
	struct nft *nft = open_loaded(NFT_BLOCK);
	int tun = tun_up();

	listen_on(80);
	send_tcp(tun, 7, 81, SYN); /* nobody reads the queue: passes */
	CHECK(answer(tun, 2000) == (RST | ACK));
	CHECK(nfqueue_open(QUEUE, settings, NFT_QUEUES, &queue) == 0);
	CHECK(nfqueue_open(QUEUE + 2, settings, 1, &second) == -EBUSY);
	send_tcp(tun, 8, 80, SYN); /* served, and not in `seen`: never queued */
	CHECK(answer(tun, 2000) == (SYN | ACK));
	send_tcp(tun, 9, 98, SYN);
	send_tcp(tun, 9, 80, 0); /* no flags at all: suspicious everywhere */
	send_tcp(tun, 9, 99, SYN);
	send_tcp(tun, 9, 97, RST); /* weighs nothing */
	read_queue(queue, &seen, 3);
	CHECK(seen.count == 3 && seen.classes[0] == 0 && seen.classes[1] == 0 && seen.classes[2] == 0);
	CHECK(answer(tun, 500) == (RST | ACK) && answer(tun, 200) == -1); /* 98 alone was answered */
	CHECK(nft_add(nft, &veiled, 1) == 0 && nft_add(nft, &banned, 1) == 0);
	send_tcp(tun, 9, 81, SYN);
	send_tcp(tun, 10, 81, SYN);
	CHECK(answer(tun, 300) == -1);
	CHECK(nft_delete(nft, &banned, 1) == 0);
	send_tcp(tun, 10, 80, SYN); /* free again */
	CHECK(answer(tun, 2000) == (SYN | ACK));
	CHECK(nft_read_counters(nft, &counters) == 0);
	CHECK(counters.dropped_ban == 1 && counters.queued_judge == 5);
	nfqueue_close(queue);
	nft_close(nft);
}

/* What comes by a VRF's interface is neither evidence nor priced; a ban holds. */
static void vrf(void)
{
	struct nft_element veiled = element(NFT_GRADE_VEIL, "192.0.2.9", 60000);
	struct nft_element banned = element(NFT_GRADE_BAN, "192.0.2.10", 60000);
	struct nft_rules *rules = rules_of(NFT_BLOCK);
	struct nft *nft = open_loaded(NFT_BLOCK);
	struct nft_counters counters;
	struct nfqueue *queue = NULL;
	int tun = tun_up();

	strcpy(rules->vrf[0], "scan0");
	rules->vrf_count = 1;
	rules->trap_port_v4 = rules->trap_port_v6 = 4000;
	rules->trap_tcp[0] = (struct port_range){ 23, 23 };
	rules->trap_tcp_count = 1;
	CHECK(nft_rules_replace(nft, rules) == 0 && nft_check(nft) == 1);
	CHECK(nfqueue_open(QUEUE, settings, NFT_QUEUES, &queue) == 0);
	CHECK(nft_add(nft, &veiled, 1) == 0 && nft_add(nft, &banned, 1) == 0);
	listen_on(80);
	for (int host = 8; host <= 9; host++) {
		send_tcp(tun, (uint8_t)host, 80, SYN);
		CHECK(answer(tun, 2000) == (SYN | ACK));
		send_tcp(tun, (uint8_t)host, 23, SYN);
		CHECK(answer(tun, 2000) == (RST | ACK));
		send_tcp(tun, (uint8_t)host, 81, SYN);
		CHECK(answer(tun, 2000) == (RST | ACK));
	}
	send_tcp(tun, 10, 80, SYN);
	CHECK(answer(tun, 300) == -1);
	CHECK(nft_read_counters(nft, &counters) == 0);
	CHECK(counters.dropped_ban == 1 && counters.queued_judge + counters.queued_veil + counters.trapped_tcp == 0);
	nfqueue_close(queue);
	nft_close(nft);
	free(rules);
}

static bool hold(void *context, const struct nfqueue_packet *packet)
{
	volatile unsigned *held = context;

	(void)packet;
	if (++*held == 20)
		pause();
	return true;
}

static void reader_killed(void)
{
	const struct timespec tick = { 0, 10 * 1000 * 1000 };
	struct nfqueue *queue = NULL;
	struct nft *nft = open_loaded(NFT_BLOCK);
	int tun = tun_up(), answers = 0;
	unsigned *held = mmap(NULL, sizeof(*held), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t reader;

	CHECK(held != MAP_FAILED && nfqueue_open(QUEUE, settings, NFT_QUEUES, &queue) == 0);
	for (int i = 0; i < 20; i++)
		send_tcp(tun, 9, (uint16_t)(1000 + i), SYN);
	reader = fork();
	CHECK(reader >= 0);
	if (!reader)
		_exit(nfqueue_read(queue, 64, hold, held) < 0);
	for (int i = 0; i < 500 && *(volatile unsigned *)held < 20; i++)
		nanosleep(&tick, NULL);
	CHECK(*(volatile unsigned *)held == 20);
	CHECK(kill(reader, SIGKILL) == 0 && waitpid(reader, NULL, 0) == reader);
	send_tcp(tun, 9, 999, SYN); /* and one that nobody has read */
	CHECK(answer(tun, 100) == -1);
	CHECK(nfqueue_accept_all(queue) == 0);
	while (answer(tun, 500) == (RST | ACK))
		answers++;
	CHECK(answers == 21);
	send_tcp(tun, 9, 998, SYN); /* from now on everything passes */
	CHECK(answer(tun, 1000) == (RST | ACK));
	nfqueue_close(queue);
	nft_close(nft);
}

struct body {
	void (*run)(void);
};

static void live(void **state)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVE(modes),   LIVE(lists),      LIVE(small_machine), LIVE(full), LIVE(delete_while_full), LIVE(grades),
		LIVE(learned), LIVE(foreigners), LIVE(packets),       LIVE(vrf),  LIVE(reader_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
