/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State from an earlier run.  It comes from a file, so nothing in it is believed: every enum, length, time and
 * weight is checked, sums are made again from the pieces, and what makes no sense is refused whole.
 *
 * A clock that was ahead and has been put right is no reason to forget: what lies in the future happened now, and a
 * block lasts as long as it was meant to, and no longer than one of its grade may.
 */
#include "internal.h"

#include <string.h>

#include "duration.h"
#include "writer.h"

#define WEIGHT_MAX_EVER 94        /* of a visit, once; today's are lighter */
#define OLDER_MN_MAX    100000000 /* 100,000 nats: every port of a host, and more */
#define LOOK_SOON_MS    60000     /* an alert or a veil that is restored is looked at then */
#define KINDS_MASK      ((1u << EVIDENCE_KIND_COUNT) - 2)

static int64_t not_after(int64_t at_ms, int64_t now_ms)
{
	return at_ms < now_ms ? at_ms : now_ms;
}

/* From the future: the clock was ahead.  How much is left of such a block nobody knows, at most all of it. */
static void bring_to_now(struct block_view *view, int64_t now_ms)
{
	if (view->since_ms <= now_ms)
		return;
	if (view->until_ms > view->since_ms)
		view->until_ms -= view->since_ms - now_ms;
	view->since_ms = now_ms;
}

static bool block_is_valid(const struct block_view *view, int64_t now_ms)
{
	if (!prefix_is_valid(&view->source) || prefix_no_source(&view->source) || view->tool >= TOOL_COUNT ||
	    (view->kinds & ~KINDS_MASK))
		return false;
	if (view->grade < GRADE_ALERT || view->grade > GRADE_BLOCK)
		return false;
	if (view->since_ms < 0 || view->until_ms < 0 ||
	    (view->grade == GRADE_BLOCK && view->until_ms > now_ms + DURATION_MAX_MS))
		return false;
	/* Only an admin's word holds for good, and only an admin blocks whole nets. */
	if (view->grade != GRADE_BLOCK && (view->until_ms == 0 || view->source.len < 40))
		return false;
	return text_is_printable(view->reason, sizeof(view->reason));
}

static int64_t latest_end(const struct engine *engine, const struct block_view *view)
{
	if (view->grade == GRADE_BLOCK)
		return view->until_ms;
	return not_after(view->until_ms, engine->now_ms + (view->grade == GRADE_BAN ? engine->config.ban_max_ms
										    : engine->config.veil_max_ms));
}

/* A source of which nothing else is known gets no entry: a hundred thousand bans would fill the table.  What its block
 * tells is taken over when it sends, or when the block ends. */
static void restore_times(struct engine *engine, const struct prefix *key)
{
	struct source *source = sources_find(engine->sources, key);

	if (!source)
		return;
	engine_recall(engine, source, blocks_find(engine->blocks, key));
	engine_rank(engine, source);
}

enum engine_result engine_restore_block(struct engine *engine, struct block_view *view, int64_t now_ms)
{
	struct block block;

	engine_time(engine, now_ms);
	bring_to_now(view, engine->now_ms);
	if (!block_is_valid(view, engine->now_ms))
		return ENGINE_INVALID;
	if (view->until_ms > 0 && view->until_ms <= engine->now_ms)
		return ENGINE_NOT_FOUND;
	if (safeguard_allowed(engine->safeguard, &view->source))
		return ENGINE_ALLOWED;
	if (view->grade != GRADE_BLOCK &&
	    (safeguard_protected(engine->safeguard, &view->source, NULL) != PROTECT_NONE ||
	     safeguard_protected_inside(engine->safeguard, &view->source) != PROTECT_NONE))
		return ENGINE_PROTECTED;
	if (view->grade < GRADE_BAN && !blocks_fits(engine->blocks, &view->source, (enum grade)view->grade)) {
		engine->counts.veils_refused++;
		return ENGINE_FULL;
	}
	view->until_ms = latest_end(engine, view);
	block = blocks_from_view(view, engine->config.veil);
	if (blocks_put(engine->blocks, &view->source, &block, not_after(view->until_ms, engine->now_ms + LOOK_SOON_MS),
		       view->reason) == BLOCKS_NONE) {
		engine->counts.blocks_full++;
		return ENGINE_FULL;
	}
	incidents_taken(&engine->incidents, view->incident);
	restore_times(engine, &view->source);
	return ENGINE_OK;
}

