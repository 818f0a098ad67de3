/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stream: reads, parses, and puts packets into the order of their times with a heap of bounded size.  Captures made
 * on several queues or put together from others are not in order (some run backwards), while the engine's time must
 * never run back.  Memory is the window, whatever the file's length.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

struct replay_stream {
	struct capture *capture;
	struct replay_packet *heap; /* NULL: hand out in the file's own order */
	size_t waiting;
	uint64_t number, backwards;
	int64_t last_ms;
	int end; /* what the file said at its end: 0 or -1; 1 before */
	char problem[REPLAY_PROBLEM_MAX];
	bool verify;
};

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
	if (reorder) {
		stream->heap = calloc(REPLAY_WINDOW, sizeof(*stream->heap));
		if (!stream->heap) {
			snprintf(problem, REPLAY_PROBLEM_MAX, "out of memory");
			goto fail;
		}
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
	free(stream->heap);
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

/* ---- the heap: earliest first, the file's order among equals ---- */

static bool earlier(const struct replay_packet *a, const struct replay_packet *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

static void heap_push(struct replay_stream *stream, const struct replay_packet *packet)
{
	size_t at = stream->waiting++;

	for (; at > 0 && earlier(packet, &stream->heap[(at - 1) / 2]); at = (at - 1) / 2)
		stream->heap[at] = stream->heap[(at - 1) / 2];
	stream->heap[at] = *packet;
}

static void heap_pop(struct replay_stream *stream, struct replay_packet *out)
{
	struct replay_packet *heap = stream->heap, *last = &heap[--stream->waiting];
	size_t at = 0, child;

	*out = heap[0];
	while ((child = 2 * at + 1) < stream->waiting) {
		if (child + 1 < stream->waiting && earlier(&heap[child + 1], &heap[child]))
			child++;
		if (!earlier(&heap[child], last))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = *last;
}

int replay_stream_next(struct replay_stream *stream, struct replay_packet *out, char problem[REPLAY_PROBLEM_MAX])
{
	struct replay_packet packet;

	while (stream->end == 1 && stream->waiting < REPLAY_WINDOW) {
		stream->end = read_one(stream, stream->heap ? &packet : out);
		if (stream->end == 1 && !stream->heap)
			return 1;
		if (stream->end == 1)
			heap_push(stream, &packet);
	}
	if (stream->waiting) {
		heap_pop(stream, out);
		return 1;
	}
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
