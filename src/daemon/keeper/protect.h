/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom the sentry must never cut off, as far as files tell it: it has no file system, so the keeper looks for it.
 */
#ifndef PICKET_KEEPER_PROTECT_H
#define PICKET_KEEPER_PROTECT_H

#include <stdbool.h>
#include <stdint.h>

#define PROTECT_REMEMBER_S (30 * 24 * 3600) /* an admin's address, after the last login was seen */

struct protect;
struct journal;

/* Reads what was remembered in state_dir/logins.  NULL when out of memory. */
struct protect *protect_new(const char *state_dir, struct journal *journal);
void protect_free(struct protect *protect);
/* Looks again and tells the sentry what has changed; all of it when everything is true. */
void protect_refresh(struct protect *protect, int sentry_fd, int64_t now_s, bool everything);

#endif
