/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a finding weighs for a source with a past: whose further ports are forgiven and when no longer, how long the
 * same counts once, and how many late packets, pings and datagrams honest hosts may send.
 */
#include "core.h"
#include "evidence/evidence.h"

#define HERE  0x0100 /* tags of two addresses of ours; their lowest six bits are the flags' */
#define THERE 0x0200

static struct source nobody(void)
{
	return (struct source){ .key = core_prefix("198.51.100.7"), .updated_ms = CORE_EPOCH_MS };
}

/* It showed that, so many seconds ago: the newest piece. */
static void shown(struct source *source, enum evidence_kind kind, uint16_t port, uint16_t tag, uint8_t weight,
		  int64_t ago_s)
{
	memmove(&source->pieces[1], &source->pieces[0], (SOURCE_PIECES - 1) * sizeof(source->pieces[0]));
	source->pieces[0] = (struct evidence){ .at_s = (uint32_t)(CORE_EPOCH_MS / 1000 - ago_s),
					       .port = port,
					       .host_tag = tag,
					       .weight = weight,
					       .kind = (uint8_t)kind };
	source->kinds |= 1u << kind;
}

static struct weighing weighed(const struct source *source, enum evidence_kind kind, uint16_t port, uint16_t tag,
			       bool marked)
{
	struct finding f = { .kind = kind, .port = port, .weight = 40 };

	return weigh(source, &f, tag, marked, CORE_EPOCH_MS);
}

static uint8_t weight_of(const struct source *source, enum evidence_kind kind, uint16_t port, uint16_t tag)
{
	return weighed(source, kind, port, tag, false).weight;
}

/* What one honest program tries: all ports of a line. */
static const uint16_t services[][10] = {
	{ 25, 110, 143, 465, 587, 993, 995, 2525, 4190 },
	{ 80, 443, 8080, 8443 },
	{ 20, 21, 989, 990 },
	{ 139, 445 },
	{ 389, 636, 3268, 3269 },
	{ 5060, 5061 },
	{ 5222, 5223, 5269 },
	{ 515, 631, 9100 },
};
#define SERVICES (sizeof(services) / sizeof(services[0]))

static unsigned service_of(unsigned port)
{
	for (unsigned i = 0; i < SERVICES; i++)
		for (unsigned k = 0; services[i][k]; k++)
			if (services[i][k] == port)
				return i + 1;
	return 0;
}

static void further_ports_of_one_service_are_forgiven(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SERVICES; i++) {
		struct source source = nobody();

		assert_int_equal(weighed(NULL, EVIDENCE_SYN, services[i][0], HERE, false).weight, 40);
		assert_false(weighed(NULL, EVIDENCE_SYN, services[i][0], HERE, false).grace_over);
		shown(&source, EVIDENCE_SYN, services[i][0], HERE, 40, 5);
		for (unsigned port = 1; port < 65536; port++) {
			struct weighing w = weighed(&source, EVIDENCE_SYN, (uint16_t)port, HERE, false);

			if (port == services[i][0]) {
				assert_true(w.duplicate);
				continue;
			}
			/* a second service counts, and is still no reason to take anything back */
			assert_int_equal(w.weight, service_of(port) == i + 1 ? 0 : 40);
			assert_int_equal(w.grace_over, service_of(port) == 0);
		}
		assert_int_equal(weight_of(&source, EVIDENCE_SYN, services[i][1], THERE), 40);
		assert_int_equal(weighed(&source, EVIDENCE_SYN, services[i][1], HERE, true).weight, 40);
		assert_true(weighed(&source, EVIDENCE_SYN, services[i][1], HERE, true).grace_over);
	}
}

/* All of a mail program's eight, a web server's two: no program tries more. */
static void so_many_are_forgiven_and_no_more(void **state)
{
	static const uint16_t mail[] = { 110, 143, 465, 587, 993, 995, 2525 };
	struct source source = nobody();

	(void)state;
	shown(&source, EVIDENCE_SYN, 25, HERE, 28, 60);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(weight_of(&source, EVIDENCE_SYN, mail[i], HERE), 0);
		shown(&source, EVIDENCE_SYN, mail[i], HERE, 0, 50);
	}
	shown(&source, EVIDENCE_SYN, 80, HERE, 28, 40);
	assert_int_equal(weight_of(&source, EVIDENCE_SYN, 443, HERE), 0);
	shown(&source, EVIDENCE_SYN, 443, HERE, 0, 30);
	assert_int_equal(weight_of(&source, EVIDENCE_SYN, 8080, HERE), 40);
	assert_true(weighed(&source, EVIDENCE_SYN, 8080, HERE, false).grace_over);
}

