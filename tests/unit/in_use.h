/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What malloc() has given out: the same before and after, when all was given back.
 */
#ifndef PICKET_TEST_IN_USE_H
#define PICKET_TEST_IN_USE_H

#include <malloc.h>
#include <stddef.h>

static inline size_t in_use(void)
{
#if __GLIBC_PREREQ(2, 33)
	struct mallinfo2 info = mallinfo2();
#else
	struct mallinfo info = mallinfo();
#endif

	return (size_t)info.uordblks + (size_t)info.hblkhd;
}

#endif
