/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines that set something up or are an admin's orders: a table of words.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"

static const char *const whys[PROTECT_WHY_COUNT] = {
	[PROTECT_OWN] = "own",   [PROTECT_GATEWAY] = "gateway", [PROTECT_RESOLVER] = "resolver", [PROTECT_NTP] = "ntp",
	[PROTECT_DHCP] = "dhcp", [PROTECT_LOGIN] = "login",     [PROTECT_ONLINK] = "onlink",
};

static int64_t now(const struct play *play)
{
	return PLAY_EPOCH_MS + play->now_ms;
}

static bool prefix_word(const char *word, struct prefix *out)
{
	const char *error;

	return prefix_parse(word, out, &error);
}

/* max_sources is for the engine's birth, so it makes a new one: to be set before the first probe. */
static bool order_set(struct play *play, char **words)
{
	struct engine_config *c = &play->config;
	struct hash_key key = { play->script->seed, ~play->script->seed };
	int64_t ms;

	if (strcmp(words[1], "max_sources") == 0) {
		c->max_sources = (uint32_t)strtoul(words[2], NULL, 10);
		engine_free(play->engine);
		play->engine = engine_new(c, &key, now(play));
		return play->engine != NULL;
	}
	if (strcmp(words[1], "observe") == 0)
		c->observe = (uint8_t)strtoul(words[2], NULL, 10);
	else if (strcmp(words[1], "ipv6_prefix") == 0)
		c->ipv6_prefix = (uint8_t)strtoul(words[2], NULL, 10);
	else if (!script_time(words[2], &ms))
		return false;
	else if (strcmp(words[1], "veil_max") == 0)
		c->veil_max_ms = ms;
	else if (strcmp(words[1], "ban_first") == 0)
		c->ban_first_ms = ms;
	else if (strcmp(words[1], "slow_half_life") == 0)
		c->slow_half_life_ms = ms;
	else
		return false;
	engine_configure(play->engine, c);
	return true;
}

static bool order_allow(struct play *play, char **words)
{
	struct prefix prefix;

	if (!prefix_word(words[1], &prefix))
		return false;
	engine_allow(play->engine, &prefix, 0, ALLOW_ADMIN, now(play), play->actions);
	return true;
}

static bool order_disallow(struct play *play, char **words)
{
	struct prefix prefix;

	return prefix_word(words[1], &prefix) && engine_disallow(play->engine, &prefix) == ENGINE_OK;
}

static bool order_protect(struct play *play, char **words)
{
	struct prefix prefix;

	if (!prefix_word(words[1], &prefix))
		return false;
	for (unsigned why = 0; why < PROTECT_WHY_COUNT; why++) {
		if (whys[why] && strcmp(words[2], whys[why]) == 0)
			return engine_protect(play->engine, &prefix, (enum protect_why)why, now(play), play->actions) ==
			       ENGINE_OK;
	}
	return false;
}

static bool order_served(struct play *play, char **words)
{
	uint8_t protocol = PROTO_TCP;

	if (strcmp(words[1], "udp") == 0)
		protocol = PROTO_UDP;
	else if (strcmp(words[1], "sctp") == 0)
		protocol = PROTO_SCTP;
	engine_served(play->engine, protocol, (uint16_t)strtoul(words[2], NULL, 10), now(play));
	return true;
}

static bool order_block(struct play *play, char **words)
{
	struct prefix prefix;
	int64_t ms = 0;

	if (!prefix_word(words[1], &prefix) || !script_time(words[2], &ms))
		return false;
	return engine_block(play->engine, &prefix, ms, false, "by the scenario", now(play), play->actions) == ENGINE_OK;
}

static bool order_unblock(struct play *play, char **words)
{
	struct prefix prefix;

	return prefix_word(words[1], &prefix) &&
	       engine_unblock(play->engine, &prefix, now(play), play->actions) == ENGINE_OK;
}

/* Read with the script; here only so that the table knows them. */
static bool order_nothing(struct play *play, char **words)
{
	(void)play;
	(void)words;
	return true;
}

bool order_run(struct play *play, char **words, size_t count, unsigned line)
{
	static const struct {
		const char *word;
		size_t count;
		bool (*run)(struct play *play, char **words);
	} orders[] = {
		{ "set", 3, order_set },         { "allow", 2, order_allow },   { "disallow", 2, order_disallow },
		{ "protect", 3, order_protect }, { "served", 3, order_served }, { "block", 3, order_block },
		{ "unblock", 2, order_unblock }, { "seed", 2, order_nothing },  { "local", 2, order_nothing },
		{ "wait", 2, order_nothing },
	};

	(void)line;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (strcmp(words[0], orders[i].word) == 0) {
			bool ok = count == orders[i].count && orders[i].run(play, words);

			play_take(play);
			return ok;
		}
	}
	return false;
}
