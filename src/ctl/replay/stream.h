/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A capture as a stream of parsed packets in the order of their times.  Nothing of the file is kept but what waits in
 * the reorder window.
 */
#ifndef PICKET_REPLAY_STREAM_H
#define PICKET_REPLAY_STREAM_H

#include <picket/packet.h>

#define REPLAY_WINDOW      65536 /* packets that wait for earlier ones in a file that is out of order */
#define REPLAY_PAYLOAD_MAX 64    /* what a trap would look at */

struct replay_packet {
	struct packet packet;
	int64_t at_ms;
	uint64_t number; /* in the file, from 1 */
	uint8_t result;  /* enum packet_result */
	bool ip, group;
	uint8_t payload_have;
	uint8_t payload[REPLAY_PAYLOAD_MAX];
};

struct replay_stream;

/* reorder: sort by time within the window.  NULL: *error says why. */
struct replay_stream *replay_stream_open(const char *path, bool verify, bool reorder, const char **error);
void replay_stream_close(struct replay_stream *stream);
/* 1: a packet (also one that is not IP or not parsed: look at ip and result), 0: the end, -1: the file is damaged from
 * here on, what was read before has been handed out, and *error says what is wrong. */
int replay_stream_next(struct replay_stream *stream, struct replay_packet *out, const char **error);
/* Packets older than the one before them in the file, so far. */
uint64_t replay_stream_backwards(const struct replay_stream *stream);
/* Percent of the file; -1 where it can't be told. */
int replay_stream_percent(const struct replay_stream *stream);

#endif
