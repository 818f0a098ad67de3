/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's views and events as JSON objects, with the field names of the contract: what `picketctl --json` prints.
 * Promises: whatever a view holds, the JSON is valid and printable ASCII, and an enumeration out of range comes out as
 * null.  In an explanation the pieces of evidence, as decayed, the older sums and the adjustment (rounding, what is
 * forgiven) add up to the score.
 */
#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clamp.h"
#include "jsonrow.h"

#define KINDS_TEXT_MAX 512

/* ---- values ---- */

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

/* Of one score, or of a sum of several, for which there is no room in 32 bits. */
static json_t *json_nats(int64_t mn)
{
	return json_real((double)mn / 1000.0);
}

static int64_t seconds_left(int64_t until_ms, int64_t now_ms)
{
	int64_t left_ms = clamped_difference(until_ms, now_ms);

	return left_ms > 0 ? (left_ms - 1) / 1000 + 1 : 0;
}

json_t *json_seconds_left(int64_t until_ms, int64_t now_ms)
{
	return until_ms ? json_integer(seconds_left(until_ms, now_ms)) : json_null();
}

/* "syn,udp", heaviest first; NULL for none. */
static const char *kinds_words(uint32_t kinds, const struct evidence *pieces, size_t count, char out[KINDS_TEXT_MAX])
{
	struct writer w = writer_over(out, KINDS_TEXT_MAX);

	for (size_t i = 0; i < count; i++)
		if (pieces[i].kind < EVIDENCE_KIND_COUNT && pieces[i].weight)
			kinds |= 1u << pieces[i].kind;
	describe_kind_names(&w, kinds, pieces, count);
	return w.len ? out : NULL;
}

static json_t *json_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *json_kinds(uint32_t kinds, const struct evidence *pieces, size_t count)
{
	char text[KINDS_TEXT_MAX];

	return json_or_null(kinds_words(kinds, pieces, count, text));
}

/* These are NULL for none, and for what is out of range. */

static const char *tool_words(uint8_t tool)
{
	return tool > TOOL_NONE && tool < TOOL_COUNT ? evidence_tool_name((enum evidence_tool)tool) : NULL;
}

static const char *grade_words(uint8_t grade)
{
	return grade > GRADE_NONE && grade < GRADE_COUNT ? grade_name((enum grade)grade) : NULL;
}

static json_t *json_tool(uint8_t tool)
{
	return json_or_null(tool_words(tool));
}

static json_t *json_ports(const uint16_t *ports, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		if (ports[i])
			json_array_append_new(array, json_integer(ports[i]));
	return array;
}

