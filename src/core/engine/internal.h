/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the engine share: its state, and the functions of each file that the others call.  No other folder
 * includes this.
 */
#ifndef PICKET_ENGINE_INTERNAL_H
#define PICKET_ENGINE_INTERNAL_H

#include <picket/engine.h>

#include "evidence/evidence.h"
#include "safeguard/safeguard.h"
#include "source/source.h"
#include "blocks.h"
#include "sweep.h"

#define ENGINE_INCIDENT_QUIET_MS 3600000LL /* evidence after so long a pause begins another incident */

#define DAY_MS 86400000LL

#define ENGINE_CONFIRMED 0.5 /* nats of confirmation that give a source a reserved place */

/* A block that was lifted or replaced, in case the kernel refuses that. */
struct engine_former {
	struct prefix source;
	struct block block;     /* grade GRADE_NONE: nothing here */
	int64_t replaced_at_ms; /* when the block began that took its place; 0: it was lifted */
};

/*
 * An incident is one scan as an admin would name it: a number, and how many sources share it.  Numbers rise over
 * restarts as far as restored blocks and sources tell; sizes are known of the newest incidents alone.
 */
enum { ENGINE_INCIDENT_SIZES = 1024 };
struct incidents {
	uint32_t last;
	struct {
		uint32_t id;
		uint16_t sources;
	} sizes[ENGINE_INCIDENT_SIZES];
};

/* Who sent the probe that is being judged, and what was looked up for it: once a probe. */
struct engine_sender {
	struct prefix key; /* under which it is counted */
	struct prefix_hashes hashes;
	struct safeguard_word word;
	uint32_t strictest, own; /* blocks: the strictest that covers the address, and the one on the key */
	uint32_t changes;        /* blocks_changes() of that look */
};

struct engine {
	struct engine_config config;
	struct decay decay; /* of the configured half-life */
	struct hash_key key;
	int64_t now_ms;
	struct sources *sources;
	struct sources *nets; /* nets.c */
	struct prefixset *exempt;
	int64_t *exempt_until_ms; /* beside exempt */
	struct blocks *blocks;
	struct safeguard *safeguard;
	struct served *served;
	struct decoys *decoys;
	struct incidents incidents;
	struct sweep *sweep;
	struct addr own; /* the address of ours that was probed last, and its tag */
	uint16_t own_tag;
	struct engine_former former[ENGINE_ACTIONS_MAX]; /* a ring: those of the last call and some before */
	uint32_t former_count;       /* of all ever, so that the next goes into [former_count % ENGINE_ACTIONS_MAX] */
	int64_t fresh_until_ms;      /* engine_fresh_start() */
	uint32_t ageing_hand;        /* where ageing goes on */
	uint32_t nets_hand;          /* the same in the table of nets */
	struct engine_status counts; /* the counters of it alone */
};

/* Time as the engine keeps it: never backwards. */
int64_t engine_time(struct engine *engine, int64_t now_ms);
static inline struct score engine_score(const struct engine *engine, const struct source *source)
{
	return score_at(source, engine->now_ms, &engine->decay);
}
/* The entry of a source, or NULL. */
struct source *engine_find_source(const struct engine *engine, const struct prefix *key);
/* What its score must reach for that grade, in nats. */
double engine_threshold(const struct engine *engine, const struct prefix *key, enum grade grade);

/* count.c: what the probe proves is counted against its source.  Whether it proves anything. */
bool engine_count(struct engine *engine, const struct probe *probe, struct engine_sender *sender,
		  struct actions *actions);

/* Puts a piece of evidence into the entry. */
void engine_write_piece(struct engine *engine, struct source *source, enum evidence_kind kind, uint16_t port,
			uint16_t host_tag, uint8_t weight);

/* decide.c: from a score to a grade, and from a grade to how long. */
#define POLICY_FORGET_DAYS 30 /* a source that was away so long begins again at the first duration */

