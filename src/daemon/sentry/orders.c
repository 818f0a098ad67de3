/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions and orders from the keeper, which holds the control socket and no privilege: every field is checked here.
 * A question is answered with one page; whoever wants more asks on with the cursor, so that no answer holds up the
 * queue.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "duration.h"
#include "internal.h"

#define SLICE 50 /* calls of the engine, each of which lifts some twenty blocks, in one turn */

static void reply(struct sentry *sentry, enum wire_type type, uint32_t id, const void *body)
{
	if (wire_send(sentry->start->keeper_fd, type, id, body) < 0)
		sentry->events_lost++;
}

static void result(struct sentry *sentry, uint32_t id, enum engine_result code, int error, uint32_t count,
		   const char *text)
{
	struct wire_result body = { .result = code, .error = -error, .count = count };

	snprintf(body.text, sizeof(body.text), "%s", text);
	reply(sentry, WIRE_RESULT, id, &body);
}

/* ---- questions ---- */

static void copy_ranges(struct port_range out[WIRE_RANGES_MAX], const struct port_range *ports, size_t count)
{
	memcpy(out, ports, (count < WIRE_RANGES_MAX ? count : WIRE_RANGES_MAX) * sizeof(*ports));
}

static void ask_status(struct sentry *sentry, uint32_t id)
{
	struct wire_status *status = &sentry->out.body.status;
	uint64_t queued, read;

	memset(status, 0, sizeof(*status));
	engine_status(sentry->engine, &status->engine);
	nfqueue_read_stats(sentry->start->queue, &status->queue);
	nft_read_counters(sentry->nft, &status->kernel);
	if (sentry->trap)
		trap_read_stats(sentry->trap, &status->trap);
	memcpy(status->rejected, sentry->rejected, sizeof(status->rejected));
	status->events_lost = sentry->events_lost;
	status->kernel_refused = sentry->kernel_refused;
	queued = status->kernel.queued_closed + status->kernel.queued_served + status->kernel.queued_trapped -
		 sentry->queued_before_load;
	read = status->queue.packets - sentry->packets_before_load;
	status->fail_open = queued > read ? queued - read : 0;
	status->started_ms = sentry->started_ms;
	status->now_ms = sentry_now_ms(sentry);
	status->paused_until_ms = sentry->paused_until_ms;
	status->mode = sentry->rules.mode;
	status->native_queue = nft_queue_is_native(sentry->nft);
	status->interface_count = (uint32_t)sentry->rules.interface_count;
	memcpy(status->interfaces, sentry->rules.interfaces, sizeof(status->interfaces));
	status->traps_tcp = ports_total(sentry->rules.trap_tcp, sentry->rules.trap_tcp_count);
	status->traps_udp = ports_total(sentry->rules.trap_udp, sentry->rules.trap_udp_count);
	copy_ranges(status->trap_tcp, sentry->rules.trap_tcp, sentry->rules.trap_tcp_count);
	copy_ranges(status->trap_udp, sentry->rules.trap_udp, sentry->rules.trap_udp_count);
	memcpy(status->table, sentry->config.table, sizeof(status->table));
	status->queue_number = sentry->rules.queue;
	status->healing = sentry->heal_failed;
	status->probe_packets = sentry->probe_packets;
	status->judging = sentry->judging;
	status->deciding = sentry->deciding;
	reply(sentry, WIRE_STATUS, id, status);
}

static void ask_page(struct sentry *sentry, uint32_t id, enum wire_type answer, uint32_t cursor)
{
	sentry_page(sentry, answer, cursor);
	reply(sentry, answer, id, &sentry->out.body);
}

static void ask_explain(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	struct explain_view *explain = &sentry->out.body.explain;

	memset(explain, 0, sizeof(*explain));
	engine_explain(sentry->engine, &order->source.addr, sentry_now_ms(sentry), explain);
	reply(sentry, WIRE_EXPLAIN, id, explain);
}

/* ---- orders ---- */

static void order_block(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	enum engine_result code = engine_block(sentry->engine, &order->source, order->duration_ms, order->force != 0,
					       order->reason, sentry_now_ms(sentry), &sentry->actions);
	int error = code == ENGINE_OK ? sentry_act_first_error(sentry) : 0;
	const char *text = "";

	if (error == -EEXIST)
		text = "it overlaps a range that is blocked already: unblock that first";
	else if (error)
		text = "the kernel refused it";
	else if (code == ENGINE_OK && sentry->rules.mode == NFT_OBSERVE)
		text = "observe mode: it takes effect when the mode is block";
	else if (code == ENGINE_OK && sentry->rules.mode == NFT_PAUSED)
		text = "paused: it takes effect on resume";
	result(sentry, id, code, error, 1, text);
}

