/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sums of decayed evidence.  Every change goes the same way: bring the sums to now, note what of them is older than the
 * pieces, change the pieces, add up again.  So rounding never gathers, and what `explain` lists is what decided.
 */
#include "source.h"

#include <math.h>
#include <string.h>

/* Nats by class. */
struct nats {
	double of[EVIDENCE_CLASS_COUNT];
};

/* A source's score at some time: what its pieces weigh, and what stems from evidence older than these. */
struct account {
	struct nats pieces, rest; /* without the fast class */
	double fast;
};

/* ---- decay ---- */

void decay_init(struct decay *decay, int64_t half_life_ms)
{
	decay->half_life_ms = half_life_ms;
	for (unsigned table = 0; table < DECAY_TABLES; table++)
		for (unsigned i = 0; i < 1u << DECAY_BITS; i++)
			decay->left[table][i] =
				exp2(-(double)((int64_t)i << DECAY_BITS * table) * 1000.0 / (double)half_life_ms);
}

static __attribute__((noinline)) double left_after_long(const struct decay *decay, int64_t seconds)
{
	const unsigned last = (1u << DECAY_BITS) - 1;

	if (seconds <= 0)
		return 1.0;
	if (seconds >> DECAY_BITS * DECAY_TABLES)
		return exp2(-(double)seconds * 1000.0 / (double)decay->half_life_ms);
	return decay->left[0][seconds & last] * decay->left[1][seconds >> DECAY_BITS & last] *
	       decay->left[2][seconds >> 2 * DECAY_BITS];
}

/* What is left after so long a time. */
static inline double left_after(const struct decay *decay, int64_t seconds)
{
	return (uint64_t)seconds >> DECAY_BITS ? left_after_long(decay, seconds) : decay->left[0][seconds];
}

/* ---- the score as it stands ---- */

struct score score_faded(const struct source *source, int64_t now_ms, const struct decay *decay)
{
	struct score score = { source->confirmed, source->suspected, source->fast };
	double leaked = (double)(now_ms - source->updated_ms) / 1000.0 * SCORE_LEAK_PER_S;

	if (source->confirmed > 0 || source->suspected > 0) {
		double left = left_after(decay, now_ms / 1000 - source->updated_ms / 1000);

		score.confirmed *= left;
		score.suspected *= left;
	}
	if (leaked > 0)
		score.fast = score.fast > leaked ? score.fast - leaked : 0;
	return score;
}

static bool fades(enum evidence_class class)
{
	return class != EVIDENCE_FAST;
}

double score_piece(const struct evidence *piece, int64_t now_ms, const struct decay *decay)
{
	double left = fades(evidence_class(piece->kind)) ? left_after(decay, now_ms / 1000 - piece->at_s) : 1.0;

	return piece->weight * left / EVIDENCE_NAT;
}

/* One pass over the pieces, the most frequent work there is: each sum in a register of its own. */
static struct nats pieces_of(const struct source *source, int64_t now_ms, const struct decay *decay)
{
	double confirmed = 0, suspected = 0, fast = 0;
	int64_t now_s = now_ms / 1000;

	for (const struct evidence *piece = source->pieces;
	     piece < source->pieces + SOURCE_PIECES && piece->kind != EVIDENCE_NONE; piece++) {
		double weight = piece->weight;

		switch (evidence_class(piece->kind)) {
		case EVIDENCE_FAST: fast += weight; break;
		case EVIDENCE_CONFIRMED: confirmed += weight * left_after(decay, now_s - piece->at_s); break;
		default: suspected += weight * left_after(decay, now_s - piece->at_s); break;
		}
	}
	return (struct nats){ { [EVIDENCE_CONFIRMED] = confirmed / EVIDENCE_NAT,
				[EVIDENCE_SUSPECTED] = suspected / EVIDENCE_NAT,
				[EVIDENCE_FAST] = fast / EVIDENCE_NAT } };
}

/* A bit for each class of which there is older evidence. */
static unsigned older_classes(const struct source *source)
{
	unsigned classes = 0;

	for (int i = 0; i < SOURCE_OLDER; i++)
		if (source->older[i].kind != EVIDENCE_NONE)
			classes |= 1u << evidence_class(source->older[i].kind);
	return classes;
}

static struct account account_at(const struct source *source, int64_t now_ms, const struct decay *decay)
{
	struct score score = score_at(source, now_ms, decay);
	struct account account = { .pieces = pieces_of(source, now_ms, decay), .fast = score.fast };
	unsigned older = older_classes(source);

	if (older & 1u << EVIDENCE_CONFIRMED)
		account.rest.of[EVIDENCE_CONFIRMED] = fmax(0, score.confirmed - account.pieces.of[EVIDENCE_CONFIRMED]);
	if (older & 1u << EVIDENCE_SUSPECTED)
		account.rest.of[EVIDENCE_SUSPECTED] = fmax(0, score.suspected - account.pieces.of[EVIDENCE_SUSPECTED]);
	return account;
}

/* What leaks evenly is gone from its oldest end: the pieces hold the newest part of it, and what is left beside is
 * older. */
static double older_fast(const struct source *source, int slot, int64_t now_ms, const struct decay *decay)
{
	double left = score_at(source, now_ms, decay).fast;
	unsigned counts = 0;

	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (source->older[i].kind != EVIDENCE_NONE && evidence_class(source->older[i].kind) == EVIDENCE_FAST)
			counts += source->older[i].count;
	}
	left -= pieces_of(source, now_ms, decay).of[EVIDENCE_FAST];
	return counts && left > 0 ? left * source->older[slot].count / counts : 0;
}

