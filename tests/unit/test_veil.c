/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The veil: what each kind of SYN costs, what a forger can do to the three memories, and what time does to them.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include <picket/veil.h>
#include "seed.h"

#define START_MS 1790000000000LL

static struct addr address(const char *text)
{
	struct addr addr;

	assert_true(addr_parse(text, &addr));
	return addr;
}

static struct veil *new_veil(void)
{
	const struct hash_key key = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL };
	struct veil *veil = veil_new(&key, 65536, START_MS);

	assert_non_null(veil);
	return veil;
}

/* What a Linux client sends. */
static struct veil_syn syn_of(const char *source, uint16_t port)
{
	return (struct veil_syn){
		.src = address(source),
		.dst = address(strchr(source, ':') ? "2001:db8:1::1" : "192.0.2.1"),
		.sport = 40000,
		.dport = port,
		.seq = 0x12345678,
		.mss = 1460,
		.option_count = 4,
		.target = VEIL_SERVED,
	};
}

static enum veil_verdict at(struct veil *veil, const struct veil_syn *syn, int64_t after_ms)
{
	return veil_judge(veil, syn, START_MS + after_ms);
}

static void the_identical_repeat_passes_once_it_is_old_enough(void **state)
{
	static const char *const sources[] = { "198.51.100.7", "2001:db8:5:5::7" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct veil *veil = new_veil();
		struct veil_syn first = syn_of(sources[i], 443), other = syn_of(sources[i], 22);

		assert_int_equal(at(veil, &first, 0), VEIL_DROP);
		assert_int_equal(at(veil, &first, 700), VEIL_DROP);
		assert_int_equal(at(veil, &first, 1000), VEIL_PASS);
		/* let in: at once for a minute, whatever its sequence number */
		first.seq++;
		assert_int_equal(at(veil, &first, 1100), VEIL_PASS);
		assert_int_equal(at(veil, &first, 30000), VEIL_PASS);
		/* every further port costs more */
		assert_int_equal(at(veil, &other, 40000), VEIL_DROP);
		assert_int_equal(at(veil, &other, 41000), VEIL_DROP);
		assert_int_equal(at(veil, &other, 43000), VEIL_PASS);
		veil_free(veil);
	}
}

static void what_differs_is_no_repeat(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn syn = syn_of("198.51.100.7", 443);

	(void)state;
	assert_int_equal(at(veil, &syn, 0), VEIL_DROP);
	for (int change = 0; change < 4; change++) {
		struct veil_syn other = syn;

		switch (change) {
		case 0: other.seq++; break;
		case 1: other.sport++; break;
		case 2: other.dst = address("192.0.2.2"); break;
		default: other.src = address("198.51.100.8"); break;
		}
		assert_int_equal(at(veil, &other, 1500), VEIL_DROP);
	}
	/* The options are no part of it: timestamps move. */
	syn.option_count = 3;
	assert_int_equal(at(veil, &syn, 1600), VEIL_PASS);
	veil_free(veil);
}

