/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The enforcer over a fake kernel: what it does when the kernel refuses, forgets, or is changed by others.  The clock
 * is the test's.
 */
#include "fake_kernel.h"

/* ---- refusals ---- */

static void a_refused_addition_is_told_to_its_event(void **state)
{
	static const int reasons[] = { -ENFILE, -EEXIST, -ENOBUFS };
	struct guard *guard = guard_loaded();

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		guard->kernel.add_error = reasons[i];
		block(guard, "198.51.100.7", 60000);
		assert_int_equal(guard->core.actions->items[0].type, ACTION_ADD);
		assert_int_equal(guard->core.actions->items[1].type, ACTION_EVENT);
		assert_int_equal(guard->errors[0], reasons[i]);
		assert_int_equal(guard->errors[1], reasons[i]);
		assert_int_equal(status_of(guard).refused, i + 1);
	}
	guard->kernel.add_error = 0;
	block(guard, "198.51.100.7", 60000);
	assert_int_equal(guard->errors[0], 0);
	assert_int_equal(guard->errors[1], 0);
	assert_int_equal(element(guard, NFT_GRADED, "198.51.100.7")->timeout_ms, 60000);
	guard_free(guard);
}

static void restore(struct guard *guard, unsigned count, enum grade grade)
{
	struct block_view views[32] = { 0 };
	char source[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(source, sizeof(source), "203.0.113.%u", 100 * (grade == GRADE_BAN) + i + 1);
		views[i] = (struct block_view){ .source = core_prefix(source),
						.grade = (uint8_t)grade,
						.since_ms = guard->core.now_ms,
						.until_ms = guard->core.now_ms + 3600000 };
		assert_int_equal(engine_restore_block(guard->core.engine, &views[i], guard->core.now_ms), ENGINE_OK);
	}
	assert_int_equal(enforcer_restore(guard->enforcer, views, count, guard->core.now_ms), 0);
}

static size_t standing(const struct guard *guard, enum nft_grade grade)
{
	size_t count = 0;

	for (size_t i = 0; i < guard->kernel.count; i++)
		count += guard->kernel.elements[i].list == NFT_GRADED && guard->kernel.elements[i].grade == grade;
	return count;
}

/* The kernel's map is smaller than what the engine was told: no ban and no block may suffer from that. */
static void a_block_finds_room_in_a_full_map(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	guard->kernel.graded_max = 8;
	restore(guard, 8, GRADE_VEIL);
	block(guard, "198.51.100.7", 60000);
	assert_int_equal(guard->errors[0], 0);
	assert_non_null(element(guard, NFT_GRADED, "198.51.100.7"));
	assert_int_equal(standing(guard, NFT_GRADE_VEIL), 7);
	assert_int_equal(core_status(&guard->core).veils, 7);
	assert_int_equal(core_status(&guard->core).gave_way, 1);
	assert_int_equal(status_of(guard).refused, 0);
	guard_free(guard);
}

static void where_no_veil_is_left_a_block_is_refused(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	guard->kernel.graded_max = 2;
	block(guard, "198.51.100.7", 60000);
	block(guard, "198.51.100.8", 60000);
	block(guard, "198.51.100.9", 60000);
	assert_int_equal(guard->errors[0], -ENFILE);
	assert_int_equal(status_of(guard).refused, 1);
	guard_free(guard);
}

static void of_what_is_restored_into_a_small_map_bans_stand(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	guard->kernel.graded_max = 8;
	restore(guard, 12, GRADE_VEIL);
	assert_int_equal(standing(guard, NFT_GRADE_VEIL), 8);
	restore(guard, 3, GRADE_BAN);
	assert_int_equal(standing(guard, NFT_GRADE_BAN), 3);
	assert_int_equal(standing(guard, NFT_GRADE_VEIL), 5);
	assert_int_equal(core_status(&guard->core).veils, 5);
	assert_int_equal(core_status(&guard->core).bans, 3);
	/* The same when the table is loaded anew. */
	remove_table(guard);
	tick(guard, 100);
	assert_int_equal(standing(guard, NFT_GRADE_BAN), 3);
	assert_int_equal(standing(guard, NFT_GRADE_VEIL), 5);
	guard_free(guard);
}

