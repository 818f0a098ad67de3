/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A heap of slots: which of a table's entries comes first, by a key that each of them has (a time, mostly).  Among
 * equal keys the one that was added first comes first.  Any slot can be taken out again; its key stays with the heap.
 */
#ifndef PICKET_HEAP_H
#define PICKET_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#define HEAP_NONE UINT32_MAX

struct heap;

/* For slots 0 .. max - 1, each of which is in it once at most.  NULL when out of memory. */
struct heap *heap_new(uint32_t max);
void heap_free(struct heap *heap);

/* The slot must not be in it. */
void heap_add(struct heap *heap, uint32_t slot, int64_t key);
/* Nothing happens when it is not in it. */
void heap_remove(struct heap *heap, uint32_t slot);
/* The slot with the lowest key, or HEAP_NONE; *key (may be NULL) is its key. */
uint32_t heap_first(const struct heap *heap, int64_t *key);
uint32_t heap_count(const struct heap *heap);

#endif
