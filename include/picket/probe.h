/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A probe: what one packet, or one visit to a trap, tells the engine.  The sensors fill it in; the engine alone judges
 * it.
 */
#ifndef PICKET_PROBE_H
#define PICKET_PROBE_H

#include <picket/evidence.h>
#include <picket/packet.h>

/* What answers at the destination port, by the kernel's socket lookup. */
enum probe_port_state {
	PROBE_PORT_CLOSED,  /* no local socket */
	PROBE_PORT_SERVED,  /* a local service: only impossible flags are evidence */
	PROBE_PORT_TRAPPED, /* one of our traps */
	PROBE_PORT_COUNT
};

/* How a connection that a trap accepted ended. */
enum probe_trap {
	PROBE_TRAP_NONE,    /* a packet, not a trap's report */
	PROBE_TRAP_SILENT,  /* handshake with saved SYN, and not a byte from its visitor until it or the trap closed */
	PROBE_TRAP_SPOKE,   /* the same, with bytes that nobody else can have caused as far as is known */
	PROBE_TRAP_INDUCED, /* payload that a third party can make an honest program send (HTTP, TLS, BitTorrent) */
	PROBE_TRAP_UNSAVED, /* no saved SYN (SYN cookie) or not established: could be forged */
	PROBE_TRAP_COUNT
};

/* Whose host it was sent to. */
enum probe_where {
	PROBE_LOCAL,  /* this one */
	PROBE_BEHIND, /* one that this host passes packets on to */
	PROBE_WIRE,   /* one of a segment that this host sees */
	PROBE_WHERE_COUNT
};

/* What came of a first contact; of others' hosts nothing but this is evidence (contact.h). */
enum probe_outcome {
	PROBE_PENDING,  /* not asked for, or not known yet */
	PROBE_ANSWERED, /* and its sender has heard the answer, which nobody can forge */
	PROBE_REFUSED,
	PROBE_SILENT, /* from a host that is there */
	PROBE_DARK,   /* nobody is there */
	PROBE_OUTCOME_COUNT
};

struct probe {
	/* For a trap's report: src, dst, protocol, sport, dport are set, the rest is zero. */
	struct packet packet;
	uint8_t port_state;    /* enum probe_port_state */
	uint8_t trap;          /* enum probe_trap */
	uint8_t kin;           /* 1: the kernel knows a running session between its source and this host */
	uint8_t packet_result; /* enum packet_result: PACKET_OK, or one of the others that set a packet */
	uint8_t where;         /* enum probe_where */
	uint8_t outcome;       /* enum probe_outcome */
};

/* The tool whose mark the packet bears, or TOOL_NONE.  A mark alone proves nothing: an honest packet may bear one by
 * chance. */
enum evidence_tool judge_mark(const struct packet *packet);

#endif
