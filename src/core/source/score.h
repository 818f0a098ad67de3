/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arithmetic of one source: pieces of evidence, their decay, and three sums.  The sums of the two slow classes are,
 * at any time, exactly what the decayed pieces and the older rest add up to; `fast` leaks at a constant rate and is
 * floored at zero.
 *
 * Slow decay is counted in whole seconds, like the times of the pieces, so that both agree.
 */
#ifndef PICKET_SCORE_H
#define PICKET_SCORE_H

#include "sources.h"

#define SCORE_LEAK_PER_S      0.28
#define SCORE_CONFIRMED_LIVES 3     /* confirmation's half-life, in suspicion's */
#define SCORE_MEMORY_S        86400 /* a piece counts once in this time */

struct score {
	double confirmed, suspected, fast;
};

double score_total(const struct score *score);
/* As it stands at now_ms; the source is left as it is. */
struct score score_at(const struct source *source, int64_t now_ms, int64_t half_life_ms);
/* What a piece weighs now.  For the fast class: what it weighed, since that class does not fade piece by piece. */
double score_piece(const struct evidence *piece, int64_t now_ms, int64_t half_life_ms);
/* What the older evidence of a slot weighs now; 0 for the fast class. */
double score_older(const struct source *source, int slot, int64_t now_ms, int64_t half_life_ms);

/* Puts a piece in front; the oldest joins the older ones. */
void score_add(struct source *source, const struct evidence *piece, int64_t now_ms, int64_t half_life_ms);
/* Takes a piece out, and its weight with it. */
void score_remove(struct source *source, int at, int64_t now_ms, int64_t half_life_ms);
/* Gives a piece another weight, as if it had always had it. */
void score_reweigh(struct source *source, int at, uint8_t weight, int64_t now_ms, int64_t half_life_ms);
/* The half-life has changed: the same evidence, under the new one. */
void score_rebase(struct source *source, int64_t now_ms, int64_t old_half_life_ms, int64_t new_half_life_ms);
/* Sums from the pieces plus `older` nats of each slot (a restored source). */
void score_restore(struct source *source, const double older[SOURCE_OLDER], double fast, int64_t now_ms,
		   int64_t half_life_ms);

#endif
