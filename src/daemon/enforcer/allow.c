/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allow list in the kernel: a mirror of what the engine holds, brought up to date in as few transactions as the
 * difference needs.  Promises: what stays allowed is in the kernel's sets at every moment.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALLOW_PAGE  256
#define ALLOW_CHUNK 4096 /* elements in one transaction */

static int compare_prefixes(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;
	int order = memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));

	return order ? order : (int)a->len - (int)b->len;
}

void enforcer_allow_sort(struct prefix *list, size_t count)
{
	qsort(list, count, sizeof(*list), compare_prefixes);
}

bool enforcer_allow_has(const struct prefix *list, size_t count, const struct prefix *item)
{
	return count && bsearch(item, list, count, sizeof(*list), compare_prefixes);
}

size_t enforcer_allow_list(const struct engine *engine, enum allow_origin origin, struct prefix *out, size_t max)
{
	struct allow_view page[ALLOW_PAGE];
	uint32_t cursor = 0;
	size_t total = 0, count;

	do {
		cursor = engine_allows(engine, cursor, page, ALLOW_PAGE, &count);
		for (size_t i = 0; i < count && total < max; i++)
			if (origin == ALLOW_ORIGIN_COUNT || page[i].origin == origin)
				out[total++] = page[i].source;
	} while (cursor != 0);
	enforcer_allow_sort(out, total);
	return total;
}

typedef int element_fn(struct nft *, const struct nft_element *, size_t);

/* Does `work` to the items of `some` that are not in `others` (both sorted). */
static int for_difference(struct enforcer *enforcer, element_fn *work, const struct prefix *some, size_t some_count,
			  const struct prefix *others, size_t other_count)
{
	struct nft_element *batch = calloc(ALLOW_CHUNK, sizeof(*batch));
	size_t filled = 0;
	int error = batch ? 0 : -ENOMEM;

	for (size_t i = 0; i < some_count && !error; i++) {
		if (enforcer_allow_has(others, other_count, &some[i]))
			continue;
		batch[filled++] = (struct nft_element){ .list = NFT_ALLOW, .source = some[i] };
		if (filled == ALLOW_CHUNK) {
			error = work(enforcer->nft, batch, filled);
			filled = 0;
		}
	}
	if (filled && !error)
		error = work(enforcer->nft, batch, filled);
	free(batch);
	return error;
}

static int sync_list(struct enforcer *enforcer)
{
	struct prefix *wanted = calloc(ENGINE_ALLOW_MAX, sizeof(*wanted));
	struct engine_status status;
	size_t count;
	int error;

	if (!wanted)
		return -ENOMEM;
	count = enforcer_allow_list(enforcer->engine, ALLOW_ORIGIN_COUNT, wanted, ENGINE_ALLOW_MAX);
	/* Adding comes first: what is replaced by a wider or narrower entry is not without one for a moment. */
	error = for_difference(enforcer, nft_add, wanted, count, enforcer->allowed, enforcer->allowed_count);
	if (!error)
		error = for_difference(enforcer, nft_delete, enforcer->allowed, enforcer->allowed_count, wanted, count);
	if (error) {
		free(wanted);
		return error;
	}
	free(enforcer->allowed);
	enforcer->allowed = wanted;
	enforcer->allowed_count = count;
	engine_status(enforcer->engine, &status);
	enforcer->allow_entries = status.allow;
	return 0;
}

void enforcer_allow_sync(struct enforcer *enforcer)
{
	int error = sync_list(enforcer);

	/* A table that is gone has no list: it gets one when it is loaded. */
	if (error && error != -ENOENT && error != enforcer->allow_error)
		enforcer_notice(enforcer, EVENT_FAILED, "the kernel did not take the allow list: %s", strerror(-error));
	enforcer->allow_error = error;
}

void enforcer_allow_tick(struct enforcer *enforcer)
{
	struct engine_status status;

	if (enforcer->allow_error == -ENOENT && enforcer->rules.mode == NFT_PAUSED)
		return; /* no table stands, and none is wanted */
	engine_status(enforcer->engine, &status);
	if (enforcer->allow_error || status.allow != enforcer->allow_entries) /* refused, or the time of one is over */
		enforcer_allow_sync(enforcer);
}
