/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The storm bucket: how many blocks on suspicion may begin, and who is next when that is short.
 */
#ifndef PICKET_STORM_H
#define PICKET_STORM_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"

#define STORM_WAITING_MAX 256

struct storm;

struct storm *storm_new(uint32_t rate, int64_t now_ms);
void storm_free(struct storm *storm);
void storm_set_rate(struct storm *storm, uint32_t rate);

/* Takes a token for a soft block.  `high`: its score is far above the threshold, so it may draw on the reserve.  False:
 * it has to wait. */
bool storm_take(struct storm *storm, bool high, int64_t now_ms);
/* Waits to be chosen; the lowest-scored gives way when too many do.  False: it was turned away itself. */
bool storm_wait(struct storm *storm, const struct prefix *source, float score);
/* Once a second while there are waiting ones: the highest-scored, when there is a token for it.  It is taken out of the
 * line. */
bool storm_choose(struct storm *storm, int64_t now_ms, struct prefix *source);
void storm_forget(struct storm *storm, const struct prefix *source);

uint32_t storm_tokens(const struct storm *storm);
bool storm_is_active(const struct storm *storm);
/* Did it begin or end since this was last asked? */
bool storm_changed(struct storm *storm, int64_t now_ms);

#endif
