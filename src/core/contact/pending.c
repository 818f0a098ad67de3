/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Contacts under way, and who asked.  Two parts: those of newcomers, and those of sources that a contact has already
 * told against.  Where newcomers are more than there is room for, as in a forged flood, one by chance gives way to the
 * next; what speaks against a source is in the other part, which newcomers never touch.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define NET_V6      64 /* sources are counted by so much of an IPv6 address */
#define TRIES       4  /* to find a newcomer that may give way */
#define CHANCE_STEP 0x9e3779b97f4a7c15ULL

static bool part_init(struct part *part, uint32_t max)
{
	part->contacts = calloc(max, sizeof(*part->contacts));
	part->askers = calloc(max, sizeof(*part->askers));
	return pool_init(&part->contact_pool, max) && pool_init(&part->asker_pool, max) && part->contacts &&
	       part->askers;
}

static void part_free(struct part *part)
{
	pool_free(&part->contact_pool);
	pool_free(&part->asker_pool);
	free(part->contacts);
	free(part->askers);
}

bool pending_init(struct pending *pending, const struct contacts_config *config, const struct hash_key *key)
{
	*pending = (struct pending){ .key = *key, .chance = key->k0 ^ key->k1 };
	return part_init(&pending->newcomers, config->newcomers) && part_init(&pending->adverse, config->adverse);
}

void pending_free(struct pending *pending)
{
	part_free(&pending->newcomers);
	part_free(&pending->adverse);
}

/* ---- who asked ---- */

static struct addr asker_key(const struct addr *src)
{
	return addr_is_v4(src) ? *src : prefix_of(src, NET_V6).addr;
}

static uint32_t hash_of_asker(const struct pending *pending, const struct addr *key)
{
	return (uint32_t)hash_quick(&pending->key, key->b, sizeof(key->b));
}

static bool is_asker(const void *table, uint32_t slot, const void *key)
{
	return addr_equal(&((const struct asker *)table)[slot].key, key);
}

static struct asker *find_asker(const struct pending *pending, const struct part *part, const struct addr *key,
				uint32_t *slot)
{
	*slot = hashindex_find(&part->asker_pool.index, hash_of_asker(pending, key), is_asker, part->askers, key);
	return *slot == POOL_NONE ? NULL : &part->askers[*slot];
}

struct asker *pending_asker(struct pending *pending, const struct addr *src, struct part **part)
{
	const struct addr key = asker_key(src);
	struct asker *asker;
	uint32_t slot;

	*part = &pending->adverse;
	asker = find_asker(pending, *part, &key, &slot);
	if (asker) {
		pool_touch(&(*part)->asker_pool, slot);
		return asker;
	}
	*part = &pending->newcomers;
	return find_asker(pending, *part, &key, &slot);
}

static struct asker *add_asker(const struct pending *pending, struct part *part, const struct asker *asker)
{
	uint32_t slot = pool_add(&part->asker_pool, hash_of_asker(pending, &asker->key));

	if (slot == POOL_NONE)
		return NULL;
	part->askers[slot] = *asker;
	return &part->askers[slot];
}

static void remove_asker(const struct pending *pending, struct part *part, const struct addr *key)
{
	uint32_t slot;

	if (find_asker(pending, part, key, &slot))
		pool_remove(&part->asker_pool, slot);
}

/* One contact less.  A newcomer without any is forgotten. */
static void close_one(struct pending *pending, const struct addr *src)
{
	struct part *part;
	struct asker *asker = pending_asker(pending, src, &part);

	if (!asker)
		return;
	asker->open -= asker->open > 0;
	if (asker->open == 0 && part == &pending->newcomers)
		remove_asker(pending, part, &asker->key);
}

void pending_note_adverse(struct pending *pending, const struct addr *src)
{
	struct part *part, *adverse = &pending->adverse;
	const struct asker *found = pending_asker(pending, src, &part);
	struct asker asker = { .key = asker_key(src) };

	if (found && part == adverse)
		return;
	if (found) {
		asker = *found;
		remove_asker(pending, part, &asker.key);
	}
	if (adverse->asker_pool.count == adverse->asker_pool.max)
		pool_remove(&adverse->asker_pool, adverse->asker_pool.oldest);
	add_asker(pending, adverse, &asker);
}

/* ---- contacts under way ---- */

static uint32_t hash_of(const struct pending *pending, const struct contact_key *key)
{
	return (uint32_t)hash_quick(&pending->key, key, sizeof(*key));
}

static bool is_contact(const void *table, uint32_t slot, const void *key)
{
	return memcmp(&((const struct contact *)table)[slot].key, key, sizeof(struct contact_key)) == 0;
}

static struct contact *find_in(struct part *part, uint32_t hash, const struct contact_key *key, uint32_t *slot)
{
	*slot = hashindex_find(&part->contact_pool.index, hash, is_contact, part->contacts, key);
	return *slot == POOL_NONE ? NULL : &part->contacts[*slot];
}

struct contact *pending_find(struct pending *pending, const struct contact_key *key, struct part **part, uint32_t *slot)
{
	uint32_t hash = hash_of(pending, key);
	struct contact *contact;

	*part = &pending->adverse;
	contact = find_in(*part, hash, key, slot);
	if (contact)
		return contact;
	*part = &pending->newcomers;
	return find_in(*part, hash, key, slot);
}

void pending_remove(struct pending *pending, struct part *part, uint32_t slot)
{
	struct addr src = part->contacts[slot].key.src;

	pool_remove(&part->contact_pool, slot);
	close_one(pending, &src);
}

/* Its number is not for a sender to know: the generator begins with the key. */
static uint32_t chance(struct pending *pending, uint32_t below)
{
	uint64_t z = pending->chance += CHANCE_STEP;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (uint32_t)((z ^ (z >> 31)) % below);
}

/* Makes room among newcomers.  One whose source has been told against since is of no newcomer any more. */
static void displace(struct pending *pending)
{
	struct part *part = &pending->newcomers;
	uint32_t slot = 0;

	for (int i = 0; i < TRIES; i++) {
		struct part *of = part;

		slot = chance(pending, part->contact_pool.max);
		pending_asker(pending, &part->contacts[slot].key.src, &of);
		if (of == part)
			break;
	}
	pending_remove(pending, part, slot);
	pending->displaced++;
}

/* A place for one more contact of that asker.  Where the part of adverse sources is full, as a newcomer's. */
static uint32_t make_place(struct pending *pending, struct part **part, uint32_t hash)
{
	if (*part == &pending->adverse && (*part)->contact_pool.count == (*part)->contact_pool.max) {
		pending->turned_away++;
		*part = &pending->newcomers;
	}
	if (*part == &pending->newcomers && (*part)->contact_pool.count == (*part)->contact_pool.max)
		displace(pending);
	return pool_add(&(*part)->contact_pool, hash);
}

bool pending_open(struct pending *pending, const struct contact_key *key, const struct packet *packet, bool known,
		  int64_t now_ms)
{
	struct part *part, *place;
	uint32_t slot;
	struct asker *asker;

	pending_asker(pending, &key->src, &part);
	place = part;
	slot = make_place(pending, &place, hash_of(pending, key));
	asker = pending_asker(pending, &key->src, &part); /* making room may have been the end of it */
	if (!asker)
		asker = add_asker(pending, part, &(struct asker){ .key = asker_key(&key->src) });
	if (!asker) {
		pool_remove(&place->contact_pool, slot);
		return false;
	}
	asker->open++;
	place->contacts[slot] = (struct contact){ .key = *key, .packet = *packet, .at_ms = now_ms, .known = known };
	return true;
}
