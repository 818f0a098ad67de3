/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet parser: what it reads, what it refuses and under which name, and that no byte beyond the copy is
 * touched (each packet lies at the end of its own allocation, so that the sanitizer build sees one byte too far).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <picket/packet.h>
#include "packet_build.h"
#include "seed.h"

/* Parses a copy of its own, exactly as long as it claims to be. */
static enum packet_result parse(const uint8_t *data, size_t len, bool verify, struct packet *out)
{
	uint8_t *copy = malloc(len ? len : 1);
	enum packet_result result;

	assert_non_null(copy);
	memcpy(copy, data, len);
	result = packet_parse(copy, len, verify, out);
	free(copy);
	return result;
}

static enum packet_result parse_build(const struct build *p, struct packet *out)
{
	return parse(p->b, p->len, true, out);
}

static void tcp_over_ipv4_is_read(void **state)
{
	struct build p = v4(PROTO_TCP);
	struct packet out;
	char text[ADDR_TEXT_MAX];

	(void)state;
	put_tcp(&p, TCP_SYN | TCP_ECE);
	put(&p, "payload", 7);
	finish(&p);
	put_sum(&p, PROTO_TCP, 16, true);
	assert_int_equal(parse_build(&p, &out), PACKET_OK);
	assert_string_equal(addr_format(&out.src, text), "198.51.100.7");
	assert_string_equal(addr_format(&out.dst, text), "192.0.2.1");
	assert_int_equal(out.protocol, PROTO_TCP);
	assert_int_equal(out.ttl, 57);
	assert_int_equal(out.ip_id, 0x1234);
	assert_true(out.dont_fragment);
	assert_false(out.first_fragment);
	assert_int_equal(out.sport, 50000);
	assert_int_equal(out.dport, 22);
	assert_int_equal(out.seq, 0x01020304);
	assert_int_equal(out.ack, 0x05060708);
	assert_int_equal(out.tcp_flags, TCP_SYN | TCP_ECE);
	assert_int_equal(out.window, 1024);
	assert_int_equal(out.mss, 1460);
	assert_int_equal(out.tcp_option_count, 1);
	assert_int_equal(out.payload_len, 7);
	assert_int_equal(out.checksum, PACKET_CHECKSUM_GOOD);

	p.b[p.len - 1] ^= 1;
	assert_int_equal(parse_build(&p, &out), PACKET_OK);
	assert_int_equal(out.checksum, PACKET_CHECKSUM_BAD);
	assert_int_equal(parse(p.b, p.len, false, &out), PACKET_OK);
	assert_int_equal(out.checksum, PACKET_CHECKSUM_UNKNOWN);
	/* A copy that was cut behind the header: readable, its sum unknown, its length still the packet's. */
	assert_int_equal(parse(p.b, p.len - 3, true, &out), PACKET_OK);
	assert_int_equal(out.checksum, PACKET_CHECKSUM_UNKNOWN);
	assert_int_equal(out.payload_len, 7);
}

static void checksums_are_verified(void **state)
{
	static const struct {
		uint8_t protocol, family;
		size_t at, len;
		bool pseudo;
	} cases[] = {
		{ PROTO_TCP, 4, 16, 25, true },  { PROTO_TCP, 6, 16, 24, true },  { PROTO_UDP, 4, 6, 8, true },
		{ PROTO_UDP, 4, 6, 13, true },   { PROTO_UDP, 6, 6, 9, true },    { PROTO_ICMP, 4, 2, 8, false },
		{ PROTO_ICMP, 4, 2, 65, false }, { PROTO_ICMPV6, 6, 2, 9, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct build p = cases[i].family == 4 ? v4(cases[i].protocol) : v6(cases[i].protocol);
		struct packet out;
		uint8_t body[128];

		for (size_t k = 0; k < sizeof(body); k++)
			body[k] = (uint8_t)(0xff - k * 7);
		body[12] = 0x50; /* TCP data offset */
		if (cases[i].protocol == PROTO_UDP)
			put16(body + 4, cases[i].len);
		put(&p, body, cases[i].len);
		finish(&p);
		put_sum(&p, cases[i].protocol, cases[i].at, cases[i].pseudo);
		put(&p, "\0\0\0", 3); /* Ethernet padding */
		assert_int_equal(parse_build(&p, &out), PACKET_OK);
		assert_int_equal(out.checksum, PACKET_CHECKSUM_GOOD);
		p.b[p.transport + cases[i].at] ^= 0x10;
		assert_int_equal(parse_build(&p, &out), PACKET_OK);
		assert_int_equal(out.checksum, PACKET_CHECKSUM_BAD);
	}
}

static void udp_without_a_sum_is_ipv4s_alone(void **state)
{
	static const uint8_t header[8] = { 0, 53, 0, 53, 0, 8, 0, 0 };
	struct build p = v4(PROTO_UDP);
	struct packet out;

	(void)state;
	put(&p, header, sizeof(header));
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_OK);
	assert_int_equal(out.checksum, PACKET_CHECKSUM_UNKNOWN);
	p = v6(PROTO_UDP);
	put(&p, header, sizeof(header));
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_OK);
	assert_int_equal(out.checksum, PACKET_CHECKSUM_BAD);
}

