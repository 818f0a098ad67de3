/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains: which packet is dropped, trapped, queued or left alone.  Written to be read as the rules themselves, IPv4 and
 * IPv6 by one loop.  What is common (established, not on a list) leaves each chain by its first rules.
 *
 *   hard    -300  banned: dropped before conntrack sees it
 *   customer-151  who has exchanged data with a service of ours
 *   soft    -150  blocked on suspicion: nothing new, what runs goes on
 *   trap     -90  new to a trapped port that nobody serves: to the trap socket, after DNAT (published ports are not ours)
 *   watch    -10  (input) suspicious: to the queue, within limits of their own for newcomers and for known sources
 *   mute    -150  (output) no SYN+ACK to who is blocked
 */
#include "nft_expr.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define URG 0x20

#define PRIORITY_HARD     (-300)
#define PRIORITY_CUSTOMER (-151)
#define PRIORITY_SOFT     (-150)
#define PRIORITY_TRAP     (-90)
#define PRIORITY_WATCH    (-10)
#define PRIORITY_MUTE     (-150)

#define NEWCOMERS_PER_SECOND 40000      /* with 3 s in `seen` never more than its 262,144 places */
#define KNOWN_PER_SECOND     1000       /* of one source */
#define KNOWN_BURST          2000
#define SEEN_MS              3000
#define METER_MS             10000
#define CUSTOMER_MS          (24 * 3600 * 1000)

#define CT_ESTABLISHED NF_CT_STATE_BIT(IP_CT_ESTABLISHED)
#define CT_RELATED     NF_CT_STATE_BIT(IP_CT_RELATED)
#define CT_NEW         NF_CT_STATE_BIT(IP_CT_NEW)

static const struct {
	enum nft_family family;
	unsigned seen_len;              /* a source is a /32 or a /64 */
	const char *seen, *meter, *customers;
} families[] = {
	{ NFT_V4, 32, "seen4", "meter4", "customers4" },
	{ NFT_V6, 64, "seen6", "meter6", "customers6" },
};

#define EACH_FAMILY(f) size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++

/*
 * Where a list is asked for.  Each has a chain that holds one rule a prefix length, so that a new length is one more set and
 * one more rule, and overlapping prefixes never meet (the kernel's interval sets refuse them).
 */
static const struct {
	const char *chain;
	enum nft_list list;
	enum rule_side side;
	bool in_observe;
	const char *then;               /* goto; NULL: accept */
} memberships[] = {
	{ "allowed", NFT_ALLOW, RULE_SOURCE, true, NULL },
	{ "allowed_to", NFT_ALLOW, RULE_DESTINATION, false, NULL },
	{ "hard_from", NFT_HARD, RULE_SOURCE, false, "hardly" },
	{ "hard_to", NFT_HARD, RULE_DESTINATION, false, "mute_all" },
	{ "soft_from", NFT_SOFT, RULE_SOURCE, false, "softly" },
	{ "soft_to", NFT_SOFT, RULE_DESTINATION, false, "mute_new" },
	{ "soft_skip", NFT_SOFT, RULE_SOURCE, false, NULL },
};

#define MEMBERSHIPS (sizeof(memberships) / sizeof(memberships[0]))

static void write_member(struct rule_writer *w, size_t membership, enum nft_family family, unsigned len)
{
	char set[NFT_NAME_MAX];

	nft_set_name(memberships[membership].list, family, len, set);
	rule_begin(w, memberships[membership].chain);
	rule_address(w, family, memberships[membership].side, len, RULE_IS, set);
	if (memberships[membership].then)
		rule_goto(w, memberships[membership].then);
	else
		rule_accept(w);
}

static void write_memberships(struct rule_writer *w, const struct nft_lengths *lengths, enum nft_mode mode)
{
	for (size_t i = 0; i < MEMBERSHIPS; i++) {
		if (mode == NFT_OBSERVE && !memberships[i].in_observe)
			continue;
		for (unsigned family = 0; family < NFT_FAMILY_COUNT; family++) {
			for (unsigned len = 129; len-- > 0;) {
				if (lengths->used[memberships[i].list][family][len])
					write_member(w, i, family, len);
			}
		}
	}
}

