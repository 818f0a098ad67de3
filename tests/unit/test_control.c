/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: what a request may be, bytes from strangers, and the server's limits over real sockets.
 */
#include "control_fixture.h"

static int parse(const char *line, struct control_request *out, char error[CONTROL_ERROR_MAX])
{
	error[0] = '\0';
	struct control_list list = { .count = 0 };
	int result = control_request_parse(line, strlen(line), &list, out, error);

	control_list_clear(&list);
	return result;
}

static void test_good_requests(void **state)
{
	static const struct {
		const char *line;
		enum control_command command;
	} cases[] = {
		{ "{\"v\":1,\"cmd\":\"status\"}", CONTROL_STATUS },
		{ "{\"cmd\":\"list\",\"v\":1}", CONTROL_LIST },
		{ "{\"v\":1,\"cmd\":\"sources\",\"limit\":65536}", CONTROL_SOURCES },
		{ "{\"v\":1,\"cmd\":\"explain\",\"source\":\"2001:db8::1\"}", CONTROL_EXPLAIN },
		{ "{\"v\":1,\"cmd\":\"unblock\",\"all\":true}", CONTROL_UNBLOCK },
		{ "{\"v\":1,\"cmd\":\"unblock\",\"source\":\"192.0.2.0/24\"}", CONTROL_UNBLOCK },
		{ "{\"v\":1,\"cmd\":\"allow-add\",\"source\":\"192.0.2.0/24\",\"save\":true}", CONTROL_ALLOW_ADD },
		{ "{\"v\":1,\"cmd\":\"mode\",\"mode\":\"observe\"}", CONTROL_MODE },
		{ "{\"v\":1,\"cmd\":\"pause\",\"for_s\":5}", CONTROL_PAUSE },
		{ "{\"v\":1,\"cmd\":\"events\",\"follow\":true,\"limit\":3}", CONTROL_EVENTS },
	};
	struct control_request request;
	char error[CONTROL_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (parse(cases[i].line, &request, error) < 0)
			fail_msg("%s: %s", cases[i].line, error);
		assert_int_equal(request.command, cases[i].command);
	}
	assert_int_equal(parse("{\"v\":1,\"cmd\":\"block\",\"source\":\"198.51.100.7\",\"for_s\":600,"
			       "\"reason\":\"noise\",\"force\":true,"
			       "\"caller\":\"192.0.2.9\"}",
			       &request, error),
			 0);
	assert_int_equal(request.for_s, 600);
	assert_int_equal(request.source.len, 128);
	assert_true(request.force);
	assert_string_equal(request.reason, "noise");
	assert_true(request.given & 1u << CONTROL_FIELD_CALLER);
	assert_false(request.given & 1u << CONTROL_FIELD_LIMIT);
}

static void test_bad_requests(void **state)
{
	static const char *const lines[] = {
		"",
		"{",
		"[]",
		"null",
		"\"status\"",
		"{}",
		"{\"v\":1}",
		"{\"cmd\":\"status\"}",
		"{\"v\":2,\"cmd\":\"status\"}",
		"{\"v\":\"1\",\"cmd\":\"status\"}",
		"{\"v\":1,\"cmd\":7}",
		"{\"v\":1,\"cmd\":\"shutdown\"}",
		"{\"v\":1,\"cmd\":\"status\",\"cmd\":\"list\"}",
		"{\"v\":1,\"cmd\":\"status\",\"extra\":1}",
		"{\"v\":1,\"cmd\":\"status\",\"source\":\"192.0.2.1\"}",
		"{\"v\":1,\"cmd\":\"status\"} {\"v\":1}",
		"{\"v\":1,\"cmd\":\"block\"}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":5}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1/33\"}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1/24\"}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"localhost\"}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"for_s\":0}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"for_s\":-1}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"for_s\":9223372036854775807}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"for_s\":1.5}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"force\":1}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"reason\":\"\"}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"reason\":\"a\\nb\"}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"reason\":\"\\u00e4\"}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"caller\":\"192.0.2.0/24\"}",
		"{\"v\":1,\"cmd\":\"unblock\"}",
		"{\"v\":1,\"cmd\":\"unblock\",\"all\":false}",
		"{\"v\":1,\"cmd\":\"unblock\",\"all\":true,\"source\":\"192.0.2.1\"}",
		"{\"v\":1,\"cmd\":\"allow-add\",\"source\":\"192.0.2.1\",\"save\":true,\"for_s\":5}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"sources\":[\"192.0.2.2\"]}",
		"{\"v\":1,\"cmd\":\"block\",\"sources\":[]}",
		"{\"v\":1,\"cmd\":\"block\",\"sources\":\"192.0.2.1\"}",
		"{\"v\":1,\"cmd\":\"block\",\"sources\":[\"192.0.2.1\",\"192.0.2.1/24\"]}",
		"{\"v\":1,\"cmd\":\"block\",\"sources\":[\"192.0.2.1\",5]}",
		"{\"v\":1,\"cmd\":\"block\",\"source\":\"192.0.2.1\",\"more\":true}",
		"{\"v\":1,\"cmd\":\"unblock\",\"all\":true,\"sources\":[\"192.0.2.1\"]}",
		"{\"v\":1,\"cmd\":\"allow-add\",\"save\":true,\"sources\":[\"192.0.2.1\"]}",
		"{\"v\":1,\"cmd\":\"explain\",\"sources\":[\"192.0.2.1\"]}",
		"{\"v\":1,\"cmd\":\"mode\",\"mode\":\"pause\"}",
		"{\"v\":1,\"cmd\":\"sources\",\"limit\":65537}",
		"{\"v\":1,\"cmd\":\"events\",\"follow\":\"yes\"}",
	};
	struct control_request request = { .limit = 77 };
	char error[CONTROL_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		if (parse(lines[i], &request, error) == 0)
			fail_msg("taken for good: %s", lines[i]);
		assert_true(strlen(error) > 0);
		assert_int_equal(request.limit, 77);
	}
}

