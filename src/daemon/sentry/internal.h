/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentry's state, for its own files alone.
 *
 *   sentry.c  the process: start, privilege, the loop and its clock, the tick, the end
 *   sense.c   packets and trap visits in, verdicts out
 *   through.c first contacts of hosts behind this one, and their answers
 *   ration.c  how many words a second are made about suspects
 *   act.c     the engine's actions: carried out by the enforcer, told to the keeper and to hooks
 *   config.c  the configuration: taken from the supervisor, in force as a whole
 *   world.c   what the host is: addresses, routes, interfaces, services
 *   save.c    what outlives this run: restored from the keeper, saved to the keeper
 *   orders.c  questions and orders of the keeper
 */
#ifndef PICKET_SENTRY_INTERNAL_H
#define PICKET_SENTRY_INTERNAL_H

#include <event2/event.h>

#include <picket/contact.h>
#include <picket/veil.h>

#include "enforcer/enforcer.h"
#include "host/listeners.h"
#include "host/routes.h"
#include "sentry/sentry.h"
#include "wire/wire.h"

#define SENTRY_TICK_MS    100
#define SENTRY_RESTORE_MS 5000 /* for the keeper to send what is to be restored; then on guard without it */
#define SENTRY_LATELY     2
#define SENTRY_LIFTS_MAX  8 /* orders to unblock that take more than one turn, at a time */

/* Blocks that are being lifted, a slice in each turn. */
struct sentry_lift {
	bool all; /* else those inside `within` */
	struct prefix within;
	const char *text; /* of their events */
	uint32_t cursor;  /* engine_unblock_within(): where it goes on; 0: done */
};

#define RATION_NETS 1024
struct ration {
	struct hash_key key;
	int64_t second;
	unsigned used, hooks;
	uint8_t nets[RATION_NETS]; /* used in this second, by a keyed hash of the net */
	uint64_t left_out, told;   /* of all ever; of them summed up */
	int64_t told_ms;
};

/* How fast packets come: see sense.c. */
struct sentry_rush {
	int64_t since_ms;
	unsigned packets; /* since then */
	bool now;
	int64_t rest_until_ms; /* reads are not put off */
};

struct sentry {
	const struct sentry_start *start;
	struct event_base *base;
	struct engine *engine;     /* NULL until the first configuration is in force */
	struct enforcer *enforcer; /* opened together with the engine */
	struct veil *veil;         /* the price of a veiled source's new connection; opened together with the engine */
	struct contacts *behind;   /* NULL: no host behind this one is guarded */
	struct hash_key contacts_key;
	struct trap *trap; /* NULL: no port is trapped */
	struct routes *routes;
	struct listeners *listeners;
	struct actions actions; /* scratch of whatever call is being carried out */

	int64_t started_ms;
	int64_t now_ms; /* read once in each turn of the loop; wall time at the start, from there on only forward */

	struct wire_config config; /* in force */
	struct wire_config next;   /* being received */
	struct prefix *next_allow; /* ENGINE_ALLOW_MAX; what WIRE_CONFIG_ALLOW brought so far */
	size_t next_allow_count;
	bool receiving; /* between WIRE_CONFIG and WIRE_CONFIG_END */

	struct sentry_lift lifts[SENTRY_LIFTS_MAX]; /* the first ones are in use, the oldest first */
	size_t lift_count;
	bool allow_stale; /* the kernel has not got the allow list as it is */

	uint64_t events_lost;
	struct ration ration;
	bool veil_lacks_memory;     /* and it was said */
	uint64_t unremembered_told; /* of the veil's counter */
	int64_t probe_until_ms;     /* the doctor's probes are counted, not judged; 0: they are judged like any */
	struct prefix probe_net;    /* where they come from; ::/0: the usual ones */
	uint64_t probe_packets;
	struct latency judging, deciding;
	bool judging_timed; /* of the packets read at once, one is */
	struct sentry_rush rush;
	uint64_t rejected[PACKET_RESULT_COUNT];
	uint64_t packets_before_load,
		queued_before_load; /* read, and queued by the kernel, when the table was loaded */

	struct conntrack_names names;             /* tables of the older iptables */
	uint16_t ephemeral_first, ephemeral_last; /* ip_local_port_range */
	uint8_t lately[SENTRY_LATELY][65536 / 8]; /* of TCP and UDP: the ports served lately, as the kernel was told */
	bool lately_told;
	bool routes_stale;
	int64_t next_second_ms, next_listeners_ms, next_lately_ms;
	uint32_t seconds;
	int timer;       /* of the next tick */
	bool ticks_soon; /* the timer is set for what has happened just now */

