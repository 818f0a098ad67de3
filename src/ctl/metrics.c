/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `metrics`: the daemon's counters in Prometheus' text format 0.0.4, out of the same object that `status --json` shows.
 * One row of the table is one series, or one family of series where a whole section becomes a label.
 */
#include "ctl.h"

#include <string.h>

struct metric {
	const char *name, *type, *help;
	const char *section, *key;      /* key NULL: every counter of the section, its name as the label */
	const char *label;              /* with key: label="value"; without: the label's name */
	const char *value;
};

#define GAUGE   "gauge"
#define COUNTER "counter"

/* Rows of one name stand together, and only the first one's type and help are printed. */
static const struct metric metrics[] = {
	{ "picket_sources", GAUGE, "Watched sources.", "counts", "sources", NULL, NULL },
	{ "picket_sources_max", GAUGE, "Room for sources.", "counts", "sources_max", NULL, NULL },
	{ "picket_sources_confirmed", GAUGE, "Watched sources with confirmed evidence.", "counts", "confirmed_sources",
	  NULL, NULL },
	{ "picket_blocked", GAUGE, "Blocked sources by grade.", "counts", "blocks", "grade", "block" },
	{ "picket_blocked", GAUGE, NULL, "counts", "bans", "grade", "ban" },
	{ "picket_blocked", GAUGE, NULL, "counts", "manuals", "grade", "manual" },
	{ "picket_allowed", GAUGE, "Entries of the allow list.", "counts", "allow", NULL, NULL },
	{ "picket_protected", GAUGE, "Protected addresses.", "counts", "protected_count", NULL, NULL },
	{ "picket_probes_total", COUNTER, "Probes that the engine judged.", "totals", "probes", NULL, NULL },
	{ "picket_probes_duplicate_total", COUNTER, "Probes that added no evidence.", "totals", "duplicates", NULL,
	  NULL },
	{ "picket_probes_turned_away_total", COUNTER, "Probes of new sources without room.", "totals", "turned_away",
	  NULL, NULL },
	{ "picket_evidence_total", COUNTER, "Pieces of evidence by kind.", "evidence_by_kind", NULL, "kind", NULL },
	{ "picket_decisions_total", COUNTER, "Decisions by grade.", "totals", "alerts", "grade", "alert" },
	{ "picket_decisions_total", COUNTER, NULL, "totals", "blocks_total", "grade", "block" },
	{ "picket_decisions_total", COUNTER, NULL, "totals", "bans_total", "grade", "ban" },
	{ "picket_expiries_total", COUNTER, "Blocks that ran out.", "totals", "expiries", NULL, NULL },
	{ "picket_spared_total", COUNTER, "Blocks that a safeguard held back.", "totals", "spared_allowed", "by",
	  "allow" },
	{ "picket_spared_total", COUNTER, NULL, "totals", "spared_protected", "by", "protected" },
	{ "picket_spared_total", COUNTER, NULL, "totals", "spared_storm", "by", "storm" },
	{ "picket_spared_total", COUNTER, NULL, "totals", "spared_decoy", "by", "decoy" },
	{ "picket_evicted_total", COUNTER, "Sources that gave way in a full table.", "totals", "evicted", NULL, NULL },
	{ "picket_table_full_total", COUNTER, "Entries for which a table had no room.", "totals", "blocks_full",
	  "table", "blocks" },
	{ "picket_table_full_total", COUNTER, NULL, "totals", "allow_full", "table", "allow" },
	{ "picket_table_full_total", COUNTER, NULL, "totals", "protect_full", "table", "protected" },
	{ "picket_storm_active", GAUGE, "1 while more suspects come than storm_rate allows.", "storm", "active", NULL,
	  NULL },
	{ "picket_storm_tokens", GAUGE, "Blocks on suspicion that may start now.", "storm", "tokens", NULL, NULL },
	{ "picket_queue_packets_total", COUNTER, "Packets read from the queue by verdict.", "queue", "accepted",
	  "verdict", "accept" },
	{ "picket_queue_packets_total", COUNTER, NULL, "queue", "dropped", "verdict", "drop" },
	{ "picket_queue_overflows_total", COUNTER, "Times the queue's buffer overflowed.", "queue", "lost", NULL,
	  NULL },
	{ "picket_queue_fail_open_total", COUNTER, "Packets passed unjudged.", "queue", "fail_open", NULL, NULL },
	{ "picket_queue_errors_total", COUNTER, "Queue messages that failed.", "queue", "malformed", "error",
	  "malformed" },
	{ "picket_queue_errors_total", COUNTER, NULL, "queue", "verdict_errors", "error", "verdict" },
	{ "picket_packets_rejected_total", COUNTER, "Packets that could not be taken apart, by reason.", "rejected",
	  NULL, "reason", NULL },
	{ "picket_kernel_packets_total", COUNTER, "Packets that the kernel rules counted.", "kernel", "queued_closed",
	  "rule", "queued_closed" },
	{ "picket_kernel_packets_total", COUNTER, NULL, "kernel", "queued_served", "rule", "queued_served" },
	{ "picket_kernel_packets_total", COUNTER, NULL, "kernel", "queued_trapped", "rule", "queued_trapped" },
	{ "picket_kernel_packets_total", COUNTER, NULL, "kernel", "over_newcomers", "rule", "over_newcomers" },
	{ "picket_kernel_packets_total", COUNTER, NULL, "kernel", "over_known", "rule", "over_known" },
	{ "picket_kernel_packets_total", COUNTER, NULL, "kernel", "dropped_hard", "rule", "dropped_hard" },
	{ "picket_kernel_packets_total", COUNTER, NULL, "kernel", "dropped_soft", "rule", "dropped_soft" },
	{ "picket_kernel_packets_total", COUNTER, NULL, "kernel", "muted", "rule", "muted" },
	{ "picket_kernel_packets_total", COUNTER, NULL, "kernel", "trapped_tcp", "rule", "trapped_tcp" },
	{ "picket_kernel_packets_total", COUNTER, NULL, "kernel", "trapped_udp", "rule", "trapped_udp" },
	{ "picket_kernel_packets_total", COUNTER, NULL, "kernel", "way_back", "rule", "way_back" },
	{ "picket_kernel_refused_total", COUNTER, "Elements that the kernel refused.", "kernel", "refused", NULL,
	  NULL },
	{ "picket_trap_connections_open", GAUGE, "Open connections of traps.", "traps", "open", NULL, NULL },
	{ "picket_trap_accepted_total", COUNTER, "Connections that traps accepted.", "traps", "accepted", NULL, NULL },
	{ "picket_trap_datagrams_total", COUNTER, "Datagrams that traps took.", "traps", "datagrams", NULL, NULL },
	{ "picket_trap_hits_total", COUNTER, "Trap visits reported.", "traps", "hits", NULL, NULL },
	{ "picket_trap_crowded_total", COUNTER, "Trap connections closed early.", "traps", "crowded", NULL, NULL },
	{ "picket_hooks_running", GAUGE, "Hooks that run now.", "hooks", "running", NULL, NULL },
	{ "picket_hooks_waiting", GAUGE, "Hooks that wait.", "hooks", "waiting", NULL, NULL },
	{ "picket_hooks_total", COUNTER, "Hooks by outcome.", "hooks", "succeeded", "outcome", "succeeded" },
	{ "picket_hooks_total", COUNTER, NULL, "hooks", "failed", "outcome", "failed" },
	{ "picket_hooks_total", COUNTER, NULL, "hooks", "timed_out", "outcome", "timed_out" },
	{ "picket_hooks_total", COUNTER, NULL, "hooks", "turned_away", "outcome", "turned_away" },
	{ "picket_events_lost_total", COUNTER, "Events that were not kept.", "events", "lost", NULL, NULL },
	{ "picket_log_lines_left_out_total", COUNTER, "Log lines above the limit.", "events", "log_left_out", NULL,
	  NULL },
	{ "picket_control_clients", GAUGE, "Clients of the control socket.", "control", "clients", NULL, NULL },
	{ "picket_control_requests_total", COUNTER, "Requests on the control socket.", "control", "requests", NULL,
	  NULL },
	{ "picket_control_refused_total", COUNTER, "Clients turned away.", "control", "refused", "why", "stranger" },
	{ "picket_control_refused_total", COUNTER, NULL, "control", "crowded", "why", "crowded" },
	{ "picket_control_refused_total", COUNTER, NULL, "control", "idle", "why", "idle" },
};

