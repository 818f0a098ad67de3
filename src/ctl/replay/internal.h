/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of a replay, in the order in which they use each other.
 *
 *   replay.c   the command: its options, configuration, what is told
 *   run.c      the two passes: learn, then play
 *   report.c   what was found, for people and for programs
 *   host.c     what the kernel would do with a packet before the engine sees it
 *   learn.c    which addresses and ports are ours
 *   sources.c  what is kept of each source for the report
 *   flows.c    what conntrack would know
 *   stream.c   packets in the order of their times
 *   capture.c  pcap and pcapng files
 *   table.c    a bounded hash table
 */
#ifndef PICKET_CTL_REPLAY_INTERNAL_H
#define PICKET_CTL_REPLAY_INTERNAL_H

#include <picket/describe.h>
#include <picket/engine.h>
#include <picket/packet.h>
#include <picket/probe.h>
#include <picket/veil.h>
#include "config.h"
#include "trap/trap.h"
#include "hash.h"
#include "replay.h"

#define REPLAY_PROBLEM_MAX 384 /* one line that says what is wrong */

/* ---- options ---- */

#define REPLAY_LOCAL_MAX 64

struct replay_ports {
	bool given; /* false: learned from the capture */
	uint8_t bits[65536 / 8];
};

struct replay_options {
	const char *file, *config; /* config NULL: the built-in defaults */
	struct prefix local[REPLAY_LOCAL_MAX];
	size_t local_count; /* 0: learned */
	struct replay_ports tcp, udp;
	bool real, json;
};

bool replay_ports_has(const struct replay_ports *ports, uint16_t port);

/* ---- captured packets, their link headers (Ethernet, VLAN, Linux cooked, raw IP, loopback) taken off ---- */

struct capture_packet {
	int64_t at_ms;       /* since the epoch; the nearest that fits into 32 bits of seconds */
	const uint8_t *data; /* from the IP header on; NULL: not an IP packet */
	size_t copied;       /* bytes present, the link's padding among them */
	bool group;          /* the link says: sent to a broadcast or multicast address */
};

struct capture;
/* On failure returns NULL and problem says what is wrong. */
struct capture *capture_open(const char *path, char problem[REPLAY_PROBLEM_MAX]);
void capture_close(struct capture *capture);
/* 1: a packet, 0: end of the file, -1: problem says what is wrong (a truncated file). */
int capture_next(struct capture *capture, struct capture_packet *out, char problem[REPLAY_PROBLEM_MAX]);
/* Bytes read so far and in the file, for progress; total 0 where it can't be told. */
void capture_progress(const struct capture *capture, uint64_t *done, uint64_t *total);

/* ---- a capture as a stream of parsed packets in the order of their times ---- */

#define REPLAY_WINDOW      65536 /* packets that wait for earlier ones in a file that is out of order */
#define REPLAY_PAYLOAD_MAX 64    /* what a trap would look at */

struct replay_packet {
	struct packet packet;
	int64_t at_ms;
	uint64_t number; /* in the file, from 1 */
	uint8_t result;  /* enum packet_result */
	bool ip, group;
	uint8_t payload_have;
	uint8_t payload[REPLAY_PAYLOAD_MAX];
};

struct replay_stream;

/* reorder: sort by time within the window.  NULL: problem says why. */
struct replay_stream *replay_stream_open(const char *path, bool verify, bool reorder, char problem[REPLAY_PROBLEM_MAX]);
void replay_stream_close(struct replay_stream *stream);
/* 1: a packet (also one that is not IP or not parsed: look at ip and result), 0: the end, -1: the file is damaged from
 * here on, what was read before has been handed out, and problem says what is wrong. */
int replay_stream_next(struct replay_stream *stream, struct replay_packet *out, char problem[REPLAY_PROBLEM_MAX]);
/* Packets older than the one before them in the file, so far. */
uint64_t replay_stream_backwards(const struct replay_stream *stream);
/* Percent of the file; -1 where it can't be told. */
int replay_stream_percent(const struct replay_stream *stream);

/* ---- a bounded hash table of fixed-size entries that only grows ---- */

/* A capture is made by the senders of its packets, so the hash is keyed and the limit is firm; what comes above it is
 * refused and counted. */
