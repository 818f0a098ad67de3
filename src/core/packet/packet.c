/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet parser: IPv4 with options, IPv6 with its chain of extension headers, then TCP, UDP, ICMP, ICMPv6 or SCTP.
 * Every length is the sender's claim and is compared with the bytes that there are before one is read.  The chain of
 * extension headers is bounded in number and each step of it moves forward, so no packet costs more than one pass over
 * its headers.
 *
 * One table says how long each transport header is; whether those bytes are in the packet, and in our copy of it, is
 * checked once for all of them.  A header that is too short is read as far as it goes: the first four bytes of a tiny
 * fragment still name the ports.
 *
 * The length of the packet is the one in its IP header, not that of the capture: Ethernet pads short frames, and
 * padding is not the sender's payload.  A length of zero (segmentation offload of more than 64 KiB, jumbograms of RFC
 * 2675) means "as long as the copy".
 *
 * Three things end differently on purpose:
 *  - the packet ends too early: the sender's doing, SHORT_*;
 *  - our copy ends too early: the sender is not to blame, CUT;
 *  - an IPv6 packet from or to ::ffff:a.b.c.d: BAD_VERSION.  Such addresses must not appear on a wire
 *    (draft-itojun-v6ops-v4mapped-harmful), and `struct addr` keeps IPv4 in just that form: if they were passed on, a
 *    sender could have an IPv4 host of its choice accused.
 */
#include <picket/packet.h>

#include <endian.h>
#include <string.h>

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