static long long number(const json_t *value)
{
	return json_is_true(value) ? 1 : (long long)json_integer_value(value);
}

static void print_metric(const struct metric *metric, const json_t *status)
{
	json_t *section = json_object_get(status, metric->section);
	const char *name;
	json_t *value;

	if (metric->key && !metric->label) {
		printf("%s %lld\n", metric->name, number(json_object_get(section, metric->key)));
	} else if (metric->key) {
		printf("%s{%s=\"%s\"} %lld\n", metric->name, metric->label, metric->value,
		       number(json_object_get(section, metric->key)));
	} else {
		json_object_foreach(section, name, value)
			/* Names are our own words; another's could end the label. */
			if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(name))
				printf("%s{%s=\"%s\"} %lld\n", metric->name, metric->label, name, number(value));
	}
}

static void print_head(const char *name, const char *type, const char *help)
{
	printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

enum ctl_exit run_metrics(const struct ctl_args *args)
{
	static const char *const modes[] = { "paused", "observe", "block" };
	json_t *status = NULL;
	enum ctl_exit result;

	if (ctl_given(args, CTL_OPTION_JSON))
		return ctl_complain(CTL_USAGE, "metrics takes no --json: status --json shows the same numbers");
	result = ctl_fetch(args, "status", false, &status);
	if (result != CTL_DONE)
		return result;
	print_head("picket_info", GAUGE, "Version of picketd.");
	printf("picket_info{version=\"%s\"} 1\n", json_words(status, "version", "?"));
	print_head("picket_uptime_seconds", GAUGE, "Seconds since the start.");
	printf("picket_uptime_seconds %lld\n", (long long)json_whole(status, "uptime_s"));
	print_head("picket_mode", GAUGE, "1 for the mode in force.");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		printf("picket_mode{mode=\"%s\"} %d\n", modes[i],
		       strcmp(modes[i], json_words(status, "mode", "")) == 0);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		if (metrics[i].help)
			print_head(metrics[i].name, metrics[i].type, metrics[i].help);
		print_metric(&metrics[i], status);
	}
	json_decref(status);
	return fflush(stdout) == 0 ? CTL_DONE : CTL_FAILED;
}
