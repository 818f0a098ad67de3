/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `doctor`: a table of checks.  Every finding says how bad it is, what it means and what to do; a check that cannot be
 * made says so, it does not pass.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct check {
	const char *name;
	doctor_check_fn *look;
	bool needs_daemon;
};

static const struct check checks[] = {
	{ "mode", doctor_mode, true },
	{ "table", doctor_table, true },
	{ "other rules", doctor_foreign, false },
	{ "iptables-legacy", doctor_legacy, false },
	{ "saved ruleset", doctor_saved, false },
	{ "queue", doctor_queue, true },
	{ "traps", doctor_traps, true },
	{ "kernel", doctor_kernel, true },
	{ "kernel features", doctor_features, false },
	{ "conntrack", doctor_conntrack, false },
	{ "way back", doctor_reverse_path, false },
	{ "VRF", doctor_vrf, true },
	{ "allow list", doctor_allow, true },
	{ "protected", doctor_protected, true },
	{ "you", doctor_you, true },
	{ "tables", doctor_tables, true },
	{ "records", doctor_records, true },
	{ "disk", doctor_disk, true },
	{ "clock", doctor_clock, false },
	{ "hooks", doctor_hooks, true },
	{ "sandbox", doctor_sandbox, true },
};

static const char *const severity_names[SEVERITY_COUNT] = { "ok", "note", "warning", "problem" };

long long doctor_count(const struct doctor *doctor, const char *section, const char *key)
{
	return json_count(doctor->status, section, key);
}

const char *doctor_word(const struct doctor *doctor, const char *section, const char *key)
{
	return json_words(json_object_get(doctor->status, section), key, "?");
}

bool doctor_mode_is(const struct doctor *doctor, const char *mode)
{
	return strcmp(json_words(doctor->status, "mode", "?"), mode) == 0;
}

void doctor_find(struct doctor *doctor, enum severity severity, const char *meaning, const char *advice,
		 const char *format, ...)
{
	char what[768];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	doctor->counts[severity]++;
	if (ctl_given(doctor->args, CTL_OPTION_JSON)) {
		ctl_print_json(json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "check", doctor->check, "severity",
					 severity_names[severity], "finding", what, "meaning", meaning, "advice",
					 advice));
		return;
	}
	printf("%-8s %s: ", severity_names[severity], doctor->check);
	print_clean(stdout, what);
	putchar('\n');
	if (meaning)
		printf("         %s\n", meaning);
	if (advice)
		printf("         -> %s\n", advice);
}

static enum ctl_exit begin(struct doctor *doctor)
{
	enum ctl_exit result;

	doctor->check = "daemon";
	result = ctl_fetch(doctor->args, ctl_request("status", NULL), false, &doctor->status);
	if (result == CTL_DONE)
		doctor_ok(doctor, "picketd %s answers on %s", json_words(doctor->status, "version", "?"),
			  doctor->args->socket);
	else
		doctor_problem(doctor, "bans and blocks hold as long as its table stands; nobody new is seen",
			       "systemctl status picket; journalctl -u picket -n 50", "no answer on %s",
			       doctor->args->socket);
	/* Reading the rules takes root; the checks that want them say so. */
	if (geteuid() == 0 && hostnft_read(&doctor->host) < 0)
		doctor->host = NULL;
	return result;
}

static void sum_up(const struct doctor *doctor)
{
	if (ctl_given(doctor->args, CTL_OPTION_JSON))
		return;
	printf("%u findings are good; notes: %u, warnings: %u, problems: %u\n", doctor->counts[SEVERITY_OK],
	       doctor->counts[SEVERITY_NOTE], doctor->counts[SEVERITY_WARNING], doctor->counts[SEVERITY_PROBLEM]);
}

enum ctl_exit run_doctor(const struct ctl_args *args)
{
	struct doctor doctor = { .args = args };
	enum ctl_exit result;

	if (ctl_given(args, CTL_OPTION_PROBE))
		return doctor_probe(args);
	result = begin(&doctor);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (checks[i].needs_daemon && !doctor.status)
			continue;
		doctor.check = checks[i].name;
		fflush(stdout);
		checks[i].look(&doctor);
	}
	sum_up(&doctor);
	json_decref(doctor.status);
	free(doctor.host);
	if (result == CTL_DONE && doctor.counts[SEVERITY_PROBLEM])
		result = CTL_FAILED;
	return ctl_flush(result);
}