static void what_else_it_shows_ends_the_grace(void **state)
{
	static const struct {
		uint8_t kind;
		uint16_t port;
		bool over;
	} cases[] = {
		{ EVIDENCE_SYN, 80, false },      { EVIDENCE_SYN, 22, true },        { EVIDENCE_XMAS, 80, true },
		{ EVIDENCE_SCTP_INIT, 80, true }, { EVIDENCE_PROTOCOL, 3, true },    { EVIDENCE_FRAGMENT, 80, true },
		{ EVIDENCE_ICMP_ECHO, 0, false }, { EVIDENCE_UDP, 53, false },       { EVIDENCE_ACK, 80, false },
		{ EVIDENCE_TRAP_WEAK, 23, true }, { EVIDENCE_TRAP_WEAK, 21, false }, { EVIDENCE_CHECKSUM, 80, false },
	};
	struct source source;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		source = nobody();
		shown(&source, EVIDENCE_SYN, 25, HERE, 28, 10);
		shown(&source, (enum evidence_kind)cases[i].kind, cases[i].port, HERE, 20, 5);
		assert_int_equal(weighed(&source, EVIDENCE_SYN, 110, HERE, false).grace_over, cases[i].over);
		assert_int_equal(weight_of(&source, EVIDENCE_SYN, 110, HERE), cases[i].over ? 40 : 0);
		/* and it itself, whatever was forgiven before */
		source = nobody();
		shown(&source, EVIDENCE_SYN, 25, HERE, 28, 10);
		if (cases[i].kind != EVIDENCE_SYN && cases[i].kind != EVIDENCE_TRAP_WEAK)
			assert_int_equal(
				weighed(&source, (enum evidence_kind)cases[i].kind, 80, HERE, false).grace_over,
				cases[i].over);
	}
	/* a third service; and who has shown so much that not all of it is remembered */
	source = nobody();
	shown(&source, EVIDENCE_SYN, 25, HERE, 28, 10);
	shown(&source, EVIDENCE_SYN, 80, HERE, 28, 10);
	assert_true(weighed(&source, EVIDENCE_SYN, 445, HERE, false).grace_over);
	source.older[0].kind = EVIDENCE_SYN;
	assert_true(weighed(&source, EVIDENCE_SYN, 110, HERE, false).grace_over);
}

static void the_same_counts_once_a_day(void **state)
{
	struct source source = nobody();
	struct weighing w;

	(void)state;
	shown(&source, EVIDENCE_SYN, 22, HERE, 28, SCORE_MEMORY_S - 1);
	assert_true(weighed(&source, EVIDENCE_SYN, 22, HERE, false).duplicate);
	assert_false(weighed(&source, EVIDENCE_SYN, 22, THERE, false).duplicate);
	assert_false(weighed(&source, EVIDENCE_SYN, 23, HERE, false).duplicate);
	source.pieces[0].at_s--;
	w = weighed(&source, EVIDENCE_SYN, 22, HERE, false);
	assert_false(w.duplicate);
	assert_int_equal(w.replaces, 0);
	assert_int_equal(w.weight, 40);
	assert_int_equal(weighed(&source, EVIDENCE_SYN, 23, HERE, false).replaces, -1);
}

/* A probe and the visit that it began are one: the report takes the SYN's place, and a silent visit a spoken one's. */
static void a_visit_takes_the_place_of_its_syn(void **state)
{
	static const uint8_t kinds[] = { EVIDENCE_SYN, EVIDENCE_TRAP_WEAK, EVIDENCE_TRAP };

	(void)state;
	for (size_t before = 0; before < 3; before++) {
		for (size_t after = 0; after < 3; after++) {
			struct source source = nobody();
			struct weighing w;

			shown(&source, (enum evidence_kind)kinds[before], 23, HERE, 28, 2);
			w = weighed(&source, (enum evidence_kind)kinds[after], 23, HERE, false);
			assert_int_equal(w.duplicate, after <= before);
			assert_int_equal(w.replaces, 0);
		}
	}
}

