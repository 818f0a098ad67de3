/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Views as JSON: the parts they are made of, and the rows of lists.
 * Promises: whatever a view holds, the JSON is valid and printable ASCII; enumerations out of range come out as null.
 */
#include "json_view.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

json_t *json_ascii(const char *text, size_t max)
{
	char clean[1024];
	size_t len = 0;

	while (len < max && len < sizeof(clean) - 1 && text[len]) {
		clean[len] = text[len] >= 0x20 && text[len] < 0x7f ? text[len] : '?';
		len++;
	}
	return json_stringn(clean, len);
}

json_t *json_time(int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm when;
	char text[64];

	if (ms <= 0 || !gmtime_r(&seconds, &when) || when.tm_year > 8000)
		return json_null();
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", when.tm_year + 1900, when.tm_mon + 1,
		 when.tm_mday, when.tm_hour, when.tm_min, when.tm_sec, (int)(ms % 1000));
	return json_string(text);
}

json_t *json_prefix(const struct prefix *prefix)
{
	char text[PREFIX_TEXT_MAX];

	return prefix_is_valid(prefix) ? json_string(prefix_format(prefix, text)) : json_null();
}

json_t *json_nats(int32_t mn)
{
	return json_real(mn / 1000.0);
}

json_t *json_seconds_left(int64_t until_ms, int64_t now_ms)
{
	if (until_ms == 0)
		return json_null();
	return json_integer(until_ms > now_ms ? (until_ms - now_ms + 999) / 1000 : 0);
}

json_t *json_kinds(uint32_t kinds, const struct evidence *pieces, size_t count)
{
	uint32_t weights[EVIDENCE_KIND_COUNT] = { 0 };
	char text[512];
	struct writer w = writer_over(text, sizeof(text));

	for (size_t i = 0; i < count; i++)
		if (pieces[i].kind < EVIDENCE_KIND_COUNT) {
			weights[pieces[i].kind] += pieces[i].weight;
			kinds |= pieces[i].weight ? 1u << pieces[i].kind : 0;
		}
	for (;;) {
		unsigned best = EVIDENCE_NONE;

		for (unsigned kind = EVIDENCE_NONE + 1; kind < EVIDENCE_KIND_COUNT; kind++)
			if (kinds & 1u << kind && (best == EVIDENCE_NONE || weights[kind] > weights[best]))
				best = kind;
		if (best == EVIDENCE_NONE)
			break;
		kinds &= ~(1u << best);
		writer_format(&w, "%s%s", w.len ? "," : "", evidence_name((enum evidence_kind)best));
	}
	return w.len ? json_string(text) : json_null();
}

json_t *json_tool(uint8_t tool)
{
	return tool > TOOL_NONE && tool < TOOL_COUNT ? json_string(evidence_tool_name((enum evidence_tool)tool))
						     : json_null();
}

json_t *json_ports(const uint16_t *ports, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		if (ports[i])
			json_array_append_new(array, json_integer(ports[i]));
	return array;
}

static json_t *json_grade(uint8_t grade)
{
	return grade > GRADE_NONE && grade < GRADE_COUNT ? json_string(grade_name((enum grade)grade)) : json_null();
}

static json_t *json_incident(uint32_t incident)
{
	return incident ? json_integer(incident) : json_null();
}

void json_nearest(json_t *object, int32_t confirmed_mn, int32_t total_mn, const struct thresholds *thresholds)
{
	const char *next = "ban";
	int32_t distance = thresholds->ban_mn - confirmed_mn;

	if (distance <= 0) {
		json_object_set_new(object, "next", json_null());
		json_object_set_new(object, "distance", json_null());
		return;
	}
	if (total_mn < thresholds->alert_mn) {
		next = "alert";
		distance = thresholds->alert_mn - total_mn;
	} else if (total_mn < thresholds->block_mn) {
		next = "block";
		distance = thresholds->block_mn - total_mn;
	}
	json_object_set_new(object, "next", json_string(next));
	json_object_set_new(object, "distance", json_nats(distance));
}