static void every_kind_of_syn_has_its_price(void **state)
{
	static const struct {
		uint8_t target, option_count;
		uint16_t mss;
		bool tool;
		enum veil_verdict at_once, after_1s, after_3s, after_7s;
	} rows[] = {
		{ VEIL_SERVED, 4, 1460, false, VEIL_DROP, VEIL_PASS, VEIL_PASS, VEIL_PASS },
		{ VEIL_SERVED, 1, 1460, false, VEIL_DROP, VEIL_DROP, VEIL_PASS, VEIL_PASS },
		{ VEIL_SERVED, 0, 0, false, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_DROP },
		{ VEIL_SERVED, 3, 0, false, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_DROP },
		{ VEIL_SERVED, 4, 1460, true, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_DROP },
		{ VEIL_TRAP, 4, 1460, false, VEIL_PASS, VEIL_PASS, VEIL_PASS, VEIL_PASS },
		{ VEIL_TRAP, 1, 1460, false, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_DROP },
		{ VEIL_TRAP, 0, 0, false, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_DROP },
		{ VEIL_TRAP, 4, 1460, true, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_DROP },
		{ VEIL_TRIED, 4, 1460, false, VEIL_REFUSE, VEIL_REFUSE, VEIL_REFUSE, VEIL_REFUSE },
		{ VEIL_TRIED, 0, 0, false, VEIL_REFUSE, VEIL_REFUSE, VEIL_REFUSE, VEIL_REFUSE },
		{ VEIL_TRIED, 4, 1460, true, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_DROP },
		{ VEIL_CLOSED, 4, 1460, false, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_REFUSE },
		{ VEIL_CLOSED, 1, 1460, false, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_REFUSE },
		{ VEIL_CLOSED, 0, 0, false, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_DROP },
		{ VEIL_CLOSED, 4, 1460, true, VEIL_DROP, VEIL_DROP, VEIL_DROP, VEIL_DROP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct veil *veil = new_veil();
		struct veil_syn syn = syn_of("198.51.100.7", 777);

		syn.target = rows[i].target;
		syn.option_count = rows[i].option_count;
		syn.mss = rows[i].mss;
		syn.tool = rows[i].tool;
		assert_int_equal(at(veil, &syn, 0), rows[i].at_once);
		assert_int_equal(at(veil, &syn, 1000), rows[i].after_1s);
		assert_int_equal(at(veil, &syn, 3000), rows[i].after_3s);
		assert_int_equal(at(veil, &syn, 7000), rows[i].after_7s);
		veil_free(veil);
	}
}

static void after_twelve_seconds_it_is_a_first_sight_again(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn syn = syn_of("198.51.100.7", 443);

	(void)state;
	assert_int_equal(at(veil, &syn, 0), VEIL_DROP);
	assert_int_equal(at(veil, &syn, 12100), VEIL_DROP);
	assert_int_equal(at(veil, &syn, 13200), VEIL_PASS);
	veil_free(veil);
}

/* The 16 bits of a cell come round after 655 s; whatever the silence before, an old SYN is never a repeat. */
static void a_stamp_that_comes_round_is_no_repeat(void **state)
{
	static const int64_t silences_ms[] = { 300000, 654360, 655350, 655360, 656500, 1310700, 86400000 };

	(void)state;
	for (size_t i = 0; i < sizeof(silences_ms) / sizeof(silences_ms[0]); i++) {
		for (int ticking = 0; ticking < 2; ticking++) {
			struct veil *veil = new_veil();
			struct veil_syn syn = syn_of("198.51.100.7", 443);

			syn.option_count = 1; /* no attempts */
			assert_int_equal(at(veil, &syn, 0), VEIL_DROP);
			for (int64_t t = 0; ticking && t < silences_ms[i] && t < 1400000; t += 1000)
				veil_tick(veil, START_MS + t);
			assert_int_equal(at(veil, &syn, silences_ms[i]), VEIL_DROP);
			assert_int_equal(at(veil, &syn, silences_ms[i] + 1000), VEIL_DROP);
			assert_int_equal(at(veil, &syn, silences_ms[i] + 3000), VEIL_PASS);
			veil_free(veil);
		}
	}
}

static struct veil_syn random_syn(struct seed *seed)
{
	struct veil_syn syn = syn_of("198.51.100.7", 443);

	for (int i = 12; i < 16; i++)
		syn.src.b[i] = (uint8_t)seed_below(seed, 256);
	syn.sport = (uint16_t)seed_below(seed, 65536);
	syn.seq = (uint32_t)seed_next(seed);
	syn.option_count = 1; /* the filter alone: no quick port, no attempts */
	return syn;
}

/* A flood fills the filter: few strangers' SYNs look seen, and nobody's repeat is lost. */
static void a_flood_neither_hides_nor_evicts(void **state)
{
	enum { FLOOD = 480000, STRANGERS = 1000, FRESH = 20000 };
	struct seed seed = seed_new("a_flood_neither_hides_nor_evicts");
	struct veil *veil = new_veil();
	struct veil_syn *strangers = calloc(STRANGERS, sizeof(*strangers));
	struct veil_stats before, after;

	(void)state;
	assert_non_null(strangers);
	for (int i = 0; i < STRANGERS; i++) {
		strangers[i] = random_syn(&seed);
		at(veil, &strangers[i], 0);
	}
	for (int i = 0; i < FLOOD; i++) {
		struct veil_syn forged = random_syn(&seed);

		at(veil, &forged, 1 + i / 200); /* in 2.4 s */
	}
	veil_stats(veil, &before);
	for (int i = 0; i < FRESH; i++) {
		struct veil_syn fresh = random_syn(&seed);

		at(veil, &fresh, 2500);
	}
	veil_stats(veil, &after);
	/* Of 2^21 cells 480,000 SYNs fill a quarter: a fresh one finds the four of its bucket full once in 60 times. */
	assert_true(after.first_sights - before.first_sights > FRESH * 97 / 100);
	/* A tag is another's once in 70,000 times. */
	assert_in_range(after.first_sights - before.first_sights + after.crowded - before.crowded, FRESH - 10, FRESH);
	for (int i = 0; i < STRANGERS; i++)
		assert_int_equal(at(veil, &strangers[i], 3000), VEIL_PASS);
	free(strangers);
	veil_free(veil);
}

/* 60,000 live SYNs leave one fresh SYN in 100,000 without room; ten times 20,000 are tried. */
static void beside_few_hardly_any_looks_seen(void **state)
{
	enum { LIVE = 60000, FRESH = 20000, ROUNDS = 10 };
	struct seed seed = seed_new("beside_few_hardly_any_looks_seen");
	uint64_t first_sights = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct veil *veil = new_veil();
		struct veil_stats before, after;

		for (int i = 0; i < LIVE + FRESH; i++) {
			struct veil_syn syn = random_syn(&seed);

			if (i == LIVE)
				veil_stats(veil, &before);
			at(veil, &syn, i < LIVE ? 0 : 1000);
		}
		veil_stats(veil, &after);
		first_sights += after.first_sights - before.first_sights;
		veil_free(veil);
	}
	assert_in_range(first_sights, ROUNDS * FRESH - 15, ROUNDS * FRESH);
}

