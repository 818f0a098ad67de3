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
	struct control_list list = { .count = 0 };
	char error[CONTROL_ERROR_MAX] = "";

	memset(&request, 0x5a, sizeof(request));
	memcpy(&untouched, &request, sizeof(request));
	if (control_request_parse((const char *)data, size, &list, &request, error) == 0) {
		require(!!list.count == !!(request.given & 1u << CONTROL_FIELD_SOURCES));
		for (size_t i = 0; i < list.count; i++)
			require(prefix_is_valid(&list.items[i]));
		require(request.command < CONTROL_COMMAND_COUNT);
		require(request.source.len <= 128);
		require(request.limit <= CONTROL_LIMIT_MAX);
		require(request.for_s >= 0 && request.since_s >= 0);
		require(memchr(request.reason, 0, sizeof(request.reason)) != NULL);
	} else {
		require(list.count == 0);
		require(memcmp(&request, &untouched, sizeof(request)) == 0);
		require(error[0] != 0 && memchr(error, 0, sizeof(error)) != NULL);
		for (const char *c = error; *c; c++)
			require(*c >= 0x20 && *c <= 0x7e);
	}
	control_list_clear(&list);
	return 0;
}
