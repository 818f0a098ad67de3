/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up privilege for good: user and groups, capabilities, no_new_privs, seccomp, Landlock.  Each call either
 * succeeds fully or returns -errno, and then the caller must end.
 */
#ifndef PICKET_SANDBOX_H
#define PICKET_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "result.h"

/* Becomes uid/gid with no supplementary groups and, in all capability sets, CAP_NET_ADMIN alone (keep_net_admin) or
 * nothing; sets no_new_privs and makes the process not dumpable.  Checks that root cannot be had again. */
MUST_CHECK int sandbox_drop(uid_t uid, gid_t gid, bool keep_net_admin);

enum sandbox_profile { SANDBOX_SENTRY, SANDBOX_KEEPER };
/* Loads the seccomp filter of the profile; a forbidden call ends the process with SIGSYS. */
MUST_CHECK int sandbox_seccomp(enum sandbox_profile profile);
/* Confines file access by Landlock: read and write below the writable directories, read below the readable ones,
 * nothing else.  Lists end with NULL; a missing directory is passed over.  *abi is the version that the kernel offers;
 * 0: it has no Landlock, and nothing is confined. */
MUST_CHECK int sandbox_landlock(const char *const writable[], const char *const readable[], int *abi);

#endif
