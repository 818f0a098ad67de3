/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains of a gateway: first contacts of hosts behind this one, and what these answer.  They stand only where the
 * configuration names an outside link, and only with conntrack, which knows a first packet from the others.
 *
 *   through  -10  (forward)  what goes to a host behind, what comes from one; between two of one side nothing is judged
 *
 * Grades were asked in `pre`, before destination NAT, and a veil's price was paid there.
 */
#include "expr.h"

#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <string.h>

#define PRIORITY_THROUGH (-10)

#define ICMP_UNREACHABLE   3
#define ICMPV6_UNREACHABLE 1

bool chains_through_are_wanted(const struct rule_writer *w, const struct nft_rules *rules)
{
	return rules->gateway.outside_count > 0 && !w->untracked;
}

static void match_prefix(struct rule_writer *w, enum rule_side side, const struct prefix *prefix)
{
	const bool v4 = prefix_is_v4(prefix);

	expr_load_address(w, v4 ? NFT_V4 : NFT_V6, side, v4 ? prefix->len - ADDR_MAPPED_LEN : prefix->len);
	expr_compare(w, NFT_CMP_EQ, v4 ? addr_v4_bytes(&prefix->addr) : prefix->addr.b, v4 ? 4 : 16);
}

/* Comes in by (source) or leaves by (destination) that interface, or one whose name begins so: `br-*`. */
static void match_link(struct rule_writer *w, enum rule_side side, const char *name)
{
	char whole[16] = "";
	size_t len = strnlen(name, sizeof(whole) - 1);

	memcpy(whole, name, len);
	expr_load_meta(w, side == RULE_SOURCE ? NFT_META_IIFNAME : NFT_META_OIFNAME, NFT_REG_1);
	expr_compare(w, NFT_CMP_EQ, whole, len > 0 && whole[len - 1] == '*' ? (uint32_t)len - 1 : sizeof(whole));
}

static void goto_by_link(struct rule_writer *w, const char *chain, enum rule_side side, const char links[][16],
			 size_t count, const char *then)
{
	for (size_t i = 0; i < count; i++) {
		rule_begin(w, chain);
		match_link(w, side, links[i]);
		rule_goto(w, then);
	}
}

static void accept_rest(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	rule_accept(w);
}

/* Which hosts are guarded, by where the packet leaves and by its destination. */
static void write_guard(struct rule_writer *w, const struct nft_gateway *gateway)
{
	const char *guarded = gateway->guard_count ? "guard" : "first";

	rule_chain(w, "guard");
	for (size_t i = 0; i < gateway->guard_count; i++) {
		rule_begin(w, "guard");
		match_prefix(w, RULE_DESTINATION, &gateway->guard[i]);
		rule_goto(w, "first");
	}
	accept_rest(w, "guard");

	rule_chain(w, "from_outside");
	for (size_t i = 0; i < gateway->outside_count; i++) {
		rule_begin(w, "from_outside");
		match_link(w, RULE_DESTINATION, gateway->outside[i]);
		rule_accept(w);
	}
	goto_by_link(w, "from_outside", RULE_DESTINATION, gateway->inside, gateway->inside_count, guarded);
	rule_begin(w, "from_outside");
	if (gateway->inside_count)
		rule_accept(w);
	else
		rule_goto(w, guarded);
}

static void write_queue(struct rule_writer *w, const char *chain, const char *counter, uint16_t number, bool fair)
{
	rule_chain(w, chain);
	if (fair) {
		rule_begin(w, chain);
		rule_jump(w, "fair");
	}
	rule_begin(w, chain);
	rule_count(w, counter);
	rule_queue(w, number);
}

/* A contact of what is known to be served is nobody's business, unless its source was judged lately. */
static void accept_known(struct rule_writer *w)
{
	for (EACH_FAMILY(f)) {
		rule_begin(w, "first");
		rule_source(w, f, RULE_SOURCE, RULE_IS_NOT, "seen");
		rule_host_service(w, f, RULE_DESTINATION, RULE_IS, "behind");
		rule_accept(w);
	}
}

