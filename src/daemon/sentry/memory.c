/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory: what an earlier run knew comes from the keeper at the start; what this one knows goes to it every ten
 * minutes, a few
 * pages a turn so that no packet waits for it, and in one go at a stop, within a time limit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define ADOPT_BESIDE_MAX 20000 /* blocks from memory, up to which the kernel's are read as well */
#define SAVE_EVERY_MS    600000
#define PAGES_A_TICK     16
#define CUSTOMERS_MAX    65536 /* that are remembered over a restart */
#define BOOK_REST        12000 /* times as long as the reading took: 50 ms every ten minutes */
#define STOP_PATIENCE_MS 500   /* for the keeper to read on, at a stop */

/* ---- what was remembered ---- */

static void restore_blocks(struct sentry *sentry, const struct wire_blocks *page)
{
	struct nft_element elements[WIRE_BLOCK_BATCH];
	int64_t now_ms = sentry_now_ms(sentry);
	size_t count = 0;

	for (uint32_t i = 0; i < page->count && i < WIRE_BLOCK_BATCH; i++) {
		struct block_view view = page->items[i], *block = &view;

		if (engine_restore_block(sentry->engine, block, now_ms) != ENGINE_OK)
			continue;
		elements[count++] = (struct nft_element){
			.list = block->grade == GRADE_BLOCK ? NFT_SOFT : NFT_HARD,
			.source = block->source,
			.timeout_ms = block->until_ms ? block->until_ms - now_ms : 0,
		};
	}
	if (count == 0)
		return;
	sentry->restored += (uint32_t)count;
	if (nft_ensure(sentry->nft, elements, count) < 0)
		sentry->kernel_refused += count;
}

static void restore_sources(struct sentry *sentry, const struct wire_sources *page)
{
	for (uint32_t i = 0; i < page->count && i < WIRE_SOURCE_BATCH; i++)
		engine_restore_source(sentry->engine, &page->items[i], sentry_now_ms(sentry));
}

static void restore_served(struct sentry *sentry, const struct wire_served *page)
{
	for (uint32_t i = 0; i < page->count && i < WIRE_SERVED_BATCH; i++)
		engine_restore_served(sentry->engine, &page->items[i], sentry_now_ms(sentry));
}

static void restore_customers(struct sentry *sentry, const struct wire_customers *page)
{
	if (page->count <= WIRE_CUSTOMER_BATCH)
		nft_add_customers(sentry->nft, page->items, page->count);
}

/*
 * What stands in the kernel and memory does not know of (a crash within the last second, no memory at all) is taken
 * over too. A long
 * list takes the kernel seconds to tell (4.6 for 100,000); then what memory says has to do, and the rest ends by
 * itself.
 */
void sentry_ready(struct sentry *sentry)
{
	uint32_t adopted = 0;

	if (!sentry->ready_by_ms)
		return;
	sentry->ready_by_ms = 0;
	if (sentry->restored < ADOPT_BESIDE_MAX && sentry_load(sentry, true, &adopted) == 0 && adopted)
		sentry_notice(sentry, EVENT_NOTICE, "%u blocks found in the kernel carry on", adopted);
	wire_send(sentry->start->supervisor_fd, WIRE_READY, 0, &(struct wire_empty){ 0 });
}

void sentry_remembered(struct sentry *sentry, const struct wire_message *message)
{
	switch ((enum wire_type)message->header.type) {
	case WIRE_MEMORY_BLOCKS: restore_blocks(sentry, &message->body.blocks); break;
	case WIRE_MEMORY_SOURCES: restore_sources(sentry, &message->body.sources); break;
	case WIRE_MEMORY_SERVED: restore_served(sentry, &message->body.served); break;
	case WIRE_MEMORY_CUSTOMERS: restore_customers(sentry, &message->body.customers); break;
	case WIRE_MEMORY_END:
		if (sentry->restored)
			sentry_notice(sentry, EVENT_NOTICE, "%u blocks of an earlier run carry on", sentry->restored);
		sentry->next_save_ms = sentry_now_ms(sentry) + SAVE_EVERY_MS;
		sentry_ready(sentry);
		break;
	default: break;
	}
}

/* ---- what is to be remembered ---- */

static bool put(struct sentry *sentry, enum wire_type type, const void *body)
{
	return wire_send_patiently(sentry->start->keeper_fd, type, body,
				   sentry->saving_at_once ? STOP_PATIENCE_MS : 0) == 0;
}

