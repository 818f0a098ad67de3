/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the sentry as a whole, which is kept over inputs: orders of a keeper that may have been taken over,
 * configurations, packets, visits to traps, notifications, time, and a kernel that refuses.  What it tells the others
 * is valid, whatever it was told.
 *
 * An input is a row of steps: what, LEN (16 bits), LEN bytes.  FUZZ_HISTORY: see fuzz.h.
 */
#include "fuzz_kernel.h"

#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <poll.h>

#include "fuzz_probe.h"
#include "fuzz_wire.h"
#include "netlink.h"

#include "sentry/sentry.c"

#define BOOT_MS    1790000000000LL
#define EVENTS_MAX 16
#define FIRST      4711
#define LIVES      256 /* inputs of one sentry */

#define NFT(type) (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_##type)

static const uint8_t ours[] = { 1, 0, 0, 0, 11, 0, 1, 0, 'p', 'i', 'c', 'k', 'e', 't', 0, 0 };
static const uint8_t queues[NFT_QUEUES][4] = {
	{ 0, 0, FIRST >> 8, FIRST & 255 },       { 0, 0, FIRST >> 8, (FIRST & 255) + 1 },
	{ 0, 0, FIRST >> 8, (FIRST & 255) + 2 }, { 0, 0, FIRST >> 8, (FIRST & 255) + 3 },
	{ 0, 0, FIRST >> 8, (FIRST & 255) + 4 }, { 0, 0, FIRST >> 8, (FIRST & 255) + 5 },
};
#define QUEUED(number)                                                                                                 \
	{                                                                                                              \
		NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, queues[number],  \
			4, 0                                                                                           \
	}
/* New ones come last, since inputs name them by their places; see type_of(). */
static const struct fuzz_type types[] = {
	QUEUED(0),
	QUEUED(1),
	QUEUED(2),
	QUEUED(3),
	{ NFT(NEWTABLE), NFT(GETTABLE), ours, sizeof(ours), 0 },
	{ NFT(NEWCHAIN), NFT(GETCHAIN), ours, sizeof(ours), 0 },
	{ NFT(NEWRULE), NFT(GETRULE), ours, sizeof(ours), 0 },
	{ NFT(NEWSET), NFT(GETSET), ours, sizeof(ours), 0 },
	{ NFT(NEWSETELEM), NFT(GETSETELEM), ours, sizeof(ours), 0 },
	{ NFT(NEWOBJ), NFT(GETOBJ), ours, sizeof(ours), 0 },
	{ SOCK_DIAG_BY_FAMILY, SOCK_DIAG_BY_FAMILY, NULL, 0, sizeof(struct inet_diag_msg) },
	{ RTM_NEWADDR, RTM_GETADDR, NULL, 0, sizeof(struct ifaddrmsg) },
	{ RTM_NEWROUTE, RTM_GETROUTE, NULL, 0, sizeof(struct rtmsg) },
	{ RTM_NEWLINK, RTM_GETLINK, NULL, 0, sizeof(struct ifinfomsg) },
	{ NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, ours, 4, 0 },
	{ RTM_GETACTION, RTM_GETACTION, NULL, 0, sizeof(struct tcamsg) },
	{ .answer = NLMSG_ERROR },
	{ .answer = NLMSG_DONE },
	{ NFT(DELTABLE), FUZZ_UNASKED, ours, sizeof(ours), 0 },
	{ NFT(NEWRULE), FUZZ_UNASKED, ours, 4, 0 },
	{ RTM_DELROUTE, FUZZ_UNASKED, NULL, 0, 0 },
	{ NLMSG_OVERRUN, FUZZ_UNASKED, NULL, 0, 0 },
	QUEUED(4),
	QUEUED(5),
};
#define TYPES (sizeof(types) / sizeof(types[0]))

static struct {
	struct sentry *sentry;
	struct sentry_start start;
	int keeper, supervisor; /* the others' ends */
	int64_t now_ns;
	uint32_t packet_id;
	unsigned inputs;
	struct wire_message message, heard;
} it;

int64_t clock_ns(clockid_t clock)
{
	return it.now_ns + (clock == CLOCK_REALTIME ? BOOT_MS * 1000000 : 0);
}

