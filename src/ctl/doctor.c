/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `doctor`: a table of checks over the daemon's state.  Every finding says what it means and what to do.
 */
#include "ctl.h"

#include <stdarg.h>
#include <string.h>

enum finding_grade { FINDING_OK, FINDING_WARNING, FINDING_PROBLEM };

struct finding {
	enum finding_grade grade;
	char what[256];
	const char *advice;             /* NULL: nothing to do */
};

struct check {
	const char *name;
	void (*look)(const json_t *status, struct finding *out);
};

__attribute__((format(printf, 4, 5)))
static void find(struct finding *out, enum finding_grade grade, const char *advice, const char *format, ...)
{
	va_list args;

	out->grade = grade;
	out->advice = advice;
	va_start(args, format);
	vsnprintf(out->what, sizeof(out->what), format, args);
	va_end(args);
}

static long long at(const json_t *status, const char *section, const char *key)
{
	return (long long)json_whole(json_object_get(status, section), key);
}

static void check_mode(const json_t *status, struct finding *out)
{
	const char *mode = json_words(status, "mode", "?");

	if (strcmp(mode, "paused") == 0)
		find(out, FINDING_PROBLEM, "`picketctl resume` ends the pause",
		     "paused: nothing is seen and nothing is blocked");
	else if (strcmp(mode, "observe") == 0)
		find(out, FINDING_WARNING,
		     "`picketctl mode block`, and mode = block in picket.conf, when you trust what you see",
		     "observe mode: scans are told, and nothing is blocked");
	else
		find(out, FINDING_OK, NULL, "mode is %s", mode);
}

static void check_queue(const json_t *status, struct finding *out)
{
	long long lost = at(status, "queue", "lost"), open = at(status, "queue", "fail_open");

	if (lost > 0 || open > 0)
		find(out, FINDING_WARNING,
		     "a flood, or a machine without time to spare; scanners were let through unjudged meanwhile",
		     "the queue overflowed %lld times, and about %lld packets passed unjudged", lost, open);
	else
		find(out, FINDING_OK, NULL, "%lld packets judged, none lost", at(status, "queue", "packets"));
}

static void check_traps(const json_t *status, struct finding *out)
{
	long long tcp = at(status, "sensors", "trapped_tcp_ports"), udp = at(status, "sensors", "trapped_udp_ports");

	if (tcp + udp == 0)
		find(out, FINDING_WARNING,
		     "set trap { tcp = { ... } }: without traps nothing can be confirmed, so nobody is banned",
		     "no port is trapped");
	else if (at(status, "traps", "errors") > 0)
		find(out, FINDING_WARNING, "the log says which call failed", "%lld errors in traps",
		     at(status, "traps", "errors"));
	else
		find(out, FINDING_OK, NULL, "%lld TCP and %lld UDP ports are trapped, %lld visits", tcp, udp,
		     at(status, "traps", "hits"));
}

static void check_kernel(const json_t *status, struct finding *out)
{
	if (at(status, "kernel", "refused") > 0)
		find(out, FINDING_PROBLEM,
		     "the log says why; a full set or somebody's `nft flush` are the usual reasons",
		     "the kernel refused %lld elements: those sources are not blocked",
		     at(status, "kernel", "refused"));
	else
		find(out, FINDING_OK, NULL, "the kernel took every block");
}

static void check_saved_ruleset(const json_t *status, struct finding *out)
{
	const char *queue = json_words(json_object_get(status, "sensors"), "queue", "?");

	if (strcmp(queue, "native") == 0)
		find(out, FINDING_OK, NULL, "the kernel has the native queue expression");
	else
		find(out, FINDING_WARNING,
		     "do not save the ruleset while picket runs (nft list ruleset > FILE): nft cannot load it again; "
		     "stop picket first",
		     "this kernel has no native queue expression: the xt target NFQUEUE stands in for it");
}

static void check_storm(const json_t *status, struct finding *out)
{
	if (json_is_true(json_object_get(json_object_get(status, "storm"), "active")))
		find(out, FINDING_WARNING,
		     "probably forged sources; bans are not held back. See \"Forged sources\" in picketd(8)",
		     "a storm: more suspects than storm_rate allows, the rest are alerts alone");
	else
		find(out, FINDING_OK, NULL, "no storm; %lld blocks were held back since the start",
		     at(status, "totals", "spared_storm"));
}

