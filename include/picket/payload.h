/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose words did a visitor of a trap bring?  A web page, a server-side request or a tracker can make an honest
 * program connect to us; what such a program says first (HTTP, TLS, STUN, BitTorrent) must not convict it.
 */
#ifndef PICKET_PAYLOAD_H
#define PICKET_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAP_PAYLOAD_ENOUGH  16  /* the shortest HTTP request line has so many: "GET / HTTP/1.1\r\n" */
#define TRAP_PAYLOAD_WAIT_MS 300 /* for the rest of a first message that came in pieces */

enum trap_payload {
	TRAP_PAYLOAD_UNDECIDED, /* the beginning of something that a third party can induce: wait for more */
	TRAP_PAYLOAD_OWN,       /* the visitor's own words, or none */
	TRAP_PAYLOAD_INDUCED
};

/* final: no more will come, or we don't wait; then never UNDECIDED, and a mere beginning is the visitor's own. */
enum trap_payload trap_payload_classify(const uint8_t *data, size_t len, bool final);

#endif
