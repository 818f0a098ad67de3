/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A binary heap whose items know their slot, and a table beside it that knows where each slot's item is.  Pages of both
 * are touched as they are used, so that memory follows the number of items.
 */
#include "heap.h"

#include <stdlib.h>

struct item {
	int64_t key;
	uint32_t order; /* of its addition; comes round, which the comparison allows for */
	uint32_t slot;
};

struct heap {
	struct item *items;
	uint32_t *where; /* beside the slots: 1 + the index of its item; 0: not in the heap */
	uint32_t count, order;
};

struct heap *heap_new(uint32_t max)
{
	struct heap *heap = calloc(1, sizeof(*heap));

	if (!heap)
		return NULL;
	heap->items = calloc(max, sizeof(*heap->items));
	heap->where = calloc(max, sizeof(*heap->where));
	if (heap->items && heap->where)
		return heap;
	heap_free(heap);
	return NULL;
}

void heap_free(struct heap *heap)
{
	if (!heap)
		return;
	free(heap->items);
	free(heap->where);
	free(heap);
}

static bool comes_before(const struct item *a, const struct item *b)
{
	return a->key != b->key ? a->key < b->key : (int32_t)(a->order - b->order) < 0;
}

static void put(struct heap *heap, uint32_t at, struct item item)
{
	heap->items[at] = item;
	heap->where[item.slot] = at + 1;
}

/* The item finds its place from `at` on, upwards and then downwards. */
static void settle(struct heap *heap, uint32_t at, struct item item)
{
	for (; at > 0 && comes_before(&item, &heap->items[(at - 1) / 2]); at = (at - 1) / 2)
		put(heap, at, heap->items[(at - 1) / 2]);
	for (uint32_t child = 2 * at + 1; child < heap->count; child = 2 * at + 1) {
		if (child + 1 < heap->count && comes_before(&heap->items[child + 1], &heap->items[child]))
			child++;
		if (!comes_before(&heap->items[child], &item))
			break;
		put(heap, at, heap->items[child]);
		at = child;
	}
	put(heap, at, item);
}

void heap_add(struct heap *heap, uint32_t slot, int64_t key)
{
	settle(heap, heap->count++, (struct item){ .key = key, .order = heap->order++, .slot = slot });
}

void heap_remove(struct heap *heap, uint32_t slot)
{
	uint32_t at = heap->where[slot];

	if (at == 0)
		return;
	heap->where[slot] = 0;
	if (at != heap->count--)
		settle(heap, at - 1, heap->items[heap->count]);
}

uint32_t heap_first(const struct heap *heap, int64_t *key)
{
	if (heap->count == 0)
		return HEAP_NONE;
	if (key)
		*key = heap->items[0].key;
	return heap->items[0].slot;
}

uint32_t heap_count(const struct heap *heap)
{
	return heap->count;
}
