/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows at their limits come back as they were saved.  Rows beyond them, by a foreign hand: passed over and counted,
 * never handed on.
 */
#include "store_fixture.h"

#include "duration.h"

#define YEAR_9999_MS 253402300799000LL
#define ALL_KINDS    ((1u << EVIDENCE_KIND_COUNT) - 1)

/* What is saved of a table is the only thing in it. */
static void put_item(struct store *store, enum store_table table, const void *item)
{
	if (table == STORE_BLOCKS)
		store_save_blocks_begin(store);
	else
		store_save_begin(store);
	store_save(store, table, item);
	store_save_end(store);
}

struct expected {
	const void *item;
	size_t size, seen;
};

static void is_expected(void *context, const void *item)
{
	struct expected *expected = context;

	assert_memory_equal(item, expected->item, expected->size);
	expected->seen++;
}

static void assert_comes_back(struct store *store, enum store_table table, const void *item, size_t size)
{
	struct expected expected = { .item = item, .size = size };

	put_item(store, table, item);
	assert_int_equal(store_restore(store, table, NOW_MS, is_expected, &expected), 1);
	assert_int_equal(expected.seen, 1);
}

static void assert_passed_over(struct store *store, enum store_table table, const void *item)
{
	uint64_t dropped = stats_of(store).dropped;
	size_t count = 0;

	put_item(store, table, item);
	assert_int_equal(store_restore(store, table, NOW_MS, count_item, &count), 0);
	assert_int_equal(stats_of(store).dropped, dropped + 1);
}

static struct block_view full_block(void)
{
	struct block_view block;

	memset(&block, 0, sizeof(block));
	block.source = prefix("2001:db8::/33");
	block.grade = GRADE_BLOCK;
	block.times = UINT8_MAX;
	block.tool = TOOL_COUNT - 1;
	block.incident = UINT32_MAX;
	block.kinds = ALL_KINDS;
	block.since_ms = YEAR_9999_MS;
	block.until_ms = NOW_MS + DURATION_MAX_MS;
	memcpy(block.ports, ((const uint16_t[4]){ 65535, 1, 65535, 10 }), sizeof(block.ports));
	memset(block.reason, '~', sizeof(block.reason) - 1);
	block.reason[0] = ' ';
	return block;
}

static void test_blocks_at_their_limits(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct block_view block = full_block();

	assert_comes_back(store, STORE_BLOCKS, &block, sizeof(block));
	block.since_ms++;
	assert_passed_over(store, STORE_BLOCKS, &block);
	block = full_block();
	block.until_ms++;
	assert_passed_over(store, STORE_BLOCKS, &block);
	/* Over at this very millisecond: no longer alive, and nothing is wrong with it. */
	block.until_ms = NOW_MS;
	put_item(store, STORE_BLOCKS, &block);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &(size_t){ 0 }), 0);
	block.until_ms = NOW_MS + 1;
	assert_comes_back(store, STORE_BLOCKS, &block, sizeof(block));
	memset(&block, 0, sizeof(block));
	block.source = prefix("128.0.0.0/1");
	block.grade = GRADE_VEIL;
	assert_comes_back(store, STORE_BLOCKS, &block, sizeof(block));
	block.grade = GRADE_ALERT;
	assert_passed_over(store, STORE_BLOCKS, &block);
	/* A reason without an end is not saved at all. */
	block = full_block();
	block.reason[sizeof(block.reason) - 1] = '~';
	put_item(store, STORE_BLOCKS, &block);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &(size_t){ 0 }), 0);
	assert_int_equal(stats_of(store).dropped, 3);
	store_close(store);
}

static struct source_view full_source(void)
{
	struct source_view source = some_source("2001:db8::/64");

	source.grade = GRADE_BAN;
	source.tool = TOOL_COUNT - 1;
	source.times = UINT8_MAX;
	source.confirmed_mn = source.suspected_mn = source.fast_mn = 100000000;
	source.incident = source.probes = UINT32_MAX;
	source.kinds = ALL_KINDS;
	source.first_ms = source.last_ms = INT64_MAX;
	source.net = UINT8_MAX;
	source.visited = (struct trap_families){ .now = UINT32_MAX, .before = 1, .since_s = UINT32_MAX - 1 };
	source.pieces[EVENT_PIECES_MAX - 1] = (struct evidence){
		.at_s = UINT32_MAX,
		.port = 65535,
		.host_tag = 0xfeff,
		.weight = UINT8_MAX,
		.kind = EVIDENCE_KIND_COUNT - 1,
	};
	for (size_t i = 0; i < 4; i++) {
		source.older[i].kind = EVIDENCE_KIND_COUNT - 1;
		source.older[i].count = (uint8_t)(UINT8_MAX - i);
		source.older[i].weight_mn = 100000000;
	}
	return source;
}

