/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet that an ICMP error is about: read where all of it is there, and nothing is made up where it is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <picket/packet.h>

struct error {
	uint8_t b[160];
	size_t len;
};

static void put_v4(struct error *e, uint8_t protocol, const uint8_t src[4], const uint8_t dst[4], unsigned options)
{
	uint8_t *at = e->b + e->len;

	at[0] = (uint8_t)(0x45 + options);
	at[9] = protocol;
	memcpy(at + 12, src, 4);
	memcpy(at + 16, dst, 4);
	e->len += 20 + 4 * options;
}

static void put_v6(struct error *e, uint8_t protocol, uint8_t src, uint8_t dst)
{
	uint8_t *at = e->b + e->len;

	at[0] = 0x60;
	at[6] = protocol;
	at[8] = 0x20;
	at[23] = src;
	at[24] = 0x20;
	at[39] = dst;
	e->len += 40;
}

static void put_bytes(struct error *e, const void *bytes, size_t len)
{
	memcpy(e->b + e->len, bytes, len);
	e->len += len;
}

static const uint8_t router[] = { 203, 0, 113, 1 }, source[] = { 198, 51, 100, 7 }, target[] = { 203, 0, 113, 9 };

/* A router says that a packet to port 23 did not arrive. */
static struct error about(uint8_t protocol, unsigned options)
{
	struct error e = { .len = 0 };

	put_v4(&e, PROTO_ICMP, router, source, options);
	put_bytes(&e, (const uint8_t[]){ 3, 13, 0, 0, 0, 0, 0, 0 }, 8);
	put_v4(&e, protocol, source, target, options);
	put_bytes(&e, (const uint8_t[]){ 0x9c, 0x40, 0, 23 }, 4);
	return e;
}

/* In memory of its own length, so that a sanitizer sees each byte too far. */
static bool quoted(const struct error *e, size_t len, struct packet *out, uint8_t *code)
{
	uint8_t *copy = malloc(len ? len : 1);
	bool result;

	assert_non_null(copy);
	memcpy(copy, e->b, len);
	result = packet_quoted(copy, len, out, code);
	free(copy);
	return result;
}

static void what_did_not_arrive_is_read(void **state)
{
	static const uint8_t protocols[] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP };
	char text[ADDR_TEXT_MAX];
	struct packet out;
	uint8_t code;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct error e = about(protocols[i % 3], i / 3 * 10);

		assert_true(quoted(&e, e.len, &out, &code));
		assert_int_equal(code, 13);
		assert_int_equal(out.protocol, protocols[i % 3]);
		assert_string_equal(addr_format(&out.src, text), "198.51.100.7");
		assert_string_equal(addr_format(&out.dst, text), "203.0.113.9");
		assert_int_equal(out.sport, 40000);
		assert_int_equal(out.dport, 23);
		for (size_t len = 0; len < e.len; len++)
			assert_false(quoted(&e, len, &out, &code));
	}
}

static void the_same_of_ipv6(void **state)
{
	struct error e = { .len = 0 };
	char text[ADDR_TEXT_MAX];
	struct packet out;
	uint8_t code;

	(void)state;
	put_v6(&e, PROTO_ICMPV6, 1, 7);
	put_bytes(&e, (const uint8_t[]){ 1, 4, 0, 0, 0, 0, 0, 0 }, 8);
	put_v6(&e, PROTO_UDP, 7, 9);
	put_bytes(&e, (const uint8_t[]){ 0x9c, 0x40, 0, 161 }, 4);
	assert_true(quoted(&e, e.len, &out, &code));
	assert_int_equal(code, 4);
	assert_int_equal(out.dport, 161);
	assert_string_equal(addr_format(&out.dst, text), "2000::9");
	assert_false(quoted(&e, e.len - 1, &out, &code));
}

static void anything_else_is_none(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{ 0, 0x55 },
		{ 0, 0x44 },
		{ 0, 0x65 },
		{ 9, PROTO_TCP },
		{ 7, 1 },
		{ 20, 8 },
		{ 20, 11 },
		{ 28, 0x65 },
		{ 28, 0x44 },
		{ 28 + 7, 1 },
		{ 28 + 9, PROTO_ICMP },
		{ 28 + 9, 47 },
	};
	struct packet out, untouched;
	uint8_t code = 99;

	(void)state;
	memset(&out, 0x5a, sizeof(out));
	memcpy(&untouched, &out, sizeof(out));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct error e = about(PROTO_TCP, 0);

		e.b[changes[i].at] = changes[i].value;
		assert_false(quoted(&e, e.len, &out, &code));
		assert_memory_equal(&out, &untouched, sizeof(out));
		assert_int_equal(code, 99);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_did_not_arrive_is_read),
		cmocka_unit_test(the_same_of_ipv6),
		cmocka_unit_test(anything_else_is_none),
	};

	return cmocka_run_group_tests_name("quoted", tests, NULL, NULL);
}
