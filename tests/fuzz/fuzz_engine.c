/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the engine, which is kept over inputs: packets (fuzz_probe.h), visits to traps, first contacts of
 * others' hosts, an admin's orders, what an earlier run knew, and time.  Beyond memory errors it holds the engine to
 * its promises: verdicts within the enum, nothing against whoever asks in observe mode, events that are valid, tables
 * that agree with their counters.  An input is items of ITEM bytes: what, a number, FUZZ_PROBE bytes.  FUZZ_HISTORY:
 * see fuzz.h.
 */
#include <string.h>

#include <picket/contact.h>
#include <picket/describe.h>
#include <picket/engine.h>

#include "duration.h"
#include "fuzz_probe.h"

#define START_MS      1790000000000LL
#define ITEM          (2 + FUZZ_PROBE)
#define LIVES         4096 /* inputs of one engine */
#define CONTACT_HOSTS 64
#define LOOK_EACH     64 /* inputs: it takes a while */

static struct {
	struct engine *engine;
	struct contacts *contacts; /* of hosts behind this one, or on the wire */
	struct engine_config config;
	int64_t now_ms;
	unsigned inputs, lives;
	struct actions actions;
} it;

static void check_actions(void)
{
	static char text[2048];

	require(it.actions.count <= ENGINE_ACTIONS_MAX);
	for (size_t i = 0; i < it.actions.count; i++) {
		const struct action *action = &it.actions.items[i];
		struct writer w = writer_over(text, sizeof(text));

		if (action->type == ACTION_EVENT) {
			require(event_is_valid(&action->event));
			describe_event(&w, &action->event, NULL);
			require(text[0] && !w.truncated);
			continue;
		}
		require(prefix_is_valid(&action->source) && action->duration_ms >= 0);
		require(action->type == ACTION_EXEMPT ||
			(action->grade >= GRADE_ALERT && action->grade <= GRADE_BLOCK));
	}
}

static struct prefix source_of(const uint8_t item[ITEM])
{
	static const unsigned lengths[8] = { 128, 128, 120, 104, 112, 128, 64, 127 };
	const uint8_t *in = item + 2;
	const uint8_t v4[4] = { 198, 51, (uint8_t)(100 + (in[1] >> 4)), (uint8_t)(1 + (in[1] & 15)) };
	uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, (uint8_t)(in[1] >> 4) };
	struct addr addr;
	unsigned len = lengths[in[3] & 7];

	v6[15] = in[1] & 15;
	addr = in[0] & 1 ? addr_from_v6(v6) : addr_from_v4(v4);
	if (in[7] == 0xff) /* any */
		memcpy(addr.b + 10, in, 6);
	return prefix_of(&addr, addr_is_v4(&addr) && len < 96 ? 96 : len);
}

static int64_t duration_of(const uint8_t item[ITEM])
{
	return item[4] & 1 ? 0 : (int64_t)1000 << (item[4] >> 1 & 31);
}

/* ---- what is sensed ---- */

static void sense(const uint8_t item[ITEM])
{
	uint8_t data[FUZZ_PACKET_MAX];
	struct probe probe = { .port_state = item[1] % PROBE_PORT_COUNT, .kin = item[1] >> 4 & 1 };
	size_t len = fuzz_packet(item + 2, data);
	enum packet_result result = packet_parse(data, len, item[1] & 0x20, &probe.packet);
	enum verdict verdict;

	if (!packet_is_set(result))
		return;
	probe.packet_result = (uint8_t)result;
	verdict = engine_probe(it.engine, &probe, it.now_ms, &it.actions);
	require(verdict <= VERDICT_DROP && !(it.config.observe && verdict != VERDICT_ACCEPT));
	require(engine_verdict(it.engine, &probe.packet.src) <= VERDICT_DROP);
	(void)judge_mark(&probe.packet);
}

static void visit(const uint8_t item[ITEM])
{
	struct prefix source = source_of(item);
	struct probe probe = { .port_state = PROBE_PORT_TRAPPED, .trap = 1 + item[1] % (PROBE_TRAP_COUNT - 1) };

	probe.packet.src = source.addr;
	probe.packet.dst = source.addr;
	probe.packet.dst.b[15] = 200;
	probe.packet.protocol = item[1] & 0x80 ? PROTO_UDP : PROTO_TCP;
	probe.packet.sport = item[1] & 0x40 ? 20 : 40000;
	probe.packet.dport = (uint16_t)(item[6] << 8 | item[7]);
	require(engine_probe(it.engine, &probe, it.now_ms, &it.actions) <= VERDICT_DROP);
}

