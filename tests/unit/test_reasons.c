/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reasons of blocks: each text once, as long as somebody holds it, and never another's.
 */
#include <stdio.h>

#include "core.h"
#include "engine/reasons.h"

static void a_text_is_kept_once(void **state)
{
	struct reasons *reasons = reasons_new(4, &core_key);
	uint32_t one, other;

	(void)state;
	one = reasons_take(reasons, "a list");
	other = reasons_take(reasons, "another list");
	assert_int_equal(reasons_take(reasons, "a list"), one);
	assert_int_not_equal(one, other);
	assert_int_equal(reasons_take(reasons, ""), 0);
	assert_string_equal(reasons_text(reasons, 0), "");
	reasons_release(reasons, one);
	assert_string_equal(reasons_text(reasons, one), "a list");
	reasons_release(reasons, one);
	reasons_release(reasons, 0);
	assert_int_equal(reasons_take(reasons, "a third"), one); /* its place was free */
	assert_string_equal(reasons_text(reasons, other), "another list");
	reasons_free(reasons);
}

static void a_full_table_says_so(void **state)
{
	struct reasons *reasons = reasons_new(2, &core_key);
	uint32_t first = reasons_take(reasons, "first");

	(void)state;
	assert_int_not_equal(reasons_take(reasons, "a text that is longer than the first one is"), 0);
	assert_int_equal(reasons_take(reasons, "third"), 0);
	assert_int_equal(reasons_take(reasons, "first"), first);
	reasons_free(reasons);
}

/* Of 200 texts of every length, taken and given back at random by 300 holders. */
static void holders_have_what_they_took(void **state)
{
	enum { HOLDERS = 300, TEXTS = 200 };
	struct seed seed = seed_new("holders_have_what_they_took");
	struct reasons *reasons = reasons_new(HOLDERS, &core_key);
	char texts[TEXTS][ENGINE_REASON_MAX];
	uint32_t ids[HOLDERS] = { 0 }, of[HOLDERS] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < TEXTS; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%0*u", (int)(3 + i % (ENGINE_REASON_MAX - 3)), i);
		assert_true(strlen(texts[i]) < ENGINE_REASON_MAX);
	}
	for (int step = 0; step < 100000; step++) {
		uint32_t holder = seed_below(&seed, HOLDERS), from = seed_below(&seed, HOLDERS);

		reasons_release(reasons, ids[holder]);
		if (holder != from && seed_below(&seed, 4) == 0) {
			ids[holder] = ids[from];
			of[holder] = of[from];
			reasons_hold(reasons, ids[holder]);
		} else {
			of[holder] = seed_below(&seed, TEXTS);
			ids[holder] = reasons_take(reasons, texts[of[holder]]);
			assert_int_not_equal(ids[holder], 0);
		}
		if (ids[from])
			assert_string_equal(reasons_text(reasons, ids[from]), texts[of[from]]);
	}
	reasons_free(reasons);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_kept_once),
		cmocka_unit_test(a_full_table_says_so),
		cmocka_unit_test(holders_have_what_they_took),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
