/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains of graded sources.  A veil refuses nothing: what runs goes on, customers keep their ports, datagrams to
 * what is served pass, and a new TCP connection is priced by the sentry.  A ban ends nothing that runs and lets in
 * nothing new, but for what its source was a customer of before it was suspected.  A block, an admin's word, cuts all.
 *
 * A pure SYN is looked at before anything asks for the state: conntrack calls a client's retransmission established,
 * and so the repeat that the veil waits for would slip through or die.
 *
 * conntrack's "established" is no proof: a forged SYN and a datagram of data with a made-up number look like that.
 * "assured" needs both sides.
 */
#include "rule.h"

#include <linux/netfilter/nf_conntrack_tuple_common.h>

#define PRIORITY_OUT    (-150)
#define VEIL_PER_SECOND 50000 /* SYNs that are asked about; each of a client's repeats is a new draw */
#define VEIL_BURST      5000
#define ECHO_REQUEST_V4 8
#define ECHO_REQUEST_V6 128

static void accept_port(struct rule_writer *w, const char *chain, uint8_t protocol, const char *set)
{
	rule_begin(w, chain);
	rule_protocol(w, protocol);
	rule_port(w, RULE_DESTINATION, RULE_IS, set);
	rule_accept(w);
}

/* What public_ports opens to everybody but a blocked source. */
static void accept_public(struct rule_writer *w, const char *chain)
{
	accept_port(w, chain, IPPROTO_TCP, "public_ports");
	accept_port(w, chain, IPPROTO_UDP, "public_ports");
}

/* A published port is its customers' by the number that they named: the one in the packet is the container's by now. */
static void accept_customers_of_published(struct rule_writer *w, const char *chain, const char *set)
{
	for (EACH_FAMILY(f)) {
		rule_begin(w, chain);
		rule_ct_status(w, IPS_DST_NAT);
		rule_protocol(w, IPPROTO_TCP);
		rule_customer(w, f, true, set);
		rule_accept(w);
	}
}

static void accept_customers(struct rule_writer *w, const char *chain, const char *set)
{
	for (EACH_FAMILY(f)) {
		rule_begin(w, chain);
		rule_protocol(w, IPPROTO_TCP);
		rule_socket_exists(w);
		rule_customer(w, f, false, set);
		rule_accept(w);
	}
}

static void goto_if_elsewhere(struct rule_writer *w, const char *chain, const char *target)
{
	rule_begin(w, chain);
	rule_ct_status(w, IPS_DST_NAT);
	rule_goto(w, target);
	rule_begin(w, chain);
	rule_local(w, RULE_DESTINATION, RULE_IS_NOT);
	rule_goto(w, target);
}

/* NOTRACKed: no state is known.  What finds a socket here passes, but for SYNs. */
static void accept_untracked(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	rule_ct_state(w, NF_CT_STATE_UNTRACKED_BIT);
	rule_protocol(w, IPPROTO_TCP);
	rule_socket_transparent(w, false);
	rule_accept(w);
}

/*
 * Segments of what runs that conntrack does not know: it was flushed, its time-out is short, or only one of the ways
 * leads through here.  Without SYN they open nothing.  To what is served here or published they pass for customers
 * alone: the answer to a stranger's ACK would tell that it is there.
 */
static void write_forgotten(struct rule_writer *w)
{
	rule_chain(w, "forgotten");
	rule_begin(w, "forgotten");
	rule_tcp_flags(w, ACK, 0);
	rule_return(w);
	accept_customers_of_published(w, "forgotten", "customers");
	accept_customers_of_published(w, "forgotten", "late");
	rule_begin(w, "forgotten");
	rule_ct_status(w, IPS_DST_NAT);
	rule_return(w);
	rule_begin(w, "forgotten");
	rule_protocol(w, IPPROTO_TCP);
	rule_local(w, RULE_DESTINATION, RULE_IS_NOT);
	rule_accept(w);
	rule_begin(w, "forgotten");
	rule_tcp_flags(w, SYN, SYN);
	rule_return(w);
	accept_customers(w, "forgotten", "customers");
	accept_customers(w, "forgotten", "late");
}

/* ---- a veil ---- */

/* A trap receives a real stack's SYN at once: that names connect scanners within seconds.  A raw one meets silence. */
static void write_veiled_trap(struct rule_writer *w)
{
	rule_chain(w, "veil_trap");
	rule_begin(w, "veil_trap");
	rule_tcp_option_missing(w, TCP_OPTION_MAXSEG);
	rule_goto(w, "veil_judge");
	rule_begin(w, "veil_trap");
	rule_tcp_option_missing(w, TCP_OPTION_WINDOW);
	rule_tcp_option_missing(w, TCP_OPTION_TIMESTAMP);
	rule_tcp_option_missing(w, TCP_OPTION_SACK_PERM);
	rule_goto(w, "veil_judge");
	rule_begin(w, "veil_trap");
	rule_goto(w, "trap");
}

