/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses, prefixes and the keyed hash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "addr.h"
#include "hash.h"
#include "seed.h"

static struct addr address(const char *text)
{
	struct addr a;

	if (!addr_parse(text, &a))
		fail_msg("not an address: %s", text);
	return a;
}

static struct prefix prefix(const char *text)
{
	const char *error;
	struct prefix p;

	if (!prefix_parse(text, &p, &error))
		fail_msg("%s: %s", text, error);
	return p;
}

static void addresses_are_parsed_strictly(void **state)
{
	static const struct {
		const char *text, *canonical; /* NULL: refused */
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "2001:DB8:0:0::1", "2001:db8::1" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
		{ "", NULL },
		{ " 192.0.2.1", NULL },
		{ "192.0.2.1 ", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.2.01", NULL },
		{ "0x7f.0.0.1", NULL },
		{ "3221225985", NULL },
		{ "fe80::1%eth0", NULL },
		{ "localhost", NULL },
		{ "1::2::3", NULL },
		{ "[::1]", NULL },
		{ "12345::", NULL },
	};
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr a, untouched;

		memset(&a, 0x5a, sizeof(a));
		untouched = a;
		if (!cases[i].canonical) {
			if (addr_parse(cases[i].text, &a))
				fail_msg("taken: '%s'", cases[i].text);
			assert_memory_equal(&a, &untouched, sizeof(a));
			continue;
		}
		if (!addr_parse(cases[i].text, &a))
			fail_msg("refused: '%s'", cases[i].text);
		assert_string_equal(addr_format(&a, text), cases[i].canonical);
	}
}

