/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Marks by which scanners that build their own packets give themselves away.  A mark takes two features that have
 * nothing to do with one another wherever one alone would meet an honest packet once in 65,536; it counts only beside
 * other evidence, once a source.  Tools that connect through the kernel (nmap -sT, a browser) bear none.
 *
 * nmap: raw probes have a window of 1,024 to 4,096 in steps of 1,024 and don't-fragment off; a SYN has one option (MSS
 *   1460), the others none.  Its pings carry nothing, not even the time, and have don't-fragment off: Linux's have it
 *   on.
 * masscan: IP id = low half of (destination ^ destination port ^ sequence), beside window 1,024.
 * ZMap: IP id 54321, beside window 65,535 (TCP) or a TTL that began at 255.
 * Mirai: sequence = destination address.
 */
#include "judge.h"

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
