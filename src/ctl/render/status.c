/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `status` for people: what an admin wants to know first comes first; what is zero and would be bad is left out.
 * Every counter is shown by a row of a table below: a new one is a row of `counts` or of `losses`.
 */
#include "internal.h"

#include <string.h>

#define PROTECTED_SHOWN 12
#define KEY_MAX         32

/* {section.key} stands for a counter of the answer. */
static const char *const counts[] = {
	"graded     {counts.veils} veiled, {counts.bans} banned, {counts.blocks} blocked by an admin; since start "
	"{totals.veils_total} veils, {totals.bans_total} bans, {totals.blocks_total} blocks, {totals.expiries} expired",
	"watched    {counts.sources} sources of at most {counts.sources_max}, {counts.confirmed_sources} of them "
	"confirmed; {counts.nets} nets of at most {counts.nets_max}; {totals.alerts} alerts",
	"evidence   {totals.evidence_total} pieces from {totals.probes} probes; {queue.packets} packets judged, "
	"{queue.dropped} of them dropped; {traps.hits} trap visits",
	"veil       {veil.syns} new connections tried: {veil.first_sights} waited for their repeat, {veil.repeats} "
	"came with it, {veil.trapped} went into traps",
	"kernel     dropped {kernel.dropped_ban} packets of banned and {kernel.dropped_block} of blocked sources, and "
	"{kernel.dropped_early} of loud ones early",
	"spared     {totals.spared_allowed} allowed, {totals.spared_protected} protected",
};

static const char hooks[] =
	"hooks      {hooks.started} run, {hooks.succeeded} succeeded, {hooks.running} running, {hooks.waiting} waiting";

/* Shown where they are not zero. */
static const struct {
	const char *section, *key, *meaning;
} losses[] = {
	{ "queue", "lost", "times the queue overflowed (those packets passed)" },
	{ "queue", "fail_open", "packets passed unjudged because we were too slow" },
	{ "kernel", "noted_once", "first packets of newcomers passed in a flood: judged from the second on" },
	{ "kernel", "over_newcomers", "probes of newcomers passed above the fair limit" },
	{ "kernel", "over_known", "probes of known sources passed above the fair limit" },
	{ "kernel", "over_veil", "SYNs of veiled sources dropped above the queue's limit" },
	{ "kernel", "over_customers", "customers that were not noted, too many at once from their net" },
	{ "kernel", "early_refused", "packets of loud sources not dropped early for want of room" },
	{ "kernel", "refused", "grades that the kernel refused" },
	{ "veil", "crowded", "SYNs of veiled sources let in because the filter was full" },
	{ "veil", "unremembered", "SYNs of veiled sources let in because there was no memory for veils" },
	{ "veil", "gave_way", "attempts of veiled sources that gave way to others" },
	{ "traps", "crowded", "visits to traps that were cut short, too many at once from their net" },
	{ "events", "lost", "events that were not kept" },
	{ "events", "log_left_out", "log lines left out" },
	{ "events", "log_waiting", "log lines wait: their reader takes none" },
	{ "history", "left_out", "events not in the history: the disk is nearly full" },
	{ "history", "dropped", "events not in the history: they could not be written or read" },
	{ "totals", "turned_away", "probes of newcomers for whom the table had no room" },
	{ "totals", "evicted", "sources that gave way in a full table" },
	{ "totals", "gave_way", "alerts and veils that gave way to higher scores, bans or blocks" },
	{ "totals", "veils_refused", "alerts and veils for which there was no room" },
	{ "totals", "blocks_full", "bans and blocks for which the table had no room" },
	{ "totals", "untold", "alerts and veils that were summed up instead of told" },
	{ "control", "refused", "strangers turned away from the control socket" },
	{ "control", "crowded", "clients of the control socket closed or turned away, all places taken" },
	{ "control", "user_full", "clients of the control socket closed or turned away above their user's share" },
	{ "control", "busy", "long orders and lists refused, too many at a time" },
	{ "hooks", "failed", "hooks that failed" },
	{ "hooks", "timed_out", "hooks that ran out of time" },
	{ "hooks", "turned_away", "hooks that found no place to wait" },
};

/* One line, its {section.key} filled in. */
static void show_line(FILE *out, const json_t *object, const char *line)
{
	char section[KEY_MAX], key[KEY_MAX];
	int taken;

	while (*line) {
		taken = 0;
		if (sscanf(line, "{%31[a-z_].%31[a-z_]}%n", section, key, &taken) == 2 && taken)
			fprintf(out, "%lld", json_count(object, section, key));
		else
			fputc(*line, out);
		line += taken ? taken : 1;
	}
	fputc('\n', out);
}

