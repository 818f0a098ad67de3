/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule language: chains, matches, statements and endings, each a few libnftnl expressions appended to the rule
 * being written.  Register 1 holds what is compared or looked up; a concatenated key lies in it in words of four bytes,
 * as the kernel's sets expect.
 */
#include "rule.h"

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

#define LOOPBACK_IFINDEX 1 /* in every network namespace */
#define TCP_FLAGS_OFFSET 13
#define WORD(n)          (NFT_REG32_00 + (n)) /* register 1 in words */

static const struct {
	uint8_t nfproto;
	uint32_t offset[2]; /* of the source and the destination address */
	uint32_t len;
	unsigned source_len; /* of what counts as one source */
} families[NFT_FAMILY_COUNT] = {
	[NFT_V4] = { NFPROTO_IPV4, { 12, 16 }, 4, 32 },
	[NFT_V6] = { NFPROTO_IPV6, { 8, 24 }, 16, NFT_SOURCE_LEN_V6 },
};

static void fail(struct rule_writer *w, int error)
{
	if (!w->batch->error)
		w->batch->error = error;
}

/* ---- chains ---- */

static void write_chain(struct rule_writer *w, const char *name, bool base, uint32_t hook, int32_t priority)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh = chain ? nft_batch_open(w->batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE) : NULL;

	if (!chain || nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, w->table) < 0 ||
	    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name) < 0 ||
	    (base && nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter") < 0))
		fail(w, -ENOMEM);
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
		fail(w, -ENOMEM);
	w->first = false;
}

void rule_begin_first(struct rule_writer *w, const char *chain)
{
	rule_begin(w, chain);
	w->first = true;
}

/* ---- expressions that load register 1 ---- */

struct attr {
	uint16_t type;
	uint32_t value;
};

/* NULL when out of memory. */
static struct nftnl_expr *append(struct rule_writer *w, const char *name, const struct attr *attrs, size_t count)
{
	struct nftnl_expr *expr = w->rule ? nftnl_expr_alloc(name) : NULL;

	if (!expr) {
		fail(w, -ENOMEM);
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		nftnl_expr_set_u32(expr, attrs[i].type, attrs[i].value);
	nftnl_rule_add_expr(w->rule, expr);
	return expr;
}

#define APPEND(w, name, ...)                                                                                           \
	append(w, name, (const struct attr[]){ __VA_ARGS__ },                                                          \
	       sizeof((const struct attr[]){ __VA_ARGS__ }) / sizeof(struct attr))

static void set_data(struct rule_writer *w, struct nftnl_expr *expr, uint16_t attr, const void *data, uint32_t len)
{
	if (expr && nftnl_expr_set(expr, attr, data, len) < 0)
		fail(w, -ENOMEM);
}

static void set_text(struct rule_writer *w, struct nftnl_expr *expr, uint16_t attr, const char *text)
{
	if (text)
		set_data(w, expr, attr, text, (uint32_t)strlen(text) + 1);
}

static void load_meta(struct rule_writer *w, uint32_t key, uint32_t reg)
{
	APPEND(w, "meta", { NFTNL_EXPR_META_KEY, key }, { NFTNL_EXPR_META_DREG, reg });
}

static void load_ct(struct rule_writer *w, uint32_t key)
{
	APPEND(w, "ct", { NFTNL_EXPR_CT_KEY, key }, { NFTNL_EXPR_CT_DREG, NFT_REG_1 });
}

static void load_socket(struct rule_writer *w, uint32_t key)
{
	APPEND(w, "socket", { NFTNL_EXPR_SOCKET_KEY, key }, { NFTNL_EXPR_SOCKET_DREG, NFT_REG_1 });
}

static void load_payload(struct rule_writer *w, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	APPEND(w, "payload", { NFTNL_EXPR_PAYLOAD_BASE, base }, { NFTNL_EXPR_PAYLOAD_OFFSET, offset },
	       { NFTNL_EXPR_PAYLOAD_LEN, len }, { NFTNL_EXPR_PAYLOAD_DREG, reg });
}

static void load_port(struct rule_writer *w, enum rule_side side, uint32_t reg)
{
	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, side == RULE_SOURCE ? 0 : 2, 2, reg);
}

