/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The injector: a packet is handed to the kernel as if an interface had just received it, so that it meets every rule
 * that a stranger's would, `iifname` included.  What the host answers is read where it leaves.
 *
 * How: BPF_PROG_TEST_RUN of an XDP program of two instructions with BPF_F_TEST_XDP_LIVE_FRAMES (Linux 5.18).  It is
 * attached to nothing, so there is nothing to undo, however this process ends.  Needs root.
 *
 * Sources are unassigned addresses (a net of base/probenet.h that this host does not use), so the answer ends at
 * the first router; a half-open connection is closed by a reset from the same place.  Bounded: a probe is a packet of
 * 60 bytes, the packet socket sees only what leaves for those addresses, answers are read until a deadline.
 */
#include "internal.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <picket/packet.h>
#include "clock.h"
#include "probenet.h"

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

#define ANSWERS_MAX 65536 /* packets read in one collection */
#define TTL         60

struct inject {
	int program, socket;
	unsigned ifindex;
	uint8_t mac[ETH_ALEN];
};

/* "return XDP_PASS": the frame goes up the stack. */
static int load_program(void)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)pass,
		.insn_cnt = 2,
		.license = (uintptr_t) "GPL",
	};
	long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	if (fd < 0)
		return errno == ENOSYS || errno == EINVAL ? -EOPNOTSUPP : -errno;
	return (int)fd;
}

static uint32_t word_at(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Only what leaves, and only for the probes' sources: a /24, or a /64 of which the two words are compared. */
static int filter(int fd, const struct prefix *net)
{
	const bool v6 = !prefix_is_v4(net);
	const uint8_t *bytes = v6 ? net->addr.b : addr_v4_bytes(&net->addr);
	const uint32_t mask = v6 ? 0xffffffff : 0xffffff00;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 10),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v6 ? 6 : 4, 0, 7),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, v6 ? 24 : 16),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word_at(bytes), 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, v6 ? 28 : 16),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word_at(v6 ? bytes + 4 : bytes), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 2048),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

static int open_socket(const struct prefix *net)
{
	struct sockaddr_ll everywhere = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

	if (fd < 0)
		return -errno;
	/* Filtered before it is bound: nothing else is ever seen. */
	error = filter(fd, net);
	if (!error && bind(fd, (struct sockaddr *)&everywhere, sizeof(everywhere)) < 0)
		error = -errno;
	if (!error)
		return fd;
	close(fd);
	return error;
}

static int find_interface(const char *name, struct inject *inject)
{
	struct ifreq request = { 0 };
	int error = 0;

	if (strlen(name) >= sizeof(request.ifr_name))
		return -ENODEV;
	strcpy(request.ifr_name, name);
	inject->ifindex = if_nametoindex(name);
	if (inject->ifindex == 0)
		return -ENODEV;
	/* An interface without hardware addresses answers with zeros, and compares with zeros. */
	if (ioctl(inject->socket, SIOCGIFHWADDR, &request) < 0)
		error = -errno;
	else
		memcpy(inject->mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	return error;
}

int inject_open(const char *interface, const struct prefix *net, struct inject **out)
{
	struct inject *inject = calloc(1, sizeof(*inject));
	int error = 0;

	if (!inject)
		return -ENOMEM;
	inject->program = load_program();
	inject->socket = inject->program < 0 ? inject->program : open_socket(net);
	if (inject->socket < 0)
		error = inject->socket;
	else
		error = find_interface(interface, inject);
	if (error) {
		inject_close(inject);
		return error;
	}
	*out = inject;
	return 0;
}

void inject_close(struct inject *inject)
{
	if (!inject)
		return;
	if (inject->socket >= 0)
		close(inject->socket);
	if (inject->program >= 0)
		close(inject->program);
	free(inject);
}

/* ---- the bytes: headers of RFC 791, 8200, 9293 and 768, with true checksums ---- */

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t sum(const uint8_t *data, size_t len, uint32_t from)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		from += (uint32_t)data[i] << 8 | data[i + 1];
	return from;
}

static unsigned fold(uint32_t value)
{
	while (value >> 16)
		value = (value & 0xffff) + (value >> 16);
	return ~value & 0xffff;
}

static size_t put_tcp(const struct inject_probe *probe, uint8_t flags, uint32_t sequence, uint8_t *out)
{
	size_t len = flags & TCP_SYN ? 24 : 20;

	put32(out + 4, sequence);
	out[12] = (uint8_t)(len / 4 << 4);
	out[13] = flags;
	put16(out + 14, 64240);
	if (flags & TCP_SYN)
		put32(out + 20, 0x020405b4); /* MSS 1460 */
	put16(out, probe->from_port);
	put16(out + 2, probe->port);
	return len;
}

static size_t put_udp(const struct inject_probe *probe, uint8_t *out)
{
	put16(out, probe->from_port);
	put16(out + 2, probe->port);
	put16(out + 4, 8);
	return 8;
}

