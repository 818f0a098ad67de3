/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scenario as text becomes a list of steps in the order of time.  The format is told in README.md.
 */
#ifndef REPLAY_SCRIPT_H
#define REPLAY_SCRIPT_H

#include <picket/engine.h>

#define SCRIPT_WORDS_MAX 24
#define SCRIPT_PORTS_MAX 65536

enum step_type { STEP_PROBE, STEP_LINE };

/* A probe, or a line (a setting, an order, an expectation) whose turn has come. */
struct step {
	int64_t at_ms;
	size_t order; /* among steps of one time: as written */
	enum step_type type;
	unsigned line;
	bool tracked;   /* a source that the scenario names */
	bool published; /* forwarded by DNAT: the engine never sees it, the veil prices it */
	bool completes; /* its sender ends the handshake that it began */
	size_t train;   /* an index of script.trains, of a SYN that is repeated until it is answered; else TRAIN_NONE */
	struct probe probe;
	char *text;
};

#define TRAIN_NONE SIZE_MAX

/* A SYN and its repeats, as one connect() sends them. */
struct train {
	struct addr src;
	uint16_t dport;
	int64_t began_ms, answered_ms; /* -1: not (yet) */
};

struct script {
	const char *path;
	struct step *steps;
	size_t count, capacity;
	struct train *trains;
	size_t train_count, train_capacity;
	int64_t cursor_ms; /* where `at +...` counts from */
	uint64_t seed;
	struct addr local; /* where probes go unless they say otherwise */
	char error[200];
	unsigned error_line;
};

/* Splits at blanks, in place. */
size_t script_words(char *text, char *words[SCRIPT_WORDS_MAX]);
bool script_time(const char *text, int64_t *out_ms);
uint32_t script_random(struct script *script);

/* False: error and error_line say why. */
bool script_read(struct script *script, const char *path);
void script_free(struct script *script);
bool script_fail(struct script *script, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool script_add(struct script *script, const struct step *step);
/* A new train; TRAIN_NONE when out of memory. */
size_t script_add_train(struct script *script, const struct packet *syn, int64_t at_ms);

/* "SOURCE KIND PORTS option=value ...": one probe for each source and port.  steps 0: all ports, gap_ms apart; else
 * that many, port by port in turn, gap_ms apart.  *last_ms is when the last one is sent. */
bool probes_read(struct script *script, char **words, size_t count, int64_t from_ms, int64_t gap_ms, size_t steps,
		 unsigned line, int64_t *last_ms);
/* "10.0.0.1", "10.0.0.1+50", "2001:db8::1+8/64": the first address, how many, and the bit that counts up. */
bool source_read(const char *text, struct addr *first, unsigned *count, unsigned *len);
struct addr source_next(const struct addr *first, unsigned i, unsigned len);

#endif
