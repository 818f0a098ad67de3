/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which sockets listeners_dump() lists, in a network namespace of the test's own: listening and
 * unconnected ones, none that is connected, bound to nothing, or closed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/listeners.h"

#define OUT_MAX 64

static bool have_namespace(void)
{
	if (unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0)
		return true;
	print_message("SKIPPED: no network namespace of its own (not root?)\n");
	return false;
}

static int bound(const char *text, int type, uint16_t port, bool listening)
{
	struct addr addr;
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool is_v4;
	int fd;

	assert_true(addr_parse(text, &addr));
	is_v4 = addr_is_v4(&addr);
	fd = socket(is_v4 ? AF_INET : AF_INET6, type, 0);
	assert_true(fd >= 0);
	memcpy(&v4.sin_addr, addr_v4_bytes(&addr), 4);
	memcpy(&v6.sin6_addr, addr.b, 16);
	if (is_v4)
		assert_int_equal(bind(fd, (struct sockaddr *)&v4, sizeof(v4)), 0);
	else
		assert_int_equal(bind(fd, (struct sockaddr *)&v6, sizeof(v6)), 0);
	if (listening)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static const struct listener *find(const struct listener *list, int count, uint16_t port, uint8_t protocol)
{
	for (int i = 0; i < count; i++)
		if (list[i].port == port && list[i].protocol == protocol)
			return &list[i];
	return NULL;
}

static void test_dump(void **state)
{
	static const struct {
		const char *addr;
		int type;
		uint16_t port;
		bool listening, listed, loopback, v6;
	} cases[] = {
		{ "0.0.0.0", SOCK_STREAM, 8001, true, true, false, false },
		{ "127.0.0.1", SOCK_STREAM, 8002, true, true, true, false },
		{ "127.0.0.5", SOCK_STREAM, 8003, true, true, true, false },
		{ "::", SOCK_STREAM, 8004, true, true, false, true },
		{ "::1", SOCK_STREAM, 8005, true, true, true, true },
		{ "0.0.0.0", SOCK_DGRAM, 8006, false, true, false, false },
		{ "::1", SOCK_DGRAM, 8007, false, true, true, true },
		{ "0.0.0.0", SOCK_STREAM, 8008, false, false, false, false }, /* bound, not listening */
	};
	enum { COUNT = sizeof(cases) / sizeof(cases[0]) };
	struct listeners *listeners;
	struct listener list[OUT_MAX];
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(8006) };
	int fds[COUNT], connected, count;
	size_t dropped = 77;

	(void)state;
	if (!have_namespace())
		skip();
	for (int i = 0; i < COUNT; i++)
		fds[i] = bound(cases[i].addr, cases[i].type, cases[i].port, cases[i].listening);
	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	connected = bound("127.0.0.1", SOCK_DGRAM, 8009, false);
	assert_int_equal(connect(connected, (struct sockaddr *)&peer, sizeof(peer)), 0);
	assert_int_equal(listeners_open(&listeners), 0);
	count = listeners_dump(listeners, list, OUT_MAX, &dropped);
	assert_int_equal(count, COUNT - 1);
	assert_int_equal(dropped, 0);
	for (int i = 0; i < COUNT; i++) {
		const struct listener *l = find(list, count, cases[i].port, cases[i].type == SOCK_STREAM ? 6 : 17);
		struct stat st;

		if ((l != NULL) != cases[i].listed)
			fail_msg("%s port %u: listed %d", cases[i].addr, cases[i].port, l != NULL);
		if (!l)
			continue;
		assert_int_equal(fstat(fds[i], &st), 0);
		assert_int_equal(l->inode, st.st_ino);
		assert_int_equal(l->uid, geteuid());
		assert_int_equal(l->loopback, cases[i].loopback);
		assert_int_equal(l->v6, cases[i].v6);
		assert_int_equal(addr_is_unspecified(&l->addr), !cases[i].loopback);
	}
	assert_null(find(list, count, 8009, 17));
	/* a smaller array: the rest is counted; and the socket is good for a second question */
	assert_int_equal(listeners_dump(listeners, list, 3, &dropped), 3);
	assert_int_equal(dropped, COUNT - 1 - 3);
	for (int i = 0; i < COUNT; i++)
		close(fds[i]);
	close(connected);
	assert_int_equal(listeners_dump(listeners, list, OUT_MAX, &dropped), 0);
	listeners_close(listeners);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dump),
	};

	return cmocka_run_group_tests_name("listeners", tests, NULL, NULL);
}
