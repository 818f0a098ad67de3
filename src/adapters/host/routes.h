/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel knows of the network, by rtnetlink: own addresses, gateways of all routing tables, on-link
 * prefixes, the interfaces with a default route.  Kept current by notifications.
 */
#ifndef PICKET_ROUTES_H
#define PICKET_ROUTES_H

#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "result.h"

#define ROUTES_MAX            1024
#define ROUTES_INTERFACES_MAX 32
#define ROUTES_VRF_MAX        128

struct routes_view {
	struct prefix own[ROUTES_MAX];              /* host prefixes */
	struct prefix gateways[ROUTES_MAX];         /* host prefixes */
	struct prefix onlink[ROUTES_MAX];           /* prefixes of our interfaces (not loopback) */
	char interfaces[ROUTES_INTERFACES_MAX][16]; /* with a default route of any family, none of them of a VRF */
	char vrf[ROUTES_VRF_MAX][16];               /* VRFs, and what is enslaved to one */
	size_t own_count, gateway_count, onlink_count, interface_count, vrf_count;
	uint64_t dropped; /* entries beyond the limits */
};

struct routes;
MUST_CHECK int routes_open(struct routes **out);
void routes_close(struct routes *routes);
int routes_fd(const struct routes *routes); /* readable: something may have changed */
/* 1: something changed; 0: nothing did; -errno */
MUST_CHECK int routes_drain(struct routes *routes);
/* Waits for the answer; *out is untouched on failure. */
MUST_CHECK int routes_dump(struct routes *routes, struct routes_view *out);

#endif