static void write_veiled_syn(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_chain(w, "veil_queue");
	rule_begin(w, "veil_queue");
	rule_over(w, VEIL_PER_SECOND, VEIL_BURST);
	rule_count(w, "over_veil");
	rule_drop(w);
	rule_begin(w, "veil_queue");
	rule_count(w, "queued_veil");
	rule_queue(w, rules->queue + NFT_QUEUE_VEIL);

	write_veiled_trap(w);
	rule_chain(w, "veil_syn");
	accept_customers_of_published(w, "veil_syn", "customers");
	accept_customers_of_published(w, "veil_syn", "late");
	goto_if_elsewhere(w, "veil_syn", "veil_queue");
	accept_customers(w, "veil_syn", "customers");
	accept_customers(w, "veil_syn", "late");
	rule_begin(w, "veil_syn");
	rule_socket_exists(w); /* of a service, or of another program that is a transparent proxy */
	rule_goto(w, "veil_queue");
	rule_begin(w, "veil_syn");
	rule_jump(w, "rested");
	rule_begin(w, "veil_syn");
	rule_port(w, RULE_DESTINATION, RULE_IS, "trap_tcp_ports");
	rule_goto(w, "veil_trap");
	accept_port(w, "veil_syn", IPPROTO_TCP, "self_tried");
	rule_begin(w, "veil_syn");
	rule_goto(w, "veil_judge");
}

static void accept_echo(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	rule_protocol(w, IPPROTO_ICMP);
	rule_icmp_type_is(w, ECHO_REQUEST_V4);
	rule_accept(w);
	rule_begin(w, chain);
	rule_protocol(w, IPPROTO_ICMPV6);
	rule_icmp_type_is(w, ECHO_REQUEST_V6);
	rule_accept(w);
}

static void write_veil(struct rule_writer *w, const struct nft_rules *rules)
{
	static const uint8_t judged[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6 };

	write_veiled_syn(w, rules);
	rule_chain(w, "veil");
	rule_begin(w, "veil");
	rule_ct_state(w, CT_RELATED);
	rule_accept(w);
	accept_public(w, "veil");
	rule_begin(w, "veil");
	rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
	rule_goto(w, "veil_syn");
	rule_begin(w, "veil");
	rule_ct_state(w, CT_ESTABLISHED);
	rule_goto(w, "graded_running");
	rule_begin(w, "veil"); /* who has a connection is a customer, as far as a socket can tell */
	rule_ct_state(w, NF_CT_STATE_UNTRACKED_BIT);
	rule_protocol(w, IPPROTO_TCP);
	rule_socket_is_connection(w);
	rule_goto(w, "graded_customer");
	accept_untracked(w, "veil");
	rule_begin(w, "veil"); /* a visit to a trap, from the end of its handshake on */
	rule_ct_state(w, NF_CT_STATE_UNTRACKED_BIT);
	rule_tcp_flags(w, SYN | RST | ACK, ACK);
	rule_port(w, RULE_DESTINATION, RULE_IS, "trap_tcp_ports");
	rule_socket_transparent(w, true);
	rule_accept(w);
	chain_accept_icmp_answers(w, "veil"); /* errors about what has no state have none */
	rule_begin(w, "veil");
	rule_jump(w, "forgotten");
	rule_begin(w, "veil");
	rule_protocol(w, IPPROTO_UDP);
	rule_local(w, RULE_DESTINATION, RULE_IS_NOT);
	rule_accept(w);
	rule_begin(w, "veil");
	rule_protocol(w, IPPROTO_UDP);
	rule_ct_status(w, IPS_DST_NAT);
	rule_accept(w);
	rule_begin(w, "veil");
	rule_protocol(w, IPPROTO_UDP);
	rule_socket_exists(w);
	rule_accept(w);
	accept_echo(w, "veil");
	rule_begin(w, "veil");
	rule_jump(w, "expected");
	rule_begin(w, "veil");
	rule_protocol(w, IPPROTO_UDP);
	rule_jump(w, "rested");
	for (size_t i = 0; i < sizeof(judged); i++) {
		rule_begin(w, "veil");
		rule_protocol(w, judged[i]);
		rule_goto(w, "veil_judge");
	}
	rule_begin(w, "veil"); /* protocols that this host may speak */
	rule_goto(w, "watch");
}

/* ---- a ban ---- */

