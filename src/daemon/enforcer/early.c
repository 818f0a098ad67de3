/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The early drop: while a banned or blocked source is loud, the interface that it comes by has a hook at ingress.  The
 * kernel says where that is; here it is asked once a second, and only while somebody is banned or blocked.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

enum early_drop enforcer_early(const struct enforcer *enforcer)
{
	enum early_drop wanted = enforcer->rules.early;

	return wanted == EARLY_ON && !nft_early_is_possible(enforcer->nft) ? EARLY_NO_HOOK : wanted;
}

static void tell_absence(struct enforcer *enforcer)
{
	const enum early_drop early = enforcer_early(enforcer);

	if (enforcer->early_told || (early != EARLY_NO_HOOK && early != EARLY_OLD_KERNEL))
		return;
	enforcer->early_told = true;
	if (early == EARLY_NO_HOOK)
		enforcer_notice(enforcer, EVENT_NOTICE,
				"no early drop: this kernel has no ingress hook for the table; packets of loud sources "
				"are dropped as all others");
	else
		enforcer_notice(enforcer, EVENT_NOTICE,
				"no early drop: this kernel is not known to survive it when an interface goes away "
				"(CVE-2024-26808); if it is mended, set early_drop = on");
}

static bool may_be_loud(const struct enforcer *enforcer)
{
	struct engine_status status;

	engine_status(enforcer->engine, &status);
	return status.bans + status.blocks > 0 || enforcer->early_links > 0;
}

void enforcer_early_tick(struct enforcer *enforcer)
{
	int standing;

	if (enforcer->rules.mode == NFT_BLOCK)
		tell_absence(enforcer);
	if (enforcer->rules.mode != NFT_BLOCK || enforcer_early(enforcer) != EARLY_ON) {
		enforcer->early_links = 0; /* they went with all other chains */
		return;
	}
	if (enforcer->reconcile_due || enforcer->reconcile_failed || !may_be_loud(enforcer))
		return;
	standing = nft_early_sync(enforcer->nft);
	if (standing >= 0)
		enforcer->early_links = (unsigned)standing;
	else if (standing != -ENOENT && !enforcer->early_failing)
		enforcer_notice(enforcer, EVENT_FAILED,
				"the kernel refused an ingress hook: %s; packets of loud sources are dropped as all "
				"others, trying again each second",
				strerror(-standing));
	enforcer->early_failing = standing < 0 && standing != -ENOENT;
}
