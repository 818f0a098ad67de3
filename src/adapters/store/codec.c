/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packing and unpacking of rows.  Whoever can write the file can write any bytes here, and the engine indexes
 * tables by what comes out: nothing leaves this file unchecked.
 */
#include "codec.h"

#include <string.h>

#include "reader.h"

/* A row of an older format is read by its own number; a newer one is passed over. */
#define EVENT_FORMAT  1
#define SOURCE_FORMAT 1

#define PIECE_LEN 10
#define OLDER_MAX (sizeof(((struct source_view *)0)->older) / sizeof(((struct source_view *)0)->older[0]))
/* No accumulator comes near it: 100,000 nats. */
#define SCORE_MAX_MN 100000000

_Static_assert(28 + EVENT_PIECES_MAX * PIECE_LEN + 1 + EVENT_TEXT_MAX <= STORE_PACKED_MAX, "an event fits");
_Static_assert(45 + EVENT_PIECES_MAX * PIECE_LEN + OLDER_MAX * 6 <= STORE_PACKED_MAX, "a source fits");

static uint8_t *put_u8(uint8_t *at, unsigned value)
{
	*at = (uint8_t)value;
	return at + 1;
}

static uint8_t *put_be16(uint8_t *at, unsigned value)
{
	return put_u8(put_u8(at, value >> 8 & 0xff), value & 0xff);
}

static uint8_t *put_be32(uint8_t *at, uint32_t value)
{
	return put_be16(put_be16(at, value >> 16), value & 0xffff);
}

static uint8_t *put_be64(uint8_t *at, int64_t value)
{
	return put_be32(put_be32(at, (uint32_t)((uint64_t)value >> 32)), (uint32_t)value);
}

static int64_t read_be64(struct reader *r)
{
	uint64_t high = reader_be32(r);

	return (int64_t)(high << 32 | reader_be32(r));
}

static uint8_t *put_pieces(uint8_t *at, const struct evidence *pieces, size_t count)
{
	at = put_u8(at, (unsigned)count);
	for (size_t i = 0; i < count; i++) {
		at = put_be32(at, pieces[i].at_s);
		at = put_be16(at, pieces[i].port);
		at = put_be16(at, pieces[i].host_tag);
		at = put_u8(at, pieces[i].weight);
		at = put_u8(at, pieces[i].kind);
	}
	return at;
}

static bool read_pieces(struct reader *r, struct evidence *pieces, uint8_t *count)
{
	*count = reader_u8(r);
	if (*count > EVENT_PIECES_MAX)
		return false;
	for (size_t i = 0; i < *count; i++) {
		pieces[i].at_s = reader_be32(r);
		pieces[i].port = reader_be16(r);
		pieces[i].host_tag = reader_be16(r);
		pieces[i].weight = reader_u8(r);
		pieces[i].kind = reader_u8(r);
		if (pieces[i].kind >= EVIDENCE_KIND_COUNT)
			return false;
	}
	return true;
}

size_t store_pack_event(const struct event *event, uint8_t out[STORE_PACKED_MAX])
{
	size_t text_len = strnlen(event->text, sizeof(event->text));
	uint8_t *at = put_u8(out, EVENT_FORMAT);

	at = put_be32(at, (uint32_t)event->confirmed_mn);
	at = put_be32(at, (uint32_t)event->suspected_mn);
	at = put_be32(at, (uint32_t)event->threshold_mn);
	at = put_be32(at, event->kinds);
	at = put_be32(at, event->probes);
	at = put_be16(at, event->ports);
	at = put_be16(at, event->hosts);
	at = put_be16(at, event->sources);
	at = put_pieces(at, event->pieces, event->piece_count);
	at = put_u8(at, (unsigned)text_len);
	memcpy(at, event->text, text_len);
	return (size_t)(at - out) + text_len;
}

