/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's front door: made, configured, asked about a probe.  What stands behind it: judge (what a packet proves),
 * weigh (for a source with this past), score, decide, block.  All memory is allocated here.
 */
#include "internal.h"

#include <stdlib.h>

struct engine *engine_new(const struct engine_config *config, const struct hash_key *key, int64_t now_ms)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->config = policy_sane(config);
	engine->key = *key;
	engine->now_ms = now_ms > 0 ? now_ms : 0;
	engine->sources = sources_new(engine->config.max_sources, key);
	engine->blocks = blocks_new(key);
	engine->guard = guard_new(key, engine->config.ipv6_prefix);
	engine->served = served_new();
	engine->decoys = decoys_new(key);
	engine->popularity = popularity_new(key);
	engine->merge = merge_new(key);
	engine->incidents = incidents_new();
	engine->storm = storm_new(engine->config.storm_rate, key, engine->now_ms);
	engine->sweep = sweep_new(key);
	if (engine->sources && engine->blocks && engine->guard && engine->served && engine->decoys &&
	    engine->popularity && engine->merge && engine->incidents && engine->storm && engine->sweep)
		return engine;
	engine_free(engine);
	return NULL;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	sources_free(engine->sources);
	blocks_free(engine->blocks);
	guard_free(engine->guard);
	served_free(engine->served);
	decoys_free(engine->decoys);
	popularity_free(engine->popularity);
	merge_free(engine->merge);
	incidents_free(engine->incidents);
	storm_free(engine->storm);
	sweep_free(engine->sweep);
	free(engine);
}

void engine_configure(struct engine *engine, const struct engine_config *config)
{
	int64_t old_half_life_ms = engine->config.slow_half_life_ms;
	uint32_t max_sources = engine->config.max_sources;

	engine->config = policy_sane(config);
	engine->config.max_sources = max_sources;
	storm_set_rate(engine->storm, engine->config.storm_rate);
	guard_set_ipv6_prefix(engine->guard, engine->config.ipv6_prefix);
	if (engine->config.slow_half_life_ms == old_half_life_ms)
		return;
	for (uint32_t i = 0; i < max_sources; i++) {
		struct source *source = sources_at(engine->sources, i);

		if (source)
			score_rebase(source, engine->now_ms, old_half_life_ms, engine->config.slow_half_life_ms);
	}
}

int64_t engine_time(struct engine *engine, int64_t now_ms)
{
	if (now_ms > engine->now_ms)
		engine->now_ms = now_ms;
	return engine->now_ms;
}

struct score engine_score(const struct engine *engine, const struct source *source)
{
	return score_at(source, engine->now_ms, engine->config.slow_half_life_ms);
}

struct prefix engine_key(struct engine *engine, const struct addr *addr)
{
	struct prefix key = guard_key(engine->guard, addr), wide;

	return !prefix_is_v4(&key) && merge_key(engine->merge, &key, engine->now_ms, &wide) ? wide : key;
}

/* Nobody sends from these; an address of our own on the wire is forged or an echo of ourselves. */
static bool is_sender(const struct engine *engine, const struct addr *addr)
{
	return !addr_is_multicast(addr) && !addr_is_unspecified(addr) && !addr_is_loopback(addr) &&
	       !guard_is_own(engine->guard, addr);
}

/* A service of ours answers there.  Not learned from datagrams to high ports: those are our own questions' sockets. */
static void learn_served(struct engine *engine, const struct probe *probe)
{
	const struct packet *p = &probe->packet;
	bool request = p->protocol == PROTO_TCP ? (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN : p->dport < 32768;

	if (probe->port_state == PROBE_PORT_SERVED && probe->packet_result == PACKET_OK && request)
		engine_note_served(engine, p->protocol, p->dport, engine->now_ms);
}

static enum verdict verdict_on(const struct engine *engine, const struct prefix *sender)
{
	if (engine->config.observe || blocks_cover(engine->blocks, sender) == BLOCKS_NONE)
		return VERDICT_ACCEPT;
	return guard_protected(engine->guard, sender, NULL) != PROTECT_NONE ? VERDICT_ACCEPT : VERDICT_DROP;
}

enum verdict engine_probe(struct engine *engine, const struct probe *probe, int64_t now_ms, struct actions *actions)
{
	struct prefix sender = prefix_host(&probe->packet.src), key;

	actions->count = 0;
	engine_time(engine, now_ms);
	engine->counts.probes++;
	if (!is_sender(engine, &probe->packet.src))
		return VERDICT_ACCEPT;
	learn_served(engine, probe);
	if (guard_allowed(engine->guard, &sender)) {
		engine->counts.exempt_allowed++;
		return VERDICT_ACCEPT;
	}
	key = engine_key(engine, &probe->packet.src);
	engine_count(engine, probe, &key, actions);
	return verdict_on(engine, &sender);
}
