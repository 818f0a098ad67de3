/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule language: chains, matches, statements and endings, each a few expressions (expr.c) appended to the
 * rule being written.
 */
#include "expr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define TCP_FLAGS_OFFSET 13

/* ---- chains ---- */

static void write_chain(struct rule_writer *w, const char *name, bool base, uint32_t hook, const char *device,
			int32_t priority)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh = chain ? nft_batch_open(w->batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE) : NULL;

	if (!chain || nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, w->table) < 0 ||
	    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name) < 0 ||
	    (base && nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter") < 0) ||
	    (device && nftnl_chain_set_str(chain, NFTNL_CHAIN_DEV, device) < 0))
		expr_fail(w, -ENOMEM);
	if (nlh && base) {
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	}
	if (nlh) {
		nftnl_chain_nlmsg_build_payload(nlh, chain);
		nft_batch_close(w->batch, nlh);
		w->written.chains++;
	}
	if (chain)
		nftnl_chain_free(chain);
}

void rule_chain(struct rule_writer *w, const char *name)
{
	write_chain(w, name, false, 0, NULL, 0);
}

void rule_base_chain(struct rule_writer *w, const char *name, uint32_t hook, int32_t priority)
{
	write_chain(w, name, true, hook, NULL, priority);
}

void rule_ingress_chain(struct rule_writer *w, const char *name, const char *device, int32_t priority)
{
	write_chain(w, name, true, NF_INET_INGRESS, device, priority);
}

void rule_begin(struct rule_writer *w, const char *chain)
{
	w->rule = nftnl_rule_alloc();
	if (!w->rule || nftnl_rule_set_str(w->rule, NFTNL_RULE_TABLE, w->table) < 0 ||
	    nftnl_rule_set_str(w->rule, NFTNL_RULE_CHAIN, chain) < 0)
		expr_fail(w, -ENOMEM);
	w->first = false;
	w->never = false;
}

void rule_begin_first(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	w->first = true;
}

void rule_tag(struct rule_writer *w, char tag)
{
	/* a comment, in the form that nft reads: type, length, text */
	const uint8_t comment[] = { NFTNL_UDATA_RULE_COMMENT, 2, (uint8_t)tag, 0 };

	if (!w->rule || nftnl_rule_set_data(w->rule, NFTNL_RULE_USERDATA, comment, sizeof(comment)) < 0)
		expr_fail(w, -ENOMEM);
}

/* ---- matches ---- */

void rule_family(struct rule_writer *w, enum nft_family family)
{
	expr_load_meta(w, NFT_META_NFPROTO, NFT_REG_1);
	expr_compare_u8(w, NFT_CMP_EQ, expr_families[family].nfproto);
}

void rule_protocol(struct rule_writer *w, uint8_t protocol)
{
	expr_load_meta(w, NFT_META_L4PROTO, NFT_REG_1);
	expr_compare_u8(w, NFT_CMP_EQ, protocol);
}

void rule_protocol_is_not(struct rule_writer *w, uint8_t protocol)
{
	expr_load_meta(w, NFT_META_L4PROTO, NFT_REG_1);
	expr_compare_u8(w, NFT_CMP_NEQ, protocol);
}

void rule_listed(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len, const char *name)
{
	expr_load_address(w, family, side, len);
	expr_look_up(w, RULE_IS, name);
}

void rule_graded(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len, const char *name,
		 enum rule_sense sense, enum nft_grade grade)
{
	expr_load_address(w, family, side, len);
	expr_look_up_value(w, name);
	expr_compare_u32(w,
			 sense == RULE_IS       ? NFT_CMP_EQ
			 : sense == RULE_IS_NOT ? NFT_CMP_NEQ
						: NFT_CMP_GTE,
			 htonl(grade)); /* bytes are compared, the highest first */
}

void rule_source(struct rule_writer *w, enum nft_family family, enum rule_side side, enum rule_sense sense,
		 const char *set)
{
	expr_load_source(w, family, side);
	expr_look_up_pair(w, sense, set, family);
}

void rule_service(struct rule_writer *w, enum nft_family family, enum rule_side source, enum rule_side port,
		  enum rule_sense sense, const char *set)
{
	expr_load_service(w, family, source, port);
	expr_look_up_pair(w, sense, set, family);
}

void rule_service_at(struct rule_writer *w, enum nft_family family, enum rule_side source, uint16_t port,
		     const char *set)
{
	const uint32_t words = expr_families[family].len / 4;
	const uint16_t wire_port = htons(port);

	expr_load_source(w, family, source);
	expr_load_meta(w, NFT_META_L4PROTO, WORD(words));
	expr_load_constant(w, WORD(words + 1), &wire_port, sizeof(wire_port));
	expr_look_up_pair(w, RULE_IS, set, family);
}

