/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that sets itself up as the sentry, the keeper or the supervisor does.
 */
#ifndef PICKET_TEST_SANDBOXED_H
#define PICKET_TEST_SANDBOXED_H

#include <stddef.h>

#include "host/logins.h"
#include "sandbox/sandbox.h"

#define USER    65534
#define NOT_SET 90 /* exit status: the process could not be set up */

enum { SENTRY = 1, KEEPER = 2, SUPERVISOR = 4, WORKERS = SENTRY | KEEPER, ALL = 7 };

/* state_dir: what a keeper may write to.  who is 0: nothing is done.  0 or -errno. */
static inline int set_up(int who, const char *state_dir)
{
	const char *const writable[] = { state_dir, NULL };
	const char *readable[LOGINS_PATHS_MAX + 1];
	int abi, result;

	if (who == 0)
		return 0;
	if (who == SUPERVISOR) {
		result = sandbox_keep_root();
		return result ? result : sandbox_seccomp(SANDBOX_SUPERVISOR);
	}
	logins_paths(readable);
	result = sandbox_limit(512ULL << 20, 512);
	if (result == 0)
		result = sandbox_drop(USER, USER, who == SENTRY);
	if (result == 0 && who == KEEPER)
		result = sandbox_landlock(writable, readable, &abi);
	return result ? result : sandbox_seccomp(who == SENTRY ? SANDBOX_SENTRY : SANDBOX_KEEPER);
}

#endif
