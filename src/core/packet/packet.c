/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network half of the packet parser: IPv4 with options, IPv6 with its chain of extension headers.  Every
 * length is the sender's claim and is compared with what there is before a byte is read; the chain is bounded in
 * number, and every step of it moves forward, so that no packet costs more than one pass over its headers.
 *
 * How long the packet is, is what the IP header says, not what was captured: Ethernet pads short frames, and
 * padding is not the sender's payload.  A length of zero (segmentation offload of more than 64 KiB, jumbograms of
 * RFC 2675) means "as long as the copy".
 *
 * Three things end differently on purpose:
 *  - the packet ends too early: the sender's doing, SHORT_*;
 *  - our copy ends too early: nobody's doing, CUT;
 *  - an IPv6 packet from or to ::ffff:a.b.c.d: BAD_VERSION, since it is neither IPv6 nor IPv4.  Such addresses
 *    have no business on a wire (draft-itojun-v6ops-v4mapped-harmful), and `struct addr` keeps IPv4 in just that
 *    form: passing them on would let anybody put an IPv4 host of their choice in the dock.
 */
#include <picket/packet.h>

#include "transport.h"

#define IPV4_MIN      20
#define IPV6_FIXED    40
#define EXTENSION_MIN 8

enum {
	NEXT_HOP_BY_HOP = 0,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_AUTHENTICATION = 51,
	NEXT_NONE = 59,
	NEXT_DESTINATION = 60,
};

#define IPV4_DF     0x4000
#define IPV4_MF     0x2000
#define IPV4_OFFSET 0x1fff
#define IPV6_MF     0x0001

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static enum packet_result parse_v4(const uint8_t *data, size_t copied, struct packet_span *span, struct packet *p)
{
	size_t header, total;
	uint16_t fragment;

	if (copied < IPV4_MIN)
		return PACKET_SHORT_IP;
	header = (size_t)(data[0] & 0x0f) * 4;
	total = be16(data + 2);
	span->total_known = total != 0;
	span->total = span->total_known ? total : copied;
	if (header < IPV4_MIN || span->total < header)
		return PACKET_BAD_IP_LENGTH;
	if (copied < header)
		return PACKET_CUT;

	span->offset = header;
	span->copied = smaller(copied, span->total);
	p->src = addr_from_v4(data + 12);
	p->dst = addr_from_v4(data + 16);
	p->ttl = data[8];
	p->protocol = data[9];
	p->ip_id = be16(data + 4);
	fragment = be16(data + 6);
	p->dont_fragment = fragment & IPV4_DF;
	if (fragment & IPV4_OFFSET)
		return PACKET_LATER_FRAGMENT;
	p->first_fragment = fragment & IPV4_MF;
	return PACKET_OK;
}

/* The length of the extension header at h, of which EXTENSION_MIN bytes are there. */
static size_t extension_len(uint8_t type, const uint8_t *h)
{
	switch (type) {
	case NEXT_FRAGMENT: return 8;
	case NEXT_AUTHENTICATION: return ((size_t)h[1] + 2) * 4; /* RFC 4302 section 2.2 */
	default: return ((size_t)h[1] + 1) * 8;                  /* RFC 8200 section 4 */
	}
}

static bool is_extension(uint8_t type)
{
	return type == NEXT_HOP_BY_HOP || type == NEXT_ROUTING || type == NEXT_FRAGMENT ||
	       type == NEXT_AUTHENTICATION || type == NEXT_DESTINATION;
}

/*
 * What one extension header changes.  A home address option (RFC 6275 section 6.3) or a route not yet travelled
 * puts other addresses into the pseudo-header than the IP header shows: the sum cannot be judged then.
 */
static enum packet_result read_extension(uint8_t type, const uint8_t *h, struct packet_span *span, struct packet *p)
{
	if (type == NEXT_DESTINATION || (type == NEXT_ROUTING && (h[2] == 2 || h[3] != 0)))
		span->sum_known = false;
	if (type == NEXT_FRAGMENT) {
		uint16_t fragment = be16(h + 2);

		if (fragment >> 3) {
			p->protocol = h[0];
			return PACKET_LATER_FRAGMENT;
		}
		p->first_fragment = fragment & IPV6_MF;
	}
	return PACKET_OK;
}