/* Never dropped nor queued: without neighbour discovery, multicast listeners and leases the host itself goes off the net. */
static void write_lifelines(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	rule_protocol(w, IPPROTO_ICMPV6);
	rule_icmp_type(w, "icmp6_lifelines");
	rule_accept(w);
	rule_begin(w, chain);
	rule_protocol(w, IPPROTO_UDP);
	rule_ports_are(w, 67, 68);
	rule_accept(w);
	rule_begin(w, chain);
	rule_protocol(w, IPPROTO_UDP);
	rule_ports_are(w, 547, 546);
	rule_accept(w);
}

static void write_unless_allowed(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	rule_loopback(w, RULE_SOURCE);
	rule_accept(w);
	rule_begin(w, chain);
	rule_jump(w, "allowed");
	write_lifelines(w, chain);
}

static void write_drop(struct rule_writer *w, const char *chain, const char *counter)
{
	rule_begin(w, chain);
	rule_count(w, counter);
	rule_drop(w);
}

/* Not a guarded interface: `ending` (accept, or return). */
static void write_unless_guarded(struct rule_writer *w, const char *chain, const struct nft_rules *rules,
				 void (*ending)(struct rule_writer *w))
{
	rule_begin(w, chain);
	rule_loopback(w, RULE_SOURCE);
	ending(w);
	if (!rules->interface_count)
		return;
	rule_begin(w, chain);
	rule_interface_in(w, RULE_IS_NOT, "guarded");
	ending(w);
}

static void write_hard(struct rule_writer *w)
{
	rule_chain(w, "hardly");
	write_unless_allowed(w, "hardly");
	write_drop(w, "hardly", "dropped_hard");

	rule_base_chain(w, "hard", NF_INET_PRE_ROUTING, PRIORITY_HARD);
	rule_begin(w, "hard");
	rule_jump(w, "hard_from");
}

/*
 * Who completed a connection with data, while under no suspicion, keeps access to that very port.  Data is PSH+ACK from
 * the side that connected, with conntrack's word that both sides spoke; a datagram after an answer to one before.
 * conntrack's word is not enough for a connection of our own: data that comes in place of a handshake's last ACK looks the same to it,
 * and would let a blocked source in by the back door.
 */
static void write_new_customer(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_chain(w, "new_customer");
	write_unless_guarded(w, "new_customer", rules, rule_return);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "new_customer");
		rule_address(w, families[f].family, RULE_SOURCE, families[f].seen_len, RULE_IS, families[f].seen);
		rule_return(w);
	}
	if (rules->mode == NFT_BLOCK) {
		rule_begin(w, "new_customer");
		rule_jump(w, "soft_skip");
	}
	rule_begin(w, "new_customer");
	rule_socket_transparent(w, true);       /* a trap's connection */
	rule_return(w);

	rule_begin(w, "new_customer");
	rule_socket_is_full(w);
	rule_goto(w, "customer_add");
	rule_begin(w, "new_customer");
	rule_socket_exists(w);                  /* half open still */
	rule_return(w);
	rule_begin(w, "new_customer");
	rule_goto(w, "customer_add");           /* forwarded: no socket of ours */
}

static void write_customers(struct rule_writer *w, const struct nft_rules *rules)
{
	static const struct {
		uint8_t protocol, flags;
		enum rule_sense sense;
		bool refresh;
	} signs[] = {
		{ IPPROTO_TCP, PSH | ACK, RULE_IS_NOT, false },
		{ IPPROTO_TCP, FIN | ACK, RULE_IS, true },
		{ IPPROTO_UDP, 0, RULE_IS_NOT, false },
	};

	rule_chain(w, "customer_add");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "customer_add");
		rule_remember_customer(w, families[f].family, families[f].customers, CUSTOMER_MS);
		rule_end(w);
	}
	write_new_customer(w, rules);

	rule_base_chain(w, "customer", NF_INET_PRE_ROUTING, PRIORITY_CUSTOMER);
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		for (EACH_FAMILY(f)) {
			rule_begin(w, "customer");
			if (signs[i].flags)
				rule_tcp_flags(w, signs[i].flags, signs[i].flags);
			else
				rule_protocol(w, signs[i].protocol);
			rule_ct_original(w);
			rule_ct_state(w, CT_ESTABLISHED);
			rule_customer(w, families[f].family, RULE_SOURCE, RULE_DESTINATION, signs[i].sense,
				      families[f].customers);
			if (signs[i].refresh) {
				rule_remember_customer(w, families[f].family, families[f].customers, CUSTOMER_MS);
				rule_end(w);
			} else {
				rule_jump(w, "new_customer");
			}
		}
	}
}

