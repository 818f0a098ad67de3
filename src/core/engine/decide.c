/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a new piece of evidence to its consequence: nothing, an alert, a veil, a ban, or an exemption with the safeguard
 * that demands it.  A source is judged only when evidence is added: when its ban has run out, old evidence alone does
 * not ban it again.
 *
 * Only confirmation leads to a ban: evidence that another host may have forged ends at the veil, which harms nobody and
 * so needs neither a ration nor a discount.
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
		.veil_max_ms = 60 * 60000,
		.ban_first_ms = 60 * 60000,
		.ban_max_ms = 7 * DAY_MS,
	};
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

enum grade policy_grade(const struct engine_config *config, const struct score *score)
{
	double total = score_total(score);

	if (score->confirmed >= config->ban)
		return GRADE_BAN;
	if (total >= config->veil)
		return GRADE_VEIL;
	return total >= config->alert ? GRADE_ALERT : GRADE_WATCH;
}

int64_t policy_ban_ms(const struct engine_config *config, unsigned times)
{
	int64_t duration = config->ban_first_ms;

	for (unsigned i = 1; i < times && duration < config->ban_max_ms; i++)
		duration *= 2;
	return duration < config->ban_max_ms ? duration : config->ban_max_ms;
}

uint8_t policy_next_times(const struct source *source, int64_t now_ms)
{
	int64_t today = now_ms / DAY_MS;

	if (source->times == 0 || today - source->last_ban_day > POLICY_FORGET_DAYS)
		return 1;
	return source->times < UINT8_MAX ? (uint8_t)(source->times + 1) : UINT8_MAX;
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
	sane.veil_max_ms = clamp_ms(sane.veil_max_ms, 1);
	sane.ban_first_ms = clamp_ms(sane.ban_first_ms, 1);
	sane.ban_max_ms = clamp_ms(sane.ban_max_ms, sane.ban_first_ms);
	return sane;
}

/* ---- consequences ---- */

struct source *engine_find_source(const struct engine *engine, const struct prefix *key)
{
	struct source *source = sources_find(engine->sources, key);

	return source || !engine_is_net(key) ? source : sources_find(engine->nets, key);
}

double engine_threshold(const struct engine *engine, const struct prefix *key, enum grade grade)
{
	const struct source *source = engine_find_source(engine, key);

	return policy_threshold(&engine->config, grade) * (source ? engine_net_factor(source) : 1);
}

/* A veiled source may give way to a higher score like any other: its veil stands without it. */
void engine_rank_by(struct engine *engine, struct source *source, uint32_t own, const struct score *score)
{
	enum sources_rank rank = SOURCES_SUSPECTED;

	if (own != BLOCKS_NONE && blocks_at(engine->blocks, own)->grade >= GRADE_BAN)
		rank = SOURCES_BLOCKED;
	else if (score->confirmed >= ENGINE_CONFIRMED)
		rank = SOURCES_CONFIRMED;
	sources_rank(source->net ? engine->nets : engine->sources, source, rank, score_total(score));
}

void engine_rank(struct engine *engine, struct source *source)
{
	struct score score = engine_score(engine, source);

	engine_rank_by(engine, source, blocks_find_hashed(engine->blocks, &source->key, source->hash), &score);
}

/* In observe mode nothing says when a grade would have ended but its length. */
static bool would_still_stand(const struct engine *engine, const struct source *source)
{
	int64_t duration_ms =
		source->grade == GRADE_BAN ? policy_ban_ms(&engine->config, source->times) : engine->config.veil_max_ms;

	return engine->config.observe && engine->now_ms - source->updated_ms < duration_ms;
}

/* Called before evidence is added: what was told of an earlier incident no longer holds. */
void engine_settle(struct engine *engine, struct source *source, uint32_t own)
{
	if (own != BLOCKS_NONE && blocks_at(engine->blocks, own)->grade >= GRADE_VEIL)
		return;
	if (source->grade > GRADE_ALERT && !would_still_stand(engine, source))
		source->grade = GRADE_ALERT;
	if (source->grade == GRADE_ALERT) {
		struct score score = engine_score(engine, source);

		if (score_total(&score) < engine->config.alert - 1)
			source->grade = GRADE_WATCH;
	}
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

void engine_observe(struct engine *engine, struct source *source, enum grade grade, struct actions *actions)
{
	struct event event;

	if (source->grade >= grade)
		return;
	if (grade == GRADE_BAN) {
		source->times = policy_next_times(source, engine->now_ms);
		source->last_ban_day = (uint16_t)(engine->now_ms / DAY_MS);
	}
	source->grade = (uint8_t)grade & 7;
	event = engine_event(engine, source, grade == GRADE_BAN ? EVENT_BAN : EVENT_VEIL, grade);
	event.duration_ms =
		grade == GRADE_BAN ? policy_ban_ms(&engine->config, source->times) : engine->config.veil_max_ms;
	engine_tell(actions, &event);
}

/* Brings the source to the grade, in the kernel too, unless it or a net around it stands at that or a stricter one. */
static void raise_to(struct engine *engine, struct source *source, uint32_t own, enum grade grade,
		     const struct score *score, struct actions *actions)
{
	uint32_t cover;

	if (own != BLOCKS_NONE && blocks_at(engine->blocks, own)->grade >= grade) {
		if (blocks_at(engine->blocks, own)->grade <= GRADE_VEIL)
			engine_renew_veil(engine, own, score_total(score));
		return;
	}
	cover = blocks_strictest(engine->blocks, &source->key);
	if (cover != BLOCKS_NONE && blocks_at(engine->blocks, cover)->grade > grade)
		return;
	if (engine->config.observe) {
		if (grade > GRADE_ALERT)
			engine_observe(engine, source, grade, actions);
		return;
	}
	engine_begin_block(engine, source, grade, actions);
}

void engine_decide(struct engine *engine, struct source *source, const struct engine_sender *sender,
		   const struct score *score, struct actions *actions)
{
	enum grade grade = policy_grade(&engine->config, score);

	if (grade < GRADE_ALERT)
		return;
	if (source->incident == 0)
		source->incident = incidents_begin(&engine->incidents);
	if (sender->word.why != PROTECT_NONE) {
		if (grade == GRADE_ALERT)
			alert(engine, source, actions);
		else
			exempt(engine, source, grade, sender->word.why, actions);
		return;
	}
	if (grade == GRADE_ALERT)
		alert(engine, source, actions);
	raise_to(engine, source, sender->own, grade, score, actions);
}
