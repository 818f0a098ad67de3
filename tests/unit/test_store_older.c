/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's file for an older picket, and what is made of an older picket's file.
 */
#include "store_fixture.h"

static int64_t number(const char *path, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	int64_t found;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	found = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return found;
}

static void write_format(const struct fixture *f, int64_t format)
{
	struct store *store = open_well(f->directory);

	assert_true(store_write_older(store, format));
	store_close(store);
	assert_int_equal(number(f->path, "PRAGMA user_version"), format);
	assert_int_equal(number(f->path, "SELECT count(*) = 1 FROM pragma_integrity_check"
					 " WHERE integrity_check = 'ok'"),
			 1);
}

static void block(struct store *store, enum event_type type, enum grade grade, const char *source)
{
	struct event event = event_of(type, source, NOW_MS);

	event.grade = (uint8_t)grade;
	event.duration_ms = 600000;
	store_event(store, &event);
}

/* One of each kind of row that the formats do not have in common. */
static void furnish(const struct fixture *f)
{
	const struct store_learned customer = { .addr = prefix("203.0.113.5").addr,
						.until_ms = NOW_MS + 1000,
						.port = 443 };
	const struct store_learned called = {
		.addr = prefix("203.0.113.6").addr, .until_ms = NOW_MS + 1000, .port = 80, .own_port = 9, .kind = 2
	};
	const struct served_view served = { .last_ms = NOW_MS, .port = 443, .protocol = 6, .uid = 1000 };
	struct source_view source = some_source("198.51.100.7"), veiled = some_source("198.51.100.8");
	struct source_view net = some_source("198.51.100.0/24");
	struct store *store = open_well(f->directory);

	block(store, EVENT_VEIL, GRADE_VEIL, "198.51.100.1");
	block(store, EVENT_BAN, GRADE_BAN, "198.51.100.2");
	block(store, EVENT_BLOCK, GRADE_BLOCK, "198.51.100.3");
	source.visited.now = 7;
	veiled.grade = GRADE_VEIL;
	net.net = 1;
	store_save_begin(store);
	store_save(store, STORE_SOURCES, &source);
	store_save(store, STORE_SOURCES, &veiled);
	store_save(store, STORE_SOURCES, &net);
	store_save(store, STORE_SERVED, &served);
	store_save(store, STORE_LEARNED, &customer);
	store_save(store, STORE_LEARNED, &called);
	store_save_end(store);
	store_close(store);
}

static void test_the_first_format_has_what_it_has_a_place_for(void **state)
{
	struct fixture *f = *state;

	furnish(f);
	write_format(f, 1);
	assert_int_equal(number(f->path, "SELECT count(*) FROM block"), 2);
	assert_int_equal(number(f->path, "SELECT count(*) FROM block WHERE grade = 'ban'"), 1);
	assert_int_equal(number(f->path, "SELECT count(*) FROM block WHERE grade = 'manual' AND until_ms > 0"), 1);
	/* What the first edition's statements ask for. */
	assert_int_equal(number(f->path, "SELECT count(*) FROM (SELECT protocol, port, last_ms FROM served)"), 1);
	assert_int_equal(number(f->path, "SELECT protocol FROM customer WHERE port = 443"), 6);
	assert_int_equal(number(f->path, "SELECT count(*) FROM customer"), 1);
	assert_int_equal(number(f->path, "SELECT count(*) FROM source WHERE substr(view, 1, 1) = x'01'"), 2);
	assert_int_equal(number(f->path, "SELECT count(*) FROM source WHERE substr(view, 1, 2) = x'0102'"), 2);
	assert_int_equal(number(f->path, "SELECT count(*) FROM source WHERE typeof(view) = 'blob'"), 2);
	/* format, grade, tool, times; 3 scores; incident, kinds, probes; 2 times; pieces; 4 older ones */
	assert_int_equal(number(f->path, "SELECT length(view) FROM source"),
			 4 + 3 * 4 + 3 * 4 + 2 * 8 + 1 + 10 * EVENT_PIECES_MAX + 4 * 6);
	assert_int_equal(number(f->path, "SELECT count(*) FROM event WHERE type = 'block' AND grade = 'block'"), 1);
	assert_int_equal(number(f->path, "SELECT count(*) FROM event WHERE type = 'block' AND grade = 'manual'"), 1);
	assert_int_equal(number(f->path, "SELECT count(*) FROM event WHERE 'veil' IN (type, grade)"), 0);
	assert_int_equal(number(f->path, "SELECT count(*) FROM sqlite_schema WHERE name = 'event_lasting'"), 0);
}

