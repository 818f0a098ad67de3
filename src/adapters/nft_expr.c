/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The expressions behind the rules.  Register 1 holds what is being compared; concatenated keys lie in it in
 * words of four bytes, as the kernel's sets expect.
 */
#include "nft_expr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define LOOPBACK_IFINDEX 1              /* in every network namespace */
#define WORD(n)          (NFT_REG32_00 + (n))   /* register 1 in words */
#define TCP_FLAGS_OFFSET 13

static const struct {
	uint8_t nfproto;
	uint32_t offset[2];             /* of the source and destination address */
	uint32_t len;
} families[NFT_FAMILY_COUNT] = {
	[NFT_V4] = { NFPROTO_IPV4, { 12, 16 }, 4 },
	[NFT_V6] = { NFPROTO_IPV6, { 8, 24 }, 16 },
};

static void fail(struct rule_writer *w)
{
	if (!w->batch->error)
		w->batch->error = -ENOMEM;
}

static struct nftnl_expr *append(struct rule_writer *w, const char *name)
{
	struct nftnl_expr *expr = w->rule ? nftnl_expr_alloc(name) : NULL;

	if (expr)
		nftnl_rule_add_expr(w->rule, expr);
	else
		fail(w);
	return expr;
}

/* ---- building blocks ---- */

static void load(struct rule_writer *w, const char *name, uint16_t key_attr, uint32_t key, uint16_t reg_attr, uint32_t reg)
{
	struct nftnl_expr *expr = append(w, name);

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, key_attr, key);
	nftnl_expr_set_u32(expr, reg_attr, reg);
}

static void load_meta(struct rule_writer *w, uint32_t key, uint32_t reg)
{
	load(w, "meta", NFTNL_EXPR_META_KEY, key, NFTNL_EXPR_META_DREG, reg);
}

static void load_ct(struct rule_writer *w, uint32_t key)
{
	load(w, "ct", NFTNL_EXPR_CT_KEY, key, NFTNL_EXPR_CT_DREG, NFT_REG_1);
}

static void load_socket(struct rule_writer *w, uint32_t key)
{
	load(w, "socket", NFTNL_EXPR_SOCKET_KEY, key, NFTNL_EXPR_SOCKET_DREG, NFT_REG_1);
}

static void load_payload(struct rule_writer *w, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct nftnl_expr *expr = append(w, "payload");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static void load_fib(struct rule_writer *w, uint32_t result, uint32_t flags)
{
	struct nftnl_expr *expr = append(w, "fib");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, result);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, flags);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
}

static void compare(struct rule_writer *w, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = append(w, "cmp");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	if (nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, len) < 0)
		fail(w);
}

static void compare_u8(struct rule_writer *w, uint32_t op, uint8_t value)
{
	compare(w, op, &value, sizeof(value));
}

static void compare_u32(struct rule_writer *w, uint32_t op, uint32_t value)
{
	compare(w, op, &value, sizeof(value));
}

static void mask_with(struct rule_writer *w, const void *mask, uint32_t len)
{
	static const uint8_t zero[16];
	struct nftnl_expr *expr = append(w, "bitwise");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
	if (nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, len) < 0 ||
	    nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, zero, len) < 0)
		fail(w);
}

static void look_up(struct rule_writer *w, enum rule_sense sense, const char *set)
{
	struct nftnl_expr *expr = append(w, "lookup");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	if (nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set) < 0)
		fail(w);
	if (sense == RULE_IS_NOT)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static void any_bit(struct rule_writer *w, uint32_t mask)
{
	mask_with(w, &mask, sizeof(mask));
	compare_u32(w, NFT_CMP_NEQ, 0);
}

static void load_address(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len)
{
	const uint32_t bytes = families[family].len;
	uint8_t mask[16] = { 0 };

	rule_family(w, family);
	load_payload(w, NFT_PAYLOAD_NETWORK_HEADER, families[family].offset[side], bytes, NFT_REG_1);
	if (len >= bytes * 8)
		return;
	memset(mask, 0xff, len / 8);
	if (len % 8)
		mask[len / 8] = (uint8_t)(0xff << (8 - len % 8));
	mask_with(w, mask, bytes);
}

