/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The enforcer's state, for its own files alone.
 *
 *   enforcer.c   opening, mode and pause, the loop, status
 *   load.c       the table: taken over or fresh, rules, blocks that are found in it
 *   act.c        the engine's actions, refusals, deletions that are tried again
 *   allow.c      the mirror of the allow list
 *   flag.c       the flag of flows that were judged
 *   early.c      the early drop of loud sources
 *   reconcile.c  what happens when others change the table
 */
#ifndef PICKET_ENFORCER_INTERNAL_H
#define PICKET_ENFORCER_INTERNAL_H

#include "enforcer.h"

#include "conntrack/conntrack.h"

#define ENFORCER_UNDELETED_MAX  1024
#define ENFORCER_RECONCILES_MAX 2 /* within ENFORCER_RECONCILE_SPAN; after that picket stays out */
#define ENFORCER_RECONCILE_SPAN 60000
#define ENFORCER_STAY_OUT_MS    600000

/* A deletion that the kernel refused. */
struct undeleted {
	struct nft_element element;
	bool ends_block; /* the engine holds the block until the element is gone, and is to hear of that */
};

enum flag_walk { FLAG_NO_WALK, FLAG_SWEEP, FLAG_CLEAR };

struct flagging {
	enum flow_flag_kind wish;
	struct conntrack_names names; /* the caller's files */
	uint32_t mask;                /* of the mark's bits that are ours */
	struct conntrack *conntrack;
	enum flow_flag_kind kind; /* that others leave to us */
	uint32_t had_mask;        /* bits that we had before: to be taken off all flows */
	uint32_t epoch;           /* counts the values */
	enum flag_walk walk; /* under way through all flows: to take all of our bits off, or a value that is to come */
	bool sweep;          /* the first of these is to be done */
	struct flow_flag next;
	int64_t due_ms, set_ms; /* the next value's, the last one's */
	int64_t look_ms;        /* others' rules are looked at again */
	bool changed, looked, failing;
	uint64_t count; /* of values */
};

struct enforcer {
	struct nft *nft;
	struct engine *engine;
	struct enforcer_listener listener;

	struct nft_rules rules;     /* as they should stand; rules.mode is the one place of the mode in force */
	enum nft_mode resumed_mode; /* the mode without a pause */
	int64_t paused_until_ms;    /* 0: until resumed */
	bool interfaces_found;      /* none are configured: rules.interfaces are those that the host has */
	bool interfaces_refused;    /* by the kernel, at the last look; told */

	struct prefix *allowed; /* what stands in the kernel's allow sets, sorted */
	size_t allowed_count;
	bool allow_more;        /* another step is needed */
	uint32_t allow_entries; /* of the engine, when last synchronised */
	int allow_error;        /* of the last attempt to synchronise, told if it was not -ENOENT; 0: none */

	int64_t reconciled_ms[ENFORCER_RECONCILES_MAX]; /* newest first */
	bool reconcile_due;    /* something of ours was touched: to be put back at the next tick */
	bool reconcile_failed; /* it could not be put back: tried again each second */
	bool unseen;           /* whether all of ours stands, when it was last asked: looked at again each second */

	bool fresh; /* the first load found no table */
	bool was_loaded;
	int64_t put_blocks_ms; /* when blocks that the kernel did not take at first are put in again; 0: none miss */

	struct undeleted undeleted[ENFORCER_UNDELETED_MAX]; /* the oldest first */
	size_t undeleted_count;

	struct flagging flagging;

	unsigned early_links; /* interfaces with an early drop, at the last look */
	bool early_told;      /* that this kernel has none */
	bool early_failing;

	uint64_t refused;
	int64_t next_second_ms;
};

void enforcer_notice(struct enforcer *enforcer, enum event_type type, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* act.c */
struct nft_element enforcer_element(enum grade grade, const struct prefix *source, int64_t timeout_ms);
/* Deletes the elements in one transaction, or if the kernel refuses that, source by source; what it still refuses is
 * tried again each second.  errors has the kernel's answer to each; NULL: the engine holds no block for them. */
void enforcer_delete(struct enforcer *enforcer, const struct nft_element *elements, size_t count, int *errors);
void enforcer_delete_again(struct enforcer *enforcer);
/* Adds what misses.  Where a set is too small for all, the half that fits goes in, then half of the rest, and so on;
 * bans and blocks make way for themselves, and an alert or a veil that finds no room is over.  least: what stands at a
 * stricter grade is left as it is. */
MUST_CHECK int enforcer_ensure(struct enforcer *enforcer, const struct nft_element *elements, size_t count, bool least,
			       int64_t now_ms);

/* enforcer.c: the chains on the way out exist while somebody is blocked. */
void enforcer_way_out(struct enforcer *enforcer, bool blocked, int64_t now_ms);
bool enforcer_needs_out(const struct enforcer *enforcer);

/* allow.c: tries again what the kernel refused, and removes what has expired. */
/* All of it at once, before the rules stand. */
void enforcer_allow_sync_all(struct enforcer *enforcer);
void enforcer_allow_tick(struct enforcer *enforcer);

/* load.c: comes back to what the kernel did not take of the blocks that the engine holds. */
void enforcer_put_blocks_again(struct enforcer *enforcer, int64_t now_ms);
void enforcer_put_blocks_later(struct enforcer *enforcer); /* should any miss */

/* flag.c */
MUST_CHECK int enforcer_flag_open(struct enforcer *enforcer);
void enforcer_flag_close(struct enforcer *enforcer);
/* No flow passes by its flag any more, from the kernel's acknowledgement on, until the next value. */
MUST_CHECK int enforcer_flag_void(struct enforcer *enforcer);
/* The same for rules that are about to be loaded or replaced. */
void enforcer_flag_drop(struct enforcer *enforcer);
void enforcer_flag_tick(struct enforcer *enforcer, int64_t now_ms);
int64_t enforcer_flag_due_ms(const struct enforcer *enforcer); /* see enforcer_due_ms() */

/* early.c: once a second */
void enforcer_early_tick(struct enforcer *enforcer);
enum early_drop enforcer_early(const struct enforcer *enforcer); /* in force */

/* reconcile.c */
void enforcer_reconcile(struct enforcer *enforcer, int64_t now_ms);

#endif
