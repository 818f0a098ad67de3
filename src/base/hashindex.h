/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the hash of a key to the slot of a table: the table keeps its keys and entries, the index finds them.
 *
 * One cache line holds the slots of some ten keys, each with nine bits of its key's hash beside it.  So a look-up reads
 * one line of the index, and of the table hardly anything but what it was looking for: for a key that is not there,
 * mostly nothing.  A key whose line is full lies in one of the next lines; each line counts those that passed it, so
 * that looking ends where nobody did.  Nothing is moved when a key comes or goes.
 *
 * The hash must be keyed (hash.h): whoever could choose hashes could fill lines.
 */
#ifndef PICKET_HASHINDEX_H
#define PICKET_HASHINDEX_H

#include <stdbool.h>
#include <stdint.h>

#define HASHINDEX_NONE UINT32_MAX

#define HASHINDEX_SLOT_BITS 23
#define HASHINDEX_SLOTS_MAX ((1u << HASHINDEX_SLOT_BITS) - 1)
#define HASHINDEX_ENTRIES   16

/* Four entries are compared at once; the compiler makes of it what the processor has. */
typedef uint32_t hashindex_lanes __attribute__((vector_size(16)));

union hashindex_line {
	/* The first: keys of this line or one before it that lie beyond it.  The others: slot + 1 in the lowest bits,
	 * above them a mark from the bits of the hash that did not choose the line; 0: empty. */
	uint32_t entries[HASHINDEX_ENTRIES];
	hashindex_lanes lanes[HASHINDEX_ENTRIES / 4];
};

struct hashindex {
	union hashindex_line *lines; /* each in one cache line */
	uint32_t mask;
	void *memory;
};

/* For so many keys, whose slots are below HASHINDEX_SLOTS_MAX.  Its pages are touched as they are used.  False when out
 * of memory. */
bool hashindex_init(struct hashindex *index, uint32_t capacity);
void hashindex_free(struct hashindex *index);

/* The key must not be there, nor more than capacity keys. */
void hashindex_add(struct hashindex *index, uint32_t hash, uint32_t slot);
/* The same hash and slot as were added. */
void hashindex_remove(struct hashindex *index, uint32_t hash, uint32_t slot);

/* Has the line that a look-up begins with brought into the cache. */
static inline void hashindex_prefetch(const struct hashindex *index, uint32_t hash)
{
	__builtin_prefetch(&index->lines[hash & index->mask]);
}

/* Never 0, so that neither an empty entry nor the count has it. */
static inline uint32_t hashindex_mark(uint32_t hash)
{
	uint32_t mark = hash >> HASHINDEX_SLOT_BITS;

	return (mark ? mark : 1) << HASHINDEX_SLOT_BITS;
}

/* The bits in the lanes of those that have this mark.  No function: where the processor has no registers for lanes, one
 * that returns them has no settled way to do it. */
#define HASHINDEX_HAS(lanes, mark, ...)                                                                                \
	((hashindex_lanes)(((lanes) & ~HASHINDEX_SLOTS_MAX) == (mark)) & (hashindex_lanes){ __VA_ARGS__ })

/* A bit for each entry of the line that has this mark. */
static inline uint32_t hashindex_marked(const union hashindex_line *line, uint32_t mark)
{
	hashindex_lanes found = HASHINDEX_HAS(line->lanes[0], mark, 1, 2, 4, 8) |
				HASHINDEX_HAS(line->lanes[1], mark, 16, 32, 64, 128) |
				HASHINDEX_HAS(line->lanes[2], mark, 256, 512, 1024, 2048) |
				HASHINDEX_HAS(line->lanes[3], mark, 4096, 8192, 16384, 32768);

	return found[0] | found[1] | found[2] | found[3];
}

/* The slot that a key with this hash may have, or HASHINDEX_NONE: for whoever wants its entry in the cache in time. */
static inline uint32_t hashindex_guess(const struct hashindex *index, uint32_t hash)
{
	const union hashindex_line *line = &index->lines[hash & index->mask];
	uint32_t marked = hashindex_marked(line, hashindex_mark(hash));

	return marked ? (line->entries[__builtin_ctz(marked)] & HASHINDEX_SLOTS_MAX) - 1 : HASHINDEX_NONE;
}

/* The slot of the key with this hash for which is(table, slot, key) holds, or HASHINDEX_NONE.  Inline, so that `is`
 * is, too. */
static inline uint32_t hashindex_find(const struct hashindex *index, uint32_t hash,
				      bool (*is)(const void *table, uint32_t slot, const void *key), const void *table,
				      const void *key)
{
	const uint32_t mark = hashindex_mark(hash);

	for (uint32_t walked = 0; walked <= index->mask; walked++) {
		const union hashindex_line *line = &index->lines[(hash + walked) & index->mask];

		for (uint32_t marked = hashindex_marked(line, mark); marked; marked &= marked - 1) {
			uint32_t entry = line->entries[__builtin_ctz(marked)], slot = (entry & HASHINDEX_SLOTS_MAX) - 1;

			if (is(table, slot, key))
				return slot;
		}
		if (line->entries[0] == 0)
			break;
	}
	return HASHINDEX_NONE;
}

#endif