static void load_customer(struct rule_writer *w, enum nft_family family, enum rule_side address, enum rule_side port)
{
	const uint32_t words = families[family].len / 4;

	load_address(w, family, address, 128);
	load_meta(w, NFT_META_L4PROTO, WORD(words));
	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, port == RULE_SOURCE ? 0 : 2, 2, WORD(words + 1));
}

static void set_limit(struct nftnl_expr *expr, uint64_t per_second, uint32_t burst)
{
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, per_second);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, burst);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, NFT_LIMIT_F_INV);
}

static struct nftnl_expr *put_in_set(struct rule_writer *w, uint32_t op, const char *set, uint64_t timeout_ms)
{
	struct nftnl_expr *expr = append(w, "dynset");

	if (!expr)
		return NULL;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, op);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT, timeout_ms);
	if (nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, set) < 0)
		fail(w);
	return expr;
}

static void immediate(struct rule_writer *w, uint32_t reg, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = append(w, "immediate");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, reg);
	if (nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, data, len) < 0)
		fail(w);
}

/* ---- chains ---- */

static void write_chain(struct rule_writer *w, const char *name, bool base, uint32_t hook, int32_t priority)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh;

	if (!chain) {
		fail(w);
		return;
	}
	if (nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, w->table) < 0 ||
	    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name) < 0 ||
	    (base && nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter") < 0))
		fail(w);
	if (base) {
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	}
	nlh = nft_batch_open(w->batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	if (nlh) {
		nftnl_chain_nlmsg_build_payload(nlh, chain);
		nft_batch_close(w->batch, nlh);
		w->written.chains++;
	}
	nftnl_chain_free(chain);
}

void rule_chain(struct rule_writer *w, const char *name)
{
	write_chain(w, name, false, 0, 0);
}

void rule_base_chain(struct rule_writer *w, const char *name, uint32_t hook, int32_t priority)
{
	write_chain(w, name, true, hook, priority);
}

/* ---- matches ---- */

void rule_begin(struct rule_writer *w, const char *chain)
{
	w->rule = nftnl_rule_alloc();
	if (!w->rule || nftnl_rule_set_str(w->rule, NFTNL_RULE_TABLE, w->table) < 0 ||
	    nftnl_rule_set_str(w->rule, NFTNL_RULE_CHAIN, chain) < 0)
		fail(w);
}

void rule_family(struct rule_writer *w, enum nft_family family)
{
	load_meta(w, NFT_META_NFPROTO, NFT_REG_1);
	compare_u8(w, NFT_CMP_EQ, families[family].nfproto);
}

void rule_protocol(struct rule_writer *w, uint8_t protocol)
{
	load_meta(w, NFT_META_L4PROTO, NFT_REG_1);
	compare_u8(w, NFT_CMP_EQ, protocol);
}

void rule_loopback(struct rule_writer *w, enum rule_side side)
{
	load_meta(w, side == RULE_SOURCE ? NFT_META_IIF : NFT_META_OIF, NFT_REG_1);
	compare_u32(w, NFT_CMP_EQ, LOOPBACK_IFINDEX);
}

void rule_interface_in(struct rule_writer *w, enum rule_sense sense, const char *set)
{
	load_meta(w, NFT_META_IIFNAME, NFT_REG_1);
	look_up(w, sense, set);
}

void rule_pkttype(struct rule_writer *w, enum rule_sense sense, uint8_t pkttype)
{
	load_meta(w, NFT_META_PKTTYPE, NFT_REG_1);
	compare_u8(w, sense == RULE_IS ? NFT_CMP_EQ : NFT_CMP_NEQ, pkttype);
}

void rule_address(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len,
		  enum rule_sense sense, const char *set)
{
	load_address(w, family, side, len);
	look_up(w, sense, set);
}

void rule_customer(struct rule_writer *w, enum nft_family family, enum rule_side address, enum rule_side port,
		   enum rule_sense sense, const char *set)
{
	load_customer(w, family, address, port);
	look_up(w, sense, set);
}

void rule_port(struct rule_writer *w, enum rule_side side, const char *set)
{
	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, side == RULE_SOURCE ? 0 : 2, 2, NFT_REG_1);
	look_up(w, RULE_IS, set);
}

