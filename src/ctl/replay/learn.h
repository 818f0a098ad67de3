/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first pass: what the capture itself tells about the host it was made for.  Which addresses are ours, which of
 * their ports answer, whether its checksums can be trusted.
 */
#ifndef PICKET_REPLAY_LEARN_H
#define PICKET_REPLAY_LEARN_H

#include "stream.h"
#include "table.h"

#define REPLAY_ADDRS_MAX 65536
#define REPLAY_EDGES_MAX 131072
#define REPLAY_OPEN_MAX  65536

struct replay_learned {
	struct replay_table addrs, edges, open;
	struct replay_flows *flows;
	uint64_t sums_good, sums_bad;
	uint64_t packets;
	uint64_t late; /* packets older than the one before, after what the reorder window could do */
	int64_t first_ms, last_ms;
	bool any; /* a packet was seen: first_ms counts */
};

struct replay_learned *replay_learned_new(const struct hash_key *hash);
void replay_learned_free(struct replay_learned *learned);
void replay_learn_packet(struct replay_learned *learned, const struct replay_packet *in);
/* After the last packet: decides which addresses are ours. */
void replay_learn_finish(struct replay_learned *learned);

bool replay_learned_local(const struct replay_learned *learned, const struct addr *addr);
bool replay_learned_open(const struct replay_learned *learned, uint8_t protocol, const struct addr *addr,
			 uint16_t port);
/* False when a tenth of the sums and more are wrong: an edited capture, or one made before the card filled them in. */
bool replay_learned_trust_sums(const struct replay_learned *learned);
/* Writes at most max of the learned local addresses, returns how many there are. */
size_t replay_learned_locals(const struct replay_learned *learned, struct addr *out, size_t max);

#endif
