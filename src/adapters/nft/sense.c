/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains that sense: traps for ports without a service, and the queue for suspicious packets, within limits that
 * neither a flood of newcomers nor one loud source can use up for the others.
 */
#include "rule.h"

#include <linux/if_packet.h>

#define PRIORITY_TRAP  (-90)
#define PRIORITY_WATCH (-10)

#define NEWCOMERS_PER_SECOND 40000 /* with 3 s in `seen` never more than its 262,144 places */
#define KNOWN_PER_SECOND     1000  /* of one source */
#define KNOWN_BURST          2000

static void write_trapping(struct rule_writer *w, const char *chain, const char *counter, uint16_t port_v4,
			   uint16_t port_v6)
{
	const uint16_t ports[NFT_FAMILY_COUNT] = { [NFT_V4] = port_v4, [NFT_V6] = port_v6 };

	rule_chain(w, chain);
	rule_begin(w, chain);
	rule_jump(w, "trappable");
	for (EACH_FAMILY(f)) {
		if (!ports[f])
			continue;
		rule_begin(w, chain);
		rule_family(w, f);
		rule_count(w, counter);
		rule_tproxy(w, f, ports[f]);
		rule_accept(w);
	}
}

void chains_trap(struct rule_writer *w, const struct nft_rules *rules)
{
	const bool tcp = rules->trap_tcp_count && (rules->trap_port_v4 || rules->trap_port_v6);
	const bool udp = rules->trap_udp_count && (rules->trap_udp_v4 || rules->trap_udp_v6);

	if (!tcp && !udp)
		return;
	/* A packet that must not be trapped is accepted, which ends `trap` for it. */
	rule_chain(w, "trappable");
	chain_unless_guarded(w, "trappable", rules, rule_accept);
	rule_begin(w, "trappable");
	rule_pkttype_is_not(w, PACKET_HOST);
	rule_accept(w);
	rule_begin(w, "trappable");
	rule_jump(w, "allowed");
	rule_begin(w, "trappable");
	rule_jump(w, "expected");
	rule_begin(w, "trappable");
	rule_ct_status(w, IPS_DST_NAT); /* a published port or a redirect, not this host's */
	rule_accept(w);
	rule_begin(w, "trappable");
	rule_socket_exists(w); /* a real service, or a connection of the trap */
	rule_accept(w);
	rule_begin(w, "trappable");
	rule_local(w, RULE_DESTINATION);
	rule_return(w);
	rule_begin(w, "trappable");
	rule_accept(w);

	rule_base_chain(w, "trap", NF_INET_PRE_ROUTING, PRIORITY_TRAP);
	if (tcp) {
		write_trapping(w, "trap_tcp", "trapped_tcp", rules->trap_port_v4, rules->trap_port_v6);
		rule_begin(w, "trap");
		rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
		rule_ct_state(w, CT_NEW | NF_CT_STATE_UNTRACKED_BIT);
		rule_port(w, RULE_DESTINATION, "trap_tcp_ports");
		rule_goto(w, "trap_tcp");
		/* Under SYN cookies the last ACK of a handshake finds no socket either; conntrack calls it
		 * established. */
		rule_begin(w, "trap");
		rule_tcp_flags(w, FIN | SYN | RST | ACK, ACK);
		rule_port(w, RULE_DESTINATION, "trap_tcp_ports");
		rule_goto(w, "trap_tcp");
	}
	if (udp) {
		write_trapping(w, "trap_udp", "trapped_udp", rules->trap_udp_v4, rules->trap_udp_v6);
		rule_begin(w, "trap");
		rule_protocol(w, IPPROTO_UDP);
		rule_ct_state(w, CT_NEW | NF_CT_STATE_UNTRACKED_BIT);
		rule_port(w, RULE_DESTINATION, "trap_udp_ports");
		rule_goto(w, "trap_udp");
	}
}

/* Fair limits: a flood of newcomers and each loud source have a limit of their own, above which a packet passes and is
 * counted. */
