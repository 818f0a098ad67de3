/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Own addresses, on-link prefixes, gateways of all routing tables and the interfaces with a default route, by
 * rtnetlink.  Two sockets: one subscribed to changes (routes_fd), one that asks.
 *
 * All tables, because a host with policy routing or a VPN reaches its admin over a gateway that is not in `main`.
 * Limits: ROUTES_MAX entries of a kind (routes_gather.c); DRAIN_MAX notifications in a call; a dump whose tables
 * changed meanwhile is asked for again, DUMP_TRIES_MAX times in all.
 */
#include "routes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "netlink.h"
#include "internal.h"

#define DUMP_TRIES_MAX 3
#define DRAIN_MAX      256 /* datagrams a call */
#define BUFFER_LEN     8192

struct routes {
	struct mnl_socket *watch;
	struct netlink_dump *ask;
	struct routes_gather gather;
	bool interrupted; /* the dump did not see one state of the tables */
	char buffer[BUFFER_LEN];
};

static int watch_open(struct mnl_socket **out)
{
	static const int groups[] = {
		RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_NEXTHOP, /* last: kernels before 5.3 don't have it */
	};
	struct mnl_socket *watch;
	int error = netlink_open(NETLINK_ROUTE, SOCK_NONBLOCK, 0, &watch);

	if (error)
		return error;
	for (size_t i = 0; !error && i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(watch, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0 &&
		    group != RTNLGRP_NEXTHOP)
			error = -errno;
	}
	if (error)
		mnl_socket_close(watch);
	else
		*out = watch;
	return error;
}

int routes_open(struct routes **out)
{
	struct routes *routes = calloc(1, sizeof(*routes));
	int error;

	if (!routes)
		return -ENOMEM;
	error = watch_open(&routes->watch);
	if (!error)
		error = netlink_dump_open(NETLINK_ROUTE, &routes->ask);
	if (error) {
		routes_close(routes);
		return error;
	}
	*out = routes;
	return 0;
}

void routes_close(struct routes *routes)
{
	if (!routes)
		return;
	if (routes->watch)
		mnl_socket_close(routes->watch);
	netlink_dump_close(routes->ask);
	free(routes);
}

int routes_fd(const struct routes *routes)
{
	return mnl_socket_get_fd(routes->watch);
}

/* Every message of our groups means a change, and so do lost ones (ENOBUFS). */
int routes_drain(struct routes *routes)
{
	int changed = 0;

	for (int i = 0; i < DRAIN_MAX; i++) {
		ssize_t n = mnl_socket_recvfrom(routes->watch, routes->buffer, sizeof(routes->buffer));

		if (n > 0 || (n < 0 && (errno == ENOBUFS || errno == ENOSPC)))
			changed = 1;
		else if (n == 0 || errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return -errno;
	}
	return changed;
}

/* ---- The dump ---- */

struct dump_step {
	uint16_t type;
	uint8_t family;
	bool optional; /* the kernel may lack it */
	size_t header_len;
	mnl_cb_t on_message;
};

static const struct dump_step dump_steps[] = {
	{ RTM_GETADDR, AF_UNSPEC, false, sizeof(struct ifaddrmsg), gather_address },
	{ RTM_GETROUTE, AF_INET, false, sizeof(struct rtmsg), gather_route },
	{ RTM_GETROUTE, AF_INET6, true, sizeof(struct rtmsg), gather_route },
	{ RTM_GETNEXTHOP, AF_UNSPEC, true, sizeof(struct nhmsg), gather_nexthop },
	{ RTM_GETNEXTHOP, AF_UNSPEC, true, sizeof(struct nhmsg), gather_nexthop },
	{ RTM_GETLINK, AF_UNSPEC, false, sizeof(struct ifinfomsg), gather_link },
};

static int dump_once(struct routes *routes)
{
	memset(&routes->gather, 0, sizeof(routes->gather));
	routes->interrupted = false;
	for (size_t i = 0; i < sizeof(dump_steps) / sizeof(dump_steps[0]); i++) {
		const struct dump_step *step = &dump_steps[i];
		/* each of the headers begins with its family; the rest of a question is zero */
		const uint8_t header[sizeof(struct ifinfomsg)] = { step->family };
		int error = netlink_dump_ask(routes->ask, step->type, header, step->header_len, step->on_message,
					     &routes->gather, &routes->interrupted);
		bool missing = error == -EOPNOTSUPP || error == -EINVAL || error == -EAFNOSUPPORT;

		if (error && !(missing && step->optional))
			return error;
	}
	return 0;
}

int routes_dump(struct routes *routes, struct routes_view *out)
{
	for (int i = 0; i < DUMP_TRIES_MAX; i++) {
		int error = dump_once(routes);

		if (error)
			return error;
		if (!routes->interrupted)
			break;
	}
	*out = routes->gather.view; /* if it is not quite right, a notification follows */
	return 0;
}
