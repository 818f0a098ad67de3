/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sums of decayed evidence.  Every change goes the same way: bring the sums to now, note what of them is older than the
 * pieces, change the pieces, add up again.  So rounding never gathers, and what `explain` lists is what decided.
 */
#include "source.h"

#include <math.h>

struct rest {
	double of[EVIDENCE_CLASS_COUNT]; /* nats that stem from evidence older than the pieces */
};

static double faded(enum evidence_class class, int64_t from_s, int64_t to_s, int64_t half_life_ms)
{
	if (to_s <= from_s || class == EVIDENCE_FAST)
		return 1.0;
	return exp2(-(double)(to_s - from_s) * 1000.0 / (double)half_life_ms);
}

double score_total(const struct score *score)
{
	return score->confirmed + score->suspected + score->fast;
}

struct score score_at(const struct source *source, int64_t now_ms, int64_t half_life_ms)
{
	int64_t from_s = source->updated_ms / 1000, to_s = now_ms / 1000;
	double leaked = (double)(now_ms - source->updated_ms) / 1000.0 * SCORE_LEAK_PER_S;
	struct score score = {
		.confirmed = source->confirmed * faded(EVIDENCE_CONFIRMED, from_s, to_s, half_life_ms),
		.suspected = source->suspected * faded(EVIDENCE_SUSPECTED, from_s, to_s, half_life_ms),
		.fast = source->fast,
	};

	if (leaked > 0)
		score.fast = score.fast > leaked ? score.fast - leaked : 0;
	return score;
}

double score_piece(const struct evidence *piece, int64_t now_ms, int64_t half_life_ms)
{
	return piece->weight / (double)EVIDENCE_NAT *
	       faded(evidence_class(piece->kind), piece->at_s, now_ms / 1000, half_life_ms);
}

static void add_up(const struct source *source, int64_t now_ms, int64_t half_life_ms, double sums[EVIDENCE_CLASS_COUNT])
{
	for (int i = 0; i < EVIDENCE_CLASS_COUNT; i++)
		sums[i] = 0;
	for (int i = 0; i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE; i++)
		sums[evidence_class(source->pieces[i].kind)] += score_piece(&source->pieces[i], now_ms, half_life_ms);
}

static bool has_older(const struct source *source, enum evidence_class class)
{
	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (source->older[i].kind != EVIDENCE_NONE && evidence_class(source->older[i].kind) == class)
			return true;
	}
	return false;
}

static struct rest rest_at(const struct source *source, int64_t now_ms, int64_t half_life_ms)
{
	struct score score = score_at(source, now_ms, half_life_ms);
	struct rest rest = { { 0 } };
	double sums[EVIDENCE_CLASS_COUNT];

	add_up(source, now_ms, half_life_ms, sums);
	if (has_older(source, EVIDENCE_CONFIRMED))
		rest.of[EVIDENCE_CONFIRMED] = fmax(0, score.confirmed - sums[EVIDENCE_CONFIRMED]);
	if (has_older(source, EVIDENCE_SUSPECTED))
		rest.of[EVIDENCE_SUSPECTED] = fmax(0, score.suspected - sums[EVIDENCE_SUSPECTED]);
	return rest;
}

/* What leaks evenly is gone from its oldest end: the pieces hold the newest part of it, and what is left beside is
 * older. */
static double older_fast(const struct source *source, int slot, int64_t now_ms, int64_t half_life_ms)
{
	double sums[EVIDENCE_CLASS_COUNT], left = score_at(source, now_ms, half_life_ms).fast;
	unsigned counts = 0;

	add_up(source, now_ms, half_life_ms, sums);
	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (source->older[i].kind != EVIDENCE_NONE && evidence_class(source->older[i].kind) == EVIDENCE_FAST)
			counts += source->older[i].count;
	}
	left -= sums[EVIDENCE_FAST];
	return counts && left > 0 ? left * source->older[slot].count / counts : 0;
}

double score_older(const struct source *source, int slot, int64_t now_ms, int64_t half_life_ms)
{
	enum evidence_class class = evidence_class(source->older[slot].kind);
	struct rest rest = rest_at(source, now_ms, half_life_ms);
	unsigned shares = 0;

	if (class == EVIDENCE_FAST)
		return older_fast(source, slot, now_ms, half_life_ms);
	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (source->older[i].kind != EVIDENCE_NONE && evidence_class(source->older[i].kind) == class)
			shares += source->older[i].share;
	}
	return shares ? rest.of[class] * source->older[slot].share / shares : 0;
}

/* The sums are what the pieces and the rest say.  fast is given: it has no pieces to be told from. */
static void settle(struct source *source, const struct rest *rest, double fast, int64_t now_ms, int64_t half_life_ms)
{
	double sums[EVIDENCE_CLASS_COUNT];

	add_up(source, now_ms, half_life_ms, sums);
	source->confirmed = (float)(sums[EVIDENCE_CONFIRMED] + rest->of[EVIDENCE_CONFIRMED]);
	source->suspected = (float)(sums[EVIDENCE_SUSPECTED] + rest->of[EVIDENCE_SUSPECTED]);
	source->fast = (float)fmax(0, fast);
	source->updated_ms = now_ms;
}

/* The slot for a kind.  With all four taken by others, two of them are of one class (there are three): the two lightest
 * of such become one, under the name of the heavier. */
