/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of blocks, a heap of their ends, so that the next to expire is known without a walk, and heaps of the
 * scores of those that may give way, one for each of the kernel's large sets and one for the small ones together.  Owns
 * them all; says nothing about who should be blocked.  Bounded by ENGINE_BLOCKS_MAX; pages of the table are used from
 * the low end, so that memory follows the number of blocks.
 */
#include "blocks.h"

#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "reasons.h"

/* The kernel has a set for each length of a prefix, those of addresses and /64s large; alerts have sets of their own.
 * A class: 2 * place, and 1 more for veils. */
enum { IPV4, IPV6, IPV6_64, RARE, PLACES };
#define CLASSES (2 * PLACES)
#define STEPS   64 /* of first_by_score(): 60 us or so */

struct blocks {
	struct prefixset *sources;
	struct block *items;          /* beside sources */
	struct reasons *reasons;      /* of them, and of those that are held */
	struct heap *ends;            /* of those that end by themselves, or are looked at */
	struct heap *scores[CLASSES]; /* of alerts and veils, in thousandths of a nat */
	uint32_t room[CLASSES];
	uint32_t count[GRADE_COUNT];
	uint32_t changes;
};

struct blocks *blocks_new(const struct hash_key *key)
{
	struct blocks *blocks = calloc(1, sizeof(*blocks));
	bool complete = true;

	if (!blocks)
		return NULL;
	blocks->sources = prefixset_new(ENGINE_BLOCKS_MAX, key);
	blocks->items = calloc(ENGINE_BLOCKS_MAX, sizeof(*blocks->items));
	blocks->reasons = reasons_new(ENGINE_BLOCKS_MAX + BLOCKS_HELD, key);
	blocks->ends = heap_new(ENGINE_BLOCKS_MAX);
	for (unsigned i = 0; i < CLASSES; i++) {
		blocks->scores[i] = heap_new(ENGINE_BLOCKS_MAX);
		blocks->room[i] = ENGINE_VEILS_MAX;
		complete &= blocks->scores[i] != NULL;
	}
	if (complete && blocks->sources && blocks->items && blocks->reasons && blocks->ends)
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
	reasons_free(blocks->reasons);
	heap_free(blocks->ends);
	for (unsigned i = 0; i < CLASSES; i++)
		heap_free(blocks->scores[i]);
	free(blocks);
}

static bool may_give_way(const struct block *block)
{
	return block->grade == GRADE_ALERT || block->grade == GRADE_VEIL;
}

static unsigned class_of(const struct prefix *source, unsigned grade)
{
	unsigned place = RARE;

	if (source->len == 128)
		place = prefix_is_v4(source) ? IPV4 : IPV6;
	else if (source->len == 64)
		place = IPV6_64;
	return 2 * place + (grade == GRADE_VEIL);
}

/* A heap's key may be lower than the score that its item has now: it is put right when it comes to the top.  So the
 * evidence of a flood of probes, each of which raises a score, moves nothing in the heap. */
static int64_t score_key(const struct block *block)
{
	return (int64_t)(block->score * 1000);
}

static void unlist(struct blocks *blocks, uint32_t slot)
{
	heap_remove(blocks->ends, slot);
	if (may_give_way(&blocks->items[slot]))
		heap_remove(blocks->scores[class_of(blocks_source(blocks, slot), blocks->items[slot].grade)], slot);
	blocks->count[blocks->items[slot].grade]--;
}

void blocks_hold(struct blocks *blocks, const struct block *block)
{
	reasons_hold(blocks->reasons, block->reason);
}

void blocks_release(struct blocks *blocks, const struct block *block)
{
	reasons_release(blocks->reasons, block->reason);
}

