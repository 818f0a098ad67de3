/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule language, continued: by which interface, in what frame, whole or in parts a packet came.
 */
#include "expr.h"

#include <arpa/inet.h>
#include <netinet/ip.h>

#define LOOPBACK_IFINDEX  1 /* in every network namespace */
#define FRAME_TYPE_OFFSET 12

void rule_loopback(struct rule_writer *w, enum rule_side side)
{
	expr_load_meta(w, side == RULE_SOURCE ? NFT_META_IIF : NFT_META_OIF, NFT_REG_1);
	expr_compare_u32(w, NFT_CMP_EQ, LOOPBACK_IFINDEX);
}

void rule_interface_in(struct rule_writer *w, enum rule_sense sense, const char *set)
{
	expr_load_meta(w, NFT_META_IIFNAME, NFT_REG_1);
	expr_look_up(w, sense, set);
}

void rule_interface_type_is_not(struct rule_writer *w, uint16_t type)
{
	expr_load_meta(w, NFT_META_IIFTYPE, NFT_REG_1);
	expr_compare(w, NFT_CMP_NEQ, &type, sizeof(type));
}

void rule_pkttype_is(struct rule_writer *w, uint8_t pkttype)
{
	expr_load_meta(w, NFT_META_PKTTYPE, NFT_REG_1);
	expr_compare_u8(w, NFT_CMP_EQ, pkttype);
}

void rule_frame_type(struct rule_writer *w, uint16_t type)
{
	const uint16_t wire_type = htons(type);

	expr_load_payload(w, NFT_PAYLOAD_LL_HEADER, FRAME_TYPE_OFFSET, sizeof(wire_type), NFT_REG_1);
	expr_compare(w, NFT_CMP_EQ, &wire_type, sizeof(wire_type));
}

void rule_is_whole(struct rule_writer *w, enum nft_family family)
{
	const uint32_t part = htonl(IP_MF | IP_OFFMASK); /* behind the identification: four bytes are masked faster */

	if (family == NFT_V6) {
		expr_load_ipv6_header_is_there(w, IPPROTO_FRAGMENT);
		expr_compare_u8(w, NFT_CMP_EQ, 0);
		return;
	}
	expr_load_payload(w, NFT_PAYLOAD_NETWORK_HEADER, offsetof(struct iphdr, id), sizeof(part), NFT_REG_1);
	expr_mask_with(w, NFT_REG_1, &part, sizeof(part));
	expr_compare_u32(w, NFT_CMP_EQ, 0);
}

void rule_pkttype_is_not(struct rule_writer *w, uint8_t pkttype)
{
	expr_load_meta(w, NFT_META_PKTTYPE, NFT_REG_1);
	expr_compare_u8(w, NFT_CMP_NEQ, pkttype);
}
