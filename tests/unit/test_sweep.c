/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scans of many senders: when a port or two of each are told as one scan, and who sent the same probe as others.
 */
#include "core.h"
#include "engine/sweep.h"
#include "evidence/evidence.h"

#define HOUR_MS 3600000LL

struct crowd {
	unsigned sources, ports, each; /* each port is tried so often */
	int64_t gap_ms, wait_ms;       /* between the notes, and after the last */
};

/* Is a sweep told of them?  Tells the numbers by the way. */
static bool is_told(const struct crowd *crowd, uint16_t *sources, uint16_t *ports)
{
	struct sweep *sweep = sweep_new();
	int64_t now_ms = CORE_EPOCH_MS;
	bool told;

	assert_non_null(sweep);
	for (unsigned i = 0; i < crowd->ports * crowd->each; i++) {
		now_ms += i ? crowd->gap_ms : 0;
		sweep_note(sweep, 0x80000000u - i % crowd->sources * 7919, (uint16_t)(100 + i % crowd->ports), now_ms);
	}
	told = sweep_tell(sweep, now_ms + crowd->wait_ms, sources, ports);
	sweep_free(sweep);
	return told;
}

static void many_that_try_hardly_any_port_twice_are_one_scan(void **state)
{
	static const struct {
		struct crowd crowd;
		bool told;
	} cases[] = {
		{ { 10, 20, 1, 1000, 0 }, true },
		{ { 9, 20, 1, 1000, 0 }, false },
		{ { 10, 19, 1, 1000, 0 }, false },
		{ { 20, 20, 2, 1000, 0 }, false }, /* the noise of the internet: all try the same */
		{ { 200, 250, 1, 1000, 0 }, true },
		{ { 10, 20, 1, 1000, 600000 - 19000 }, true },
		{ { 10, 20, 1, 1000, 600001 - 19000 }, false }, /* the first was ten minutes ago */
	};
	uint16_t sources, ports;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(is_told(&cases[i].crowd, &sources, &ports), cases[i].told);
		if (!cases[i].told)
			continue;
		assert_int_equal(sources, cases[i].crowd.sources);
		assert_int_equal(ports, cases[i].crowd.ports);
	}
}

/* Four of five probes to a port of their own are enough, one less is not. */
static void a_few_ports_may_be_tried_twice(void **state)
{
	(void)state;
	for (unsigned again = 0; again < 8; again++) {
		struct sweep *sweep = sweep_new();
		uint16_t sources, ports;

		for (unsigned i = 0; i < 24; i++)
			sweep_note(sweep, i, (uint16_t)(100 + i), CORE_EPOCH_MS);
		for (unsigned i = 0; i < again; i++)
			sweep_note(sweep, 100 + i, 100, CORE_EPOCH_MS);
		assert_int_equal(sweep_tell(sweep, CORE_EPOCH_MS, &sources, &ports), again <= 6);
		sweep_free(sweep);
	}
}

static void it_is_told_once_an_hour(void **state)
{
	struct sweep *sweep = sweep_new();
	uint16_t sources, ports;
	int64_t now_ms = CORE_EPOCH_MS;

	(void)state;
	assert_false(sweep_tell(sweep, now_ms, &sources, &ports));
	for (unsigned i = 0; i < 30; i++)
		sweep_note(sweep, i, (uint16_t)(100 + i), now_ms);
	assert_true(sweep_tell(sweep, now_ms, &sources, &ports));
	now_ms += HOUR_MS - 1;
	for (unsigned i = 0; i < 30; i++)
		sweep_note(sweep, i, (uint16_t)(200 + i), now_ms);
	assert_false(sweep_tell(sweep, now_ms, &sources, &ports));
	assert_true(sweep_tell(sweep, now_ms + 1, &sources, &ports));
	assert_int_equal(sources, 30);
	/* Of more than 256 the newest count. */
	now_ms += 3 * HOUR_MS;
	for (unsigned i = 0; i < 300; i++)
		sweep_note(sweep, 1000 + i, (uint16_t)(300 + i), now_ms);
	assert_true(sweep_tell(sweep, now_ms, &sources, &ports));
	assert_int_equal(sources, 256);
	assert_int_equal(ports, 256);
	sweep_free(sweep);
}

/* ---- decoys ---- */

static const struct decoy_sharers *see(struct decoys *decoys, const struct packet *packet, unsigned sender,
				       int64_t after_ms)
{
	const uint8_t b[4] = { 198, 51, 100, (uint8_t)sender };
	struct addr addr = addr_from_v4(b);
	struct prefix key = prefix_host(&addr);

	return decoys_see(decoys, packet, &key, CORE_EPOCH_MS + after_ms);
}

