/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a clock cannot fail here: every kernel that has nftables has the clocks that are named in clock.h.
 */
#include "clock.h"

int64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int64_t clock_us(clockid_t clock)
{
	return clock_ns(clock) / 1000;
}

int64_t clock_ms(clockid_t clock)
{
	return clock_ns(clock) / 1000000;
}

int64_t clock_s(clockid_t clock)
{
	return clock_ns(clock) / 1000000000;
}
