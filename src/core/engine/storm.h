/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The storm bucket: how many blocks on suspicion may begin, and who is next when that is short.
 */
#ifndef PICKET_STORM_H
#define PICKET_STORM_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "hash.h"

#define STORM_WAITING_MAX 4096

struct storm;

struct storm *storm_new(uint32_t rate, const struct hash_key *key, int64_t now_ms);
void storm_free(struct storm *storm);
void storm_set_rate(struct storm *storm, uint32_t rate);

/* A token for a soft block, while nobody waits for one.  False: it has to wait. */
bool storm_take(struct storm *storm, int64_t now_ms);
/* Stands in line, or shows once more why: `nats` for a probe of `port`, which brought it to `score`. */
void storm_wait(struct storm *storm, const struct prefix *source, uint16_t port, double nats, double score,
		int64_t now_ms);
/* A token, the reserve's too, for one in line who is far ahead of everybody else there. */
bool storm_overtake(struct storm *storm, const struct prefix *source, int64_t now_ms);
/* Once a second while there are waiting ones: the foremost, when there is a token for it.  It is taken out of the line.
 * To be asked until it says no. */
bool storm_choose(struct storm *storm, int64_t now_ms, struct prefix *source);
void storm_forget(struct storm *storm, const struct prefix *source);

uint32_t storm_tokens(const struct storm *storm);
bool storm_is_active(const struct storm *storm);
/* Did it begin or end since this was last asked? */
bool storm_changed(struct storm *storm, int64_t now_ms);

#endif
