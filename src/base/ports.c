/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ranges of ports, for the configuration, the kernel's interval sets and a replay.
 */
#include "ports.h"

#include <stdlib.h>

bool ports_contain(const struct port_range *ranges, size_t count, uint16_t port)
{
	for (size_t i = 0; i < count; i++)
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	return false;
}

uint32_t ports_total(const struct port_range *ranges, size_t count)
{
	uint32_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += (uint32_t)ranges[i].last - ranges[i].first + 1;
	return total;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct port_range *a = left, *b = right;

	return a->first != b->first ? (a->first > b->first) - (a->first < b->first)
				    : (a->last > b->last) - (a->last < b->last);
}

size_t ports_merge(struct port_range *ranges, size_t count)
{
	size_t kept = 0;

	qsort(ranges, count, sizeof(*ranges), compare_ranges);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && ranges[i].first <= (uint32_t)ranges[kept - 1].last + 1) {
			if (ranges[i].last > ranges[kept - 1].last)
				ranges[kept - 1].last = ranges[i].last;
		} else {
			ranges[kept++] = ranges[i];
		}
	}
	return kept;
}
