/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses and prefixes.  Owns the one textual form of both that people and files use, and the arithmetic on them.
 * Promises that nothing is guessed: a prefix with host bits, a zone, a blank or a short quad is refused with a reason,
 * since a mistyped allow or block entry that means something else is worse than an error.
 *
 * IPv4 lives in ::ffff:0:0/96.  An IPv6 prefix shorter than that (::/0) still does not contain IPv4: whoever writes
 * `allow = { "::/0" }` means IPv6.
 */
#include "addr.h"

#include <arpa/inet.h>

#include "writer.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct addr addr_from_v4(const uint8_t v4[4])
{
	struct addr a;

	memcpy(a.b, mapped, sizeof(mapped));
	memcpy(a.b + sizeof(mapped), v4, 4);
	return a;
}

struct addr addr_from_v6(const uint8_t v6[16])
{
	struct addr a;

	memcpy(a.b, v6, sizeof(a.b));
	return a;
}

const uint8_t *addr_v4_bytes(const struct addr *a)
{
	return a->b + sizeof(mapped);
}

/* True when the first `bits` bits of both agree. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (addr_is_v4(a))
		return a->b[12] == 127;
	return memcmp(a->b, one, sizeof(one)) == 0;
}

bool addr_is_link_local(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool addr_is_translated(const struct addr *a)
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b },
			     own_nat64[6] = { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 };
	static const uint8_t teredo[4] = { 0x20, 0x01, 0x00, 0x00 };

	return memcmp(a->b, nat64, sizeof(nat64)) == 0 || memcmp(a->b, own_nat64, sizeof(own_nat64)) == 0 ||
	       memcmp(a->b, teredo, sizeof(teredo)) == 0;
}

bool addr_is_multicast(const struct addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (addr_is_v4(a))
		return (a->b[12] & 0xf0) == 224 || memcmp(a->b + 12, broadcast, 4) == 0;
	return a->b[0] == 0xff;
}

bool addr_is_unspecified(const struct addr *a)
{
	static const uint8_t zero[16];
	size_t from = addr_is_v4(a) ? sizeof(mapped) : 0;

	return memcmp(a->b + from, zero, sizeof(zero) - from) == 0;
}

bool addr_parse(const char *text, struct addr *out)
{
	uint8_t bytes[16];

	/* inet_pton() is strict: no names, zones, blanks, octal or short quads. */
	if (inet_pton(AF_INET, text, bytes) == 1) {
		*out = addr_from_v4(bytes);
		return true;
	}
	if (inet_pton(AF_INET6, text, bytes) == 1) {
		*out = addr_from_v6(bytes);
		return true;
	}
	return false;
}

const char *addr_format(const struct addr *a, char out[ADDR_TEXT_MAX])
{
	struct writer w = writer_over(out, ADDR_TEXT_MAX);

	/* It cannot fail: the buffer is large enough. */
	if (!addr_is_v4(a)) {
		if (!inet_ntop(AF_INET6, a->b, out, ADDR_TEXT_MAX))
			out[0] = '\0';
		return out;
	}
	for (size_t i = 0; i < 4; i++) {
		if (i > 0)
			writer_char(&w, '.');
		writer_number(&w, addr_v4_bytes(a)[i], 1);
	}
	return out;
}

/* One to three digits without leading zeros; -1 for anything else. */
static int parse_len(const char *text)
{
	int value = 0;
	size_t i;

	for (i = 0; text[i]; i++) {
		if (i == 3 || text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	if (i == 0 || (i > 1 && text[0] == '0'))
		return -1;
	return value;
}

bool prefix_parse(const char *text, struct prefix *out, const char **error)
{
	const char *slash = strchr(text, '/');
	size_t addr_len = slash ? (size_t)(slash - text) : strlen(text);
	char part[ADDR_TEXT_MAX];
	struct prefix p;
	bool quad;
	int len;

	*error = "not an address, expected 192.0.2.1, 192.0.2.0/24, 2001:db8::1 or 2001:db8::/32";
	if (addr_len >= sizeof(part))
		return false;
	memcpy(part, text, addr_len);
	part[addr_len] = '\0';
	if (!addr_parse(part, &p.addr))
		return false;

	quad = strchr(part, ':') == NULL;
	len = quad ? 32 : 128;
	if (slash) {
		int given = parse_len(slash + 1);

		*error = quad ? "bad prefix length, expected 0 to 32" : "bad prefix length, expected 0 to 128";
		if (given < 0 || given > len)
			return false;
		len = given;
	}
	p.len = (uint8_t)(quad ? len + ADDR_MAPPED_LEN : len);
	*error = "host bits are set beyond the prefix length, expected them to be zero";
	if (!prefix_is_valid(&p))
		return false;
	*out = p;
	*error = NULL;
	return true;
}

const char *prefix_format(const struct prefix *p, char out[PREFIX_TEXT_MAX])
{
	size_t end;
	unsigned len = prefix_family_len(p);

	addr_format(&p->addr, out);
	if (p->len >= 128)
		return out;
	end = strlen(out);
	out[end++] = '/';
	if (len >= 100)
		out[end++] = (char)('0' + len / 100);
	if (len >= 10)
		out[end++] = (char)('0' + len / 10 % 10);
	out[end++] = (char)('0' + len % 10);
	out[end] = '\0';
	return out;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	if (p->len > 128 || (p->len < ADDR_MAPPED_LEN && addr_is_v4(a)))
		return false;
	return same_bits(p->addr.b, a->b, p->len);
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	if (outer->len > inner->len || prefix_is_v4(outer) != prefix_is_v4(inner))
		return false;
	return prefix_contains(outer, &inner->addr);
}

const char *prefix_no_source(const struct prefix *p)
{
	static const struct {
		struct prefix range;
		const char *what;
	} ranges[] = {
		{ { { { [10] = 0xff, [11] = 0xff } }, ADDR_MAPPED_LEN + 8 }, "an address of \"this\" network" },
		{ { { { [10] = 0xff, [11] = 0xff, [12] = 224 } }, ADDR_MAPPED_LEN + 4 }, "multicast" },
		{ { { { [10] = 0xff, [11] = 0xff, 255, 255, 255, 255 } }, 128 }, "the broadcast address" },
		{ { { { [10] = 0xff, [11] = 0xff, [12] = 240 } }, ADDR_MAPPED_LEN + 4 }, "reserved" },
		{ { { { [10] = 0xff, [11] = 0xff, [12] = 224 } }, ADDR_MAPPED_LEN + 3 }, "multicast and reserved" },
		{ { { { 0 } }, 128 }, "the unspecified address" },
		{ { { { 0xff } }, 8 }, "multicast" },
	};

	/* Nearly every packet's sender: none of these ranges. */
	if (prefix_is_v4(p) ? p->addr.b[12] > 0 && p->addr.b[12] < 224 : p->addr.b[0] > 0 && p->addr.b[0] < 0xff)
		return NULL;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (prefix_covers(&ranges[i].range, p))
			return ranges[i].what;
	return NULL;
}

unsigned prefix_family_len(const struct prefix *p)
{
	return prefix_is_v4(p) ? p->len - ADDR_MAPPED_LEN : p->len;
}

bool prefix_is_valid(const struct prefix *p)
{
	struct prefix clean;

	if (p->len > 128)
		return false;
	clean = prefix_of(&p->addr, p->len);
	return addr_equal(&clean.addr, &p->addr);
}
