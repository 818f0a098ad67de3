/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a new piece of evidence to its consequence: nothing, an alert, a block, a ban, or an exemption with the
 * safeguard that demands it.  A source is judged only when evidence is added: when its block has run out, old evidence
 * alone does not block it again.
 *
 * Only confirmation leads to a ban: evidence that another host may have forged ends at the short block.
 */
#include "internal.h"

#include <math.h>
#include <stdio.h>

#include "duration.h"

/* ---- grades and durations ---- */

void engine_config_defaults(struct engine_config *config)
{
	*config = (struct engine_config){
		.ipv6_prefix = 64,
		.protect_auto = 1,
		.alert = log(0.99 / 1e-2),
		.veil = log(0.99 / 1e-3),
		.ban = log(0.99 / 1e-4),
		.slow_half_life_ms = DAY_MS,
		.max_sources = 65536,
		.veil_first_ms = 10 * 60000,
		.veil_max_ms = 60 * 60000,
		.ban_first_ms = 60 * 60000,
		.ban_max_ms = 7 * DAY_MS,
		.storm_rate = 60,
		.storm_live = 4096,
	};
}

enum grade policy_grade(const struct engine_config *config, const struct score *score)
{
	double total = score_total(score);

	if (score->confirmed >= config->ban)
		return GRADE_BAN;
	if (total >= config->veil)
		return GRADE_VEIL;
	return total >= config->alert ? GRADE_ALERT : GRADE_WATCH;
}

double policy_threshold(const struct engine_config *config, enum grade grade)
{
	switch (grade) {
	case GRADE_ALERT: return config->alert;
	case GRADE_VEIL: return config->veil;
	case GRADE_BAN: return config->ban;
	default: return 0;
	}
}

int64_t policy_duration_ms(const struct engine_config *config, enum grade grade, unsigned times)
{
	int64_t duration = grade == GRADE_BAN ? config->ban_first_ms : config->veil_first_ms;
	int64_t max = grade == GRADE_BAN ? config->ban_max_ms : config->veil_max_ms;

	for (unsigned i = 1; i < times && duration < max; i++)
		duration *= 2;
	return duration < max ? duration : max;
}

uint8_t policy_next_times(const struct source *source, int64_t now_ms)
{
	int64_t today = now_ms / DAY_MS;

	if (source->times == 0 || today - source->last_block_day > POLICY_FORGET_DAYS)
		return 1;
	return source->times < UINT8_MAX ? (uint8_t)(source->times + 1) : UINT8_MAX;
}

bool policy_is_high(const struct engine_config *config, double total)
{
	return total >= 2 * config->veil;
}

static int64_t clamp_ms(int64_t value, int64_t low)
{
	return value < low ? low : value > DURATION_MAX_MS ? DURATION_MAX_MS : value;
}

struct engine_config policy_sane(const struct engine_config *config)
{
	struct engine_config sane = *config, defaults;

	engine_config_defaults(&defaults);
	sane.ipv6_prefix = sane.ipv6_prefix < 48 ? 48 : sane.ipv6_prefix > 128 ? 128 : sane.ipv6_prefix;
	sane.alert = isfinite(sane.alert) && sane.alert > 0 ? sane.alert : defaults.alert;
	sane.veil = isfinite(sane.veil) && sane.veil >= sane.alert ? sane.veil : fmax(sane.alert, defaults.veil);
	sane.ban = isfinite(sane.ban) && sane.ban > 0 ? sane.ban : defaults.ban;
	sane.slow_half_life_ms = clamp_ms(sane.slow_half_life_ms, 1000);
	sane.max_sources = sane.max_sources < 1024 ? 1024 : sane.max_sources > 4194304 ? 4194304 : sane.max_sources;
	sane.veil_first_ms = clamp_ms(sane.veil_first_ms, 1);
	sane.veil_max_ms = clamp_ms(sane.veil_max_ms, sane.veil_first_ms);
	sane.ban_first_ms = clamp_ms(sane.ban_first_ms, 1);
	sane.ban_max_ms = clamp_ms(sane.ban_max_ms, sane.ban_first_ms);
	return sane;
}

/* ---- consequences ---- */

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

/* Called before evidence is added: what was told of an earlier incident no longer holds. */
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

static void exempt(struct engine *engine, struct source *source, enum grade grade, enum protect_why why,
		   struct actions *actions)
{
	struct event event;

	alert(engine, source, actions);
	engine->counts.exempt_protected++;
	if (source->exempt)
		return;
	source->exempt = 1;
	event = engine_event(engine, source, EVENT_EXEMPT, grade);
	snprintf(event.text, sizeof(event.text), "%s", safeguard_why_text(why));
	engine_tell(actions, &event);
}

/* Observe mode: what would have been done is told, once. */
static void observe(struct engine *engine, struct source *source, enum grade grade, struct actions *actions)
{
	struct event event;

	if (source->grade >= grade)
		return;
	if (source->grade < GRADE_VEIL)
		source->times = policy_next_times(source, engine->now_ms);
	source->last_block_day = (uint16_t)(engine->now_ms / DAY_MS);
	source->grade = (uint8_t)grade & 7;
	event = engine_event(engine, source, grade == GRADE_BAN ? EVENT_BAN : EVENT_VEIL, grade);
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
	if (grade == GRADE_VEIL && !may_begin(engine, source)) {
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

	cut(engine, net, GRADE_VEIL, actions);
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
		source->incident = incidents_begin(&engine->incidents);
	why = safeguard_protected(engine->safeguard, &host, NULL);
	if (grade == GRADE_ALERT)
		alert(engine, source, actions);
	else if (why != PROTECT_NONE)
		exempt(engine, source, grade, why, actions);
	else if (grade == GRADE_BAN && safeguard_holds_customer(engine->safeguard, &source->key, engine->now_ms))
		ban_in_net(engine, source, &host, actions);
	else
		cut(engine, source, grade, actions);
}

void engine_choose(struct engine *engine, const struct prefix *key, struct actions *actions)
{
	struct source *source = sources_find(engine->sources, key);
	struct score score;

	if (!source || own_block(engine, source) != BLOCKS_NONE || safeguard_allowed(engine->safeguard, key) ||
	    safeguard_protected(engine->safeguard, key, NULL) != PROTECT_NONE)
		return;
	score = engine_score(engine, source);
	if (policy_grade(&engine->config, &score) >= GRADE_VEIL)
		engine_begin_block(engine, source, GRADE_VEIL, actions);
}