bool store_unpack_event(const void *data, size_t len, struct event *event)
{
	struct reader r = reader_over(data, len);
	size_t text_len;

	if (reader_u8(&r) != EVENT_FORMAT)
		return false;
	event->confirmed_mn = (int32_t)reader_be32(&r);
	event->suspected_mn = (int32_t)reader_be32(&r);
	event->threshold_mn = (int32_t)reader_be32(&r);
	event->kinds = reader_be32(&r);
	event->probes = reader_be32(&r);
	event->ports = reader_be16(&r);
	event->hosts = reader_be16(&r);
	event->sources = reader_be16(&r);
	if (!read_pieces(&r, event->pieces, &event->piece_count))
		return false;
	text_len = reader_u8(&r);
	if (text_len >= sizeof(event->text))
		return false;
	reader_bytes(&r, event->text, text_len);
	event->text[text_len] = '\0';
	return !r.failed && reader_left(&r) == 0;
}

size_t store_pack_source(const struct source_view *source, uint8_t out[STORE_PACKED_MAX])
{
	uint8_t *at = put_u8(out, SOURCE_FORMAT);

	at = put_u8(at, source->grade);
	at = put_u8(at, source->tool);
	at = put_u8(at, source->times);
	at = put_be32(at, (uint32_t)source->confirmed_mn);
	at = put_be32(at, (uint32_t)source->suspected_mn);
	at = put_be32(at, (uint32_t)source->fast_mn);
	at = put_be32(at, source->incident);
	at = put_be32(at, source->kinds);
	at = put_be32(at, source->probes);
	at = put_be64(at, source->first_ms);
	at = put_be64(at, source->last_ms);
	at = put_pieces(at, source->pieces, source->piece_count);
	for (size_t i = 0; i < OLDER_MAX; i++) {
		at = put_u8(at, source->older[i].kind);
		at = put_u8(at, source->older[i].count);
		at = put_be32(at, (uint32_t)source->older[i].weight_mn);
	}
	return (size_t)(at - out);
}

static bool score_is_sane(int32_t mn)
{
	return mn >= 0 && mn <= SCORE_MAX_MN;
}

static bool source_is_sane(const struct source_view *source)
{
	if (source->grade < GRADE_WATCH || source->grade > GRADE_BAN || source->tool >= TOOL_COUNT ||
	    source->kinds >> EVIDENCE_KIND_COUNT || source->first_ms < 0 || source->last_ms < source->first_ms)
		return false;
	for (size_t i = 0; i < OLDER_MAX; i++)
		if (source->older[i].kind >= EVIDENCE_KIND_COUNT || !score_is_sane(source->older[i].weight_mn))
			return false;
	return score_is_sane(source->confirmed_mn) && score_is_sane(source->suspected_mn) &&
	       score_is_sane(source->fast_mn);
}

bool store_unpack_source(const void *data, size_t len, struct source_view *source)
{
	struct reader r = reader_over(data, len);

	if (reader_u8(&r) != SOURCE_FORMAT)
		return false;
	source->grade = reader_u8(&r);
	source->tool = reader_u8(&r);
	source->times = reader_u8(&r);
	source->confirmed_mn = (int32_t)reader_be32(&r);
	source->suspected_mn = (int32_t)reader_be32(&r);
	source->fast_mn = (int32_t)reader_be32(&r);
	source->incident = reader_be32(&r);
	source->kinds = reader_be32(&r);
	source->probes = reader_be32(&r);
	source->first_ms = read_be64(&r);
	source->last_ms = read_be64(&r);
	if (!read_pieces(&r, source->pieces, &source->piece_count))
		return false;
	for (size_t i = 0; i < OLDER_MAX; i++) {
		source->older[i].kind = reader_u8(&r);
		source->older[i].count = reader_u8(&r);
		source->older[i].weight_mn = (int32_t)reader_be32(&r);
	}
	return !r.failed && reader_left(&r) == 0 && source_is_sane(source);
}
