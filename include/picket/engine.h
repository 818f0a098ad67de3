/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine: probes and `now` go in, actions come out.  It opens nothing, reads no clock, logs nothing and allocates
 * nothing after engine_new(), so that the same code decides live, over a capture, in tests and under a fuzzer.  It has
 * no callbacks: the caller carries the actions out.
 *
 * A block, in names and comments here and below, is any grade that stands against a source or a prefix, from ALERT on;
 * GRADE_BLOCK alone is the admin's word.
 *
 * Time is milliseconds since the epoch and must not run backwards; a smaller value is taken as the last one seen.
 */
#ifndef PICKET_ENGINE_H
#define PICKET_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <picket/event.h>
#include <picket/probe.h>
#include "hash.h"

/* Limits.  engine_status counts what each of them refuses. */
#define ENGINE_BLOCKS_MAX    131072 /* elements of all grades together */
#define ENGINE_VEILS_MAX     98304  /* of them alerts and veils: bans and blocks have room of their own */
#define ENGINE_ALLOW_MAX     65536
#define ENGINE_PROTECTED_MAX 4096
#define ENGINE_EXEMPT_MAX    4096 /* addresses that an admin freed from their nets' veils */
#define ENGINE_ACTIONS_MAX   64
#define ENGINE_REASON_MAX    96

struct engine_config {
	uint8_t observe;     /* 1: decide and report, but do nothing */
	uint8_t ipv6_prefix; /* 48..128: length of the prefix that one IPv6 source is; usually 64 */
	uint8_t protect_auto;
	double alert, veil, ban;   /* thresholds in nats: ln(0.99/alpha) */
	int64_t slow_half_life_ms; /* of suspicion and of confirmation */
	uint32_t max_sources;      /* 1024..4194304; fixed at engine_new() */
	int64_t veil_max_ms;       /* after the last evidence; a veil ends earlier when the score is below `veil` */
	int64_t ban_first_ms, ban_max_ms;
	/* Which closed ports are trapped is no configuration here: the kernel answers it (probe.port_state). */
};

void engine_config_defaults(struct engine_config *config);

enum engine_result {
	ENGINE_OK,
	ENGINE_FULL,      /* the table is full */
	ENGINE_ALLOWED,   /* on the allow list: refused even with force */
	ENGINE_PROTECTED, /* protected (own, gateway, resolver, login, ...): refused without force */
	ENGINE_TOO_WIDE,  /* shorter than /8 (IPv6: /32): refused without force */
	ENGINE_NOT_FOUND,
	ENGINE_INVALID,   /* a prefix or value out of range */
	ENGINE_NO_SOURCE, /* no host can send from it: refused even with force */
	ENGINE_RESULT_COUNT
};

/* Why an address is protected.  The order is part of messages and saved state: append only. */
enum protect_why {
	PROTECT_NONE,
	PROTECT_OWN,
	PROTECT_GATEWAY,
	PROTECT_RESOLVER,
	PROTECT_NTP,
	PROTECT_DHCP,
	PROTECT_LOCAL,     /* link-local, loopback, metadata (169.254.169.254, fd00:ec2::254): built in */
	PROTECT_LOGIN,     /* an admin is, or within 30 days was, logged in from there */
	PROTECT_ONLINK,    /* not protected: an on-link prefix, whose IPv6 hosts are keyed /128 */
	PROTECT_NO_SOURCE, /* no host can send from it (multicast, 0.0.0.0/8, ...): built in */
	PROTECT_WHY_COUNT
};

enum action_type {
	ACTION_ADD,    /* `source` stands at `grade` in the kernel, for duration_ms (0: for good) */
	ACTION_DELETE, /* take it out */
	ACTION_EVENT,  /* report `event` to log, hooks and history */
	ACTION_EXEMPT, /* a net's veil is not this source's, for duration_ms */
};

struct action {
	enum action_type type;
	enum grade grade; /* ALERT, VEIL, BAN or BLOCK; an addition takes the place of what stands for the source */
	struct prefix source;
	int64_t duration_ms;
	struct event event; /* ACTION_EVENT alone */
};

