/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First contacts at their limits: which packets are one and which are an answer, what an error says, who has proven
 * that he heard the answer, how long it is remembered what is served and who is there, and when silence tells nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <picket/contact.h>

#include "in_use.h"

#define START_MS 1790000000000LL
#define HOUR_MS  3600000LL
#define MONTH_MS (30 * 24 * HOUR_MS)

static const char *const asker = "198.51.100.7";

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
		.where = (uint8_t)where, .newcomers = 64, .adverse = 8, .hosts = 16, .services = 32
	};
	struct contacts *contacts = contacts_new(&config, &key);

	assert_non_null(contacts);
	return contacts;
}

/* From the asker to the host of that number. */
static struct packet to_host(uint8_t number, uint8_t protocol, uint16_t port)
{
	struct packet p = { .src = address(asker),
			    .dst = addr_from_v4((uint8_t[4]){ 203, 0, 113, number }),
			    .protocol = protocol,
			    .sport = 40000,
			    .dport = port,
			    .tcp_flags = protocol == PROTO_TCP ? TCP_SYN : 0,
			    .sctp_chunk = protocol == PROTO_SCTP ? 1 : 0,
			    .checksum = PACKET_CHECKSUM_GOOD };

	return p;
}

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

static enum contact_word ask(struct contacts *contacts, const struct packet *p, int64_t after_ms)
{
	struct probe probe;

	return contacts_ask(contacts, p, PACKET_OK, START_MS + after_ms, &probe);
}

static bool answer(struct contacts *contacts, const struct packet *p, uint8_t flags, int64_t after_ms)
{
	struct packet answer = back(p, flags);
	struct probe probe;

	return contacts_answer(contacts, &answer, START_MS + after_ms, &probe);
}

static struct contacts_status status(const struct contacts *contacts)
{
	struct contacts_status out;

	contacts_status(contacts, &out);
	return out;
}

/* A SYN, or on a router an ACK of no flow; everything else is evidence in itself, or nothing, at once. */
static void what_begins_a_contact(void **state)
{
	(void)state;
	for (int wire = 0; wire < 2; wire++)
		for (unsigned flags = 0; flags < 64; flags++) {
			struct contacts *contacts = small(wire ? PROBE_WIRE : PROBE_BEHIND);
			struct packet p = to_host(1, PROTO_TCP, 22);
			bool syn = (flags & TCP_SYN) && !(flags & (TCP_ACK | TCP_RST | TCP_FIN));
			bool ack = (flags & TCP_ACK) && !(flags & (TCP_SYN | TCP_RST));

			p.tcp_flags = (uint8_t)flags;
			assert_int_equal(ask(contacts, &p, 0), syn || (ack && !wire) ? CONTACT_OPEN : CONTACT_TOLD);
			assert_int_equal(contacts_due_ms(contacts) == INT64_MAX, !(syn || (ack && !wire)));
			contacts_free(contacts);
		}
	for (unsigned chunk = 0; chunk < 16; chunk++) {
		struct contacts *contacts = small(PROBE_BEHIND);
		struct packet p = to_host(1, PROTO_SCTP, 22);

		p.sctp_chunk = (uint8_t)chunk;
		assert_int_equal(ask(contacts, &p, 0), chunk == 1 || chunk == 10 ? CONTACT_OPEN : CONTACT_KNOWN);
		contacts_free(contacts);
	}
}

/* Pings and what is malformed are passed on, with the word on a host that is known to be dark. */
static void what_is_no_contact_is_passed_on(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet ping = to_host(1, PROTO_ICMP, 0), syn = to_host(2, PROTO_TCP, 22);
	struct probe probe;

	(void)state;
	contacts_dark(contacts, &ping.dst, START_MS);
	assert_int_equal(contacts_ask(contacts, &ping, PACKET_OK, START_MS, &probe), CONTACT_TOLD);
	assert_int_equal(probe.outcome, PROBE_DARK);
	assert_int_equal(probe.where, PROBE_BEHIND);
	assert_int_equal(contacts_ask(contacts, &syn, PACKET_BAD_TRANSPORT, START_MS, &probe), CONTACT_TOLD);
	assert_int_equal(probe.outcome, PROBE_PENDING);
	assert_int_equal(probe.packet_result, PACKET_BAD_TRANSPORT);
	assert_int_equal(status(contacts).asked, 0);
	contacts_free(contacts);
}

