/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sums of numbers that another process or a file has said.  Where the true one has no room, the nearest that has: such
 * a sum is shown or compared, never undefined.
 */
#ifndef PICKET_CLAMP_H
#define PICKET_CLAMP_H

#include <stdint.h>

static inline int64_t clamped_sum(int64_t a, int64_t b)
{
	int64_t sum;

	return !__builtin_add_overflow(a, b, &sum) ? sum : b > 0 ? INT64_MAX : INT64_MIN;
}

static inline int64_t clamped_difference(int64_t a, int64_t b)
{
	int64_t difference;

	return !__builtin_sub_overflow(a, b, &difference) ? difference : b < 0 ? INT64_MAX : INT64_MIN;
}

#endif
