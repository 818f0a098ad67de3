/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arithmetic of a source: after any history, pieces and older evidence add up to the sums, and the sums are what an
 * exact account kept beside them says.
 */
#include <math.h>

#include "core.h"
#include "source/source.h"

#define HALF_LIFE_MS 86400000LL
#define HISTORY      2000

static struct decay day, quarter;

struct entry {
	struct evidence piece;
	bool gone;
};

static double faded(const struct entry *entry, int64_t now_s)
{
	double lives = (double)(now_s - entry->piece.at_s) * 1000.0 / HALF_LIFE_MS;

	return entry->piece.weight / (double)EVIDENCE_NAT * exp2(-lives);
}

static double account(const struct entry *entries, size_t count, enum evidence_class class, int64_t now_s)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++) {
		if (!entries[i].gone && evidence_class(entries[i].piece.kind) == class)
			sum += faded(&entries[i], now_s);
	}
	return sum;
}

static double listed(const struct source *source, enum evidence_class class, int64_t now_ms)
{
	double sum = 0;

	for (int i = 0; i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE; i++) {
		if (evidence_class(source->pieces[i].kind) == class)
			sum += score_piece(&source->pieces[i], now_ms, &day);
	}
	for (int i = 0; i < SOURCE_OLDER; i++) {
		if (source->older[i].kind != EVIDENCE_NONE && evidence_class(source->older[i].kind) == class)
			sum += score_older(source, i, now_ms, &day);
	}
	return sum;
}

static void assert_near(double have, double want, const char *what)
{
	if (fabs(have - want) > 0.002 + want * 1e-4)
		fail_msg("%s: %.6f, expected %.6f", what, have, want);
}

static void pieces_add_up_to_the_score(void **state)
{
	static const uint8_t kinds[] = { EVIDENCE_SYN,      EVIDENCE_TRAP, EVIDENCE_UDP,       EVIDENCE_XMAS,
					 EVIDENCE_PROTOCOL, EVIDENCE_MARK, EVIDENCE_SCTP_INIT, EVIDENCE_ICMP_ECHO };
	struct seed seed = seed_new("pieces_add_up_to_the_score");
	struct entry *entries = calloc(HISTORY, sizeof(*entries));
	struct source source = { .key = core_prefix("198.51.100.7") };
	int64_t now_ms = CORE_EPOCH_MS;

	(void)state;
	assert_non_null(entries);
	for (size_t i = 0; i < HISTORY; i++) {
		now_ms += seed_below(&seed, 400000);
		entries[i].piece =
			(struct evidence){ (uint32_t)(now_ms / 1000), (uint16_t)i, 1, (uint8_t)seed_below(&seed, 95),
					   kinds[seed_below(&seed, sizeof(kinds))] };
		score_add(&source, &entries[i].piece, now_ms, &day);
		if (i > 20 && seed_below(&seed, 5) == 0) {
			int at = (int)seed_below(&seed, 6);

			entries[source.pieces[at].port].gone = true; /* each has a port of its own */
			score_remove(&source, at, now_ms, &day);
		}
		for (int class = EVIDENCE_CONFIRMED; class <= EVIDENCE_SUSPECTED; class ++) {
			struct score score = score_at(&source, now_ms, &day);
			double shown = class == EVIDENCE_CONFIRMED ? score.confirmed : score.suspected;

			assert_near(listed(&source, class, now_ms), shown, "listed");
			assert_near(shown, account(entries, i + 1, class, now_ms / 1000), "account");
			assert_true(shown >= 0);
		}
	}
	free(entries);
}

static void what_proves_something_stays_listed(void **state)
{
	struct source source = { .key = core_prefix("198.51.100.7") };
	struct evidence piece = { .at_s = CORE_EPOCH_MS / 1000, .weight = 36, .kind = EVIDENCE_TRAP };
	int listed_traps = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		piece.port++;
		piece.kind = i < 5 ? EVIDENCE_TRAP : EVIDENCE_SYN;
		score_add(&source, &piece, CORE_EPOCH_MS, &day);
	}
	assert_int_equal(source.pieces[0].port, 40);
	for (int i = 0; i < SOURCE_PIECES; i++)
		listed_traps += source.pieces[i].kind == EVIDENCE_TRAP;
	assert_int_equal(listed_traps, 5);
	assert_int_equal(source.pieces[SOURCE_PIECES - 1].port, 1);
}