static int by_number(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* The distinct ports of some pieces, ascending, at most max; returns how many. */
static size_t view_ports(const struct evidence *pieces, size_t count, uint16_t *out, size_t max)
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

static json_t *json_grade(uint8_t grade)
{
	return json_or_null(grade_words(grade));
}

static json_t *json_incident(uint32_t incident)
{
	return incident ? json_integer(incident) : json_null();
}

/* A threshold of a source as that of a net. */
static int64_t of_level(int32_t threshold_mn, uint8_t net)
{
	double mn = threshold_mn * engine_level_factor(net);

	return (int64_t)fmin(fmax(mn, INT32_MIN), INT32_MAX);
}

/* Adds "next", the next grade that the score can reach, and "distance", how far away that is.  A net is never banned.
 * */
static void json_nearest(json_t *object, const struct source_row *row, const struct thresholds *thresholds)
{
	int64_t total_mn = (int64_t)row->confirmed_mn + row->suspected_mn + row->fast_mn;
	int64_t alert_mn = of_level(thresholds->alert_mn, row->net), veil_mn = of_level(thresholds->veil_mn, row->net);
	int64_t distance = (int64_t)thresholds->ban_mn - row->confirmed_mn;
	const char *next = "ban";

	if (distance <= 0 || (row->net && total_mn >= veil_mn)) {
		json_object_set_new(object, "next", json_null());
		json_object_set_new(object, "distance", json_null());
		return;
	}
	if (total_mn < alert_mn) {
		next = "alert";
		distance = alert_mn - total_mn;
	} else if (total_mn < veil_mn) {
		next = "veil";
		distance = veil_mn - total_mn;
	}
	json_object_set_new(object, "next", json_string(next));
	json_object_set_new(object, "distance", json_nats(distance));
}

static const char *const why_names[PROTECT_WHY_COUNT] = {
	[PROTECT_NONE] = "none",           [PROTECT_OWN] = "own address", [PROTECT_GATEWAY] = "gateway",
	[PROTECT_RESOLVER] = "resolver",   [PROTECT_NTP] = "ntp server",  [PROTECT_DHCP] = "dhcp server",
	[PROTECT_LOCAL] = "local",         [PROTECT_LOGIN] = "login",     [PROTECT_ONLINK] = "on-link",
	[PROTECT_NO_SOURCE] = "no-source",
};

const char *protect_why_name(uint8_t why)
{
	return why < PROTECT_WHY_COUNT ? why_names[why] : "unknown";
}

/* ---- rows of lists ---- */

static void row_words_or_null(struct writer *w, const char *key, const char *text)
{
	if (text)
		row_text(w, key, text, SIZE_MAX);
	else
		row_null(w, key);
}

static void row_source(struct writer *w, const struct prefix *source)
{
	char text[PREFIX_TEXT_MAX];

	row_words_or_null(w, "source", prefix_is_valid(source) ? prefix_format(source, text) : NULL);
}

static void row_expiry(struct writer *w, int64_t until_ms, int64_t now_ms)
{
	if (until_ms == 0)
		row_null(w, "expires_in_s");
	else
		row_number(w, "expires_in_s", seconds_left(until_ms, now_ms));
}

static void block_fields(struct writer *w, const struct block_view *block, bool waits, int64_t now_ms)
{
	char kinds[KINDS_TEXT_MAX];

	row_source(w, &block->source);
	row_words_or_null(w, "grade", grade_words(block->grade));
	row_words_or_null(w, "passes",
			  waits ? "everything, in observe mode and while picket is paused"
				: grade_passes((enum grade)block->grade));
	row_expiry(w, block->until_ms, now_ms);
	row_time(w, "since", block->since_ms);
	row_number(w, "times", block->times);
	row_text(w, "reason", block->reason, sizeof(block->reason));
	row_ports(w, "ports", block->ports, sizeof(block->ports) / sizeof(block->ports[0]));
	row_words_or_null(w, "kind", kinds_words(block->kinds, NULL, 0, kinds));
	row_words_or_null(w, "tool", tool_words(block->tool));
	if (block->incident)
		row_number(w, "incident", block->incident);
	else
		row_null(w, "incident");
}

void row_block(struct writer *w, const struct block_view *block, bool waits, int64_t now_ms)
{
	row_begin(w);
	block_fields(w, block, waits, now_ms);
	row_number(w, "v", CONTROL_VERSION);
	row_end(w);
}

void row_allow(struct writer *w, const struct allow_view *allow, int64_t now_ms)
{
	row_begin(w);
	row_source(w, &allow->source);
	row_text(w, "origin", allow->origin == ALLOW_CONFIG ? "config" : "admin", SIZE_MAX);
	row_expiry(w, allow->until_ms, now_ms);
	row_number(w, "v", CONTROL_VERSION);
	row_end(w);
}

/* The row of `list`, within a larger object. */
static json_t *json_block(const struct block_view *block, bool waits, int64_t now_ms)
{
	char text[ROW_MAX];
	struct writer w = writer_over(text, sizeof(text));

	row_begin(&w);
	block_fields(&w, block, waits, now_ms);
	row_end(&w);
	return json_loadb(text, w.len, 0, NULL);
}

void source_row_of(const struct source_view *view, struct source_row *out)
{
	size_t count = view->piece_count < EVENT_PIECES_MAX ? view->piece_count : EVENT_PIECES_MAX;

	*out = (struct source_row){
		.source = view->source,
		.grade = view->grade,
		.net = view->net,
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
	int64_t suspected = (int64_t)row->suspected_mn + row->fast_mn;
	json_t *object =
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:i, s:o, s:o, s:o, s:o}", "source",
			  json_prefix(&row->source), "grade", json_grade(row->grade), "score",
			  json_nats(row->confirmed_mn + suspected), "confirmed", json_nats(row->confirmed_mn),
			  "suspected", json_nats(suspected), "since", json_time(row->first_ms), "last_seen",
			  json_time(row->last_ms), "probes", (json_int_t)row->probes, "times", (int)row->times, "ports",
			  json_ports(row->ports, row->port_count), "kind", json_kinds(row->kinds, NULL, 0), "tool",
			  json_tool(row->tool), "incident", json_incident(row->incident));

	if (object)
		json_nearest(object, row, thresholds);
	return object;
}

json_t *view_protected(const struct protected_view *protected)
{
	return json_pack("{s:o, s:s}", "source", json_prefix(&protected->what), "why",
			 protect_why_name(protected->why));
}

/* ---- events ---- */

static const char *const class_names[EVIDENCE_CLASS_COUNT] = {
	[EVIDENCE_CONFIRMED] = "confirmed",
	[EVIDENCE_SUSPECTED] = "suspected",
	[EVIDENCE_FAST] = "fast",
};

