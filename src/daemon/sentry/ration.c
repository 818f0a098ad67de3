/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ration of words: veils come by the thousand when somebody forges them, and each is carried out; but of alerts,
 * veils and their ends only so many a second are told to log, history and hooks, and so many of one net (a /24, a
 * /48).  The rest is summed up once a minute.  Bans, blocks and what an admin does are always told.
 */
#include <string.h>

#include "internal.h"

#include "hash.h"

#define A_SECOND       120
#define A_NET          60 /* in a second */
#define HOOKS_A_SECOND 10 /* each is a program that is started */
#define SUM_UP_MS      60000

bool ration_allows_hook(struct ration *ration, const struct event *event)
{
	if (!event_is_forgeable(event))
		return true;
	if (ration->hooks >= HOOKS_A_SECOND)
		return false;
	ration->hooks++;
	return true;
}

bool ration_allows(struct ration *ration, const struct event *event, int64_t now_ms)
{
	struct prefix net = prefix_of(&event->source.addr, prefix_is_v4(&event->source) ? 96 + 24 : 48);
	uint8_t *of_net;

	if (!event_is_forgeable(event))
		return true;
	if (now_ms / 1000 != ration->second) {
		ration->second = now_ms / 1000;
		ration->used = 0;
		ration->hooks = 0;
		memset(ration->nets, 0, sizeof(ration->nets));
	}
	of_net = &ration->nets[hash_bytes(&ration->key, net.addr.b, sizeof(net.addr.b)) % RATION_NETS];
	if (ration->used < A_SECOND && *of_net < A_NET) {
		ration->used++;
		(*of_net)++;
		return true;
	}
	ration->left_out++;
	return false;
}

uint64_t ration_sum_up(struct ration *ration, int64_t now_ms)
{
	uint64_t left_out = ration->left_out - ration->told;

	if (left_out == 0 || now_ms - ration->told_ms < SUM_UP_MS)
		return 0;
	ration->told = ration->left_out;
	ration->told_ms = now_ms;
	return left_out;
}
