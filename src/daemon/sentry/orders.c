/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions and orders from the keeper, which holds the control socket and no privilege: every field is checked here.
 * A question is answered with one page, and with the cursor for the next, so that no answer holds up the queue; an
 * order that ends many blocks goes on in the turns to come.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "duration.h"
#include "internal.h"

#define SLICE 50 /* calls of the engine in one turn, each of which lifts some twenty blocks */

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
	const struct nft_rules *rules = enforcer_rules(sentry->enforcer);
	struct enforcer_status kernel;
	uint64_t queued, read;

	memset(status, 0, sizeof(*status));
	engine_status(sentry->engine, &status->engine);
	nfqueue_read_stats(sentry->start->queue, &status->queue);
	enforcer_read_status(sentry->enforcer, &kernel);
	status->mode = rules->mode;
	status->queue_number = rules->queue;
	status->interface_count = (uint32_t)rules->interface_count;
	memcpy(status->interfaces, rules->interfaces, sizeof(status->interfaces));
	status->vrf_count = (uint32_t)rules->vrf_count;
	memcpy(status->vrf, rules->vrf, sizeof(status->vrf));
	status->traps_tcp = ports_total(rules->trap_tcp, rules->trap_tcp_count);
	status->traps_udp = ports_total(rules->trap_udp, rules->trap_udp_count);
	copy_ranges(status->trap_tcp, rules->trap_tcp, rules->trap_tcp_count);
	copy_ranges(status->trap_udp, rules->trap_udp, rules->trap_udp_count);
	status->kernel = kernel.counters;
	status->kernel_refused = kernel.refused;
	status->paused_until_ms = kernel.paused_until_ms;
	status->native_queue = kernel.native_queue;
	status->conntrack = kernel.conntrack;
	status->flow_flag = kernel.flag;
	status->flow_values = kernel.flag_values;
	status->early_drop = kernel.early;
	status->early_links = kernel.early_links;
	status->reconciling = kernel.failing;
	if (sentry->trap)
		trap_read_stats(sentry->trap, &status->trap);
	veil_stats(sentry->veil, &status->veil);
	if (sentry->behind)
		contacts_status(sentry->behind, &status->behind);
	memcpy(status->rejected, sentry->rejected, sizeof(status->rejected));
	status->events_lost = sentry->events_lost;
	status->untold = sentry->ration.left_out;
	queued = nft_counters_queued(&status->kernel) - sentry->queued_before_load;
	read = status->queue.packets - sentry->packets_before_load;
	status->fail_open = queued > read ? queued - read : 0;
	status->started_ms = sentry->started_ms;
	status->now_ms = sentry->now_ms;
	memcpy(status->table, sentry->config.table, sizeof(status->table));
	status->probe_packets = sentry->probe_packets;
	status->judging = sentry->judging;
	status->deciding = sentry->deciding;
	reply(sentry, WIRE_STATUS, id, status);
}

/* Every page begins with `next` and `count`. */
_Static_assert(offsetof(struct wire_blocks, count) == offsetof(struct wire_sources, count) &&
		       offsetof(struct wire_blocks, count) == offsetof(struct wire_allows, count) &&
		       offsetof(struct wire_blocks, count) == offsetof(struct wire_protects, count) &&
		       offsetof(struct wire_blocks, count) == offsetof(struct wire_served, count),
	       "pages begin alike");