static void test_sources_at_their_limits(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct source_view source = full_source();

	assert_comes_back(store, STORE_SOURCES, &source, sizeof(source));
	memset(&source, 0, sizeof(source));
	source.source = prefix("128.0.0.0/1");
	source.grade = GRADE_WATCH;
	assert_comes_back(store, STORE_SOURCES, &source, sizeof(source));
#define BEYOND(change)                                                                                                 \
	do {                                                                                                           \
		source = full_source();                                                                                \
		(change);                                                                                              \
		assert_passed_over(store, STORE_SOURCES, &source);                                                     \
	} while (0)
	BEYOND(source.grade = GRADE_NONE);
	BEYOND(source.grade = GRADE_BLOCK);
	BEYOND(source.tool = TOOL_COUNT);
	BEYOND(source.kinds = ALL_KINDS + 1);
	BEYOND(source.first_ms = -1);
	BEYOND(source.last_ms--);
	BEYOND(source.confirmed_mn++);
	BEYOND(source.suspected_mn++);
	BEYOND(source.fast_mn++);
	BEYOND(source.confirmed_mn = -1);
	BEYOND(source.older[3].kind++);
	BEYOND(source.older[3].weight_mn++);
	BEYOND(source.older[0].weight_mn = -1);
	BEYOND(source.pieces[0].kind = EVIDENCE_KIND_COUNT);
#undef BEYOND
	/* More pieces than there are is not saved at all. */
	source = full_source();
	source.piece_count++;
	put_item(store, STORE_SOURCES, &source);
	assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, count_item, &(size_t){ 0 }), 0);
	assert_int_equal(stats_of(store).dropped, 14);
	store_close(store);
}

/* A row of an older picket lacks what came later; one of a newer picket is passed over. */
static void test_sources_of_other_formats(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct source_view source = full_source();
	struct expected expected = { .item = &source, .size = sizeof(source) };
	size_t count = 0;

	put_item(store, STORE_SOURCES, &source);
	by_hand(f->path, "UPDATE source SET view = CAST(x'01' || substr(view, 2, length(view) - 14) AS BLOB)");
	memset(&source.visited, 0, sizeof(source.visited));
	source.net = 0;
	assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, is_expected, &expected), 1);
	by_hand(f->path, "UPDATE source SET view = CAST(x'00' || substr(view, 2) AS BLOB)");
	assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, count_item, &count), 0);
	put_item(store, STORE_SOURCES, &source);
	by_hand(f->path, "UPDATE source SET view = CAST(x'03' || substr(view, 2) AS BLOB)");
	assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, count_item, &count), 0);
	store_close(store);
}

static void test_ports_at_their_limits(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct served_view served;
	struct store_learned learned;

	memset(&served, 0, sizeof(served));
	served.protocol = UINT8_MAX;
	served.port = UINT16_MAX;
	served.last_ms = YEAR_9999_MS;
	served.uid = SERVED_SYSTEM;
	memset(&learned, 0, sizeof(learned));
	learned.addr = prefix("2001:db8::7").addr;
	learned.until_ms = NOW_MS + DURATION_MAX_MS;
	learned.port = UINT16_MAX;
	learned.own_port = UINT16_MAX - 1;
	learned.kind = STORE_LEARNED_KINDS - 1;
	assert_comes_back(store, STORE_SERVED, &served, sizeof(served));
	served.last_ms++;
	assert_passed_over(store, STORE_SERVED, &served);
	memset(&served, 0, sizeof(served));
	assert_comes_back(store, STORE_SERVED, &served, sizeof(served));
	assert_comes_back(store, STORE_LEARNED, &learned, sizeof(learned));
	learned.until_ms++;
	assert_passed_over(store, STORE_LEARNED, &learned);
	learned.until_ms = NOW_MS + 1;
	learned.kind++;
	assert_passed_over(store, STORE_LEARNED, &learned);
	learned.kind = learned.port = learned.own_port = 0;
	assert_comes_back(store, STORE_LEARNED, &learned, sizeof(learned));
	store_close(store);
}

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
		CASE(test_blocks_at_their_limits),       CASE(test_sources_at_their_limits),
		CASE(test_sources_of_other_formats),     CASE(test_ports_at_their_limits),
		CASE(test_hostile_rows_are_passed_over), CASE(test_hostile_history_is_passed_over),
	};

	return cmocka_run_group_tests_name("store_hostile", tests, NULL, NULL);
}
