/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains that learn with which hosts this one talks, and let their packets pass.
 *
 * Customers: a source that finished a connection with a TCP port of this host, or one published here, keeps that port
 * for a day, data or not: health checks send none.  "Assured" (both sides have spoken) and a socket, or destination
 * NAT, are what nobody can forge; datagrams make no customers, since three forged ones would.  What is earned at
 * alert or above is kept apart: a ban does not spare it.  Kernel sets refuse when they are full, so new customers
 * are metered by net: no net can keep others out.
 *
 * Kin: a source with a running session here, whoever opened it, may meet a few closed ports (an FTP server's data
 * connection, a file transfer's answer); the sentry counts them.
 *
 * Calls: who exchanges datagrams with a port of this host may send to its neighbour, too, the even port's odd one or
 * the other way round: the reports about a stream of speech go there (RFC 3550 section 11), and not every program
 * reads them.  Uncounted, since a gateway makes a call a second.  It is one port for one that answers, and tells no
 * more.  Where this host alone speaks, the reports come from the odd port above the one that it speaks to.
 *
 * Expected answers: an answer may come after conntrack forgot the question and the program closed its socket, and then
 * it looks like a scan of high ports: a slow name server's datagram, the last FIN of a backend that outlived a restart.
 * So the chains learn the questions, in sets of their own: datagrams by both ports, which leaves no hole at all;
 * connections by the server's address and port, since those are many and live long; questions to a whole link by their
 * port, since any host of it may answer.  This happens after source NAT, so that what containers ask in this host's
 * name counts as well. Limit: a server that this host connected to may send ACKs to ports above 1023 unseen for a
 * day; the answers tell it no more than that the host is there.
 */
#include "rule.h"

#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/rtnetlink.h>

#define PRIORITY_SPEAK  110 /* after NF_IP_PRI_NAT_SRC, 100 */
#define OWN_PORTS_BEGIN 1024
/* New ones of a /24 or a /48: 3,440 a day, so that it takes 19 nets to fill the set of 65,536. */
#define CUSTOMERS_PER_HOUR   60
#define CUSTOMERS_BURST      2000
#define TRAP_ACKS_PER_SECOND 20 /* of one source: the last ACK of a handshake under SYN cookies */
#define TRAP_ACKS_BURST      40

/* ---- customers and kin ---- */

static void goto_known(struct rule_writer *w, const char *chain, const char *set, const char *then)
{
	for (EACH_FAMILY(f)) {
		rule_begin(w, chain);
		rule_ct_status(w, IPS_DST_NAT);
		rule_customer(w, f, true, set);
		rule_goto(w, then);
		rule_begin(w, chain); /* the host's own port, not a container's of that number */
		rule_ct_status_none(w, IPS_DST_NAT);
		rule_customer(w, f, false, set);
		rule_goto(w, then);
	}
}

/* A listener that is bound to one address counts as a connection here; assured tells that it is one. */
static void add_customer(struct rule_writer *w, const char *chain, const char *set, const char *then)
{
	for (EACH_FAMILY(f)) {
		rule_begin(w, chain);
		rule_ct_status(w, IPS_DST_NAT);
		rule_add_customer(w, f, true, set);
		rule_goto(w, then);
	}
	rule_begin(w, chain);
	rule_local(w, RULE_DESTINATION, RULE_IS_NOT);
	rule_goto(w, then);
	for (EACH_FAMILY(f)) {
		rule_begin(w, chain);
		rule_socket_is_connection(w);
		rule_add_customer(w, f, false, set);
		rule_goto(w, then);
	}
	rule_begin(w, chain);
	rule_accept(w);
}

/* then NULL: accept */
static void write_kin_chain(struct rule_writer *w, const char *chain, const char *then)
{
	rule_chain(w, chain);
	for (EACH_FAMILY(f)) {
		rule_begin(w, chain);
		rule_source(w, f, RULE_SOURCE, RULE_IS_NOT, "kin");
		rule_add_source(w, f, "kin");
		rule_end(w);
	}
	rule_begin(w, chain);
	if (then)
		rule_goto(w, then);
	else
		rule_accept(w);
}

static void accept_trap_visitor(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	rule_port(w, RULE_DESTINATION, RULE_IS, "trap_tcp_ports"); /* a trap's visitor is nobody's customer */
	rule_socket_transparent(w, true);
	rule_accept(w);
}

/* New ones of one net at a time. */
static void over_customers(struct rule_writer *w, const char *chain, enum nft_family family, enum rule_side side)
{
	static const unsigned net_len[NFT_FAMILY_COUNT] = { [NFT_V4] = 24, [NFT_V6] = 48 };
	const unsigned per_hour = CUSTOMERS_PER_HOUR >> w->shift;

	rule_begin(w, chain);
	rule_over_each_net(w, family, side, net_len[family], "newcomers", per_hour ? per_hour : 1,
			   CUSTOMERS_BURST >> w->shift);
	rule_count(w, "over_customers");
	rule_accept(w);
}

static void write_customer(struct rule_writer *w, const struct nft_rules *rules)
{
	write_kin_chain(w, "kin_add", NULL);
	write_kin_chain(w, "kin_flag", "flag");

	rule_chain(w, "late_customer");
	goto_known(w, "late_customer", "late", "kin_add");
	add_customer(w, "late_customer", "late", "kin_add");

	if (rules->mode == NFT_BLOCK) {
		rule_chain(w, "graded_customer");
		chain_unless_guarded(w, "graded_customer", rules, NULL);
		accept_trap_visitor(w, "graded_customer");
		goto_known(w, "graded_customer", "customers", "kin_add");
		rule_begin(w, "graded_customer");
		rule_goto(w, "late_customer");
	}

	rule_chain(w, "customer");
	chain_unless_guarded(w, "customer", rules, "flag");
	accept_trap_visitor(w, "customer");
	goto_known(w, "customer", "customers", "kin_flag");
	if (rules->mode == NFT_BLOCK) {
		rule_begin(w, "customer");
		rule_jump(w, "alerted_from");
	}
	for (EACH_FAMILY(f))
		over_customers(w, "customer", f, RULE_SOURCE);
	add_customer(w, "customer", "customers", "kin_flag");
}

static void write_trap_ack(struct rule_writer *w)
{
	rule_chain(w, "trap_ack");
	rule_begin(w, "trap_ack"); /* a visit under way; or a service that listens there, whose clients have no limit */
	rule_socket_exists(w);
	rule_return(w);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "trap_ack");
		rule_over_each(w, f, "ackrate", TRAP_ACKS_PER_SECOND, TRAP_ACKS_BURST);
		rule_drop(w);
		rule_begin(w, "trap_ack"); /* no room for it: nobody passes unmetered */
		rule_source(w, f, RULE_SOURCE, RULE_IS_NOT, "ackrate");
		rule_drop(w);
	}
	rule_begin(w, "trap_ack");
	rule_goto(w, "trap");
}