static const char *protocol_name(uint8_t protocol)
{
	return protocol == PROTO_TCP ? "tcp" : protocol == PROTO_UDP ? "udp" : "sctp";
}

static json_t *view_piece(const struct evidence *piece, int64_t now_ms, const struct service_names *names)
{
	enum evidence_kind kind = piece->kind < EVIDENCE_KIND_COUNT ? (enum evidence_kind)piece->kind : EVIDENCE_NONE;
	int64_t at_ms = (int64_t)piece->at_s * 1000;
	uint8_t protocol = evidence_protocol(kind);
	json_t *object =
		json_pack("{s:o, s:I, s:s, s:s, s:s, s:o}", "at", json_time(at_ms), "age_s",
			  (json_int_t)(now_ms > at_ms ? (now_ms - at_ms) / 1000 : 0), "kind", evidence_name(kind),
			  "what", evidence_scan_name(kind), "class", class_names[evidence_class(kind)], "weight",
			  json_real(piece->weight / (double)EVIDENCE_NAT));

	if (!object)
		return NULL;
	if (kind == EVIDENCE_PROTOCOL) {
		json_object_set_new(object, "ip_protocol", json_integer(piece->port));
	} else if (piece->port) {
		const char *name = protocol ? service_name(names, protocol, piece->port) : NULL;

		json_object_set_new(object, "port", json_integer(piece->port));
		json_object_set_new(object, "protocol", protocol ? json_string(protocol_name(protocol)) : json_null());
		json_object_set_new(object, "service", name ? json_ascii(name, 64) : json_null());
	}
	json_object_set_new(object, "host", json_integer(piece->host_tag));
	return object;
}

static json_t *described(void (*describe)(struct writer *, const struct event *, const struct service_names *),
			 const struct event *event, const struct service_names *names)
{
	char text[1024];
	struct writer w = writer_over(text, sizeof(text));

	describe(&w, event, names);
	return json_ascii(text, sizeof(text));
}

json_t *view_event(const struct event *event, const struct service_names *names)
{
	uint16_t ports[EVENT_PIECES_MAX];
	size_t count = event->piece_count < EVENT_PIECES_MAX ? event->piece_count : EVENT_PIECES_MAX;
	size_t port_count = view_ports(event->pieces, count, ports, EVENT_PIECES_MAX);
	bool about_source = event->grade != GRADE_NONE || prefix_family_len(&event->source) > 0;
	json_t *object, *evidence = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(evidence, view_piece(&event->pieces[i], event->at_ms, names));
	object = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "at", json_time(event->at_ms),
			   "event", event_type_name((enum event_type)event->type), "source",
			   about_source ? json_prefix(&event->source) : json_null(), "grade", json_grade(event->grade),
			   "score", json_nats((int64_t)event->confirmed_mn + event->suspected_mn), "confirmed",
			   json_nats(event->confirmed_mn), "suspected", json_nats(event->suspected_mn), "threshold",
			   event->threshold_mn ? json_nats(event->threshold_mn) : json_null(), "reason",
			   described(describe_reason, event, names), "line", described(describe_event, event, names),
			   "observed", event->observed != 0);
	if (!object) {
		json_decref(evidence);
		return NULL;
	}
	json_object_set_new(object, "for_s",
			    event->duration_ms ? json_integer(event->duration_ms / 1000) : json_null());
	json_object_set_new(object, "ports", json_ports(ports, port_count));
	json_object_set_new(object, "kind", json_kinds(event->kinds, event->pieces, count));
	json_object_set_new(object, "tool", json_tool(event->tool));
	json_object_set_new(object, "incident", json_incident(event->incident));
	json_object_set_new(object, "times", json_integer(event->times));
	json_object_set_new(object, "evidence", evidence);
	return object;
}

/* ---- explain ---- */

/* What is left of a slow piece after its age. */
static int32_t decayed_mn(const struct evidence *piece, enum evidence_class class, int64_t now_ms, int64_t half_life_ms)
{
	/* In whole seconds, as the engine counts. */
	const int64_t age_s = now_ms / 1000 - (int64_t)piece->at_s;
	const double half_ms = (double)half_life_ms * (class == EVIDENCE_CONFIRMED ? 3 : 1);
	const double age_ms = 1000.0 * (double)age_s, half_lives = half_ms > 0 && age_ms > 0 ? age_ms / half_ms : 0;

	return (int32_t)lround(piece->weight * (1000.0 / EVIDENCE_NAT) * exp2(-half_lives));
}

/* Takes a part off what is left of a class's score.  The fast class leaks evenly: what is left of it is its newest
 * part. */