static bool source_is_valid(const struct source_view *view)
{
	if (!prefix_is_valid(&view->source) || prefix_no_source(&view->source) || view->source.len < 40 ||
	    view->net > 4 || (view->net && !engine_is_net(&view->source)) || view->tool >= TOOL_COUNT ||
	    view->piece_count > EVENT_PIECES_MAX || (view->kinds & ~KINDS_MASK))
		return false;
	if (view->first_ms < 0 || view->last_ms < 0 || view->at_ms < 0 || view->fast_mn < 0 ||
	    view->fast_mn > OLDER_MN_MAX)
		return false;
	for (int i = 0; i < view->piece_count; i++) {
		const struct evidence *piece = &view->pieces[i];

		if (piece->kind == EVIDENCE_NONE || piece->kind >= EVIDENCE_KIND_COUNT ||
		    piece->weight > WEIGHT_MAX_EVER)
			return false;
	}
	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (view->older[i].kind >= EVIDENCE_KIND_COUNT || view->older[i].weight_mn < 0 ||
		    view->older[i].weight_mn > OLDER_MN_MAX)
			return false;
	}
	return true;
}

static void fill_source(struct engine *engine, struct source *source, const struct source_view *view)
{
	/* The older ones were decayed to the time of the view; the pieces tell their own. */
	int64_t at_ms = not_after(view->at_ms ? view->at_ms : view->last_ms, engine->now_ms);
	double older[SOURCE_OLDER] = { 0 };
	int slots = 0;

	source->tool = view->tool;
	source->visited = view->visited;
	source->incident = view->incident;
	source->kinds = view->kinds;
	source->first_s = (uint32_t)(not_after(view->first_ms, engine->now_ms) / 1000);
	source->probes = view->probes < UINT16_MAX ? (uint16_t)view->probes : UINT16_MAX;
	if (source->times < view->times) {
		source->times = view->times;
		source->last_ban_day = (uint16_t)(engine->now_ms / DAY_MS);
	}
	memset(source->pieces, 0, sizeof(source->pieces));
	memset(source->older, 0, sizeof(source->older));
	for (int i = 0; i < view->piece_count; i++) {
		source->pieces[i] = view->pieces[i];
		source->pieces[i].at_s = (uint32_t)not_after(view->pieces[i].at_s, engine->now_ms / 1000);
		if (source->pieces[i].kind == EVIDENCE_TRAP && source->pieces[i].weight > WEIGHT_TRAP)
			source->pieces[i].weight = WEIGHT_TRAP;
		source->kinds |= 1u << view->pieces[i].kind;
	}
	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (view->older[i].kind == EVIDENCE_NONE)
			continue;
		source->older[slots].kind = view->older[i].kind;
		source->older[slots].count = view->older[i].count;
		older[slots++] = view->older[i].weight_mn / 1000.0;
	}
	score_restore(source, older, view->fast_mn / 1000.0, at_ms, &engine->decay);
}

enum engine_result engine_restore_source(struct engine *engine, const struct source_view *view, int64_t now_ms)
{
	struct sources *table;
	struct source *source;
	struct score score;

	engine_time(engine, now_ms);
	if (!source_is_valid(view))
		return ENGINE_INVALID;
	table = view->net ? engine->nets : engine->sources;
	source = sources_find(table, &view->source);
	if (!source)
		source = sources_add_if_free(table, &view->source);
	if (!source)
		return ENGINE_FULL;
	source->net = view->net & 7;
	fill_source(engine, source, view);
	incidents_taken(&engine->incidents, view->incident);
	engine_recall(engine, source, blocks_find(engine->blocks, &view->source));
	if (blocks_find(engine->blocks, &view->source) == BLOCKS_NONE) {
		score = engine_score(engine, source);
		source->grade = score_total(&score) >= engine->config.alert ? GRADE_ALERT : GRADE_WATCH;
	}
	engine_rank(engine, source);
	return ENGINE_OK;
}

enum engine_result engine_restore_served(struct engine *engine, const struct served_view *served, int64_t now_ms)
{
	engine_time(engine, now_ms);
	if (served->last_ms <= 0)
		return ENGINE_INVALID;
	served_restore(engine->served, served->protocol, served->port, served->uid,
		       not_after(served->last_ms, engine->now_ms), engine->now_ms);
	return ENGINE_OK;
}