/* A packet of a connection that conntrack knows, whether both sides have spoken or not. */
static void write_running(struct rule_writer *w, const char *chain, const char *customer, const char *kin)
{
	rule_chain(w, chain);
	rule_begin(w, chain); /* a container's SYN+ACK proves nothing */
	rule_ct_direction(w, IP_CT_DIR_REPLY);
	rule_ct_status(w, IPS_DST_NAT);
	rule_accept(w);
	rule_begin(w, chain); /* not of one answer to one question: a name server asks thousands a second */
	rule_ct_direction(w, IP_CT_DIR_REPLY);
	rule_ct_status(w, IPS_ASSURED);
	rule_protocol(w, IPPROTO_UDP);
	rule_jump(w, "call");
	rule_begin(w, chain);
	rule_ct_direction(w, IP_CT_DIR_REPLY);
	rule_ct_status(w, IPS_ASSURED);
	rule_goto(w, kin);
	rule_begin(w, chain);
	rule_ct_direction(w, IP_CT_DIR_REPLY);
	rule_accept(w);
	rule_begin(w, chain); /* under SYN cookies the last ACK finds no socket */
	rule_tcp_flags(w, FIN | SYN | RST | ACK, ACK);
	rule_port(w, RULE_DESTINATION, RULE_IS, "trap_tcp_ports");
	rule_local(w, RULE_DESTINATION, RULE_IS);
	rule_jump(w, "trap_ack");
	rule_begin(w, chain);
	rule_protocol(w, IPPROTO_TCP);
	rule_ct_status(w, IPS_ASSURED);
	rule_goto(w, customer);
	rule_begin(w, chain);
	rule_protocol(w, IPPROTO_UDP);
	rule_jump(w, "call");
	rule_begin(w, chain);
	rule_protocol(w, IPPROTO_UDP);
	rule_ct_status(w, IPS_ASSURED);
	rule_goto(w, kin);
	rule_begin(w, chain);
	rule_accept(w);
}

static void write_call(struct rule_writer *w)
{
	rule_chain(w, "call");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "call");
		rule_port_from(w, RULE_DESTINATION, OWN_PORTS_BEGIN);
		rule_call(w, f, RULE_IS_NOT, "calls");
		rule_local(w, RULE_DESTINATION, RULE_IS);
		rule_add_call(w, f, "calls");
		rule_end(w);
	}
}

void chains_customers(struct rule_writer *w, const struct nft_rules *rules)
{
	write_customer(w, rules);
	write_call(w);
	write_trap_ack(w);
	write_running(w, "running", "customer", "kin_flag");
	if (rules->mode == NFT_BLOCK)
		write_running(w, "graded_running", "graded_customer", "kin_add");
}