static void check_tables(const json_t *status, struct finding *out)
{
	long long sources = at(status, "counts", "sources"), max = at(status, "counts", "sources_max");
	long long full = at(status, "totals", "blocks_full") + at(status, "totals", "allow_full") +
			 at(status, "totals", "protect_full");

	if (full > 0)
		find(out, FINDING_PROBLEM, "look at the lists: a limit of the daemon was reached",
		     "%lld entries found a table full", full);
	else if (max > 0 && sources * 10 > max * 9)
		find(out, FINDING_WARNING, "raise score { max_sources }: a slow scanner may be forgotten too early",
		     "%lld of at most %lld sources are watched", sources, max);
	else
		find(out, FINDING_OK, NULL, "%lld of at most %lld sources are watched", sources, max);
}

static void check_protected(const json_t *status, struct finding *out)
{
	size_t count = json_array_size(json_object_get(status, "protected"));

	if (count == 0)
		find(out, FINDING_WARNING, "set protect_auto = true, or allow the addresses that you must never lose",
		     "nobody is protected: even the gateway and you yourself could be cut off");
	else
		find(out, FINDING_OK, NULL, "%zu addresses are protected, %lld allowed", count,
		     at(status, "counts", "allow"));
}

static void check_records(const json_t *status, struct finding *out)
{
	if (at(status, "events", "lost") > 0)
		find(out, FINDING_WARNING, "the keeper had no time; blocking itself went on",
		     "%lld events were not kept",
		     at(status, "events", "lost"));
	else
		find(out, FINDING_OK, NULL, "every event was kept; %lld log lines were left out",
		     at(status, "events", "log_left_out"));
}

static void check_hooks(const json_t *status, struct finding *out)
{
	long long bad = at(status, "hooks", "failed") + at(status, "hooks", "timed_out") +
			at(status, "hooks", "turned_away");

	if (bad > 0)
		find(out, FINDING_WARNING, "the log names the hook and what it said",
		     "%lld hooks failed, ran out of time or found no place",
		     bad);
	else
		find(out, FINDING_OK, NULL, "%lld hooks ran, none failed", at(status, "hooks", "started"));
}

static const struct check checks[] = {
	{ "mode", check_mode }, { "queue", check_queue }, { "traps", check_traps }, { "kernel", check_kernel },
	{ "saved ruleset", check_saved_ruleset }, { "storm", check_storm }, { "tables", check_tables },
	{ "protected", check_protected }, { "records", check_records }, { "hooks", check_hooks },
};

static void tell(const struct ctl_args *args, const char *name, const struct finding *finding)
{
	static const char *const words[] = { "ok", "warning", "problem" };

	if (ctl_given(args, CTL_OPTION_JSON)) {
		json_t *object = json_pack("{s:s, s:s, s:s, s:s?}", "check", name, "result", words[finding->grade],
					   "finding", finding->what, "advice", finding->advice);

		if (object)
			json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		fputc('\n', stdout);
		json_decref(object);
		return;
	}
	printf("%-7s  %s: %s\n", words[finding->grade], name, finding->what);
	if (finding->advice)
		printf("         %s\n", finding->advice);
}

enum ctl_exit run_doctor(const struct ctl_args *args)
{
	struct finding finding = { .grade = FINDING_OK, .what = "picketd answers" };
	json_t *status = NULL;
	enum ctl_exit result = ctl_fetch(args, "status", false, &status);
	bool problem = false;

	if (result != CTL_DONE) {
		find(&finding, FINDING_PROBLEM, "systemctl status picket, and its log, say why", "no answer on %s",
		     args->socket);
		tell(args, "daemon", &finding);
		return result;
	}
	tell(args, "daemon", &finding);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		memset(&finding, 0, sizeof(finding));
		checks[i].look(status, &finding);
		tell(args, checks[i].name, &finding);
		problem |= finding.grade == FINDING_PROBLEM;
	}
	json_decref(status);
	return problem ? CTL_FAILED : CTL_DONE;
}
