/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Learns popular dead ports.  Only sources count that try this one port and nothing else, and that come back for it: an
 * honest program tries again, a sweep of the internet passes on to the next address.  A port becomes popular after an
 * hour of this, no sooner, so that a flood of forged sources cannot clear a port just before it is scanned.
 *
 * Known limit: an attacker that keeps twenty forged sources asking for a port over an hour makes a SYN to it weigh
 * nothing until a day after they stop, and can do so for sixteen ports at most.  Only unmarked probes of closed ports
 * are concerned: traps weigh what they did, and a scan of other ports is seen as before.
 *
 * Bounded: 256 candidates (the stalest gives way), 16 popular ports, distinct sources counted in 64 bits (linear
 * counting, Whang, Vander-Zanden and Taylor 1990: 17 bits set are about 20 sources).
 */
#include "evidence.h"

#include <stdlib.h>
#include <string.h>

#define CANDIDATES  256
#define MEMORY_MS   86400000LL
#define RIPENING_MS 3600000LL
#define BITS_NEEDED 17 /* of 64, for POPULARITY_SOURCES */

struct candidate {
	int64_t first_ms, last_ms; /* last 0: unused */
	uint64_t sources;
	uint16_t port;
	uint8_t protocol;
	bool popular;
};

struct popularity {
	struct hash_key key;
	unsigned popular;
	struct candidate candidates[CANDIDATES];
};

struct popularity *popularity_new(const struct hash_key *key)
{
	struct popularity *popularity = calloc(1, sizeof(*popularity));

	if (popularity)
		popularity->key = *key;
	return popularity;
}

void popularity_free(struct popularity *popularity)
{
	free(popularity);
}

static void forget(struct popularity *popularity, struct candidate *candidate)
{
	popularity->popular -= candidate->popular;
	memset(candidate, 0, sizeof(*candidate));
}

static const struct candidate *find(const struct popularity *popularity, uint8_t protocol, uint16_t port)
{
	for (unsigned i = 0; i < CANDIDATES; i++) {
		const struct candidate *c = &popularity->candidates[i];

		if (c->last_ms && c->port == port && c->protocol == protocol)
			return c;
	}
	return NULL;
}

/* The port's own place, else a free one, else the stalest. */
static struct candidate *place_for(struct popularity *popularity, uint8_t protocol, uint16_t port, int64_t now_ms)
{
	struct candidate *stalest = &popularity->candidates[0];

	for (unsigned i = 0; i < CANDIDATES; i++) {
		struct candidate *c = &popularity->candidates[i];

		if (c->last_ms && now_ms - c->last_ms > MEMORY_MS)
			forget(popularity, c);
		if (c->last_ms && c->port == port && c->protocol == protocol)
			return c;
		if (c->last_ms < stalest->last_ms)
			stalest = c;
	}
	forget(popularity, stalest);
	stalest->first_ms = now_ms;
	stalest->port = port;
	stalest->protocol = protocol;
	return stalest;
}

void popularity_note(struct popularity *popularity, uint8_t protocol, uint16_t port, const struct prefix *source,
		     int64_t now_ms)
{
	struct candidate *c = place_for(popularity, protocol, port, now_ms);

	c->last_ms = now_ms;
	c->sources |= UINT64_C(1) << (hash_bytes(&popularity->key, source->addr.b, sizeof(source->addr.b)) % 64);
	if (!c->popular && popularity->popular < POPULARITY_PORTS && now_ms - c->first_ms >= RIPENING_MS &&
	    __builtin_popcountll(c->sources) >= BITS_NEEDED) {
		c->popular = true;
		popularity->popular++;
	}
}

bool popularity_is(const struct popularity *popularity, uint8_t protocol, uint16_t port, int64_t now_ms)
{
	const struct candidate *c = popularity->popular ? find(popularity, protocol, port) : NULL;

	return c && c->popular && now_ms - c->last_ms <= MEMORY_MS;
}
