/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between the processes out of a few bytes of input: a sensible body of the type, upon which bytes are laid.
 *
 *   TYPE VARIANT COUNT, then COUNT (7 at most) times: WHERE (16 bits), LEN, LEN bytes
 */
#ifndef PICKET_FUZZ_WIRE_H
#define PICKET_FUZZ_WIRE_H

#include <string.h>
#include <sys/socket.h>

#include "duration.h"
#include "fuzz.h"
#include "wire/wire.h"

static struct prefix fuzz_source(uint8_t variant)
{
	static const unsigned lengths[4] = { 128, 120, 104, 128 };
	const uint8_t v4[4] = { 198, 51, 100, (uint8_t)(variant >> 3 & 7) };
	const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, (uint8_t)(variant >> 3 & 7), [15] = 1 };
	struct addr addr = variant & 4 ? addr_from_v6(v6) : addr_from_v4(v4);

	return prefix_of(&addr, variant & 4 ? 128u - 16 * (variant & 3u) : lengths[variant & 3]);
}

static void fuzz_order(struct wire_order *order, uint8_t variant)
{
	order->source = fuzz_source(variant);
	order->duration_ms = variant & 64 ? 60000 : 0;
	order->force = variant >> 7;
	memcpy(order->reason, "a reason", 9);
}

static void fuzz_block(struct block_view *block, uint8_t variant, int64_t now_ms)
{
	block->source = fuzz_source(variant);
	block->grade = (uint8_t)(GRADE_ALERT + (variant >> 6));
	block->times = 1;
	block->since_ms = now_ms - 1000;
	block->until_ms = now_ms + 600000;
	memcpy(block->reason, "before", 7);
}

static void fuzz_seen(struct source_view *source, uint8_t variant, int64_t now_ms)
{
	source->source = fuzz_source(variant & 0xfc);
	source->first_ms = source->last_ms = source->at_ms = now_ms - 1000;
	source->suspected_mn = 3000;
	source->kinds = 1u << EVIDENCE_SYN;
	source->piece_count = 1;
	source->pieces[0] = (struct evidence){ (uint32_t)(now_ms / 1000), 22, 7, 28, EVIDENCE_SYN };
}

static void fuzz_event(struct event *event, uint8_t variant, int64_t now_ms)
{
	event->at_ms = now_ms;
	event->source = fuzz_source(variant & 0x1f);
	event->type = (uint8_t)(1 + variant % (EVENT_TYPE_COUNT - 1));
	event->grade = GRADE_VEIL;
	event->sources = 1;
	event->kinds = 1u << EVIDENCE_SYN;
	event->piece_count = 1;
	event->pieces[0] = (struct evidence){ (uint32_t)(now_ms / 1000), 22, 7, 28, EVIDENCE_SYN };
	memcpy(event->text, "a text", 7);
}

static void fuzz_rules(struct nft_rules *rules, uint8_t variant)
{
	rules->queue = 4711;
	rules->trap_tcp[0] = (struct port_range){ 21, 23 };
	rules->trap_tcp_count = variant & 2 ? 1 : 0;
	rules->trap_udp[0] = (struct port_range){ 161, 161 };
	rules->trap_udp_count = variant & 4 ? 1 : 0;
	rules->public_ports[0] = (struct port_range){ 80, 80 };
	rules->public_count = variant & 8 ? 1 : 0;
	rules->early = variant & 16 ? EARLY_ON : EARLY_OFF;
	rules->cut_running = variant & 32;
	if (variant & 128) {
		memcpy(rules->gateway.outside[rules->gateway.outside_count++], "eth1", 5);
		rules->gateway.guard[rules->gateway.guard_count++] = fuzz_source(2);
	}
	if (variant & 64)
		memcpy(rules->interfaces[rules->interface_count++], "eth0", 5);
}

static void fuzz_config(struct wire_config *config, uint8_t variant)
{
	engine_config_defaults(&config->engine);
	config->engine.max_sources = 1024;
	config->engine.observe = variant & 1;
	config->flow_flag = variant & 128 ? FLOW_FLAG_MARK : FLOW_FLAG_AUTO;
	config->flow_mark_bits = 0xff000000;
	config->hook_events = UINT32_MAX;
	fuzz_rules(&config->rules, variant);
	memcpy(config->table, "picket", 7);
	memcpy(config->banner, variant & 16 ? "hello" : "", variant & 16 ? 6 : 1);
}

