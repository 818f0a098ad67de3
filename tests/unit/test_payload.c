/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a trap makes of the first bytes it gets.  Every case is tried whole and at every shorter length: a verdict
 * once given must not change with more bytes, and a beginning alone never frees the visitor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <picket/payload.h>

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

struct payload_case {
	const char *name;
	const uint8_t *data;
	size_t len;
	enum payload expected;
};

static const struct payload_case cases[] = {
	{ "http get", BYTES("GET / HTTP/1.1\r\n"), PAYLOAD_INDUCED },
	{ "http long path, cut", BYTES("GET /a/very/long/path/without/an/end"), PAYLOAD_INDUCED },
	{ "http post", BYTES("POST /x HTTP/1.1\r\nHost: a\r\n\r\n"), PAYLOAD_INDUCED },
	{ "http options", BYTES("OPTIONS * HTTP/1.1\r\n"), PAYLOAD_INDUCED },
	{ "http connect", BYTES("CONNECT 192.0.2.1:23 HTTP/1.1\r\n"), PAYLOAD_INDUCED },
	{ "http absolute", BYTES("GET http://192.0.2.1:23/ HTTP/1.1\r\n"), PAYLOAD_INDUCED },
	{ "websocket", BYTES("GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n"), PAYLOAD_INDUCED },
	{ "http2 preface", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), PAYLOAD_INDUCED },
	{ "tls 1.0 record", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x11\x22"), PAYLOAD_INDUCED },
	{ "bittorrent",
	  BYTES("\x13"
		"BitTorrent protocol\0\0\0\0\0\0\0\0"),
	  PAYLOAD_INDUCED },
	{ "stun binding",
	  BYTES("\0\x01\0\0\x21\x12\xa4\x42"
		"abcdefghijkl"),
	  PAYLOAD_INDUCED },
	{ "stun allocate",
	  BYTES("\0\x03\0\x08\x21\x12\xa4\x42"
		"abcdefghijkl"),
	  PAYLOAD_INDUCED },
	{ "stun, framed",
	  BYTES("\0\x14\0\x01\0\0\x21\x12\xa4\x42"
		"abcdefghijkl"),
	  PAYLOAD_INDUCED },
	{ "rtsp", BYTES("OPTIONS / RTSP/1.0\r\n\r\n"), PAYLOAD_OWN },
	{ "sip", BYTES("OPTIONS sip:nm SIP/2.0\r\n"), PAYLOAD_OWN },
	{ "bare get", BYTES("GET /\r\n"), PAYLOAD_OWN },
	{ "no blank", BYTES("GETAWAY and more of it"), PAYLOAD_OWN },
	{ "lower case", BYTES("get / http/1.1\r\n"), PAYLOAD_OWN },
	{ "telnet", BYTES("\xff\xfb\x1f\xff\xfb\x20"), PAYLOAD_OWN },
	{ "ssh", BYTES("SSH-2.0-x\r\n"), PAYLOAD_OWN },
	{ "ftp", BYTES("USER anonymous\r\n"), PAYLOAD_OWN },
	{ "newlines", BYTES("\r\n\r\n"), PAYLOAD_OWN },
	{ "tls alert", BYTES("\x15\x03\x01\x00\x02\x02\x28\0\0\0\0\0"), PAYLOAD_OWN },
	{ "tls server hello", BYTES("\x16\x03\x01\x00\x40\x02\x00\x00\x3c\x03\x03\0"), PAYLOAD_OWN },
	{ "dns over tcp", BYTES("\0\x1e\0\x06\x01\0\0\x01\0\0\0\0\0\0"), PAYLOAD_OWN },
	{ "rpc", BYTES("\x80\0\0\x28\x72\xfe\x1d\x13\0\0\0\0"), PAYLOAD_OWN },
	{ "zeroes", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0"), PAYLOAD_OWN },
};

/* A copy on the heap, of exactly that length, so that the sanitizer sees a read past the end. */
static enum payload classify(const uint8_t *data, size_t len, bool final)
{
	uint8_t *copy = malloc(len ? len : 1);
	enum payload result;

	assert_non_null(copy);
	memcpy(copy, data, len);
	result = payload_classify(copy, len, final);
	free(copy);
	return result;
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum payload got = classify(cases[i].data, cases[i].len, true);

		if (got != cases[i].expected)
			fail_msg("%s: %d, expected %d", cases[i].name, got, cases[i].expected);
	}
}

/* Byte by byte, as an evader or a bad line would deliver it: the verdict is the same whatever the pieces. */
static void test_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum payload got = PAYLOAD_UNDECIDED;

		for (size_t len = 1; len <= cases[i].len && got == PAYLOAD_UNDECIDED; len++)
			got = classify(cases[i].data, len, len == cases[i].len);
		if (got != cases[i].expected)
			fail_msg("%s in pieces: %d, expected %d", cases[i].name, got, cases[i].expected);
	}
}

static void test_beginning_alone_does_not_free(void **state)
{
	(void)state;
	assert_int_equal(classify(BYTES("G"), false), PAYLOAD_UNDECIDED);
	assert_int_equal(classify(BYTES("G"), true), PAYLOAD_OWN);
	assert_int_equal(classify(BYTES("GET / HTTP/1.1"), false), PAYLOAD_UNDECIDED);
	assert_int_equal(classify(BYTES("GET / HTTP/1.1"), true), PAYLOAD_OWN);
	assert_int_equal(classify(BYTES("\x16\x03\x01"), true), PAYLOAD_OWN);
}

static void test_silence_is_own(void **state)
{
	(void)state;
	assert_int_equal(classify((const uint8_t *)"", 0, true), PAYLOAD_OWN);
	assert_int_equal(classify((const uint8_t *)"", 0, false), PAYLOAD_UNDECIDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_beginning_alone_does_not_free),
		cmocka_unit_test(test_silence_is_own),
	};

	return cmocka_run_group_tests_name("trap payload", tests, NULL, NULL);
}