int64_t clock_us(clockid_t clock)
{
	return clock_ns(clock) / 1000;
}

int64_t clock_ms(clockid_t clock)
{
	return clock_ns(clock) / 1000000;
}

int64_t clock_s(clockid_t clock)
{
	return clock_ns(clock) / 1000000000;
}

/* ---- what it tells ---- */

static void check_blocks(const struct wire_blocks *blocks)
{
	require(blocks->count <= WIRE_BLOCK_BATCH);
	for (uint32_t i = 0; i < blocks->count; i++)
		require(prefix_is_valid(&blocks->items[i].source) && blocks->items[i].grade < GRADE_COUNT &&
			memchr(blocks->items[i].reason, 0, ENGINE_REASON_MAX));
}

static void check(const struct wire_message *heard)
{
	switch ((enum wire_type)heard->header.type) {
	case WIRE_EVENT: require(event_is_valid(&heard->body.event)); break;
	case WIRE_RESULT:
		require(heard->body.result.result < ENGINE_RESULT_COUNT);
		require(memchr(heard->body.result.text, 0, WIRE_TEXT_MAX) != NULL);
		break;
	case WIRE_BLOCKS:
	case WIRE_SAVED_BLOCKS: check_blocks(&heard->body.blocks); break;
	case WIRE_SOURCES:
	case WIRE_SAVED_SOURCES: require(heard->body.sources.count <= WIRE_SOURCE_BATCH); break;
	case WIRE_ALLOWS: require(heard->body.allows.count <= WIRE_ALLOW_BATCH); break;
	case WIRE_PROTECTS: require(heard->body.protects.count <= WIRE_PROTECT_BATCH); break;
	case WIRE_SAVED_SERVED: require(heard->body.served.count <= WIRE_SERVED_BATCH); break;
	case WIRE_SAVED_LEARNED: require(heard->body.learned.count <= WIRE_LEARNED_BATCH); break;
	default: break;
	}
}

static void hear(void)
{
	const int ends[] = { it.keeper, it.supervisor };

	for (size_t i = 0; i < 2; i++)
		while (wire_receive(ends[i], &it.heard) == 1)
			check(&it.heard);
}

/* ---- what it is told ---- */

/* Of the supervisor, which it trusts, a configuration has been read from a file: numbers that only cost memory or time
 * are not what is looked for. */
static void tame(struct wire_config *config)
{
	static const struct engine_config zero;
	struct wire_config *sensible = &it.heard.body.config;

	if (config->engine.max_sources == zero.max_sources)
		return;
	fuzz_config(sensible, config->engine.observe);
	config->engine = sensible->engine;
	if (ports_total(config->rules.trap_tcp, config->rules.trap_tcp_count < 4 ? config->rules.trap_tcp_count : 0) >
	    64)
		config->rules.trap_tcp[0] = (struct port_range){ 1, 64 };
	config->rules.trap_tcp_count %= 4096;
	for (size_t i = 1; i < NFT_PORTS_MAX; i++)
		config->rules.trap_tcp[i] = config->rules.trap_udp[i] = config->rules.public_ports[i] =
			(struct port_range){ (uint16_t)i, (uint16_t)i };
}

static void keeper_says(const uint8_t *data, size_t size)
{
	while (size > 0) {
		size_t used = fuzz_message(&it.message, data, size, it.sentry->now_ms);

		if (wire_body_len((enum wire_type)it.message.header.type)) {
			fuzz_say(it.keeper, &it.message);
			on_keeper(it.start.keeper_fd, EV_READ, it.sentry);
		}
		data += used;
		size -= used;
	}
}

static void supervisor_says(const uint8_t *data, size_t size)
{
	while (size > 0) {
		size_t used = fuzz_message(&it.message, data, size, it.sentry->now_ms);

		if (it.message.header.type == WIRE_CONFIG)
			tame(&it.message.body.config);
		if (wire_body_len((enum wire_type)it.message.header.type))
			fuzz_say(it.supervisor, &it.message);
		data += used;
		size -= used;
	}
	on_supervisor(it.start.supervisor_fd, EV_READ, it.sentry);
}