static int64_t take_share(int64_t left[EVIDENCE_CLASS_COUNT], enum evidence_class class, int64_t part_mn)
{
	if (class == EVIDENCE_FAST && part_mn > left[class])
		part_mn = left[class] > 0 ? left[class] : 0;
	left[class] -= part_mn;
	return part_mn;
}

static json_t *explain_pieces(const struct explain_view *explain, int64_t now_ms, const struct service_names *names,
			      int64_t left[EVIDENCE_CLASS_COUNT])
{
	const struct source_view *source = &explain->source;
	json_t *array = json_array();

	for (size_t i = 0; i < source->piece_count && i < EVENT_PIECES_MAX; i++) {
		const struct evidence *piece = &source->pieces[i];
		json_t *object = view_piece(piece, now_ms, names);
		enum evidence_class class;
		int32_t now_mn;

		if (!object || piece->kind >= EVIDENCE_KIND_COUNT) {
			json_decref(object);
			continue;
		}
		class = evidence_class((enum evidence_kind)piece->kind);
		now_mn = class == EVIDENCE_FAST ? (int32_t)(piece->weight * (1000 / EVIDENCE_NAT))
						: decayed_mn(piece, class, now_ms, explain->slow_half_life_ms);
		json_object_set_new(object, "now", json_nats(take_share(left, class, now_mn)));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *explain_older(const struct source_view *source, int64_t left[EVIDENCE_CLASS_COUNT])
{
	json_t *array = json_array();

	for (size_t i = 0; i < sizeof(source->older) / sizeof(source->older[0]); i++) {
		enum evidence_kind kind = (enum evidence_kind)source->older[i].kind;

		if (kind <= EVIDENCE_NONE || kind >= EVIDENCE_KIND_COUNT || source->older[i].count == 0)
			continue;
		json_array_append_new(
			array,
			json_pack("{s:s, s:s, s:s, s:i, s:o}", "kind", evidence_name(kind), "what",
				  evidence_scan_name(kind), "class", class_names[evidence_class(kind)], "count",
				  (int)source->older[i].count, "now",
				  json_nats(take_share(left, evidence_class(kind), source->older[i].weight_mn))));
	}
	return array;
}

static void explain_safeguards(json_t *object, const struct explain_view *explain, int64_t now_ms)
{
	bool exempt = explain->exempt_until_ms > now_ms;

	json_object_set_new(object, "exempt_from", exempt ? json_prefix(&explain->exempt_from) : json_null());
	json_object_set_new(object, "exempt_for_s",
			    exempt ? json_integer(clamped_difference(explain->exempt_until_ms, now_ms) / 1000)
				   : json_null());
	json_object_set_new(object, "allowed_by", explain->allowed ? json_prefix(&explain->allowed_by) : json_null());
	json_object_set_new(object, "protected_by",
			    explain->protect_why ? json_prefix(&explain->protected_by) : json_null());
	json_object_set_new(object, "protected_why",
			    explain->protect_why ? json_string(protect_why_name(explain->protect_why)) : json_null());
}

json_t *view_explain(const struct explain_view *explain, int64_t now_ms, const struct service_names *names)
{
	const struct source_view *source = &explain->source;
	struct thresholds thresholds = { explain->alert_mn, explain->veil_mn, explain->ban_mn };
	int64_t left[EVIDENCE_CLASS_COUNT] = { source->confirmed_mn, source->suspected_mn, source->fast_mn };
	size_t count = source->piece_count < EVENT_PIECES_MAX ? source->piece_count : EVENT_PIECES_MAX;
	struct source_row row;
	json_t *object;

	source_row_of(source, &row);
	object = view_source(&row, &thresholds);
	if (!object)
		return NULL;
	json_object_set_new(object, "fast", json_nats(source->fast_mn));
	json_object_set_new(object, "kind", json_kinds(source->kinds, source->pieces, count));
	json_object_set_new(object, "block",
			    explain->block.grade ? json_block(&explain->block, explain->waits, now_ms) : json_null());
	json_object_set_new(object, "thresholds",
			    json_pack("{s:o, s:o, s:o}", "alert", json_nats(of_level(explain->alert_mn, source->net)),
				      "veil", json_nats(of_level(explain->veil_mn, source->net)), "ban",
				      source->net ? json_null() : json_nats(explain->ban_mn)));
	json_object_set_new(object, "half_life_s", json_integer(explain->slow_half_life_ms / 1000));
	json_object_set_new(object, "evidence", explain_pieces(explain, now_ms, names, left));
	json_object_set_new(object, "older", explain_older(source, left));
	json_object_set_new(object, "adjustment",
			    json_nats(left[EVIDENCE_CONFIRMED] + left[EVIDENCE_SUSPECTED] + left[EVIDENCE_FAST]));
	explain_safeguards(object, explain, now_ms);
	return object;
}
