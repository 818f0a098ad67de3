/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world around: own addresses, gateways, on-link prefixes and guarded interfaces by rtnetlink; services by
 * sock_diag, and which ports were served lately.  Each look replaces what the last one said, so that nothing is kept
 * that is gone.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "internal.h"

#define PUBLISHED_MAX    16384
#define SYSTEM_UID_MAX   999   /* Debian's SYS_UID_MAX: the users of people come behind it */
#define DYNAMIC_UID_MIN  61184 /* systemd's DynamicUser=, which is root's to use */
#define DYNAMIC_UID_MAX  65519
#define LISTENERS_MIN_MS 5000 /* between two looks */
#define LISTENERS_MAX_MS 25000
#define LISTENERS_REST   100 /* times as long as a look took */

static const uint8_t lately_protocols[SENTRY_LATELY] = { PROTO_TCP, PROTO_UDP };

static void protect_all(struct sentry *sentry, const struct prefix *items, size_t count, enum protect_why why)
{
	engine_protect_clear(sentry->engine, why);
	for (size_t i = 0; i < count; i++) {
		engine_protect(sentry->engine, &items[i], why, sentry->now_ms, &sentry->actions);
		sentry_act(sentry);
	}
}

_Static_assert(ROUTES_INTERFACES_MAX == NFT_INTERFACES_MAX && ROUTES_VRF_MAX == NFT_VRF_MAX, "names are copied");

static int tell_interfaces(struct sentry *sentry, const struct routes_view *view)
{
	struct enforcer_interfaces found = { .guarded_count = view->interface_count, .vrf_count = view->vrf_count };

	memcpy(found.guarded, view->interfaces, sizeof(found.guarded));
	memcpy(found.vrf, view->vrf, sizeof(found.vrf));
	return enforcer_set_interfaces(sentry->enforcer, &found, sentry->now_ms);
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
	if (tell_interfaces(sentry, view) < 0)
		sentry->routes_stale = true;
	free(view);
}

/* The system's services are root's, system users' and those of users that systemd makes up; what stands among ephemeral
 * ports may have been opened for, or by, anybody (an FTP server's data port). */
static uint32_t owner_of(const struct sentry *sentry, const struct listener *item)
{
	bool ephemeral = item->port >= sentry->ephemeral_first && item->port <= sentry->ephemeral_last;
	bool system = item->uid <= SYSTEM_UID_MAX || (item->uid >= DYNAMIC_UID_MIN && item->uid <= DYNAMIC_UID_MAX);

	return system && !ephemeral ? SERVED_SYSTEM : item->uid;
}

/* Whose each port is: however many sockets a user has, nobody else's is lost among them.  Where several have one, on
 * different addresses, the system's counts. */
struct owners {
	const struct sentry *sentry;
	uint32_t of[SENTRY_LATELY][65536]; /* the user's number and 1, or SERVED_SYSTEM; 0: nobody's */
};

static void note_owner(void *context, const struct listener *found)
{
	struct owners *owners = context;
	uint32_t uid = owner_of(owners->sentry, found), *of;

	if (found->loopback)
		return;
	of = &owners->of[found->protocol == PROTO_UDP][found->port];
	uid += uid != SERVED_SYSTEM;
	if (*of < uid)
		*of = uid;
}

static void tell_owners(struct sentry *sentry, const struct owners *owners)
{
	struct served_socket page[256];
	size_t count = 0;

	for (unsigned at = 0; at < SENTRY_LATELY * 65536; at++) {
		uint32_t of = owners->of[at >> 16][at & 0xffff];

		if (of == 0)
			continue;
		page[count++] = (struct served_socket){ .uid = of == SERVED_SYSTEM ? of : of - 1,
							.port = (uint16_t)at,
							.protocol = lately_protocols[at >> 16] };
		if (count == sizeof(page) / sizeof(page[0])) {
			engine_listening(sentry->engine, page, count, sentry->now_ms);
			count = 0;
		}
	}
	engine_listening(sentry->engine, page, count, sentry->now_ms);
}

/* Packets wait while the kernel tells: a list that takes long is read less often. */
void sentry_world_listeners(struct sentry *sentry)
{
	struct owners *owners = calloc(1, sizeof(*owners));
	int64_t began_ms = clock_ms(CLOCK_MONOTONIC), rest_ms;

	if (owners) {
		owners->sentry = sentry;
		if (listeners_each(sentry->listeners, note_owner, owners) == 0)
			tell_owners(sentry, owners);
		free(owners);
	}
	rest_ms = (clock_ms(CLOCK_MONOTONIC) - began_ms) * LISTENERS_REST;
	rest_ms = rest_ms < LISTENERS_MIN_MS   ? LISTENERS_MIN_MS
		  : rest_ms > LISTENERS_MAX_MS ? LISTENERS_MAX_MS
					       : rest_ms;
	sentry->next_listeners_ms = sentry->now_ms + rest_ms;
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

void sentry_world_published(struct sentry *sentry)
{
	struct nft_published *published = calloc(PUBLISHED_MAX, sizeof(*published));
	int count = published ? enforcer_read_published(sentry->enforcer, published, PUBLISHED_MAX) : 0;

	for (int i = 0; i < count; i++)
		engine_served(sentry->engine, published[i].protocol, published[i].port, sentry->now_ms);
	free(published);
}

void sentry_world_lately(struct sentry *sentry)
{
	struct port_range *ranges = calloc(65536 / 2, sizeof(*ranges));
	uint8_t bits[65536 / 8];

	if (!ranges)
		return;
	sentry_world_published(sentry);
	for (int i = 0; i < SENTRY_LATELY; i++) {
		engine_lately(sentry->engine, lately_protocols[i], sentry->now_ms, bits);
		if (sentry->lately_told && memcmp(bits, sentry->lately[i], sizeof(bits)) == 0)
			continue;
		if (enforcer_set_lately(sentry->enforcer, lately_protocols[i], ranges, ranges_of(bits, ranges)) < 0) {
			sentry->lately_told = false; /* at the next look */
			free(ranges);
			return;
		}
		memcpy(sentry->lately[i], bits, sizeof(bits));
	}
	sentry->lately_told = true;
	free(ranges);
}
