/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An admin's orders: block, unblock, allow, protect.  An order either happens whole or changes nothing; the reason for
 * a refusal is its result.  What a person types is checked here again: ranges, host bits, text.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "duration.h"

#define FREED_MAX   (ENGINE_ACTIONS_MAX / 2) /* blocks lifted in one call: each needs two actions */
#define TOO_WIDE_V4 8
#define TOO_WIDE_V6 32

static enum engine_result may_block(const struct engine *engine, const struct prefix *source, bool force)
{
	if (prefix_no_source(source))
		return ENGINE_NO_SOURCE;
	if (safeguard_allowed(engine->safeguard, source))
		return ENGINE_ALLOWED;
	if (force)
		return ENGINE_OK;
	if (prefix_family_len(source) < (prefix_is_v4(source) ? TOO_WIDE_V4 : TOO_WIDE_V6))
		return ENGINE_TOO_WIDE;
	if (safeguard_protected(engine->safeguard, source, NULL) != PROTECT_NONE ||
	    safeguard_protected_inside(engine->safeguard, source) != PROTECT_NONE)
		return ENGINE_PROTECTED;
	return ENGINE_OK;
}

enum engine_result engine_may_block(const struct engine *engine, const struct prefix *source, bool force, uint32_t more)
{
	uint32_t stand = blocks_count(engine->blocks, GRADE_BAN) + blocks_count(engine->blocks, GRADE_BLOCK);

	if (!prefix_is_valid(source))
		return ENGINE_INVALID;
	if (stand + (uint64_t)more > ENGINE_BLOCKS_MAX)
		return ENGINE_FULL;
	return may_block(engine, source, force);
}

bool engine_is_banned(const struct engine *engine, const struct prefix *source)
{
	uint32_t slot = blocks_find(engine->blocks, source);

	return slot != BLOCKS_NONE && blocks_at(engine->blocks, slot)->grade >= GRADE_BAN;
}

/* Printable ASCII alone goes into tables and messages. */
static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = 0;

	for (; from && from[len] && len + 1 < size; len++)
		to[len] = from[len] >= 0x20 && from[len] <= 0x7e ? from[len] : '?';
	to[len] = 0;
}

static struct event manual_event(const struct engine *engine, const struct prefix *source, int64_t duration_ms)
{
	const struct source *known = sources_find(engine->sources, source);
	struct event event = {
		.at_ms = engine->now_ms,
		.source = *source,
		.type = EVENT_BLOCK,
		.grade = GRADE_BLOCK,
		.sources = 1,
		.times = 1,
	};

	if (known) {
		event = engine_event(engine, known, EVENT_BLOCK, GRADE_BLOCK);
		event.times = known->times < UINT8_MAX ? known->times + 1 : UINT8_MAX;
	}
	event.observed = 0; /* an order is carried out in any mode */
	event.duration_ms = duration_ms;
	return event;
}

/* As each order begins that is about a prefix.  Returns whether the prefix is valid. */
static bool begin(struct engine *engine, const struct prefix *about, int64_t now_ms, struct actions *actions)
{
	actions->count = 0;
	engine_time(engine, now_ms);
	return prefix_is_valid(about);
}

enum engine_result engine_block(struct engine *engine, const struct prefix *source, int64_t duration_ms, bool force,
				const char *reason, int64_t now_ms, struct actions *actions)
{
	enum engine_result result;
	struct event event;
	uint32_t old;

	if (!begin(engine, source, now_ms, actions) || duration_ms < 0 || duration_ms > DURATION_MAX_MS)
		return ENGINE_INVALID;
	result = may_block(engine, source, force);
	if (result != ENGINE_OK)
		return result;
	old = blocks_find(engine->blocks, source);
	/* An order to block must not end a longer ban earlier. */
	if (old != BLOCKS_NONE && blocks_at(engine->blocks, old)->grade == GRADE_BAN && duration_ms > 0 &&
	    blocks_at(engine->blocks, old)->until_ms > engine->now_ms + duration_ms)
		duration_ms = blocks_at(engine->blocks, old)->until_ms - engine->now_ms;
	event = manual_event(engine, source, duration_ms);
	copy_text(event.text, ENGINE_REASON_MAX, reason);
	if (!engine_put_block(engine, &event, 0))
		return ENGINE_FULL;
	engine->counts.blocks_total++;
	engine_order(actions, ACTION_ADD, GRADE_BLOCK, source, duration_ms);
	engine_tell(actions, &event);
	return ENGINE_OK;
}

/* By an admin's word all is forgotten, the repeat count too. */
static void forget(struct engine *engine, const struct prefix *key)
{
	struct source *source = engine_find_source(engine, key);

	if (source)
		sources_remove(source->net ? engine->nets : engine->sources, source);
}

static void unblock_slot(struct engine *engine, uint32_t slot, const char *text, struct actions *actions)
{
	struct prefix key = *blocks_source(engine->blocks, slot);

	engine_lift(engine, slot, text, actions);
	forget(engine, &key);
}

/* At most `max` blocks inside `within`, from slot `from` on.  The slot of the next one, 0 when there is none. */
static uint32_t unblock_inside(struct engine *engine, const struct prefix *within, const char *text, uint32_t from,
			       unsigned max, struct actions *actions)
{
	uint32_t slot = blocks_next(engine->blocks, from, within);

	for (unsigned i = 0; i < max && slot != BLOCKS_NONE; i++) {
		unblock_slot(engine, slot, text, actions);
		slot = blocks_next(engine->blocks, slot + 1, within);
	}
	return slot == BLOCKS_NONE ? 0 : slot;
}