static void fast_evidence_leaks_to_nothing(void **state)
{
	struct source source = { .key = core_prefix("198.51.100.7") };
	struct evidence piece = { .at_s = CORE_EPOCH_MS / 1000, .port = 1, .weight = 14, .kind = EVIDENCE_ACK };

	(void)state;
	for (int i = 0; i < 30; i++) {
		piece.port++;
		score_add(&source, &piece, CORE_EPOCH_MS, &day);
	}
	assert_near(score_at(&source, CORE_EPOCH_MS, &day).fast, 21.0, "at once");
	assert_near(score_at(&source, CORE_EPOCH_MS + 10000, &day).fast, 21.0 - 2.8, "after 10 s");
	assert_near(score_at(&source, CORE_EPOCH_MS + 80000, &day).fast, 0, "after 80 s");
}

static void halves_are_halves(void **state)
{
	struct source source = { .key = core_prefix("198.51.100.7") };
	struct evidence syn = { .at_s = CORE_EPOCH_MS / 1000, .port = 1, .weight = 28, .kind = EVIDENCE_SYN };
	struct evidence trap = { .at_s = CORE_EPOCH_MS / 1000, .port = 2, .weight = 94, .kind = EVIDENCE_TRAP };
	struct score score;

	(void)state;
	score_add(&source, &syn, CORE_EPOCH_MS, &day);
	score_add(&source, &trap, CORE_EPOCH_MS, &day);
	score = score_at(&source, CORE_EPOCH_MS + HALF_LIFE_MS, &day);
	assert_near(score.suspected, 0.7, "suspected");
	score = score_at(&source, CORE_EPOCH_MS + HALF_LIFE_MS, &day);
	assert_near(score.confirmed, 2.35, "confirmed");
	score_reweigh(&source, 1, 14, CORE_EPOCH_MS, &day);
	assert_near(score_at(&source, CORE_EPOCH_MS, &day).suspected, 0.7, "reweighed");
}

static void the_tables_of_decay_are_exp2(void **state)
{
	static const int64_t half_lives[] = { 1000, HALF_LIFE_MS, 30 * HALF_LIFE_MS };

	(void)state;
	for (size_t i = 0; i < sizeof(half_lives) / sizeof(half_lives[0]); i++) {
		struct evidence piece = { .at_s = CORE_EPOCH_MS / 1000, .weight = EVIDENCE_NAT, .kind = EVIDENCE_SYN };
		struct decay decay;

		decay_init(&decay, half_lives[i]);
		for (int64_t after_s = 0; after_s < 1LL << 25; after_s += 1 + after_s / 50) {
			double left = score_piece(&piece, CORE_EPOCH_MS + after_s * 1000, &decay);
			double want = exp2(-(double)after_s * 1000 / (double)half_lives[i]);

			assert_true(fabs(left - want) <= want * 1e-12 + 1e-300);
		}
	}
}

static void another_half_life_keeps_the_sums_true(void **state)
{
	struct source source = { .key = core_prefix("198.51.100.7") };
	int64_t now_ms = CORE_EPOCH_MS;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct evidence piece = { (uint32_t)(now_ms / 1000), (uint16_t)i, 1, 28, EVIDENCE_SYN };

		score_add(&source, &piece, now_ms, &day);
		now_ms += 600000;
	}
	score_rebase(&source, now_ms, &day, &quarter);
	for (int i = 0; i < 3; i++, now_ms += 3600000) {
		double sum = 0;

		for (int p = 0; p < SOURCE_PIECES; p++)
			sum += score_piece(&source.pieces[p], now_ms, &quarter);
		sum += score_older(&source, 0, now_ms, &quarter);
		assert_near(sum, score_at(&source, now_ms, &quarter).suspected, "listed");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_add_up_to_the_score),
		cmocka_unit_test(what_proves_something_stays_listed),
		cmocka_unit_test(fast_evidence_leaks_to_nothing),
		cmocka_unit_test(halves_are_halves),
		cmocka_unit_test(the_tables_of_decay_are_exp2),
		cmocka_unit_test(another_half_life_keeps_the_sums_true),
	};

	decay_init(&day, HALF_LIFE_MS);
	decay_init(&quarter, HALF_LIFE_MS / 4);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
