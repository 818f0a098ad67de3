/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The play: steps in their order, ticks between them, tracks of the sources that the scenario names.  After every
 * probe it checks by itself that what `explain` lists adds up to the score shown.
 */
#include "play.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS   1000
#define TICKS_MAX 2000 /* in one stretch of time; longer ones are ticked more coarsely */

void play_fail(struct play *play, unsigned line, const char *format, ...)
{
	va_list arguments;

	printf("  %s:%u: ", play->script->path, line);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	play->failures++;
}

static struct track *add_track(struct play *play, const struct track *track)
{
	if (play->track_count == play->track_capacity) {
		size_t capacity = play->track_capacity ? play->track_capacity * 2 : 64;
		struct track *grown = realloc(play->tracks, capacity * sizeof(*grown));

		if (!grown)
			abort();
		play->tracks = grown;
		play->track_capacity = capacity;
	}
	play->tracks[play->track_count] = *track;
	return &play->tracks[play->track_count++];
}

struct track *play_track(struct play *play, const struct addr *addr)
{
	for (size_t i = 0; i < play->track_count; i++) {
		if (play->tracks[i].net.len == 0 && addr_equal(&play->tracks[i].addr, addr))
			return &play->tracks[i];
	}
	return add_track(play, &(struct track){ .addr = *addr });
}

struct track *play_track_net(struct play *play, const struct prefix *net)
{
	for (size_t i = 0; i < play->track_count; i++) {
		if (prefix_equal(&play->tracks[i].net, net))
			return &play->tracks[i];
	}
	play->net_count++;
	return add_track(play, &(struct track){ .addr = net->addr, .net = *net });
}

static void reach(struct track *track, uint8_t grade)
{
	for (unsigned g = track->grade + 1u; g <= grade; g++)
		track->at_probe[g] = track->probes;
	if (grade > track->grade)
		track->grade = grade;
}

static void take_event(struct play *play, const struct event *event)
{
	play->events[event->type]++;
	if (!event_is_valid(event))
		play_fail(play, 0, "an event of type %u is not valid", event->type);
	for (size_t i = 0; i < play->track_count; i++) {
		struct track *track = &play->tracks[i];

		if (event->source.len == 0 || (track->net.len ? !prefix_equal(&event->source, &track->net)
							      : !prefix_contains(&event->source, &track->addr)))
			continue;
		track->incident = event->incident;
		track->incident_sources = event->sources;
		if (event->type == EVENT_ALERT)
			reach(track, GRADE_ALERT);
		if (event_is_beginning(event)) {
			reach(track, event->grade);
			track->duration_ms = event->duration_ms;
			track->times = event->times;
		}
	}
}

void play_take(struct play *play)
{
	for (size_t i = 0; i < play->actions->count; i++) {
		const struct action *action = &play->actions->items[i];

		if (action->type == ACTION_EVENT)
			take_event(play, &action->event);
		else if (action->type == ACTION_ADD)
			play->added++;
		else
			play->deleted++;
	}
	play->actions->count = 0;
}

static void tick(struct play *play, int64_t at_ms)
{
	size_t count;

	play->now_ms = at_ms;
	behind_tick(play);
	do {
		engine_tick(play->engine, PLAY_EPOCH_MS + at_ms, play->actions);
		count = play->actions->count;
		play_take(play);
	} while (count == ENGINE_ACTIONS_MAX);
}

static void pass_time(struct play *play, int64_t to_ms)
{
	int64_t span_ms = to_ms - play->now_ms, gap_ms = TICK_MS;

	if (span_ms / gap_ms > TICKS_MAX)
		gap_ms = span_ms / TICKS_MAX;
	for (int64_t at_ms = play->now_ms - play->now_ms % gap_ms + gap_ms; at_ms <= to_ms; at_ms += gap_ms)
		tick(play, at_ms);
	play->now_ms = to_ms;
}

/* What leaks evenly consists of its newest part. */
static double fast_listed(const struct source_view *s)
{
	double sum = 0;

	for (int i = 0; i < s->piece_count; i++) {
		if (evidence_class(s->pieces[i].kind) == EVIDENCE_FAST)
			sum += s->pieces[i].weight / (double)EVIDENCE_NAT;
	}
	for (int i = 0; i < 4; i++) {
		if (evidence_class(s->older[i].kind) == EVIDENCE_FAST)
			sum += s->older[i].weight_mn / 1000.0;
	}
	return fmin(sum, s->fast_mn / 1000.0);
}

/* What explain lists is what the score is made of. */
static void check_sum(struct play *play, const struct explain_view *view, unsigned line)
{
	const struct source_view *s = &view->source;
	double sum = fast_listed(s), score = (s->confirmed_mn + s->suspected_mn + s->fast_mn) / 1000.0;

	for (int i = 0; i < s->piece_count; i++) {
		const struct evidence *piece = &s->pieces[i];
		enum evidence_class class = evidence_class(piece->kind);
		double half_lives = (double)(s->at_ms / 1000 - piece->at_s) * 1000 / (double)view->slow_half_life_ms;

		if (class != EVIDENCE_FAST)
			sum += piece->weight / (double)EVIDENCE_NAT * exp2(-half_lives);
	}
	for (int i = 0; i < 4; i++)
		sum += evidence_class(s->older[i].kind) == EVIDENCE_FAST ? 0 : s->older[i].weight_mn / 1000.0;
	if (fabs(sum - score) > 0.01 + 1e-4 * score)
		play_fail(play, line, "explain does not add up: pieces %.3f, score %.3f", sum, score);
}

