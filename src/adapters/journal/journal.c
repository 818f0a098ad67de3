/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is logged, and how much of it.  Each line is made printable, so that no text from outside can forge a line or
 * move a terminal's cursor.  A flood of lines meets buckets of tokens: a line takes from the bucket of the cheapest
 * class that has one left, up to its own, so that what is dear is never left out for what is cheap.
 */
#include "journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <picket/describe.h>

#include "clock.h"
#include "internal.h"

#define TELL_EVERY_MS 10000

struct journal {
	bool verbose;
	char name[32];
	struct out out;
	int64_t rates[EVENT_WORTH_COUNT];     /* lines a second */
	int64_t buckets_m[EVENT_WORTH_COUNT]; /* thousandths of a line */
	int64_t filled_ms, told_ms;
	uint64_t left_out, untold;
};

struct journal *journal_open(const struct journal_options *options)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (!journal)
		return NULL;
	struct writer name = writer_over(journal->name, sizeof(journal->name));
	writer_text(&name, options->name);
	journal->verbose = options->verbose;
	for (int worth = 0; worth < EVENT_WORTH_COUNT; worth++) {
		journal->rates[worth] = JOURNAL_RATE_RESERVED;
		if (worth == EVENT_WORTH_FORGEABLE)
			journal->rates[worth] = options->rate ? options->rate : JOURNAL_RATE;
		journal->buckets_m[worth] = journal->rates[worth] * JOURNAL_BURST_S * 1000;
	}
	journal->filled_ms = clock_ms(CLOCK_MONOTONIC);
	journal->told_ms = journal->filled_ms - TELL_EVERY_MS;
	out_open(&journal->out, options->to_stderr, options->stderr_fd ? options->stderr_fd : STDERR_FILENO);
	return journal;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	out_close(&journal->out);
	free(journal);
}

static void fill(struct journal *journal)
{
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC), passed = now_ms - journal->filled_ms;

	journal->filled_ms = now_ms;
	for (int worth = 0; worth < EVENT_WORTH_COUNT; worth++) {
		int64_t most = journal->rates[worth] * JOURNAL_BURST_S * 1000;
		int64_t room = most - journal->buckets_m[worth];

		/* passed is compared first, so that the product stays small. */
		journal->buckets_m[worth] = passed >= 60000 || passed * journal->rates[worth] >= room
						    ? most
						    : journal->buckets_m[worth] + passed * journal->rates[worth];
	}
}

static void leave_out(struct journal *journal)
{
	journal->left_out++;
	journal->untold++;
}

static bool may_pass(struct journal *journal, enum event_worth worth)
{
	fill(journal);
	for (unsigned from = 0; from <= worth; from++)
		if (journal->buckets_m[from] >= 1000) {
			journal->buckets_m[from] -= 1000;
			return true;
		}
	leave_out(journal);
	return false;
}

static void put_line(struct journal *journal, enum event_worth worth, int priority, const char *line,
		     const char *fields)
{
	char encoded[ENCODED_MAX];
	struct writer w = writer_over(encoded, sizeof(encoded));

	out_encode(&journal->out, journal->name, priority, line, fields, &w);
	if (!out_put(&journal->out, worth, encoded, w.len))
		leave_out(journal);
}

static void tell_left_out(struct journal *journal)
{
	char line[96];
	uint64_t untold = journal->untold;

	if (untold == 0 || journal->filled_ms - journal->told_ms < TELL_EVERY_MS)
		return;
	journal->told_ms = journal->filled_ms;
	journal->untold = 0;
	snprintf(line, sizeof(line), "%llu lines were left out: more than the log takes", (unsigned long long)untold);
	put_line(journal, EVENT_WORTH_OTHER, LOG_WARNING, line, "");
}

static void put(struct journal *journal, enum event_worth worth, int priority, const char *text, const char *fields)
{
	char line[LINE_MAX_BYTES];
	size_t len = 0;

	for (; *text && len + 1 < sizeof(line); text++)
		line[len++] = *text >= ' ' && *text <= '~' ? *text : '?';
	line[len] = '\0';
	tell_left_out(journal);
	put_line(journal, worth, priority, line, fields);
}

__attribute__((format(printf, 3, 0))) static void log_text(struct journal *journal, int priority, const char *format,
							   va_list args, const char *error)
{
	char text[LINE_MAX_BYTES];
	int len;

	if (!journal || (priority >= LOG_DEBUG && !journal->verbose) || !may_pass(journal, EVENT_WORTH_OTHER))
		return;
	len = vsnprintf(text, sizeof(text), format, args);
	if (len >= 0 && (size_t)len < sizeof(text) && error)
		snprintf(text + len, sizeof(text) - (size_t)len, ": %s", error);
	put(journal, EVENT_WORTH_OTHER, priority, text, "");
}

void journal_log(struct journal *journal, int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_text(journal, priority, format, args, NULL);
	va_end(args);
}

void journal_log_errno(struct journal *journal, int priority, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	/* Adapters return -errno. */
	log_text(journal, priority, format, args, strerror(error < 0 ? -error : error));
	va_end(args);
}

static int event_priority(const struct event *event)
{
	switch ((enum event_type)event->type) {
	case EVENT_VEIL:
	case EVENT_BAN:
	case EVENT_BLOCK:
	case EVENT_DISTRIBUTED:
	case EVENT_EXPOSURE: return LOG_WARNING;
	case EVENT_FAILED: return LOG_ERR;
	case EVENT_ALERT:
	case EVENT_UNBLOCK:
	case EVENT_EXEMPT: return LOG_NOTICE;
	default: return LOG_INFO;
	}
}

static void write_fields(const struct event *event, struct writer *w)
{
	char source[PREFIX_TEXT_MAX], ports[256];
	struct writer list = writer_over(ports, sizeof(ports));

	describe_ports(&list, event);
	writer_format(w, "PICKET_SOURCE=%s\nPICKET_GRADE=%s\nPICKET_EVENT=%s\nPICKET_INCIDENT=%u\n",
		      prefix_format(&event->source, source), grade_name((enum grade)event->grade),
		      event_type_name((enum event_type)event->type), event->incident);
	writer_format(w, "PICKET_PORTS=%s\nPICKET_DURATION_S=%lld\n", ports, (long long)(event->duration_ms / 1000));
}

void journal_event(struct journal *journal, const struct event *event, const char *line)
{
	char fields[768] = "";
	struct writer w = writer_over(fields, sizeof(fields));

	if (!journal || !may_pass(journal, event_worth(event)))
		return;
	if (out_has_fields(&journal->out) && event->type != EVENT_NOTICE)
		write_fields(event, &w);
	put(journal, event_worth(event), event_priority(event), line, fields);
}

void journal_flush(struct journal *journal)
{
	if (journal)
		out_flush(&journal->out);
}

struct journal_stats journal_stats(const struct journal *journal)
{
	return (struct journal_stats){ journal->left_out, out_waiting(&journal->out) };
}
