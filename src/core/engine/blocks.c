/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of blocks and a heap of their ends, so that the next to expire is known without a walk.  Owns both; says
 * nothing about who should be blocked.  Bounded by ENGINE_BLOCKS_MAX; pages of the table are used from the low end, so
 * that memory follows the number of blocks.
 */
#include "blocks.h"

#include <stdlib.h>
#include <string.h>

struct blocks {
	struct prefixset *sources;
	struct block *items; /* beside sources */
	uint32_t *heap;      /* slots, the earliest end on top */
	uint32_t heap_count;
	uint32_t count[GRADE_COUNT];
};

struct blocks *blocks_new(const struct hash_key *key)
{
	struct blocks *blocks = calloc(1, sizeof(*blocks));

	if (!blocks)
		return NULL;
	blocks->sources = prefixset_new(ENGINE_BLOCKS_MAX, key);
	blocks->items = calloc(ENGINE_BLOCKS_MAX, sizeof(*blocks->items));
	blocks->heap = calloc(ENGINE_BLOCKS_MAX, sizeof(*blocks->heap));
	if (blocks->sources && blocks->items && blocks->heap)
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
	free(blocks->heap);
	free(blocks);
}

static int64_t end_of(const struct blocks *blocks, uint32_t at)
{
	return blocks->items[blocks->heap[at]].until_ms;
}

static void heap_set(struct blocks *blocks, uint32_t at, uint32_t slot)
{
	blocks->heap[at] = slot;
	blocks->items[slot].heap_at = at;
}

static void heap_swap(struct blocks *blocks, uint32_t a, uint32_t b)
{
	uint32_t slot = blocks->heap[a];

	heap_set(blocks, a, blocks->heap[b]);
	heap_set(blocks, b, slot);
}

static void heap_up(struct blocks *blocks, uint32_t at)
{
	while (at > 0 && end_of(blocks, at) < end_of(blocks, (at - 1) / 2)) {
		heap_swap(blocks, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void heap_down(struct blocks *blocks, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < blocks->heap_count && end_of(blocks, child + 1) < end_of(blocks, child))
			child++;
		if (child >= blocks->heap_count || end_of(blocks, at) <= end_of(blocks, child))
			return;
		heap_swap(blocks, at, child);
		at = child;
	}
}

static void heap_add(struct blocks *blocks, uint32_t slot)
{
	heap_set(blocks, blocks->heap_count++, slot);
	heap_up(blocks, blocks->heap_count - 1);
}

static void heap_remove(struct blocks *blocks, uint32_t slot)
{
	uint32_t at = blocks->items[slot].heap_at;

	if (at == BLOCKS_NONE)
		return;
	blocks->items[slot].heap_at = BLOCKS_NONE;
	if (at == --blocks->heap_count)
		return;
	heap_set(blocks, at, blocks->heap[blocks->heap_count]);
	heap_up(blocks, at);
	heap_down(blocks, at);
}

uint32_t blocks_put(struct blocks *blocks, const struct prefix *source, const struct block *block)
{
	uint32_t slot = prefixset_find(blocks->sources, source);

	if (slot != PREFIXSET_NONE) {
		heap_remove(blocks, slot);
		blocks->count[blocks->items[slot].grade]--;
	} else {
		slot = prefixset_add(blocks->sources, source);
		if (slot == PREFIXSET_NONE)
			return BLOCKS_NONE;
	}
	blocks->items[slot] = *block;
	blocks->items[slot].heap_at = BLOCKS_NONE;
	blocks->count[block->grade]++;
	if (block->until_ms > 0)
		heap_add(blocks, slot);
	return slot;
}

void blocks_remove(struct blocks *blocks, uint32_t slot)
{
	heap_remove(blocks, slot);
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
	return blocks->heap_count > 0 && end_of(blocks, 0) <= now_ms ? blocks->heap[0] : BLOCKS_NONE;
}

uint32_t blocks_lowest_soft(const struct blocks *blocks)
{
	uint32_t slot = blocks_next(blocks, 0, NULL), lowest = BLOCKS_NONE;

	for (; slot != BLOCKS_NONE; slot = blocks_next(blocks, slot + 1, NULL)) {
		const struct block *block = &blocks->items[slot];

		if (block->grade == GRADE_BLOCK &&
		    (lowest == BLOCKS_NONE || block->score < blocks->items[lowest].score))
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
