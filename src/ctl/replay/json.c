/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a replay found, for programs: one JSON object a line, one a source, highest score first, with the field
 * names of
 * the contract.  Times are RFC 3339 in UTC, scores in nats.
 */
#include "run.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *json_nats(int32_t mn)
{
	return json_real(mn / 1000.0);
}

/* "syn,udp": heaviest first by what the pieces weigh, the mark of a tool left to `tool`. */
static json_t *json_kind(const struct event *event)
{
	unsigned weights[EVIDENCE_KIND_COUNT] = { 0 };
	uint32_t left = event->kinds & ~(1u << EVIDENCE_NONE | 1u << EVIDENCE_MARK);
	char text[512];
	struct writer w = writer_over(text, sizeof(text));

	for (size_t i = 0; i < event->piece_count && i < EVENT_PIECES_MAX; i++)
		if (event->pieces[i].kind < EVIDENCE_KIND_COUNT)
			weights[event->pieces[i].kind] += event->pieces[i].weight;
	while (left) {
		unsigned best = (unsigned)__builtin_ctz(left);

		for (unsigned kind = best + 1; kind < EVIDENCE_KIND_COUNT; kind++)
			if ((left & 1u << kind) && weights[kind] > weights[best])
				best = kind;
		if (best >= EVIDENCE_KIND_COUNT)
			break;
		if (w.len)
			writer_text(&w, ",");
		writer_text(&w, evidence_name((enum evidence_kind)best));
		left &= ~(1u << best);
	}
	return w.len ? json_string(text) : json_null();
}

static json_t *json_evidence(const struct source_view *view)
{
	json_t *array = json_array();
	char at[REPLAY_TIME_MAX];

	for (size_t i = 0; i < view->piece_count && i < EVENT_PIECES_MAX; i++) {
		const struct evidence *piece = &view->pieces[i];

		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:s, s:i, s:f}", "at",
						replay_time_format((int64_t)piece->at_s * 1000, at), "kind",
						evidence_name((enum evidence_kind)piece->kind), "what",
						evidence_scan_name((enum evidence_kind)piece->kind), "port",
						(int)piece->port, "weight", piece->weight / (double)EVIDENCE_NAT));
	}
	return array;
}

static int by_number(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

static json_t *json_ports(const struct replay_source *source)
{
	uint16_t ports[REPLAY_PORTS_LISTED];
	json_t *array = json_array();

	memcpy(ports, source->ports, sizeof(ports));
	qsort(ports, source->port_listed, sizeof(ports[0]), by_number);
	for (size_t i = 0; i < source->port_listed; i++)
		if (!i || ports[i] != ports[i - 1]) /* a number may stand for TCP and UDP */
			json_array_append_new(array, json_integer(ports[i]));
	return array;
}

static json_t *json_hosts(const struct replay_source *source)
{
	json_t *array = json_array();
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < source->host_listed; i++)
		json_array_append_new(array, json_string(addr_format(&source->hosts[i], text)));
	return array;
}

static json_t *json_number_or_null(uint64_t number)
{
	return number ? json_integer((json_int_t)number) : json_null();
}

static json_t *json_source(const struct replay *replay, const struct replay_source *source)
{
	const struct prefix prefix = { .addr = source->key.addr, .len = source->key.len };
	struct event event = replay_source_event(replay, source);
	const struct source_view *peak = &source->peak;
	char name[PREFIX_TEXT_MAX], since[REPLAY_TIME_MAX], reason[1024];
	struct writer w = writer_over(reason, sizeof(reason));

	describe_reason(&w, &event, replay->names);
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:s, s:s, s:o, s:o, "
		"s:o}",
		"source", prefix_format(&prefix, name), "grade",
		grade_name(source->grade ? (enum grade)source->grade : GRADE_WATCH), "kind", json_kind(&event), "tool",
		source->tool ? json_string(evidence_tool_name((enum evidence_tool)source->tool)) : json_null(), "score",
		json_nats(source->peak_mn), "confirmed", json_nats(peak->confirmed_mn), "suspected",
		json_nats(peak->suspected_mn + peak->fast_mn), "ports", json_ports(source), "port_count",
		(json_int_t)source->port_count, "hosts", json_hosts(source), "host_count",
		(json_int_t)source->host_count, "probes", (json_int_t)source->probes, "dropped",
		(json_int_t)source->dropped, "first_packet", (json_int_t)source->first_packet, "deciding_packet",
		json_number_or_null(source->deciding_packet), "deciding_probes",
		json_number_or_null(source->deciding_probes), "since", replay_time_format(source->first_ms, since),
		"reason", reason, "incident", json_number_or_null(source->incident), "spared",
		source->exempt[0] ? json_string(source->exempt) : json_null(), "evidence", json_evidence(peak));
}

int replay_report_json(const struct replay *replay)
{
	size_t count;
	bool failed;
	const struct replay_source **rows = replay_ranking(replay, &count, &failed);
	int result = failed ? -1 : 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		json_t *object = json_source(replay, rows[i]);

		if (!object || json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) < 0 ||
		    putchar('\n') < 0)
			result = -1;
		json_decref(object);
	}
	free(rows);
	return fflush(stdout) ? -1 : result;
}
