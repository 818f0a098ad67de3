/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a system call filter is made of.
 */
#ifndef PICKET_SANDBOX_PROFILE_H
#define PICKET_SANDBOX_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox.h"

/* A call that is allowed, whatever its arguments, or where one argument (0 to 5) has these bits. */
struct sandbox_call {
	int number;
	int argument; /* -1: any */
	uint64_t mask, value;
};

/* socket(); type without SOCK_NONBLOCK and SOCK_CLOEXEC. */
struct sandbox_socket {
	int family, type, protocol;
};

struct sandbox_option {
	int level, name;
};

struct sandbox_profile_rules {
	const struct sandbox_call *calls;
	size_t call_count;
	const struct sandbox_socket *sockets;
	size_t socket_count;
	const struct sandbox_option *options; /* of setsockopt() */
	size_t option_count;
	const int *absent; /* calls that answer ENOENT: libraries ask whether a file exists */
	size_t absent_count;
};

/* What sentry and keeper both do. */
extern const struct sandbox_profile_rules sandbox_common;
/* Of SANDBOX_SENTRY and SANDBOX_KEEPER, beside that. */
const struct sandbox_profile_rules *sandbox_rules_of(enum sandbox_profile profile);
/* What neither the supervisor nor a hook has to do with: EPERM. */
extern const int sandbox_root_denied[];
extern const size_t sandbox_root_denied_count;

#endif
