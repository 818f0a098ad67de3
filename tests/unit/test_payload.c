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

#define TELLING 24

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

struct payload_case {
	const char *name;
	const uint8_t *data;
	size_t len;
	enum payload expected;
	unsigned telling; /* bits of its first TELLING bytes that must be as they are */
};

static const struct payload_case cases[] = {
	{ "http get", BYTES("GET / HTTP/1.1\r\n"), PAYLOAD_INDUCED, 89 },
	{ "http long path, cut", BYTES("GET /a/very/long/path/without/an/end"), PAYLOAD_INDUCED, 26 },
	{ "http post", BYTES("POST /x HTTP/1.1\r\nHost: a\r\n\r\n"), PAYLOAD_INDUCED, 95 },
	{ "http options", BYTES("OPTIONS * HTTP/1.1\r\n"), PAYLOAD_INDUCED, 114 },
	{ "http connect", BYTES("CONNECT 192.0.2.1:23 HTTP/1.1\r\n"), PAYLOAD_INDUCED, 68 },
	{ "http absolute", BYTES("GET http://192.0.2.1:23/ HTTP/1.1\r\n"), PAYLOAD_INDUCED, 21 },
	{ "websocket", BYTES("GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n"), PAYLOAD_INDUCED, 89 },
	{ "http2 preface", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), PAYLOAD_INDUCED, 128 },
	{ "tls 1.0 record", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x11\x22"), PAYLOAD_INDUCED, 51 },
	{ "bittorrent",
	  BYTES("\x13"
		"BitTorrent protocol\0\0\0\0\0\0\0\0"),
	  PAYLOAD_INDUCED, 160 },
	{ "stun binding",
	  BYTES("\0\x01\0\0\x21\x12\xa4\x42"
		"abcdefghijkl"),
	  PAYLOAD_INDUCED, 52 },
	{ "stun allocate",
	  BYTES("\0\x03\0\x08\x21\x12\xa4\x42"
		"abcdefghijkl"),
	  PAYLOAD_INDUCED, 52 },
	{ "stun, framed",
	  BYTES("\0\x14\0\x01\0\0\x21\x12\xa4\x42"
		"abcdefghijkl"),
	  PAYLOAD_INDUCED, 57 },
	{ "upnp notify", BYTES("NOTIFY /evt HTTP/1.1\r\nHOST: 192.0.2.1:23\r\n"), PAYLOAD_INDUCED, 102 },
	{ "upnp search", BYTES("M-SEARCH * HTTP/1.1\r\n"), PAYLOAD_INDUCED, 120 },
	{ "upnp subscribe", BYTES("SUBSCRIBE /evt HTTP/1.1\r\n"), PAYLOAD_INDUCED, 111 },
	{ "webdav", BYTES("VERSION-CONTROL /x HTTP/1.1\r\n"), PAYLOAD_INDUCED, 122 },
	{ "rtsp", BYTES("OPTIONS rtsp://192.0.2.1:23/ RTSP/1.0\r\n\r\n"), PAYLOAD_INDUCED, 67 },
	{ "rtsp describe", BYTES("DESCRIBE rtsp://host.example/a RTSP/1.0\r\n"), PAYLOAD_INDUCED, 67 },
	{ "sip", BYTES("INVITE sip:a@192.0.2.1 SIP/2.0\r\n"), PAYLOAD_INDUCED, 77 },
	{ "sip register", BYTES("REGISTER sips:example.org SIP/2.0\r\n"), PAYLOAD_INDUCED, 82 },
	{ "sip options", BYTES("OPTIONS sip:192.0.2.1:23 SIP/2.0\r\n"), PAYLOAD_INDUCED, 67 },
	{ "xmpp", BYTES("<?xml version='1.0'?><stream:stream to='a.example'>"), PAYLOAD_INDUCED, 48 },
	{ "xmpp without declaration", BYTES("<stream:stream xmlns='jabber:client'>"), PAYLOAD_INDUCED, 120 },
	{ "irc nick", BYTES("NICK alice\r\nUSER a 0 * :a\r\n"), PAYLOAD_INDUCED, 40 },
	{ "irc pass", BYTES("PASS secret\r\n"), PAYLOAD_INDUCED, 40 },
	{ "irc cap", BYTES("CAP LS 302\r\n"), PAYLOAD_INDUCED, 33 },
	{ "ftp, irc user", BYTES("USER anonymous\r\n"), PAYLOAD_INDUCED, 40 },
	{ "smtp ehlo", BYTES("EHLO mail.example\r\n"), PAYLOAD_INDUCED, 40 },
	{ "smtp helo", BYTES("HELO mail.example\r\n"), PAYLOAD_INDUCED, 40 },
	{ "pop3 capa", BYTES("CAPA\r\n"), PAYLOAD_INDUCED, 48 },
	{ "telnet", BYTES("\xff\xfb\x1f\xff\xfb\x20"), PAYLOAD_INDUCED, 14 },
	{ "gopher root", BYTES("\r\n"), PAYLOAD_INDUCED, 16 },
	{ "gopher selector", BYTES("/a/b\r\n"), PAYLOAD_INDUCED, 24 },
	{ "dict", BYTES("CLIENT libcurl 8.5.0\r\nSHOW DB\r\nQUIT\r\n"), PAYLOAD_INDUCED, 56 },
	{ "rsync", BYTES("@RSYNCD: 31.0 sha512\n"), PAYLOAD_INDUCED, 73 },
	{ "git", BYTES("0033git-upload-pack /x\0host=192.0.2.1:23\0"), PAYLOAD_INDUCED, 36 },
	{ "ldap bind", BYTES("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"), PAYLOAD_INDUCED, 112 },
	{ "mqtt", BYTES("\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04name"), PAYLOAD_INDUCED, 40 },
	{ "mqtt 3.1", BYTES("\x10\x10\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x02xy"), PAYLOAD_INDUCED, 40 },
	{ "rtmp", BYTES("\x03\x01\x02\x03\x04\0\0\0\0abcdef"), PAYLOAD_INDUCED, 40 },
	{ "rtmp of ffmpeg", BYTES("\x03\0\0\0\0\x09\x00\x7c\x02xyz"), PAYLOAD_INDUCED, 40 },
	{ "smb 1",
	  BYTES("\0\0\0\x45\xff"
		"SMBr\0\0\0\0"),
	  PAYLOAD_INDUCED, 46 },
	{ "smb 2",
	  BYTES("\0\0\0\xe0\xfe"
		"SMB\x40\0\0\0"),
	  PAYLOAD_INDUCED, 46 },
	{ "h323", BYTES("\x03\x00\x00\x80\x08\x02\x12\x34\x05"), PAYLOAD_INDUCED, 32 },
	{ "socks5", BYTES("\x05\x01\x00"), PAYLOAD_INDUCED, 23 },
	{ "socks5, two methods", BYTES("\x05\x02\x00\x02"), PAYLOAD_INDUCED, 23 },
	{ "postgres tls", BYTES("\0\0\0\x08\x04\xd2\x16\x2f"), PAYLOAD_INDUCED, 64 },
	{ "postgres gss", BYTES("\0\0\0\x08\x04\xd2\x16\x30"), PAYLOAD_INDUCED, 64 },
	{ "mongodb message", BYTES("\x3a\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0"), PAYLOAD_INDUCED, 80 },
	{ "edonkey, compressed",
	  BYTES("\xc5\x5a\0\0\0\x01\x10"
		"0123456789abcdef"),
	  PAYLOAD_INDUCED, 40 },
	{ "imap capabilities", BYTES("CAPABILITIES\r\n"), PAYLOAD_INDUCED, 112 },
	{ "news reader", BYTES("MODE READER\r\n"), PAYLOAD_INDUCED, 104 },
	{ "ftp features", BYTES("FEAT\r\n"), PAYLOAD_INDUCED, 48 },
	{ "lmtp", BYTES("LHLO mail.example\r\n"), PAYLOAD_INDUCED, 40 },
	{ "quit", BYTES("QUIT\r\n"), PAYLOAD_INDUCED, 48 },
	{ "memcached set", BYTES("set key 0 0 1\r\n"), PAYLOAD_INDUCED, 32 },
	{ "memcached stats", BYTES("stats\r\n"), PAYLOAD_INDUCED, 56 },
	{ "postgres start", BYTES("\0\0\0\x29\0\x03\0\0user\0x\0"), PAYLOAD_INDUCED, 88 },
	{ "mongodb", BYTES("\x3a\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0\0\0\0\0admin.$cmd"), PAYLOAD_INDUCED, 80 },
	{ "redis", BYTES("*1\r\n$4\r\nPING\r\n"), PAYLOAD_INDUCED, 36 },
	{ "redis inline", BYTES("PING\r\n"), PAYLOAD_INDUCED, 48 },
	{ "memcached", BYTES("version\r\n"), PAYLOAD_INDUCED, 72 },
	{ "memcached get", BYTES("get key\r\n"), PAYLOAD_INDUCED, 32 },
	{ "amqp", BYTES("AMQP\0\0\x09\x01"), PAYLOAD_INDUCED, 38 },
	{ "bitcoin",
	  BYTES("\xf9\xbe\xb4\xd9"
		"version\0\0\0\0\0\x66\0\0\0"),
	  PAYLOAD_INDUCED, 96 },
	{ "edonkey",
	  BYTES("\xe3\x5a\0\0\0\x01\x10"
		"0123456789abcdef"),
	  PAYLOAD_INDUCED, 40 },
	{ "libp2p", BYTES("\x13/multistream/1.0.0\n"), PAYLOAD_INDUCED, 152 },
	{ "direct connect", BYTES("$MyNick alice|$Lock x|"), PAYLOAD_INDUCED, 64 },
	{ "gnutella", BYTES("GNUTELLA CONNECT/0.6\r\n"), PAYLOAD_INDUCED, 136 },
	{ "minecraft",
	  BYTES("\x14\x00\xff\x05\x0d"
		"play.examples\x63\xdd\x01"),
	  PAYLOAD_INDUCED, 47 },
	{ "dns over tcp",
	  BYTES("\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07"
		"example\x03net\0\0\x01\0\x01"),
	  PAYLOAD_INDUCED, 99 },
	{ "dns over tcp, edns",
	  BYTES("\0\x1d\x12\x34\x00\x10\0\x01\0\0\0\0\0\x01\x01"
		"a\0\0\x06\0\x01\0\0\x29"),
	  PAYLOAD_INDUCED, 115 },

	/* scanners' own probes, and what is cut short */
	{ "rtsp probe", BYTES("OPTIONS / RTSP/1.0\r\n\r\n"), PAYLOAD_OWN, 0 },
	{ "sip probe", BYTES("OPTIONS sip:nm SIP/2.0\r\n"), PAYLOAD_OWN, 0 },
	{ "bare get", BYTES("GET /\r\n"), PAYLOAD_OWN, 0 },
	{ "no blank", BYTES("GETAWAY and more of it"), PAYLOAD_OWN, 0 },
	{ "lower case", BYTES("post / http/1.1\r\n"), PAYLOAD_OWN, 0 },
	{ "mixed case", BYTES("Get / HTTP/1.1\r\n"), PAYLOAD_OWN, 0 },
	{ "newlines", BYTES("\r\n\r\n"), PAYLOAD_OWN, 0 },
	{ "ssh", BYTES("SSH-2.0-x\r\n"), PAYLOAD_OWN, 0 },
	{ "help", BYTES("HELP\r\n"), PAYLOAD_OWN, 0 },
	{ "ehlo without a name", BYTES("EHLO\r\n"), PAYLOAD_OWN, 0 },
	{ "nick without a name", BYTES("NICK \r\n"), PAYLOAD_OWN, 0 },
	{ "tls alert", BYTES("\x15\x03\x01\x00\x02\x02\x28\0\0\0\0\0"), PAYLOAD_OWN, 0 },
	{ "tls server hello", BYTES("\x16\x03\x01\x00\x40\x02\x00\x00\x3c\x03\x03\0"), PAYLOAD_OWN, 0 },
	{ "dns probe",
	  BYTES("\0\x1e\0\x06\x01\0\0\x01\0\0\0\0\0\0\x07"
		"version\x04"
		"bind\0\0\x10\0\x03"),
	  PAYLOAD_OWN, 0 },
	{ "dns status probe", BYTES("\0\x0c\0\0\x10\0\0\0\0\0\0\0\0\0"), PAYLOAD_OWN, 0 },
	{ "ldap bind, version 2", BYTES("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x02\x04\x00\x80\x00"), PAYLOAD_OWN, 0 },
	{ "rdp", BYTES("\x03\0\0\x0b\x06\xe0\0\0\0\0\0"), PAYLOAD_OWN, 0 },
	{ "socks probe", BYTES("\x05\x04\0\x01\x02\x80\x05\x01\0\x03"), PAYLOAD_OWN, 0 },
	{ "mongodb probe", BYTES("\x41\0\0\0\x3a\x30\0\0\xff\xff\xff\xff\xd4\x07\0\0test.$cmd"), PAYLOAD_OWN, 0 },
	{ "rpc", BYTES("\x80\0\0\x28\x72\xfe\x1d\x13\0\0\0\0"), PAYLOAD_OWN, 0 },
	{ "zeroes", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), PAYLOAD_OWN, 0 },
	{ "base64", BYTES("qL7dW3nP0sVbY5tKc9GhR2mXfJ8zAeU1oQ4wTi6NvDkSgHlCyBpErFMuIxOjZa+/"), PAYLOAD_OWN, 0 },
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

/* A mark is as long as it was measured to be: one bit more would miss a client, one less would free a scanner. */
static void test_telling_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct payload_case *c = &cases[i];
		uint8_t data[256];
		unsigned telling = 0;

		if (c->expected != PAYLOAD_INDUCED)
			continue;
		assert_true(c->len <= sizeof(data));
		for (size_t bit = 0; bit < 8 * TELLING && bit < 8 * c->len; bit++) {
			memcpy(data, c->data, c->len);
			data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			telling += classify(data, c->len, true) != PAYLOAD_INDUCED;
		}
		if (telling != c->telling)
			fail_msg("%s: %u telling bits, expected %u", c->name, telling, c->telling);
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
		cmocka_unit_test(test_cases),  cmocka_unit_test(test_telling_bits),
		cmocka_unit_test(test_pieces), cmocka_unit_test(test_beginning_alone_does_not_free),
		cmocka_unit_test(test_noise),  cmocka_unit_test(test_silence_is_own),
	};

	return cmocka_run_group_tests_name("trap payload", tests, NULL, NULL);
}
