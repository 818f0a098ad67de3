/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The changes of a hash index.  It is never fuller than two thirds, so there is always an empty entry ahead and few
 * keys lie beyond their own line; how many, no sender can influence, who does not know the hash's key.
 */
#include "hashindex.h"

#include <stdlib.h>

#define CACHE_LINE 64
#define KEYS       10 /* for which a line is meant, at most */

_Static_assert(sizeof(union hashindex_line) == CACHE_LINE, "a line of the index is a cache line");

bool hashindex_init(struct hashindex *index, uint32_t capacity)
{
	uint32_t lines = 1;

	while ((uint64_t)lines * KEYS < capacity)
		lines *= 2;
	index->mask = lines - 1;
	index->memory = calloc(lines + 1u, CACHE_LINE);
	index->lines = (void *)(((uintptr_t)index->memory + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1));
	return index->memory != NULL;
}

void hashindex_free(struct hashindex *index)
{
	free(index->memory);
}

static uint32_t entry_of(uint32_t hash, uint32_t slot)
{
	return hashindex_mark(hash) | (slot + 1);
}

/* Where in the line this entry is; 0: nowhere. */
static unsigned place_of(const union hashindex_line *line, uint32_t entry)
{
	for (unsigned i = 1; i < HASHINDEX_ENTRIES; i++)
		if (line->entries[i] == entry)
			return i;
	return 0;
}

void hashindex_add(struct hashindex *index, uint32_t hash, uint32_t slot)
{
	union hashindex_line *line = &index->lines[hash & index->mask];
	unsigned place = place_of(line, 0);

	for (uint32_t next = hash + 1; place == 0; next++) {
		line->entries[0]++;
		line = &index->lines[next & index->mask];
		place = place_of(line, 0);
	}
	line->entries[place] = entry_of(hash, slot);
}

void hashindex_remove(struct hashindex *index, uint32_t hash, uint32_t slot)
{
	union hashindex_line *line = &index->lines[hash & index->mask];
	unsigned place = place_of(line, entry_of(hash, slot));

	for (uint32_t next = hash + 1; place == 0; next++) {
		line->entries[0]--;
		line = &index->lines[next & index->mask];
		place = place_of(line, entry_of(hash, slot));
	}
	line->entries[place] = 0;
}
