/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts that are held by counting: three shelves of places, by length, and an index of them all.  A text that nobody
 * holds any more gives its place to another.  The hash is keyed, since suspects choose what their reasons say.
 */
#include "reasons.h"

#include <stdlib.h>
#include <string.h>

#include "hashindex.h"

#define SHELVES 3
#define STEP    (ENGINE_REASON_MAX / SHELVES) /* a shelf's texts have so many bytes more than the one's before */
#define NONE    UINT32_MAX

_Static_assert(STEP *SHELVES == ENGINE_REASON_MAX, "the longest text has a place");

struct place {
	uint32_t holders; /* 0: free */
	uint32_t hash;    /* of a free place: the next one in their list */
};

struct shelf {
	uint32_t high;  /* places from here on were never used */
	uint32_t freed; /* head of the list of free ones */
	struct place *places;
	char *texts; /* beside places, of the same length each */
};

/* A text's number is 1 + its place, of all shelves one behind the other. */
struct reasons {
	struct hash_key key;
	uint32_t max; /* of each shelf, and of all */
	uint32_t count;
	struct hashindex index;
	struct shelf shelves[SHELVES];
};

struct reasons *reasons_new(uint32_t max, const struct hash_key *key)
{
	struct reasons *reasons = calloc(1, sizeof(*reasons));
	bool complete;

	if (!reasons)
		return NULL;
	reasons->key = *key;
	reasons->max = max;
	complete = hashindex_init(&reasons->index, max);
	for (unsigned i = 0; i < SHELVES; i++) {
		struct shelf *shelf = &reasons->shelves[i];

		shelf->freed = NONE;
		shelf->places = calloc(max, sizeof(*shelf->places));
		shelf->texts = calloc(max, (size_t)STEP * (i + 1));
		complete &= shelf->places && shelf->texts;
	}
	if (complete)
		return reasons;
	reasons_free(reasons);
	return NULL;
}

void reasons_free(struct reasons *reasons)
{
	if (!reasons)
		return;
	hashindex_free(&reasons->index);
	for (unsigned i = 0; i < SHELVES; i++) {
		free(reasons->shelves[i].places);
		free(reasons->shelves[i].texts);
	}
	free(reasons);
}

static struct place *place_of(const struct reasons *reasons, uint32_t at)
{
	return &reasons->shelves[at / reasons->max].places[at % reasons->max];
}

static char *text_of(const struct reasons *reasons, uint32_t at)
{
	uint32_t shelf = at / reasons->max;

	return reasons->shelves[shelf].texts + (size_t)STEP * (shelf + 1) * (at % reasons->max);
}

static bool is_text(const void *reasons, uint32_t at, const void *text)
{
	return strcmp(text_of(reasons, at), text) == 0;
}

/* A free place of that shelf, or NONE. */
static uint32_t new_place(struct shelf *shelf, uint32_t max)
{
	uint32_t at = shelf->freed;

	if (at == NONE)
		return shelf->high < max ? shelf->high++ : NONE;
	shelf->freed = shelf->places[at].hash;
	return at;
}

uint32_t reasons_take(struct reasons *reasons, const char *text)
{
	size_t len = strnlen(text, ENGINE_REASON_MAX - 1);
	uint32_t hash = (uint32_t)hash_bytes(&reasons->key, text, len), shelf = (uint32_t)len / STEP, at;

	if (len == 0)
		return 0;
	at = hashindex_find(&reasons->index, hash, is_text, reasons, text);
	if (at == HASHINDEX_NONE) {
		at = reasons->count < reasons->max ? new_place(&reasons->shelves[shelf], reasons->max) : NONE;
		if (at == NONE)
			return 0;
		at += shelf * reasons->max;
		*place_of(reasons, at) = (struct place){ .hash = hash };
		memcpy(text_of(reasons, at), text, len);
		text_of(reasons, at)[len] = '\0';
		hashindex_add(&reasons->index, hash, at);
		reasons->count++;
	}
	place_of(reasons, at)->holders++;
	return at + 1;
}

void reasons_hold(struct reasons *reasons, uint32_t id)
{
	if (id > 0)
		place_of(reasons, id - 1)->holders++;
}

void reasons_release(struct reasons *reasons, uint32_t id)
{
	struct place *place;
	struct shelf *shelf;

	if (id == 0)
		return;
	place = place_of(reasons, id - 1);
	if (--place->holders > 0)
		return;
	shelf = &reasons->shelves[(id - 1) / reasons->max];
	hashindex_remove(&reasons->index, place->hash, id - 1);
	place->hash = shelf->freed;
	shelf->freed = (id - 1) % reasons->max;
	reasons->count--;
}

const char *reasons_text(const struct reasons *reasons, uint32_t id)
{
	return id > 0 ? text_of(reasons, id - 1) : "";
}
