/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock on the wall, as far as it can be believed.  Apart from clock.c, whose functions the fuzzers replace.
 */
#include "clock.h"

int64_t clock_wall_ms(void)
{
	int64_t now_ms = clock_ms(CLOCK_REALTIME);

	return now_ms >= CLOCK_WALL_MIN_MS && now_ms < CLOCK_WALL_MAX_MS ? now_ms : 0;
}