struct replay_table {
	struct hash_key hash;
	uint8_t *entries; /* each begins with its key */
	struct replay_slot {
		uint32_t number; /* of an entry + 1; 0: free */
		uint32_t mark;   /* bits of its key's hash */
	} * index;
	size_t entry_size, key_len;
	size_t count, limit, index_mask;
	uint64_t dropped;
};

/* False when out of memory.  Memory is touched as it is used. */
bool replay_table_init(struct replay_table *table, size_t limit, size_t key_len, size_t entry_size,
		       const struct hash_key *hash);
void replay_table_free(struct replay_table *table);
void *replay_table_find(const struct replay_table *table, const void *key);
/* The entry of that key, new ones zero behind the key; NULL when the table is full. */
void *replay_table_add(struct replay_table *table, const void *key);
void *replay_table_at(const struct replay_table *table, size_t number); /* 0 .. count-1, in order of arrival */

/* ---- flows in virtual time ---- */

/* In sets of eight: in a full set the flow that matters least gives way, and is counted if it was alive. */
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
	bool opener_low; /* the low end spoke first */
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
/* Forgets all flows; keeps the count of those that gave way. */
void replay_flows_clear(struct replay_flows *flows);
struct replay_seen replay_flows_track(struct replay_flows *flows, const struct packet *packet, int64_t now_ms);
struct replay_flow *replay_flows_find(struct replay_flows *flows, const struct replay_flow_key *key);
uint64_t replay_flows_evicted(const struct replay_flows *flows);

/* The flag combinations that conntrack takes (tcp_valid_flags): all others no stack sends. */
bool replay_tcp_flags_valid(uint8_t flags);
/* Of an ICMP or ICMPv6 packet: it asks (echo, timestamp, mask), and is no answer or error. */
bool replay_icmp_asks(const struct packet *packet);
bool replay_is_syn_ack(const struct packet *packet);

/* ---- the first pass: what the capture itself tells about the host it was made for ---- */

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

struct replay_learned *replay_learned_new(const struct hash_key *hash, struct replay_flows *flows);
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

/* ---- what is kept of each source for the report ---- */

#define REPLAY_SOURCES_MAX  65536
#define REPLAY_DISTINCT_MAX 524288 /* (source, host) and (source, port) pairs that are counted */
#define REPLAY_HOSTS_LISTED 16
#define REPLAY_PORTS_LISTED 64

struct replay_source_key {
	struct addr addr;
	uint8_t len, zero[7];
};

/* The highest grade and the packet that brought it, the score at its peak, which hosts and ports were probed. */
struct replay_source {
	struct replay_source_key key;
	int64_t first_ms, last_ms, stands_until_ms;
	uint64_t first_packet, deciding_packet; /* deciding 0: never graded above watch */
	uint64_t probes, deciding_probes, dropped;
	uint64_t host_count, port_count;
	struct addr hosts[REPLAY_HOSTS_LISTED], last_host;
	uint16_t ports[REPLAY_PORTS_LISTED];
	uint8_t host_listed, port_listed, grade, tool;
	uint8_t stands; /* enum grade: what the kernel would hold until then */
	bool evidence;  /* something counted, ever */
	bool count_cut; /* host_count and port_count are the least there were */
	uint32_t incident, kinds;
	int32_t peak_mn, confirmed_mn; /* the highest; the latter also after a veil */
	struct source_view peak;       /* when the score was highest, up to the decision */
	struct event event;            /* that brought the grade; EVENT_NONE: none */
	char exempt[EVENT_TEXT_MAX];   /* the safeguard that kept it from a block */
};

/* The lengths of prefixes that occur, the longest first: few, of 129 that could. */
struct replay_lens {
	uint8_t items[129];
	size_t count;
};

struct replay_sources {
	struct replay_table table, distinct;
	struct replay_lens used, stood; /* with a record; ever with a grade */
};

