/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of exposed ports: what is told, what is not, and that no file can do harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <picket/describe.h>
#include "keeper/internal.h"
#include "seed.h"

struct told {
	unsigned count;
	uint16_t ports[64];
};

static void tell(void *context, const struct listener *listener)
{
	struct told *told = context;

	if (told->count < 64)
		told->ports[told->count] = listener->port;
	told->count++;
}

static struct listener listening(const char *address, uint8_t protocol, uint16_t port)
{
	struct listener listener = { .port = port, .protocol = protocol };

	assert_true(addr_parse(address, &listener.addr));
	listener.loopback = addr_is_loopback(&listener.addr);
	listener.v6 = !addr_is_v4(&listener.addr);
	return listener;
}

static unsigned look(struct exposed_ports *ports, const struct listener *found, size_t count)
{
	struct told told = { 0 };

	exposed_ports_look(ports, found, count, tell, &told);
	return told.count;
}

static struct exposed_ports *new_list(void)
{
	struct exposed_ports *ports = calloc(1, sizeof(*ports));

	assert_non_null(ports);
	ports->ephemeral_first = 32768;
	ports->ephemeral_last = 60999;
	return ports;
}

static void test_the_first_look_tells_nothing(void **state)
{
	struct exposed_ports *ports = new_list();
	const struct listener found[] = { listening("0.0.0.0", 6, 22), listening("::", 6, 22),
					  listening("0.0.0.0", 6, 3306), listening("127.0.0.1", 6, 25) };

	(void)state;
	assert_int_equal(look(ports, found, 2), 0);
	assert_int_equal(look(ports, found, 3), 1);
	assert_int_equal(look(ports, found, 3), 0); /* once */
	assert_int_equal(look(ports, found, 2), 0);
	assert_int_equal(look(ports, found, 4), 0); /* it came back; loopback is nobody's business */
	assert_false(exposed_ports_find(ports, &found[2])->accepted);
	exposed_ports_accept(ports);
	assert_true(exposed_ports_find(ports, &found[2])->accepted);
	assert_null(exposed_ports_find(ports, &found[3]));
	free(ports);
}

static void test_udp_sockets_that_pass(void **state)
{
	struct exposed_ports *ports = new_list();
	const struct listener found[] = { listening("0.0.0.0", 17, 161), listening("0.0.0.0", 17, 40000) };

	(void)state;
	assert_int_equal(look(ports, NULL, 0), 0);
	assert_int_equal(look(ports, found, 2), 0); /* a second look decides */
	assert_int_equal(look(ports, found, 2), 1);
	assert_int_equal(look(ports, found, 2), 0);
	free(ports);
}

static void test_text_and_back(void **state)
{
	struct exposed_ports *ports = new_list(), *again = new_list();
	const struct listener found[] = { listening("0.0.0.0", 6, 22), listening("2001:db8::1", 17, 53),
					  listening("::", 6, 80), listening("10.0.0.1", 6, 81) };
	char *text = malloc(EXPOSURE_TEXT_MAX);
	struct writer w = writer_over(text, EXPOSURE_TEXT_MAX);

	(void)state;
	look(ports, found, 3);
	exposed_ports_accept(ports);
	look(ports, found, 4);
	exposed_ports_write(ports, &w);
	assert_false(w.truncated);
	assert_non_null(strstr(text, "accepted udp6 2001:db8::1 53\n"));
	assert_non_null(strstr(text, "told tcp 10.0.0.1 81\n"));
	assert_int_equal(exposed_ports_read(again, text, w.len), 0);
	assert_true(again->begun);
	for (size_t i = 0; i < 4; i++) {
		assert_non_null(exposed_ports_find(again, &found[i]));
		assert_int_equal(exposed_ports_find(again, &found[i])->accepted, i < 3);
	}
	assert_int_equal(look(again, found, 4), 0);
	free(text);
	free(ports);
	free(again);
}

static void test_lines_that_make_no_sense(void **state)
{
	static const char *const lines[] = {
		"accepted tcp 0.0.0.0",
		"accepted tcp 0.0.0.0 0",
		"accepted tcp 0.0.0.0 65536",
		"accepted tcp name 22",
		"allowed tcp 0.0.0.0 22",
		"accepted sctp 0.0.0.0 22",
		"accepted tcp66 :: 22",
		"accepted t :: 22",
		"accepted tcp 0.0.0.0 22 more",
		"accepted tcp 0.0.0.0 -22",
		"\t",
		"x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct exposed_ports *ports = new_list();

		assert_int_equal(exposed_ports_read(ports, lines[i], strlen(lines[i])), 1);
		assert_int_equal(ports->count, 0);
		free(ports);
	}
}

static void test_random_bytes(void **state)
{
	struct seed *seed = *state;
	char text[4096];

	for (int round = 0; round < 200; round++) {
		struct exposed_ports *ports = new_list();
		size_t len = seed_below(seed, sizeof(text));

		for (size_t i = 0; i < len; i++)
			text[i] = "accepted told tcp6 udp 0.0.0.0 :: 22\n\0#"[seed_below(seed, 39)];
		exposed_ports_read(ports, text, len);
		assert_true(ports->count <= EXPOSURE_MAX);
		free(ports);
	}
}

static void test_a_full_list(void **state)
{
	struct exposed_ports *ports = new_list();
	struct listener *found = calloc(EXPOSURE_MAX + 10, sizeof(*found));

	(void)state;
	for (unsigned i = 0; i < EXPOSURE_MAX + 10; i++)
		found[i] = listening("0.0.0.0", 6, (uint16_t)(i + 1));
	assert_int_equal(look(ports, found, EXPOSURE_MAX), 0);
	assert_int_equal(look(ports, found, EXPOSURE_MAX + 10), 0);
	assert_int_equal(ports->dropped, 10);
	/* What has been gone for two looks gives way. */
	look(ports, found + EXPOSURE_MAX - 2, 1);
	look(ports, found + EXPOSURE_MAX - 2, 1);
	assert_int_equal(look(ports, found + EXPOSURE_MAX, 10), 10);
	assert_int_equal(ports->count, EXPOSURE_MAX);
	free(found);
	free(ports);
}

static void test_the_line(void **state)
{
	struct event event = {
		.at_ms = 1, .type = EVENT_EXPOSURE, .sources = 1, .text = "tcp 0.0.0.0:3306 mysql, uid 107"
	};
	char line[256];
	struct writer w = writer_over(line, sizeof(line));

	(void)state;
	assert_true(event_is_valid(&event));
	describe_event(&w, &event, NULL);
	assert_string_equal(line, "exposed: tcp 0.0.0.0:3306 mysql, uid 107");
	assert_string_equal(event_type_name(EVENT_EXPOSURE), "exposure");
}

int main(void)
{
	struct seed seed = seed_new("test_exposure");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_look_tells_nothing),
		cmocka_unit_test(test_udp_sockets_that_pass),
		cmocka_unit_test(test_text_and_back),
		cmocka_unit_test(test_lines_that_make_no_sense),
		cmocka_unit_test_prestate(test_random_bytes, &seed),
		cmocka_unit_test(test_a_full_list),
		cmocka_unit_test(test_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
