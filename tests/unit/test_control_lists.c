/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The longest request, and orders about many sources, which several requests make: as long as one may be, as much as
 * all clients may have begun, and what becomes of those that are never finished.
 */
#include "control_fixture.h"

static void say_sources(int fd, unsigned from, unsigned count, bool more)
{
	char line[CONTROL_LINE_MAX];
	struct writer w = writer_over(line, sizeof(line));

	for (unsigned i = 0; i < count; i++)
		writer_format(&w, "%s\"10.0.%u.%u\"", i ? "," : "{\"v\":1,\"cmd\":\"block\",\"sources\":[",
			      (from + i) / 256, (from + i) % 256);
	writer_format(&w, "]%s}\n", more ? ",\"more\":true" : "");
	assert_false(w.truncated);
	say(fd, line);
}

/* An order in parts: each is answered, the last one has all; as many as there may be, and one more. */
static void test_many_sources(void **state)
{
	struct server *server = *state;
	char text[4096];
	int fd = dial(server);
	unsigned part = CONTROL_SOURCES_MAX / 16;

	needs_root();
	for (unsigned i = 0; i < 16; i++) {
		say_sources(fd, i * part, part - (i == 15), true);
		turn(server);
	}
	assert_int_equal(server->requests, 0);
	assert_null(strstr(hear(fd, text, sizeof(text), NULL), "\"ok\":false"));
	say_sources(fd, CONTROL_SOURCES_MAX - 1, 1, false);
	turn(server);
	assert_int_equal(server->requests, 1);
	assert_int_equal(server->sources, CONTROL_SOURCES_MAX);
	assert_int_equal(server->control->listed, 0);
	hear(fd, text, sizeof(text), NULL);
	close(fd);
	fd = dial(server);
	for (unsigned i = 0; i < 16; i++) {
		say_sources(fd, i * part, part, true);
		turn(server);
	}
	say_sources(fd, 0, 1, false);
	turn(server);
	assert_int_equal(server->requests, 1);
	assert_non_null(strstr(hear(fd, text, sizeof(text), NULL), "16384 in one order at most"));
	assert_int_equal(server->control->listed, 0);
	close(fd);
}

/* All that clients have begun to say is bounded, the last of it kept for root; at the bound all is well, one more
 * source is refused and counted, and costs the others nothing. */
static void test_all_clients_lists(void **state)
{
	struct server *server = *state;
	struct control_stats stats;
	char text[4096];
	int fd[6];
	unsigned part = CONTROL_SOURCES_MAX / 16, begun = 0;

	needs_root();
	for (size_t i = 0; i < COUNT(fd); i++) {
		fd[i] = dial(server);
		turn(server);
		/* The first four belong to another user. */
		server->control->clients[i]->uid = i < 4 ? 1000 : 0;
	}
	for (size_t i = 0; i < COUNT(fd); i++) {
		if (i == 3 || i == 5) { /* one more than there may be */
			say_sources(fd[i], 0, 1, true);
			turn(server);
			assert_non_null(strstr(hear(fd[i], text, sizeof(text), NULL), "too many long orders"));
		} else {
			for (unsigned n = 0; n < 16; n++, begun += part) {
				say_sources(fd[i], n * part, part, true);
				turn(server);
			}
			assert_null(strstr(hear(fd[i], text, sizeof(text), NULL), "\"ok\":false"));
		}
		assert_int_equal(server->control->listed, begun);
	}
	assert_int_equal(begun, CONTROL_LISTED_MAX);
	control_read_stats(server->control, &stats);
	assert_int_equal(stats.busy, 2);
	for (size_t i = 0; i < COUNT(fd); i++)
		close(fd[i]);
	turn(server);
	assert_int_equal(server->control->listed, 0);
}

/* Another request in between, or the end of the connection: what was begun is forgotten. */
static void test_order_left_unfinished(void **state)
{
	struct server *server = *state;
	char text[4096];
	int fd = dial(server);

	needs_root();
	say_sources(fd, 0, 5, true);
	say(fd, ASK);
	say_sources(fd, 5, 2, false);
	turn(server);
	assert_int_equal(server->sources, 2);
	say_sources(fd, 0, 5, true);
	say(fd, "{\"v\":1,\"cmd\":\"unblock\",\"sources\":[\"192.0.2.1\"]}\n");
	turn(server);
	assert_non_null(strstr(hear(fd, text, sizeof(text), NULL), "was followed by another"));
	say_sources(fd, 0, 5, true);
	turn(server);
	assert_int_equal(server->control->listed, 5);
	close(fd);
	turn(server);
	assert_int_equal(server->control->listed, 0);
	assert_int_equal(server->requests, 2);
}

/* A request as long as one may be is one; with a byte more it is the client's last. */
static void test_longest_line(void **state)
{
	static const char begin[] = "{\"v\":1,\"cmd\":\"status\"";
	struct server *server = *state;
	char line[CONTROL_LINE_MAX + 3], text[1024];
	struct control_stats stats;
	bool closed = false;
	int fd = dial(server);

	needs_root();
	for (int more = 0; more < 2; more++) {
		memset(line, ' ', sizeof(line));
		memcpy(line, begin, sizeof(begin) - 1);
		memcpy(line + CONTROL_LINE_MAX + more - 1, "}\n", 3);
		say(fd, line);
		turn(server);
		hear(fd, text, sizeof(text), &closed);
		assert_int_equal(server->requests, 1);
		assert_true(closed == (more == 1));
		assert_true((strstr(text, "at most 16384 bytes") != NULL) == (more == 1));
	}
	control_read_stats(server->control, &stats);
	assert_int_equal(stats.too_long, 1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_sources, server_start, server_stop),
		cmocka_unit_test_setup_teardown(test_all_clients_lists, server_start, server_stop),
		cmocka_unit_test_setup_teardown(test_order_left_unfinished, server_start, server_stop),
		cmocka_unit_test_setup_teardown(test_longest_line, server_start, server_stop),
	};

	return cmocka_run_group_tests_name("control's lists", tests, NULL, NULL);
}
