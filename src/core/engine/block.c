/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The beginning and the end of a block: table, kernel order, event and the source's own entry, always together.  The
 * order to the kernel comes before the event, so that no block is reported before it stands.
 */
#include "internal.h"

#include <stdio.h>

/* At storm_live somebody has to go: the lowest-scored, which may be the newcomer. */
static bool make_room(struct engine *engine, double score, struct actions *actions)
{
	uint32_t lowest;

	if (blocks_count(engine->blocks, GRADE_VEIL) < engine->config.storm_live)
		return true;
	lowest = blocks_lowest_soft(engine->blocks);
	if (lowest == BLOCKS_NONE || blocks_at(engine->blocks, lowest)->score >= score) {
		engine->counts.exempt_storm++;
		return false;
	}
	engine_lift(engine, lowest, "gave way to a higher score", actions);
	return true;
}

static void keep_former(struct engine *engine, const struct prefix *key, const struct block *block,
			int64_t replaced_at_ms)
{
	engine->former[engine->former_count++ % ENGINE_ACTIONS_MAX] =
		(struct engine_former){ *key, *block, replaced_at_ms };
}

bool engine_put_block(struct engine *engine, const struct event *event, double score)
{
	uint32_t old = blocks_find(engine->blocks, &event->source);
	struct block_view view;
	struct block block;

	event_block(event, &view);
	block = blocks_from_view(&view, score);
	if (old != BLOCKS_NONE) {
		if (blocks_at(engine->blocks, old)->grade == GRADE_VEIL)
			block.soft_until_ms = blocks_at(engine->blocks, old)->until_ms;
		keep_former(engine, &event->source, blocks_at(engine->blocks, old), block.since_ms);
	}
	if (blocks_put(engine->blocks, &event->source, &block) != BLOCKS_NONE)
		return true;
	engine->counts.blocks_full++;
	return false;
}

/* An address that is banned by itself, though it is counted with its net. */
static bool is_part(const struct engine *engine, const struct prefix *key)
{
	return key->len == 128 && safeguard_key(engine->safeguard, &key->addr).len < 128;
}

static bool begin_one(struct engine *engine, struct source *source, enum grade grade, struct actions *actions)
{
	struct score score = engine_score(engine, source);
	bool again = blocks_find(engine->blocks, &source->key) != BLOCKS_NONE;
	uint8_t times = again && source->times ? source->times : policy_next_times(source, engine->now_ms);
	struct event event = engine_event(engine, source, grade == GRADE_BAN ? EVENT_BAN : EVENT_VEIL, grade);

	event.times = times;
	event.duration_ms = policy_duration_ms(&engine->config, grade, times);
	if (is_part(engine, &source->key))
		snprintf(event.text, sizeof(event.text), "the address alone, customers are in its net");
	if (grade == GRADE_VEIL && !make_room(engine, score_total(&score), actions))
		return false;
	if (!engine_put_block(engine, &event, score_total(&score)))
		return false;
	source->grade = (uint8_t)grade & 7;
	source->times = times;
	source->last_block_day = (uint16_t)(engine->now_ms / DAY_MS);
	engine_rank(engine, source);
	if (grade == GRADE_BAN)
		engine->counts.bans_total++;
	else
		engine->counts.blocks_total++;
	engine_order(actions, ACTION_ADD, grade, &source->key, event.duration_ms);
	engine_tell(actions, &event);
	return true;
}

/* The source was the last of enough guilty neighbours: the net that holds them inherits its deeds.  Softly, whatever
 * the grade: that the neighbours are one was inferred. */
static struct source *widen(struct engine *engine, const struct source *source)
{
	struct prefix wide;
	struct source copy = *source, *net;

