/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Save and restore: what an earlier run knew comes from the keeper at the start; what this one knows goes to it every
 * ten minutes, a few pages in each turn so that no packet waits for it, and at a stop in one go, within a time limit.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "internal.h"

#define TAKE_OVER_MAX    20000 /* restored blocks, up to which those in the kernel are read as well */
#define SAVE_EVERY_MS    600000
#define SAVE_SOON_MS     1000  /* where the keeper's file lacks what stands */
#define SAVE_AGAIN_MS    15000 /* where it lacks that after a save as well: the disk may be full */
#define PAGES_A_TICK     16
#define LEARNED_MAX      131072 /* that are saved */
#define LEARNED_REST     100    /* times as long as reading them took */
#define LEARNED_EVERY_MS 2000   /* at the least: what a table that is removed takes along is put back from here */
#define STOP_PATIENCE_MS 500    /* for the keeper to read on, at a stop and when the start is over */

/* ---- restore ---- */

_Static_assert(WIRE_BLOCK_BATCH <= ENFORCER_PAGE, "a page of blocks is restored in one call");

static void restore_blocks(struct sentry *sentry, const struct wire_blocks *page)
{
	struct block_view taken[WIRE_BLOCK_BATCH];
	size_t count = 0;

	for (uint32_t i = 0; i < page->count && i < WIRE_BLOCK_BATCH; i++) {
		taken[count] = page->items[i];
		if (engine_restore_block(sentry->engine, &taken[count], sentry->now_ms) == ENGINE_OK)
			count++;
	}
	sentry->restored += (uint32_t)count;
	if (enforcer_restore(sentry->enforcer, taken, count, sentry->now_ms) < 0)
		return; /* counted and tried again there; not told a thousand times for a thousand pages */
}

/* What the page has no valid count for is left out. */
static void restore_others(struct sentry *sentry, const struct wire_message *message)
{
	const struct wire_sources *sources = &message->body.sources;
	const struct wire_served *served = &message->body.served;
	const struct wire_learned *learned = &message->body.learned;

	switch ((enum wire_type)message->header.type) {
	case WIRE_SAVED_SOURCES:
		for (uint32_t i = 0; i < sources->count && i < WIRE_SOURCE_BATCH; i++)
			engine_restore_source(sentry->engine, &sources->items[i], sentry->now_ms);
		break;
	case WIRE_SAVED_SERVED:
		for (uint32_t i = 0; i < served->count && i < WIRE_SERVED_BATCH; i++)
			engine_restore_served(sentry->engine, &served->items[i], sentry->now_ms);
		/* At once, so that no trap answers for a service that was stopped: the last page has room left. */
		sentry->lately_told = false;
		if (served->count < WIRE_SERVED_BATCH)
			sentry_world_lately(sentry);
		break;
	default:
		if (learned->count <= WIRE_LEARNED_BATCH &&
		    enforcer_add_learned(sentry->enforcer, learned->items, learned->count) < 0)
			return; /* it is learned anew with the next visit */
		break;
	}
}

/*
 * What stands in the kernel and was not restored (after a crash within the last second, or without anything to restore
 * at all) is taken over too.  The kernel takes seconds to tell a long list (4.6 for 100,000); then what was restored
 * has to do, and the rest ends by itself.
 */
static void ready(struct sentry *sentry)
{
	int taken = 0;

	if (!sentry->ready_by_ms)
		return;
	sentry->ready_by_ms = 0;
	if (sentry->restored < TAKE_OVER_MAX)
		taken = enforcer_take_over_blocks(sentry->enforcer, sentry->now_ms);
	if (taken > 0) {
		sentry_notice(sentry, EVENT_NOTICE, "%u veils, bans and blocks found in the kernel carry on",
			      (unsigned)taken);
		/* Whatever the file says of its last use. */
		if (wire_send_patiently(sentry->start->keeper_fd, WIRE_KEEPS_BLOCKS, &(struct wire_flag){ 0 },
					STOP_PATIENCE_MS) < 0)
			sentry->next_save_ms = sentry->now_ms + SAVE_SOON_MS;
	}
	wire_send(sentry->start->supervisor_fd, WIRE_READY, 0, &(struct wire_empty){ 0 });
}

void sentry_restore(struct sentry *sentry, const struct wire_message *message)
{
	switch ((enum wire_type)message->header.type) {
	case WIRE_SAVED_BLOCKS: restore_blocks(sentry, &message->body.blocks); break;
	case WIRE_SAVED_END:
		if (sentry->restored)
			sentry_notice(sentry, EVENT_NOTICE, "%u veils, bans and blocks of an earlier run carry on",
				      sentry->restored);
		sentry->next_save_ms = sentry->now_ms + (sentry->keeper_keeps_blocks ? SAVE_EVERY_MS : SAVE_SOON_MS);
		sentry_world_lately(sentry); /* before a trap answers for what was served until the stop */
		ready(sentry);
		break;
	default: restore_others(sentry, message); break;
	}
}

/* ---- save ---- */

