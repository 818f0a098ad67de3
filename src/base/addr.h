/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses and prefixes.  One shape for both families: 16 bytes, IPv4 in its IPv4-mapped form (::ffff:0:0/96, RFC 4291
 * section 2.5.5.2), so that tables, hashes and messages need no family of their own.
 */
#ifndef PICKET_ADDR_H
#define PICKET_ADDR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct addr {
	uint8_t b[16]; /* network byte order */
};

/* A prefix in mapped space: an IPv4 /24 has len 120.  Host bits are zero. */
struct prefix {
	struct addr addr;
	uint8_t len; /* 0..128 */
};

#define ADDR_TEXT_MAX   46 /* INET6_ADDRSTRLEN */
#define PREFIX_TEXT_MAX 50 /* address, '/', three digits, NUL */

#define ADDR_MAPPED_LEN 96 /* of the prefix that all of IPv4 is */

/* Those that are asked several times of each packet are inline. */
static inline bool addr_is_v4(const struct addr *a)
{
	return memcmp(a->b, "\0\0\0\0\0\0\0\0\0\0\xff\xff", ADDR_MAPPED_LEN / 8) == 0;
}

static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return addr_equal(&a->addr, &b->addr) && a->len == b->len;
}

static inline bool prefix_is_v4(const struct prefix *p) /* mapped and len >= 96 */
{
	return p->len >= ADDR_MAPPED_LEN && addr_is_v4(&p->addr);
}

static inline struct prefix prefix_host(const struct addr *a) /* len 128 */
{
	return (struct prefix){ .addr = *a, .len = 128 };
}

/* The first `bits` of 64, as they stand in an address. */
static inline uint64_t addr_mask(unsigned bits)
{
	return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : htobe64(UINT64_MAX << (64 - bits));
}

/* The prefix of the given mapped length (0..128) that holds the address. */
static inline struct prefix prefix_of(const struct addr *a, unsigned len)
{
	struct prefix p = { .len = (uint8_t)(len < 128 ? len : 128) };
	uint64_t words[2];

	memcpy(words, a->b, sizeof(words));
	words[0] &= addr_mask(len);
	words[1] &= addr_mask(len < 64 ? 0 : len - 64);
	memcpy(p.addr.b, words, sizeof(words));
	return p;
}

struct addr addr_from_v4(const uint8_t v4[4]);
struct addr addr_from_v6(const uint8_t v6[16]);
const uint8_t *addr_v4_bytes(const struct addr *a); /* the last four bytes */
bool addr_is_loopback(const struct addr *a);
bool addr_is_link_local(const struct addr *a); /* 169.254/16, fe80::/10 */
bool addr_is_multicast(const struct addr *a);  /* and 255.255.255.255 */
bool addr_is_unspecified(const struct addr *a);
/* Behind NAT64 (RFC 6052; a network's own, RFC 8215) or Teredo (RFC 4380): there one /64, and what is wider, is the
 * whole internet of unrelated IPv4 hosts. */
bool addr_is_translated(const struct addr *a);

/* Strict: dotted quad or RFC 4291 text alone; no names, no zone, no blanks.
 * False leaves *out alone. */
bool addr_parse(const char *text, struct addr *out);
/* Writes at most ADDR_TEXT_MAX bytes and returns out. */
const char *addr_format(const struct addr *a, char out[ADDR_TEXT_MAX]);

/* "ADDR" or "ADDR/LEN" with the family's own length.  Host bits must be zero:
 * on false *error names what is wrong and what was expected (static text), and *out is untouched. */
bool prefix_parse(const char *text, struct prefix *out, const char **error);
/* A single address prints without "/32" or "/128". */
const char *prefix_format(const struct prefix *p, char out[PREFIX_TEXT_MAX]);
bool prefix_contains(const struct prefix *p, const struct addr *a);
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
/* What every address of the prefix is when no host can send from it ("multicast", ...: RFC 1122 section 3.2.1.3,
 * RFC 4291 section 2.7); NULL: a host can have one of them. */
const char *prefix_no_source(const struct prefix *p);
unsigned prefix_family_len(const struct prefix *p); /* 0..32 or 0..128, as people write it */
/* From an untrusted message: true when len and host bits are in order. */
bool prefix_is_valid(const struct prefix *p);

#endif
