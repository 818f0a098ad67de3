/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the veil looks at in a packet: the same for the daemon, a replay and the scenarios.
 */
#include <picket/probe.h>
#include <picket/veil.h>

bool veil_is_syn(const struct packet *packet)
{
	return packet->protocol == PROTO_TCP &&
	       (packet->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) == TCP_SYN;
}

bool veil_is_tried(uint16_t port)
{
	return port == 80 || port == 113 || port == 443 || port == 853;
}

struct veil_syn veil_syn_of(const struct packet *packet, enum veil_target target)
{
	enum evidence_tool mark = judge_mark(packet);

	return (struct veil_syn){
		.src = packet->src,
		.dst = packet->dst,
		.sport = packet->sport,
		.dport = packet->dport,
		.seq = packet->seq,
		.mss = packet->mss,
		.option_count = packet->tcp_option_count,
		.target = (uint8_t)target,
		.tool = mark != TOOL_NONE && mark != TOOL_NMAP, /* small devices send nmap's pattern, too */
	};
}
