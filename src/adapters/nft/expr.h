/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The expressions that the rule language of nft_rule.h is made of.  A failed allocation sticks in the batch, so
 * that none of these needs a result.
 */
#ifndef PICKET_NFT_EXPR_H
#define PICKET_NFT_EXPR_H

#include "rule.h"

struct nftnl_expr;

struct expr_family {
	uint8_t nfproto;
	uint32_t offset[2]; /* of the source and destination address */
	uint32_t len;
};

extern const struct expr_family expr_families[NFT_FAMILY_COUNT];

void expr_fail(struct rule_writer *w);
/* NULL when out of memory. */
struct nftnl_expr *expr_append(struct rule_writer *w, const char *name);

/* Into register 1 (meta, payload: into any). */
void expr_meta(struct rule_writer *w, uint32_t key, uint32_t reg);
void expr_ct(struct rule_writer *w, uint32_t key);
void expr_socket(struct rule_writer *w, uint32_t key);
void expr_payload(struct rule_writer *w, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg);
void expr_fib(struct rule_writer *w, uint32_t result, uint32_t flags);
void expr_address(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len);
void expr_customer(struct rule_writer *w, enum nft_family family, enum rule_side address, enum rule_side port);
/* address of that side . protocol . a given port. */
void expr_service(struct rule_writer *w, enum nft_family family, enum rule_side address, uint16_t port);
void expr_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side);
void expr_immediate(struct rule_writer *w, uint32_t reg, const void *data, uint32_t len);

/* Register 1 against something. */
void expr_compare(struct rule_writer *w, uint32_t op, const void *data, uint32_t len);
void expr_compare_u8(struct rule_writer *w, uint32_t op, uint8_t value);
void expr_compare_u32(struct rule_writer *w, uint32_t op, uint32_t value);
void expr_mask(struct rule_writer *w, const void *mask, uint32_t len);
void expr_any_bit(struct rule_writer *w, uint32_t mask);
void expr_look_up(struct rule_writer *w, enum rule_sense sense, const char *set);

/* Register 1 into a dynamic set. */
struct nftnl_expr *expr_put_in_set(struct rule_writer *w, uint32_t op, const char *set, uint64_t timeout_ms);
void expr_set_limit(struct nftnl_expr *expr, uint64_t per_second, uint32_t burst);

#endif
