/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long decisions take, as a histogram of fixed size that travels in wire_status.
 */
#ifndef PICKET_LATENCY_H
#define PICKET_LATENCY_H

#include <stdint.h>

#define LATENCY_BUCKETS 12 /* the last one has no upper bound */

struct latency {
	uint64_t buckets[LATENCY_BUCKETS]; /* each counts its own alone, not those below */
	uint64_t count, sum_ns;
};

/* Upper bounds of all buckets but the last. */
extern const uint32_t latency_bounds_us[LATENCY_BUCKETS - 1];

void latency_add(struct latency *latency, int64_t ns);

#endif