void rule_host_service(struct rule_writer *w, enum nft_family family, enum rule_side side, enum rule_sense sense,
		       const char *set)
{
	expr_load_host_service(w, family, side);
	expr_look_up_pair(w, sense, set, family);
}

void rule_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set)
{
	expr_load_conversation(w, family, side);
	expr_look_up_pair(w, RULE_IS, set, family);
}

void rule_stream(struct rule_writer *w, enum nft_family family, const char *set)
{
	expr_load_stream(w, family);
	expr_look_up_pair(w, RULE_IS, set, family);
}

void rule_customer(struct rule_writer *w, enum nft_family family, bool original, const char *set)
{
	expr_load_customer(w, family, original);
	expr_look_up_pair(w, RULE_IS, set, family);
}

void rule_path(struct rule_writer *w, enum nft_family family, const char *set)
{
	expr_load_path(w, family, false);
	expr_look_up_pair(w, RULE_IS, set, family);
}

void rule_served_customer(struct rule_writer *w, enum nft_family family, const char *set)
{
	expr_load_served_customer(w, family);
	expr_look_up_pair(w, RULE_IS, set, family);
}

void rule_call(struct rule_writer *w, enum nft_family family, enum rule_sense sense, const char *set)
{
	expr_load_call(w, family);
	expr_look_up_pair(w, sense, set, family);
}

void rule_published(struct rule_writer *w, enum rule_sense sense, const char *set)
{
	expr_load_transport(w, true);
	expr_look_up(w, sense, set);
}

void rule_transport(struct rule_writer *w, const char *set)
{
	expr_load_transport(w, false);
	expr_look_up(w, RULE_IS, set);
}

void rule_link_port(struct rule_writer *w, enum rule_side side, const char *set)
{
	expr_load_link_port(w, side);
	expr_look_up(w, RULE_IS, set);
}

void rule_port(struct rule_writer *w, enum rule_side side, enum rule_sense sense, const char *set)
{
	expr_load_port(w, side, NFT_REG_1);
	expr_look_up(w, sense, set);
}

/* Compared as bytes, the highest first. */
static void compare_port(struct rule_writer *w, enum rule_side side, uint32_t op, uint16_t port)
{
	const uint16_t wire_port = htons(port);

	expr_load_port(w, side, NFT_REG_1);
	expr_compare(w, op, &wire_port, sizeof(wire_port));
}

void rule_port_is(struct rule_writer *w, enum rule_side side, uint16_t port)
{
	compare_port(w, side, NFT_CMP_EQ, port);
}

void rule_port_from(struct rule_writer *w, enum rule_side side, uint16_t first)
{
	compare_port(w, side, NFT_CMP_GTE, first);
}

void rule_ports_are(struct rule_writer *w, uint16_t source, uint16_t destination)
{
	const uint16_t ports[2] = { htons(source), htons(destination) };

	expr_load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(ports), NFT_REG_1);
	expr_compare(w, NFT_CMP_EQ, ports, sizeof(ports));
}

static void load_tcp_flags(struct rule_writer *w, uint8_t mask)
{
	rule_protocol(w, IPPROTO_TCP);
	expr_load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
	expr_mask_with(w, NFT_REG_1, &mask, sizeof(mask));
}

void rule_tcp_flags(struct rule_writer *w, uint8_t mask, uint8_t value)
{
	load_tcp_flags(w, mask);
	expr_compare_u8(w, NFT_CMP_EQ, value);
}

void rule_tcp_flags_are_not(struct rule_writer *w, uint8_t mask, uint8_t value)
{
	load_tcp_flags(w, mask);
	expr_compare_u8(w, NFT_CMP_NEQ, value);
}

void rule_tcp_flags_in(struct rule_writer *w, uint8_t mask, enum rule_sense sense, const char *set)
{
	load_tcp_flags(w, mask);
	expr_look_up(w, sense, set);
}

void rule_tcp_option_missing(struct rule_writer *w, uint8_t kind)
{
	struct nftnl_expr *expr;

	rule_protocol(w, IPPROTO_TCP);
	expr = EXPR_APPEND(w, "exthdr", { NFTNL_EXPR_EXTHDR_DREG, NFT_REG_1 }, { NFTNL_EXPR_EXTHDR_OFFSET, 0 },
			   { NFTNL_EXPR_EXTHDR_LEN, 1 }, { NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT },
			   { NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT });
	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_EXTHDR_TYPE, kind);
	expr_compare_u8(w, NFT_CMP_EQ, 0);
}

void rule_icmp_type_is(struct rule_writer *w, uint8_t type)
{
	expr_load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
	expr_compare_u8(w, NFT_CMP_EQ, type);
}

