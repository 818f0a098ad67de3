/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of the hosts watched: who is there, who is not, and what is served where.  All of it is learned from
 * what these hosts send themselves; who asks can add nothing but addresses that are dark.  So a flood of questions
 * displaces no host and no service.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define HOST_MEMORY_MS    (30 * 86400000LL)
#define SERVICE_MEMORY_MS (30 * 86400000LL)
#define PASSING_MEMORY_MS 3600000LL /* of an ephemeral port: a transfer's, a question's of the host itself */
#define EPHEMERAL_PORT    32768
#define SERVICES_OF_ONE   1024 /* a host that opens thousands of ports does not displace the services of others */

#define SILENT_IS_DARK 3     /* contacts without an answer, of a host that never sent anything */
#define FAILED_MS      60000 /* so long the neighbour table is believed */

/* Questions to known services: of so many, fewer than one in five answered, or of as many as a wire has seen none. */
#define SIDES_LEAST 10
#define SIDES_SHARE 5
#define SIDES_MAX   1024 /* beyond, both counts are halved */

bool hosts_init(struct hosts *hosts, const struct contacts_config *config, const struct hash_key *key)
{
	*hosts = (struct hosts){ .hash = *key, .where = config->where };
	hosts->services = calloc(config->services, sizeof(*hosts->services));
	hosts->passing = calloc(config->services, sizeof(*hosts->passing));
	hosts->alive = calloc(config->hosts, sizeof(*hosts->alive));
	hosts->dark = calloc(config->hosts, sizeof(*hosts->dark));
	return pool_init(&hosts->service_pool, config->services) && pool_init(&hosts->passing_pool, config->services) &&
	       pool_init(&hosts->host_pool, config->hosts) && pool_init(&hosts->dark_pool, config->hosts) &&
	       hosts->services && hosts->passing && hosts->alive && hosts->dark;
}

void hosts_free(struct hosts *hosts)
{
	pool_free(&hosts->service_pool);
	pool_free(&hosts->passing_pool);
	pool_free(&hosts->host_pool);
	pool_free(&hosts->dark_pool);
	free(hosts->services);
	free(hosts->passing);
	free(hosts->alive);
	free(hosts->dark);
}

/* ---- hosts ---- */

static uint32_t hash_of_host(const struct hosts *hosts, const struct addr *host)
{
	return (uint32_t)hash_quick(&hosts->hash, host->b, sizeof(host->b));
}

static bool is_host(const void *table, uint32_t slot, const void *key)
{
	return addr_equal(&((const struct host *)table)[slot].addr, key);
}

static bool is_dark(const void *table, uint32_t slot, const void *key)
{
	return addr_equal(&((const struct dark *)table)[slot].addr, key);
}

/* Their slots, or POOL_NONE. */
static uint32_t find_host(const struct hosts *hosts, const struct addr *host)
{
	return hashindex_find(&hosts->host_pool.index, hash_of_host(hosts, host), is_host, hosts->alive, host);
}

static uint32_t find_dark(const struct hosts *hosts, const struct addr *host)
{
	return hashindex_find(&hosts->dark_pool.index, hash_of_host(hosts, host), is_dark, hosts->dark, host);
}

static struct host *note_host(struct hosts *hosts, const struct addr *addr, int64_t now_ms)
{
	uint32_t slot = find_host(hosts, addr), dark = find_dark(hosts, addr);

	if (dark != POOL_NONE)
		pool_remove(&hosts->dark_pool, dark);
	if (slot == POOL_NONE) {
		if (hosts->host_pool.count == hosts->host_pool.max) {
			pool_remove(&hosts->host_pool, hosts->host_pool.oldest);
			hosts->forgotten++;
		}
		slot = pool_add(&hosts->host_pool, hash_of_host(hosts, addr));
		hosts->alive[slot] = (struct host){ .addr = *addr, .since_ms = now_ms };
	}
	pool_touch(&hosts->host_pool, slot);
	hosts->alive[slot].last_ms = now_ms;
	return &hosts->alive[slot];
}

bool hosts_is_alive(const struct hosts *hosts, const struct addr *addr, int64_t now_ms)
{
	uint32_t slot = find_host(hosts, addr);

	return slot != POOL_NONE && now_ms - hosts->alive[slot].last_ms < HOST_MEMORY_MS;
}

static struct dark *note_dark(struct hosts *hosts, const struct addr *addr)
{
	uint32_t slot = find_dark(hosts, addr);

	if (slot == POOL_NONE) {
		if (hosts->dark_pool.count == hosts->dark_pool.max)
			pool_remove(&hosts->dark_pool, hosts->dark_pool.oldest);
		slot = pool_add(&hosts->dark_pool, hash_of_host(hosts, addr));
		hosts->dark[slot] = (struct dark){ .addr = *addr };
	}
	pool_touch(&hosts->dark_pool, slot);
	return &hosts->dark[slot];
}

void hosts_was_silent(struct hosts *hosts, const struct addr *host)
{
	struct dark *dark = note_dark(hosts, host);

	dark->silent += dark->silent < UINT8_MAX;
}

