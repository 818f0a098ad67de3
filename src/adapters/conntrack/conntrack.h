/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's table of flows, as far as the flag of a flow concerns it (nft/nft.h): who else uses the ct mark and the
 * ct label, and flows cleared of flags that are to be used anew.
 */
#ifndef PICKET_CONNTRACK_H
#define PICKET_CONNTRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "flowflag.h"
#include "result.h"

/* ---- clearing ---- */

struct conntrack;

/* Needs CAP_NET_ADMIN.  0 or -errno. */
MUST_CHECK int conntrack_open(struct conntrack **out);
void conntrack_close(struct conntrack *conntrack);

/*
 * Begins to take that flag off all flows.  all_values: whatever the value of the mark in those bits.
 * A walk that is under way is given up.  0 or -errno.
 */
MUST_CHECK int conntrack_clear(struct conntrack *conntrack, const struct flow_flag *flag, bool all_values);
/* Goes on without waiting, through some thousand flows.  1: no flow has the flag any more, 0: not done yet, or
 * -errno, which ends the walk. */
MUST_CHECK int conntrack_clear_step(struct conntrack *conntrack);

/* ---- other users ---- */

struct conntrack_users {
	bool mark, label; /* rules of others read or write it */
};

/*
 * What must be opened before files and sockets are given up.  Which tables of the older iptables are in use: files of
 * /proc, -1 where its module was not loaded then (what comes later is not seen).  And a socket to ask traffic control;
 * NULL: it could not be opened.
 */
#define CONNTRACK_FAMILIES 2
struct netlink_dump;
struct conntrack_names {
	int fds[CONNTRACK_FAMILIES];
	struct netlink_dump *traffic;
};
void conntrack_users_open(struct conntrack_names *names);

/*
 * Looks through the rules of all tables but that one, those of the older iptables, and the actions of traffic control.
 * What Open vSwitch and programs in BPF do is not seen.  0 or -errno.
 */
MUST_CHECK int conntrack_users_look(const char *own_table, const struct conntrack_names *names,
				    struct conntrack_users *out);

#endif
