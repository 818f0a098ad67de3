/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `metrics`: the daemon's counters in Prometheus' text format 0.0.4, to stdout, or into a file for node_exporter's
 * textfile collector, which must never see half of one.
 * Every series is a row of a table.  Names are a promise to dashboards and alerts: rows are added, never renamed.  No
 * label holds a source's address: a scan must not be able to fill a time series database.
 */
#include "metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

/* One counter of `status`, or all of one section.  What is called ..._total is a counter, all else a gauge. */
struct metric {
	const char *name, *help;   /* NULL: one more series of the row above */
	const char *section, *key; /* key NULL: every counter of the section, its name as the label's value */
	const char *label, *value; /* label="value" */
};

/* clang-format off */
#define ONE(name, help, section, key)                 { name, help, section, key, NULL, NULL }
#define FIRST(name, help, section, key, label, value) { name, help, section, key, label, value }
#define AND(section, key, value)                      { NULL, NULL, section, key, NULL, value }
#define EACH(name, help, section, label)              { name, help, section, NULL, label, NULL }
/* clang-format on */

static const struct metric metrics[] = {
	ONE("picket_sources", "Watched sources.", "counts", "sources"),
	ONE("picket_sources_max", "Room for sources.", "counts", "sources_max"),
	ONE("picket_sources_confirmed", "Watched sources with confirmed evidence.", "counts", "confirmed_sources"),
	FIRST("picket_blocked", "Sources that are veiled, banned or blocked, by grade.", "counts", "veils", "grade",
	      "veil"),
	AND("counts", "bans", "ban"),
	AND("counts", "blocks", "block"),
	ONE("picket_blocked_max", "Room for alerts, veils, bans and blocks together.", "counts", "blocks_max"),
	ONE("picket_veils_max", "Room for veils of IPv4 addresses; as much for others.", "counts", "veils_max"),
	ONE("picket_nets", "Watched nets.", "counts", "nets"),
	ONE("picket_nets_max", "Room for nets.", "counts", "nets_max"),
	FIRST("picket_veil_syns_total", "SYNs of veiled sources by what became of them.", "veil", "first_sights",
	      "fate", "waits"),
	AND("veil", "early", "early"),
	AND("veil", "repeats", "repeat"),
	AND("veil", "attempts", "attempt"),
	AND("veil", "again", "again"),
	AND("veil", "trapped", "trap"),
	AND("veil", "refused", "refused"),
	AND("veil", "raw", "raw"),
	AND("veil", "unremembered", "unremembered"),
	ONE("picket_veil_quick_total", "Veiled sources whose first port was quick.", "veil", "quick_taken"),
	FIRST("picket_veil_crowded_total", "What found no room in the veil's memory.", "veil", "crowded", "memory",
	      "filter"),
	AND("veil", "gave_way", "attempts"),
	ONE("picket_veil_memory_bytes", "Memory that veils have taken.", "veil", "memory_bytes"),
	ONE("picket_veil_memory_max_bytes", "Memory that veils take while somebody is veiled.", "veil",
	    "memory_max_bytes"),
	ONE("picket_allowed", "Entries of the allow list.", "counts", "allow"),
	ONE("picket_protected", "Protected addresses.", "counts", "protected_count"),
	ONE("picket_probes_total", "Probes that the engine judged.", "totals", "probes"),
	ONE("picket_probes_duplicate_total", "Probes that added no evidence.", "totals", "duplicates"),
	ONE("picket_probes_turned_away_total", "Probes of new sources without room.", "totals", "turned_away"),
	EACH("picket_evidence_total", "Pieces of evidence by kind.", "evidence_by_kind", "kind"),
	FIRST("picket_decisions_total", "Decisions by grade.", "totals", "alerts", "grade", "alert"),
	AND("totals", "veils_total", "veil"),
	AND("totals", "bans_total", "ban"),
	AND("totals", "blocks_total", "block"),
	ONE("picket_expiries_total", "Blocks that ran out.", "totals", "expiries"),
	FIRST("picket_spared_total", "Blocks that a safeguard held back.", "totals", "spared_allowed", "by", "allow"),
	AND("totals", "spared_protected", "protected"),
	ONE("picket_gave_way_total", "Alerts and veils that gave way to higher scores, bans or blocks.", "totals",
	    "gave_way"),
	ONE("picket_veils_refused_total", "Alerts and veils for which there was no room.", "totals", "veils_refused"),
	ONE("picket_untold_total", "Alerts and veils summed up instead of told.", "totals", "untold"),
	ONE("picket_evicted_total", "Sources that gave way in a full table.", "totals", "evicted"),
	FIRST("picket_table_full_total", "Entries for which a table had no room.", "totals", "blocks_full", "table",
	      "blocks"),
	AND("totals", "allow_full", "allow"),
	AND("totals", "protect_full", "protected"),
	AND("totals", "served_refused", "served"),
	FIRST("picket_queue_packets_total", "Packets read from the queue by verdict.", "queue", "accepted", "verdict",
	      "accept"),
	AND("queue", "dropped", "drop"),
	ONE("picket_queue_overflows_total", "Times the queue's buffer overflowed.", "queue", "lost"),
	ONE("picket_queue_fail_open_total", "Packets passed unjudged.", "queue", "fail_open"),
	FIRST("picket_queue_errors_total", "Queue messages that failed.", "queue", "malformed", "error", "malformed"),
	AND("queue", "verdict_errors", "verdict"),
	ONE("picket_queue_doctor_probes_total", "Packets of the doctor, counted instead of judged.", "sensors",
	    "probe_packets"),
	EACH("picket_packets_rejected_total", "Packets that could not be taken apart, by reason.", "rejected",
	     "reason"),
	FIRST("picket_kernel_packets_total", "Packets that the kernel rules counted.", "kernel", "queued_judge", "rule",
	      "queued_judge"),
	AND("kernel", "queued_veil", "queued_veil"),
	AND("kernel", "queued_trap", "queued_trap"),
	AND("kernel", "queued_kin", "queued_kin"),
	AND("kernel", "queued_ask", "queued_ask"),
	AND("kernel", "queued_told", "queued_told"),
	AND("kernel", "noted_once", "noted_once"),
	AND("kernel", "over_newcomers", "over_newcomers"),
	AND("kernel", "over_known", "over_known"),
	AND("kernel", "over_veil", "over_veil"),
	AND("kernel", "over_customers", "over_customers"),
	AND("kernel", "dropped_ban", "dropped_ban"),
	AND("kernel", "dropped_block", "dropped_block"),
	AND("kernel", "dropped_early", "dropped_early"),
	AND("kernel", "early_refused", "early_refused"),
	AND("kernel", "cut", "cut"),
	AND("kernel", "trapped_tcp", "trapped_tcp"),
	AND("kernel", "trapped_udp", "trapped_udp"),
	AND("kernel", "way_back", "way_back"),
	AND("kernel", "untracked", "untracked"),
	ONE("picket_kernel_refused_total", "Elements that the kernel refused.", "kernel", "refused"),
	ONE("picket_kernel_healing", "1 while rules that somebody removed could not be put back.", "sensors",
	    "healing"),
	ONE("picket_early_drop_links", "Interfaces where packets of loud sources are dropped early now.", "sensors",
	    "early_links"),
	FIRST("picket_trapped_ports", "Trapped ports.", "sensors", "trapped_tcp_ports", "protocol", "tcp"),
	AND("sensors", "trapped_udp_ports", "udp"),
	ONE("picket_trap_connections_open", "Open connections of traps.", "traps", "open"),
	ONE("picket_trap_accepted_total", "Connections that traps accepted.", "traps", "accepted"),
	ONE("picket_trap_datagrams_total", "Datagrams that traps took.", "traps", "datagrams"),
	ONE("picket_trap_hits_total", "Trap visits reported.", "traps", "hits"),
	FIRST("picket_trap_hits_weak_total", "Trap visits that a third party could have induced or forged.", "traps",
	      "induced", "why", "induced"),
	AND("traps", "unsaved", "unsaved"),
	ONE("picket_trap_errors_total", "Calls of traps that failed.", "traps", "errors"),
	ONE("picket_trap_crowded_total", "Trap connections closed early.", "traps", "crowded"),
	ONE("picket_hooks_running", "Hooks that run now.", "hooks", "running"),
	ONE("picket_hooks_waiting", "Hooks that wait.", "hooks", "waiting"),
	ONE("picket_hooks_started_total", "Hooks that were started.", "hooks", "started"),
	FIRST("picket_hooks_total", "Hooks by outcome.", "hooks", "succeeded", "outcome", "succeeded"),
	AND("hooks", "failed", "failed"),
	AND("hooks", "timed_out", "timed_out"),
	AND("hooks", "turned_away", "turned_away"),
	ONE("picket_events_lost_total", "Events that were not kept.", "events", "lost"),
	ONE("picket_events_kept", "Events in the history.", "events", "kept"),
	ONE("picket_events_followers_lost_total", "Events that a follower was too slow for.", "events",
	    "followers_lost"),
	ONE("picket_log_lines_left_out_total", "Log lines above the limit.", "events", "log_left_out"),
	ONE("picket_history_rows", "Rows of the history on the disk, at most.", "history", "rows"),
	ONE("picket_history_bytes", "Bytes of the file with the history.", "history", "bytes"),
	ONE("picket_history_max_bytes", "Bytes that it may have; 0 is no limit.", "history", "bytes_max"),
	ONE("picket_history_trimmed_total", "Rows of the history that went for age or room.", "history", "trimmed"),
	FIRST("picket_history_lost_total", "Rows that were not kept, by reason.", "history", "left_out", "why",
	      "disk_low"),
	AND("history", "dropped", "failed"),
	ONE("picket_state_free_bytes", "Room where the state directory lies.", "state", "free_bytes"),
	ONE("picket_state_writable", "1 while the state directory can be written.", "state", "writable"),
	FIRST("picket_wire_errors_total", "Messages between picket's processes that were thrown away.", "wire",
	      "bad_messages", "error", "malformed"),
	AND("wire", "late_answers", "late"),
	ONE("picket_control_clients", "Clients of the control socket.", "control", "clients"),
	ONE("picket_control_requests_total", "Requests on the control socket.", "control", "requests"),
	FIRST("picket_control_errors_total", "Requests on the control socket that were refused.", "control",
	      "bad_requests", "error", "malformed"),
	AND("control", "too_long", "too_long"),
	AND("control", "busy", "busy"),
	ONE("picket_control_throttled_total", "Requests that had to wait for the rate limit.", "control", "throttled"),
	FIRST("picket_control_refused_total", "Clients turned away.", "control", "refused", "why", "stranger"),
	AND("control", "crowded", "crowded"),
	AND("control", "user_full", "user_full"),
	AND("control", "idle", "idle"),
};

