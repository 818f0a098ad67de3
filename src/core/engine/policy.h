/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a score to a grade, and from a grade to how long.
 */
#ifndef PICKET_POLICY_H
#define PICKET_POLICY_H

#include <picket/engine.h>
#include "source/score.h"

#define POLICY_FORGET_DAYS 30 /* a source that was away so long begins again at the first duration */

/* WATCH, ALERT, BLOCK or BAN: the highest threshold passed. */
enum grade policy_grade(const struct engine_config *config, const struct score *score);
/* The threshold of a grade in nats; 0 for WATCH. */
double policy_threshold(const struct engine_config *config, enum grade grade);
/* Of the times-th block of a source: the first duration, doubled each time, up to the longest. */
int64_t policy_duration_ms(const struct engine_config *config, enum grade grade, unsigned times);
/* Which block the next one of this source will be. */
uint8_t policy_next_times(const struct source *source, int64_t now_ms);
/* A score so far above the block threshold that forged names hardly reach it. */
bool policy_is_high(const struct engine_config *config, double total);
/* The configuration with every value moved into its range. */
struct engine_config policy_sane(const struct engine_config *config);

#endif
