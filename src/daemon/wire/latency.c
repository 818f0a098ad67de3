/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The histogram's bounds reach from what a packet costs that changes nothing (some microseconds) to what an admin
 * would call slow: a kernel that takes 50 ms to acknowledge an element.
 */
#include "latency.h"

const uint32_t latency_bounds_us[LATENCY_BUCKETS - 1] = {
	5, 10, 25, 50, 100, 250, 500, 1000, 5000, 10000, 50000,
};

void latency_add(struct latency *latency, int64_t ns)
{
	unsigned i = 0;

	if (ns < 0)
		ns = 0;
	while (i < LATENCY_BUCKETS - 1 && ns > (int64_t)latency_bounds_us[i] * 1000)
		i++;
	latency->buckets[i]++;
	latency->count++;
	latency->sum_ns += (uint64_t)ns;
}
