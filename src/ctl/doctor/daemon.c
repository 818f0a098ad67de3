/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon says of itself: mode, losses, full tables, hooks that fail.
 */
#include <string.h>

#include "doctor.h"

void doctor_mode(struct doctor *d)
{
	const char *mode = json_words(d->status, "mode", "?");

	if (strcmp(mode, "paused") == 0)
		doctor_find(d, SEVERITY_PROBLEM, "nothing of picket touches a packet; blocks keep running out",
			    "picketctl resume", "paused: nothing is seen and nothing is blocked");
	else if (strcmp(mode, "observe") == 0)
		doctor_find(d, SEVERITY_WARNING, "scans are told, and nothing is blocked",
			    "picketctl mode block; and mode = block in picket.conf, when you trust what you see",
			    "observe mode");
	else
		doctor_find(d, SEVERITY_OK, NULL, NULL, "mode is %s", mode);
}

void doctor_queue(struct doctor *d)
{
	long long lost = doctor_count(d, "queue", "lost"), open = doctor_count(d, "queue", "fail_open");
	long long errors = doctor_count(d, "queue", "verdict_errors") + doctor_count(d, "queue", "malformed");
	long long over = doctor_count(d, "kernel", "over_newcomers") + doctor_count(d, "kernel", "over_known");

	if (lost > 0 || open > 0)
		doctor_find(d, SEVERITY_WARNING,
			    "a flood, or a machine without time to spare: those packets passed without being judged",
			    "picketctl status; raise CPUWeight in a drop-in of picket.service if it goes on",
			    "the queue overflowed %lld times, and about %lld packets passed unjudged", lost, open);
	else
		doctor_find(d, SEVERITY_OK, NULL, NULL, "%lld packets judged, none lost",
			    doctor_count(d, "queue", "packets"));
	if (over > 0)
		doctor_find(d, SEVERITY_NOTE,
			    "a flood: above the fair limits packets pass without being judged, others' are "
			    "judged all the same",
			    NULL, "%lld packets were above the fair limits", over);
	if (errors > 0)
		doctor_find(d, SEVERITY_WARNING, "the kernel did not take a verdict, or said what made no sense",
			    "journalctl -u picket -n 50", "%lld errors in the queue", errors);
}

void doctor_kernel(struct doctor *d)
{
	if (doctor_count(d, "kernel", "refused") > 0)
		doctor_find(d, SEVERITY_PROBLEM,
			    "those sources are not blocked; a full set or somebody's `nft flush` are the "
			    "usual reasons",
			    "journalctl -u picket | grep 'failed to'", "the kernel refused %lld elements",
			    doctor_count(d, "kernel", "refused"));
	else
		doctor_find(d, SEVERITY_OK, NULL, NULL, "the kernel took every block");
}

void doctor_storm(struct doctor *d)
{
	if (json_is_true(json_object_get(json_object_get(d->status, "storm"), "active")))
		doctor_find(d, SEVERITY_WARNING,
			    "probably forged sources; bans are not held back. See \"Forged sources\" in "
			    "picketd(8)",
			    NULL, "a storm: more suspects than storm_rate allows, the rest are alerts alone");
	else
		doctor_find(d, SEVERITY_OK, NULL, NULL, "no storm; %lld blocks were held back since the start",
			    doctor_count(d, "totals", "spared_storm"));
}

void doctor_tables(struct doctor *d)
{
	long long sources = doctor_count(d, "counts", "sources"), max = doctor_count(d, "counts", "sources_max");
	long long full = doctor_count(d, "totals", "blocks_full") + doctor_count(d, "totals", "allow_full") +
			 doctor_count(d, "totals", "protect_full");

	if (full > 0)
		doctor_find(d, SEVERITY_PROBLEM, "a limit of the daemon was reached, and what came later was left out",
			    "picketctl allow list; picketctl list", "%lld entries found a table full", full);
	if (max > 0 && sources * 10 > max * 9)
		doctor_find(d, SEVERITY_WARNING, "a slow scanner may be forgotten too early",
			    "set score { max_sources } in picket.conf to twice as many, then: systemctl restart picket",
			    "%lld of at most %lld sources are watched", sources, max);
	else
		doctor_find(d, SEVERITY_OK, NULL, NULL, "%lld of at most %lld sources are watched", sources, max);
}

void doctor_records(struct doctor *d)
{
	long long lost = doctor_count(d, "events", "lost"), wire = doctor_count(d, "wire", "bad_messages");

	if (lost > 0)
		doctor_find(d, SEVERITY_WARNING, "the keeper had no time; blocking itself went on", NULL,
			    "%lld events were not kept", lost);
	else
		doctor_find(d, SEVERITY_OK, NULL, NULL, "every event was kept; %lld log lines were left out",
			    doctor_count(d, "events", "log_left_out"));
	if (wire > 0)
		doctor_find(d, SEVERITY_PROBLEM, "a fault, or a process of picket that somebody has taken over",
			    "systemctl restart picket; and please report it",
			    "%lld messages between picket's own processes "
			    "made no sense",
			    wire);
}

void doctor_hooks(struct doctor *d)
{
	long long bad = doctor_count(d, "hooks", "failed") + doctor_count(d, "hooks", "timed_out") +
			doctor_count(d, "hooks", "turned_away");

	if (bad > 0)
		doctor_find(d, SEVERITY_WARNING,
			    "the program is missing, may not be run by the hook's user, or is too slow",
			    "journalctl -u picket | grep 'hook '",
			    "%lld hooks failed, ran out of time or found no place", bad);
	else
		doctor_find(d, SEVERITY_OK, NULL, NULL, "%lld hooks ran, none failed",
			    doctor_count(d, "hooks", "started"));
}
