/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up privilege, for good: user and groups, capabilities, no_new_privs, seccomp, Landlock.
 * Each call either succeeds fully or returns -errno, after which the caller must end.
 */
#ifndef PICKET_SANDBOX_H
#define PICKET_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

/* Becomes uid/gid with no supplementary groups, keeping CAP_NET_ADMIN alone (keep_net_admin) or nothing: permitted,
 * effective, inheritable, ambient and bounding sets; sets no_new_privs; not dumpable.  Checks that the way back is
 * closed. */
int sandbox_drop(uid_t uid, gid_t gid, bool keep_net_admin);

enum sandbox_profile { SANDBOX_SENTRY, SANDBOX_KEEPER };
/* Loads the seccomp filter of the profile; a forbidden call ends the process with SIGSYS. */
int sandbox_seccomp(enum sandbox_profile profile);
/* Confines file access by Landlock: read-write below the writable directories, read-only below the readable ones,
 * nothing else. Lists end with NULL; a missing directory is passed over.  *abi says what the kernel offers; 0: no
 * Landlock, and nothing is confined. */
int sandbox_landlock(const char *const writable[], const char *const readable[], int *abi);

#endif
