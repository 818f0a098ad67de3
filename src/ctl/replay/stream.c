/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stream: reads, parses, and puts packets into the order of their times with a heap of bounded size.  Captures made
 * on several queues or put together from others are not in order (some run backwards), while the engine's time must
 * never run back.  Memory is the window, whatever the file's length.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "heap.h"

struct replay_stream {
	struct capture *capture;
	struct heap *order; /* of the packets in the window; NULL: hand out in the file's own order */
	struct replay_packet *window;
	uint32_t *free; /* places in the window */
	uint32_t free_count;
	uint64_t number, backwards;
	int64_t last_ms;
	int end; /* what the file said at its end: 0 or -1; 1 before */
	char problem[REPLAY_PROBLEM_MAX];
	bool verify;
};

/* ---- the window: the earliest leaves it first, in the file's order among equals ---- */

/* Where the next packet is read to, before it is added. */
static struct replay_packet *window_place(struct replay_stream *stream)
{
	return &stream->window[stream->free[stream->free_count - 1]];
}

static void window_add(struct replay_stream *stream)
{
	uint32_t slot = stream->free[--stream->free_count];

	heap_add(stream->order, slot, stream->window[slot].at_ms);
}

/* False when it is empty. */
static bool window_take(struct replay_stream *stream, struct replay_packet *out)
{
	uint32_t slot = stream->order ? heap_first(stream->order, NULL) : HEAP_NONE;

	if (slot == HEAP_NONE)
		return false;
	*out = stream->window[slot];
	heap_remove(stream->order, slot);
	stream->free[stream->free_count++] = slot;
	return true;
}

static int window_open(struct replay_stream *stream)
{
	stream->window = calloc(REPLAY_WINDOW, sizeof(*stream->window));
	stream->free = calloc(REPLAY_WINDOW, sizeof(*stream->free));
	stream->order = heap_new(REPLAY_WINDOW);
	if (!stream->window || !stream->free || !stream->order)
		return -1;
	while (stream->free_count < REPLAY_WINDOW) {
		stream->free[stream->free_count] = REPLAY_WINDOW - 1 - stream->free_count;
		stream->free_count++;
	}
	return 0;
}

struct replay_stream *replay_stream_open(const char *path, bool verify, bool reorder, char problem[REPLAY_PROBLEM_MAX])
{
	struct replay_stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		snprintf(problem, REPLAY_PROBLEM_MAX, "out of memory");
		return NULL;
	}
	stream->verify = verify;
	stream->end = 1;
	stream->capture = capture_open(path, problem);
	if (!stream->capture)
		goto fail;
	if (reorder && window_open(stream) != 0) {
		snprintf(problem, REPLAY_PROBLEM_MAX, "out of memory");
		goto fail;
	}
	return stream;
fail:
	replay_stream_close(stream);
	return NULL;
}

void replay_stream_close(struct replay_stream *stream)
{
	if (!stream)
		return;
	capture_close(stream->capture);
	heap_free(stream->order);
	free(stream->window);
	free(stream->free);
	free(stream);
}

/* The beginning of a TCP payload: it ends where the IP packet does. */
static void copy_payload(const struct capture_packet *raw, struct replay_packet *out)
{
	size_t total, start, end;

	if (out->packet.protocol != PROTO_TCP || !out->packet.payload_len)
		return;
	/* the parser has seen a whole IP header */
	if (raw->data[0] >> 4 == 4)
		total = (size_t)raw->data[2] << 8 | raw->data[3];
	else
		total = 40 + ((size_t)raw->data[4] << 8 | raw->data[5]);
	if (total < out->packet.payload_len)
		return;
	start = total - out->packet.payload_len;
	end = raw->copied < total ? raw->copied : total;
	if (start >= end)
		return;
	out->payload_have = (uint8_t)(end - start < REPLAY_PAYLOAD_MAX ? end - start : REPLAY_PAYLOAD_MAX);
	memcpy(out->payload, raw->data + start, out->payload_have);
}

static int read_one(struct replay_stream *stream, struct replay_packet *out)
{
	struct capture_packet raw;
	int got = capture_next(stream->capture, &raw, stream->problem);

	if (got != 1)
		return got;
	*out = (struct replay_packet){
		.at_ms = raw.at_ms,
		.number = ++stream->number,
		.ip = raw.data != NULL,
		.group = raw.group,
	};
	stream->backwards += stream->number > 1 && raw.at_ms < stream->last_ms;
	stream->last_ms = raw.at_ms;
	if (!raw.data)
		return 1;
	out->result = (uint8_t)packet_parse(raw.data, raw.copied, stream->verify, &out->packet);
	if (out->result == PACKET_OK)
		copy_payload(&raw, out);
	return 1;
}

int replay_stream_next(struct replay_stream *stream, struct replay_packet *out, char problem[REPLAY_PROBLEM_MAX])
{
	while (stream->end == 1 && (!stream->order || stream->free_count > 0)) {
		stream->end = read_one(stream, stream->order ? window_place(stream) : out);
		if (stream->end == 1 && !stream->order)
			return 1;
		if (stream->end == 1)
			window_add(stream);
	}
	if (window_take(stream, out))
		return 1;
	if (stream->end < 0)
		memcpy(problem, stream->problem, REPLAY_PROBLEM_MAX);
	return stream->end;
}

uint64_t replay_stream_backwards(const struct replay_stream *stream)
{
	return stream->backwards;
}

int replay_stream_percent(const struct replay_stream *stream)
{
	uint64_t done, total;

	capture_progress(stream->capture, &done, &total);
	if (!total)
		return -1;
	return done >= total ? 100 : (int)(done * 100 / total);
}
