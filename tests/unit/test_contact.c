/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First contacts of others' hosts: what comes of each, who can be displaced by whom, and what is remembered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <picket/contact.h>
#include "seed.h"

#define START_MS 1790000000000LL

static struct addr address(const char *text)
{
	struct addr addr;

	assert_true(addr_parse(text, &addr));
	return addr;
}

static struct contacts *small(enum probe_where where)
{
	const struct hash_key key = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL };
	const struct contacts_config config = {
		.where = (uint8_t)where, .newcomers = 64, .adverse = 32, .hosts = 16, .services = 32
	};
	struct contacts *contacts = contacts_new(&config, &key);

	assert_non_null(contacts);
	return contacts;
}

static struct packet tcp(const char *src, const char *dst, uint16_t port, uint8_t flags)
{
	return (struct packet){ .src = address(src),
				.dst = address(dst),
				.protocol = PROTO_TCP,
				.sport = 40000,
				.dport = port,
				.tcp_flags = flags,
				.checksum = PACKET_CHECKSUM_GOOD };
}

static struct packet udp(const char *src, const char *dst, uint16_t port)
{
	struct packet p = tcp(src, dst, port, 0);

	p.protocol = PROTO_UDP;
	return p;
}

/* What its receiver sends back. */
static struct packet back(const struct packet *p, uint8_t flags)
{
	struct packet answer = *p;

	answer.src = p->dst;
	answer.dst = p->src;
	answer.sport = p->dport;
	answer.dport = p->sport;
	answer.tcp_flags = flags;
	return answer;
}

static enum contact_word ask(struct contacts *contacts, const struct packet *p, int64_t at_ms)
{
	struct probe probe;

	return contacts_ask(contacts, p, PACKET_OK, START_MS + at_ms, &probe);
}

static struct contacts_status status(const struct contacts *contacts)
{
	struct contacts_status out;

	contacts_status(contacts, &out);
	return out;
}

/* The host is alive: it sent something. */
static void show(struct contacts *contacts, const char *host)
{
	struct packet p = tcp(host, "192.0.2.200", 9, TCP_ACK);
	struct probe probe;

	assert_false(contacts_answer(contacts, &p, START_MS, &probe));
}

static void a_refusal_is_told_once_with_its_first_packet(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet syn = tcp("198.51.100.7", "203.0.113.10", 23, TCP_SYN), rst = back(&syn, TCP_RST | TCP_ACK);
	struct probe probe;

	(void)state;
	syn.window = 1024;
	assert_int_equal(ask(contacts, &syn, 0), CONTACT_OPEN);
	syn.window = 2048;
	assert_int_equal(ask(contacts, &syn, 1), CONTACT_KNOWN); /* the same, repeated */
	assert_true(contacts_answer(contacts, &rst, START_MS + 2, &probe));
	assert_int_equal(probe.outcome, PROBE_REFUSED);
	assert_int_equal(probe.where, PROBE_BEHIND);
	assert_int_equal(probe.packet.window, 1024);
	assert_int_equal(probe.packet.dport, 23);
	assert_false(contacts_answer(contacts, &rst, START_MS + 3, &probe));
	assert_int_equal(contacts_due_ms(contacts), INT64_MAX);
	assert_int_equal(status(contacts).refused, 1);
	contacts_free(contacts);
}

static void silence_is_told_when_its_time_is_over(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet alive = tcp("198.51.100.7", "203.0.113.10", 23, TCP_SYN),
		      absent = tcp("198.51.100.7", "203.0.113.11", 23, TCP_SYN),
		      datagram = udp("198.51.100.7", "203.0.113.10", 161);
	struct probe probe;

	(void)state;
	show(contacts, "203.0.113.10");
	ask(contacts, &alive, 0);
	ask(contacts, &absent, 1);
	ask(contacts, &datagram, 2);
	assert_int_equal(contacts_due_ms(contacts), START_MS + CONTACT_WAIT_MS);
	assert_false(contacts_due(contacts, START_MS + CONTACT_WAIT_MS - 1, &probe));
	assert_true(contacts_due(contacts, START_MS + CONTACT_WAIT_MS, &probe));
	assert_int_equal(probe.outcome, PROBE_SILENT);
	assert_false(contacts_due(contacts, START_MS + CONTACT_WAIT_MS, &probe));
	assert_true(contacts_due(contacts, START_MS + CONTACT_WAIT_MS + 1, &probe));
	assert_int_equal(probe.outcome, PROBE_DARK);
	/* many services never answer a datagram */
	assert_false(contacts_due(contacts, START_MS + 2 * CONTACT_WAIT_MS, &probe));
	assert_int_equal(status(contacts).worth_nothing, 1);
	contacts_free(contacts);
}

