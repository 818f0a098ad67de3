/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /proc tells of this host and its processes.  Limits: bytes of a file, processes and descriptors looked at.
 */
#ifndef PICKET_PROCFS_H
#define PICKET_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "result.h"

#define PROCFS_PROCESSES_MAX   65536
#define PROCFS_DESCRIPTORS_MAX 1048576

/* A file with one whole number.  0 or -errno. */
MUST_CHECK int procfs_number(const char *path, int64_t *out);

/* Which boot of the host this is: a number, not 0, that no other one has.  0 or -errno. */
MUST_CHECK int procfs_boot(int64_t *out);

struct procfs_status {
	pid_t pid, parent;
	char name[16];
	uid_t uid; /* effective */
	uid_t real_uid;
	int seccomp; /* 0 none, 2 filter; -1 not told */
	bool no_new_privs;
	uint64_t cap_effective;
};

MUST_CHECK int procfs_status(pid_t pid, struct procfs_status *out);
/* Writes at most max children of a process; how many there are, or -errno. */
MUST_CHECK int procfs_children(pid_t parent, struct procfs_status *out, size_t max);

/* A socket and the process that holds it. */
struct procfs_owner {
	uint32_t inode; /* in */
	pid_t pid;      /* 0: no process that we may look at */
	char program[16];
};

/* One walk over /proc/PID/fd for all of them.  0 or -errno. */
int procfs_owners(struct procfs_owner *owners, size_t count);

#endif