void rule_ports_are(struct rule_writer *w, uint16_t source, uint16_t destination)
{
	const uint16_t ports[2] = { htons(source), htons(destination) };

	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(ports), NFT_REG_1);
	compare(w, NFT_CMP_EQ, ports, sizeof(ports));
}

void rule_tcp_flags(struct rule_writer *w, uint8_t mask, uint8_t value)
{
	rule_protocol(w, IPPROTO_TCP);
	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
	mask_with(w, &mask, sizeof(mask));
	compare_u8(w, NFT_CMP_EQ, value);
}

void rule_tcp_flags_in(struct rule_writer *w, uint8_t mask, enum rule_sense sense, const char *set)
{
	rule_protocol(w, IPPROTO_TCP);
	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
	mask_with(w, &mask, sizeof(mask));
	look_up(w, sense, set);
}

void rule_icmp_type(struct rule_writer *w, const char *set)
{
	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
	look_up(w, RULE_IS, set);
}

void rule_ct_state(struct rule_writer *w, uint32_t states)
{
	load_ct(w, NFT_CT_STATE);
	any_bit(w, states);
}

void rule_ct_original(struct rule_writer *w)
{
	load_ct(w, NFT_CT_DIRECTION);
	compare_u8(w, NFT_CMP_EQ, IP_CT_DIR_ORIGINAL);
}

void rule_ct_reply(struct rule_writer *w)
{
	load_ct(w, NFT_CT_DIRECTION);
	compare_u8(w, NFT_CMP_EQ, IP_CT_DIR_REPLY);
}

void rule_ct_status(struct rule_writer *w, uint32_t status)
{
	load_ct(w, NFT_CT_STATUS);
	any_bit(w, status);
}

void rule_socket_transparent(struct rule_writer *w, bool transparent)
{
	load_socket(w, NFT_SOCKET_TRANSPARENT);
	compare_u8(w, NFT_CMP_EQ, transparent);
}

/* Loading fails, and with it the rule, when there is no socket. */
void rule_socket_exists(struct rule_writer *w)
{
	load_socket(w, NFT_SOCKET_TRANSPARENT);
}

/* The kernel gives the mark of full sockets alone (nft_socket.c). */
void rule_socket_is_full(struct rule_writer *w)
{
	load_socket(w, NFT_SOCKET_MARK);
}

void rule_local_destination(struct rule_writer *w)
{
	load_fib(w, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR);
	compare_u32(w, NFT_CMP_EQ, RTN_LOCAL);
}

void rule_no_way_back(struct rule_writer *w)
{
	load_fib(w, NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF);
	compare_u32(w, NFT_CMP_EQ, 0);
}

void rule_over(struct rule_writer *w, uint64_t per_second, uint32_t burst)
{
	struct nftnl_expr *expr = append(w, "limit");

	if (expr)
		set_limit(expr, per_second, burst);
}

void rule_over_each(struct rule_writer *w, enum nft_family family, unsigned len, const char *set, uint64_t timeout_ms,
		    uint64_t per_second, uint32_t burst)
{
	struct nftnl_expr *each, *limit;

	load_address(w, family, RULE_SOURCE, len);
	each = put_in_set(w, NFT_DYNSET_OP_UPDATE, set, timeout_ms);
	limit = each ? nftnl_expr_alloc("limit") : NULL;
	if (!limit) {
		fail(w);
		return;
	}
	set_limit(limit, per_second, burst);
	nftnl_expr_add_expr(each, NFTNL_EXPR_DYNSET_EXPR, limit);
}

/* ---- statements ---- */

void rule_count(struct rule_writer *w, const char *counter)
{
	struct nftnl_expr *expr = append(w, "objref");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	if (nftnl_expr_set_str(expr, NFTNL_EXPR_OBJREF_IMM_NAME, counter) < 0)
		fail(w);
}

