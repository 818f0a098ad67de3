/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reconciliation: when another program removes or changes what is ours in the kernel, it is put back from what the
 * engine knows, with what is left of each block's time, and one line says so.  When that happens for the third time
 * within a minute, picket stays out for ten: an admin in a panic must win.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

static bool too_often(const struct enforcer *enforcer, int64_t now_ms)
{
	int64_t oldest = enforcer->reconciled_ms[ENFORCER_RECONCILES_MAX - 1];

	return oldest && now_ms - oldest < ENFORCER_RECONCILE_SPAN;
}

static void note_reconcile(struct enforcer *enforcer, int64_t now_ms)
{
	memmove(&enforcer->reconciled_ms[1], &enforcer->reconciled_ms[0],
		sizeof(enforcer->reconciled_ms) - sizeof(enforcer->reconciled_ms[0]));
	enforcer->reconciled_ms[0] = now_ms;
}

static void stay_out(struct enforcer *enforcer, int64_t now_ms)
{
	int error = nft_unload(enforcer->nft);

	memset(enforcer->reconciled_ms, 0, sizeof(enforcer->reconciled_ms));
	enforcer->rules.mode = NFT_PAUSED;
	enforcer->paused_until_ms = now_ms + ENFORCER_STAY_OUT_MS;
	enforcer->reconcile_failed = false;
	enforcer_notice(enforcer, EVENT_NOTICE,
			"somebody removed the rules of picket %d times within a minute: staying out for 10m (picketctl "
			"resume ends that)",
			ENFORCER_RECONCILES_MAX + 1);
	if (error)
		enforcer_notice(enforcer, EVENT_FAILED, "what is left of the rules of picket cannot be removed: %s",
				strerror(-error));
}

void enforcer_reconcile(struct enforcer *enforcer, int64_t now_ms)
{
	bool again = enforcer->reconcile_failed;
	int error;

	if (enforcer->rules.mode == NFT_PAUSED)
		return;
	if (!again && too_often(enforcer, now_ms)) {
		stay_out(enforcer, now_ms);
		return;
	}
	error = enforcer_load(enforcer, now_ms);
	enforcer->reconcile_failed = error < 0;
	if (error < 0) {
		if (!again)
			enforcer_notice(enforcer, EVENT_FAILED,
					"the rules of picket were changed by somebody else and cannot be put back: %s; "
					"trying again each second",
					strerror(-error));
		return;
	}
	note_reconcile(enforcer, now_ms);
	/* What is still to be read is about what has just been put back. */
	nft_watch_read(enforcer->nft);
	enforcer->unseen = false;
	enforcer->reconcile_due = false;
	enforcer_notice(enforcer, EVENT_NOTICE, "the rules of picket were changed by somebody else: put back%s",
			enforcer->put_blocks_ms ? "; grades that are missing are tried again" : ", with all grades");
}

/* Whether what should stand stands, as far as it can be counted.  What cannot be seen is not taken for a removal, of
 * which the third takes picket out: dumps are interrupted whenever somebody changes rules of his own. */
static bool is_missing(struct enforcer *enforcer)
{
	int stands = nft_check(enforcer->nft);

	if (stands < 0 && !enforcer->unseen)
		enforcer_notice(enforcer, EVENT_FAILED,
				"whether the rules of picket stand cannot be seen: %s; looking again each second",
				strerror(-stands));
	enforcer->unseen = stands < 0;
	if (stands == 1)
		enforcer_put_blocks_later(enforcer); /* elements are not counted */
	return stands == 0;
}

void enforcer_watch(struct enforcer *enforcer)
{
	enum nft_change change = nft_watch_read(enforcer->nft);

	if (change == NFT_CHANGE_NONE && enforcer->unseen)
		change = NFT_CHANGE_LOST;
	if (change == NFT_CHANGE_NONE || enforcer->rules.mode == NFT_PAUSED)
		return;
	/* Lost notifications may have been about others' tables: look before acting. */
	if (change == NFT_CHANGE_LOST && !is_missing(enforcer))
		return;
	/* One removal makes many notifications: they are put together until the next tick. */
	enforcer->reconcile_due = true;
}