static long long number(const json_t *value)
{
	return json_is_true(value) ? 1 : (long long)json_integer_value(value);
}

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* family: the row that names this one's series. */
static void print_metric(FILE *out, const struct metric *family, const struct metric *metric, const json_t *status)
{
	json_t *section = json_object_get(status, metric->section), *value = NULL;
	const char *name;

	if (metric->key)
		value = json_object_get(section, metric->key);
	if (metric->key && !family->label) {
		fprintf(out, "%s %lld\n", family->name, number(value));
	} else if (metric->key) {
		fprintf(out, "%s{%s=\"%s\"} %lld\n", family->name, family->label, metric->value, number(value));
	} else {
		json_object_foreach(section, name, value)
			/* Names are our own words; another's could end the label. */
			if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name))
				fprintf(out, "%s{%s=\"%s\"} %lld\n", family->name, family->label, name, number(value));
	}
}

/* The rows of the table, each family's head before its first. */
static void print_metrics(FILE *out, const json_t *status)
{
	const struct metric *family = metrics;

	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		if (metrics[i].name) {
			size_t len = strlen(metrics[i].name);

			family = &metrics[i];
			print_head(out, family->name,
				   strcmp(family->name + len - 6, "_total") == 0 ? "counter" : "gauge", family->help);
		}
		print_metric(out, family, &metrics[i], status);
	}
}

