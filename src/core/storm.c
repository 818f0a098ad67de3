/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A token bucket for blocks on suspicion, so that forged scans in a million names cannot make a million blocks.  It
 * never shuts: while it is short, the highest-scored goes first.  A sixth is a reserve for those far above the
 * threshold: a real scanner sends more than the few probes that a forger can spend on each name, and must not wait for
 * the next second.
 */
#include "storm.h"

#include <stdlib.h>

#define CHOOSE_MS 1000
#define CALM_MS   60000         /* nobody had to wait for so long: it is over */

struct waiting {
	struct prefix source;
	float score;
};

struct storm {
	uint32_t rate;
	double tokens;
	int64_t filled_ms, chosen_ms, short_ms;
	bool active, told;
	unsigned count;
	struct waiting waiting[STORM_WAITING_MAX];
};

struct storm *storm_new(uint32_t rate, int64_t now_ms)
{
	struct storm *storm = calloc(1, sizeof(*storm));

	if (!storm)
		return NULL;
	storm->rate = rate;
	storm->tokens = rate;
	storm->filled_ms = now_ms;
	return storm;
}

void storm_free(struct storm *storm)
{
	free(storm);
}

void storm_set_rate(struct storm *storm, uint32_t rate)
{
	if (rate > storm->rate)
		storm->tokens += rate - storm->rate;
	storm->rate = rate;
	if (storm->tokens > rate)
		storm->tokens = rate;
}

static void fill(struct storm *storm, int64_t now_ms)
{
	storm->tokens += (double)(now_ms - storm->filled_ms) * storm->rate / 60000.0;
	if (storm->tokens > storm->rate)
		storm->tokens = storm->rate;
	storm->filled_ms = now_ms;
}

static double reserve(const struct storm *storm)
{
	return storm->rate / 6;
}

bool storm_take(struct storm *storm, bool high, int64_t now_ms)
{
	fill(storm, now_ms);
	/* Those who wait are asked first, but a reserve that they may not touch is not theirs. */
	if (storm->tokens >= 1 && (high || (storm->count == 0 && storm->tokens >= reserve(storm) + 1))) {
		storm->tokens -= 1;
		return true;
	}
	storm->active = true;
	storm->short_ms = now_ms;
	return false;
}

bool storm_wait(struct storm *storm, const struct prefix *source, float score)
{
	unsigned lowest = 0;

	for (unsigned i = 0; i < storm->count; i++) {
		if (prefix_equal(&storm->waiting[i].source, source)) {
			storm->waiting[i].score = score;
			return true;
		}
		if (storm->waiting[i].score < storm->waiting[lowest].score)
			lowest = i;
	}
	if (storm->count < STORM_WAITING_MAX)
		lowest = storm->count++;
	else if (storm->waiting[lowest].score >= score)
		return false;
	storm->waiting[lowest] = (struct waiting){ *source, score };
	return true;
}

bool storm_choose(struct storm *storm, int64_t now_ms, struct prefix *source)
{
	unsigned highest = 0;

	fill(storm, now_ms);
	if (storm->count == 0 || now_ms - storm->chosen_ms < CHOOSE_MS || storm->tokens < reserve(storm) + 1) {
		if (now_ms - storm->chosen_ms >= CHOOSE_MS)
			storm->chosen_ms = now_ms;
		return false;
	}
	for (unsigned i = 1; i < storm->count; i++) {
		if (storm->waiting[i].score > storm->waiting[highest].score)
			highest = i;
	}
	*source = storm->waiting[highest].source;
	storm->waiting[highest] = storm->waiting[--storm->count];
	storm->tokens -= 1;
	return true;
}

void storm_forget(struct storm *storm, const struct prefix *source)
{
	for (unsigned i = 0; i < storm->count; i++) {
		if (prefix_equal(&storm->waiting[i].source, source)) {
			storm->waiting[i] = storm->waiting[--storm->count];
			return;
		}
	}
}

uint32_t storm_tokens(const struct storm *storm)
{
	return (uint32_t)storm->tokens;
}

bool storm_is_active(const struct storm *storm)
{
	return storm->active;
}

bool storm_changed(struct storm *storm, int64_t now_ms)
{
	if (storm->active && now_ms - storm->short_ms > CALM_MS) {
		storm->active = false;
		storm->count = 0;       /* who still stands in line has been quiet for a minute */
	}
	if (storm->active == storm->told)
		return false;
	storm->told = storm->active;
	return true;
}
