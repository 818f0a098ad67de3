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
	{ "upnp notify", BYTES("NOTIFY /evt HTTP/1.1\r\nHOST: 192.0.2.1:23\r\n"), PAYLOAD_INDUCED },
	{ "upnp search", BYTES("M-SEARCH * HTTP/1.1\r\n"), PAYLOAD_INDUCED },
	{ "upnp subscribe", BYTES("SUBSCRIBE /evt HTTP/1.1\r\n"), PAYLOAD_INDUCED },
	{ "webdav", BYTES("VERSION-CONTROL /x HTTP/1.1\r\n"), PAYLOAD_INDUCED },
	{ "rtsp", BYTES("OPTIONS rtsp://192.0.2.1:23/ RTSP/1.0\r\n\r\n"), PAYLOAD_INDUCED },
	{ "rtsp describe", BYTES("DESCRIBE rtsp://host.example/a RTSP/1.0\r\n"), PAYLOAD_INDUCED },
	{ "sip", BYTES("INVITE sip:a@192.0.2.1 SIP/2.0\r\n"), PAYLOAD_INDUCED },
	{ "sip register", BYTES("REGISTER sips:example.org SIP/2.0\r\n"), PAYLOAD_INDUCED },
	{ "sip options", BYTES("OPTIONS sip:192.0.2.1:23 SIP/2.0\r\n"), PAYLOAD_INDUCED },
	{ "xmpp", BYTES("<?xml version='1.0'?><stream:stream to='a.example'>"), PAYLOAD_INDUCED },
	{ "xmpp without declaration", BYTES("<stream:stream xmlns='jabber:client'>"), PAYLOAD_INDUCED },
	{ "irc nick", BYTES("NICK alice\r\nUSER a 0 * :a\r\n"), PAYLOAD_INDUCED },
	{ "irc pass", BYTES("PASS secret\r\n"), PAYLOAD_INDUCED },
	{ "irc cap", BYTES("CAP LS 302\r\n"), PAYLOAD_INDUCED },
	{ "ftp, irc user", BYTES("USER anonymous\r\n"), PAYLOAD_INDUCED },
	{ "smtp ehlo", BYTES("EHLO mail.example\r\n"), PAYLOAD_INDUCED },
	{ "smtp helo", BYTES("HELO mail.example\r\n"), PAYLOAD_INDUCED },
	{ "pop3 capa", BYTES("CAPA\r\n"), PAYLOAD_INDUCED },
	{ "telnet", BYTES("\xff\xfb\x1f\xff\xfb\x20"), PAYLOAD_INDUCED },
	{ "gopher root", BYTES("\r\n"), PAYLOAD_INDUCED },
	{ "gopher selector", BYTES("/a/b\r\n"), PAYLOAD_INDUCED },
	{ "dict", BYTES("CLIENT libcurl 8.5.0\r\nSHOW DB\r\nQUIT\r\n"), PAYLOAD_INDUCED },
	{ "rsync", BYTES("@RSYNCD: 31.0 sha512\n"), PAYLOAD_INDUCED },
	{ "git", BYTES("0033git-upload-pack /x\0host=192.0.2.1:23\0"), PAYLOAD_INDUCED },
	{ "ldap bind", BYTES("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"), PAYLOAD_INDUCED },
	{ "mqtt", BYTES("\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04name"), PAYLOAD_INDUCED },
	{ "mqtt 3.1", BYTES("\x10\x10\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x02xy"), PAYLOAD_INDUCED },
	{ "rtmp", BYTES("\x03\x01\x02\x03\x04\0\0\0\0abcdef"), PAYLOAD_INDUCED },
	{ "rtmp of ffmpeg", BYTES("\x03\0\0\0\0\x09\x00\x7c\x02xyz"), PAYLOAD_INDUCED },
	{ "smb 1",
	  BYTES("\0\0\0\x45\xff"
		"SMBr\0\0\0\0"),
	  PAYLOAD_INDUCED },
	{ "smb 2",
	  BYTES("\0\0\0\xe0\xfe"
		"SMB\x40\0\0\0"),
	  PAYLOAD_INDUCED },
	{ "h323", BYTES("\x03\x00\x00\x80\x08\x02\x12\x34\x05"), PAYLOAD_INDUCED },
	{ "socks5", BYTES("\x05\x01\x00"), PAYLOAD_INDUCED },
	{ "socks5, two methods", BYTES("\x05\x02\x00\x02"), PAYLOAD_INDUCED },
	{ "postgres tls", BYTES("\0\0\0\x08\x04\xd2\x16\x2f"), PAYLOAD_INDUCED },
	{ "postgres start", BYTES("\0\0\0\x29\0\x03\0\0user\0x\0"), PAYLOAD_INDUCED },
	{ "mongodb", BYTES("\x3a\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0\0\0\0\0admin.$cmd"), PAYLOAD_INDUCED },
	{ "redis", BYTES("*1\r\n$4\r\nPING\r\n"), PAYLOAD_INDUCED },
	{ "redis inline", BYTES("PING\r\n"), PAYLOAD_INDUCED },
	{ "memcached", BYTES("version\r\n"), PAYLOAD_INDUCED },
	{ "memcached get", BYTES("get key\r\n"), PAYLOAD_INDUCED },
	{ "amqp", BYTES("AMQP\0\0\x09\x01"), PAYLOAD_INDUCED },
	{ "bitcoin",
	  BYTES("\xf9\xbe\xb4\xd9"
		"version\0\0\0\0\0\x66\0\0\0"),
	  PAYLOAD_INDUCED },
	{ "edonkey",
	  BYTES("\xe3\x5a\0\0\0\x01\x10"
		"0123456789abcdef"),
	  PAYLOAD_INDUCED },
	{ "libp2p", BYTES("\x13/multistream/1.0.0\n"), PAYLOAD_INDUCED },
	{ "direct connect", BYTES("$MyNick alice|$Lock x|"), PAYLOAD_INDUCED },
	{ "gnutella", BYTES("GNUTELLA CONNECT/0.6\r\n"), PAYLOAD_INDUCED },
	{ "minecraft",
	  BYTES("\x14\x00\xff\x05\x0d"
		"play.examples\x63\xdd\x01"),
	  PAYLOAD_INDUCED },
	{ "dns over tcp",
	  BYTES("\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07"
		"example\x03net\0\0\x01\0\x01"),
	  PAYLOAD_INDUCED },
	{ "dns over tcp, edns",
	  BYTES("\0\x1d\x12\x34\x00\x10\0\x01\0\0\0\0\0\x01\x01"
		"a\0\0\x06\0\x01\0\0\x29"),
	  PAYLOAD_INDUCED },

	/* scanners' own probes, and what is cut short */
	{ "rtsp probe", BYTES("OPTIONS / RTSP/1.0\r\n\r\n"), PAYLOAD_OWN },
	{ "sip probe", BYTES("OPTIONS sip:nm SIP/2.0\r\n"), PAYLOAD_OWN },
	{ "bare get", BYTES("GET /\r\n"), PAYLOAD_OWN },
	{ "no blank", BYTES("GETAWAY and more of it"), PAYLOAD_OWN },
	{ "lower case", BYTES("post / http/1.1\r\n"), PAYLOAD_OWN },
	{ "mixed case", BYTES("Get / HTTP/1.1\r\n"), PAYLOAD_OWN },
	{ "newlines", BYTES("\r\n\r\n"), PAYLOAD_OWN },
	{ "ssh", BYTES("SSH-2.0-x\r\n"), PAYLOAD_OWN },
	{ "help", BYTES("HELP\r\n"), PAYLOAD_OWN },
	{ "ehlo without a name", BYTES("EHLO\r\n"), PAYLOAD_OWN },
	{ "nick without a name", BYTES("NICK \r\n"), PAYLOAD_OWN },
	{ "tls alert", BYTES("\x15\x03\x01\x00\x02\x02\x28\0\0\0\0\0"), PAYLOAD_OWN },
	{ "tls server hello", BYTES("\x16\x03\x01\x00\x40\x02\x00\x00\x3c\x03\x03\0"), PAYLOAD_OWN },
	{ "dns probe",
	  BYTES("\0\x1e\0\x06\x01\0\0\x01\0\0\0\0\0\0\x07"
		"version\x04"
		"bind\0\0\x10\0\x03"),
	  PAYLOAD_OWN },
	{ "dns status probe", BYTES("\0\x0c\0\0\x10\0\0\0\0\0\0\0\0\0"), PAYLOAD_OWN },
	{ "ldap bind, version 2", BYTES("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x02\x04\x00\x80\x00"), PAYLOAD_OWN },
	{ "rdp", BYTES("\x03\0\0\x0b\x06\xe0\0\0\0\0\0"), PAYLOAD_OWN },
	{ "socks probe", BYTES("\x05\x04\0\x01\x02\x80\x05\x01\0\x03"), PAYLOAD_OWN },
	{ "mongodb probe", BYTES("\x41\0\0\0\x3a\x30\0\0\xff\xff\xff\xff\xd4\x07\0\0test.$cmd"), PAYLOAD_OWN },
	{ "rpc", BYTES("\x80\0\0\x28\x72\xfe\x1d\x13\0\0\0\0"), PAYLOAD_OWN },
	{ "zeroes", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), PAYLOAD_OWN },
	{ "base64", BYTES("qL7dW3nP0sVbY5tKc9GhR2mXfJ8zAeU1oQ4wTi6NvDkSgHlCyBpErFMuIxOjZa+/"), PAYLOAD_OWN },
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

/* What is encrypted from its first byte on looks random: nearly all of it is known for that, whatever its pieces. */
static void test_noise(void **state)
{
	unsigned known = 0;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		uint8_t data[96];

		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(rand() >> 7);
		known += classify(data, sizeof(data), true) == PAYLOAD_INDUCED;
	}
	assert_true(known > 1960);
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
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_silence_is_own),
	};

	return cmocka_run_group_tests_name("trap payload", tests, NULL, NULL);
}