static void addresses_are_classified(void **state)
{
	static const struct {
		const char *text;
		bool v4, loopback, link_local, multicast, unspecified;
	} cases[] = {
		{ "198.51.100.7", true, false, false, false, false },
		{ "127.0.0.1", true, true, false, false, false },
		{ "127.255.0.9", true, true, false, false, false },
		{ "126.255.255.255", true, false, false, false, false },
		{ "169.254.169.254", true, false, true, false, false },
		{ "169.253.0.1", true, false, false, false, false },
		{ "224.0.0.1", true, false, false, true, false },
		{ "239.255.255.250", true, false, false, true, false },
		{ "240.0.0.1", true, false, false, false, false },
		{ "255.255.255.255", true, false, false, true, false },
		{ "0.0.0.0", true, false, false, false, true },
		{ "::", false, false, false, false, true },
		{ "::1", false, true, false, false, false },
		{ "::2", false, false, false, false, false },
		{ "fe80::1", false, false, true, false, false },
		{ "febf:ffff::1", false, false, true, false, false },
		{ "fec0::1", false, false, false, false, false },
		{ "ff02::1", false, false, false, true, false },
		{ "2001:db8::1", false, false, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr a = address(cases[i].text);

		if (addr_is_v4(&a) != cases[i].v4 || addr_is_loopback(&a) != cases[i].loopback ||
		    addr_is_link_local(&a) != cases[i].link_local || addr_is_multicast(&a) != cases[i].multicast ||
		    addr_is_unspecified(&a) != cases[i].unspecified)
			fail_msg("wrong class: %s", cases[i].text);
	}
}

static void prefixes_are_parsed_strictly(void **state)
{
	static const struct {
		const char *text, *canonical; /* NULL: refused */
		unsigned len;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", 128 },
		{ "192.0.2.1/32", "192.0.2.1", 128 },
		{ "192.0.2.0/24", "192.0.2.0/24", 120 },
		{ "10.0.0.0/8", "10.0.0.0/8", 104 },
		{ "0.0.0.0/0", "0.0.0.0/0", 96 },
		{ "192.0.2.128/25", "192.0.2.128/25", 121 },
		{ "2001:db8::/32", "2001:db8::/32", 32 },
		{ "2001:db8::/128", "2001:db8::", 128 },
		{ "2001:db8::/127", "2001:db8::/127", 127 },
		{ "::/0", "::/0", 0 },
		{ "::ffff:192.0.2.0/120", "192.0.2.0/24", 120 },
		{ "::ffff:0:0/96", "0.0.0.0/0", 96 },
		{ "192.0.2.1/24", NULL, 0 },
		{ "192.0.2.0/33", NULL, 0 },
		{ "192.0.2.0/", NULL, 0 },
		{ "192.0.2.0/024", NULL, 0 },
		{ "192.0.2.0/+24", NULL, 0 },
		{ "192.0.2.0/24 ", NULL, 0 },
		{ "192.0.2.0/24/8", NULL, 0 },
		{ "192.0.2.0/4294967320", NULL, 0 },
		{ "2001:db8::/129", NULL, 0 },
		{ "2001:db8::1/64", NULL, 0 },
		{ "/24", NULL, 0 },
		{ "", NULL, 0 },
		{ "example.org/24", NULL, 0 },
		{ "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/64", NULL, 0 },
	};
	char text[PREFIX_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix p;
		const char *error = NULL;
		bool taken = prefix_parse(cases[i].text, &p, &error);

		if (taken != (cases[i].canonical != NULL))
			fail_msg("'%s': %s", cases[i].text, taken ? "taken" : error);
		if (!taken) {
			assert_non_null(error);
			assert_non_null(strstr(error, "expected"));
			continue;
		}
		assert_int_equal(p.len, cases[i].len);
		assert_true(prefix_is_valid(&p));
		assert_string_equal(prefix_format(&p, text), cases[i].canonical);
	}
}

static void prefixes_contain_and_cover(void **state)
{
	static const struct {
		const char *outer, *inner;
		bool covers;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.0/24", "192.0.2.0/25", true },
		{ "192.0.2.0/25", "192.0.2.0/24", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "192.0.2.1", false }, /* IPv6 prefixes hold no IPv4 */
		{ "::/0", "0.0.0.0/0", false },
		{ "2001:db8::/33", "2001:db8:7fff::", true },
		{ "2001:db8::/33", "2001:db8:8000::", false },
		{ "2001:db8::1", "2001:db8::1", true },
		{ "2001:db8::1", "2001:db8::2", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix outer = prefix(cases[i].outer), inner = prefix(cases[i].inner);

		if (prefix_covers(&outer, &inner) != cases[i].covers ||
		    (inner.len == 128 && prefix_contains(&outer, &inner.addr) != cases[i].covers))
			fail_msg("%s, %s", cases[i].outer, cases[i].inner);
	}
}

static void untrusted_prefixes_are_checked(void **state)
{
	struct prefix p = prefix("192.0.2.0/24");
	struct addr a = address("192.0.2.1");

	(void)state;
	assert_true(prefix_is_valid(&p));
	p.addr.b[15] = 1;
	assert_false(prefix_is_valid(&p));
	p.addr.b[15] = 0;
	p.len = 129;
	assert_false(prefix_is_valid(&p));
	assert_false(prefix_contains(&p, &a));
	p.len = 255;
	assert_false(prefix_is_valid(&p));
	assert_false(prefix_contains(&p, &a));
}

static void random_prefixes_survive_their_text(void **state)
{
	struct seed seed = seed_new("random_prefixes_survive_their_text");

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[PREFIX_TEXT_MAX], again[ADDR_TEXT_MAX];
		const char *error;
		struct addr a, back;
		struct prefix p, parsed;

		for (size_t i = 0; i < sizeof(a.b); i++)
			a.b[i] = (uint8_t)(seed_below(&seed, 3) ? seed_next(&seed) : 0);
		if (round % 2)
			a = addr_from_v4(a.b + 12);
		assert_true(addr_parse(addr_format(&a, again), &back));
		assert_true(addr_equal(&a, &back));

		p = prefix_of(&a, seed_below(&seed, 129));
		assert_true(prefix_is_valid(&p));
		/* Clearing host bits may make an IPv6 prefix of an IPv4 address: it contains no IPv4 then. */
		assert_true(prefix_contains(&p, &a) == (!addr_is_v4(&a) || prefix_is_v4(&p)));
		if (!prefix_parse(prefix_format(&p, text), &parsed, &error))
			fail_msg("%s: %s", text, error);
		assert_true(prefix_equal(&p, &parsed));
	}
}

/* The vectors of the SipHash paper's reference code: key 00..0f, message 00, 01, ... of each length. */
static void hash_is_siphash_2_4(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} cases[] = {
		{ 0, 0x726fdb47dd0e0e31ULL }, { 1, 0x74f839c593dc67fdULL },  { 7, 0xab0200f58b01d137ULL },
		{ 8, 0x93f5f5799a932462ULL }, { 15, 0xa129ca6149be45e5ULL },
	};
	const struct hash_key key = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL };
	uint8_t message[16];

	(void)state;
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(hash_bytes(&key, message, cases[i].len), cases[i].hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_parsed_strictly),
		cmocka_unit_test(addresses_are_classified),
		cmocka_unit_test(prefixes_are_parsed_strictly),
		cmocka_unit_test(prefixes_contain_and_cover),
		cmocka_unit_test(untrusted_prefixes_are_checked),
		cmocka_unit_test(random_prefixes_survive_their_text),
		cmocka_unit_test(hash_is_siphash_2_4),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
