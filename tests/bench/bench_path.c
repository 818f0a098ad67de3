/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one packet costs on its whole way through a network namespace, in nanoseconds of processor time.
 *
 *   bench_path CLIENT_NETNS SERVER_NETNS CLIENT_DEVICE SERVER_MAC CLIENT_IP SERVER_IP
 *
 * Both ends are this one process, and a packet that is sent here is received within the same call (a veth hands it to
 * the receiver's softirq at once), so the process's own clock holds all of it.  Reads "MODE COUNT" lines, answers each
 * with a line "CPU_NS WALL_NS" for one unit; "ready" comes first.
 *
 *   ack psh    segments of an established connection, into the server, without and with the PSH flag
 *   in out     datagrams of an established flow, into the server, out of it
 *   syn        SYNs of random sources to a served port, with their answers
 *   graded     SYNs of one source, 203.0.113.7, which the rules may drop
 *   connect    connect, request, answer, close
 *   ask        a datagram and its answer, from a new port each
 *   bulk       a KiB of one stream
 *
 *   bench_path flood NETNS DEVICE SERVER_MAC SERVER_IP RATE SECONDS [LOW PORTS]
 *
 * sends SYNs of random sources to so many ports from LOW on (10000, 20000: closed ones) at that rate.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT                   9000
#define ASKING                 9001
#define GRADED                 0xcb007107u /* 203.0.113.7 */
#define FRAME_MAX              128
#define BATCH                  64
#define CHUNK                  65536
#define TCP_REPAIR_OFF_QUIETLY (-1) /* no window probe */

enum { SYN = 0x02, PSH = 0x08, ACK = 0x10 };

static void die(const char *what)
{
	fprintf(stderr, "bench_path: %s: %s\n", what, strerror(errno));
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
	close(fd);
}

static double ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* ---- frames ---- */

struct ends {
	uint8_t source_mac[6], target_mac[6];
	in_addr_t source, target;
};

struct segment {
	uint8_t protocol, flags;
	uint16_t source_port, target_port;
	uint32_t seq, ack;
};

static uint32_t add_words(const uint8_t *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	return sum;
}

static void put_checksum(uint8_t *at, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum;
	at[0] = (uint8_t)(sum >> 8);
	at[1] = (uint8_t)sum;
}

static void put_u16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	put_u16(at, value >> 16);
	put_u16(at + 2, value);
}

static size_t build(uint8_t *frame, const struct ends *ends, in_addr_t source, const struct segment *segment)
{
	const size_t transport = segment->protocol == IPPROTO_TCP ? 20 : 26; /* a datagram of 18 bytes */
	uint8_t *ip = frame + ETH_HLEN, *head = ip + 20;

	memset(frame, 0, ETH_HLEN + 20 + transport);
	memcpy(frame, ends->target_mac, 6);
	memcpy(frame + 6, ends->source_mac, 6);
	put_u16(frame + 12, ETHERTYPE_IP);
	ip[0] = 0x45;
	put_u16(ip + 2, (uint32_t)(20 + transport));
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = segment->protocol;
	memcpy(ip + 12, &source, 4);
	memcpy(ip + 16, &ends->target, 4);
	put_checksum(ip + 10, add_words(ip, 20, 0));
	put_u16(head, segment->source_port);
	put_u16(head + 2, segment->target_port);
	if (segment->protocol == IPPROTO_TCP) {
		put_u32(head + 4, segment->seq);
		put_u32(head + 8, segment->ack);
		head[12] = 5 << 4;
		head[13] = segment->flags;
		put_u16(head + 14, 64240);
	} else {
		put_u16(head + 4, (uint32_t)transport);
	}
	put_checksum(head + (segment->protocol == IPPROTO_TCP ? 16 : 6),
		     add_words(head, transport, add_words(ip + 12, 8, segment->protocol + (uint32_t)transport)));
	return ETH_HLEN + 20 + transport;
}

struct batch {
	uint8_t frames[BATCH][FRAME_MAX];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
};

static void batch_init(struct batch *batch)
{
	memset(batch, 0, sizeof(*batch));
	for (int i = 0; i < BATCH; i++) {
		batch->parts[i].iov_base = batch->frames[i];
		batch->messages[i].msg_hdr.msg_iov = &batch->parts[i];
		batch->messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static int open_device(const char *device, uint8_t mac[6])
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(device) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1, room = 64 << 20;
	struct ifreq request = { 0 };

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die(device);
	/* Without a queue: the receiver's softirq then runs inside of the call. */
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) != 0)
		die("PACKET_QDISC_BYPASS");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (ioctl(fd, SIOCGIFHWADDR, &request) != 0)
		die("SIOCGIFHWADDR");
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	return fd;
}