static void write_first(struct rule_writer *w)
{
	rule_chain(w, "first");
	rule_begin(w, "first");
	rule_ct_state(w, CT_ESTABLISHED | CT_RELATED);
	rule_accept(w);
	rule_begin(w, "first");
	rule_jump(w, "exempt");
	chain_accept_icmp_answers(w, "first");
	rule_begin(w, "first");
	rule_tcp_flags_in(w, FIN | SYN | RST | ACK | URG, RULE_IS, "backscatter");
	rule_accept(w);
	accept_known(w);
	rule_begin(w, "first");
	rule_goto(w, "ask");
}

static void tell_unreachable(struct rule_writer *w, enum nft_family family, uint8_t protocol, uint8_t type)
{
	rule_begin(w, "tell");
	rule_family(w, family);
	rule_protocol(w, protocol);
	rule_icmp_type_is(w, type);
	rule_goto(w, "told");
}

/* What somebody hears who was judged lately: whatever can be the outcome of a contact. */
static void write_tell(struct rule_writer *w)
{
	static const uint8_t answers[] = { RST, RST | ACK, SYN | ACK };

	rule_chain(w, "tell");
	for (size_t i = 0; i < sizeof(answers); i++) {
		rule_begin(w, "tell");
		rule_tcp_flags(w, FIN | SYN | RST | ACK, answers[i]);
		rule_goto(w, "told");
	}
	tell_unreachable(w, NFT_V4, IPPROTO_ICMP, ICMP_UNREACHABLE);
	tell_unreachable(w, NFT_V6, IPPROTO_ICMPV6, ICMPV6_UNREACHABLE);
	rule_begin(w, "tell");
	rule_protocol(w, IPPROTO_UDP);
	rule_goto(w, "told");
	rule_begin(w, "tell");
	rule_protocol(w, IPPROTO_SCTP);
	rule_goto(w, "told");
}

/* The kernel notes what is served by itself, so that it is asked about once a day; the first answer is told. */
static void learn(struct rule_writer *w, enum nft_family family, uint8_t protocol)
{
	rule_begin(w, "to_outside");
	if (protocol == IPPROTO_TCP) {
		rule_tcp_flags(w, FIN | SYN | RST | ACK, SYN | ACK);
	} else {
		rule_protocol(w, protocol);
		rule_ct_direction(w, IP_CT_DIR_REPLY);
	}
	rule_host_service(w, family, RULE_SOURCE, RULE_IS_NOT, "behind");
	rule_add_host_service(w, family, RULE_SOURCE, "behind");
	rule_goto(w, "told");
}

static void write_to_outside(struct rule_writer *w)
{
	rule_chain(w, "to_outside");
	for (EACH_FAMILY(f)) {
		learn(w, f, IPPROTO_TCP);
		learn(w, f, IPPROTO_UDP);
		rule_begin(w, "to_outside");
		rule_source(w, f, RULE_DESTINATION, RULE_IS, "seen");
		rule_goto(w, "tell");
	}
}

void chains_through(struct rule_writer *w, const struct nft_rules *rules)
{
	const struct nft_gateway *gateway = &rules->gateway;

	if (!chains_through_are_wanted(w, rules))
		return;
	write_queue(w, "ask", "queued_ask", (uint16_t)(rules->queue + NFT_QUEUE_ASK), true);
	write_queue(w, "told", "queued_told", (uint16_t)(rules->queue + NFT_QUEUE_TOLD), false);
	write_first(w);
	write_guard(w, gateway);
	write_tell(w);
	write_to_outside(w);
	rule_base_chain(w, "through", NF_INET_FORWARD, PRIORITY_THROUGH);
	goto_by_link(w, "through", RULE_SOURCE, gateway->outside, gateway->outside_count, "from_outside");
	goto_by_link(w, "through", RULE_DESTINATION, gateway->outside, gateway->outside_count, "to_outside");
	/* The end of a handshake, which speaks for a source under watch: seen once a flow, where the flag is set. */
	for (EACH_FAMILY(f)) {
		rule_begin_first(w, "flag");
		rule_protocol(w, IPPROTO_TCP);
		rule_source(w, f, RULE_SOURCE, RULE_IS, "seen");
		rule_local(w, RULE_DESTINATION, RULE_IS_NOT);
		rule_goto(w, "ask");
	}
}
