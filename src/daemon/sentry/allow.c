/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allow list in the kernel: what the engine holds, in as few transactions as the difference needs.
 */
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "internal.h"

#define ALLOW_CHUNK 4096 /* elements in one transaction */

static int compare_prefixes(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;
	int order = memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));

	return order ? order : (int)a->len - (int)b->len;
}

/* Those of one origin, or all (ALLOW_ORIGIN_COUNT), sorted. */
void sentry_allow_sort(struct sentry *sentry)
{
	qsort(sentry->allowed, sentry->allowed_count, sizeof(*sentry->allowed), compare_prefixes);
}

static size_t engine_allow_list(struct sentry *sentry, enum allow_origin origin, struct prefix *out, size_t max)
{
	struct allow_view page[WIRE_ALLOW_BATCH];
	uint32_t cursor = 0;
	size_t total = 0, count;

	do {
		cursor = engine_allows(sentry->engine, cursor, page, WIRE_ALLOW_BATCH, &count);
		for (size_t i = 0; i < count && total < max; i++)
			if (origin == ALLOW_ORIGIN_COUNT || page[i].origin == origin)
				out[total++] = page[i].source;
	} while (cursor != 0);
	qsort(out, total, sizeof(*out), compare_prefixes);
	return total;
}

static bool is_in(const struct prefix *item, const struct prefix *list, size_t count)
{
	return count && bsearch(item, list, count, sizeof(*list), compare_prefixes);
}

/* An allow frees the blocks it covers, some at a time. */
static void allow_configured(struct sentry *sentry, const struct prefix *item)
{
	do {
		engine_allow(sentry->engine, item, 0, ALLOW_CONFIG, sentry_now_ms(sentry), &sentry->actions);
		if (sentry->actions.count == 0)
			return;
		sentry_act(sentry);
	} while (true);
}

/* Only the difference: a reload of a long list beside many blocks must not hold up a packet. */
void sentry_allow_configure(struct sentry *sentry)
{
	struct prefix *had = calloc(ENGINE_ALLOW_MAX, sizeof(*had));
	struct prefix *next = sentry->next_allow;
	size_t count;

	if (!had)
		return;
	qsort(next, sentry->next_allow_count, sizeof(*next), compare_prefixes);
	count = engine_allow_list(sentry, ALLOW_CONFIG, had, ENGINE_ALLOW_MAX);
	for (size_t i = 0; i < count; i++)
		if (!is_in(&had[i], next, sentry->next_allow_count))
			engine_disallow(sentry->engine, &had[i]);
	for (size_t i = 0; i < sentry->next_allow_count; i++)
		if (!is_in(&next[i], had, count))
			allow_configured(sentry, &next[i]);
	free(had);
}

typedef int element_fn(struct nft *, const struct nft_element *, size_t);

/* Does `work` to the items of `some` that are not in `others` (both sorted). */
static int for_difference(struct sentry *sentry, element_fn *work, const struct prefix *some, size_t some_count,
			  const struct prefix *others, size_t other_count)
{
	struct nft_element *batch = calloc(ALLOW_CHUNK, sizeof(*batch));
	size_t filled = 0;
	int error = batch ? 0 : -ENOMEM;

	for (size_t i = 0; i < some_count && !error; i++) {
		if (is_in(&some[i], others, other_count))
			continue;
		batch[filled++] = (struct nft_element){ .list = NFT_ALLOW, .source = some[i] };
		if (filled == ALLOW_CHUNK) {
			error = work(sentry->nft, batch, filled);
			filled = 0;
		}
	}
	if (filled && !error)
		error = work(sentry->nft, batch, filled);
	free(batch);
	return error;
}

void sentry_allow_sync(struct sentry *sentry)
{
	struct prefix *wanted = calloc(ENGINE_ALLOW_MAX, sizeof(*wanted));
	struct engine_status status;
	size_t count;
	int error;

	if (!wanted)
		return;
	count = engine_allow_list(sentry, ALLOW_ORIGIN_COUNT, wanted, ENGINE_ALLOW_MAX);
	/* Adding first: nobody who stays allowed is without it for a moment. */
	error = for_difference(sentry, nft_add, wanted, count, sentry->allowed, sentry->allowed_count);
	if (!error)
		error = for_difference(sentry, nft_delete, sentry->allowed, sentry->allowed_count, wanted, count);
	if (error) {
		free(wanted);
		sentry_notice(sentry, EVENT_FAILED, "the kernel did not take the allow list: %s", strerror(-error));
		return;
	}
	free(sentry->allowed);
	sentry->allowed = wanted;
	sentry->allowed_count = count;
	engine_status(sentry->engine, &status);
	sentry->allow_entries = status.allow;
}
