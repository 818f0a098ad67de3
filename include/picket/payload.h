/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first bytes that a trap received: could a third party have made an honest program send them?  A web page, a
 * server-side request or a tracker can make a program connect to any address; what it sends first (HTTP,
 * TLS, IRC, BitTorrent, ...) must weigh less.
 */
#ifndef PICKET_PAYLOAD_H
#define PICKET_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_ENOUGH  16  /* bytes of the shortest HTTP request line, "GET / HTTP/1.1\r\n" */
#define PAYLOAD_WAIT_MS 300 /* for the rest of a first message that came in pieces */

enum payload {
	PAYLOAD_UNDECIDED, /* so far the beginning of bytes that a third party can induce: wait for more */
	PAYLOAD_OWN,       /* no such bytes, or none at all: the connection is the visitor's own */
	PAYLOAD_INDUCED
};

/* final: no more bytes will come, or the caller does not wait.  The answer is then never UNDECIDED: a mere beginning
 * counts as OWN. */
enum payload payload_classify(const uint8_t *data, size_t len, bool final);

#endif
