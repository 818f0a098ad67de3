/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains: which packet is dropped, trapped, queued or left alone.
 *
 * Each is written to be read as the rules themselves, IPv4 and IPv6 by one loop.  Its first rules let common packets
 * leave: established connections, sources on no list.
 *
 *   hard     -300  sources that are banned: dropped before conntrack sees them
 *   customer -151  learns which sources exchange data with a service of this host
 *   answer   -151  (output) learns which sources got an answer to a datagram
 *   soft     -150  sources that are blocked on suspicion: no new connection, a running one goes on
 *   trap      -90  new connections to a trapped port without a service: to the trap; after DNAT, since a published port
 *                  is not this host's
 *   watch     -10  (input) suspicious packets: to the queue, within limits of their own for newcomers and for known
 *                  sources
 *   mute     -150  (output) no SYN+ACK to a blocked source
 *   speak     110  (postrouting) learns which hosts were asked: a late answer is no probe
 */
#include "rule.h"

/*
 * Where a list is looked up.  Each lookup has a chain with one rule a prefix length, so that a new length is one more
 * set and one more rule, and overlapping prefixes never meet (the kernel's interval sets refuse them).
 */
static const struct {
	const char *chain;
	enum nft_list list;
	enum rule_side side;
	bool in_observe;
	const char *then; /* goto; NULL: accept */
} lookups[] = {
	{ "allowed", NFT_ALLOW, RULE_SOURCE, true, NULL },
	{ "allowed_to", NFT_ALLOW, RULE_DESTINATION, false, NULL },
	{ "hard_from", NFT_HARD, RULE_SOURCE, false, "hardly" },
	{ "hard_to", NFT_HARD, RULE_DESTINATION, false, "mute_all" },
	{ "soft_from", NFT_SOFT, RULE_SOURCE, false, "softly" },
	{ "soft_to", NFT_SOFT, RULE_DESTINATION, false, "mute_new" },
	{ "soft_skip", NFT_SOFT, RULE_SOURCE, false, NULL },
};

#define LOOKUPS (sizeof(lookups) / sizeof(lookups[0]))

static void write_lookup(struct rule_writer *w, size_t lookup, enum nft_family family, unsigned len)
{
	char set[NFT_NAME_MAX];

	nft_set_name(lookups[lookup].list, family, len, set);
	rule_begin(w, lookups[lookup].chain);
	rule_listed(w, family, lookups[lookup].side, len, set);
	if (lookups[lookup].then)
		rule_goto(w, lookups[lookup].then);
	else
		rule_accept(w);
}

static void write_lookups(struct rule_writer *w, const struct nft_lengths *lengths, enum nft_mode mode)
{
	for (size_t i = 0; i < LOOKUPS; i++) {
		if (mode == NFT_OBSERVE && !lookups[i].in_observe)
			continue;
		for (unsigned family = 0; family < NFT_FAMILY_COUNT; family++) {
			for (unsigned len = 129; len-- > 0;) {
				if (lengths->used[lookups[i].list][family][len])
					write_lookup(w, i, family, len);
			}
		}
	}
}

/* Never dropped nor queued: without neighbour discovery, multicast listeners and leases this host loses its network. */
void chain_essential(struct rule_writer *w, const char *chain)
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

void chain_unless_allowed(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	rule_loopback(w, RULE_SOURCE);
	rule_accept(w);
	rule_begin(w, chain);
	rule_jump(w, "allowed");
	chain_essential(w, chain);
}

void chain_drop(struct rule_writer *w, const char *chain, const char *counter)
{
	rule_begin(w, chain);
	rule_count(w, counter);
	rule_drop(w);
}

void chain_unless_guarded(struct rule_writer *w, const char *chain, const struct nft_rules *rules,
			  void (*ending)(struct rule_writer *w))
{
	rule_begin(w, chain);
	rule_loopback(w, RULE_SOURCE);
	ending(w);
	if (!rules->interface_count)
		return;
	rule_begin(w, chain);
	rule_interface_not_in(w, "guarded");
	ending(w);
}

struct nft_written nft_rules_write(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
				   const struct nft_rules *rules)
{
	struct rule_writer w = { .batch = batch, .table = nft->table, .native_queue = nft->queue_native };

	if (rules->mode == NFT_PAUSED)
		return w.written;
	/* A chain must exist before a rule jumps to it. */
	for (size_t i = 0; i < LOOKUPS; i++) {
		if (rules->mode == NFT_BLOCK || lookups[i].in_observe)
			rule_chain(&w, lookups[i].chain);
	}
	chains_customers(&w, rules);
	chains_expected(&w);
	chains_trap(&w, rules);
	chains_watch(&w, rules);
	if (rules->mode == NFT_BLOCK) {
		chains_hard(&w);
		chains_soft(&w);
		chains_mute(&w);
	}
	write_lookups(&w, lengths, rules->mode);
	return w.written;
}

unsigned nft_rules_write_length(const struct nft *nft, struct nft_batch *batch, enum nft_list list,
				enum nft_family family, unsigned len)
{
	struct rule_writer w = { .batch = batch, .table = nft->table, .native_queue = nft->queue_native };

	for (size_t i = 0; i < LOOKUPS; i++) {
		if (lookups[i].list == list &&
		    (nft->mode == NFT_BLOCK || (nft->mode == NFT_OBSERVE && lookups[i].in_observe)))
			write_lookup(&w, i, family, len);
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
