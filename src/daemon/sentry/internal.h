/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentry's own room: its state, and what its files do for one another.  Nobody else includes this.
 *
 *   sentry.c        the process: start, privilege, loop, end
 *   sentry_sense.c  packets and trap visits in, verdicts out
 *   sentry_act.c    what the engine decided, carried out: kernel sets, events
 *   sentry_config.c the configuration, taken whole or not at all
 *   sentry_rules.c  rules, mode, loading: what should stand in the kernel
 *   sentry_allow.c  the allow list in the kernel
 *   sentry_heal.c   what does stand in the kernel, when others meddle
 *   sentry_world.c  what the host is: addresses, routes, services
 *   sentry_pages.c  the engine's tables by pages
 *   sentry_memory.c what outlives this run: told by the keeper, told to the keeper
 *   sentry_orders.c questions and orders from the keeper
 */
#ifndef PICKET_SENTRY_ROOM_H
#define PICKET_SENTRY_ROOM_H

#include <event2/event.h>

#include "host/listeners.h"
#include "host/routes.h"
#include "sentry.h"
#include "wire/wire.h"

#define SENTRY_TICK_MS       100
#define SENTRY_LISTENERS_MAX 4096
#define SENTRY_MEMORY_MS     5000 /* for the keeper to tell what it remembers; then on guard without */
#define SENTRY_HEALS_MAX     2    /* within SENTRY_HEAL_SPAN_MS; then picket stays out */
#define SENTRY_HEAL_SPAN_MS  60000
#define SENTRY_HEAL_PAUSE_MS 600000

struct sentry {
	const struct sentry_start *start;
	struct event_base *base;
	struct engine *engine; /* NULL until the first configuration is in force */
	struct nft *nft;
	struct trap *trap; /* NULL: no port is trapped */
	struct routes *routes;
	struct listeners *listeners;
	struct actions actions; /* scratch of whatever call is being carried out */

	int64_t wall_start_ms, boot_start_ms; /* the clock: wall time at start, then only forward */
	int64_t started_ms;

	struct wire_config config; /* in force */
	struct wire_config next;   /* being received */
	struct prefix *next_allow; /* ENGINE_ALLOW_MAX; what WIRE_CONFIG_ALLOW brought so far */
	size_t next_allow_count;
	bool unblocking_all;    /* the kernel has let all go; the engine forgets them a slice a tick */
	struct prefix allowing; /* an allow entry that frees more blocks than one turn takes */
	int64_t allowing_until_ms;
	bool allowing_more;
	bool receiving; /* between WIRE_CONFIG and WIRE_CONFIG_END */

	struct nft_rules rules; /* as loaded: config's, with trap ports, interfaces and mode filled in */
	struct prefix *allowed; /* what stands in the kernel's allow sets, sorted */
	size_t allowed_count;
	uint32_t allow_entries; /* of the engine, when last synchronised */

	bool paused;
	int64_t paused_until_ms;            /* 0: until resumed */
	int64_t heals_ms[SENTRY_HEALS_MAX]; /* when the kernel side was last put back, newest first */
	bool heal_due;                      /* something of ours was touched: to be looked after at the next tick */
	bool heal_failed;                   /* it could not be put back: try again each second */

	uint64_t events_lost, kernel_refused;
	int64_t probe_until_ms; /* the doctor's probes are counted, not judged; 0: they are judged like any */
	uint64_t probe_packets;
	struct latency judging, deciding;
	uint64_t rejected[PACKET_RESULT_COUNT];
	uint64_t packets_before_load,
		queued_before_load;  /* read, and counted by the kernel, when the table was loaded */
	uint8_t udp_seen[65536 / 8]; /* UDP ports of the last look: an ephemeral one does not last for two */
	bool routes_stale;
	int64_t next_second_ms, next_listeners_ms, next_customers_ms;
	int64_t customers_every_ms; /* how often the book is read: seldom when that takes long */

	int64_t ready_by_ms;  /* 0: on guard, and said so */
	uint32_t restored;    /* blocks of an earlier run */
	int64_t next_save_ms; /* 0: not before the keeper has told what it remembers */
	size_t save_part;     /* of the save under way */
	uint32_t save_cursor;
	bool saving_at_once;
	struct nft_customer *customers; /* the kernel's book, while it is being sent */
	uint32_t customer_count;
	int64_t next_book_ms, book_took_ms; /* of reading it */

	struct wire_message in, out; /* scratch: too large for the stack */
};

int64_t sentry_now_ms(const struct sentry *sentry);

/* sentry_sense.c */
void sentry_read_queue(struct sentry *sentry);
bool sentry_trap_hit(void *sentry, const struct probe *probe);
void sentry_probe_window(struct sentry *sentry, int64_t duration_ms);

/* sentry_act.c */
void sentry_act(struct sentry *sentry); /* carries out sentry->actions */
int sentry_act_first_error(
	struct sentry *sentry); /* the same; the first errno with which the kernel refused, 0 if none */
/* The events alone: what they are about is done already. */
void sentry_act_tell(struct sentry *sentry);
void sentry_tick(struct sentry *sentry);
void sentry_notice(struct sentry *sentry, enum event_type type, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* sentry_config.c */
void sentry_config_message(struct sentry *sentry, const struct wire_message *message);

/* sentry_rules.c */
int sentry_rules_apply(struct sentry *sentry); /* mode, ports and interfaces as they should be; 0 or -errno */
int sentry_rules_load(struct sentry *sentry);  /* a fresh table, then everything that belongs into it */
/* The same; at the very start (fresh) the engine takes over the blocks it finds in the kernel: *adopted of them. */
int sentry_load(struct sentry *sentry, bool fresh, uint32_t *adopted);
int sentry_pause(struct sentry *sentry, int64_t until_ms);
int sentry_resume(struct sentry *sentry);

/* sentry_allow.c */
void sentry_allow_sort(struct sentry *sentry);      /* what was found in the kernel's */
void sentry_allow_configure(struct sentry *sentry); /* the engine's list as the new configuration has it */
void sentry_allow_sync(struct sentry *sentry);      /* the kernel's allow sets as the engine's list */

/* sentry_heal.c */
void sentry_watch(struct sentry *sentry); /* notifications have come */
void sentry_heal_if_due(struct sentry *sentry);
void sentry_heal(struct sentry *sentry); /* put back what is missing */

/* sentry_world.c */
void sentry_world_routes(struct sentry *sentry);
void sentry_world_listeners(struct sentry *sentry);
void sentry_world_customers(struct sentry *sentry);

/* sentry_pages.c: the page behind the cursor into sentry->out; the next cursor, 0 when done */
uint32_t sentry_page(struct sentry *sentry, enum wire_type type, uint32_t cursor);

/* sentry_memory.c */
void sentry_remembered(struct sentry *sentry, const struct wire_message *message);
void sentry_ready(struct sentry *sentry); /* tells the supervisor, once */
void sentry_memory_tick(struct sentry *sentry, int64_t now_ms);
void sentry_memory_stop(struct sentry *sentry);

/* sentry_orders.c */
void sentry_order(struct sentry *sentry, const struct wire_message *message);
void sentry_orders_go_on(struct sentry *sentry); /* what is too much for one turn */

#endif
