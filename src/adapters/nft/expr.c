/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expressions, appended to the rule being written: what loads register 1, and what compares it or looks it up.  A
 * concatenated key lies in it in words of four bytes, as the kernel's sets expect.
 */
#include "expr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <string.h>

const struct expr_family expr_families[NFT_FAMILY_COUNT] = {
	[NFT_V4] = { NFPROTO_IPV4, { 12, 16 }, 4, 32 },
	[NFT_V6] = { NFPROTO_IPV6, { 8, 24 }, 16, NFT_SOURCE_LEN_V6 },
};

void expr_fail(struct rule_writer *w, int error)
{
	if (!w->batch->error)
		w->batch->error = error;
}

/* ---- what loads register 1 ---- */

/* NULL when out of memory. */
struct nftnl_expr *expr_append(struct rule_writer *w, const char *name, const struct expr_attr *attrs, size_t count)
{
	struct nftnl_expr *expr = w->rule ? nftnl_expr_alloc(name) : NULL;

	if (!expr) {
		expr_fail(w, -ENOMEM);
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		nftnl_expr_set_u32(expr, attrs[i].type, attrs[i].value);
	nftnl_rule_add_expr(w->rule, expr);
	return expr;
}

static void expr_set_data(struct rule_writer *w, struct nftnl_expr *expr, uint16_t attr, const void *data, uint32_t len)
{
	if (expr && nftnl_expr_set(expr, attr, data, len) < 0)
		expr_fail(w, -ENOMEM);
}

void expr_set_text(struct rule_writer *w, struct nftnl_expr *expr, uint16_t attr, const char *text)
{
	if (text)
		expr_set_data(w, expr, attr, text, (uint32_t)strlen(text) + 1);
}

void expr_load_meta(struct rule_writer *w, uint32_t key, uint32_t reg)
{
	EXPR_APPEND(w, "meta", { NFTNL_EXPR_META_KEY, key }, { NFTNL_EXPR_META_DREG, reg });
}

void expr_load_ct(struct rule_writer *w, uint32_t key)
{
	w->never |= w->untracked;
	EXPR_APPEND(w, "ct", { NFTNL_EXPR_CT_KEY, key }, { NFTNL_EXPR_CT_DREG, NFT_REG_1 });
}

void expr_load_socket(struct rule_writer *w, uint32_t key)
{
	EXPR_APPEND(w, "socket", { NFTNL_EXPR_SOCKET_KEY, key }, { NFTNL_EXPR_SOCKET_DREG, NFT_REG_1 });
}

void expr_load_payload(struct rule_writer *w, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	EXPR_APPEND(w, "payload", { NFTNL_EXPR_PAYLOAD_BASE, base }, { NFTNL_EXPR_PAYLOAD_OFFSET, offset },
		    { NFTNL_EXPR_PAYLOAD_LEN, len }, { NFTNL_EXPR_PAYLOAD_DREG, reg });
}

void expr_load_port(struct rule_writer *w, enum rule_side side, uint32_t reg)
{
	expr_load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, side == RULE_SOURCE ? 0 : 2, 2, reg);
}

void expr_load_fib(struct rule_writer *w, uint32_t result, uint32_t flags)
{
	EXPR_APPEND(w, "fib", { NFTNL_EXPR_FIB_RESULT, result }, { NFTNL_EXPR_FIB_FLAGS, flags },
		    { NFTNL_EXPR_FIB_DREG, NFT_REG_1 });
}

void expr_load_ipv6_header_is_there(struct rule_writer *w, uint8_t type)
{
	struct nftnl_expr *expr =
		EXPR_APPEND(w, "exthdr", { NFTNL_EXPR_EXTHDR_DREG, NFT_REG_1 }, { NFTNL_EXPR_EXTHDR_OFFSET, 0 },
			    { NFTNL_EXPR_EXTHDR_LEN, 1 }, { NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT },
			    { NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_IPV6 });

	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_EXTHDR_TYPE, type);
}

void expr_load_constant(struct rule_writer *w, uint32_t reg, const void *data, uint32_t len)
{
	expr_set_data(w, EXPR_APPEND(w, "immediate", { NFTNL_EXPR_IMM_DREG, reg }), NFTNL_EXPR_IMM_DATA, data, len);
}

