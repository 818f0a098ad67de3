/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The transport half of the packet parser: TCP, UDP, ICMP, ICMPv6, SCTP.  One table says how many bytes each
 * header has; whether they are in the packet, and in our copy of it, is checked once for all of them.  What there
 * is of a header that is too short is read all the same: the first four bytes of a tiny fragment still name the
 * ports.
 */
#include "transport.h"

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

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static uint16_t clamp16(size_t value)
{
	return (uint16_t)(value < UINT16_MAX ? value : UINT16_MAX);
}

static uint32_t sum_words(uint32_t sum, const uint8_t *p, size_t len)
{
	for (; len > 1; len -= 2, p += 2) {
		sum += be16(p);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	if (len)
		sum += (uint32_t)p[0] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

/* Over len bytes of the transport, where wanted with the pseudo-header of RFC 9293 section 3.1, RFC 8200 section
 * 8.1. */
static enum packet_checksum verify(const struct packet_span *span, const struct packet *p, size_t len, bool pseudo)
{
	uint32_t sum = 0;

	if (!span->sum_known || !span->total_known || p->first_fragment || span->copied - span->offset < len)
		return PACKET_CHECKSUM_UNKNOWN;
	if (pseudo) {
		size_t from = addr_is_v4(&p->src) ? 12 : 0;

		sum = sum_words(sum, p->src.b + from, sizeof(p->src.b) - from);
		sum = sum_words(sum, p->dst.b + from, sizeof(p->dst.b) - from);
		sum += (uint32_t)len + p->protocol;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	sum = sum_words(sum, span->data + span->offset, len);
	return (uint16_t)sum == 0xffff ? PACKET_CHECKSUM_GOOD : PACKET_CHECKSUM_BAD;
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

/* ICMP within IPv6 and ICMPv6 within IPv4 are just protocol numbers that nobody speaks. */
static const struct transport transports[] = {
	{ PROTO_TCP, 0, TCP_MIN, read_tcp }, { PROTO_UDP, 0, UDP_HEADER, read_udp }, { PROTO_ICMP, 4, 8, read_icmp },
	{ PROTO_ICMPV6, 6, 4, read_icmpv6 }, { PROTO_SCTP, 0, SCTP_MIN, read_sctp },
};

enum packet_result packet_transport(const struct packet_span *span, struct packet *out)
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
