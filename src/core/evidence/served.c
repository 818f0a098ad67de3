/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports that were served: the second of the last sighting for each port of TCP, UDP and SCTP.  Fixed size; nothing
 * that a sender does can put an entry here, only a socket of our own.
 */
#include "evidence.h"

#include <stdlib.h>

#include <picket/packet.h>

enum { SERVED_TCP, SERVED_UDP, SERVED_SCTP, SERVED_PROTOCOLS };

struct served {
	uint32_t last_s[SERVED_PROTOCOLS][65536];
};

struct served *served_new(void)
{
	return calloc(1, sizeof(struct served));
}

void served_free(struct served *served)
{
	free(served);
}

static int row_of(uint8_t protocol)
{
	switch (protocol) {
	case PROTO_TCP: return SERVED_TCP;
	case PROTO_UDP: return SERVED_UDP;
	case PROTO_SCTP: return SERVED_SCTP;
	}
	return -1;
}

void served_note(struct served *served, uint8_t protocol, uint16_t port, int64_t now_ms)
{
	int row = row_of(protocol);

	if (row >= 0)
		served->last_s[row][port] = (uint32_t)(now_ms / 1000);
}

bool served_is(const struct served *served, uint8_t protocol, uint16_t port, int64_t now_ms)
{
	int row = row_of(protocol);

	return row >= 0 && served->last_s[row][port] > 0 && now_ms / 1000 - served->last_s[row][port] < SERVED_MEMORY_S;
}

bool served_next(const struct served *served, uint32_t *cursor, uint8_t *protocol, uint16_t *port, int64_t *last_ms)
{
	static const uint8_t protocols[SERVED_PROTOCOLS] = {
		[SERVED_TCP] = PROTO_TCP,
		[SERVED_UDP] = PROTO_UDP,
		[SERVED_SCTP] = PROTO_SCTP,
	};

	for (; *cursor < SERVED_PROTOCOLS * 65536; (*cursor)++) {
		uint32_t last_s = served->last_s[*cursor >> 16][*cursor & 0xffff];

		if (last_s == 0)
			continue;
		*protocol = protocols[*cursor >> 16];
		*port = (uint16_t)*cursor;
		*last_ms = (int64_t)last_s * 1000;
		(*cursor)++;
		return true;
	}
	return false;
}
