/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains: which packet is priced, dropped, trapped, queued or left alone.  docs/ruleset.md tells them one by one.
 *
 * Each is written to be read as the rules themselves, IPv4 and IPv6 by one loop.  One base chain does the work:
 *
 *   pre     -90  (prerouting, after destination NAT, since a published port is not this host's)  the source's grade;
 *                then what is served or runs passes; the rest is trapped, or watched
 *   speak   110  (postrouting) learns which hosts were asked: a late answer is no probe
 *   out    -150  (output and forward, while somebody is blocked) nothing goes to a blocked source
 *
 * At the head of `pre` and `out` a flow that was judged already passes by its flag (flag.c).
 *
 * An honest client's first SYN over IPv4 walks four rules: three look-ups of its grade, then "not seen of late, and a
 * service listens".
 */
#include "rule.h"

#include <stdio.h>

#define PRIORITY_PRE (-90)

/*
 * Where a list is looked up.  Each lookup has one rule a prefix length, so that a new length is one more set and one
 * more rule, and overlapping prefixes never meet (the kernel's interval sets refuse them).  The strictest grade counts,
 * whatever its prefix length: so each grade has a chain of its own.
 */
static const struct lookup {
	const char *chain;
	enum nft_list list;
	enum rule_side side;
	enum rule_sense sense; /* of the grade */
	enum nft_grade grade;
	bool in_observe;
	bool for_out;           /* only while something cuts what runs */
	const char *then;       /* goto; NULL: accept */
	const char *then_alone; /* instead, for one IPv6 address; NULL: the same */
	bool pair;              /* a chain for each family */
} lookups[] = {
	{ "allowed", NFT_ALLOW, RULE_SOURCE, RULE_IS, NFT_GRADE_NONE, true, false, NULL, NULL, false },
	{ "allowed_to", NFT_ALLOW, RULE_DESTINATION, RULE_IS, NFT_GRADE_NONE, false, true, NULL, NULL, false },
	{ "blocked_from", NFT_GRADED, RULE_SOURCE, RULE_IS, NFT_GRADE_BLOCK, false, false, "block", NULL, false },
	{ "banned_from", NFT_GRADED, RULE_SOURCE, RULE_IS, NFT_GRADE_BAN, false, false, "ban", "ban_one", false },
	{ "early_allowed", NFT_ALLOW, RULE_SOURCE, RULE_IS, NFT_GRADE_NONE, false, false, NULL, NULL, true },
	{ "early_blocked", NFT_GRADED, RULE_SOURCE, RULE_IS, NFT_GRADE_BLOCK, false, false, "early_drop", NULL, true },
	{ "early_banned", NFT_GRADED, RULE_SOURCE, RULE_IS_AT_LEAST, NFT_GRADE_BAN, false, false, "early_drop", NULL,
	  true },
	{ "veiled_from", NFT_GRADED, RULE_SOURCE, RULE_IS, NFT_GRADE_VEIL, false, false, "veil", NULL, false },
	{ "alerted_from", NFT_ALERTED, RULE_SOURCE, RULE_IS, NFT_GRADE_NONE, false, false, "late_customer", NULL,
	  false },
	{ "blocked_to", NFT_GRADED, RULE_DESTINATION, RULE_IS, NFT_GRADE_BLOCK, false, true, "to_blocked", NULL,
	  false },
	{ "alerted_to", NFT_ALERTED, RULE_DESTINATION, RULE_IS, NFT_GRADE_NONE, false, false, "served_late", NULL,
	  false },
	{ "graded_to", NFT_GRADED, RULE_DESTINATION, RULE_IS_NOT, NFT_GRADE_NONE, false, false, "served_late", NULL,
	  false },
	{ "graded_peer", NFT_GRADED, RULE_DESTINATION, RULE_IS_NOT, NFT_GRADE_NONE, false, true, NULL, NULL, false },
};

#define LOOKUPS (sizeof(lookups) / sizeof(lookups[0]))

/* The chains on the way out exist only while somebody is blocked. */
static bool is_wanted(const struct lookup *lookup, enum nft_mode mode, bool out)
{
	if (lookup->for_out && !out)
		return false;
	return mode == NFT_BLOCK || (mode == NFT_OBSERVE && lookup->in_observe);
}

static void write_lookup(struct rule_writer *w, const struct lookup *lookup, enum nft_family family, unsigned len)
{
	const char *then = len == 128 && lookup->then_alone ? lookup->then_alone : lookup->then;
	char set[NFT_NAME_MAX], chain[NFT_NAME_MAX];

	nft_set_name(lookup->list, family, len, set);
	if (lookup->pair)
		nft_pair_name(lookup->chain, family, chain);
	else
		snprintf(chain, sizeof(chain), "%s", lookup->chain);
	rule_begin(w, chain);
	if (lookup->list == NFT_GRADED)
		rule_graded(w, family, lookup->side, len, set, lookup->sense, lookup->grade);
	else
		rule_listed(w, family, lookup->side, len, set);
	if (then)
		rule_goto(w, then);
	else
		rule_accept(w);
}

static void write_lookup_chains(struct rule_writer *w, const struct lookup *lookup)
{
	char chain[NFT_NAME_MAX];

	if (!lookup->pair)
		rule_chain(w, lookup->chain);
	for (unsigned family = 0; lookup->pair && family < NFT_FAMILY_COUNT; family++) {
		nft_pair_name(lookup->chain, (enum nft_family)family, chain);
		rule_chain(w, chain);
	}
}

/* At the head of `pre`: whoever is graded leaves it here. */
static void write_entry(struct rule_writer *w, enum nft_family family, unsigned len)
{
	char set[NFT_NAME_MAX];

	nft_set_name(NFT_GRADED, family, len, set);
	rule_begin_first(w, "pre");
	rule_graded(w, family, RULE_SOURCE, len, set, RULE_IS_NOT, NFT_GRADE_NONE);
	rule_jump(w, "graded");
}

static void write_length(struct rule_writer *w, enum nft_mode mode, bool out, enum nft_list list,
			 enum nft_family family, unsigned len)
{
	for (size_t i = 0; i < LOOKUPS; i++)
		if (lookups[i].list == list && is_wanted(&lookups[i], mode, out))
			write_lookup(w, &lookups[i], family, len);
	if (list == NFT_GRADED && mode == NFT_BLOCK)
		write_entry(w, family, len);
}

static void write_lengths(struct rule_writer *w, const struct nft_lengths *lengths, enum nft_mode mode, bool out)
{
	for (unsigned list = 0; list < NFT_LIST_COUNT; list++)
		for (unsigned family = 0; family < NFT_FAMILY_COUNT; family++)
			for (unsigned len = 129; len-- > 0;)
				if (lengths->used[list][family][len])
					write_length(w, mode, out, list, family, len);
}

void chain_drop(struct rule_writer *w, const char *chain, const char *counter)
{
	rule_begin(w, chain);
	rule_count(w, counter);
	rule_drop(w);
}

void chain_accept_icmp_answers(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	rule_family(w, NFT_V4);
	rule_protocol(w, IPPROTO_ICMP);
	rule_icmp_type(w, "icmp4_answers");
	rule_accept(w);
	rule_begin(w, chain);
	rule_protocol(w, IPPROTO_ICMPV6);
	rule_icmp_type(w, "icmp6_answers");
	rule_accept(w);
}

void chain_unless_guarded(struct rule_writer *w, const char *chain, const struct nft_rules *rules, const char *then)
{
	const struct {
		bool wanted;
		enum rule_sense sense;
		const char *set;
	} unguarded[] = {
		{ rules->vrf_count > 0, RULE_IS, "vrf" },
		{ rules->interface_count > 0, RULE_IS_NOT, "guarded" },
	};

	for (size_t i = 0; i < sizeof(unguarded) / sizeof(unguarded[0]); i++) {
		if (!unguarded[i].wanted)
			continue;
		rule_begin(w, chain);
		rule_interface_in(w, unguarded[i].sense, unguarded[i].set);
		if (then)
			rule_goto(w, then);
		else
			rule_accept(w);
	}
}

/* Never dropped nor queued: this host itself, the allow list, and what a link needs to live (without neighbour
 * discovery, multicast listeners and leases this host loses its network). */
static void write_exempt(struct rule_writer *w)
{
	rule_chain(w, "exempt");
	rule_begin(w, "exempt");
	rule_loopback(w, RULE_SOURCE);
	rule_accept(w);
	rule_begin(w, "exempt");
	rule_jump(w, "allowed");
	rule_begin(w, "exempt");
	rule_protocol(w, IPPROTO_ICMPV6);
	rule_icmp_type(w, "icmp6_lifelines");
	rule_accept(w);
	rule_begin(w, "exempt");
	rule_protocol(w, IPPROTO_UDP);
	rule_ports_are(w, 67, 68);
	rule_accept(w);
	rule_begin(w, "exempt");
	rule_protocol(w, IPPROTO_UDP);
	rule_ports_are(w, 547, 546);
	rule_accept(w);
}

/* The rules of the grades are put in front of these, one a prefix length. */
static void write_pre(struct rule_writer *w)
{
	rule_base_chain(w, "pre", NF_INET_PRE_ROUTING, PRIORITY_PRE);
	for (EACH_FAMILY(f)) {
		rule_begin(w, "pre");
		rule_tcp_flags(w, FIN | SYN | RST | ACK | URG | PSH, SYN);
		rule_source(w, f, RULE_SOURCE, RULE_IS_NOT, "seen");
		rule_ct_status_none(w, IPS_DST_NAT); /* published ports are learned; this host's socket is another's */
		rule_socket_transparent(w, false);
		rule_accept(w);
	}
	rule_begin(w, "pre");
	rule_ct_state(w, CT_RELATED);
	rule_accept(w);
	rule_begin(w, "pre");
	rule_ct_state(w, CT_ESTABLISHED);
	rule_goto(w, "running");
	/* Without a state: what belongs to a connection finds its socket. */
	rule_begin(w, "pre");
	rule_ct_state(w, NF_CT_STATE_UNTRACKED_BIT);
	rule_tcp_flags(w, SYN | RST | ACK | URG, ACK);
	rule_socket_transparent(w, false);
	if (!w->untracked)
		rule_count(w, "untracked");
	rule_accept(w);
	rule_begin(w, "pre");
	rule_protocol(w, IPPROTO_TCP);
	rule_goto(w, "fresh_tcp");
	rule_begin(w, "pre");
	rule_protocol(w, IPPROTO_UDP);
	rule_goto(w, "fresh_udp");
	rule_begin(w, "pre");
	rule_goto(w, "watch");
}

bool nft_rules_are_untracked(const struct nft *nft, const struct nft_rules *rules)
{
	return rules->untracked || nft->conntrack_absent;
}

static struct rule_writer writer_of(const struct nft *nft, struct nft_batch *batch)
{
	return (struct rule_writer){ .batch = batch,
				     .table = nft->table,
				     .native_queue = nft->queue_native,
				     .ingress = nft->ingress,
				     .untracked = nft->untracked,
				     .shift = nft->shift };
}

struct nft_written nft_rules_write(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
				   const struct nft_rules *rules)
{
	struct rule_writer w = writer_of(nft, batch);

	w.untracked = nft_rules_are_untracked(nft, rules);
	if (rules->mode == NFT_PAUSED)
		return w.written;
	/* A chain must exist before a rule jumps to it. */
	for (size_t i = 0; i < LOOKUPS; i++)
		if (is_wanted(&lookups[i], rules->mode, rules->out))
			write_lookup_chains(&w, &lookups[i]);
	write_exempt(&w);
	chains_flag(&w, rules);
	chains_expected(&w, rules);
	chains_queues(&w, rules);
	chains_trap(&w, rules);
	chains_customers(&w, rules);
	chains_watch(&w, rules);
	if (rules->mode == NFT_BLOCK) {
		chains_early(&w, rules);
		chains_grades(&w, rules);
	}
	if (rules->mode == NFT_BLOCK && rules->out)
		chains_out(&w);
	chains_through(&w, rules);
	write_pre(&w);
	write_lengths(&w, lengths, rules->mode, rules->out);
	chains_flag_rules(&w, &rules->flag, rules->mode == NFT_BLOCK && rules->out,
			  chains_through_are_wanted(&w, rules));
	return w.written;
}

struct nft_written nft_rules_write_flag(const struct nft *nft, struct nft_batch *batch, const struct flow_flag *flag)
{
	struct rule_writer w = writer_of(nft, batch);

	if (nft->mode != NFT_PAUSED)
		chains_flag_rules(&w, flag, nft->mode == NFT_BLOCK && nft->out, nft->through);
	return w.written;
}

unsigned nft_rules_write_length(const struct nft *nft, struct nft_batch *batch, enum nft_list list,
				enum nft_family family, unsigned len)
{
	struct rule_writer w = writer_of(nft, batch);

	if (nft->mode != NFT_PAUSED)
		write_length(&w, nft->mode, nft->out, list, family, len);
	return w.written.rules;
}

void nft_rules_probe_queue(struct nft_batch *batch, const char *table)
{
	struct rule_writer w = { .batch = batch, .table = table, .native_queue = true };

	rule_chain(&w, "probe");
	rule_begin(&w, "probe");
	rule_queue(&w, 0);
}

void nft_rules_probe_target(struct nft_batch *batch, const char *table)
{
	struct rule_writer w = { .batch = batch, .table = table };

	rule_chain(&w, "probe");
	rule_begin(&w, "probe");
	rule_queue(&w, 0);
}

void nft_rules_probe_conntrack(struct nft_batch *batch, const char *table)
{
	struct rule_writer w = { .batch = batch, .table = table };

	rule_chain(&w, "probe");
	rule_begin(&w, "probe");
	rule_ct_state(&w, CT_ESTABLISHED);
	rule_end(&w);
}