static void read_mac(const char *text, uint8_t mac[6])
{
	unsigned bytes[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5]) != 6) {
		errno = EINVAL;
		die(text);
	}
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)bytes[i];
}

/* ---- both ends ---- */

struct bench {
	const char *client_netns, *server_netns;
	struct ends ends;
	int device;
	int listener, server_udp;         /* in the server's namespace */
	int client, client_udp, accepted; /* one connection that stays, one flow of datagrams */
	uint16_t client_port;
	struct batch batch;
	uint64_t random;
};

static struct sockaddr_in at(in_addr_t address, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = address };
}

static int open_bound(int kind, in_addr_t address, uint16_t port)
{
	struct sockaddr_in name = at(address, port);
	int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		die("bind");
	return fd;
}

static int open_connected(int kind, in_addr_t address, uint16_t port)
{
	struct sockaddr_in name = at(address, port);
	int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		die("connect");
	return fd;
}

static void say(int from, int to, size_t len)
{
	char text[64] = { 0 };

	if (send(from, text, len, 0) != (ssize_t)len || recv(to, text, len, MSG_WAITALL) != (ssize_t)len)
		die("a word from one end to the other");
}

static void open_ends(struct bench *bench)
{
	struct sockaddr_in name, asking = at(bench->ends.source, ASKING);
	socklen_t len = sizeof(name);

	enter(bench->server_netns);
	bench->listener = open_bound(SOCK_STREAM, bench->ends.target, PORT);
	bench->server_udp = open_bound(SOCK_DGRAM, bench->ends.target, PORT);
	if (listen(bench->listener, 1024) != 0 ||
	    connect(bench->server_udp, (struct sockaddr *)&asking, sizeof(asking)) != 0)
		die("listen");
	enter(bench->client_netns);
	bench->client = open_connected(SOCK_STREAM, bench->ends.target, PORT);
	bench->accepted = accept4(bench->listener, NULL, NULL, SOCK_CLOEXEC);
	if (bench->accepted < 0 || getsockname(bench->client, (struct sockaddr *)&name, &len) != 0)
		die("accept");
	bench->client_port = ntohs(name.sin_port);
	bench->client_udp = open_bound(SOCK_DGRAM, bench->ends.source, ASKING);
	name = at(bench->ends.target, PORT);
	if (connect(bench->client_udp, (struct sockaddr *)&name, sizeof(name)) != 0)
		die("connect");
}

/* Both sides speak, for longer than the two seconds after which conntrack takes datagrams for a conversation. */
static void settle(struct bench *bench)
{
	for (int i = 0; i < 5; i++) {
		say(bench->client, bench->accepted, 5);
		say(bench->accepted, bench->client, 5);
		say(bench->client_udp, bench->server_udp, 1);
		say(bench->server_udp, bench->client_udp, 1);
		usleep(i < 3 ? 750000 : 20000);
	}
}

static uint32_t queue_seq(int fd, int queue)
{
	uint32_t seq = 0;
	socklen_t len = sizeof(seq);

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) != 0 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &len) != 0)
		die("TCP_QUEUE_SEQ");
	return seq;
}

static struct segment next_segment(const struct bench *bench, uint8_t flags)
{
	int on = 1, off = TCP_REPAIR_OFF_QUIETLY;
	struct segment segment = {
		.protocol = IPPROTO_TCP, .flags = flags, .source_port = bench->client_port, .target_port = PORT
	};

	if (setsockopt(bench->client, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) != 0)
		die("TCP_REPAIR");
	segment.seq = queue_seq(bench->client, 2);
	segment.ack = queue_seq(bench->client, 1);
	setsockopt(bench->client, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off));
	return segment;
}

/* ---- modes: each does `count` units, or a few more, and returns how many ---- */

static long send_batches(int fd, struct batch *batch, long count)
{
	long done = 0, failed = 0;

	while (done < count) {
		int sent = sendmmsg(fd, batch->messages, BATCH, 0);

		if (sent < 0 && ++failed > 1000)
			die("sendmmsg");
		done += sent > 0 ? sent : 0;
	}
	return done;
}

