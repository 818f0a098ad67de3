/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPv6 nets that act as one: eight guilty /64s of a /56, or eight /56s of a /48, are one source from then on.
 */
#ifndef PICKET_MERGE_H
#define PICKET_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "safeguard/prefixset.h"

#define MERGE_GUILTY 8

struct merge;

struct merge *merge_new(const struct hash_key *key);
void merge_free(struct merge *merge);
/* This source was blocked.  True: with it, enough of its neighbours were within 24 h; *wide holds them all. */
bool merge_note(struct merge *merge, const struct prefix *source, int64_t now_ms, struct prefix *wide);
/* Counts the net as one source from now on.  False: no room. */
bool merge_add(struct merge *merge, const struct prefix *wide, int64_t now_ms);
void merge_forget(struct merge *merge, const struct prefix *wide);
/* The net that the address is counted with: false when it stands for itself. */
bool merge_key(struct merge *merge, const struct prefix *key, int64_t now_ms, struct prefix *wide);
bool merge_peek(const struct merge *merge, const struct prefix *key, struct prefix *wide);
/* Some net was merged of which this is a part: take it apart (an address in it turned out to be a friend's). */
void merge_part(struct merge *merge, const struct prefix *what);

#endif