/* Each call below begins it anew and fills it in the order in which the actions must be carried out. */
struct actions {
	size_t count;
	struct action items[ENGINE_ACTIONS_MAX];
};

/* VEIL: the source is veiled.  What core/veil prices passes or falls by that price; anything else is dropped. */
enum verdict { VERDICT_ACCEPT, VERDICT_VEIL, VERDICT_DROP };

struct engine;

/* NULL when out of memory.  All memory is allocated here, and its pages become real as sources, blocks and list entries
 * come: a flood can make the process grow by what max_sources says, and no further. */
struct engine *engine_new(const struct engine_config *config, const struct hash_key *key, int64_t now_ms);
void engine_free(struct engine *engine);
/* A reload: scores and blocks stay.  max_sources of a running engine does not change. */
void engine_configure(struct engine *engine, const struct engine_config *config);

/* How many alerts and veils each set of the kernel takes.  Bans and blocks stand in the same sets as veils, which must
 * leave them a part.  `rare`: of all prefixes together that are neither an address nor a /64, whose sets are smaller.
 * Whatever is said here, or not, there are ENGINE_VEILS_MAX at most. */
struct engine_room {
	uint32_t alerts, veils, rare_alerts, rare_veils;
};
void engine_set_room(struct engine *engine, const struct engine_room *room);
/* The set in which `source` should stand is full: of the veils in it the one with the lowest score is over, without an
 * event; *gone says which.  False: there is none. */
bool engine_make_way(struct engine *engine, const struct prefix *source, int64_t now_ms, struct prefix *gone);

/* Judges one probe.  The verdict follows the strictest grade that covers its sender, also by this probe, if no
 * safeguard covers it; in observe mode it is always ACCEPT.  After a trap's report the verdict says whether the trap
 * must close the connection without an answer. */
enum verdict engine_probe(struct engine *engine, const struct probe *probe, int64_t now_ms, struct actions *actions);
/* The verdict on a packet of that sender that is no probe. */
enum verdict engine_verdict(const struct engine *engine, const struct addr *sender);
/* Must be called every 100 to 1000 ms: ends veils, bans and blocks, ages sources.  When it returns
 * ENGINE_ACTIONS_MAX actions there may be more to do: call it again. */
void engine_tick(struct engine *engine, int64_t now_ms, struct actions *actions);
/* When the next grade ends or is looked at; INT64_MAX: none does. */
int64_t engine_due_ms(const struct engine *engine);

/* The kernel refused an ACTION_ADD of the last call: the block is removed, so that the engine agrees with the kernel.
 * One that it was to replace stands again as it was. */
void engine_block_failed(struct engine *engine, const struct prefix *source, int64_t now_ms);
/* The kernel refused an ACTION_DELETE of the last call: the block stands again as it was.  Does nothing when the
 * source is blocked anew. */
void engine_unblock_failed(struct engine *engine, const struct prefix *source, int64_t now_ms);
void engine_exempt_failed(struct engine *engine, const struct prefix *source);

/* The kernel has forgotten the flows of before: for ten minutes late packets of them are excused, twenty a source. */
void engine_fresh_start(struct engine *engine, int64_t now_ms);

/* An admin's orders.  On any result but ENGINE_OK nothing has changed and no action is returned. */
enum engine_result engine_block(struct engine *engine, const struct prefix *source, int64_t duration_ms, bool force,
				const char *reason, int64_t now_ms, struct actions *actions);
/* What engine_block() would say, and ENGINE_FULL where there is no room for so many more. */
enum engine_result engine_may_block(const struct engine *engine, const struct prefix *source, bool force,
				    uint32_t more);
/* A ban or a block stands on exactly that source. */
bool engine_is_banned(const struct engine *engine, const struct prefix *source);
enum engine_result engine_unblock(struct engine *engine, const struct prefix *source, int64_t now_ms,
				  struct actions *actions); /* score and repeat count are forgotten too */
/* The same for the block of exactly this prefix: none around it, none inside it. */
enum engine_result engine_unblock_exact(struct engine *engine, const struct prefix *source, int64_t now_ms,
					struct actions *actions);