	int64_t ready_by_ms;  /* 0: on guard, and said so */
	uint32_t restored;    /* blocks of an earlier run */
	int64_t next_save_ms; /* 0: not before all is restored */
	size_t save_part;     /* of the save under way */
	uint32_t save_cursor;
	bool saving_at_once;
	bool keeper_keeps_blocks;    /* it has each as it began: a save leaves them out */
	struct nft_learned *learned; /* as last read, while they are being sent */
	uint32_t learned_count;
	int64_t next_learned_read_ms, learned_read_took_ms;

	struct wire_message in, out; /* scratch: too large for the stack */
};

/* sentry.c: reads the clock; each callback that judges, decides or writes a time begins with it. */
void sentry_begin_turn(struct sentry *sentry);

/* sense.c */
void sentry_read_queue(struct sentry *sentry);
bool sentry_trap_hit(void *sentry, const struct probe *probe);
void sentry_tell_veil_memory(struct sentry *sentry); /* where it is lacking, and when it is there again */
/* False: from such a net no probes come. */
bool sentry_probe_window(struct sentry *sentry, const struct prefix *net, int64_t duration_ms);

/* What a veiled source's SYN comes to: may it pass? */
bool sentry_may_pass_veil(struct sentry *sentry, const struct packet *packet, const struct nfqueue_packet *queued,
			  enum veil_target target);

/* through.c */
int sentry_through_configure(struct sentry *sentry); /* 0 or -ENOMEM */
/* A first contact; what a host behind answers.  True: it passes. */
bool sentry_through_ask(struct sentry *sentry, const struct nfqueue_packet *queued);
bool sentry_through_told(struct sentry *sentry, const struct nfqueue_packet *queued);
void sentry_through_tick(struct sentry *sentry);
int64_t sentry_through_due_ms(const struct sentry *sentry);

/* act.c */
struct acted {
	int error;         /* the first with which the kernel refused an action, 0 if none */
	uint32_t lifted;   /* blocks that are over */
	uint32_t kept;     /* blocks that the kernel did not let go of */
	uint32_t given_up; /* those of them that are not tried again */
};
struct acted sentry_act(struct sentry *sentry); /* carries out sentry->actions */
void sentry_notice(struct sentry *sentry, enum event_type type, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void sentry_sum_up(struct sentry *sentry); /* of what was not told one by one */
struct enforcer_listener sentry_listener(struct sentry *sentry);

/* ration.c: may this event be told one by one? */
bool ration_allows(struct ration *ration, const struct event *event, int64_t now_ms);
/* The same for hooks, of an event that was allowed. */
bool ration_allows_hook(struct ration *ration, const struct event *event);
/* How many were left out since the last summary, once a minute; 0: nothing to say. */
uint64_t ration_sum_up(struct ration *ration, int64_t now_ms);

/* config.c */
void sentry_config_message(struct sentry *sentry, const struct wire_message *message);
int sentry_set_mode(struct sentry *sentry, enum nft_mode mode); /* of engine and kernel side; 0 or -errno */

/* world.c: each replaces what its last look said */
void sentry_world_routes(struct sentry *sentry);
void sentry_world_listeners(struct sentry *sentry);
/* What rules have seen behind destination NAT is served as well. */
void sentry_world_published(struct sentry *sentry);
void sentry_world_lately(struct sentry *sentry);

/* save.c */
void sentry_restore(struct sentry *sentry, const struct wire_message *message);
void sentry_save_tick(struct sentry *sentry);
/* Reads what the rules have learned now and then, so that it can be put back when the table is removed. */
void sentry_save_learned_tick(struct sentry *sentry);
void sentry_put_learned_back(struct sentry *sentry);
void sentry_save_keeps_blocks(struct sentry *sentry, bool keeps);
void sentry_save_at_once(struct sentry *sentry); /* at a stop */

/* orders.c */
void sentry_order(struct sentry *sentry, const struct wire_message *message);
/* The page behind the cursor into sentry->out; returns the next cursor, 0 when done. */
uint32_t sentry_page(struct sentry *sentry, enum wire_type type, uint32_t cursor);
/* A slice of the blocks that are being lifted. */
void sentry_lift_tick(struct sentry *sentry);
void sentry_allow_tick(struct sentry *sentry);

#endif
