/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What we sent first.  Answers come late, after conntrack forgot the question and the program closed its socket, and
 * then they look like a scan of our high ports: a slow name server's datagrams, the last FINs of a backend that
 * outlived a restart of ours.  So the questions are remembered here, in sets of their own: datagrams by both ports,
 * which leaves no hole at all; connections by the server's address and port, for those are many and live long.
 *
 * Looked at after source NAT, so that what containers ask in our name is ours as well.  Limit: a server that we
 * connected to may send ACKs to our ports above 1023 unseen for a day; ACKs tell it no more than that we are there.
 */
#include "chains.h"

#include <linux/netfilter/nf_conntrack_common.h>

#define PRIORITY_SPEAK  110    /* after NF_IP_PRI_NAT_SRC, 100 */
#define ASKED_MS        120000 /* conntrack forgets a question after 30 s */
#define CALLED_MS       (24 * 3600 * 1000)
#define OWN_PORTS_BEGIN 1024

/*
 * What a server opens towards us because we called it: the question who is behind our connection (RFC 1413), the data
 * of an active FTP transfer (RFC 959 3.3), or a look whether our port of the same service answers (mail call-backs,
 * servers that speak both ways).  Each is one port, or comes from one, so that a server gains no scan by having been
 * called.
 */
static void write_called_back(struct rule_writer *w)
{
	static const uint16_t ask_who[] = { 21, 25, 110, 143, 194, 587, 6667, 6697 };

	rule_chain(w, "asks_who");
	rule_chain(w, "called_back");
	for (EACH_FAMILY(f)) {
		const struct rule_family *family = &rule_families[f];

		for (size_t i = 0; i < sizeof(ask_who) / sizeof(ask_who[0]); i++) {
			rule_begin(w, "asks_who");
			rule_service(w, family->family, RULE_SOURCE, ask_who[i], family->called);
			rule_accept(w);
		}
		rule_begin(w, "called_back");
		rule_customer(w, family->family, RULE_SOURCE, RULE_DESTINATION, RULE_IS, family->called);
		rule_accept(w);
		rule_begin(w, "called_back");
		rule_port_is(w, RULE_SOURCE, 20);
		rule_port_from(w, RULE_DESTINATION, OWN_PORTS_BEGIN);
		rule_service(w, family->family, RULE_SOURCE, 21, family->called);
		rule_accept(w);
	}
	rule_begin(w, "called_back");
	rule_port_is(w, RULE_DESTINATION, 113);
	rule_jump(w, "asks_who");
}

void chains_spoken(struct rule_writer *w)
{
	write_called_back(w);
	rule_chain(w, "expected");
	for (EACH_FAMILY(f)) {
		rule_begin(w, "expected");
		rule_protocol(w, IPPROTO_UDP);
		rule_conversation(w, rule_families[f].family, RULE_SOURCE, rule_families[f].asked);
		rule_accept(w);
	}
	for (EACH_FAMILY(f)) {
		rule_begin(w, "expected");
		rule_tcp_flags(w, SYN | RST | ACK, ACK);
		rule_port_from(w, RULE_DESTINATION, OWN_PORTS_BEGIN);
		rule_customer(w, rule_families[f].family, RULE_SOURCE, RULE_SOURCE, RULE_IS, rule_families[f].called);
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
		rule_local_source(w);
		rule_remember_conversation(w, rule_families[f].family, RULE_DESTINATION, rule_families[f].asked,
					   ASKED_MS);
		rule_end(w);
		rule_begin(w, "speak");
		rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
		rule_local_source(w);
		rule_remember_customer(w, rule_families[f].family, RULE_DESTINATION, RULE_DESTINATION,
				       rule_families[f].called, CALLED_MS);
		rule_end(w);
	}
}