/* One change to a good SYN over IPv4, and the name of what comes out. */
static void ipv4_rejections_are_named(void **state)
{
	static const struct {
		const char *what;
		size_t at;     /* this byte ... */
		uint8_t value; /* ... becomes this */
		size_t copied; /* 0: all */
		enum packet_result result;
	} cases[] = {
		{ "good", 8, 64, 0, PACKET_OK },
		{ "version 5", 0, 0x55, 0, PACKET_BAD_VERSION },
		{ "version 0", 0, 0x05, 0, PACKET_BAD_VERSION },
		{ "header of 16 bytes", 0, 0x44, 0, PACKET_BAD_IP_LENGTH },
		{ "header longer than the packet", 0, 0x4f, 0, PACKET_BAD_IP_LENGTH },
		{ "total shorter than the header", 3, 19, 0, PACKET_BAD_IP_LENGTH },
		{ "copy of 19 bytes", 8, 64, 19, PACKET_SHORT_IP },
		{ "copy of 1 byte", 8, 64, 1, PACKET_SHORT_IP },
		{ "later fragment", 7, 1, 0, PACKET_LATER_FRAGMENT },
		{ "total ends behind the header", 3, 20, 0, PACKET_SHORT_TRANSPORT },
		{ "total ends inside TCP", 3, 39, 0, PACKET_SHORT_TRANSPORT },
		{ "total ends inside the options", 3, 43, 0, PACKET_BAD_TRANSPORT },
		{ "data offset of 16", 32, 0x40, 0, PACKET_BAD_TRANSPORT },
		{ "data offset beyond the packet", 32, 0xf0, 0, PACKET_BAD_TRANSPORT },
		{ "copy ends behind the header", 8, 64, 20, PACKET_CUT },
		{ "copy ends inside TCP", 8, 64, 39, PACKET_CUT },
		{ "copy ends inside the options", 8, 64, 42, PACKET_OK },
		{ "total of 0", 3, 0, 0, PACKET_OK },
	};
	struct build good = v4(PROTO_TCP);

	(void)state;
	put_tcp(&good, TCP_SYN);
	finish(&good);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct build p = good;
		struct packet out, untouched;
		enum packet_result result;

		memset(&out, 0x5a, sizeof(out));
		untouched = out;
		p.b[cases[i].at] = cases[i].value;
		result = parse(p.b, cases[i].copied ? cases[i].copied : p.len, true, &out);
		if (result != cases[i].result)
			fail_msg("%s: %s", cases[i].what, packet_result_name(result));
		if (packet_is_set(result)) {
			assert_true(addr_is_v4(&out.src));
			assert_int_equal(out.protocol, PROTO_TCP);
		} else {
			assert_memory_equal(&out, &untouched, sizeof(out));
		}
	}
	assert_int_equal(packet_parse(NULL, 0, true, NULL), PACKET_EMPTY);
}

