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

struct block {
	uint8_t grade; /* enum grade */
	uint8_t times, tool;
	uint32_t incident, kinds;
	float score; /* when it began or was last renewed: which alert or veil gives way in a full table */
	int64_t since_ms, until_ms; /* until 0: until unblocked */
	int64_t look_ms;            /* when an alert or a veil is looked at next, at the latest at until_ms */
	int64_t kernel_until_ms;    /* when the kernel's element ends by itself, which is later for alerts and veils */
	uint16_t ports[4];
	char reason[ENGINE_REASON_MAX];
};

struct blocks;

struct blocks *blocks_new(const struct hash_key *key);
void blocks_free(struct blocks *blocks);

struct block blocks_from_view(const struct block_view *view, double score);
/* Places the block, replacing the one on the same prefix.  BLOCKS_NONE: the table is full. */
uint32_t blocks_put(struct blocks *blocks, const struct prefix *source, const struct block *block);
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
