/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expectations: what a line says must hold when its turn has come.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"

/* Is `have` in the relation that the word names? */
static bool compare(double have, const char *relation, double want, bool *known)
{
	*known = true;
	if (strcmp(relation, "<") == 0)
		return have < want;
	if (strcmp(relation, "<=") == 0)
		return have <= want + 1e-9;
	if (strcmp(relation, ">") == 0)
		return have > want;
	if (strcmp(relation, ">=") == 0)
		return have >= want - 1e-9;
	if (strcmp(relation, "=") == 0)
		return have > want - 1e-9 && have < want + 1e-9;
	*known = false;
	return false;
}

static int grade_word(const char *word)
{
	for (int grade = 0; grade < GRADE_COUNT; grade++) {
		if (strcmp(word, grade_name((enum grade)grade)) == 0)
			return grade;
	}
	return -1;
}

/* grade [RELATION] NAME [by N probes] */
static bool expect_grade(struct play *play, const struct track *track, const char *name, char **words, size_t count,
			 unsigned line)
{
	const char *relation = count > 1 && grade_word(words[0]) < 0 ? words[0] : "=";
	int want = count > 0 ? grade_word(words[relation == words[0]]) : -1;
	size_t rest = 1 + (relation == words[0]);
	bool known;

	if (want < 0)
		return false;
	if (!compare(track->grade, relation, want, &known) && known)
		play_fail(play, line, "%s: expected grade %s %s, got %s after %u probes (peak %.2f)", name, relation,
			  grade_name((enum grade)want), grade_name((enum grade)track->grade), track->probes,
			  track->peak);
	else if (count >= rest + 2 && strcmp(words[rest], "by") == 0 &&
		 track->at_probe[want] > strtoul(words[rest + 1], NULL, 10))
		play_fail(play, line, "%s: expected %s by %s probes, took %u", name, grade_name((enum grade)want),
			  words[rest + 1], track->at_probe[want]);
	return known;
}

static bool number_of(struct play *play, const struct track *track, const char *what, double *out)
{
	struct explain_view view;

	engine_explain(play->engine, &track->addr, PLAY_EPOCH_MS + play->now_ms, &view);
	if (strcmp(what, "peak") == 0)
		*out = track->peak;
	else if (strcmp(what, "confirmed") == 0)
		*out = track->peak_confirmed;
	else if (strcmp(what, "score") == 0)
		*out = (view.source.confirmed_mn + view.source.suspected_mn + view.source.fast_mn) / 1000.0;
	else if (strcmp(what, "dropped") == 0)
		*out = track->dropped;
	else if (strcmp(what, "times") == 0)
		*out = track->times;
	else if (strcmp(what, "incident-sources") == 0)
		*out = track->incident_sources;
	else
		return false;
	return true;
}

static bool has_kind(const struct explain_view *view, const char *word)
{
	for (int i = 1; i < EVIDENCE_KIND_COUNT; i++) {
		if ((view->source.kinds & (1u << i)) && strcmp(word, evidence_name((enum evidence_kind)i)) == 0)
			return true;
	}
	return false;
}

/* Sayings without a relation: blocked, free, verdict drop, tool nmap, kind syn, duration 10m, key 2001:db8::/64. */
static bool expect_word(struct play *play, const struct track *track, const char *name, char **words, size_t count,
			unsigned line)
{
	struct explain_view view;
	char key[PREFIX_TEXT_MAX];
	int64_t ms;
	bool ok;

	engine_explain(play->engine, &track->addr, PLAY_EPOCH_MS + play->now_ms, &view);
	if (strcmp(words[0], "blocked") == 0)
		ok = view.block.grade != GRADE_NONE;
	else if (strcmp(words[0], "free") == 0)
		ok = view.block.grade == GRADE_NONE;
	else if (count < 2)
		return false;
	else if (strcmp(words[0], "verdict") == 0)
		ok = track->last_verdict == (strcmp(words[1], "drop") == 0 ? VERDICT_DROP : VERDICT_ACCEPT);
	else if (strcmp(words[0], "tool") == 0)
		ok = strcmp(words[1], view.source.tool ? evidence_tool_name(view.source.tool) : "none") == 0;
	else if (strcmp(words[0], "kind") == 0)
		ok = has_kind(&view, words[1]);
	else if (strcmp(words[0], "key") == 0)
		ok = strcmp(words[1], prefix_format(&view.source.source, key)) == 0;
	else if (strcmp(words[0], "duration") == 0 && script_time(words[1], &ms))
		ok = track->duration_ms == ms;
	else
		return false;
	if (!ok)
		play_fail(play, line, "%s: expected %s %s; grade %s, score %.2f, tool %s, key %s, last block %lld ms",
			  name, words[0], count > 1 ? words[1] : "", grade_name((enum grade)track->grade),
			  (view.source.confirmed_mn + view.source.suspected_mn + view.source.fast_mn) / 1000.0,
			  evidence_tool_name(view.source.tool), prefix_format(&view.source.source, key),
			  (long long)track->duration_ms);
	return true;
}

