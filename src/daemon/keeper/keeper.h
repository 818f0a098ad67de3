/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: the process of the control socket, the history, the store and the log lines.  It runs as a
 * user of its own without any capability, and is confined to its state directory.
 */
#ifndef PICKET_KEEPER_H
#define PICKET_KEEPER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/logins.h"

struct keeper_start {
	int supervisor_fd, sentry_fd;
	int control_fd; /* listening AF_UNIX stream socket, bound by the supervisor */
	uid_t uid;
	gid_t gid;
	bool sandbox;
	bool verbose;
	int log_fd;          /* where log lines go; -1: to the system's log */
	int64_t boot_ms;     /* as the sentry has it */
	int64_t history_max; /* bytes */
	unsigned log_rate;   /* lines a second */
	char state_dir[PATH_MAX];
	struct logins_admins admins; /* whose logins are protected, as found at the start */
	uint32_t admin_gid;          /* the group whose members may use the control socket, beside root */
};

/* Drops privilege, serves until told to stop.  Returns the exit status: EXIT_SUCCESS when all was saved. */
int keeper_run(const struct keeper_start *start);

#endif
