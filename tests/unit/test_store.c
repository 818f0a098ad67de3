/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Save and restore: what goes in comes back, from a file that people can read too.
 */
#include "store_fixture.h"

#include "duration.h"

static struct event random_event(struct seed *seed)
{
	struct event event;
	struct addr addr = { { 0 } };
	unsigned len = 96 + seed_below(seed, 33);

	memset(&event, 0, sizeof(event));
	for (size_t i = 0; i < 16; i++)
		addr.b[i] = (uint8_t)seed_below(seed, 256);
	if (seed_below(seed, 2))
		addr = addr_from_v4(&addr.b[12]);
	else
		len = 1 + seed_below(seed, 128);
	event.source = prefix_of(&addr, len);
	event.at_ms = NOW_MS - seed_below(seed, 1000000);
	event.type = (uint8_t)(1 + seed_below(seed, EVENT_TYPE_COUNT - 1));
	event.grade = (uint8_t)seed_below(seed, GRADE_COUNT);
	event.tool = (uint8_t)seed_below(seed, TOOL_COUNT);
	event.observed = (uint8_t)seed_below(seed, 2);
	event.duration_ms = (int64_t)(seed_next(seed) % DURATION_MAX_MS);
	event.times = (uint8_t)seed_below(seed, 256);
	event.incident = (uint32_t)seed_next(seed);
	event.confirmed_mn = (int32_t)seed_next(seed);
	event.suspected_mn = (int32_t)seed_next(seed);
	event.threshold_mn = (int32_t)seed_next(seed);
	event.kinds = (uint32_t)seed_next(seed) & ((1u << EVIDENCE_KIND_COUNT) - 1);
	event.probes = (uint32_t)seed_next(seed);
	event.ports = (uint16_t)seed_next(seed);
	event.hosts = (uint16_t)seed_next(seed);
	event.sources = (uint16_t)seed_next(seed);
	event.piece_count = (uint8_t)seed_below(seed, EVENT_PIECES_MAX + 1);
	for (size_t i = 0; i < event.piece_count; i++) {
		event.pieces[i].at_s = (uint32_t)seed_next(seed);
		event.pieces[i].port = (uint16_t)seed_next(seed);
		event.pieces[i].host_tag = (uint16_t)seed_next(seed);
		event.pieces[i].weight = (uint8_t)seed_next(seed);
		event.pieces[i].kind = (uint8_t)seed_below(seed, EVIDENCE_KIND_COUNT);
	}
	for (size_t i = 0, len_text = seed_below(seed, EVENT_TEXT_MAX); i < len_text; i++)
		event.text[i] = (char)(0x20 + seed_below(seed, 0x5f));
	return event;
}

