/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of sources: hash chains, and the lists that give the order of eviction.  Owns the memory and the order, not
 * the meaning of scores.  All memory is allocated and written to once at start; no operation walks more than one chain.
 * Defends against floods of forged sources (bounded, the crowd gives way) and against chosen collisions (keyed hash).
 */
#include "source.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

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
	uint32_t chain;      /* in its hash chain */
	uint8_t list;
};

struct list {
	uint32_t first, last, count; /* first: the newest */
};

struct sources {
	struct hash_key key;
	uint32_t max, count, mask;
	uint64_t evicted;
	uint32_t free_first;
	uint32_t *heads;
	struct link *links;
	struct source *items;
	struct list lists[LISTS];
	uint16_t quota[QUOTA_NETS];
};

/* Zeroes, and has the kernel provide every page now: a compiler would turn malloc and memset into a calloc that
 * does not. */
static void touch(void *memory, size_t len)
{
	volatile uint8_t *bytes = memory;

	memset(memory, 0, len);
	for (size_t i = 0; i < len; i += 4096)
		bytes[i] = 0;
}

struct sources *sources_new(uint32_t max, const struct hash_key *key)
{
	struct sources *table = calloc(1, sizeof(*table));
	uint32_t buckets = 1024;

	if (!table)
		return NULL;
	while (buckets < max)
		buckets *= 2;
	table->key = *key;
	table->max = max;
	table->mask = buckets - 1;
	table->heads = malloc(buckets * sizeof(*table->heads));
	table->links = malloc(max * sizeof(*table->links));
	table->items = malloc(max * sizeof(*table->items));
	if (!table->heads || !table->links || !table->items) {
		sources_free(table);
		return NULL;
	}
	memset(table->heads, 0xff, buckets * sizeof(*table->heads));
	touch(table->items, max * sizeof(*table->items));
	for (uint32_t i = 0; i < max; i++)
		table->links[i] = (struct link){ NONE, i + 1 < max ? i + 1 : NONE, NONE, LIST_FREE };
	for (int i = 0; i < LISTS; i++)
		table->lists[i] = (struct list){ NONE, NONE, 0 };
	return table;
}

void sources_free(struct sources *table)
{
	if (!table)
		return;
	free(table->heads);
	free(table->links);
	free(table->items);
	free(table);
}

static uint64_t hash_of(const struct sources *table, const struct prefix *prefix)
{
	uint8_t bytes[17];

	memcpy(bytes, prefix->addr.b, 16);
	bytes[16] = prefix->len;
	return hash_bytes(&table->key, bytes, sizeof(bytes));
}

static uint32_t index_of(const struct sources *table, const struct source *source)
{
	return (uint32_t)(source - table->items);
}

static uint16_t *quota_of(struct sources *table, const struct prefix *key)
{
	struct prefix net = prefix_of(&key->addr, prefix_is_v4(key) ? 96 + 24 : 48);

	return &table->quota[hash_of(table, &net) % QUOTA_NETS];
}

static void unlist(struct sources *table, uint32_t at)
{
	struct link *link = &table->links[at];
	struct list *list = &table->lists[link->list];

	if (link->prev != NONE)
		table->links[link->prev].next = link->next;
	else
		list->first = link->next;
	if (link->next != NONE)
		table->links[link->next].prev = link->prev;
	else
		list->last = link->prev;
	list->count--;
	if (link->list == LIST_CONFIRMED)
		(*quota_of(table, &table->items[at].key))--;
}

static void enlist(struct sources *table, uint32_t at, uint8_t which)
{
	struct link *link = &table->links[at];
	struct list *list = &table->lists[which];

	link->list = which;
	link->prev = NONE;
	link->next = list->first;
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

	unlist(table, at);
	enlist(table, at, list_for(table, source, rank, score));
}

void sources_rerank(struct sources *table, struct source *source, enum sources_rank rank, double score)
{
	uint8_t list = table->links[index_of(table, source)].list;

	if (list != (rank == SOURCES_CONFIRMED ? LIST_CONFIRMED : list_for(table, source, rank, score)))
		sources_rank(table, source, rank, score);
}

bool sources_is_blocked(const struct sources *table, const struct source *source)
{
	return table->links[index_of(table, source)].list == LIST_BLOCKED;
}

struct source *sources_find(const struct sources *table, const struct prefix *key)
{
	uint32_t at = table->heads[hash_of(table, key) & table->mask];

	while (at != NONE && !prefix_equal(&table->items[at].key, key))
		at = table->links[at].chain;
	return at == NONE ? NULL : &table->items[at];
}

void sources_remove(struct sources *table, struct source *source)
{
	uint32_t at = index_of(table, source);
	uint32_t *link = &table->heads[hash_of(table, &source->key) & table->mask];

	while (*link != at)
		link = &table->links[*link].chain;
	*link = table->links[at].chain;
	unlist(table, at);
	memset(source, 0, sizeof(*source));
	table->links[at] = (struct link){ NONE, table->free_first, NONE, LIST_FREE };
	table->free_first = at;
	table->count--;
}

/* The entry to evict: source.h says why the longest list gives it. */
static uint32_t victim(const struct sources *table)
{
	const struct list *lists = table->lists, *longest = &lists[0];

	if (lists[LIST_CONFIRMED].count > table->max / 4)
		return lists[LIST_CONFIRMED].last;
	for (int i = 1; i < LEVELS; i++) {
		if (lists[i].count > longest->count)
			longest = &lists[i];
	}
	/* the banned and blocked ones stay while that holds */
	return longest->count > 0 ? longest->last : lists[LIST_CONFIRMED].last;
}

struct source *sources_add_if_free(struct sources *table, const struct prefix *key)
{
	uint32_t at = table->free_first;
	uint32_t *head = &table->heads[hash_of(table, key) & table->mask];

	if (at == NONE)
		return NULL;
	table->free_first = table->links[at].next;
	table->items[at] = (struct source){ .key = *key, .grade = GRADE_WATCH };
	table->links[at].chain = *head;
	*head = at;
	enlist(table, at, 0);
	table->count++;
	return &table->items[at];
}

struct source *sources_add(struct sources *table, const struct prefix *key)
{
	if (table->free_first == NONE) {
		uint32_t at = victim(table);

		if (at == NONE)
			return NULL;
		sources_remove(table, &table->items[at]);
		table->evicted++;
	}
	return sources_add_if_free(table, key);
}

struct source *sources_at(const struct sources *table, uint32_t index)
{
	return table->links[index].list == LIST_FREE ? NULL : &table->items[index];
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