static bool save_page(struct sentry *sentry, enum wire_type type, uint32_t *cursor)
{
	uint32_t next = sentry_page(sentry, type, *cursor);

	if (!put(sentry, type, &sentry->out.body))
		return false;
	*cursor = next;
	return true;
}

static bool save_blocks(struct sentry *sentry, uint32_t *cursor)
{
	return save_page(sentry, WIRE_MEMORY_BLOCKS, cursor);
}

static bool save_sources(struct sentry *sentry, uint32_t *cursor)
{
	return save_page(sentry, WIRE_MEMORY_SOURCES, cursor);
}

static bool save_served(struct sentry *sentry, uint32_t *cursor)
{
	return save_page(sentry, WIRE_MEMORY_SERVED, cursor);
}

/* The kernel's book is read once, when its turn comes, and then sent by pages. */
static bool save_customers(struct sentry *sentry, uint32_t *cursor)
{
	struct wire_customers *page = &sentry->out.body.customers;

	int64_t now_ms = sentry_now_ms(sentry);

	/* Large books take long to read, and packets wait meanwhile: then the last reading does. */
	if (*cursor == 0 &&
	    (now_ms >= sentry->next_book_ms || (sentry->saving_at_once && sentry->book_took_ms <= 1000))) {
		int count = nft_read_customers(sentry->nft, sentry->customers, CUSTOMERS_MAX);

		sentry->customer_count = count > 0 ? (uint32_t)count : 0;
		sentry->book_took_ms = sentry_now_ms(sentry) - now_ms;
		sentry->next_book_ms = now_ms + sentry->book_took_ms * BOOK_REST;
	}
	uint32_t left = sentry->customer_count - *cursor;

	memset(page, 0, sizeof(*page));
	page->count = left < WIRE_CUSTOMER_BATCH ? left : WIRE_CUSTOMER_BATCH;
	memcpy(page->items, sentry->customers + *cursor, page->count * sizeof(page->items[0]));
	if (!put(sentry, WIRE_MEMORY_CUSTOMERS, page))
		return false;
	*cursor = page->count < left ? *cursor + page->count : 0;
	return true;
}

static bool save_mark(struct sentry *sentry, uint32_t *cursor)
{
	const struct wire_empty nothing = { 0 };

	*cursor = 0;
	return put(sentry, sentry->save_part == 0 ? WIRE_MEMORY_BEGIN : WIRE_MEMORY_END, &nothing);
}

/* Each writes one page and moves the cursor on; 0 again: this part is done. False: the keeper does not read just
 * now. */
static bool (*const parts[])(struct sentry *, uint32_t *) = {
	save_mark, save_blocks, save_sources, save_served, save_customers, save_mark,
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* True when all is said. */
static bool save_pages(struct sentry *sentry, unsigned pages)
{
	while (pages-- > 0 && sentry->save_part < PARTS) {
		if (!parts[sentry->save_part](sentry, &sentry->save_cursor))
			return false;
		if (sentry->save_cursor == 0)
			sentry->save_part++;
	}
	return sentry->save_part == PARTS;
}

void sentry_memory_tick(struct sentry *sentry, int64_t now_ms)
{
	if (sentry->ready_by_ms && now_ms >= sentry->ready_by_ms)
		sentry_ready(sentry);
	if (!sentry->next_save_ms || now_ms < sentry->next_save_ms)
		return;
	if (!sentry->customers)
		sentry->customers = calloc(CUSTOMERS_MAX, sizeof(*sentry->customers));
	if (!sentry->customers || !save_pages(sentry, PAGES_A_TICK))
		return;
	sentry->save_part = 0;
	sentry->save_cursor = 0;
	sentry->next_save_ms = now_ms + SAVE_EVERY_MS;
}

void sentry_memory_stop(struct sentry *sentry)
{
	if (!sentry->next_save_ms) /* never got as far as to remember anything: what is on the disk is better */
		return;
	if (!sentry->customers)
		sentry->customers = calloc(CUSTOMERS_MAX, sizeof(*sentry->customers));
	if (!sentry->customers)
		return;
	sentry->saving_at_once = true;
	sentry->save_part = 0;
	sentry->save_cursor = 0;
	save_pages(sentry, UINT32_MAX);
}
