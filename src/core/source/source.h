/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources: the table of them, and the arithmetic of one.
 */
#ifndef PICKET_SOURCE_H
#define PICKET_SOURCE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <picket/event.h>
#include "hash.h"
#include "prefixset.h"

/* ---- sources.c ---- */

/*
 * The table of sources: their evidence and their scores.  Bounded and keyed; 208 bytes for each source that there was
 * at the same time, and some 16 for its place in the index and in the order of eviction.
 *
 * When the table is full a new source evicts another, in constant time: one that is banned or blocked, or else a
 * confirmed one, while these hold more than a quarter of the table; else one of the crowd.  A ban stands without its
 * source's entry, and knows how often there was one before: so no number of them keeps newcomers from being judged.
 * Sources are listed by score, a list a nat, and the longest list gives the one without new evidence for the longest
 * time.  A forged flood evicts its own entries, whatever score it gives them: by rank alone a table full of higher
 * scores would evict a scanner after each of its probes.
 */

#define SOURCE_PIECES 12
#define SOURCE_OLDER  4

/* What fell out of the pieces.  All evidence of a class decays at one rate, so shares do not change with time. */
struct older {
	uint8_t kind, count; /* kind EVIDENCE_NONE: unused; count saturates */
	uint16_t share;      /* of its class's older evidence, in 1/65535 */
};

/* In the order in which a probe needs it: what tells that the source is known and the piece is, too, comes first. */
struct source {
	struct prefix key;
	uint8_t grade : 3;  /* the highest that was reported and still holds */
	uint8_t exempt : 1; /* EVENT_EXEMPT was reported in this incident */
	uint8_t net : 3;    /* of a net: how many levels above its members; 0: a source */
	uint8_t tool : 4;
	uint8_t list : 4;                      /* sources.c's own */
	uint8_t times;                         /* bans so far */
	uint32_t hash;                         /* prefix_hash() of the key */
	struct evidence pieces[SOURCE_PIECES]; /* newest first */
	int64_t updated_ms;                    /* of the newest evidence: the time the sums below stand for */
	float confirmed, suspected, fast;
	uint32_t incident;
	uint32_t first_s;
	uint32_t kinds;
	uint16_t probes;       /* that counted; saturates */
	uint16_t last_ban_day; /* days since the epoch */
	struct trap_families visited;
	struct older older[SOURCE_OLDER];
};

static_assert(sizeof(struct source) == 208, "a source is 208 bytes");

struct sources;

struct sources *sources_new(uint32_t max, const struct hash_key *key);
void sources_free(struct sources *table);

struct source *sources_find(const struct sources *table, const struct prefix *key);
/* hash: prefix_hash() of the key. */
struct source *sources_find_hashed(const struct sources *table, const struct prefix *key, uint32_t hash);
/* In a large table nothing of an entry is in the cache.  So that its parts come while other work is done, and not one
 * after the other: first ask for its place in the index, later for the entry itself, then look it up. */
void sources_prefetch(const struct sources *table, uint32_t hash);
void sources_prefetch_entry(const struct sources *table, uint32_t hash);
/* The entry is about to be ranked. */
void sources_prefetch_rank(const struct sources *table, const struct source *source);
/* A new, empty entry.  NULL when no entry may be evicted for it. */
struct source *sources_add(struct sources *table, const struct prefix *key);
struct source *sources_add_hashed(struct sources *table, const struct prefix *key, uint32_t hash);
/* The same, but only where there is a free place. */
struct source *sources_add_if_free(struct sources *table, const struct prefix *key);
void sources_remove(struct sources *table, struct source *source);

enum sources_rank { SOURCES_SUSPECTED, SOURCES_CONFIRMED, SOURCES_BLOCKED };
/* Must be called after each change: puts the source into its place in the order of eviction.  score in nats. */
void sources_rank(struct sources *table, struct source *source, enum sources_rank rank, double score);
/* To be called as time passes: the same, but an entry that is in the right list keeps its place there. */
void sources_rerank(struct sources *table, struct source *source, enum sources_rank rank, double score);
bool sources_is_blocked(const struct source *source);

/* The entry at an index below sources_max(), or NULL. */
struct source *sources_at(const struct sources *table, uint32_t index);
uint32_t sources_max(const struct sources *table);
uint32_t sources_count(const struct sources *table);
uint32_t sources_confirmed(const struct sources *table);
uint64_t sources_evicted(const struct sources *table);

/* ---- score.c ---- */

/*
 * The arithmetic of one source: pieces of evidence, their decay, and three sums.  The sums of the two slow classes are,
 * at any time, exactly what the decayed pieces and the older rest add up to; `fast` leaks at a constant rate and is
 * floored at zero.
 *
 * Slow decay is counted in whole seconds, like the times of the pieces, so that both agree.
 */

#define SCORE_LEAK_PER_S 0.28
#define SCORE_MEMORY_S   86400 /* a piece counts once in this time */

/* What is left of a weight after whole seconds: a product of table values, so that no probe pays for an exp2(). */
#define DECAY_BITS   8 /* of the seconds, each table */
#define DECAY_TABLES 3 /* 194 days */
struct decay {
	int64_t half_life_ms;
	double left[DECAY_TABLES][1 << DECAY_BITS]; /* after i * 2^(DECAY_BITS * table) seconds */
};

void decay_init(struct decay *decay, int64_t half_life_ms);

struct score {
	double confirmed, suspected, fast;
};

static inline double score_total(const struct score *score)
{
	return score->confirmed + score->suspected + score->fast;
}

/* score_at() later than the newest evidence. */
struct score score_faded(const struct source *source, int64_t now_ms, const struct decay *decay);
/* As it stands at now_ms; the source is left as it is. */
static inline struct score score_at(const struct source *source, int64_t now_ms, const struct decay *decay)
{
	return now_ms == source->updated_ms ? (struct score){ source->confirmed, source->suspected, source->fast }
					    : score_faded(source, now_ms, decay);
}
/* What a piece weighs now.  For the fast class: what it weighed, since that class does not fade piece by piece. */
double score_piece(const struct evidence *piece, int64_t now_ms, const struct decay *decay);
/* What the older evidence of a slot weighs now; 0 for the fast class. */
double score_older(const struct source *source, int slot, int64_t now_ms, const struct decay *decay);

/* Puts a piece in front; the oldest joins the older ones. */
void score_add(struct source *source, const struct evidence *piece, int64_t now_ms, const struct decay *decay);
/* Takes a piece out, and its weight with it. */
void score_remove(struct source *source, int at, int64_t now_ms, const struct decay *decay);
/* Gives a piece that does not leak another weight, as if it had always had it. */
void score_reweigh(struct source *source, int at, uint8_t weight, int64_t now_ms, const struct decay *decay);
/* The half-life has changed: the same evidence, under the new one. */
void score_rebase(struct source *source, int64_t now_ms, const struct decay *old, const struct decay *decay);
/* Sums from the pieces plus `older` nats of each slot (a restored source). */
void score_restore(struct source *source, const double older[SOURCE_OLDER], double fast, int64_t now_ms,
		   const struct decay *decay);

#endif