/* 10^6 tuples in a steady flood of 40,000 a second: few are let in, and who repeats after 1 s passes. */
static void nobody_is_early(void **state)
{
	enum { RATE = 40000, FROM_MS = 13000, TO_MS = 25000, WATCHED = 200 };
	struct seed seed = seed_new("nobody_is_early");
	struct veil *veil = new_veil();
	struct veil_syn watched[WATCHED];
	struct veil_stats stats;

	(void)state;
	for (int i = 0; i < WATCHED; i++) {
		watched[i] = random_syn(&seed);
		watched[i].option_count = 4;
	}
	for (int64_t ms = 0; ms < TO_MS; ms++) {
		for (int i = 0; i < RATE / 1000; i++) {
			struct veil_syn forged = random_syn(&seed);

			at(veil, &forged, ms);
		}
		for (int i = 0; i < WATCHED && ms == FROM_MS; i++)
			at(veil, &watched[i], ms);
		for (int i = 0; i < WATCHED && ms == FROM_MS + 1000; i++)
			assert_int_equal(at(veil, &watched[i], ms), VEIL_PASS);
	}
	veil_stats(veil, &stats);
	assert_true(stats.repeats < stats.syns * 2 / 100);
	veil_free(veil);
}

static void a_forger_who_takes_the_quick_port_costs_two_seconds(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn forged = syn_of("198.51.100.7", 25), own = syn_of("198.51.100.7", 443);

	(void)state;
	assert_int_equal(at(veil, &forged, 0), VEIL_DROP);
	assert_int_equal(at(veil, &forged, 1000), VEIL_PASS);
	assert_int_equal(at(veil, &own, 1100), VEIL_DROP);
	assert_int_equal(at(veil, &own, 2100), VEIL_DROP);
	assert_int_equal(at(veil, &own, 4100), VEIL_PASS);
	/* an hour later the place is free */
	own.seq++;
	assert_int_equal(at(veil, &own, 3700000), VEIL_DROP);
	assert_int_equal(at(veil, &own, 3701000), VEIL_PASS);
	veil_free(veil);
}