/* How many of a kind within so many seconds weigh nothing; of addresses of ours for pings, else of ports. */
static void honest_hosts_are_granted_a_few(void **state)
{
	static const struct {
		uint8_t kind, few;
		bool plausible;
		int64_t within_s;
	} cases[] = {
		{ EVIDENCE_ACK, 5, false, 60 },
		{ EVIDENCE_MAIMON, 5, false, 60 },
		{ EVIDENCE_ACK, 12, true, 60 },
		{ EVIDENCE_UDP, 12, true, 10 },
		{ EVIDENCE_UDP, 0, false, 0 },
		{ EVIDENCE_ICMP_ECHO, 2, false, SCORE_MEMORY_S },
		{ EVIDENCE_ICMP_TIMESTAMP, 0, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct finding f = { .kind = cases[i].kind, .weight = 14, .plausible = cases[i].plausible };
		struct source source = nobody();
		unsigned n = 0;

		f.port = cases[i].kind == EVIDENCE_ICMP_ECHO ? 0 : 9999;
		for (; n < cases[i].few; n++) {
			assert_int_equal(weigh(&source, &f, 0x9000, false, CORE_EPOCH_MS).weight, 0);
			shown(&source, cases[i].kind, f.port ? (uint16_t)(1000 + n) : 0, (uint16_t)(n << 6), 0,
			      cases[i].within_s - 1);
		}
		assert_int_equal(weigh(&source, &f, 0x9000, false, CORE_EPOCH_MS).weight, 14);
		if (n > 0) { /* the oldest is so old now that it is not among them */
			source.pieces[n - 1].at_s--;
			assert_int_equal(weigh(&source, &f, 0x9000, false, CORE_EPOCH_MS).weight, 0);
		}
	}
}

/* A program that is told of a name's several addresses tries each. */
static void a_port_at_a_further_address_is_cheap(void **state)
{
	struct source source = nobody();
	struct finding web = { .kind = EVIDENCE_SYN, .port = 443, .weight = 28, .stack = true };

	(void)state;
	shown(&source, EVIDENCE_TRAP_WEAK, 2222, HERE, 46, 5);
	assert_int_equal(weight_of(&source, EVIDENCE_SYN, 2222, THERE), WEIGHT_SAME_PORT);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP_WEAK, 2222, THERE), WEIGHT_SAME_PORT);
	assert_int_equal(weight_of(&source, EVIDENCE_SYN, 2223, THERE), 40);
	assert_int_equal(weighed(&source, EVIDENCE_SYN, 2222, THERE, true).weight, 40);
	assert_int_equal(weighed(&source, EVIDENCE_TRAP_WEAK, 2222, THERE, true).weight, 40);
	/* A SYN alone proves no visit: a sweep of one port counts in full, unless it is a browser's. */
	source = nobody();
	shown(&source, EVIDENCE_SYN, 2222, HERE, 28, 5);
	assert_int_equal(weight_of(&source, EVIDENCE_SYN, 2222, THERE), 40);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP_WEAK, 2222, THERE), 40);
	shown(&source, EVIDENCE_SYN, 443, HERE, 28, 5);
	assert_int_equal(weight_of(&source, EVIDENCE_SYN, 443, THERE), 40);
	assert_int_equal(weigh(&source, &web, THERE, false, CORE_EPOCH_MS).weight, WEIGHT_SAME_PORT);
	web.weight = 4; /* never more than it weighs by itself */
	assert_int_equal(weigh(&source, &web, THERE, false, CORE_EPOCH_MS).weight, 4);
	/* not one of another protocol */
	source = nobody();
	shown(&source, EVIDENCE_UDP_TRAP, 2222, HERE, 28, 5);
	assert_int_equal(weight_of(&source, EVIDENCE_SYN, 2222, THERE), 40);
}