bool replay_sources_init(struct replay_sources *sources, const struct hash_key *hash);
void replay_sources_free(struct replay_sources *sources);
/* The record that covers an address, the longest prefix first; NULL: none. */
struct replay_source *replay_sources_find(const struct replay_sources *sources, const struct addr *addr);
/* The strictest grade that stands in the kernel for an address, its nets' included. */
enum grade replay_sources_standing(const struct replay_sources *sources, const struct addr *addr, int64_t now_ms);
/* A probe was judged; view is the engine's afterwards. */
void replay_sources_probe(struct replay_sources *sources, const struct source_view *view,
			  const struct replay_packet *in, const struct packet *p, bool dropped);
void replay_sources_act(struct replay_sources *sources, const struct action *action, uint64_t packet_number,
			int64_t now_ms);

/* ---- the kernel's part: what happens to a packet before the engine sees it ---- */

#define REPLAY_CUSTOMERS_MAX 65536

struct replay_host_counts {
	uint64_t not_ip, foreign, group, fragments;
	uint64_t established; /* belong to a flow that both ends know */
	uint64_t answers;     /* RST, SYN+ACK, ICMP errors and replies, DHCP: never evidence */
	uint64_t served;      /* to a served port */
	uint64_t customers;   /* the same, from a veiled or banned source that used it before */
	uint64_t untouched;   /* of a veiled source: pings, and closed ports that clients try by themselves */
	uint64_t held_up;     /* the same, from a veiled source: the repeat would pass */
	uint64_t banned;      /* would have been dropped before anything else */
	uint64_t queued, trap_visits, traps_evicted;
	uint64_t rejected[PACKET_RESULT_COUNT];
};

struct replay;
struct replay_host;

/* Over the options, configuration, tables and flows of a replay whose first pass is done.  NULL: out of memory. */
struct replay_host *replay_host_new(struct replay *replay);
void replay_host_free(struct replay_host *host);
/* True: the packet would go to the queue, and *probe holds what the sensors would say of it. */
bool replay_host_queues(struct replay_host *host, const struct replay_packet *in, struct probe *probe);
/* The engine's verdict on the packet judged last, priced where its source is veiled.  True: it would have been dropped,
 * and no handshake comes of it. */
bool replay_host_drops(struct replay_host *host, const struct probe *probe, enum verdict verdict, int64_t now_ms);
/* The packet judged last completed a visit to a trap: the trap's report. */
bool replay_host_trap_visit(struct replay_host *host, const struct replay_packet *in, struct probe *report);
/* A silent visitor's time was up before now_ms: the trap's report, and when it came.  Call until false. */
bool replay_host_trap_due(struct replay_host *host, int64_t now_ms, struct probe *report, int64_t *at_ms);
const struct replay_host_counts *replay_host_counts(const struct replay_host *host);
/* Customers for which there was no room. */
uint64_t replay_host_evicted(const struct replay_host *host);

/* ---- one replay ---- */

#define REPLAY_NOTES_MAX 16

struct replay {
	const struct replay_options *options;
	const struct config *config;
	const struct service_names *names; /* may be NULL */
	struct hash_key hash;
	struct replay_flows *flows; /* of the pass that runs */
	struct replay_learned *learned;
	struct replay_sources sources;
	struct replay_host *host;
	struct engine *engine;
	struct actions actions;
	int64_t now_ms, tick_ms;
	uint64_t dropped;                     /* verdicts: would have been dropped */
	uint64_t backwards;                   /* packets out of order in the file */
	struct event notes[REPLAY_NOTES_MAX]; /* events without a source: distributed scans */
	size_t note_count;
	uint64_t notes_suppressed;
	int32_t alert_mn, veil_mn, ban_mn;
	char damage[REPLAY_PROBLEM_MAX]; /* what ended the file before its end; "": nothing */
};

/* 0, or -1 when nothing could be replayed: problem says why.  A file that is damaged on its way sets replay->damage. */
int replay_run(struct replay *replay, char problem[REPLAY_PROBLEM_MAX]);
void replay_free(struct replay *replay);

/* The report, by score.  0, or -1 when out of memory or standard output refuses. */
int replay_report_human(const struct replay *replay);
int replay_report_json(const struct replay *replay);
/* "2010-07-04T20:24:16Z" */
#define REPLAY_TIME_MAX 32
const char *replay_time_format(int64_t ms, char out[REPLAY_TIME_MAX]);

#endif
