/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of prefixes: blocks, the allow list, the protected set.  Owns slots and hash chains, nothing of what the
 * members mean.  The hash is keyed and the capacity fixed, so that whoever chooses addresses can neither aim at one
 * chain nor make the table grow.
 */
#include "prefixset.h"

#include <stdlib.h>
#include <string.h>

#define LOOKUP_BITS 8 /* an IPv4 /24 is looked up address by address */

struct member {
	struct prefix prefix;
	bool used;
	uint32_t next; /* in its chain, or in the list of freed slots */
};

struct prefixset {
	struct hash_key key;
	uint32_t capacity, count;
	uint32_t high;  /* slots from here on were never used */
	uint32_t freed; /* head of the list of freed slots */
	uint32_t mask;
	uint32_t *heads;
	struct member *members;
	uint32_t of_len[129]; /* members of each length */
	uint8_t lens[129];    /* lengths in use, longest first */
	unsigned lens_count;
};

struct prefixset *prefixset_new(uint32_t capacity, const struct hash_key *key)
{
	struct prefixset *set = calloc(1, sizeof(*set));
	uint32_t buckets = 16;

	if (!set)
		return NULL;
	while (buckets < capacity)
		buckets *= 2;
	set->key = *key;
	set->capacity = capacity;
	set->freed = PREFIXSET_NONE;
	set->mask = buckets - 1;
	set->heads = malloc(buckets * sizeof(*set->heads));
	set->members = calloc(capacity, sizeof(*set->members));
	if (!set->heads || !set->members) {
		prefixset_free(set);
		return NULL;
	}
	memset(set->heads, 0xff, buckets * sizeof(*set->heads));
	return set;
}

void prefixset_free(struct prefixset *set)
{
	if (!set)
		return;
	free(set->heads);
	free(set->members);
	free(set);
}

static uint32_t *chain_of(const struct prefixset *set, const struct prefix *prefix)
{
	uint8_t bytes[17];

	memcpy(bytes, prefix->addr.b, 16);
	bytes[16] = prefix->len;
	return &set->heads[hash_bytes(&set->key, bytes, sizeof(bytes)) & set->mask];
}

uint32_t prefixset_find(const struct prefixset *set, const struct prefix *prefix)
{
	uint32_t slot;

	if (set->of_len[prefix->len] == 0)
		return PREFIXSET_NONE;
	for (slot = *chain_of(set, prefix); slot != PREFIXSET_NONE; slot = set->members[slot].next) {
		if (prefix_equal(&set->members[slot].prefix, prefix))
			return slot;
	}
	return PREFIXSET_NONE;
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
	uint32_t slot = prefixset_find(set, prefix), *chain;

	if (slot != PREFIXSET_NONE)
		return slot;
	if (set->freed != PREFIXSET_NONE) {
		slot = set->freed;
		set->freed = set->members[slot].next;
	} else if (set->high < set->capacity) {
		slot = set->high++;
	} else {
		return PREFIXSET_NONE;
	}
	chain = chain_of(set, prefix);
	set->members[slot] = (struct member){ .prefix = *prefix, .used = true, .next = *chain };
	*chain = slot;
	set->count++;
	if (set->of_len[prefix->len]++ == 0)
		list_lens(set);
	return slot;
}

void prefixset_remove(struct prefixset *set, uint32_t slot)
{
	struct member *member = &set->members[slot];
	uint32_t *link = chain_of(set, &member->prefix);

	while (*link != slot)
		link = &set->members[*link].next;
	*link = member->next;
	member->used = false;
	member->next = set->freed;
	set->freed = slot;
	set->count--;
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
