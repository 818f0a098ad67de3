/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's part in a replay: what the tables in the kernel would do with a packet before picket sees it.  Which
 * packets are for us, which belong to something that runs, which port is served or trapped, who stands in `seen` and
 * `customers`, and what becomes of a handshake with a trap.
 */
#ifndef PICKET_REPLAY_HOST_H
#define PICKET_REPLAY_HOST_H

#include <picket/probe.h>
#include "config.h"
#include "flows.h"
#include "learn.h"
#include "options.h"
#include "sources.h"
#include "stream.h"

#define REPLAY_CUSTOMERS_MAX 65536

struct replay_host_counts {
	uint64_t not_ip, foreign, group, fragments;
	uint64_t established; /* belong to a flow that both ends know */
	uint64_t answers;     /* RST, SYN+ACK, ICMP errors and replies, DHCP: never evidence */
	uint64_t served;      /* to a served port, from a source that is not in `seen` */
	uint64_t customers;   /* to a served port, from a blocked source that used it before */
	uint64_t banned;      /* would have been dropped before anything else */
	uint64_t queued, trap_visits, traps_evicted;
	uint64_t rejected[PACKET_RESULT_COUNT];
};

struct replay_host;

struct replay_host *replay_host_new(const struct replay_options *options, const struct replay_learned *learned,
				    const struct config *config, struct replay_sources *sources,
				    const struct hash_key *hash);
void replay_host_free(struct replay_host *host);
/* True: the packet would go to the queue, and *probe says what the sensors would say. */
bool replay_host_judge(struct replay_host *host, const struct replay_packet *in, struct probe *probe);
/* The engine dropped the packet judged last: no handshake comes of it. */
void replay_host_dropped(struct replay_host *host);
/* The packet judged last completed a visit to a trap: the trap's report. */
bool replay_host_trap_visit(struct replay_host *host, const struct replay_packet *in, struct probe *report);
/* A silent visitor's time was up before now_ms: the trap's report, and when it came.  Call until false. */
bool replay_host_trap_due(struct replay_host *host, int64_t now_ms, struct probe *report, int64_t *at_ms);
const struct replay_host_counts *replay_host_counts(const struct replay_host *host);
/* Flows and customers for which there was no room. */
uint64_t replay_host_evicted(const struct replay_host *host);

#endif
