/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The traps' sockets, visited over loopback in a network namespace of the test's own (no rules: straight to the
 * listeners).  What each visit is reported as, and that it ends as promised.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>

#include "trap/trap.h"

struct scene {
	struct event_base *base;
	struct trap *trap;
	uint16_t tcp4, tcp6, udp4, udp6;
	bool block; /* what the judge answers */
	unsigned hits;
	unsigned silent_from_elsewhere; /* silent visits of other nets than 127.9.9.0/24 */
	struct probe last;
};

static bool on_hit(void *context, const struct probe *probe)
{
	struct scene *scene = context;

	scene->hits++;
	scene->last = *probe;
	if (probe->trap == PROBE_TRAP_SILENT && (probe->packet.src.b[13] != 9 || probe->packet.src.b[14] != 9))
		scene->silent_from_elsewhere++;
	return scene->block;
}

/* False: skipped. */
static bool scene_open(struct scene *scene, const char *banner)
{
	*scene = (struct scene){ .base = NULL };
	if (unshare(CLONE_NEWNET) != 0 || system("ip link set lo up") != 0) {
		print_message("SKIPPED: no network namespace of its own (not root?)\n");
		return false;
	}
	scene->base = event_base_new();
	assert_non_null(scene->base);
	assert_int_equal(trap_open(true, true, banner, &scene->trap), 0);
	trap_ports(scene->trap, &scene->tcp4, &scene->tcp6, &scene->udp4, &scene->udp6);
	assert_int_not_equal(scene->tcp4, 0);
	assert_int_not_equal(scene->udp4, 0);
	assert_int_equal(trap_serve(scene->trap, scene->base, on_hit, scene), 0);
	return true;
}

static void scene_close(struct scene *scene)
{
	trap_close(scene->trap);
	event_base_free(scene->base);
}

static void turn(struct scene *scene, int ms)
{
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	event_base_loopexit(scene->base, &tv);
	event_base_dispatch(scene->base);
}

static int visit(int family, uint16_t port, int type)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(family, type, 0);

	assert_true(fd >= 0);
	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	v6.sin6_addr = in6addr_loopback;
	if (family == AF_INET)
		assert_int_equal(connect(fd, (struct sockaddr *)&v4, sizeof(v4)), 0);
	else
		assert_int_equal(connect(fd, (struct sockaddr *)&v6, sizeof(v6)), 0);
	return fd;
}

