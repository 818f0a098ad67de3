/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts guilty neighbours.  A provider hands out a /56 or a /48, and a scanner that rotates through it would be a new
 * source each time.  Bounded: 256 nets are watched (the stalest gives way), 1,024 are merged; a merged net that has
 * been quiet for a week falls apart again.
 */
#include "source.h"

#include <stdlib.h>
#include <string.h>

#define WATCHED   256
#define MERGED    1024
#define MEMORY_MS 86400000LL
#define QUIET_MS  (7 * 86400000LL)

struct watched {
	struct prefix wide;
	int64_t last_ms;         /* 0: unused */
	uint8_t guilty[256 / 8]; /* bit per part: both steps are of 8 bits */
	unsigned count;
};

struct merge {
	struct watched watched[WATCHED];
	struct prefixset *merged;
	int64_t last_ms[MERGED];
};

struct merge *merge_new(const struct hash_key *key)
{
	struct merge *merge = calloc(1, sizeof(*merge));

	if (!merge)
		return NULL;
	merge->merged = prefixset_new(MERGED, key);
	if (merge->merged)
		return merge;
	free(merge);
	return NULL;
}

void merge_free(struct merge *merge)
{
	if (!merge)
		return;
	prefixset_free(merge->merged);
	free(merge);
}

static struct watched *watch(struct merge *merge, const struct prefix *wide, int64_t now_ms)
{
	struct watched *stalest = &merge->watched[0];

	for (unsigned i = 0; i < WATCHED; i++) {
		struct watched *w = &merge->watched[i];

		if (w->last_ms && prefix_equal(&w->wide, wide)) {
			if (now_ms - w->last_ms <= MEMORY_MS)
				return w;
			stalest = w;
			break;
		}
		if (w->last_ms < stalest->last_ms)
			stalest = w;
	}
	*stalest = (struct watched){ .wide = *wide };
	return stalest;
}

bool merge_note(struct merge *merge, const struct prefix *source, int64_t now_ms, struct prefix *wide)
{
	struct watched *watched;
	uint8_t part;

	if (prefix_is_v4(source) || (source->len != 64 && source->len != 56))
		return false;
	*wide = prefix_of(&source->addr, source->len - 8u);
	watched = watch(merge, wide, now_ms);
	watched->last_ms = now_ms;
	part = source->addr.b[source->len / 8 - 1];
	if (!(watched->guilty[part / 8] & (1u << part % 8))) {
		watched->guilty[part / 8] |= (uint8_t)(1u << part % 8);
		watched->count++;
	}
	return watched->count >= MERGE_GUILTY;
}

bool merge_add(struct merge *merge, const struct prefix *wide, int64_t now_ms)
{
	uint32_t slot = prefixset_add(merge->merged, wide);

	if (slot == PREFIXSET_NONE)
		return false;
	merge->last_ms[slot] = now_ms;
	return true;
}

void merge_forget(struct merge *merge, const struct prefix *wide)
{
	uint32_t slot = prefixset_find(merge->merged, wide);

	if (slot != PREFIXSET_NONE)
		prefixset_remove(merge->merged, slot);
	for (unsigned i = 0; i < WATCHED; i++) {
		if (merge->watched[i].last_ms && prefix_equal(&merge->watched[i].wide, wide))
			memset(&merge->watched[i], 0, sizeof(merge->watched[i]));
	}
}

/* The widest one: a /48 that was merged after one of its /56s stands for both. */
static uint32_t widest(const struct merge *merge, const struct prefix *key)
{
	uint32_t slot = prefixset_cover(merge->merged, key, 128), found = PREFIXSET_NONE;

	while (slot != PREFIXSET_NONE) {
		found = slot;
		slot = prefixset_cover(merge->merged, key, (int)prefixset_at(merge->merged, slot)->len - 1);
	}
	return found;
}

bool merge_key(struct merge *merge, const struct prefix *key, int64_t now_ms, struct prefix *wide)
{
	uint32_t slot = widest(merge, key);

	if (slot == PREFIXSET_NONE)
		return false;
	if (now_ms - merge->last_ms[slot] > QUIET_MS) {
		prefixset_remove(merge->merged, slot);
		return false;
	}
	merge->last_ms[slot] = now_ms;
	*wide = *prefixset_at(merge->merged, slot);
	return true;
}

bool merge_peek(const struct merge *merge, const struct prefix *key, struct prefix *wide)
{
	uint32_t slot = widest(merge, key);

	if (slot != PREFIXSET_NONE)
		*wide = *prefixset_at(merge->merged, slot);
	return slot != PREFIXSET_NONE;
}

void merge_part(struct merge *merge, const struct prefix *what)
{
	uint32_t slot;

	while ((slot = widest(merge, what)) != PREFIXSET_NONE) {
		struct prefix wide = *prefixset_at(merge->merged, slot);

		merge_forget(merge, &wide);
	}
}
