/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What should stand in the kernel, over a fake one: mode and pause, changes that it refuses, the allow list, and what
 * is taken over at the start.
 */
#include "fake_kernel.h"

/* ---- mode and pause ---- */

static void a_pause_keeps_the_sets_and_ends_by_the_clock(void **state)
{
	struct guard *guard = guard_loaded();
	int64_t until_ms = guard->core.now_ms + 60000;

	(void)state;
	block(guard, "198.51.100.7", 0);
	assert_int_equal(enforcer_pause(guard->enforcer, until_ms, guard->core.now_ms), 0);
	assert_int_equal(guard->kernel.rules.mode, NFT_PAUSED);
	assert_int_equal(status_of(guard).paused_until_ms, until_ms);
	assert_non_null(element(guard, NFT_GRADED, "198.51.100.7"));
	remove_table(guard); /* nothing of ours is wanted there now */
	tick(guard, 59000);
	assert_false(guard->kernel.present);
	assert_int_equal(guard->notice_count, 0);
	/* The mode that is chosen meanwhile is that of the time after. */
	assert_int_equal(enforcer_set_mode(guard->enforcer, NFT_OBSERVE, guard->core.now_ms), 0);
	assert_int_equal(enforcer_mode(guard->enforcer), NFT_PAUSED);
	guard->rules.mode = NFT_BLOCK;
	guard->rules.reverse_path = true;
	enforcer_configure(guard->enforcer, &guard->rules);
	assert_int_equal(enforcer_mode(guard->enforcer), NFT_PAUSED);
	tick(guard, 1000);
	assert_int_equal(guard->kernel.rules.mode, NFT_BLOCK);
	assert_true(guard->kernel.rules.reverse_path);
	assert_int_equal(status_of(guard).paused_until_ms, 0);
	assert_true(was_told(guard, "resumed"));
	guard_free(guard);
}

static void a_resume_that_fails_is_tried_each_second(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	assert_int_equal(enforcer_pause(guard->enforcer, 0, guard->core.now_ms), 0);
	tick(guard, 86400000);
	assert_int_equal(enforcer_mode(guard->enforcer), NFT_PAUSED);
	guard->kernel.rules_error = guard->kernel.load_error = -ENOBUFS;
	assert_int_equal(enforcer_resume(guard->enforcer, guard->core.now_ms), -ENOBUFS);
	assert_true(was_told(guard, "cannot resume yet"));
	tick(guard, 1000);
	guard->kernel.rules_error = guard->kernel.load_error = 0;
	tick(guard, 1000);
	assert_int_equal(guard->kernel.rules.mode, NFT_BLOCK);
	assert_int_equal(guard->failures, 1);
	guard_free(guard);
}

static void a_change_of_mode_and_of_interfaces_is_applied(void **state)
{
	static const struct enforcer_interfaces found = { .guarded = { "eth0" }, .guarded_count = 1 };
	struct guard *guard = guard_loaded();

	(void)state;
	assert_int_equal(enforcer_set_mode(guard->enforcer, NFT_OBSERVE, guard->core.now_ms), 0);
	assert_int_equal(guard->kernel.rules.mode, NFT_OBSERVE);
	assert_int_equal(enforcer_set_interfaces(guard->enforcer, &found, guard->core.now_ms), 0);
	assert_string_equal(guard->kernel.rules.interfaces[0], "eth0");
	unsigned replaced = guard->kernel.replaced;
	assert_int_equal(enforcer_set_interfaces(guard->enforcer, &found, guard->core.now_ms), 0);
	assert_int_equal(guard->kernel.replaced, replaced);
	/* A reload keeps what was found, and the queue that is open. */
	guard->rules.queue = 200;
	guard->rules.trap_port_v4 = 1;
	assert_int_equal(enforcer_change(guard->enforcer, &guard->rules, guard->core.now_ms), 0);
	assert_int_equal(guard->kernel.rules.queue, 100);
	assert_int_equal(guard->kernel.rules.interface_count, 1);
	assert_int_equal(guard->kernel.rules.trap_port_v4, 1);
	assert_int_equal(guard->kernel.rules.mode, NFT_BLOCK);
	/* What is configured is not overruled. */
	strcpy(guard->rules.interfaces[0], "wan0");
	guard->rules.interface_count = 1;
	enforcer_configure(guard->enforcer, &guard->rules);
	assert_int_equal(enforcer_set_interfaces(guard->enforcer, &found, guard->core.now_ms), 0);
	assert_string_equal(enforcer_rules(guard->enforcer)->interfaces[0], "wan0");
	guard_free(guard);
}

