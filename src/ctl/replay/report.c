/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a replay found.  For people: a row a source that has any evidence, then the totals, then what could not be done
 * (packets that made no sense, tables that were full); all that is printed is picket's own vocabulary.  For programs:
 * one JSON object a line, one a source, highest score first, with the field names of the contract; times are RFC 3339
 * in UTC, scores in nats.
 */
#include "internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "duration.h"

#define CELL_MAX     160
#define LOCALS_SHOWN 8

enum column { SOURCE, GRADE, KIND, TOOL, SCORE, TO_VEIL, TO_BAN, TARGETS, FIRST_SEEN, DECIDED_AT, COLUMNS };

static const char *const titles[COLUMNS] = {
	"SOURCE", "GRADE", "KIND", "TOOL", "SCORE", "TO-VEIL", "TO-BAN", "PORTS/HOSTS", "FIRST-SEEN", "DECIDED-AT",
};

struct row {
	char cells[COLUMNS][CELL_MAX];
};

const char *replay_time_format(int64_t ms, char out[REPLAY_TIME_MAX])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(out, REPLAY_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(out, REPLAY_TIME_MAX, "?");
	return out;
}

static int by_score(const void *a, const void *b)
{
	const struct replay_source *one = *(const struct replay_source *const *)a;
	const struct replay_source *other = *(const struct replay_source *const *)b;

	if (one->grade != other->grade)
		return one->grade < other->grade ? 1 : -1;
	if (one->peak_mn != other->peak_mn)
		return one->peak_mn < other->peak_mn ? 1 : -1;
	return one->first_packet > other->first_packet ? 1 : -1;
}

/* Sources with any evidence, highest score first, to be freed.  NULL: out of memory. */
static const struct replay_source **ranking(const struct replay *replay, size_t *count)
{
	const struct replay_table *table = &replay->sources.table;
	const struct replay_source **rows = malloc((table->count + 1) * sizeof(*rows));

	*count = 0;
	for (size_t i = 0; rows && i < table->count; i++) {
		const struct replay_source *source = replay_table_at(table, i);

		if (source->evidence)
			rows[(*count)++] = source;
	}
	if (rows)
		qsort(rows, *count, sizeof(*rows), by_score);
	return rows;
}

/* An event that holds what the report says of a source: the deciding one, or one made of what is known. */
static struct event source_event(const struct replay *replay, const struct replay_source *source)
{
	const struct source_view *view = &source->peak;
	struct event event = source->event;

	if (event.type == EVENT_NONE) {
		event.type = EVENT_ALERT;
		event.grade = GRADE_WATCH;
		event.source = (struct prefix){ .addr = source->key.addr, .len = source->key.len };
		event.confirmed_mn = view->confirmed_mn;
		event.suspected_mn = view->suspected_mn + view->fast_mn;
		event.threshold_mn = replay->alert_mn;
		event.piece_count = view->piece_count;
		memcpy(event.pieces, view->pieces, sizeof(event.pieces));
		event.ports = (uint16_t)(source->port_count < UINT16_MAX ? source->port_count : UINT16_MAX);
		event.hosts = (uint16_t)(source->host_count < UINT16_MAX ? source->host_count : UINT16_MAX);
		event.probes = view->probes;
		event.sources = 1;
		event.at_ms = source->last_ms;
	}
	event.kinds |= source->kinds;
	event.tool = source->tool;
	return event;
}

/* What was missing for a veil and for a ban; negative: passed by so much.  Only confirmed evidence counts for a ban. */
static int32_t to_veil_mn(const struct replay *replay, const struct replay_source *source)
{
	int32_t peak_mn = source->peak_mn;

	if (peak_mn == 0) /* a net, which sends nothing itself: what its event told */
		peak_mn = source->event.confirmed_mn + source->event.suspected_mn;
	return replay->veil_mn - peak_mn;
}

static int32_t to_ban_mn(const struct replay *replay, const struct replay_source *source)
{
	return replay->ban_mn - source->confirmed_mn;
}

/* ---- the table ---- */

/* "2.3", or "-" where nothing is missing. */
static void fill_distance(char cell[CELL_MAX], int32_t missing_mn)
{
	if (missing_mn > 0)
		snprintf(cell, CELL_MAX, "%.1f", missing_mn / 1000.0);
	else
		snprintf(cell, CELL_MAX, "-");
}

