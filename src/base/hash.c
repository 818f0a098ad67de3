/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SipHash-2-4 over bytes of any length: where what is hashed is long or comes seldom.
 */
#include "hash.h"

/* Fewer than eight bytes, little-endian. */
static uint64_t rest_of(const uint8_t *p, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

static void absorb(struct hash_state *s, uint64_t word)
{
	s->v3 ^= word;
	hash_round(s);
	hash_round(s);
	s->v0 ^= word;
}

uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t len)
{
	struct hash_state s = hash_begin(key);
	const uint8_t *p = data;
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8)
		absorb(&s, hash_word(p));
	/* The last word carries the length in its top byte. */
	absorb(&s, rest_of(p, left) | (uint64_t)len << 56);
	s.v2 ^= 0xff;
	hash_round(&s);
	hash_round(&s);
	hash_round(&s);
	hash_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