static struct older *older_slot(struct source *source, uint8_t kind)
{
	struct older *o = source->older;
	int into = -1, from = -1;

	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (o[i].kind == kind || o[i].kind == EVIDENCE_NONE) {
			o[i].kind = kind;
			return &o[i];
		}
	}
	for (int i = 0; i < SOURCE_OLDER; i++) {
		for (int j = 0; j < SOURCE_OLDER; j++) {
			if (i == j || evidence_class(o[i].kind) != evidence_class(o[j].kind) || o[i].share < o[j].share)
				continue;
			if (into < 0 || o[i].share + o[j].share < o[into].share + o[from].share) {
				into = i;
				from = j;
			}
		}
	}
	o[into].share = (uint16_t)fmin(65535, o[into].share + o[from].share);
	o[into].count = (uint8_t)fmin(255, o[into].count + o[from].count);
	o[from] = (struct older){ .kind = kind };
	return &o[from];
}

/* The place that a new piece takes: a free one, or the oldest one's.  What proves something stays longer, for whoever
 * is banned for it is to be told so. */
static int place_for_piece(const struct source *source)
{
	if (source->pieces[SOURCE_PIECES - 1].kind == EVIDENCE_NONE)
		return SOURCE_PIECES - 1;
	for (int i = SOURCE_PIECES - 1; i >= 0; i--)
		if (evidence_class(source->pieces[i].kind) != EVIDENCE_CONFIRMED || source->pieces[i].weight == 0)
			return i;
	return SOURCE_PIECES - 1;
}

/* That piece leaves its place; its weight stays, as part of the rest. */
static void push_out(struct source *source, int place, struct rest *rest, int64_t now_ms, int64_t half_life_ms)
{
	const struct evidence *last = &source->pieces[place];
	enum evidence_class class = evidence_class(last->kind);
	double before, weight;
	struct older *slot;

	if (last->kind == EVIDENCE_NONE)
		return;
	slot = older_slot(source, last->kind);
	if (slot->count < 255)
		slot->count++;
	if (class == EVIDENCE_FAST)
		return;
	before = rest->of[class];
	weight = score_piece(last, now_ms, half_life_ms);
	rest->of[class] += weight;
	if (rest->of[class] <= 0)
		return;
	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (source->older[i].kind != EVIDENCE_NONE && evidence_class(source->older[i].kind) == class)
			source->older[i].share = (uint16_t)(source->older[i].share * (before / rest->of[class]));
	}
	slot->share = (uint16_t)fmin(65535, slot->share + 65535 * (weight / rest->of[class]));
}

void score_add(struct source *source, const struct evidence *piece, int64_t now_ms, int64_t half_life_ms)
{
	struct rest rest = rest_at(source, now_ms, half_life_ms);
	double fast = score_at(source, now_ms, half_life_ms).fast;
	int place = place_for_piece(source);

	push_out(source, place, &rest, now_ms, half_life_ms);
	for (int i = place; i > 0; i--)
		source->pieces[i] = source->pieces[i - 1];
	source->pieces[0] = *piece;
	if (evidence_class(piece->kind) == EVIDENCE_FAST)
		fast += piece->weight / (double)EVIDENCE_NAT;
	settle(source, &rest, fast, now_ms, half_life_ms);
}

void score_remove(struct source *source, int at, int64_t now_ms, int64_t half_life_ms)
{
	struct rest rest = rest_at(source, now_ms, half_life_ms);
	double fast = score_at(source, now_ms, half_life_ms).fast;

	for (int i = at; i < SOURCE_PIECES - 1; i++)
		source->pieces[i] = source->pieces[i + 1];
	source->pieces[SOURCE_PIECES - 1] = (struct evidence){ .kind = EVIDENCE_NONE };
	settle(source, &rest, fast, now_ms, half_life_ms);
}

void score_reweigh(struct source *source, int at, uint8_t weight, int64_t now_ms, int64_t half_life_ms)
{
	struct rest rest = rest_at(source, now_ms, half_life_ms);
	double fast = score_at(source, now_ms, half_life_ms).fast;
	struct evidence *piece = &source->pieces[at];

	if (evidence_class(piece->kind) == EVIDENCE_FAST)
		fast += (weight - piece->weight) / (double)EVIDENCE_NAT;
	piece->weight = weight;
	settle(source, &rest, fast, now_ms, half_life_ms);
}

void score_rebase(struct source *source, int64_t now_ms, int64_t old_half_life_ms, int64_t new_half_life_ms)
{
	struct rest rest = rest_at(source, now_ms, old_half_life_ms);
	double fast = score_at(source, now_ms, old_half_life_ms).fast;

	settle(source, &rest, fast, now_ms, new_half_life_ms);
}

void score_restore(struct source *source, const double older[SOURCE_OLDER], double fast, int64_t now_ms,
		   int64_t half_life_ms)
{
	struct rest rest = { { 0 } };

	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (source->older[i].kind != EVIDENCE_NONE)
			rest.of[evidence_class(source->older[i].kind)] += older[i];
	}
	for (int i = 0; i < SOURCE_OLDER; i++) {
		double all = rest.of[evidence_class(source->older[i].kind)];

		source->older[i].share =
			(uint16_t)(source->older[i].kind != EVIDENCE_NONE && all > 0 ? 65535 * (older[i] / all) : 0);
	}
	settle(source, &rest, fast, now_ms, half_life_ms);
}
