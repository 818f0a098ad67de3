/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's tables by pages, for who asks and for memory: one bounded page a turn, so that no answer holds up a
 * packet.
 */
#include <stddef.h>
#include <string.h>

#include "internal.h"

/* Every page begins with `next` and `count`. */
_Static_assert(offsetof(struct wire_blocks, count) == offsetof(struct wire_sources, count) &&
		       offsetof(struct wire_blocks, count) == offsetof(struct wire_allows, count) &&
		       offsetof(struct wire_blocks, count) == offsetof(struct wire_protects, count) &&
		       offsetof(struct wire_blocks, count) == offsetof(struct wire_served, count),
	       "pages begin alike");

static uint32_t read_blocks(struct sentry *sentry, uint32_t cursor, size_t *count)
{
	return engine_blocks(sentry->engine, cursor, sentry->out.body.blocks.items, WIRE_BLOCK_BATCH, count);
}

static uint32_t read_sources(struct sentry *sentry, uint32_t cursor, size_t *count)
{
	return engine_sources(sentry->engine, cursor, sentry_now_ms(sentry), sentry->out.body.sources.items,
			      WIRE_SOURCE_BATCH, count);
}

static uint32_t read_allows(struct sentry *sentry, uint32_t cursor, size_t *count)
{
	return engine_allows(sentry->engine, cursor, sentry->out.body.allows.items, WIRE_ALLOW_BATCH, count);
}

static uint32_t read_protects(struct sentry *sentry, uint32_t cursor, size_t *count)
{
	return engine_protects(sentry->engine, cursor, sentry->out.body.protects.items, WIRE_PROTECT_BATCH, count);
}

static uint32_t read_services(struct sentry *sentry, uint32_t cursor, size_t *count)
{
	return engine_services(sentry->engine, cursor, sentry->out.body.served.items, WIRE_SERVED_BATCH, count);
}

static const struct {
	enum wire_type type; /* of the message that carries the page */
	uint32_t (*read)(struct sentry *, uint32_t cursor, size_t *count);
} pages[] = {
	{ WIRE_BLOCKS, read_blocks },          { WIRE_SOURCES, read_sources },
	{ WIRE_ALLOWS, read_allows },          { WIRE_PROTECTS, read_protects },
	{ WIRE_MEMORY_BLOCKS, read_blocks },   { WIRE_MEMORY_SOURCES, read_sources },
	{ WIRE_MEMORY_SERVED, read_services },
};

uint32_t sentry_page(struct sentry *sentry, enum wire_type type, uint32_t cursor)
{
	struct wire_blocks *page = &sentry->out.body.blocks;
	size_t count = 0;

	memset(page, 0, wire_body_len(type));
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (pages[i].type == type)
			page->next = pages[i].read(sentry, cursor, &count);
	page->count = (uint32_t)count;
	return page->next;
}
