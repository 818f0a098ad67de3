/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log.  Lines go to stderr in the foreground; else to systemd's journal, with fields, if its socket answers; else
 * to syslog.  At most JOURNAL_RATE lines a second pass, after a burst of JOURNAL_BURST; the others are suppressed, and
 * the next line that passes says how many.  Lines about what anybody can forge leave the last JOURNAL_RESERVE of the
 * burst to others, bans above all.  No function fails.
 */
#ifndef PICKET_JOURNAL_H
#define PICKET_JOURNAL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_RATE    50
#define JOURNAL_BURST   500
#define JOURNAL_RESERVE 100

struct journal;
struct event;

struct journal_options {
	bool to_stderr;
	bool verbose;     /* debug lines too */
	const char *name; /* "picketd" */
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
uint64_t journal_suppressed(const struct journal *journal);

#endif
