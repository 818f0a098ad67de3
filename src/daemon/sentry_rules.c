/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What should stand in the kernel: the configuration as the supervisor sent it, the rules that follow from it, the mode, the
 * allow list.  A configuration is taken whole or not at all.  The allow list comes into the kernel before the first rule
 * does, so that nobody on it is ever touched.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sentry_room.h"

#define LOAD_BATCH 4096         /* elements in one transaction */

static enum nft_mode mode_of(const struct sentry *sentry)
{
	if (sentry->paused)
		return NFT_PAUSED;
	return sentry->config.engine.observe ? NFT_OBSERVE : NFT_BLOCK;
}

int sentry_rules_apply(struct sentry *sentry)
{
	int error;

	sentry->rules.mode = mode_of(sentry);
	error = nft_rules_replace(sentry->nft, &sentry->rules);
	return error == -ENOENT ? sentry_rules_load(sentry) : error;
}

/* ---- the allow list ---- */

/* Wider before narrower at the same address: then whatever lies inside another follows it. */
static int compare_prefixes(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;
	int order = memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));

	return order ? order : (int)a->len - (int)b->len;
}

/* Sorts, and drops what lies inside another: the kernel's interval sets know no overlap. */
static size_t sort_outermost(struct prefix *items, size_t count)
{
	size_t kept = 0;

	qsort(items, count, sizeof(*items), compare_prefixes);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || !prefix_covers(&items[kept - 1], &items[i]))
			items[kept++] = items[i];
	return kept;
}

static size_t engine_allow_list(struct sentry *sentry, struct prefix *out, size_t max)
{
	struct allow_view page[WIRE_ALLOW_BATCH];
	uint32_t cursor = 0;
	size_t total = 0, count;

	do {
		cursor = engine_allows(sentry->engine, cursor, page, WIRE_ALLOW_BATCH, &count);
		for (size_t i = 0; i < count && total < max; i++)
			out[total++] = page[i].source;
	} while (cursor != 0);
	return total;
}

typedef int element_fn(struct nft *, const struct nft_element *, size_t);

/* Does `work` to the items of `some` that are not in `others` (both sorted). */
static int for_difference(struct sentry *sentry, element_fn *work, const struct prefix *some, size_t some_count,
			  const struct prefix *others, size_t other_count)
{
	struct nft_element *batch = calloc(LOAD_BATCH, sizeof(*batch));
	size_t filled = 0;
	int error = batch ? 0 : -ENOMEM;

	for (size_t i = 0; i < some_count && !error; i++) {
		if (bsearch(&some[i], others, other_count, sizeof(*others), compare_prefixes))
			continue;
		batch[filled++] = (struct nft_element){ .list = NFT_ALLOW, .source = some[i] };
		if (filled == LOAD_BATCH) {
			error = work(sentry->nft, batch, filled);
			filled = 0;
		}
	}
	if (filled && !error)
		error = work(sentry->nft, batch, filled);
	free(batch);
	return error;
}

void sentry_allow_sync(struct sentry *sentry)
{
	struct prefix *wanted = calloc(ENGINE_ALLOW_MAX, sizeof(*wanted));
	struct engine_status status;
	size_t count;
	int error;

	if (!wanted)
		return;
	count = sort_outermost(wanted, engine_allow_list(sentry, wanted, ENGINE_ALLOW_MAX));
	error = for_difference(sentry, nft_delete, sentry->allowed, sentry->allowed_count, wanted, count);
	if (!error)
		error = for_difference(sentry, nft_add, wanted, count, sentry->allowed, sentry->allowed_count);
	if (error) {
		free(wanted);
		sentry_notice(sentry, EVENT_FAILED, "the kernel did not take the allow list: %s", strerror(-error));
		return;
	}
	free(sentry->allowed);
	sentry->allowed = wanted;
	sentry->allowed_count = count;
	engine_status(sentry->engine, &status);
	sentry->allow_entries = status.allow;
}

/* ---- loading ---- */

#define REFUSED_MAX 4096        /* elements that the engine does not take over, in one load */

struct adoption {
	struct sentry *sentry;
	bool fresh;             /* the engine knows nothing yet: what stands in the kernel is news to it */
	uint32_t count;
	size_t refused_count;
	struct nft_element refused[REFUSED_MAX];
};

static void adopt(void *context, enum nft_list list, const struct prefix *source, int64_t left_ms)
{
	struct adoption *adoption = context;
	int64_t now_ms = sentry_now_ms(adoption->sentry);
	/* Only an admin blocks for good, or whole nets. */
	bool manual = list == NFT_HARD && (left_ms == 0 || source->len < 48);
	struct block_view block = {
		.source = *source,
		.grade = list == NFT_SOFT ? GRADE_BLOCK : manual ? GRADE_MANUAL : GRADE_BAN,
		.times = 1,
		.since_ms = now_ms,
		.until_ms = left_ms ? now_ms + left_ms : 0,
		.reason = "found in the kernel at start",
	};

	if (!adoption->fresh)
		return;
	if (engine_restore_block(adoption->sentry->engine, &block, now_ms) == ENGINE_OK)
		adoption->count++;
	else if (adoption->refused_count < REFUSED_MAX)
		adoption->refused[adoption->refused_count++] = (struct nft_element){ .list = list, .source = *source };
}