static void show_mode(FILE *out, const json_t *object)
{
	const char *mode = json_words(object, "mode", "?");
	char since[32], up[32], left[32];

	fprintf(out, "mode       %s", mode);
	if (json_is_integer(json_object_get(object, "paused_for_s")))
		fprintf(out, " for %s more", left_words(object, "paused_for_s", "", left));
	fprintf(out, "%s\n",
		*mode == 'p'   ? " (nothing of picket touches a packet)"
		: *mode == 'o' ? " (tells, drops nothing)"
			       : "");
	fprintf(out, "up since   %s (%s), version %s\n", time_words(object, "since", since),
		left_words(object, "uptime_s", "?", up), json_words(object, "version", "?"));
}

/* Only what is not as usual. */
static void show_conntrack(FILE *out, const json_t *object)
{
	const char *state = json_words(json_object_get(object, "sensors"), "conntrack", "on");
	long long past = json_count(object, "kernel", "untracked");

	if (strcmp(state, "on") != 0)
		fprintf(out, "conntrack  %s: what runs is known by its sockets alone\n", state);
	else if (past > 0)
		fprintf(out, "conntrack  %lld packets came past it (NOTRACK)\n", past);
}

static void show_sensors(FILE *out, const json_t *object)
{
	const json_t *sensors = json_object_get(object, "sensors"),
		     *interfaces = json_object_get(sensors, "interfaces");

	fprintf(out, "sensors    queue (%s) on ", json_words(sensors, "queue", "?"));
	for (size_t i = 0; i < json_array_size(interfaces); i++)
		fprintf(out, "%s%s", i ? ", " : "", json_string_value(json_array_get(interfaces, i)));
	fprintf(out, "%s; traps on %lld TCP and %lld UDP ports\n",
		json_array_size(interfaces) ? "" : "all interfaces but loopback",
		json_count(object, "sensors", "trapped_tcp_ports"), json_count(object, "sensors", "trapped_udp_ports"));
	show_conntrack(out, object);
}

/* What picket takes beside what it always has. */
static void show_memory(FILE *out, const json_t *object)
{
	long long taken = json_count(object, "veil", "memory_bytes"),
		  most = json_count(object, "veil", "memory_max_bytes");

	fprintf(out, "memory     veils %s %.1f MB%s\n", taken ? "have taken" : "have taken none of",
		(double)most / (1 << 20), taken ? ", and give them back an hour after their last new connection" : "");
}

static void show_losses(FILE *out, const json_t *object)
{
	int shown = 0;

	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		long long count = json_count(object, losses[i].section, losses[i].key);

		if (count > 0)
			fprintf(out, "%s%lld %s\n", shown++ ? "           " : "losses     ", count, losses[i].meaning);
	}
	if (shown == 0)
		fputs("losses     none\n", out);
}

static void show_healing(FILE *out, const json_t *object)
{
	if (json_flag(json_object_get(object, "sensors"), "healing"))
		fputs("rules      NOT IN PLACE: somebody removed them and the kernel does not take them again; "
		      "picketctl doctor\n",
		      out);
}

static void show_protected(struct ctl_view *view, const json_t *object)
{
	const json_t *list = json_object_get(object, "protected");
	size_t count = json_array_size(list), shown = count;

	if (count > PROTECTED_SHOWN && !ctl_given(view->args, CTL_OPTION_ALL))
		shown = PROTECTED_SHOWN;
	fprintf(view->out, "protected  %zu: never cut off; and %lld on the allow list\n", count,
		json_count(object, "counts", "allow"));
	for (size_t i = 0; i < shown; i++) {
		const json_t *item = json_array_get(list, i);

		fprintf(view->out, "           %-39s %s\n", json_words(item, "source", "?"),
			json_words(item, "why", "?"));
	}
	if (shown < count)
		fprintf(view->out, "           ... and %zu more: picketctl status --all\n", count - shown);
}

static void status_row(struct ctl_view *view, const json_t *object)
{
	show_mode(view->out, object);
	show_sensors(view->out, object);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		show_line(view->out, object, counts[i]);
	show_memory(view->out, object);
	show_losses(view->out, object);
	show_healing(view->out, object);
	if (json_is_object(json_object_get(object, "hooks")))
		show_line(view->out, object, hooks);
	show_protected(view, object);
}

const struct ctl_shape shape_status = { .object = status_row };