size_t inject_packet(const struct inject_probe *probe, uint8_t tcp_flags, uint32_t sequence,
		     uint8_t out[INJECT_PACKET_MAX])
{
	bool v4 = addr_is_v4(&probe->from), tcp = probe->protocol == PROTO_TCP;
	const uint8_t *from = v4 ? addr_v4_bytes(&probe->from) : probe->from.b;
	const uint8_t *to = v4 ? addr_v4_bytes(&probe->to) : probe->to.b;
	size_t header = v4 ? 20 : 40, addr_len = v4 ? 4 : 16, len;
	uint8_t *transport = out + header;
	uint32_t pseudo;
	unsigned check;

	memset(out, 0, INJECT_PACKET_MAX);
	len = tcp ? put_tcp(probe, tcp_flags, sequence, transport) : put_udp(probe, transport);
	pseudo = sum(from, addr_len, sum(to, addr_len, probe->protocol + (uint32_t)len));
	check = fold(sum(transport, len, pseudo));
	/* To UDP zero says that there is none (RFC 768). */
	put16(transport + (tcp ? 16 : 6), tcp || check ? check : 0xffff);
	if (v4) {
		out[0] = 0x45;
		put16(out + 2, (unsigned)(header + len));
		put16(out + 4, probe->port); /* differs from probe to probe */
		put16(out + 6, 0x4000);
		out[8] = TTL;
		out[9] = probe->protocol;
		memcpy(out + 12, from, 4);
		memcpy(out + 16, to, 4);
		put16(out + 10, fold(sum(out, 20, 0)));
	} else {
		out[0] = 0x60;
		put16(out + 4, (unsigned)len);
		out[6] = probe->protocol;
		out[7] = TTL;
		memcpy(out + 8, from, 16);
		memcpy(out + 24, to, 16);
	}
	return header + len;
}

/* ---- out ---- */

static int run(const struct inject *inject, const uint8_t *frame, size_t len)
{
	struct xdp_md context = { .data_end = (uint32_t)len, .ingress_ifindex = inject->ifindex };
	union bpf_attr attr = {
		.test = {
			.prog_fd = (uint32_t)inject->program, .data_size_in = (uint32_t)len, .repeat = 1,
			.data_in = (uintptr_t)frame, .ctx_in = (uintptr_t)&context, .ctx_size_in = sizeof(context),
			.flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		},
	};

	if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)) == 0)
		return 0;
	return errno == EINVAL ? -EOPNOTSUPP : -errno;
}

static int send_packet(const struct inject *inject, const struct inject_probe *probe, uint8_t flags, uint32_t seq)
{
	static const uint8_t sender[ETH_ALEN] = { 0x02, 'p', 'i', 'c', 'k', 't' };
	uint8_t frame[ETH_HLEN + INJECT_PACKET_MAX];
	uint16_t type = htons(addr_is_v4(&probe->from) ? ETH_P_IP : ETH_P_IPV6);
	size_t len;

	memcpy(frame, inject->mac, ETH_ALEN);
	memcpy(frame + ETH_ALEN, sender, ETH_ALEN);
	memcpy(frame + 2 * ETH_ALEN, &type, sizeof(type));
	len = inject_packet(probe, flags, seq, frame + ETH_HLEN);
	return run(inject, frame, ETH_HLEN + len);
}

int inject_send(struct inject *inject, const struct inject_probe *probe)
{
	return send_packet(inject, probe, TCP_SYN, INJECT_SEQUENCE);
}

/* ---- in ---- */

/* The probe that a packet of ours answers, and how; NULL: none. */
static struct inject_probe *match(struct inject_probe *probes, size_t count, const struct packet *packet, bool reversed)
{
	for (size_t i = 0; i < count; i++) {
		struct inject_probe *probe = &probes[i];
		const struct addr *from = reversed ? &packet->dst : &packet->src,
				  *to = reversed ? &packet->src : &packet->dst;
		uint16_t from_port = reversed ? packet->dport : packet->sport;
		uint16_t port = reversed ? packet->sport : packet->dport;

		if (probe->answered_ns == 0 && probe->protocol == packet->protocol && probe->port == port &&
		    probe->from_port == from_port && addr_equal(&probe->from, from) && addr_equal(&probe->to, to))
			return probe;
	}
	return NULL;
}

static struct inject_probe *understand(struct inject_probe *probes, size_t count, const uint8_t *data, size_t len,
				       enum inject_answer *answer)
{
	size_t header = len && data[0] >> 4 == 4 ? (size_t)(data[0] & 15) * 4 : 40;
	struct packet packet, inner;

	if (packet_parse(data, len, false, &packet) != PACKET_OK)
		return NULL;
	if (packet.protocol == PROTO_ICMP || packet.protocol == PROTO_ICMPV6) {
		bool unreachable = packet.protocol == PROTO_ICMP ? packet.icmp_type == 3 : packet.icmp_type == 1;

		*answer = INJECT_UNREACHABLE;
		if (!unreachable || len < header + 8 ||
		    packet_parse(data + header + 8, len - header - 8, false, &inner) != PACKET_OK)
			return NULL;
		return match(probes, count, &inner, false);
	}
	*answer = packet.protocol == PROTO_TCP && packet.tcp_flags & TCP_RST ? INJECT_RESET : INJECT_ANSWERED;
	return match(probes, count, &packet, true);
}

