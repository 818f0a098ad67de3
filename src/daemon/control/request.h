/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request on the control socket: one line of JSON in, a typed request out, or one line that says what is wrong.
 * Pure: no socket, no clock.  A line is understood as a whole or not at all.
 */
#ifndef PICKET_CONTROL_REQUEST_H
#define PICKET_CONTROL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <picket/engine.h>
#include "addr.h"

#define CONTROL_VERSION   1
#define CONTROL_LINE_MAX  4096 /* bytes, without the newline */
#define CONTROL_ERROR_MAX 256
#define CONTROL_LIMIT_MAX 65536 /* rows that `sources` sorts */

enum control_command {
	CONTROL_STATUS,
	CONTROL_LIST,
	CONTROL_SOURCES,
	CONTROL_EXPLAIN,
	CONTROL_BLOCK,
	CONTROL_UNBLOCK,
	CONTROL_ALLOW_ADD,
	CONTROL_ALLOW_DEL,
	CONTROL_ALLOW_LIST,
	CONTROL_ALLOW_CHECK,
	CONTROL_MODE,
	CONTROL_PAUSE,
	CONTROL_RESUME,
	CONTROL_HISTORY,
	CONTROL_EVENTS,
	CONTROL_RELOAD,
	CONTROL_VERSION_ASKED,
	CONTROL_EXPOSURE,
	CONTROL_PROBE,
	CONTROL_COMMAND_COUNT
};

enum control_field {
	CONTROL_FIELD_SOURCE,
	CONTROL_FIELD_CALLER,
	CONTROL_FIELD_FOR,
	CONTROL_FIELD_SINCE,
	CONTROL_FIELD_LIMIT,
	CONTROL_FIELD_REASON,
	CONTROL_FIELD_MODE,
	CONTROL_FIELD_FORCE,
	CONTROL_FIELD_ALL,
	CONTROL_FIELD_SAVE,
	CONTROL_FIELD_FOLLOW,
	CONTROL_FIELD_ACCEPT,
	CONTROL_FIELD_COUNT
};

struct control_request {
	enum control_command command;
	unsigned given; /* bit per enum control_field; what is not given is zero */
	struct prefix source;
	struct addr caller; /* where the admin is logged in from, as picketctl says */
	int64_t for_s, since_s;
	uint32_t limit;
	bool observe; /* `mode`: observe, else block */
	bool force, all, save, follow, accept;
	char reason[ENGINE_REASON_MAX]; /* printable ASCII */
};

/* 0, or -EINVAL and one clear line in error.  *out is untouched then. */
int control_request_parse(const char *line, size_t len, struct control_request *out, char error[CONTROL_ERROR_MAX]);
const char *control_command_name(enum control_command command);

#endif
