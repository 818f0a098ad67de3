/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table: entries in order of arrival, and an index over them by linear probing, at most half full, so that a
 * search is short.  Nothing is ever removed.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

bool replay_table_init(struct replay_table *table, size_t limit, size_t key_len, size_t entry_size,
		       const struct hash_key *hash)
{
	size_t slots = 16;

	while (slots < 2 * limit)
		slots *= 2;
	*table = (struct replay_table){
		.hash = *hash,
		.entries = calloc(limit, entry_size),
		.index = calloc(slots, sizeof(*table->index)),
		.entry_size = entry_size,
		.key_len = key_len,
		.limit = limit,
		.index_mask = slots - 1,
	};
	if (table->entries && table->index)
		return true;
	replay_table_free(table);
	return false;
}

void replay_table_free(struct replay_table *table)
{
	free(table->entries);
	free(table->index);
	*table = (struct replay_table){ .count = 0 };
}

void *replay_table_at(const struct replay_table *table, size_t number)
{
	return table->entries + number * table->entry_size;
}

/* The index slot of the key, or the free one where it belongs, marked as the key's.  Entries are far apart in memory:
 * only the one that has the mark is looked at. */
static struct replay_slot *find_slot(const struct replay_table *table, const void *key)
{
	uint64_t hash = hash_quick(&table->hash, key, table->key_len);
	size_t at = hash & table->index_mask;
	uint32_t mark = (uint32_t)(hash >> 32);
	struct replay_slot *slot = &table->index[at];

	while (slot->number &&
	       (slot->mark != mark || memcmp(replay_table_at(table, slot->number - 1), key, table->key_len) != 0)) {
		at = (at + 1) & table->index_mask;
		slot = &table->index[at];
	}
	if (!slot->number)
		slot->mark = mark;
	return slot;
}

void *replay_table_find(const struct replay_table *table, const void *key)
{
	const struct replay_slot *slot = find_slot(table, key);

	return slot->number ? replay_table_at(table, slot->number - 1) : NULL;
}

void *replay_table_add(struct replay_table *table, const void *key)
{
	struct replay_slot *slot = find_slot(table, key);

	if (slot->number)
		return replay_table_at(table, slot->number - 1);
	if (table->count == table->limit) {
		table->dropped++;
		return NULL;
	}
	memcpy(replay_table_at(table, table->count), key, table->key_len);
	slot->number = (uint32_t)++table->count;
	return replay_table_at(table, table->count - 1);
}
