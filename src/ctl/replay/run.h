/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One replay: the two passes over a file and everything they found out.
 */
#ifndef PICKET_REPLAY_RUN_H
#define PICKET_REPLAY_RUN_H

#include <picket/describe.h>
#include <picket/engine.h>
#include "config.h"
#include "host.h"
#include "learn.h"
#include "options.h"
#include "sources.h"

#define REPLAY_NOTES_MAX 16

struct replay {
	const struct replay_options *options;
	const struct config *config;
	const struct service_names *names; /* may be NULL */
	struct hash_key hash;
	struct replay_learned *learned;
	struct replay_sources sources;
	struct replay_host *host;
	struct engine *engine;
	struct actions actions;
	int64_t now_ms, tick_ms;
	uint64_t dropped;                     /* verdicts: would have been dropped */
	uint64_t backwards;                   /* packets out of order in the file */
	struct event notes[REPLAY_NOTES_MAX]; /* events about nobody in particular: storms, distributed scans */
	size_t note_count;
	uint64_t notes_suppressed;
	int32_t alert_mn;
	const char *damage; /* what ended the file before its end; NULL: nothing */
};

/* 0, or -1 when nothing could be replayed: *error says why.  A file that is damaged on its way sets replay->damage. */
int replay_run(struct replay *replay, const char **error);
void replay_free(struct replay *replay);

/* The report, by score.  0, or -1 when out of memory or standard output refuses. */
int replay_report_human(const struct replay *replay);
int replay_report_json(const struct replay *replay);
/* Sources with any evidence, highest score first; NULL and *count 0 when there is none.  *failed: out of memory. */
const struct replay_source **replay_ranking(const struct replay *replay, size_t *count, bool *failed);
/* An event that holds what the report says of a source: the deciding one, or one made of what is known. */
struct event replay_source_event(const struct replay *replay, const struct replay_source *source);
/* "2010-07-04T20:24:16Z" */
#define REPLAY_TIME_MAX 32
const char *replay_time_format(int64_t ms, char out[REPLAY_TIME_MAX]);

#endif