static void errors_on_the_way_are_outcomes(void **state)
{
	static const struct {
		uint8_t code, outcome;
	} v4[] = { { 0, PROBE_DARK },     { 1, PROBE_DARK },    { 2, PROBE_REFUSED },
		   { 3, PROBE_REFUSED },  { 9, PROBE_REFUSED }, { 7, PROBE_DARK },
		   { 10, PROBE_REFUSED }, { 12, PROBE_DARK },   { 13, PROBE_REFUSED } },
	  v6[] = { { 0, PROBE_DARK }, { 1, PROBE_REFUSED }, { 3, PROBE_DARK }, { 4, PROBE_REFUSED } };
	struct probe probe;

	(void)state;
	for (size_t i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		struct contacts *contacts = small(PROBE_BEHIND);
		struct packet p = udp("198.51.100.7", "203.0.113.10", 161);

		ask(contacts, &p, 0);
		assert_true(contacts_unreachable(contacts, &p, v4[i].code, START_MS + 1, &probe));
		assert_int_equal(probe.outcome, v4[i].outcome);
		assert_false(contacts_unreachable(contacts, &p, v4[i].code, START_MS + 2, &probe));
		contacts_free(contacts);
	}
	for (size_t i = 0; i < sizeof(v6) / sizeof(v6[0]); i++) {
		struct contacts *contacts = small(PROBE_BEHIND);
		struct packet p = udp("2001:db8::7", "2001:db8:1::1", 161);

		ask(contacts, &p, 0);
		assert_true(contacts_unreachable(contacts, &p, v6[i].code, START_MS + 1, &probe));
		assert_int_equal(probe.outcome, v6[i].outcome);
		contacts_free(contacts);
	}
}

static void a_host_that_failed_is_told_at_once_until_it_speaks(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet syn = tcp("198.51.100.7", "203.0.113.10", 22, TCP_SYN);
	struct probe probe;

	(void)state;
	contacts_dark(contacts, &syn.dst, START_MS);
	assert_int_equal(contacts_ask(contacts, &syn, PACKET_OK, START_MS + 1, &probe), CONTACT_TOLD);
	assert_int_equal(probe.outcome, PROBE_DARK);
	assert_int_equal(ask(contacts, &syn, 60000), CONTACT_OPEN); /* what the neighbour table said is old */
	contacts_dark(contacts, &syn.dst, START_MS + 70000);
	show(contacts, "203.0.113.10");
	syn.dport = 23;
	assert_int_equal(ask(contacts, &syn, 70001), CONTACT_OPEN);
	contacts_free(contacts);
}

static void three_silent_contacts_make_a_host_dark(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet syn = tcp("198.51.100.7", "203.0.113.10", 22, TCP_SYN);
	struct probe probe;

	(void)state;
	for (int i = 0; i < 3; i++) {
		syn.dport = (uint16_t)(22 + i);
		assert_int_equal(ask(contacts, &syn, i * 10000), CONTACT_OPEN);
		assert_true(contacts_due(contacts, START_MS + i * 10000 + CONTACT_WAIT_MS, &probe));
	}
	syn.dport = 80;
	assert_int_equal(ask(contacts, &syn, 60000), CONTACT_TOLD);
	contacts_free(contacts);
}

static void sixteen_wait_for_their_outcome(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet syn = tcp("198.51.100.7", "203.0.113.10", 1, TCP_SYN);
	struct packet other = tcp("198.51.100.8", "203.0.113.10", 17, TCP_SYN), rst;
	struct probe probe;

	(void)state;
	for (uint16_t i = 0; i < CONTACT_OPEN_MAX; i++) {
		syn.dport = (uint16_t)(1 + i);
		assert_int_equal(ask(contacts, &syn, i), CONTACT_OPEN);
	}
	syn.dport = 17;
	assert_int_equal(ask(contacts, &syn, 20), CONTACT_WAITS);
	assert_int_equal(ask(contacts, &other, 20), CONTACT_OPEN); /* nobody else does */
	syn.dport = 1;
	rst = back(&syn, TCP_RST | TCP_ACK);
	assert_true(contacts_answer(contacts, &rst, START_MS + 21, &probe));
	syn.dport = 17;
	assert_int_equal(ask(contacts, &syn, 22), CONTACT_OPEN);
	assert_int_equal(status(contacts).waited, 1);
	contacts_free(contacts);
}