/* ---- expected answers ---- */

/*
 * What a server opens towards this host because it was called: the question which user is behind the connection (RFC
 * 1413), or a connection to this host's port of the same service (mail call-backs, servers that speak both ways).  Each
 * is one port, so that a server gains no scan by having been called.  An FTP server's data connections may go to any
 * port: those are kin, and counted.
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
	}
	rule_begin(w, "called_back");
	rule_port_is(w, RULE_DESTINATION, 113);
	rule_jump(w, "asks_who");
}

/*
 * Past conntrack nothing says that a connection is real, but for this host's own FIN: it ends by one what it has seen
 * the whole handshake of, and nothing else (a trap ends by a reset).  So who is told so was a customer, if this host
 * did not open the connection itself.
 */
static void write_served(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_chain(w, "served");
	rule_chain(w, "served_late");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "served");
		rule_service(w, f, RULE_DESTINATION, RULE_DESTINATION, RULE_IS, "called");
		rule_accept(w);
		rule_begin(w, "served");
		rule_served_customer(w, f, "customers");
		rule_accept(w);
		rule_begin(w, "served_late");
		rule_served_customer(w, f, "late");
		rule_accept(w);
		rule_begin(w, "served_late");
		rule_add_served_customer(w, f, "late");
		rule_accept(w);
	}
	if (rules->mode == NFT_BLOCK) {
		rule_begin(w, "served");
		rule_jump(w, "graded_to");
		rule_begin(w, "served");
		rule_jump(w, "alerted_to");
	}
	for (EACH_FAMILY(f)) {
		over_customers(w, "served", f, RULE_DESTINATION);
		rule_begin(w, "served");
		rule_add_served_customer(w, f, "customers");
		rule_accept(w);
	}
}

/* What this host asks and calls. */
static void write_speak(struct rule_writer *w)
{
	static const uint32_t many[] = { RTN_MULTICAST, RTN_BROADCAST };

	rule_base_chain(w, "speak", NF_INET_POST_ROUTING, PRIORITY_SPEAK);
	rule_begin(w, "speak");
	rule_ct_state(w, CT_ESTABLISHED | CT_RELATED);
	rule_accept(w);
	rule_begin(w, "speak");
	rule_loopback(w, RULE_DESTINATION);
	rule_accept(w);
	rule_begin(w, "speak");
	rule_ct_state(w, NF_CT_STATE_UNTRACKED_BIT);
	rule_tcp_flags(w, FIN | SYN | RST | ACK, FIN | ACK);
	rule_local(w, RULE_SOURCE, RULE_IS);
	rule_goto(w, "served");
	for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		rule_begin(w, "speak");
		rule_protocol(w, IPPROTO_UDP);
		rule_destination_type(w, many[i]);
		rule_add_link_port(w, RULE_SOURCE, "asked_link");
		rule_accept(w);
	}
	for (EACH_FAMILY(f)) {
		rule_begin(w, "speak"); /* each datagram comes here: found is found sooner than it is renewed */
		rule_ct_state(w, NF_CT_STATE_UNTRACKED_BIT);
		rule_protocol(w, IPPROTO_UDP);
		rule_conversation(w, f, RULE_DESTINATION, "asked");
		rule_accept(w);
		rule_begin(w, "speak");
		rule_protocol(w, IPPROTO_UDP);
		rule_local(w, RULE_SOURCE, RULE_IS);
		rule_add_conversation(w, f, RULE_DESTINATION, "asked");
		rule_end(w);
		rule_begin(w, "speak");
		rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
		rule_local(w, RULE_SOURCE, RULE_IS);
		rule_add_service(w, f, RULE_DESTINATION, RULE_DESTINATION, "called");
		rule_end(w);
	}
}

void chains_expected(struct rule_writer *w, const struct nft_rules *rules)
{
	write_called_back(w);
	write_served(w, rules);
	rule_chain(w, "expected");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "expected");
		rule_protocol(w, IPPROTO_UDP);
		rule_conversation(w, f, RULE_SOURCE, "asked");
		rule_accept(w);
	}
	rule_begin(w, "expected");
	rule_protocol(w, IPPROTO_UDP);
	rule_link_port(w, RULE_DESTINATION, "asked_link");
	rule_accept(w);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "expected");
		rule_protocol(w, IPPROTO_UDP);
		rule_call(w, f, RULE_IS, "calls");
		rule_accept(w);
		rule_begin(w, "expected"); /* this host speaks alone: to an announcement, or to who is silent */
		rule_protocol(w, IPPROTO_UDP);
		rule_port_from(w, RULE_DESTINATION, OWN_PORTS_BEGIN);
		rule_stream(w, f, "asked");
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
	write_speak(w);
}
