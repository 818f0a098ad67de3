/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which ports count as served lately, for whom and for how long: the system's at once, a user's after an hour and no
 * more than so many, nobody's prolonged by another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <picket/packet.h>

#include "evidence/evidence.h"

#define LOOK_S 5
#define HOUR_S 3600
#define DAY_S  86400
#define ANNA   1000u
#define BERT   1001u
#define SUB    165536u /* the first of Bert's subordinate users */

struct run {
	struct served *served;
	int64_t now_s;
};

static int set_up(void **state)
{
	static struct run run;

	run = (struct run){ .served = served_new(), .now_s = 1700000000 };
	*state = &run;
	return run.served ? 0 : -1;
}

static int tear_down(void **state)
{
	struct run *run = *state;

	served_free(run->served);
	return 0;
}

/* `count` ports from `port` on listen for so long; each socket's user is `uid` + its number * `step`. */
static void listen_for(struct run *run, uint32_t uid, uint32_t step, uint16_t port, unsigned count, int64_t seconds)
{
	static struct served_socket sockets[8192];

	for (unsigned i = 0; i < count; i++)
		sockets[i] = (struct served_socket){ uid + i * step, (uint16_t)(port + i), PROTO_TCP };
	for (int64_t s = 0; s <= seconds; s += LOOK_S, run->now_s += LOOK_S)
		served_look(run->served, sockets, count, run->now_s * 1000);
}

static unsigned counted(const struct run *run, uint16_t port, unsigned count)
{
	unsigned found = 0;

	for (unsigned i = 0; i < count; i++)
		found += served_is(run->served, PROTO_TCP, (uint16_t)(port + i), run->now_s * 1000);
	return found;
}

static void test_system_at_once_for_a_day(void **state)
{
	struct run *run = *state;

	listen_for(run, SERVED_SYSTEM, 0, 22, 1, 0);
	assert_int_equal(counted(run, 22, 1), 1);
	assert_false(served_is(run->served, PROTO_UDP, 22, run->now_s * 1000));
	run->now_s += DAY_S - 2 * LOOK_S;
	assert_int_equal(counted(run, 22, 1), 1);
	run->now_s += 2 * LOOK_S;
	assert_int_equal(counted(run, 22, 1), 0);
}

static void test_user_after_an_hour(void **state)
{
	struct run *run = *state;

	listen_for(run, ANNA, 0, 8080, 1, HOUR_S - LOOK_S);
	assert_int_equal(counted(run, 8080, 1), 0);
	run->now_s += 60; /* closed for a minute: the hour begins anew */
	listen_for(run, ANNA, 0, 8080, 1, HOUR_S - LOOK_S);
	assert_int_equal(counted(run, 8080, 1), 0);
	listen_for(run, ANNA, 0, 8080, 1, LOOK_S);
	assert_int_equal(counted(run, 8080, 1), 1);
	run->now_s += DAY_S;
	assert_int_equal(counted(run, 8080, 1), 0);
}

/* Whoever opens thousands has 64; so has another beside him. */
static void test_user_has_so_many(void **state)
{
	struct run *run = *state;

	listen_for(run, ANNA, 0, 2000, 8000, HOUR_S + 60);
	assert_int_equal(counted(run, 2000, 8000), SERVED_USER_MAX);
	assert_int_equal(served_refused(run->served), 8000 - SERVED_USER_MAX); /* each once, not with every look */
	listen_for(run, BERT, 0, 20000, 1, HOUR_S);
	assert_int_equal(counted(run, 20000, 1), 1);
	/* places come back when their ports count no longer */
	run->now_s += DAY_S;
	listen_for(run, ANNA, 0, 30000, 100, HOUR_S);
	assert_int_equal(counted(run, 30000, 100), SERVED_USER_MAX);
}

static void test_subordinates_share(void **state)
{
	struct run *run = *state;

	listen_for(run, SUB, 1, 2000, 1000, HOUR_S);
	assert_int_equal(counted(run, 2000, 1000), SERVED_USER_MAX);
	listen_for(run, SUB + 65536, 1, 10000, 10, HOUR_S); /* another user's */
	assert_int_equal(counted(run, 10000, 10), 10);
}

/* A user who takes the system's port, or another's, keeps it no longer than it was. */
static void test_prolonged_by_its_own_alone(void **state)
{
	struct run *run = *state;

	listen_for(run, SERVED_SYSTEM, 0, 3000, 200, 0);
	listen_for(run, ANNA, 0, 3000, 200, DAY_S - 60);
	assert_int_equal(counted(run, 3000, 200), 200);
	listen_for(run, ANNA, 0, 3000, 200, 120);
	assert_int_equal(counted(run, 3000, 200), SERVED_USER_MAX); /* by her own hour now */
	listen_for(run, BERT, 0, 3000, 200, DAY_S + 60);
	assert_int_equal(counted(run, 3000, 200), SERVED_USER_MAX); /* hers are over, and he has as many */
	/* the system's takes no user's place */
	listen_for(run, SERVED_SYSTEM, 0, 3000, 200, 0);
	listen_for(run, BERT, 0, 40000, 64, HOUR_S);
	assert_int_equal(counted(run, 40000, 64), SERVED_USER_MAX);
}

