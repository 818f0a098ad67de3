/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Setting a damaged database aside, with its log, under a name that tells when.
 */
#ifndef PICKET_STORE_ASIDE_H
#define PICKET_STORE_ASIDE_H

#include <stdint.h>

#define STORE_ASIDE_NAME_MAX 64

/* Renames path, path-wal and path-shm to path.damaged-EPOCH...; the new name without its directory into name.
 * 0 or -errno; -EMFILE: there are STORE_DAMAGED_MAX already. */
int store_aside_put(const char *path, int64_t epoch_s, char name[STORE_ASIDE_NAME_MAX]);
/* Bytes in the database's log; 0 where there is none. */
int64_t store_aside_log_len(const char *path);

#endif
