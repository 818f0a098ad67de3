/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoys: the same probe (protocol, ports, sequence) from several sources within a second.  One scanner sends it and
 * forges the others; which one, the packet doesn't tell.
 */
#ifndef PICKET_DECOYS_H
#define PICKET_DECOYS_H

#include <stdbool.h>

#include <picket/packet.h>
#include "hash.h"

#define DECOYS_SHARERS 4 /* told apart; more share what four share */

struct decoys;

struct decoys *decoys_new(const struct hash_key *key);
void decoys_free(struct decoys *decoys);

/* Those who sent the same probe within the last second, this sender last.  1: nobody else did. */
struct decoy_sharers {
	unsigned count;
	bool grew; /* this sender is a new one among those that are told apart */
	struct prefix keys[DECOYS_SHARERS];
};
struct decoy_sharers decoys_see(struct decoys *decoys, const struct packet *packet, const struct prefix *sender,
				int64_t now_ms);

/* What one of `now` sharers answers for, of a weight that was shared by `before`; rounded up. */
uint8_t decoys_share(uint8_t weight, unsigned before, unsigned now);

#endif
