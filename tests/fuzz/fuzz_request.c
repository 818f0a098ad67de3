/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over a line of the control socket.  A request is understood as a whole, within the ranges that its header
 * states, or refused with one printable line; nothing is written to *out then.
 */
#include <string.h>

#include "control/control.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request request, untouched;
	char error[CONTROL_ERROR_MAX] = "";

	memset(&request, 0x5a, sizeof(request));
	memcpy(&untouched, &request, sizeof(request));
	if (control_request_parse((const char *)data, size, &request, error) == 0) {
		require(request.command < CONTROL_COMMAND_COUNT);
		require(request.source.len <= 128);
		require(request.limit <= CONTROL_LIMIT_MAX);
		require(request.for_s >= 0 && request.since_s >= 0);
		require(memchr(request.reason, 0, sizeof(request.reason)) != NULL);
	} else {
		require(memcmp(&request, &untouched, sizeof(request)) == 0);
		require(error[0] != 0 && memchr(error, 0, sizeof(error)) != NULL);
		for (const char *c = error; *c; c++)
			require(*c >= 0x20 && *c <= 0x7e);
	}
	return 0;
}
