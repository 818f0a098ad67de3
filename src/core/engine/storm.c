/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A token bucket for blocks on suspicion, so that forged scans in a million names cannot make a million blocks.  It
 * never shuts: while tokens are short the sources that are due wait in a line, and each token goes to the foremost.
 *
 * The foremost is the source whose score grows most, not the one with the highest sum: a forger spreads its probes over
 * its names and may have begun long before, a scanner sends all of its own in its one name.  Evidence that many in the
 * line show at once, the same port within a second or two, is the storm's own shape: it is divided by their number.
 * The sum decides between equals.
 *
 * A sixth of the rate is a reserve that the line does not touch.  It is for a source that is far ahead of all others in
 * the line, so that a fast scanner does not gain the time until the next token.
 *
 * Known limit: a forger that sends as many probes in each of some hundred names as the scanner does, each name other
 * ports, leaves nothing to tell them by.  Then every token is one of a draw.
 */
#include "storm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prefixset.h"

#define CHOOSE_MS    1000
#define CALM_MS      60000  /* nobody had to wait for so long: it is over */
#define HALF_LIFE_MS 4000.0 /* of growth */
#define CROWD_MS     1000   /* the crowd's counts halve as often */
#define CROWD_PORTS  4096
#define GIVING_WAY   8   /* looked at when the line is full, the hindmost of them goes */
#define FAR_AHEAD    2   /* times the growth of the next */
#define LEAST_NEXT   3.0 /* nats; the next has at least so much: nobody is far ahead for one probe */

struct waiting {
	double growth; /* nats, fading */
	double newest; /* nats of the newest probe: what it counts for depends on who else tries that port now */
	double score;
	int64_t at_ms;
	uint16_t port;
};

struct storm {
	uint32_t rate;
	double tokens, reserve;
	int64_t filled_ms, chosen_ms, short_ms, crowd_ms;
	bool active, told;
	struct prefixset *line;
	struct waiting *waiting; /* beside line */
	uint32_t hand;           /* where the next one to give way is looked for */
	uint32_t first;          /* the foremost when the line was last looked through */
	double first_growth, second_growth;
	float crowd[CROWD_PORTS];
};

static double reserve_max(const struct storm *storm)
{
	return storm->rate / 6; /* whole tokens, none at a rate below six */
}

static double tokens_max(const struct storm *storm)
{
	return storm->rate - reserve_max(storm);
}

struct storm *storm_new(uint32_t rate, const struct hash_key *key, int64_t now_ms)
{
	struct storm *storm = calloc(1, sizeof(*storm));

	if (!storm)
		return NULL;
	storm->rate = rate;
	storm->tokens = tokens_max(storm);
	storm->reserve = reserve_max(storm);
	storm->filled_ms = now_ms;
	storm->first = PREFIXSET_NONE;
	storm->line = prefixset_new(STORM_WAITING_MAX, key);
	storm->waiting = calloc(STORM_WAITING_MAX, sizeof(*storm->waiting));
	if (storm->line && storm->waiting)
		return storm;
	storm_free(storm);
	return NULL;
}

void storm_free(struct storm *storm)
{
	if (!storm)
		return;
	prefixset_free(storm->line);
	free(storm->waiting);
	free(storm);
}

void storm_set_rate(struct storm *storm, uint32_t rate)
{
	double tokens = tokens_max(storm), reserve = reserve_max(storm);

	storm->rate = rate;
	storm->tokens = fmin(tokens_max(storm), storm->tokens + fmax(0, tokens_max(storm) - tokens));
	storm->reserve = fmin(reserve_max(storm), storm->reserve + fmax(0, reserve_max(storm) - reserve));
}

static void fill(struct storm *storm, int64_t now_ms)
{
	double minutes = (double)(now_ms - storm->filled_ms) / 60000.0;

	storm->tokens = fmin(tokens_max(storm), storm->tokens + minutes * tokens_max(storm));
	storm->reserve = fmin(reserve_max(storm), storm->reserve + minutes * reserve_max(storm));
	storm->filled_ms = now_ms;
}

bool storm_take(struct storm *storm, int64_t now_ms)
{
	fill(storm, now_ms);
	if (storm->tokens < 1 || prefixset_count(storm->line) > 0)
		return false;
	storm->tokens -= 1;
	return true;
}

static double growth_at(const struct storm *storm, uint32_t slot, int64_t now_ms)
{
	const struct waiting *waiting = &storm->waiting[slot];
	double crowd = fmax(1, storm->crowd[waiting->port % CROWD_PORTS]);

	return (waiting->growth + waiting->newest / crowd) * exp2(-(double)(now_ms - waiting->at_ms) / HALF_LIFE_MS);
}

static bool is_behind(const struct storm *storm, uint32_t a, uint32_t b, int64_t now_ms)
{
	double difference = growth_at(storm, a, now_ms) - growth_at(storm, b, now_ms);

	if (fabs(difference) > 0.01)
		return difference < 0;
	return storm->waiting[a].score < storm->waiting[b].score;
}

