/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains that keep blocked sources out: hard and soft blocks on the way in, and on the way out the answers that
 * would tell a blocked source which ports are open.
 */
#include "rule.h"

#include <linux/netfilter/nf_conntrack_tuple_common.h>

#define PRIORITY_HARD (-300)
#define PRIORITY_SOFT (-150)
#define PRIORITY_MUTE (-150)

void chains_hard(struct rule_writer *w)
{
	rule_chain(w, "hardly");
	chain_unless_allowed(w, "hardly");
	chain_drop(w, "hardly", "dropped_hard");

	rule_base_chain(w, "hard", NF_INET_PRE_ROUTING, PRIORITY_HARD);
	rule_begin(w, "hard");
	rule_jump(w, "hard_from");
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
		rule_service(w, f, address, port, RULE_IS, "customers");
		rule_accept(w);
		rule_begin(w, chain);
		rule_service(w, f, address, port, RULE_IS, "answered");
		rule_accept(w);
	}
}

void chains_soft(struct rule_writer *w)
{
	rule_chain(w, "softly_new");
	write_open_to_blocked(w, "softly_new", RULE_SOURCE, RULE_DESTINATION);
	chain_drop(w, "softly_new", "dropped_soft");

	/* conntrack calls a handshake established from this host's SYN+ACK on.  The socket knows better: the ACK that
	 * would complete the handshake still finds a request socket, and a segment for a trap's visit that ended
	 * silently finds none.  No socket is needed for connections that this host opened, for published ports and
	 * for forwarded ones. */
	rule_chain(w, "softly_running");
	rule_begin(w, "softly_running");
	rule_tcp_flags(w, RST, RST);
	rule_accept(w);
	rule_begin(w, "softly_running");
	rule_protocol(w, IPPROTO_TCP);
	rule_ct_direction(w, IP_CT_DIR_ORIGINAL);
	rule_socket_is_connection(w);
	rule_accept(w);
	rule_begin(w, "softly_running");
	rule_ct_status(w, IPS_DST_NAT);
	rule_accept(w);
	rule_begin(w, "softly_running");
	rule_protocol(w, IPPROTO_TCP);
	rule_ct_direction(w, IP_CT_DIR_ORIGINAL);
	rule_local(w, RULE_DESTINATION);
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
	rule_ct_direction(w, IP_CT_DIR_REPLY);
	rule_jump(w, "hard_to");
}
