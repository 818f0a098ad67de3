/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The veil at its limits: when a repeat is old enough, when it is forgotten, how long who was let in stays so, when
 * attempts suffice; what is counted under which name; what is a SYN at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <picket/probe.h>
#include <picket/veil.h>

#include "in_use.h"

#define START_MS 1790000000000LL
#define HOUR_MS  3600000LL

static const struct hash_key key = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL };

static struct veil_syn syn_to(uint16_t port, enum veil_target target)
{
	struct veil_syn syn = {
		.sport = 40000, .dport = port, .seq = 1, .mss = 1460, .option_count = 4, .target = (uint8_t)target
	};

	assert_true(addr_parse("198.51.100.7", &syn.src) && addr_parse("192.0.2.1", &syn.dst));
	return syn;
}

static enum veil_verdict at(struct veil *veil, const struct veil_syn *syn, int64_t after_ms)
{
	return veil_judge(veil, syn, START_MS + after_ms);
}

static struct veil *new_veil(void)
{
	struct veil *veil = veil_new(&key, 1024, START_MS);

	assert_non_null(veil);
	return veil;
}

static void a_repeat_is_as_old_as_it_must_be(void **state)
{
	static const struct {
		uint8_t target, option_count;
		int64_t after_ms;
		enum veil_verdict verdict;
	} cases[] = {
		{ VEIL_SERVED, 4, 790, VEIL_DROP },    { VEIL_SERVED, 4, 800, VEIL_PASS },
		{ VEIL_SERVED, 2, 800, VEIL_PASS },    { VEIL_SERVED, 1, 2490, VEIL_DROP },
		{ VEIL_SERVED, 1, 2500, VEIL_PASS },   { VEIL_CLOSED, 4, 5990, VEIL_DROP },
		{ VEIL_CLOSED, 4, 6000, VEIL_REFUSE }, { VEIL_SERVED, 1, 12000, VEIL_PASS },
		{ VEIL_SERVED, 1, 12010, VEIL_DROP },  { VEIL_CLOSED, 1, 12010, VEIL_DROP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct veil *veil = new_veil();
		struct veil_syn syn = syn_to(777, (enum veil_target)cases[i].target);

		syn.option_count = cases[i].option_count;
		assert_int_equal(at(veil, &syn, 0), VEIL_DROP);
		if (at(veil, &syn, cases[i].after_ms) != cases[i].verdict)
			fail_msg("case %zu", i);
		veil_free(veil);
	}
}

static void who_was_let_in_stays_so_for_a_minute(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn syn = syn_to(443, VEIL_SERVED), other = syn_to(444, VEIL_SERVED);

	(void)state;
	at(veil, &syn, 0);
	assert_int_equal(at(veil, &syn, 1000), VEIL_PASS);
	syn.seq++;
	assert_int_equal(at(veil, &syn, 60999), VEIL_PASS); /* which begins the minute anew */
	syn.seq++;
	assert_int_equal(at(veil, &other, 61000), VEIL_DROP); /* one port, not all */
	assert_int_equal(at(veil, &syn, 119999), VEIL_PASS);
	syn.seq++;
	assert_int_equal(at(veil, &syn, 180000), VEIL_DROP);
	veil_free(veil);
}

/* Three attempts in two minutes or more, and within an hour; a place is quick for an hour. */
static void attempts_suffice_after_two_minutes(void **state)
{
	static const struct {
		int64_t at_s[3];
		unsigned count;
		enum veil_verdict last;
	} cases[] = {
		{ { 0, 60, 120 }, 3, VEIL_PASS },    { { 0, 60, 119 }, 3, VEIL_DROP },
		{ { 0, 0, 120 }, 3, VEIL_PASS },     { { 0, 1800, 3600 }, 3, VEIL_PASS },
		{ { 0, 1800, 3601 }, 3, VEIL_DROP }, { { 0, 120 }, 2, VEIL_DROP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct veil *veil = new_veil();
		struct veil_syn syn = syn_to(80, VEIL_SERVED);
		enum veil_verdict verdict = VEIL_DROP;

		for (unsigned n = 0; n < cases[i].count; n++) {
			syn.seq += 7919;
			verdict = at(veil, &syn, cases[i].at_s[n] * 1000);
		}
		if (verdict != cases[i].last)
			fail_msg("case %zu", i);
		veil_free(veil);
	}
}

static void a_quick_place_is_free_after_an_hour(void **state)
{
	static const int64_t later_ms[] = { HOUR_MS - 3000, HOUR_MS };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct veil *veil = new_veil();
		struct veil_syn first = syn_to(25, VEIL_SERVED), other = syn_to(443, VEIL_SERVED);

		at(veil, &first, 0);
		assert_int_equal(at(veil, &first, 1000), VEIL_PASS);
		assert_int_equal(at(veil, &other, 1000 + later_ms[i]), VEIL_DROP);
		assert_int_equal(at(veil, &other, 2000 + later_ms[i]), i ? VEIL_PASS : VEIL_DROP);
		veil_free(veil);
	}
}

/* Each SYN is counted once as a SYN, and once under what became of it. */
static void each_verdict_has_its_counter(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn served = syn_to(443, VEIL_SERVED), closed = syn_to(777, VEIL_CLOSED),
			tried = syn_to(80, VEIL_TRIED), trap = syn_to(23, VEIL_TRAP), raw = served;
	struct veil_stats s;

	(void)state;
	raw.mss = 0;
	at(veil, &served, 0);    /* first sight */
	at(veil, &served, 100);  /* early */
	at(veil, &served, 900);  /* repeat, takes the quick port */
	at(veil, &served, 1000); /* again */
	at(veil, &closed, 1000); /* first sight */
	at(veil, &closed, 2000); /* early */
	at(veil, &closed, 8000); /* refused */
	at(veil, &tried, 8000);  /* refused */
	at(veil, &trap, 8000);   /* trapped */
	at(veil, &raw, 8000);    /* raw */
	tried.tool = true;
	at(veil, &tried, 8000);            /* raw */
	for (unsigned n = 0; n < 3; n++) { /* two first sights, and an attempt that suffices */
		served.dport = 22;
		served.seq += 7919;
		at(veil, &served, 10000 + n * 60000);
	}
	veil_stats(veil, &s);
	assert_int_equal(s.syns, 14);
	assert_int_equal(s.first_sights, 4);
	assert_int_equal(s.early, 2);
	assert_int_equal(s.repeats, 1);
	assert_int_equal(s.quick_taken, 1);
	assert_int_equal(s.again, 1);
	assert_int_equal(s.refused, 2);
	assert_int_equal(s.trapped, 1);
	assert_int_equal(s.raw, 2);
	assert_int_equal(s.attempts, 1);
	assert_int_equal(s.unremembered + s.crowded + s.evicted, 0);
	veil_free(veil);
}

static void a_syn_is_known_by_its_flags_alone(void **state)
{
	struct packet packet = { .protocol = PROTO_TCP };

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		packet.tcp_flags = (uint8_t)flags;
		assert_int_equal(veil_is_syn(&packet), (flags & TCP_SYN) && !(flags & (TCP_FIN | TCP_RST | TCP_ACK)));
	}
	packet.tcp_flags = TCP_SYN;
	packet.protocol = PROTO_UDP;
	assert_false(veil_is_syn(&packet));
	for (unsigned port = 0; port < 65536; port++)
		assert_int_equal(veil_is_tried((uint16_t)port),
				 port == 80 || port == 113 || port == 443 || port == 853);
}

