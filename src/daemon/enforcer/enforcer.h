/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The enforcer: the kernel side of the sentry.  It owns the nftables table: the rules that should stand there, the
 * mode and the pause, the mirror of the allow list, and what is done when others change the table.  It carries out
 * the engine's actions and says for each of them what the kernel answered.
 *
 * It reads no clock: each call that needs the time takes it, in the engine's milliseconds.  It knows the engine and
 * nftables alone.  What an admin should read it hands to its listener as text.
 */
#ifndef PICKET_ENFORCER_H
#define PICKET_ENFORCER_H

#include <picket/engine.h>

#include "result.h"
#include "conntrack/conntrack.h"
#include "nft/nft.h"

#define ENFORCER_PAGE 64 /* blocks that are handed over in one call */

struct enforcer;

/* Called from within the calls below, never from elsewhere. */
struct enforcer_listener {
	void *context;
	/* EVENT_NOTICE, or EVENT_FAILED when the kernel refused something. */
	void (*notice)(void *context, enum event_type type, const char *text);
	/* The counters of the kernel begin anew, or were taken over: compare with them from here on. */
	void (*loaded)(void *context);
	/* The kernel has let go of an element after it had refused to: a block that the engine still holds is over. */
	void (*freed)(void *context, const struct prefix *source);
};

/* The engine and the listener must live as long as the enforcer.  Nothing is loaded yet.  0 or -errno. */
MUST_CHECK int enforcer_open(const char *table, struct engine *engine, const struct enforcer_listener *listener,
			     struct enforcer **out);
void enforcer_close(struct enforcer *enforcer); /* the table stays */

/* ---- What should stand in the kernel.  enforcer_load() brings it there. ---- */

/* The configured rules; rules->mode is NFT_OBSERVE or NFT_BLOCK.  A pause, the queue, and interfaces that were found
 * instead of configured stay as they are. */
void enforcer_configure(struct enforcer *enforcer, const struct nft_rules *rules);
/* As it should be now.  `mode` is the one that is in force, NFT_PAUSED during a pause. */
const struct nft_rules *enforcer_rules(const struct enforcer *enforcer);
enum nft_mode enforcer_mode(const struct enforcer *enforcer);

/*
 * The start, once.  A standing table is taken over with its rules at work until the new ones replace them.  A fresh
 * one gets no rules at first, then the allow list and the blocks, and only then the rules: what is allowed is never
 * touched, and no block is forgotten.  0 or -errno (-EBUSY: another program owns the table).
 */
MUST_CHECK int enforcer_load(struct enforcer *enforcer, int64_t now_ms);
/* Was there no table of ours at the first load?  Then conntrack may have forgotten, or never known, what runs. */
bool enforcer_is_fresh(const struct enforcer *enforcer);
/* Tells the engine of the blocks that stand in the kernel and that it does not know; returns how many it took over,
 * or -errno.  What is allowed or protected meanwhile is taken out of the kernel; what the engine has no room for stays
 * there until its time is over. */
MUST_CHECK int enforcer_take_over_blocks(struct enforcer *enforcer, int64_t now_ms);
/*
 * Each call from here to enforcer_pause() brings its change into the standing table at once; a table that is gone is
 * loaded anew.  0 or -errno: the kernel refused, and what stood before stands on, here as in the kernel.
 */
/* As enforcer_configure(). */
MUST_CHECK int enforcer_change(struct enforcer *enforcer, const struct nft_rules *rules, int64_t now_ms);
/* The interfaces that are to be guarded where none are configured, and those of VRFs, which never are.  Tells of a
 * lasting failure once. */
struct enforcer_interfaces {
	char guarded[NFT_INTERFACES_MAX][16], vrf[NFT_VRF_MAX][16];
	size_t guarded_count, vrf_count;
};
MUST_CHECK int enforcer_set_interfaces(struct enforcer *enforcer, const struct enforcer_interfaces *found,
				       int64_t now_ms);
