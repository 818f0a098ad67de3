/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allow list in the kernel: what the engine holds, in as few transactions as the difference needs.
 */
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "sentry_room.h"

#define ALLOW_CHUNK 4096        /* elements in one transaction */

static int compare_prefixes(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;
	int order = memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));

	return order ? order : (int)a->len - (int)b->len;
}

static size_t engine_allow_list(struct sentry *sentry, struct prefix *out, size_t max)
{
	struct allow_view page[WIRE_ALLOW_BATCH];
	uint32_t cursor = 0;
	size_t total = 0, count;

	do {
		cursor = engine_allows(sentry->engine, cursor, page, WIRE_ALLOW_BATCH, &count);
		for (size_t i = 0; i < count && total < max; i++)
			out[total++] = page[i].source;
	} while (cursor != 0);
	return total;
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
		if (other_count && bsearch(&some[i], others, other_count, sizeof(*others), compare_prefixes))
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
	count = engine_allow_list(sentry, wanted, ENGINE_ALLOW_MAX);
	qsort(wanted, count, sizeof(*wanted), compare_prefixes);
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

