/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a finding weighs for a source with a past.
 */
#ifndef PICKET_WEIGH_H
#define PICKET_WEIGH_H

#include "judge.h"
#include "source/sources.h"

struct weighing {
	bool duplicate; /* counted before, within 24 h */
	int replaces;   /* the piece whose place it takes, or -1 */
	uint8_t weight;
	bool grace_over; /* ports that were forgiven as a family's are so no longer */
};

/* source NULL: one without a past.  marked: it bears, or bore, a scanner's mark.  confirmed: that sum as it stands now.
 */
struct weighing weigh(const struct source *source, const struct finding *finding, uint16_t host_tag, bool marked,
		      double confirmed, int64_t now_ms);
/* The weight that a forgiven piece has when grace is over; its own weight for any other. */
uint8_t weigh_without_grace(const struct evidence *piece);
/* Has the source nothing but this one port? */
bool weigh_is_alone(const struct source *source, enum evidence_kind kind, uint16_t port);

#endif