static bool expect_source(struct play *play, char **words, size_t count, unsigned line)
{
	struct addr first;
	unsigned n, len;
	bool known = true;

	if (count < 2 || !source_read(words[0], &first, &n, &len))
		return false;
	for (unsigned i = 0; i < n && known; i++) {
		struct addr addr = source_next(&first, i, len);
		char name[ADDR_TEXT_MAX];
		const struct track *track = play_track(play, &addr);
		double have;

		addr_format(&addr, name);
		if (strcmp(words[1], "grade") == 0) {
			known = expect_grade(play, track, name, words + 2, count - 2, line);
		} else if (count == 4 && number_of(play, track, words[1], &have)) {
			if (!compare(have, words[2], strtod(words[3], NULL), &known) && known)
				play_fail(play, line, "%s: expected %s %s %s, got %.3f", name, words[1], words[2],
					  words[3], have);
		} else {
			known = expect_word(play, track, name, words + 1, count - 1, line);
		}
	}
	return known;
}

static bool expect_event(struct play *play, char **words, size_t count, unsigned line)
{
	bool known;

	if (count != 4)
		return false;
	for (int type = 1; type < EVENT_TYPE_COUNT; type++) {
		if (strcmp(words[1], event_type_name((enum event_type)type)) != 0)
			continue;
		if (!compare(play->events[type], words[2], strtod(words[3], NULL), &known) && known)
			play_fail(play, line, "expected %s events %s %s, got %u", words[1], words[2], words[3],
				  play->events[type]);
		return known;
	}
	return false;
}

static bool expect_count(struct play *play, char **words, size_t count, unsigned line)
{
	struct engine_status s;
	bool known;

	engine_status(play->engine, &s);
	const struct {
		const char *word;
		double value;
	} values[] = {
		{ "sources", s.sources },
		{ "alerted", s.alerted },
		{ "veils", s.veils },
		{ "blocks", s.blocks },
		{ "bans", s.bans },
		{ "duplicates", (double)s.duplicates },
		{ "decoys", (double)s.decoys },
		{ "gave_way", (double)s.gave_way },
		{ "spared_protected", (double)s.exempt_protected },
		{ "spared_allowed", (double)s.exempt_allowed },
		{ "evicted", (double)s.evicted },
		{ "turned_away", (double)s.dropped },
		{ "evidence", (double)s.evidence_total },
		{ "alerts", (double)s.alerts },
		{ "veils_total", (double)s.veils_total },
		{ "blocks_total", (double)s.blocks_total },
		{ "bans_total", (double)s.bans_total },
		{ "deleted", (double)play->deleted },
		{ "added", (double)play->added },
	};

	if (count != 4)
		return false;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strcmp(words[1], values[i].word) != 0)
			continue;
		if (!compare(values[i].value, words[2], strtod(words[3], NULL), &known) && known)
			play_fail(play, line, "expected %s %s %s, got %.0f", words[1], words[2], words[3],
				  values[i].value);
		return known;
	}
	return false;
}

bool expect_run(struct play *play, char **words, size_t count, unsigned line)
{
	if (count > 0 && strcmp(words[0], "event") == 0)
		return expect_event(play, words, count, line);
	if (count > 0 && strcmp(words[0], "count") == 0)
		return expect_count(play, words, count, line);
	return expect_source(play, words, count, line);
}