void expr_mask_set(struct rule_writer *w, uint32_t reg, const void *mask, const void *bits, uint32_t len)
{
	struct nftnl_expr *expr = EXPR_APPEND(w, "bitwise", { NFTNL_EXPR_BITWISE_SREG, reg },
					      { NFTNL_EXPR_BITWISE_DREG, reg }, { NFTNL_EXPR_BITWISE_LEN, len });

	expr_set_data(w, expr, NFTNL_EXPR_BITWISE_MASK, mask, len);
	expr_set_data(w, expr, NFTNL_EXPR_BITWISE_XOR, bits, len);
}

void expr_mask_with(struct rule_writer *w, uint32_t reg, const void *mask, uint32_t len)
{
	static const uint8_t none[16];

	expr_mask_set(w, reg, mask, none, len);
}

void expr_load_address(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len)
{
	const uint32_t bytes = expr_families[family].len;
	uint8_t mask[16] = { 0 };

	rule_family(w, family);
	expr_load_payload(w, NFT_PAYLOAD_NETWORK_HEADER, expr_families[family].offset[side], bytes, NFT_REG_1);
	if (len >= bytes * 8)
		return;
	memset(mask, 0xff, len / 8);
	if (len % 8)
		mask[len / 8] = (uint8_t)(0xff << (8 - len % 8));
	expr_mask_with(w, NFT_REG_1, mask, bytes);
}

/* In the sets that the kernel fills by itself an IPv6 source is its /64: else the owner of one /64 could fill them. */
void expr_load_source(struct rule_writer *w, enum nft_family family, enum rule_side side)
{
	expr_load_address(w, family, side, expr_families[family].source_len);
}

void expr_load_service(struct rule_writer *w, enum nft_family family, enum rule_side source, enum rule_side port)
{
	const uint32_t words = expr_families[family].len / 4;

	expr_load_source(w, family, source);
	expr_load_meta(w, NFT_META_L4PROTO, WORD(words));
	expr_load_port(w, port, WORD(words + 1));
}

void expr_load_host_service(struct rule_writer *w, enum nft_family family, enum rule_side side)
{
	const uint32_t words = expr_families[family].len / 4;

	expr_load_address(w, family, side, 128);
	expr_load_meta(w, NFT_META_L4PROTO, WORD(words));
	expr_load_port(w, side, WORD(words + 1));
}

/* Of the first packet's direction: what the source named before destination NAT. */
static void expr_load_ct_original(struct rule_writer *w, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = EXPR_APPEND(w, "ct", { NFTNL_EXPR_CT_KEY, key }, { NFTNL_EXPR_CT_DREG, reg });

	w->never |= w->untracked;
	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
}

void expr_load_transport(struct rule_writer *w, bool original)
{
	expr_load_meta(w, NFT_META_L4PROTO, WORD(0));
	if (original)
		expr_load_ct_original(w, NFT_CT_PROTO_DST, WORD(1));
	else
		expr_load_port(w, RULE_DESTINATION, WORD(1));
}

void expr_load_link_port(struct rule_writer *w, enum rule_side side)
{
	expr_load_port(w, side, WORD(0));
	expr_load_meta(w, side == RULE_DESTINATION ? NFT_META_IIF : NFT_META_OIF, WORD(1));
}

void expr_load_customer(struct rule_writer *w, enum nft_family family, bool original)
{
	const uint32_t words = expr_families[family].len / 4;

	expr_load_source(w, family, RULE_SOURCE);
	if (original)
		expr_load_ct_original(w, NFT_CT_PROTO_DST, WORD(words));
	else
		expr_load_port(w, RULE_DESTINATION, WORD(words));
}

void expr_load_path(struct rule_writer *w, enum nft_family family, bool original)
{
	const struct expr_family *f = &expr_families[family];
	const uint32_t words = f->len / 4;

	expr_load_source(w, family, RULE_SOURCE);
	if (original)
		expr_load_ct_original(w, family == NFT_V4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6, WORD(words));
	else
		expr_load_payload(w, NFT_PAYLOAD_NETWORK_HEADER, f->offset[RULE_DESTINATION], f->len, WORD(words));
	expr_load_meta(w, NFT_META_IIF, WORD(2 * words));
}

