/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chains: which packet is dropped, trapped, queued or left alone.  Written to be read as the rules themselves,
 * IPv4 and IPv6 by one loop.  What is common (established, not on a list) leaves each chain by its first rules.
 *
 *   hard    -300  banned: dropped before conntrack sees it
 *   customer-151  who has exchanged data with a service of ours
 *   answer  -151  (output) who got an answer to a datagram
 *   soft    -150  blocked on suspicion: nothing new, what runs goes on
 *   trap     -90  new to a trapped port that nobody serves: to the trap; after DNAT, published ports are not ours
 *   watch    -10  (input) suspicious: to the queue, within limits of their own for newcomers and for known sources
 *   mute    -150  (output) no SYN+ACK to who is blocked
 *   speak    110  (postrouting) whom we asked: late answers are no probes
 */
#include "chains.h"

const struct rule_family rule_families[NFT_FAMILY_COUNT] = {
	[NFT_V4] = { NFT_V4, 32, "seen4", "meter4", "customers4", "answered4", "asked4", "called4" },
	[NFT_V6] = { NFT_V6, 64, "seen6", "meter6", "customers6", "answered6", "asked6", "called6" },
};

/*
 * Where a list is asked for.  Each has a chain that holds one rule a prefix length, so that a new length is one
 * more set and one more rule, and overlapping prefixes never meet (the kernel's interval sets refuse them).
 */
static const struct {
	const char *chain;
	enum nft_list list;
	enum rule_side side;
	bool in_observe;
	const char *then; /* goto; NULL: accept */
} memberships[] = {
	{ "allowed", NFT_ALLOW, RULE_SOURCE, true, NULL },
	{ "allowed_to", NFT_ALLOW, RULE_DESTINATION, false, NULL },
	{ "hard_from", NFT_HARD, RULE_SOURCE, false, "hardly" },
	{ "hard_to", NFT_HARD, RULE_DESTINATION, false, "mute_all" },
	{ "soft_from", NFT_SOFT, RULE_SOURCE, false, "softly" },
	{ "soft_to", NFT_SOFT, RULE_DESTINATION, false, "mute_new" },
	{ "soft_skip", NFT_SOFT, RULE_SOURCE, false, NULL },
};

#define MEMBERSHIPS (sizeof(memberships) / sizeof(memberships[0]))

static void write_member(struct rule_writer *w, size_t membership, enum nft_family family, unsigned len)
{
	char set[NFT_NAME_MAX];

	nft_set_name(memberships[membership].list, family, len, set);
	rule_begin(w, memberships[membership].chain);
	rule_address(w, family, memberships[membership].side, len, RULE_IS, set);
	if (memberships[membership].then)
		rule_goto(w, memberships[membership].then);
	else
		rule_accept(w);
}

static void write_memberships(struct rule_writer *w, const struct nft_lengths *lengths, enum nft_mode mode)
{
	for (size_t i = 0; i < MEMBERSHIPS; i++) {
		if (mode == NFT_OBSERVE && !memberships[i].in_observe)
			continue;
		for (unsigned family = 0; family < NFT_FAMILY_COUNT; family++) {
			for (unsigned len = 129; len-- > 0;) {
				if (lengths->used[memberships[i].list][family][len])
					write_member(w, i, family, len);
			}
		}
	}
}

void rule_seen(struct rule_writer *w, const struct rule_family *family, enum rule_sense sense)
{
	rule_address(w, family->family, RULE_SOURCE, family->seen_len, sense, family->seen);
}

/* Never dropped nor queued: without neighbour discovery, multicast listeners and leases the host itself goes off
 * the net. */
void chain_lifelines(struct rule_writer *w, const char *chain)
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
	chain_lifelines(w, chain);
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
	rule_interface_in(w, RULE_IS_NOT, "guarded");
	ending(w);
}

struct nft_written nft_rules_write(const struct nft *nft, struct nft_batch *batch, const struct nft_lengths *lengths,
				   const struct nft_rules *rules)
{
	struct rule_writer w = { .batch = batch, .table = nft->table, .native_queue = nft->queue_native };

	if (rules->mode == NFT_PAUSED)
		return w.written;
	/* A chain must exist before a rule jumps to it. */
	for (size_t i = 0; i < MEMBERSHIPS; i++) {
		if (rules->mode == NFT_BLOCK || memberships[i].in_observe)
			rule_chain(&w, memberships[i].chain);
	}
	chains_customers(&w, rules);
	chains_spoken(&w);
	chains_trap(&w, rules);
	chains_watch(&w, rules);
	if (rules->mode == NFT_BLOCK) {
		chains_hard(&w);
		chains_soft(&w);
		chains_mute(&w);
	}
	write_memberships(&w, lengths, rules->mode);
	return w.written;
}

unsigned nft_rules_write_length(const struct nft *nft, struct nft_batch *batch, enum nft_list list,
				enum nft_family family, unsigned len)
{
	struct rule_writer w = { .batch = batch, .table = nft->table, .native_queue = nft->queue_native };

	for (size_t i = 0; i < MEMBERSHIPS; i++) {
		if (memberships[i].list == list &&
		    (nft->mode == NFT_BLOCK || (nft->mode == NFT_OBSERVE && memberships[i].in_observe)))
			write_member(&w, i, family, len);
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
