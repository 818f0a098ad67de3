/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table as a whole: taken over, loaded anew, given new rules.  A standing one is taken over with its rules at
 * work until the new ones replace them; a fresh one gets no rules at first, then the allow list and the blocks, and
 * only then the rules, so that nothing on the list is ever touched and no block is forgotten.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_BATCH  16384 /* elements in one transaction */
#define REFUSED_MAX 4096  /* elements in the kernel that must not stand there */
/* Until blocks that the kernel did not take are put in again: a long list takes a while. */
#define AGAIN_MS            1000
#define AGAIN_BLOCKS_PER_MS 10

static struct nft_element element_of(const struct block_view *block, int64_t now_ms)
{
	return enforcer_element((enum grade)block->grade, &block->source,
				block->until_ms ? block->until_ms - now_ms : 0);
}

static int64_t again_ms(const struct enforcer *enforcer, int64_t now_ms)
{
	struct engine_status status;

	engine_status(enforcer->engine, &status);
	return now_ms + AGAIN_MS + (status.alerted + status.veils + status.bans + status.blocks) / AGAIN_BLOCKS_PER_MS;
}

int enforcer_restore(struct enforcer *enforcer, const struct block_view *blocks, size_t count, int64_t now_ms)
{
	struct nft_element elements[ENFORCER_PAGE];
	int error;

	if (count == 0 || count > ENFORCER_PAGE)
		return count ? -EINVAL : 0;
	for (size_t i = 0; i < count; i++)
		elements[i] = element_of(&blocks[i], now_ms);
	error = enforcer_ensure(enforcer, elements, count, true, now_ms);
	if (error) {
		enforcer->refused += count;
		enforcer->put_blocks_ms = again_ms(enforcer, now_ms);
	}
	return error;
}

/* All that the engine holds from one grade to another. */
static int put_grades(struct enforcer *enforcer, enum grade from, enum grade to, int64_t now_ms)
{
	struct nft_element *batch = calloc(LOAD_BATCH, sizeof(*batch));
	struct block_view page[ENFORCER_PAGE];
	uint32_t cursor = 0;
	size_t filled = 0, count;
	int error = batch ? 0 : -ENOMEM;

	do {
		if (error)
			break;
		cursor = engine_blocks(enforcer->engine, cursor, page, ENFORCER_PAGE, &count);
		for (size_t i = 0; i < count; i++)
			if (page[i].grade >= from && page[i].grade <= to &&
			    (page[i].until_ms == 0 || page[i].until_ms > now_ms))
				batch[filled++] = element_of(&page[i], now_ms);
		if (filled + ENFORCER_PAGE > LOAD_BATCH || (cursor == 0 && filled)) {
			error = enforcer_ensure(enforcer, batch, filled, false, now_ms);
			filled = 0;
		}
	} while (cursor != 0);
	free(batch);
	return error;
}

/* Bans and blocks first: should the sets be too small for all, it is veils that find no room. */
static int put_blocks(struct enforcer *enforcer, int64_t now_ms)
{
	int error = put_grades(enforcer, GRADE_BAN, GRADE_BLOCK, now_ms);
	int veils = put_grades(enforcer, GRADE_ALERT, GRADE_VEIL, now_ms);

	error = error ? error : veils;
	enforcer->put_blocks_ms = error ? again_ms(enforcer, now_ms) : 0;
	return error;
}

void enforcer_put_blocks_again(struct enforcer *enforcer, int64_t now_ms)
{
	if (enforcer->put_blocks_ms && now_ms >= enforcer->put_blocks_ms && put_blocks(enforcer, now_ms) < 0)
		return; /* noted there for the next time */
}

void enforcer_put_blocks_later(struct enforcer *enforcer)
{
	if (!enforcer->put_blocks_ms)
		enforcer->put_blocks_ms = again_ms(enforcer, enforcer->next_second_ms);
}

/* The lists as they should be, then the rules. */
static int fill_and_arm(struct enforcer *enforcer, int64_t now_ms)
{
	int error;

	enforcer->listener.loaded(enforcer->listener.context);
	enforcer_allow_sync_all(enforcer);
	error = put_blocks(enforcer, now_ms);
	if (error)
		enforcer_notice(enforcer, EVENT_FAILED, "some veils, bans or blocks could not be put back: %s",
				strerror(-error));
	enforcer->rules.out = enforcer_needs_out(enforcer);
	return nft_rules_replace(enforcer->nft, &enforcer->rules);
}

static void take_allowed(void *context, const struct nft_element *element)
{
	struct enforcer *enforcer = context;

	if (element->list == NFT_ALLOW && enforcer->allowed_count < ENGINE_ALLOW_MAX)
		enforcer->allowed[enforcer->allowed_count++] = element->source;
}

