/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded set of prefixes of any length.  Each member has a slot that stays its own while it is in the set, so that
 * callers keep what belongs to it in an array beside.  Lookup takes one keyed hash for each length in use; whoever
 * looks an address up in several sets makes each of these once (struct prefix_hashes).
 */
#ifndef PICKET_PREFIXSET_H
#define PICKET_PREFIXSET_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "hash.h"
#include "hashindex.h"

#define PREFIXSET_NONE HASHINDEX_NONE

/* The hash of the prefix of this length that holds the address: the same in all tables that have the same key.  As
 * SipHash has it, the top byte of the last word is the length in bytes of what is hashed: 5 for IPv4, 9 for an IPv6 net
 * up to /64, 17 for any other. */
static inline uint32_t prefix_hash_of(const struct hash_key *key, const struct addr *addr, unsigned len)
{
	struct hash_state state = hash_begin(key);
	uint64_t high = hash_word(addr->b), low = hash_word(addr->b + 8);

	if (len >= ADDR_MAPPED_LEN && addr_is_v4(addr)) {
		low &= le64toh(addr_mask(len - 64));
		hash_add(&state, low >> 32 | (uint64_t)len << 32 | 5ULL << 56);
		return (uint32_t)hash_end(&state);
	}
	hash_add(&state, high & le64toh(addr_mask(len)));
	if (len > 64)
		hash_add(&state, low & le64toh(addr_mask(len - 64)));
	hash_add(&state, len | (len > 64 ? 17ULL : 9ULL) << 56);
	return (uint32_t)hash_end(&state);
}

static inline uint32_t prefix_hash(const struct hash_key *key, const struct prefix *prefix)
{
	return prefix_hash_of(key, &prefix->addr, prefix->len);
}

/* An address and the hashes of the prefixes that hold it, each of which is made when it is asked for first. */
struct prefix_hashes {
	const struct hash_key *key;
	struct addr addr;
	uint64_t known[3]; /* a bit for each length */
	uint32_t of[129];
};

static inline void prefix_hashes_begin(struct prefix_hashes *hashes, const struct hash_key *key,
				       const struct addr *addr)
{
	hashes->key = key;
	hashes->addr = *addr;
	hashes->known[0] = hashes->known[1] = hashes->known[2] = 0;
}

static inline uint32_t prefix_hashes_of(struct prefix_hashes *hashes, unsigned len)
{
	uint64_t *known = &hashes->known[len / 64], bit = 1ULL << len % 64;

	if (!(*known & bit)) {
		*known |= bit;
		hashes->of[len] = prefix_hash_of(hashes->key, &hashes->addr, len);
	}
	return hashes->of[len];
}

struct prefixset;

/* key: that of prefix_hash(). */
struct prefixset *prefixset_new(uint32_t capacity, const struct hash_key *key);
void prefixset_free(struct prefixset *set);

/* The slot of exactly this prefix, or PREFIXSET_NONE. */
uint32_t prefixset_find(const struct prefixset *set, const struct prefix *prefix);
uint32_t prefixset_find_hashed(const struct prefixset *set, const struct prefix *prefix, uint32_t hash);
/* All members that hold the address, the longest first.  Returns how many. */
unsigned prefixset_holders(const struct prefixset *set, struct prefix_hashes *hashes, uint32_t slots[129]);
/* Its slot, also when it was there before; PREFIXSET_NONE when the set is full.  Freed slots are used again first. */
uint32_t prefixset_add(struct prefixset *set, const struct prefix *prefix);
void prefixset_remove(struct prefixset *set, uint32_t slot);

/* The longest member of at most max_len that holds the whole of `prefix`; for the next shorter one ask again with its
 * len - 1. max_len below 0: none. */
uint32_t prefixset_cover(const struct prefixset *set, const struct prefix *prefix, int max_len);
/* The first used slot from `slot` on that lies inside `within` (NULL: any), or PREFIXSET_NONE.  Walks the whole table:
 * for orders, not for packets. */
uint32_t prefixset_next(const struct prefixset *set, uint32_t slot, const struct prefix *within);

/* Is surely none inside `within`?  Looks no further than a few hundred lookups go: false where it would take a walk. */
bool prefixset_none_inside(const struct prefixset *set, const struct prefix *within);

const struct prefix *prefixset_at(const struct prefixset *set, uint32_t slot);
uint32_t prefixset_count(const struct prefixset *set);

#endif