/* All of a /64 share the sixteen; what a source completes lifts that. */
static void a_success_lifts_the_sixteen(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet syn = tcp("2001:db8::7", "2001:db8:1::1", 1, TCP_SYN), answer, third;
	struct probe probe;

	(void)state;
	for (uint16_t i = 0; i < CONTACT_OPEN_MAX; i++) {
		syn.src = address(i % 2 ? "2001:db8::7" : "2001:db8::8");
		syn.dport = (uint16_t)(1 + i);
		assert_int_equal(ask(contacts, &syn, i), CONTACT_OPEN);
	}
	answer = back(&syn, TCP_SYN | TCP_ACK);
	answer.seq = 1000;
	assert_false(contacts_answer(contacts, &answer, START_MS + 20, &probe));
	third = syn;
	third.tcp_flags = TCP_ACK;
	third.ack = 1000; /* not what was sent */
	assert_int_equal(ask(contacts, &third, 21), CONTACT_KNOWN);
	third.ack = 1001;
	assert_int_equal(contacts_ask(contacts, &third, PACKET_OK, START_MS + 22, &probe), CONTACT_TOLD);
	assert_int_equal(probe.outcome, PROBE_ANSWERED);
	syn.dport = 30;
	assert_int_equal(ask(contacts, &syn, 23), CONTACT_OPEN);
	syn.dport = 31;
	assert_int_equal(ask(contacts, &syn, 24), CONTACT_OPEN);
	contacts_free(contacts);
}

static void what_is_served_is_nobodys_business(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet syn = tcp("198.51.100.7", "203.0.113.10", 80, TCP_SYN), answer = back(&syn, TCP_SYN | TCP_ACK);
	struct packet datagram = udp("203.0.113.10", "198.51.100.53", 53), late = back(&datagram, 0);
	struct probe probe;

	(void)state;
	ask(contacts, &syn, 0);
	assert_false(contacts_answer(contacts, &answer, START_MS + 1, &probe));
	syn.src = address("198.51.100.8");
	assert_int_equal(ask(contacts, &syn, 2), CONTACT_KNOWN);
	assert_int_equal(status(contacts).services, 1);
	/* a port that the host sends datagrams from is open: what comes to it later is an answer */
	assert_false(contacts_answer(contacts, &datagram, START_MS + 3, &probe));
	assert_int_equal(ask(contacts, &late, 4), CONTACT_KNOWN);
	contacts_free(contacts);
}

/* A flood of newcomers displaces newcomers, and nothing of who was refused before. */
static void newcomers_displace_newcomers(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet syn = tcp("198.51.100.7", "203.0.113.10", 1, TCP_SYN), rst = back(&syn, TCP_RST | TCP_ACK);
	struct probe probe;
	unsigned found = 0;

	(void)state;
	show(contacts, "203.0.113.10");
	ask(contacts, &syn, 0);
	assert_true(contacts_answer(contacts, &rst, START_MS, &probe));
	for (uint16_t i = 0; i < 8; i++) {
		syn.dport = (uint16_t)(100 + i);
		assert_int_equal(ask(contacts, &syn, 1), CONTACT_OPEN);
	}
	for (unsigned i = 0; i < 10000; i++) {
		struct packet forged = syn;

		forged.src = addr_from_v4((uint8_t[4]){ 11, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i });
		assert_int_equal(ask(contacts, &forged, 2), CONTACT_OPEN);
	}
	assert_int_equal(status(contacts).pending, 64 + 8);
	assert_int_equal(status(contacts).displaced, 10000 - 64);
	assert_int_equal(status(contacts).adverse, 8);
	while (contacts_due(contacts, START_MS + CONTACT_WAIT_MS + 2, &probe))
		found += addr_equal(&probe.packet.src, &syn.src);
	assert_int_equal(found, 8);
	assert_int_equal(status(contacts).pending, 0);
	contacts_free(contacts);
}

static void a_host_that_opens_thousands_of_ports_keeps_others_services(void **state)
{
	const struct hash_key key = { 1, 2 };
	const struct contacts_config config = {
		.where = PROBE_BEHIND, .newcomers = 64, .adverse = 32, .hosts = 16, .services = 4096
	};
	struct contacts *contacts = contacts_new(&config, &key);
	struct packet syn = tcp("198.51.100.7", "203.0.113.10", 80, TCP_SYN), answer = back(&syn, TCP_SYN | TCP_ACK);
	struct probe probe;

	(void)state;
	contacts_answer(contacts, &answer, START_MS, &probe);
	for (unsigned port = 1; port < 20000; port++) {
		struct packet p = tcp("198.51.100.7", "203.0.113.11", (uint16_t)port, TCP_SYN);

		p = back(&p, TCP_SYN | TCP_ACK);
		contacts_answer(contacts, &p, START_MS + 1, &probe);
	}
	assert_int_equal(status(contacts).services, 1 + 1024);
	assert_int_equal(ask(contacts, &syn, 2), CONTACT_KNOWN);
	contacts_free(contacts);
}