uint32_t sentry_page(struct sentry *sentry, enum wire_type type, uint32_t cursor)
{
	const struct engine *engine = sentry->engine;
	struct wire_blocks *blocks = &sentry->out.body.blocks;
	uint32_t next = 0;
	size_t count = 0;

	memset(&sentry->out.body, 0, wire_body_len(type));
	switch (type) {
	case WIRE_BLOCKS:
	case WIRE_SAVED_BLOCKS:
		blocks->wait = enforcer_mode(sentry->enforcer) != NFT_BLOCK;
		next = engine_blocks(engine, cursor, blocks->items, WIRE_BLOCK_BATCH, &count);
		break;
	case WIRE_SOURCES:
	case WIRE_SAVED_SOURCES:
		next = engine_sources(engine, cursor, sentry->now_ms, sentry->out.body.sources.items, WIRE_SOURCE_BATCH,
				      &count);
		break;
	case WIRE_ALLOWS:
		next = engine_allows(engine, cursor, sentry->out.body.allows.items, WIRE_ALLOW_BATCH, &count);
		break;
	case WIRE_PROTECTS:
		next = engine_protects(engine, cursor, sentry->out.body.protects.items, WIRE_PROTECT_BATCH, &count);
		break;
	case WIRE_SAVED_SERVED:
		next = engine_services(engine, cursor, sentry->out.body.served.items, WIRE_SERVED_BATCH, &count);
		break;
	default: return 0; /* no page: empty */
	}
	blocks->next = next;
	blocks->count = (uint32_t)count;
	return next;
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
	engine_explain(sentry->engine, &order->source, sentry->now_ms, explain);
	explain->waits = enforcer_mode(sentry->enforcer) != NFT_BLOCK;
	reply(sentry, WIRE_EXPLAIN, id, explain);
}

/* ---- orders ---- */

static void block(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	bool stood = engine_is_banned(sentry->engine, &order->source);
	enum engine_result code = engine_block(sentry->engine, &order->source, order->duration_ms, order->force != 0,
					       order->reason, sentry->now_ms, &sentry->actions);
	int error = code == ENGINE_OK ? sentry_act(sentry).error : 0;
	enum nft_mode mode = enforcer_mode(sentry->enforcer);
	const char *text = "";

	if (error)
		text = "the kernel refused it";
	else if (code == ENGINE_OK && mode == NFT_OBSERVE)
		text = "observe mode: it takes effect when the mode is block";
	else if (code == ENGINE_OK && mode == NFT_PAUSED)
		text = "paused: it takes effect on resume";
	result(sentry, id, code, error, !stood, text);
}

static void order_block(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	if (order->value)
		result(sentry, id, engine_may_block(sentry->engine, &order->source, order->force != 0, order->value), 0,
		       0, "");
	else
		block(sentry, id, order);
}

static struct acted acted_sum(struct acted a, struct acted b)
{
	return (struct acted){ a.error ? a.error : b.error, a.lifted + b.lifted, a.kept + b.kept,
			       a.given_up + b.given_up };
}

static struct acted lift_slice(struct sentry *sentry, struct sentry_lift *lift)
{
	struct acted sum = { 0 };

	for (unsigned i = 0; i < SLICE; i++) {
		lift->cursor = engine_unblock_within(sentry->engine, lift->all ? NULL : &lift->within, lift->text,
						     lift->cursor, sentry->now_ms, &sentry->actions);
		sum = acted_sum(sum, sentry_act(sentry));
		if (lift->cursor == 0)
			break;
	}
	return sum;
}

/* How many blocks the lift has still to do with. */
static uint32_t count_left(struct sentry *sentry, const struct sentry_lift *lift)
{
	struct block_view page[WIRE_BLOCK_BATCH];
	uint32_t cursor = lift->cursor, left = 0;
	size_t count;

	while (cursor != 0) {
		cursor = engine_blocks(sentry->engine, cursor, page, WIRE_BLOCK_BATCH, &count);
		for (size_t i = 0; i < count; i++)
			left += lift->all || prefix_covers(&lift->within, &page[i].source);
	}
	return left;
}

static struct acted lift_blocks(struct sentry *sentry, const struct prefix *within, const char *text, uint32_t *left)
{
	struct sentry_lift lift = { .all = !within, .text = text };
	struct acted acted;

	if (within)
		lift.within = *within;
	acted = lift_slice(sentry, &lift);
	*left = count_left(sentry, &lift);
	if (*left)
		sentry->lifts[sentry->lift_count++] = lift;
	return acted;
}

void sentry_lift_tick(struct sentry *sentry)
{
	if (sentry->lift_count == 0)
		return;
	lift_slice(sentry, &sentry->lifts[0]);
	if (sentry->lifts[0].cursor == 0)
		memmove(&sentry->lifts[0], &sentry->lifts[1], --sentry->lift_count * sizeof(sentry->lifts[0]));
}

