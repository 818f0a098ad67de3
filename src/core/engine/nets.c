/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nets: what many addresses of one net show together, each too little to be suspected.  A net is a source like any
 * other, with the same record and the same weighing, in a table of its own: nobody's net can displace a source.  It is
 * fed by what its members show as long as they are below an alert of their own; the same port of the same address of
 * ours counts once a day, whoever of the net tried it.
 *
 * A net is veiled, never banned: that its addresses are one scanner was inferred.  The wider it is, the more it
 * takes.  What is keyed by source (customers, the veil's quick port) stays each member's own.  An admin can free an
 * address from its net's veil for a day; what is protected is free from the start.
 */
#include "internal.h"

#define LEVELS_MAX     4
#define LEVEL_FACTOR   1.5
#define EXEMPT_MS      DAY_MS
#define PROTECTED_TOLD 16 /* protected addresses in a veiled net that the kernel is told of at once */

/* The nets around a source, the narrowest first.  Returns how many: none around hosts behind a translator, who have
 * nothing in common. */
static int nets_around(const struct prefix *key, struct prefix nets[LEVELS_MAX])
{
	static const uint8_t lens[LEVELS_MAX] = { 64, 56, 48, 40 };
	int count = 0;

	if (prefix_is_v4(key)) {
		nets[0] = prefix_of(&key->addr, 96 + 24);
		return key->len > nets[0].len;
	}
	for (int i = 0; i < LEVELS_MAX && !addr_is_translated(&key->addr); i++)
		if (key->len > lens[i])
			nets[count++] = prefix_of(&key->addr, lens[i]);
	return count;
}

bool engine_is_net(const struct prefix *key)
{
	return prefix_is_v4(key) ? key->len == 96 + 24 : key->len >= 40 && key->len <= 64;
}

double engine_level_factor(uint8_t net)
{
	double factor = 1;

	for (unsigned i = 0; i < net; i++)
		factor *= LEVEL_FACTOR;
	return factor;
}

double engine_net_factor(const struct source *source)
{
	return engine_level_factor(source->net);
}

static bool holds_allowed(const struct engine *engine, const struct prefix *net)
{
	return safeguard_allowed(engine->safeguard, net) != NULL;
}

/* Protected addresses inside stay free of the net's veil in the kernel, as they are here. */
static void exempt_protected(struct engine *engine, const struct prefix *net, struct actions *actions)
{
	struct prefix host;
	uint32_t slot = 0;

	for (int i = 0; i < PROTECTED_TOLD && engine_has_room(actions, 4); i++) {
		slot = safeguard_protected_next(engine->safeguard, slot, net, &host);
		if (slot == PREFIXSET_NONE)
			return;
		if (host.len == 128)
			engine_order(actions, ACTION_EXEMPT, GRADE_NONE, &host, EXEMPT_MS);
	}
}

static void decide(struct engine *engine, struct source *net, uint32_t own, const struct score *score,
		   struct actions *actions)
{
	uint32_t cover;

	if (score_total(score) < policy_threshold(&engine->config, GRADE_VEIL) * engine_net_factor(net) ||
	    holds_allowed(engine, &net->key) || safeguard_protected(engine->safeguard, &net->key, NULL) != PROTECT_NONE)
		return;
	if (net->incident == 0)
		net->incident = incidents_begin(&engine->incidents);
	if (engine->config.observe) {
		engine_observe(engine, net, GRADE_VEIL, actions);
		return;
	}
	if (own != BLOCKS_NONE && blocks_at(engine->blocks, own)->grade >= GRADE_VEIL) {
		if (blocks_at(engine->blocks, own)->grade == GRADE_VEIL)
			engine_renew_veil(engine, own, score_total(score));
		return;
	}
	cover = blocks_strictest(engine->blocks, &net->key);
	if (cover != BLOCKS_NONE && blocks_at(engine->blocks, cover)->grade >= GRADE_VEIL)
		return; /* a wider net, or an admin's word, does it already */
	exempt_protected(engine, &net->key, actions);
	engine_begin_block(engine, net, GRADE_VEIL, actions);
}

static void feed(struct engine *engine, const struct prefix *key, uint32_t hash, uint8_t level,
		 const struct probe *probe, const struct finding *finding, uint16_t host_tag, struct actions *actions)
{
	struct source *net = sources_find_hashed(engine->nets, key, hash);
	struct weighing w = weigh(net, finding, host_tag, false, engine->now_ms);
	uint32_t own;
	struct score score;

	if (w.duplicate)
		return;
	if (!net)
		net = sources_add_hashed(engine->nets, key, hash);
	if (!net)
		return;
	net->net = level & 7;
	own = blocks_find_hashed(engine->blocks, key, hash);
	engine_settle(engine, net, own);
	if (w.replaces >= 0)
		score_remove(net, w.replaces, engine->now_ms, &engine->decay);
	engine_write_piece(engine, net, finding->kind, finding->port, host_tag, w.weight);
	if (probe->trap != PROBE_TRAP_NONE)
		trap_family_note(&net->visited, trap_family(finding->port), engine->now_ms);
	score = engine_score(engine, net);
	sources_rank(engine->nets, net, SOURCES_SUSPECTED, score_total(&score));
	if (w.weight > 0)
		decide(engine, net, own, &score, actions);
}

void engine_feed_nets(struct engine *engine, struct engine_sender *sender, const struct probe *probe,
		      const struct finding *finding, uint16_t host_tag, struct actions *actions)
{
	struct prefix nets[LEVELS_MAX];
	int count = nets_around(&sender->key, nets);

	for (int i = 0; i < count; i++)
		feed(engine, &nets[i], prefix_hashes_of(&sender->hashes, nets[i].len), (uint8_t)(i + 1), probe, finding,
		     host_tag, actions);
}

/* ---- exemptions ---- */

static void expire_exempt(struct engine *engine)
{
	uint32_t slot = prefixset_next(engine->exempt, 0, NULL);

	for (; slot != PREFIXSET_NONE; slot = prefixset_next(engine->exempt, slot + 1, NULL))
		if (engine->exempt_until_ms[slot] <= engine->now_ms)
			prefixset_remove(engine->exempt, slot);
}

int64_t engine_exempt_until(const struct engine *engine, const struct prefix *host)
{
	uint32_t slot = prefixset_cover(engine->exempt, host, 128);

	return slot != PREFIXSET_NONE && engine->exempt_until_ms[slot] > engine->now_ms ? engine->exempt_until_ms[slot]
											: 0;
}

void engine_end_exemption(struct engine *engine, const struct prefix *host, struct actions *actions)
{
	uint32_t slot = prefixset_find(engine->exempt, host);

	if (slot == PREFIXSET_NONE)
		return;
	prefixset_remove(engine->exempt, slot);
	engine_order(actions, ACTION_EXEMPT, GRADE_NONE, host, 1);
}

void engine_restore_exempt(struct engine *engine, const struct prefix *source, int64_t until_ms, int64_t now_ms)
{
	uint32_t slot;

	engine_time(engine, now_ms);
	if (!prefix_is_valid(source) || until_ms <= engine->now_ms)
		return;
	slot = prefixset_add(engine->exempt, source);
	if (slot == PREFIXSET_NONE) {
		expire_exempt(engine);
		slot = prefixset_add(engine->exempt, source);
	}
	if (slot != PREFIXSET_NONE)
		engine->exempt_until_ms[slot] =
			until_ms < engine->now_ms + EXEMPT_MS ? until_ms : engine->now_ms + EXEMPT_MS;
}

void engine_exempt_failed(struct engine *engine, const struct prefix *source)
{
	uint32_t slot = prefixset_find(engine->exempt, source);

	if (slot != PREFIXSET_NONE)
		prefixset_remove(engine->exempt, slot);
}

/* The kernel looks up addresses and /64s alone. */
enum engine_result engine_exempt_from_net(struct engine *engine, const struct prefix *host, struct actions *actions)
{
	struct prefix key = safeguard_key(engine->safeguard, &host->addr);
	struct prefix nets[LEVELS_MAX];
	int count = nets_around(&key, nets);
	struct event event = { .at_ms = engine->now_ms, .type = EVENT_UNBLOCK, .grade = GRADE_VEIL, .sources = 1 };
	bool veiled = false;

	for (int i = 0; i < count; i++) {
		uint32_t slot = blocks_find(engine->blocks, &nets[i]);

		veiled |= slot != BLOCKS_NONE && blocks_at(engine->blocks, slot)->grade == GRADE_VEIL;
	}
	if (!veiled || !prefix_covers(&key, host) || (key.len != 128 && key.len != 64))
		return ENGINE_NOT_FOUND;
	engine_restore_exempt(engine, &key, engine->now_ms + EXEMPT_MS, engine->now_ms);
	if (!engine_exempt_until(engine, &key))
		return ENGINE_FULL;
	engine_order(actions, ACTION_EXEMPT, GRADE_NONE, &key, EXEMPT_MS);
	event.source = key;
	event_text(&event, "free of the veil of its net for a day");
	engine_tell(actions, &event);
	return ENGINE_OK;
}