void rule_icmp_type(struct rule_writer *w, const char *set)
{
	expr_load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
	expr_look_up(w, RULE_IS, set);
}

void rule_ct_state(struct rule_writer *w, uint32_t states)
{
	if (w->untracked && (states & NF_CT_STATE_UNTRACKED_BIT))
		return;
	expr_load_ct(w, NFT_CT_STATE);
	expr_has_any_bit(w, states);
}

void rule_ct_status(struct rule_writer *w, uint32_t status)
{
	expr_load_ct(w, NFT_CT_STATUS);
	expr_has_any_bit(w, status);
}

void rule_ct_status_none(struct rule_writer *w, uint32_t status)
{
	if (w->untracked)
		return;
	expr_load_ct(w, NFT_CT_STATUS);
	expr_mask_with(w, NFT_REG_1, &status, sizeof(status));
	expr_compare_u32(w, NFT_CMP_EQ, 0);
}

void rule_ct_direction(struct rule_writer *w, uint8_t direction)
{
	expr_load_ct(w, NFT_CT_DIRECTION);
	expr_compare_u8(w, NFT_CMP_EQ, direction);
}

void rule_socket_transparent(struct rule_writer *w, bool transparent)
{
	expr_load_socket(w, NFT_SOCKET_TRANSPARENT);
	expr_compare_u8(w, NFT_CMP_EQ, transparent);
}

/* Loading fails, and with it the rule, when there is no socket. */
void rule_socket_exists(struct rule_writer *w)
{
	expr_load_socket(w, NFT_SOCKET_TRANSPARENT);
}

/* The kernel says only of full sockets whether they are bound to no address (nft_socket.c), not of half-open ones, and
 * a connection always has an address.  A listener mostly has none; under SYN cookies it is what the last ACK of a
 * handshake finds. */
void rule_socket_is_connection(struct rule_writer *w)
{
	expr_load_socket(w, NFT_SOCKET_WILDCARD);
	expr_compare_u8(w, NFT_CMP_EQ, 0);
}

void rule_local(struct rule_writer *w, enum rule_side side, enum rule_sense sense)
{
	expr_load_fib(w, NFT_FIB_RESULT_ADDRTYPE, side == RULE_SOURCE ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR);
	expr_compare_u32(w, sense == RULE_IS ? NFT_CMP_EQ : NFT_CMP_NEQ, RTN_LOCAL);
}

void rule_destination_type(struct rule_writer *w, uint32_t type)
{
	expr_load_fib(w, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR);
	expr_compare_u32(w, NFT_CMP_EQ, type);
}

void rule_no_reverse_path(struct rule_writer *w)
{
	expr_load_fib(w, NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF);
	expr_compare_u32(w, NFT_CMP_EQ, 0);
}

enum { SECOND = 1, HOUR = 3600 }; /* units of limits */

static void set_limit(struct rule_writer *w, struct nftnl_expr *expr, uint64_t rate, uint64_t unit_s, uint32_t burst)
{
	if (!expr) {
		expr_fail(w, -ENOMEM);
		return;
	}
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, rate);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, unit_s);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, burst);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, NFT_LIMIT_F_INV);
}

void rule_over(struct rule_writer *w, uint64_t per_second, uint32_t burst)
{
	set_limit(w, expr_append(w, "limit", NULL, 0), per_second, SECOND, burst);
}

static void over_each(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len, const char *set,
		      uint64_t rate, uint64_t unit_s, uint32_t burst)
{
	struct nftnl_expr *each, *limit;

	expr_load_address(w, family, side, len);
	each = expr_add_to_pair(w, set, family);
	limit = each ? nftnl_expr_alloc("limit") : NULL;
	set_limit(w, limit, rate, unit_s, burst);
	if (limit)
		nftnl_expr_add_expr(each, NFTNL_EXPR_DYNSET_EXPR, limit);
}

void rule_over_each(struct rule_writer *w, enum nft_family family, const char *set, uint64_t per_second, uint32_t burst)
{
	over_each(w, family, RULE_SOURCE, expr_families[family].source_len, set, per_second, SECOND, burst);
}

void rule_over_each_net(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len,
			const char *set, uint64_t per_hour, uint32_t burst)
{
	over_each(w, family, side, len, set, per_hour, HOUR, burst);
}

/* ---- statements ---- */

void rule_count(struct rule_writer *w, const char *counter)
{
	struct nftnl_expr *expr = EXPR_APPEND(w, "objref", { NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER });

	expr_set_text(w, expr, NFTNL_EXPR_OBJREF_IMM_NAME, counter);
}

void rule_add_source(struct rule_writer *w, enum nft_family family, const char *set)
{
	expr_load_source(w, family, RULE_SOURCE);
	expr_add_to_pair(w, set, family);
}

