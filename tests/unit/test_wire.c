/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between the processes: whole or not at all, of the length of their type, never waited for; the times in
 * them; and the histogram of decisions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire/wire.h"

struct fixture {
	int fds[2];
	struct wire_message message;
	char body[sizeof(struct wire_message)];
};

static int arrange(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return wire_pair(f->fds);
}

static int clear(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++)
		if (f->fds[i] >= 0)
			close(f->fds[i]);
	free(f);
	return 0;
}

static void every_type_arrives(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(wire_body_len(WIRE_NONE), 0);
	assert_int_equal(wire_body_len(WIRE_TYPE_COUNT), 0);
	assert_int_equal(wire_body_len((enum wire_type) - 1), 0);
	assert_int_equal(wire_body_len(WIRE_STATUS), sizeof(struct wire_status));
	assert_int_equal(wire_receive(f->fds[1], &f->message), 0);
	for (unsigned type = 1; type < WIRE_TYPE_COUNT; type++) {
		size_t len = wire_body_len((enum wire_type)type);

		assert_true(len > 0 && len <= sizeof(f->message.body));
		memset(f->body, (int)type, len);
		memset(&f->message, 0xff, sizeof(f->message));
		assert_int_equal(wire_send(f->fds[0], (enum wire_type)type, 1000 + type, f->body), 0);
		assert_int_equal(wire_receive(f->fds[1], &f->message), 1);
		assert_int_equal(f->message.header.type, type);
		assert_int_equal(f->message.header.id, 1000 + type);
		assert_memory_equal(&f->message.body, f->body, len);
	}
	assert_int_equal(wire_receive(f->fds[1], &f->message), 0);
}

/* Thrown away, each by itself: what follows arrives. */
static void what_is_no_message_is_refused(void **state)
{
	struct fixture *f = *state;
	const size_t head = offsetof(struct wire_message, body), len = head + sizeof(struct wire_cursor);
	const struct {
		unsigned type;
		size_t len;
	} bad[] = {
		{ WIRE_ASK_BLOCKS, 1 },
		{ WIRE_ASK_BLOCKS, sizeof(struct wire_header) - 1 },
		{ WIRE_ASK_BLOCKS, head },
		{ WIRE_ASK_BLOCKS, len - 1 },
		{ WIRE_ASK_BLOCKS, len + 1 },
		{ WIRE_ASK_BLOCKS, sizeof(f->message) + 8 },
		{ WIRE_NONE, len },
		{ WIRE_TYPE_COUNT, len },
		{ 0xffff, len },
		{ WIRE_STATUS, len },
	};
	char bytes[sizeof(f->message) + 8] = { 0 };
	const struct wire_cursor good = { 7 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		((struct wire_header *)(void *)bytes)->type = (uint16_t)bad[i].type;
		assert_int_equal(send(f->fds[0], bytes, bad[i].len, 0), bad[i].len);
		assert_int_equal(wire_send(f->fds[0], WIRE_ASK_BLOCKS, 1, &good), 0);
		assert_int_equal(wire_receive(f->fds[1], &f->message), -EBADMSG);
		assert_int_equal(wire_receive(f->fds[1], &f->message), 1);
		assert_int_equal(f->message.body.empty.zero, 7);
	}
	assert_int_equal(wire_send(f->fds[0], WIRE_ASK_BLOCKS, 1, NULL), -EINVAL);
	assert_int_equal(wire_send(f->fds[0], WIRE_NONE, 1, &good), -EINVAL);
	assert_int_equal(wire_receive(f->fds[1], &f->message), 0);
}