/* Before what a hook at ingress could drop as well. */
static void note_loud(struct rule_writer *w, const char *chain, const char *loud, const struct nft_rules *rules)
{
	if (rules->early != EARLY_ON || !w->ingress)
		return;
	rule_begin(w, chain);
	rule_jump(w, loud);
}

static void write_ban(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_chain(w, "ban_syn");
	note_loud(w, "ban_syn", "loud_syn", rules);
	chain_drop(w, "ban_syn", "dropped_ban");
	rule_chain(w, "ban_rest");
	rule_begin(w, "ban_rest");
	rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN);
	rule_goto(w, "ban_syn");
	if (!rules->cut_running) {
		rule_begin(w, "ban_rest");
		rule_ct_state(w, CT_ESTABLISHED);
		rule_goto(w, "graded_running");
		accept_untracked(w, "ban_rest");
		chain_accept_icmp_answers(w, "ban_rest");
		rule_begin(w, "ban_rest");
		rule_jump(w, "forgotten");
		rule_begin(w, "ban_rest"); /* answers to what this host opened */
		rule_jump(w, "expected");
	}
	chain_drop(w, "ban_rest", "dropped_ban");

	/* One neighbour on a link: the customers' key is the whole /64's and says nothing of it. */
	rule_chain(w, "ban_one");
	if (!rules->cut_running) {
		rule_begin(w, "ban_one");
		rule_ct_state(w, CT_RELATED);
		rule_accept(w);
	}
	accept_public(w, "ban_one");
	rule_begin(w, "ban_one");
	rule_goto(w, "ban_rest");

	rule_chain(w, "ban");
	if (!rules->cut_running) {
		rule_begin(w, "ban");
		rule_ct_state(w, CT_RELATED);
		rule_accept(w);
	}
	accept_public(w, "ban");
	if (!rules->cut_running) {
		accept_customers_of_published(w, "ban", "customers");
		goto_if_elsewhere(w, "ban", "ban_rest"); /* of the host's ports nothing counts there */
		accept_customers(w, "ban", "customers");
	}
	rule_begin(w, "ban");
	rule_goto(w, "ban_rest");
}

/* ---- all of them ---- */

/* An address that an admin freed from its net's veil: as if it were not graded. */
static void return_exempt(struct rule_writer *w, const char *chain)
{
	static const struct {
		enum nft_family family;
		unsigned len;
	} keys[] = { { NFT_V4, 32 }, { NFT_V6, 64 }, { NFT_V6, 128 } };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char name[NFT_NAME_MAX];

		nft_set_name(NFT_EXEMPT, keys[i].family, keys[i].len, name);
		rule_begin(w, chain);
		rule_listed(w, keys[i].family, RULE_SOURCE, keys[i].len, name);
		rule_return(w);
	}
}

void chains_grades(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_chain(w, "block");
	note_loud(w, "block", "loud", rules);
	chain_drop(w, "block", "dropped_block");
	write_forgotten(w);
	write_ban(w, rules);
	write_veil(w, rules);

	rule_chain(w, "graded");
	rule_begin(w, "graded");
	rule_jump(w, "exempt");
	rule_begin(w, "graded");
	rule_jump(w, "blocked_from");
	rule_begin(w, "graded");
	rule_jump(w, "banned_from");
	return_exempt(w, "graded");
	if (rules->vrf_count) { /* whether a port is served cannot be told there */
		rule_begin(w, "graded");
		rule_interface_in(w, RULE_IS, "vrf");
		rule_return(w);
	}
	rule_begin(w, "graded");
	rule_jump(w, "veiled_from");
}

/* Only while an admin's block stands: a veil and a ban mute nothing, for what was answered before tells nothing new,
 * and what is dropped on the way in has no answer. */
void chains_out(struct rule_writer *w)
{
	static const struct {
		const char *chain;
		uint32_t hook;
	} ways[] = { { "out", NF_INET_LOCAL_OUT }, { "out_forward", NF_INET_FORWARD } };

	rule_chain(w, "to_blocked");
	rule_begin(w, "to_blocked"); /* a neighbour that cannot find this host cannot be blocked either */
	rule_protocol(w, IPPROTO_ICMPV6);
	rule_icmp_type(w, "icmp6_lifelines");
	rule_accept(w);
	rule_begin(w, "to_blocked");
	rule_jump(w, "allowed_to");
	chain_drop(w, "to_blocked", "cut");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		rule_base_chain(w, ways[i].chain, ways[i].hook, PRIORITY_OUT);
		rule_begin(w, ways[i].chain);
		rule_loopback(w, RULE_DESTINATION);
		rule_accept(w);
		rule_begin(w, ways[i].chain);
		rule_jump(w, "blocked_to");
	}
}
