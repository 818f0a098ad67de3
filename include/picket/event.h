/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An event: one thing that an admin would want to read about.  It is complete: a log line, a hook's arguments, a row of
 * the history and a JSON object can be made from it without another look at the engine.  Fixed-width and flat: it
 * travels between the processes as it is.
 */
#ifndef PICKET_EVENT_H
#define PICKET_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <picket/evidence.h>
#include "addr.h"

/* The order is part of messages and saved state: append only. */
enum event_type {
	EVENT_NONE,
	EVENT_ALERT,       /* a source passed `alert` */
	EVENT_VEIL,        /* on suspicion: new connections pay, nothing is refused */
	EVENT_BAN,         /* on proof: nothing new is let in */
	EVENT_UNBLOCK,     /* lifted by an admin, or by an allow */
	EVENT_EXPIRE,      /* its time was up */
	EVENT_EXEMPT,      /* would have been veiled or banned, but a safeguard forbids it (text names it) */
	EVENT_BLOCK,       /* by an admin's word */
	EVENT_DISTRIBUTED, /* many sources scan together */
	EVENT_FAILED,      /* the kernel refused a block or, grade NONE, an unblock (text says why) */
	EVENT_NOTICE,      /* anything else worth a line: text alone */
	EVENT_EXPOSURE,    /* a local service became reachable from outside (text) */
	EVENT_TYPE_COUNT
};

/*
 * The grade of a source, or of an element in the kernel.  From VEIL on the kernel answers differently: a veil delays
 * what is new, a ban admits nothing new, a block (an admin's word) cuts everything.  The order is that of strictness,
 * and part of messages and saved state.
 */
enum grade { GRADE_NONE, GRADE_WATCH, GRADE_ALERT, GRADE_VEIL, GRADE_BAN, GRADE_BLOCK, GRADE_COUNT };

#define EVENT_PIECES_MAX 12
#define EVENT_TEXT_MAX   160
#define EVENT_LATEST_MS  253402300799999LL /* the end of the year 9999 */

struct event {
	int64_t at_ms;       /* since the epoch */
	int64_t duration_ms; /* of the block; 0 where none */
	struct prefix source;
	uint8_t type;                             /* enum event_type */
	uint8_t grade;                            /* enum grade */
	uint8_t tool;                             /* enum evidence_tool */
	uint8_t observed;                         /* 1: observe mode, nothing was done */
	uint8_t piece_count;                      /* <= EVENT_PIECES_MAX */
	uint8_t times;                            /* which block of this source this is: 1, 2, ... (saturates) */
	uint32_t incident;                        /* 0: none */
	int32_t confirmed_mn;                     /* millinats */
	int32_t suspected_mn;                     /* suspected + fast */
	int32_t threshold_mn;                     /* the one that was passed */
	uint32_t kinds;                           /* bit per enum evidence_kind, older pieces too */
	uint32_t probes;                          /* that counted, since the source is known */
	uint16_t ports, hosts;                    /* distinct ones among the pieces */
	uint16_t sources;                         /* that share the incident; >= 1 */
	struct evidence pieces[EVENT_PIECES_MAX]; /* newest first */
	char text[EVENT_TEXT_MAX];                /* NUL-terminated, printable; an admin's reason, a safeguard's name */
};

const char *event_type_name(enum event_type type); /* "alert", "veil", "ban", "block", "unblock", "expire", ... */
const char *grade_name(enum grade grade);          /* "watch", "alert", "veil", "ban", "block" */
/* What a source of that grade may still do, in a line; NULL below a veil, where nothing is kept from it. */
const char *grade_passes(enum grade grade);
/* Does a grade begin with it that stands in the kernel: a veil, a ban, a block? */
bool event_is_beginning(const struct event *event);
/* May anybody bring it about in any number, with forged packets: an alert, a veil, the end of one? */
bool event_is_forgeable(const struct event *event);
/* What must give way to what where not all can be told, the dearest last. */
enum event_worth { EVENT_WORTH_FORGEABLE, EVENT_WORTH_OTHER, EVENT_WORTH_BAN, EVENT_WORTH_COUNT };
/* A ban or block begins; what anybody may bring about in any number; anything else. */
enum event_worth event_worth(const struct event *event);
/* From an untrusted message: every enum in range, text terminated and printable, prefix valid. */
bool event_is_valid(const struct event *event);

#endif
