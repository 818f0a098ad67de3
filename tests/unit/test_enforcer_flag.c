/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of the flow's flag, over a fake kernel: which kind, when another value, what makes it void.
 */
#include "fake_kernel.h"

#define MASK 0xff000000u

static const struct conntrack_names no_names = { { -1, -1 }, NULL };

static struct guard *guard_flagging(enum flow_flag_kind wish)
{
	struct guard *guard = guard_new(NFT_BLOCK);

	enforcer_flag_configure(guard->enforcer, wish, MASK, &no_names);
	assert_int_equal(enforcer_load(guard->enforcer, guard->core.now_ms), 0);
	tick(guard, 100);
	return guard;
}

static void a_value_lasts_a_quarter_of_an_hour(void **state)
{
	struct guard *guard = guard_flagging(FLOW_FLAG_AUTO);
	struct flow_flag first = guard->kernel.flag;

	(void)state;
	assert_int_equal(first.kind, FLOW_FLAG_MARK);
	assert_int_equal(first.mask, MASK);
	assert_int_not_equal(first.value, 0);
	assert_int_equal(first.value & ~MASK, 0);
	tick(guard, 14 * 60000);
	assert_int_equal(guard->kernel.flag.value, first.value);
	tick(guard, 60000);
	assert_int_not_equal(guard->kernel.flag.value, first.value);
	assert_int_equal(status_of(guard).flag_values, 2);
	guard_free(guard);
}

static void no_value_is_nothing_and_none_follows_itself(void **state)
{
	struct guard *guard = guard_flagging(FLOW_FLAG_MARK);
	uint32_t before = guard->kernel.flag.value;

	(void)state;
	for (int i = 0; i < 600; i++) {
		tick(guard, 15 * 60000);
		assert_int_not_equal(guard->kernel.flag.value, 0);
		assert_int_not_equal(guard->kernel.flag.value, before);
		before = guard->kernel.flag.value;
	}
	guard_free(guard);
}

/* A foreign rule that happens to write the first value would let its flows pass. */
static void the_first_value_is_nobodys_guess(void **state)
{
	struct guard *guard = guard_flagging(FLOW_FLAG_MARK);
	uint32_t first = guard->kernel.flag.value;
	bool other = false;

	(void)state;
	guard_free(guard);
	for (int i = 0; i < 8; i++) {
		guard = guard_flagging(FLOW_FLAG_MARK);
		other |= guard->kernel.flag.value != first;
		guard_free(guard);
	}
	assert_true(other);
}

static void a_block_makes_it_void_at_once_and_a_ban_does_not(void **state)
{
	struct guard *guard = guard_flagging(FLOW_FLAG_MARK);
	struct prefix source = core_prefix("198.51.100.9");
	struct action ban = { .type = ACTION_ADD, .grade = GRADE_BAN, .source = source, .duration_ms = 60000 };

	(void)state;
	guard->core.actions->count = 1;
	guard->core.actions->items[0] = ban;
	act(guard);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_MARK);
	block(guard, "198.51.100.7", 60000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_NONE);
	assert_int_equal(status_of(guard).flag, FLOW_FLAG_NONE);
	/* The loop comes back for the next value within a second, then not before that has had its time. */
	assert_true(enforcer_due_ms(guard->enforcer) <= guard->core.now_ms + 1000);
	tick(guard, 1000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_MARK);
	assert_true(enforcer_due_ms(guard->enforcer) > guard->core.now_ms + 60000);
	guard_free(guard);
}

static void there_is_one_value_a_second_however_many_blocks(void **state)
{
	struct guard *guard = guard_flagging(FLOW_FLAG_MARK);
	char source[32];

	(void)state;
	tick(guard, 5000);
	for (int i = 0; i < 50; i++) {
		snprintf(source, sizeof(source), "203.0.113.%d", i + 1);
		block(guard, source, 60000);
		assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_NONE);
		tick(guard, 100);
	}
	assert_in_range(status_of(guard).flag_values, 5, 7);
	tick(guard, 1000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_MARK);
	guard_free(guard);
}