static void a_visit_counts_once_a_family(void **state)
{
	struct source source = nobody();

	(void)state;
	trap_family_note(&source.visited, TRAPS_REMOTE, CORE_EPOCH_MS);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP, 513, HERE), 0);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP_WEAK, 514, THERE), 0);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP, 23, HERE), 40);
	/* The visit turns out to be silent: it takes the place of what was counted for it, or of what was not. */
	shown(&source, EVIDENCE_TRAP_WEAK, 513, HERE, 46, 1);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP, 513, HERE), 40);
	source.pieces[0].weight = 0;
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP, 513, HERE), 0);
	/* Ports of one service at one address, spoken to: one visit; with a scanner's mark as many as they are. */
	source = nobody();
	shown(&source, EVIDENCE_TRAP_WEAK, 25, HERE, 46, 1);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP_WEAK, 587, HERE), 0);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP_WEAK, 587, THERE), 40);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP_WEAK, 80, HERE), 40);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP_WEAK, 9999, HERE), 40);
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP, 587, HERE), 40);
	assert_int_equal(weighed(&source, EVIDENCE_TRAP_WEAK, 587, HERE, true).weight, 40);
	source.pieces[0].kind = EVIDENCE_SYN;
	assert_int_equal(weight_of(&source, EVIDENCE_TRAP_WEAK, 587, HERE), 40);
}

static void impossible_flags_weigh_less_each_time(void **state)
{
	struct finding f = { .kind = EVIDENCE_FIN, .port = 22, .weight = 50, .flags = TCP_FIN };
	struct source source = nobody();

	(void)state;
	assert_int_equal(weigh_tag(&f, 0xffff), 0xffc0 | TCP_FIN);
	assert_int_equal(weigh_tag(&f, 0), TCP_FIN);
	assert_int_equal(weigh(NULL, &f, HERE, false, CORE_EPOCH_MS).weight, 50);
	shown(&source, EVIDENCE_FIN, 22, HERE | TCP_FIN, 50, 5);
	f.kind = EVIDENCE_SYNFIN;
	f.flags = TCP_SYN | TCP_FIN;
	assert_int_equal(weigh(&source, &f, weigh_tag(&f, HERE), false, CORE_EPOCH_MS).weight, WEIGHT_FLAGS_SAME_PORT);
	f.port = 23;
	assert_int_equal(weigh(&source, &f, weigh_tag(&f, HERE), false, CORE_EPOCH_MS).weight, WEIGHT_FLAGS_FURTHER);
	for (uint8_t kind = EVIDENCE_NONE + 1; kind < EVIDENCE_KIND_COUNT; kind++) {
		source = nobody();
		shown(&source, (enum evidence_kind)kind, 99, HERE, 20, 5);
		assert_int_equal(weigh(&source, &f, weigh_tag(&f, HERE), false, CORE_EPOCH_MS).weight,
				 judge_group((enum evidence_kind)kind) == GROUP_FLAGS ? WEIGHT_FLAGS_FURTHER : 50);
	}
	f.kind = EVIDENCE_ACK;
	assert_int_equal(weigh_tag(&f, 0xffff), 0xffff);
}

static void what_was_forgiven_weighs_what_it_always_would_have(void **state)
{
	struct evidence piece = { .port = 110, .kind = EVIDENCE_SYN };

	(void)state;
	assert_int_equal(weigh_without_grace(&piece), WEIGHT_SYN_LOW);
	piece.port = 8080;
	assert_int_equal(weigh_without_grace(&piece), WEIGHT_SYN_MIDDLE);
	piece.port = 22; /* excused for another reason */
	assert_int_equal(weigh_without_grace(&piece), 0);
	piece = (struct evidence){ .port = 110, .kind = EVIDENCE_SYN, .weight = 3 };
	assert_int_equal(weigh_without_grace(&piece), 3);
	piece = (struct evidence){ .port = 110, .kind = EVIDENCE_TRAP_WEAK };
	assert_int_equal(weigh_without_grace(&piece), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(further_ports_of_one_service_are_forgiven),
		cmocka_unit_test(so_many_are_forgiven_and_no_more),
		cmocka_unit_test(what_else_it_shows_ends_the_grace),
		cmocka_unit_test(the_same_counts_once_a_day),
		cmocka_unit_test(a_visit_takes_the_place_of_its_syn),
		cmocka_unit_test(honest_hosts_are_granted_a_few),
		cmocka_unit_test(a_port_at_a_further_address_is_cheap),
		cmocka_unit_test(a_visit_counts_once_a_family),
		cmocka_unit_test(impossible_flags_weigh_less_each_time),
		cmocka_unit_test(what_was_forgiven_weighs_what_it_always_would_have),
	};

	return cmocka_run_group_tests_name("weigh", tests, NULL, NULL);
}
