/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What routes_dump() sees in a network namespace of the test's own, built with ip(8); and that hostile
 * messages do the gatherer no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "host/routes.h"
#include "host/internal.h"

/* 2,000 */
#define MANY_ADDRESSES                                                                                                 \
	"for i in $(seq 1 250); do for j in $(seq 1 8); do echo \"addr add 10.0.$j.$i/32 dev lo\"; done; done"         \
	" | ip -batch -"

static bool have_namespace(void)
{
	if (unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0)
		return true;
	print_message("SKIPPED: no network namespace of its own (not root?)\n");
	return false;
}

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static bool has(const struct prefix *list, size_t count, const char *text)
{
	struct prefix wanted;
	const char *error;

	if (!prefix_parse(text, &wanted, &error))
		fail_msg("%s: %s", text, error);
	for (size_t i = 0; i < count; i++)
		if (prefix_equal(&list[i], &wanted))
			return true;
	return false;
}

static bool has_interface(const struct routes_view *view, const char *name)
{
	for (size_t i = 0; i < view->interface_count; i++)
		if (strcmp(view->interfaces[i], name) == 0)
			return true;
	return false;
}

static void build(void)
{
	static const char *const commands[] = {
		"ip link add out0 type veth peer name far0",
		"ip link add out1 type veth peer name far1",
		"ip link set out0 up",
		"ip link set far0 up",
		"ip link set out1 up",
		"ip link set far1 up",
		"ip addr add 192.0.2.1/24 dev out0",
		"ip addr add 192.0.2.9/24 dev out0",
		"ip addr add 203.0.113.1/25 dev out1",
		"ip addr add 198.51.100.1 peer 198.51.100.2/32 dev out0",
		"ip addr add 2001:db8::1/64 dev out0 nodad",
		"ip addr add 203.0.113.200/32 dev lo",
		"ip route add 10.1.0.0/16 via 192.0.2.251",
		"ip route add default via 192.0.2.254",
		"ip route add 10.2.0.0/16 via 192.0.2.252 table 100",
		"ip route add 10.3.0.0/16 nexthop via 192.0.2.241 nexthop via 203.0.113.11",
		"ip route add 10.4.0.0/16 via inet6 2001:db8::44 dev out0",
		"ip -6 route add default via 2001:db8::fe table 77",
		"ip -6 route add 2001:db8:1::/48 nexthop via 2001:db8::a1 nexthop via 2001:db8::a2",
		"ip route add unreachable 10.9.0.0/16",
		"ip route add 10.5.0.0/16 dev out0",
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		run(commands[i]);
}

static void test_view(void **state)
{
	static const char *const own[] = { "127.0.0.1",    "192.0.2.1",     "192.0.2.9",   "203.0.113.1",
					   "198.51.100.1", "203.0.113.200", "2001:db8::1", "::1" };
	static const char *const gateways[] = { "192.0.2.251",  "192.0.2.254",  "192.0.2.252",
						"192.0.2.241",  "203.0.113.11", "2001:db8::44",
						"2001:db8::fe", "2001:db8::a1", "2001:db8::a2" };
	static const char *const onlink[] = { "192.0.2.0/24", "203.0.113.0/25", "2001:db8::/64" };
	struct routes *routes;
	struct routes_view *view = calloc(1, sizeof(*view));

	(void)state;
	assert_non_null(view);
	if (!have_namespace()) {
		free(view);
		skip();
	}
	build();
	assert_int_equal(routes_open(&routes), 0);
	assert_int_equal(routes_dump(routes, view), 0);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (!has(view->own, view->own_count, own[i]))
			fail_msg("own address %s not seen", own[i]);
	for (size_t i = 0; i < sizeof(gateways) / sizeof(gateways[0]); i++)
		if (!has(view->gateways, view->gateway_count, gateways[i]))
			fail_msg("gateway %s not seen", gateways[i]);
	for (size_t i = 0; i < sizeof(onlink) / sizeof(onlink[0]); i++)
		if (!has(view->onlink, view->onlink_count, onlink[i]))
			fail_msg("on-link prefix %s not seen", onlink[i]);
	assert_int_equal(view->gateway_count, sizeof(gateways) / sizeof(gateways[0]));
	assert_false(has(view->onlink, view->onlink_count, "127.0.0.0/8"));
	assert_int_equal(view->interface_count, 1);
	assert_string_equal(view->interfaces[0], "out0");
	assert_int_equal(view->dropped, 0);
	routes_close(routes);
	free(view);
}

/* Routes by nexthop objects, told without their gateways as with nexthop_compat_mode=0. */
static void test_nexthop_objects(void **state)
{
	struct routes *routes;
	struct routes_view *view = calloc(1, sizeof(*view));

	(void)state;
	assert_non_null(view);
	if (!have_namespace()) {
		free(view);
		skip();
	}
	run("ip link add out0 type veth peer name far0 && ip link set out0 up && ip link set far0 up");
	run("ip link add out1 type veth peer name far1 && ip link set out1 up && ip link set far1 up");
	run("ip addr add 192.0.2.1/24 dev out0 && ip addr add 203.0.113.1/24 dev out1");
	run("ip nexthop add id 1 via 192.0.2.7 dev out0 && ip nexthop add id 2 via 203.0.113.7 dev out1");
	run("ip nexthop add id 10 group 1/2 && ip route add default nhid 10 table 300");
	run("f=/proc/sys/net/ipv4/nexthop_compat_mode; if test -w $f; then echo 0 >$f; fi");
	assert_int_equal(routes_open(&routes), 0);
	assert_int_equal(routes_dump(routes, view), 0);
	assert_true(has(view->gateways, view->gateway_count, "192.0.2.7"));
	assert_true(has(view->gateways, view->gateway_count, "203.0.113.7"));
	assert_true(has_interface(view, "out0"));
	assert_true(has_interface(view, "out1"));
	routes_close(routes);
	free(view);
}

static void test_changes(void **state)
{
	struct routes *routes;
	struct pollfd p = { .events = POLLIN };

	(void)state;
	if (!have_namespace())
		skip();
	assert_int_equal(routes_open(&routes), 0);
	p.fd = routes_fd(routes);
	assert_int_equal(routes_drain(routes), 0);
	run("ip addr add 192.0.2.77/32 dev lo");
	assert_int_equal(poll(&p, 1, 2000), 1);
	assert_int_equal(routes_drain(routes), 1);
	assert_int_equal(routes_drain(routes), 0);
	/* more than the receive buffer holds: lost, and told all the same */
	run(MANY_ADDRESSES);
	assert_int_equal(routes_drain(routes), 1);
	while (routes_drain(routes) == 1)
		;
	routes_close(routes);
}

/* 2,000 addresses are more than a view holds. */
static void test_limits(void **state)
{
	struct routes *routes;
	struct routes_view *view = calloc(1, sizeof(*view));

	(void)state;
	assert_non_null(view);
	if (!have_namespace()) {
		free(view);
		skip();
	}
	run(MANY_ADDRESSES);
	assert_int_equal(routes_open(&routes), 0);
	assert_int_equal(routes_dump(routes, view), 0);
	assert_int_equal(view->own_count, ROUTES_MAX);
	assert_int_equal(view->dropped, 2000 + 2 - ROUTES_MAX);
	routes_close(routes);
	free(view);
}

static void put_link(struct nlmsghdr *message, int index, const char *name, uint16_t kind_type, const char *kind)
{
	struct ifinfomsg *m;
	struct nlattr *info;

	mnl_nlmsg_put_header(message);
	m = mnl_nlmsg_put_extra_header(message, sizeof(*m));
	m->ifi_index = index;
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	if (!kind)
		return;
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, kind_type, kind);
	mnl_attr_nest_end(message, info);
}