double score_older(const struct source *source, int slot, int64_t now_ms, const struct decay *decay)
{
	enum evidence_class class = evidence_class(source->older[slot].kind);
	struct account account = account_at(source, now_ms, decay);
	unsigned shares = 0;

	if (class == EVIDENCE_FAST)
		return older_fast(source, slot, now_ms, decay);
	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (source->older[i].kind != EVIDENCE_NONE && evidence_class(source->older[i].kind) == class)
			shares += source->older[i].share;
	}
	return shares ? account.rest.of[class] * source->older[slot].share / shares : 0;
}

/* The sums are what the pieces and the rest say; fast has no pieces to be told from. */
static void settle(struct source *source, const struct account *account, int64_t now_ms)
{
	source->confirmed =
		(float)fmax(0, account->pieces.of[EVIDENCE_CONFIRMED] + account->rest.of[EVIDENCE_CONFIRMED]);
	source->suspected =
		(float)fmax(0, account->pieces.of[EVIDENCE_SUSPECTED] + account->rest.of[EVIDENCE_SUSPECTED]);
	source->fast = (float)fmax(0, account->fast);
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

/* The place that a new piece takes: the first free one, or the oldest one's.  What proves something stays longer, for
 * whoever is banned for it is to be told so. */
static int place_for_piece(const struct source *source)
{
	for (int i = 0; source->pieces[SOURCE_PIECES - 1].kind == EVIDENCE_NONE; i++)
		if (source->pieces[i].kind == EVIDENCE_NONE)
			return i;
	for (int i = SOURCE_PIECES - 1; i >= 0; i--)
		if (evidence_class(source->pieces[i].kind) != EVIDENCE_CONFIRMED || source->pieces[i].weight == 0)
			return i;
	return SOURCE_PIECES - 1;
}

/* The piece leaves its place; its weight stays, as part of the rest. */
static void push_out(struct source *source, const struct evidence *last, struct account *account, int64_t now_ms,
		     const struct decay *decay)
{
	enum evidence_class class = evidence_class(last->kind);
	struct older *slot = older_slot(source, last->kind);
	double before = account->rest.of[class], weight, kept;

	if (slot->count < 255)
		slot->count++;
	if (class == EVIDENCE_FAST)
		return;
	weight = score_piece(last, now_ms, decay);
	account->pieces.of[class] -= weight;
	account->rest.of[class] += weight;
	if (account->rest.of[class] <= 0)
		return;
	kept = before / account->rest.of[class];
	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (source->older[i].kind != EVIDENCE_NONE && evidence_class(source->older[i].kind) == class)
			source->older[i].share = (uint16_t)(source->older[i].share * kept);
	}
	slot->share = (uint16_t)fmin(65535, slot->share + 65535 * (weight / account->rest.of[class]));
}

void score_add(struct source *source, const struct evidence *piece, int64_t now_ms, const struct decay *decay)
{
	struct account account = account_at(source, now_ms, decay);
	int place = place_for_piece(source);

	if (source->pieces[place].kind != EVIDENCE_NONE)
		push_out(source, &source->pieces[place], &account, now_ms, decay);
	memmove(&source->pieces[1], &source->pieces[0], (size_t)place * sizeof(source->pieces[0]));
	source->pieces[0] = *piece;
	if (evidence_class(piece->kind) == EVIDENCE_FAST)
		account.fast += piece->weight / (double)EVIDENCE_NAT;
	else
		account.pieces.of[evidence_class(piece->kind)] += score_piece(piece, now_ms, decay);
	settle(source, &account, now_ms);
}

void score_remove(struct source *source, int at, int64_t now_ms, const struct decay *decay)
{
	struct account account = account_at(source, now_ms, decay);

	for (int i = at; i < SOURCE_PIECES - 1; i++)
		source->pieces[i] = source->pieces[i + 1];
	source->pieces[SOURCE_PIECES - 1] = (struct evidence){ .kind = EVIDENCE_NONE };
	account.pieces = pieces_of(source, now_ms, decay);
	settle(source, &account, now_ms);
}

void score_reweigh(struct source *source, int at, uint8_t weight, int64_t now_ms, const struct decay *decay)
{
	struct account account = account_at(source, now_ms, decay);

	source->pieces[at].weight = weight;
	account.pieces = pieces_of(source, now_ms, decay);
	settle(source, &account, now_ms);
}

void score_rebase(struct source *source, int64_t now_ms, const struct decay *old, const struct decay *decay)
{
	struct account account = account_at(source, now_ms, old);

	account.pieces = pieces_of(source, now_ms, decay);
	settle(source, &account, now_ms);
}

void score_restore(struct source *source, const double older[SOURCE_OLDER], double fast, int64_t now_ms,
		   const struct decay *decay)
{
	struct account account = { .pieces = pieces_of(source, now_ms, decay), .fast = fast };
	struct nats *rest = &account.rest;

	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (source->older[i].kind != EVIDENCE_NONE)
			rest->of[evidence_class(source->older[i].kind)] += older[i];
	}
	for (int i = 0; i < SOURCE_OLDER; i++) {
		double all = rest->of[evidence_class(source->older[i].kind)];

		source->older[i].share =
			(uint16_t)(source->older[i].kind != EVIDENCE_NONE && all > 0 ? 65535 * (older[i] / all) : 0);
	}
	settle(source, &account, now_ms);
}