/* Both ends alike: for both directions, never waited for, and not left to a program that is run. */
static void a_pair_has_two_ends(void **state)
{
	struct fixture *f = *state;
	const struct wire_cursor cursor = { 7 };

	for (int i = 0; i < 2; i++) {
		int size;
		socklen_t len = sizeof(size);

		assert_true(fcntl(f->fds[i], F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(f->fds[i], F_GETFL) & O_NONBLOCK);
		assert_int_equal(getsockopt(f->fds[i], SOL_SOCKET, SO_SNDBUF, &size, &len), 0);
		assert_true(size >= 4 * 1024 * 1024 || geteuid() != 0);
		assert_int_equal(wire_send(f->fds[i], WIRE_ASK_BLOCKS, 1, &cursor), 0);
		assert_int_equal(wire_receive(f->fds[1 - i], &f->message), 1);
	}
	/* Gone with what was sent to it unread. */
	assert_int_equal(wire_send(f->fds[0], WIRE_ASK_BLOCKS, 1, &cursor), 0);
	close(f->fds[1]);
	f->fds[1] = -1;
	assert_int_equal(wire_receive(f->fds[0], &f->message), -EPIPE);
	assert_int_equal(wire_send(f->fds[0], WIRE_ASK_BLOCKS, 1, &cursor), -EPIPE);
}

static void the_other_side_is_gone(void **state)
{
	struct fixture *f = *state;

	close(f->fds[1]);
	f->fds[1] = -1;
	assert_int_equal(wire_send(f->fds[0], WIRE_BEAT, 0, &(struct wire_empty){ 0 }), -EPIPE);
	assert_int_equal(wire_receive(f->fds[0], &f->message), -EPIPE);
	close(f->fds[0]);
	assert_int_equal(wire_receive(f->fds[0], &f->message), -EBADF);
	assert_int_equal(wire_send(f->fds[0], WIRE_BEAT, 0, &(struct wire_empty){ 0 }), -EBADF);
	f->fds[0] = -1;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void who_does_not_read_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	const struct wire_status status = { 0 };
	int result, sent = 0;
	int64_t began;

	while ((result = wire_send(f->fds[0], WIRE_STATUS, 0, &status)) == 0)
		sent++;
	assert_int_equal(result, -EAGAIN);
	/* Room for what is in flight when many blocks are told at once. */
	assert_true(sent > (int)(1024 * 1024 / sizeof(status)) || geteuid() != 0);
	began = now_ms();
	assert_int_equal(wire_send_patiently(f->fds[0], WIRE_STATUS, &status, 100), -EAGAIN);
	assert_true(now_ms() - began >= 99);
	for (int i = 0; i < sent; i++)
		assert_int_equal(wire_receive(f->fds[1], &f->message), 1);
	assert_int_equal(wire_receive(f->fds[1], &f->message), 0);
	assert_int_equal(wire_send_patiently(f->fds[0], WIRE_STATUS, &status, 100), 0);
}

static void patience_is_rewarded(void **state)
{
	struct fixture *f = *state;
	const struct wire_cursor cursor = { 1 };
	pid_t reader;

	while (wire_send(f->fds[0], WIRE_ASK_BLOCKS, 0, &cursor) == 0)
		;
	reader = fork();
	assert_true(reader >= 0);
	if (reader == 0) {
		usleep(50000);
		while (wire_receive(f->fds[1], &f->message) == 1)
			;
		_exit(0);
	}
	assert_int_equal(wire_send_patiently(f->fds[0], WIRE_ASK_BLOCKS, &cursor, 10000), 0);
}

#define T     1700000000000LL
#define PAST  (-3600000LL)
#define FIRST 5000

/* Points in time move, spans and what is no time stay: 0 is none, and no other becomes it. */
static void times_are_moved(void **state)
{
	struct fixture *f = *state;
	struct wire_message *m = &f->message;
	struct block_view *blocks = m->body.blocks.items;

	m->header.type = WIRE_EVENT;
	m->body.event.at_ms = T;
	m->body.event.duration_ms = 600000;
	m->body.event.pieces[0].at_s = T / 1000;
	m->body.event.pieces[EVENT_PIECES_MAX - 1].at_s = 1;
	wire_shift_times(m, PAST);
	assert_int_equal(m->body.event.at_ms, T + PAST);
	assert_int_equal(m->body.event.duration_ms, 600000);
	assert_int_equal(m->body.event.pieces[0].at_s, (T + PAST) / 1000);
	assert_int_equal(m->body.event.pieces[1].at_s, 0);
	assert_int_equal(m->body.event.pieces[EVENT_PIECES_MAX - 1].at_s, 1);
	m->body.event.pieces[0].at_s = 5;
	wire_shift_times(m, -5000);
	assert_int_equal(m->body.event.pieces[0].at_s, 1);
	m->body.event.at_ms = FIRST;
	m->body.event.pieces[0].at_s = UINT32_MAX - 1;
	wire_shift_times(m, 2000);
	assert_int_equal(m->body.event.at_ms, FIRST + 2000);
	assert_int_equal(m->body.event.pieces[0].at_s, UINT32_MAX);
	wire_shift_times(m, PAST);
	assert_int_equal(m->body.event.at_ms, 1);
	/* What a process that was taken over says has no room to move. */
	m->body.event.at_ms = INT64_MAX;
	wire_shift_times(m, 2000);
	assert_true(m->body.event.at_ms == INT64_MAX);

	for (unsigned type = WIRE_BLOCKS;; type = WIRE_SAVED_BLOCKS) {
		memset(m, 0, sizeof(*m));
		m->header.type = (uint16_t)type;
		m->body.blocks.count = UINT32_MAX; /* no more than there are are looked at */
		blocks[0].since_ms = blocks[0].until_ms = T;
		blocks[WIRE_BLOCK_BATCH - 1].since_ms = T;
		wire_shift_times(m, 1500);
		assert_true(blocks[0].since_ms == T + 1500 && blocks[0].until_ms == T + 1500);
		assert_true(blocks[WIRE_BLOCK_BATCH - 1].since_ms == T + 1500 && blocks[1].since_ms == 0);
		m->body.blocks.count = 1;
		blocks[1].until_ms = T;
		wire_shift_times(m, 1500);
		assert_int_equal(blocks[1].until_ms, T);
		assert_true(blocks[0].since_ms == T + 3000 && blocks[WIRE_BLOCK_BATCH - 1].since_ms == T + 1500);
		if (type == WIRE_SAVED_BLOCKS)
			break;
	}
}

static void times_of_sources_are_moved(void **state)
{
	struct fixture *f = *state;
	struct wire_message *m = &f->message;
	struct source_view *sources = m->body.sources.items;

	for (unsigned type = WIRE_SOURCES;; type = WIRE_SAVED_SOURCES) {
		memset(m, 0, sizeof(*m));
		m->header.type = (uint16_t)type;
		m->body.sources.count = WIRE_SOURCE_BATCH;
		sources[WIRE_SOURCE_BATCH - 1] = (struct source_view){ .first_ms = T, .last_ms = T, .at_ms = T };
		sources[WIRE_SOURCE_BATCH - 1].visited.since_s = T / 1000;
		sources[WIRE_SOURCE_BATCH - 1].pieces[0].at_s = T / 1000;
		wire_shift_times(m, 2500);
		const struct source_view *last = &sources[WIRE_SOURCE_BATCH - 1];
		assert_true(last->first_ms == T + 2500 && last->last_ms == T + 2500 && last->at_ms == T + 2500);
		assert_true(last->visited.since_s == T / 1000 + 2 && last->pieces[0].at_s == T / 1000 + 2);
		/* So many as it says. */
		sources[0].at_ms = sources[1].at_ms = T;
		m->body.sources.count = 1;
		wire_shift_times(m, 2500);
		assert_true(sources[0].at_ms == T + 2500 && sources[1].at_ms == T && last->at_ms == T + 2500);
		if (type == WIRE_SAVED_SOURCES)
			break;
	}
}

static void times_of_other_messages_are_moved(void **state)
{
	struct fixture *f = *state;
	struct wire_message *m = &f->message;

	m->header.type = WIRE_STATUS;
	m->body.status.started_ms = m->body.status.now_ms = T;
	wire_shift_times(m, PAST);
	assert_true(m->body.status.started_ms == T + PAST && m->body.status.now_ms == T + PAST);
	assert_int_equal(m->body.status.paused_until_ms, 0);
	m->body.status.paused_until_ms = T;
	wire_shift_times(m, PAST);
	assert_int_equal(m->body.status.paused_until_ms, T + PAST);

	memset(m, 0, sizeof(*m));
	m->header.type = WIRE_ALLOWS;
	m->body.allows.count = 2;
	m->body.allows.items[0].until_ms = m->body.allows.items[2].until_ms = T;
	wire_shift_times(m, PAST);
	assert_true(m->body.allows.items[0].until_ms == T + PAST && m->body.allows.items[1].until_ms == 0);
	assert_int_equal(m->body.allows.items[2].until_ms, T);

	memset(m, 0, sizeof(*m));
	m->header.type = WIRE_SAVED_SERVED;
	m->body.served.count = 1;
	m->body.served.items[0].last_ms = m->body.served.items[1].last_ms = T;
	wire_shift_times(m, PAST);
	assert_true(m->body.served.items[0].last_ms == T + PAST && m->body.served.items[1].last_ms == T);

	memset(m, 0, sizeof(*m));
	m->header.type = WIRE_EXPLAIN;
	m->body.explain.source.last_ms = m->body.explain.block.until_ms = m->body.explain.exempt_until_ms = T;
	wire_shift_times(m, PAST);
	assert_true(m->body.explain.source.last_ms == T + PAST && m->body.explain.block.until_ms == T + PAST);
	assert_int_equal(m->body.explain.exempt_until_ms, T + PAST);

	/* What has no times stays as it is. */
	memset(m, 1, sizeof(*m));
	m->header.type = WIRE_ASK_BLOCKS;
	wire_shift_times(m, PAST);
	memset(f->body, 1, sizeof(f->body));
	assert_memory_equal(&m->body, f->body, sizeof(m->body));
}

static void decisions_are_counted_by_time(void **state)
{
	/* Whoever draws a graph of them relies on these. */
	static const uint32_t bounds_us[] = { 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 10000, 50000 };
	struct latency l = { 0 };
	uint64_t sum = 0;

	(void)state;
	assert_memory_equal(bounds_us, latency_bounds_us, sizeof(bounds_us));
	for (unsigned i = 0; i < LATENCY_BUCKETS - 1; i++) {
		int64_t bound = (int64_t)latency_bounds_us[i] * 1000;

		latency_add(&l, bound);
		assert_int_equal(l.buckets[i], i == 0 ? 1 : 2);
		latency_add(&l, bound + 1);
		assert_int_equal(l.buckets[i + 1], 1);
		sum += 2 * (uint64_t)bound + 1;
	}
	latency_add(&l, -1);
	latency_add(&l, 0);
	assert_int_equal(l.buckets[0], 3);
	assert_int_equal(l.count, 2 * (LATENCY_BUCKETS - 1) + 2);
	assert_int_equal(l.sum_ns, sum);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, arrange, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_type_arrives),
		CASE(what_is_no_message_is_refused),
		CASE(a_pair_has_two_ends),
		CASE(the_other_side_is_gone),
		CASE(who_does_not_read_is_not_waited_for),
		CASE(patience_is_rewarded),
		CASE(times_are_moved),
		CASE(times_of_sources_are_moved),
		CASE(times_of_other_messages_are_moved),
		cmocka_unit_test(decisions_are_counted_by_time),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
