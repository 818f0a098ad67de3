/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probenet.h"

#define V4(a, b, c)                                                                                                    \
	{                                                                                                              \
		{ { [10] = 0xff, [11] = 0xff, a, b, c } }, 96 + 24                                                     \
	}
#define V6(last)                                                                                                       \
	{                                                                                                              \
		{ { 0x20, 0x01, 0x0d, 0xb8, 0x70, 0x69, 0x63, last } }, 64                                             \
	}

static const struct prefix four[] = { V4(192, 0, 2), V4(198, 51, 100), V4(203, 0, 113) };
static const struct prefix six[] = { V6(0x6b), V6(0x6c) };

const struct prefix *probenet_at(bool v6, size_t n)
{
	if (v6)
		return n < sizeof(six) / sizeof(six[0]) ? &six[n] : NULL;
	return n < sizeof(four) / sizeof(four[0]) ? &four[n] : NULL;
}

bool probenet_is(const struct prefix *net)
{
	const struct prefix *one;

	for (size_t n = 0; (one = probenet_at(!prefix_is_v4(net), n)) != NULL; n++)
		if (prefix_equal(one, net))
			return true;
	return false;
}
