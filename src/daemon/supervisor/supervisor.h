/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor: the one process that stays root.  It opens what needs root, starts sentry and keeper, gives them the
 * configuration, runs hooks, and ends everything when one of them ends.  Without a service manager a guardian in the
 * background starts it again when it fails.
 */
#ifndef PICKET_SUPERVISOR_H
#define PICKET_SUPERVISOR_H

#include "config.h"
#include "options.h"
#include "result.h"

#define SUPERVISOR_NOT_STARTED 3 /* exit status: it failed before it was ready */

/*
 * Takes config over.  ready_fd: the launcher waits for one byte there, and until then errors go to its terminal; -1:
 * in the foreground or under a service manager.  Returns the exit status: 0 after a clean stop, SUPERVISOR_NOT_STARTED,
 * or 1 when it failed later.  Every failure has been logged.
 */
int supervisor_run(const struct options *options, struct config *config, int ready_fd);

/* Rewrites the saved state for an older picket (store.h), as the user that it belongs to, while no picketd runs.  The
 * exit status; everything has been said. */
int supervisor_write_older(const struct config *config, int format);

/* Serves until it ends, and writes one byte to ready_fd (-1: nothing) when it is ready.  attempt counts from 0. */
typedef int background_serve_fn(void *context, int ready_fd, unsigned attempt);

/*
 * Leaves the terminal and serves in a child, which is started again after a second when it ends with a failure.  The
 * calling process waits until the daemon is ready or has failed and returns its status, so that after
 * `picketd && something` the guard is on.  The daemon itself never returns.  config: of the first start.
 */
int background_run(const struct config *config, background_serve_fn *serve, void *context);

/* Gives up what the supervisor does not use of root, unless a service manager has seen to it.  0, or -1 after telling
 * standard error what failed. */
MUST_CHECK int supervisor_confine(const struct config *config);

/* Standard error once more, for the keeper, which must be able to write there and to do nothing else.  Its descriptor
 * or -errno. */
MUST_CHECK int supervisor_log_fd(void);

#endif
