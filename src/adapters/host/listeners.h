/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which ports local services listen on, by sock_diag (inet_diag dumps): TCP in LISTEN, UDP unconnected.
 */
#ifndef PICKET_LISTENERS_H
#define PICKET_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "result.h"

struct listener {
	struct addr addr; /* local address; unspecified: any */
	uint16_t port;
	uint8_t protocol; /* 6 or 17 */
	bool loopback;    /* bound to loopback alone */
	bool v6;          /* an AF_INET6 socket */
	uint32_t uid;
	uint32_t inode;
};

struct listeners;
MUST_CHECK int listeners_open(struct listeners **out);
void listeners_close(struct listeners *listeners);
typedef void listeners_each_fn(void *context, const struct listener *found);
/* Hands on each.  0 or -errno, perhaps after some were handed on. */
MUST_CHECK int listeners_each(struct listeners *listeners, listeners_each_fn *each, void *context);
/* Writes at most max; *dropped counts the rest.  Returns the count or -errno. */
MUST_CHECK int listeners_dump(struct listeners *listeners, struct listener *out, size_t max, size_t *dropped);

#endif