static void told(struct probe *probe)
{
	require(engine_probe(it.engine, probe, it.now_ms, &it.actions) <= VERDICT_DROP);
	check_actions();
}

static void contacts_pass_time(void)
{
	struct probe probe;

	for (unsigned i = 0; i < 64 && contacts_due(it.contacts, it.now_ms, &probe); i++)
		told(&probe);
}

static void pass_time(uint8_t number)
{
	it.now_ms += (int64_t)1 << (number & 31);
	contacts_pass_time();
	for (unsigned i = 0; i < 4; i++) {
		engine_tick(it.engine, it.now_ms, &it.actions);
		check_actions();
		if (it.actions.count < ENGINE_ACTIONS_MAX)
			return;
	}
}

/* ---- first contacts of others' hosts ---- */

static void restore_service(const struct packet *packet, uint8_t number)
{
	const struct contact_service service = { .host = packet->dst,
						 .port = packet->dport,
						 .protocol = packet->protocol,
						 .since_ms = it.now_ms - ((int64_t)number << 20),
						 .last_ms = it.now_ms - ((int64_t)number << 10) };

	contacts_restore(it.contacts, &service, it.now_ms);
}

static void contact(const uint8_t item[ITEM])
{
	uint8_t data[FUZZ_PACKET_MAX];
	size_t len = fuzz_packet(item + 2, data);
	struct packet packet;
	enum packet_result result = packet_parse(data, len, false, &packet);
	struct probe probe;

	if (!packet_is_set(result))
		return;
	if (item[1] & 8) { /* what comes back */
		struct addr src = packet.src;

		packet.src = packet.dst;
		packet.dst = src;
		packet.sport = packet.dport;
		packet.dport = (uint16_t)(40000 + item[8]);
	}
	switch (item[1] & 7) {
	case 0:
	case 1:
	case 2:
		if (contacts_ask(it.contacts, &packet, result, it.now_ms, &probe) == CONTACT_TOLD)
			told(&probe);
		break;
	case 3:
	case 4:
		if (contacts_answer(it.contacts, &packet, it.now_ms, &probe))
			told(&probe);
		break;
	case 5:
		if (contacts_unreachable(it.contacts, &packet, item[1] >> 4, it.now_ms, &probe))
			told(&probe);
		break;
	case 6: contacts_dark(it.contacts, &packet.dst, it.now_ms); break;
	default: restore_service(&packet, item[1] >> 4); break;
	}
}

static void look_at_contacts(void)
{
	struct contact_service services[64];
	struct contacts_status status;
	uint32_t cursor = 0;
	size_t count;

	do
		cursor = contacts_services(it.contacts, cursor, services, 64, &count);
	while (cursor);
	contacts_status(it.contacts, &status);
	require(status.hosts <= CONTACT_HOSTS && status.services <= CONTACT_HOSTS);
	require(contacts_due_ms(it.contacts) > 0);
}

/* ---- orders, and what the kernel refuses ---- */

static void lift(const struct prefix *source, uint8_t number)
{
	uint32_t cursor = 0;

	if (number & 1) {
		(void)engine_unblock(it.engine, source, it.now_ms, &it.actions);
		return;
	}
	do {
		cursor = engine_unblock_within(it.engine, number & 2 ? NULL : source, number & 4 ? "allowed" : "",
					       cursor, it.now_ms, &it.actions);
		check_actions();
	} while (cursor);
}

static void refuse(const struct prefix *source, uint8_t number)
{
	struct prefix gone;

	switch (number & 3) {
	case 0: engine_block_failed(it.engine, source, it.now_ms); break;
	case 1: engine_unblock_failed(it.engine, source, it.now_ms); break;
	case 2: engine_exempt_failed(it.engine, source); break;
	default:
		if (engine_make_way(it.engine, source, it.now_ms, &gone))
			require(prefix_is_valid(&gone));
	}
}