static void fuzz_batches(struct wire_message *message, uint8_t variant, int64_t now_ms)
{
	struct addr *addr = message->body.protect.items;

	switch ((enum wire_type)message->header.type) {
	case WIRE_SAVED_BLOCKS:
		message->body.blocks.count = 2;
		fuzz_block(&message->body.blocks.items[0], variant, now_ms);
		fuzz_block(&message->body.blocks.items[1], (uint8_t)(variant + 65), now_ms);
		break;
	case WIRE_SAVED_SOURCES:
		message->body.sources.count = 1;
		fuzz_seen(&message->body.sources.items[0], variant, now_ms);
		break;
	case WIRE_SAVED_SERVED:
		message->body.served.count = 1;
		message->body.served.items[0] = (struct served_view){ now_ms - 1000, variant & 1 ? SERVED_SYSTEM : 1000,
								      8080 + variant, PROTO_TCP, 0 };
		break;
	case WIRE_SAVED_LEARNED:
		message->body.learned.count = 1;
		message->body.learned.items[0] =
			(struct nft_learned){ fuzz_source(variant).addr, 60000, 80, 0, variant % NFT_LEARNED_KINDS };
		break;
	case WIRE_PROTECT:
		message->body.protect.count = 1;
		message->body.protect.why = PROTECT_RESOLVER + variant % 6;
		message->body.protect.first = variant >> 7;
		*addr = fuzz_source(variant & 0x1c).addr;
		break;
	case WIRE_CONFIG_ALLOW:
		message->body.prefixes.count = 1;
		message->body.prefixes.items[0] = fuzz_source(variant);
		break;
	default: break;
	}
}

/* A body that makes sense. */
static void fuzz_sensible(struct wire_message *message, uint8_t variant, int64_t now_ms)
{
	memset(&message->body, 0, sizeof(message->body));
	switch ((enum wire_type)message->header.type) {
	case WIRE_CONFIG: fuzz_config(&message->body.config, variant); break;
	case WIRE_EVENT: fuzz_event(&message->body.event, variant, now_ms); break;
	case WIRE_ASK_EXPLAIN:
	case WIRE_BLOCK:
	case WIRE_UNBLOCK:
	case WIRE_ALLOW:
	case WIRE_DISALLOW:
	case WIRE_PAUSE:
	case WIRE_ALLOW_SAVE: fuzz_order(&message->body.order, variant); break;
	case WIRE_MODE:
		message->body.order.source.len = 128;
		message->body.order.value = variant & 1 ? NFT_BLOCK : NFT_OBSERVE;
		break;
	case WIRE_PROBE: message->body.order.duration_ms = 1000 * variant; break;
	case WIRE_KEEPS_BLOCKS: message->body.flag.on = variant & 1; break;
	case WIRE_RESULT: message->body.result.result = variant % (ENGINE_RESULT_COUNT + 1); break;
	default: fuzz_batches(message, variant, now_ms); break;
	}
}

/* Returns how many bytes of input it took. */
static size_t fuzz_message(struct wire_message *message, const uint8_t *data, size_t size, int64_t now_ms)
{
	uint8_t *body = (uint8_t *)&message->body;
	size_t room, used = 3;

	if (size < 3)
		return size;
	message->header = (struct wire_header){ .type = data[0] % WIRE_TYPE_COUNT, .id = data[2] >> 3 };
	room = wire_body_len((enum wire_type)message->header.type);
	fuzz_sensible(message, data[1], now_ms);
	for (unsigned times = data[2] & 7; times > 0 && used + 3 <= size && room; times--) {
		size_t at = (data[used] << 8 | data[used + 1]) % room, len = data[used + 2];

		used += 3;
		len = len < size - used ? len : size - used;
		len = len < room - at ? len : room - at;
		memcpy(body + at, data + used, len);
		used += len;
	}
	return used;
}

/* Sends it as it is, type and length fitting. */
static inline void fuzz_say(int fd, const struct wire_message *message)
{
	size_t len = offsetof(struct wire_message, body) + wire_body_len((enum wire_type)message->header.type);

	require(send(fd, message, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len);
}

#endif
