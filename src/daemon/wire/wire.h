/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages between the three processes: of fixed size, over SOCK_SEQPACKET socket pairs.  Every message has a
 * header and the one body that belongs to its type; wire_receive() drops what has another length, and the receiver
 * checks the fields.  All fields have a fixed width; the processes are one binary.
 */
#ifndef PICKET_WIRE_H
#define PICKET_WIRE_H

#include <stdint.h>
#include <sys/types.h>

#include <picket/engine.h>
#include <picket/contact.h>
#include <picket/veil.h>
#include "host/logins.h"
#include "latency.h"
#include "nfqueue/nfqueue.h"
#include "nft/nft.h"
#include "trap/trap.h"

#define WIRE_ALLOW_BATCH   256
#define WIRE_PROTECT_BATCH 256
#define WIRE_BLOCK_BATCH   64
#define WIRE_SOURCE_BATCH  32
#define WIRE_SERVED_BATCH  256
#define WIRE_LEARNED_BATCH 256
#define WIRE_TEXT_MAX      256
#define WIRE_RANGES_MAX    128 /* of trapped ports, in a status */

#define WIRE_PROBE_MS_MAX  30000
#define WIRE_SENTRY_BEAT_S 3 /* packets are held by it */
#define WIRE_KEEPER_BEAT_S 5

/* clang-format off */
/* Every type of message with its body. */
#define WIRE_TYPES(X) \
	/* supervisor -> sentry: the configuration, at start and at each reload, in this order */ \
	X(CONFIG, struct wire_config)          /* the settings */ \
	X(CONFIG_ALLOW, struct wire_prefixes)  /* any number of times: the new configured allow list */ \
	X(CONFIG_END, struct wire_empty)       /* answered by RESULT */ \
	/* sentry -> supervisor, keeper */ \
	X(READY, struct wire_empty)            /* rules are loaded, traps are open */ \
	X(EVENT, struct event)                 /* also supervisor -> keeper; keeper -> supervisor: EVENT_EXPOSURE */ \
	X(RESULT, struct wire_result)          /* the answer to an order, with the id of the order */ \
	X(BEAT, struct wire_empty)             /* to the supervisor, each WIRE_..._BEAT_S; the keeper's too */ \
	/* keeper -> sentry: questions, each answered by the message named */ \
	X(ASK_STATUS, struct wire_empty)       /* STATUS */ \
	X(ASK_BLOCKS, struct wire_cursor)      /* BLOCKS */ \
	X(ASK_SOURCES, struct wire_cursor)     /* SOURCES */ \
	X(ASK_ALLOWS, struct wire_cursor)      /* ALLOWS */ \
	X(ASK_PROTECTS, struct wire_cursor)    /* PROTECTS */ \
	X(ASK_EXPLAIN, struct wire_order)      /* of its source; EXPLAIN */ \
	/* keeper -> sentry: orders, each answered by RESULT */ \
	X(BLOCK, struct wire_order)            /* value: 0, or only say whether there is no objection to it, and room \
	                                        * for so many; count of the result: 1, 0 where one stood already */ \
	X(UNBLOCK, struct wire_order) \
	X(UNBLOCK_ALL, struct wire_empty) \
	X(ALLOW, struct wire_order)            /* duration_ms 0: for good; value: as of BLOCK; force: 1 where another \
	                                        * follows, with which the kernel gets the list; so of DISALLOW */ \
	X(DISALLOW, struct wire_order) \
	X(MODE, struct wire_order)             /* value: enum nft_mode, OBSERVE or BLOCK */ \
	X(PAUSE, struct wire_order)            /* duration_ms 0: until resumed */ \
	X(RESUME, struct wire_empty) \
	X(PROBE, struct wire_order)            /* for duration_ms (at most WIRE_PROBE_MS_MAX; 0: no longer) packets \
	                                        * from `source`, a net of base/probenet.h, are counted, not judged; \
	                                        * ::/0: from the usual one of each family */ \
	X(PROTECT, struct wire_protect)        /* replaces all of its `why`; no answer */ \
	X(KEEPS_BLOCKS, struct wire_flag)      /* from now on a save needs no blocks, or all; no answer; sentry -> \
	                                        * keeper, off: the kernel had others than those that were restored */ \
	/* sentry -> keeper: answers */ \
	X(STATUS, struct wire_status) \
	X(BLOCKS, struct wire_blocks) \
	X(SOURCES, struct wire_sources) \
	X(ALLOWS, struct wire_allows) \
	X(PROTECTS, struct wire_protects) \
	X(EXPLAIN, struct explain_view) \
	/* keeper -> supervisor */ \
	X(RELOAD, struct wire_empty)           /* answered by a TEXT for each mistake, then RESULT */ \
	X(ALLOW_SAVE, struct wire_order)       /* value 1 adds to the allow file, 0 removes; answered by RESULT */ \
	/* supervisor -> keeper */ \
	X(TEXT, struct wire_text) \
	X(ADMINS, struct logins_admins)        /* whose logins are protected from now on */ \
	X(HOOKS, struct wire_hooks)            /* counters of the hooks, once a second while they change */ \
	/* What outlives a run, in this order.  keeper -> sentry, once: to be restored; without BEGIN. \
	 * sentry -> keeper, every ten minutes and at a stop: to be saved. */ \
	X(SAVED_BEGIN, struct wire_empty) \
	X(SAVED_BLOCKS, struct wire_blocks) \
	X(SAVED_SOURCES, struct wire_sources) \
	X(SAVED_SERVED, struct wire_served) \
	X(SAVED_LEARNED, struct wire_learned) \
	X(SAVED_END, struct wire_empty)

