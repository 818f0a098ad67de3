/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over first contacts of others' hosts, in tables so small that they are full at once: each ITEM bytes are
 * a packet to or from a watched host, an error about one, a word of the neighbour table, a restart, or time.  What is
 * told has an outcome, unless the packet is evidence in itself; tables keep to their sizes; every contact comes to
 * one end at most.
 */
#include <string.h>

#include <picket/contact.h>

#include "fuzz.h"

#define START_MS 1790000000000LL
#define ITEM     8

static const struct contacts_config config[2] = {
	{ .where = PROBE_BEHIND, .newcomers = 64, .adverse = 32, .hosts = 16, .services = 32 },
	{ .where = PROBE_WIRE, .newcomers = 32, .adverse = 16, .hosts = 8, .services = 16 },
};

static struct addr address(uint8_t side, uint8_t host)
{
	const uint8_t v4[4] = { 198, 51, side, host }, v6[16] = { 0x20, 1, 0xd, 0xb8, [7] = side, [15] = host };

	return host & 0x80 ? addr_from_v6(v6) : addr_from_v4(v4);
}

/* From the side that asks to that of the watched hosts, or back. */
static struct packet packet_of(const uint8_t *item, bool answers)
{
	static const uint8_t protocols[] = { PROTO_TCP, PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_SCTP, 47 };
	struct packet p = {
		.src = address(1, item[1]),
		.dst = address(2, (uint8_t)((item[1] & 0x80) | (item[2] & 0x7f))),
		.protocol = protocols[(item[3] >> 5) % sizeof(protocols)],
		.sport = (uint16_t)(40000 + (item[4] & 3)),
		.dport = (uint16_t)(20 + (item[3] & 31)),
		.tcp_flags = item[5] & 0x3f,
		.icmp_type = item[5],
		.sctp_chunk = item[5] & 15,
		.payload_len = item[4] >> 2 & 3,
		.checksum = item[4] >> 7 ? PACKET_CHECKSUM_BAD : PACKET_CHECKSUM_GOOD,
	};
	struct packet back = p;

	if (!answers)
		return p;
	back.src = p.dst;
	back.dst = p.src;
	back.sport = p.dport;
	back.dport = p.sport;
	return back;
}

static void look_at(const struct probe *probe, uint8_t where)
{
	require(probe->where == where);
	require(probe->outcome > PROBE_PENDING && probe->outcome < PROBE_OUTCOME_COUNT);
}

static void look_at_status(const struct contacts *contacts, const struct contacts_config *sizes)
{
	struct contacts_status status;

	contacts_status(contacts, &status);
	require(status.adverse <= status.pending && status.pending <= sizes->newcomers + sizes->adverse);
	require(status.hosts <= sizes->hosts && status.services <= sizes->services);
	require(status.answered + status.refused + status.silent + status.at_dark <= status.asked);
}

/* All that is remembered, by another one. */
static struct contacts *restart(struct contacts *old, const struct contacts_config *sizes, int64_t now_ms)
{
	struct contacts *new = contacts_new(sizes, &(struct hash_key){ 1, 2 });
	struct contact_service services[7];
	uint32_t cursor = 0;
	size_t count;

	require(new != NULL);
	do {
		cursor = contacts_services(old, cursor, services, 7, &count);
		require(count <= 7);
		for (size_t i = 0; i < count; i++)
			contacts_restore(new, &services[i], now_ms);
	} while (cursor);
	contacts_free(old);
	return new;
}

static void pass_time(struct contacts *contacts, uint8_t where, int64_t now_ms)
{
	struct probe probe;

	for (int i = 0; i < 256 && contacts_due(contacts, now_ms, &probe); i++)
		look_at(&probe, where);
	require(contacts_due_ms(contacts) > 0);
}

static void take(struct contacts *contacts, const uint8_t *item, uint8_t where, int64_t now_ms)
{
	const enum packet_result results[] = { PACKET_OK, PACKET_OK, PACKET_SHORT_TRANSPORT, PACKET_BAD_TRANSPORT };
	struct packet p = packet_of(item, item[0] % 8 == 2);
	struct contact_service service = { .host = p.dst, .port = p.dport, .protocol = p.protocol };
	struct probe probe = { 0 };

	switch (item[0] % 8) {
	case 2:
		if (contacts_answer(contacts, &p, now_ms, &probe))
			look_at(&probe, where);
		break;
	case 3:
		if (contacts_unreachable(contacts, &p, item[5], now_ms, &probe))
			look_at(&probe, where);
		break;
	case 4: contacts_dark(contacts, &p.dst, now_ms); break;
	case 5:
		service.since_ms = now_ms - 60000LL * item[5];
		service.last_ms = now_ms + 3600000LL * (int8_t)item[4];
		contacts_restore(contacts, &service, now_ms);
		break;
	default:
		if (contacts_ask(contacts, &p, results[item[4] >> 4 & 3], now_ms, &probe) == CONTACT_TOLD)
			require(probe.where == where && probe.outcome < PROBE_OUTCOME_COUNT);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct contacts_config *sizes = &config[size && data[0] & 0x80];
	struct contacts *contacts = contacts_new(sizes, &(struct hash_key){ 1, 2 });
	int64_t now_ms = START_MS;

	require(contacts != NULL);
	for (size_t at = 0; at + ITEM <= size; at += ITEM) {
		const uint8_t *item = data + at;

		now_ms += (int64_t)item[6] << item[7] % 24;
		if (item[0] % 8 == 6)
			contacts = restart(contacts, sizes, now_ms);
		else if (item[0] % 8 != 7)
			take(contacts, item, sizes->where, now_ms);
		pass_time(contacts, sizes->where, now_ms);
		look_at_status(contacts, sizes);
	}
	contacts_free(contacts);
	return 0;
}
