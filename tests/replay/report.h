/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The calibration report: what every scan and every honest case comes to, and how far that is from each threshold.
 */
#ifndef REPLAY_REPORT_H
#define REPLAY_REPORT_H

#include "play.h"

struct report;

struct report *report_new(void);
void report_free(struct report *report);
/* Takes down the sources of a scenario that was played.  False: out of memory. */
bool report_take(struct report *report, const struct play *play, const char *name);
/* Scans, hardest to see first; honest senders, nearest to a block first; then forged addresses and the machinery. */
void report_print(const struct report *report);

#endif