/* Random bytes, and good requests with some bytes changed: an error or a request in range, and nothing else. */
static void test_bytes_of_strangers(void **state)
{
	static const char good[] = "{\"v\":1,\"cmd\":\"block\",\"source\":\"198.51.100.7\",\"for_s\":600,"
				   "\"reason\":\"noise\",\"force\":true}";
	static const char likely[] = "{}[]\":,0123456789.vcmdtrue\\u/ blocksource";
	struct seed seed = seed_new("control");
	struct control_list list = { .count = 0 };
	struct control_request request;
	char line[CONTROL_LINE_MAX + 64], error[CONTROL_ERROR_MAX];

	(void)state;
	for (int round = 0; round < 60000; round++) {
		size_t len = sizeof(good) - 1;

		if (round % 3 == 0) {
			len = seed_below(&seed, round % 300 == 0 ? sizeof(line) : 200);
			for (size_t i = 0; i < len; i++)
				line[i] = round % 2 ? (char)seed_next(&seed)
						    : likely[seed_below(&seed, sizeof(likely) - 1)];
		} else {
			memcpy(line, good, len);
			for (uint32_t changes = 1 + seed_below(&seed, 4); changes > 0; changes--)
				line[seed_below(&seed, (uint32_t)len)] = likely[seed_below(&seed, sizeof(likely) - 1)];
			len -= round % 3 == 1 ? 0 : seed_below(&seed, (uint32_t)len);
		}
		memset(&request, 0, sizeof(request));
		error[0] = '\0';
		control_list_clear(&list);
		if (control_request_parse(line, len, &list, &request, error) == 0) {
			assert_true((unsigned)request.command < CONTROL_COMMAND_COUNT);
			assert_true(prefix_is_valid(&request.source));
			assert_true(request.for_s >= 0 && strlen(request.reason) < ENGINE_REASON_MAX);
		} else {
			assert_true(strlen(error) > 0 && strlen(error) < CONTROL_ERROR_MAX);
		}
	}
	control_list_clear(&list);
}

static void test_lines(void **state)
{
	struct server *server = *state;
	struct control_stats stats;
	char text[65536], *second;
	int fd;

	needs_root();
	fd = dial(server);
	say(fd, "{\"v\":1,\"cmd\"");
	turn(server);
	assert_string_equal(hear(fd, text, sizeof(text), NULL), "");
	say(fd, ":\"list\"}\n" ASK "garbage\n");
	turn(server);
	hear(fd, text, sizeof(text), NULL);
	assert_non_null(strstr(text, "\"echo\":\"list\""));
	second = strstr(text, "\"echo\":\"status\"");
	assert_non_null(second);
	assert_non_null(strstr(second, "\"code\":2"));
	/* A half-closed client still gets its answer, then the end. */
	say(fd, ASK);
	shutdown(fd, SHUT_WR);
	turn(server);
	bool closed;
	assert_non_null(strstr(hear(fd, text, sizeof(text), &closed), "\"ok\":true"));
	assert_true(closed);
	close(fd);
	control_read_stats(server->control, &stats);
	assert_int_equal(stats.requests, 3);
	assert_int_equal(stats.bad_requests, 1);
	assert_int_equal(stats.clients, 0);
}

static void test_endless_line(void **state)
{
	struct server *server = *state;
	struct control_stats stats;
	char text[65536];
	bool closed;
	int fd;

	needs_root();
	fd = dial(server);
	memset(text, 'x', sizeof(text));
	assert_true(send(fd, text, sizeof(text), MSG_NOSIGNAL) > CONTROL_LINE_MAX);
	turn(server);
	assert_non_null(strstr(hear(fd, text, sizeof(text), &closed), "at most 16384 bytes"));
	control_read_stats(server->control, &stats);
	assert_int_equal(stats.too_long, 1);
	assert_int_equal(stats.clients, 0);
	close(fd);
}