static void fill_row(const struct replay *replay, const struct replay_source *source, struct row *row)
{
	const struct prefix prefix = { .addr = source->key.addr, .len = source->key.len };
	struct event event = source_event(replay, source);
	char text[REPLAY_TIME_MAX], name[PREFIX_TEXT_MAX];
	struct writer w = writer_over(row->cells[KIND], CELL_MAX);

	describe_kinds(&w, &event);
	snprintf(row->cells[SOURCE], CELL_MAX, "%s", prefix_format(&prefix, name));
	snprintf(row->cells[GRADE], CELL_MAX, "%s", grade_name(source->grade ? source->grade : GRADE_WATCH));
	snprintf(row->cells[TOOL], CELL_MAX, "%s", source->tool ? evidence_tool_name(source->tool) : "-");
	snprintf(row->cells[SCORE], CELL_MAX, "%.1f", source->peak_mn / 1000.0);
	fill_distance(row->cells[TO_VEIL], to_veil_mn(replay, source));
	fill_distance(row->cells[TO_BAN], to_ban_mn(replay, source));
	snprintf(row->cells[TARGETS], CELL_MAX, "%llu/%llu%s", (unsigned long long)source->port_count,
		 (unsigned long long)source->host_count, source->count_cut ? "+" : "");
	snprintf(row->cells[FIRST_SEEN], CELL_MAX, "%s", replay_time_format(source->first_ms, text));
	if (source->deciding_packet)
		snprintf(row->cells[DECIDED_AT], CELL_MAX, "packet %llu, probe %llu",
			 (unsigned long long)source->deciding_packet, (unsigned long long)source->deciding_probes);
	else
		snprintf(row->cells[DECIDED_AT], CELL_MAX, "-");
	for (size_t i = 0; i < COLUMNS; i++)
		if (!row->cells[i][0])
			strcpy(row->cells[i], "-");
}

static void print_hosts(const struct replay_source *source)
{
	char text[ADDR_TEXT_MAX];

	if (source->host_count < 2)
		return;
	printf("    hosts:");
	for (size_t i = 0; i < source->host_listed; i++)
		printf("%s %s", i ? "," : "", addr_format(&source->hosts[i], text));
	if (source->host_count > source->host_listed)
		printf(" and %llu more", (unsigned long long)(source->host_count - source->host_listed));
	putchar('\n');
}

static void print_row(const struct replay *replay, const struct replay_source *source, const size_t widths[COLUMNS])
{
	struct event event = source_event(replay, source);
	char reason[1024];
	struct writer w = writer_over(reason, sizeof(reason));
	struct row row;

	fill_row(replay, source, &row);
	if (source->exempt[0] && source->grade < GRADE_VEIL) {
		writer_text(&w, "spared: ");
		writer_escaped(&w, source->exempt, strnlen(source->exempt, sizeof(source->exempt)));
		writer_text(&w, "; ");
	}
	describe_reason(&w, &event, replay->names);
	for (size_t i = 0; i < COLUMNS; i++)
		printf("%-*s  ", (int)widths[i], row.cells[i]);
	printf("%s\n", reason);
	print_hosts(source);
}

static void print_table(const struct replay *replay, const struct replay_source **rows, size_t count)
{
	size_t widths[COLUMNS];
	struct row row;

	if (!count) {
		puts("No source with any evidence.");
		return;
	}
	for (size_t i = 0; i < COLUMNS; i++)
		widths[i] = strlen(titles[i]);
	for (size_t r = 0; r < count; r++) {
		fill_row(replay, rows[r], &row);
		for (size_t i = 0; i < COLUMNS; i++)
			if (strlen(row.cells[i]) > widths[i])
				widths[i] = strlen(row.cells[i]);
	}
	for (size_t i = 0; i < COLUMNS; i++)
		printf("%-*s  ", (int)widths[i], titles[i]);
	puts("REASON");
	for (size_t r = 0; r < count; r++)
		print_row(replay, rows[r], widths);
}

/* ---- totals ---- */