static struct packet probe_packet(bool v6)
{
	struct addr source = core_addr("198.51.100.1");
	struct packet packet = core_syn(&source, 22).packet;

	if (v6)
		packet.dst = core_addr("2001:db8::1");
	return packet;
}

static void the_same_within_a_second_has_several_senders(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct decoys *decoys = decoys_new(&core_key);
		struct packet packet = probe_packet(v6);
		const struct decoy_sharers *sharers;

		assert_non_null(decoys);
		assert_null(see(decoys, &packet, 1, 0));
		assert_null(see(decoys, &packet, 1, 10)); /* its own repeat */
		sharers = see(decoys, &packet, 2, 1010);
		assert_non_null(sharers);
		assert_int_equal(sharers->count, 2);
		assert_int_equal(sharers->keys[0].addr.b[15], 1);
		assert_int_equal(sharers->keys[1].addr.b[15], 2);
		assert_null(see(decoys, &packet, 3, 2011)); /* more than a second later: another probe */
		assert_null(see(decoys, &packet, 3, 2012));
		decoys_free(decoys);
	}
}

/* Of a crowd the last four are told apart, the sender last. */
static void a_crowd_is_told_by_its_last(void **state)
{
	struct decoys *decoys = decoys_new(&core_key);
	struct packet packet = probe_packet(false);
	const struct decoy_sharers *sharers = NULL;
	static const uint8_t again[DECOYS_SHARERS] = { 4, 6, 7, 5 };

	(void)state;
	for (unsigned sender = 1; sender <= 7; sender++)
		sharers = see(decoys, &packet, sender, sender);
	assert_non_null(sharers);
	assert_int_equal(sharers->count, DECOYS_SHARERS);
	for (unsigned i = 0; i < DECOYS_SHARERS; i++)
		assert_int_equal(sharers->keys[i].addr.b[15], 4 + i);
	sharers = see(decoys, &packet, 5, 9); /* who comes again goes to the end */
	for (unsigned i = 0; i < DECOYS_SHARERS; i++)
		assert_int_equal(sharers->keys[i].addr.b[15], again[i]);
	decoys_free(decoys);
}

static void what_differs_is_another_probe(void **state)
{
	(void)state;
	for (int change = 0; change < 14; change++) {
		struct decoys *decoys = decoys_new(&core_key);
		struct packet packet = probe_packet(change >= 7), other = packet;

		switch (change % 7) {
		case 0: other.seq++; break;
		case 1: other.sport++; break;
		case 2: other.dport++; break;
		case 3: other.tcp_flags |= TCP_ECE; break;
		case 4: other.dst.b[15]++; break;
		case 5: other.dst.b[change < 7 ? 12 : 1]++; break;
		default: other.protocol = PROTO_UDP; break;
		}
		assert_null(see(decoys, &packet, 1, 0));
		assert_null(see(decoys, &other, 2, 1));
		assert_non_null(see(decoys, &packet, 3, 2));
		decoys_free(decoys);
	}
}

/* What two may share by chance: pings, and datagrams from a service's port, a name server's answers say. */
static void what_two_may_share_by_chance_tells_nothing(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t sport;
		bool tells;
	} cases[] = {
		{ PROTO_UDP, 1024, true },    { PROTO_UDP, 1023, false }, { PROTO_UDP, 53, false },
		{ PROTO_ICMP, 40000, false }, { PROTO_TCP, 20, true },    { PROTO_SCTP, 40000, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct decoys *decoys = decoys_new(&core_key);
		struct packet packet = probe_packet(false);

		packet.protocol = cases[i].protocol;
		packet.sport = cases[i].sport;
		assert_null(see(decoys, &packet, 1, 0));
		assert_int_equal(see(decoys, &packet, 2, 1) != NULL, cases[i].tells);
		decoys_free(decoys);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_that_try_hardly_any_port_twice_are_one_scan),
		cmocka_unit_test(a_few_ports_may_be_tried_twice),
		cmocka_unit_test(it_is_told_once_an_hour),
		cmocka_unit_test(the_same_within_a_second_has_several_senders),
		cmocka_unit_test(a_crowd_is_told_by_its_last),
		cmocka_unit_test(what_differs_is_another_probe),
		cmocka_unit_test(what_two_may_share_by_chance_tells_nothing),
	};

	return cmocka_run_group_tests_name("sweep and decoys", tests, NULL, NULL);
}
