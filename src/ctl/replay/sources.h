/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a replay remembers of each source for its report: the highest grade and the packet that brought it, the score
 * at its peak, which hosts and ports were probed.  Bounded: sources, the hosts and ports listed of each, and those
 * counted in all.
 */
#ifndef PICKET_REPLAY_SOURCES_H
#define PICKET_REPLAY_SOURCES_H

#include <picket/engine.h>
#include "stream.h"
#include "table.h"

#define REPLAY_SOURCES_MAX  65536
#define REPLAY_DISTINCT_MAX 524288 /* (source, host) and (source, port) pairs that are counted */
#define REPLAY_HOSTS_LISTED 16
#define REPLAY_PORTS_LISTED 64
#define REPLAY_SEEN_MS      3000 /* as long as in the kernel's set `seen` */

struct replay_source_key {
	struct addr addr;
	uint8_t len, zero[7];
};

struct replay_source {
	struct replay_source_key key;
	int64_t first_ms, last_ms, blocked_until_ms;
	uint64_t first_packet, deciding_packet; /* deciding 0: never graded above watch */
	uint64_t probes, deciding_probes, dropped;
	uint64_t host_count, port_count;
	struct addr hosts[REPLAY_HOSTS_LISTED];
	uint16_t ports[REPLAY_PORTS_LISTED];
	uint8_t host_listed, port_listed, grade, tool;
	bool hard;      /* the block is a ban */
	bool evidence;  /* something counted, ever */
	bool count_cut; /* host_count and port_count are the least there were */
	uint32_t incident, kinds;
	int32_t peak_mn;
	struct source_view peak;     /* when the score was highest, blocks apart */
	struct event event;          /* that brought the grade; EVENT_NONE: none */
	char exempt[EVENT_TEXT_MAX]; /* the safeguard that kept it from a block */
};

struct replay_sources {
	struct replay_table table, distinct;
	bool len_used[129];
};

bool replay_sources_init(struct replay_sources *sources, const struct hash_key *hash);
void replay_sources_free(struct replay_sources *sources);
/* The record that covers an address, the longest prefix first; NULL: none. */
struct replay_source *replay_sources_find(const struct replay_sources *sources, const struct addr *addr);
/* A probe was judged; view is the engine's afterwards. The record, or NULL: the engine knows nothing of the source,
 * or
 * there is no room. */
struct replay_source *replay_sources_probe(struct replay_sources *sources, const struct source_view *view,
					   const struct replay_packet *in, const struct packet *p,
					   enum verdict verdict);
void replay_sources_act(struct replay_sources *sources, const struct action *action, uint64_t packet_number,
			int64_t now_ms);

#endif
