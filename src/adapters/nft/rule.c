/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chains, and what a rule does when its matches hold: statements, and the endings that close it.
 */
#include "expr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <stdlib.h>

static void write_chain(struct rule_writer *w, const char *name, bool base, uint32_t hook, int32_t priority)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh;

	if (!chain) {
		expr_fail(w);
		return;
	}
	if (nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, w->table) < 0 ||
	    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name) < 0 ||
	    (base && nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter") < 0))
		expr_fail(w);
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

void rule_begin(struct rule_writer *w, const char *chain)
{
	w->rule = nftnl_rule_alloc();
	if (!w->rule || nftnl_rule_set_str(w->rule, NFTNL_RULE_TABLE, w->table) < 0 ||
	    nftnl_rule_set_str(w->rule, NFTNL_RULE_CHAIN, chain) < 0)
		expr_fail(w);
}

/* ---- statements ---- */

void rule_count(struct rule_writer *w, const char *counter)
{
	struct nftnl_expr *expr = expr_append(w, "objref");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	if (nftnl_expr_set_str(expr, NFTNL_EXPR_OBJREF_IMM_NAME, counter) < 0)
		expr_fail(w);
}

void rule_remember(struct rule_writer *w, enum nft_family family, unsigned len, const char *set, uint64_t timeout_ms)
{
	expr_address(w, family, RULE_SOURCE, len);
	expr_put_in_set(w, NFT_DYNSET_OP_UPDATE, set, timeout_ms);
}

void rule_remember_customer(struct rule_writer *w, enum nft_family family, enum rule_side address, enum rule_side port,
			    const char *set, uint64_t timeout_ms)
{
	expr_customer(w, family, address, port);
	expr_put_in_set(w, NFT_DYNSET_OP_UPDATE, set, timeout_ms);
}

void rule_remember_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set,
				uint64_t timeout_ms)
{
	expr_conversation(w, family, side);
	expr_put_in_set(w, NFT_DYNSET_OP_UPDATE, set, timeout_ms);
}

void rule_tproxy(struct rule_writer *w, enum nft_family family, uint16_t port)
{
	static const uint8_t local_v4[4] = { 127, 0, 0, 1 };
	static const uint8_t local_v6[16] = { [15] = 1 };
	const uint16_t wire_port = htons(port);
	struct nftnl_expr *expr;

	expr_immediate(w, NFT_REG_1, family == NFT_V4 ? local_v4 : local_v6, expr_families[family].len);
	expr_immediate(w, NFT_REG_2, &wire_port, sizeof(wire_port));
	expr = expr_append(w, "tproxy");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_TPROXY_FAMILY, expr_families[family].nfproto);
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
	struct nftnl_expr *expr = expr_append(w, "immediate");

	if (expr) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
		if (chain && nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain) < 0)
			expr_fail(w);
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
	struct nftnl_expr *expr = expr_append(w, "queue");

	if (!expr)
		return;
	nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_NUM, number);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_TOTAL, 1);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_FLAGS, NFT_QUEUE_FLAG_BYPASS);
}

/* The same by way of nft_compat.  The info must lie on the heap and be zeroed: libnftnl frees it, the kernel
 * compares its padding. */
static void queue_by_target(struct rule_writer *w, uint16_t number)
{
	struct nftnl_expr *expr = expr_append(w, "target");
	struct xt_NFQ_info_v3 *info = calloc(1, 8);

	_Static_assert(sizeof(*info) <= 8, "aligned to 8 as x_tables wants it");
	if (!expr || !info || nftnl_expr_set_str(expr, NFTNL_EXPR_TG_NAME, "NFQUEUE") < 0) {
		expr_fail(w);
		free(info);
		return;
	}
	info->queuenum = number;
	info->queues_total = 1;
	info->flags = NFQ_FLAG_BYPASS;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_TG_REV, 3);
	if (nftnl_expr_set(expr, NFTNL_EXPR_TG_INFO, info, 8) < 0) {
		expr_fail(w);
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