static unsigned seen_every(uint32_t uid, int64_t gap_s, int64_t seconds)
{
	struct run run = { served_new(), 1700000000 };
	const struct served_socket socket = { uid, 8080, PROTO_TCP };
	unsigned found;

	assert_non_null(run.served);
	for (int64_t s = 0; s <= seconds; s += gap_s)
		served_look(run.served, &socket, 1, (run.now_s + s) * 1000);
	run.now_s += seconds;
	found = counted(&run, 8080, 1);
	served_free(run.served);
	return found;
}

/* Half a minute between two looks is one run of looks, a longer gap begins another hour; and two looks are none. */
static void test_an_hour_is_seen_without_a_gap(void **state)
{
	(void)state;
	assert_int_equal(seen_every(ANNA, 30, HOUR_S), 1);
	assert_int_equal(seen_every(ANNA, 31, HOUR_S + 310), 0);
	assert_int_equal(seen_every(ANNA, 30, HOUR_S - 30), 0);
	assert_int_equal(seen_every(ANNA, HOUR_S, HOUR_S), 0);
	assert_int_equal(seen_every(SERVED_SYSTEM, HOUR_S, HOUR_S), 1);
}

/* Users by their numbers: up to 99,999 each is one, from there on 65,536 are. */
static void test_whose_numbers_are_one_users(void **state)
{
	static const struct {
		uint32_t first, other;
		bool one;
	} rows[] = {
		{ 99998, 99999, false },
		{ 99999, 100000, false },
		{ 100000, 100001, true },
		{ 100000, 100000 + 65535, true },
		{ 100000, 100000 + 65536, false },
		{ 165536, 165536 + 9, true },
		{ 4294000000u, 4294000001u, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct run run = { served_new(), 1700000000 };

		listen_for(&run, rows[i].first, 0, 2000, SERVED_USER_MAX, HOUR_S);
		assert_int_equal(counted(&run, 2000, SERVED_USER_MAX), SERVED_USER_MAX);
		listen_for(&run, rows[i].other, 0, 9000, 1, HOUR_S);
		if (counted(&run, 9000, 1) != !rows[i].one)
			fail_msg("%u and %u", rows[i].first, rows[i].other);
		served_free(run.served);
	}
}

/* All users together have 1,024 places, however many they are; a service of the system takes none. */
static void test_users_share_so_many_places(void **state)
{
	struct run *run = *state;

	for (uint16_t user = 0; user < 16; user++)
		for (unsigned i = 0; i < SERVED_USER_MAX; i++)
			served_restore(run->served, PROTO_UDP, (uint16_t)(20000 + user * 100 + i), ANNA + user,
				       run->now_s * 1000, run->now_s * 1000);
	assert_int_equal(served_refused(run->served), 0);
	served_restore(run->served, PROTO_UDP, 40000, ANNA + 99, run->now_s * 1000, run->now_s * 1000);
	assert_int_equal(served_refused(run->served), 1);
	assert_false(served_is(run->served, PROTO_UDP, 40000, run->now_s * 1000));
	served_note(run->served, PROTO_UDP, 40000, run->now_s * 1000);
	assert_true(served_is(run->served, PROTO_UDP, 40000, run->now_s * 1000));
	served_note(run->served, PROTO_UDP, 20000, run->now_s * 1000); /* it is the system's now: a place is free */
	served_restore(run->served, PROTO_UDP, 40001, ANNA + 99, run->now_s * 1000, run->now_s * 1000);
	assert_true(served_is(run->served, PROTO_UDP, 40001, run->now_s * 1000));
}

/* What is saved is what is restored, users and all. */
static void test_saved_and_restored(void **state)
{
	struct run *run = *state;
	struct served *later = served_new();
	struct served_view view;
	uint32_t cursor = 0;
	unsigned count = 0;

	assert_non_null(later);
	listen_for(run, SERVED_SYSTEM, 0, 22, 1, 0);
	listen_for(run, ANNA, 0, 8000, 100, HOUR_S);
	while (served_next(run->served, &cursor, &view)) {
		count++;
		served_restore(later, view.protocol, view.port, view.uid, view.last_ms, run->now_s * 1000);
	}
	assert_int_equal(count, 1 + SERVED_USER_MAX);
	served_free(run->served);
	run->served = later;
	assert_int_equal(counted(run, 22, 1) + counted(run, 8000, 100), 1 + SERVED_USER_MAX);
	listen_for(run, ANNA, 0, 9000, 10, HOUR_S);
	assert_int_equal(counted(run, 9000, 10), 0); /* her places are taken */
	served_restore(later, PROTO_TCP, 25, SERVED_SYSTEM, (run->now_s - DAY_S) * 1000, run->now_s * 1000);
	assert_int_equal(counted(run, 25, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_system_at_once_for_a_day, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_user_after_an_hour, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_user_has_so_many, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_subordinates_share, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_prolonged_by_its_own_alone, set_up, tear_down),
		cmocka_unit_test(test_an_hour_is_seen_without_a_gap),
		cmocka_unit_test(test_whose_numbers_are_one_users),
		cmocka_unit_test_setup_teardown(test_users_share_so_many_places, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_saved_and_restored, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("served", tests, NULL, NULL);
}