static void load_fib(struct rule_writer *w, uint32_t result, uint32_t flags)
{
	APPEND(w, "fib", { NFTNL_EXPR_FIB_RESULT, result }, { NFTNL_EXPR_FIB_FLAGS, flags },
	       { NFTNL_EXPR_FIB_DREG, NFT_REG_1 });
}

static void load_constant(struct rule_writer *w, uint32_t reg, const void *data, uint32_t len)
{
	set_data(w, APPEND(w, "immediate", { NFTNL_EXPR_IMM_DREG, reg }), NFTNL_EXPR_IMM_DATA, data, len);
}

static void mask_with(struct rule_writer *w, const void *mask, uint32_t len)
{
	static const uint8_t zero[16];
	struct nftnl_expr *expr = APPEND(w, "bitwise", { NFTNL_EXPR_BITWISE_SREG, NFT_REG_1 },
					 { NFTNL_EXPR_BITWISE_DREG, NFT_REG_1 }, { NFTNL_EXPR_BITWISE_LEN, len });

	set_data(w, expr, NFTNL_EXPR_BITWISE_MASK, mask, len);
	set_data(w, expr, NFTNL_EXPR_BITWISE_XOR, zero, len);
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

/* In the sets that the kernel fills by itself an IPv6 source is its /64: else the owner of one /64 could fill them. */
static void load_source(struct rule_writer *w, enum nft_family family, enum rule_side side)
{
	load_address(w, family, side, families[family].source_len);
}

static void load_service(struct rule_writer *w, enum nft_family family, enum rule_side source, enum rule_side port)
{
	const uint32_t words = families[family].len / 4;

	load_source(w, family, source);
	load_meta(w, NFT_META_L4PROTO, WORD(words));
	load_port(w, port, WORD(words + 1));
}

/* Of the first packet's direction: what the source named before destination NAT. */
static void load_ct_original(struct rule_writer *w, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = APPEND(w, "ct", { NFTNL_EXPR_CT_KEY, key }, { NFTNL_EXPR_CT_DREG, reg });

	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
}

static void load_transport(struct rule_writer *w, bool original)
{
	load_meta(w, NFT_META_L4PROTO, WORD(0));
	if (original)
		load_ct_original(w, NFT_CT_PROTO_DST, WORD(1));
	else
		load_port(w, RULE_DESTINATION, WORD(1));
}

static void load_link_port(struct rule_writer *w, enum rule_side side)
{
	load_port(w, side, WORD(0));
	load_meta(w, side == RULE_DESTINATION ? NFT_META_IIF : NFT_META_OIF, WORD(1));
}

static void load_customer(struct rule_writer *w, enum nft_family family, bool original)
{
	const uint32_t words = families[family].len / 4;

	load_source(w, family, RULE_SOURCE);
	if (original)
		load_ct_original(w, NFT_CT_PROTO_DST, WORD(words));
	else
		load_port(w, RULE_DESTINATION, WORD(words));
}

static void load_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side)
{
	const uint32_t words = families[family].len / 4;

	load_address(w, family, side, 128);
	load_port(w, side, WORD(words));
	load_port(w, side == RULE_SOURCE ? RULE_DESTINATION : RULE_SOURCE, WORD(words + 1));
}

/* ---- expressions that use register 1 ---- */

static void compare(struct rule_writer *w, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = APPEND(w, "cmp", { NFTNL_EXPR_CMP_SREG, NFT_REG_1 }, { NFTNL_EXPR_CMP_OP, op });

	set_data(w, expr, NFTNL_EXPR_CMP_DATA, data, len);
}

static void compare_u8(struct rule_writer *w, uint32_t op, uint8_t value)
{
	compare(w, op, &value, sizeof(value));
}

static void compare_u32(struct rule_writer *w, uint32_t op, uint32_t value)
{
	compare(w, op, &value, sizeof(value));
}

static void has_any_bit(struct rule_writer *w, uint32_t mask)
{
	mask_with(w, &mask, sizeof(mask));
	compare_u32(w, NFT_CMP_NEQ, 0);
}

