/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a probe to what it proves.  One rule holds throughout: a packet that an honest stack may send, be it late,
 * repeated or an answer, proves nothing or little; a packet that no stack sends proves much.
 *
 * Sources: RFC 9293 (TCP flags), RFC 3168 (ECE and CWR with SYN are set-up, not scanning), RFC 792, 4443, 9260.
 */
#include "evidence.h"

/* traceroute counts up from 33434, at most 30 hops of three; mtr from 33000, and it gives up after five silent hops.
 * The hops behind it are off the TTL. */
#define TRACEROUTE_PORT     33434
#define TRACEROUTE_PORT_END 33535
#define TRACEROUTE_TTL      30
#define MTR_PORT            33000
#define MTR_TTL             10
/* Every browser that was told of HTTP/3 once tries it, at each address of a name, beside the connections that count. */
#define HTTP3_PORT       443
#define EPHEMERAL_PORT   32768
#define SERVICE_PORT_END 1024
#define FTP_DATA_PORT    20

#define FLAGS_ALL (TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_ACK | TCP_URG)

static const struct finding nothing = { .kind = EVIDENCE_NONE };

uint8_t judge_syn_weight(uint16_t port)
{
	return port < 1024 ? WEIGHT_SYN_LOW : port < 32768 ? WEIGHT_SYN_MIDDLE : WEIGHT_SYN_HIGH;
}

static struct finding finding(enum evidence_kind kind, uint8_t weight, uint16_t port)
{
	return (struct finding){ .kind = kind, .weight = weight, .port = port };
}

static struct finding service_finding(enum evidence_kind kind, uint8_t weight, uint16_t port)
{
	return (struct finding){ .kind = kind, .weight = weight, .port = port, .service = true };
}

/* Shaped like the late answer of a service that we asked: from its port to one of the kind that clients use. */
static bool answers(const struct packet *p)
{
	return p->sport > 0 && p->sport < SERVICE_PORT_END && p->dport >= EPHEMERAL_PORT;
}

static enum evidence_kind impossible_flags(uint8_t flags)
{
	switch (flags) {
	case 0: return EVIDENCE_NULL;
	case TCP_FIN: return EVIDENCE_FIN;
	case TCP_FIN | TCP_PSH | TCP_URG: return EVIDENCE_XMAS;
	}
	if ((flags & (TCP_SYN | TCP_FIN | TCP_RST)) == (TCP_SYN | TCP_FIN))
		return EVIDENCE_SYNFIN;
	if ((flags & (TCP_SYN | TCP_FIN | TCP_RST)) == (TCP_SYN | TCP_RST))
		return EVIDENCE_SYNRST;
	return EVIDENCE_FLAGS;
}

static bool possible_flags(uint8_t flags)
{
	if (flags & TCP_RST)
		return !(flags & (TCP_SYN | TCP_FIN | TCP_URG));
	if (flags & TCP_SYN)
		return !(flags & (TCP_FIN | TCP_PSH | TCP_URG));
	return flags & TCP_ACK; /* with FIN, PSH, URG in any mixture: the end of some connection */
}

static struct finding judge_tcp(const struct packet *p)
{
	uint8_t flags = p->tcp_flags & FLAGS_ALL;
	struct finding f;

	if (!possible_flags(flags)) {
		f = finding(impossible_flags(flags), WEIGHT_FLAGS_FIRST, p->dport);
		f.flags = flags;
		return f;
	}
	if (flags == TCP_SYN) {
		f = service_finding(EVIDENCE_SYN, judge_syn_weight(p->dport), p->dport);
		f.stack = p->mss > 0 && p->tcp_option_count > 1;
		return f;
	}
	if (flags & (TCP_SYN | TCP_RST))
		return nothing; /* backscatter: what the victims of a forged flood send to us */
	f = service_finding(flags & TCP_FIN ? EVIDENCE_MAIMON : EVIDENCE_ACK, WEIGHT_ACK, p->dport);
	f.plausible = answers(p);
	return f;
}

static bool traces_route(const struct packet *p)
{
	if (p->dport >= TRACEROUTE_PORT && p->dport < TRACEROUTE_PORT_END)
		return p->ttl <= TRACEROUTE_TTL;
	return p->dport >= MTR_PORT && p->dport < TRACEROUTE_PORT && p->ttl <= MTR_TTL;
}

/* A long run of mtr, which uses a port only once, passes on beyond what traceroute uses. */
static bool may_trace_route(const struct packet *p)
{
	return p->dport >= TRACEROUTE_PORT_END && p->ttl <= MTR_TTL;
}

static struct finding judge_udp(const struct probe *probe)
{
	const struct packet *p = &probe->packet;
	struct finding f;

