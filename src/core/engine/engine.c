/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The entry to the engine: it is made, configured, asked about a probe, and told that time has passed.  A probe goes
 * through judge (what the packet proves), weigh (for a source with this past), score, decide and block.  All memory is
 * allocated here, in engine_new(); each tick does a bounded part of the work, so that a full table never delays a
 * packet.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#define AGEING_STEP 256    /* entries looked at in one call */
#define FADED       0.1    /* nats below which a source is as good as unknown */
#define FRESH_MS    600000 /* after a start without the flows of before */

struct engine *engine_new(const struct engine_config *config, const struct hash_key *key, int64_t now_ms)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->config = policy_sane(config);
	decay_init(&engine->decay, engine->config.slow_half_life_ms);
	engine->key = *key;
	engine->now_ms = now_ms > 0 ? now_ms : 0;
	engine->sources = sources_new(engine->config.max_sources, key);
	engine->nets = sources_new(engine->config.max_sources / 4, key);
	engine->exempt = prefixset_new(ENGINE_EXEMPT_MAX, key);
	engine->exempt_until_ms = calloc(ENGINE_EXEMPT_MAX, sizeof(*engine->exempt_until_ms));
	engine->blocks = blocks_new(key);
	engine->safeguard = safeguard_new(key, engine->config.ipv6_prefix);
	engine->served = served_new();
	engine->decoys = decoys_new(key);
	engine->sweep = sweep_new();
	if (engine->sources && engine->nets && engine->exempt && engine->exempt_until_ms && engine->blocks &&
	    engine->safeguard && engine->served && engine->decoys && engine->sweep)
		return engine;
	engine_free(engine);
	return NULL;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	sources_free(engine->sources);
	sources_free(engine->nets);
	prefixset_free(engine->exempt);
	free(engine->exempt_until_ms);
	blocks_free(engine->blocks);
	safeguard_free(engine->safeguard);
	served_free(engine->served);
	decoys_free(engine->decoys);
	sweep_free(engine->sweep);
	free(engine);
}

static void rebase(struct sources *table, const struct engine *engine, const struct decay *old)
{
	for (uint32_t i = 0; i < sources_max(table); i++) {
		struct source *source = sources_at(table, i);

		if (source)
			score_rebase(source, engine->now_ms, old, &engine->decay);
	}
}

void engine_configure(struct engine *engine, const struct engine_config *config)
{
	struct decay old = engine->decay;
	uint32_t max_sources = engine->config.max_sources;

	engine->config = policy_sane(config);
	engine->config.max_sources = max_sources;
	safeguard_set_ipv6_prefix(engine->safeguard, engine->config.ipv6_prefix);
	if (engine->config.slow_half_life_ms == old.half_life_ms)
		return;
	decay_init(&engine->decay, engine->config.slow_half_life_ms);
	rebase(engine->sources, engine, &old);
	rebase(engine->nets, engine, &old);
}

int64_t engine_time(struct engine *engine, int64_t now_ms)
{
	if (now_ms > engine->now_ms)
		engine->now_ms = now_ms;
	return engine->now_ms;
}

/* No other host sends from these; an address of our own on the wire is forged, or an echo of our own packet. */
static bool is_sender(const struct engine_sender *sender)
{
	struct prefix host = prefix_host(&sender->hashes.addr);

	return !prefix_no_source(&host) && !addr_is_loopback(&host.addr) && !sender->word.own;
}

static void look_at_blocks(const struct engine *engine, struct engine_sender *sender)
{
	sender->changes = blocks_changes(engine->blocks);
	sender->strictest = blocks_strictest_of(engine->blocks, &sender->hashes, sender->key.len, &sender->own);
}

/* The strictest block, if it counts for the host. */
static uint32_t standing(const struct engine *engine, uint32_t strictest, const struct prefix *host)
{
	enum grade grade;

	if (strictest == BLOCKS_NONE)
		return BLOCKS_NONE;
	grade = blocks_at(engine->blocks, strictest)->grade;
	if (grade < GRADE_VEIL || (grade == GRADE_VEIL && engine_exempt_until(engine, host)))
		return BLOCKS_NONE;
	return strictest;
}

uint32_t engine_standing(const struct engine *engine, const struct prefix *host)
{
	return standing(engine, blocks_strictest(engine->blocks, host), host);
}

static enum verdict verdict_on(const struct engine *engine, const struct engine_sender *sender)
{
	struct prefix host = prefix_host(&sender->hashes.addr);
	uint32_t slot = engine->config.observe ? BLOCKS_NONE : standing(engine, sender->strictest, &host);

