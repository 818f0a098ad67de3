/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The blocks that stand: whom, until when, why.  Mirrors what the kernel's sets hold, so that those need never be
 * dumped.
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
	float score;                /* at the time of the block: who gives way at storm_live */
	int64_t since_ms, until_ms; /* until 0: until unblocked */
	int64_t soft_until_ms;      /* a soft element of an earlier block may stand until then */
	uint16_t ports[4];
	char reason[ENGINE_REASON_MAX];
};

struct blocks;

struct blocks *blocks_new(const struct hash_key *key);
void blocks_free(struct blocks *blocks);

struct block blocks_from_view(const struct block_view *view, double score);
/* Places the block, replacing the one on the same prefix.  BLOCKS_NONE: the table is full. */
uint32_t blocks_put(struct blocks *blocks, const struct prefix *source, const struct block *block);
void blocks_remove(struct blocks *blocks, uint32_t slot);
uint32_t blocks_find(const struct blocks *blocks, const struct prefix *source);
/* The longest block that covers all of `what`. */
uint32_t blocks_cover(const struct blocks *blocks, const struct prefix *what);
/* The next used slot from `slot` on, inside `within` (NULL: any). */
uint32_t blocks_next(const struct blocks *blocks, uint32_t slot, const struct prefix *within);
/* Is surely none inside `within`?  Cheap, and false where it takes a walk to know. */
bool blocks_none_inside(const struct blocks *blocks, const struct prefix *within);
/* The block whose time is up first, if that is at or before now. */
uint32_t blocks_due(const struct blocks *blocks, int64_t now_ms);
/* The soft block with the lowest score.  Walks the table: asked only at storm_live. */
uint32_t blocks_lowest_soft(const struct blocks *blocks);

const struct prefix *blocks_source(const struct blocks *blocks, uint32_t slot);
const struct block *blocks_at(const struct blocks *blocks, uint32_t slot);
/* How many of a grade; GRADE_NONE: all. */
uint32_t blocks_count(const struct blocks *blocks, enum grade grade);
void blocks_view(const struct blocks *blocks, uint32_t slot, struct block_view *out);

#endif