#define WIRE_ENUM(name, body) WIRE_##name,
enum wire_type { WIRE_NONE, WIRE_TYPES(WIRE_ENUM) WIRE_TYPE_COUNT };
#undef WIRE_ENUM
/* clang-format on */

struct wire_header {
	uint16_t type; /* enum wire_type */
	uint16_t reserved;
	uint32_t id; /* of a question; its answers carry the same */
};

struct wire_empty {
	uint32_t zero;
};
struct wire_cursor {
	uint32_t cursor;
};
struct wire_flag {
	uint32_t on;
};

struct wire_config {
	struct engine_config engine;
	struct nft_rules rules;
	uint8_t flow_flag; /* enum flow_flag_kind, a wish */
	uint32_t flow_mark_bits;
	char table[NFT_TABLE_NAME_MAX];
	char banner[TRAP_BANNER_MAX];
	uint32_t hook_events; /* bit per enum event_type that some hook wants */
};

struct wire_prefixes {
	uint32_t count; /* <= WIRE_ALLOW_BATCH */
	struct prefix items[WIRE_ALLOW_BATCH];
};

struct wire_order {
	struct prefix source;
	int64_t duration_ms;
	uint32_t value;
	uint32_t force;
	char reason[ENGINE_REASON_MAX];
};

struct wire_protect {
	uint32_t why;   /* enum protect_why: RESOLVER, NTP, DHCP, LOGIN */
	uint32_t more;  /* 1: more of the same why follow; 0: the last one */
	uint32_t first; /* 1: the first one, replaces what was there */
	uint32_t count;
	struct addr items[WIRE_PROTECT_BATCH];
};

struct wire_result {
	uint32_t result;          /* enum engine_result */
	int32_t error;            /* errno where the kernel refused, else 0 */
	uint32_t count;           /* how many were unblocked, freed, ... */
	char text[WIRE_TEXT_MAX]; /* what an admin should know; may be empty */
};

struct wire_text {
	char text[1024];
};

