/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock on the wall is set, or was wrong before or after a reboot: what was left is left, whatever the file can be
 * written or not at that moment, and no history goes for a clock that is ahead for a while.
 */
#include "store_fixture.h"

#define HOUR_MS 3600000LL

static void take_served(void *context, const void *served)
{
	memcpy(context, served, sizeof(struct served_view));
}

static void take_learned(void *context, const void *learned)
{
	memcpy(context, learned, sizeof(struct store_learned));
}

/* The clock was set while no picketd ran, or the host was restarted, whatever its clock said before and says now: what
 * was left is left. */
static void test_clock_set_between_runs(void **state)
{
	static const struct {
		int64_t boot, by_ms, moved_ms;
	} starts[] = {
		{ 7, -7200000, -7200000 },
		{ 7, 0, 0 },
		{ 7, 1999, 0 }, /* by and by */
		{ 7, 1, 2000 },
		{ 7, -1999, 0 },
		{ 7, -1, -2000 },
		{ 8, 7200000, 7200000 },
		{ 8, 0, 0 },
		{ 9, -(NOW_MS - 1700000000000), -(NOW_MS - 1700000000000) },
		{ 10, 86400000LL * 3650, 86400000LL * 3650 },
		{ 10, -86400000LL * 3000, -86400000LL * 3000 },
	};
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct store_learned learned = { .addr = prefix("203.0.113.5").addr, .until_ms = NOW_MS + 3600000 };
	int64_t boot = 7, now_ms = NOW_MS;
	struct served_view served = { .protocol = PROTO_TCP, .port = 80, .last_ms = NOW_MS, .uid = 7 };
	int64_t boot_ms = NOW_MS - 3600000, moved_ms = 0;
	struct event event;

	assert_int_equal(store_clock(store, 7, boot_ms), 0);
	event = event_of(EVENT_BAN, "192.0.2.2", NOW_MS);
	event.duration_ms = 3600000;
	store_event(store, &event);
	event = event_of(EVENT_BLOCK, "192.0.2.3", NOW_MS);
	event.duration_ms = 0;
	store_event(store, &event);
	store_save_begin(store);
	store_save(store, STORE_SERVED, &served);
	store_save(store, STORE_LEARNED, &learned);
	store_save_end(store);
	store_close(store);
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct blocks blocks = { 0 };

		by_hand(f->path, "INSERT OR REPLACE INTO meta VALUES('ended_well', 1)");
		boot_ms += starts[i].by_ms;
		now_ms += starts[i].by_ms;
		store = store_open(f->directory, now_ms);
		assert_int_equal(store_clock(store, starts[i].boot, boot_ms), starts[i].moved_ms);
		moved_ms += starts[i].moved_ms;
		assert_int_equal(store_restore(store, STORE_BLOCKS, now_ms, take_block, &blocks), 2);
		assert_int_equal(find_block(&blocks, "192.0.2.2")->since_ms, NOW_MS + moved_ms);
		assert_int_equal(find_block(&blocks, "192.0.2.2")->until_ms, NOW_MS + moved_ms + 3600000);
		assert_int_equal(find_block(&blocks, "192.0.2.3")->until_ms, 0);
		assert_int_equal(store_restore(store, STORE_SERVED, NOW_MS, take_served, &served), 1);
		assert_int_equal(served.last_ms, NOW_MS + moved_ms);
		assert_int_equal(store_restore(store, STORE_LEARNED, now_ms, take_learned, &learned), 1);
		assert_int_equal(learned.until_ms, NOW_MS + moved_ms + 3600000);
		/* Another boot's clock says nothing of this one's: the sentry's word replaces what the file has. */
		assert_int_equal(store_wants_blocks(store), starts[i].boot != boot || starts[i].moved_ms);
		boot = starts[i].boot;
		store_close(store);
	}
}

/* Another program holds the file locked when the host comes up by a clock that is ahead: what cannot be moved in the
 * file is moved as it is read, and nothing is written by the new clock before the file's times are. */
static void test_a_locked_file_at_the_start(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct served_view served = { .protocol = PROTO_TCP, .port = 80, .last_ms = NOW_MS, .uid = 7 };
	const int64_t ahead_ms = NOW_MS + 4000 * DAY_MS;
	struct event event = event_of(EVENT_BAN, "192.0.2.2", NOW_MS);
	struct blocks blocks = { 0 }, after = { 0 };
	sqlite3 *other;

	store_clock(store, 7, NOW_MS - HOUR_MS);
	store_event(store, &event);
	store_save_begin(store);
	store_save(store, STORE_SERVED, &served);
	store_save_end(store);
	store_close(store);

	store = store_open(f->directory, ahead_ms);
	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_clock(store, 8, ahead_ms - 60000), ahead_ms - NOW_MS);
	assert_int_equal(store_restore(store, STORE_BLOCKS, ahead_ms, take_block, &blocks), 1);
	assert_int_equal(blocks.views[0].until_ms, ahead_ms + 600000);
	assert_int_equal(store_restore(store, STORE_SERVED, ahead_ms, take_served, &served), 1);
	assert_int_equal(served.last_ms, ahead_ms);
	event = event_of(EVENT_BAN, "192.0.2.3", ahead_ms);
	store_event(store, &event);
	store_tick(store, ahead_ms + 1000);
	assert_int_equal(stats_of(store).queued, 1);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	store_tick(store, ahead_ms + 2000);
	assert_int_equal(stats_of(store).queued, 0);
	assert_int_equal(store_restore(store, STORE_BLOCKS, ahead_ms, take_block, &after), 2);
	assert_int_equal(find_block(&after, "192.0.2.2")->until_ms, ahead_ms + 600000);
	assert_int_equal(find_block(&after, "192.0.2.3")->until_ms, ahead_ms + 600000);
	store_close(store);
}