struct sources {
	size_t count;
	struct source_view views[4];
};

static void take_source(void *context, const void *source)
{
	struct sources *sources = context;

	assert_true(sources->count < 4);
	sources->views[sources->count++] = *(const struct source_view *)source;
}

/* What the first edition wrote: a block on suspicion, one by hand, a ban, a customer of UDP. */
static void test_the_first_format_is_taken_over(void **state)
{
	struct fixture *f = *state;
	struct blocks blocks = { 0 };
	struct sources sources = { 0 };
	struct answer *answer = calloc(1, sizeof(*answer));
	const struct source_view before = some_source("198.51.100.7");
	struct store *store;
	size_t learned = 0, served = 0;

	furnish(f);
	write_format(f, 1);
	by_hand(f->path, "UPDATE block SET grade = 'block' WHERE grade = 'ban';"
			 "INSERT INTO customer SELECT source, source_key, len, 17, 53, until_ms FROM customer;"
			 "INSERT INTO event SELECT NULL, at_ms, 'storm', '', x'', 0, 'none', 0, 0, tool, 0, 0, '', '',"
			 " detail FROM event LIMIT 1");
	store = open_well(f->directory);
	assert_int_equal(number(f->path, "PRAGMA user_version"), STORE_FORMAT);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, take_block, &blocks), 2);
	assert_int_equal(blocks.views[0].grade + blocks.views[1].grade, GRADE_VEIL + GRADE_BLOCK);
	assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, take_source, &sources), 2);
	assert_memory_equal(&sources.views[0].pieces, &before.pieces, sizeof(before.pieces));
	assert_int_equal(sources.views[0].older[1].weight_mn, 123);
	assert_int_equal(sources.views[0].visited.now, 0);
	assert_int_equal(sources.views[1].grade, GRADE_ALERT);
	assert_int_equal(store_restore(store, STORE_LEARNED, NOW_MS, count_item, &learned), 1);
	assert_int_equal(store_restore(store, STORE_SERVED, NOW_MS, count_item, &served), 1);
	assert_int_equal(ask(store, NULL, 100, answer), 4);
	assert_int_equal(stats_of(store).dropped, 0);
	/* The first edition told the file of no end: what stands is asked for. */
	assert_true(store_wants_blocks(store));
	store_close(store);
	free(answer);
}

static void test_every_format_is_reached_from_every_later_one(void **state)
{
	struct fixture *f = *state;

	for (int64_t format = STORE_FORMAT; format >= 1; format--) {
		furnish(f);
		write_format(f, format);
		store_close(open_well(f->directory));
		assert_int_equal(number(f->path, "PRAGMA user_version"), STORE_FORMAT);
		remove_matching(f->directory, "*");
	}
}

static void test_no_other_format_is_written(void **state)
{
	static const int64_t formats[] = { -1, 0, STORE_FORMAT + 1 };
	struct fixture *f = *state;

	furnish(f);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct store *store = open_well(f->directory);

		assert_false(store_write_older(store, formats[i]));
		store_close(store);
		assert_int_equal(number(f->path, "PRAGMA user_version"), STORE_FORMAT);
	}
}

/* Nothing is half rewritten. */
static void test_what_fails_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct store *store;

	furnish(f);
	by_hand(f->path, "DROP VIEW live; CREATE TABLE customer(x)"); /* in the way */
	store = open_well(f->directory);
	assert_false(store_write_older(store, 1));
	assert_non_null(strstr(problem(store), "cannot write format 1: "));
	store_close(store);
	assert_int_equal(number(f->path, "PRAGMA user_version"), STORE_FORMAT);
	assert_int_equal(number(f->path, "SELECT count(*) FROM block WHERE grade = 'veil'"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_first_format_has_what_it_has_a_place_for),
		CASE(test_the_first_format_is_taken_over),
		CASE(test_every_format_is_reached_from_every_later_one),
		CASE(test_no_other_format_is_written),
		CASE(test_what_fails_changes_nothing),
	};

	return cmocka_run_group_tests_name("store: older formats", tests, NULL, NULL);
}