/* The same for all blocks inside `within` (NULL: all there are), some in each call; `text` is the reason in their
 * events, empty for an admin's word.  Begin with cursor 0; returns the next cursor, 0 when done.  A block that begins
 * meanwhile may stay. */
uint32_t engine_unblock_within(struct engine *engine, const struct prefix *within, const char *text, uint32_t cursor,
			       int64_t now_ms, struct actions *actions);

/* The allow list.  until_ms 0: for good.  Adding frees the first blocks that it covers; engine_unblock_within()
 * frees the others.  origin: a reload replaces entries from the configuration, but not an admin's. */
enum allow_origin { ALLOW_CONFIG, ALLOW_ADMIN, ALLOW_ORIGIN_COUNT };
enum engine_result engine_allow(struct engine *engine, const struct prefix *source, int64_t until_ms,
				enum allow_origin origin, int64_t now_ms, struct actions *actions);
/* ENGINE_FULL where there is no room for so many more. */
enum engine_result engine_may_allow(const struct engine *engine, uint32_t more);
enum engine_result engine_disallow(struct engine *engine, const struct prefix *source);

/* The protected set; each source of knowledge replaces what it said before: clear, then add. */
void engine_protect_clear(struct engine *engine, enum protect_why why);
enum engine_result engine_protect(struct engine *engine, const struct prefix *what, enum protect_why why,
				  int64_t now_ms, struct actions *actions); /* frees a block on it */

/* A socket of this host that clients reach.  Services of the system stand for themselves: SERVED_SYSTEM, said of root's
 * and of system users' outside of the range of ephemeral ports; every other with its user. */
#define SERVED_SYSTEM UINT32_MAX
struct served_socket {
	uint32_t uid;
	uint16_t port;
	uint8_t protocol;
};
/* All that listens now.  Ports that were served for long enough, within a day, are no evidence and are not trapped. */
void engine_listening(struct engine *engine, const struct served_socket *sockets, size_t count, int64_t now_ms);
/* The port is served, or was published by destination NAT: what no user of this host can cause. */
void engine_served(struct engine *engine, uint8_t protocol, uint16_t port, int64_t now_ms);
/* The ports that were served lately: a bit for each. */
void engine_lately(const struct engine *engine, uint8_t protocol, int64_t now_ms, uint8_t bits[65536 / 8]);
/* The same to be saved, read by pages like the views below. */
struct served_view {
	int64_t last_ms; /* when a service was last seen on the port */
	uint32_t uid;    /* SERVED_SYSTEM, or whose */
	uint16_t port;
	uint8_t protocol;
	uint8_t reserved;
};
uint32_t engine_services(const struct engine *engine, uint32_t cursor, struct served_view *out, size_t max,
			 size_t *count);
enum engine_result engine_restore_served(struct engine *engine, const struct served_view *served, int64_t now_ms);

/* ---- Views: flat, fixed-width copies, safe to send to another process. ---- */

struct block_view {
	struct prefix source;
	uint8_t grade; /* ALERT, VEIL, BAN, BLOCK */
	uint8_t times;
	uint8_t tool;
	uint8_t reserved;
	uint32_t incident;
	uint32_t kinds;
	int64_t since_ms, until_ms; /* until 0: until unblocked.  A veil may end earlier, or last longer. */
	uint16_t ports[4];          /* the first ones, 0-padded */
	/* The first reason: an admin's words for a manual block, else a describe_reason() text without names. */
	char reason[ENGINE_REASON_MAX];
};

/* What an event of type VEIL, BAN or BLOCK tells the beginning of, as the engine holds it. */
void event_block(const struct event *event, struct block_view *out);

struct source_view {
	struct prefix source;
	uint8_t grade; /* enum grade */
	uint8_t tool;
	uint8_t times;
	uint8_t piece_count; /* <= EVENT_PIECES_MAX */
	int32_t confirmed_mn, suspected_mn, fast_mn;
	uint32_t incident;
	uint32_t kinds;
	uint32_t probes;
	int64_t first_ms, last_ms; /* of its evidence */
	int64_t at_ms;             /* the time that the scores and the older ones below are decayed to */
	uint8_t net;               /* 0: a source; else a net, so many levels above its members */
	struct trap_families visited;
	struct evidence pieces[EVENT_PIECES_MAX]; /* newest first */
	/* evidence too old to stand among the pieces, summed by kind and decayed to at_ms like the scores */
	struct {
		uint8_t kind;
		uint8_t count; /* saturates at 255 */
		uint16_t reserved;
		int32_t weight_mn; /* decayed */
	} older[4];
};