/* Few test kernels have VRFs, so these are messages as net/core/rtnetlink.c writes them. */
static void test_vrf(void **state)
{
	static const struct {
		const char *name;
		uint16_t kind_type;
		const char *kind;
		bool vrf;
	} links[] = {
		{ "eth0", 0, NULL, false },
		{ "vrf-blue", IFLA_INFO_KIND, "vrf", true },
		{ "eth1", IFLA_INFO_SLAVE_KIND, "vrf", true },
		{ "eth2", IFLA_INFO_SLAVE_KIND, "bridge", false },
		{ "eth3", IFLA_INFO_KIND, "vrfx", false },
	};
	struct routes_gather *gather = calloc(1, sizeof(*gather));
	uint32_t buffer[256];

	(void)state;
	assert_non_null(gather);
	for (int i = 0; i < 5; i++) /* each has a default route */
		gather->default_links[gather->default_link_count++] = (uint32_t)(10 + i);
	for (int i = 0; i < 5; i++) {
		memset(buffer, 0, sizeof(buffer));
		put_link((struct nlmsghdr *)buffer, 10 + i, links[i].name, links[i].kind_type, links[i].kind);
		assert_int_equal(gather_link((struct nlmsghdr *)buffer, gather), MNL_CB_OK);
		assert_int_equal(has_interface(&gather->view, links[i].name), !links[i].vrf);
	}
	assert_int_equal(gather->view.vrf_count, 2);
	assert_string_equal(gather->view.vrf[0], "vrf-blue");
	assert_string_equal(gather->view.vrf[1], "eth1");
	/* more than fit are counted */
	for (int i = 0; i < ROUTES_VRF_MAX; i++) {
		memset(buffer, 0, sizeof(buffer));
		put_link((struct nlmsghdr *)buffer, 100 + i, "eth9", IFLA_INFO_SLAVE_KIND, "vrf");
		assert_int_equal(gather_link((struct nlmsghdr *)buffer, gather), MNL_CB_OK);
	}
	assert_int_equal(gather->view.vrf_count, ROUTES_VRF_MAX);
	assert_int_equal(gather->view.dropped, 2);
	free(gather);
}