/* Is there room for an order that may take more than one turn?  If not, it is refused. */
static bool may_lift(struct sentry *sentry, uint32_t id)
{
	if (sentry->lift_count < SENTRY_LIFTS_MAX)
		return true;
	result(sentry, id, ENGINE_FULL, 0, 0, "another prefix is being lifted already: try again");
	return false;
}

/* The kernel first, all at once; engine and history follow in slices. */
static void order_unblock_all(struct sentry *sentry, uint32_t id)
{
	struct acted acted;
	uint32_t left;
	int error;

	if (!may_lift(sentry, id))
		return;
	error = enforcer_flush(sentry->enforcer);
	if (error) {
		result(sentry, id, ENGINE_OK, error, 0, "the kernel did not let them go");
		return;
	}
	acted = lift_blocks(sentry, NULL, "", &left);
	result(sentry, id, ENGINE_OK, acted.error, acted.lifted + left,
	       acted.error ? "the kernel did not let all of them go" : "");
}

/* A wider grade may stand around it: an admin who wants it open must know which. */
static void still_covered(struct sentry *sentry, const struct prefix *source, enum engine_result code,
			  char text[WIRE_TEXT_MAX])
{
	struct explain_view view;
	char name[PREFIX_TEXT_MAX];

	engine_explain(sentry->engine, source, sentry->now_ms, &view);
	if (code == ENGINE_OK && view.exempt_until_ms)
		snprintf(text, WIRE_TEXT_MAX, "it is free of the veil of %s for a day; the net stays veiled",
			 prefix_format(&view.exempt_from, name));
	else if (view.block.grade != GRADE_NONE)
		snprintf(text, WIRE_TEXT_MAX, "it %slies in %s, which stands at %s: unblock that, or allow %s",
			 code == ENGINE_OK ? "still " : "", prefix_format(&view.block.source, name),
			 grade_name((enum grade)view.block.grade),
			 source->len == 128 ? "the address" : "what you trust in it");
}

/* What an admin must know of grades that should be over. */
static void tell_lifted(const struct acted *acted, uint32_t left, char text[WIRE_TEXT_MAX])
{
	if (acted->given_up)
		snprintf(text, WIRE_TEXT_MAX, "the kernel did not let go of %u of %u: unblock them again later",
			 acted->kept, acted->kept + acted->lifted + left);
	else if (acted->kept)
		snprintf(text, WIRE_TEXT_MAX, "the kernel did not let go of %u of %u and is asked again each second",
			 acted->kept, acted->kept + acted->lifted + left);
	else if (left)
		snprintf(text, WIRE_TEXT_MAX, "more of what stands in it is being lifted");
}

static void order_unblock(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	char text[WIRE_TEXT_MAX] = "";
	enum engine_result code;
	struct acted acted;
	uint32_t left = 0;
	bool inside;

	if (!may_lift(sentry, id))
		return;
	code = engine_unblock(sentry->engine, &order->source, sentry->now_ms, &sentry->actions);
	inside = code == ENGINE_OK && order->source.len < 128; /* one call lifts only some */
	acted = sentry_act(sentry);
	if (inside)
		acted = acted_sum(acted, lift_blocks(sentry, &order->source, "", &left));
	if (!acted.kept)
		still_covered(sentry, &order->source, code, text);
	tell_lifted(&acted, left, text);
	result(sentry, id, code, acted.kept ? acted.error : 0, acted.lifted + left, text);
}

/* Of a long list the kernel gets each change with the last one: the whole set is written anew. */
static void allow_changed(struct sentry *sentry, const struct wire_order *order)
{
	sentry->allow_stale = order->force != 0;
	if (!sentry->allow_stale)
		enforcer_allow_sync(sentry->enforcer);
}

/* The last one of a list has never come. */
void sentry_allow_tick(struct sentry *sentry)
{
	if (sentry->allow_stale)
		enforcer_allow_sync(sentry->enforcer);
	sentry->allow_stale = false;
}