static void a_tiny_first_fragment_still_names_its_port(void **state)
{
	struct build p = v4(PROTO_TCP);
	struct packet out;

	(void)state;
	put_tcp(&p, TCP_SYN);
	p.len = p.transport + 8;
	p.b[6] = 0x20;
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_SHORT_TRANSPORT);
	assert_true(out.first_fragment);
	assert_int_equal(out.dport, 22);
	assert_int_equal(out.seq, 0x01020304);
	assert_int_equal(out.tcp_flags, 0);

	/* Of 20 and more bytes it can be read, unless its options are in the next one; its sum cannot be known. */
	p = v4(PROTO_TCP);
	put_tcp(&p, TCP_SYN);
	p.b[6] = 0x20;
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_OK);
	assert_int_equal(out.checksum, PACKET_CHECKSUM_UNKNOWN);
	p.b[p.transport + 12] = 0x80;
	assert_int_equal(parse_build(&p, &out), PACKET_SHORT_TRANSPORT);
}

static void ipv4_options_are_stepped_over(void **state)
{
	struct build p = v4(PROTO_TCP);
	struct packet out;
	uint8_t options[40] = { 1, 1, 7, 38 };

	(void)state;
	put(&p, options, sizeof(options));
	p.b[0] = 0x4f;
	p.transport = p.len;
	put_tcp(&p, TCP_FIN);
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_OK);
	assert_int_equal(out.tcp_flags, TCP_FIN);
	assert_int_equal(out.dport, 22);
	/* Our copy ends inside the options: nobody's fault. */
	assert_int_equal(parse(p.b, 30, true, &out), PACKET_CUT);
}

static void hostile_tcp_options_end_the_list(void **state)
{
	static const struct {
		uint8_t options[8];
		uint8_t count;
		uint16_t mss;
	} cases[] = {
		{ { 2, 4, 5, 0xb4, 1, 1, 4, 2 }, 2, 1460 }, { { 1, 1, 1, 1, 2, 4, 4, 0 }, 1, 1024 },
		{ { 0, 2, 4, 5, 0xb4, 0, 0, 0 }, 0, 0 },    /* END: what follows is no option */
		{ { 2, 0, 5, 0xb4, 0, 0, 0, 0 }, 0, 0 },    /* length 0 */
		{ { 2, 1, 5, 0xb4, 0, 0, 0, 0 }, 0, 0 },    /* length 1 */
		{ { 2, 3, 5, 2, 4, 5, 0xb4, 0 }, 2, 1460 }, /* an MSS of odd length is none */
		{ { 8, 10, 0, 0, 0, 0, 0, 0 }, 0, 0 },      /* past the header */
		{ { 1, 1, 1, 1, 1, 1, 1, 2 }, 0, 0 },       /* a kind without its length */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct build p = v4(PROTO_TCP);
		struct packet out;

		put_tcp(&p, TCP_SYN);
		p.len -= 4;
		put(&p, cases[i].options, 8);
		p.b[p.transport + 12] = 0x70;
		finish(&p);
		assert_int_equal(parse_build(&p, &out), PACKET_OK);
		assert_int_equal(out.tcp_option_count, cases[i].count);
		assert_int_equal(out.mss, cases[i].mss);
	}
}