static void what_is_known_outlives_a_restart(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND), *next = small(PROBE_BEHIND);
	struct packet syn = tcp("198.51.100.7", "203.0.113.10", 80, TCP_SYN), answer = back(&syn, TCP_SYN | TCP_ACK);
	struct packet other = tcp("198.51.100.7", "203.0.113.11", 23, TCP_SYN);
	struct contact_service page[1];
	uint32_t cursor = 0;
	size_t count, read = 0;
	struct probe probe;

	(void)state;
	contacts_answer(contacts, &answer, START_MS, &probe);
	show(contacts, "203.0.113.11");
	do {
		cursor = contacts_services(contacts, cursor, page, 1, &count);
		if (count)
			contacts_restore(next, page, START_MS + 1000);
		read += count;
	} while (cursor);
	assert_int_equal(read, 3); /* a service and two hosts */
	assert_int_equal(ask(next, &syn, 1001), CONTACT_KNOWN);
	ask(next, &other, 1002);
	assert_true(contacts_due(next, START_MS + 1002 + CONTACT_WAIT_MS, &probe));
	assert_int_equal(probe.outcome, PROBE_SILENT);
	contacts_free(contacts);
	contacts_free(next);
}

/* A flood of questions to one busy service does not make it look as if no answers came by. */
static void a_flood_at_one_service_makes_no_feed_one_sided(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet syn = tcp("198.51.100.7", "203.0.113.10", 80, TCP_SYN), answer = back(&syn, TCP_SYN | TCP_ACK);
	struct probe probe;

	(void)state;
	contacts_answer(contacts, &answer, START_MS, &probe);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(ask(contacts, &syn, i / 100), CONTACT_KNOWN);
	assert_false(status(contacts).one_sided);
	for (int i = 1; i <= 12; i++)
		ask(contacts, &syn, i * 61000);
	assert_true(status(contacts).one_sided);
	contacts_free(contacts);
}

static void any_packets_are_survived_within_bounds(void **state)
{
	struct contacts *contacts = small(PROBE_WIRE);
	struct seed seed = seed_new("any_packets_are_survived_within_bounds");
	int64_t now_ms = START_MS;
	struct probe probe;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		struct packet p = { .src = addr_from_v4((uint8_t[4]){ 10, 0, 0, (uint8_t)seed_below(&seed, 200) }),
				    .dst = addr_from_v4((uint8_t[4]){ 10, 1, 0, (uint8_t)seed_below(&seed, 40) }),
				    .protocol = (const uint8_t[]){ 6, 6, 17, 132, 1 }[seed_below(&seed, 5)],
				    .sport = (uint16_t)seed_below(&seed, 40),
				    .dport = (uint16_t)seed_below(&seed, 40),
				    .tcp_flags = (uint8_t)seed_next(&seed),
				    .seq = (uint32_t)seed_below(&seed, 4),
				    .ack = (uint32_t)seed_below(&seed, 4),
				    .sctp_chunk = (uint8_t)seed_below(&seed, 12) };

		now_ms += (int64_t)seed_below(&seed, 20);
		switch (seed_below(&seed, 4)) {
		case 0: contacts_ask(contacts, &p, PACKET_OK, now_ms, &probe); break;
		case 1:
			p = back(&p, p.tcp_flags);
			contacts_answer(contacts, &p, now_ms, &probe);
			break;
		case 2: contacts_unreachable(contacts, &p, (uint8_t)seed_below(&seed, 16), now_ms, &probe); break;
		default: contacts_due(contacts, now_ms, &probe);
		}
		assert_true(status(contacts).pending <= 96 && status(contacts).adverse <= 32);
		assert_true(status(contacts).hosts <= 16 && status(contacts).services <= 32);
		assert_true(status(contacts).sources <= 96 && status(contacts).dark <= 16);
	}
	contacts_free(contacts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_is_told_once_with_its_first_packet),
		cmocka_unit_test(silence_is_told_when_its_time_is_over),
		cmocka_unit_test(errors_on_the_way_are_outcomes),
		cmocka_unit_test(a_host_that_failed_is_told_at_once_until_it_speaks),
		cmocka_unit_test(three_silent_contacts_make_a_host_dark),
		cmocka_unit_test(sixteen_wait_for_their_outcome),
		cmocka_unit_test(a_success_lifts_the_sixteen),
		cmocka_unit_test(what_is_served_is_nobodys_business),
		cmocka_unit_test(newcomers_displace_newcomers),
		cmocka_unit_test(a_host_that_opens_thousands_of_ports_keeps_others_services),
		cmocka_unit_test(what_is_known_outlives_a_restart),
		cmocka_unit_test(a_flood_at_one_service_makes_no_feed_one_sided),
		cmocka_unit_test(any_packets_are_survived_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
