/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets of FUZZ_PROBE bytes of input, so that what many packets together prove is reached: whole ones, whose sums the
 * kernel has not filled in, from 16 hosts in each of 16 nets.
 *
 *   0  1: IPv6; 2, 4, 8: the protocol; 16: the first fragment; 32: it is cut; 64, 128: options and their tools
 *   1  source: net (high half), host     2  flags, or type of ICMP     3  destination (3 bits), bytes of payload
 *   4, 5  destination port               6  source port, TTL           7  sequence number, window
 */
#ifndef PICKET_FUZZ_PROBE_H
#define PICKET_FUZZ_PROBE_H

#include <string.h>

#include <picket/packet.h>

#include "fuzz.h"

#define FUZZ_PROBE      8
#define FUZZ_PACKET_MAX 256

static inline void fuzz_put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static size_t fuzz_ip(const uint8_t in[FUZZ_PROBE], uint8_t protocol, size_t inner, uint8_t *out)
{
	const uint8_t ttl = in[6] & 1 ? 64 : (uint8_t)(in[6] >> 3);
	const uint8_t src4[4] = { 198, 51, (uint8_t)(100 + (in[1] >> 4)), (uint8_t)(1 + (in[1] & 15)) };
	const uint8_t dst4[4] = { 192, 0, 2, (uint8_t)(1 + (in[3] & 7)) };
	const uint8_t net6[8] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, (uint8_t)(in[1] >> 4) };

	memset(out, 0, 40);
	if (in[0] & 1) {
		out[0] = 0x60;
		fuzz_put16(out + 4, inner);
		out[6] = protocol;
		out[7] = ttl;
		memcpy(out + 8, net6, sizeof(net6));
		out[23] = in[1] & 15;
		memcpy(out + 24, net6, 4);
		out[28] = 1;
		out[39] = dst4[3];
		return 40;
	}
	out[0] = 0x45;
	fuzz_put16(out + 2, 20 + inner);
	fuzz_put16(out + 4, in[0] & 0xc0 ? 54321 : in[7]); /* ZMap's */
	out[6] = in[0] & 16 ? 0x20 : 0x40;
	out[8] = ttl;
	out[9] = protocol;
	memcpy(out + 12, src4, 4);
	memcpy(out + 16, dst4, 4);
	return 20;
}

static size_t fuzz_tcp(const uint8_t in[FUZZ_PROBE], uint8_t *out)
{
	static const uint8_t stack[12] = { 2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7, 1, 1 };
	static const uint16_t windows[] = { 1024, 65535, 29200, 0, 2048, 3072, 4096, 512 };
	const size_t options = in[0] & 0x40 ? sizeof(stack) : in[0] & 0x80 ? 4 : 0;

	out[4] = in[7] & 0x80 ? 192 : 1; /* Mirai's: the destination */
	out[6] = in[7] & 0x80 ? 2 : in[7];
	out[7] = in[7] & 0x80 ? (uint8_t)(1 + (in[3] & 7)) : 0;
	out[12] = (uint8_t)((20 + options) / 4 << 4);
	out[13] = in[2];
	fuzz_put16(out + 14, windows[in[7] & 7]);
	memcpy(out + 20, stack, options);
	return 20 + options;
}

/* Returns the packet's length; out has FUZZ_PACKET_MAX bytes. */
static inline size_t fuzz_packet(const uint8_t in[FUZZ_PROBE], uint8_t *out)
{
	static const uint8_t protocols[8] = { PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_SCTP,
					      PROTO_TCP, PROTO_TCP, 47,         PROTO_UDP };
	const size_t payload = in[3] >> 3;
	uint8_t protocol = protocols[in[0] >> 1 & 7], inner[128] = { 0 };
	size_t len, head;

	if (protocol == PROTO_ICMP && in[0] & 1)
		protocol = PROTO_ICMPV6;
	memcpy(inner + 2, in + 4, 2);
	fuzz_put16(inner, in[6] & 2 ? 53 : 40000u + in[6]);
	len = 8;
	if (protocol == PROTO_TCP)
		len = fuzz_tcp(in, inner);
	else if (protocol == PROTO_UDP)
		fuzz_put16(inner + 4, 8 + payload);
	else if (protocol == PROTO_SCTP)
		inner[12] = in[2], inner[15] = 20, len = 20;
	else
		inner[0] = in[2], inner[1] = 0;
	len += payload;
	head = fuzz_ip(in, protocol, len, out);
	memcpy(out + head, inner, len);
	return head + (in[0] & 32 ? len / 3 : len);
}

#endif
