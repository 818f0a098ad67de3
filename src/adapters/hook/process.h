/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hook as a process, and the one that watches it. */
#ifndef PICKET_HOOK_PROCESS_H
#define PICKET_HOOK_PROCESS_H

#include "queue.h"

#define HOOK_CLEAN_S 5 /* for what a hook leaves behind to be ended */

/*
 * Starts the job with that descriptor as its output, below a process that watches it: that one ends, with the hook's
 * own status, when the hook has ended and nothing that it started is left.  On SIGTERM it ends all of them at once, and
 * so it does when we die.  The watcher's pid or -errno.
 */
pid_t hook_start(const struct job *job, int output);

#endif
