/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of prefixes: blocks, the allow list, the protected set.  Owns slots and an index of them, nothing of what the
 * members mean.  The hash is keyed and the capacity fixed, so that whoever chooses addresses can neither aim at one
 * place nor make the table grow.
 */
#include "prefixset.h"

#include <stdlib.h>
#include <string.h>

#define LOOKUP_BITS 8   /* an IPv4 /24 is looked up address by address */
#define FILTER_BITS 512 /* one cache line tells that an address is in none of the small sets */

struct member {
	struct prefix prefix;
	bool used;
	uint32_t hash; /* of the prefix; of a freed slot: the next one in their list */
};

struct prefixset {
	struct hash_key key;
	uint32_t capacity, count;
	uint32_t high;  /* slots from here on were never used */
	uint32_t freed; /* head of the list of freed slots */
	struct hashindex index;
	uint64_t perhaps[FILTER_BITS / 64]; /* a bit for the hashes of each member, and of some that have left */
	struct member *members;
	uint32_t of_len[129]; /* members of each length */
	uint8_t lens[129];    /* lengths in use, longest first */
	unsigned lens_count;
};

struct prefixset *prefixset_new(uint32_t capacity, const struct hash_key *key)
{
	struct prefixset *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->key = *key;
	set->capacity = capacity;
	set->freed = PREFIXSET_NONE;
	set->members = calloc(capacity, sizeof(*set->members));
	if (!hashindex_init(&set->index, capacity) || !set->members) {
		prefixset_free(set);
		return NULL;
	}
	return set;
}

void prefixset_free(struct prefixset *set)
{
	if (!set)
		return;
	hashindex_free(&set->index);
	free(set->members);
	free(set);
}

static bool is_member(const void *members, uint32_t slot, const void *prefix)
{
	return prefix_equal(&((const struct member *)members)[slot].prefix, prefix);
}

/* By bits of the hash that neither choose the line of an index as large as these are nor are the mark in it. */
static unsigned filter_bit(uint32_t hash)
{
	return (hash >> 14) % FILTER_BITS;
}

static bool may_hold(const struct prefixset *set, uint32_t hash)
{
	unsigned bit = filter_bit(hash);

	return set->perhaps[bit / 64] >> bit % 64 & 1;
}

uint32_t prefixset_find_hashed(const struct prefixset *set, const struct prefix *prefix, uint32_t hash)
{
	return may_hold(set, hash) ? hashindex_find(&set->index, hash, is_member, set->members, prefix)
				   : PREFIXSET_NONE;
}

uint32_t prefixset_find(const struct prefixset *set, const struct prefix *prefix)
{
	if (set->of_len[prefix->len] == 0)
		return PREFIXSET_NONE;
	return prefixset_find_hashed(set, prefix, prefix_hash(&set->key, prefix));
}

static void list_lens(struct prefixset *set)
{
	set->lens_count = 0;
	for (int len = 128; len >= 0; len--) {
		if (set->of_len[len] > 0)
			set->lens[set->lens_count++] = (uint8_t)len;
	}
}

uint32_t prefixset_add(struct prefixset *set, const struct prefix *prefix)
{
	uint32_t hash = prefix_hash(&set->key, prefix), slot = prefixset_find_hashed(set, prefix, hash);
	unsigned bit = filter_bit(hash);

	if (slot != PREFIXSET_NONE)
		return slot;
	if (set->freed != PREFIXSET_NONE) {
		slot = set->freed;
		set->freed = set->members[slot].hash;
	} else if (set->high < set->capacity) {
		slot = set->high++;
	} else {
		return PREFIXSET_NONE;
	}
	set->members[slot] = (struct member){ .prefix = *prefix, .used = true, .hash = hash };
	hashindex_add(&set->index, hash, slot);
	set->perhaps[bit / 64] |= 1ULL << bit % 64;
	set->count++;
	if (set->of_len[prefix->len]++ == 0)
		list_lens(set);
	return slot;
}