/* The kernel first, all at once; the engine and the history follow in slices, so that no packet waits. */
static void unblock_slice(struct sentry *sentry)
{
	for (unsigned i = 0; i < SLICE && sentry->unblocking_all; i++) {
		sentry->unblocking_all = engine_unblock_within(sentry->engine, NULL, "", 0, sentry_now_ms(sentry),
							       &sentry->actions) != 0;
		sentry_act_tell(sentry);
	}
}

static void order_unblock_all(struct sentry *sentry, uint32_t id)
{
	struct engine_status status;
	int error;

	engine_status(sentry->engine, &status);
	error = nft_flush(sentry->nft, NFT_SOFT);
	if (!error)
		error = nft_flush(sentry->nft, NFT_HARD);
	if (error && error != -ENOENT) {
		result(sentry, id, ENGINE_OK, error, 0, "the kernel did not let them go");
		return;
	}
	sentry->unblocking_all = true;
	unblock_slice(sentry);
	result(sentry, id, ENGINE_OK, 0, status.blocks + status.bans + status.manuals, "");
}

/* A wider block may stand around it; whoever wants it open must know which. */
static void still_covered(struct sentry *sentry, const struct prefix *source, enum engine_result code,
			  char text[WIRE_TEXT_MAX])
{
	struct explain_view view;
	char name[PREFIX_TEXT_MAX];

	text[0] = '\0';
	engine_explain(sentry->engine, &source->addr, sentry_now_ms(sentry), &view);
	if (view.block.grade != GRADE_NONE && prefix_covers(&view.block.source, source))
		snprintf(text, WIRE_TEXT_MAX, "%s %s, which is blocked: unblock that, or allow the address",
			 code == ENGINE_OK ? "it still lies in" : "it is blocked only as a part of",
			 prefix_format(&view.block.source, name));
}

static void order_unblock(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	char text[WIRE_TEXT_MAX];
	enum engine_result code =
		engine_unblock(sentry->engine, &order->source, sentry_now_ms(sentry), &sentry->actions);

	sentry_act(sentry);
	still_covered(sentry, &order->source, code, text);
	result(sentry, id, code, 0, code == ENGINE_OK, text);
}

/* How many were freed; sets allowing_more when there are more than one turn takes. */
static uint32_t allow_slice(struct sentry *sentry, enum engine_result *code)
{
	uint32_t freed = 0;

	for (unsigned i = 0; i < SLICE; i++) {
		*code = engine_allow(sentry->engine, &sentry->allowing, sentry->allowing_until_ms, ALLOW_ADMIN,
				     sentry_now_ms(sentry), &sentry->actions);
		sentry->allowing_more = *code == ENGINE_OK && sentry->actions.count > 0;
		if (!sentry->allowing_more)
			break;
		for (size_t n = 0; n < sentry->actions.count; n++)
			freed += sentry->actions.items[n].type == ACTION_EVENT;
		sentry_act(sentry);
	}
	return freed;
}

static void order_allow(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	enum engine_result code;
	uint32_t freed;

	sentry->allowing = order->source;
	sentry->allowing_until_ms = order->duration_ms ? sentry_now_ms(sentry) + order->duration_ms : 0;
	freed = allow_slice(sentry, &code);
	sentry_allow_sync(sentry);
	result(sentry, id, code, 0, freed, sentry->allowing_more ? "more blocks in it are being lifted" : "");
}

void sentry_orders_go_on(struct sentry *sentry)
{
	enum engine_result code;

	if (sentry->unblocking_all)
		unblock_slice(sentry);
	if (sentry->allowing_more)
		allow_slice(sentry, &code);
}

static void order_disallow(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	enum engine_result code = engine_disallow(sentry->engine, &order->source);

	sentry_allow_sync(sentry);
	result(sentry, id, code, 0, code == ENGINE_OK, "");
}

static void order_mode(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	int error;

	if (order->value != NFT_OBSERVE && order->value != NFT_BLOCK) {
		result(sentry, id, ENGINE_INVALID, 0, 0, "mode is observe or block");
		return;
	}
	sentry->config.engine.observe = order->value == NFT_OBSERVE;
	engine_configure(sentry->engine, &sentry->config.engine);
	error = sentry_rules_apply(sentry);
	sentry_notice(sentry, EVENT_NOTICE, "mode is now %s, by an admin",
		      order->value == NFT_OBSERVE ? "observe" : "block");
	result(sentry, id, ENGINE_OK, error, 0, error ? "the kernel refused the new rules" : "");
}