static void allow(const struct prefix *source, const uint8_t item[ITEM])
{
	const uint8_t number = item[1];
	int64_t until_ms = duration_of(item) ? it.now_ms + duration_of(item) : 0;

	switch (number & 7) {
	case 0: (void)engine_disallow(it.engine, source); break;
	case 1: (void)engine_may_allow(it.engine, number << 12); break;
	case 2: engine_protect_clear(it.engine, (enum protect_why)(1 + (number >> 4) % (PROTECT_WHY_COUNT - 1))); break;
	case 3:
		(void)engine_protect(it.engine, source, (enum protect_why)(1 + (number >> 4) % (PROTECT_WHY_COUNT - 1)),
				     it.now_ms, &it.actions);
		break;
	default:
		(void)engine_allow(it.engine, source, until_ms, number & 8 ? ALLOW_ADMIN : ALLOW_CONFIG, it.now_ms,
				   &it.actions);
	}
}

static void block(const struct prefix *source, const uint8_t item[ITEM])
{
	enum engine_result result;

	if (item[1] & 4) {
		(void)engine_may_block(it.engine, source, item[1] & 1, item[1] << 10);
		(void)engine_unblock_exact(it.engine, source, it.now_ms, &it.actions);
		return;
	}
	result = engine_block(it.engine, source, duration_of(item), item[1] & 1, item[1] & 2 ? "a reason" : "",
			      it.now_ms, &it.actions);
	require(result == ENGINE_OK ? engine_is_banned(it.engine, source) : it.actions.count == 0);
}

/* ---- what was before ---- */

static void restore_source(const struct prefix *source, const uint8_t item[ITEM])
{
	struct source_view view = {
		.source = *source, .grade = item[3] & 7, .tool = item[4] % (TOOL_COUNT + 1), .times = item[5]
	};

	view.piece_count = item[6] & 15;
	view.confirmed_mn = (int32_t)((uint32_t)item[7] << 24 | item[8] << 10);
	view.suspected_mn = (int32_t)((uint32_t)item[8] << 24 | item[7] << 10);
	view.fast_mn = item[9] << 8;
	view.net = item[1] >> 6;
	view.first_ms = it.now_ms - ((int64_t)1 << item[5] % 63);
	view.last_ms = view.at_ms = it.now_ms - ((int64_t)1 << (item[4] & 31));
	for (unsigned i = 0; i < EVENT_PIECES_MAX; i++)
		view.pieces[i] = (struct evidence){ (uint32_t)(view.last_ms / 1000) - i, (uint16_t)(item[9] + i), i,
						    item[8], (uint8_t)(item[9] % (EVIDENCE_KIND_COUNT + 1)) };
	for (unsigned i = 0; i < 4; i++)
		view.older[i].kind = item[6 + i], view.older[i].count = item[7],
		view.older[i].weight_mn = item[8] << 20;
	(void)engine_restore_source(it.engine, &view, it.now_ms);
}

static void restore(const struct prefix *source, const uint8_t item[ITEM])
{
	struct block_view view = { .source = *source, .grade = item[6], .times = item[7], .reason = "before" };
	struct served_view served = { it.now_ms - 1000 * item[6], item[7], (uint16_t)(item[8] << 8 | item[9]), 0, 0 };

	switch (item[1] & 3) {
	case 0:
		view.since_ms = it.now_ms - ((int64_t)1 << item[8] % 63);
		view.until_ms = item[9] & 1 ? 0 : it.now_ms + ((int64_t)item[9] << (item[8] & 31));
		(void)engine_restore_block(it.engine, &view, it.now_ms);
		break;
	case 1: restore_source(source, item); break;
	case 2:
		served.protocol = item[5] & 1 ? PROTO_TCP : item[5] & 2 ? PROTO_UDP : item[5];
		if (item[5] & 4)
			served.uid = SERVED_SYSTEM;
		(void)engine_restore_served(it.engine, &served, it.now_ms);
		break;
	default: engine_restore_exempt(it.engine, source, it.now_ms + duration_of(item), it.now_ms); break;
	}
}

static void serve(const uint8_t item[ITEM])
{
	const struct served_socket sockets[2] = { { item[3], (uint16_t)(item[4] << 8 | item[5]), PROTO_TCP },
						  { SERVED_SYSTEM, (uint16_t)(item[6] << 8 | item[7]), PROTO_UDP } };
	const struct engine_room room = { item[3], item[4], item[5], item[6] };

	switch (item[1] & 3) {
	case 0: engine_listening(it.engine, sockets, 2, it.now_ms); break;
	case 1: engine_served(it.engine, item[3], sockets[0].port, it.now_ms); break;
	case 2: engine_set_room(it.engine, &room); break;
	default: engine_fresh_start(it.engine, it.now_ms); break;
	}
}

