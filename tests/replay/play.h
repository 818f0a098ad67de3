/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plays a script against the real engine and keeps what the expectations ask about.
 */
#ifndef REPLAY_PLAY_H
#define REPLAY_PLAY_H

#include <picket/contact.h>
#include <picket/veil.h>

#include "script.h"

#define PLAY_EPOCH_MS 1700000000000LL /* when every scenario begins */

#define LEARNED_MAX 32

/* What a sender hears. */
enum outcome {
	OUTCOME_PASS,   /* whoever is there answers: a service, a trap, a closed port's RST */
	OUTCOME_DROP,   /* silence */
	OUTCOME_REFUSE, /* a veiled source, a closed port: its RST after all */
};

/* A source that the scenario names: a host, or a net. */
struct track {
	struct addr addr;
	struct prefix net; /* len 0: a host */
	unsigned probes;   /* sent */
	unsigned dropped;
	uint8_t last_outcome;
	uint8_t grade;                  /* the highest reached: enum grade */
	unsigned at_probe[GRADE_COUNT]; /* the probe that reached it */
	double peak, peak_confirmed;
	double decided;                /* the score when it was first veiled or banned */
	uint16_t learned[LEARNED_MAX]; /* the served ports that answered a new connection while it was veiled */
	unsigned learned_count;
	int64_t duration_ms; /* of the last block */
	uint8_t times;
	uint16_t incident_sources;
	uint32_t incident;
};

#define BEHIND_HOSTS_MAX 1024
#define BEHIND_PORTS_MAX 16

/* A host of others that is there. */
struct behind_host {
	struct addr addr;
	uint16_t ports[BEHIND_PORTS_MAX]; /* that are open */
	size_t port_count;
	bool silent; /* about the others */
};

struct play {
	struct script *script;
	struct engine *engine;
	struct veil *veil;
	struct engine_config config;
	struct actions *actions;
	int64_t now_ms; /* since the start */
	struct track *tracks;
	size_t track_count, track_capacity;
	size_t net_count; /* of the tracks */
	unsigned events[EVENT_TYPE_COUNT];
	size_t deleted, added;
	unsigned failures;
	bool quiet;
	struct contacts *contacts; /* NULL: no host of others is watched */
	struct prefix watched;
	struct behind_host hosts[BEHIND_HOSTS_MAX];
	size_t host_count;
	bool answers_lost;
};

/* Runs it to the end; failures says how it went. */
bool play_script(struct play *play, struct script *script, bool quiet);
void play_free(struct play *play);
struct track *play_track(struct play *play, const struct addr *addr);
struct track *play_track_net(struct play *play, const struct prefix *net);
void play_fail(struct play *play, unsigned line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A line that is neither a probe nor a time: settings, orders, expectations.  False: it was not understood. */
bool order_run(struct play *play, char **words, size_t count, unsigned line);
bool expect_run(struct play *play, char **words, size_t count, unsigned line);
/* What its sender hears of it, by the rules, the engine and the veil.  Fills play->actions. */
enum outcome kernel_send(struct play *play, const struct step *step);
/* Notes what the engine ordered and told. */
void play_take(struct play *play);
/* Notes how a source stands, if it is followed. */
void play_note(struct play *play, const struct addr *addr);

/* behind.c: hosts of others. */
bool behind_watch(struct play *play, char **words);
bool behind_host(struct play *play, char **words);
bool behind_answers(struct play *play, char **words);
bool behind_failed(struct play *play, char **words);
bool behind_watches(const struct play *play, const struct addr *addr);
/* What the sender of a packet to one of them hears. */
enum outcome behind_send(struct play *play, const struct step *step);
/* Time has passed. */
void behind_tick(struct play *play);

#endif
