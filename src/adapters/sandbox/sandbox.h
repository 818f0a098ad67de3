/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up privilege for good: user and groups, capabilities, no_new_privs, limits, seccomp, Landlock.  Each call
 * either succeeds fully or returns -errno, and then the caller must end.
 *
 * To allow a process one more system call, socket, socket option or request, add a row to its table in profiles.c.
 * Whoever forgets to sees "killed by signal 31 (Bad system call)" in the log; `strace -f` names the call.  First see
 * whether it can be made before the filter is loaded.  tests/unit/test_sandbox_hostile.c tries what must fail.
 */
#ifndef PICKET_SANDBOX_H
#define PICKET_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "result.h"

/* Becomes uid/gid with no supplementary groups and, in all capability sets, CAP_NET_ADMIN alone (keep_net_admin) or
 * nothing; sets no_new_privs and makes the process not dumpable.  Checks that root cannot be had again. */
MUST_CHECK int sandbox_drop(uid_t uid, gid_t gid, bool keep_net_admin);

/* Lays CAP_NET_ADMIN down (true) and takes it up again.  The kernel asks for the rights of who opened a netlink socket
 * as well as of who uses it: through one that was opened meanwhile nothing can be changed, ever. */
MUST_CHECK int sandbox_lay_down(bool down);

/* For a process that stays root: of the capabilities it has, those that the supervisor uses stay (sandbox.c), for
 * itself and for all that it starts; sets no_new_privs. */
MUST_CHECK int sandbox_keep_root(void);

/* No other process, no core file, so many descriptors, so much memory (bytes of address space; 0: no limit, and none in
 * a build with sanitizers).  Before sandbox_drop(). */
MUST_CHECK int sandbox_limit(uint64_t memory, unsigned descriptors);

enum sandbox_profile { SANDBOX_SENTRY, SANDBOX_KEEPER, SANDBOX_SUPERVISOR };
/* Loads the seccomp filter of the profile.  Sentry and keeper: what is not listed ends the process with SIGSYS.
 * Supervisor, and what it starts: what is listed fails. */
MUST_CHECK int sandbox_seccomp(enum sandbox_profile profile);
/* Confines file access by Landlock: read and write below the writable directories, read below the readable ones,
 * nothing else.  Lists end with NULL; a missing directory is passed over.  *abi is the version that the kernel offers;
 * 0: it has no Landlock, and nothing is confined. */
MUST_CHECK int sandbox_landlock(const char *const writable[], const char *const readable[], int *abi);

#endif
