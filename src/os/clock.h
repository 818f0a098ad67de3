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

#endif
