/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Randomness for tests that can be had again: the seed is printed, and PICKET_SEED sets it.
 */
#ifndef PICKET_TEST_SEED_H
#define PICKET_TEST_SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct seed {
	uint64_t state;
};

static inline struct seed seed_new(const char *test)
{
	const char *given = getenv("PICKET_SEED");
	uint64_t value = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();

	printf("%s: PICKET_SEED=%llu\n", test, (unsigned long long)value);
	return (struct seed){ value };
}

/* splitmix64 */
static inline uint64_t seed_next(struct seed *seed)
{
	uint64_t z = seed->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline uint32_t seed_below(struct seed *seed, uint32_t limit)
{
	return (uint32_t)(seed_next(seed) % limit);
}

#endif