/* The served ports that a source learned of while it was veiled. */
static void note_learned(struct track *track, const struct step *step, const struct explain_view *view)
{
	uint16_t port = step->probe.packet.dport;

	if (view->block.grade < GRADE_VEIL || step->probe.packet.protocol != PROTO_TCP ||
	    (step->probe.port_state != PROBE_PORT_SERVED && !step->published))
		return;
	for (unsigned i = 0; i < track->learned_count; i++) {
		if (track->learned[i] == port)
			return;
	}
	if (track->learned_count < LEARNED_MAX)
		track->learned[track->learned_count++] = port;
}

static void note_standing(struct track *track, const struct explain_view *view)
{
	double total = (view->source.confirmed_mn + view->source.suspected_mn + view->source.fast_mn) / 1000.0;

	if (view->source.piece_count > 0)
		reach(track, GRADE_WATCH);
	track->peak = fmax(track->peak, total);
	if (track->decided <= 0 && track->grade >= GRADE_VEIL)
		track->decided = total;
	track->peak_confirmed = fmax(track->peak_confirmed, view->source.confirmed_mn / 1000.0);
}

static void follow(struct play *play, const struct step *step, enum outcome outcome)
{
	struct track *track = play_track(play, &step->probe.packet.src);
	struct prefix about = prefix_host(&step->probe.packet.src);
	struct explain_view view;

	track->probes++;
	track->dropped += outcome == OUTCOME_DROP;
	track->last_outcome = (uint8_t)outcome;
	play_take(play);
	engine_explain(play->engine, &about, PLAY_EPOCH_MS + play->now_ms, &view);
	if (outcome == OUTCOME_PASS)
		note_learned(play_track(play, &step->probe.packet.src), step, &view);
	note_standing(play_track(play, &step->probe.packet.src), &view);
	check_sum(play, &view, step->line);
}

void play_note(struct play *play, const struct addr *addr)
{
	struct prefix about = prefix_host(addr);
	struct explain_view view;

	for (size_t i = 0; i < play->track_count; i++) {
		if (play->tracks[i].net.len || !addr_equal(&play->tracks[i].addr, addr))
			continue;
		engine_explain(play->engine, &about, PLAY_EPOCH_MS + play->now_ms, &view);
		note_standing(&play->tracks[i], &view);
		check_sum(play, &view, 0);
	}
}

static void count_nets(struct play *play, const struct addr *sender)
{
	for (size_t i = 0; play->net_count && i < play->track_count; i++) {
		if (play->tracks[i].net.len && prefix_contains(&play->tracks[i].net, sender))
			play->tracks[i].probes++;
	}
}

static void run_probe(struct play *play, const struct step *step)
{
	struct train *train = step->train == TRAIN_NONE ? NULL : &play->script->trains[step->train];
	enum outcome outcome;

	if (train && train->answered_ms >= 0)
		return;
	count_nets(play, &step->probe.packet.src);
	/* Tracked before it is judged, so that its own event finds it. */
	if (step->tracked)
		play_track(play, &step->probe.packet.src);
	outcome = kernel_send(play, step);
	if (train && outcome != OUTCOME_DROP)
		train->answered_ms = play->now_ms;
	if (step->tracked)
		follow(play, step, outcome);
	else
		play_take(play);
}

static bool run_line(struct play *play, const struct step *step)
{
	char *words[SCRIPT_WORDS_MAX];
	size_t count = script_words(step->text, words);

	if (strcmp(words[0], "expect") == 0)
		return expect_run(play, words + 1, count - 1, step->line);
	return order_run(play, words, count, step->line);
}

static bool start(struct play *play)
{
	struct hash_key key = { play->script->seed, ~play->script->seed };

	play->engine = engine_new(&play->config, &key, PLAY_EPOCH_MS);
	play->veil = veil_new(&key, 65536, PLAY_EPOCH_MS);
	play->actions = calloc(1, sizeof(*play->actions));
	return play->engine && play->veil && play->actions;
}

/* Nets are followed from the start: they are never senders, and their events come before anybody asks. */
static void track_nets(struct play *play)
{
	for (size_t i = 0; i < play->script->count; i++) {
		const struct step *step = &play->script->steps[i];
		char what[80];
		struct prefix net;
		const char *error;

		if (step->type == STEP_LINE && sscanf(step->text, " expect %79s", what) == 1 && strchr(what, '/') &&
		    !strchr(what, '+') && prefix_parse(what, &net, &error))
			play_track_net(play, &net);
	}
}

bool play_script(struct play *play, struct script *script, bool quiet)
{
	*play = (struct play){ .script = script, .quiet = quiet };
	engine_config_defaults(&play->config);
	if (!start(play))
		return false;
	track_nets(play);
	for (size_t i = 0; i < script->count; i++) {
		const struct step *step = &script->steps[i];

		if (step->at_ms > play->now_ms)
			pass_time(play, step->at_ms);
		if (step->type == STEP_PROBE) {
			run_probe(play, step);
		} else if (!run_line(play, step)) {
			play_fail(play, step->line, "not understood");
		}
	}
	return true;
}

void play_free(struct play *play)
{
	engine_free(play->engine);
	veil_free(play->veil);
	contacts_free(play->contacts);
	free(play->actions);
	free(play->tracks);
}
