/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a probe.
 */
#ifndef PICKET_INJECT_PACKET_H
#define PICKET_INJECT_PACKET_H

#include "inject.h"

#define INJECT_PACKET_MAX 64
#define INJECT_SEQUENCE   0x7069636bu /* no scanner's mark: the engine must take it for nobody's */

/* An IP packet: TCP with these flags, or an empty UDP datagram.  Returns its length. */
size_t inject_packet(const struct inject_probe *probe, uint8_t tcp_flags, uint32_t sequence,
		     uint8_t out[INJECT_PACKET_MAX]);

#endif
