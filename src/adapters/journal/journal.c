/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes log lines to stderr, to the journal with fields, or to syslog.  It never fails and never blocks its caller.
 * Defends against a flood of lines by a token bucket: the next line that passes is preceded by the number of those
 * that were suppressed.  Each line is made printable, so that no text from outside can forge a line or move a
 * terminal's cursor.
 */
#include "journal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include <picket/describe.h>

#include "clock.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define LINE_MAX_BYTES 2048
#define FIELDS_MAX     12
#define FIELD_BYTES    320

struct journal {
	bool to_stderr, verbose, systemd;
	char name[32];
	int64_t tokens_m; /* thousandths of a line */
	int64_t filled_ms;
	uint64_t suppressed, untold;
};

/* One message to sd_journal_sendv(): fields are "NAME=value". */
struct fields {
	char text[FIELDS_MAX][FIELD_BYTES];
	struct iovec parts[FIELDS_MAX + 1];
	int count;
};

static bool journal_answers(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool answers;

	if (fd < 0)
		return false;
	answers = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return answers;
}

/* systemd names the stream in JOURNAL_STREAM: lines then go to the journal itself, with their fields. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat info;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &info) == 0 &&
	       info.st_dev == device && info.st_ino == inode;
}

struct journal *journal_open(const struct journal_options *options)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (!journal)
		return NULL;
	struct writer name = writer_over(journal->name, sizeof(journal->name));
	writer_text(&name, options->name);
	journal->to_stderr = options->to_stderr;
	journal->verbose = options->verbose;
	journal->tokens_m = JOURNAL_BURST * 1000;
	journal->filled_ms = clock_ms(CLOCK_MONOTONIC);
	if (journal->to_stderr && stderr_is_journal())
		journal->to_stderr = false;
	if (!journal->to_stderr) {
		journal->systemd = journal_answers();
		/* Connects now, since the sandbox may forbid it later. */
		if (!journal->systemd)
			openlog(journal->name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	}
	return journal;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (!journal->to_stderr && !journal->systemd)
		closelog();
	free(journal);
}

static bool may_pass(struct journal *journal, int reserve)
{
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC), passed = now_ms - journal->filled_ms;

	journal->filled_ms = now_ms;
	if (passed > 0)
		journal->tokens_m += passed > 60000 ? JOURNAL_BURST * 1000 : passed * JOURNAL_RATE;
	if (journal->tokens_m > JOURNAL_BURST * 1000)
		journal->tokens_m = JOURNAL_BURST * 1000;
	if (journal->tokens_m < (reserve + 1) * 1000) {
		journal->suppressed++;
		journal->untold++;
		return false;
	}
	journal->tokens_m -= 1000;
	return true;
}

static void add_field(struct fields *fields, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_field(struct fields *fields, const char *format, ...)
{
	va_list args;

	if (fields->count >= FIELDS_MAX)
		return;
	char *text = fields->text[fields->count];
	va_start(args, format);
	int len = vsnprintf(text, FIELD_BYTES, format, args);
	va_end(args);
	if (len < 0)
		return;
	fields->parts[fields->count++] =
		(struct iovec){ text, (size_t)len < FIELD_BYTES ? (size_t)len : FIELD_BYTES - 1 };
}

/* A pipe that nobody empties takes none: then the line is lost, not the caller's time.  A pipe is said to be writable
 * when PIPE_BUF bytes fit, more than a line. */
static bool stderr_takes_a_line(void)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT);
}

static void put_line(struct journal *journal, int priority, const char *line, struct fields *fields)
{
	struct fields own = { .count = 0 };
	char message[LINE_MAX_BYTES + 16];
	int len;

	if (journal->to_stderr) {
		/* One write for each line, since three processes share the terminal. */
		len = snprintf(message, sizeof(message), "%s: %s\n", journal->name, line);
		if (len > 0 && (!stderr_takes_a_line() ||
				write(STDERR_FILENO, message,
				      (size_t)len < sizeof(message) ? (size_t)len : sizeof(message) - 1) < 0))
			journal->suppressed++;
		return;
	}
	if (!journal->systemd) {
		syslog(priority, "%s", line);
		return;
	}
	if (!fields)
		fields = &own;
	add_field(fields, "PRIORITY=%d", priority);
	add_field(fields, "SYSLOG_FACILITY=%d", LOG_DAEMON >> 3);
	add_field(fields, "SYSLOG_IDENTIFIER=%s", journal->name);
	len = snprintf(message, sizeof(message), "MESSAGE=%s", line);
	fields->parts[fields->count] =
		(struct iovec){ message, (size_t)len < sizeof(message) ? (size_t)len : sizeof(message) - 1 };
	if (sd_journal_sendv(fields->parts, fields->count + 1) < 0)
		journal->suppressed++;
}

static void tell_suppressed(struct journal *journal)
{
	char line[96];

	if (journal->untold == 0)
		return;
	snprintf(line, sizeof(line), "%llu lines were left out: more than %d a second",
		 (unsigned long long)journal->untold, JOURNAL_RATE);
	journal->untold = 0;
	put_line(journal, LOG_WARNING, line, NULL);
}

static void put(struct journal *journal, int priority, const char *text, struct fields *fields)
{
	char line[LINE_MAX_BYTES];
	size_t len = 0;

	for (; *text && len + 1 < sizeof(line); text++)
		line[len++] = *text >= ' ' && *text <= '~' ? *text : '?';
	line[len] = '\0';
	tell_suppressed(journal);
	put_line(journal, priority, line, fields);
}

__attribute__((format(printf, 3, 0))) static void log_text(struct journal *journal, int priority, const char *format,
							   va_list args, const char *error)
{
	char text[LINE_MAX_BYTES];
	int len;

	if (!journal || (priority >= LOG_DEBUG && !journal->verbose) || !may_pass(journal, 0))
		return;
	len = vsnprintf(text, sizeof(text), format, args);
	if (len >= 0 && (size_t)len < sizeof(text) && error)
		snprintf(text + len, sizeof(text) - (size_t)len, ": %s", error);
	put(journal, priority, text, NULL);
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

void journal_event(struct journal *journal, const struct event *event, const char *line)
{
	char source[PREFIX_TEXT_MAX], ports[256];
	struct writer w = writer_over(ports, sizeof(ports));
	struct fields fields = { .count = 0 };

	if (!journal || !may_pass(journal, event_is_forgeable(event) ? JOURNAL_RESERVE : 0))
		return;
	if (journal->systemd && event->type != EVENT_NOTICE) {
		describe_ports(&w, event);
		add_field(&fields, "PICKET_SOURCE=%s", prefix_format(&event->source, source));
		add_field(&fields, "PICKET_GRADE=%s", grade_name((enum grade)event->grade));
		add_field(&fields, "PICKET_EVENT=%s", event_type_name((enum event_type)event->type));
		add_field(&fields, "PICKET_INCIDENT=%u", event->incident);
		add_field(&fields, "PICKET_PORTS=%s", ports);
		add_field(&fields, "PICKET_DURATION_S=%lld", (long long)(event->duration_ms / 1000));
	}
	put(journal, event_priority(event), line, &fields);
}

uint64_t journal_suppressed(const struct journal *journal)
{
	return journal->suppressed;
}