static void test_silent_crowd(void **state)
{
	struct server *server = *state;
	struct control_stats stats;
	char text[4096];
	int crowd[100], fd;

	needs_root();
	for (size_t i = 0; i < COUNT(crowd); i++) {
		crowd[i] = dial(server);
		turn(server);
	}
	control_read_stats(server->control, &stats);
	assert_int_equal(stats.clients, CONTROL_CLIENTS_MAX);
	assert_int_equal(stats.evicted, COUNT(crowd) - CONTROL_CLIENTS_MAX);
	fd = dial(server);
	say(fd, ASK);
	turn(server);
	assert_non_null(strstr(hear(fd, text, sizeof(text), NULL), "\"ok\":true"));
	close(fd);
	for (size_t i = 0; i < COUNT(crowd); i++)
		close(crowd[i]);
	turn(server);
	control_read_stats(server->control, &stats);
	assert_int_equal(stats.clients, 0);
}

static void test_rate_and_reader(void **state)
{
	struct server *server = *state;
	struct control_stats stats;
	int fd = dial(server);

	needs_root();
	server->big = true;
	for (int i = 0; i < 100; i++)
		say(fd, ASK);
	turn(server);
	assert_true(server->requests < 10); /* it reads nothing: what waits for it is bounded */
	close(fd);
	turn(server);
	server->big = false;
	server->requests = 0;
	fd = dial(server);
	for (int i = 0; i < 100; i++)
		say(fd, ASK);
	turn(server);
	assert_true(server->requests >= CONTROL_RATE && server->requests < CONTROL_RATE + 10);
	control_read_stats(server->control, &stats);
	assert_true(stats.throttled >= 1);
	close(fd);
}

/* Bytes without an end, as many as the server takes. */
static void fill(int fd)
{
	char text[8192];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = ASK[i % strlen(ASK)];
	while (send(fd, text, sizeof(text), MSG_NOSIGNAL) > 0)
		;
}

/* Who sends more than it may waits, and the loop has nothing to do for it meanwhile. */
static void test_waiting_costs_nothing(void **state)
{
	struct server *server = *state;
	int fd[3];

	needs_root();
	alarm(30); /* a loop with something to do in each turn never comes back */
	for (size_t i = 0; i < COUNT(fd); i++) {
		fd[i] = dial(server);
		server->hold = i == 2; /* the last one waits for an answer, not for the rate */
		fill(fd[i]);
		if (i == 1)
			shutdown(fd[i], SHUT_WR);
		turn(server);
	}
	assert_int_equal(server->requests, 2 * CONTROL_RATE + 1);
	alarm(0);
	for (size_t i = 0; i < COUNT(fd); i++)
		close(fd[i]);
}

/* One user's clients share a rate of their own, root's do not, and nobody gains by connecting anew. */
static void test_rate_of_a_user(void **state)
{
	struct server *server = *state;
	int took[2] = { 0, 0 };

	needs_root();
	for (int user = 0; user < 2; user++)
		for (int i = 0; i < 2 * CONTROL_USER_RATE / CONTROL_RATE; i++) {
			struct control_client client = { .control = server->control, .uid = user ? 1000 : 0 };

			while (rate_take(&client, 1000000))
				took[user]++;
		}
	assert_int_equal(took[0], 2 * CONTROL_USER_RATE);
	assert_int_equal(took[1], CONTROL_USER_RATE);
	for (uid_t uid = 1001; uid < 1001 + CONTROL_CLIENTS_MAX - 1; uid++)
		assert_true(rate_take(&(struct control_client){ .control = server->control, .uid = uid }, 1000000));
	assert_false(rate_take(&(struct control_client){ .control = server->control, .uid = 1000 }, 1000000));
	assert_true(rate_take(&(struct control_client){ .control = server->control, .uid = 1000 }, 1000010));
}

static void test_gone_while_waiting(void **state)
{
	struct server *server = *state;
	char text[1024];
	int fd = dial(server);

	needs_root();
	server->hold = true;
	say(fd, ASK ASK);
	turn(server);
	assert_int_equal(server->requests, 1);
	assert_string_equal(hear(fd, text, sizeof(text), NULL), "");
	control_follow(server->waiting);
	close(fd);
	turn(server);
	assert_int_equal(server->gone, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_requests),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_bytes_of_strangers),
		cmocka_unit_test_setup_teardown(test_lines, server_start, server_stop),
		cmocka_unit_test_setup_teardown(test_endless_line, server_start, server_stop),
		cmocka_unit_test_setup_teardown(test_silent_crowd, server_start, server_stop),
		cmocka_unit_test_setup_teardown(test_rate_and_reader, server_start, server_stop),
		cmocka_unit_test_setup_teardown(test_waiting_costs_nothing, server_start, server_stop),
		cmocka_unit_test_setup_teardown(test_rate_of_a_user, server_start, server_stop),
		cmocka_unit_test_setup_teardown(test_gone_while_waiting, server_start, server_stop),
	};

	signal(SIGPIPE, SIG_IGN); /* as the keeper does */
	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
