/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The beginning, the life and the end of a grade that stands in the kernel: table, kernel order, event and the source's
 * own entry, always together.  The order to the kernel comes before the event, so that nothing is reported before it
 * stands.
 *
 * An alert and a veil live as long as their evidence: they are looked at once a minute, and the kernel's element is
 * renewed then, not with each packet.  So a flood in a veiled source's name costs no order to the kernel.
 */
#include "internal.h"

#include <stdio.h>

#define MINUTE_MS     60000
#define VEIL_LEAST_MS (10 * MINUTE_MS)
#define KERNEL_MORE_MS                                                                                                 \
	(10 * MINUTE_MS) /* the kernel's element outlives the veil, so that none ends between two looks */

static bool is_veil(uint8_t grade)
{
	return grade == GRADE_ALERT || grade == GRADE_VEIL;
}

static void forget_former(struct engine *engine, struct engine_former *former)
{
	blocks_release(engine->blocks, &former->block);
	former->block = (struct block){ .grade = GRADE_NONE };
}

static void keep_former(struct engine *engine, const struct prefix *key, const struct block *block,
			int64_t replaced_at_ms)
{
	struct engine_former *former = &engine->former[engine->former_count++ % ENGINE_ACTIONS_MAX];

	blocks_hold(engine->blocks, block);
	forget_former(engine, former);
	*former = (struct engine_former){ *key, *block, replaced_at_ms };
}

/* A full table of alerts and veils: the lowest score gives way, which may be the newcomer's. */
static bool make_room(struct engine *engine, const struct prefix *key, enum grade grade, double score,
		      struct actions *actions)
{
	uint32_t lowest;

	if (blocks_fits(engine->blocks, key, grade))
		return true;
	lowest = blocks_lowest(engine->blocks, key, grade);
	if (lowest == BLOCKS_NONE || blocks_at(engine->blocks, lowest)->score >= score) {
		engine->counts.veils_refused++;
		return false;
	}
	engine->counts.gave_way++;
	engine_lift(engine, lowest, "gave way to a higher score", actions);
	return true;
}

void engine_set_room(struct engine *engine, const struct engine_room *room)
{
	blocks_set_room(engine->blocks, room);
}

static bool put(struct engine *engine, const struct prefix *key, const struct block *block, int64_t look_ms,
		const char *reason)
{
	uint32_t old = blocks_find(engine->blocks, key);

	if (old != BLOCKS_NONE)
		keep_former(engine, key, blocks_at(engine->blocks, old), block->since_ms);
	if (blocks_put(engine->blocks, key, block, look_ms, reason) != BLOCKS_NONE)
		return true;
	engine->counts.blocks_full++;
	return false;
}

bool engine_put_block(struct engine *engine, const struct event *event, double score)
{
	struct block_view view;
	struct block block;

	event_block(event, &view);
	block = blocks_from_view(&view, score);
	return put(engine, &event->source, &block, view.until_ms, view.reason);
}

/* What is left to the kernel's element. */
static int64_t kernel_left_ms(const struct engine *engine, const struct block *block)
{
	return block->kernel_until_s * 1000LL - engine->now_ms;
}

static bool begin_veil(struct engine *engine, struct source *source, enum grade grade, struct actions *actions)
{
	struct score score = engine_score(engine, source);
	struct block_view view;
	struct event event;
	struct block block;

	/* Before anything is written down: in a full table each probe of a flood comes here. */
	if (!make_room(engine, &source->key, grade, score_total(&score), actions))
		return false;
	event = engine_event(engine, source, grade == GRADE_VEIL ? EVENT_VEIL : EVENT_ALERT, grade);
	event.duration_ms = engine->config.veil_max_ms; /* at most, without new evidence */
	event_block(&event, &view);
	block = blocks_from_view(&view, score_total(&score));
	block.kernel_until_s = blocks_kernel_s(block.until_ms + KERNEL_MORE_MS);
	if (!put(engine, &source->key, &block, engine->now_ms + MINUTE_MS, view.reason))
		return false;
	engine_order(actions, ACTION_ADD, grade, &source->key, kernel_left_ms(engine, &block));
	if (grade == GRADE_VEIL) {
		engine->counts.veils_total++;
		engine_tell(actions, &event);
	}
	return true;
}