/* Ports that blocked sources may reach: the public ones, and those they are customers of. */
static void write_open_to_blocked(struct rule_writer *w, const char *chain, enum rule_side address, enum rule_side port)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

	for (size_t i = 0; i < sizeof(protocols); i++) {
		rule_begin(w, chain);
		rule_protocol(w, protocols[i]);
		rule_port(w, port, "public_ports");
		rule_accept(w);
	}
	for (EACH_FAMILY(f)) {
		rule_begin(w, chain);
		rule_customer(w, families[f].family, address, port, RULE_IS, families[f].customers);
		rule_accept(w);
	}
}

static void write_soft(struct rule_writer *w)
{
	rule_chain(w, "softly_new");
	write_open_to_blocked(w, "softly_new", RULE_SOURCE, RULE_DESTINATION);
	write_drop(w, "softly_new", "dropped_soft");

	/* conntrack calls a handshake established from our SYN+ACK on; the socket knows better: the ACK that would complete
	 * it finds a request socket still.  Connections that we opened, and forwarded ones, are not asked. */
	rule_chain(w, "softly_running");
	rule_begin(w, "softly_running");
	rule_tcp_flags(w, RST, RST);
	rule_accept(w);
	rule_begin(w, "softly_running");
	rule_protocol(w, IPPROTO_TCP);
	rule_ct_original(w);
	rule_socket_is_full(w);
	rule_accept(w);
	rule_begin(w, "softly_running");
	rule_protocol(w, IPPROTO_TCP);
	rule_ct_original(w);
	rule_socket_exists(w);
	rule_goto(w, "softly_new");
	rule_begin(w, "softly_running");
	rule_accept(w);

	rule_chain(w, "softly");
	write_unless_allowed(w, "softly");
	rule_begin(w, "softly");
	rule_ct_state(w, CT_RELATED);
	rule_accept(w);
	rule_begin(w, "softly");
	rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);  /* retransmitted: conntrack says established */
	rule_goto(w, "softly_new");
	rule_begin(w, "softly");
	rule_ct_state(w, CT_ESTABLISHED);
	rule_goto(w, "softly_running");
	rule_begin(w, "softly");
	rule_goto(w, "softly_new");

	rule_base_chain(w, "soft", NF_INET_PRE_ROUTING, PRIORITY_SOFT);
	rule_begin(w, "soft");
	rule_jump(w, "soft_from");
}

static void write_mute(struct rule_writer *w)
{
	rule_chain(w, "mute_new");
	rule_begin(w, "mute_new");
	rule_jump(w, "allowed_to");
	write_open_to_blocked(w, "mute_new", RULE_DESTINATION, RULE_SOURCE);
	write_drop(w, "mute_new", "muted");

	rule_chain(w, "mute_all");
	rule_begin(w, "mute_all");
	rule_jump(w, "allowed_to");
	write_drop(w, "mute_all", "muted");

	rule_base_chain(w, "mute", NF_INET_LOCAL_OUT, PRIORITY_MUTE);
	rule_begin(w, "mute");
	rule_loopback(w, RULE_DESTINATION);
	rule_accept(w);
	rule_begin(w, "mute");
	rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN | ACK);
	rule_jump(w, "soft_to");
	rule_begin(w, "mute");
	rule_ct_reply(w);
	rule_jump(w, "hard_to");
}

static void write_trapping(struct rule_writer *w, const char *chain, const char *counter, uint16_t port_v4,
			   uint16_t port_v6)
{
	const uint16_t ports[NFT_FAMILY_COUNT] = { [NFT_V4] = port_v4, [NFT_V6] = port_v6 };

	rule_chain(w, chain);
	rule_begin(w, chain);
	rule_jump(w, "trappable");
	for (EACH_FAMILY(f)) {
		if (!ports[families[f].family])
			continue;
		rule_begin(w, chain);
		rule_family(w, families[f].family);
		rule_count(w, counter);
		rule_tproxy(w, families[f].family, ports[families[f].family]);
		rule_accept(w);
	}
}

