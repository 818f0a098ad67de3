/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded set of prefixes of any length.  Each member has a slot that stays its own while it is in the set, so that
 * callers keep what belongs to it in an array beside.  Lookup costs one keyed hash for each length in use.
 */
#ifndef PICKET_PREFIXSET_H
#define PICKET_PREFIXSET_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "hash.h"

#define PREFIXSET_NONE UINT32_MAX

struct prefixset;

struct prefixset *prefixset_new(uint32_t capacity, const struct hash_key *key);
void prefixset_free(struct prefixset *set);

/* The slot of exactly this prefix, or PREFIXSET_NONE. */
uint32_t prefixset_find(const struct prefixset *set, const struct prefix *prefix);
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
