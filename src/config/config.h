/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: libconfuse reads it, one table of options drives fields, defaults and checks.  It lives among the
 * adapters, not in the daemon, because `picketctl replay -c` reads the same file.
 * Nothing is applied here: a file is either good as a whole, or every mistake in it is told and nothing is touched.
 */
#ifndef PICKET_CONFIG_H
#define PICKET_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include <picket/engine.h>
#include "hook/hook.h"
#include "nft/nft.h"
#include "trap/trap.h"

#define CONFIG_DEFAULT_FILE "/etc/picket/picket.conf"
#define CONFIG_HOOKS_MAX    16
#define CONFIG_PATH_MAX     96 /* run_dir: a socket's name below it must fit in sockaddr_un */

struct config {
	struct engine_config engine; /* engine.observe is `mode` */
	char run_dir[CONFIG_PATH_MAX];
	char state_dir[PATH_MAX];
	char allow_file[PATH_MAX]; /* "" none */
	char user[32];             /* sentry and keeper run as */
	char table[NFT_TABLE_NAME_MAX];
	struct nft_rules rules; /* mode, queue, reverse_path, interfaces, ports; trap_port_* are filled in later */
	bool keep_on_stop;      /* leave the table (blocks) in the kernel on a clean stop */
	bool sandbox;           /* seccomp and Landlock; off for debugging alone */
	char banner[TRAP_BANNER_MAX];
	struct prefix *allow; /* allow = {...} and allow_file, without duplicates */
	size_t allow_count;   /* <= ENGINE_ALLOW_MAX */
	struct hook_spec hooks[CONFIG_HOOKS_MAX];
	size_t hook_count;
};

/* One mistake: "FILE:LINE: what is wrong, expected what". */
typedef void config_error_fn(void *context, const char *text);

/* Reads path (and conf.d/NAME.conf beside it, in order of names).  A missing default file is an empty one; a missing
 * named file is an error. Returns a new configuration, or NULL after telling every mistake. */
struct config *config_read(const char *path, bool named, config_error_fn *error, void *context);
void config_free(struct config *config);

/* Adds or removes one line of the allow file, keeping all others as they are, by writing a new file and renaming it.
 * 0, -EEXIST/-ENOENT when there is nothing to do, or -errno. */
int config_allow_file_edit(const char *path, const struct prefix *entry, bool add);

#endif