/* How a host of each protocol says yes or no; a yes ends the wait. */
static void what_is_an_answer(void **state)
{
	static const struct {
		uint8_t protocol, flags, chunk;
		bool refused, served;
	} cases[] = {
		{ PROTO_TCP, TCP_RST, 0, true, false },
		{ PROTO_TCP, TCP_RST | TCP_ACK, 0, true, false },
		{ PROTO_TCP, TCP_SYN | TCP_ACK, 0, false, true },
		{ PROTO_TCP, TCP_ACK, 0, false, false },
		{ PROTO_TCP, TCP_SYN, 0, false, false },
		{ PROTO_UDP, 0, 0, false, true },
		{ PROTO_SCTP, 0, 6, true, false },
		{ PROTO_SCTP, 0, 2, false, true },
		{ PROTO_SCTP, 0, 3, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct contacts *contacts = small(PROBE_BEHIND);
		struct packet p = to_host(1, cases[i].protocol, 500), word;
		struct probe probe;

		assert_int_equal(ask(contacts, &p, 0), CONTACT_OPEN);
		word = back(&p, cases[i].flags);
		word.sctp_chunk = cases[i].chunk;
		assert_int_equal(contacts_answer(contacts, &word, START_MS + 1, &probe), cases[i].refused);
		assert_int_equal(status(contacts).services, cases[i].served);
		assert_int_equal(status(contacts).answered, cases[i].served);
		assert_int_equal(contacts_due(contacts, START_MS + CONTACT_WAIT_MS, &probe),
				 !cases[i].refused && !cases[i].served && cases[i].protocol != PROTO_UDP);
		contacts_free(contacts);
	}
}

/* RFC 792, 1122, 1812 and 4443: a port, a protocol or a host that a filter forbids was refused, the rest is dark. */
static void each_error_says_what_it_says(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++)
		for (unsigned code = 0; code < 20; code++) {
			struct contacts *contacts = small(PROBE_BEHIND);
			struct packet p = to_host(1, PROTO_UDP, 500);
			bool dark = code != 2 && code != 3 && code != 9 && code != 10 && code != 13;
			struct probe probe;

			if (v6) {
				p.src = address("2001:db8::7");
				p.dst = address("2001:db8:1::1");
				dark = code == 0 || code == 3;
			}
			assert_false(contacts_unreachable(contacts, &p, (uint8_t)code, START_MS, &probe));
			assert_int_equal(status(contacts).dark, dark);
			contacts_free(contacts);
			contacts = small(PROBE_BEHIND);
			ask(contacts, &p, 0);
			assert_true(contacts_unreachable(contacts, &p, (uint8_t)code, START_MS, &probe));
			assert_int_equal(probe.outcome, dark ? PROBE_DARK : PROBE_REFUSED);
			contacts_free(contacts);
		}
}