static void order_allow(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	int64_t until_ms = order->duration_ms ? sentry->now_ms + order->duration_ms : 0;
	char text[WIRE_TEXT_MAX] = "";
	enum engine_result code;
	struct acted acted;
	uint32_t left = 0;

	if (order->value) {
		result(sentry, id, engine_may_allow(sentry->engine, order->value), 0, 0, "");
		return;
	}
	if (!may_lift(sentry, id))
		return;
	code = engine_allow(sentry->engine, &order->source, until_ms, ALLOW_ADMIN, sentry->now_ms, &sentry->actions);
	acted = sentry_act(sentry);
	if (acted.lifted || acted.kept)
		acted = acted_sum(acted, lift_blocks(sentry, &order->source, "allowed", &left));
	allow_changed(sentry, order);
	tell_lifted(&acted, left, text);
	if (code == ENGINE_OK && !text[0] && prefix_no_source(&order->source))
		snprintf(text, sizeof(text), "no host can send from it (%s): this entry is of no use",
			 prefix_no_source(&order->source));
	result(sentry, id, code, 0, acted.lifted + left, text);
}

static void order_disallow(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	enum engine_result code = engine_disallow(sentry->engine, &order->source);

	allow_changed(sentry, order);
	result(sentry, id, code, 0, code == ENGINE_OK, "");
}

static void order_mode(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	int error;

	if (order->value != NFT_OBSERVE && order->value != NFT_BLOCK) {
		result(sentry, id, ENGINE_INVALID, 0, 0, "mode is observe or block");
		return;
	}
	error = sentry_set_mode(sentry, (enum nft_mode)order->value);
	if (error)
		sentry_notice(sentry, EVENT_FAILED, "the mode stays as it is: the kernel refused the new rules: %s",
			      strerror(-error));
	else
		sentry_notice(sentry, EVENT_NOTICE, "mode is now %s, by an admin",
			      order->value == NFT_OBSERVE ? "observe" : "block");
	result(sentry, id, ENGINE_OK, error, 0, error ? "the kernel refused the new rules" : "");
}

static void order_pause(struct sentry *sentry, uint32_t id, const struct wire_order *order)
{
	char text[DURATION_TEXT_MAX];
	int error = enforcer_pause(sentry->enforcer, order->duration_ms ? sentry->now_ms + order->duration_ms : 0,
				   sentry->now_ms);

	if (error)
		sentry_notice(sentry, EVENT_FAILED, "not paused: the kernel refused to let go: %s", strerror(-error));
	else
		sentry_notice(sentry, EVENT_NOTICE, "paused by an admin%s%s: nothing of picket touches a packet",
			      order->duration_ms ? " for " : "",
			      order->duration_ms ? duration_format(order->duration_ms, text) : "");
	result(sentry, id, ENGINE_OK, error, 0, error ? "the kernel refused to let go" : "");
}

static void order_resume(struct sentry *sentry, uint32_t id)
{
	int error;

	if (enforcer_mode(sentry->enforcer) != NFT_PAUSED) {
		result(sentry, id, ENGINE_NOT_FOUND, 0, 0, "not paused");
		return;
	}
	error = enforcer_resume(sentry->enforcer, sentry->now_ms);
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

		engine_protect(sentry->engine, &host, (enum protect_why)body->why, sentry->now_ms, &sentry->actions);
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
	case WIRE_KEEPS_BLOCKS: sentry_save_keeps_blocks(sentry, message->body.flag.on != 0); break;
	case WIRE_PROBE:
		if (sentry_probe_window(sentry, &order->source, order->duration_ms))
			result(sentry, id, ENGINE_OK, 0, 0, "");
		else
			result(sentry, id, ENGINE_INVALID, 0, 0, "no probes come from there");
		break;
	case WIRE_SAVED_BLOCKS:
	case WIRE_SAVED_SOURCES:
	case WIRE_SAVED_SERVED:
	case WIRE_SAVED_LEARNED:
	case WIRE_SAVED_END: sentry_restore(sentry, message); break;
	default: break; /* not for the keeper to send */
	}
}