/* Walks from span->offset over the extension headers to the first header that is none. */
static enum packet_result walk_extensions(uint8_t next, struct packet_span *span, struct packet *p)
{
	for (unsigned count = 0; is_extension(next); count++) {
		const uint8_t *h = span->data + span->offset;
		enum packet_result result;
		size_t len;

		if (count == PACKET_EXTENSIONS_MAX)
			return PACKET_EXTENSION_LIMIT;
		if (span->total - span->offset < EXTENSION_MIN)
			return PACKET_SHORT_EXTENSION;
		if (span->copied - span->offset < EXTENSION_MIN)
			return PACKET_CUT;
		len = extension_len(next, h);
		if (span->total - span->offset < len)
			return PACKET_SHORT_EXTENSION;
		result = read_extension(next, h, span, p);
		if (result != PACKET_OK)
			return result;
		if (span->copied - span->offset < len)
			return PACKET_CUT;
		next = h[0];
		span->offset += len;
	}
	p->protocol = next;
	return PACKET_OK;
}

static enum packet_result parse_v6(const uint8_t *data, size_t copied, struct packet_span *span, struct packet *p)
{
	size_t payload;

	if (copied < IPV6_FIXED)
		return PACKET_SHORT_IP;
	payload = be16(data + 4);
	span->total_known = payload != 0;
	span->total = span->total_known ? IPV6_FIXED + payload : copied;
	span->copied = smaller(copied, span->total);
	span->offset = IPV6_FIXED;
	p->src = addr_from_v6(data + 8);
	p->dst = addr_from_v6(data + 24);
	if (addr_is_v4(&p->src) || addr_is_v4(&p->dst))
		return PACKET_BAD_VERSION;
	p->ttl = data[7];
	return walk_extensions(data[6], span, p);
}

enum packet_result packet_parse(const uint8_t *data, size_t copied, bool verify_checksum, struct packet *out)
{
	struct packet_span span = { .data = data, .sum_known = verify_checksum };
	struct packet packet = { .protocol = 0 };
	enum packet_result result;

	if (copied == 0)
		return PACKET_EMPTY;
	switch (data[0] >> 4) {
	case 4: result = parse_v4(data, copied, &span, &packet); break;
	case 6: result = parse_v6(data, copied, &span, &packet); break;
	default: return PACKET_BAD_VERSION;
	}
	if (result == PACKET_OK)
		result = packet_transport(&span, &packet);
	if (packet_is_set(result))
		*out = packet;
	return result;
}

bool packet_is_set(enum packet_result result)
{
	return result == PACKET_OK || result == PACKET_SHORT_TRANSPORT || result == PACKET_BAD_TRANSPORT ||
	       result == PACKET_LATER_FRAGMENT || result == PACKET_EXTENSION_LIMIT;
}

const char *packet_result_name(enum packet_result result)
{
	static const char *const names[PACKET_RESULT_COUNT] = {
		[PACKET_OK] = "ok",
		[PACKET_EMPTY] = "empty",
		[PACKET_BAD_VERSION] = "bad_version",
		[PACKET_SHORT_IP] = "short_ip",
		[PACKET_BAD_IP_LENGTH] = "bad_ip_length",
		[PACKET_EXTENSION_LIMIT] = "extension_limit",
		[PACKET_SHORT_EXTENSION] = "short_extension",
		[PACKET_LATER_FRAGMENT] = "later_fragment",
		[PACKET_SHORT_TRANSPORT] = "short_transport",
		[PACKET_BAD_TRANSPORT] = "bad_transport",
		[PACKET_CUT] = "cut",
	};

	return (size_t)result < PACKET_RESULT_COUNT ? names[result] : "unknown";
}
