/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether something that is done over and over gives back what it took: memory, and descriptors.  A daemon reloads and
 * reopens for years.  Under a sanitizer the memory is that one's affair, and no bytes are seen here.
 */
#ifndef PICKET_TEST_HELD_H
#define PICKET_TEST_HELD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>

#include "in_use.h"

struct held {
	size_t bytes, descriptors;
};

static inline struct held held_now(void)
{
	struct held held = { .bytes = in_use() };
	DIR *open_files = opendir("/proc/self/fd");

	assert_non_null(open_files);
	while (readdir(open_files))
		held.descriptors++;
	closedir(open_files);
	return held;
}

/* The first times may fill caches.  slack: bytes a time, where what malloc() keeps for itself is a part of it. */
static inline void assert_gives_back(void (*act)(void *context), void *context, size_t slack)
{
	enum { WARM = 3, ROUNDS = 7 };
	struct held before = { 0 }, after;

	for (int i = 0; i < WARM + ROUNDS; i++) {
		if (i == WARM)
			before = held_now();
		act(context);
	}
	after = held_now();
	assert_int_equal(after.descriptors, before.descriptors);
	assert_true(after.bytes < before.bytes + ROUNDS * slack);
}

#endif