struct allow_view {
	struct prefix source;
	uint8_t origin;
	int64_t until_ms;
};

struct protected_view {
	struct prefix what;
	uint8_t why;
};

/* A net so many levels above its members takes so many times as much as a source does. */
double engine_level_factor(uint8_t net);

struct explain_view {
	struct source_view source; /* decayed to now; source.grade GRADE_NONE when nothing is known */
	struct block_view block;   /* the strictest that counts for it; grade GRADE_NONE: no veil, no ban, no block */
	uint8_t waits;             /* not the engine's: nothing of it touches a packet now (observe mode, a pause) */
	struct prefix exempt_from; /* the veiled net that does not count for it */
	int64_t exempt_until_ms;   /* until then; 0: there is none */
	int32_t alert_mn, veil_mn, ban_mn;
	int64_t slow_half_life_ms;
	uint8_t allowed; /* the safeguards that apply */
	uint8_t protect_why;
	struct prefix allowed_by, protected_by;
};

struct engine_status {
	uint32_t sources, sources_max, confirmed_sources;
	uint32_t nets, nets_max, exempt;
	uint32_t alerted, veils, bans, blocks; /* that stand, by grade */
	uint32_t veils_max, blocks_max;        /* veils in one set of the kernel; all together */
	uint32_t allow, protected_count;
	uint64_t probes, evidence_total;
	uint64_t evidence[EVIDENCE_KIND_COUNT];
	uint64_t alerts, veils_total, bans_total, blocks_total, expiries;
	uint64_t exempt_allowed, exempt_protected;
	uint64_t decoys;        /* probes that several sources sent within a second */
	uint64_t gave_way;      /* alerts and veils that ended in a full table, for a higher score, a ban or a block */
	uint64_t veils_refused; /* alerts and veils that found no room */
	uint64_t evicted;       /* sources that gave way in a full table */
	uint64_t dropped;       /* probes of new sources that found no room */
	uint64_t allow_full, protect_full, blocks_full;
	uint64_t served_refused;           /* ports of users that found no place among those served lately */
	uint64_t duplicates;               /* probes that added no evidence: seen before within 24 h */
	int32_t alert_mn, veil_mn, ban_mn; /* the thresholds in force */
};

void engine_status(const struct engine *engine, struct engine_status *out);
/* Paging: start with cursor 0; returns the next cursor, 0 when done; *count is how many were written. */
uint32_t engine_blocks(const struct engine *engine, uint32_t cursor, struct block_view *out, size_t max, size_t *count);
uint32_t engine_sources(const struct engine *engine, uint32_t cursor, int64_t now_ms, struct source_view *out,
			size_t max, size_t *count);
uint32_t engine_allows(const struct engine *engine, uint32_t cursor, struct allow_view *out, size_t max, size_t *count);
uint32_t engine_protects(const struct engine *engine, uint32_t cursor, struct protected_view *out, size_t max,
			 size_t *count);
/* Of an address, of what it is counted with, or of a net. */
void engine_explain(const struct engine *engine, const struct prefix *about, int64_t now_ms, struct explain_view *out);

/* State over a restart.  A block whose time is up is not restored (ENGINE_NOT_FOUND).  Times in the future, of a clock
 * that was ahead, become now, and a block lasts no longer than its grade may: *block says from when to when it stands.
 */
enum engine_result engine_restore_block(struct engine *engine, struct block_view *block, int64_t now_ms);
/* An address stands on the kernel's list of those exempt from their nets' veils. */
void engine_restore_exempt(struct engine *engine, const struct prefix *source, int64_t until_ms, int64_t now_ms);
enum engine_result engine_restore_source(struct engine *engine, const struct source_view *source, int64_t now_ms);

#endif
