/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one place where a clock is read.  Times are whole numbers since the clock's own beginning: the epoch for
 * CLOCK_REALTIME, the boot for CLOCK_MONOTONIC (without sleep) and CLOCK_BOOTTIME (with it).  See clock_gettime(2).
 */
#ifndef PICKET_CLOCK_H
#define PICKET_CLOCK_H

#include <stdint.h>
#include <time.h>

int64_t clock_ns(clockid_t clock);
int64_t clock_us(clockid_t clock);
int64_t clock_ms(clockid_t clock);
int64_t clock_s(clockid_t clock);

/* A clock on the wall that says less was never set; one that says more would not fit for much longer into the 32 bits
 * of seconds in which evidence is kept. */
#define CLOCK_WALL_MIN_MS 1700000000000LL /* November 2023 */
#define CLOCK_WALL_MAX_MS 4102444800000LL /* the year 2100 */

/* CLOCK_REALTIME in ms, or 0 when it is out of these bounds. */
int64_t clock_wall_ms(void);

#endif
