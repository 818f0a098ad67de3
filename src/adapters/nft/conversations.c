/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains that learn with which hosts this one talks, and let their packets pass.
 *
 * Customers: sources that exchanged data with a service of this host keep the port that they use, even when they are
 * blocked on suspicion.
 *
 * Expected answers: an answer may come after conntrack forgot the question and the program closed its socket, and then
 * it looks like a scan of high ports: a slow name server's datagram, the last FIN of a backend that outlived a restart.
 * So the chains learn the questions, in sets of their own: datagrams by both ports, which leaves no hole at all;
 * connections by the server's address and port, since those are many and live long.  This happens after source NAT, so
 * that what containers ask in this host's name counts as well.
 * Limit: a server that this host connected to may send ACKs to ports above 1023 unseen for a day; the answers tell it
 * no more than that the host is there.
 */
#include "rule.h"

#include <linux/netfilter/nf_conntrack_tuple_common.h>

#define PRIORITY_CUSTOMER (-151)
#define PRIORITY_SPEAK    110 /* after NF_IP_PRI_NAT_SRC, 100 */
#define OWN_PORTS_BEGIN   1024

/* ---- customers ---- */

/*
 * A source that completed a connection with data, while it was under no suspicion, keeps access to that very port.
 * Data is PSH+ACK from the side that connected, where conntrack says that both sides spoke; or a datagram after an
 * answer to an earlier one.  conntrack's word is not enough for a connection to this host: data that comes in place of
 * a handshake's last ACK looks the same to it, and would let a blocked source in by the back door.
 */
static void write_new_customer(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_chain(w, "new_customer");
	chain_unless_guarded(w, "new_customer", rules, rule_return);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "new_customer");
		rule_source(w, f, RULE_SOURCE, RULE_IS, "seen");
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
	rule_socket_exists(w); /* still half open */
	rule_return(w);
	rule_begin(w, "new_customer");
	rule_goto(w, "customer_add"); /* forwarded: no socket of this host */
}

/*
 * A resolver's client asks from a new port each time: its conversation is one datagram and one answer, and conntrack
 * never says "established".  A source that got an answer while under no suspicion keeps that one port; the sender of
 * forged datagrams gains nothing by it.
 */
static void write_answered(struct rule_writer *w)
{
	rule_chain(w, "new_answered");
	rule_begin(w, "new_answered");
	rule_loopback(w, RULE_DESTINATION);
	rule_return(w);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "new_answered");
		rule_source(w, f, RULE_DESTINATION, RULE_IS, "seen");
		rule_return(w);
		rule_begin(w, "new_answered");
		rule_add_service(w, f, RULE_DESTINATION, RULE_SOURCE, "answered");
		rule_end(w);
	}

	rule_base_chain(w, "answer", NF_INET_LOCAL_OUT, PRIORITY_CUSTOMER);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "answer");
		rule_protocol(w, IPPROTO_UDP);
		rule_ct_direction(w, IP_CT_DIR_REPLY);
		rule_service(w, f, RULE_DESTINATION, RULE_SOURCE, RULE_IS_NOT, "answered");
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
		rule_add_service(w, f, RULE_SOURCE, RULE_DESTINATION, "customers");
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
			rule_ct_direction(w, IP_CT_DIR_ORIGINAL);
			rule_ct_state(w, CT_ESTABLISHED);
			rule_service(w, f, RULE_SOURCE, RULE_DESTINATION, signs[i].sense, "customers");
			if (signs[i].refresh) {
				rule_add_service(w, f, RULE_SOURCE, RULE_DESTINATION, "customers");
				rule_end(w);
			} else {
				rule_jump(w, "new_customer");
			}
		}
	}
}

/* ---- expected answers ---- */

/*
 * What a server opens towards this host because it was called: the question which user is behind the connection (RFC
 * 1413), the data of an active FTP transfer (RFC 959 3.3), or a connection to this host's port of the same service
 * (mail call-backs, servers that speak both ways).  Each is one port, or comes from one port, so that a server gains no
 * scan by having been called.
 */
static void write_called_back(struct rule_writer *w)
{
	static const uint16_t ident_askers[] = { 21, 25, 110, 143, 194, 587, 6667, 6697 };

	rule_chain(w, "asks_who");
	rule_chain(w, "called_back");
	for (EACH_FAMILY(f)) {
		for (size_t i = 0; i < sizeof(ident_askers) / sizeof(ident_askers[0]); i++) {
			rule_begin(w, "asks_who");
			rule_service_at(w, f, RULE_SOURCE, ident_askers[i], "called");
			rule_accept(w);
		}
		rule_begin(w, "called_back");
		rule_service(w, f, RULE_SOURCE, RULE_DESTINATION, RULE_IS, "called");
		rule_accept(w);
		rule_begin(w, "called_back");
		rule_port_is(w, RULE_SOURCE, 20);
		rule_port_from(w, RULE_DESTINATION, OWN_PORTS_BEGIN);
		rule_service_at(w, f, RULE_SOURCE, 21, "called");
		rule_accept(w);
	}
	rule_begin(w, "called_back");
	rule_port_is(w, RULE_DESTINATION, 113);
	rule_jump(w, "asks_who");
}

void chains_expected(struct rule_writer *w)
{
	write_called_back(w);
	rule_chain(w, "expected");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "expected");
		rule_protocol(w, IPPROTO_UDP);
		rule_conversation(w, f, RULE_SOURCE, "asked");
		rule_accept(w);
	}
	for (EACH_FAMILY(f)) {
		rule_begin(w, "expected");
		rule_tcp_flags(w, SYN | RST | ACK, ACK);
		rule_port_from(w, RULE_DESTINATION, OWN_PORTS_BEGIN);
		rule_service(w, f, RULE_SOURCE, RULE_SOURCE, RULE_IS, "called");
		rule_accept(w);
	}
	rule_begin(w, "expected");
	rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
	rule_jump(w, "called_back");

	rule_base_chain(w, "speak", NF_INET_POST_ROUTING, PRIORITY_SPEAK);
	rule_begin(w, "speak");
	rule_ct_state(w, CT_ESTABLISHED | CT_RELATED);
	rule_accept(w);
	rule_begin(w, "speak");
	rule_loopback(w, RULE_DESTINATION);
	rule_accept(w);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "speak");
		rule_protocol(w, IPPROTO_UDP);
		rule_local(w, RULE_SOURCE);
		rule_add_conversation(w, f, RULE_DESTINATION, "asked");
		rule_end(w);
		rule_begin(w, "speak");
		rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
		rule_local(w, RULE_SOURCE);
		rule_add_service(w, f, RULE_DESTINATION, RULE_DESTINATION, "called");
		rule_end(w);
	}
}
