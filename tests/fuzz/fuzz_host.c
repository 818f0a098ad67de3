/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over what the kernel says of this host: its sockets (sock_diag), addresses, routes and links (rtnetlink).
 * Whatever it says, nothing is handed on that is out of range.
 */
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "fuzz_kernel.h"
#include "host/listeners.h"
#include "host/routes.h"

static const uint16_t types[] = { SOCK_DIAG_BY_FAMILY, RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWLINK,
				  RTM_DELROUTE,        NLMSG_ERROR, NLMSG_DONE };

static void look(void *context, const struct listener *found)
{
	(void)context;
	require(found->protocol == 6 || found->protocol == 17);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct listeners *listeners;
	static struct routes *routes;
	static struct routes_view view;

	fuzz_kernel.types = types;
	fuzz_kernel.type_count = sizeof(types) / sizeof(types[0]);
	fuzz_kernel_begin(data, size);
	if (!listeners)
		require(listeners_open(&listeners) == 0 && routes_open(&routes) == 0);
	if (size > 0 && data[0] & 0x80) {
		if (listeners_each(listeners, look, NULL) < 0)
			return 0;
		return 0;
	}
	if (routes_drain(routes) < 0 || routes_dump(routes, &view) < 0)
		return 0;
	require(view.own_count <= ROUTES_MAX && view.gateway_count <= ROUTES_MAX && view.onlink_count <= ROUTES_MAX);
	require(view.interface_count <= ROUTES_INTERFACES_MAX && view.vrf_count <= ROUTES_VRF_MAX);
	for (size_t i = 0; i < view.onlink_count; i++)
		require(prefix_is_valid(&view.onlink[i]));
	return 0;
}
