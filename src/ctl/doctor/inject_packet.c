/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Headers of RFC 791, 8200, 9293 and 768, with true checksums: a probe must not fail for its own faults.
 */
#include "inject_packet.h"

#include <string.h>

#include <picket/packet.h>

#define TTL 60

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t sum(const uint8_t *data, size_t len, uint32_t from)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		from += (uint32_t)data[i] << 8 | data[i + 1];
	return from;
}

static unsigned fold(uint32_t value)
{
	while (value >> 16)
		value = (value & 0xffff) + (value >> 16);
	return ~value & 0xffff;
}

static size_t put_tcp(const struct inject_probe *probe, uint8_t flags, uint32_t sequence, uint8_t *out)
{
	size_t len = flags & TCP_SYN ? 24 : 20;

	put32(out + 4, sequence);
	out[12] = (uint8_t)(len / 4 << 4);
	out[13] = flags;
	put16(out + 14, 64240);
	if (flags & TCP_SYN)
		memcpy(out + 20, "\x02\x04\x05\xb4", 4); /* MSS 1460 */
	put16(out, probe->from_port);
	put16(out + 2, probe->port);
	return len;
}

static size_t put_udp(const struct inject_probe *probe, uint8_t *out)
{
	put16(out, probe->from_port);
	put16(out + 2, probe->port);
	put16(out + 4, 8);
	return 8;
}

size_t inject_packet(const struct inject_probe *probe, uint8_t tcp_flags, uint32_t sequence,
		     uint8_t out[INJECT_PACKET_MAX])
{
	bool v4 = addr_is_v4(&probe->from), tcp = probe->protocol == PROTO_TCP;
	const uint8_t *from = v4 ? addr_v4_bytes(&probe->from) : probe->from.b;
	const uint8_t *to = v4 ? addr_v4_bytes(&probe->to) : probe->to.b;
	size_t header = v4 ? 20 : 40, addr_len = v4 ? 4 : 16, len;
	uint8_t *transport = out + header;
	uint32_t pseudo;
	unsigned check;

	memset(out, 0, INJECT_PACKET_MAX);
	len = tcp ? put_tcp(probe, tcp_flags, sequence, transport) : put_udp(probe, transport);
	pseudo = sum(from, addr_len, sum(to, addr_len, probe->protocol + (uint32_t)len));
	check = fold(sum(transport, len, pseudo));
	/* To UDP zero says that there is none (RFC 768). */
	put16(transport + (tcp ? 16 : 6), tcp || check ? check : 0xffff);
	if (v4) {
		out[0] = 0x45;
		put16(out + 2, (unsigned)(header + len));
		put16(out + 4, probe->port); /* differs from probe to probe */
		put16(out + 6, 0x4000);
		out[8] = TTL;
		out[9] = probe->protocol;
		memcpy(out + 12, from, 4);
		memcpy(out + 16, to, 4);
		put16(out + 10, fold(sum(out, 20, 0)));
	} else {
		out[0] = 0x60;
		put16(out + 4, (unsigned)len);
		out[6] = probe->protocol;
		out[7] = TTL;
		memcpy(out + 8, from, 16);
		memcpy(out + 24, to, 16);
	}
	return header + len;
}
