/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the guard share; nobody else includes this.
 */
#ifndef PICKET_GUARD_ROOM_H
#define PICKET_GUARD_ROOM_H

#include "guard.h"

struct allowed {
	int64_t until_ms[ALLOW_ORIGIN_COUNT]; /* 0: for good */
	uint8_t origins;                      /* bit per enum allow_origin */
};

struct guard {
	struct prefixset *allow, *protect, *customers;
	struct allowed *allowed; /* beside allow */
	uint16_t *whys;          /* beside protect: bit per enum protect_why */
	int64_t *customer_ms;    /* beside customers: last heard of */
	int64_t next_expiry_ms;
	unsigned ipv6_prefix;
	struct prefixset *nets; /* IPv6 nets, cut as keys are, that hold allowed or protected hosts */
	uint32_t *net_members;  /* beside nets: how many */
	uint32_t customer_hand; /* next one to give way */
};

/* An entry came or went: keep `nets` true. */
void guard_net_add(struct guard *guard, const struct prefix *entry);
void guard_net_remove(struct guard *guard, const struct prefix *entry);
bool guard_is_onlink(const struct guard *guard, const struct prefix *what);

#endif
