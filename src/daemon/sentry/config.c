/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration as the supervisor sends it: in force as a whole or not at all.  The first one brings the sentry to
 * life; a later one loses no score and no block.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <picket/veil.h>

#include "internal.h"

static bool ports_in_order(const struct port_range *ports, size_t count)
{
	if (count > NFT_PORTS_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (ports[i].first == 0 || ports[i].last < ports[i].first)
			return false;
	return true;
}

/* The traps that the configuration asks for, NULL if none.  Those in use stay open.  0 or -errno. */
static int open_traps(struct sentry *sentry, struct trap **out)
{
	const struct nft_rules *rules = &sentry->config.rules;
	struct trap *trap = NULL;
	int error = 0;

	if (rules->trap_tcp_count || rules->trap_udp_count) {
		error = trap_open(rules->trap_tcp_count > 0, rules->trap_udp_count > 0, sentry->config.banner, &trap);
		if (!error)
			error = trap_serve(trap, sentry->base, sentry_trap_hit, sentry);
		if (error) {
			if (trap)
				trap_close(trap);
			return error;
		}
	}
	*out = trap;
	return 0;
}

/* An allow entry frees all the blocks that it covers, before the packets of the next turn. */
static void allow_configured(struct sentry *sentry, const struct prefix *item)
{
	uint32_t cursor = 0;

	engine_allow(sentry->engine, item, 0, ALLOW_CONFIG, sentry->now_ms, &sentry->actions);
	if (sentry->actions.count == 0)
		return;
	do {
		sentry_act(sentry);
		cursor = engine_unblock_within(sentry->engine, item, "allowed", cursor, sentry->now_ms,
					       &sentry->actions);
	} while (cursor != 0);
	sentry_act(sentry);
}

/* Is there room for the new list beside what was allowed while we run?  A list is taken whole or not at all. */
static bool allow_fits(const struct sentry *sentry)
{
	struct prefix *all = calloc(ENGINE_ALLOW_MAX, sizeof(*all)), *had = calloc(ENGINE_ALLOW_MAX, sizeof(*had));
	size_t count, configured, others = 0;

	if (all && had) {
		count = enforcer_allow_list(sentry->engine, ALLOW_ORIGIN_COUNT, all, ENGINE_ALLOW_MAX);
		configured = enforcer_allow_list(sentry->engine, ALLOW_CONFIG, had, ENGINE_ALLOW_MAX);
		enforcer_allow_sort(sentry->next_allow, sentry->next_allow_count);
		for (size_t i = 0; i < count; i++)
			others += !enforcer_allow_has(had, configured, &all[i]) &&
				  !enforcer_allow_has(sentry->next_allow, sentry->next_allow_count, &all[i]);
	}
	free(all);
	free(had);
	return all && had && sentry->next_allow_count + others <= ENGINE_ALLOW_MAX;
}

/* Only the difference: a reload of a long list beside many blocks must not hold up a packet. */
static void configure_allow(struct sentry *sentry)
{
	struct prefix *had = calloc(ENGINE_ALLOW_MAX, sizeof(*had));
	struct prefix *next = sentry->next_allow;
	size_t count;

	if (!had)
		return;
	enforcer_allow_sort(next, sentry->next_allow_count);
	count = enforcer_allow_list(sentry->engine, ALLOW_CONFIG, had, ENGINE_ALLOW_MAX);
	for (size_t i = 0; i < count; i++)
		if (!enforcer_allow_has(next, sentry->next_allow_count, &had[i]))
			engine_disallow(sentry->engine, &had[i]);
	for (size_t i = 0; i < sentry->next_allow_count; i++)
		if (!enforcer_allow_has(had, count, &next[i]))
			allow_configured(sentry, &next[i]);
	free(had);
}

/* Adds to the rules what only the running sentry knows: where its traps listen. */
static void complete_rules(struct sentry *sentry, const struct trap *trap)
{
	struct nft_rules *rules = &sentry->config.rules;

	rules->mode = sentry->config.engine.observe ? NFT_OBSERVE : NFT_BLOCK;
	rules->trap_port_v4 = rules->trap_port_v6 = rules->trap_udp_v4 = rules->trap_udp_v6 = 0;
	if (trap)
		trap_ports(trap, &rules->trap_port_v4, &rules->trap_port_v6, &rules->trap_udp_v4, &rules->trap_udp_v6);
}

int sentry_set_mode(struct sentry *sentry, enum nft_mode mode)
{
	int error = enforcer_set_mode(sentry->enforcer, mode, sentry->now_ms);

	if (error)
		return error;
	sentry->config.engine.observe = mode == NFT_OBSERVE;
	engine_configure(sentry->engine, &sentry->config.engine);
	return 0;
}

/* The engine and the kernel side, both or none. */
static int open_engine(struct sentry *sentry)
{
	struct enforcer_listener listener = sentry_listener(sentry);
	struct engine *engine;
	struct hash_key key;
	int error;

	if (getentropy(&key, sizeof(key)) < 0)
		return -errno;
	engine = engine_new(&sentry->config.engine, &key, sentry->now_ms);
	sentry->veil = veil_new(&key, sentry->config.engine.max_sources, sentry->now_ms);
	sentry->ration.key = key;
	sentry->contacts_key = key;
	if (!engine || !sentry->veil)
		return -ENOMEM;
	error = enforcer_open(sentry->config.table, engine, &listener, &sentry->enforcer);
	if (error)
		engine_free(engine);
	else
		sentry->engine = engine;
	return error;
}

static void configure_flag(struct sentry *sentry)
{
	enforcer_flag_configure(sentry->enforcer, (enum flow_flag_kind)sentry->config.flow_flag,
				sentry->config.flow_mark_bits, &sentry->names);
}

/* The first configuration: engine, traps, the world, and only then the rules. */
static int begin(struct sentry *sentry)
{
	int error = open_engine(sentry);

	if (!error)
		error = open_traps(sentry, &sentry->trap);
	if (error)
		return error;
	complete_rules(sentry, sentry->trap);
	error = sentry_through_configure(sentry);
	if (error)
		return error;
	configure_flag(sentry);
	enforcer_configure(sentry->enforcer, &sentry->config.rules);
	configure_allow(sentry);
	/* Before the table is there: what is protected and served must be known when the first packet is judged. */
	sentry_world_listeners(sentry);
	error = enforcer_load(sentry->enforcer, sentry->now_ms);
	if (error)
		return error;
	if (enforcer_is_fresh(sentry->enforcer))
		engine_fresh_start(sentry->engine, sentry->now_ms);
	sentry_world_routes(sentry);
	sentry_world_lately(sentry);
	return 0;
}

/* The rules first: they are what the kernel may refuse, and until it agrees nothing else has changed. */
static int change(struct sentry *sentry, const struct wire_config *had)
{
	bool traps_differ = strcmp(had->banner, sentry->config.banner) != 0 ||
			    !had->rules.trap_tcp_count != !sentry->config.rules.trap_tcp_count ||
			    !had->rules.trap_udp_count != !sentry->config.rules.trap_udp_count;
	struct trap *trap = sentry->trap;
	int error = traps_differ ? open_traps(sentry, &trap) : 0;

	if (!error)
		error = sentry_through_configure(sentry);
	if (error)
		return error;
	complete_rules(sentry, trap);
	configure_flag(sentry);
	error = enforcer_change(sentry->enforcer, &sentry->config.rules, sentry->now_ms);
	if (trap != sentry->trap) {
		struct trap *unused = error ? trap : sentry->trap;

		if (unused)
			trap_close(unused);
	}
	if (error)
		return error;
	sentry->trap = trap;
	engine_configure(sentry->engine, &sentry->config.engine);
	configure_allow(sentry);
	enforcer_allow_sync(sentry->enforcer);
	sentry->routes_stale = true;
	return 0;
}

static void config_end(struct sentry *sentry, uint32_t id)
{
	struct wire_result result = { .result = ENGINE_OK };
	struct wire_config had = sentry->config;
	bool first = !sentry->engine;
	int error;

	sentry->receiving = false;
	if (!first && !allow_fits(sentry)) {
		result = (struct wire_result){ .result = ENGINE_FULL, .error = ENOSPC };
		snprintf(result.text, sizeof(result.text),
			 "more than %d allowed addresses, with those that were added while picketd runs",
			 ENGINE_ALLOW_MAX);
		wire_send(sentry->start->supervisor_fd, WIRE_RESULT, id, &result);
		return;
	}
	sentry->config = sentry->next;
	error = first ? begin(sentry) : change(sentry, &had);
	if (error) {
		sentry->config = had;
		result.result = ENGINE_INVALID;
		result.error = -error;
		snprintf(result.text, sizeof(result.text), "%s: %s",
			 first ? "cannot set up the kernel side"
			       : "the kernel refused the new rules, the old ones stand",
			 strerror(-error));
	}
	wire_send(sentry->start->supervisor_fd, WIRE_RESULT, id, &result);
	if (error && first)
		event_base_loopbreak(sentry->base);
	else if (first)
		sentry->ready_by_ms = sentry->now_ms + SENTRY_RESTORE_MS;
}

static bool links_end(const char links[][16], size_t count)
{
	if (count > NFT_LINKS_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!memchr(links[i], 0, sizeof(links[i])))
			return false;
	return true;
}

static bool gateway_is_valid(const struct nft_gateway *gateway)
{
	if (!links_end(gateway->outside, gateway->outside_count) ||
	    !links_end(gateway->inside, gateway->inside_count) || gateway->guard_count > NFT_GUARD_MAX)
		return false;
	for (size_t i = 0; i < gateway->guard_count; i++)
		if (!prefix_is_valid(&gateway->guard[i]))
			return false;
	return true;
}

static bool config_is_valid(const struct wire_config *config)
{
	return ports_in_order(config->rules.trap_tcp, config->rules.trap_tcp_count) &&
	       ports_in_order(config->rules.trap_udp, config->rules.trap_udp_count) &&
	       ports_in_order(config->rules.public_ports, config->rules.public_count) &&
	       config->rules.early <= EARLY_NO_HOOK && config->flow_flag <= FLOW_FLAG_AUTO &&
	       (config->flow_mark_bits & (config->flow_mark_bits >> 1)) && gateway_is_valid(&config->rules.gateway) &&
	       config->rules.interface_count <= NFT_INTERFACES_MAX && config->rules.vrf_count == 0 &&
	       memchr(config->table, 0, sizeof(config->table)) && memchr(config->banner, 0, sizeof(config->banner));
}

void sentry_config_message(struct sentry *sentry, const struct wire_message *message)
{
	const struct wire_prefixes *prefixes = &message->body.prefixes;

	switch ((enum wire_type)message->header.type) {
	case WIRE_CONFIG:
		sentry->receiving = config_is_valid(&message->body.config);
		sentry->next = message->body.config;
		sentry->next_allow_count = 0;
		break;
	case WIRE_CONFIG_ALLOW:
		for (uint32_t i = 0; sentry->receiving && i < prefixes->count && i < WIRE_ALLOW_BATCH; i++)
			if (sentry->next_allow_count < ENGINE_ALLOW_MAX && prefix_is_valid(&prefixes->items[i]))
				sentry->next_allow[sentry->next_allow_count++] = prefixes->items[i];
		break;
	default:
		if (sentry->receiving)
			config_end(sentry, message->header.id);
		break;
	}
}