struct wire_status {
	struct engine_status engine;
	struct nfqueue_stats queue;
	struct nft_counters kernel;
	struct trap_stats trap;
	struct veil_stats veil;
	struct contacts_status behind; /* all zero: no host behind this one is guarded */
	uint64_t rejected[PACKET_RESULT_COUNT];
	uint64_t events_lost;    /* those that the keeper did not take in time */
	uint64_t untold;         /* alerts and veils that were summed up instead of told */
	uint64_t kernel_refused; /* elements the kernel did not take */
	uint64_t fail_open;      /* packets that the kernel passed because we were too slow */
	int64_t started_ms, now_ms;
	int64_t paused_until_ms; /* 0: not paused or until resumed */
	uint32_t mode;           /* enum nft_mode now in force */
	uint32_t native_queue;
	uint32_t conntrack;       /* enum nft_conntrack */
	uint32_t flow_flag;       /* enum flow_flag_kind in force */
	uint64_t flow_values;     /* how many it has had */
	uint32_t early_drop;      /* enum early_drop in force */
	uint32_t early_links;     /* interfaces with such a hook now */
	uint32_t interface_count; /* 0: all but loopback */
	char interfaces[NFT_INTERFACES_MAX][16];
	uint32_t vrf_count; /* of VRFs: not guarded */
	char vrf[NFT_VRF_MAX][16];
	uint32_t traps_tcp, traps_udp;                                          /* trapped ports */
	struct port_range trap_tcp[WIRE_RANGES_MAX], trap_udp[WIRE_RANGES_MAX]; /* the first ones; {0, 0} ends them */
	char table[NFT_TABLE_NAME_MAX];
	uint32_t queue_number;   /* first of NFT_QUEUES */
	uint32_t reconciling;    /* 1: the kernel side could not be put back yet */
	uint64_t probe_packets;  /* counted instead of judged: the doctor's */
	struct latency judging;  /* from a packet read to what its verdict is */
	struct latency deciding; /* the same of those that changed the kernel's sets, with its acknowledgement */
};

struct wire_blocks {
	uint32_t next, count;
	uint32_t wait; /* nothing of them touches a packet now: observe mode, a pause */
	struct block_view items[WIRE_BLOCK_BATCH];
};
struct wire_sources {
	uint32_t next, count;
	struct source_view items[WIRE_SOURCE_BATCH];
};
struct wire_allows {
	uint32_t next, count;
	struct allow_view items[WIRE_ALLOW_BATCH];
};
struct wire_protects {
	uint32_t next, count;
	struct protected_view items[WIRE_PROTECT_BATCH];
};

/* `next` is not used in what is saved. */
struct wire_served {
	uint32_t next, count;
	struct served_view items[WIRE_SERVED_BATCH];
};
struct wire_learned {
	uint32_t next, count;
	struct nft_learned items[WIRE_LEARNED_BATCH];
};

struct wire_hooks {
	uint64_t started, succeeded, failed, timed_out, dropped;
	uint32_t running, waiting;
};

/* Any message. */
struct wire_message {
	struct wire_header header;
	union {
		struct wire_empty empty;
		struct wire_cursor cursor;
		struct wire_flag flag;
		struct wire_config config;
		struct wire_prefixes prefixes;
		struct wire_order order;
		struct wire_protect protect;
		struct wire_result result;
		struct wire_text text;
		struct wire_status status;
		struct wire_blocks blocks;
		struct wire_sources sources;
		struct wire_allows allows;
		struct wire_protects protects;
		struct wire_hooks hooks;
		struct logins_admins admins;
		struct wire_served served;
		struct wire_learned learned;
		struct event event;
		struct explain_view explain;
	} body;
};

/* A pair of connected, non-blocking, close-on-exec sockets with 4 MiB buffers.  0 or -errno. */
int wire_pair(int fds[2]);
/* 0, -EAGAIN when the other side does not read, -EPIPE when it is gone, or another -errno.  Never waits. */
int wire_send(int fd, enum wire_type type, uint32_t id, const void *body);
/* The same, but waits for the other side to read, patience_ms at the most; then -EAGAIN. */
int wire_send_patiently(int fd, enum wire_type type, const void *body, int patience_ms);
/* 1: a message is in *out. 0: nothing there. -EPIPE: the other side is gone. -EBADMSG: one of wrong length or
 * unknown type was thrown away. */
int wire_receive(int fd, struct wire_message *out);
size_t wire_body_len(enum wire_type type); /* 0: no such type */

/* Moves all points in time that a message names; durations stay. */
void wire_shift_times(struct wire_message *message, int64_t by_ms);

#endif
