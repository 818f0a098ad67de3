/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two passes.  The first learns what the capture tells about the host, the second hands the engine what the kernel
 * would have queued, at the times of the capture.  Both stream: memory does not grow with the file.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define TICK_MS        1000
#define PROGRESS_EVERY 16384 /* packets between two looks at the wall clock */
#define PROGRESS_MS    500

/* ---- progress ---- */

struct progress {
	bool wanted, shown;
	unsigned pass;
	uint64_t packets;
	int64_t last_ms;
};

static void progress_step(struct progress *progress, const struct replay_stream *stream)
{
	int64_t now;

	if (!progress->wanted || ++progress->packets % PROGRESS_EVERY)
		return;
	now = clock_ms(CLOCK_MONOTONIC);
	if (now - progress->last_ms < PROGRESS_MS)
		return;
	progress->last_ms = now;
	progress->shown = true;
	fprintf(stderr, "\rpass %u of 2: %3d%%, %llu packets", progress->pass, replay_stream_percent(stream),
		(unsigned long long)progress->packets);
}

static void progress_end(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
}

/* ---- acting on what the engine decides ---- */

static bool has_no_source(const struct event *event)
{
	return event->type == EVENT_DISTRIBUTED || event->type == EVENT_NOTICE;
}

static void tell_live(const struct replay *replay, const struct event *event)
{
	char line[1024], at[REPLAY_TIME_MAX];
	struct writer w = writer_over(line, sizeof(line));

	describe_event(&w, event, replay->names);
	fprintf(stderr, "%s %s\n", replay_time_format(replay->now_ms, at), line);
}

static void act(struct replay *replay, uint64_t packet_number)
{
	for (size_t i = 0; i < replay->actions.count; i++) {
		const struct action *action = &replay->actions.items[i];

		replay_sources_act(&replay->sources, action, packet_number, replay->now_ms);
		if (action->type != ACTION_EVENT)
			continue;
		if (replay->options->real && !replay->options->json)
			tell_live(replay, &action->event);
		if (!has_no_source(&action->event))
			continue;
		if (replay->note_count < REPLAY_NOTES_MAX)
			replay->notes[replay->note_count++] = action->event;
		else
			replay->notes_suppressed++;
	}
}

static void tick(struct replay *replay, int64_t now_ms, uint64_t packet_number)
{
	replay->now_ms = now_ms;
	if (now_ms - replay->tick_ms < TICK_MS)
		return;
	replay->tick_ms = now_ms;
	do {
		engine_tick(replay->engine, now_ms, &replay->actions);
		act(replay, packet_number);
	} while (replay->actions.count == ENGINE_ACTIONS_MAX);
}

static void submit(struct replay *replay, const struct probe *probe, const struct replay_packet *in)
{
	enum verdict verdict = engine_probe(replay->engine, probe, replay->now_ms, &replay->actions);
	bool dropped = replay_host_drops(replay->host, probe, verdict, replay->now_ms);
	struct prefix sender = prefix_host(&probe->packet.src);
	struct explain_view view;

	engine_explain(replay->engine, &sender, replay->now_ms, &view);
	replay_sources_probe(&replay->sources, &view.source, in, &probe->packet, dropped);
	act(replay, in->number);
	replay->dropped += dropped;
}

/* Visits to traps that ended in silence before now_ms, each submitted at its own time. */
static void submit_silent(struct replay *replay, int64_t now_ms, uint64_t packet_number)
{
	struct replay_packet in = { .number = packet_number };
	struct probe report;

	while (replay_host_trap_due(replay->host, now_ms, &report, &in.at_ms)) {
		tick(replay, in.at_ms > replay->now_ms ? in.at_ms : replay->now_ms, packet_number);
		submit(replay, &report, &in);
	}
}

/* Up to the time of the next packet: at once, or as slowly as it was. */
static void wait_until(struct replay *replay, int64_t at_ms, uint64_t packet_number)
{
	while (replay->options->real && replay->now_ms < at_ms) {
		int64_t left = at_ms - replay->now_ms, step = left < TICK_MS ? left : TICK_MS;
		int64_t next_ms = replay->now_ms + step;
		struct timespec ts = { .tv_sec = step / 1000, .tv_nsec = step % 1000 * 1000000 };

		while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
			;
		submit_silent(replay, next_ms, packet_number);
		tick(replay, next_ms, packet_number);
	}
}

static void play(struct replay *replay, const struct replay_packet *in)
{
	struct probe probe;

	/* A packet that came too late for the window is judged at the time that has been reached. */
	wait_until(replay, in->at_ms, in->number);
	submit_silent(replay, in->at_ms, in->number);
	tick(replay, in->at_ms > replay->now_ms ? in->at_ms : replay->now_ms, in->number);
	if (replay_host_queues(replay->host, in, &probe))
		submit(replay, &probe, in);
	else if (replay_host_trap_visit(replay->host, in, &probe))
		submit(replay, &probe, in);
}