static bool read_one(struct inject *inject, struct inject_probe *probes, size_t count)
{
	uint8_t data[2048];
	ssize_t got = recv(inject->socket, data, sizeof(data), MSG_DONTWAIT);
	enum inject_answer answer;
	struct inject_probe *probe = got > 0 ? understand(probes, count, data, (size_t)got, &answer) : NULL;

	if (!probe)
		return false;
	probe->answer = answer;
	probe->answered_ns = clock_ns(CLOCK_MONOTONIC);
	if (answer == INJECT_ANSWERED && probe->protocol == PROTO_TCP)
		send_packet(inject, probe, TCP_RST, INJECT_SEQUENCE + 1);
	return true;
}

size_t inject_collect(struct inject *inject, struct inject_probe *probes, size_t count, int wait_ms)
{
	int64_t until_ns = clock_ns(CLOCK_MONOTONIC) + (int64_t)wait_ms * 1000000;
	struct pollfd wait = { .fd = inject->socket, .events = POLLIN };
	size_t answered = 0;

	for (unsigned i = 0; i < ANSWERS_MAX && answered < count; i++) {
		int64_t left_ns = until_ns - clock_ns(CLOCK_MONOTONIC);

		if (left_ns <= 0 || poll(&wait, 1, (int)(left_ns / 1000000) + 1) == 0)
			break;
		answered += read_one(inject, probes, count);
	}
	return answered;
}

/* ---- where from, where to ---- */

struct addr inject_source(unsigned n, const struct prefix *net)
{
	struct addr addr = net->addr;

	addr.b[15] = (uint8_t)n;
	return addr;
}

uint16_t inject_port(void)
{
	return (uint16_t)(20000 + (unsigned)getpid() % 20000);
}

/* A socket that is connected and never written to: the kernel says which address it would use. */
static int own_address(const struct prefix *net, struct addr *own)
{
	struct addr there = inject_source(1, net);
	bool v6 = !prefix_is_v4(net);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(9) };
	socklen_t len = v6 ? sizeof(six) : sizeof(four);
	struct sockaddr *address = v6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), error = 0;

	if (fd < 0)
		return -errno;
	memcpy(&six.sin6_addr, there.b, sizeof(there.b));
	memcpy(&four.sin_addr, addr_v4_bytes(&there), 4);
	if (connect(fd, address, len) < 0 || getsockname(fd, address, &len) < 0)
		error = -errno;
	else
		*own = v6 ? addr_from_v6(six.sin6_addr.s6_addr) : addr_from_v4((const uint8_t *)&four.sin_addr);
	close(fd);
	return error;
}

static bool address_of(const struct sockaddr *from, struct addr *out)
{
	if (from && from->sa_family == AF_INET)
		*out = addr_from_v4((const uint8_t *)&((const struct sockaddr_in *)(const void *)from)->sin_addr);
	else if (from && from->sa_family == AF_INET6)
		*out = addr_from_v6(((const struct sockaddr_in6 *)(const void *)from)->sin6_addr.s6_addr);
	else
		return false;
	return true;
}

static bool holds(const struct ifaddrs *item, const struct addr *own)
{
	struct addr addr;

	return address_of(item->ifa_addr, &addr) && addr_equal(&addr, own);
}

/* Is the interface numbered from the net, or the net a part of what is on its link? */
static bool uses(const struct ifaddrs *item, const struct prefix *net)
{
	struct prefix link;
	struct addr addr, mask;
	unsigned len;

	if (!address_of(item->ifa_addr, &addr) || !address_of(item->ifa_netmask, &mask))
		return false;
	len = addr_is_v4(&addr) ? 96 : 0;
	while (len < 128 && mask.b[len / 8] & 0x80 >> len % 8)
		len++;
	link = prefix_of(&addr, len);
	return prefix_covers(&link, net) || prefix_covers(net, &link);
}

const struct prefix *inject_net(bool v6)
{
	const struct prefix *net = NULL;
	struct ifaddrs *list;
	bool used = true;

	if (getifaddrs(&list) < 0)
		return NULL;
	for (size_t n = 0; used && (net = probenet_at(v6, n)) != NULL; n++) {
		used = false;
		for (const struct ifaddrs *item = list; item && !used; item = item->ifa_next)
			used = uses(item, net);
	}
	freeifaddrs(list);
	return net;
}

int inject_way(const struct prefix *net, struct addr *own, char interface[16])
{
	struct ifaddrs *list;
	struct addr found;
	int error = own_address(net, &found);

	if (error)
		return error;
	if (getifaddrs(&list) < 0)
		return -errno;
	error = -ENODEV;
	for (const struct ifaddrs *item = list; item && error; item = item->ifa_next)
		if (holds(item, &found) && strlen(item->ifa_name) < 16) {
			strcpy(interface, item->ifa_name);
			*own = found;
			error = 0;
		}
	freeifaddrs(list);
	return error;
}