/* NFT_OBSERVE or NFT_BLOCK, now or when the pause ends. */
MUST_CHECK int enforcer_set_mode(struct enforcer *enforcer, enum nft_mode mode, int64_t now_ms);
/* Nothing of ours touches a packet until until_ms, or with 0 until enforcer_resume(). */
MUST_CHECK int enforcer_pause(struct enforcer *enforcer, int64_t until_ms, int64_t now_ms);
/* On failure it is tried again each second. */
int enforcer_resume(struct enforcer *enforcer, int64_t now_ms);

/* ---- The sets ---- */

/*
 * Carries the actions out, in their order.  errors[i] is 0 or the -errno with which the kernel refused
 * actions->items[i]; an event has the error of the last order before it on its source.  An addition that fails is for
 * engine_block_failed(), a deletion for engine_unblock_failed().
 */
void enforcer_act(struct enforcer *enforcer, const struct actions *actions, int64_t now_ms,
		  int errors[ENGINE_ACTIONS_MAX]);
/* Is a refused deletion of this source tried again each second?  A thousand at a time are. */
bool enforcer_deletes_again(const struct enforcer *enforcer, const struct prefix *source);
/* Adds restored blocks to the kernel where missing; at most ENFORCER_PAGE.  After a failure all that the engine holds
 * is put in some seconds later. */
MUST_CHECK int enforcer_restore(struct enforcer *enforcer, const struct block_view *blocks, size_t count,
				int64_t now_ms);
/* Lets go of all blocks at once; the engine has to be told by the caller.  On failure all of them stand. */
MUST_CHECK int enforcer_flush(struct enforcer *enforcer);

/* The engine's allow list into the kernel; of a long difference the first step, enforcer_tick() does the others.  Tells
 * of a failure itself. */
void enforcer_allow_sync(struct enforcer *enforcer);
/* The engine's allow entries of one origin, or all of them (ALLOW_ORIGIN_COUNT), sorted.  Returns how many. */
size_t enforcer_allow_list(const struct engine *engine, enum allow_origin origin, struct prefix *out, size_t max);
void enforcer_allow_sort(struct prefix *list, size_t count);
bool enforcer_allow_has(const struct prefix *list, size_t count, const struct prefix *item); /* a sorted list */

/* What the kernel has learned: see nft_read_learned(). */
MUST_CHECK int enforcer_read_learned(struct enforcer *enforcer, struct nft_learned *out, size_t max);
MUST_CHECK int enforcer_add_learned(struct enforcer *enforcer, const struct nft_learned *learned, size_t count);
/* The ports served lately, of TCP or UDP: see nft_set_lately(). */
MUST_CHECK int enforcer_set_lately(struct enforcer *enforcer, uint8_t protocol, const struct port_range *ports,
				   size_t count);
MUST_CHECK int enforcer_read_published(struct enforcer *enforcer, struct nft_published *out, size_t max);

/* ---- The flag of flows ---- */

/* Before the first load, and at each change of the configuration.  mask: bits of the ct mark that may be used, at least
 * two, next to each other. */
void enforcer_flag_configure(struct enforcer *enforcer, enum flow_flag_kind wish, uint32_t mask,
			     const struct conntrack_names *names);

/* ---- The loop ---- */

int enforcer_watch_fd(const struct enforcer *enforcer); /* readable: call enforcer_watch() */
void enforcer_watch(struct enforcer *enforcer);
/* Every 100 ms to 1 s: puts back what others removed; once a second it ends a pause, and tries again what was
 * refused. */
void enforcer_tick(struct enforcer *enforcer, int64_t now_ms);
/* When it has something to do that should not wait for the second, such as the next step of a walk over the flows; in
 * the past: at once.  INT64_MAX: nothing. */
int64_t enforcer_due_ms(const struct enforcer *enforcer);

struct enforcer_status {
	struct nft_counters counters;
	uint64_t refused;        /* elements that the kernel did not take */
	int64_t paused_until_ms; /* 0: not paused, or until resumed */
	bool failing;            /* the rules could not be put back yet */
	bool native_queue;
	enum nft_conntrack conntrack;
	enum flow_flag_kind flag; /* of judged flows, in force */
	uint64_t flag_values;     /* how many it has had */
	enum early_drop early;    /* in force */
	unsigned early_links;     /* interfaces with a hook now */
};
void enforcer_read_status(struct enforcer *enforcer, struct enforcer_status *out);

#endif
