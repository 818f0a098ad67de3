/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the chains share: the kinds of sources, and the rules that several chains begin or end with.
 */
#ifndef PICKET_NFT_CHAINS_H
#define PICKET_NFT_CHAINS_H

#include "rule.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define URG 0x20

#define CT_ESTABLISHED NF_CT_STATE_BIT(IP_CT_ESTABLISHED)
#define CT_RELATED     NF_CT_STATE_BIT(IP_CT_RELATED)
#define CT_NEW         NF_CT_STATE_BIT(IP_CT_NEW)

struct rule_family {
	enum nft_family family;
	unsigned seen_len; /* a source is a /32 or a /64 */
	const char *seen, *meter, *customers, *answered, *asked, *called;
};

extern const struct rule_family rule_families[NFT_FAMILY_COUNT];

#define EACH_FAMILY(f)                                                                                                 \
	size_t f = 0;                                                                                                  \
	f < NFT_FAMILY_COUNT;                                                                                          \
	f++

/* nft_rules.c */
void rule_seen(struct rule_writer *w, const struct rule_family *family, enum rule_sense sense);
void chain_lifelines(struct rule_writer *w, const char *chain);
void chain_unless_allowed(struct rule_writer *w, const char *chain);
void chain_drop(struct rule_writer *w, const char *chain, const char *counter);
/* Not a guarded interface: `ending` (accept, or return). */
void chain_unless_guarded(struct rule_writer *w, const char *chain, const struct nft_rules *rules,
			  void (*ending)(struct rule_writer *w));

/* nft_block.c */
void chains_hard(struct rule_writer *w);
void chains_customers(struct rule_writer *w, const struct nft_rules *rules);
void chains_soft(struct rule_writer *w);
void chains_mute(struct rule_writer *w);

/* nft_spoken.c */
void chains_spoken(struct rule_writer *w);

/* nft_sense.c */
void chains_trap(struct rule_writer *w, const struct nft_rules *rules);
void chains_watch(struct rule_writer *w, const struct nft_rules *rules);

#endif