static void look_up(struct rule_writer *w, enum rule_sense sense, const char *name)
{
	struct nftnl_expr *expr = APPEND(w, "lookup", { NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1 });

	set_text(w, expr, NFTNL_EXPR_LOOKUP_SET, name);
	if (expr && sense == RULE_IS_NOT)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static void look_up_value(struct rule_writer *w, const char *name)
{
	struct nftnl_expr *expr =
		APPEND(w, "lookup", { NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1 }, { NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1 });

	set_text(w, expr, NFTNL_EXPR_LOOKUP_SET, name);
}

static void look_up_pair(struct rule_writer *w, enum rule_sense sense, const char *set, enum nft_family family)
{
	char name[NFT_NAME_MAX];

	nft_pair_name(set, family, name);
	look_up(w, sense, name);
}

/* NULL on failure. */
static struct nftnl_expr *add_to(struct rule_writer *w, const char *name, uint64_t timeout_ms)
{
	struct nftnl_expr *expr = APPEND(w, "dynset", { NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1 },
					 { NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE });

	if (!timeout_ms)
		fail(w, -EINVAL); /* sets.c has no such set, or it would fill up */
	if (!expr)
		return NULL;
	set_text(w, expr, NFTNL_EXPR_DYNSET_SET_NAME, name);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT, timeout_ms);
	return expr;
}

/* Into the set of the family. */
static struct nftnl_expr *add_to_pair(struct rule_writer *w, const char *set, enum nft_family family)
{
	char name[NFT_NAME_MAX];

	nft_pair_name(set, family, name);
	return add_to(w, name, nft_set_timeout_ms(set));
}

/* ---- matches ---- */

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

void rule_interface_not_in(struct rule_writer *w, const char *set)
{
	load_meta(w, NFT_META_IIFNAME, NFT_REG_1);
	look_up(w, RULE_IS_NOT, set);
}

void rule_pkttype_is_not(struct rule_writer *w, uint8_t pkttype)
{
	load_meta(w, NFT_META_PKTTYPE, NFT_REG_1);
	compare_u8(w, NFT_CMP_NEQ, pkttype);
}

void rule_listed(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len, const char *name)
{
	load_address(w, family, side, len);
	look_up(w, RULE_IS, name);
}

void rule_graded(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len, const char *name,
		 enum rule_sense sense, enum nft_grade grade)
{
	load_address(w, family, side, len);
	look_up_value(w, name);
	compare_u32(w, sense == RULE_IS ? NFT_CMP_EQ : NFT_CMP_NEQ, htonl(grade));
}

void rule_source(struct rule_writer *w, enum nft_family family, enum rule_side side, enum rule_sense sense,
		 const char *set)
{
	load_source(w, family, side);
	look_up_pair(w, sense, set, family);
}

void rule_service(struct rule_writer *w, enum nft_family family, enum rule_side source, enum rule_side port,
		  enum rule_sense sense, const char *set)
{
	load_service(w, family, source, port);
	look_up_pair(w, sense, set, family);
}

void rule_service_at(struct rule_writer *w, enum nft_family family, enum rule_side source, uint16_t port,
		     const char *set)
{
	const uint32_t words = families[family].len / 4;
	const uint16_t wire_port = htons(port);

	load_source(w, family, source);
	load_meta(w, NFT_META_L4PROTO, WORD(words));
	load_constant(w, WORD(words + 1), &wire_port, sizeof(wire_port));
	look_up_pair(w, RULE_IS, set, family);
}

void rule_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set)
{
	load_conversation(w, family, side);
	look_up_pair(w, RULE_IS, set, family);
}

void rule_customer(struct rule_writer *w, enum nft_family family, bool original, const char *set)
{
	load_customer(w, family, original);
	look_up_pair(w, RULE_IS, set, family);
}

void rule_published(struct rule_writer *w, enum rule_sense sense, const char *set)
{
	load_transport(w, true);
	look_up(w, sense, set);
}

void rule_transport(struct rule_writer *w, const char *set)
{
	load_transport(w, false);
	look_up(w, RULE_IS, set);
}

void rule_link_port(struct rule_writer *w, enum rule_side side, const char *set)
{
	load_link_port(w, side);
	look_up(w, RULE_IS, set);
}

void rule_port(struct rule_writer *w, enum rule_side side, enum rule_sense sense, const char *set)
{
	load_port(w, side, NFT_REG_1);
	look_up(w, sense, set);
}