/* A /64 has one place, for it is one host's or one site's; behind a translator it is the whole internet. */
static void hosts_behind_a_translator_have_a_place_each(void **state)
{
	static const struct {
		const char *one, *other;
		enum veil_verdict after_a_second;
	} cases[] = {
		{ "2001:db8:1::7", "2001:db8:1::8", VEIL_DROP },
		{ "64:ff9b::c633:6407", "64:ff9b::c633:6408", VEIL_PASS },
		{ "64:ff9b:1::c633:6407", "64:ff9b:1::c633:6408", VEIL_PASS },
		{ "2001:0:1:2::7", "2001:0:1:2::8", VEIL_PASS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct veil *veil = new_veil();
		struct veil_syn one = syn_of(cases[i].one, 25), other = syn_of(cases[i].other, 443);

		assert_int_equal(at(veil, &one, 0), VEIL_DROP);
		assert_int_equal(at(veil, &one, 1000), VEIL_PASS);
		assert_int_equal(at(veil, &other, 1100), VEIL_DROP);
		assert_int_equal(at(veil, &other, 2100), cases[i].after_a_second);
		veil_free(veil);
	}
}

/* A packet takes no place, only its repeat does. */
static void a_forger_who_repeats_nothing_takes_no_quick_port(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn forged = syn_of("198.51.100.7", 25), own = syn_of("198.51.100.7", 443);

	(void)state;
	for (int ms = 0; ms < 1100; ms += 10) {
		forged.seq += 7919;
		assert_int_equal(at(veil, &forged, ms), VEIL_DROP);
	}
	assert_int_equal(at(veil, &own, 1100), VEIL_DROP);
	assert_int_equal(at(veil, &own, 2100), VEIL_PASS);
	veil_free(veil);
}

static void a_closed_port_never_takes_the_quick_port(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn closed = syn_of("198.51.100.7", 25), own = syn_of("198.51.100.7", 443);

	(void)state;
	closed.target = VEIL_CLOSED;
	at(veil, &closed, 0);
	assert_int_equal(at(veil, &own, 100), VEIL_DROP);
	assert_int_equal(at(veil, &own, 1100), VEIL_PASS);
	veil_free(veil);
}

static void a_slash_64_is_one_source(void **state)
{
	struct veil *veil = new_veil();
	struct veil_stats stats;

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct veil_syn syn = syn_of("2001:db8:5:5::1", (uint16_t)(1000 + i));

		syn.src.b[15] = (uint8_t)i;
		at(veil, &syn, 0);
		assert_int_equal(at(veil, &syn, 1000), i == 0 ? VEIL_PASS : VEIL_DROP);
	}
	veil_stats(veil, &stats);
	assert_int_equal(stats.quick_taken, 1);
	veil_free(veil);
}

/* A health check that gives up after a second, every five: a new connection, so a new sequence number, each time. */
static void those_who_give_up_get_in_after_two_minutes(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn syn = syn_of("198.51.100.7", 80);
	int64_t in_ms = -1;

	(void)state;
	for (int64_t ms = 0; ms < 200000; ms += 5000) {
		syn.seq += 7919;
		syn.sport++;
		if (at(veil, &syn, ms) == VEIL_PASS && in_ms < 0)
			in_ms = ms;
		if (in_ms >= 0)
			assert_int_equal(at(veil, &syn, ms + 1), VEIL_PASS);
	}
	assert_in_range(in_ms, 120000, 130000);
	/* MSS alone counts no attempts. */
	syn = syn_of("198.51.100.9", 80);
	syn.option_count = 1;
	for (int64_t ms = 300000; ms < 600000; ms += 5000) {
		syn.seq += 7919;
		assert_int_equal(at(veil, &syn, ms), VEIL_DROP);
	}
	veil_free(veil);
}

