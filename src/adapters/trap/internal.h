/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of visits, apart from the listeners that accept them.
 */
#ifndef PICKET_TRAP_INTERNAL_H
#define PICKET_TRAP_INTERNAL_H

#include <netinet/in.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "hash.h"
#include "trap.h"

#define VISIT_NETS 4096 /* in which visits are counted, by a keyed hash of their /24 or /48 */

struct visit;
TAILQ_HEAD(visits, visit);

struct visit_table {
	struct visit *items;      /* TRAP_CONNECTIONS_MAX */
	size_t touched;           /* of them; a table that is hardly used costs hardly any memory */
	struct visits live, free; /* live: oldest first */
	struct hash_key key;
	uint16_t crowd[VISIT_NETS]; /* how many of the live ones are of each net */
	struct event_base *base;
	trap_hit_fn *hit;
	void *context;
	char banner[TRAP_BANNER_MAX];
	size_t banner_len;
	struct trap_stats stats;
};

union any_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* 0 or -ENOMEM. */
int visit_table_init(struct visit_table *table, const char *banner);
/* Closes what is open, with resets and without reports. */
void visit_table_release(struct visit_table *table);
/* Takes the accepted descriptor over; makes room in a full table. */
void visit_begin(struct visit_table *table, int fd, const union any_address *peer);
/* Reports and closes the newest visit of the net that has the most.  False: there is none. */
bool visit_make_room(struct visit_table *table);

#endif