static const char *const why_names[PROTECT_WHY_COUNT] = {
	[PROTECT_NONE] = "none",         [PROTECT_OWN] = "own address", [PROTECT_GATEWAY] = "gateway",
	[PROTECT_RESOLVER] = "resolver", [PROTECT_NTP] = "ntp server",  [PROTECT_DHCP] = "dhcp server",
	[PROTECT_LOCAL] = "local",       [PROTECT_LOGIN] = "login",     [PROTECT_ONLINK] = "on-link",
};

const char *protect_why_name(uint8_t why)
{
	return why < PROTECT_WHY_COUNT ? why_names[why] : "unknown";
}

json_t *view_block(const struct block_view *block, int64_t now_ms)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o}", "source", json_prefix(&block->source),
			 "grade", json_grade(block->grade), "expires_in_s", json_seconds_left(block->until_ms, now_ms),
			 "since", json_time(block->since_ms), "times", (int)block->times, "reason",
			 json_ascii(block->reason, sizeof(block->reason)), "ports",
			 json_ports(block->ports, sizeof(block->ports) / sizeof(block->ports[0])), "kind",
			 json_kinds(block->kinds, NULL, 0), "tool", json_tool(block->tool), "incident",
			 json_incident(block->incident));
}

static int by_number(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

size_t view_ports(const struct evidence *pieces, size_t count, uint16_t *out, size_t max)
{
	size_t found = 0;

	for (size_t i = 0; i < count && found < max; i++) {
		bool known = pieces[i].port == 0 || pieces[i].kind == EVIDENCE_PROTOCOL;

		for (size_t j = 0; j < found && !known; j++)
			known = out[j] == pieces[i].port;
		if (!known)
			out[found++] = pieces[i].port;
	}
	qsort(out, found, sizeof(*out), by_number);
	return found;
}

void source_row_of(const struct source_view *view, struct source_row *out)
{
	size_t count = view->piece_count < EVENT_PIECES_MAX ? view->piece_count : EVENT_PIECES_MAX;

	*out = (struct source_row){
		.source = view->source,
		.grade = view->grade,
		.tool = view->tool,
		.times = view->times,
		.confirmed_mn = view->confirmed_mn,
		.suspected_mn = view->suspected_mn,
		.fast_mn = view->fast_mn,
		.incident = view->incident,
		.kinds = view->kinds,
		.probes = view->probes,
		.first_ms = view->first_ms,
		.last_ms = view->last_ms,
	};
	out->port_count =
		(uint8_t)view_ports(view->pieces, count, out->ports, sizeof(out->ports) / sizeof(out->ports[0]));
}

json_t *view_source(const struct source_row *row, const struct thresholds *thresholds)
{
	int32_t suspected = row->suspected_mn + row->fast_mn;
	json_t *object =
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:i, s:o, s:o, s:o, s:o}", "source",
			  json_prefix(&row->source), "grade", json_grade(row->grade), "score",
			  json_nats(row->confirmed_mn + suspected), "confirmed", json_nats(row->confirmed_mn),
			  "suspected", json_nats(suspected), "since", json_time(row->first_ms), "last_seen",
			  json_time(row->last_ms), "probes", (json_int_t)row->probes, "times", (int)row->times, "ports",
			  json_ports(row->ports, row->port_count), "kind", json_kinds(row->kinds, NULL, 0), "tool",
			  json_tool(row->tool), "incident", json_incident(row->incident));

	if (object)
		json_nearest(object, row->confirmed_mn, row->confirmed_mn + suspected, thresholds);
	return object;
}

json_t *view_allow(const struct allow_view *allow, int64_t now_ms)
{
	return json_pack("{s:o, s:s, s:o}", "source", json_prefix(&allow->source), "origin",
			 allow->origin == ALLOW_CONFIG ? "config" : "admin", "expires_in_s",
			 json_seconds_left(allow->until_ms, now_ms));
}

json_t *view_protected(const struct protected_view *protected)
{
	return json_pack("{s:o, s:s}", "source", json_prefix(&protected->what), "why",
			 protect_why_name(protected->why));
}