static void raw_message(const uint8_t *data, size_t size)
{
	if (send(it.keeper, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		on_keeper(it.start.keeper_fd, EV_READ, it.sentry);
}

/* ---- what it senses ---- */

/* The packets of a queue: the first four came first. */
static uint8_t type_of(uint8_t queue)
{
	return queue < 4 ? queue : (uint8_t)(TYPES - NFT_QUEUES + queue);
}

/* One packet as the kernel hands it over; out has room for it. */
/* Six of eight values name a queue; the others one of the first four. */
static uint8_t queue_of(uint8_t choice)
{
	return (choice & 7) < NFT_QUEUES ? choice & 7 : choice & 3;
}

static size_t queue_up(const uint8_t *in, uint8_t *out)
{
	uint8_t packet[FUZZ_PACKET_MAX], *at = out + sizeof(struct fuzz_part);
	size_t len = fuzz_packet(in + 1, packet);

	it.packet_id += 1 + (in[0] >> 6 == 3);
	memcpy(at, (const uint8_t[]){ 1, 7, 0, 0, (uint8_t)(it.packet_id >> 8), (uint8_t)it.packet_id, 8, 0, 0 }, 9);
	at += 9;
	if (!(in[0] & 32)) /* no sum yet */
		memcpy(at, (const uint8_t[]){ NFQA_SKB_INFO, 4, 0, 0, 0, NFQA_SKB_CSUMNOTREADY }, 6), at += 6;
	*at++ = NFQA_PAYLOAD;
	*at++ = (uint8_t)len;
	memcpy(at, packet, len);
	at += len;
	len = (size_t)(at - out) - sizeof(struct fuzz_part);
	memcpy(out, (const uint8_t[]){ type_of(queue_of(in[0])), PART_TREE, (uint8_t)len, (uint8_t)(len >> 8) }, 4);
	return (size_t)(at - out);
}

/* The first byte: how the kernel answers what is then written to it. */
static void packets_come(const uint8_t *data, size_t size)
{
	static uint8_t said[64 * 512];
	size_t len = 2;

	said[0] = size ? 1 : 0;
	said[1] = size ? data[0] : 0;
	for (size_t at = 1; at + 1 + FUZZ_PROBE <= size && len + 512 < sizeof(said); at += 1 + FUZZ_PROBE)
		len += queue_up(data + at, said + len);
	fuzz_kernel_begin(said, len);
	on_queue(-1, EV_READ, it.sentry);
}

static void visit(const uint8_t *data, size_t size)
{
	struct probe probe = { .port_state = PROBE_PORT_TRAPPED };

	if (size < 3)
		return;
	probe.trap = 1 + data[0] % (PROBE_TRAP_COUNT - 1);
	probe.packet.src = fuzz_source(data[1] & 0xfc).addr;
	probe.packet.dst = fuzz_source(data[1] ^ 8).addr;
	probe.packet.protocol = PROTO_TCP;
	probe.packet.sport = 40000;
	probe.packet.dport = data[2];
	(void)sentry_trap_hit(it.sentry, &probe);
}

static void pass_time(const uint8_t *data, size_t size)
{
	it.now_ns += (int64_t)1000000 << (size ? data[0] % 31 : 10);
	sentry_begin_turn(it.sentry);
	if (it.sentry->engine)
		tick(it.sentry);
	if (it.sentry->engine)
		(void)next_tick_ms(it.sentry);
}

/* ---- its life ---- */

/* Those of the sentry itself. */
static int take_event(const struct event_base *base, const struct event *event, void *context)
{
	struct event **list = context;

	(void)base;
	if (event_get_callback_arg(event) != it.sentry)
		return 0;
	for (size_t i = 0; i < EVENTS_MAX; i++) {
		if (list[i])
			continue;
		list[i] = (struct event *)(uintptr_t)event;
		break;
	}
	return 0;
}

static void end(struct sentry *sentry)
{
	struct event *events[EVENTS_MAX] = { NULL };

	sentry_save_at_once(sentry);
	hear();
	if (sentry->trap)
		trap_close(sentry->trap);
	event_base_foreach_event(sentry->base, take_event, events);
	for (size_t i = 0; i < EVENTS_MAX && events[i]; i++)
		event_free(events[i]);
	event_base_free(sentry->base);
	enforcer_close(sentry->enforcer);
	engine_free(sentry->engine);
	veil_free(sentry->veil);
	contacts_free(sentry->behind);
	routes_close(sentry->routes);
	listeners_close(sentry->listeners);
	netlink_dump_close(sentry->names.traffic);
	for (size_t i = 0; i < CONNTRACK_FAMILIES; i++)
		if (sentry->names.fds[i] >= 0)
			close(sentry->names.fds[i]);
	close(sentry->timer);
	nfqueue_close(it.start.queue);
	close(it.start.keeper_fd);
	close(it.start.supervisor_fd);
	close(it.keeper);
	close(it.supervisor);
	free(sentry->next_allow);
	free(sentry->learned);
	free(sentry);
}

static void begin_life(const uint8_t *data, size_t size)
{
	const struct nfqueue_setting settings[NFT_QUEUES] = { { .len = 64 }, { .len = 64 }, { .len = 64 },
							      { .len = 64 }, { .len = 64 }, { .len = 64 } };
	static const uint8_t config[] = { WIRE_CONFIG, 2, 8, WIRE_CONFIG_END, 0, 8 };
	int ends[2];

	fuzz_kernel.types = types;
	fuzz_kernel.type_count = sizeof(types) / sizeof(types[0]);
	fuzz_kernel.table_stands = size && data[0] & 1;
	fuzz_kernel_begin((const uint8_t *)"", 0);
	it.now_ns = 1000000000000;
	it.packet_id = 0;
	require(wire_pair(ends) == 0);
	it.keeper = ends[0];
	it.start.keeper_fd = ends[1];
	require(wire_pair(ends) == 0);
	it.supervisor = ends[0];
	it.start.supervisor_fd = ends[1];
	it.start.boot_ms = BOOT_MS;
	require(nfqueue_open(FIRST, settings, NFT_QUEUES, &it.start.queue) == 0);
	it.sentry = calloc(1, sizeof(*it.sentry));
	require(it.sentry != NULL);
	it.sentry->start = &it.start;
	it.sentry->ticks_soon = true;
	sentry_begin_turn(it.sentry);
	require(open_senses(it.sentry) == 0);
	it.sentry->ticks_soon = false;
	if (size)
		fuzz_kernel_begin(data + 1, size - 1);
	supervisor_says(config, sizeof(config));
	require(size || it.sentry->engine);
	hear();
}

/* A new life, in which the first byte says whether a table stands, and the rest what the kernel says at the start. */
static void live_anew(const uint8_t *data, size_t size)
{
	end(it.sentry);
	begin_life(data, size);
}

static void step(uint8_t what, const uint8_t *data, size_t size)
{
	switch (what % 10) {
	case 0: keeper_says(data, size); break;
	case 1: supervisor_says(data, size); break;
	case 2: pass_time(data, size); break;
	case 3: packets_come(data, size); break;
	case 4: fuzz_kernel_begin(data, size); break;
	case 5:
		if (it.sentry->engine)
			visit(data, size);
		break;
	case 6: on_routes(-1, EV_READ, it.sentry); break;
	case 7:
		if (it.sentry->engine)
			on_watch(-1, EV_READ, it.sentry);
		break;
	case 8: raw_message(data, size); break;
	default: live_anew(data, size); break;
	}
	hear();
}

static void live(void)
{
	if (it.sentry && it.sentry->engine && ++it.inputs < LIVES)
		return;
	if (it.sentry)
		end(it.sentry);
	it.inputs = 0;
	begin_life(NULL, 0);
	fuzz_history_begin();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	live();
	while (size >= 3) {
		size_t len = data[1] | (size_t)data[2] << 8;

		if (len > size - 3)
			break; /* whole steps alone */
		fuzz_history_add(data, 3 + len);
		step(data[0], data + 3, len);
		data += 3 + len;
		size -= 3 + len;
	}
	fuzz_kernel_begin((const uint8_t *)"", 0);
	return 0;
}
