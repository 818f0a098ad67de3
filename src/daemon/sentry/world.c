/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world around: own addresses, gateways, on-link prefixes and guarded interfaces by rtnetlink; services by
 * sock_diag; IPv6 customers from the kernel's set.  Each look replaces what the last one said, so that nothing is kept
 * that is gone.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "internal.h"

#define LISTENERS_MAX       4096
#define CUSTOMERS_EVERY_MS  600000
#define CUSTOMERS_LONG_MS   50 /* a reading that holds up the queue for longer comes half as often */
#define CUSTOMERS_SELDOM_MS (24 * 3600 * 1000)

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

void sentry_world_customers(struct sentry *sentry)
{
	int64_t began_ms = clock_ms(CLOCK_MONOTONIC);

	enforcer_learn_customers(sentry->enforcer, sentry->now_ms);
	if (clock_ms(CLOCK_MONOTONIC) - began_ms <= CUSTOMERS_LONG_MS || !sentry->customers_every_ms)
		sentry->customers_every_ms = CUSTOMERS_EVERY_MS;
	else if (sentry->customers_every_ms < CUSTOMERS_SELDOM_MS)
		sentry->customers_every_ms *= 2;
	sentry->next_customers_ms = sentry->now_ms + sentry->customers_every_ms;
}
