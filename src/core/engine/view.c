/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine, shown: flat copies for status, list, sources and explain.  Reads alone; nothing here changes a
 * score, so looking does not decide.
 */
#include "internal.h"

#include <string.h>

void engine_status(const struct engine *engine, struct engine_status *out)
{
	*out = engine->counts;
	out->sources = sources_count(engine->sources);
	out->sources_max = sources_max(engine->sources);
	out->confirmed_sources = sources_confirmed(engine->sources);
	out->nets = sources_count(engine->nets);
	out->nets_max = sources_max(engine->nets);
	out->exempt = prefixset_count(engine->exempt);
	out->evicted = sources_evicted(engine->sources);
	out->served_refused = served_refused(engine->served);
	out->alerted = blocks_count(engine->blocks, GRADE_ALERT);
	out->veils = blocks_count(engine->blocks, GRADE_VEIL);
	out->bans = blocks_count(engine->blocks, GRADE_BAN);
	out->blocks = blocks_count(engine->blocks, GRADE_BLOCK);
	out->veils_max = blocks_veils_max(engine->blocks);
	out->blocks_max = ENGINE_BLOCKS_MAX;
	out->allow = safeguard_allow_count(engine->safeguard);
	out->protected_count = safeguard_protect_count(engine->safeguard);
	out->alert_mn = engine_millinats(engine->config.alert);
	out->veil_mn = engine_millinats(engine->config.veil);
	out->ban_mn = engine_millinats(engine->config.ban);
}

uint32_t engine_blocks(const struct engine *engine, uint32_t cursor, struct block_view *out, size_t max, size_t *count)
{
	uint32_t slot = blocks_next(engine->blocks, cursor, NULL);

	for (*count = 0; slot != BLOCKS_NONE && *count < max; slot = blocks_next(engine->blocks, slot + 1, NULL)) {
		blocks_view(engine->blocks, slot, &out[(*count)++]);
		cursor = slot + 1;
	}
	return slot == BLOCKS_NONE ? 0 : cursor;
}

/* Its block's grade, or what its score says now. */
static uint8_t shown_grade(const struct engine *engine, const struct source *source, const struct score *score)
{
	uint32_t slot = engine_standing(engine, &source->key);
	double factor = engine_net_factor(source);
	struct score scaled = { score->confirmed / factor, score->suspected / factor, score->fast / factor };
	enum grade grade = policy_grade(&engine->config, &scaled);

	if (slot != BLOCKS_NONE)
		return blocks_at(engine->blocks, slot)->grade;
	return grade > GRADE_ALERT ? GRADE_ALERT : (uint8_t)grade;
}

static void view_of(const struct engine *engine, const struct source *source, int64_t now_ms, struct source_view *out)
{
	struct score score = score_at(source, now_ms, &engine->decay);

	*out = (struct source_view){
		.source = source->key,
		.grade = shown_grade(engine, source, &score),
		.tool = source->tool,
		.times = source->times,
		.confirmed_mn = engine_millinats(score.confirmed),
		.suspected_mn = engine_millinats(score.suspected),
		.fast_mn = engine_millinats(score.fast),
		.incident = source->incident,
		.kinds = source->kinds,
		.probes = source->probes,
		.first_ms = source->first_s * 1000LL,
		.last_ms = source->updated_ms,
		.at_ms = now_ms,
		.visited = source->visited,
		.net = source->net,
	};
	for (int i = 0; i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE; i++)
		out->pieces[out->piece_count++] = source->pieces[i];
	for (int i = 0; i < SOURCE_OLDER && source->older[i].kind != EVIDENCE_NONE; i++) {
		out->older[i].kind = source->older[i].kind;
		out->older[i].count = source->older[i].count;
		out->older[i].weight_mn = engine_millinats(score_older(source, i, now_ms, &engine->decay));
	}
}

uint32_t engine_sources(const struct engine *engine, uint32_t cursor, int64_t now_ms, struct source_view *out,
			size_t max, size_t *count)
{
	uint32_t sources = sources_max(engine->sources), end = sources + sources_max(engine->nets);

	now_ms = now_ms > engine->now_ms ? now_ms : engine->now_ms;
	for (*count = 0; cursor < end; cursor++) {
		const struct source *source = cursor < sources ? sources_at(engine->sources, cursor)
							       : sources_at(engine->nets, cursor - sources);

		if (!source)
			continue;
		if (*count == max)
			return cursor;
		view_of(engine, source, now_ms, &out[(*count)++]);
	}
	return 0;
}

