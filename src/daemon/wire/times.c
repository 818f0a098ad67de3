/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Times between a process whose clock never jumps and one that reads the clock on the wall.  The sentry counts on from
 * the time of its start, so that nothing ages by a jump; a host without a battery learns the time only when it has been
 * running for a while, and what the keeper shows and saves must be true then as well.
 */
#include "wire.h"

#include "clamp.h"

/* 0 says that there is no such time: it stays, and no other becomes it. */
static void shift_ms(int64_t *at_ms, int64_t by_ms)
{
	int64_t shifted = clamped_sum(*at_ms, by_ms);

	if (*at_ms > 0)
		*at_ms = shifted > 0 ? shifted : 1;
}

static uint32_t shifted_s(uint32_t at_s, int64_t by_ms)
{
	int64_t shifted = at_s + by_ms / 1000;

	if (at_s == 0)
		return 0;
	return shifted < 1 ? 1 : shifted > UINT32_MAX ? UINT32_MAX : (uint32_t)shifted;
}

static void shift_pieces(struct evidence *pieces, int64_t by_ms)
{
	for (int i = 0; i < EVENT_PIECES_MAX; i++)
		pieces[i].at_s = shifted_s(pieces[i].at_s, by_ms);
}

static void shift_block(struct block_view *block, int64_t by_ms)
{
	shift_ms(&block->since_ms, by_ms);
	shift_ms(&block->until_ms, by_ms);
}

static void shift_source(struct source_view *source, int64_t by_ms)
{
	shift_ms(&source->first_ms, by_ms);
	shift_ms(&source->last_ms, by_ms);
	shift_ms(&source->at_ms, by_ms);
	source->visited.since_s = shifted_s(source->visited.since_s, by_ms);
	shift_pieces(source->pieces, by_ms);
}

static void shift_status(struct wire_status *status, int64_t by_ms)
{
	shift_ms(&status->started_ms, by_ms);
	shift_ms(&status->now_ms, by_ms);
	shift_ms(&status->paused_until_ms, by_ms);
}

static uint32_t least(uint32_t count, uint32_t max)
{
	return count < max ? count : max;
}

void wire_shift_times(struct wire_message *message, int64_t by_ms)
{
	switch ((enum wire_type)message->header.type) {
	case WIRE_EVENT:
		shift_ms(&message->body.event.at_ms, by_ms);
		shift_pieces(message->body.event.pieces, by_ms);
		break;
	case WIRE_STATUS: shift_status(&message->body.status, by_ms); break;
	case WIRE_BLOCKS:
	case WIRE_SAVED_BLOCKS:
		for (uint32_t i = 0; i < least(message->body.blocks.count, WIRE_BLOCK_BATCH); i++)
			shift_block(&message->body.blocks.items[i], by_ms);
		break;
	case WIRE_SOURCES:
	case WIRE_SAVED_SOURCES:
		for (uint32_t i = 0; i < least(message->body.sources.count, WIRE_SOURCE_BATCH); i++)
			shift_source(&message->body.sources.items[i], by_ms);
		break;
	case WIRE_ALLOWS:
		for (uint32_t i = 0; i < least(message->body.allows.count, WIRE_ALLOW_BATCH); i++)
			shift_ms(&message->body.allows.items[i].until_ms, by_ms);
		break;
	case WIRE_SAVED_SERVED:
		for (uint32_t i = 0; i < least(message->body.served.count, WIRE_SERVED_BATCH); i++)
			shift_ms(&message->body.served.items[i].last_ms, by_ms);
		break;
	case WIRE_EXPLAIN:
		shift_source(&message->body.explain.source, by_ms);
		shift_block(&message->body.explain.block, by_ms);
		shift_ms(&message->body.explain.exempt_until_ms, by_ms);
		break;
	default: break;
	}
}
