/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ranges of ports, both ends inclusive; "all" is {1, 65535}.
 */
#ifndef PICKET_PORTS_H
#define PICKET_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port_range {
	uint16_t first, last;
};

bool ports_contain(const struct port_range *ranges, size_t count, uint16_t port);
/* The sum of the sizes of the ranges: a port in two ranges counts twice. */
uint32_t ports_total(const struct port_range *ranges, size_t count);
/* Sorts the ranges in place and joins those that touch or overlap.  Returns how many are left. */
size_t ports_merge(struct port_range *ranges, size_t count);

#endif