	if (traces_route(p))
		return nothing;
	if (p->dport == 68 || p->dport == 546)
		return nothing; /* DHCP answers, which come to no socket that the kernel could find */
	if (p->dport == HTTP3_PORT)
		return service_finding(EVIDENCE_UDP, WEIGHT_UDP_ANSWER, p->dport);
	if (probe->port_state == PROBE_PORT_TRAPPED)
		return service_finding(EVIDENCE_UDP_TRAP, WEIGHT_UDP_TRAP, p->dport);
	f = service_finding(EVIDENCE_UDP, answers(p) ? WEIGHT_UDP_ANSWER : WEIGHT_UDP, p->dport);
	f.plausible = may_trace_route(p);
	return f;
}

static struct finding judge_icmp(const struct packet *p)
{
	if (p->protocol == PROTO_ICMPV6)
		return p->icmp_type == 128 ? finding(EVIDENCE_ICMP_ECHO, WEIGHT_ICMP_ECHO, 0) : nothing;
	switch (p->icmp_type) {
	case 8: return finding(EVIDENCE_ICMP_ECHO, WEIGHT_ICMP_ECHO, 0);
	case 13: return finding(EVIDENCE_ICMP_TIMESTAMP, WEIGHT_ICMP_QUERY, 0);
	case 17: return finding(EVIDENCE_ICMP_MASK, WEIGHT_ICMP_QUERY, 0);
	}
	return nothing;
}

static struct finding judge_sctp(const struct packet *p)
{
	if (p->sctp_chunk == 1)
		return service_finding(EVIDENCE_SCTP_INIT, WEIGHT_SCTP_INIT, p->dport);
	if (p->sctp_chunk == 10)
		return service_finding(EVIDENCE_SCTP_COOKIE, WEIGHT_SCTP_COOKIE, p->dport);
	return nothing;
}

/*
 * Protocols that neighbours use honestly and for which no socket can be looked up: tunnels, routing, redundancy,
 * multicast.  None of them sends a packet without payload, as nmap -sO does.  ICMP and IGMP belong to IPv4 alone,
 * ICMPv6 to IPv6.
 */
static bool is_used_protocol(const struct packet *p)
{
	static const struct {
		uint8_t protocol, family; /* family 0: both */
		bool with_payload;
	} used[] = {
		{ 1, 4, false },  { 2, 4, false }, { 4, 0, true },   { 6, 0, false },  { 17, 0, false },
		{ 41, 0, true },  { 47, 0, true }, { 50, 0, true },  { 51, 0, true },  { 58, 6, false },
		{ 59, 0, false }, { 89, 0, true }, { 103, 0, true }, { 112, 0, true }, { 132, 0, false },
	};
	const uint8_t family = addr_is_v4(&p->src) ? 4 : 6;

	for (unsigned i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		if (used[i].protocol == p->protocol)
			return (used[i].family == 0 || used[i].family == family) &&
			       (!used[i].with_payload || p->payload_len > 0);
	}
	return false;
}

static struct finding judge_malformed(const struct packet *p)
{
	/* The pieces of a scan that was cut small on purpose; no path's MTU is that small (RFC 791: 68). */
	if (p->first_fragment)
		return finding(EVIDENCE_FRAGMENT, WEIGHT_FRAGMENT, p->dport);
	return finding(EVIDENCE_TRUNCATED, WEIGHT_TRUNCATED, p->dport);
}

/*
 * A silent visit is its visitor's own deed: a program that a third party sends here speaks, and an FTP server connects
 * wherever its client says, from port 20 (RFC 2577).  Limit: a fetcher that follows ftp addresses waits in silence.
 */
static struct finding judge_trap(const struct probe *probe)
{
	const struct packet *p = &probe->packet;

	if (p->sport == FTP_DATA_PORT || probe->trap == PROBE_TRAP_INDUCED)
		return service_finding(EVIDENCE_TRAP_WEAK, WEIGHT_TRAP_INDUCED, p->dport);
	if (probe->trap == PROBE_TRAP_SILENT && trap_proves(p->dport))
		return service_finding(EVIDENCE_TRAP, WEIGHT_TRAP, p->dport);
	return service_finding(EVIDENCE_TRAP_WEAK, WEIGHT_TRAP_WEAK, p->dport);
}

/* What only an outcome makes evidence: honest hosts send the same to a port that is served. */
static bool needs_outcome(enum evidence_kind kind)
{
	switch (kind) {
	case EVIDENCE_SYN:
	case EVIDENCE_MAIMON:
	case EVIDENCE_ACK:
	case EVIDENCE_UDP:
	case EVIDENCE_SCTP_INIT:
	case EVIDENCE_SCTP_COOKIE: return true;
	default: return false;
	}
}

/* At a host of others nobody looks up a socket. */
static struct finding judge_elsewhere(struct finding f, enum probe_outcome outcome)
{
	if (needs_outcome(f.kind) && (outcome == PROBE_PENDING || outcome == PROBE_ANSWERED))
		return nothing;
	f.elsewhere = true;
	if (needs_outcome(f.kind) && outcome == PROBE_DARK && f.weight < WEIGHT_DARK)
		f.weight = WEIGHT_DARK;
	return f;
}