static void write_trap(struct rule_writer *w, const struct nft_rules *rules)
{
	const bool tcp = rules->trap_tcp_count && (rules->trap_port_v4 || rules->trap_port_v6);
	const bool udp = rules->trap_udp_count && (rules->trap_udp_v4 || rules->trap_udp_v6);

	if (!tcp && !udp)
		return;
	/* What may not be trapped is accepted, which ends `trap` for this packet. */
	rule_chain(w, "trappable");
	write_unless_guarded(w, "trappable", rules, rule_accept);
	rule_begin(w, "trappable");
	rule_pkttype(w, RULE_IS_NOT, PACKET_HOST);
	rule_accept(w);
	rule_begin(w, "trappable");
	rule_jump(w, "allowed");
	rule_begin(w, "trappable");
	rule_ct_status(w, IPS_DST_NAT);         /* a published port or a redirect, not ours */
	rule_accept(w);
	rule_begin(w, "trappable");
	rule_socket_exists(w);                  /* a real service, or a connection of the trap */
	rule_accept(w);
	rule_begin(w, "trappable");
	rule_local_destination(w);
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
		/* Under SYN cookies the last ACK of a handshake finds no socket either; conntrack calls it established. */
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

/* Fair limits: a flood of newcomers and one loud source each have a limit of their own; above it a packet passes, counted. */
static void write_limits(struct rule_writer *w)
{
	rule_chain(w, "known");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "known");
		rule_over_each(w, families[f].family, families[f].seen_len, families[f].meter, METER_MS, KNOWN_PER_SECOND,
			       KNOWN_BURST);
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
		rule_address(w, families[f].family, RULE_SOURCE, families[f].seen_len, RULE_IS, families[f].seen);
		rule_jump(w, "known");
		rule_begin(w, "fair");
		rule_address(w, families[f].family, RULE_SOURCE, families[f].seen_len, RULE_IS_NOT, families[f].seen);
		rule_jump(w, "newcomer");
		rule_begin(w, "fair");
		rule_remember(w, families[f].family, families[f].seen_len, families[f].seen, SEEN_MS);
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
	for (EACH_FAMILY(f)) {
		rule_begin(w, "served");
		rule_address(w, families[f].family, RULE_SOURCE, families[f].seen_len, RULE_IS, families[f].seen);
		rule_goto(w, "served_seen");
	}
}

/* What weighs nothing, however often it comes. */
static void write_innocent(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_begin(w, "watch");
	rule_pkttype(w, RULE_IS_NOT, PACKET_HOST);
	rule_accept(w);
	write_unless_guarded(w, "watch", rules, rule_accept);
	rule_begin(w, "watch");
	rule_jump(w, "allowed");
	write_lifelines(w, "watch");
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
	if (rules->way_back) {
		rule_begin(w, "watch");
		rule_no_way_back(w);
		rule_count(w, "way_back");
		rule_accept(w);
	}
}

static void write_watch(struct rule_writer *w, const struct nft_rules *rules)
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

struct nft_written nft_rules_write(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
				   const struct nft_rules *rules)
{
	struct rule_writer w = { .batch = batch, .table = nft->table, .native_queue = nft->queue_native };

	if (rules->mode == NFT_PAUSED)
		return w.written;
	/* A chain must exist before a rule jumps to it. */
	for (size_t i = 0; i < MEMBERSHIPS; i++) {
		if (rules->mode == NFT_BLOCK || memberships[i].in_observe)
			rule_chain(&w, memberships[i].chain);
	}
	write_customers(&w, rules);
	write_trap(&w, rules);
	write_watch(&w, rules);
	if (rules->mode == NFT_BLOCK) {
		write_hard(&w);
		write_soft(&w);
		write_mute(&w);
	}
	write_memberships(&w, lengths, rules->mode);
	return w.written;
}

unsigned nft_rules_write_length(const struct nft *nft, struct nft_batch *batch, enum nft_list list,
				enum nft_family family, unsigned len)
{
	struct rule_writer w = { .batch = batch, .table = nft->table, .native_queue = nft->queue_native };

	for (size_t i = 0; i < MEMBERSHIPS; i++) {
		if (memberships[i].list == list &&
		    (nft->mode == NFT_BLOCK || (nft->mode == NFT_OBSERVE && memberships[i].in_observe)))
			write_member(&w, i, family, len);
	}
	return w.written.rules;
}

void nft_rules_write_probe(struct nft_batch *batch, const char *table)
{
	struct rule_writer w = { .batch = batch, .table = table, .native_queue = true };

	rule_chain(&w, "probe");
	rule_begin(&w, "probe");
	rule_queue(&w, 0);
}
