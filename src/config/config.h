/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file as plain values.  One table of options (options.c) drives fields, defaults and checks;
 * libconfuse reads the values.  Both picketd and `picketctl replay -c` read a file by config_read().
 * Nothing is applied here: a file is either good as a whole, or every mistake in it is told and nothing is returned.
 * The supervisor translates these values into what the adapters and the sentry take.
 */
#ifndef PICKET_CONFIG_H
#define PICKET_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <picket/engine.h>
#include "ports.h"
#include "result.h"

#define CONFIG_DEFAULT_FILE   "/etc/picket/picket.conf"
#define CONFIG_PATH_MAX       96 /* run_dir: a socket's name below it must fit in sockaddr_un */
#define CONFIG_TABLE_MAX      32
#define CONFIG_USER_MAX       32
#define CONFIG_BANNER_MAX     128
#define CONFIG_INTERFACES_MAX 32
#define CONFIG_PORTS_MAX      1024 /* ranges in a list of ports */
#define CONFIG_HOOKS_MAX      16
#define CONFIG_HOOK_NAME_MAX  32
#define CONFIG_HOOK_ARGS_MAX  32
#define CONFIG_HOOK_ARG_MAX   512
#define CONFIG_GROUPS_MAX     16
#define CONFIG_LINKS_MAX      16
#define CONFIG_GUARD_MAX      32
#define CONFIG_GROUP_MAX      33

struct config_ports {
	struct port_range ranges[CONFIG_PORTS_MAX]; /* sorted, none touches another; "all" is {1, 65535} */
	size_t count;
};

struct config_hook {
	char name[CONFIG_HOOK_NAME_MAX];
	char args[CONFIG_HOOK_ARGS_MAX][CONFIG_HOOK_ARG_MAX]; /* placeholders not yet filled in */
	size_t arg_count;
	uint32_t on; /* bit per enum event_type */
	char user[CONFIG_USER_MAX];
	uid_t uid; /* the user's */
	gid_t gid;
	int64_t timeout_ms;
};

struct config {
	struct engine_config engine; /* engine.observe is `mode` */
	char run_dir[CONFIG_PATH_MAX];
	char state_dir[PATH_MAX];
	int64_t history_max;        /* bytes */
	uint16_t log_rate;          /* lines a second */
	char allow_file[PATH_MAX];  /* "" none */
	char user[CONFIG_USER_MAX]; /* of the keeper, and of the state */
	char sentry_user[CONFIG_USER_MAX];
	char table[CONFIG_TABLE_MAX];
	uint16_t queue;          /* first of six numbers */
	bool reverse_path;       /* strict: a packet whose answer would leave by another interface is no evidence */
	bool conntrack;          /* it is asked where the kernel has it */
	bool cut_running;        /* a ban ends what runs, too */
	uint8_t flow_flag;       /* enum flow_flag_kind: what marks a flow as judged */
	uint32_t flow_mark_bits; /* of the ct mark, as a mask: next to each other, at least two */
	uint8_t early_drop;      /* enum early_drop: EARLY_OFF, ON or AUTO */
	bool keep_on_stop;       /* leave the table (blocks) in the kernel on a clean stop */
	bool sandbox;            /* seccomp and Landlock; off for debugging alone */
	char interfaces[CONFIG_INTERFACES_MAX][16]; /* guarded; none: all but loopback */
	size_t interface_count;
	char admin_groups[CONFIG_GROUPS_MAX][CONFIG_GROUP_MAX]; /* whose logged-in members are protected */
	size_t admin_group_count;
	/* Hosts behind this one: where strangers are (none: off), where the hosts are, which ones.  A link is an
	 * interface, or with a `*` at its end all whose names begin so. */
	char outside[CONFIG_LINKS_MAX][16], inside[CONFIG_LINKS_MAX][16];
	size_t outside_count, inside_count;
	struct prefix guard[CONFIG_GUARD_MAX];
	size_t guard_count;
	struct config_ports public_ports, trap_tcp, trap_udp;
	char banner[CONFIG_BANNER_MAX]; /* the TCP trap's greeting */
	struct prefix *allow;           /* allow = {...} and allow_file, without duplicates */
	size_t allow_count;             /* <= ENGINE_ALLOW_MAX */
	struct config_hook hooks[CONFIG_HOOKS_MAX];
	size_t hook_count;
	bool file_was_there, allow_file_was_there; /* when they were read: config_reread() */
};

/* Called for each mistake: "FILE:LINE: what is wrong, expected what"; and for an option of an older picket, which is
 * read as what it means now: "FILE:LINE: warning: ...". */
typedef void config_error_fn(void *context, const char *text);

/* What a configuration must be, beyond free of mistakes. */
enum config_demand {
	CONFIG_NAMED = 1, /* there: else a missing file is an empty one */
	CONFIG_TRUSTED =
		2, /* root's alone, with its conf.d, its allow file and the programs of its hooks (trusted.h) */
};

/* Reads path, then conf.d/NAME.conf beside it in order of names.  demands: of enum config_demand.  Returns a new
 * configuration, or NULL after telling every mistake; a warning is none. */
struct config *config_read(const char *path, unsigned demands, config_error_fn *error, void *context);
/* The same while `before` is in force.  A file that was there then and has gone is a mistake, not an empty one: what it
 * allowed must not be lost in silence. */
struct config *config_reread(const struct config *before, const char *path, unsigned demands, config_error_fn *error,
			     void *context);
void config_free(struct config *config);

/* Adds one line to the allow file or removes it; all other lines stay.  The file is replaced as a whole.
 * 0; -EPERM when others than root could have put another in its place; -EEXIST or -ENOENT when
 * there is nothing to do; or another -errno. */
MUST_CHECK int config_allow_file_edit(const char *path, const struct prefix *entry, bool add);

#endif