static bool begin_ban(struct engine *engine, struct source *source, struct actions *actions)
{
	struct event event = engine_event(engine, source, EVENT_BAN, GRADE_BAN);

	event.times = policy_next_times(source, engine->now_ms);
	event.duration_ms = policy_ban_ms(&engine->config, event.times);
	if (!engine_put_block(engine, &event, 0))
		return false;
	source->times = event.times;
	source->last_ban_day = (uint16_t)(engine->now_ms / DAY_MS);
	engine->counts.bans_total++;
	engine_order(actions, ACTION_ADD, GRADE_BAN, &source->key, event.duration_ms);
	engine_tell(actions, &event);
	return true;
}

bool engine_begin_block(struct engine *engine, struct source *source, enum grade grade, struct actions *actions)
{
	bool began =
		grade == GRADE_BAN ? begin_ban(engine, source, actions) : begin_veil(engine, source, grade, actions);

	if (began && source->grade < grade)
		source->grade = (uint8_t)grade & 7;
	if (began)
		engine_rank(engine, source);
	if (began && grade == GRADE_VEIL && !source->net)
		engine_end_exemption(engine, &source->key, actions);
	return began;
}

void engine_renew_veil(struct engine *engine, uint32_t slot, double score)
{
	blocks_renew(engine->blocks, slot, engine->now_ms + engine->config.veil_max_ms, (float)score);
}

/* ---- looks and ends ---- */

/* The entry of a source after what stood for it is gone. */
static void after_block(struct engine *engine, const struct prefix *key)
{
	struct source *source = engine_find_source(engine, key);
	struct score score;

	if (!source)
		return;
	score = engine_score(engine, source);
	source->grade = score_total(&score) >= engine->config.alert ? GRADE_ALERT : GRADE_WATCH;
	engine_rank(engine, source);
}

bool engine_make_way(struct engine *engine, const struct prefix *source, int64_t now_ms, struct prefix *gone)
{
	uint32_t lowest;

	engine_time(engine, now_ms);
	lowest = blocks_lowest_like(engine->blocks, source);
	if (lowest == BLOCKS_NONE)
		return false;
	*gone = *blocks_source(engine->blocks, lowest);
	engine->counts.gave_way++;
	blocks_remove(engine->blocks, lowest);
	after_block(engine, gone);
	return true;
}

static void end_veil(struct engine *engine, uint32_t slot, double score, struct actions *actions)
{
	struct prefix key = *blocks_source(engine->blocks, slot);
	struct block block = *blocks_at(engine->blocks, slot);
	struct event event = engine_end_event(engine, slot, EVENT_EXPIRE);
	bool alerted = block.grade == GRADE_VEIL && engine->now_ms < block.until_ms && score >= engine->config.alert &&
		       blocks_fits(engine->blocks, &key, GRADE_ALERT);

	engine->counts.expiries += block.grade == GRADE_VEIL;
	if (alerted) {
		block.grade = GRADE_ALERT;
		block.since_ms = engine->now_ms;
		put(engine, &key, &block, engine->now_ms + MINUTE_MS, NULL);
		engine_order(actions, ACTION_ADD, GRADE_ALERT, &key, kernel_left_ms(engine, &block));
	} else {
		keep_former(engine, &key, &block, 0);
		blocks_remove(engine->blocks, slot);
		engine_order(actions, ACTION_DELETE, (enum grade)block.grade, &key, 0);
	}
	if (event.grade == GRADE_VEIL)
		engine_tell(actions, &event);
	after_block(engine, &key);
}

static void keep_veil(struct engine *engine, uint32_t slot, struct actions *actions)
{
	struct prefix key = *blocks_source(engine->blocks, slot);
	struct block block = *blocks_at(engine->blocks, slot);

	if (kernel_left_ms(engine, &block) <= KERNEL_MORE_MS / 2) {
		block.kernel_until_s = blocks_kernel_s(block.until_ms + KERNEL_MORE_MS);
		engine_order(actions, ACTION_ADD, (enum grade)block.grade, &key, kernel_left_ms(engine, &block));
	}
	blocks_put(engine->blocks, &key, &block, engine->now_ms + MINUTE_MS, NULL);
}

/* A veil goes on while its source's score demands it.  Of a source that is no longer in the table, or was not
 * restored, only the time is known. */