static void print_counts(const struct replay *replay)
{
	const struct replay_host_counts *c = replay_host_counts(replay->host);
	const struct {
		const char *what;
		uint64_t count;
	} lines[] = {
		{ "judged by the engine", c->queued + c->trap_visits },
		{ "would have been dropped", replay->dropped + c->banned },
		{ "of running flows", c->established },
		{ "to served ports", c->served + c->customers + c->held_up },
		{ "of them held up by a veil until their repeat", c->held_up },
		{ "that a veil leaves alone: pings, and ports that clients try by themselves", c->untouched },
		{ "resets, errors and other answers", c->answers },
		{ "broadcast and multicast", c->group },
		{ "not to a local address", c->foreign },
		{ "later fragments", c->fragments },
		{ "not IP", c->not_ip },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (lines[i].count)
			printf("  %10llu %s\n", (unsigned long long)lines[i].count, lines[i].what);
	for (size_t i = 0; i < PACKET_RESULT_COUNT; i++)
		if (c->rejected[i])
			printf("  %10llu not understood: %s\n", (unsigned long long)c->rejected[i],
			       packet_result_name((enum packet_result)i));
}

static void print_local(const struct replay *replay)
{
	struct addr locals[LOCALS_SHOWN];
	char text[PREFIX_TEXT_MAX];
	size_t count;

	if (replay->options->local_count) {
		printf("Local (given):");
		for (size_t i = 0; i < replay->options->local_count; i++)
			printf("%s %s", i ? "," : "", prefix_format(&replay->options->local[i], text));
		putchar('\n');
		return;
	}
	count = replay_learned_locals(replay->learned, locals, LOCALS_SHOWN);
	printf("Local (learned):");
	for (size_t i = 0; i < count && i < LOCALS_SHOWN; i++)
		printf("%s %s", i ? "," : "", addr_format(&locals[i], text));
	if (count > LOCALS_SHOWN)
		printf(" and %zu more", count - LOCALS_SHOWN);
	puts(count ? "" : " none");
}

static void print_limits(const struct replay *replay)
{
	const struct replay_learned *l = replay->learned;
	const struct {
		const char *what;
		uint64_t count;
	} limits[] = {
		{ "packets were out of order and have been sorted by time", replay->backwards },
		{ "packets came too late to be sorted and were judged late", l->late },
		{ "addresses and ports found no room while learning",
		  l->addrs.dropped + l->edges.dropped + l->open.dropped },
		{ "visits to traps were too many at once and are not judged",
		  replay_host_counts(replay->host)->traps_evicted },
		{ "flows were forgotten for want of room",
		  replay_flows_evicted(replay->flows) + replay_host_evicted(replay->host) },
		{ "probes came from sources for which this report had no room", replay->sources.table.dropped },
		{ "events of distributed scans are not shown", replay->notes_suppressed },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (limits[i].count)
			printf("Note: %llu %s.\n", (unsigned long long)limits[i].count, limits[i].what);
	if (!replay_learned_trust_sums(l) && l->sums_bad)
		printf("Note: checksums were not judged, %llu of %llu are wrong: an edited capture, or one taken "
		       "before the network card.\n",
		       (unsigned long long)l->sums_bad, (unsigned long long)(l->sums_bad + l->sums_good));
}

int replay_report_human(const struct replay *replay)
{
	size_t count, grades[GRADE_COUNT] = { 0 };
	const struct replay_source **rows = ranking(replay, &count);
	int64_t span_ms = replay->learned->last_ms - replay->learned->first_ms;
	char line[1024], text[DURATION_TEXT_MAX];
	struct writer w;

	if (!rows)
		return -1;
	print_table(replay, rows, count);
	for (size_t i = 0; i < count; i++)
		grades[rows[i]->grade ? rows[i]->grade : GRADE_WATCH]++;
	for (size_t i = 0; i < replay->note_count; i++) {
		w = writer_over(line, sizeof(line));
		describe_event(&w, &replay->notes[i], replay->names);
		printf("Event: %s\n", line);
	}
	printf("\n%llu packets in %s; %zu %s with evidence: %zu banned, %zu veiled, %zu alerted, %zu watched.\n",
	       (unsigned long long)replay->learned->packets, duration_format(span_ms, text), count,
	       count == 1 ? "source" : "sources", grades[GRADE_BAN], grades[GRADE_VEIL], grades[GRADE_ALERT],
	       grades[GRADE_WATCH]);
	print_counts(replay);
	print_local(replay);
	print_limits(replay);
	free(rows);
	return fflush(stdout) ? -1 : 0;
}

/* ---- for programs ---- */

static json_t *json_nats(int32_t mn)
{
	return json_real(mn / 1000.0);
}

/* "syn,udp", heaviest first, the mark of a tool left to `tool`; null for none. */
static json_t *json_kind(const struct event *event)
{
	char text[512];
	struct writer w = writer_over(text, sizeof(text));

	describe_kind_names(&w, event->kinds & ~(1u << EVIDENCE_MARK), event->pieces,
			    event->piece_count < EVENT_PIECES_MAX ? event->piece_count : EVENT_PIECES_MAX);
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
	struct event event = source_event(replay, source);
	const struct source_view *peak = &source->peak;
	char name[PREFIX_TEXT_MAX], since[REPLAY_TIME_MAX], reason[1024];
	struct writer w = writer_over(reason, sizeof(reason));

	describe_reason(&w, &event, replay->names);
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:s, s:s, "
		"s:o, s:o, "
		"s:o}",
		"source", prefix_format(&prefix, name), "grade",
		grade_name(source->grade ? (enum grade)source->grade : GRADE_WATCH), "kind", json_kind(&event), "tool",
		source->tool ? json_string(evidence_tool_name((enum evidence_tool)source->tool)) : json_null(), "score",
		json_nats(source->peak_mn), "confirmed", json_nats(source->confirmed_mn), "suspected",
		json_nats(peak->suspected_mn + peak->fast_mn), "to_veil", json_nats(to_veil_mn(replay, source)),
		"to_ban", json_nats(to_ban_mn(replay, source)), "ports", json_ports(source), "port_count",
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
	const struct replay_source **rows = ranking(replay, &count);
	int result = rows ? 0 : -1;

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