/* All of the engine's blocks into the kernel, each with what is left of its time. */
static int add_blocks(struct sentry *sentry)
{
	struct nft_element *batch = calloc(LOAD_BATCH, sizeof(*batch));
	struct block_view page[WIRE_BLOCK_BATCH];
	int64_t now_ms = sentry_now_ms(sentry);
	uint32_t cursor = 0;
	size_t filled = 0, count;
	int error = batch ? 0 : -ENOMEM;

	do {
		if (error)
			break;
		cursor = engine_blocks(sentry->engine, cursor, page, WIRE_BLOCK_BATCH, &count);
		for (size_t i = 0; i < count; i++) {
			if (page[i].until_ms && page[i].until_ms <= now_ms)
				continue;
			batch[filled++] = (struct nft_element){
				.list = page[i].grade == GRADE_BLOCK ? NFT_SOFT : NFT_HARD,
				.source = page[i].source,
				.timeout_ms = page[i].until_ms ? page[i].until_ms - now_ms : 0,
			};
		}
		if (filled + WIRE_BLOCK_BATCH > LOAD_BATCH || (cursor == 0 && filled)) {
			error = nft_add(sentry->nft, batch, filled);
			filled = 0;
		}
	} while (cursor != 0);
	free(batch);
	return error;
}

static int load_with(struct sentry *sentry, struct adoption *adoption)
{
	struct nft_rules brake = sentry->rules;
	struct nfqueue_stats read;
	int error;

	brake.mode = NFT_PAUSED;
	error = nft_load(sentry->nft, &brake, adopt, adoption);
	if (error)
		return error;
	nfqueue_read_stats(sentry->start->queue, &read);
	sentry->packets_before_load = read.packets;
	sentry->allowed_count = 0;
	sentry_allow_sync(sentry);
	/* Allowed or protected meanwhile: what the engine does not know must not stand in the kernel. */
	nft_delete(sentry->nft, adoption->refused, adoption->refused_count);
	error = add_blocks(sentry);
	if (error)
		sentry_notice(sentry, EVENT_FAILED, "some blocks could not be put back: %s", strerror(-error));
	sentry->rules.mode = mode_of(sentry);
	return nft_rules_replace(sentry->nft, &sentry->rules);
}

static int load(struct sentry *sentry, bool fresh, uint32_t *adopted)
{
	struct adoption *adoption = calloc(1, sizeof(*adoption));
	int error;

	if (!adoption)
		return -ENOMEM;
	adoption->sentry = sentry;
	adoption->fresh = fresh;
	error = load_with(sentry, adoption);
	*adopted = adoption->count;
	free(adoption);
	return error;
}

int sentry_rules_load(struct sentry *sentry)
{
	uint32_t adopted;

	return load(sentry, false, &adopted);
}

/* ---- configuration ---- */

static bool ports_in_order(const struct nft_port_range *ports, size_t count)
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

static void take_allow(struct sentry *sentry)
{
	engine_disallow_origin(sentry->engine, ALLOW_CONFIG);
	for (size_t i = 0; i < sentry->next_allow_count; i++)
		do {
			engine_allow(sentry->engine, &sentry->next_allow[i], 0, ALLOW_CONFIG, sentry_now_ms(sentry),
				     &sentry->actions);
			if (sentry->actions.count == 0)
				break;
			sentry_act(sentry);
		} while (true);
}

/* The first configuration: engine, table, traps, the world, and only then the rules. */
static int begin(struct sentry *sentry)
{
	struct hash_key key;
	uint32_t adopted;
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
	take_allow(sentry);
	/* Before the table is there: what is protected and served must be known when the first packet is judged. */
	sentry_world_listeners(sentry);
	error = load(sentry, true, &adopted);
	if (error)
		return error;
	sentry_world_routes(sentry);
	if (adopted)
		sentry_notice(sentry, EVENT_NOTICE, "%u blocks found in the kernel carry on", adopted);
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
	take_allow(sentry);
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
			 first ? "cannot set up the kernel side" : "the kernel refused the new rules, the old ones stand",
			 strerror(-error));
	}
	wire_send(sentry->start->supervisor_fd, WIRE_RESULT, id, &result);
	if (error && first)
		event_base_loopbreak(sentry->base);
	else if (first)
		wire_send(sentry->start->supervisor_fd, WIRE_READY, 0, &(struct wire_empty){ 0 });
}

static bool config_is_valid(const struct wire_config *config)
{
	return ports_in_order(config->rules.trap_tcp, config->rules.trap_tcp_count) &&
	       ports_in_order(config->rules.trap_udp, config->rules.trap_udp_count) &&
	       ports_in_order(config->rules.public_ports, config->rules.public_count) &&
	       config->rules.interface_count <= NFT_INTERFACES_MAX &&
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

/* ---- the emergency brake ---- */

int sentry_pause(struct sentry *sentry, int64_t until_ms)
{
	sentry->paused = true;
	sentry->paused_until_ms = until_ms;
	return sentry_rules_apply(sentry);
}

int sentry_resume(struct sentry *sentry)
{
	int error;

	sentry->paused = false;
	sentry->paused_until_ms = 0;
	error = sentry_rules_apply(sentry);
	if (error) {
		sentry->heal_failed = true;     /* tried again each second */
		sentry_notice(sentry, EVENT_FAILED, "cannot resume yet: %s; trying again each second", strerror(-error));
	} else {
		sentry_notice(sentry, EVENT_NOTICE, "resumed: picket is on guard again");
	}
	return error;
}
