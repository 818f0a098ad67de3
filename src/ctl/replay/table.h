/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded hash table of fixed-size entries that only grows: whatever a replay remembers stands in one of these.  A
 * capture is made by whoever sent the packets, so the hash is keyed and the limit is firm; above it newcomers are
 * turned away and counted.
 */
#ifndef PICKET_REPLAY_TABLE_H
#define PICKET_REPLAY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"

struct replay_table {
	struct hash_key hash;
	uint8_t *entries; /* each begins with its key */
	uint32_t *index;  /* entry number + 1; 0: free */
	size_t entry_size, key_len;
	size_t count, limit, index_mask;
	uint64_t dropped;
};

/* False when out of memory.  Memory is touched as it is used. */
bool replay_table_init(struct replay_table *table, size_t limit, size_t key_len, size_t entry_size,
		       const struct hash_key *hash);
void replay_table_free(struct replay_table *table);
void *replay_table_find(const struct replay_table *table, const void *key);
/* The entry of that key, new ones zero behind the key; NULL when the table is full. */
void *replay_table_add(struct replay_table *table, const void *key);
void *replay_table_at(const struct replay_table *table, size_t number); /* 0 .. count-1, in order of arrival */

#endif