/* What the visitor sees: bytes, 0 the end, -errno. */
static ssize_t heard(int fd, char *out, size_t size)
{
	ssize_t n = recv(fd, out, size, MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

static void test_outcomes(void **state)
{
	static const struct {
		const char *payload;
		size_t len;
		int wait_ms;
		enum probe_trap expected;
	} cases[] = {
		{ "help me\r\n", 9, 50, PROBE_TRAP_SPOKE },
		{ "GET / HTTP/1.1\r\n\r\n", 18, 50, PROBE_TRAP_INDUCED },
		{ "G", 1, 450, PROBE_TRAP_SPOKE },
		{ "", 0, TRAP_LIFETIME_MS + 100, PROBE_TRAP_SILENT },
	};
	struct scene scene;
	char byte;

	(void)state;
	if (!scene_open(&scene, ""))
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool six = i % 2 && scene.tcp6;
		int fd = visit(six ? AF_INET6 : AF_INET, six ? scene.tcp6 : scene.tcp4, SOCK_STREAM);

		scene.hits = 0;
		if (cases[i].len)
			assert_int_equal(send(fd, cases[i].payload, cases[i].len, 0), cases[i].len);
		turn(&scene, cases[i].wait_ms);
		assert_int_equal(scene.hits, 1);
		assert_int_equal(scene.last.trap, cases[i].expected);
		assert_int_equal(scene.last.port_state, PROBE_PORT_TRAPPED);
		assert_int_equal(scene.last.packet.protocol, PROTO_TCP);
		assert_int_equal(scene.last.packet.dport, six ? scene.tcp6 : scene.tcp4);
		assert_true(addr_is_loopback(&scene.last.packet.src));
		assert_int_equal(addr_is_v4(&scene.last.packet.src), !six);
		assert_int_equal(heard(fd, &byte, 1), -ECONNRESET);
		assert_int_equal(scene.hits, 1);
		close(fd);
	}
	scene_close(&scene);
}

/* A connect scan resets before anybody has accepted: the handshake was complete, and from whom it came is known. */
static void test_reset_before_accept(void **state)
{
	const struct linger reset = { 1, 0 };
	struct scene scene;
	int fd;

	(void)state;
	if (!scene_open(&scene, NULL))
		skip();
	fd = visit(AF_INET, scene.tcp4, SOCK_STREAM);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(fd);
	turn(&scene, 50);
	assert_int_equal(scene.hits, 1);
	assert_int_equal(scene.last.trap, PROBE_TRAP_SILENT);
	assert_int_equal(scene.last.packet.dport, scene.tcp4);
	assert_int_not_equal(scene.last.packet.sport, 0);
	scene_close(&scene);
}

/* The judge says that the source is blocked: the visitor hears neither FIN nor RST. */
static void test_blocked_is_silence(void **state)
{
	struct scene scene;
	struct trap_stats stats;
	char bytes[32];
	int fd;

	(void)state;
	if (!scene_open(&scene, "220 ready\r\n"))
		skip();
	scene.block = true;
	fd = visit(AF_INET, scene.tcp4, SOCK_STREAM);
	turn(&scene, 50);
	assert_int_equal(heard(fd, bytes, sizeof(bytes)), 11);
	assert_int_equal(send(fd, "help me\r\n", 9, 0), 9);
	turn(&scene, 50);
	assert_int_equal(scene.hits, 1);
	assert_int_equal(heard(fd, bytes, sizeof(bytes)), -EAGAIN);
	trap_read_stats(scene.trap, &stats);
	assert_int_equal(stats.open, 0);
	assert_int_equal(stats.errors, 0);
	close(fd);
	scene_close(&scene);
}

static void test_datagrams_are_swallowed(void **state)
{
	struct scene scene;
	struct trap_stats stats;
	char byte;
	int fd;

	(void)state;
	if (!scene_open(&scene, "banner"))
		skip();
	fd = visit(AF_INET, scene.udp4, SOCK_DGRAM);
	for (int i = 0; i < 100; i++)
		assert_int_equal(send(fd, "", 0, 0), 0);
	turn(&scene, 50);
	trap_read_stats(scene.trap, &stats);
	assert_int_equal(stats.datagrams, 100);
	assert_int_equal(scene.hits, 0);
	assert_int_equal(heard(fd, &byte, 1), -EAGAIN);
	close(fd);
	scene_close(&scene);
}

/* Few descriptors: visits give way, none is lost and nothing spins. */
static void test_no_descriptors(void **state)
{
	enum { VISITORS = 60 };
	struct rlimit old, few;
	struct scene scene;
	struct trap_stats stats;
	int fds[VISITORS];

	(void)state;
	if (!scene_open(&scene, NULL))
		skip();
	for (int i = 0; i < VISITORS; i++)
		fds[i] = visit(AF_INET, scene.tcp4, SOCK_STREAM);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)fds[VISITORS - 1] + 11; /* room for ten */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	turn(&scene, 300);
	trap_read_stats(scene.trap, &stats);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(stats.accepted, VISITORS);
	assert_int_equal(stats.evicted, VISITORS - 10);
	assert_int_equal(stats.open, 10);
	assert_int_equal(scene.hits, VISITORS - 10);
	assert_int_equal(scene.last.trap, PROBE_TRAP_UNSAVED);
	for (int i = 0; i < VISITORS; i++)
		close(fds[i]);
	scene_close(&scene);
}

static int visit_from(uint16_t port, uint8_t b, uint8_t c)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	from.sin_addr.s_addr = htonl(127u << 24 | (uint32_t)b << 16 | (uint32_t)c << 8 | 1);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* A crowd of one net displaces itself: silent visits of others are reported as what they are. */
static void test_a_crowd_displaces_itself(void **state)
{
	enum { OTHERS = 40, CROWD = 3000 };
	struct rlimit old, many;
	struct trap_stats stats;
	struct scene scene;
	int others[OTHERS], *crowd = calloc(CROWD, sizeof(*crowd));

	(void)state;
	assert_non_null(crowd);
	if (!scene_open(&scene, NULL))
		skip();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	many = (struct rlimit){ .rlim_cur = 8192, .rlim_max = old.rlim_max > 8192 ? old.rlim_max : 8192 };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = visit_from(scene.tcp4, 9, 9);
		if (i % (CROWD / OTHERS) == 0)
			others[i / (CROWD / OTHERS)] = visit_from(scene.tcp4, 2, (uint8_t)(i / (CROWD / OTHERS)));
		if (i % 16 == 0)
			turn(&scene, 1);
	}
	for (int i = 0; i < OTHERS; i++)
		close(others[i]);
	turn(&scene, 200);
	trap_read_stats(scene.trap, &stats);
	assert_true(stats.evicted > 1000);
	assert_int_equal(scene.silent_from_elsewhere, OTHERS);
	for (int i = 0; i < CROWD; i++)
		close(crowd[i]);
	free(crowd);
	scene_close(&scene);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),           cmocka_unit_test(test_reset_before_accept),
		cmocka_unit_test(test_blocked_is_silence), cmocka_unit_test(test_datagrams_are_swallowed),
		cmocka_unit_test(test_no_descriptors),     cmocka_unit_test(test_a_crowd_displaces_itself),
	};

	return cmocka_run_group_tests_name("trap", tests, NULL, NULL);
}
