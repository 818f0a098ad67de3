/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What conntrack would know: a small tracker of flows in virtual time.  Bounded: REPLAY_FLOWS_MAX flows in sets of
 * eight; in a full set the one that matters least gives way, and is counted if it was alive.
 */
#ifndef PICKET_REPLAY_FLOWS_H
#define PICKET_REPLAY_FLOWS_H

#include <picket/packet.h>
#include "hash.h"

#define REPLAY_FLOWS_MAX 131072

enum replay_flow_state {
	REPLAY_FLOW_INVALID,     /* belongs to nothing and opens nothing: NULL, FIN, orphan SYN+ACK, RST ... */
	REPLAY_FLOW_NEW,         /* opens a flow, or repeats what was never answered */
	REPLAY_FLOW_ESTABLISHED, /* belongs to a flow that both ends know */
};

struct replay_flow_key {
	struct addr low, high; /* the smaller end first, so that both directions meet */
	uint16_t low_port, high_port;
	uint8_t protocol, zero[3];
};

enum replay_trap_state { REPLAY_TRAP_UNTOUCHED, REPLAY_TRAP_WAITING, REPLAY_TRAP_TOLD, REPLAY_TRAP_REFUSED };

struct replay_flow {
	struct replay_flow_key key;
	int64_t last_ms, timeout_ms;
	bool used, opener_low; /* the low end spoke first */
	bool syn, answered, closed;
	bool fin_low, fin_high;
	uint8_t trap; /* enum replay_trap_state: the host's own note */
};

/* One packet, as the tracker sees it. */
struct replay_seen {
	enum replay_flow_state state;
	struct replay_flow *flow; /* or NULL; valid until the next packet */
	bool fresh;               /* it opened the flow */
	bool reply;               /* it goes to the flow's opener */
	bool first_reply;
};

struct replay_flows;

struct replay_flows *replay_flows_new(const struct hash_key *hash);
void replay_flows_free(struct replay_flows *flows);
struct replay_seen replay_flows_track(struct replay_flows *flows, const struct packet *packet, int64_t now_ms);
struct replay_flow *replay_flows_find(struct replay_flows *flows, const struct replay_flow_key *key);
uint64_t replay_flows_evicted(const struct replay_flows *flows);

/* The flag combinations that conntrack takes (tcp_valid_flags): all others no stack sends. */
bool replay_tcp_flags_valid(uint8_t flags);

#endif
