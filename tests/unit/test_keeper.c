/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: the ring of events, explanations that add up, and what is restored.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper/internal.h"
#include "seed.h"

static void test_history(void **state)
{
	struct history *history = history_new();
	struct history_query all = { 0 }, one = { .by_source = true }, few = { .last = 3 };
	const char *why;
	const struct event *event;
	uint64_t position, lost = 0, rows = 0;

	(void)state;
	assert_non_null(history);
	assert_true(prefix_parse("198.51.100.7", &one.source, &why));
	position = history_start(history, &all);
	for (int i = 0; i < HISTORY_ROWS_MAX + 100; i++) {
		struct event added = { .type = EVENT_VEIL, .at_ms = i + 1 };
		char text[32];

		snprintf(text, sizeof(text), "198.51.100.%d", i % 10);
		assert_true(prefix_parse(text, &added.source, &why));
		history_add(history, &added);
	}
	event = history_next(history, &all, &position, &lost);
	assert_int_equal(lost, 100);
	assert_int_equal(event->at_ms, 101);
	position = history_start(history, &few);
	while (history_next(history, &few, &position, &lost))
		rows++;
	assert_int_equal(rows, 3);
	position = history_start(history, &one);
	for (rows = 0; (event = history_next(history, &one, &position, &lost)); rows++)
		assert_true(prefix_equal(&event->source, &one.source));
	assert_true(rows >= HISTORY_ROWS_MAX / 10);
	history_free(history);
}

/* The account of an explanation adds up to the score, whatever the sentry says. */
static void test_explanation_adds_up(void **state)
{
	struct seed seed = seed_new("explain");
	int64_t now_ms = 1700000000000;

	(void)state;
	for (int round = 0; round < 500; round++) {
		struct explain_view view = {
			.alert_mn = 4600, .veil_mn = 6900, .ban_mn = 9200, .slow_half_life_ms = 86400000
		};
		double sum;
		json_t *object;
		size_t at;
		json_t *item;

		view.source.grade = GRADE_WATCH;
		view.source.source = (struct prefix){ .len = 128 };
		view.source.confirmed_mn = (int32_t)seed_below(&seed, 20000);
		view.source.suspected_mn = (int32_t)seed_below(&seed, 20000);
		view.source.fast_mn = (int32_t)seed_below(&seed, 2000);
		view.source.piece_count = (uint8_t)seed_below(&seed, 20);
		for (int i = 0; i < EVENT_PIECES_MAX; i++) {
			struct evidence *piece = &view.source.pieces[i];

			piece->at_s = 1700000000u - seed_below(&seed, 200000);
			piece->port = (uint16_t)seed_next(&seed);
			piece->weight = (uint8_t)seed_next(&seed);
			piece->kind = (uint8_t)seed_below(&seed, EVIDENCE_KIND_COUNT + 3);
		}
		for (int i = 0; i < 4; i++) {
			view.source.older[i].kind = (uint8_t)seed_below(&seed, EVIDENCE_KIND_COUNT + 3);
			view.source.older[i].count = (uint8_t)seed_next(&seed);
			view.source.older[i].weight_mn = (int32_t)seed_below(&seed, 9000);
		}
		object = view_explain(&view, now_ms, NULL);
		assert_non_null(object);
		sum = json_number_value(json_object_get(object, "adjustment"));
		json_array_foreach(json_object_get(object, "evidence"), at, item) sum +=
			json_number_value(json_object_get(item, "now"));
		json_array_foreach(json_object_get(object, "older"), at, item) sum +=
			json_number_value(json_object_get(item, "now"));
		assert_true(sum - json_number_value(json_object_get(object, "score")) < 0.0005);
		assert_true(sum - json_number_value(json_object_get(object, "score")) > -0.0005);
		json_decref(object);
	}
}

enum { BLOCKS = 3 * WIRE_BLOCK_BATCH + 1 };

static struct save *save_with_blocks(char *dir, struct journal *journal, int64_t now_ms)
{
	struct keeper_start start = { .sentry_fd = -1 };
	struct save *save;