/* A tool's exact mark is no stack's; nmap's pattern is that of small devices as well. */
static void a_packet_is_taken_over_whole(void **state)
{
	struct packet packet = { .protocol = PROTO_TCP,
				 .sport = 40000,
				 .dport = 443,
				 .seq = 0x01020304,
				 .tcp_flags = TCP_SYN,
				 .window = 1024,
				 .mss = 1460,
				 .tcp_option_count = 1,
				 .ip_id = 7 };
	struct veil_syn syn;

	(void)state;
	assert_true(addr_parse("198.51.100.7", &packet.src) && addr_parse("192.0.2.1", &packet.dst));
	assert_int_equal(judge_mark(&packet), TOOL_NMAP);
	syn = veil_syn_of(&packet, VEIL_TRAP);
	assert_true(addr_equal(&syn.src, &packet.src) && addr_equal(&syn.dst, &packet.dst));
	assert_true(syn.sport == 40000 && syn.dport == 443 && syn.seq == 0x01020304 && syn.mss == 1460);
	assert_true(syn.option_count == 1 && syn.target == VEIL_TRAP && !syn.tool);
	packet.window = 65535;
	assert_false(veil_syn_of(&packet, VEIL_TRAP).tool);
	packet.ip_id = 54321; /* ZMap */
	assert_true(veil_syn_of(&packet, VEIL_TRAP).tool);
}

static void a_veil_that_ends_leaves_nothing_behind(void **state)
{
	size_t before = 0;

	(void)state;
	for (int round = 0; round < 3; round++) {
		struct veil *veil = new_veil();
		struct veil_syn syn = syn_to(443, VEIL_SERVED);

		at(veil, &syn, 0);
		veil_free(veil);
		if (round > 0) /* the first leaves what the C library keeps for itself */
			assert_int_equal(in_use(), before);
		before = in_use();
	}
	veil_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_repeat_is_as_old_as_it_must_be),
		cmocka_unit_test(who_was_let_in_stays_so_for_a_minute),
		cmocka_unit_test(attempts_suffice_after_two_minutes),
		cmocka_unit_test(a_quick_place_is_free_after_an_hour),
		cmocka_unit_test(each_verdict_has_its_counter),
		cmocka_unit_test(a_syn_is_known_by_its_flags_alone),
		cmocka_unit_test(a_packet_is_taken_over_whole),
		cmocka_unit_test(a_veil_that_ends_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("limits of the veil", tests, NULL, NULL);
}