/* ---- the passes ---- */

typedef void packet_fn(struct replay *replay, const struct replay_packet *in);

static void learn(struct replay *replay, const struct replay_packet *in)
{
	replay_learn_packet(replay->learned, in);
}

/* -1: nothing could be read.  1: packets are out of order, and no window was asked for that could mend it. */
static int run_pass(struct replay *replay, unsigned pass, bool verify, bool reorder, packet_fn *each,
		    char problem[REPLAY_PROBLEM_MAX])
{
	struct progress progress = { .wanted = isatty(STDERR_FILENO) && !replay->options->real, .pass = pass };
	struct replay_stream *stream = replay_stream_open(replay->options->file, verify, reorder, problem);
	struct replay_packet in;

	if (!stream)
		return -1;
	progress.last_ms = clock_ms(CLOCK_MONOTONIC);
	while ((reorder || !replay_stream_backwards(stream)) && replay_stream_next(stream, &in, replay->damage) == 1) {
		each(replay, &in);
		progress_step(&progress, stream);
	}
	progress_end(&progress);
	replay->backwards = replay_stream_backwards(stream);
	replay_stream_close(stream);
	return !reorder && replay->backwards > 0;
}

/* The first pass.  Most captures are in the order of their times; where one is not, it begins anew with a window. */
static int learn_all(struct replay *replay, char problem[REPLAY_PROBLEM_MAX])
{
	int result;

	for (int attempt = 0; attempt < 2; attempt++) {
		replay_learned_free(replay->learned);
		replay_flows_clear(replay->flows);
		replay->learned = replay_learned_new(&replay->hash, replay->flows);
		if (!replay->learned) {
			snprintf(problem, REPLAY_PROBLEM_MAX, "out of memory");
			return -1;
		}
		result = run_pass(replay, 1, true, attempt > 0, learn, problem);
		if (result <= 0)
			break;
		replay->damage[0] = '\0';
	}
	replay_learn_finish(replay->learned);
	return result;
}

static bool prepare(struct replay *replay)
{
	struct engine_config config = replay->config->engine;
	struct engine_status status;

	config.observe = 0; /* what would be done is the question; nothing is done anyway */
	replay_flows_clear(replay->flows);
	replay->host = replay_host_new(replay);
	replay->engine = engine_new(&config, &replay->hash, replay->learned->first_ms);
	if (!replay->host || !replay->engine)
		return false;
	for (size_t i = 0; i < replay->config->allow_count; i++)
		engine_allow(replay->engine, &replay->config->allow[i], 0, ALLOW_CONFIG, replay->learned->first_ms,
			     &replay->actions);
	engine_status(replay->engine, &status);
	replay->alert_mn = status.alert_mn;
	replay->veil_mn = status.veil_mn;
	replay->ban_mn = status.ban_mn;
	replay->now_ms = replay->tick_ms = replay->learned->first_ms;
	return true;
}

int replay_run(struct replay *replay, char problem[REPLAY_PROBLEM_MAX])
{
	if (getrandom(&replay->hash, sizeof(replay->hash), 0) != (ssize_t)sizeof(replay->hash)) {
		snprintf(problem, REPLAY_PROBLEM_MAX, "no random bytes for the tables' key");
		return -1;
	}
	replay->flows = replay_flows_new(&replay->hash);
	if (!replay->flows || !replay_sources_init(&replay->sources, &replay->hash)) {
		snprintf(problem, REPLAY_PROBLEM_MAX, "out of memory");
		return -1;
	}
	if (learn_all(replay, problem) < 0)
		return -1;
	if (!prepare(replay)) {
		snprintf(problem, REPLAY_PROBLEM_MAX, "out of memory");
		return -1;
	}
	if (run_pass(replay, 2, replay_learned_trust_sums(replay->learned), replay->backwards > 0, play, problem) < 0)
		return -1;
	/* Some may still wait in a trap when the capture ends. */
	submit_silent(replay, replay->now_ms + TRAP_LIFETIME_MS, replay->learned->packets);
	tick(replay, replay->now_ms + TICK_MS, replay->learned->packets);
	return 0;
}

void replay_free(struct replay *replay)
{
	if (!replay)
		return;
	engine_free(replay->engine);
	replay_host_free(replay->host);
	replay_sources_free(&replay->sources);
	replay_learned_free(replay->learned);
	replay_flows_free(replay->flows);
	free(replay);
}