/* The mirror of the allow list then holds what stands in the kernel. */
static int take_over(struct enforcer *enforcer)
{
	struct prefix *allowed = calloc(ENGINE_ALLOW_MAX, sizeof(*allowed));
	int taken;

	if (!allowed)
		return -ENOMEM;
	free(enforcer->allowed);
	enforcer->allowed = allowed;
	enforcer->allowed_count = 0;
	taken = nft_take_over(enforcer->nft, take_allowed, enforcer);
	enforcer_allow_sort(enforcer->allowed, enforcer->allowed_count);
	return taken;
}

/* It says nothing about the table.  A start does not wait until nobody else changes rules. */
static bool is_passing(const struct enforcer *enforcer, int error)
{
	return error == -ENOMEM || error == -ENOBUFS || error == -EAGAIN || (error == -EINTR && enforcer->was_loaded);
}

/* A standing table is thrown away only where it cannot be used: until a fresh one is filled nobody is blocked, and its
 * customers are forgotten. */
int enforcer_load(struct enforcer *enforcer, int64_t now_ms)
{
	struct nft_rules *braked;
	int error, taken;

	taken = take_over(enforcer);
	if (is_passing(enforcer, taken))
		return taken;
	if (!enforcer->was_loaded)
		enforcer->fresh = taken != 1;
	error = taken == 1 ? fill_and_arm(enforcer, now_ms) : -ENOENT;
	if (!error || is_passing(enforcer, error)) {
		enforcer->was_loaded |= !error;
		return error;
	}
	enforcer->was_loaded = true;
	braked = malloc(sizeof(*braked));
	if (!braked)
		return -ENOMEM;
	*braked = enforcer->rules;
	braked->mode = NFT_PAUSED;
	error = nft_load(enforcer->nft, braked, NULL, NULL);
	free(braked);
	if (error)
		return error;
	enforcer->allowed_count = 0;
	return fill_and_arm(enforcer, now_ms);
}

bool enforcer_is_fresh(const struct enforcer *enforcer)
{
	return enforcer->fresh;
}

/* ---- blocks that are found in the kernel ---- */

struct found_blocks {
	struct enforcer *enforcer;
	int64_t now_ms;
	int taken;
	size_t refused_count;
	struct nft_element refused[REFUSED_MAX];
};

/* What was restored says more of a block than the kernel can.  But if the kernel is stricter, it knows of a decision
 * that did not reach the disk any more. */
static bool is_known(const struct found_blocks *found, const struct block_view *block)
{
	struct explain_view view;

	engine_explain(found->enforcer->engine, &block->source, found->now_ms, &view);
	return view.block.grade >= block->grade && prefix_equal(&view.block.source, &block->source);
}

static void take_over_block(void *context, const struct nft_element *element)
{
	static const enum grade grades[NFT_GRADE_COUNT] = {
		[NFT_GRADE_VEIL] = GRADE_VEIL,
		[NFT_GRADE_BAN] = GRADE_BAN,
		[NFT_GRADE_BLOCK] = GRADE_BLOCK,
	};
	struct found_blocks *found = context;
	struct block_view block = {
		.source = element->source,
		.grade = (uint8_t)(element->list == NFT_ALERTED ? GRADE_ALERT : grades[element->grade]),
		.times = 1,
		.since_ms = found->now_ms,
		.until_ms = element->timeout_ms ? found->now_ms + element->timeout_ms : 0,
		.reason = "found in the kernel at start",
	};
	enum engine_result result;

	if (element->list == NFT_EXEMPT)
		engine_restore_exempt(found->enforcer->engine, &element->source, found->now_ms + element->timeout_ms,
				      found->now_ms);
	if ((element->list != NFT_GRADED && element->list != NFT_ALERTED) || is_known(found, &block))
		return;
	result = engine_restore_block(found->enforcer->engine, &block, found->now_ms);
	found->taken += result == ENGINE_OK;
	if ((result == ENGINE_ALLOWED || result == ENGINE_PROTECTED) && found->refused_count < REFUSED_MAX)
		found->refused[found->refused_count++] = *element;
}

int enforcer_take_over_blocks(struct enforcer *enforcer, int64_t now_ms)
{
	struct found_blocks *found = calloc(1, sizeof(*found));
	int result;

	if (!found)
		return -ENOMEM;
	found->enforcer = enforcer;
	found->now_ms = now_ms;
	result = nft_read_blocks(enforcer->nft, take_over_block, found);
	if (result == 0) {
		/* What has been allowed or protected meanwhile must not stand in the kernel. */
		enforcer_delete(enforcer, found->refused, found->refused_count, NULL);
		result = found->taken;
	}
	free(found);
	return result;
}
