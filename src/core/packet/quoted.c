/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an ICMP error is about: the beginning of the packet that did not arrive (RFC 792, RFC 4443 section 3).  What
 * stands behind IPv6 extension headers is not read, in either packet; such a contact ends by silence.
 */
#include <picket/packet.h>

#include <string.h>

#define V4_HEADER   20
#define V6_HEADER   40
#define ICMP_HEADER 8
#define PORTS       4

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Where the quote begins; 0: the packet is no ICMP error, or ends before. */
static size_t quote_of(const uint8_t *data, size_t len, bool *v4)
{
	size_t header = V6_HEADER;

	if (len < V4_HEADER)
		return 0;
	*v4 = data[0] >> 4 == 4;
	if (*v4)
		header = (size_t)(data[0] & 15) * 4;
	if (header < V4_HEADER || len < header + ICMP_HEADER)
		return 0;
	if (*v4 ? data[9] != PROTO_ICMP || be16(data + 6) & 0x1fff || data[header] != 3
		: data[0] >> 4 != 6 || data[6] != PROTO_ICMPV6 || data[header] != 1)
		return 0;
	return header + ICMP_HEADER;
}

static bool read_quote(const uint8_t *quote, size_t len, bool v4, struct packet *out)
{
	size_t header = V6_HEADER;

	if (len < V4_HEADER || quote[0] >> 4 != (v4 ? 4 : 6))
		return false;
	if (v4)
		header = (size_t)(quote[0] & 15) * 4;
	if (header < V4_HEADER || len < header + PORTS || (v4 && be16(quote + 6) & 0x1fff))
		return false;
	out->protocol = v4 ? quote[9] : quote[6];
	if (out->protocol != PROTO_TCP && out->protocol != PROTO_UDP && out->protocol != PROTO_SCTP)
		return false;
	out->src = v4 ? addr_from_v4(quote + 12) : addr_from_v6(quote + 8);
	out->dst = v4 ? addr_from_v4(quote + 16) : addr_from_v6(quote + 24);
	out->sport = be16(quote + header);
	out->dport = be16(quote + header + 2);
	return true;
}

bool packet_quoted(const uint8_t *data, size_t copied, struct packet *out, uint8_t *code)
{
	struct packet packet = { .protocol = 0 };
	bool v4;
	size_t at = quote_of(data, copied, &v4);

	if (!at || !read_quote(data + at, copied - at, v4, &packet))
		return false;
	*code = data[at - ICMP_HEADER + 1];
	*out = packet;
	return true;
}
