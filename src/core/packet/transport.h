/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the two halves of the packet parser: packet.c finds where the transport header is, packet_transport.c
 * reads it.
 */
#ifndef PICKET_PACKET_TRANSPORT_H
#define PICKET_PACKET_TRANSPORT_H

#include <picket/packet.h>

/* Where the transport header stands.  offset <= copied <= total. */
struct packet_span {
	const uint8_t *data; /* from the IP header on */
	size_t offset;       /* of the transport header */
	size_t copied;       /* bytes of the packet that are in the copy, link padding excluded */
	size_t total;        /* bytes of the packet, as its IP header says */
	bool total_known;    /* false: the IP length field was zero and total is a guess */
	bool sum_known;      /* the sum is filled in, and over the addresses of the IP header */
};

/* Reads the header of out->protocol.  OK, SHORT_TRANSPORT, BAD_TRANSPORT or CUT. */
enum packet_result packet_transport(const struct packet_span *span, struct packet *out);

#endif
