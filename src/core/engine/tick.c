/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What time does by itself: blocks end, the storm's line moves, sweeps are told, old entries go.  Each call does a
 * bounded piece of it.
 */
#include "internal.h"

#include <stdio.h>

#define DAY_MS      86400000LL
#define AGEING_STEP 256 /* entries looked at in one call */
#define FADED       0.1 /* nats below which a source is as good as unknown */

static void tell_storm(struct engine *engine, struct actions *actions)
{
	struct event event = {
		.at_ms = engine->now_ms, .type = EVENT_STORM, .sources = 1, .observed = engine->config.observe
	};

	if (!storm_changed(engine->storm, engine->now_ms))
		return;
	if (storm_is_active(engine->storm))
		snprintf(event.text, sizeof(event.text),
			 "more suspects than %u blocks a minute: the highest-scored go first",
			 engine->config.storm_rate);
	else
		snprintf(event.text, sizeof(event.text), "over, nobody had to wait for a minute");
	engine_tell(actions, &event);
}

static void tell_sweep(struct engine *engine, struct actions *actions)
{
	struct event event = { .at_ms = engine->now_ms,
			       .type = EVENT_DISTRIBUTED,
			       .grade = GRADE_ALERT,
			       .observed = engine->config.observe };

	if (!sweep_tell(engine->sweep, engine->now_ms, &event.sources, &event.ports))
		return;
	event.incident = incidents_begin(engine->incidents);
	snprintf(event.text, sizeof(event.text), "%u ports within 10m, one or two each", event.ports);
	engine_tell(actions, &event);
}

/* Leaves room for what one block may need: two nets above it, and who gives way for each. */
static void move_line(struct engine *engine, struct actions *actions)
{
	struct prefix key;

	while (engine_has_room(actions, 16) && storm_choose(engine->storm, engine->now_ms, &key))
		engine_choose(engine, &key, actions);
}

static void end_blocks(struct engine *engine, struct actions *actions)
{
	uint32_t slot;

	while (engine_has_room(actions, 1) && (slot = blocks_due(engine->blocks, engine->now_ms)) != BLOCKS_NONE) {
		const struct block *block = blocks_at(engine->blocks, slot);
		struct prefix key = *blocks_source(engine->blocks, slot);
		struct event event = {
			.at_ms = engine->now_ms,
			.source = key,
			.type = EVENT_EXPIRE,
			.grade = block->grade,
			.tool = block->tool,
			.times = block->times,
			.incident = block->incident,
			.kinds = block->kinds,
			.sources = 1,
		};

		blocks_remove(engine->blocks, slot); /* the kernel's element has ended by itself */
		engine->counts.expiries++;
		engine_tell(actions, &event);
		engine_after_block(engine, &key);
	}
}

static void age(struct engine *engine)
{
	uint32_t max = sources_max(engine->sources), step = max < AGEING_STEP ? max : AGEING_STEP;

	for (uint32_t i = 0; i < step; i++) {
		struct source *source = sources_at(engine->sources, engine->ageing_hand);
		struct score score;

		engine->ageing_hand = (engine->ageing_hand + 1) % max;
		if (!source || sources_is_blocked(engine->sources, source))
			continue;
		score = engine_score(engine, source);
		if (score_total(&score) < FADED && engine->now_ms - source->updated_ms > DAY_MS &&
		    (source->times == 0 || engine->now_ms / DAY_MS - source->last_block_day > POLICY_FORGET_DAYS))
			sources_remove(engine->sources, source);
		else
			sources_rerank(engine->sources, source,
				       score.confirmed >= ENGINE_CONFIRMED ? SOURCES_CONFIRMED : SOURCES_SUSPECTED,
				       score_total(&score));
	}
}

void engine_tick(struct engine *engine, int64_t now_ms, struct actions *actions)
{
	actions->count = 0;
	engine_time(engine, now_ms);
	guard_expire(engine->guard, engine->now_ms);
	tell_storm(engine, actions);
	tell_sweep(engine, actions);
	move_line(engine, actions);
	end_blocks(engine, actions);
	engine_excuse(engine, actions);
	age(engine);
}