void expr_load_served_customer(struct rule_writer *w, enum nft_family family)
{
	expr_load_source(w, family, RULE_DESTINATION);
	expr_load_port(w, RULE_SOURCE, WORD(expr_families[family].len / 4));
}

/* The two ports of a call, the even one and the next, have one key. */
static const uint8_t even[2] = { 0xff, 0xfe };

void expr_load_call(struct rule_writer *w, enum nft_family family)
{
	const uint32_t words = expr_families[family].len / 4;

	expr_load_source(w, family, RULE_SOURCE);
	expr_load_port(w, RULE_DESTINATION, WORD(words));
	expr_mask_with(w, WORD(words), even, sizeof(even));
}

void expr_load_stream(struct rule_writer *w, enum nft_family family)
{
	const uint32_t words = expr_families[family].len / 4;

	expr_load_conversation(w, family, RULE_SOURCE);
	expr_mask_with(w, WORD(words), even, sizeof(even));
	expr_mask_with(w, WORD(words + 1), even, sizeof(even));
}

void expr_load_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side)
{
	const uint32_t words = expr_families[family].len / 4;

	expr_load_address(w, family, side, 128);
	expr_load_port(w, side, WORD(words));
	expr_load_port(w, side == RULE_SOURCE ? RULE_DESTINATION : RULE_SOURCE, WORD(words + 1));
}

/* ---- what uses register 1 ---- */

void expr_compare(struct rule_writer *w, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = EXPR_APPEND(w, "cmp", { NFTNL_EXPR_CMP_SREG, NFT_REG_1 }, { NFTNL_EXPR_CMP_OP, op });

	expr_set_data(w, expr, NFTNL_EXPR_CMP_DATA, data, len);
}

void expr_compare_u8(struct rule_writer *w, uint32_t op, uint8_t value)
{
	expr_compare(w, op, &value, sizeof(value));
}

void expr_compare_u32(struct rule_writer *w, uint32_t op, uint32_t value)
{
	expr_compare(w, op, &value, sizeof(value));
}

void expr_has_any_bit(struct rule_writer *w, uint32_t mask)
{
	expr_mask_with(w, NFT_REG_1, &mask, sizeof(mask));
	expr_compare_u32(w, NFT_CMP_NEQ, 0);
}

void expr_look_up(struct rule_writer *w, enum rule_sense sense, const char *name)
{
	struct nftnl_expr *expr = EXPR_APPEND(w, "lookup", { NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1 });

	expr_set_text(w, expr, NFTNL_EXPR_LOOKUP_SET, name);
	if (expr && sense == RULE_IS_NOT)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

void expr_look_up_value(struct rule_writer *w, const char *name)
{
	struct nftnl_expr *expr =
		EXPR_APPEND(w, "lookup", { NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1 }, { NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1 });

	expr_set_text(w, expr, NFTNL_EXPR_LOOKUP_SET, name);
}

void expr_look_up_pair(struct rule_writer *w, enum rule_sense sense, const char *set, enum nft_family family)
{
	char name[NFT_NAME_MAX];

	nft_pair_name(set, family, name);
	expr_look_up(w, sense, name);
}

/* NULL on failure. */
struct nftnl_expr *expr_add_to(struct rule_writer *w, const char *name, uint64_t timeout_ms)
{
	struct nftnl_expr *expr = EXPR_APPEND(w, "dynset", { NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1 },
					      { NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE });

	if (!timeout_ms)
		expr_fail(w, -EINVAL); /* sets.c has no such set, or it would fill up */
	if (!expr)
		return NULL;
	expr_set_text(w, expr, NFTNL_EXPR_DYNSET_SET_NAME, name);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT, timeout_ms);
	return expr;
}

/* Into the set of the family. */
struct nftnl_expr *expr_add_to_pair(struct rule_writer *w, const char *set, enum nft_family family)
{
	char name[NFT_NAME_MAX];

	nft_pair_name(set, family, name);
	return expr_add_to(w, name, nft_set_timeout_ms(set));
}
