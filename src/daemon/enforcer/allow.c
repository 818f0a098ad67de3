/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allow list in the kernel: a mirror of what the engine holds, brought up to date by the difference, in steps of
 * ALLOW_STEP elements with packets between them.  Promises: what stays allowed is in the kernel's sets at every moment.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALLOW_PAGE 256
#define ALLOW_STEP 4096 /* elements of one transaction, and of one turn */

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

/* Some of the items of `some` that are not in `others` (both sorted), at most ALLOW_STEP; *more: there are others. */
static size_t difference(const struct prefix *some, size_t some_count, const struct prefix *others, size_t other_count,
			 struct prefix out[ALLOW_STEP], bool *more)
{
	size_t count = 0;

	*more = false;
	for (size_t i = 0; i < some_count; i++) {
		if (enforcer_allow_has(others, other_count, &some[i]))
			continue;
		*more = count == ALLOW_STEP;
		if (*more)
			break;
		out[count++] = some[i];
	}
	return count;
}

static int change(struct enforcer *enforcer, element_fn *work, const struct prefix *items, size_t count)
{
	struct nft_element *batch = calloc(count, sizeof(*batch));
	int error;

	if (!batch)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		batch[i] = (struct nft_element){ .list = NFT_ALLOW, .source = items[i] };
	error = work(enforcer->nft, batch, count);
	free(batch);
	return error;
}

/* Up to ALLOW_STEP of what is wanted and not there. */
static int add_some(struct enforcer *enforcer, const struct prefix *wanted, size_t count, struct prefix *step,
		    bool *more)
{
	size_t had = enforcer->allowed_count;
	size_t found = difference(wanted, count, enforcer->allowed, had, step, more);
	struct prefix *grown;
	int error;

	if (found == 0)
		return 0;
	grown = reallocarray(enforcer->allowed, had + found, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	enforcer->allowed = grown;
	error = change(enforcer, nft_add, step, found);
	if (error)
		return error;
	memcpy(grown + had, step, found * sizeof(*grown));
	enforcer->allowed_count = had + found;
	enforcer_allow_sort(grown, had + found);
	return 0;
}

/* Up to ALLOW_STEP of what is there and not wanted. */
static int delete_some(struct enforcer *enforcer, const struct prefix *wanted, size_t count, struct prefix *step,
		       bool *more)
{
	size_t found = difference(enforcer->allowed, enforcer->allowed_count, wanted, count, step, more), kept = 0;
	int error = found ? change(enforcer, nft_delete, step, found) : 0;

	if (error)
		return error;
	for (size_t i = 0; found && i < enforcer->allowed_count; i++)
		if (!enforcer_allow_has(step, found, &enforcer->allowed[i]))
			enforcer->allowed[kept++] = enforcer->allowed[i];
	if (found)
		enforcer->allowed_count = kept;
	return 0;
}

/* Adding comes first: what is replaced by a wider or narrower entry is not without one for a moment.  Only where a set
 * has no room what is not wanted any more goes before. */
static int step_towards(struct enforcer *enforcer, const struct prefix *wanted, size_t count, struct prefix *step)
{
	bool more_to_add = false, more_to_delete = false;
	size_t before = enforcer->allowed_count;
	int error = add_some(enforcer, wanted, count, step, &more_to_add);
	bool full = error == -ENFILE;

	if (full) {
		error = delete_some(enforcer, wanted, count, step, &more_to_delete);
		if (!error && enforcer->allowed_count == before)
			error = -ENFILE;
	} else if (!error && !more_to_add) {
		error = delete_some(enforcer, wanted, count, step, &more_to_delete);
	}
	enforcer->allow_more = !error && (full || more_to_add || more_to_delete);
	return error;
}

static int sync_step(struct enforcer *enforcer)
{
	struct prefix *wanted = calloc(ENGINE_ALLOW_MAX, sizeof(*wanted));
	struct prefix *step = calloc(ALLOW_STEP, sizeof(*step));
	struct engine_status status;
	size_t count;
	int error = -ENOMEM;

	enforcer->allow_more = false;
	if (wanted && step) {
		count = enforcer_allow_list(enforcer->engine, ALLOW_ORIGIN_COUNT, wanted, ENGINE_ALLOW_MAX);
		error = step_towards(enforcer, wanted, count, step);
	}
	if (!error) {
		engine_status(enforcer->engine, &status);
		enforcer->allow_entries = status.allow;
	}
	free(wanted);
	free(step);
	return error;
}

void enforcer_allow_sync(struct enforcer *enforcer)
{
	int error = sync_step(enforcer);

	/* A table that is gone has no list: it gets one when it is loaded. */
	if (error && error != -ENOENT && error != enforcer->allow_error)
		enforcer_notice(enforcer, EVENT_FAILED, "the kernel did not take the allow list: %s", strerror(-error));
	enforcer->allow_error = error;
}

void enforcer_allow_sync_all(struct enforcer *enforcer)
{
	do
		enforcer_allow_sync(enforcer);
	while (enforcer->allow_more);
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
