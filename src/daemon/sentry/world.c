/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world around: own addresses, gateways, on-link prefixes and guarded interfaces by rtnetlink; services by
 * sock_diag, and which ports were served lately.  Each look replaces what the last one said, so that nothing is kept
 * that is gone.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define LISTENERS_MAX  4096
#define PUBLISHED_MAX  4096
#define SYSTEM_UID_MAX 999 /* Debian's SYS_UID_MAX: the users of people come behind it */

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

/* Root's and system users' services are the system's; what stands among ephemeral ports may have been opened for, or
 * by, anybody (an FTP server's data port). */
static uint32_t owner_of(const struct sentry *sentry, const struct listener *item)
{
	bool ephemeral = item->port >= sentry->ephemeral_first && item->port <= sentry->ephemeral_last;

	return item->uid <= SYSTEM_UID_MAX && !ephemeral ? SERVED_SYSTEM : item->uid;
}

void sentry_world_listeners(struct sentry *sentry)
{
	struct listener *found = calloc(LISTENERS_MAX, sizeof(*found));
	struct served_socket *sockets = calloc(LISTENERS_MAX, sizeof(*sockets));
	size_t dropped = 0, kept = 0;
	int count = found && sockets ? listeners_dump(sentry->listeners, found, LISTENERS_MAX, &dropped) : -1;

	for (int i = 0; i < count; i++)
		if (!found[i].loopback)
			sockets[kept++] = (struct served_socket){ .uid = owner_of(sentry, &found[i]),
								  .port = found[i].port,
								  .protocol = found[i].protocol };
	if (count >= 0)
		engine_listening(sentry->engine, sockets, kept, sentry->now_ms);
	free(sockets);
	free(found);
}

/* ---- ports served lately, told to the kernel ---- */

static size_t ranges_of(const uint8_t bits[65536 / 8], struct port_range *out)
{
	size_t count = 0;

	for (unsigned port = 1; port < 65536; port++) {
		if (!(bits[port / 8] & (1u << port % 8)))
			continue;
		if (count > 0 && out[count - 1].last == port - 1)
			out[count - 1].last = (uint16_t)port;
		else
			out[count++] = (struct port_range){ (uint16_t)port, (uint16_t)port };
	}
	return count;
}

/* What rules have seen behind destination NAT is served as well. */
static void learn_published(struct sentry *sentry)
{
	struct nft_published *published = calloc(PUBLISHED_MAX, sizeof(*published));
	int count = published ? enforcer_read_published(sentry->enforcer, published, PUBLISHED_MAX) : 0;

	for (int i = 0; i < count; i++)
		engine_served(sentry->engine, published[i].protocol, published[i].port, sentry->now_ms);
	free(published);
}

void sentry_world_lately(struct sentry *sentry)
{
	static const uint8_t protocols[SENTRY_LATELY] = { PROTO_TCP, PROTO_UDP };
	struct port_range *ranges = calloc(65536 / 2, sizeof(*ranges));
	uint8_t bits[65536 / 8];

	if (!ranges)
		return;
	learn_published(sentry);
	for (int i = 0; i < SENTRY_LATELY; i++) {
		engine_lately(sentry->engine, protocols[i], sentry->now_ms, bits);
		if (sentry->lately_told && memcmp(bits, sentry->lately[i], sizeof(bits)) == 0)
			continue;
		if (enforcer_set_lately(sentry->enforcer, protocols[i], ranges, ranges_of(bits, ranges)) < 0) {
			sentry->lately_told = false; /* at the next look */
			free(ranges);
			return;
		}
		memcpy(sentry->lately[i], bits, sizeof(bits));
	}
	sentry->lately_told = true;
	free(ranges);
}