void rule_remember(struct rule_writer *w, enum nft_family family, unsigned len, const char *set, uint64_t timeout_ms)
{
	load_address(w, family, RULE_SOURCE, len);
	put_in_set(w, NFT_DYNSET_OP_UPDATE, set, timeout_ms);
}

void rule_remember_customer(struct rule_writer *w, enum nft_family family, const char *set, uint64_t timeout_ms)
{
	load_customer(w, family, RULE_SOURCE, RULE_DESTINATION);
	put_in_set(w, NFT_DYNSET_OP_UPDATE, set, timeout_ms);
}

void rule_tproxy(struct rule_writer *w, enum nft_family family, uint16_t port)
{
	static const uint8_t local_v4[4] = { 127, 0, 0, 1 };
	static const uint8_t local_v6[16] = { [15] = 1 };
	const uint16_t wire_port = htons(port);
	struct nftnl_expr *expr;

	immediate(w, NFT_REG_1, family == NFT_V4 ? local_v4 : local_v6, families[family].len);
	immediate(w, NFT_REG_2, &wire_port, sizeof(wire_port));
	expr = append(w, "tproxy");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_TPROXY_FAMILY, families[family].nfproto);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_TPROXY_REG_ADDR, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_2);
}

/* ---- endings ---- */

void rule_end(struct rule_writer *w)
{
	struct nlmsghdr *nlh = w->rule ? nft_batch_open(w->batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND) : NULL;

	if (nlh) {
		nftnl_rule_nlmsg_build_payload(nlh, w->rule);
		nft_batch_close(w->batch, nlh);
		w->written.rules++;
	}
	if (w->rule)
		nftnl_rule_free(w->rule);
	w->rule = NULL;
}

static void verdict(struct rule_writer *w, int code, const char *chain)
{
	struct nftnl_expr *expr = append(w, "immediate");

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
		if (chain && nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain) < 0)
			fail(w);
	}
	rule_end(w);
}

void rule_accept(struct rule_writer *w)
{
	verdict(w, NF_ACCEPT, NULL);
}

void rule_drop(struct rule_writer *w)
{
	verdict(w, NF_DROP, NULL);
}

void rule_return(struct rule_writer *w)
{
	verdict(w, NFT_RETURN, NULL);
}

void rule_jump(struct rule_writer *w, const char *chain)
{
	verdict(w, NFT_JUMP, chain);
}

void rule_goto(struct rule_writer *w, const char *chain)
{
	verdict(w, NFT_GOTO, chain);
}

static void queue_natively(struct rule_writer *w, uint16_t number)
{
	struct nftnl_expr *expr = append(w, "queue");

	if (!expr)
		return;
	nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_NUM, number);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_TOTAL, 1);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_FLAGS, NFT_QUEUE_FLAG_BYPASS);
}

/* The same by way of nft_compat.  The info must lie on the heap and be zeroed: libnftnl frees it, the kernel compares its padding. */
static void queue_by_target(struct rule_writer *w, uint16_t number)
{
	struct nftnl_expr *expr = append(w, "target");
	struct xt_NFQ_info_v3 *info = calloc(1, 8);

	_Static_assert(sizeof(*info) <= 8, "aligned to 8 as x_tables wants it");
	if (!expr || !info || nftnl_expr_set_str(expr, NFTNL_EXPR_TG_NAME, "NFQUEUE") < 0) {
		fail(w);
		free(info);
		return;
	}
	info->queuenum = number;
	info->queues_total = 1;
	info->flags = NFQ_FLAG_BYPASS;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_TG_REV, 3);
	if (nftnl_expr_set(expr, NFTNL_EXPR_TG_INFO, info, 8) < 0) {
		fail(w);
		free(info);
	}
}

void rule_queue(struct rule_writer *w, uint16_t number)
{
	if (w->native_queue)
		queue_natively(w, number);
	else
		queue_by_target(w, number);
	rule_end(w);
}