uint32_t engine_allows(const struct engine *engine, uint32_t cursor, struct allow_view *out, size_t max, size_t *count)
{
	struct allow_view ignored;

	for (*count = 0; *count < max; (*count)++) {
		uint32_t next = safeguard_allow_view(engine->safeguard, cursor, &out[*count]);

		if (next == PREFIXSET_NONE)
			return 0;
		cursor = next;
	}
	return safeguard_allow_view(engine->safeguard, cursor, &ignored) == PREFIXSET_NONE ? 0 : cursor;
}

uint32_t engine_protects(const struct engine *engine, uint32_t cursor, struct protected_view *out, size_t max,
			 size_t *count)
{
	struct protected_view ignored;

	for (*count = 0; *count < max; (*count)++) {
		uint32_t next = safeguard_protect_view(engine->safeguard, cursor, &out[*count]);

		if (next == PREFIXSET_NONE)
			return 0;
		cursor = next;
	}
	return safeguard_protect_view(engine->safeguard, cursor, &ignored) == PREFIXSET_NONE ? 0 : cursor;
}

static void exemption_of(const struct engine *engine, const struct prefix *about, struct explain_view *out)
{
	uint32_t slot = blocks_strictest(engine->blocks, about);

	out->exempt_until_ms = slot != BLOCKS_NONE && blocks_at(engine->blocks, slot)->grade == GRADE_VEIL
				       ? engine_exempt_until(engine, about)
				       : 0;
	if (out->exempt_until_ms)
		out->exempt_from = *blocks_source(engine->blocks, slot);
}

void engine_explain(const struct engine *engine, const struct prefix *about, int64_t now_ms, struct explain_view *out)
{
	struct prefix key = about->len == 128 ? safeguard_key(engine->safeguard, &about->addr) : *about;
	const struct source *source;
	const struct prefix *allowed;
	struct prefix inside;
	uint32_t slot;

	memset(out, 0, sizeof(*out));
	now_ms = now_ms > engine->now_ms ? now_ms : engine->now_ms;
	out->source.source = key;
	source = engine_find_source(engine, &key);
	if (source)
		view_of(engine, source, now_ms, &out->source);
	allowed = safeguard_allowed(engine->safeguard, about);
	slot = allowed ? BLOCKS_NONE : engine_standing(engine, about);
	if (slot != BLOCKS_NONE)
		blocks_view(engine->blocks, slot, &out->block);
	else
		exemption_of(engine, about, out);
	out->alert_mn = engine_millinats(engine->config.alert);
	out->veil_mn = engine_millinats(engine->config.veil);
	out->ban_mn = engine_millinats(engine->config.ban);
	out->slow_half_life_ms = engine->config.slow_half_life_ms;
	if (allowed) {
		out->allowed = 1;
		out->allowed_by = *allowed;
	}
	out->protect_why = (uint8_t)safeguard_protected(engine->safeguard, about, &out->protected_by);
	if (!out->protect_why && safeguard_protected_next(engine->safeguard, 0, about, &inside) != PREFIXSET_NONE)
		out->protect_why = (uint8_t)safeguard_protected(engine->safeguard, &inside, &out->protected_by);
}

uint32_t engine_services(const struct engine *engine, uint32_t cursor, struct served_view *out, size_t max,
			 size_t *count)
{
	for (*count = 0; *count < max; (*count)++)
		if (!served_next(engine->served, &cursor, &out[*count]))
			return 0;
	return cursor;
}

void engine_lately(const struct engine *engine, uint8_t protocol, int64_t now_ms, uint8_t bits[65536 / 8])
{
	memset(bits, 0, 65536 / 8);
	for (unsigned port = 1; port < 65536; port++)
		if (served_is(engine->served, protocol, (uint16_t)port, now_ms))
			bits[port / 8] |= (uint8_t)(1u << port % 8);
}
