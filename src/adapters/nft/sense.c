/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains that sense: traps for ports without a service, and the queues for suspicious packets, within limits that
 * neither a flood of newcomers nor one loud source can use up for the others.
 */
#include "rule.h"

#include <linux/if_packet.h>

/* Newcomers judged by their first packet; by their second; by their first since no more can be noted.  Together 20,000
 * a second, with 3 s in `seen` never more than its 131,072 places. */
#define FIRST_PER_SECOND   5000
#define SECOND_PER_SECOND  10000
#define UNNOTED_PER_SECOND 5000
#define KNOWN_PER_SECOND   1000 /* of one source */
#define KNOWN_BURST        2000
#define KIN_PORTS_BEGIN    1024

/* ---- the queues ---- */

static void pass_over(struct rule_writer *w, const char *chain, uint32_t per_second)
{
	rule_begin(w, chain);
	rule_over(w, per_second >> w->shift, per_second >> w->shift);
	rule_count(w, "over_newcomers");
	rule_accept(w);
}

/*
 * In a flood of newcomers the first packet of each is noted and passes, which costs a set's element instead of a
 * judgement; who comes again within 10 s is judged, and noted for 10 s more.  Whom a full set has no room for is judged
 * by his first packet, up to a limit.
 */
static void write_newcomers(struct rule_writer *w)
{
	rule_chain(w, "again");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "again");
		rule_add_source(w, f, "once");
		rule_end(w);
	}
	pass_over(w, "again", SECOND_PER_SECOND);

	rule_chain(w, "once");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "once");
		rule_source(w, f, RULE_SOURCE, RULE_IS, "once");
		rule_goto(w, "again");
	}
	for (EACH_FAMILY(f)) {
		rule_begin(w, "once");
		rule_add_source(w, f, "once");
		rule_count(w, "noted_once");
		rule_accept(w);
	}
	pass_over(w, "once", UNNOTED_PER_SECOND);

	rule_chain(w, "newcomer");
	rule_begin(w, "newcomer");
	rule_over(w, FIRST_PER_SECOND >> w->shift, FIRST_PER_SECOND >> w->shift);
	rule_goto(w, "once");
}

/* Fair limits: a flood of newcomers and each loud source have a limit of their own, above which a packet passes and is
 * counted; of a veiled source it is dropped. */
static void write_limits(struct rule_writer *w)
{
	rule_chain(w, "known");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "known");
		rule_over_each(w, f, "meter", KNOWN_PER_SECOND, KNOWN_BURST);
		rule_count(w, "over_known");
		rule_accept(w);
	}

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

static void write_queue(struct rule_writer *w, const char *chain, const char *counter, uint16_t number)
{
	rule_begin(w, chain);
	rule_count(w, counter);
	rule_queue(w, number);
}

void chains_queues(struct rule_writer *w, const struct nft_rules *rules)
{
	static const struct {
		const char *chain, *counter;
		enum nft_queue queue;
	} fair[] = {
		{ "judge", "queued_judge", NFT_QUEUE_JUDGE },
		{ "trap_queue", "queued_trap", NFT_QUEUE_TRAP },
		{ "kin", "queued_kin", NFT_QUEUE_KIN },
	};

	write_newcomers(w);
	write_limits(w);
	for (size_t i = 0; i < sizeof(fair) / sizeof(fair[0]); i++) {
		rule_chain(w, fair[i].chain);
		rule_begin(w, fair[i].chain);
		rule_jump(w, "fair");
		write_queue(w, fair[i].chain, fair[i].counter, (uint16_t)(rules->queue + fair[i].queue));
	}
	/* A SYN to what is served, of a source that probed within seconds: behind those probes in the queue, since one
	 * of them may veil it. */
	rule_chain(w, "enter");
	rule_begin(w, "enter");
	rule_jump(w, "exempt");
	rule_begin(w, "enter");
	rule_jump(w, "known");
	write_queue(w, "enter", "queued_veil", (uint16_t)(rules->queue + NFT_QUEUE_VEIL));

	rule_chain(w, "veil_judge");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "veil_judge");
		rule_over_each(w, f, "meter", KNOWN_PER_SECOND, KNOWN_BURST);
		rule_count(w, "over_known");
		rule_drop(w);
	}
	write_queue(w, "veil_judge", "queued_judge", (uint16_t)(rules->queue + NFT_QUEUE_JUDGE));
}

/* ---- traps ---- */

static void write_trapping(struct rule_writer *w, const char *chain, uint8_t protocol, const char *counter,
			   const uint16_t ports[NFT_FAMILY_COUNT])
{
	for (EACH_FAMILY(f)) {
		if (!ports[f])
			continue;
		rule_begin(w, chain);
		rule_family(w, f);
		rule_protocol(w, protocol);
		rule_count(w, counter);
		rule_tproxy(w, f, ports[f]);
		rule_end(w);
	}
}

/* What is neither trapped nor evidence: ports that were served, or published, within a day.  A trap that answered in
 * place of a service that was stopped would tell its monitor that all is well. */