static void ipv6_extension_headers_are_walked(void **state)
{
	static const struct {
		uint8_t chain[4]; /* next header values, 0xff ends */
		enum packet_checksum sum;
	} cases[] = {
		{ { PROTO_TCP, 0xff }, PACKET_CHECKSUM_GOOD },
		{ { 0, PROTO_TCP, 0xff }, PACKET_CHECKSUM_GOOD },
		{ { 0, 43, PROTO_TCP, 0xff }, PACKET_CHECKSUM_GOOD },
		{ { 0, 60, 43, PROTO_TCP }, PACKET_CHECKSUM_UNKNOWN },
		{ { 44, PROTO_TCP, 0xff }, PACKET_CHECKSUM_GOOD }, /* an atomic fragment (RFC 6946) is none */
		{ { 60, PROTO_TCP, 0xff }, PACKET_CHECKSUM_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct build p = v6(cases[i].chain[0]);
		struct packet out;

		for (size_t k = 0; k < 4 && cases[i].chain[k] != PROTO_TCP; k++)
			put_extension(&p, cases[i].chain[k + 1], cases[i].chain[k] == 44 ? 8 : 24);
		put_tcp(&p, TCP_SYN);
		finish(&p);
		put_sum(&p, PROTO_TCP, 16, true);
		assert_int_equal(parse_build(&p, &out), PACKET_OK);
		assert_int_equal(out.protocol, PROTO_TCP);
		assert_int_equal(out.dport, 22);
		assert_int_equal(out.tcp_flags, TCP_SYN);
		assert_int_equal(out.payload_len, 0);
		assert_int_equal(out.checksum, cases[i].sum);
		assert_int_equal(out.ttl, 57);
		assert_false(out.first_fragment);
		for (size_t copied = 40; copied < p.transport + 20; copied++)
			assert_int_equal(parse(p.b, copied, true, &out), PACKET_CUT);
	}
}

static void ipv6_rejections_are_named(void **state)
{
	struct build p = v6(0);
	struct packet out;
	uint8_t authentication[12] = { PROTO_TCP, 1 };

	(void)state;
	/* As many headers as allowed, and one more. */
	for (int more = 0; more <= 1; more++) {
		p = v6(60);
		for (int left = PACKET_EXTENSIONS_MAX / 8 - 1 + more; left >= 0; left--)
			put_extension(&p, left ? 60 : PROTO_TCP, 8);
		put_tcp(&p, TCP_SYN);
		finish(&p);
		assert_int_equal(parse_build(&p, &out), more ? PACKET_EXTENSION_LIMIT : PACKET_OK);
	}

	p = v6(60);
	put_extension(&p, PROTO_TCP, 8);
	p.b[41] = 200; /* 1,608 bytes */
	put_tcp(&p, TCP_SYN);
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_SHORT_EXTENSION);
	p = v6(0);
	put(&p, "\6\0\0\0", 4);
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_SHORT_EXTENSION);
	assert_int_equal(parse(p.b, 39, true, &out), PACKET_SHORT_IP);

	/* Fragments: a later one, and a first one that is tiny. */
	p = v6(44);
	put_extension(&p, PROTO_TCP, 8);
	put16(p.b + 42, 8 << 3);
	put(&p, "12345678", 8);
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_LATER_FRAGMENT);
	assert_int_equal(out.protocol, PROTO_TCP);
	put16(p.b + 42, 1);
	assert_int_equal(parse_build(&p, &out), PACKET_SHORT_TRANSPORT);
	assert_true(out.first_fragment);

	p = v6(59);
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_OK);
	assert_int_equal(out.protocol, 59);

	p = v6(51);
	put(&p, authentication, sizeof(authentication));
	p.transport = p.len;
	put_tcp(&p, TCP_SYN);
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_OK);
	assert_int_equal(out.dport, 22);
}

/* An address that stands for IPv4 in our tables must never come out of an IPv6 packet. */
static void mapped_addresses_on_the_wire_are_refused(void **state)
{
	struct build good = v6(PROTO_TCP);
	struct packet out;

	(void)state;
	put_tcp(&good, TCP_SYN);
	finish(&good);
	assert_int_equal(parse_build(&good, &out), PACKET_OK);
	assert_false(addr_is_v4(&out.src));
	for (size_t at = 8; at <= 24; at += 16) {
		struct build p = good;

		memset(p.b + at, 0, 10);
		memset(p.b + at + 10, 0xff, 2);
		assert_int_equal(parse_build(&p, &out), PACKET_BAD_VERSION);
		p.b[at + 10] = 0; /* ::ff:0:1 is an ordinary address again */
		assert_int_equal(parse_build(&p, &out), PACKET_OK);
	}
}