static void test_events_come_back_as_they_were(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 2000 };
	struct event *events = calloc(COUNT, sizeof(*events));
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store = open_well(f->directory);
	struct stat info;

	for (size_t i = 0; i < COUNT; i++) {
		events[i] = random_event(&f->seed);
		events[i].at_ms = NOW_MS + (int64_t)i;
		assert_true(event_is_valid(&events[i]));
		store_event(store, &events[i]);
	}
	assert_int_equal(stats_of(store).queued, COUNT);
	assert_false(store_tick(store, NOW_MS));
	assert_int_equal(stats_of(store).written, COUNT);
	assert_int_equal(stats_of(store).rows, COUNT);
	store_close(store);
	assert_int_equal(stat(f->path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	assert_int_equal(count_matching(f->directory, "picket.db-wal"), 0);

	store = open_well(f->directory);
	assert_int_equal(stats_of(store).rows, COUNT);
	assert_int_equal(ask(store, NULL, 0, answer), STORE_PAGE_MAX);
	for (size_t i = 0; i < answer->count; i++)
		assert_memory_equal(&answer->events[i], &events[COUNT - 1 - i], sizeof(struct event));
	store_close(store);
	free(events);
	free(answer);
}

static void test_columns_are_for_people(void **state)
{
	static const char *const wanted[][2] = {
		{ "SELECT type || ' ' || source || ' ' || grade || ' ' || duration_ms || ' ' || tool FROM event",
		  "veil 198.51.100.7 veil 600000 nmap" },
		{ "SELECT hex(source_key) || '/' || len FROM event", "00000000000000000000FFFFC6336407/128" },
		{ "SELECT ports FROM event", "22,23" },
		{ "SELECT at_utc FROM history", "2027-01-15 08:00:00" },
		{ "SELECT until_utc FROM live", "2027-01-15 08:10:00" },
		{ "SELECT reason FROM event WHERE reason LIKE 'suspected 7.2 of 6.9, SYN scan, %'", NULL },
	};
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_VEIL, "198.51.100.7", NOW_MS);
	sqlite3_stmt *statement;
	sqlite3 *db;

	event.tool = TOOL_NMAP;
	event.suspected_mn = 7200;
	event.threshold_mn = 6900;
	event.kinds = 1u << EVIDENCE_SYN;
	event.piece_count = 2;
	event.pieces[0] = (struct evidence){ .port = 22, .kind = EVIDENCE_SYN, .weight = 28 };
	event.pieces[1] = (struct evidence){ .port = 23, .kind = EVIDENCE_SYN, .weight = 28 };
	store_event(store, &event);
	store_tick(store, NOW_MS);
	/* While picket has it open. */
	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(sqlite3_prepare_v2(db, wanted[i][0], -1, &statement, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
		if (wanted[i][1])
			assert_string_equal((const char *)sqlite3_column_text(statement, 0), wanted[i][1]);
		sqlite3_finalize(statement);
	}
	sqlite3_close(db);
	store_close(store);
}

static void begin_and_end_blocks(struct store *store)
{
	struct event event;

	/* stands; became a ban; lifted; ran out; refused by the kernel; only observed; by hand without end */
	event = event_of(EVENT_VEIL, "192.0.2.1", NOW_MS);
	event.tool = TOOL_ZMAP;
	event.times = 3;
	event.incident = 42;
	event.kinds = 1u << EVIDENCE_SYN;
	event.piece_count = 3;
	event.pieces[0] = (struct evidence){ .port = 80, .kind = EVIDENCE_SYN };
	event.pieces[1] = (struct evidence){ .port = 22, .kind = EVIDENCE_SYN };
	event.pieces[2] = (struct evidence){ .port = 80, .kind = EVIDENCE_SYN };
	store_event(store, &event);
	/* While it stands at one grade it keeps its beginning. */
	event.at_ms = NOW_MS + 1;
	event.duration_ms = 599999;
	store_event(store, &event);
	event = event_of(EVENT_VEIL, "192.0.2.2", NOW_MS);
	event.suspected_mn = 7100;
	store_event(store, &event);
	event = event_of(EVENT_BAN, "192.0.2.2", NOW_MS + 1000);
	event.duration_ms = 3600000;
	event.suspected_mn = 0;
	event.confirmed_mn = 11200;
	store_event(store, &event);
	for (int i = 3; i <= 6; i++) {
		static const enum event_type ends[] = { EVENT_UNBLOCK, EVENT_EXPIRE, EVENT_FAILED, EVENT_UNBLOCK };
		char source[32];
		snprintf(source, sizeof(source), "192.0.2.%d", i);
		event = event_of(EVENT_VEIL, source, NOW_MS);
		event.observed = i == 6;
		store_event(store, &event);
		event = event_of(ends[i - 3], source, NOW_MS + 1);
		store_event(store, &event);
	}
	event = event_of(EVENT_VEIL, "2001:db8::/32", NOW_MS);
	event.grade = GRADE_BLOCK;
	event.duration_ms = 0;
	strcpy(event.text, "enough of it");
	store_event(store, &event);
	event = event_of(EVENT_VEIL, "192.0.2.9", NOW_MS - 600000); /* over exactly now */
	store_event(store, &event);
	/* What could not be lifted stands on; an alert ends nothing; nor does the end of what was only watched. */
	event = event_of(EVENT_FAILED, "192.0.2.1", NOW_MS + 1);
	event.grade = GRADE_NONE;
	store_event(store, &event);
	event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS + 1);
	store_event(store, &event);
	event = event_of(EVENT_EXPIRE, "192.0.2.1", NOW_MS + 1);
	event.observed = 1;
	store_event(store, &event);
}

static void test_live_blocks_over_a_restart(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct blocks blocks = { 0 };
	const struct block_view *view;

	begin_and_end_blocks(store);
	store_close(store);

	store = open_well(f->directory);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, take_block, &blocks), 3);
	view = find_block(&blocks, "192.0.2.1");
	assert_non_null(view);
	assert_int_equal(view->grade, GRADE_VEIL);
	assert_int_equal(view->times, 3);
	assert_int_equal(view->tool, TOOL_ZMAP);
	assert_int_equal(view->incident, 42);
	assert_int_equal(view->kinds, 1u << EVIDENCE_SYN);
	assert_int_equal(view->since_ms, NOW_MS);
	assert_int_equal(view->until_ms, NOW_MS + 600000);
	assert_memory_equal(view->ports, ((const uint16_t[4]){ 80, 22 }), sizeof(view->ports));
	view = find_block(&blocks, "192.0.2.2");
	assert_non_null(view);
	assert_int_equal(view->grade, GRADE_BAN); /* its own time and reason, not those of the veil before it */
	assert_int_equal(view->since_ms, NOW_MS + 1000);
	assert_int_equal(view->until_ms, NOW_MS + 1000 + 3600000);
	assert_non_null(strstr(view->reason, "confirmed 11.2"));
	view = find_block(&blocks, "2001:db8::/32");
	assert_non_null(view);
	assert_int_equal(view->until_ms, 0);
	assert_string_equal(view->reason, "enough of it");
	store_close(store);
}