uint32_t blocks_put(struct blocks *blocks, const struct prefix *source, const struct block *block, int64_t look_ms,
		    const char *reason)
{
	uint32_t slot = prefixset_find(blocks->sources, source);
	struct block placed = *block;

	if (slot == PREFIXSET_NONE)
		slot = prefixset_add(blocks->sources, source);
	else
		unlist(blocks, slot);
	if (slot == PREFIXSET_NONE)
		return BLOCKS_NONE;
	if (reason)
		placed.reason = reasons_take(blocks->reasons, reason);
	else
		blocks_hold(blocks, &placed);
	blocks_release(blocks, &blocks->items[slot]); /* of a slot that is free: none */
	blocks->items[slot] = placed;
	blocks->changes++;
	blocks->count[block->grade]++;
	if (may_give_way(block)) {
		heap_add(blocks->ends, slot, look_ms);
		heap_add(blocks->scores[class_of(source, block->grade)], slot, score_key(block));
	} else if (block->until_ms > 0) {
		heap_add(blocks->ends, slot, block->until_ms);
	}
	return slot;
}

void blocks_renew(struct blocks *blocks, uint32_t slot, int64_t until_ms, float score)
{
	struct block *block = &blocks->items[slot];
	bool falls = score < block->score;

	block->until_ms = until_ms;
	block->score = score;
	if (!falls)
		return;
	heap_remove(blocks->scores[class_of(blocks_source(blocks, slot), block->grade)], slot);
	heap_add(blocks->scores[class_of(blocks_source(blocks, slot), block->grade)], slot, score_key(block));
}

void blocks_remove(struct blocks *blocks, uint32_t slot)
{
	unlist(blocks, slot);
	blocks_release(blocks, &blocks->items[slot]);
	blocks->items[slot].reason = 0;
	prefixset_remove(blocks->sources, slot);
	blocks->changes++;
}

uint32_t blocks_find(const struct blocks *blocks, const struct prefix *source)
{
	return prefixset_find(blocks->sources, source);
}

uint32_t blocks_find_hashed(const struct blocks *blocks, const struct prefix *source, uint32_t hash)
{
	return prefixset_find_hashed(blocks->sources, source, hash);
}

uint32_t blocks_strictest_of(const struct blocks *blocks, struct prefix_hashes *address, unsigned len, uint32_t *own)
{
	uint32_t slots[129], strictest = BLOCKS_NONE;
	unsigned count = prefixset_holders(blocks->sources, address, slots);

	*own = BLOCKS_NONE;
	for (unsigned i = 0; i < count; i++) {
		if (i == 0 || blocks->items[slots[i]].grade > blocks->items[strictest].grade)
			strictest = slots[i];
		if (blocks_source(blocks, slots[i])->len == len)
			*own = slots[i];
	}
	return strictest;
}

uint32_t blocks_changes(const struct blocks *blocks)
{
	return blocks->changes;
}

uint32_t blocks_strictest(const struct blocks *blocks, const struct prefix *what)
{
	uint32_t slot = prefixset_cover(blocks->sources, what, 128), strictest = slot;

	while (slot != BLOCKS_NONE) {
		if (blocks->items[slot].grade > blocks->items[strictest].grade)
			strictest = slot;
		slot = prefixset_cover(blocks->sources, what, (int)blocks_source(blocks, slot)->len - 1);
	}
	return strictest;
}

uint32_t blocks_next(const struct blocks *blocks, uint32_t slot, const struct prefix *within)
{
	return prefixset_next(blocks->sources, slot, within);
}

bool blocks_none_inside(const struct blocks *blocks, const struct prefix *within)
{
	return prefixset_none_inside(blocks->sources, within);
}

int64_t blocks_due_ms(const struct blocks *blocks)
{
	int64_t due_ms = INT64_MAX;

	return heap_first(blocks->ends, &due_ms) == HEAP_NONE ? INT64_MAX : due_ms;
}

uint32_t blocks_due(const struct blocks *blocks, int64_t now_ms)
{
	int64_t due_ms;
	uint32_t slot = heap_first(blocks->ends, &due_ms);

	return slot != HEAP_NONE && due_ms <= now_ms ? slot : BLOCKS_NONE;
}