static void a_refused_change_leaves_everything_as_it_was(void **state)
{
	static const struct enforcer_interfaces found = { .guarded = { "eth0" }, .guarded_count = 1 };
	struct guard *guard = guard_loaded();
	int64_t now_ms = guard->core.now_ms;

	(void)state;
	guard->kernel.rules_error = -ENOMEM;
	assert_int_equal(enforcer_pause(guard->enforcer, now_ms + 60000, now_ms), -ENOMEM);
	assert_int_equal(enforcer_mode(guard->enforcer), NFT_BLOCK);
	assert_int_equal(status_of(guard).paused_until_ms, 0);
	assert_int_equal(enforcer_set_mode(guard->enforcer, NFT_OBSERVE, now_ms), -ENOMEM);
	assert_int_equal(enforcer_mode(guard->enforcer), NFT_BLOCK);
	guard->rules.mode = NFT_OBSERVE;
	guard->rules.reverse_path = true;
	strcpy(guard->rules.interfaces[0], "wan0");
	guard->rules.interface_count = 1;
	assert_int_equal(enforcer_change(guard->enforcer, &guard->rules, now_ms), -ENOMEM);
	assert_memory_equal(enforcer_rules(guard->enforcer), &guard->kernel.rules, sizeof(guard->rules));
	/* Others' changes are still put back, which a pause would not do. */
	guard->kernel.rules_error = 0;
	remove_table(guard);
	tick(guard, 100);
	assert_int_equal(guard->kernel.rules.mode, NFT_BLOCK);
	assert_false(guard->kernel.rules.reverse_path);
	/* Interfaces are found again as long as the kernel refuses them: told once, and taken when it agrees. */
	guard->kernel.rules_error = -ENOMEM;
	for (int i = 0; i < 3; i++)
		assert_int_equal(enforcer_set_interfaces(guard->enforcer, &found, now_ms), -ENOMEM);
	assert_true(was_told(guard, "refused the rules for other interfaces"));
	assert_int_equal(guard->failures, 1);
	guard->kernel.rules_error = 0;
	assert_int_equal(enforcer_set_interfaces(guard->enforcer, &found, now_ms), 0);
	assert_string_equal(guard->kernel.rules.interfaces[0], "eth0");
	guard_free(guard);
}

static void a_refused_change_of_a_lost_table_is_put_back(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	guard->kernel.present = false;
	guard->kernel.load_error = -ENOMEM;
	assert_int_equal(enforcer_pause(guard->enforcer, 0, guard->core.now_ms), -ENOMEM);
	guard->kernel.load_error = 0;
	tick(guard, 1000);
	assert_int_equal(guard->kernel.rules.mode, NFT_BLOCK);
	assert_true(guard->kernel.present);
	guard_free(guard);
}

/* ---- the allow list ---- */

static void the_allow_mirror_moves_by_the_difference(void **state)
{
	struct guard *guard = guard_loaded();
	struct prefix gone = core_prefix("203.0.113.5");

	(void)state;
	allow(guard, "203.0.113.5", 0);
	allow(guard, "203.0.113.0/28", 0);
	allow(guard, "2001:db8::/48", guard->core.now_ms + 60000);
	enforcer_allow_sync(guard->enforcer);
	assert_int_equal(guard->kernel.changed, 3);
	enforcer_allow_sync(guard->enforcer);
	assert_int_equal(guard->kernel.changed, 3);
	engine_disallow(guard->core.engine, &gone);
	allow(guard, "198.51.100.0/24", 0);
	enforcer_allow_sync(guard->enforcer);
	assert_int_equal(guard->kernel.changed, 5);
	assert_null(element(guard, NFT_ALLOW, "203.0.113.5"));
	assert_non_null(element(guard, NFT_ALLOW, "203.0.113.0/28"));
	assert_non_null(element(guard, NFT_ALLOW, "198.51.100.0/24"));
	/* The time of one is over: the kernel hears of it within a second. */
	engine_tick(guard->core.engine, guard->core.now_ms + 60001, guard->core.actions);
	tick(guard, 60001);
	assert_null(element(guard, NFT_ALLOW, "2001:db8::/48"));
	assert_int_equal(guard->kernel.changed, 6);
	/* A refusal is told; the mirror stays as it was, so that the next look tries again. */
	guard->kernel.add_error = -ENFILE;
	allow(guard, "198.51.100.77", 0);
	enforcer_allow_sync(guard->enforcer);
	assert_true(was_told(guard, "did not take the allow list"));
	guard->kernel.add_error = 0;
	tick(guard, 1000);
	assert_non_null(element(guard, NFT_ALLOW, "198.51.100.77"));
	/* One goes and one comes: the number is the same, and a refusal is tried again all the same, told once. */
	guard->kernel.add_error = -ENFILE;
	engine_disallow(guard->core.engine, &gone);
	gone = core_prefix("198.51.100.0/24");
	engine_disallow(guard->core.engine, &gone);
	allow(guard, "192.0.2.1", 0);
	enforcer_allow_sync(guard->enforcer);
	for (int i = 0; i < 5; i++)
		tick(guard, 1000);
	assert_int_equal(guard->failures, 2);
	guard->kernel.add_error = 0;
	tick(guard, 1000);
	assert_non_null(element(guard, NFT_ALLOW, "192.0.2.1"));
	assert_null(element(guard, NFT_ALLOW, "198.51.100.0/24"));
	/* A fresh table has none of it. */
	remove_table(guard);
	tick(guard, 100);
	assert_non_null(element(guard, NFT_ALLOW, "198.51.100.77"));
	assert_non_null(element(guard, NFT_ALLOW, "203.0.113.0/28"));
	guard_free(guard);
}