/* Prometheus wants each bucket to hold all below it as well, and seconds. */
static void print_histogram(FILE *out, const char *name, const char *help, const json_t *histogram)
{
	json_t *buckets = json_object_get(histogram, "buckets_us"), *value;
	long long below = 0;
	const char *bound;

	print_head(out, name, "histogram", help);
	json_object_foreach(buckets, bound, value)
	{
		char *end;
		unsigned long us = strtoul(bound, &end, 10);

		if (*end || end == bound)
			continue; /* the one without a bound comes last */
		below += number(value);
		fprintf(out, "%s_bucket{le=\"%g\"} %lld\n", name, (double)us / 1e6, below);
	}
	fprintf(out, "%s_bucket{le=\"+Inf\"} %lld\n", name, (long long)json_whole(histogram, "count"));
	fprintf(out, "%s_sum %.6f\n", name, (double)json_whole(histogram, "sum_us") / 1e6);
	fprintf(out, "%s_count %lld\n", name, (long long)json_whole(histogram, "count"));
}

static void print_mode(FILE *out, const json_t *status)
{
	static const char *const modes[] = { "paused", "observe", "block" };

	print_head(out, "picket_info", "gauge", "Version of picketd.");
	fprintf(out, "picket_info{version=\"%s\",queue=\"%s\"} 1\n", json_words(status, "version", "?"),
		strcmp(json_words(json_object_get(status, "sensors"), "queue", "?"), "native") == 0 ? "native" : "xt");
	print_head(out, "picket_uptime_seconds", "gauge", "Seconds since the start.");
	fprintf(out, "picket_uptime_seconds %lld\n", (long long)json_whole(status, "uptime_s"));
	print_head(out, "picket_mode", "gauge", "1 for the mode in force.");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		fprintf(out, "picket_mode{mode=\"%s\"} %d\n", modes[i],
			strcmp(modes[i], json_words(status, "mode", "")) == 0);
}