static void a_length_of_zero_means_the_copy(void **state)
{
	struct build p = v6(PROTO_TCP);
	struct packet out;

	(void)state;
	put_tcp(&p, TCP_SYN);
	put(&p, "12345", 5);
	assert_int_equal(parse_build(&p, &out), PACKET_OK);
	assert_int_equal(out.payload_len, 5);
	assert_int_equal(out.checksum, PACKET_CHECKSUM_UNKNOWN);
	p.len = 40;
	assert_int_equal(parse_build(&p, &out), PACKET_SHORT_TRANSPORT);

	p = v4(PROTO_UDP);
	put(&p, "\0\1\0\2\0\0\0\0data", 12); /* UDP length zero too */
	assert_int_equal(parse_build(&p, &out), PACKET_OK);
	assert_int_equal(out.payload_len, 4);
	finish(&p);
	assert_int_equal(parse_build(&p, &out), PACKET_BAD_TRANSPORT);
}

static void other_transports_are_read(void **state)
{
	static const struct {
		const char *what;
		uint8_t family, protocol;
		uint8_t len;
		uint8_t body[24];
		enum packet_result result;
		uint16_t sport, dport;
		uint8_t type, code, chunk;
		uint16_t payload;
	} cases[] = {
		{ "UDP", 4, 17, 10, { 0, 53, 1, 0, 0, 10 }, PACKET_OK, 53, 256, 0, 0, 0, 2 },
		{ "UDP with a tail", 4, 17, 12, { 0, 53, 1, 0, 0, 10 }, PACKET_OK, 53, 256, 0, 0, 0, 2 },
		{ "UDP claims 7", 4, 17, 10, { 0, 53, 1, 0, 0, 7 }, PACKET_BAD_TRANSPORT, 53, 256, 0, 0, 0, 0 },
		{ "UDP claims too much", 6, 17, 10, { 0, 53, 1, 0, 0, 11 }, PACKET_BAD_TRANSPORT, 53, 256, 0, 0, 0, 0 },
		{ "UDP of 7 bytes", 4, 17, 7, { 0, 53, 1, 0, 0, 7 }, PACKET_SHORT_TRANSPORT, 53, 256, 0, 0, 0, 0 },
		{ "UDP of 3 bytes", 4, 17, 3, { 0, 53, 1 }, PACKET_SHORT_TRANSPORT, 0, 0, 0, 0, 0, 0 },
		{ "ICMP", 4, 1, 12, { 13, 3 }, PACKET_OK, 0, 0, 13, 3, 0, 4 },
		{ "ICMP of 4 bytes", 4, 1, 4, { 8, 1 }, PACKET_SHORT_TRANSPORT, 0, 0, 8, 1, 0, 0 },
		{ "ICMP in IPv6", 6, 1, 8, { 8, 1 }, PACKET_OK, 0, 0, 0, 0, 0, 8 },
		{ "ICMPv6", 6, 58, 8, { 128, 1 }, PACKET_OK, 0, 0, 128, 1, 0, 4 },
		{ "ICMPv6 in IPv4", 4, 58, 8, { 128, 1 }, PACKET_OK, 0, 0, 0, 0, 0, 8 },
		{ "SCTP INIT", 4, 132, 20, { 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, PACKET_OK, 1, 2, 0, 0, 1, 4 },
		{ "SCTP without a chunk", 6, 132, 12, { 0, 1, 0, 2 }, PACKET_SHORT_TRANSPORT, 1, 2, 0, 0, 0, 0 },
		{ "SCTP in half a chunk",
		  6,
		  132,
		  13,
		  { 0, 1, 0, 2, [12] = 10 },
		  PACKET_SHORT_TRANSPORT,
		  1,
		  2,
		  0,
		  0,
		  10,
		  0 },
		{ "ESP", 6, 50, 3, { 1, 2, 3 }, PACKET_OK, 0, 0, 0, 0, 0, 3 },
		{ "AH over IPv4", 4, 51, 0, { 0 }, PACKET_OK, 0, 0, 0, 0, 0, 0 },
		{ "UDP-Lite", 4, 136, 8, { 0, 1, 0, 2 }, PACKET_OK, 0, 0, 0, 0, 0, 8 },
		{ "protocol 253", 4, 253, 0, { 0 }, PACKET_OK, 0, 0, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct build p = cases[i].family == 4 ? v4(cases[i].protocol) : v6(cases[i].protocol);
		struct packet out;
		enum packet_result result;

		put(&p, cases[i].body, cases[i].len);
		finish(&p);
		put(&p, "padding", 7);
		if (cases[i].family == 6 && cases[i].len == 0)
			continue;
		result = parse_build(&p, &out);
		if (result != cases[i].result || out.protocol != cases[i].protocol || out.sport != cases[i].sport ||
		    out.dport != cases[i].dport || out.icmp_type != cases[i].type || out.icmp_code != cases[i].code ||
		    out.sctp_chunk != cases[i].chunk || out.payload_len != cases[i].payload)
			fail_msg("%s: %s, %u -> %u, payload %u", cases[i].what, packet_result_name(result), out.sport,
				 out.dport, out.payload_len);
	}
}

static void result_names_are_distinct(void **state)
{
	(void)state;
	for (int a = 0; a < PACKET_RESULT_COUNT; a++) {
		for (int b = 0; b < a; b++)
			assert_string_not_equal(packet_result_name((enum packet_result)a),
						packet_result_name((enum packet_result)b));
	}
	assert_string_equal(packet_result_name(PACKET_RESULT_COUNT), "unknown");
}

/* Random damage and cuts anywhere: no byte beyond the copy is read, and the same bytes say the same. */
static void random_packets_are_survived(void **state)
{
	static const uint8_t protocols[] = {
		PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_ICMPV6, PROTO_SCTP, 0, 43, 44, 51, 60,
	};
	struct seed seed = seed_new("random_packets_are_survived");

	(void)state;
	for (int round = 0; round < 30000; round++) {
		uint8_t protocol = protocols[seed_below(&seed, sizeof(protocols))];
		struct build p = round % 2 ? v4(protocol) : v6(protocol);
		struct packet first, second;
		enum packet_result result;
		uint32_t damage;
		size_t copied, total;

		for (uint32_t n = seed_below(&seed, 80); n > 0; n--) {
			uint8_t byte = protocols[n % sizeof(protocols)];

			if (seed_below(&seed, 3))
				byte = (uint8_t)seed_next(&seed);
			put(&p, &byte, 1);
		}
		finish(&p);
		for (damage = seed_below(&seed, 4); damage > 0; damage--)
			p.b[seed_below(&seed, (uint32_t)p.len)] = (uint8_t)seed_next(&seed);
		copied = seed_below(&seed, 3) ? p.len : seed_below(&seed, (uint32_t)p.len + 1);
		memset(&first, 0, sizeof(first));
		memset(&second, 0, sizeof(second));
		result = parse(p.b, copied, true, &first);
		assert_true(result < PACKET_RESULT_COUNT);
		assert_int_equal(parse(p.b, copied, true, &second), result);
		assert_true(addr_equal(&first.src, &second.src));
		assert_int_equal(first.payload_len, second.payload_len);
		assert_int_equal(first.checksum, second.checksum);
		/* Bytes behind the packet's own end change nothing. */
		total = (size_t)(p.b[2] << 8 | p.b[3]);
		if (result == PACKET_OK && copied == p.len && p.b[0] >> 4 == 4 && total > 0 && total <= copied) {
			put(&p, "trailing", 8);
			assert_int_equal(parse_build(&p, &second), PACKET_OK);
			assert_int_equal(first.payload_len, second.payload_len);
			assert_int_equal(first.checksum, second.checksum);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_over_ipv4_is_read),
		cmocka_unit_test(checksums_are_verified),
		cmocka_unit_test(udp_without_a_sum_is_ipv4s_alone),
		cmocka_unit_test(ipv4_rejections_are_named),
		cmocka_unit_test(a_tiny_first_fragment_still_names_its_port),
		cmocka_unit_test(ipv4_options_are_stepped_over),
		cmocka_unit_test(hostile_tcp_options_end_the_list),
		cmocka_unit_test(ipv6_extension_headers_are_walked),
		cmocka_unit_test(ipv6_rejections_are_named),
		cmocka_unit_test(mapped_addresses_on_the_wire_are_refused),
		cmocka_unit_test(a_length_of_zero_means_the_copy),
		cmocka_unit_test(other_transports_are_read),
		cmocka_unit_test(result_names_are_distinct),
		cmocka_unit_test(random_packets_are_survived),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