static void look(struct engine *engine, uint32_t slot, struct actions *actions)
{
	const struct block *block = blocks_at(engine->blocks, slot);
	const struct source *source = engine_find_source(engine, blocks_source(engine->blocks, slot));
	bool known = source && source->pieces[0].kind != EVIDENCE_NONE;
	struct score score = known ? engine_score(engine, source) : (struct score){ .suspected = block->score };
	double least = engine_threshold(engine, blocks_source(engine->blocks, slot), (enum grade)block->grade);
	int64_t least_ms = block->grade == GRADE_VEIL ? VEIL_LEAST_MS : 0;

	if (least_ms > engine->config.veil_max_ms)
		least_ms = engine->config.veil_max_ms;
	if (engine->now_ms >= block->until_ms ||
	    (score_total(&score) < least && engine->now_ms - block->since_ms >= least_ms))
		end_veil(engine, slot, score_total(&score), actions);
	else
		keep_veil(engine, slot, actions);
}

void engine_recall(const struct engine *engine, struct source *source, uint32_t own)
{
	const struct block *block = own != BLOCKS_NONE ? blocks_at(engine->blocks, own) : NULL;

	if (!block || block->grade == GRADE_BLOCK || source->net)
		return;
	if (source->updated_ms == 0)
		source->updated_ms = block->since_ms < engine->now_ms ? block->since_ms : engine->now_ms;
	if (block->grade == GRADE_BAN && source->times < block->times)
		source->times = block->times;
	source->last_ban_day = (uint16_t)(engine->now_ms / DAY_MS);
	source->grade = block->grade & 7;
	if (source->incident == 0)
		source->incident = block->incident;
}

/* How often it was banned outlives the ban, as far as the table has room: the next one is longer. */
static void remember_times(struct engine *engine, uint32_t slot)
{
	const struct prefix *key = blocks_source(engine->blocks, slot);
	struct source *source;

	if (blocks_at(engine->blocks, slot)->grade != GRADE_BAN || sources_find(engine->sources, key) ||
	    (engine_is_net(key) && prefix_is_v4(key)))
		return;
	source = sources_add_if_free(engine->sources, key);
	if (source)
		engine_recall(engine, source, slot);
}

static void expire(struct engine *engine, uint32_t slot, struct actions *actions)
{
	struct prefix key = *blocks_source(engine->blocks, slot);
	struct event event = engine_end_event(engine, slot, EVENT_EXPIRE);

	remember_times(engine, slot);
	blocks_remove(engine->blocks, slot); /* the kernel's element has ended by itself */
	engine->counts.expiries++;
	engine_tell(actions, &event);
	after_block(engine, &key);
}

void engine_end_blocks(struct engine *engine, struct actions *actions)
{
	uint32_t slot;

	for (int i = 0; i < ENGINE_LOOKS && engine_has_room(actions, 2); i++) {
		slot = blocks_due(engine->blocks, engine->now_ms);
		if (slot == BLOCKS_NONE)
			return;
		if (is_veil(blocks_at(engine->blocks, slot)->grade))
			look(engine, slot, actions);
		else
			expire(engine, slot, actions);
	}
}

void engine_lift(struct engine *engine, uint32_t slot, const char *text, struct actions *actions)
{
	struct prefix key = *blocks_source(engine->blocks, slot);
	struct block block = *blocks_at(engine->blocks, slot);
	struct event event = engine_end_event(engine, slot, EVENT_UNBLOCK);

	keep_former(engine, &key, &block, 0);
	blocks_remove(engine->blocks, slot);
	engine_order(actions, ACTION_DELETE, (enum grade)block.grade, &key, 0);
	snprintf(event.text, sizeof(event.text), "%s", text);
	if (block.grade >= GRADE_VEIL)
		engine_tell(actions, &event);
	after_block(engine, &key);
}

/* ---- what the kernel refused ---- */

/* The newest former block of the source goes back to its place, if it ended in this way.  replaced_at_ms: as above. */
static bool bring_back(struct engine *engine, const struct prefix *key, int64_t replaced_at_ms)
{
	struct source *source = engine_find_source(engine, key);

	for (uint32_t i = 1; i <= ENGINE_ACTIONS_MAX; i++) {
		struct engine_former *former = &engine->former[(engine->former_count - i) % ENGINE_ACTIONS_MAX];

		if (former->block.grade == GRADE_NONE || !prefix_equal(&former->source, key))
			continue;
		if (former->replaced_at_ms != replaced_at_ms ||
		    (former->block.until_ms > 0 && former->block.until_ms <= engine->now_ms))
			return false;
		blocks_put(engine->blocks, key, &former->block, engine->now_ms, NULL); /* looked at soon */
		if (source && former->block.grade != GRADE_BLOCK) {
			source->grade = former->block.grade & 7;
			engine_rank(engine, source);
		}
		forget_former(engine, former);
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
	after_block(engine, key);
	bring_back(engine, key, since_ms);
}
