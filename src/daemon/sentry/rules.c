/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules that should stand in the kernel, and the loading of the table. A standing one is taken over, its rules
 * at work until the
 * new ones replace them; a fresh one gets the brake first, then the allow list and the blocks, and only then the
 * rules, so that nobody on the list is ever touched and no block is forgotten.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define LOAD_BATCH 16384 /* elements in one transaction */

static enum nft_mode mode_of(const struct sentry *sentry)
{
	if (sentry->paused)
		return NFT_PAUSED;
	return sentry->config.engine.observe ? NFT_OBSERVE : NFT_BLOCK;
}

int sentry_rules_apply(struct sentry *sentry)
{
	int error;

	sentry->rules.mode = mode_of(sentry);
	error = nft_rules_replace(sentry->nft, &sentry->rules);
	return error == -ENOENT ? sentry_rules_load(sentry) : error;
}

#define REFUSED_MAX 4096 /* elements that the engine does not take over, in one load */

struct adoption {
	struct sentry *sentry;
	bool fresh; /* the engine knows nothing yet: what stands in the kernel is news to it */
	uint32_t count;
	size_t refused_count;
	struct nft_element refused[REFUSED_MAX];
};

/* Memory has told of it already, and better than the kernel can. */
static bool is_known(const struct sentry *sentry, const struct prefix *source)
{
	struct explain_view view;

	engine_explain(sentry->engine, &source->addr, sentry_now_ms(sentry), &view);
	return view.block.grade != GRADE_NONE && prefix_equal(&view.block.source, source);
}

static void adopt(void *context, enum nft_list list, const struct prefix *source, int64_t left_ms)
{
	struct adoption *adoption = context;
	struct sentry *sentry = adoption->sentry;
	int64_t now_ms = sentry_now_ms(sentry);
	/* Only an admin blocks for good, or whole nets. */
	bool manual = list == NFT_HARD && (left_ms == 0 || source->len < 48);
	struct block_view block = {
		.source = *source,
		.grade = list == NFT_SOFT ? GRADE_BLOCK
			 : manual         ? GRADE_MANUAL
					  : GRADE_BAN,
		.times = 1,
		.since_ms = now_ms,
		.until_ms = left_ms ? now_ms + left_ms : 0,
		.reason = "found in the kernel at start",
	};

	if (list == NFT_ALLOW) {
		if (sentry->allowed_count < ENGINE_ALLOW_MAX)
			sentry->allowed[sentry->allowed_count++] = *source;
		return;
	}
	if (!adoption->fresh || is_known(sentry, source))
		return;
	if (engine_restore_block(adoption->sentry->engine, &block, now_ms) == ENGINE_OK)
		adoption->count++;
	else if (adoption->refused_count < REFUSED_MAX)
		adoption->refused[adoption->refused_count++] = (struct nft_element){ .list = list, .source = *source };
}

/* All of the engine's blocks into the kernel, each with what is left of its time. */
static int add_blocks(struct sentry *sentry)
{
	struct nft_element *batch = calloc(LOAD_BATCH, sizeof(*batch));
	struct block_view page[WIRE_BLOCK_BATCH];
	int64_t now_ms = sentry_now_ms(sentry);
	uint32_t cursor = 0;
	size_t filled = 0, count;
	int error = batch ? 0 : -ENOMEM;

	do {
		if (error)
			break;
		cursor = engine_blocks(sentry->engine, cursor, page, WIRE_BLOCK_BATCH, &count);
		for (size_t i = 0; i < count; i++) {
			if (page[i].until_ms && page[i].until_ms <= now_ms)
				continue;
			batch[filled++] = (struct nft_element){
				.list = page[i].grade == GRADE_BLOCK ? NFT_SOFT : NFT_HARD,
				.source = page[i].source,
				.timeout_ms = page[i].until_ms ? page[i].until_ms - now_ms : 0,
			};
		}
		if (filled + WIRE_BLOCK_BATCH > LOAD_BATCH || (cursor == 0 && filled)) {
			error = nft_ensure(sentry->nft, batch, filled);
			filled = 0;
		}
	} while (cursor != 0);
	free(batch);
	return error;
}

/* What the kernel has counted so far, and what was read so far, is not ours to compare. */
static void remember_base(struct sentry *sentry)
{
	struct nft_counters counters = { 0 };
	struct nfqueue_stats read;

	nft_read_counters(sentry->nft, &counters);
	nfqueue_read_stats(sentry->start->queue, &read);
	sentry->packets_before_load = read.packets;
	sentry->queued_before_load = counters.queued_closed + counters.queued_served + counters.queued_trapped;
}

/* The lists as they should be, then the rules. */
static int fill_and_arm(struct sentry *sentry, const struct adoption *adoption)
{
	int error;

	remember_base(sentry);
	sentry_allow_sync(sentry);
	/* Allowed or protected meanwhile: what the engine does not know must not stand in the kernel. */
	nft_delete(sentry->nft, adoption->refused, adoption->refused_count);
	error = adoption->fresh ? 0 : add_blocks(sentry); /* else it knows those alone that stand there */
	if (error)
		sentry_notice(sentry, EVENT_FAILED, "some blocks could not be put back: %s", strerror(-error));
	sentry->rules.mode = mode_of(sentry);
	return nft_rules_replace(sentry->nft, &sentry->rules);
}

/* What stands in the allow sets comes from the kernel, sorted as sentry_allow_sync() has it. */
static int take_over(struct sentry *sentry, struct adoption *adoption)
{
	struct prefix *allowed = calloc(ENGINE_ALLOW_MAX, sizeof(*allowed));
	int taken;

	if (!allowed)
		return -ENOMEM;
	free(sentry->allowed);
	sentry->allowed = allowed;
	sentry->allowed_count = 0;
	taken = nft_take_over(sentry->nft, adoption->fresh, adopt, adoption);
	sentry_allow_sort(sentry);
	return taken;
}

static int load_with(struct sentry *sentry, struct adoption *adoption)
{
	struct nft_rules brake = sentry->rules;
	int error;

	if (take_over(sentry, adoption) == 1 && fill_and_arm(sentry, adoption) == 0)
		return 0;
	brake.mode = NFT_PAUSED;
	error = nft_load(sentry->nft, &brake, adopt, adoption);
	if (error)
		return error;
	sentry->allowed_count = 0;
	return fill_and_arm(sentry, adoption);
}

int sentry_load(struct sentry *sentry, bool fresh, uint32_t *adopted)
{
	struct adoption *adoption = calloc(1, sizeof(*adoption));
	int error;

	if (!adoption)
		return -ENOMEM;
	adoption->sentry = sentry;
	adoption->fresh = fresh;
	error = load_with(sentry, adoption);
	*adopted = adoption->count;
	free(adoption);
	return error;
}

int sentry_rules_load(struct sentry *sentry)
{
	uint32_t adopted;

	return sentry_load(sentry, false, &adopted);
}

int sentry_pause(struct sentry *sentry, int64_t until_ms)
{
	sentry->paused = true;
	sentry->paused_until_ms = until_ms;
	return sentry_rules_apply(sentry);
}

int sentry_resume(struct sentry *sentry)
{
	int error;

	sentry->paused = false;
	sentry->paused_until_ms = 0;
	error = sentry_rules_apply(sentry);
	if (error) {
		sentry->heal_failed = true; /* tried again each second */
		sentry_notice(sentry, EVENT_FAILED, "cannot resume yet: %s; trying again each second",
			      strerror(-error));
	} else {
		sentry_notice(sentry, EVENT_NOTICE, "resumed: picket is on guard again");
	}
	return error;
}