/* A clock that was never set until a time server spoke: what happened in this boot moves with it, older rows stay. */
static void test_history_of_this_boot_moves(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct answer *answer = calloc(1, sizeof(*answer));
	struct event event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS);
	const int64_t wrong_ms = NOW_MS - 900 * DAY_MS;

	store_clock(store, 7, NOW_MS - HOUR_MS);
	store_event(store, &event);
	store_close(store);
	store = store_open(f->directory, wrong_ms);
	store_clock(store, 8, wrong_ms - HOUR_MS);
	event = event_of(EVENT_ALERT, "192.0.2.2", wrong_ms);
	store_event(store, &event);
	store_tick(store, wrong_ms + 1000);
	event = event_of(EVENT_ALERT, "192.0.2.3", wrong_ms + 1000); /* waits while the clock is set */
	store_event(store, &event);
	assert_int_equal(store_clock(store, 8, NOW_MS + DAY_MS - HOUR_MS), 901 * DAY_MS);
	store_tick(store, NOW_MS + DAY_MS + 2000);
	assert_int_equal(ask(store, NULL, 0, answer), 3);
	assert_int_equal(answer->events[0].at_ms, NOW_MS + DAY_MS + 1000);
	assert_int_equal(answer->events[1].at_ms, NOW_MS + DAY_MS);
	assert_int_equal(answer->events[2].at_ms, NOW_MS);
	free(answer);
	store_close(store);
}

static void test_a_clock_ahead_makes_no_history_old(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	const int64_t ahead_ms = NOW_MS + 4000 * DAY_MS;
	int64_t ticks_ms;

	store_clock(store, 7, NOW_MS - HOUR_MS);
	fill(store, 100);
	store_close(store);
	store = store_open(f->directory, ahead_ms);
	store_clock(store, 8, ahead_ms - HOUR_MS);
	for (ticks_ms = 0; ticks_ms < HOUR_MS; ticks_ms += 60000)
		store_tick(store, ahead_ms + ticks_ms);
	assert_int_equal(stats_of(store).rows, 100);
	for (; ticks_ms < 2 * HOUR_MS; ticks_ms += 60000)
		store_tick(store, ahead_ms + ticks_ms);
	assert_int_equal(stats_of(store).rows, 0);
	store_close(store);
}

/* Numbers that no picket wrote. */
static void test_a_senseless_clock_moves_nothing(void **state)
{
	static const char *const nonsense[] = { "('boot_ms', 9223372036854775807)", "('boot_ms', -9223372036854775807)",
						"('last_ms', 9223372036854775807)",
						"('last_ms', -9223372036854775807)" };
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	char sql[128];

	store_clock(store, 7, NOW_MS - HOUR_MS);
	store_close(store);
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO meta VALUES %s", nonsense[i]);
		by_hand(f->path, sql);
		store = store_open(f->directory, NOW_MS);
		assert_int_equal(store_clock(store, i < 2 ? 7 : 8, NOW_MS - HOUR_MS), 0);
		store_close(store);
	}
}

/* A row of which no picket wrote the times keeps none of the others from being moved. */
static void test_rows_of_senseless_times(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_BAN, "192.0.2.2", NOW_MS);
	struct blocks blocks = { 0 };

	store_clock(store, 7, NOW_MS - HOUR_MS);
	store_event(store, &event);
	event.source = prefix("192.0.2.3");
	store_event(store, &event);
	store_close(store);
	by_hand(f->path, "UPDATE block SET until_ms = 9223372036854775807 WHERE source = '192.0.2.3';"
			 "UPDATE event SET at_ms = 9223372036854775807 WHERE source = '192.0.2.3'");
	store = store_open(f->directory, NOW_MS + DAY_MS);
	assert_int_equal(store_clock(store, 7, NOW_MS - HOUR_MS + DAY_MS), DAY_MS);
	assert_string_equal(problem(store), "");
	store_restore(store, STORE_BLOCKS, NOW_MS + DAY_MS, take_block, &blocks);
	assert_int_equal(find_block(&blocks, "192.0.2.2")->until_ms, NOW_MS + DAY_MS + 600000);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_clock_set_between_runs),          CASE(test_a_locked_file_at_the_start),
		CASE(test_history_of_this_boot_moves),      CASE(test_a_clock_ahead_makes_no_history_old),
		CASE(test_a_senseless_clock_moves_nothing), CASE(test_rows_of_senseless_times),
	};

	return cmocka_run_group_tests_name("store's clock", tests, NULL, NULL);
}
