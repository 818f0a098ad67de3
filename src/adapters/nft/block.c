/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains that keep blocked sources out, and the book of customers, who keep the port they use.
 */
#include "chains.h"

#include <linux/netfilter/nf_conntrack_common.h>

#define PRIORITY_HARD     (-300)
#define PRIORITY_CUSTOMER (-151)
#define PRIORITY_SOFT     (-150)
#define PRIORITY_MUTE     (-150)

#define CUSTOMER_MS (24 * 3600 * 1000)

void chains_hard(struct rule_writer *w)
{
	rule_chain(w, "hardly");
	chain_unless_allowed(w, "hardly");
	chain_drop(w, "hardly", "dropped_hard");

	rule_base_chain(w, "hard", NF_INET_PRE_ROUTING, PRIORITY_HARD);
	rule_begin(w, "hard");
	rule_jump(w, "hard_from");
}

/*
 * Who completed a connection with data, while under no suspicion, keeps access to that very port.  Data is PSH+ACK
 * from the side that connected, with conntrack's word that both sides spoke; a datagram after an answer to one
 * before. conntrack's word is not enough for a connection of our own: data that comes in place of a handshake's
 * last ACK looks the same to it, and would let a blocked source in by the back door.
 */
static void write_new_customer(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_chain(w, "new_customer");
	chain_unless_guarded(w, "new_customer", rules, rule_return);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "new_customer");
		rule_seen(w, &rule_families[f], RULE_IS);
		rule_return(w);
	}
	if (rules->mode == NFT_BLOCK) {
		rule_begin(w, "new_customer");
		rule_jump(w, "soft_skip");
	}
	rule_begin(w, "new_customer");
	rule_socket_transparent(w, true); /* a trap's connection */
	rule_return(w);

	rule_begin(w, "new_customer");
	rule_socket_is_connection(w);
	rule_goto(w, "customer_add");
	rule_begin(w, "new_customer");
	rule_socket_exists(w); /* half open still */
	rule_return(w);
	rule_begin(w, "new_customer");
	rule_goto(w, "customer_add"); /* forwarded: no socket of ours */
}

/*
 * A resolver's client asks from a new port each time, so its conversation is one datagram and one answer, and
 * conntrack never says
 * "established".  Who got an answer while under no suspicion keeps that one port; forged senders gain nothing by it.
 */
static void write_answered(struct rule_writer *w)
{
	rule_chain(w, "new_answered");
	rule_begin(w, "new_answered");
	rule_loopback(w, RULE_DESTINATION);
	rule_return(w);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "new_answered");
		rule_address(w, rule_families[f].family, RULE_DESTINATION, rule_families[f].seen_len, RULE_IS,
			     rule_families[f].seen);
		rule_return(w);
		rule_begin(w, "new_answered");
		rule_remember_customer(w, rule_families[f].family, RULE_DESTINATION, RULE_SOURCE,
				       rule_families[f].answered, CUSTOMER_MS);
		rule_end(w);
	}

	rule_base_chain(w, "answer", NF_INET_LOCAL_OUT, PRIORITY_CUSTOMER);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "answer");
		rule_protocol(w, IPPROTO_UDP);
		rule_ct_reply(w);
		rule_customer(w, rule_families[f].family, RULE_DESTINATION, RULE_SOURCE, RULE_IS_NOT,
			      rule_families[f].answered);
		rule_jump(w, "new_answered");
	}
}

void chains_customers(struct rule_writer *w, const struct nft_rules *rules)
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
		rule_remember_customer(w, rule_families[f].family, RULE_SOURCE, RULE_DESTINATION,
				       rule_families[f].customers, CUSTOMER_MS);
		rule_end(w);
	}
	write_new_customer(w, rules);
	write_answered(w);

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
			rule_customer(w, rule_families[f].family, RULE_SOURCE, RULE_DESTINATION, signs[i].sense,
				      rule_families[f].customers);
			if (signs[i].refresh) {
				rule_remember_customer(w, rule_families[f].family, RULE_SOURCE, RULE_DESTINATION,
						       rule_families[f].customers, CUSTOMER_MS);
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
		rule_customer(w, rule_families[f].family, address, port, RULE_IS, rule_families[f].customers);
		rule_accept(w);
		rule_begin(w, chain);
		rule_customer(w, rule_families[f].family, address, port, RULE_IS, rule_families[f].answered);
		rule_accept(w);
	}
}

void chains_soft(struct rule_writer *w)
{
	rule_chain(w, "softly_new");
	write_open_to_blocked(w, "softly_new", RULE_SOURCE, RULE_DESTINATION);
	chain_drop(w, "softly_new", "dropped_soft");

	/* conntrack calls a handshake established from our SYN+ACK on; the socket knows better: the ACK that would
	 * complete
	 * it finds a request socket still, and what comes for a trap's visit that ended without a word finds none.
	 * Connections that we opened, published ports and forwarded ones are not asked. */
	rule_chain(w, "softly_running");
	rule_begin(w, "softly_running");
	rule_tcp_flags(w, RST, RST);
	rule_accept(w);
	rule_begin(w, "softly_running");
	rule_protocol(w, IPPROTO_TCP);
	rule_ct_original(w);
	rule_socket_is_connection(w);
	rule_accept(w);
	rule_begin(w, "softly_running");
	rule_ct_status(w, IPS_DST_NAT);
	rule_accept(w);
	rule_begin(w, "softly_running");
	rule_protocol(w, IPPROTO_TCP);
	rule_ct_original(w);
	rule_local_destination(w);
	rule_goto(w, "softly_new");
	rule_begin(w, "softly_running");
	rule_accept(w);

	rule_chain(w, "softly");
	chain_unless_allowed(w, "softly");
	rule_begin(w, "softly");
	rule_ct_state(w, CT_RELATED);
	rule_accept(w);
	rule_begin(w, "softly");
	rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN); /* retransmitted: conntrack says established */
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

void chains_mute(struct rule_writer *w)
{
	rule_chain(w, "mute_new");
	rule_begin(w, "mute_new");
	rule_jump(w, "allowed_to");
	write_open_to_blocked(w, "mute_new", RULE_DESTINATION, RULE_SOURCE);
	chain_drop(w, "mute_new", "muted");

	rule_chain(w, "mute_all");
	rule_begin(w, "mute_all");
	rule_jump(w, "allowed_to");
	chain_drop(w, "mute_all", "muted");

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