static void write_limits(struct rule_writer *w)
{
	rule_chain(w, "known");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "known");
		rule_over_each(w, f, "meter", KNOWN_PER_SECOND, KNOWN_BURST);
		rule_count(w, "over_known");
		rule_accept(w);
	}

	rule_chain(w, "newcomer");
	rule_begin(w, "newcomer");
	rule_over(w, NEWCOMERS_PER_SECOND, NEWCOMERS_PER_SECOND);
	rule_count(w, "over_newcomers");
	rule_accept(w);

	rule_chain(w, "fair");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "fair");
		rule_source(w, f, RULE_SOURCE, RULE_IS, "seen");
		rule_jump(w, "known");
		rule_begin(w, "fair");
		rule_source(w, f, RULE_SOURCE, RULE_IS_NOT, "seen");
		rule_jump(w, "newcomer");
		rule_begin(w, "fair");
		rule_add_source(w, f, "seen");
		rule_end(w);
	}
}

static void write_queues(struct rule_writer *w, const struct nft_rules *rules)
{
	static const struct {
		const char *chain, *limits, *counter;
		uint16_t class;
	} queues[] = {
		{ "closed", "fair", "queued_closed", 0 },
		{ "served_seen", "known", "queued_served", 1 },
		{ "trapped", "fair", "queued_trapped", 2 },
	};

	for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
		rule_chain(w, queues[i].chain);
		rule_begin(w, queues[i].chain);
		rule_jump(w, queues[i].limits);
		rule_begin(w, queues[i].chain);
		rule_count(w, queues[i].counter);
		rule_queue(w, rules->queue + queues[i].class);
	}
	rule_chain(w, "served");
	/* A packet of a source that is blocked on suspicion is here because `soft` let it through to a port that the
	 * source uses, so it must not be judged again.  A packet that slipped through while the element was being added
	 * gets no SYN+ACK from `mute`. */
	if (rules->mode == NFT_BLOCK) {
		rule_begin(w, "served");
		rule_jump(w, "soft_skip");
	}
	for (EACH_FAMILY(f)) {
		rule_begin(w, "served");
		rule_source(w, f, RULE_SOURCE, RULE_IS, "seen");
		rule_goto(w, "served_seen");
	}
}

/* Packets that are no evidence, however often they come. */
static void write_innocent(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_begin(w, "watch");
	rule_pkttype_is_not(w, PACKET_HOST);
	rule_accept(w);
	chain_unless_guarded(w, "watch", rules, rule_accept);
	rule_begin(w, "watch");
	rule_jump(w, "allowed");
	rule_begin(w, "watch");
	rule_jump(w, "expected");
	chain_essential(w, "watch");
	rule_begin(w, "watch");
	rule_family(w, NFT_V4);
	rule_protocol(w, IPPROTO_ICMP);
	rule_icmp_type(w, "icmp4_answers");
	rule_accept(w);
	rule_begin(w, "watch");
	rule_protocol(w, IPPROTO_ICMPV6);
	rule_icmp_type(w, "icmp6_answers");
	rule_accept(w);
	rule_begin(w, "watch");
	rule_tcp_flags_in(w, FIN | SYN | RST | ACK | URG, RULE_IS, "backscatter");
	rule_accept(w);
	if (rules->reverse_path) {
		rule_begin(w, "watch");
		rule_no_reverse_path(w);
		rule_count(w, "way_back");
		rule_accept(w);
	}
}

void chains_watch(struct rule_writer *w, const struct nft_rules *rules)
{
	write_limits(w);
	write_queues(w, rules);
	rule_base_chain(w, "watch", NF_INET_LOCAL_IN, PRIORITY_WATCH);
	rule_begin(w, "watch");
	rule_ct_state(w, CT_ESTABLISHED | CT_RELATED);
	rule_accept(w);
	write_innocent(w, rules);
	rule_begin(w, "watch");
	rule_tcp_flags_in(w, FIN | SYN | RST | ACK | URG, RULE_IS_NOT, "possible_flags");
	rule_goto(w, "closed");
	rule_begin(w, "watch");
	rule_socket_transparent(w, false);
	rule_goto(w, "served");
	rule_begin(w, "watch");
	rule_socket_transparent(w, true);
	rule_goto(w, "trapped");
	rule_begin(w, "watch");
	rule_goto(w, "closed");
}