static void same_source(void *context, const void *source)
{
	struct source_view wanted = some_source("198.51.100.7");

	assert_memory_equal(source, &wanted, sizeof(wanted));
	++*(size_t *)context;
}

static void test_state_over_a_restart(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS);
	size_t sources = 0, served = 0, learned = 0;

	save(store, 5, true);
	save(store, 2, true);  /* replaces */
	save(store, 9, false); /* cut short: as if it had never begun */
	store_event(store, &event);
	assert_false(store_tick(store, NOW_MS + 1000));
	assert_int_equal(stats_of(store).queued, 1);
	store_close(store);

	store = open_well(f->directory);
	assert_int_equal(stats_of(store).rows, 1);
	assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, same_source, &sources), 2);
	assert_int_equal(sources, 2);
	assert_int_equal(store_restore(store, STORE_SERVED, NOW_MS, count_item, &served), 1);
	assert_int_equal(store_restore(store, STORE_LEARNED, NOW_MS, count_item, &learned), 1);
	assert_int_equal(store_restore(store, STORE_LEARNED, NOW_MS + 1000, count_item, &learned), 0);
	/* A save that never ends doesn't hold events up for ever, whatever the clock does. */
	save(store, 9, false);
	store_event(store, &event);
	store_tick(store, NOW_MS + 120000);
	assert_int_equal(stats_of(store).queued, 1);
	store_tick(store, NOW_MS + 120001);
	assert_int_equal(stats_of(store).queued, 0);
	assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, same_source, &sources), 2);
	save(store, 9, false);
	store_event(store, &event);
	store_tick(store, NOW_MS + 120000);
	assert_int_equal(stats_of(store).queued, 0);
	/* One that begins anew replaces the one that never ended. */
	save(store, 9, false);
	save(store, 3, true);
	assert_string_equal(problem(store), "");
	assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, same_source, &sources), 3);
	store_close(store);
}

/* What is told while all blocks are saved is applied after them. */
static void test_events_while_blocks_are_saved(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event ban = event_of(EVENT_BAN, "192.0.2.1", NOW_MS), end = event_of(EVENT_EXPIRE, "192.0.2.2", NOW_MS);
	struct block_view block = { .source = prefix("192.0.2.2"), .grade = GRADE_BLOCK };
	struct source_view source = some_source("198.51.100.7");
	struct blocks blocks = { 0 };

	store_save_blocks_begin(store);
	assert_false(store_wants_blocks(store));
	store_save(store, STORE_BLOCKS, &block);
	store_save(store, STORE_SOURCES, &source); /* not what is saved now */
	store_event(store, &ban);
	store_event(store, &end);
	block.source = prefix("192.0.2.3");
	store_save(store, STORE_BLOCKS, &block);
	assert_int_equal(stats_of(store).queued, 2);
	store_save_end(store);
	store_save(store, STORE_BLOCKS, &block); /* too late */
	assert_false(store_tick(store, NOW_MS));
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, take_block, &blocks), 2);
	assert_non_null(find_block(&blocks, "192.0.2.1"));
	assert_non_null(find_block(&blocks, "192.0.2.3"));
	assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, count_item, &(size_t){ 0 }), 0);
	store_close(store);
}

/* The blocks on the disk are taken for the true ones only after an end that wrote everything. */
static void test_an_end_that_was_none_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory), *other;

	assert_true(store_wants_blocks(store) && !store_keeps_blocks(store));
	assert_false(store_close(store)); /* nobody has saved them */
	store = open_well(f->directory);
	assert_true(store_wants_blocks(store));
	store_save_blocks_begin(store);
	store_save_end(store);
	assert_true(store_keeps_blocks(store));
	assert_true(store_close(store));
	store = open_well(f->directory);
	assert_true(store_keeps_blocks(store) && !store_wants_blocks(store));
	/* As after a crash: the one before has not ended. */
	other = open_well(f->directory);
	assert_true(store_wants_blocks(other));
	store_close(other);
	assert_true(store_close(store));
	assert_false(store_close(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_events_come_back_as_they_were), CASE(test_columns_are_for_people),
		CASE(test_live_blocks_over_a_restart),    CASE(test_state_over_a_restart),
		CASE(test_events_while_blocks_are_saved), CASE(test_an_end_that_was_none_is_noticed),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
