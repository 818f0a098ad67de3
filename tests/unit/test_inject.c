/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a probe as our own parser reads them, its sources, and the histogram of latencies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <picket/packet.h>
#include "doctor/internal.h"
#include "probenet.h"
#include "wire/latency.h"

static struct inject_probe probe_of(const char *to, uint8_t protocol)
{
	struct inject_probe probe = { .from_port = 20001, .port = 23, .protocol = protocol };

	assert_true(addr_parse(to, &probe.to));
	probe.from = inject_source(7, probenet_at(!addr_is_v4(&probe.to), 0));
	return probe;
}

static void test_packets_are_whole(void **state)
{
	static const struct {
		const char *to;
		uint8_t protocol, flags;
	} cases[] = {
		{ "198.51.100.1", PROTO_TCP, TCP_SYN }, { "198.51.100.1", PROTO_TCP, TCP_RST },
		{ "198.51.100.1", PROTO_UDP, 0 },       { "2001:db8::1", PROTO_TCP, TCP_SYN },
		{ "2001:db8::1", PROTO_TCP, TCP_RST },  { "2001:db8::1", PROTO_UDP, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct inject_probe probe = probe_of(cases[i].to, cases[i].protocol);
		uint8_t bytes[INJECT_PACKET_MAX];
		struct packet packet;
		size_t len = inject_packet(&probe, cases[i].flags, INJECT_SEQUENCE, bytes);

		assert_true(len <= sizeof(bytes));
		assert_int_equal(packet_parse(bytes, len, true, &packet), PACKET_OK);
		assert_int_equal(packet.checksum, PACKET_CHECKSUM_GOOD);
		assert_true(addr_equal(&packet.src, &probe.from) && addr_equal(&packet.dst, &probe.to));
		assert_int_equal(packet.sport, 20001);
		assert_int_equal(packet.dport, 23);
		assert_int_equal(packet.tcp_flags, cases[i].flags);
		assert_int_equal(packet.payload_len, 0);
	}
}

static void test_sources_lie_in_what_the_sentry_knows(void **state)
{
	struct prefix v4, v6;
	const char *why;

	(void)state;
	assert_true(prefix_parse("192.0.2.0/24", &v4, &why));
	assert_true(prefix_parse("2001:db8:7069:636b::/64", &v6, &why));
	for (unsigned n = 1; n <= 250; n++) {
		struct addr four = inject_source(n, probenet_at(false, 0)),
			    six = inject_source(n, probenet_at(true, 0));

		assert_true(prefix_contains(&v4, &four) && prefix_contains(&v6, &six));
	}
	assert_true(probenet_is(&v4) && probenet_is(&v6));
	assert_true(prefix_parse("192.0.2.0/25", &v4, &why) && prefix_parse("2001:db8::/32", &v6, &why));
	assert_false(probenet_is(&v4) || probenet_is(&v6));
}

static void test_an_interface_that_is_not_there(void **state)
{
	struct inject *inject = NULL;

	(void)state;
	/* Without root it is refused earlier, for another reason. */
	assert_true(inject_open("pk-no-such-one", probenet_at(false, 0), &inject) < 0);
	assert_null(inject);
	assert_true(inject_open("a-name-longer-than-any-interface", probenet_at(true, 0), &inject) < 0);
}

static void test_latencies_fall_into_their_buckets(void **state)
{
	struct latency latency = { .count = 0 };

	(void)state;
	latency_add(&latency, -5);
	latency_add(&latency, 5000);
	latency_add(&latency, 5001);
	latency_add(&latency, 60LL * 1000000000);
	assert_int_equal(latency.buckets[0], 2);
	assert_int_equal(latency.buckets[1], 1);
	assert_int_equal(latency.buckets[LATENCY_BUCKETS - 1], 1);
	assert_int_equal(latency.count, 4);
	assert_int_equal(latency.sum_ns, 10001 + 60LL * 1000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_are_whole),
		cmocka_unit_test(test_sources_lie_in_what_the_sentry_knows),
		cmocka_unit_test(test_an_interface_that_is_not_there),
		cmocka_unit_test(test_latencies_fall_into_their_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