/* On a small machine the engine knows what the kernel takes: veils leave a quarter of the map to bans and blocks. */
static void the_engine_is_told_the_room(void **state)
{
	struct guard *guard = guard_new(NFT_BLOCK);

	(void)state;
	enforcer_close(guard->enforcer);
	guard->kernel.graded_max = 8;
	open_enforcer(guard);
	assert_int_equal(core_status(&guard->core).veils_max, 6);
	assert_int_equal(enforcer_load(guard->enforcer, guard->core.now_ms), 0);
	for (unsigned i = 1; i <= 10; i++) {
		struct block_view view = { .grade = GRADE_VEIL, .until_ms = guard->core.now_ms + 3600000 };
		char source[32];

		snprintf(source, sizeof(source), "203.0.113.%u", i);
		view.source = core_prefix(source);
		assert_int_equal(engine_restore_block(guard->core.engine, &view, guard->core.now_ms),
				 i <= 6 ? ENGINE_OK : ENGINE_FULL);
	}
	assert_int_equal(core_status(&guard->core).veils_refused, 4);
	guard_free(guard);
}

static void one_refused_deletion_does_not_spoil_the_others(void **state)
{
	struct guard *guard = guard_loaded();
	char source[32];
	unsigned refused = 0;

	(void)state;
	for (int i = 1; i <= 5; i++) {
		snprintf(source, sizeof(source), "198.51.100.%d", i);
		block(guard, source, 0);
	}
	guard->kernel.stuck = core_prefix("198.51.100.3");
	unblock(guard, "198.51.100.0/24");
	for (size_t i = 0; i < guard->core.actions->count; i++) {
		const struct action *action = &guard->core.actions->items[i];
		bool stuck = prefix_equal(&action->source, &guard->kernel.stuck);

		assert_int_equal(guard->errors[i], stuck ? -EBUSY : 0);
		refused += stuck;
	}
	assert_int_equal(refused, 2); /* the deletion and its event */
	assert_int_equal(guard->kernel.count, 1);
	assert_non_null(element(guard, NFT_GRADED, "198.51.100.3"));
	assert_int_equal(undeleted_of(guard), 1);
	guard_free(guard);
}

static void a_refused_deletion_is_tried_again_each_second(void **state)
{
	struct guard *guard = guard_loaded();
	struct prefix source = core_prefix("198.51.100.7");

	(void)state;
	block(guard, "198.51.100.7", 0);
	guard->kernel.delete_error = -ENOMEM;
	unblock(guard, "198.51.100.7");
	assert_int_equal(guard->errors[0], -ENOMEM);
	assert_int_equal(guard->errors[1], -ENOMEM);
	engine_unblock_failed(guard->core.engine, &source, guard->core.now_ms);
	assert_int_equal(core_explain(&guard->core, "198.51.100.7").block.grade, GRADE_BLOCK);
	guard->kernel.deletions = 0;
	for (int i = 0; i < 30; i++)
		tick(guard, 100);
	assert_int_equal(guard->kernel.deletions, 3);
	assert_int_equal(guard->freed_count, 0);
	guard->kernel.delete_error = 0;
	tick(guard, 1000);
	assert_int_equal(guard->freed_count, 1);
	assert_true(prefix_equal(&guard->freed, &source));
	assert_null(element(guard, NFT_GRADED, "198.51.100.7"));
	assert_int_equal(undeleted_of(guard), 0);
	tick(guard, 1000);
	assert_int_equal(guard->freed_count, 1);
	assert_int_equal(guard->notice_count, 0);
	guard_free(guard);
}

