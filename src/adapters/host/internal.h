/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What routes.c, with the sockets, and routes_gather.c share: messages of rtnetlink go in, the view comes out.  They
 * are apart so that hostile messages can be tried without a socket.
 */
#ifndef PICKET_HOST_INTERNAL_H
#define PICKET_HOST_INTERNAL_H

#include <linux/netlink.h>

#include "routes.h"

#define ROUTES_DEFAULTS_MAX ROUTES_INTERFACES_MAX

struct routes_gather {
	struct routes_view view;
	uint32_t default_links[ROUTES_DEFAULTS_MAX];
	uint32_t default_nexthops[ROUTES_DEFAULTS_MAX]; /* ids of nexthop objects behind default routes */
	size_t default_link_count, default_nexthop_count;
};

/* Callbacks of mnl_cb_run(); context is the struct routes_gather.  To be fed in this order: nexthops after routes and
 * twice (a group's members may come before it), links last.  A message that makes no sense is passed over. */
int gather_address(const struct nlmsghdr *message, void *context);
int gather_route(const struct nlmsghdr *message, void *context);
int gather_nexthop(const struct nlmsghdr *message, void *context);
int gather_link(const struct nlmsghdr *message, void *context);

#endif