static void fill(struct bench *bench, const struct segment *segment)
{
	for (int i = 0; i < BATCH; i++)
		bench->batch.parts[i].iov_len =
			build(bench->batch.frames[i], &bench->ends, bench->ends.source, segment);
}

static void fill_strangers(struct batch *batch, const struct ends *ends, uint64_t *random, uint16_t low, uint16_t ports)
{
	for (int i = 0; i < BATCH; i++) {
		uint64_t r = next_random(random);
		struct segment segment = { .protocol = IPPROTO_TCP,
					   .flags = SYN,
					   .source_port = (uint16_t)(1024 + (r >> 40) % 60000),
					   .target_port = (uint16_t)(low + (r >> 24) % ports),
					   .seq = (uint32_t)r };

		batch->parts[i].iov_len =
			build(batch->frames[i], ends, htonl((uint32_t)((11 + (r >> 8) % 80) << 24 | (r & 0xffffff))),
			      &segment);
	}
}

static long out_of_the_server(struct bench *bench, long count)
{
	struct iovec word = { (char[1]){ 0 }, 1 };
	struct mmsghdr messages[BATCH] = { 0 };
	long done = 0;

	for (int i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = &word;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (done < count) {
		int sent = sendmmsg(bench->server_udp, messages, BATCH, 0);

		if (sent < 0)
			die("sendmmsg");
		done += sent;
	}
	return done;
}

static long strangers(struct bench *bench, long count)
{
	long done = 0;

	while (done < count) {
		fill_strangers(&bench->batch, &bench->ends, &bench->random, PORT, 1);
		done += send_batches(bench->device, &bench->batch, BATCH);
	}
	return done;
}

static long graded(struct bench *bench, long count)
{
	long done = 0;

	while (done < count) {
		for (int i = 0; i < BATCH; i++) {
			uint64_t r = next_random(&bench->random);
			struct segment segment = { .protocol = IPPROTO_TCP,
						   .flags = SYN,
						   .source_port = (uint16_t)(1024 + (r >> 40) % 60000),
						   .target_port = PORT,
						   .seq = (uint32_t)r };

			bench->batch.parts[i].iov_len =
				build(bench->batch.frames[i], &bench->ends, htonl(GRADED), &segment);
		}
		done += send_batches(bench->device, &bench->batch, BATCH);
	}
	return done;
}

static long connections(struct bench *bench, long count)
{
	const struct linger reset = { 1, 0 };
	char word;

	for (long i = 0; i < count; i++) {
		int client = open_connected(SOCK_STREAM, bench->ends.target, PORT);
		int server = accept4(bench->listener, NULL, NULL, SOCK_CLOEXEC);

		if (server < 0)
			die("accept");
		say(client, server, 7);
		say(server, client, 6);
		close(server);
		if (recv(client, &word, 1, 0) != 0)
			die("the end of a connection");
		setsockopt(client, SOL_SOCKET, SO_LINGER, &reset,
			   sizeof(reset)); /* no TIME_WAIT: ports would run out */
		close(client);
	}
	return count;
}

static long questions(struct bench *bench, long count)
{
	struct sockaddr_in from;
	char word[8] = { 0 };

	enter(bench->server_netns);
	int server = open_bound(SOCK_DGRAM, bench->ends.target, PORT + 1);
	enter(bench->client_netns);
	for (long i = 0; i < count; i++) {
		int client = open_connected(SOCK_DGRAM, bench->ends.target, PORT + 1);
		socklen_t len = sizeof(from);

		if (send(client, word, 7, 0) != 7 ||
		    recvfrom(server, word, sizeof(word), 0, (struct sockaddr *)&from, &len) != 7 ||
		    sendto(server, word, 7, 0, (struct sockaddr *)&from, len) != 7 ||
		    recv(client, word, sizeof(word), 0) != 7)
			die("a question");
		close(client);
	}
	close(server);
	return count;
}

static long bulk(struct bench *bench, long count)
{
	static char data[CHUNK];
	int client = open_connected(SOCK_STREAM, bench->ends.target, PORT);
	int server = accept4(bench->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ssize_t got;

	fcntl(client, F_SETFL, O_NONBLOCK);
	for (long long left = count * 1024ll; left > 0;) {
		struct pollfd ready[] = { { .fd = client, .events = POLLOUT }, { .fd = server, .events = POLLIN } };

		if (send(client, data, sizeof(data), 0) < 0 && errno != EAGAIN)
			die("send");
		while ((got = recv(server, data, sizeof(data), 0)) > 0)
			left -= got;
		if (poll(ready, 2, 5000) < 1)
			die("a stream stalled");
	}
	close(client);
	close(server);
	return count;
}

static long run(struct bench *bench, const char *mode, long count)
{
	const struct segment datagram = { .protocol = IPPROTO_UDP, .source_port = ASKING, .target_port = PORT };
	struct segment segment;

	if (strcmp(mode, "out") == 0)
		return out_of_the_server(bench, count);
	if (strcmp(mode, "syn") == 0)
		return strangers(bench, count);
	if (strcmp(mode, "graded") == 0)
		return graded(bench, count);
	if (strcmp(mode, "connect") == 0)
		return connections(bench, count);
	if (strcmp(mode, "ask") == 0)
		return questions(bench, count);
	if (strcmp(mode, "bulk") == 0)
		return bulk(bench, count);
	segment = strcmp(mode, "in") == 0 ? datagram : next_segment(bench, strcmp(mode, "psh") == 0 ? PSH | ACK : ACK);
	fill(bench, &segment);
	return send_batches(bench->device, &bench->batch, count);
}

static int serve(struct bench *bench)
{
	char mode[16];
	long count;

	puts("ready");
	fflush(stdout);
	while (scanf("%15s %ld", mode, &count) == 2) {
		double cpu, wall;

		if (strcmp(mode, "settle") == 0) {
			settle(bench);
			puts("0 0");
			fflush(stdout);
			continue;
		}
		cpu = ns(CLOCK_PROCESS_CPUTIME_ID);
		wall = ns(CLOCK_MONOTONIC);
		count = run(bench, mode, count);
		cpu = ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
		wall = ns(CLOCK_MONOTONIC) - wall;
		printf("%.1f %.1f\n", cpu / (double)count, wall / (double)count);
		fflush(stdout);
	}
	return 0;
}

/* ---- the flood ---- */

/* Steadily: what was missed while it was stopped is not made up for, but for 5 ms. */
static int flood(char **argv, uint16_t low, uint16_t ports)
{
	const double gap = BATCH * 1e9 / atof(argv[4]), end = ns(CLOCK_MONOTONIC) + atof(argv[5]) * 1e9;
	struct ends ends = { .target = inet_addr(argv[3]) };
	static struct batch batch;
	uint64_t random = 88172645463325252ull;
	double now, next = 0;
	long sent = 0;
	int fd;

	enter(argv[0]);
	fd = open_device(argv[1], ends.source_mac);
	read_mac(argv[2], ends.target_mac);
	batch_init(&batch);
	while ((now = ns(CLOCK_MONOTONIC)) < end) {
		if (now < next) {
			usleep((useconds_t)((next - now) / 1000));
			continue;
		}
		next = (next > now - 5e6 ? next : now - 5e6) + gap;
		fill_strangers(&batch, &ends, &random, low, ports);
		sent += send_batches(fd, &batch, BATCH);
	}
	printf("%ld\n", sent);
	return 0;
}

int main(int argc, char **argv)
{
	static struct bench bench = { .random = 2463534242u };

	if (argc == 8 && strcmp(argv[1], "flood") == 0)
		return flood(argv + 2, 10000, 20000);
	if (argc == 10 && strcmp(argv[1], "flood") == 0)
		return flood(argv + 2, (uint16_t)atoi(argv[8]), (uint16_t)atoi(argv[9]));
	if (argc != 7) {
		fprintf(stderr,
			"usage: bench_path CLIENT_NETNS SERVER_NETNS CLIENT_DEVICE SERVER_MAC CLIENT_IP SERVER_IP\n"
			"       bench_path flood NETNS DEVICE SERVER_MAC SERVER_IP RATE SECONDS [LOW PORTS]\n");
		return 2;
	}
	bench.client_netns = argv[1];
	bench.server_netns = argv[2];
	bench.ends.source = inet_addr(argv[5]);
	bench.ends.target = inet_addr(argv[6]);
	read_mac(argv[4], bench.ends.target_mac);
	open_ends(&bench);
	bench.device = open_device(argv[3], bench.ends.source_mac);
	batch_init(&bench.batch);
	return serve(&bench);
}