/* Only who heard the answer knows its number; up to 64 KiB of it he may have read. */
static void who_heard_the_answer_knows_its_number(void **state)
{
	static const struct {
		uint32_t ack;
		uint8_t flags;
		bool proven;
	} cases[] = {
		{ 7000, TCP_ACK, false },           { 7001, TCP_ACK, true },
		{ 7001 + 65535, TCP_ACK, true },    { 7001 + 65536, TCP_ACK, false },
		{ 7001, TCP_ACK | TCP_PSH, true },  { 7001, TCP_ACK | TCP_FIN, true },
		{ 7001, TCP_ACK | TCP_RST, false }, { 7001, TCP_SYN | TCP_ACK, false },
		{ 7001, TCP_PSH, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct contacts *contacts = small(PROBE_BEHIND);
		struct packet p = to_host(1, PROTO_TCP, 22), word;

		ask(contacts, &p, 0);
		word = back(&p, TCP_SYN | TCP_ACK);
		word.seq = 7000;
		struct probe probe;
		assert_false(contacts_answer(contacts, &word, START_MS + 1, &probe));
		word.seq = 9000; /* repeated, or forged: the first one counts */
		assert_false(contacts_answer(contacts, &word, START_MS + 2, &probe));
		p.tcp_flags = cases[i].flags;
		p.ack = cases[i].ack;
		contacts_ask(contacts, &p, PACKET_OK, START_MS + 3, &probe);
		assert_int_equal(status(contacts).proven, cases[i].proven);
		contacts_free(contacts);
	}
}

static bool complete(struct contacts *contacts, uint8_t host, uint16_t port, int64_t after_ms)
{
	struct packet p = to_host(host, PROTO_TCP, port);
	uint64_t before = status(contacts).proven;

	ask(contacts, &p, after_ms);
	answer(contacts, &p, TCP_SYN | TCP_ACK, after_ms);
	p.tcp_flags = TCP_ACK;
	p.ack = 1; /* the answer began with 0 */
	ask(contacts, &p, after_ms);
	return status(contacts).proven > before;
}

/* As long as a source is remembered, each service speaks for it once, and three do. */
static void three_successes_speak_for_a_source(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet refused = to_host(9, PROTO_TCP, 23);

	(void)state;
	ask(contacts, &refused, 0);
	assert_true(answer(contacts, &refused, TCP_RST, 1)); /* so that it is remembered */
	assert_true(complete(contacts, 1, 80, 10));
	assert_false(complete(contacts, 1, 80, 20));
	assert_true(complete(contacts, 1, 443, 30));
	assert_true(complete(contacts, 2, 80, 40));
	assert_false(complete(contacts, 3, 80, 50));
	assert_int_equal(status(contacts).refused, 1);
	contacts_free(contacts);
}

/* A service for a month, what an ephemeral port did for an hour. */
static void what_is_served_is_known_for_so_long(void **state)
{
	static const struct {
		uint16_t port;
		int64_t known_ms;
	} cases[] = { { 1, MONTH_MS }, { 32767, MONTH_MS }, { 32768, HOUR_MS }, { 65535, HOUR_MS } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int over = 0; over < 2; over++) {
			struct contacts *contacts = small(PROBE_BEHIND);
			struct packet p = to_host(1, PROTO_TCP, cases[i].port),
				      udp = to_host(1, PROTO_UDP, cases[i].port);

			answer(contacts, &p, TCP_SYN | TCP_ACK, 0);
			assert_int_equal(status(contacts).services, cases[i].port < 32768);
			assert_int_equal(ask(contacts, &udp, 1), CONTACT_OPEN);
			assert_int_equal(ask(contacts, &p, cases[i].known_ms - !over),
					 over ? CONTACT_OPEN : CONTACT_KNOWN);
			contacts_free(contacts);
		}
}

static enum probe_outcome silence(struct contacts *contacts, uint8_t protocol, int64_t after_ms)
{
	struct packet p = to_host(1, protocol, 500);
	struct probe probe = { .outcome = PROBE_PENDING };

	assert_int_equal(ask(contacts, &p, after_ms), CONTACT_OPEN);
	contacts_due(contacts, START_MS + after_ms + CONTACT_WAIT_MS, &probe);
	return (enum probe_outcome)probe.outcome;
}

static void a_host_is_there_for_a_month_after_its_last_word(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet p = to_host(1, PROTO_TCP, 80);

	(void)state;
	answer(contacts, &p, TCP_ACK, 0);
	assert_int_equal(silence(contacts, PROTO_TCP, MONTH_MS - CONTACT_WAIT_MS - 1), PROBE_SILENT);
	assert_int_equal(silence(contacts, PROTO_UDP, MONTH_MS - CONTACT_WAIT_MS - 1), PROBE_PENDING);
	assert_int_equal(silence(contacts, PROTO_UDP, MONTH_MS - CONTACT_WAIT_MS), PROBE_DARK);
	contacts_free(contacts);
}

static void the_neighbour_table_is_believed_for_a_minute(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet p = to_host(1, PROTO_TCP, 80);

	(void)state;
	contacts_dark(contacts, &p.dst, START_MS);
	assert_int_equal(ask(contacts, &p, 59999), CONTACT_TOLD);
	assert_int_equal(ask(contacts, &p, 60000), CONTACT_OPEN);
	contacts_free(contacts);
}

/* Of ten questions to known services fewer than one in five is answered here: the answers take another way. */
static void silence_tells_nothing_where_no_answers_pass(void **state)
{
	static const struct {
		unsigned asked, answered;
		bool one_sided;
	} cases[] = { { 9, 0, false }, { 10, 0, true }, { 10, 1, true }, { 10, 2, false }, { 11, 2, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct contacts *contacts = small(PROBE_BEHIND);

		for (unsigned n = 0; n < cases[i].asked; n++) {
			struct packet p = to_host(2, PROTO_TCP, (uint16_t)(100 + n));

			answer(contacts, &p, TCP_SYN | TCP_ACK, 0);
			assert_int_equal(ask(contacts, &p, 1), CONTACT_KNOWN);
			assert_int_equal(ask(contacts, &p, 2), CONTACT_KNOWN); /* the same question */
			if (n < cases[i].answered)
				answer(contacts, &p, TCP_SYN | TCP_ACK, 3);
		}
		assert_int_equal(status(contacts).one_sided, cases[i].one_sided);
		assert_int_equal(silence(contacts, PROTO_TCP, 5), cases[i].one_sided ? PROBE_PENDING : PROBE_DARK);
		assert_int_equal(status(contacts).worth_nothing, cases[i].one_sided);
		contacts_free(contacts);
	}
	/* On a wire as long as no answer was ever heard. */
	struct contacts *contacts = small(PROBE_WIRE);
	struct packet p = to_host(2, PROTO_TCP, 80);

	assert_true(status(contacts).one_sided);
	ask(contacts, &p, 0);
	assert_true(answer(contacts, &p, TCP_RST, 1));
	assert_false(status(contacts).one_sided);
	contacts_free(contacts);
}

/* Who was seen last stays; what gives way is counted. */
static void the_oldest_host_and_service_give_way(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet first = to_host(1, PROTO_TCP, 80), second = to_host(2, PROTO_TCP, 80);

	(void)state;
	for (uint8_t host = 1; host <= 16; host++) {
		struct packet p = to_host(host, PROTO_TCP, 80);

		answer(contacts, &p, TCP_SYN | TCP_ACK, host);
	}
	answer(contacts, &first, TCP_SYN | TCP_ACK, 20);
	assert_int_equal(status(contacts).forgotten, 0);
	for (uint16_t port = 1; port <= 17; port++) { /* 33 services, and one host more than there is room for */
		struct packet p = to_host(17, PROTO_TCP, port);

		answer(contacts, &p, TCP_SYN | TCP_ACK, 30);
	}
	assert_int_equal(status(contacts).hosts, 16);
	assert_int_equal(status(contacts).services, 32);
	assert_int_equal(status(contacts).forgotten, 2);
	assert_int_equal(ask(contacts, &first, 31), CONTACT_KNOWN);
	assert_int_equal(ask(contacts, &second, 31), CONTACT_OPEN);
	contacts_free(contacts);
}

/* Of sources that something speaks against there is room for eight contacts: further ones wait among the newcomers'. */
static void a_full_part_lends_of_the_other(void **state)
{
	struct contacts *contacts = small(PROBE_BEHIND);
	struct packet p = to_host(1, PROTO_TCP, 1);
	struct probe probe;

	(void)state;
	ask(contacts, &p, 0);
	assert_true(answer(contacts, &p, TCP_RST, 1));
	for (uint16_t port = 2; port <= 12; port++) {
		p = to_host(1, PROTO_TCP, port);
		assert_int_equal(ask(contacts, &p, 10 + port), CONTACT_OPEN);
	}
	assert_int_equal(status(contacts).adverse, 8);
	assert_int_equal((status(contacts).pending - status(contacts).adverse), 3);
	assert_int_equal(status(contacts).turned_away, 3);
	assert_int_equal(contacts_due_ms(contacts), START_MS + 12 + CONTACT_WAIT_MS);
	for (uint16_t port = 2; port <= 12; port++) {
		assert_false(contacts_due(contacts, START_MS + 9 + port + CONTACT_WAIT_MS, &probe));
		assert_true(contacts_due(contacts, START_MS + 10 + port + CONTACT_WAIT_MS, &probe));
		assert_int_equal(probe.packet.dport, port);
	}
	assert_int_equal(contacts_due_ms(contacts), INT64_MAX);
	contacts_free(contacts);
}

static void what_ends_leaves_nothing_behind(void **state)
{
	size_t before = 0;

	(void)state;
	for (int round = 0; round < 3; round++) {
		struct contacts *contacts = small(PROBE_BEHIND);

		contacts_free(contacts);
		if (round > 0) /* the first leaves what the C library keeps for itself */
			assert_int_equal(in_use(), before);
		before = in_use();
	}
	contacts_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_begins_a_contact),
		cmocka_unit_test(what_is_no_contact_is_passed_on),
		cmocka_unit_test(what_is_an_answer),
		cmocka_unit_test(each_error_says_what_it_says),
		cmocka_unit_test(who_heard_the_answer_knows_its_number),
		cmocka_unit_test(three_successes_speak_for_a_source),
		cmocka_unit_test(what_is_served_is_known_for_so_long),
		cmocka_unit_test(a_host_is_there_for_a_month_after_its_last_word),
		cmocka_unit_test(the_neighbour_table_is_believed_for_a_minute),
		cmocka_unit_test(silence_tells_nothing_where_no_answers_pass),
		cmocka_unit_test(the_oldest_host_and_service_give_way),
		cmocka_unit_test(a_full_part_lends_of_the_other),
		cmocka_unit_test(what_ends_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("limits of contacts", tests, NULL, NULL);
}