/* Compared as bytes, the highest first. */
static void compare_port(struct rule_writer *w, enum rule_side side, uint32_t op, uint16_t port)
{
	const uint16_t wire_port = htons(port);

	load_port(w, side, NFT_REG_1);
	compare(w, op, &wire_port, sizeof(wire_port));
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

	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(ports), NFT_REG_1);
	compare(w, NFT_CMP_EQ, ports, sizeof(ports));
}

static void load_tcp_flags(struct rule_writer *w, uint8_t mask)
{
	rule_protocol(w, IPPROTO_TCP);
	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
	mask_with(w, &mask, sizeof(mask));
}

void rule_tcp_flags(struct rule_writer *w, uint8_t mask, uint8_t value)
{
	load_tcp_flags(w, mask);
	compare_u8(w, NFT_CMP_EQ, value);
}

void rule_tcp_flags_in(struct rule_writer *w, uint8_t mask, enum rule_sense sense, const char *set)
{
	load_tcp_flags(w, mask);
	look_up(w, sense, set);
}

void rule_tcp_option_missing(struct rule_writer *w, uint8_t kind)
{
	struct nftnl_expr *expr;

	rule_protocol(w, IPPROTO_TCP);
	expr = APPEND(w, "exthdr", { NFTNL_EXPR_EXTHDR_DREG, NFT_REG_1 }, { NFTNL_EXPR_EXTHDR_OFFSET, 0 },
		      { NFTNL_EXPR_EXTHDR_LEN, 1 }, { NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT },
		      { NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT });
	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_EXTHDR_TYPE, kind);
	compare_u8(w, NFT_CMP_EQ, 0);
}

void rule_icmp_type_is(struct rule_writer *w, uint8_t type)
{
	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
	compare_u8(w, NFT_CMP_EQ, type);
}

void rule_icmp_type(struct rule_writer *w, const char *set)
{
	load_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
	look_up(w, RULE_IS, set);
}

void rule_ct_state(struct rule_writer *w, uint32_t states)
{
	load_ct(w, NFT_CT_STATE);
	has_any_bit(w, states);
}

void rule_ct_status(struct rule_writer *w, uint32_t status)
{
	load_ct(w, NFT_CT_STATUS);
	has_any_bit(w, status);
}

void rule_ct_status_none(struct rule_writer *w, uint32_t status)
{
	load_ct(w, NFT_CT_STATUS);
	mask_with(w, &status, sizeof(status));
	compare_u32(w, NFT_CMP_EQ, 0);
}