	assert_non_null(mkdtemp(dir));
	snprintf(start.state_dir, sizeof(start.state_dir), "%s", dir);
	save = save_open(&start, journal, now_ms);
	assert_non_null(save);
	for (int i = 0; i < BLOCKS; i++) {
		struct event event = { .type = EVENT_VEIL,
				       .grade = GRADE_VEIL,
				       .at_ms = now_ms,
				       .duration_ms = 3600000,
				       .times = 1,
				       .sources = 1 };
		char text[32];
		const char *why;

		snprintf(text, sizeof(text), "198.51.100.%d", i);
		assert_true(prefix_parse(text, &event.source, &why));
		save_event(save, &event);
	}
	save_tick(save, now_ms + 1000);
	return save;
}

static void remove_state(const char *dir)
{
	static const char *const names[] = { "picket.db", "picket.db-wal", "picket.db-shm" };
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

/* Every block arrives, by pages, then the end.  A sentry that is gone costs the pages, and no more. */
static void test_restore(void **state)
{
	struct journal *journal = journal_open(&(struct journal_options){ .to_stderr = true, .name = "test" });
	static struct wire_message message;
	char dir[] = "/tmp/picket-keeper-XXXXXX";
	int64_t now_ms = 1700000000000;
	struct save *save = save_with_blocks(dir, journal, now_ms);
	uint32_t blocks = 0;
	int fds[2];

	(void)state;
	assert_int_equal(wire_pair(fds), 0);
	save_restore(save, fds[0], now_ms + 2000);
	while (wire_receive(fds[1], &message) == 1 && message.header.type != WIRE_SAVED_END) {
		assert_int_equal(message.header.type, WIRE_SAVED_BLOCKS);
		blocks += message.body.blocks.count;
	}
	assert_int_equal(message.header.type, WIRE_SAVED_END);
	assert_int_equal(blocks, BLOCKS);
	close(fds[1]);
	save_restore(save, fds[0], now_ms + 2000);
	close(fds[0]);
	save_close(save);
	journal_close(journal);
	remove_state(dir);
}

/* The clock was set while the sentry counted on: each point in time moves, no duration, and nothing that is not
 * there. */
static void test_times_move(void **state)
{
	static struct wire_message m;

	(void)state;
	m.header.type = WIRE_SAVED_SOURCES;
	m.body.sources.count = UINT32_MAX; /* nonsense of a sentry that was taken over */
	m.body.sources.items[0] = (struct source_view){
		.first_ms = 5000,
		.last_ms = 9000000,
		.at_ms = 0,
		.visited = { .since_s = 9000 },
		.pieces = { { .at_s = 9000 }, { .at_s = 100 } },
	};
	m.body.sources.items[WIRE_SOURCE_BATCH - 1].last_ms = 9000000;
	wire_shift_times(&m, -7200000);
	assert_int_equal(m.body.sources.items[0].first_ms, 1); /* before the epoch */
	assert_int_equal(m.body.sources.items[0].last_ms, 1800000);
	assert_int_equal(m.body.sources.items[0].at_ms, 0);
	assert_int_equal(m.body.sources.items[0].visited.since_s, 1800);
	assert_int_equal(m.body.sources.items[0].pieces[0].at_s, 1800);
	assert_int_equal(m.body.sources.items[0].pieces[1].at_s, 1);
	assert_int_equal(m.body.sources.items[0].pieces[2].at_s, 0);
	assert_int_equal(m.body.sources.items[WIRE_SOURCE_BATCH - 1].last_ms, 1800000);

	memset(&m, 0, sizeof(m));
	m.header.type = WIRE_EVENT;
	m.body.event =
		(struct event){ .at_ms = 1000, .duration_ms = 3600000, .pieces = { { .at_s = UINT32_MAX - 1 } } };
	wire_shift_times(&m, 7200000);
	assert_int_equal(m.body.event.at_ms, 7201000);
	assert_int_equal(m.body.event.duration_ms, 3600000);
	assert_int_equal(m.body.event.pieces[0].at_s, UINT32_MAX);

	memset(&m, 0, sizeof(m));
	m.header.type = WIRE_BLOCKS;
	m.body.blocks.count = 1;
	m.body.blocks.items[0] = (struct block_view){ .since_ms = 1000, .until_ms = 0 };
	m.body.blocks.items[1] = (struct block_view){ .since_ms = 1000, .until_ms = 2000 };
	wire_shift_times(&m, 7200000);
	assert_int_equal(m.body.blocks.items[0].since_ms, 7201000);
	assert_int_equal(m.body.blocks.items[0].until_ms, 0); /* until unblocked */
	assert_int_equal(m.body.blocks.items[1].until_ms, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_explanation_adds_up),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_times_move),
	};

	return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
