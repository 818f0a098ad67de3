/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of events and grades, and the check of an event that another process sent.  Code that renders or stores a valid
 * event, or runs a hook on it, may index tables by its fields and print its text without a further check.
 */
#include <picket/event.h>

#include "duration.h"
#include "writer.h"

static const char *const type_names[EVENT_TYPE_COUNT] = {
	[EVENT_NONE] = "none",     [EVENT_ALERT] = "alert",     [EVENT_VEIL] = "veil",
	[EVENT_BAN] = "ban",       [EVENT_UNBLOCK] = "unblock", [EVENT_EXPIRE] = "expire",
	[EVENT_EXEMPT] = "spared", [EVENT_BLOCK] = "block",     [EVENT_DISTRIBUTED] = "distributed",
	[EVENT_FAILED] = "failed", [EVENT_NOTICE] = "notice",   [EVENT_EXPOSURE] = "exposure",
};

static const char *const grade_names[GRADE_COUNT] = {
	[GRADE_NONE] = "none", [GRADE_WATCH] = "watch", [GRADE_ALERT] = "alert",
	[GRADE_VEIL] = "veil", [GRADE_BAN] = "ban",     [GRADE_BLOCK] = "block",
};

const char *event_type_name(enum event_type type)
{
	return (size_t)type < EVENT_TYPE_COUNT ? type_names[type] : "unknown";
}

const char *grade_name(enum grade grade)
{
	return (size_t)grade < GRADE_COUNT ? grade_names[grade] : "unknown";
}

const char *grade_passes(enum grade grade)
{
	switch (grade) {
	case GRADE_VEIL:
		return "what runs, ports it is a customer of, datagrams to what is served; a new connection, once its "
		       "SYN is repeated, 1 to 3 s late";
	case GRADE_BAN: return "what runs (unless cut_running is set), ports it was a customer of before; nothing new";
	case GRADE_BLOCK: return "nothing";
	default: return NULL;
	}
}

bool event_is_beginning(const struct event *event)
{
	return event->type == EVENT_VEIL || event->type == EVENT_BAN || event->type == EVENT_BLOCK;
}

bool event_is_forgeable(const struct event *event)
{
	return event->type == EVENT_ALERT || event->type == EVENT_VEIL ||
	       (event->type == EVENT_EXPIRE && event->grade == GRADE_VEIL);
}

enum event_worth event_worth(const struct event *event)
{
	if (event->type == EVENT_BAN || event->type == EVENT_BLOCK)
		return EVENT_WORTH_BAN;
	return event_is_forgeable(event) ? EVENT_WORTH_FORGEABLE : EVENT_WORTH_OTHER;
}

bool event_is_valid(const struct event *event)
{
	if (event->type == EVENT_NONE || event->type >= EVENT_TYPE_COUNT || event->grade >= GRADE_COUNT ||
	    event->tool >= TOOL_COUNT || event->observed > 1 || event->piece_count > EVENT_PIECES_MAX)
		return false;
	if (event->at_ms < 0 || event->at_ms > EVENT_LATEST_MS || event->duration_ms < 0 ||
	    event->duration_ms > DURATION_MAX_MS)
		return false;
	if (event->kinds >> EVIDENCE_KIND_COUNT)
		return false;
	for (size_t i = 0; i < event->piece_count; i++) {
		if (event->pieces[i].kind >= EVIDENCE_KIND_COUNT)
			return false;
	}
	return prefix_is_valid(&event->source) && text_is_printable(event->text, sizeof(event->text));
}