static void configure(const uint8_t item[ITEM])
{
	engine_config_defaults(&it.config);
	it.config.max_sources = 1024;
	it.config.observe = item[1] == 0xff;
	it.config.protect_auto = item[1] & 1;
	it.config.ipv6_prefix = (uint8_t)(48 + item[3] % 81);
	it.config.veil_max_ms = item[1] & 2 ? 600000 : 3600000;
	it.config.ban_first_ms = item[1] & 4 ? 60000 : 3600000;
	if (it.engine)
		engine_configure(it.engine, &it.config);
}

/* ---- what is shown ---- */

static void look_at_pages(bool services_too)
{
	static struct source_view sources[64];
	static struct block_view blocks[64];
	struct allow_view allows[64];
	struct protected_view protects[64];
	struct served_view services[64];
	struct engine_status status;
	uint32_t cursor = 0, standing = 0;
	size_t count;

	engine_status(it.engine, &status);
	do {
		cursor = engine_blocks(it.engine, cursor, blocks, 64, &count);
		standing += (uint32_t)count;
		for (size_t i = 0; i < count; i++)
			require(prefix_is_valid(&blocks[i].source) && blocks[i].grade >= GRADE_ALERT &&
				blocks[i].grade < GRADE_COUNT && memchr(blocks[i].reason, 0, ENGINE_REASON_MAX));
	} while (cursor);
	require(standing == status.alerted + status.veils + status.bans + status.blocks);
	do {
		cursor = engine_sources(it.engine, cursor, it.now_ms, sources, 64, &count);
		for (size_t i = 0; i < count; i++)
			require(sources[i].grade < GRADE_COUNT && sources[i].piece_count <= EVENT_PIECES_MAX);
	} while (cursor);
	do
		cursor = engine_allows(it.engine, cursor, allows, 64, &count);
	while (cursor);
	do
		cursor = engine_protects(it.engine, cursor, protects, 64, &count);
	while (cursor);
	do
		cursor = services_too ? engine_services(it.engine, cursor, services, 64, &count) : 0;
	while (cursor);
	require(engine_due_ms(it.engine) > 0);
}

static void look_at(const struct prefix *source, bool lately)
{
	struct explain_view explain;
	uint8_t bits[65536 / 8];

	engine_explain(it.engine, source, it.now_ms, &explain);
	require(explain.source.grade < GRADE_COUNT && explain.block.grade < GRADE_COUNT);
	if (lately)
		engine_lately(it.engine, PROTO_TCP, it.now_ms, bits);
}

static void step(const uint8_t item[ITEM])
{
	const struct prefix source = source_of(item);

	it.now_ms += item[0] >> 4; /* ms */
	it.actions.count = 0;
	switch (item[0] & 15) {
	case 5: contact(item); break;
	case 6:
	case 7: visit(item); break;
	case 8: pass_time(item[1]); break;
	case 9: block(&source, item); break;
	case 10: lift(&source, item[1]); break;
	case 11: allow(&source, item); break;
	case 12: restore(&source, item); break;
	case 13: item[1] & 4 ? serve(item) : refuse(&source, item[1]); break;
	case 14: configure(item); break;
	case 15: item[1] & 1 ? look_at_pages(item[1] == 3) : look_at(&source, item[1] == 2); break;
	default: sense(item); break;
	}
	check_actions();
}

static void live(void)
{
	const struct contacts_config contacts = { PROBE_BEHIND + (it.lives & 1), 32, 32, CONTACT_HOSTS, CONTACT_HOSTS };

	if (it.engine && ++it.inputs < LIVES)
		return;
	engine_free(it.engine);
	contacts_free(it.contacts);
	it.engine = NULL;
	it.inputs = 0;
	it.lives++;
	it.now_ms = START_MS;
	configure((const uint8_t[ITEM]){ 0, 1, 0, 16 });
	it.engine = engine_new(&it.config, &(struct hash_key){ 1, 2 }, it.now_ms);
	it.contacts = contacts_new(&contacts, &(struct hash_key){ 1, 2 });
	require(it.engine != NULL && it.contacts != NULL);
	fuzz_history_begin();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	live();
	size -= size % ITEM;
	fuzz_history_add(data, size);
	for (; size > 0; data += ITEM, size -= ITEM)
		step(data);
	if (it.inputs % LOOK_EACH == 0) {
		look_at_pages(true);
		look_at_contacts();
	}
	return 0;
}
