/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration as the supervisor sends it: taken whole or not at all. The first one brings the sentry to life;
 * a later one
 * loses no score and no block.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static int trap_reopen(struct sentry *sentry)
{
	const struct nft_rules *rules = &sentry->config.rules;
	struct trap *trap = NULL;
	uint16_t ports[4] = { 0 };
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
		trap_ports(trap, &ports[0], &ports[1], &ports[2], &ports[3]);
	}
	if (sentry->trap)
		trap_close(sentry->trap);
	sentry->trap = trap;
	sentry->rules.trap_port_v4 = ports[0];
	sentry->rules.trap_port_v6 = ports[1];
	sentry->rules.trap_udp_v4 = ports[2];
	sentry->rules.trap_udp_v6 = ports[3];
	return 0;
}

/* The rules as loaded are the configured ones, with what only the running sentry knows kept. */
static void take_rules(struct sentry *sentry)
{
	struct nft_rules had = sentry->rules;

	sentry->rules = sentry->config.rules;
	sentry->rules.queue = had.queue ? had.queue : sentry->config.rules.queue;
	sentry->rules.trap_port_v4 = had.trap_port_v4;
	sentry->rules.trap_port_v6 = had.trap_port_v6;
	sentry->rules.trap_udp_v4 = had.trap_udp_v4;
	sentry->rules.trap_udp_v6 = had.trap_udp_v6;
	if (sentry->config.rules.interface_count == 0) {
		memcpy(sentry->rules.interfaces, had.interfaces, sizeof(had.interfaces));
		sentry->rules.interface_count = had.interface_count;
	}
}

/* The first configuration: engine, table, traps, the world, and only then the rules. */
static int begin(struct sentry *sentry)
{
	struct hash_key key;
	int error;

	if (getentropy(&key, sizeof(key)) < 0)
		return -errno;
	sentry->engine = engine_new(&sentry->config.engine, &key, sentry_now_ms(sentry));
	if (!sentry->engine)
		return -ENOMEM;
	error = nft_open(sentry->config.table, &sentry->nft);
	if (!error)
		error = trap_reopen(sentry);
	if (error)
		return error;
	take_rules(sentry);
	sentry_allow_configure(sentry);
	/* Before the table is there: what is protected and served must be known when the first packet is judged. */
	sentry_world_listeners(sentry);
	error = sentry_rules_load(sentry);
	if (error)
		return error;
	sentry_world_routes(sentry);
	return 0;
}

static int change(struct sentry *sentry, const struct wire_config *had)
{
	bool traps_differ = strcmp(had->banner, sentry->config.banner) != 0 ||
			    !had->rules.trap_tcp_count != !sentry->config.rules.trap_tcp_count ||
			    !had->rules.trap_udp_count != !sentry->config.rules.trap_udp_count;
	int error = traps_differ ? trap_reopen(sentry) : 0;

	if (error)
		return error;
	engine_configure(sentry->engine, &sentry->config.engine);
	take_rules(sentry);
	sentry_allow_configure(sentry);
	sentry_allow_sync(sentry);
	sentry->routes_stale = true;
	return sentry_rules_apply(sentry);
}

static void config_end(struct sentry *sentry, uint32_t id)
{
	struct wire_result result = { .result = ENGINE_OK };
	struct wire_config had = sentry->config;
	bool first = !sentry->engine;
	int error;

	sentry->receiving = false;
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
		sentry->ready_by_ms = sentry_now_ms(sentry) + SENTRY_MEMORY_MS;
}

static bool config_is_valid(const struct wire_config *config)
{
	return ports_in_order(config->rules.trap_tcp, config->rules.trap_tcp_count) &&
	       ports_in_order(config->rules.trap_udp, config->rules.trap_udp_count) &&
	       ports_in_order(config->rules.public_ports, config->rules.public_count) &&
	       config->rules.interface_count <= NFT_INTERFACES_MAX && memchr(config->table, 0, sizeof(config->table)) &&
	       memchr(config->banner, 0, sizeof(config->banner));
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
