/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor: the one process that stays root.  Opens what needs root, starts sentry and keeper, gives them the
 * configuration, runs hooks, and ends everything when one of them ends.
 */
#ifndef PICKET_SUPERVISOR_H
#define PICKET_SUPERVISOR_H

#include "config.h"
#include "options.h"

/*
 * Takes config over.  ready_fd: the launcher waits for one byte there and for nothing else on the terminal; -1: in the
 * foreground or under a service manager.  Returns the exit status: 0 after a clean stop, BACKGROUND_NOT_STARTED when it
 * failed before it was ready, 1 when it failed later.  All has been said.
 */
int supervisor_run(const struct options *options, struct config *config, int ready_fd);

#endif