/* What an admin means by a single address: its own block, or that of the source that it is counted with. */
static uint32_t meant_by(const struct engine *engine, const struct prefix *source)
{
	uint32_t slot = blocks_find(engine->blocks, source);
	struct prefix net;

	if (slot != BLOCKS_NONE || source->len != 128 || prefix_is_v4(source))
		return slot;
	net = safeguard_net(engine->safeguard, &source->addr);
	slot = blocks_find(engine->blocks, &net);
	return slot != BLOCKS_NONE && blocks_at(engine->blocks, slot)->grade != GRADE_BLOCK ? slot : BLOCKS_NONE;
}

enum engine_result engine_unblock(struct engine *engine, const struct prefix *source, int64_t now_ms,
				  struct actions *actions)
{
	enum engine_result exempted;
	uint32_t slot;

	if (!begin(engine, source, now_ms, actions))
		return ENGINE_INVALID;
	slot = meant_by(engine, source);
	if (source->len < 128) /* as much as one call can tell */
		unblock_inside(engine, source, "", 0, FREED_MAX - 1, actions);
	else if (slot != BLOCKS_NONE)
		unblock_slot(engine, slot, "", actions);
	exempted = engine_exempt_from_net(engine, source, actions);
	return actions->count > 0 ? ENGINE_OK : exempted;
}

enum engine_result engine_unblock_exact(struct engine *engine, const struct prefix *source, int64_t now_ms,
					struct actions *actions)
{
	uint32_t slot;

	if (!begin(engine, source, now_ms, actions))
		return ENGINE_INVALID;
	slot = blocks_find(engine->blocks, source);
	if (slot == BLOCKS_NONE)
		return ENGINE_NOT_FOUND;
	unblock_slot(engine, slot, "", actions);
	return ENGINE_OK;
}

uint32_t engine_unblock_within(struct engine *engine, const struct prefix *within, const char *text, uint32_t cursor,
			       int64_t now_ms, struct actions *actions)
{
	actions->count = 0;
	engine_time(engine, now_ms);
	if (within && !prefix_is_valid(within))
		return 0;
	return unblock_inside(engine, within, text, cursor, FREED_MAX, actions);
}

/* Lifts what stands on the prefix or in it, and on the source that it was counted with so far. */
static void free_blocks(struct engine *engine, const struct prefix *what, const char *text, struct actions *actions)
{
	uint32_t slot = meant_by(engine, what);
	unsigned freed = 0;

	if (slot != BLOCKS_NONE && blocks_source(engine->blocks, slot)->len < what->len) {
		engine_lift(engine, slot, text, actions);
		freed++;
	}
	/* A configured list has many entries that nothing stands on: not a walk for each. */
	if (blocks_none_inside(engine->blocks, what))
		return;
	/* What it did while it was allowed must not cut it off at its first probe afterwards: that is forgotten. */
	unblock_inside(engine, what, text, 0, FREED_MAX - freed, actions);
}

enum engine_result engine_allow(struct engine *engine, const struct prefix *source, int64_t until_ms,
				enum allow_origin origin, int64_t now_ms, struct actions *actions)
{
	enum engine_result result;

	if (!begin(engine, source, now_ms, actions) || (unsigned)origin >= ALLOW_ORIGIN_COUNT || until_ms < 0 ||
	    (until_ms > 0 && until_ms <= engine->now_ms))
		return ENGINE_INVALID;
	result = safeguard_allow(engine->safeguard, source, until_ms, origin);
	if (result == ENGINE_OK)
		free_blocks(engine, source, "allowed", actions);
	else
		engine->counts.allow_full++;
	return result;
}

enum engine_result engine_may_allow(const struct engine *engine, uint32_t more)
{
	return safeguard_allow_count(engine->safeguard) + (uint64_t)more > ENGINE_ALLOW_MAX ? ENGINE_FULL : ENGINE_OK;
}

enum engine_result engine_disallow(struct engine *engine, const struct prefix *source)
{
	return prefix_is_valid(source) ? safeguard_disallow(engine->safeguard, source) : ENGINE_INVALID;
}

void engine_protect_clear(struct engine *engine, enum protect_why why)
{
	if (why > PROTECT_NONE && (unsigned)why < PROTECT_WHY_COUNT)
		safeguard_protect_clear(engine->safeguard, why);
}

enum engine_result engine_protect(struct engine *engine, const struct prefix *what, enum protect_why why,
				  int64_t now_ms, struct actions *actions)
{
	enum engine_result result;
	char text[EVENT_TEXT_MAX];

	if (!begin(engine, what, now_ms, actions) || why <= PROTECT_NONE || (unsigned)why >= PROTECT_WHY_COUNT)
		return ENGINE_INVALID;
	result = safeguard_protect(engine->safeguard, what, why);
	if (result != ENGINE_OK)
		engine->counts.protect_full++;
	else if (why != PROTECT_ONLINK && blocks_count(engine->blocks, GRADE_NONE) > 0) {
		snprintf(text, sizeof(text), "protected: %s", safeguard_why_text(why));
		free_blocks(engine, what, text, actions);
	}
	return result;
}

void engine_listening(struct engine *engine, const struct served_socket *sockets, size_t count, int64_t now_ms)
{
	served_look(engine->served, sockets, count, engine_time(engine, now_ms));
}

void engine_served(struct engine *engine, uint8_t protocol, uint16_t port, int64_t now_ms)
{
	served_note(engine->served, protocol, port, engine_time(engine, now_ms));
}
