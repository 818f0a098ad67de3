/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first reasons of blocks, each text kept once however many blocks hold it: of a list of addresses that an admin
 * blocked, or of the scanners of one botnet, it is the same, and it is the longest part of a block.
 */
#ifndef PICKET_REASONS_H
#define PICKET_REASONS_H

#include <picket/engine.h>

struct reasons;

/* For `max` texts.  Pages become real as texts come.  NULL when out of memory. */
struct reasons *reasons_new(uint32_t max, const struct hash_key *key);
void reasons_free(struct reasons *reasons);

/* One more holder of this text; text must be shorter than ENGINE_REASON_MAX.  0: an empty text, or all places are
 * taken. */
uint32_t reasons_take(struct reasons *reasons, const char *text);
/* One holder more, or one less, of what reasons_take() gave. */
void reasons_hold(struct reasons *reasons, uint32_t id);
void reasons_release(struct reasons *reasons, uint32_t id);
const char *reasons_text(const struct reasons *reasons, uint32_t id);

#endif
