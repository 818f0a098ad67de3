/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world around: own addresses, gateways, on-link prefixes and guarded interfaces by rtnetlink; services by
 * sock_diag.  Each look replaces what the last one said, so that nothing is kept
 * that is gone.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define LISTENERS_MAX 4096

static void protect_all(struct sentry *sentry, const struct prefix *items, size_t count, enum protect_why why)
{
	engine_protect_clear(sentry->engine, why);
	for (size_t i = 0; i < count; i++) {
		engine_protect(sentry->engine, &items[i], why, sentry->now_ms, &sentry->actions);
		sentry_act(sentry);
	}
}

void sentry_world_routes(struct sentry *sentry)
{
	struct routes_view *view = calloc(1, sizeof(*view));

	sentry->routes_stale = false;
	if (!view || routes_dump(sentry->routes, view) < 0) {
		sentry->routes_stale = true; /* again in a second */
		free(view);
		return;
	}
	protect_all(sentry, view->own, view->own_count, PROTECT_OWN);
	protect_all(sentry, view->gateways, view->gateway_count, PROTECT_GATEWAY);
	protect_all(sentry, view->onlink, view->onlink_count, PROTECT_ONLINK);
	if (enforcer_set_interfaces(sentry->enforcer, view->interfaces, view->interface_count, sentry->now_ms) < 0)
		sentry->routes_stale = true;
	free(view);
}

static bool bit_set(uint8_t *bits, uint16_t port)
{
	bool was = bits[port / 8] & (1u << (port % 8));

	bits[port / 8] |= (uint8_t)(1u << (port % 8));
	return was;
}

/* A TCP listener is a service at once; a UDP socket only when it is there at two looks, because a resolver's query
 * port comes and goes. */
void sentry_world_listeners(struct sentry *sentry)
{
	struct listener *found = calloc(LISTENERS_MAX, sizeof(*found));
	size_t dropped = 0;
	uint8_t now_udp[sizeof(sentry->udp_seen)] = { 0 };
	int count = found ? listeners_dump(sentry->listeners, found, LISTENERS_MAX, &dropped) : -1;

	for (int i = 0; i < count; i++) {
		const struct listener *item = &found[i];

		if (item->loopback)
			continue;
		if (item->protocol == PROTO_UDP) {
			bit_set(now_udp, item->port);
			if (!(sentry->udp_seen[item->port / 8] & (1u << (item->port % 8))))
				continue;
		}
		engine_served(sentry->engine, item->protocol, item->port, sentry->now_ms);
	}
	if (count >= 0)
		memcpy(sentry->udp_seen, now_udp, sizeof(now_udp));
	free(found);
}