void rule_add_service(struct rule_writer *w, enum nft_family family, enum rule_side source, enum rule_side port,
		      const char *set)
{
	expr_load_service(w, family, source, port);
	expr_add_to_pair(w, set, family);
}

void rule_add_host_service(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set)
{
	expr_load_host_service(w, family, side);
	expr_add_to_pair(w, set, family);
}

void rule_add_customer(struct rule_writer *w, enum nft_family family, bool original, const char *set)
{
	expr_load_customer(w, family, original);
	expr_add_to_pair(w, set, family);
}

void rule_add_served_customer(struct rule_writer *w, enum nft_family family, const char *set)
{
	expr_load_served_customer(w, family);
	expr_add_to_pair(w, set, family);
}

void rule_add_call(struct rule_writer *w, enum nft_family family, const char *set)
{
	expr_load_call(w, family);
	expr_add_to_pair(w, set, family);
}

void rule_add_path(struct rule_writer *w, enum nft_family family, bool original, const char *set)
{
	expr_load_path(w, family, original);
	expr_add_to_pair(w, set, family);
}

void rule_add_interface(struct rule_writer *w, const char *set)
{
	expr_load_meta(w, NFT_META_IIFNAME, NFT_REG_1);
	expr_add_to(w, set, nft_set_timeout_ms(set));
}

void rule_add_published(struct rule_writer *w, const char *set)
{
	expr_load_transport(w, true);
	expr_add_to(w, set, nft_set_timeout_ms(set));
}

void rule_add_link_port(struct rule_writer *w, enum rule_side side, const char *set)
{
	expr_load_link_port(w, side);
	expr_add_to(w, set, nft_set_timeout_ms(set));
}

void rule_add_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set)
{
	expr_load_conversation(w, family, side);
	expr_add_to_pair(w, set, family);
}

void rule_tproxy(struct rule_writer *w, enum nft_family family, uint16_t port)
{
	static const uint8_t local_v4[4] = { 127, 0, 0, 1 };
	static const uint8_t local_v6[16] = { [15] = 1 };
	const uint16_t wire_port = htons(port);

	expr_load_constant(w, NFT_REG_1, family == NFT_V4 ? local_v4 : local_v6, expr_families[family].len);
	expr_load_constant(w, NFT_REG_2, &wire_port, sizeof(wire_port));
	EXPR_APPEND(w, "tproxy", { NFTNL_EXPR_TPROXY_FAMILY, expr_families[family].nfproto },
		    { NFTNL_EXPR_TPROXY_REG_ADDR, NFT_REG_1 }, { NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_2 });
}

/* ---- endings ---- */

void rule_end(struct rule_writer *w)
{
	const uint16_t flags = (uint16_t)(NLM_F_CREATE | (w->first ? 0 : NLM_F_APPEND));
	struct nlmsghdr *nlh = w->rule && !w->never ? nft_batch_open(w->batch, NFT_MSG_NEWRULE, flags) : NULL;

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
	struct nftnl_expr *expr = EXPR_APPEND(w, "immediate", { NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT },
					      { NFTNL_EXPR_IMM_VERDICT, (uint32_t)code });

	expr_set_text(w, expr, NFTNL_EXPR_IMM_CHAIN, chain);
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
	struct nftnl_expr *expr = expr_append(w, "queue", NULL, 0);

	if (!expr)
		return;
	nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_NUM, number);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_TOTAL, 1);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_FLAGS, NFT_QUEUE_FLAG_BYPASS);
}

/* The same by nft_compat.  The info must lie on the heap and be zeroed: libnftnl frees it, and the kernel compares its
 * padding. */
static void queue_by_target(struct rule_writer *w, uint16_t number)
{
	struct nftnl_expr *expr = EXPR_APPEND(w, "target", { NFTNL_EXPR_TG_REV, 3 });
	struct xt_NFQ_info_v3 *info = calloc(1, 8);

	_Static_assert(sizeof(*info) <= 8, "aligned to 8 as x_tables wants it");
	if (info)
		*info = (struct xt_NFQ_info_v3){ .queuenum = number, .queues_total = 1, .flags = NFQ_FLAG_BYPASS };
	expr_set_text(w, expr, NFTNL_EXPR_TG_NAME, "NFQUEUE");
	if (!expr || !info || nftnl_expr_set(expr, NFTNL_EXPR_TG_INFO, info, 8) < 0) {
		expr_fail(w, -ENOMEM);
		free(info);
	}
} /* NOLINT(clang-analyzer-unix.Malloc): the expression has the info */

void rule_queue(struct rule_writer *w, uint16_t number)
{
	if (w->native_queue)
		queue_natively(w, number);
	else
		queue_by_target(w, number);
	rule_end(w);
}
