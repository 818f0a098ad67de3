/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log line of an event and its reason.  The lines are a contract (admins and fail2ban match them): the verb,
 * then the address, then how long, then why.  Text that came from a person is escaped on its way in; everything
 * else is picket's own vocabulary.
 */
#include <picket/describe.h>

#include <string.h>

#include "describe_pieces.h"
#include "duration.h"

/* How a line of each type is built. */
struct line {
	const char *verb;
	bool conditional; /* "would ..." in observe mode */
	bool duration;
	bool incident;
	const char *reason; /* where the event's text is the whole reason: the words for an empty one */
};

static const struct line lines[EVENT_TYPE_COUNT] = {
	[EVENT_NONE] = { "notice", false, false, false, "nothing" },
	[EVENT_ALERT] = { "alert", false, false, true, NULL },
	[EVENT_BLOCK] = { "block", true, true, true, NULL },
	[EVENT_BAN] = { "ban", true, true, true, NULL },
	[EVENT_UNBLOCK] = { "unblock", true, false, false, "by an admin" },
	[EVENT_EXPIRE] = { "unblock", true, false, false, "expired" },
	[EVENT_EXEMPT] = { "spared", false, false, true, NULL },
	[EVENT_STORM] = { "storm", false, false, false, "more suspects than storm_rate allows" },
	[EVENT_DISTRIBUTED] = { "distributed scan", false, false, true, NULL },
	[EVENT_FAILED] = { "failed to block", false, true, true, "the kernel refused it" },
	[EVENT_NOTICE] = { "notice", false, false, false, "nothing" },
	[EVENT_EXPOSURE] = { "exposed", false, false, false, "a new port" },
};

static const struct line *line_of(const struct event *event)
{
	return &lines[event->type < EVENT_TYPE_COUNT ? event->type : EVENT_NONE];
}

static void write_text(struct writer *w, const struct event *event)
{
	writer_escaped(w, event->text, strnlen(event->text, sizeof(event->text)));
}

/* Millinats with one decimal, rounded to the nearest. */
static void write_nats(struct writer *w, int32_t mn)
{
	int64_t tenths = ((int64_t)mn + (mn < 0 ? -50 : 50)) / 100;

	writer_format(w, "%s%lld.%lld", tenths < 0 ? "-" : "", (long long)(tenths < 0 ? -tenths : tenths) / 10,
		      (long long)(tenths < 0 ? -tenths : tenths) % 10);
}

/* A ban rests on confirmation alone; anything less on the sum of both, so both are told. */
static void write_score(struct item_list *list, const struct event *event)
{
	bool confirmed = event->confirmed_mn > 0;

	item_begin(list);
	if (confirmed) {
		writer_text(list->w, "confirmed ");
		write_nats(list->w, event->confirmed_mn);
		if (event->type == EVENT_BAN)
			return;
		if (event->suspected_mn > 0)
			writer_text(list->w, " and ");
	}
	if (!confirmed || event->suspected_mn > 0) {
		writer_text(list->w, "suspected ");
		write_nats(list->w, event->suspected_mn);
	}
	if (event->threshold_mn > 0) {
		writer_text(list->w, " of ");
		write_nats(list->w, event->threshold_mn);
	}
}

static void write_findings(struct writer *w, const struct event *event, const struct service_names *names)
{
	struct item_list list = { .w = w };

	if (event->type == EVENT_DISTRIBUTED) {
		item_begin(&list);
		writer_format(w, "%u %s", event->sources, event->sources == 1 ? "source" : "sources");
	} else {
		write_score(&list, event);
	}
	describe_pieces(&list, event, names);
	if (event->text[0] && event->type != EVENT_EXEMPT) {
		item_begin(&list);
		write_text(w, event);
	}
}

void describe_reason(struct writer *w, const struct event *event, const struct service_names *names)
{
	const struct line *line = line_of(event);

	if (line->reason) {
		if (event->text[0] && event->type != EVENT_EXPIRE)
			write_text(w, event);
		else
			writer_text(w, line->reason);
		return;
	}
	if (event->grade == GRADE_MANUAL) {
		writer_text(w, "by an admin");
		if (event->text[0]) {
			writer_text(w, ", ");
			write_text(w, event);
		}
		return;
	}
	if (event->type == EVENT_EXEMPT && event->text[0]) {
		write_text(w, event);
		writer_text(w, "; ");
	}
	write_findings(w, event, names);
}

/* A storm, a notice and a distributed scan may be about nobody in particular. */
static bool has_source(const struct event *event)
{
	return event->source.len > 0 || !addr_is_unspecified(&event->source.addr);
}

/* The kernel refuses a block, a ban, or to let go of either: that event has no grade. */
static const char *verb_of(const struct event *event)
{
	if (event->type == EVENT_FAILED && event->grade == GRADE_BAN)
		return "failed to ban";
	if (event->type == EVENT_FAILED && event->grade == GRADE_NONE && has_source(event))
		return "failed to unblock";
	return line_of(event)->verb;
}

static void write_head(struct writer *w, const struct event *event)
{
	const struct line *line = line_of(event);
	char source[PREFIX_TEXT_MAX], duration[DURATION_TEXT_MAX];

	if (line->conditional && event->observed)
		writer_text(w, "would ");
	writer_text(w, verb_of(event));
	if (has_source(event))
		writer_format(w, " %s", prefix_format(&event->source, source));
	if (line->duration && event->duration_ms > 0)
		writer_format(w, " for %s", duration_format(event->duration_ms, duration));
	writer_text(w, ": ");
}

void describe_event(struct writer *w, const struct event *event, const struct service_names *names)
{
	/* A notice about nobody is its text alone. */
	if (event->type != EVENT_NOTICE || has_source(event))
		write_head(w, event);
	describe_reason(w, event, names);
	if (line_of(event)->incident && event->incident)
		writer_format(w, " [incident %u]", event->incident);
}