static void write_rested(struct rule_writer *w)
{
	static const struct {
		uint8_t protocol;
		const char *set;
	} lately[] = { { IPPROTO_TCP, "lately_tcp" }, { IPPROTO_UDP, "lately_udp" } };

	rule_chain(w, "rested");
	for (size_t i = 0; i < sizeof(lately) / sizeof(lately[0]); i++) {
		rule_begin(w, "rested");
		rule_protocol(w, lately[i].protocol);
		rule_port(w, RULE_DESTINATION, RULE_IS, lately[i].set);
		rule_accept(w);
		rule_begin(w, "rested");
		rule_protocol(w, lately[i].protocol);
		rule_transport(w, "published");
		rule_accept(w);
		rule_begin(w, "rested"); /* perhaps served by what has no socket: IPVS, a stack in user space */
		rule_protocol(w, lately[i].protocol);
		rule_port(w, RULE_DESTINATION, RULE_IS, "public_ports");
		rule_accept(w);
	}
}

void chains_trap(struct rule_writer *w, const struct nft_rules *rules)
{
	const uint16_t tcp[] = { [NFT_V4] = rules->trap_port_v4, [NFT_V6] = rules->trap_port_v6 };
	const uint16_t udp[] = { [NFT_V4] = rules->trap_udp_v4, [NFT_V6] = rules->trap_udp_v6 };

	write_rested(w);
	rule_chain(w, "trap");
	chain_unless_guarded(w, "trap", rules, NULL);
	rule_begin(w, "trap");
	rule_pkttype_is_not(w, PACKET_HOST);
	rule_accept(w);
	rule_begin(w, "trap");
	rule_socket_exists(w); /* a service, whoever's, or a visit under way */
	rule_accept(w);
	if (rules->reverse_path) {
		rule_begin(w, "trap");
		rule_no_reverse_path(w);
		rule_count(w, "way_back");
		rule_accept(w);
	}
	if (rules->trap_tcp_count)
		write_trapping(w, "trap", IPPROTO_TCP, "trapped_tcp", tcp);
	if (rules->trap_udp_count)
		write_trapping(w, "trap", IPPROTO_UDP, "trapped_udp", udp);
	rule_begin(w, "trap");
	rule_goto(w, "trap_queue");
}

/* ---- packets of no connection ---- */

/* The listeners of the traps are bound to the loopback address: nobody but the traps' rules may reach them. */
static void drop_to_listener(struct rule_writer *w, const char *chain, uint8_t protocol,
			     const uint16_t ports[NFT_FAMILY_COUNT])
{
	for (EACH_FAMILY(f)) {
		if (!ports[f])
			continue;
		rule_begin(w, chain);
		rule_loopback(w, RULE_SOURCE);
		rule_family(w, f);
		if (protocol == IPPROTO_TCP) /* an answer to a client that has this number is none of ours */
			rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
		else
			rule_protocol(w, protocol);
		rule_port_is(w, RULE_DESTINATION, ports[f]);
		rule_drop(w);
	}
}

/* Where a port is published, its packets go on to the container; that it is published is remembered. */
static void accept_published(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	rule_ct_status(w, IPS_DST_NAT);
	rule_goto(w, "publish");
}

static void enter_if_seen(struct rule_writer *w, const char *chain)
{
	for (EACH_FAMILY(f)) {
		rule_begin(w, chain);
		rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
		rule_source(w, f, RULE_SOURCE, RULE_IS, "seen");
		rule_ct_status(w, IPS_DST_NAT);
		rule_goto(w, "enter");
		rule_begin(w, chain);
		rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
		rule_source(w, f, RULE_SOURCE, RULE_IS, "seen");
		rule_socket_transparent(w, false);
		rule_goto(w, "enter");
	}
}

static void write_publish(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_chain(w, "publish");
	chain_unless_guarded(w, "publish", rules, NULL); /* what containers send out may be redirected, too */
	rule_begin(w, "publish");
	rule_published(w, RULE_IS_NOT, "published");
	rule_add_published(w, "published");
	rule_end(w);
	rule_begin(w, "publish");
	rule_accept(w);
}

