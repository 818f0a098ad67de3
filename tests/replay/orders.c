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
	else if (strcmp(words[1], "alert") == 0)
		c->alert = strtod(words[2], NULL);
	else if (strcmp(words[1], "veil") == 0)
		c->veil = strtod(words[2], NULL);
	else if (strcmp(words[1], "ban") == 0)
		c->ban = strtod(words[2], NULL);
	else if (!script_time(words[2], &ms))
		return false;
	else if (strcmp(words[1], "veil_max") == 0)
		c->veil_max_ms = ms;
	else if (strcmp(words[1], "ban_first") == 0)
		c->ban_first_ms = ms;
	else if (strcmp(words[1], "ban_max") == 0)
		c->ban_max_ms = ms;
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

static uint8_t protocol_word(const char *word)
{
	if (strcmp(word, "udp") == 0)
		return PROTO_UDP;
	return strcmp(word, "sctp") == 0 ? PROTO_SCTP : PROTO_TCP;
}

static bool order_served(struct play *play, char **words)
{
	engine_served(play->engine, protocol_word(words[1]), (uint16_t)strtoul(words[2], NULL, 10), now(play));
	return true;
}

/* "listening tcp 8000-8099 1000 2h": what a user's (or the system's) sockets are seen to be, every ten seconds from now
 * on.  The scenario waits as long before it goes on. */
static bool order_listening(struct play *play, char **words)
{
	struct served_socket *sockets = calloc(65536, sizeof(*sockets));
	unsigned first = 0, last = 0, uid = 0;
	int64_t ms = 0;
	size_t count = 0;
	int fields = sscanf(words[2], "%u-%u", &first, &last);
	bool system = strcmp(words[3], "system") == 0;

	if (fields == 1)
		last = first;
	if (!sockets || fields < 1 || first == 0 || last > 65535 || first > last || !script_time(words[4], &ms) ||
	    (!system && sscanf(words[3], "%u", &uid) != 1)) {
		free(sockets);
		return false;
	}
	for (unsigned port = first; port <= last; port++)
		sockets[count++] = (struct served_socket){ .uid = system ? SERVED_SYSTEM : uid,
							   .port = (uint16_t)port,
							   .protocol = protocol_word(words[1]) };
	for (int64_t at = 0; at <= ms; at += 10000)
		engine_listening(play->engine, sockets, count, now(play) + at);
	free(sockets);
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

/* What the daemon reads anew at a start: the lists. */
static bool copy_lists(struct play *play, struct engine *to)
{
	struct allow_view allow;
	struct protected_view protect;
	uint32_t cursor = 0;
	size_t count;

	do {
		cursor = engine_allows(play->engine, cursor, &allow, 1, &count);
		if (count && engine_allow(to, &allow.source, allow.until_ms, (enum allow_origin)allow.origin, now(play),
					  play->actions) != ENGINE_OK)
			return false;
	} while (cursor);
	do {
		cursor = engine_protects(play->engine, cursor, &protect, 1, &count);
		if (count && engine_protect(to, &protect.what, (enum protect_why)protect.why, now(play),
					    play->actions) != ENGINE_OK)
			return false;
	} while (cursor);
	return true;
}

/* What it saves and restores: blocks first, as the daemon does. */
static void copy_state(struct play *play, struct engine *to)
{
	struct block_view block;
	struct source_view source;
	struct served_view served;
	uint32_t cursor = 0;
	size_t count;

	do {
		cursor = engine_blocks(play->engine, cursor, &block, 1, &count);
		if (count)
			engine_restore_block(to, &block, now(play));
	} while (cursor);
	do {
		cursor = engine_sources(play->engine, cursor, now(play), &source, 1, &count);
		if (count)
			engine_restore_source(to, &source, now(play));
	} while (cursor);
	do {
		cursor = engine_services(play->engine, cursor, &served, 1, &count);
		if (count)
			engine_restore_served(to, &served, now(play));
	} while (cursor);
}

/* restart kept|lost: what became of the kernel's flows meanwhile. */
static bool order_restart(struct play *play, char **words)
{
	struct hash_key key = { play->script->seed + 1, ~play->script->seed };
	struct engine *engine = engine_new(&play->config, &key, now(play));
	struct veil *veil = veil_new(&key, 65536, now(play));
	bool lost = strcmp(words[1], "lost") == 0;

	if (!engine || !veil || (!lost && strcmp(words[1], "kept") != 0) || !copy_lists(play, engine)) {
		engine_free(engine);
		veil_free(veil);
		return false;
	}
	copy_state(play, engine);
	if (lost)
		engine_fresh_start(engine, now(play));
	engine_free(play->engine);
	veil_free(play->veil);
	play->engine = engine;
	play->veil = veil;
	play->actions->count = 0;
	return true;
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
		{ "set", 3, order_set },         { "allow", 2, order_allow },     { "disallow", 2, order_disallow },
		{ "protect", 3, order_protect }, { "served", 3, order_served },   { "listening", 5, order_listening },
		{ "block", 3, order_block },     { "unblock", 2, order_unblock }, { "seed", 2, order_nothing },
		{ "local", 2, order_nothing },   { "wait", 2, order_nothing },    { "restart", 2, order_restart },
		{ "watch", 3, behind_watch },    { "host", 4, behind_host },      { "answers", 2, behind_answers },
		{ "failed", 2, behind_failed },
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