/* ---- the start ---- */

/* NFT_GRADE_NONE: on the allow list. */
static void stands_in_kernel(struct guard *guard, enum nft_grade grade, const char *source, int64_t left_ms)
{
	guard->kernel.present = true;
	guard->kernel.elements[guard->kernel.count++] = (struct nft_element){ .list = grade ? NFT_GRADED : NFT_ALLOW,
									      .grade = grade,
									      .source = core_prefix(source),
									      .timeout_ms = left_ms };
}

static void a_fresh_table_gets_its_rules_last(void **state)
{
	struct guard *guard = guard_new(NFT_OBSERVE);

	(void)state;
	allow(guard, "203.0.113.5", 0);
	assert_int_equal(enforcer_load(guard->enforcer, guard->core.now_ms), 0);
	assert_int_equal(guard->kernel.loads, 1);
	assert_int_equal(guard->kernel.loaded_mode, NFT_PAUSED);
	assert_int_equal(guard->kernel.rules.mode, NFT_OBSERVE);
	assert_int_equal(guard->kernel.replaced, 1);
	assert_int_equal(guard->loaded, 1);
	assert_non_null(element(guard, NFT_ALLOW, "203.0.113.5"));
	guard_free(guard);
}

static void a_standing_table_is_taken_over_and_loaded_once(void **state)
{
	struct guard *guard = guard_new(NFT_BLOCK);
	struct block_view known = { .source = core_prefix("198.51.100.1"),
				    .grade = GRADE_BAN,
				    .times = 3,
				    .since_ms = guard->core.now_ms - 1000,
				    .until_ms = guard->core.now_ms + 50000,
				    .reason = "restored" };

	(void)state;
	stands_in_kernel(guard, NFT_GRADE_NONE, "203.0.113.9", 0);
	stands_in_kernel(guard, NFT_GRADE_BAN, "198.51.100.1", 50000);
	stands_in_kernel(guard, NFT_GRADE_VEIL, "198.51.100.2", 30000);
	stands_in_kernel(guard, NFT_GRADE_BLOCK, "198.51.100.3", 0);
	stands_in_kernel(guard, NFT_GRADE_BAN, "203.0.113.5", 70000);
	allow(guard, "203.0.113.5", 0);
	assert_int_equal(enforcer_load(guard->enforcer, guard->core.now_ms), 0);
	assert_int_equal(guard->kernel.loads, 0);
	assert_int_equal(guard->kernel.replaced, 1);
	assert_null(element(guard, NFT_ALLOW, "203.0.113.9"));
	assert_non_null(element(guard, NFT_ALLOW, "203.0.113.5"));
	assert_int_equal(engine_restore_block(guard->core.engine, &known, guard->core.now_ms), ENGINE_OK);
	assert_int_equal(enforcer_restore(guard->enforcer, &known, 1, guard->core.now_ms), 0);

	/* What is allowed by now must go; the kernel refuses at first. */
	guard->kernel.stuck = core_prefix("203.0.113.5");
	assert_int_equal(enforcer_take_over_blocks(guard->enforcer, guard->core.now_ms), 2);
	assert_int_equal(guard->kernel.replaced, 1);
	assert_int_equal(core_explain(&guard->core, "198.51.100.1").block.times, 3);
	assert_int_equal(core_explain(&guard->core, "198.51.100.2").block.grade, GRADE_VEIL);
	assert_int_equal(core_explain(&guard->core, "198.51.100.2").block.until_ms, guard->core.now_ms + 30000);
	assert_int_equal(core_explain(&guard->core, "198.51.100.3").block.grade, GRADE_BLOCK);
	assert_int_equal(core_explain(&guard->core, "203.0.113.5").block.grade, GRADE_NONE);
	assert_int_equal(undeleted_of(guard), 1);
	guard->kernel.stuck.len = 0;
	tick(guard, 1000);
	assert_null(element(guard, NFT_GRADED, "203.0.113.5"));
	assert_int_equal(guard->freed_count, 0);
	guard_free(guard);
}