/* Each gatherer gets every length of random bytes behind a good header, on the heap, for the sanitizer to watch. */
static void test_hostile_messages(void **state)
{
	static int (*const gatherers[])(const struct nlmsghdr *, void *) = {
		gather_address,
		gather_route,
		gather_nexthop,
		gather_link,
	};
	struct routes_gather *gather = calloc(1, sizeof(*gather));
	uint32_t x = 2463534242u; /* xorshift32, fixed: a failure repeats */

	(void)state;
	assert_non_null(gather);
	for (size_t len = 0; len < 96; len++) {
		for (int round = 0; round < 200; round++) {
			struct nlmsghdr *message = malloc(sizeof(*message) + len);
			uint8_t *body = (uint8_t *)(message + 1);

			assert_non_null(message);
			for (size_t i = 0; i < len; i++) {
				x ^= x << 13, x ^= x >> 17, x ^= x << 5;
				/* small values make plausible lengths, types and families */
				body[i] = (uint8_t)(x >> 8) & (round & 1 ? 0x1f : 0xff);
			}
			memset(message, 0, sizeof(*message));
			message->nlmsg_len = (uint32_t)(sizeof(*message) + len);
			for (size_t g = 0; g < sizeof(gatherers) / sizeof(gatherers[0]); g++)
				assert_true(gatherers[g](message, gather) >= MNL_CB_STOP);
			free(message);
		}
	}
	assert_true(gather->view.interface_count <= 32);
	free(gather);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view),    cmocka_unit_test(test_nexthop_objects),
		cmocka_unit_test(test_changes), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_vrf),     cmocka_unit_test(test_hostile_messages),
	};

	return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