/* Packets wait while it is read: a list that takes long is read seldom. */
static void read_learned(struct sentry *sentry)
{
	int64_t began_ms = clock_ms(CLOCK_MONOTONIC), rest_ms;
	int count;

	if (!sentry->learned)
		sentry->learned = calloc(LEARNED_MAX, sizeof(*sentry->learned));
	if (!sentry->learned)
		return;
	count = enforcer_read_learned(sentry->enforcer, sentry->learned, LEARNED_MAX);
	if (count >= 0)
		sentry->learned_count = (uint32_t)count;
	sentry_world_published(sentry);
	sentry->learned_read_took_ms = clock_ms(CLOCK_MONOTONIC) - began_ms;
	rest_ms = sentry->learned_read_took_ms * LEARNED_REST;
	sentry->next_learned_read_ms = sentry->now_ms + (rest_ms > LEARNED_EVERY_MS ? rest_ms : LEARNED_EVERY_MS);
}

void sentry_save_learned_tick(struct sentry *sentry)
{
	if (!sentry->ready_by_ms && sentry->now_ms >= sentry->next_learned_read_ms)
		read_learned(sentry);
}

void sentry_put_learned_back(struct sentry *sentry)
{
	for (uint32_t done = 0; done < sentry->learned_count; done += WIRE_LEARNED_BATCH) {
		uint32_t left = sentry->learned_count - done;

		if (enforcer_add_learned(sentry->enforcer, sentry->learned + done,
					 left < WIRE_LEARNED_BATCH ? left : WIRE_LEARNED_BATCH) < 0)
			return; /* it is learned anew with the next visit */
	}
}

static uint32_t learned_page(struct sentry *sentry, uint32_t cursor)
{
	struct wire_learned *page = &sentry->out.body.learned;
	uint32_t left;

	if (cursor == 0 && (!sentry->learned || (sentry->saving_at_once && sentry->learned_read_took_ms <= 1000)))
		read_learned(sentry);
	left = sentry->learned_count > cursor ? sentry->learned_count - cursor : 0;
	/* Whom this host asked is past soon: it is saved at a stop alone. */
	if (!sentry->saving_at_once && left > 0 && sentry->learned[cursor].kind == NFT_LEARNED_ASKED)
		left = 0;
	memset(page, 0, sizeof(*page));
	page->count = left < WIRE_LEARNED_BATCH ? left : WIRE_LEARNED_BATCH;
	if (page->count > 0)
		memcpy(page->items, sentry->learned + cursor, page->count * sizeof(page->items[0]));
	return page->count < left ? cursor + page->count : 0;
}

static const enum wire_type parts[] = {
	WIRE_SAVED_BEGIN, WIRE_SAVED_BLOCKS, WIRE_SAVED_SOURCES, WIRE_SAVED_SERVED, WIRE_SAVED_LEARNED, WIRE_SAVED_END,
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* Sends the next page of the part under way.  False: the keeper does not read just now. */
static bool save_page(struct sentry *sentry)
{
	enum wire_type type = parts[sentry->save_part];
	uint32_t next;

	if (type == WIRE_SAVED_BLOCKS && sentry->save_cursor == 0 && sentry->keeper_keeps_blocks) {
		sentry->save_part++;
		return true;
	}
	next = type == WIRE_SAVED_LEARNED ? learned_page(sentry, sentry->save_cursor)
					  : sentry_page(sentry, type, sentry->save_cursor);
	if (wire_send_patiently(sentry->start->keeper_fd, type, &sentry->out.body,
				sentry->saving_at_once ? STOP_PATIENCE_MS : 0) < 0)
		return false;
	sentry->save_cursor = next;
	sentry->save_part += next == 0;
	return true;
}

/* True when all parts are sent. */
static bool save_pages(struct sentry *sentry, unsigned pages)
{
	while (pages-- > 0 && sentry->save_part < PARTS)
		if (!save_page(sentry))
			return false;
	return sentry->save_part == PARTS;
}

static void begin_save(struct sentry *sentry)
{
	sentry->save_part = 0;
	sentry->save_cursor = 0;
}

void sentry_save_tick(struct sentry *sentry)
{
	if (sentry->ready_by_ms && sentry->now_ms >= sentry->ready_by_ms)
		ready(sentry);
	if (!sentry->next_save_ms || sentry->now_ms < sentry->next_save_ms)
		return;
	if (!save_pages(sentry, PAGES_A_TICK))
		return;
	begin_save(sentry);
	sentry->next_save_ms = sentry->now_ms + (sentry->keeper_keeps_blocks ? SAVE_EVERY_MS : SAVE_AGAIN_MS);
}

/* After a crash or in a new file what stands is in the kernel alone, and would go with its table. */
void sentry_save_keeps_blocks(struct sentry *sentry, bool keeps)
{
	sentry->keeper_keeps_blocks = keeps;
	if (sentry->next_save_ms && sentry->save_part == 0)
		sentry->next_save_ms = sentry->now_ms + (keeps ? SAVE_EVERY_MS : SAVE_SOON_MS);
}

void sentry_save_at_once(struct sentry *sentry)
{
	/* Before all is restored, what is on the disk is better. */
	if (!sentry->next_save_ms)
		return;
	begin_save(sentry);
	sentry_world_published(sentry);
	sentry->saving_at_once = true;
	save_pages(sentry, UINT32_MAX);
}
