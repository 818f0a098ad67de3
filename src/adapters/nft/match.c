/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a rule can ask of a packet.
 */
#include "expr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/expr.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/rtnetlink.h>

#define LOOPBACK_IFINDEX 1 /* in every network namespace */
#define TCP_FLAGS_OFFSET 13

void rule_family(struct rule_writer *w, enum nft_family family)
{
	expr_meta(w, NFT_META_NFPROTO, NFT_REG_1);
	expr_compare_u8(w, NFT_CMP_EQ, expr_families[family].nfproto);
}

void rule_protocol(struct rule_writer *w, uint8_t protocol)
{
	expr_meta(w, NFT_META_L4PROTO, NFT_REG_1);
	expr_compare_u8(w, NFT_CMP_EQ, protocol);
}

void rule_loopback(struct rule_writer *w, enum rule_side side)
{
	expr_meta(w, side == RULE_SOURCE ? NFT_META_IIF : NFT_META_OIF, NFT_REG_1);
	expr_compare_u32(w, NFT_CMP_EQ, LOOPBACK_IFINDEX);
}

void rule_interface_in(struct rule_writer *w, enum rule_sense sense, const char *set)
{
	expr_meta(w, NFT_META_IIFNAME, NFT_REG_1);
	expr_look_up(w, sense, set);
}

void rule_pkttype(struct rule_writer *w, enum rule_sense sense, uint8_t pkttype)
{
	expr_meta(w, NFT_META_PKTTYPE, NFT_REG_1);
	expr_compare_u8(w, sense == RULE_IS ? NFT_CMP_EQ : NFT_CMP_NEQ, pkttype);
}

void rule_address(struct rule_writer *w, enum nft_family family, enum rule_side side, unsigned len,
		  enum rule_sense sense, const char *set)
{
	expr_address(w, family, side, len);
	expr_look_up(w, sense, set);
}

void rule_customer(struct rule_writer *w, enum nft_family family, enum rule_side address, enum rule_side port,
		   enum rule_sense sense, const char *set)
{
	expr_customer(w, family, address, port);
	expr_look_up(w, sense, set);
}

void rule_port(struct rule_writer *w, enum rule_side side, const char *set)
{
	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, side == RULE_SOURCE ? 0 : 2, 2, NFT_REG_1);
	expr_look_up(w, RULE_IS, set);
}

void rule_port_from(struct rule_writer *w, enum rule_side side, uint16_t first)
{
	const uint16_t wire_first = htons(first); /* compared as bytes, the highest first */

	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, side == RULE_SOURCE ? 0 : 2, 2, NFT_REG_1);
	expr_compare(w, NFT_CMP_GTE, &wire_first, sizeof(wire_first));
}

void rule_port_is(struct rule_writer *w, enum rule_side side, uint16_t port)
{
	const uint16_t wire_port = htons(port);

	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, side == RULE_SOURCE ? 0 : 2, 2, NFT_REG_1);
	expr_compare(w, NFT_CMP_EQ, &wire_port, sizeof(wire_port));
}

void rule_service(struct rule_writer *w, enum nft_family family, enum rule_side address, uint16_t port, const char *set)
{
	expr_service(w, family, address, port);
	expr_look_up(w, RULE_IS, set);
}

void rule_conversation(struct rule_writer *w, enum nft_family family, enum rule_side side, const char *set)
{
	expr_conversation(w, family, side);
	expr_look_up(w, RULE_IS, set);
}

void rule_ports_are(struct rule_writer *w, uint16_t source, uint16_t destination)
{
	const uint16_t ports[2] = { htons(source), htons(destination) };

	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(ports), NFT_REG_1);
	expr_compare(w, NFT_CMP_EQ, ports, sizeof(ports));
}

void rule_tcp_flags(struct rule_writer *w, uint8_t mask, uint8_t value)
{
	rule_protocol(w, IPPROTO_TCP);
	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
	expr_mask(w, &mask, sizeof(mask));
	expr_compare_u8(w, NFT_CMP_EQ, value);
}

void rule_tcp_flags_in(struct rule_writer *w, uint8_t mask, enum rule_sense sense, const char *set)
{
	rule_protocol(w, IPPROTO_TCP);
	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, 1, NFT_REG_1);
	expr_mask(w, &mask, sizeof(mask));
	expr_look_up(w, sense, set);
}

void rule_icmp_type(struct rule_writer *w, const char *set)
{
	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
	expr_look_up(w, RULE_IS, set);
}

void rule_ct_state(struct rule_writer *w, uint32_t states)
{
	expr_ct(w, NFT_CT_STATE);
	expr_any_bit(w, states);
}

void rule_ct_original(struct rule_writer *w)
{
	expr_ct(w, NFT_CT_DIRECTION);
	expr_compare_u8(w, NFT_CMP_EQ, IP_CT_DIR_ORIGINAL);
}

void rule_ct_reply(struct rule_writer *w)
{
	expr_ct(w, NFT_CT_DIRECTION);
	expr_compare_u8(w, NFT_CMP_EQ, IP_CT_DIR_REPLY);
}

void rule_ct_status(struct rule_writer *w, uint32_t status)
{
	expr_ct(w, NFT_CT_STATUS);
	expr_any_bit(w, status);
}

void rule_socket_transparent(struct rule_writer *w, bool transparent)
{
	expr_socket(w, NFT_SOCKET_TRANSPARENT);
	expr_compare_u8(w, NFT_CMP_EQ, transparent);
}

/* Loading fails, and with it the rule, when there is no socket. */
void rule_socket_exists(struct rule_writer *w)
{
	expr_socket(w, NFT_SOCKET_TRANSPARENT);
}

/* The kernel tells of full sockets alone whether they are bound to no address (nft_socket.c): not of a half-open one,
 * and a connection always has an address.  A listener mostly has none; it is what the last ACK of a handshake finds
 * under SYN cookies. */
void rule_socket_is_connection(struct rule_writer *w)
{
	expr_socket(w, NFT_SOCKET_WILDCARD);
	expr_compare_u8(w, NFT_CMP_EQ, 0);
}

void rule_local_destination(struct rule_writer *w)
{
	expr_fib(w, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR);
	expr_compare_u32(w, NFT_CMP_EQ, RTN_LOCAL);
}

void rule_local_source(struct rule_writer *w)
{
	expr_fib(w, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_SADDR);
	expr_compare_u32(w, NFT_CMP_EQ, RTN_LOCAL);
}

void rule_no_reverse_path(struct rule_writer *w)
{
	expr_fib(w, NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF);
	expr_compare_u32(w, NFT_CMP_EQ, 0);
}

void rule_over(struct rule_writer *w, uint64_t per_second, uint32_t burst)
{
	struct nftnl_expr *expr = expr_append(w, "limit");

	if (expr)
		expr_set_limit(expr, per_second, burst);
}

void rule_over_each(struct rule_writer *w, enum nft_family family, unsigned len, const char *set, uint64_t timeout_ms,
		    uint64_t per_second, uint32_t burst)
{
	struct nftnl_expr *each, *limit;

	expr_address(w, family, RULE_SOURCE, len);
	each = expr_put_in_set(w, NFT_DYNSET_OP_UPDATE, set, timeout_ms);
	limit = each ? nftnl_expr_alloc("limit") : NULL;
	if (!limit) {
		expr_fail(w);
		return;
	}
	expr_set_limit(limit, per_second, burst);
	nftnl_expr_add_expr(each, NFTNL_EXPR_DYNSET_EXPR, limit);
}
