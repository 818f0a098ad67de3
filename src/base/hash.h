/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A keyed hash (SipHash-2-4, Aumasson and Bernstein 2012) for tables whose keys an attacker chooses: without the key an
 * attacker cannot aim at one bucket.
 */
#ifndef PICKET_HASH_H
#define PICKET_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k0, k1;
};

uint64_t hash_bytes(const struct hash_key *key, const void *data, size_t len);

#endif