/* WATCH, ALERT, VEIL or BAN: the highest threshold passed. */
enum grade policy_grade(const struct engine_config *config, const struct score *score);
/* The threshold of a grade in nats; 0 for WATCH. */
double policy_threshold(const struct engine_config *config, enum grade grade);
/* Of the times-th ban of a source: the first duration, doubled each time, up to the longest. */
int64_t policy_ban_ms(const struct engine_config *config, unsigned times);
/* Which ban the next one of this source will be. */
uint8_t policy_next_times(const struct source *source, int64_t now_ms);
/* The configuration with every value moved into its range. */
struct engine_config policy_sane(const struct engine_config *config);

/* decide.c: the consequences of what was counted. */
/* own: the block on the source's key, or BLOCKS_NONE; score: the source's, as it is now. */
void engine_settle(struct engine *engine, struct source *source, uint32_t own);
void engine_decide(struct engine *engine, struct source *source, const struct engine_sender *sender,
		   const struct score *score, struct actions *actions);
void engine_rank_by(struct engine *engine, struct source *source, uint32_t own, const struct score *score);
void engine_rank(struct engine *engine, struct source *source); /* looks both up */
/* Observe mode: what would have been done is told, once. */
void engine_observe(struct engine *engine, struct source *source, enum grade grade, struct actions *actions);

/* block.c: a grade begins in the kernel, lives, and ends. */
#define ENGINE_LOOKS 4096 /* alerts and veils that are looked at in one tick */
/* Puts the block that the event tells of into the table; one that it replaces is kept for engine_block_failed(). */
bool engine_put_block(struct engine *engine, const struct event *event, double score);
bool engine_begin_block(struct engine *engine, struct source *source, enum grade grade, struct actions *actions);
/* Evidence came: the alert or veil in this slot lives on. */
void engine_renew_veil(struct engine *engine, uint32_t slot, double score);
/* The block that counts for an address: the strictest that covers it, from VEIL on; an exempt one has no veil. */
uint32_t engine_standing(const struct engine *engine, const struct prefix *host);
/* Ends what is over and looks at the alerts and veils that are due. */
void engine_end_blocks(struct engine *engine, struct actions *actions);
/* An entry that is new, or was restored, takes over what the block on its key tells: how often it was banned. */
void engine_recall(const struct engine *engine, struct source *source, uint32_t own);
/* Takes the block off the table and out of the kernel, and tells why. */
void engine_lift(struct engine *engine, uint32_t slot, const char *text, struct actions *actions);

/* nets.c: what many addresses of one net show together. */
/* What the sender, below an alert, has shown, counted for the nets around it; their veils begin here. */
void engine_feed_nets(struct engine *engine, struct engine_sender *sender, const struct probe *probe,
		      const struct finding *finding, uint16_t host_tag, struct actions *actions);
/* Can it be a net's key?  An IPv6 /64 may be one, or a source. */
bool engine_is_net(const struct prefix *key);
/* By how much the thresholds of a net are higher than a source's; 1 for a source. */
double engine_net_factor(const struct source *source);
/* 0: it is not exempt. */
int64_t engine_exempt_until(const struct engine *engine, const struct prefix *host);
/* It is veiled by itself: its exemption would hide that in the kernel. */
void engine_end_exemption(struct engine *engine, const struct prefix *host, struct actions *actions);
/* Frees it from the veils of its nets for a day.  ENGINE_NOT_FOUND: there are none; ENGINE_FULL: nor room for it. */
enum engine_result engine_exempt_from_net(struct engine *engine, const struct prefix *host, struct actions *actions);

/* event.c: incidents, events, orders to the kernel. */
/* A new one, of one source.  Never 0. */
uint32_t incidents_begin(struct incidents *incidents);
/* One more source shares it. */
void incidents_join(struct incidents *incidents, uint32_t id);
/* A restored number is taken: go on above it. */
void incidents_taken(struct incidents *incidents, uint32_t id);
struct event engine_event(const struct engine *engine, const struct source *source, enum event_type type,
			  enum grade grade);
/* The end of the block in this slot of the table. */
struct event engine_end_event(const struct engine *engine, uint32_t slot, enum event_type type);
/* Room for n more actions? */
bool engine_has_room(const struct actions *actions, size_t n);
void engine_tell(struct actions *actions, const struct event *event);
void engine_order(struct actions *actions, enum action_type type, enum grade grade, const struct prefix *source,
		  int64_t duration_ms);
int32_t engine_millinats(double nats);
void event_text(struct event *event, const char *text);

#endif
