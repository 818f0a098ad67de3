/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool.h"

#include <stdlib.h>

bool pool_init(struct pool *pool, uint32_t max)
{
	*pool = (struct pool){ .max = max, .freed = POOL_NONE, .oldest = POOL_NONE, .newest = POOL_NONE };
	pool->links = calloc(max, sizeof(*pool->links));
	return pool->links && hashindex_init(&pool->index, max);
}

void pool_free(struct pool *pool)
{
	hashindex_free(&pool->index);
	free(pool->links);
}

static void append(struct pool *pool, uint32_t slot)
{
	struct pool_link *link = &pool->links[slot];

	link->older = pool->newest;
	link->newer = POOL_NONE;
	if (pool->newest != POOL_NONE)
		pool->links[pool->newest].newer = slot;
	else
		pool->oldest = slot;
	pool->newest = slot;
}

static void unlink_slot(struct pool *pool, uint32_t slot)
{
	const struct pool_link *link = &pool->links[slot];

	if (link->older != POOL_NONE)
		pool->links[link->older].newer = link->newer;
	else
		pool->oldest = link->newer;
	if (link->newer != POOL_NONE)
		pool->links[link->newer].older = link->older;
	else
		pool->newest = link->older;
}

uint32_t pool_add(struct pool *pool, uint32_t hash)
{
	uint32_t slot = pool->freed;

	if (slot != POOL_NONE)
		pool->freed = pool->links[slot].newer;
	else if (pool->high < pool->max)
		slot = pool->high++;
	else
		return POOL_NONE;
	pool->links[slot].hash = hash;
	pool->links[slot].used = true;
	append(pool, slot);
	hashindex_add(&pool->index, hash, slot);
	pool->count++;
	return slot;
}

void pool_remove(struct pool *pool, uint32_t slot)
{
	struct pool_link *link = &pool->links[slot];

	hashindex_remove(&pool->index, link->hash, slot);
	unlink_slot(pool, slot);
	link->used = false;
	link->newer = pool->freed;
	pool->freed = slot;
	pool->count--;
}

void pool_touch(struct pool *pool, uint32_t slot)
{
	if (pool->newest == slot)
		return;
	unlink_slot(pool, slot);
	append(pool, slot);
}
