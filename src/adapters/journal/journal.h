/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log.  Lines go to stderr in the foreground; else to systemd's journal, with fields, if its socket answers; else
 * to syslog.  No function fails, and none waits for the log's reader.
 *
 * Rate: JOURNAL_RATE lines a second (or as many as the options say) after a burst of ten times as many, any line;
 * beside it JOURNAL_RATE_RESERVED a second (after such a burst) which lines about what anybody can forge never use, and
 * as much again for bans and blocks alone.  The lines beyond are left out, and a later line says how many.
 *
 * Lines that the reader does not take wait: so many bans, others, and forgeable ones.  They go out with a later line,
 * or by journal_flush().
 */
#ifndef PICKET_JOURNAL_H
#define PICKET_JOURNAL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_RATE          30
#define JOURNAL_BURST_S       10 /* the burst is the lines of so many seconds */
#define JOURNAL_RATE_RESERVED 10

#define JOURNAL_WAITING_BANS      1024
#define JOURNAL_WAITING_OTHER     256
#define JOURNAL_WAITING_FORGEABLE 64

struct journal;
struct event;

struct journal_options {
	bool to_stderr;
	int stderr_fd;    /* where that is; 0: standard error */
	bool verbose;     /* debug lines too */
	unsigned rate;    /* lines a second; 0: JOURNAL_RATE */
	const char *name; /* "picketd" */
};

/* left_out: by the rate, or since too many waited already. */
struct journal_stats {
	uint64_t left_out;
	uint32_t waiting;
};

struct journal *journal_open(const struct journal_options *options);
void journal_close(struct journal *journal);
/* priority: syslog(3)'s LOG_ERR .. LOG_DEBUG. */
void journal_log(struct journal *journal, int priority, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Adds ": strerror(error)". */
void journal_log_errno(struct journal *journal, int priority, int error, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* One event: the line as given, and PICKET_SOURCE, PICKET_GRADE, PICKET_EVENT, PICKET_INCIDENT, PICKET_PORTS,
 * PICKET_DURATION_S as fields. */
void journal_event(struct journal *journal, const struct event *event, const char *line);
/* Sends what waits; to be called now and then. */
void journal_flush(struct journal *journal);
struct journal_stats journal_stats(const struct journal *journal);

#endif