static void a_ban_that_cuts_makes_it_void(void **state)
{
	struct guard *guard = guard_flagging(FLOW_FLAG_MARK);
	struct prefix source = core_prefix("198.51.100.9");

	(void)state;
	guard->rules.cut_running = true;
	assert_int_equal(enforcer_change(guard->enforcer, &guard->rules, guard->core.now_ms), 0);
	assert_int_equal(guard->kernel.rules.flag.kind, FLOW_FLAG_NONE);
	assert_true(guard->kernel.rules.out);
	tick(guard, 1000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_MARK);
	guard->core.actions->count = 1;
	guard->core.actions->items[0] =
		(struct action){ .type = ACTION_ADD, .grade = GRADE_BAN, .source = source, .duration_ms = 60000 };
	act(guard);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_NONE);
	guard_free(guard);
}

static void who_else_uses_the_mark_gets_it(void **state)
{
	struct guard *guard = guard_flagging(FLOW_FLAG_AUTO);

	(void)state;
	guard->kernel.users.mark = guard->kernel.others_changed = true;
	tick(guard, 6000);
	tick(guard, 1000);
	tick(guard, 100);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_LABEL);
	assert_in_range(guard->kernel.flag.bit, 96, 127);
	assert_true(was_told(guard, "flow_flag is label now"));
	guard->kernel.users.label = true; /* nobody told: seen within a minute */
	tick(guard, 60000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_NONE);
	guard->kernel.users.mark = guard->kernel.users.label = false;
	tick(guard, 60000);
	tick(guard, 1000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_MARK);
	guard_free(guard);
}

static void a_wish_is_followed_whoever_uses_it(void **state)
{
	struct guard *guard = guard_flagging(FLOW_FLAG_MARK);

	(void)state;
	guard->kernel.users.mark = guard->kernel.others_changed = true;
	tick(guard, 120000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_MARK);
	enforcer_flag_configure(guard->enforcer, FLOW_FLAG_NONE, MASK, &no_names);
	tick(guard, 2000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_NONE);
	tick(guard, 3600000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_NONE);
	guard_free(guard);
}

static void other_bits_are_taken_with_the_next_value(void **state)
{
	struct guard *guard = guard_flagging(FLOW_FLAG_MARK);

	(void)state;
	enforcer_flag_configure(guard->enforcer, FLOW_FLAG_MARK, 0x00000f00, &no_names);
	assert_int_equal(enforcer_change(guard->enforcer, &guard->rules, guard->core.now_ms), 0);
	for (int i = 0; i < 30; i++)
		tick(guard, 100);
	assert_int_equal(guard->kernel.flag.mask, 0x00000f00);
	assert_int_equal(guard->kernel.flag.value & ~0x00000f00u, 0);
	assert_int_not_equal(guard->kernel.flag.value, 0);
	guard_free(guard);
}

static void what_cannot_be_cleared_is_not_used(void **state)
{
	struct guard *guard = guard_new(NFT_BLOCK);

	(void)state;
	guard->kernel.clear_error = -EOPNOTSUPP;
	fake_clear_error = &guard->kernel.clear_error;
	enforcer_flag_configure(guard->enforcer, FLOW_FLAG_MARK, MASK, &no_names);
	assert_int_equal(enforcer_load(guard->enforcer, guard->core.now_ms), 0);
	tick(guard, 100);
	tick(guard, 30000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_NONE);
	assert_true(was_told(guard, "flows cannot be flagged"));
	assert_int_equal(guard->failures, 1);
	guard->kernel.clear_error = 0;
	tick(guard, 60000);
	assert_int_equal(guard->kernel.flag.kind, FLOW_FLAG_MARK);
	fake_clear_error = NULL;
	guard_free(guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_lasts_a_quarter_of_an_hour),
		cmocka_unit_test(no_value_is_nothing_and_none_follows_itself),
		cmocka_unit_test(the_first_value_is_nobodys_guess),
		cmocka_unit_test(a_block_makes_it_void_at_once_and_a_ban_does_not),
		cmocka_unit_test(there_is_one_value_a_second_however_many_blocks),
		cmocka_unit_test(a_ban_that_cuts_makes_it_void),
		cmocka_unit_test(who_else_uses_the_mark_gets_it),
		cmocka_unit_test(a_wish_is_followed_whoever_uses_it),
		cmocka_unit_test(other_bits_are_taken_with_the_next_value),
		cmocka_unit_test(what_cannot_be_cleared_is_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
