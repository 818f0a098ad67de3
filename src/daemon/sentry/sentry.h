/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentry: queue, traps, engine and nftables.  Runs as its own user with CAP_NET_ADMIN alone and
 * without the file system; never waits for a disk, a name lookup or another process.
 */
#ifndef PICKET_SENTRY_H
#define PICKET_SENTRY_H

#include <stdbool.h>
#include <sys/types.h>

#include "nfqueue/nfqueue.h"

struct sentry_start {
	int supervisor_fd, keeper_fd;
	struct nfqueue *queue; /* the supervisor keeps a copy and never reads it */
	uid_t uid;
	gid_t gid;
	bool sandbox;
	int64_t boot_ms; /* when the host was started, as the clock on the wall said when picketd was */
	bool verbose;
};

/* Drops privilege, waits for the configuration, serves until told to stop.  Returns the exit status. */
int sentry_run(const struct sentry_start *start);

#endif
