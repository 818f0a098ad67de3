/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands: whom the kernel holds at which grade, until when, why.  Mirrors the kernel's maps, so that those need
 * never be dumped.  A block here is any grade from ALERT on: an alert changes nothing for its source but what it may
 * become a customer of.
 */
#ifndef PICKET_BLOCKS_H
#define PICKET_BLOCKS_H

#include <picket/engine.h>
#include "prefixset.h"

#define BLOCKS_NONE PREFIXSET_NONE

/* A hundred thousand of them are held: each byte here is a tenth of a megabyte. */
struct block {
	uint8_t grade; /* enum grade */
	uint8_t times, tool;
	uint32_t incident, kinds;
	float score;             /* when it began or was last renewed: which alert or veil gives way in a full table */
	uint32_t kernel_until_s; /* when the kernel's element of an alert or a veil ends by itself: later than that */
	uint32_t reason;         /* blocks.c's own; blocks_hold() */
	int64_t since_ms, until_ms; /* until 0: until unblocked */
	uint16_t ports[4];
};

_Static_assert(sizeof(struct block) == 48, "a block is 48 bytes");

struct blocks;

struct blocks *blocks_new(const struct hash_key *key);
void blocks_free(struct blocks *blocks);

/* A time as kernel_until_s has it, never before it. */
static inline uint32_t blocks_kernel_s(int64_t at_ms)
{
	return at_ms < UINT32_MAX * 1000LL ? (uint32_t)((at_ms + 999) / 1000) : UINT32_MAX;
}

/* All of it but its reason. */
struct block blocks_from_view(const struct block_view *view, double score);
/* Places the block, replacing the one on the same prefix.  look_ms: when an alert or a veil is looked at.  reason: NULL
 * where the block stands already, or is held.  BLOCKS_NONE: the table is full. */
uint32_t blocks_put(struct blocks *blocks, const struct prefix *source, const struct block *block, int64_t look_ms,
		    const char *reason);
/* A copy of a block is kept, so that it can be put once more, and no longer: at most BLOCKS_HELD at a time. */
#define BLOCKS_HELD (2 * ENGINE_ACTIONS_MAX)
void blocks_hold(struct blocks *blocks, const struct block *block);
void blocks_release(struct blocks *blocks, const struct block *block);
/* Gives an alert or a veil another end and score. */
void blocks_renew(struct blocks *blocks, uint32_t slot, int64_t until_ms, float score);
void blocks_remove(struct blocks *blocks, uint32_t slot);
uint32_t blocks_find(const struct blocks *blocks, const struct prefix *source);
uint32_t blocks_find_hashed(const struct blocks *blocks, const struct prefix *source, uint32_t hash);
/* The strictest one that covers all of `what`; of equals the longest. */
uint32_t blocks_strictest(const struct blocks *blocks, const struct prefix *what);
/* The same of an address.  *own is the one on the prefix of that length that holds it. */
uint32_t blocks_strictest_of(const struct blocks *blocks, struct prefix_hashes *address, unsigned len, uint32_t *own);
/* Another number whenever what those tell may have changed. */
uint32_t blocks_changes(const struct blocks *blocks);
/* The next used slot from `slot` on, inside `within` (NULL: any). */
uint32_t blocks_next(const struct blocks *blocks, uint32_t slot, const struct prefix *within);
/* Is surely none inside `within`?  Cheap, and false where it takes a walk to know. */
bool blocks_none_inside(const struct blocks *blocks, const struct prefix *within);
/* The block that ends, or is to be looked at, first, if that is at or before now. */
uint32_t blocks_due(const struct blocks *blocks, int64_t now_ms);
/* When that is so next; INT64_MAX: never. */
int64_t blocks_due_ms(const struct blocks *blocks);
void blocks_set_room(struct blocks *blocks, const struct engine_room *room);
uint32_t blocks_veils_max(const struct blocks *blocks);
/* Is there room for the source as an alert or a veil? */
bool blocks_fits(const struct blocks *blocks, const struct prefix *source, enum grade grade);
/* The alert or veil with the lowest score of those whose end makes that room. */
uint32_t blocks_lowest(struct blocks *blocks, const struct prefix *source, enum grade grade);
/* The veil with the lowest score among prefixes of the same family and length.  Of addresses and /64s it is at hand; of
 * other lengths, which stand higher than a veil by an admin's word alone, it takes a walk. */
uint32_t blocks_lowest_like(struct blocks *blocks, const struct prefix *source);

const struct prefix *blocks_source(const struct blocks *blocks, uint32_t slot);
const struct block *blocks_at(const struct blocks *blocks, uint32_t slot);
/* How many of a grade; GRADE_NONE: all. */
uint32_t blocks_count(const struct blocks *blocks, enum grade grade);
void blocks_view(const struct blocks *blocks, uint32_t slot, struct block_view *out);

#endif
