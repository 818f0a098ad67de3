/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of sources: an index of them, and the lists that give the order of eviction.  Owns the memory and the
 * order, not the meaning of scores.  All memory is allocated at start, and its pages become real as entries are used,
 * from the low end; no operation walks a list.  Defends against floods of forged sources (bounded, the crowd gives way)
 * and against chosen collisions (keyed hash).
 */
#include "source.h"

#include <stdlib.h>
#include <string.h>

#define NONE       UINT32_MAX
#define CACHE_LINE 64

/* Lists, in rising order: one a nat, then the two kinds that stand apart. */
#define LEVELS         8
#define LIST_CONFIRMED LEVELS
#define LIST_BLOCKED   (LEVELS + 1)
#define LISTS          (LEVELS + 2)
#define LIST_FREE      LISTS

/* Confirmed sources of one neighbourhood (/24, /48) beyond this many have no reserved place. */
#define QUOTA_NETS 4096
#define QUOTA      64

struct link {
	uint32_t prev, next; /* in its list; next alone in the list of free entries */
};

struct list {
	uint32_t first, last, count; /* first: the newest */
};

struct sources {
	struct hash_key key;
	uint32_t max, count;
	uint64_t evicted;
	uint32_t high;       /* entries from here on were never used */
	uint32_t free_first; /* of those that were, and are no longer */
	struct hashindex index;
	struct link *links;
	struct source *items;
	struct list lists[LISTS];
	uint16_t quota[QUOTA_NETS];
};

struct sources *sources_new(uint32_t max, const struct hash_key *key)
{
	struct sources *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->key = *key;
	table->max = max;
	table->free_first = NONE;
	table->links = calloc(max, sizeof(*table->links));
	table->items = calloc(max, sizeof(*table->items));
	if (!hashindex_init(&table->index, max) || !table->links || !table->items) {
		sources_free(table);
		return NULL;
	}
	for (int i = 0; i < LISTS; i++)
		table->lists[i] = (struct list){ NONE, NONE, 0 };
	return table;
}

void sources_free(struct sources *table)
{
	if (!table)
		return;
	hashindex_free(&table->index);
	free(table->links);
	free(table->items);
	free(table);
}

static uint32_t index_of(const struct sources *table, const struct source *source)
{
	return (uint32_t)(source - table->items);
}

static uint16_t *quota_of(struct sources *table, const struct prefix *key)
{
	struct prefix net = prefix_of(&key->addr, prefix_is_v4(key) ? 96 + 24 : 48);

	return &table->quota[prefix_hash(&table->key, &net) % QUOTA_NETS];
}

static void unlist(struct sources *table, uint32_t at)
{
	struct link *link = &table->links[at];
	uint8_t which = table->items[at].list;
	struct list *list = &table->lists[which];

	if (link->prev != NONE)
		table->links[link->prev].next = link->next;
	else
		list->first = link->next;
	if (link->next != NONE)
		table->links[link->next].prev = link->prev;
	else
		list->last = link->prev;
	list->count--;
	if (which == LIST_CONFIRMED)
		(*quota_of(table, &table->items[at].key))--;
}

static void enlist(struct sources *table, uint32_t at, uint8_t which)
{
	struct list *list = &table->lists[which];

	table->items[at].list = which & 15;
	table->links[at] = (struct link){ NONE, list->first };
	if (list->first != NONE)
		table->links[list->first].prev = at;
	else
		list->last = at;
	list->first = at;
	list->count++;
	if (which == LIST_CONFIRMED)
		(*quota_of(table, &table->items[at].key))++;
}

static uint8_t list_for(struct sources *table, const struct source *source, enum sources_rank rank, double score)
{
	if (rank == SOURCES_BLOCKED)
		return LIST_BLOCKED;
	if (rank == SOURCES_CONFIRMED && *quota_of(table, &source->key) < QUOTA)
		return LIST_CONFIRMED;
	return score >= LEVELS - 1 ? LEVELS - 1 : score > 0 ? (uint8_t)score : 0;
}

void sources_rank(struct sources *table, struct source *source, enum sources_rank rank, double score)
{
	uint32_t at = index_of(table, source);
	uint8_t which = list_for(table, source, rank, score);

	if (table->lists[which].first == at && which != LIST_CONFIRMED)
		return; /* it is there; among the confirmed its net's quota has a word first */
	unlist(table, at);
	enlist(table, at, list_for(table, source, rank, score));
}

void sources_rerank(struct sources *table, struct source *source, enum sources_rank rank, double score)
{
	if (source->list != (rank == SOURCES_CONFIRMED ? LIST_CONFIRMED : list_for(table, source, rank, score)))
		sources_rank(table, source, rank, score);
}

bool sources_is_blocked(const struct source *source)
{
	return source->list == LIST_BLOCKED;
}

static bool is_source(const void *items, uint32_t at, const void *key)
{
	return prefix_equal(&((const struct source *)items)[at].key, key);
}

