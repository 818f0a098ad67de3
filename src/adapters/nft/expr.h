/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The expressions that the rule language is made of.  A failure sticks in the batch.
 */
#ifndef PICKET_NFT_EXPR_H
#define PICKET_NFT_EXPR_H

#include "rule.h"

#define WORD(n) (NFT_REG32_00 + (n)) /* register 1 in words */

struct nftnl_expr;

struct expr_family {
	uint8_t nfproto;
	uint32_t offset[2]; /* of the source and the destination address */
	uint32_t len;
	unsigned source_len; /* of what counts as one source */
};
extern const struct expr_family expr_families[NFT_FAMILY_COUNT];

struct expr_attr {
	uint16_t type;
	uint32_t value;
};

#define EXPR_APPEND(w, name, ...)                                                                                      \
	expr_append(w, name, (const struct expr_attr[]){ __VA_ARGS__ },                                                \
		    sizeof((const struct expr_attr[]){ __VA_ARGS__ }) / sizeof(struct expr_attr))

struct nftnl_expr *expr_append(struct rule_writer *w, const char *name, const struct expr_attr *attrs, size_t count);
void expr_set_text(struct rule_writer *w, struct nftnl_expr *expr, uint16_t attr, const char *text);
void expr_load_meta(struct rule_writer *w, uint32_t key, uint32_t reg);
void expr_load_ct(struct rule_writer *w, uint32_t key);
void expr_load_socket(struct rule_writer *w, uint32_t key);
void expr_load_payload(struct rule_writer *w, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg);
void expr_load_port(struct rule_writer *w, enum rule_side side, uint32_t reg);
void expr_load_fib(struct rule_writer *w, uint32_t result, uint32_t flags);
void expr_load_ipv6_header_is_there(struct rule_writer *w, uint8_t type); /* 1 or 0 */
void expr_load_constant(struct rule_writer *w, uint32_t reg, const void *data, uint32_t len);
/* register & mask, with the bits set that the mask clears */
void expr_mask_set(struct rule_writer *w, uint32_t reg, const void *mask, const void *bits, uint32_t len);
void expr_mask_with(struct rule_writer *w, uint32_t reg, const void *mask, uint32_t len);
void expr_load_address(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len);
void expr_load_source(struct rule_writer *w, enum nft_family family, enum rule_side side);
void expr_load_service(struct rule_writer *w, enum nft_family family, enum rule_side source, enum rule_side port);
/* The same of a host, the whole address, and its port. */
void expr_load_host_service(struct rule_writer *w, enum nft_family family, enum rule_side side);
void expr_load_transport(struct rule_writer *w, bool original);
void expr_load_link_port(struct rule_writer *w, enum rule_side side);
void expr_load_served_customer(struct rule_writer *w, enum nft_family family);
void expr_load_customer(struct rule_writer *w, enum nft_family family, bool original);
void expr_load_path(struct rule_writer *w, enum nft_family family, bool original);
void expr_load_call(struct rule_writer *w, enum nft_family family);
void expr_load_stream(struct rule_writer *w, enum nft_family family);
void expr_load_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side);
void expr_compare(struct rule_writer *w, uint32_t op, const void *data, uint32_t len);
void expr_compare_u8(struct rule_writer *w, uint32_t op, uint8_t value);
void expr_compare_u32(struct rule_writer *w, uint32_t op, uint32_t value);
void expr_has_any_bit(struct rule_writer *w, uint32_t mask);
void expr_look_up(struct rule_writer *w, enum rule_sense sense, const char *name);
void expr_look_up_value(struct rule_writer *w, const char *name);
void expr_look_up_pair(struct rule_writer *w, enum rule_sense sense, const char *set, enum nft_family family);
struct nftnl_expr *expr_add_to(struct rule_writer *w, const char *name, uint64_t timeout_ms);
struct nftnl_expr *expr_add_to_pair(struct rule_writer *w, const char *set, enum nft_family family);
void expr_fail(struct rule_writer *w, int error);

#endif
