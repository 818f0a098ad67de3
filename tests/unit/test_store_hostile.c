/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows by a foreign hand: passed over and counted, never handed on.
 */
#include "store_fixture.h"

static const char *const good =
	"UPDATE block SET source_key = x'00000000000000000000FFFFC0000201', len = 128, grade = 'block',"
	" tool = '',"
	" kinds = 0, since_ms = 0, until_ms = 0, ports = '', reason = '', times = 1, incident = 0;";
static const char *const bad_blocks[] = {
	"source_key = x'00'",
	"source_key = zeroblob(17)",
	"len = 129",
	"len = -1",
	"len = 96",
	"len = 0",
	"grade = 'watch'",
	"grade = 'x'",
	"grade = ''",
	"tool = 'metasploit'",
	"kinds = 1 << 40",
	"kinds = -1",
	"times = 256",
	"incident = -1",
	"since_ms = -1",
	"until_ms = 9223372036854775807",
	"ports = '0'",
	"ports = '65536'",
	"ports = '1,2,3,4,5'",
	"ports = ','",
	"ports = '1,'",
	"ports = 'x'",
	"reason = printf('%.*c', 96, 'x')",
	"reason = char(10)",
	"reason = char(0x2028)",
	"ports = '99999999999999999999'",
};
static const char *const bad_sources[] = {
	"view = x''",
	"view = x'01'",
	"view = zeroblob(100)",
	"view = zeroblob(100000)",
	"view = CAST(view || x'00' AS BLOB)",
	"view = CAST(substr(view, 1, 1) || x'05' || substr(view, 3) AS BLOB)",       /* grade */
	"view = CAST(substr(view, 1, 2) || x'20' || substr(view, 4) AS BLOB)",       /* tool */
	"view = CAST(substr(view, 1, 4) || x'ffffffff' || substr(view, 9) AS BLOB)", /* score */
	"view = CAST(substr(view, 1, 44) || x'0d' || substr(view, 46) AS BLOB)",     /* pieces */
	"len = 0, source_key = x''",
};

static void test_hostile_rows_are_passed_over(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_VEIL, "192.0.2.1", NOW_MS);
	uint64_t dropped = 0;
	size_t count = 0;
	char sql[512];

	store_event(store, &event);
	save(store, 1, true);
	for (size_t i = 0; i < sizeof(bad_blocks) / sizeof(bad_blocks[0]); i++) {
		snprintf(sql, sizeof(sql), "%s UPDATE block SET %s", good, bad_blocks[i]);
		by_hand(f->path, sql);
		if (store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &count) != 0)
			fail_msg("taken: %s", bad_blocks[i]);
		assert_int_equal(stats_of(store).dropped, ++dropped);
	}
	by_hand(f->path, good);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &count), 1);
	by_hand(f->path, "CREATE TABLE kept AS SELECT * FROM source");
	for (size_t i = 0; i < sizeof(bad_sources) / sizeof(bad_sources[0]); i++) {
		snprintf(sql, sizeof(sql),
			 "DELETE FROM source; INSERT INTO source SELECT * FROM kept;"
			 "UPDATE source SET %s",
			 bad_sources[i]);
		by_hand(f->path, sql);
		if (store_restore(store, STORE_SOURCES, NOW_MS, count_item, &count) != 0)
			fail_msg("taken: %s", bad_sources[i]);
		assert_int_equal(stats_of(store).dropped, ++dropped);
	}
	by_hand(f->path, "INSERT INTO served VALUES(256, 1, 1, 0), (6, 65536, 1, 0), (6, 1, -1, 0), (6, 1, 1, -1)");
	assert_int_equal(store_restore(store, STORE_SERVED, NOW_MS, count_item, &count), 1);
	by_hand(f->path, "CREATE TABLE good AS SELECT * FROM learned;"
			 "INSERT INTO learned SELECT source, source_key, 127, 6, until_ms, 0, 0 FROM good UNION ALL"
			 " SELECT source, source_key, 128, 65536, until_ms, 0, 0 FROM good UNION ALL"
			 " SELECT source, source_key, 128, 6, until_ms, 0, 5 FROM good");
	assert_int_equal(store_restore(store, STORE_LEARNED, NOW_MS, count_item, &count), 1);
	store_close(store);
}

static void test_hostile_history_is_passed_over(void **state)
{
	static const char *const bad[] = {
		"type = 'x'",
		"type = 'none'",
		"grade = 'x'",
		"at_ms = -5",
		"duration_ms = -1",
		"duration_ms = 1 << 62",
		"observed = 2",
		"len = 200",
		"source_key = x'0102'",
		"source_key = x''",
		"detail = x''",
		"detail = x'02'",
		"detail = zeroblob(29)",
		"detail = CAST(detail || x'00' AS BLOB)",
		"detail = CAST(substr(detail, 1, 27) || x'ff' || substr(detail, 29) AS BLOB)",
		"tool = 'x'",
		"times = -1",
		"incident = 1 << 32",
	};
	struct fixture *f = *state;
	enum { BAD = sizeof(bad) / sizeof(bad[0]) };
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store = open_well(f->directory);
	char sql[512];

	for (size_t i = 0; i < 3 * BAD; i++) {
		struct event event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS + (int64_t)i);
		strcpy(event.text, "text");
		store_event(store, &event);
	}
	store_tick(store, NOW_MS);
	for (size_t i = 0; i < BAD; i++) {
		snprintf(sql, sizeof(sql), "UPDATE event SET %s WHERE row = %zu", bad[i], 20 + i);
		by_hand(f->path, sql);
	}
	/* A page is full all the same: what is bad is filled from behind it. */
	assert_int_equal(ask(store, NULL, 2 * BAD, answer), 2 * BAD);
	assert_int_equal(ask(store, NULL, 4 * BAD, answer), 2 * BAD);
	assert_int_equal(stats_of(store).dropped, 2 * (BAD - 1)); /* the one before all time is never met */
	store_close(store);
	free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_hostile_rows_are_passed_over),
		CASE(test_hostile_history_is_passed_over),
	};

	return cmocka_run_group_tests_name("store_hostile", tests, NULL, NULL);
}
