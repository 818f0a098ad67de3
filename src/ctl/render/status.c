/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `status` for people: what an admin wants to know first comes first; what is zero and would be bad is left out.
 */
#include "ctl.h"

#include "duration.h"

#define PROTECTED_SHOWN 12

static long long at(const json_t *object, const char *section, const char *key)
{
	return (long long)json_whole(json_object_get(object, section), key);
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

static void show_sensors(FILE *out, const json_t *object)
{
	const json_t *sensors = json_object_get(object, "sensors"),
		     *interfaces = json_object_get(sensors, "interfaces");

	fprintf(out, "sensors    queue (%s) on ", json_words(sensors, "queue", "?"));
	for (size_t i = 0; i < json_array_size(interfaces); i++)
		fprintf(out, "%s%s", i ? ", " : "", json_string_value(json_array_get(interfaces, i)));
	fprintf(out, "%s; traps on %lld TCP and %lld UDP ports\n",
		json_array_size(interfaces) ? "" : "all interfaces but loopback",
		at(object, "sensors", "trapped_tcp_ports"), at(object, "sensors", "trapped_udp_ports"));
}

static void show_counts(FILE *out, const json_t *object)
{
	fprintf(out,
		"blocked    %lld on suspicion, %lld banned, %lld by hand; since start %lld blocks, %lld bans, "
		"%lld expired\n",
		at(object, "counts", "blocks"), at(object, "counts", "bans"), at(object, "counts", "manuals"),
		at(object, "totals", "blocks_total"), at(object, "totals", "bans_total"),
		at(object, "totals", "expiries"));
	fprintf(out, "watched    %lld sources of at most %lld, %lld of them confirmed; %lld alerts\n",
		at(object, "counts", "sources"), at(object, "counts", "sources_max"),
		at(object, "counts", "confirmed_sources"), at(object, "totals", "alerts"));
	fprintf(out,
		"evidence   %lld pieces from %lld probes; %lld packets judged, %lld of them dropped; %lld trap "
		"visits\n",
		at(object, "totals", "evidence_total"), at(object, "totals", "probes"), at(object, "queue", "packets"),
		at(object, "queue", "dropped"), at(object, "traps", "hits"));
	fprintf(out, "kernel     dropped %lld packets of banned and %lld of blocked sources, muted %lld answers\n",
		at(object, "kernel", "dropped_hard"), at(object, "kernel", "dropped_soft"),
		at(object, "kernel", "muted"));
	fprintf(out, "spared     %lld allowed, %lld protected, %lld in a storm, %lld decoys\n",
		at(object, "totals", "spared_allowed"), at(object, "totals", "spared_protected"),
		at(object, "totals", "spared_storm"), at(object, "totals", "spared_decoy"));
}

static void show_losses(FILE *out, const json_t *object)
{
	static const struct {
		const char *section, *key, *meaning;
	} losses[] = {
		{ "queue", "lost", "times the queue overflowed (those packets passed)" },
		{ "queue", "fail_open", "packets passed unjudged because we were too slow" },
		{ "kernel", "over_newcomers", "probes of newcomers passed above the fair limit" },
		{ "kernel", "over_known", "probes of known sources passed above the fair limit" },
		{ "kernel", "refused", "blocks that the kernel refused" },
		{ "events", "lost", "events that were not kept" },
		{ "events", "log_left_out", "log lines left out" },
		{ "totals", "turned_away", "probes of newcomers for whom the table had no room" },
		{ "totals", "evicted", "sources that gave way in a full table" },
		{ "totals", "blocks_full", "blocks for which the table had no room" },
		{ "hooks", "failed", "hooks that failed" },
		{ "hooks", "timed_out", "hooks that ran out of time" },
		{ "hooks", "turned_away", "hooks that found no place to wait" },
	};
	int shown = 0;

	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		long long count = at(object, losses[i].section, losses[i].key);

		if (count > 0)
			fprintf(out, "%s%lld %s\n", shown++ ? "           " : "losses     ", count, losses[i].meaning);
	}
	if (shown == 0)
		fputs("losses     none\n", out);
}

static void show_storm(FILE *out, const json_t *object)
{
	const json_t *storm = json_object_get(object, "storm"), *hooks = json_object_get(object, "hooks");
	bool active = json_is_true(json_object_get(storm, "active"));

	if (json_is_true(json_object_get(json_object_get(object, "sensors"), "healing")))
		fputs("rules      NOT IN PLACE: somebody removed them and the kernel does not take them again; "
		      "picketctl doctor\n",
		      out);
	fprintf(out, "storm      %s; %lld blocks on suspicion may start now\n",
		active ? "yes: more suspects than storm_rate allows, the rest are alerts" : "no",
		(long long)json_whole(storm, "tokens"));
	if (json_is_object(hooks))
		fprintf(out, "hooks      %lld run, %lld succeeded, %lld running, %lld waiting\n",
			at(object, "hooks", "started"), at(object, "hooks", "succeeded"),
			at(object, "hooks", "running"), at(object, "hooks", "waiting"));
}

static void show_protected(struct ctl_view *view, const json_t *object)
{
	const json_t *list = json_object_get(object, "protected");
	size_t count = json_array_size(list), shown = count;

	if (count > PROTECTED_SHOWN && !ctl_given(view->args, CTL_OPTION_ALL))
		shown = PROTECTED_SHOWN;
	fprintf(view->out, "protected  %zu: never cut off; and %lld on the allow list\n", count,
		at(object, "counts", "allow"));
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
	show_counts(view->out, object);
	show_losses(view->out, object);
	show_storm(view->out, object);
	show_protected(view, object);
}

const struct ctl_shape shape_status = { .row = status_row };
