/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nets from which the doctor's probes come: documentation ranges (RFC 5737, RFC 3849), which belong to nobody.
 * The sentry counts what comes from one of them instead of judging it, for some seconds and on the doctor's word, and
 * takes no other net.
 */
#ifndef PICKET_PROBENET_H
#define PICKET_PROBENET_H

#include "addr.h"

/* The n-th of a family, counted from 0; the first is the usual one, another is for a host that is numbered from it.
 * NULL: there are no more. */
const struct prefix *probenet_at(bool v6, size_t n);
bool probenet_is(const struct prefix *net);

#endif
