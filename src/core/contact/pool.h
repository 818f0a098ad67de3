/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots of a bounded table, found by the hash of their key and kept in the order in which they were last touched.  The
 * table keeps its entries in an array beside, by slot.
 */
#ifndef PICKET_CONTACT_POOL_H
#define PICKET_CONTACT_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "hashindex.h"

#define POOL_NONE HASHINDEX_NONE

struct pool_link {
	uint32_t older, newer; /* of a free slot: newer is the next free one */
	uint32_t hash;
	bool used;
};

struct pool {
	struct hashindex index;
	struct pool_link *links;
	uint32_t max, count;
	uint32_t high, freed; /* slots from `high` on were never used; `freed` begins the list of those given back */
	uint32_t oldest, newest;
};

/* False: out of memory.  Pages become real as slots are used. */
bool pool_init(struct pool *pool, uint32_t max);
void pool_free(struct pool *pool);

/* A slot for this hash, the newest; POOL_NONE: all are taken. */
uint32_t pool_add(struct pool *pool, uint32_t hash);
void pool_remove(struct pool *pool, uint32_t slot);
/* It becomes the newest. */
void pool_touch(struct pool *pool, uint32_t slot);

#endif