/* A block takes the veil's place in the map: there is one element to let go of. */
static void a_stricter_grade_takes_the_place(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	core_scan(&guard->core, "198.51.100.7");
	act(guard);
	assert_int_equal(element(guard, NFT_GRADED, "198.51.100.7")->grade, NFT_GRADE_VEIL);
	block(guard, "198.51.100.7", 0);
	assert_int_equal(element(guard, NFT_GRADED, "198.51.100.7")->grade, NFT_GRADE_BLOCK);
	assert_int_equal(guard->kernel.count, 1);
	guard->kernel.stuck = core_prefix("198.51.100.7");
	unblock(guard, "198.51.100.7");
	assert_int_equal(guard->core.actions->count, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(guard->errors[i], -EBUSY);
	assert_int_equal(undeleted_of(guard), 1);
	guard->kernel.stuck.len = 0;
	tick(guard, 1000);
	assert_int_equal(guard->freed_count, 1);
	assert_int_equal(guard->kernel.count, 0);
	guard_free(guard);
}

/* The chains on the way out exist while somebody is blocked, and no longer. */
static void the_way_out_stands_while_somebody_is_blocked(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	core_scan(&guard->core, "198.51.100.7");
	act(guard);
	assert_false(guard->kernel.rules.out);
	block(guard, "198.51.100.8", 0);
	assert_true(guard->kernel.rules.out);
	unblock(guard, "198.51.100.8");
	tick(guard, 1000);
	assert_false(guard->kernel.rules.out);
	guard_free(guard);
}

static void what_is_blocked_anew_is_not_deleted(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	core_scan(&guard->core, "198.51.100.7");
	act(guard);
	block(guard, "198.51.100.7", 0);
	guard->kernel.delete_error = -ENOMEM;
	unblock(guard, "198.51.100.7");
	assert_int_equal(undeleted_of(guard), 1);
	guard->kernel.delete_error = 0;
	block(guard, "198.51.100.7", 60000);
	tick(guard, 5000);
	assert_non_null(element(guard, NFT_GRADED, "198.51.100.7"));
	assert_int_equal(undeleted_of(guard), 0);
	assert_int_equal(guard->freed_count, 0);
	guard_free(guard);
}

static void a_flush_is_whole_or_nothing(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	core_scan(&guard->core, "198.51.100.7");
	act(guard);
	block(guard, "198.51.100.8", 0);
	guard->kernel.flush_error = -EPERM;
	assert_int_equal(enforcer_flush(guard->enforcer), -EPERM);
	assert_non_null(element(guard, NFT_GRADED, "198.51.100.7"));
	assert_non_null(element(guard, NFT_GRADED, "198.51.100.8"));
	guard->kernel.flush_error = 0;
	assert_int_equal(enforcer_flush(guard->enforcer), 0);
	assert_int_equal(guard->kernel.count, 0);
	guard->kernel.present = false;
	assert_int_equal(enforcer_flush(guard->enforcer), 0);
	guard_free(guard);
}

static void more_refused_deletions_than_are_kept_are_given_up(void **state)
{
	struct guard *guard = guard_loaded();
	struct prefix last;
	char source[32];

	(void)state;
	for (int i = 0; i <= ENFORCER_UNDELETED_MAX; i++) {
		snprintf(source, sizeof(source), "198.18.%d.%d", i / 256, i % 256);
		block(guard, source, 0);
		guard->kernel.delete_error = -ENOMEM;
		unblock(guard, source);
		last = core_prefix(source);
		assert_int_equal(guard->errors[0], -ENOMEM);
		assert_int_equal(enforcer_deletes_again(guard->enforcer, &last), i < ENFORCER_UNDELETED_MAX);
		guard->kernel.delete_error = 0;
	}
	for (int i = 0; i < 20; i++)
		tick(guard, 1000);
	assert_int_equal(undeleted_of(guard), 0);
	assert_int_equal(guard->kernel.count, 1);
	assert_non_null(element(guard, NFT_GRADED, source));
	guard_free(guard);
}

/* ---- others meddle ---- */

static void a_table_that_went_in_the_middle_is_put_back_first(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	block(guard, "198.51.100.7", 60000);
	guard->kernel.present = false;
	guard->kernel.count = 0;
	guard->core.now_ms += 10000;
	block(guard, "198.51.100.8", 0);
	assert_int_equal(guard->errors[0], 0);
	assert_true(guard->kernel.present);
	assert_int_equal(guard->kernel.loads, 2);
	assert_int_equal(guard->kernel.rules.mode, NFT_BLOCK);
	assert_int_equal(element(guard, NFT_GRADED, "198.51.100.7")->timeout_ms, 50000);
	assert_non_null(element(guard, NFT_GRADED, "198.51.100.8"));
	assert_true(was_told(guard, "changed by somebody else: put back, with all grades"));
	/* A deletion has nothing to do there, and does not fail. */
	guard->kernel.present = false;
	guard->kernel.count = 0;
	unblock(guard, "198.51.100.7");
	assert_int_equal(guard->errors[0], 0);
	assert_int_equal(undeleted_of(guard), 0);
	guard_free(guard);
}

static void a_third_removal_within_a_minute_is_respected(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	block(guard, "198.51.100.7", 0);
	for (int i = 0; i < 2; i++) {
		tick(guard, 10000);
		remove_table(guard);
		assert_false(guard->kernel.present); /* many notifications are one change: not before the next tick */
		tick(guard, 100);
		assert_true(guard->kernel.present);
		assert_non_null(element(guard, NFT_GRADED, "198.51.100.7"));
	}
	remove_table(guard);
	tick(guard, 100);
	assert_false(guard->kernel.present);
	assert_true(was_told(guard, "3 times within a minute: staying out for 10m"));
	assert_int_equal(enforcer_mode(guard->enforcer), NFT_PAUSED);
	assert_int_equal(guard->notice_count, 3);
	tick(guard, 599900);
	assert_false(guard->kernel.present);
	tick(guard, 1000);
	assert_true(guard->kernel.present);
	assert_int_equal(guard->kernel.rules.mode, NFT_BLOCK);
	assert_non_null(element(guard, NFT_GRADED, "198.51.100.7"));
	assert_true(was_told(guard, "resumed: picket is on guard again"));
	guard_free(guard);
}

/* What an admin orders while picket stays out takes effect when it comes back, and fails in nothing. */
static void orders_while_staying_out_wait_for_the_table(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	for (int i = 0; i < 3; i++) {
		remove_table(guard);
		tick(guard, 100);
	}
	assert_true(was_told(guard, "staying out"));
	assert_false(guard->kernel.present);
	block(guard, "198.51.100.7", 0);
	assert_int_equal(guard->errors[0], 0);
	assert_int_equal(guard->errors[1], 0);
	assert_int_equal(status_of(guard).refused, 0);
	allow(guard, "203.0.113.5", 0);
	enforcer_allow_sync(guard->enforcer);
	for (int i = 0; i < 500; i++)
		tick(guard, 1000);
	assert_int_equal(guard->failures, 0);
	assert_false(guard->kernel.present);
	assert_int_equal(enforcer_resume(guard->enforcer, guard->core.now_ms), 0);
	assert_non_null(element(guard, NFT_GRADED, "198.51.100.7"));
	assert_non_null(element(guard, NFT_ALLOW, "203.0.113.5"));
	guard_free(guard);
}

static void removals_further_apart_are_all_put_back(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	for (int i = 0; i < 6; i++) {
		tick(guard, 31000);
		remove_table(guard);
		tick(guard, 100);
		assert_true(guard->kernel.present);
	}
	assert_int_equal(enforcer_mode(guard->enforcer), NFT_BLOCK);
	guard_free(guard);
}

static void a_lost_notification_is_looked_into(void **state)
{
	static const struct {
		int check;
		bool put_back;
	} cases[] = { { 1, false }, { 0, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guard *guard = guard_loaded();
		unsigned replaced = guard->kernel.replaced;

		guard->kernel.change = NFT_CHANGE_LOST;
		guard->kernel.check = cases[i].check;
		enforcer_watch(guard->enforcer);
		tick(guard, 100);
		assert_int_equal(guard->kernel.replaced > replaced, cases[i].put_back);
		assert_int_equal(was_told(guard, "put back"), cases[i].put_back);
		/* Without a wake-up it is found within a second. */
		guard->kernel.change = NFT_CHANGE_LOST;
		tick(guard, 1000);
		tick(guard, 100);
		assert_int_equal(guard->notice_count, cases[i].put_back ? 2 : 0);
		guard_free(guard);
	}
}

/* Others change their rules all the while: what is ours stands, and picket does not stay out for it. */
static void what_cannot_be_seen_is_looked_at_again(void **state)
{
	struct guard *guard = guard_loaded();
	unsigned replaced = guard->kernel.replaced;

	(void)state;
	guard->kernel.check = -EINTR;
	for (int i = 0; i < 10; i++) {
		guard->kernel.change = NFT_CHANGE_LOST;
		tick(guard, 1000);
	}
	assert_int_equal(enforcer_mode(guard->enforcer), NFT_BLOCK);
	assert_int_equal(guard->kernel.replaced, replaced);
	assert_true(was_told(guard, "cannot be seen"));
	assert_int_equal(guard->notice_count, 1);
	guard->kernel.check = 0; /* it is gone, and nothing new tells so */
	tick(guard, 1000);
	tick(guard, 100);
	assert_true(was_told(guard, "put back"));
	guard_free(guard);
}

/* A lack of memory says nothing about the table: a fresh one would hold no block until it is filled. */
static void a_standing_table_is_not_thrown_away_for_a_passing_error(void **state)
{
	struct guard *guard = guard_loaded();
	unsigned loads = guard->kernel.loads;

	(void)state;
	block(guard, "192.0.2.1", 3600000);
	guard->kernel.rules_error = -ENOMEM;
	guard->kernel.change = NFT_CHANGE_FOREIGN;
	enforcer_watch(guard->enforcer);
	for (int i = 0; i < 3; i++)
		tick(guard, 1000);
	assert_true(was_told(guard, "cannot be put back: Cannot allocate memory; trying again each second"));
	assert_int_equal(guard->kernel.loads, loads);
	assert_non_null(element(guard, NFT_GRADED, "192.0.2.1"));
	guard->kernel.rules_error = 0;
	tick(guard, 1000);
	assert_true(was_told(guard, "put back, with all grades"));
	assert_int_equal(guard->kernel.loads, loads);
	guard_free(guard);
}

/* With the notifications that are lost somebody may have emptied a set. */
static void elements_are_put_back_when_notifications_were_lost(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	block(guard, "192.0.2.1", 3600000);
	guard->kernel.count = 0;
	guard->kernel.change = NFT_CHANGE_LOST;
	guard->kernel.check = 1;
	for (int i = 0; i < 12; i++)
		tick(guard, 1000);
	assert_int_equal(guard->kernel.count, 1);
	guard_free(guard);
}

static void what_cannot_be_put_back_is_told_once_and_tried_each_second(void **state)
{
	struct guard *guard = guard_loaded();

	(void)state;
	guard->kernel.load_error = -ENOMEM;
	remove_table(guard);
	tick(guard, 100);
	assert_true(was_told(guard, "cannot be put back"));
	assert_true(status_of(guard).failing);
	for (int i = 0; i < 5; i++)
		tick(guard, 1000);
	assert_int_equal(guard->notice_count, 1);
	guard->kernel.load_error = 0;
	tick(guard, 1000);
	assert_true(guard->kernel.present);
	assert_false(status_of(guard).failing);
	assert_true(was_told(guard, "put back, with all grades"));
	guard_free(guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refused_addition_is_told_to_its_event),
		cmocka_unit_test(a_block_finds_room_in_a_full_map),
		cmocka_unit_test(where_no_veil_is_left_a_block_is_refused),
		cmocka_unit_test(of_what_is_restored_into_a_small_map_bans_stand),
		cmocka_unit_test(the_engine_is_told_the_room),
		cmocka_unit_test(one_refused_deletion_does_not_spoil_the_others),
		cmocka_unit_test(a_refused_deletion_is_tried_again_each_second),
		cmocka_unit_test(a_stricter_grade_takes_the_place),
		cmocka_unit_test(the_way_out_stands_while_somebody_is_blocked),
		cmocka_unit_test(what_is_blocked_anew_is_not_deleted),
		cmocka_unit_test(a_flush_is_whole_or_nothing),
		cmocka_unit_test(more_refused_deletions_than_are_kept_are_given_up),
		cmocka_unit_test(a_table_that_went_in_the_middle_is_put_back_first),
		cmocka_unit_test(a_third_removal_within_a_minute_is_respected),
		cmocka_unit_test(orders_while_staying_out_wait_for_the_table),
		cmocka_unit_test(removals_further_apart_are_all_put_back),
		cmocka_unit_test(a_lost_notification_is_looked_into),
		cmocka_unit_test(what_cannot_be_seen_is_looked_at_again),
		cmocka_unit_test(elements_are_put_back_when_notifications_were_lost),
		cmocka_unit_test(a_standing_table_is_not_thrown_away_for_a_passing_error),
		cmocka_unit_test(what_cannot_be_put_back_is_told_once_and_tried_each_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