static void write_fresh_tcp(struct rule_writer *w, const struct nft_rules *rules)
{
	const uint16_t ports[] = { [NFT_V4] = rules->trap_port_v4, [NFT_V6] = rules->trap_port_v6 };

	rule_chain(w, "fresh_tcp");
	drop_to_listener(w, "fresh_tcp", IPPROTO_TCP, ports);
	enter_if_seen(w, "fresh_tcp");
	accept_published(w, "fresh_tcp");
	rule_begin(w, "fresh_tcp");
	rule_local(w, RULE_DESTINATION, RULE_IS_NOT);
	rule_accept(w);
	rule_begin(w, "fresh_tcp");
	rule_jump(w, "exempt");
	rule_begin(w, "fresh_tcp");
	rule_jump(w, "expected");
	rule_begin(w, "fresh_tcp"); /* impossible flags are evidence everywhere */
	rule_tcp_flags_in(w, FIN | SYN | RST | ACK | URG, RULE_IS, "possible_flags");
	rule_jump(w, "rested");
	rule_begin(w, "fresh_tcp");
	rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
	rule_port(w, RULE_DESTINATION, RULE_IS, "trap_tcp_ports");
	rule_goto(w, "trap");
	/* Under SYN cookies the last ACK of a handshake finds no socket either.  A guessed one is right once in
	 * 2^29.  A visit's FIN belongs to no connection where conntrack is not asked. */
	rule_begin(w, "fresh_tcp");
	rule_tcp_flags(w, SYN | RST | ACK, ACK);
	rule_port(w, RULE_DESTINATION, RULE_IS, "trap_tcp_ports");
	rule_socket_exists(w);
	rule_accept(w);
	rule_begin(w, "fresh_tcp");
	rule_tcp_flags(w, FIN | SYN | RST | ACK, ACK);
	rule_port(w, RULE_DESTINATION, RULE_IS, "trap_tcp_ports");
	rule_goto(w, "trap_ack");
	rule_begin(w, "fresh_tcp");
	rule_goto(w, "watch");
}

static void write_fresh_udp(struct rule_writer *w, const struct nft_rules *rules)
{
	const uint16_t ports[] = { [NFT_V4] = rules->trap_udp_v4, [NFT_V6] = rules->trap_udp_v6 };

	rule_chain(w, "fresh_udp");
	drop_to_listener(w, "fresh_udp", IPPROTO_UDP, ports);
	accept_published(w, "fresh_udp");
	rule_begin(w, "fresh_udp");
	rule_socket_transparent(w, false);
	rule_accept(w);
	rule_begin(w, "fresh_udp");
	rule_local(w, RULE_DESTINATION, RULE_IS_NOT);
	rule_accept(w);
	rule_begin(w, "fresh_udp");
	rule_jump(w, "exempt");
	rule_begin(w, "fresh_udp");
	rule_jump(w, "expected");
	rule_begin(w, "fresh_udp");
	rule_jump(w, "rested");
	rule_begin(w, "fresh_udp");
	rule_port(w, RULE_DESTINATION, RULE_IS, "trap_udp_ports");
	rule_goto(w, "trap");
	rule_begin(w, "fresh_udp");
	rule_goto(w, "watch");
}

/* Packets that are no evidence, however often they come. */
static void write_innocent(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_begin(w, "watch"); /* forwarded, or a broadcast, also one that came in a frame for us alone */
	rule_local(w, RULE_DESTINATION, RULE_IS_NOT);
	rule_accept(w);
	rule_begin(w, "watch");
	rule_pkttype_is_not(w, PACKET_HOST);
	rule_accept(w);
	chain_unless_guarded(w, "watch", rules, NULL);
	rule_begin(w, "watch");
	rule_jump(w, "exempt");
	rule_begin(w, "watch");
	rule_jump(w, "expected");
	chain_accept_icmp_answers(w, "watch");
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

/* Traps know their own sockets by two properties: another program may be a transparent proxy, on ports of its own. */
static void accept_served(struct rule_writer *w)
{
	static const struct {
		uint8_t protocol;
		const char *traps;
	} ours[] = { { IPPROTO_TCP, "trap_tcp_ports" }, { IPPROTO_UDP, "trap_udp_ports" } };

	rule_begin(w, "watch");
	rule_socket_transparent(w, false);
	rule_accept(w);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		rule_begin(w, "watch");
		rule_protocol(w, ours[i].protocol);
		rule_socket_transparent(w, true);
		rule_port(w, RULE_DESTINATION, RULE_IS_NOT, ours[i].traps);
		rule_accept(w);
	}
}

static void write_kin(struct rule_writer *w)
{
	for (EACH_FAMILY(f)) {
		rule_begin(w, "watch");
		rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
		rule_port_from(w, RULE_DESTINATION, KIN_PORTS_BEGIN);
		rule_source(w, f, RULE_SOURCE, RULE_IS, "kin");
		rule_goto(w, "kin");
		rule_begin(w, "watch");
		rule_protocol(w, IPPROTO_UDP);
		rule_port_from(w, RULE_DESTINATION, KIN_PORTS_BEGIN);
		rule_source(w, f, RULE_SOURCE, RULE_IS, "kin");
		rule_goto(w, "kin");
	}
}

void chains_watch(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_chain(w, "watch");
	write_innocent(w, rules);
	rule_begin(w, "watch");
	rule_tcp_flags_in(w, FIN | SYN | RST | ACK | URG, RULE_IS_NOT, "possible_flags");
	rule_goto(w, "judge");
	accept_served(w);
	rule_begin(w, "watch");
	rule_jump(w, "rested");
	write_kin(w);
	rule_begin(w, "watch");
	rule_goto(w, "judge");
	write_publish(w, rules);
	write_fresh_tcp(w, rules);
	write_fresh_udp(w, rules);
}
