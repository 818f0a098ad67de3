/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A keyed hash for tables whose keys an attacker chooses: without the key an attacker cannot aim at one bucket.
 * SipHash (Aumasson and Bernstein 2012, "SipHash: a fast short-input PRF") in two strengths: 2-4 for bytes of any
 * length, and 1-3 word by word for what is hashed with each packet.  Neither result depends on the byte order of the
 * machine.
 */
#ifndef PICKET_HASH_H
#define PICKET_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hash_key {
	uint64_t k0, k1;
};

/* SipHash-2-4. */
uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t len);

/*
 * SipHash-1-3, a third of the price: what guards a table needs to be unpredictable, not unforgeable.  Begin, add words,
 * end.  As in SipHash, the last word must tell messages of different lengths apart: by convention its top byte does.
 */
struct hash_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t hash_rotate(uint64_t x, unsigned bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static inline void hash_round(struct hash_state *s)
{
	s->v0 += s->v1;
	s->v1 = hash_rotate(s->v1, 13) ^ s->v0;
	s->v0 = hash_rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = hash_rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = hash_rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = hash_rotate(s->v1, 17) ^ s->v2;
	s->v2 = hash_rotate(s->v2, 32);
}

static inline struct hash_state hash_begin(const struct hash_key *key)
{
	return (struct hash_state){
		.v0 = key->k0 ^ 0x736f6d6570736575ULL,
		.v1 = key->k1 ^ 0x646f72616e646f6dULL,
		.v2 = key->k0 ^ 0x6c7967656e657261ULL,
		.v3 = key->k1 ^ 0x7465646279746573ULL,
	};
}

static inline void hash_add(struct hash_state *s, uint64_t word)
{
	s->v3 ^= word;
	hash_round(s);
	s->v0 ^= word;
}

static inline uint64_t hash_end(struct hash_state *s)
{
	s->v2 ^= 0xff;
	hash_round(s);
	hash_round(s);
	hash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* Eight bytes as a word, little-endian on every machine. */
static inline uint64_t hash_word(const uint8_t bytes[8])
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* SipHash-1-3 of bytes of any length: fast where the length is known when it is compiled. */
static inline uint64_t hash_quick(const struct hash_key *key, const void *data, size_t len)
{
	struct hash_state s = hash_begin(key);
	const uint8_t *p = data;
	uint8_t rest[8] = { 0 };
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8)
		hash_add(&s, hash_word(p));
	memcpy(rest, p, left);
	hash_add(&s, hash_word(rest) | (uint64_t)len << 56);
	return hash_end(&s);
}

#endif
