/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoy sets (nmap -D): who sent the same probe within a second.  Nothing is forgiven for it: a scanner must not gain
 * by lending others' addresses, and what those suffer is no more than a veil.
 *
 * A table of fixed size, one place a hash: under a flood newer probes displace older ones, which costs nothing but the
 * common number of the incident.
 */
#include "evidence.h"

#include <stdlib.h>
#include <string.h>

#define PLACES    1024
#define WINDOW_MS 1000

struct place {
	uint64_t hash;
	int64_t at_ms;
	struct decoy_sharers sharers;
};

struct decoys {
	struct hash_key key;
	struct place places[PLACES];
};

struct decoys *decoys_new(const struct hash_key *key)
{
	struct decoys *decoys = calloc(1, sizeof(*decoys));

	if (decoys)
		decoys->key = *key;
	return decoys;
}

void decoys_free(struct decoys *decoys)
{
	free(decoys);
}

/* What two senders share by chance tells nothing: it takes a sequence number, or a sender's own port. */
static bool is_telling(const struct packet *p)
{
	return p->protocol == PROTO_TCP || (p->protocol == PROTO_UDP && p->sport >= 1024);
}

static uint64_t hash_of(const struct decoys *decoys, const struct packet *p)
{
	struct hash_state state = hash_begin(&decoys->key);
	uint64_t kind = (unsigned)p->protocol << 8 | p->tcp_flags;

	/* The last word tells IPv4, which needs two words, from IPv6. */
	hash_add(&state, (uint64_t)p->seq << 32 | (uint32_t)p->sport << 16 | p->dport);
	if (addr_is_v4(&p->dst)) {
		hash_add(&state, hash_word(p->dst.b + 8) >> 32 | kind << 32 | 4ULL << 56);
		return hash_end(&state);
	}
	hash_add(&state, hash_word(p->dst.b));
	hash_add(&state, hash_word(p->dst.b + 8));
	hash_add(&state, kind << 32 | 6ULL << 56);
	return hash_end(&state);
}

/* Puts the sender last, once. */
static void join(struct decoy_sharers *sharers, const struct prefix *sender)
{
	unsigned at = 0;

	while (at < sharers->count && !prefix_equal(&sharers->keys[at], sender))
		at++;
	if (at == DECOYS_SHARERS)
		at = 0; /* a crowd: the first leaves, the count stays */
	else if (at == sharers->count)
		sharers->count++;
	for (; at + 1 < sharers->count; at++)
		sharers->keys[at] = sharers->keys[at + 1];
	sharers->keys[sharers->count - 1] = *sender;
}

const struct decoy_sharers *decoys_see(struct decoys *decoys, const struct packet *packet, const struct prefix *sender,
				       int64_t now_ms)
{
	struct place *place;
	uint64_t hash;

	if (!is_telling(packet))
		return NULL;
	hash = hash_of(decoys, packet);
	place = &decoys->places[hash % PLACES];
	if (place->hash != hash || now_ms - place->at_ms > WINDOW_MS) {
		place->hash = hash;
		place->sharers.count = 0;
	}
	place->at_ms = now_ms;
	join(&place->sharers, sender);
	return place->sharers.count > 1 ? &place->sharers : NULL;
}
