/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's views and events as JSON objects, with the field names of the contract: what `picketctl --json` prints.
 * Every function returns a new reference, or NULL when out of memory.  Scores are in nats, times RFC 3339 in UTC.
 */
#ifndef PICKET_JSON_VIEW_H
#define PICKET_JSON_VIEW_H

#include <jansson.h>

#include <picket/describe.h>
#include <picket/engine.h>
#include "control/control.h"
#include "wire/wire.h"

/* The parts of a source_view that a list of sources shows: a quarter of its size, since 65,536 of them may be kept
 * while they are sorted. */
struct source_row {
	struct prefix source;
	uint8_t grade, tool, times, port_count;
	uint16_t ports[8];
	int32_t confirmed_mn, suspected_mn, fast_mn;
	uint32_t incident, kinds, probes;
	int64_t first_ms, last_ms;
};

struct thresholds {
	int32_t alert_mn, block_mn, ban_mn;
};

struct status_extra {
	const struct wire_hooks *hooks; /* NULL: not told yet */
	struct control_stats control;
	uint64_t log_suppressed, bad_messages, late_answers, followers_lost, history_rows;
	const char *state_dir;
};

/* Text of doubtful origin: at most max bytes up to a NUL, what is not printable ASCII as '?'. */
json_t *json_ascii(const char *text, size_t max);
json_t *json_time(int64_t ms); /* 0 or less: null */
json_t *json_prefix(const struct prefix *prefix);
json_t *json_nats(int32_t mn);
json_t *json_seconds_left(int64_t until_ms, int64_t now_ms); /* until 0: null */
/* "syn,udp", heaviest first; null for none */
json_t *json_kinds(uint32_t kinds, const struct evidence *pieces, size_t count);
json_t *json_tool(uint8_t tool); /* null for none */
json_t *json_ports(const uint16_t *ports, size_t count);
/* Distinct ports of some pieces, ascending, at most max; returns how many. */
size_t view_ports(const struct evidence *pieces, size_t count, uint16_t *out, size_t max);
/* Adds "next", the next grade that a score can reach, and "distance", how far away it is. */
void json_nearest(json_t *object, int32_t confirmed_mn, int32_t total_mn, const struct thresholds *thresholds);
const char *protect_why_name(uint8_t why);

json_t *view_block(const struct block_view *block, int64_t now_ms);
json_t *view_source(const struct source_row *row, const struct thresholds *thresholds);
json_t *view_allow(const struct allow_view *allow, int64_t now_ms);
json_t *view_protected(const struct protected_view *protected);
json_t *view_event(const struct event *event, const struct service_names *names);
json_t *view_explain(const struct explain_view *explain, int64_t now_ms, const struct service_names *names);
json_t *view_status(const struct wire_status *status, const struct status_extra *extra);

/* Out of a page of the sentry's. */
void source_row_of(const struct source_view *view, struct source_row *out);

#endif