void prefixset_remove(struct prefixset *set, uint32_t slot)
{
	struct member *member = &set->members[slot];

	hashindex_remove(&set->index, member->hash, slot);
	member->used = false;
	member->hash = set->freed;
	set->freed = slot;
	if (--set->count == 0)
		memset(set->perhaps, 0, sizeof(set->perhaps));
	if (--set->of_len[member->prefix.len] == 0)
		list_lens(set);
}

uint32_t prefixset_cover(const struct prefixset *set, const struct prefix *prefix, int max_len)
{
	/* An IPv6 prefix shorter than the mapped space never means IPv4 (addr.h): "::/0" is every IPv6 address. */
	unsigned shortest = prefix_is_v4(prefix) ? 96 : 0;

	for (unsigned i = 0; i < set->lens_count; i++) {
		unsigned len = set->lens[i];

		if ((int)len > max_len || len > prefix->len || len < shortest)
			continue;
		struct prefix outer = prefix_of(&prefix->addr, len);
		uint32_t slot = prefixset_find(set, &outer);

		if (slot != PREFIXSET_NONE)
			return slot;
	}
	return PREFIXSET_NONE;
}

unsigned prefixset_holders(const struct prefixset *set, struct prefix_hashes *hashes, uint32_t slots[129])
{
	unsigned shortest = set->lens_count && addr_is_v4(&hashes->addr) ? ADDR_MAPPED_LEN : 0, count = 0;

	for (unsigned i = 0; i < set->lens_count && set->lens[i] >= shortest; i++) {
		uint32_t hash = prefix_hashes_of(hashes, set->lens[i]), slot;
		struct prefix outer;

		if (!may_hold(set, hash))
			continue;
		outer = prefix_of(&hashes->addr, set->lens[i]);
		slot = hashindex_find(&set->index, hash, is_member, set->members, &outer);
		if (slot != PREFIXSET_NONE)
			slots[count++] = slot;
	}
	return count;
}

uint32_t prefixset_next(const struct prefixset *set, uint32_t slot, const struct prefix *within)
{
	unsigned last = within && within->len >= 8 ? within->len / 8u - 1 : 0;

	for (; slot < set->high; slot++) {
		const struct member *member = &set->members[slot];

		/* The last whole byte tells most of them apart, at a tenth of the price. */
		if (within && within->len >= 8 && member->prefix.addr.b[last] != within->addr.b[last])
			continue;
		if (member->used && (!within || prefix_covers(within, &member->prefix)))
			return slot;
	}
	return PREFIXSET_NONE;
}

/* All prefixes of one length inside `within`, one by one: at most 2^LOOKUP_BITS. */
static bool none_of_len(const struct prefixset *set, const struct prefix *within, unsigned len)
{
	struct prefix inner = { .addr = within->addr, .len = (uint8_t)len };

	for (unsigned i = 0; i < 1u << (len - within->len); i++) {
		for (unsigned bit = 0; bit < len - within->len; bit++) {
			unsigned at = len - 1 - bit;
			uint8_t mask = (uint8_t)(0x80u >> at % 8);

			inner.addr.b[at / 8] &= (uint8_t)~mask;
			if (i >> bit & 1)
				inner.addr.b[at / 8] |= mask;
		}
		if (prefixset_find(set, &inner) != PREFIXSET_NONE)
			return false;
	}
	return true;
}

bool prefixset_none_inside(const struct prefixset *set, const struct prefix *within)
{
	for (unsigned i = 0; i < set->lens_count && set->lens[i] >= within->len; i++) {
		if (set->lens[i] - within->len > LOOKUP_BITS || !none_of_len(set, within, set->lens[i]))
			return false;
	}
	return true;
}

const struct prefix *prefixset_at(const struct prefixset *set, uint32_t slot)
{
	return &set->members[slot].prefix;
}

uint32_t prefixset_count(const struct prefixset *set)
{
	return set->count;
}
