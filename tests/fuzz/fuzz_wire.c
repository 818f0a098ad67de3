/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the wire between the processes, whose other end may have been taken over: the input is sent as one
 * message, or, so that bodies are reached, as the body of one.  A message is received only when it has a known type and
 * exactly the length that belongs to it; an event that counts as valid can be described in printable text.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <picket/describe.h>

#include "fuzz.h"
#include "wire/wire.h"

/* The keeper describes an event only if it is valid. */
static void look(const struct wire_message *message)
{
	char text[1024];
	struct writer w = writer_over(text, sizeof(text));

	require(wire_body_len((enum wire_type)message->header.type) > 0);
	if (message->header.type != WIRE_EVENT || !event_is_valid(&message->body.event))
		return;
	describe_event(&w, &message->body.event, NULL);
	describe_ports(&w, &message->body.event);
	describe_kinds(&w, &message->body.event);
	for (const char *c = text; *c; c++)
		require(*c >= 0x20 && *c <= 0x7e);
}

/* The input as the body of a message of this type, with the length that belongs to it; returns what is sent. */
static size_t fit(uint8_t type, const uint8_t *data, size_t size, struct wire_message *out)
{
	size_t body = wire_body_len((enum wire_type)(type % WIRE_TYPE_COUNT));

	memset(out, 0, sizeof(*out));
	out->header.type = type % WIRE_TYPE_COUNT;
	memcpy(&out->body, data, size < body ? size : body);
	return offsetof(struct wire_message, body) + body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int ends[2];
	static struct wire_message sent, got;
	bool fitted = size > 2 && data[0] & 1;
	int result;

	if (size == 0)
		return 0;
	if (ends[1] == 0)
		require(wire_pair(ends) == 0);
	if (fitted)
		size = fit(data[1], data + 2, size - 2, &sent);
	if (send(ends[0], fitted ? (const uint8_t *)&sent : data, size, 0) < 0)
		return 0;
	result = wire_receive(ends[1], &got);
	require(result == 1 || result == -EBADMSG);
	if (result == 1)
		look(&got);
	return 0;
}
