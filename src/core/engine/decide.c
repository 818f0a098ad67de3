/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a new piece of evidence to its consequence: nothing, an alert, a block, a ban, or being exempt, with the
 * safeguard that said so.  Asked only when evidence was added: a source whose block has run out is not blocked again
 * for old deeds alone.
 */
#include "internal.h"

#include <stdio.h>

static uint32_t own_block(const struct engine *engine, const struct source *source)
{
	return blocks_cover(engine->blocks, &source->key);
}

void engine_rank(struct engine *engine, struct source *source)
{
	struct score score = engine_score(engine, source);
	enum sources_rank rank = SOURCES_SUSPECTED;

	if (blocks_find(engine->blocks, &source->key) != BLOCKS_NONE)
		rank = SOURCES_BLOCKED;
	else if (score.confirmed >= ENGINE_CONFIRMED)
		rank = SOURCES_CONFIRMED;
	sources_rank(engine->sources, source, rank, score_total(&score));
}

/* In observe mode nothing says when a block would have ended but its length. */
static bool would_still_be_blocked(const struct engine *engine, const struct source *source)
{
	return engine->config.observe &&
	       engine->now_ms - source->updated_ms <
		       policy_duration_ms(&engine->config, (enum grade)source->grade, source->times);
}

/* Before new evidence: what was told of an earlier incident no longer stands. */
void engine_settle(struct engine *engine, struct source *source)
{
	struct score score = engine_score(engine, source);

	if (own_block(engine, source) != BLOCKS_NONE)
		return;
	if (source->grade > GRADE_ALERT && !would_still_be_blocked(engine, source))
		source->grade = GRADE_ALERT;
	if (source->grade == GRADE_ALERT && score_total(&score) < engine->config.alert - 1)
		source->grade = GRADE_WATCH;
	if (engine->now_ms - source->updated_ms > ENGINE_INCIDENT_QUIET_MS) {
		source->incident = 0;
		source->exempt = 0;
	}
}

static void alert(struct engine *engine, struct source *source, struct actions *actions)
{
	struct event event;

	if (source->grade >= GRADE_ALERT)
		return;
	source->grade = GRADE_ALERT;
	engine->counts.alerts++;
	event = engine_event(engine, source, EVENT_ALERT, GRADE_ALERT);
	engine_tell(actions, &event);
}

static void spare(struct engine *engine, struct source *source, enum grade grade, enum protect_why why,
		  struct actions *actions)
{
	struct event event;

	alert(engine, source, actions);
	engine->counts.exempt_protected++;
	if (source->exempt)
		return;
	source->exempt = 1;
	event = engine_event(engine, source, EVENT_EXEMPT, grade);
	snprintf(event.text, sizeof(event.text), "%s", guard_why_text(why));
	engine_tell(actions, &event);
}

/* Observe mode: what would have been done is told, once. */
static void observe(struct engine *engine, struct source *source, enum grade grade, struct actions *actions)
{
	struct event event;

	if (source->grade >= grade)
		return;
	if (source->grade < GRADE_BLOCK)
		source->times = policy_next_times(source, engine->now_ms);
	source->last_block_day = (uint16_t)(engine->now_ms / 86400000);
	source->grade = (uint8_t)grade & 7;
	event = engine_event(engine, source, grade == GRADE_BAN ? EVENT_BAN : EVENT_BLOCK, grade);
	event.duration_ms = policy_duration_ms(&engine->config, grade, source->times);
	engine_tell(actions, &event);
}

/* May a soft block begin now?  If not, the source waits its turn. */
static bool may_begin(struct engine *engine, const struct source *source)
{
	const struct evidence *newest =
		source->pieces[0].kind == EVIDENCE_MARK ? &source->pieces[1] : &source->pieces[0];
	struct score score = engine_score(engine, source);
	double total = score_total(&score), nats = newest->weight / (double)EVIDENCE_NAT;

	if (storm_take(engine->storm, engine->now_ms))
		return true;
	storm_wait(engine->storm, &source->key, newest->port, nats, total, engine->now_ms);
	return policy_is_high(&engine->config, total) && storm_overtake(engine->storm, &source->key, engine->now_ms);
}

static void cut(struct engine *engine, struct source *source, enum grade grade, struct actions *actions)
{
	uint32_t slot = own_block(engine, source);

	if (slot != BLOCKS_NONE && blocks_at(engine->blocks, slot)->grade >= grade)
		return;
	if (engine->config.observe) {
		observe(engine, source, grade, actions);
		return;
	}
	if (grade == GRADE_BLOCK && !may_begin(engine, source)) {
		engine->counts.exempt_storm++;
		alert(engine, source, actions);
		return;
	}
	if (!engine_begin_block(engine, source, grade, actions))
		alert(engine, source, actions);
}

/* A hard ban of a net cuts off its customers too: so it is for the address that completed the handshake, and the net
 * is blocked softly.  What is not a handshake earns the address nothing: it may be forged in the customer's name. */
static void ban_in_net(struct engine *engine, struct source *net, const struct prefix *host, struct actions *actions)
{
	struct source copy = *net, *source;

	cut(engine, net, GRADE_BLOCK, actions);
	if (copy.pieces[0].kind != EVIDENCE_TRAP)
		return;
	source = sources_find(engine->sources, host);
	if (!source)
		source = sources_add(engine->sources, host);
	if (!source)
		return;
	copy.key = *host;
	copy.times = source->times;
	copy.last_block_day = source->last_block_day;
	copy.grade = source->grade;
	*source = copy;
	engine_rank(engine, source);
	cut(engine, source, GRADE_BAN, actions);
}

void engine_decide(struct engine *engine, struct source *source, const struct addr *sender, struct actions *actions)
{
	struct score score = engine_score(engine, source);
	enum grade grade = policy_grade(&engine->config, &score);
	struct prefix host = prefix_host(sender);
	enum protect_why why;

	if (grade < GRADE_ALERT)
		return;
	if (source->incident == 0)
		source->incident = incidents_begin(engine->incidents);
	why = guard_protected(engine->guard, &host, NULL);
	if (grade == GRADE_ALERT)
		alert(engine, source, actions);
	else if (why != PROTECT_NONE)
		spare(engine, source, grade, why, actions);
	else if (grade == GRADE_BAN && guard_holds_customer(engine->guard, &source->key, engine->now_ms))
		ban_in_net(engine, source, &host, actions);
	else
		cut(engine, source, grade, actions);
}

void engine_choose(struct engine *engine, const struct prefix *key, struct actions *actions)
{
	struct source *source = sources_find(engine->sources, key);
	struct score score;

	if (!source || own_block(engine, source) != BLOCKS_NONE || guard_allowed(engine->guard, key) ||
	    guard_protected(engine->guard, key, NULL) != PROTECT_NONE)
		return;
	score = engine_score(engine, source);
	if (policy_grade(&engine->config, &score) >= GRADE_BLOCK)
		engine_begin_block(engine, source, GRADE_BLOCK, actions);
}
