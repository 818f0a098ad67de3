/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of blocks and a heap of their ends, so that the next to expire is known without a walk.  Owns both; says
 * nothing about who should be blocked.  Bounded by ENGINE_BLOCKS_MAX; pages of the table are used from the low end, so
 * that memory follows the number of blocks.
 */
#include "blocks.h"

#include <stdlib.h>
#include <string.h>

#include "heap.h"

struct blocks {
	struct prefixset *sources;
	struct block *items; /* beside sources */
	struct heap *ends;   /* of those that end by themselves */
	uint32_t count[GRADE_COUNT];
};

struct blocks *blocks_new(const struct hash_key *key)
{
	struct blocks *blocks = calloc(1, sizeof(*blocks));

	if (!blocks)
		return NULL;
	blocks->sources = prefixset_new(ENGINE_BLOCKS_MAX, key);
	blocks->items = calloc(ENGINE_BLOCKS_MAX, sizeof(*blocks->items));
	blocks->ends = heap_new(ENGINE_BLOCKS_MAX);
	if (blocks->sources && blocks->items && blocks->ends)
		return blocks;
	blocks_free(blocks);
	return NULL;
}

void blocks_free(struct blocks *blocks)
{
	if (!blocks)
		return;
	prefixset_free(blocks->sources);
	free(blocks->items);
	heap_free(blocks->ends);
	free(blocks);
}

uint32_t blocks_put(struct blocks *blocks, const struct prefix *source, const struct block *block)
{
	uint32_t slot = prefixset_find(blocks->sources, source);

	if (slot != PREFIXSET_NONE) {
		heap_remove(blocks->ends, slot);
		blocks->count[blocks->items[slot].grade]--;
	} else {
		slot = prefixset_add(blocks->sources, source);
		if (slot == PREFIXSET_NONE)
			return BLOCKS_NONE;
	}
	blocks->items[slot] = *block;
	blocks->count[block->grade]++;
	if (block->until_ms > 0)
		heap_add(blocks->ends, slot, block->until_ms);
	return slot;
}

void blocks_remove(struct blocks *blocks, uint32_t slot)
{
	heap_remove(blocks->ends, slot);
	blocks->count[blocks->items[slot].grade]--;
	prefixset_remove(blocks->sources, slot);
}

uint32_t blocks_find(const struct blocks *blocks, const struct prefix *source)
{
	return prefixset_find(blocks->sources, source);
}

uint32_t blocks_cover(const struct blocks *blocks, const struct prefix *what)
{
	return prefixset_cover(blocks->sources, what, 128);
}

uint32_t blocks_next(const struct blocks *blocks, uint32_t slot, const struct prefix *within)
{
	return prefixset_next(blocks->sources, slot, within);
}

bool blocks_none_inside(const struct blocks *blocks, const struct prefix *within)
{
	return prefixset_none_inside(blocks->sources, within);
}

uint32_t blocks_due(const struct blocks *blocks, int64_t now_ms)
{
	int64_t until_ms;
	uint32_t slot = heap_first(blocks->ends, &until_ms);

	return slot != HEAP_NONE && until_ms <= now_ms ? slot : BLOCKS_NONE;
}

uint32_t blocks_lowest_soft(const struct blocks *blocks)
{
	uint32_t slot = blocks_next(blocks, 0, NULL), lowest = BLOCKS_NONE;

	for (; slot != BLOCKS_NONE; slot = blocks_next(blocks, slot + 1, NULL)) {
		const struct block *block = &blocks->items[slot];

		if (block->grade == GRADE_VEIL && (lowest == BLOCKS_NONE || block->score < blocks->items[lowest].score))
			lowest = slot;
	}
	return lowest;
}

const struct prefix *blocks_source(const struct blocks *blocks, uint32_t slot)
{
	return prefixset_at(blocks->sources, slot);
}

const struct block *blocks_at(const struct blocks *blocks, uint32_t slot)
{
	return &blocks->items[slot];
}

uint32_t blocks_count(const struct blocks *blocks, enum grade grade)
{
	return grade == GRADE_NONE ? prefixset_count(blocks->sources) : blocks->count[grade];
}

struct block blocks_from_view(const struct block_view *view, double score)
{
	struct block block = {
		.grade = view->grade,
		.times = view->times,
		.tool = view->tool,
		.incident = view->incident,
		.kinds = view->kinds,
		.score = (float)score,
		.since_ms = view->since_ms,
		.until_ms = view->until_ms,
	};

	memcpy(block.ports, view->ports, sizeof(block.ports));
	memcpy(block.reason, view->reason, sizeof(block.reason));
	return block;
}

void blocks_view(const struct blocks *blocks, uint32_t slot, struct block_view *out)
{
	const struct block *block = &blocks->items[slot];

	*out = (struct block_view){
		.source = *blocks_source(blocks, slot),
		.grade = block->grade,
		.times = block->times,
		.tool = block->tool,
		.incident = block->incident,
		.kinds = block->kinds,
		.since_ms = block->since_ms,
		.until_ms = block->until_ms,
	};
	memcpy(out->ports, block->ports, sizeof(out->ports));
	memcpy(out->reason, block->reason, sizeof(out->reason));
}