/* Where the transport header stands.  offset <= copied <= total. */
struct packet_span {
	const uint8_t *data; /* from the IP header on */
	size_t offset;       /* of the transport header */
	size_t copied;       /* bytes of the packet that are in the copy, link padding excluded */
	size_t total;        /* bytes of the packet, as its IP header says */
	bool total_known;    /* false: the IP length field was zero and total is a guess */
	bool sum_known;      /* the sum is filled in, and over the addresses of the IP header */
};

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
	while (is_extension(next)) {
		const uint8_t *h = span->data + span->offset;
		enum packet_result result;
		size_t len;

		if (span->total - span->offset < EXTENSION_MIN)
			return PACKET_SHORT_EXTENSION;
		if (span->copied - span->offset < EXTENSION_MIN)
			return PACKET_CUT;
		len = extension_len(next, h);
		if (span->total - span->offset < len)
			return PACKET_SHORT_EXTENSION;
		if (span->offset + len > IPV6_FIXED + PACKET_EXTENSIONS_MAX)
			return PACKET_EXTENSION_LIMIT;
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

/* ---- the transport header ---- */

#define TCP_MIN        20
#define UDP_HEADER     8
#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2

/* The header, of which `have` bytes may be read. */
struct header {
	const uint8_t *at;
	size_t have;
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static uint16_t clamp16(size_t value)
{
	return (uint16_t)(value < UINT16_MAX ? value : UINT16_MAX);
}

/* Adds up 16-bit words in their one's complement (RFC 1071): in any order, in words of 32 bits and in the machine's own
 * byte order alike, as long as the carries come back in. */
static uint64_t sum_words(uint64_t sum, const uint8_t *p, size_t len)
{
	uint32_t word;

	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (len == 0)
		return sum;
	word = 0;
	memcpy(&word, p, len);
	return sum + word;
}

/* Over len bytes of the transport, where wanted with the pseudo-header of RFC 9293 section 3.1, RFC 8200 section
 * 8.1. */
static enum packet_checksum verify(const struct packet_span *span, const struct packet *p, size_t len, bool pseudo)
{
	uint64_t sum = 0;

	if (!span->sum_known || !span->total_known || p->first_fragment || span->copied - span->offset < len)
		return PACKET_CHECKSUM_UNKNOWN;
	if (pseudo) {
		size_t from = addr_is_v4(&p->src) ? 12 : 0;

		sum = sum_words(sum, p->src.b + from, sizeof(p->src.b) - from);
		sum = sum_words(sum, p->dst.b + from, sizeof(p->dst.b) - from);
		sum += htobe32((uint32_t)len + p->protocol);
	}
	sum = sum_words(sum, span->data + span->offset, len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? PACKET_CHECKSUM_GOOD : PACKET_CHECKSUM_BAD;
}

static void read_ports(const struct header *h, struct packet *out)
{
	if (h->have >= 4) {
		out->sport = be16(h->at);
		out->dport = be16(h->at + 2);
	}
}

/* Up to the first option that makes no sense: kernels stop there too. */
static void read_tcp_options(const uint8_t *p, size_t left, struct packet *out)
{
	while (left > 0 && p[0] != TCP_OPTION_END) {
		size_t len = 1;

		if (p[0] != TCP_OPTION_NOP) {
			if (left < 2 || p[1] < 2 || p[1] > left)
				return;
			len = p[1];
			out->tcp_option_count++;
			if (p[0] == TCP_OPTION_MSS && len == 4)
				out->mss = be16(p + 2);
		}
		p += len;
		left -= len;
	}
}

static enum packet_result read_tcp(const struct packet_span *span, const struct header *h, struct packet *out)
{
	size_t left = span->total - span->offset, offset;

	read_ports(h, out);
	if (h->have >= 8)
		out->seq = be32(h->at + 4);
	if (h->have >= 14)
		out->tcp_flags = h->at[13];
	if (h->have < TCP_MIN)
		return PACKET_SHORT_TRANSPORT;
	out->ack = be32(h->at + 8);
	out->window = be16(h->at + 14);
	offset = (size_t)(h->at[12] >> 4) * 4;
	if (offset < TCP_MIN)
		return PACKET_BAD_TRANSPORT;
	if (offset > left) /* the options of a first fragment may be in the next one */
		return out->first_fragment ? PACKET_SHORT_TRANSPORT : PACKET_BAD_TRANSPORT;
	read_tcp_options(h->at + TCP_MIN, (offset < h->have ? offset : h->have) - TCP_MIN, out);
	out->payload_len = clamp16(left - offset);
	out->checksum = verify(span, out, left, true);
	return PACKET_OK;
}

static enum packet_result read_udp(const struct packet_span *span, const struct header *h, struct packet *out)
{
	size_t left = span->total - span->offset, len;

	read_ports(h, out);
	if (h->have < UDP_HEADER)
		return PACKET_SHORT_TRANSPORT;
	len = be16(h->at + 4);
	if (len == 0 && !span->total_known) /* RFC 2675 section 4: longer than 65,535 */
		len = left;
	if (len < UDP_HEADER || (len > left && span->total_known && !out->first_fragment))
		return PACKET_BAD_TRANSPORT;
	if (len > left)
		len = left;
	out->payload_len = clamp16(len - UDP_HEADER);
	/* Zero is "no sum" over IPv4 (RFC 768); IPv6 forbids it (RFC 8200 section 8.1) and it comes out bad. */
	if (be16(h->at + 6) == 0 && addr_is_v4(&out->src))
		out->checksum = PACKET_CHECKSUM_UNKNOWN;
	else
		out->checksum = verify(span, out, len, true);
	return PACKET_OK;
}

static enum packet_result read_icmp_header(const struct packet_span *span, const struct header *h, size_t need,
					   bool pseudo, struct packet *out)
{
	size_t left = span->total - span->offset;

	if (h->have >= 2) {
		out->icmp_type = h->at[0];
		out->icmp_code = h->at[1];
	}
	if (h->have < need)
		return PACKET_SHORT_TRANSPORT;
	out->payload_len = clamp16(left - need);
	out->checksum = verify(span, out, left, pseudo);
	return PACKET_OK;
}

static enum packet_result read_icmp(const struct packet_span *span, const struct header *h, struct packet *out)
{
	return read_icmp_header(span, h, 8, false, out);
}

static enum packet_result read_icmpv6(const struct packet_span *span, const struct header *h, struct packet *out)
{
	return read_icmp_header(span, h, 4, true, out);
}

/* The common header and that of the first chunk: a packet without a chunk is no SCTP (RFC 9260 section 3).
 * Its sum is a CRC32c, which is not verified: UNKNOWN. */
#define SCTP_MIN 16

static enum packet_result read_sctp(const struct packet_span *span, const struct header *h, struct packet *out)
{
	read_ports(h, out);
	if (h->have >= 13)
		out->sctp_chunk = h->at[12];
	if (h->have < SCTP_MIN)
		return PACKET_SHORT_TRANSPORT;
	out->payload_len = clamp16(span->total - span->offset - SCTP_MIN);
	return PACKET_OK;
}

struct transport {
	uint8_t protocol;
	uint8_t family; /* 4, 6, or 0 for both */
	uint8_t need;   /* bytes of the fixed header */
	enum packet_result (*read)(const struct packet_span *span, const struct header *h, struct packet *out);
};

/* ICMP within IPv6 and ICMPv6 within IPv4 have no row: they are protocol numbers without a use. */
static const struct transport transports[] = {
	{ PROTO_TCP, 0, TCP_MIN, read_tcp }, { PROTO_UDP, 0, UDP_HEADER, read_udp }, { PROTO_ICMP, 4, 8, read_icmp },
	{ PROTO_ICMPV6, 6, 4, read_icmpv6 }, { PROTO_SCTP, 0, SCTP_MIN, read_sctp },
};

/* Reads the header of out->protocol.  OK, SHORT_TRANSPORT, BAD_TRANSPORT or CUT. */
static enum packet_result parse_transport(const struct packet_span *span, struct packet *out)
{
	const struct header h = { span->data + span->offset, span->copied - span->offset };
	size_t left = span->total - span->offset;
	uint8_t family = addr_is_v4(&out->src) ? 4 : 6;

	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		const struct transport *t = &transports[i];

		if (t->protocol != out->protocol || (t->family && t->family != family))
			continue;
		if (h.have < t->need && left >= t->need)
			return PACKET_CUT;
		return t->read(span, &h, out);
	}
	out->payload_len = clamp16(left);
	return PACKET_OK;
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
		result = parse_transport(&span, &packet);
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