	if (!merge_note(engine->merge, &source->key, engine->now_ms, &wide) ||
	    safeguard_any_inside(engine->safeguard, &wide) || safeguard_allowed(engine->safeguard, &wide) ||
	    safeguard_protected(engine->safeguard, &wide, NULL) != PROTECT_NONE)
		return NULL;
	net = sources_find(engine->sources, &wide);
	if (!net)
		net = sources_add(engine->sources, &wide);
	if (!net || !merge_add(engine->merge, &wide, engine->now_ms))
		return NULL;
	copy.key = wide;
	copy.times = net->times;
	copy.last_block_day = net->last_block_day;
	copy.grade = GRADE_ALERT;
	*net = copy;
	engine_rank(engine, net);
	return net;
}

bool engine_begin_block(struct engine *engine, struct source *source, enum grade grade, struct actions *actions)
{
	if (!begin_one(engine, source, grade, actions))
		return false;
	while ((source = widen(engine, source)) != NULL) {
		if (blocks_find(engine->blocks, &source->key) != BLOCKS_NONE ||
		    !begin_one(engine, source, GRADE_VEIL, actions))
			break;
	}
	return true;
}

void engine_after_block(struct engine *engine, const struct prefix *key)
{
	struct source *source = sources_find(engine->sources, key);
	struct score score;

	if (!source)
		return;
	score = engine_score(engine, source);
	source->grade = score_total(&score) >= engine->config.alert ? GRADE_ALERT : GRADE_WATCH;
	source->last_block_day = (uint16_t)(engine->now_ms / DAY_MS);
	engine_rank(engine, source);
}

void engine_lift(struct engine *engine, uint32_t slot, const char *text, struct actions *actions)
{
	struct prefix key = *blocks_source(engine->blocks, slot);
	struct block block = *blocks_at(engine->blocks, slot);
	struct event event = engine_end_event(engine, slot, EVENT_UNBLOCK);

	keep_former(engine, &key, &block, 0);
	blocks_remove(engine->blocks, slot);
	engine_order(actions, ACTION_DELETE, (enum grade)block.grade, &key, 0);
	if (block.soft_until_ms > engine->now_ms)
		engine_order(actions, ACTION_DELETE, GRADE_VEIL, &key, 0);
	snprintf(event.text, sizeof(event.text), "%s", text);
	engine_tell(actions, &event);
	engine_after_block(engine, &key);
}

/* The newest former block of the source goes back to its place, if it ended in this way.  replaced_at_ms: as above. */
static bool bring_back(struct engine *engine, const struct prefix *key, int64_t replaced_at_ms)
{
	struct source *source = sources_find(engine->sources, key);

	for (uint32_t i = 1; i <= ENGINE_ACTIONS_MAX; i++) {
		struct engine_former *former = &engine->former[(engine->former_count - i) % ENGINE_ACTIONS_MAX];

		if (former->block.grade == GRADE_NONE || !prefix_equal(&former->source, key))
			continue;
		if (former->replaced_at_ms != replaced_at_ms ||
		    (former->block.until_ms > 0 && former->block.until_ms <= engine->now_ms))
			return false;
		blocks_put(engine->blocks, key, &former->block);
		if (source && former->block.grade != GRADE_BLOCK) {
			source->grade = former->block.grade & 7;
			engine_rank(engine, source);
		}
		former->block.grade = GRADE_NONE;
		return true;
	}
	return false;
}

void engine_unblock_failed(struct engine *engine, const struct prefix *key, int64_t now_ms)
{
	engine_time(engine, now_ms);
	if (prefix_is_valid(key) && blocks_find(engine->blocks, key) == BLOCKS_NONE)
		bring_back(engine, key, 0);
}

void engine_block_failed(struct engine *engine, const struct prefix *key, int64_t now_ms)
{
	int64_t since_ms;
	uint32_t slot;

	engine_time(engine, now_ms);
	slot = prefix_is_valid(key) ? blocks_find(engine->blocks, key) : BLOCKS_NONE;
	if (slot == BLOCKS_NONE)
		return;
	since_ms = blocks_at(engine->blocks, slot)->since_ms;
	blocks_remove(engine->blocks, slot);
	engine_after_block(engine, key);
	bring_back(engine, key, since_ms);
}
