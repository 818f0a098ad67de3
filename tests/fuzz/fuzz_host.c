/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over what the kernel says of this host: its sockets (sock_diag), addresses, routes, nexthops and links
 * (rtnetlink).  Whatever it says, nothing is handed on that is out of range.  The first byte: what is asked.
 */
#include <linux/inet_diag.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "fuzz_kernel.h"
#include "host/listeners.h"
#include "host/routes.h"

#define HEAD(header) ((sizeof(struct header) + 3) / 4 * 4)

static const struct fuzz_type types[] = {
	{ .answer = SOCK_DIAG_BY_FAMILY, .request = SOCK_DIAG_BY_FAMILY, .head_len = HEAD(inet_diag_msg) },
	{ .answer = RTM_NEWADDR, .request = RTM_GETADDR, .head_len = HEAD(ifaddrmsg) },
	{ .answer = RTM_NEWROUTE, .request = RTM_GETROUTE, .head_len = HEAD(rtmsg) },
	{ .answer = RTM_NEWLINK, .request = RTM_GETLINK, .head_len = HEAD(ifinfomsg) },
	{ .answer = RTM_NEWNEXTHOP, .request = RTM_GETNEXTHOP, .head_len = HEAD(nhmsg) },
	{ .answer = NLMSG_ERROR },
	{ .answer = NLMSG_DONE },
	{ .answer = RTM_DELROUTE, .request = FUZZ_UNASKED },
	{ .answer = NLMSG_OVERRUN },
};

static void look(void *context, const struct listener *found)
{
	(void)context;
	require((found->protocol == 6 || found->protocol == 17) && found->port != 0);
}

static void look_at_listeners(struct listeners *listeners, size_t max)
{
	struct listener found[8];
	size_t dropped = 0;
	int count = listeners_dump(listeners, found, max, &dropped);

	require(count <= (int)max);
	for (int i = 0; i < count; i++)
		look(NULL, &found[i]);
}

static void look_at_routes(const struct routes_view *view)
{
	require(view->own_count <= ROUTES_MAX && view->gateway_count <= ROUTES_MAX && view->onlink_count <= ROUTES_MAX);
	require(view->interface_count <= ROUTES_INTERFACES_MAX && view->vrf_count <= ROUTES_VRF_MAX);
	for (size_t i = 0; i < view->onlink_count; i++)
		require(prefix_is_valid(&view->onlink[i]));
	for (size_t i = 0; i < view->interface_count; i++)
		require(memchr(view->interfaces[i], 0, sizeof(view->interfaces[i])) != NULL);
	for (size_t i = 0; i < view->vrf_count; i++)
		require(memchr(view->vrf[i], 0, sizeof(view->vrf[i])) != NULL);
}

static void ask(uint8_t what, struct listeners *listeners, struct routes *routes)
{
	static struct routes_view view;

	require(routes_fd(routes) >= 0);
	switch (what & 3) {
	case 0: require(listeners_each(listeners, look, NULL) <= 0); break;
	case 1: look_at_listeners(listeners, what >> 5); break;
	case 2: require(routes_drain(routes) <= 1); break;
	default:
		if (routes_dump(routes, &view) == 0)
			look_at_routes(&view);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct listeners *listeners = NULL;
	struct routes *routes = NULL;

	if (size == 0)
		return 0;
	fuzz_kernel.types = types;
	fuzz_kernel.type_count = sizeof(types) / sizeof(types[0]);
	fuzz_kernel_begin(data + 1, size - 1);
	fuzz_kernel.denies = data[0] & 4;
	if (listeners_open(&listeners) == 0 && routes_open(&routes) == 0)
		ask(data[0], listeners, routes);
	listeners_close(listeners);
	routes_close(routes);
	return 0;
}
