/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon without a service manager: away from the terminal, and started again when it fails.
 */
#ifndef PICKET_BACKGROUND_H
#define PICKET_BACKGROUND_H

/* Serves until it ends; tells by one byte on ready_fd (-1: nobody asks) that it does.  attempt counts from 0. */
typedef int background_serve_fn(void *context, int ready_fd, unsigned attempt);

#define BACKGROUND_NOT_STARTED 3 /* status of a serve that failed before it was ready */
#define BACKGROUND_RESTARTS    5 /* at most so many within a minute */

/*
 * Leaves the terminal and serves in a child that is started again after a second when it ends with a failure.  The
 * caller's process waits until the daemon is ready or has failed and returns its status, so that
 * `picketd && something` is no race.  The daemon itself never returns.
 */
int background_run(background_serve_fn *serve, void *context);

#endif