void rule_ct_direction(struct rule_writer *w, uint8_t direction)
{
	load_ct(w, NFT_CT_DIRECTION);
	compare_u8(w, NFT_CMP_EQ, direction);
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

/* The kernel says only of full sockets whether they are bound to no address (nft_socket.c), not of half-open ones, and
 * a connection always has an address.  A listener mostly has none; under SYN cookies it is what the last ACK of a
 * handshake finds. */
void rule_socket_is_connection(struct rule_writer *w)
{
	load_socket(w, NFT_SOCKET_WILDCARD);
	compare_u8(w, NFT_CMP_EQ, 0);
}

void rule_local(struct rule_writer *w, enum rule_side side, enum rule_sense sense)
{
	load_fib(w, NFT_FIB_RESULT_ADDRTYPE, side == RULE_SOURCE ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR);
	compare_u32(w, sense == RULE_IS ? NFT_CMP_EQ : NFT_CMP_NEQ, RTN_LOCAL);
}

void rule_destination_type(struct rule_writer *w, uint32_t type)
{
	load_fib(w, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR);
	compare_u32(w, NFT_CMP_EQ, type);
}

void rule_no_reverse_path(struct rule_writer *w)
{
	load_fib(w, NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF);
	compare_u32(w, NFT_CMP_EQ, 0);
}

enum { SECOND = 1, HOUR = 3600 }; /* units of limits */

static void set_limit(struct rule_writer *w, struct nftnl_expr *expr, uint64_t rate, uint64_t unit_s, uint32_t burst)
{
	if (!expr) {
		fail(w, -ENOMEM);
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
	set_limit(w, append(w, "limit", NULL, 0), per_second, SECOND, burst);
}

static void over_each(struct rule_writer *w, enum nft_family family, unsigned len, const char *set, uint64_t rate,
		      uint64_t unit_s, uint32_t burst)
{
	struct nftnl_expr *each, *limit;

	load_address(w, family, RULE_SOURCE, len);
	each = add_to_pair(w, set, family);
	limit = each ? nftnl_expr_alloc("limit") : NULL;
	set_limit(w, limit, rate, unit_s, burst);
	if (limit)
		nftnl_expr_add_expr(each, NFTNL_EXPR_DYNSET_EXPR, limit);
}

void rule_over_each(struct rule_writer *w, enum nft_family family, const char *set, uint64_t per_second, uint32_t burst)
{
	over_each(w, family, families[family].source_len, set, per_second, SECOND, burst);
}

void rule_over_each_net(struct rule_writer *w, enum nft_family family, unsigned len, const char *set, uint64_t per_hour,
			uint32_t burst)
{
	over_each(w, family, len, set, per_hour, HOUR, burst);
}

/* ---- statements ---- */

void rule_count(struct rule_writer *w, const char *counter)
{
	struct nftnl_expr *expr = APPEND(w, "objref", { NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER });

	set_text(w, expr, NFTNL_EXPR_OBJREF_IMM_NAME, counter);
}

void rule_add_source(struct rule_writer *w, enum nft_family family, const char *set)
{
	load_source(w, family, RULE_SOURCE);
	add_to_pair(w, set, family);
}

void rule_add_service(struct rule_writer *w, enum nft_family family, enum rule_side source, enum rule_side port,
		      const char *set)
{
	load_service(w, family, source, port);
	add_to_pair(w, set, family);
}

void rule_add_customer(struct rule_writer *w, enum nft_family family, bool original, const char *set)
{
	load_customer(w, family, original);
	add_to_pair(w, set, family);
}

void rule_add_published(struct rule_writer *w, const char *set)
{
	load_transport(w, true);
	add_to(w, set, nft_set_timeout_ms(set));
}

void rule_add_link_port(struct rule_writer *w, enum rule_side side, const char *set)
{
	load_link_port(w, side);
	add_to(w, set, nft_set_timeout_ms(set));
}

void rule_add_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set)
{
	load_conversation(w, family, side);
	add_to_pair(w, set, family);
}

void rule_tproxy(struct rule_writer *w, enum nft_family family, uint16_t port)
{
	static const uint8_t local_v4[4] = { 127, 0, 0, 1 };
	static const uint8_t local_v6[16] = { [15] = 1 };
	const uint16_t wire_port = htons(port);

	load_constant(w, NFT_REG_1, family == NFT_V4 ? local_v4 : local_v6, families[family].len);
	load_constant(w, NFT_REG_2, &wire_port, sizeof(wire_port));
	APPEND(w, "tproxy", { NFTNL_EXPR_TPROXY_FAMILY, families[family].nfproto },
	       { NFTNL_EXPR_TPROXY_REG_ADDR, NFT_REG_1 }, { NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_2 });
}

/* ---- endings ---- */

void rule_end(struct rule_writer *w)
{
	const uint16_t flags = (uint16_t)(NLM_F_CREATE | (w->first ? 0 : NLM_F_APPEND));
	struct nlmsghdr *nlh = w->rule ? nft_batch_open(w->batch, NFT_MSG_NEWRULE, flags) : NULL;

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
	struct nftnl_expr *expr = APPEND(w, "immediate", { NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT },
					 { NFTNL_EXPR_IMM_VERDICT, (uint32_t)code });

	set_text(w, expr, NFTNL_EXPR_IMM_CHAIN, chain);
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
	struct nftnl_expr *expr = append(w, "queue", NULL, 0);

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
	struct nftnl_expr *expr = APPEND(w, "target", { NFTNL_EXPR_TG_REV, 3 });
	struct xt_NFQ_info_v3 *info = calloc(1, 8);

	_Static_assert(sizeof(*info) <= 8, "aligned to 8 as x_tables wants it");
	if (info)
		*info = (struct xt_NFQ_info_v3){ .queuenum = number, .queues_total = 1, .flags = NFQ_FLAG_BYPASS };
	set_text(w, expr, NFTNL_EXPR_TG_NAME, "NFQUEUE");
	if (!expr || !info || nftnl_expr_set(expr, NFTNL_EXPR_TG_INFO, info, 8) < 0) {
		fail(w, -ENOMEM);
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