	if (slot == BLOCKS_NONE || sender->word.why != PROTECT_NONE)
		return VERDICT_ACCEPT;
	return blocks_at(engine->blocks, slot)->grade == GRADE_VEIL ? VERDICT_VEIL : VERDICT_DROP;
}

enum verdict engine_verdict(const struct engine *engine, const struct addr *addr)
{
	struct engine_sender sender;

	sender.key = prefix_host(addr);
	prefix_hashes_begin(&sender.hashes, &engine->key, addr);
	if (safeguard_allows(engine->safeguard, &sender.hashes))
		return VERDICT_ACCEPT;
	sender.word = safeguard_protects(engine->safeguard, &sender.hashes);
	look_at_blocks(engine, &sender);
	return verdict_on(engine, &sender);
}

static bool has_ports(const struct packet *p)
{
	return p->protocol == PROTO_TCP || p->protocol == PROTO_UDP;
}

enum verdict engine_probe(struct engine *engine, const struct probe *probe, int64_t now_ms, struct actions *actions)
{
	struct engine_sender sender;
	enum verdict verdict;
	bool evidence;

	actions->count = 0;
	engine_time(engine, now_ms);
	engine->counts.probes++;
	prefix_hashes_begin(&sender.hashes, &engine->key, &probe->packet.src);
	sources_prefetch(engine->sources, prefix_hashes_of(&sender.hashes, 128));
	sender.word = safeguard_protects(engine->safeguard, &sender.hashes);
	if (!is_sender(&sender))
		return VERDICT_ACCEPT;
	if (safeguard_allows(engine->safeguard, &sender.hashes)) {
		engine->counts.exempt_allowed++;
		return VERDICT_ACCEPT;
	}
	sender.key = safeguard_key_of(engine->safeguard, &sender.hashes, sender.word.onlink);
	sources_prefetch_entry(engine->sources, prefix_hashes_of(&sender.hashes, sender.key.len));
	look_at_blocks(engine, &sender);
	evidence = engine_count(engine, probe, &sender, actions);
	if (sender.changes != blocks_changes(engine->blocks))
		look_at_blocks(engine, &sender);
	verdict = verdict_on(engine, &sender);
	/* A neighbour's routing, a tunnel's first packet, an error of what conntrack forgot: a veil hides ports. */
	return verdict == VERDICT_VEIL && !evidence && !has_ports(&probe->packet) ? VERDICT_ACCEPT : verdict;
}

/* ---- what time does by itself: each call does a bounded part of it ---- */

static void tell_sweep(struct engine *engine, struct actions *actions)
{
	struct event event = { .at_ms = engine->now_ms,
			       .type = EVENT_DISTRIBUTED,
			       .grade = GRADE_ALERT,
			       .observed = engine->config.observe };

	if (!sweep_tell(engine->sweep, engine->now_ms, &event.sources, &event.ports))
		return;
	event.incident = incidents_begin(&engine->incidents);
	snprintf(event.text, sizeof(event.text), "%u ports within 10m, one or two each", event.ports);
	engine_tell(actions, &event);
}

static void age(struct engine *engine, struct sources *table, uint32_t *hand)
{
	uint32_t max = sources_max(table), step = max < AGEING_STEP ? max : AGEING_STEP;

	for (uint32_t i = 0; i < step; i++) {
		struct source *source = sources_at(table, *hand);
		struct score score;

		*hand = (*hand + 1) % max;
		if (!source || sources_is_blocked(source))
			continue;
		score = engine_score(engine, source);
		if (score_total(&score) < FADED && engine->now_ms - source->updated_ms > DAY_MS &&
		    (source->times == 0 || engine->now_ms / DAY_MS - source->last_ban_day > POLICY_FORGET_DAYS))
			sources_remove(table, source);
		else
			sources_rerank(table, source,
				       score.confirmed >= ENGINE_CONFIRMED && !source->net ? SOURCES_CONFIRMED
											   : SOURCES_SUSPECTED,
				       score_total(&score));
	}
}

void engine_tick(struct engine *engine, int64_t now_ms, struct actions *actions)
{
	actions->count = 0;
	engine_time(engine, now_ms);
	safeguard_expire(engine->safeguard, engine->now_ms);
	tell_sweep(engine, actions);
	engine_end_blocks(engine, actions);
	age(engine, engine->sources, &engine->ageing_hand);
	age(engine, engine->nets, &engine->nets_hand);
}

int64_t engine_due_ms(const struct engine *engine)
{
	return blocks_due_ms(engine->blocks);
}

void engine_fresh_start(struct engine *engine, int64_t now_ms)
{
	engine->fresh_until_ms = engine_time(engine, now_ms) + FRESH_MS;
}
