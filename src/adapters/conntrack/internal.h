/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of this adapter share.
 */
#ifndef PICKET_CONNTRACK_INTERNAL_H
#define PICKET_CONNTRACK_INTERNAL_H

#include "conntrack.h"

/* traffic.c: adds what traffic control uses.  0 or -errno. */
MUST_CHECK int conntrack_look_at_traffic(struct netlink_dump *ask, struct conntrack_users *users);

#endif