void blocks_set_room(struct blocks *blocks, const struct engine_room *room)
{
	for (unsigned place = 0; place < PLACES; place++) {
		blocks->room[2 * place] = place == RARE ? room->rare_alerts : room->alerts;
		blocks->room[2 * place + 1] = place == RARE ? room->rare_veils : room->veils;
	}
}

uint32_t blocks_veils_max(const struct blocks *blocks)
{
	uint32_t room = blocks->room[2 * IPV4 + 1];

	return room < ENGINE_VEILS_MAX ? room : ENGINE_VEILS_MAX;
}

static uint32_t all_veils(const struct blocks *blocks)
{
	return blocks->count[GRADE_ALERT] + blocks->count[GRADE_VEIL];
}

static bool class_is_full(const struct blocks *blocks, unsigned class)
{
	return heap_count(blocks->scores[class]) >= blocks->room[class];
}

bool blocks_fits(const struct blocks *blocks, const struct prefix *source, enum grade grade)
{
	uint32_t slot = blocks_find(blocks, source);
	bool is_one = slot != BLOCKS_NONE && may_give_way(&blocks->items[slot]);

	if (is_one && blocks->items[slot].grade == grade)
		return true;
	return !class_is_full(blocks, class_of(source, grade)) && (is_one || all_veils(blocks) < ENGINE_VEILS_MAX);
}

/* The first of a heap of scores, by the score that it has now.  Each step here makes up for a renewal that moved
 * nothing, and no key is older than a minute: each look at a block puts its key right.  Where all were renewed, the
 * steps of one probe would take 12 ms; after STEPS of them the one that is first by then has to do. */
static uint32_t first_by_score(struct blocks *blocks, unsigned class, int64_t *score)
{
	struct heap *heap = blocks->scores[class];
	uint32_t slot = heap_first(heap, score);

	for (unsigned i = 0; i < STEPS && slot != HEAP_NONE && score_key(&blocks->items[slot]) > *score; i++) {
		heap_remove(heap, slot);
		heap_add(heap, slot, score_key(&blocks->items[slot]));
		slot = heap_first(heap, score);
	}
	return slot;
}

uint32_t blocks_lowest(struct blocks *blocks, const struct prefix *source, enum grade grade)
{
	unsigned class = class_of(source, grade);
	uint32_t lowest = BLOCKS_NONE;
	int64_t score, least = INT64_MAX;

	for (unsigned i = 0; i < CLASSES; i++) {
		uint32_t slot =
			i == class || !class_is_full(blocks, class) ? first_by_score(blocks, i, &score) : HEAP_NONE;

		if (slot == HEAP_NONE || score >= least)
			continue;
		lowest = slot;
		least = score;
	}
	return lowest;
}

uint32_t blocks_lowest_like(struct blocks *blocks, const struct prefix *source)
{
	unsigned class = class_of(source, GRADE_VEIL);
	uint32_t lowest = BLOCKS_NONE, slot;
	int64_t score;

	if (class != 2 * RARE + 1) {
		slot = first_by_score(blocks, class, &score);
		return slot != HEAP_NONE ? slot : BLOCKS_NONE;
	}
	for (slot = blocks_next(blocks, 0, NULL); slot != BLOCKS_NONE; slot = blocks_next(blocks, slot + 1, NULL)) {
		const struct prefix *other = blocks_source(blocks, slot);

		if (blocks->items[slot].grade == GRADE_VEIL && other->len == source->len &&
		    prefix_is_v4(other) == prefix_is_v4(source) &&
		    (lowest == BLOCKS_NONE || blocks->items[slot].score < blocks->items[lowest].score))
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
		.kernel_until_s = blocks_kernel_s(view->until_ms),
		.since_ms = view->since_ms,
		.until_ms = view->until_ms,
	};

	memcpy(block.ports, view->ports, sizeof(block.ports));
	return block;
}

void blocks_view(const struct blocks *blocks, uint32_t slot, struct block_view *out)
{
	const struct block *block = &blocks->items[slot];
	const char *reason = reasons_text(blocks->reasons, block->reason);

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
	memcpy(out->reason, reason, strlen(reason)); /* shorter than that by one at least */
}
