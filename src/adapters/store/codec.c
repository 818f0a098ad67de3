/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the database's columns do not hold of an event or a source, as bytes: fixed order, big-endian, beginning with a
 * format number, so that a row outlives compilers, machines and versions of picket.  One function walks the fields of
 * each shape, whether it packs or unpacks.
 *
 * A program that can write the file can write any bytes here, and the engine indexes tables by what comes out: lengths,
 * enums and ranges are checked, and a row with bytes left over is refused.
 */
#include "internal.h"

#include <string.h>

#include "reader.h"

/* A row of an older format is read by its own number; a newer one is passed over. */
#define EVENT_FORMAT  1
#define SOURCE_FORMAT 2 /* 1 had no families */

#define PIECE_LEN 10
#define OLDER_MAX (sizeof(((struct source_view *)0)->older) / sizeof(((struct source_view *)0)->older[0]))
/* No accumulator comes near it: 100,000 nats. */
#define SCORE_MAX_MN 100000000

_Static_assert(28 + EVENT_PIECES_MAX * PIECE_LEN + 1 + EVENT_TEXT_MAX <= STORE_PACKED_MAX, "an event fits");
_Static_assert(45 + EVENT_PIECES_MAX * PIECE_LEN + OLDER_MAX * 6 <= STORE_PACKED_MAX, "a source fits");

/* Each step below gives a field its next value: its own when packing, the one that was packed when unpacking. */
struct codec {
	uint8_t *out; /* NULL: unpacking */
	size_t len;
	struct reader in;
};

static uint8_t u8(struct codec *codec, uint8_t value)
{
	if (!codec->out)
		return reader_u8(&codec->in);
	codec->out[codec->len++] = value;
	return value;
}

static uint16_t be16(struct codec *codec, uint16_t value)
{
	uint8_t high = u8(codec, (uint8_t)(value >> 8)), low = u8(codec, (uint8_t)value);

	return (uint16_t)(high << 8 | low);
}

static uint32_t be32(struct codec *codec, uint32_t value)
{
	uint32_t high = be16(codec, (uint16_t)(value >> 16)), low = be16(codec, (uint16_t)value);

	return high << 16 | low;
}

static int64_t time_ms(struct codec *codec, int64_t value)
{
	uint64_t high = be32(codec, (uint32_t)((uint64_t)value >> 32)), low = be32(codec, (uint32_t)value);

	return (int64_t)(high << 32 | low);
}

static int32_t score(struct codec *codec, int32_t value)
{
	return (int32_t)be32(codec, (uint32_t)value);
}

static void format(struct codec *codec, uint8_t number)
{
	if (u8(codec, number) != number)
		codec->in.failed = true;
}

static void walk_pieces(struct codec *codec, struct evidence *pieces, uint8_t *count)
{
	*count = u8(codec, *count);
	if (*count > EVENT_PIECES_MAX) {
		codec->in.failed = true;
		return;
	}
	for (size_t i = 0; i < *count; i++) {
		pieces[i].at_s = be32(codec, pieces[i].at_s);
		pieces[i].port = be16(codec, pieces[i].port);
		pieces[i].host_tag = be16(codec, pieces[i].host_tag);
		pieces[i].weight = u8(codec, pieces[i].weight);
		pieces[i].kind = u8(codec, pieces[i].kind);
		if (pieces[i].kind >= EVIDENCE_KIND_COUNT)
			codec->in.failed = true;
	}
}

static void walk_text(struct codec *codec, char text[EVENT_TEXT_MAX])
{
	size_t len = u8(codec, (uint8_t)strnlen(text, EVENT_TEXT_MAX - 1));

	if (len >= EVENT_TEXT_MAX) {
		codec->in.failed = true;
		return;
	}
	for (size_t i = 0; i < len; i++)
		text[i] = (char)u8(codec, (uint8_t)text[i]);
	text[len] = '\0';
}

static void walk_event(struct codec *codec, struct event *event)
{
	format(codec, EVENT_FORMAT);
	event->confirmed_mn = score(codec, event->confirmed_mn);
	event->suspected_mn = score(codec, event->suspected_mn);
	event->threshold_mn = score(codec, event->threshold_mn);
	event->kinds = be32(codec, event->kinds);
	event->probes = be32(codec, event->probes);
	event->ports = be16(codec, event->ports);
	event->hosts = be16(codec, event->hosts);
	event->sources = be16(codec, event->sources);
	walk_pieces(codec, event->pieces, &event->piece_count);
	walk_text(codec, event->text);
}

static void walk_source(struct codec *codec, struct source_view *source)
{
	uint8_t number = u8(codec, SOURCE_FORMAT);

	if (number == 0 || number > SOURCE_FORMAT)
		codec->in.failed = true;
	source->grade = u8(codec, source->grade);
	source->tool = u8(codec, source->tool);
	source->times = u8(codec, source->times);
	source->confirmed_mn = score(codec, source->confirmed_mn);
	source->suspected_mn = score(codec, source->suspected_mn);
	source->fast_mn = score(codec, source->fast_mn);
	source->incident = be32(codec, source->incident);
	source->kinds = be32(codec, source->kinds);
	source->probes = be32(codec, source->probes);
	source->first_ms = time_ms(codec, source->first_ms);
	source->last_ms = time_ms(codec, source->last_ms);
	walk_pieces(codec, source->pieces, &source->piece_count);
	for (size_t i = 0; i < OLDER_MAX; i++) {
		source->older[i].kind = u8(codec, source->older[i].kind);
		source->older[i].count = u8(codec, source->older[i].count);
		source->older[i].weight_mn = score(codec, source->older[i].weight_mn);
	}
	if (number < 2)
		return;
	source->visited.now = be32(codec, source->visited.now);
	source->visited.before = be32(codec, source->visited.before);
	source->visited.since_s = be32(codec, source->visited.since_s);
	source->net = u8(codec, source->net);
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

size_t store_pack_event(const struct event *event, uint8_t out[STORE_PACKED_MAX])
{
	struct codec codec = { .out = out };
	struct event copy = *event;

	walk_event(&codec, &copy);
	return codec.len;
}

bool store_unpack_event(const void *data, size_t len, struct event *event)
{
	struct codec codec = { .in = reader_over(data, len) };

	walk_event(&codec, event);
	return !codec.in.failed && reader_left(&codec.in) == 0;
}

size_t store_pack_source(const struct source_view *source, uint8_t out[STORE_PACKED_MAX])
{
	struct codec codec = { .out = out };
	struct source_view copy = *source;

	walk_source(&codec, &copy);
	return codec.len;
}

bool store_unpack_source(const void *data, size_t len, struct source_view *source)
{
	struct codec codec = { .in = reader_over(data, len) };

	walk_source(&codec, source);
	return !codec.in.failed && reader_left(&codec.in) == 0 && source_is_sane(source);
}