void hosts_failed(struct hosts *hosts, const struct addr *host, int64_t now_ms)
{
	note_dark(hosts, host)->failed_ms = now_ms;
}

bool hosts_is_dark(const struct hosts *hosts, const struct addr *host, int64_t now_ms)
{
	uint32_t slot = find_dark(hosts, host);
	const struct dark *dark;

	if (slot == POOL_NONE)
		return false;
	dark = &hosts->dark[slot];
	if (dark->failed_ms > 0 && now_ms - dark->failed_ms < FAILED_MS)
		return true;
	return dark->silent >= SILENT_IS_DARK && !hosts_is_alive(hosts, host, now_ms);
}

/* ---- services ---- */

struct shelf {
	struct pool *pool;
	struct service *items;
	int64_t memory_ms;
	bool lasting;
};

static struct shelf shelf_of(struct hosts *hosts, uint16_t port)
{
	if (port >= EPHEMERAL_PORT)
		return (struct shelf){ &hosts->passing_pool, hosts->passing, PASSING_MEMORY_MS, false };
	return (struct shelf){ &hosts->service_pool, hosts->services, SERVICE_MEMORY_MS, true };
}

static bool is_service(const void *table, uint32_t slot, const void *key)
{
	return memcmp(&((const struct service *)table)[slot].key, key, sizeof(struct service_key)) == 0;
}

static uint32_t hash_of_service(const struct hosts *hosts, const struct service_key *key)
{
	return (uint32_t)hash_quick(&hosts->hash, key, sizeof(*key));
}

static uint32_t find_service(const struct hosts *hosts, const struct shelf *shelf, const struct service_key *key)
{
	return hashindex_find(&shelf->pool->index, hash_of_service(hosts, key), is_service, shelf->items, key);
}

static void forget_service(struct hosts *hosts, const struct shelf *shelf, uint32_t slot)
{
	uint32_t host = find_host(hosts, &shelf->items[slot].key.host);

	if (host != POOL_NONE && shelf->lasting && hosts->alive[host].services > 0)
		hosts->alive[host].services--;
	pool_remove(shelf->pool, slot);
}

/* Its slot, or POOL_NONE: the host has too many. */
static uint32_t add_service(struct hosts *hosts, const struct shelf *shelf, struct host *host,
			    const struct service_key *key, int64_t now_ms)
{
	uint32_t slot;

	if (shelf->lasting && host->services >= SERVICES_OF_ONE) {
		hosts->forgotten++;
		return POOL_NONE;
	}
	if (shelf->pool->count == shelf->pool->max) {
		forget_service(hosts, shelf, shelf->pool->oldest);
		hosts->forgotten += shelf->lasting;
	}
	slot = pool_add(shelf->pool, hash_of_service(hosts, key));
	shelf->items[slot] = (struct service){ .key = *key, .since_ms = now_ms };
	host->services += shelf->lasting;
	return slot;
}

static void count_sides(struct hosts *hosts, bool answered)
{
	if (answered)
		hosts->answered++;
	else
		hosts->asked++;
	if (hosts->asked <= SIDES_MAX)
		return;
	hosts->asked /= 2;
	hosts->answered /= 2;
}

bool hosts_serves(struct hosts *hosts, const struct addr *host, uint8_t protocol, uint16_t port, int64_t now_ms)
{
	const struct service_key key = { .host = *host, .port = port, .protocol = protocol };
	struct shelf shelf = shelf_of(hosts, port);
	uint32_t slot = find_service(hosts, &shelf, &key);
	struct service *service;

	if (slot == POOL_NONE || now_ms - shelf.items[slot].last_ms >= shelf.memory_ms)
		return false;
	service = &shelf.items[slot];
	/* A flood of questions to one service is one question: it cannot make a feed look one-sided. */
	if (protocol == PROTO_TCP && (!service->asked_ms || now_ms - service->asked_ms > FAILED_MS)) {
		service->asked_ms = now_ms;
		count_sides(hosts, false);
	}
	return true;
}

void hosts_note(struct hosts *hosts, const struct addr *addr, uint8_t protocol, uint16_t port, bool served,
		int64_t now_ms)
{
	const struct service_key key = { .host = *addr, .port = port, .protocol = protocol };
	struct host *host = note_host(hosts, addr, now_ms);
	struct shelf shelf = shelf_of(hosts, port);
	uint32_t slot;

	if (!served)
		return;
	slot = find_service(hosts, &shelf, &key);
	if (slot == POOL_NONE)
		slot = add_service(hosts, &shelf, host, &key, now_ms);
	if (slot == POOL_NONE)
		return;
	pool_touch(shelf.pool, slot);
	if (shelf.items[slot].asked_ms)
		count_sides(hosts, true);
	shelf.items[slot].asked_ms = 0;
	shelf.items[slot].last_ms = now_ms;
}

bool hosts_one_sided(const struct hosts *hosts)
{
	if (hosts->asked >= SIDES_LEAST && hosts->answered * SIDES_SHARE < hosts->asked)
		return true;
	return hosts->where == PROBE_WIRE && !hosts->heard;
}