static struct finding judge_packet(const struct probe *probe)
{
	const struct packet *p = &probe->packet;

	if (addr_is_multicast(&p->dst))
		return nothing;
	if (probe->trap != PROBE_TRAP_NONE && p->protocol == PROTO_TCP)
		return judge_trap(probe);
	if (probe->packet_result == PACKET_SHORT_TRANSPORT || probe->packet_result == PACKET_BAD_TRANSPORT)
		return judge_malformed(p);
	/* Which port it is for is hidden, so that further ones count as this one: the first must be enough. */
	if (probe->packet_result == PACKET_EXTENSION_LIMIT)
		return finding(EVIDENCE_TRUNCATED, WEIGHT_HIDDEN, 0);
	if (probe->packet_result != PACKET_OK)
		return nothing;
	if (p->checksum == PACKET_CHECKSUM_BAD)
		return finding(EVIDENCE_CHECKSUM, WEIGHT_CHECKSUM, p->dport);
	switch (p->protocol) {
	case PROTO_TCP: return judge_tcp(p);
	case PROTO_UDP: return judge_udp(probe);
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		if (addr_is_v4(&p->src) == (p->protocol == PROTO_ICMP))
			return judge_icmp(p);
		break;
	case PROTO_SCTP: return judge_sctp(p);
	}
	return is_used_protocol(p) ? nothing : finding(EVIDENCE_PROTOCOL, WEIGHT_PROTOCOL, p->protocol);
}

struct finding judge_probe(const struct probe *probe)
{
	struct finding f = judge_packet(probe);

	return probe->where == PROBE_LOCAL ? f : judge_elsewhere(f, (enum probe_outcome)probe->outcome);
}

/*
 * Marks by which scanners that build their own packets give themselves away.  Where one feature alone would meet an
 * honest packet once in 65,536, a mark needs two that have nothing to do with one another.  A mark counts only beside
 * other evidence, and once for each source.  Tools that connect through the kernel (nmap -sT, a browser) bear none.
 *
 * nmap: a raw probe has a window of 1,024 to 4,096 in steps of 1,024, and don't-fragment is off; a SYN has one option
 *   (MSS 1460), other packets have none.  Its pings carry no data and have don't-fragment off; Linux's pings carry the
 *   time and have it on.
 * masscan: the IP id is the low half of (destination ^ destination port ^ sequence), beside a window of 1,024.
 * ZMap: the IP id is 54321, beside a window of 65,535 (TCP) or a TTL that began at 255.
 * Mirai: the sequence number is the destination address.
 */
#define ZMAP_ID 54321

static uint32_t destination(const struct packet *p)
{
	const uint8_t *b = addr_v4_bytes(&p->dst);

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool is_mirai(const struct packet *p)
{
	return addr_is_v4(&p->dst) && p->protocol == PROTO_TCP && p->seq == destination(p);
}

static bool is_masscan(const struct packet *p)
{
	return addr_is_v4(&p->dst) && p->protocol == PROTO_TCP && p->window == 1024 && !p->dont_fragment &&
	       p->ip_id == (uint16_t)(destination(p) ^ p->dport ^ p->seq);
}

static bool is_zmap(const struct packet *p)
{
	if (!addr_is_v4(&p->dst) || p->ip_id != ZMAP_ID)
		return false;
	if (p->protocol == PROTO_TCP)
		return p->window == 65535 && p->tcp_option_count <= 1;
	return p->ttl > 128;
}

static bool is_empty_ping(const struct packet *p)
{
	bool echo = p->protocol == PROTO_ICMP ? p->icmp_type == 8 : p->icmp_type == 128;

	/* ICMPv6 has identifier and sequence number behind its fixed four bytes */
	return echo && !p->dont_fragment && p->payload_len == (p->protocol == PROTO_ICMP ? 0 : 4);
}

static bool is_nmap(const struct packet *p)
{
	bool syn = (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;

	if (p->protocol == PROTO_ICMP || p->protocol == PROTO_ICMPV6)
		return is_empty_ping(p);
	if (p->protocol != PROTO_TCP || p->dont_fragment || p->window == 0 || p->window > 4096 || p->window % 1024 != 0)
		return false;
	if (syn)
		return p->tcp_option_count == 1 && p->mss == 1460;
	return p->tcp_option_count == 0 || (p->tcp_option_count == 1 && p->mss == 1460);
}

enum evidence_tool judge_mark(const struct packet *packet)
{
	static const struct {
		bool (*bears)(const struct packet *p);
		enum evidence_tool tool;
	} marks[] = {
		/* The rarest first: masscan and Mirai may look like nmap otherwise. */
		{ is_mirai, TOOL_MIRAI },
		{ is_masscan, TOOL_MASSCAN },
		{ is_zmap, TOOL_ZMAP },
		{ is_nmap, TOOL_NMAP },
	};

	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (marks[i].bears(packet))
			return marks[i].tool;
	}
	return TOOL_NONE;
}