/* Beside a flood of other sources' attempts the health check still gets in. */
static void a_flood_of_attempts_does_not_evict_the_patient(void **state)
{
	struct seed seed = seed_new("a_flood_of_attempts_does_not_evict_the_patient");
	struct veil *veil = new_veil();
	struct veil_syn syn = syn_of("198.51.100.7", 80);
	int64_t in_ms = -1;

	(void)state;
	for (int64_t ms = 0; ms < 200000 && in_ms < 0; ms++) {
		for (int i = 0; i < 2; i++) {
			struct veil_syn forged = random_syn(&seed);

			forged.option_count = 4;
			at(veil, &forged, ms);
		}
		if (ms % 5000 == 0) {
			syn.seq += 7919;
			if (at(veil, &syn, ms) == VEIL_PASS)
				in_ms = ms;
		}
	}
	assert_in_range(in_ms, 120000, 130000);
	veil_free(veil);
}

/* Who was let in is not asked again while its listener's backlog is full. */
static void a_full_backlog_costs_no_second_price(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn syn = syn_of("198.51.100.7", 80);

	(void)state;
	assert_int_equal(at(veil, &syn, 0), VEIL_DROP);
	assert_int_equal(at(veil, &syn, 1000), VEIL_PASS);
	assert_int_equal(at(veil, &syn, 3000), VEIL_PASS);
	assert_int_equal(at(veil, &syn, 7000), VEIL_PASS);
	assert_int_equal(at(veil, &syn, 15000), VEIL_PASS);
	veil_free(veil);
}

static void time_never_runs_backwards(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn syn = syn_of("198.51.100.7", 80);

	(void)state;
	assert_int_equal(at(veil, &syn, 5000), VEIL_DROP);
	assert_int_equal(at(veil, &syn, 0), VEIL_DROP);
	assert_int_equal(at(veil, &syn, -100000), VEIL_DROP);
	assert_int_equal(at(veil, &syn, 5900), VEIL_PASS);
	veil_free(veil);
}

static struct veil_stats stats_of(const struct veil *veil)
{
	struct veil_stats stats;

	veil_stats(veil, &stats);
	return stats;
}

/* Time alone takes no memory, nor does what is not remembered; an hour without a SYN gives it back. */
static void memory_is_taken_when_it_is_needed(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn syn = syn_of("198.51.100.7", 80), raw = syn, trapped = syn;

	(void)state;
	raw.mss = 0;
	trapped.target = VEIL_TRAP;
	for (int64_t ms = 0; ms < 1000000; ms += 1000)
		veil_tick(veil, START_MS + ms);
	assert_int_equal(at(veil, &raw, 1000000), VEIL_DROP);
	assert_int_equal(at(veil, &trapped, 1000000), VEIL_PASS);
	assert_int_equal(stats_of(veil).memory, 0);
	assert_in_range(stats_of(veil).memory_max, 20 << 20, 21 << 20);
	for (int round = 0; round < 2; round++) {
		int64_t ms = 1000000 + round * 8000000;

		assert_int_equal(at(veil, &syn, ms), VEIL_DROP);
		assert_int_equal(at(veil, &syn, ms + 900), VEIL_PASS);
		assert_int_equal(stats_of(veil).memory, stats_of(veil).memory_max);
		veil_tick(veil, START_MS + ms + 3600000);
		assert_true(stats_of(veil).memory > 0);
		veil_tick(veil, START_MS + ms + 3700000);
		assert_int_equal(stats_of(veil).memory, 0);
	}
	veil_free(veil);
}