struct source *sources_find_hashed(const struct sources *table, const struct prefix *key, uint32_t hash)
{
	uint32_t at = hashindex_find(&table->index, hash, is_source, table->items, key);

	return at == HASHINDEX_NONE ? NULL : &table->items[at];
}

struct source *sources_find(const struct sources *table, const struct prefix *key)
{
	return sources_find_hashed(table, key, prefix_hash(&table->key, key));
}

void sources_prefetch(const struct sources *table, uint32_t hash)
{
	hashindex_prefetch(&table->index, hash);
}

/* For the compiler a function that only prefetches does nothing, and it drops the call: hence these are part of their
 * callers. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE void prefetch_entry(const struct sources *table, uint32_t at)
{
	const uint8_t *bytes = (const uint8_t *)&table->items[at];

	for (size_t i = 0; i < sizeof(struct source); i += CACHE_LINE)
		__builtin_prefetch(bytes + i, 1);
	__builtin_prefetch(bytes + sizeof(struct source) - 1, 1);
	__builtin_prefetch(&table->links[at], 1);
}

void sources_prefetch_entry(const struct sources *table, uint32_t hash)
{
	uint32_t at = hashindex_guess(&table->index, hash);

	if (at != HASHINDEX_NONE)
		prefetch_entry(table, at);
}

void sources_prefetch_rank(const struct sources *table, const struct source *source)
{
	const struct link *link = &table->links[index_of(table, source)];

	if (link->prev != NONE)
		__builtin_prefetch(&table->links[link->prev], 1);
	if (link->next != NONE)
		__builtin_prefetch(&table->links[link->next], 1);
}

/* Out of the index and out of its list: what it held stays until its place is used again. */
static void take_out(struct sources *table, uint32_t at)
{
	hashindex_remove(&table->index, table->items[at].hash, at);
	unlist(table, at);
	table->items[at].list = LIST_FREE;
	table->links[at] = (struct link){ NONE, table->free_first };
	table->free_first = at;
	table->count--;
}

void sources_remove(struct sources *table, struct source *source)
{
	take_out(table, index_of(table, source));
}

/* The entry to evict: source.h says why the longest list gives it. */
static uint32_t victim(const struct sources *table)
{
	const struct list *lists = table->lists, *longest = &lists[0];

	if (lists[LIST_BLOCKED].count > table->max / 4)
		return lists[LIST_BLOCKED].last;
	if (lists[LIST_CONFIRMED].count > table->max / 4)
		return lists[LIST_CONFIRMED].last;
	for (int i = 1; i < LEVELS; i++) {
		if (lists[i].count > longest->count)
			longest = &lists[i];
	}
	return longest->last;
}

static struct source *add_if_free(struct sources *table, const struct prefix *key, uint32_t hash)
{
	uint32_t at = table->free_first;

	if (at != NONE)
		table->free_first = table->links[at].next;
	else if (table->high < table->max)
		at = table->high++;
	else
		return NULL;
	table->items[at] = (struct source){ .key = *key, .hash = hash, .grade = GRADE_WATCH };
	hashindex_add(&table->index, hash, at);
	enlist(table, at, 0);
	table->count++;
	return &table->items[at];
}

struct source *sources_add_if_free(struct sources *table, const struct prefix *key)
{
	return add_if_free(table, key, prefix_hash(&table->key, key));
}

/* Those that come after this one, if the flood goes on: the entry of the second, the place in the index of the first,
 * whose entry was asked for when this one was the first. */
ALWAYS_INLINE void prefetch_victims(const struct sources *table, uint32_t at)
{
	uint32_t next = table->links[at].prev;

	if (next == NONE)
		return;
	hashindex_prefetch(&table->index, table->items[next].hash);
	if (table->links[next].prev != NONE)
		prefetch_entry(table, table->links[next].prev);
}

struct source *sources_add_hashed(struct sources *table, const struct prefix *key, uint32_t hash)
{
	if (table->count == table->max) {
		uint32_t at = victim(table);

		if (at == NONE)
			return NULL;
		prefetch_victims(table, at);
		take_out(table, at);
		table->evicted++;
	}
	return add_if_free(table, key, hash);
}

struct source *sources_add(struct sources *table, const struct prefix *key)
{
	return sources_add_hashed(table, key, prefix_hash(&table->key, key));
}

struct source *sources_at(const struct sources *table, uint32_t index)
{
	return index >= table->high || table->items[index].list == LIST_FREE ? NULL : &table->items[index];
}

uint32_t sources_max(const struct sources *table)
{
	return table->max;
}

uint32_t sources_count(const struct sources *table)
{
	return table->count;
}

uint32_t sources_confirmed(const struct sources *table)
{
	return table->lists[LIST_CONFIRMED].count;
}

uint64_t sources_evicted(const struct sources *table)
{
	return table->evicted;
}
