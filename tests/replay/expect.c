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
	struct prefix about = prefix_host(&track->addr);
	struct explain_view view;

	engine_explain(play->engine, &about, PLAY_EPOCH_MS + play->now_ms, &view);
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
	else if (strcmp(what, "learned") == 0)
		*out = track->learned_count;
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

/* The grade that stands for exactly this net, or for whatever covers the host. */
static enum grade standing(const struct play *play, const struct track *track, const struct explain_view *view)
{
	struct block_view page[16];
	uint32_t cursor = 0;
	size_t count;

	if (track->net.len == 0)
		return (enum grade)view->block.grade;
	do {
		cursor = engine_blocks(play->engine, cursor, page, 16, &count);
		for (size_t i = 0; i < count; i++) {
			if (prefix_equal(&page[i].source, &track->net))
				return (enum grade)page[i].grade;
		}
	} while (cursor);
	return GRADE_NONE;
}

/* Sayings without a relation: veiled, banned, blocked, free, verdict drop, tool nmap, kind syn, duration 10m,
 * key 2001:db8::/64. */
static bool expect_word(struct play *play, const struct track *track, const char *name, char **words, size_t count,
			unsigned line)
{
	static const char *const outcomes[] = {
		[OUTCOME_PASS] = "pass", [OUTCOME_DROP] = "drop", [OUTCOME_REFUSE] = "refuse"
	};
	struct prefix about = prefix_host(&track->addr);
	struct explain_view view;
	char key[PREFIX_TEXT_MAX];
	int64_t ms;
	bool ok;

	engine_explain(play->engine, &about, PLAY_EPOCH_MS + play->now_ms, &view);
	enum grade stands = standing(play, track, &view);
	if (strcmp(words[0], "veiled") == 0)
		ok = stands == GRADE_VEIL;
	else if (strcmp(words[0], "banned") == 0)
		ok = stands == GRADE_BAN;
	else if (strcmp(words[0], "blocked") == 0)
		ok = stands == GRADE_BLOCK;
	else if (strcmp(words[0], "free") == 0)
		ok = stands < GRADE_VEIL;
	else if (count < 2)
		return false;
	else if (strcmp(words[0], "verdict") == 0)
		ok = strcmp(words[1], outcomes[track->last_outcome]) == 0;
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

/* answered [PORT] after TIME, unanswered [PORT]: of the source's last train of SYNs, to that port. */
static bool expect_answer(struct play *play, const struct track *track, const char *name, char **words, size_t count,
			  unsigned line)
{
	bool answered = strcmp(words[0], "answered") == 0;
	size_t time = answered ? count - 1 : 0;
	bool any_port = count == (answered ? 3 : 1);
	unsigned long port = any_port ? 0 : strtoul(words[1], NULL, 10);
	const struct train *train = NULL;
	int64_t want_ms = -1, took_ms = -1;

	if (count != (answered ? 3u : 1u) + !any_port || (answered && strcmp(words[time - 1], "after") != 0) ||
	    (answered && !script_time(words[time], &want_ms)))
		return false;
	for (size_t i = 0; i < play->script->train_count; i++) {
		const struct train *t = &play->script->trains[i];

		if (addr_equal(&t->src, &track->addr) && (any_port || t->dport == port) &&
		    t->began_ms <= play->now_ms && (!train || t->began_ms >= train->began_ms))
			train = t;
	}
	if (!train)
		return false;
	if (train->answered_ms >= 0)
		took_ms = train->answered_ms - train->began_ms;
	if (took_ms != want_ms)
		play_fail(play, line, "%s: expected an answer of port %u after %lld ms, got it after %lld (-1: none)",
			  name, train->dport, (long long)want_ms, (long long)took_ms);
	return true;
}

static bool expect_track(struct play *play, const struct track *track, const char *name, char **words, size_t count,
			 unsigned line)
{
	bool known = true;
	double have;

	if (strcmp(words[0], "grade") == 0)
		return expect_grade(play, track, name, words + 1, count - 1, line);
	if (strcmp(words[0], "answered") == 0 || strcmp(words[0], "unanswered") == 0)
		return expect_answer(play, track, name, words, count, line);
	if (count != 3 || !number_of(play, track, words[0], &have))
		return expect_word(play, track, name, words, count, line);
	if (!compare(have, words[1], strtod(words[2], NULL), &known) && known)
		play_fail(play, line, "%s: expected %s %s %s, got %.3f", name, words[0], words[1], words[2], have);
	return known;
}

static bool expect_source(struct play *play, char **words, size_t count, unsigned line)
{
	struct addr first;
	struct prefix net;
	const char *error;
	unsigned n, len;
	bool known = true;

	if (count < 2)
		return false;
	if (prefix_parse(words[0], &net, &error) && net.len < 128)
		return expect_track(play, play_track_net(play, &net), words[0], words + 1, count - 1, line);
	if (!source_read(words[0], &first, &n, &len))
		return false;
	for (unsigned i = 0; i < n && known; i++) {
		struct addr addr = source_next(&first, i, len);
		char name[ADDR_TEXT_MAX];

		addr_format(&addr, name);
		known = expect_track(play, play_track(play, &addr), name, words + 1, count - 1, line);
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