static void print_all(FILE *out, const json_t *status)
{
	const json_t *latency = json_object_get(status, "latency");

	print_mode(out, status);
	print_metrics(out, status);
	print_histogram(out, "picket_judging_seconds", "Of one packet of each read of the queue: to its verdict.",
			json_object_get(latency, "judging"));
	print_histogram(out, "picket_deciding_seconds",
			"From the packet that tips a score to the kernel's acknowledgement of the new grade.",
			json_object_get(latency, "deciding"));
}

static enum ctl_exit write_textfile(const char *path, const json_t *status)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int error = -ENOMEM;

	if (out) {
		print_all(out, status);
		/* Readable for all: node_exporter runs as another user. */
		error = fclose(out) != 0 ? -ENOMEM : file_replace(AT_FDCWD, path, 0644, NULL, text, len);
	}
	free(text);
	return error ? ctl_complain(CTL_FAILED, "cannot write %s: %s", path, strerror(-error)) : CTL_DONE;
}

enum ctl_exit run_metrics(const struct ctl_args *args)
{
	json_t *status = NULL;
	enum ctl_exit result;

	if (ctl_given(args, CTL_OPTION_JSON))
		return ctl_complain(CTL_USAGE, "metrics takes no --json: status --json shows the same numbers");
	result = ctl_fetch(args, ctl_request("status", NULL), false, &status);
	if (result != CTL_DONE)
		return result;
	if (ctl_given(args, CTL_OPTION_TEXTFILE)) {
		result = write_textfile(args->values[CTL_OPTION_TEXTFILE], status);
	} else {
		print_all(stdout, status);
		result = ctl_flush(result);
	}
	json_decref(status);
	return result;
}
