/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the log leaves the process: encoded lines, sent without waiting, kept for a while where nobody takes them. */
#ifndef PICKET_JOURNAL_INTERNAL_H
#define PICKET_JOURNAL_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/un.h>

#include <picket/event.h>

#include "writer.h"

#define LINE_MAX_BYTES 2048
/* An encoded line with its fields; PIPE_BUF, so that a pipe takes it whole or not at all. */
#define ENCODED_MAX 4096

enum out_kind { OUT_STDERR, OUT_JOURNAL, OUT_SYSLOG };

struct waiting {
	STAILQ_ENTRY(waiting) entry;
	size_t len;
	char bytes[];
};
STAILQ_HEAD(waiting_list, waiting);

struct out {
	enum out_kind kind;
	int fd; /* not ours where kind is OUT_STDERR */
	struct sockaddr_un address;
	struct waiting_list lists[EVENT_WORTH_COUNT];
	unsigned counts[EVENT_WORTH_COUNT];
};

void out_open(struct out *out, bool to_stderr, int stderr_fd);
void out_close(struct out *out); /* what nobody took by then is lost */
/* Whether the lines carry fields: NAME=value, one a line of the encoded text. */
bool out_has_fields(const struct out *out);
/* The line as this way out wants it: `fields` begin the text, "" or lines of NAME=value. */
void out_encode(const struct out *out, const char *name, int priority, const char *line, const char *fields,
		struct writer *w);
/* Sends the line, or keeps it behind what waits: false when there was no room for it. */
bool out_put(struct out *out, enum event_worth worth, const char *bytes, size_t len);
/* Sends what waits, as far as it is taken: bans first. */
void out_flush(struct out *out);
unsigned out_waiting(const struct out *out);

#endif
