/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketctl from argv to the exit status.  A command is a row of a table: how it is called, what it asks the daemon,
 * and how the answer is shown.
 */
#ifndef PICKET_CTL_H
#define PICKET_CTL_H

#include "client/client.h"
#include "render/render.h"

#define CTL_BIT(option) (1u << CTL_OPTION_##option)
#define CTL_ANYWHERE    (CTL_BIT(SOCKET) | CTL_BIT(JSON) | CTL_BIT(HELP) | CTL_BIT(VERSION))

struct ctl_command {
	const char *name, *syntax, *summary, *details;
	unsigned options; /* beside CTL_ANYWHERE */
	int words[2];     /* at least, at most */
	/* The request, or NULL and what is wrong.  A command without it has a `run`. */
	json_t *(*build)(const struct ctl_args *args, char error[CTL_ERROR_MAX]);
	const struct ctl_shape *shape;
	enum ctl_exit (*run)(const struct ctl_args *args);
};

extern const struct ctl_command ctl_commands[]; /* ends with a NULL name */
const struct ctl_command *ctl_command_find(const char *name);
/* How the answer to these arguments is shown. */
const struct ctl_shape *ctl_command_shape(const struct ctl_args *args);

/* 0, or -EINVAL and one line in error.  Checks options and the number of words against the command's row. */
int ctl_args_parse(int argc, char **argv, struct ctl_args *out, char error[CTL_ERROR_MAX]);
const char *ctl_option_name(enum ctl_option option); /* "--for" */

int ctl_main(int argc, char **argv);
enum ctl_exit run_help(const struct ctl_args *args);
enum ctl_exit run_version(const struct ctl_args *args);

#endif
