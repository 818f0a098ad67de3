/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Healing: when somebody else removes or changes what is ours in the kernel, it is put back from what the engine
 * knows, with what is left of its time, and one line says so. Removed three times within a minute, picket stays out
 * for ten: an
 * admin in a panic wins.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

static bool too_often(struct sentry *sentry, int64_t now_ms)
{
	int64_t oldest = sentry->heals_ms[SENTRY_HEALS_MAX - 1];

	return oldest && now_ms - oldest < SENTRY_HEAL_SPAN_MS;
}

static void remember_heal(struct sentry *sentry, int64_t now_ms)
{
	memmove(&sentry->heals_ms[1], &sentry->heals_ms[0], sizeof(sentry->heals_ms) - sizeof(sentry->heals_ms[0]));
	sentry->heals_ms[0] = now_ms;
}

static void stay_out(struct sentry *sentry, int64_t now_ms)
{
	memset(sentry->heals_ms, 0, sizeof(sentry->heals_ms));
	sentry->paused = true;
	sentry->paused_until_ms = now_ms + SENTRY_HEAL_PAUSE_MS;
	sentry->heal_failed = false;
	nft_unload(sentry->nft);
	sentry->rules.mode = NFT_PAUSED;
	sentry_notice(sentry, EVENT_NOTICE,
		      "somebody removed the rules of picket %d times within a minute: staying out for 10m (picketctl "
		      "resume ends that)",
		      SENTRY_HEALS_MAX + 1);
}

void sentry_heal(struct sentry *sentry)
{
	int64_t now_ms = sentry_now_ms(sentry);
	bool retry = sentry->heal_failed;
	int error;

	if (sentry->paused)
		return;
	if (!retry && too_often(sentry, now_ms)) {
		stay_out(sentry, now_ms);
		return;
	}
	error = sentry_rules_load(sentry);
	sentry->heal_failed = error < 0;
	if (error < 0) {
		if (!retry)
			sentry_notice(sentry, EVENT_FAILED,
				      "the rules of picket were changed by somebody else and cannot be put back: %s; "
				      "trying again each second",
				      strerror(-error));
		return;
	}
	remember_heal(sentry, now_ms);
	/* What is still to be read of it is about what has just been put back. */
	nft_watch_read(sentry->nft);
	sentry->heal_due = false;
	sentry_notice(sentry, EVENT_NOTICE,
		      "the rules of picket were changed by somebody else: put back, with all blocks");
}

void sentry_watch(struct sentry *sentry)
{
	enum nft_change change = nft_watch_read(sentry->nft);

	if (change == NFT_CHANGE_NONE || !sentry->engine || sentry->paused)
		return;
	/* Lost messages may have been nothing of ours: look before acting. */
	if (change == NFT_CHANGE_LOST && nft_check(sentry->nft) == 1)
		return;
	/* One removal comes in many messages: they are put together until the next tick. */
	sentry->heal_due = true;
}

void sentry_heal_if_due(struct sentry *sentry)
{
	if (!sentry->heal_due)
		return;
	nft_watch_read(sentry->nft);
	sentry->heal_due = false;
	sentry_heal(sentry);
}
