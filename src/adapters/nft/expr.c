/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single libnftnl expressions, appended to the rule being written.  Register 1 holds what is being compared;
 * concatenated keys lie in it in words of four bytes, as the kernel's sets expect.
 */
#include "expr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <string.h>

#define WORD(n) (NFT_REG32_00 + (n)) /* register 1 in words */

const struct expr_family expr_families[NFT_FAMILY_COUNT] = {
	[NFT_V4] = { NFPROTO_IPV4, { 12, 16 }, 4 },
	[NFT_V6] = { NFPROTO_IPV6, { 8, 24 }, 16 },
};

void expr_fail(struct rule_writer *w)
{
	if (!w->batch->error)
		w->batch->error = -ENOMEM;
}

struct nftnl_expr *expr_append(struct rule_writer *w, const char *name)
{
	struct nftnl_expr *expr = w->rule ? nftnl_expr_alloc(name) : NULL;

	if (expr)
		nftnl_rule_add_expr(w->rule, expr);
	else
		expr_fail(w);
	return expr;
}

static void expr_load(struct rule_writer *w, const char *name, uint16_t key_attr, uint32_t key, uint16_t reg_attr,
		      uint32_t reg)
{
	struct nftnl_expr *expr = expr_append(w, name);

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, key_attr, key);
	nftnl_expr_set_u32(expr, reg_attr, reg);
}

void expr_meta(struct rule_writer *w, uint32_t key, uint32_t reg)
{
	expr_load(w, "meta", NFTNL_EXPR_META_KEY, key, NFTNL_EXPR_META_DREG, reg);
}

void expr_ct(struct rule_writer *w, uint32_t key)
{
	expr_load(w, "ct", NFTNL_EXPR_CT_KEY, key, NFTNL_EXPR_CT_DREG, NFT_REG_1);
}

void expr_socket(struct rule_writer *w, uint32_t key)
{
	expr_load(w, "socket", NFTNL_EXPR_SOCKET_KEY, key, NFTNL_EXPR_SOCKET_DREG, NFT_REG_1);
}

void expr_payload(struct rule_writer *w, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct nftnl_expr *expr = expr_append(w, "payload");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

void expr_fib(struct rule_writer *w, uint32_t result, uint32_t flags)
{
	struct nftnl_expr *expr = expr_append(w, "fib");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, result);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, flags);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
}

void expr_compare(struct rule_writer *w, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = expr_append(w, "cmp");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	if (nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, len) < 0)
		expr_fail(w);
}

void expr_compare_u8(struct rule_writer *w, uint32_t op, uint8_t value)
{
	expr_compare(w, op, &value, sizeof(value));
}

void expr_compare_u32(struct rule_writer *w, uint32_t op, uint32_t value)
{
	expr_compare(w, op, &value, sizeof(value));
}

void expr_mask(struct rule_writer *w, const void *mask, uint32_t len)
{
	static const uint8_t zero[16];
	struct nftnl_expr *expr = expr_append(w, "bitwise");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
	if (nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, len) < 0 ||
	    nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, zero, len) < 0)
		expr_fail(w);
}

void expr_look_up(struct rule_writer *w, enum rule_sense sense, const char *set)
{
	struct nftnl_expr *expr = expr_append(w, "lookup");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	if (nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set) < 0)
		expr_fail(w);
	if (sense == RULE_IS_NOT)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

void expr_any_bit(struct rule_writer *w, uint32_t mask)
{
	expr_mask(w, &mask, sizeof(mask));
	expr_compare_u32(w, NFT_CMP_NEQ, 0);
}

void expr_address(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len)
{
	const uint32_t bytes = expr_families[family].len;
	uint8_t mask[16] = { 0 };

	rule_family(w, family);
	expr_payload(w, NFT_PAYLOAD_NETWORK_HEADER, expr_families[family].offset[side], bytes, NFT_REG_1);
	if (len >= bytes * 8)
		return;
	memset(mask, 0xff, len / 8);
	if (len % 8)
		mask[len / 8] = (uint8_t)(0xff << (8 - len % 8));
	expr_mask(w, mask, bytes);
}

/* In the books an IPv6 caller is its /64: one who has a /64 could fill them else. */
static void expr_caller(struct rule_writer *w, enum nft_family family, enum rule_side side)
{
	expr_address(w, family, side, family == NFT_V4 ? 32 : NFT_CALLER_LEN);
}

void expr_customer(struct rule_writer *w, enum nft_family family, enum rule_side address, enum rule_side port)
{
	const uint32_t words = expr_families[family].len / 4;

	expr_caller(w, family, address);
	expr_meta(w, NFT_META_L4PROTO, WORD(words));
	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, port == RULE_SOURCE ? 0 : 2, 2, WORD(words + 1));
}

void expr_service(struct rule_writer *w, enum nft_family family, enum rule_side address, uint16_t port)
{
	const uint32_t words = expr_families[family].len / 4;
	const uint16_t wire_port = htons(port);

	expr_caller(w, family, address);
	expr_meta(w, NFT_META_L4PROTO, WORD(words));
	expr_immediate(w, WORD(words + 1), &wire_port, sizeof(wire_port));
}

void expr_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side)
{
	const uint32_t words = expr_families[family].len / 4;

	expr_address(w, family, side, 128);
	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, side == RULE_SOURCE ? 0 : 2, 2, WORD(words));
	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, side == RULE_SOURCE ? 2 : 0, 2, WORD(words + 1));
}

void expr_set_limit(struct nftnl_expr *expr, uint64_t per_second, uint32_t burst)
{
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, per_second);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, burst);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, NFT_LIMIT_F_INV);
}

struct nftnl_expr *expr_put_in_set(struct rule_writer *w, uint32_t op, const char *set, uint64_t timeout_ms)
{
	struct nftnl_expr *expr = expr_append(w, "dynset");

	if (!expr)
		return NULL;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, op);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT, timeout_ms);
	if (nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, set) < 0)
		expr_fail(w);
	return expr;
}

void expr_immediate(struct rule_writer *w, uint32_t reg, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = expr_append(w, "immediate");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, reg);
	if (nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, data, len) < 0)
		expr_fail(w);
}
