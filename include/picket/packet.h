/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One IP packet, as the network layer delivered it (no link header), taken apart.  Every byte is the sender's: lengths,
 * offsets and header chains are checked, and each rejection has a name, by which the caller counts it.
 *
 * Sources: RFC 791, 8200 (extension headers), 9293 (TCP), 768, 792, 4443, 9260 (SCTP).
 */
#ifndef PICKET_PACKET_H
#define PICKET_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

enum packet_result {
	PACKET_OK,
	PACKET_EMPTY,           /* no bytes at all */
	PACKET_BAD_VERSION,     /* neither 4 nor 6 */
	PACKET_SHORT_IP,        /* fixed IP header incomplete */
	PACKET_BAD_IP_LENGTH,   /* header length or total length impossible */
	PACKET_EXTENSION_LIMIT, /* IPv6 extension headers of more than PACKET_EXTENSIONS_MAX; addresses are valid */
	PACKET_SHORT_EXTENSION, /* extension header reaches past the packet */
	PACKET_LATER_FRAGMENT,  /* offset > 0: no transport header in it */
	PACKET_SHORT_TRANSPORT, /* ends inside its transport header; addresses and protocol are valid */
	PACKET_BAD_TRANSPORT,   /* TCP data offset or UDP length impossible; addresses and protocol are valid */
	PACKET_CUT,             /* our copy ends within the headers: no evidence against the sender */
	PACKET_RESULT_COUNT
};

#define PACKET_EXTENSIONS_MAX 1900 /* bytes: no honest stack sends so many, and a copied packet has room for them */

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMPV6 = 58, PROTO_SCTP = 132 };

/* What a checksum says.  UNKNOWN where the copy was cut, the packet is a fragment, or the kernel has left the sum to
 * hardware. */
enum packet_checksum { PACKET_CHECKSUM_UNKNOWN, PACKET_CHECKSUM_GOOD, PACKET_CHECKSUM_BAD };

struct packet {
	struct addr src, dst;
	uint8_t protocol;      /* after all extension headers */
	uint8_t ttl;           /* hop limit, as received */
	uint16_t ip_id;        /* 0 for IPv6 */
	bool dont_fragment;    /* IPv4 DF */
	bool first_fragment;   /* offset 0, more to come */
	uint16_t sport, dport; /* TCP, UDP, SCTP; else 0 */
	uint16_t payload_len;  /* after the transport header, from the IP length, not the copy */
	uint8_t checksum;      /* enum packet_checksum */
	/* TCP */
	uint8_t tcp_flags;
	uint32_t seq, ack;
	uint16_t window;
	uint16_t mss;             /* 0: no MSS option */
	uint8_t tcp_option_count; /* options other than NOP and END */
	/* ICMP, ICMPv6 */
	uint8_t icmp_type, icmp_code;
	/* SCTP: type of the first chunk (1 INIT, 10 COOKIE-ECHO) */
	uint8_t sctp_chunk;
};

/*
 * data: `copied` bytes of a packet.  verify_checksum: false when the kernel says that the sum is not filled in.  When
 * packet_is_set() holds for the result, *out is set, and fields that could not be read are zero; on any other result
 * *out is untouched.
 */
enum packet_result packet_parse(const uint8_t *data, size_t copied, bool verify_checksum, struct packet *out);
/* Of an ICMP or ICMPv6 error "unreachable": the packet that it is about, of which addresses, protocol and ports are
 * set, and the error's code.  False: it is none, or what it quotes has no ports. */
bool packet_quoted(const uint8_t *data, size_t copied, struct packet *out, uint8_t *code);
/* Does this result come with a packet, of which at least the addresses are set? */
bool packet_is_set(enum packet_result result);
const char *packet_result_name(enum packet_result result); /* "short_ip", ...: a metrics label */

#endif