static void order_pause(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	char text[DURATION_TEXT_MAX];
	int error = sentry_pause(sentry, order->duration_ms ? sentry_now_ms(sentry) + order->duration_ms : 0);

	sentry_notice(sentry, EVENT_NOTICE, "paused by an admin%s%s: nothing of picket touches a packet",
		      order->duration_ms ? " for " : "",
		      order->duration_ms ? duration_format(order->duration_ms, text) : "");
	result(sentry, id, ENGINE_OK, error, 0, error ? "the kernel refused to let go" : "");
}

static void order_resume(struct sentry *sentry, uint32_t id)
{
	if (!sentry->paused) {
		result(sentry, id, ENGINE_NOT_FOUND, 0, 0, "not paused");
		return;
	}
	int error = sentry_resume(sentry);

	result(sentry, id, ENGINE_OK, error, 0, error ? "the kernel refused the rules" : "");
}

static void order_protect(struct sentry *sentry, const struct wire_protect *body)
{
	if (body->why < PROTECT_RESOLVER || body->why > PROTECT_LOGIN || body->why == PROTECT_LOCAL ||
	    body->count > WIRE_PROTECT_BATCH || !sentry->config.engine.protect_auto)
		return;
	if (body->first)
		engine_protect_clear(sentry->engine, (enum protect_why)body->why);
	for (uint32_t i = 0; i < body->count; i++) {
		struct prefix host = prefix_host(&body->items[i]);

		engine_protect(sentry->engine, &host, (enum protect_why)body->why, sentry_now_ms(sentry),
			       &sentry->actions);
		sentry_act(sentry);
	}
}

/* An order's fields in range, whatever its type makes of them. */
static bool order_is_valid(const struct wire_order *order)
{
	return prefix_is_valid(&order->source) && order->duration_ms >= 0 && order->duration_ms <= DURATION_MAX_MS &&
	       memchr(order->reason, 0, sizeof(order->reason));
}

static bool carries_order(enum wire_type type)
{
	return type == WIRE_BLOCK || type == WIRE_UNBLOCK || type == WIRE_ALLOW || type == WIRE_DISALLOW ||
	       type == WIRE_ASK_EXPLAIN || type == WIRE_MODE || type == WIRE_PAUSE || type == WIRE_PROBE;
}

void sentry_order(struct sentry *sentry, const struct wire_message *message)
{
	enum wire_type type = (enum wire_type)message->header.type;
	uint32_t id = message->header.id;
	const struct wire_order *order = &message->body.order;
	uint32_t cursor = message->body.cursor.cursor;

	if (!sentry->engine)
		return;
	if (carries_order(type) && !order_is_valid(order)) {
		result(sentry, id, ENGINE_INVALID, 0, 0, "");
		return;
	}
	switch (type) {
	case WIRE_ASK_STATUS: ask_status(sentry, id); break;
	case WIRE_ASK_BLOCKS: ask_page(sentry, id, WIRE_BLOCKS, cursor); break;
	case WIRE_ASK_SOURCES: ask_page(sentry, id, WIRE_SOURCES, cursor); break;
	case WIRE_ASK_ALLOWS: ask_page(sentry, id, WIRE_ALLOWS, cursor); break;
	case WIRE_ASK_PROTECTS: ask_page(sentry, id, WIRE_PROTECTS, cursor); break;
	case WIRE_ASK_EXPLAIN: ask_explain(sentry, id, order); break;
	case WIRE_BLOCK: order_block(sentry, id, order); break;
	case WIRE_UNBLOCK: order_unblock(sentry, id, order); break;
	case WIRE_UNBLOCK_ALL: order_unblock_all(sentry, id); break;
	case WIRE_ALLOW: order_allow(sentry, id, order); break;
	case WIRE_DISALLOW: order_disallow(sentry, id, order); break;
	case WIRE_MODE: order_mode(sentry, id, order); break;
	case WIRE_PAUSE: order_pause(sentry, id, order); break;
	case WIRE_RESUME: order_resume(sentry, id); break;
	case WIRE_PROTECT: order_protect(sentry, &message->body.protect); break;
	case WIRE_PROBE:
		sentry_probe_window(sentry, order->duration_ms);
		result(sentry, id, ENGINE_OK, 0, 0, "");
		break;
	case WIRE_MEMORY_BLOCKS:
	case WIRE_MEMORY_SOURCES:
	case WIRE_MEMORY_SERVED:
	case WIRE_MEMORY_CUSTOMERS:
	case WIRE_MEMORY_END: sentry_remembered(sentry, message); break;
	default: break; /* not the keeper's to say */
	}
}