static void leave(struct storm *storm, uint32_t slot)
{
	if (slot == storm->first) {
		storm->first = PREFIXSET_NONE;
		storm->first_growth = storm->second_growth;
	}
	prefixset_remove(storm->line, slot);
}

/* The line is full: the hindmost of the next few goes. */
static void make_way(struct storm *storm, int64_t now_ms)
{
	uint32_t hindmost = PREFIXSET_NONE;

	for (unsigned i = 0; i < GIVING_WAY; i++) {
		uint32_t slot = storm->hand;

		storm->hand = (storm->hand + 1) % STORM_WAITING_MAX;
		if (hindmost == PREFIXSET_NONE || is_behind(storm, slot, hindmost, now_ms))
			hindmost = slot;
	}
	leave(storm, hindmost);
}

/* How many in line tried the port just now: one more. */
static void join_crowd(struct storm *storm, uint16_t port, int64_t now_ms)
{
	if (now_ms - storm->crowd_ms >= CROWD_MS) {
		for (unsigned i = 0; i < CROWD_PORTS; i++)
			storm->crowd[i] = now_ms - storm->crowd_ms < 16 * CROWD_MS ? storm->crowd[i] / 2 : 0;
		storm->crowd_ms = now_ms;
	}
	storm->crowd[port % CROWD_PORTS] += 1;
}

void storm_wait(struct storm *storm, const struct prefix *source, uint16_t port, double nats, double score,
		int64_t now_ms)
{
	uint32_t slot = prefixset_find(storm->line, source);
	double growth = 0;

	join_crowd(storm, port, now_ms);
	storm->active = true;
	storm->short_ms = now_ms;
	if (slot == PREFIXSET_NONE) {
		if (prefixset_count(storm->line) == STORM_WAITING_MAX)
			make_way(storm, now_ms);
		slot = prefixset_add(storm->line, source);
	} else {
		growth = growth_at(storm, slot, now_ms);
	}
	storm->waiting[slot] = (struct waiting){ growth, nats, score, now_ms, port };
}

bool storm_overtake(struct storm *storm, const struct prefix *source, int64_t now_ms)
{
	uint32_t slot = prefixset_find(storm->line, source);
	double *from, others;

	fill(storm, now_ms);
	from = storm->tokens >= 1 ? &storm->tokens : &storm->reserve;
	if (slot == PREFIXSET_NONE || *from < 1)
		return false;
	others = slot == storm->first ? storm->second_growth : storm->first_growth;
	if (growth_at(storm, slot, now_ms) <= FAR_AHEAD * fmax(others, LEAST_NEXT))
		return false;
	*from -= 1;
	leave(storm, slot);
	return true;
}

static void look_through(struct storm *storm, int64_t now_ms)
{
	uint32_t slot = prefixset_next(storm->line, 0, NULL), second = PREFIXSET_NONE;

	storm->first = PREFIXSET_NONE;
	for (; slot != PREFIXSET_NONE; slot = prefixset_next(storm->line, slot + 1, NULL)) {
		if (storm->first == PREFIXSET_NONE || is_behind(storm, storm->first, slot, now_ms)) {
			second = storm->first;
			storm->first = slot;
		} else if (second == PREFIXSET_NONE || is_behind(storm, second, slot, now_ms)) {
			second = slot;
		}
	}
	storm->first_growth = storm->first == PREFIXSET_NONE ? 0 : growth_at(storm, storm->first, now_ms);
	storm->second_growth = second == PREFIXSET_NONE ? 0 : growth_at(storm, second, now_ms);
}

bool storm_choose(struct storm *storm, int64_t now_ms, struct prefix *source)
{
	if (now_ms - storm->chosen_ms < CHOOSE_MS)
		return false;
	fill(storm, now_ms);
	look_through(storm, now_ms);
	if (storm->first == PREFIXSET_NONE || storm->tokens < 1) {
		storm->chosen_ms = now_ms;
		return false;
	}
	*source = *prefixset_at(storm->line, storm->first);
	leave(storm, storm->first);
	storm->tokens -= 1;
	return true;
}

void storm_forget(struct storm *storm, const struct prefix *source)
{
	uint32_t slot = prefixset_find(storm->line, source);

	if (slot != PREFIXSET_NONE)
		leave(storm, slot);
}

uint32_t storm_tokens(const struct storm *storm)
{
	return (uint32_t)storm->tokens + (uint32_t)storm->reserve;
}

bool storm_is_active(const struct storm *storm)
{
	return storm->active;
}

bool storm_changed(struct storm *storm, int64_t now_ms)
{
	uint32_t slot;

	if (storm->active && now_ms - storm->short_ms > CALM_MS) {
		storm->active = false; /* who still stands in line has been quiet for a minute */
		while ((slot = prefixset_next(storm->line, 0, NULL)) != PREFIXSET_NONE)
			leave(storm, slot);
		storm->first_growth = storm->second_growth = 0;
	}
	if (storm->active == storm->told)
		return false;
	storm->told = storm->active;
	return true;
}