static void restored_blocks_that_were_refused_are_put_in_later(void **state)
{
	struct guard *guard = guard_loaded();
	struct block_view saved = { .source = core_prefix("198.51.100.1"),
				    .grade = GRADE_BAN,
				    .times = 3,
				    .since_ms = guard->core.now_ms - 1000,
				    .until_ms = guard->core.now_ms + 50000,
				    .reason = "restored" };

	(void)state;
	guard->kernel.add_error = -ENOBUFS;
	assert_int_equal(engine_restore_block(guard->core.engine, &saved, guard->core.now_ms), ENGINE_OK);
	assert_int_equal(enforcer_restore(guard->enforcer, &saved, 1, guard->core.now_ms), -ENOBUFS);
	tick(guard, 10000);
	assert_null(element(guard, NFT_GRADED, "198.51.100.1"));
	guard->kernel.add_error = 0;
	tick(guard, 10000);
	assert_int_equal(element(guard, NFT_GRADED, "198.51.100.1")->timeout_ms, 30000);
	assert_int_equal(guard->notice_count, 0);
	guard_free(guard);
}

static void what_the_engine_has_no_room_for_stays_in_the_kernel(void **state)
{
	struct guard *guard = guard_new(NFT_BLOCK);
	struct engine_status status;

	(void)state;
	engine_status(guard->core.engine, &status);
	for (uint32_t i = 0; i < status.blocks_max; i++) {
		struct block_view view = { .source = core_prefix("16.0.0.0"), .grade = GRADE_BLOCK, .times = 1 };

		view.source.addr.b[13] = (uint8_t)(i >> 16);
		view.source.addr.b[14] = (uint8_t)(i >> 8);
		view.source.addr.b[15] = (uint8_t)i;
		assert_int_equal(engine_restore_block(guard->core.engine, &view, guard->core.now_ms), ENGINE_OK);
	}
	stands_in_kernel(guard, NFT_GRADE_BAN, "198.51.100.1", 50000);
	assert_int_equal(enforcer_take_over_blocks(guard->enforcer, guard->core.now_ms), 0);
	assert_non_null(element(guard, NFT_GRADED, "198.51.100.1"));
	guard_free(guard);
}

static void a_load_that_fails_says_why(void **state)
{
	struct guard *guard = guard_new(NFT_BLOCK);

	(void)state;
	guard->kernel.load_error = -EBUSY;
	assert_int_equal(enforcer_load(guard->enforcer, guard->core.now_ms), -EBUSY);
	assert_int_equal(enforcer_take_over_blocks(guard->enforcer, guard->core.now_ms), -ENOENT);
	/* Rules that the standing table does not take: it is replaced by a fresh one. */
	guard->kernel.load_error = 0;
	assert_int_equal(enforcer_change(guard->enforcer, &guard->rules, guard->core.now_ms), 0);
	assert_true(guard->kernel.present);
	guard_free(guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_keeps_the_sets_and_ends_by_the_clock),
		cmocka_unit_test(a_resume_that_fails_is_tried_each_second),
		cmocka_unit_test(a_change_of_mode_and_of_interfaces_is_applied),
		cmocka_unit_test(a_refused_change_leaves_everything_as_it_was),
		cmocka_unit_test(a_refused_change_of_a_lost_table_is_put_back),
		cmocka_unit_test(the_allow_mirror_moves_by_the_difference),
		cmocka_unit_test(a_fresh_table_gets_its_rules_last),
		cmocka_unit_test(a_standing_table_is_taken_over_and_loaded_once),
		cmocka_unit_test(restored_blocks_that_were_refused_are_put_in_later),
		cmocka_unit_test(what_the_engine_has_no_room_for_stays_in_the_kernel),
		cmocka_unit_test(a_load_that_fails_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