/* As much for each source that the engine has room for, up to what the kernel's limit of SYNs asks for. */
static void memory_follows_max_sources(void **state)
{
	static const struct {
		uint32_t max_sources;
		uint64_t part; /* of the most */
	} rows[] = { { 0, 64 }, { 1024, 64 }, { 8192, 8 }, { 8193, 4 }, { 65536, 1 }, { 4194304, 1 } };
	struct veil *largest = new_veil();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct hash_key key = { 1, 2 };
		struct veil *veil = veil_new(&key, rows[i].max_sources, START_MS);
		struct veil_syn syn = syn_of("198.51.100.7", 443);

		assert_int_equal(stats_of(veil).memory_max * rows[i].part, stats_of(largest).memory_max);
		assert_int_equal(at(veil, &syn, 0), VEIL_DROP);
		assert_int_equal(at(veil, &syn, 900), VEIL_PASS);
		veil_free(veil);
	}
	veil_free(largest);
}

#ifndef __SANITIZE_ADDRESS__
/* Where there is none, what is served is let in and what is closed refuses: nobody is shut out, and it is counted. */
static void without_memory_nobody_waits(void **state)
{
	struct veil *veil = new_veil();
	struct veil_syn syn = syn_of("198.51.100.7", 443), closed = syn, trapped = syn, raw = syn;
	struct rlimit old, none = { 0 };

	(void)state;
	closed.target = VEIL_CLOSED;
	trapped.target = VEIL_TRAP;
	raw.mss = 0;
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	for (int ms = 0; ms < 5000; ms += 500) {
		assert_int_equal(at(veil, &syn, ms), VEIL_PASS);
		assert_int_equal(at(veil, &closed, ms), VEIL_REFUSE);
		assert_int_equal(at(veil, &trapped, ms), VEIL_PASS);
		assert_int_equal(at(veil, &raw, ms), VEIL_DROP);
	}
	assert_int_equal(stats_of(veil).unremembered, 20);
	assert_int_equal(stats_of(veil).memory, 0);
	assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
	/* asked for again a second later */
	assert_int_equal(at(veil, &syn, 6000), VEIL_DROP);
	assert_int_equal(at(veil, &syn, 6900), VEIL_PASS);
	assert_int_equal(stats_of(veil).unremembered, 20);
	veil_free(veil);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_identical_repeat_passes_once_it_is_old_enough),
		cmocka_unit_test(what_differs_is_no_repeat),
		cmocka_unit_test(every_kind_of_syn_has_its_price),
		cmocka_unit_test(after_twelve_seconds_it_is_a_first_sight_again),
		cmocka_unit_test(a_stamp_that_comes_round_is_no_repeat),
		cmocka_unit_test(a_flood_neither_hides_nor_evicts),
		cmocka_unit_test(beside_few_hardly_any_looks_seen),
		cmocka_unit_test(nobody_is_early),
		cmocka_unit_test(a_forger_who_takes_the_quick_port_costs_two_seconds),
		cmocka_unit_test(hosts_behind_a_translator_have_a_place_each),
		cmocka_unit_test(a_forger_who_repeats_nothing_takes_no_quick_port),
		cmocka_unit_test(a_closed_port_never_takes_the_quick_port),
		cmocka_unit_test(a_slash_64_is_one_source),
		cmocka_unit_test(those_who_give_up_get_in_after_two_minutes),
		cmocka_unit_test(a_flood_of_attempts_does_not_evict_the_patient),
		cmocka_unit_test(a_full_backlog_costs_no_second_price),
		cmocka_unit_test(time_never_runs_backwards),
		cmocka_unit_test(memory_is_taken_when_it_is_needed),
		cmocka_unit_test(memory_follows_max_sources),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(without_memory_nobody_waits),
#endif
	};

	mallopt(M_MMAP_THRESHOLD, 128 * 1024); /* as picketd: what is freed goes back */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
