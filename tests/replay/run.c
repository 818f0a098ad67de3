/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run [--report] FILE...: plays scenarios against the engine.  Prints PASS or FAIL for each, with the line of every
 * expectation that did not hold; exit 1 when one failed, 2 when nothing could be run.  --report prints for each source
 * its peak and what was left to the thresholds: the table that weights are chosen from.
 */
#include <stdio.h>
#include <string.h>

#include "play.h"

#define REPORT_SOURCES 8        /* a scenario: more than that say the same */

static void report(const struct play *play, const char *name)
{
	const struct engine_config *c = &play->config;

	for (size_t i = 0; i < play->track_count && i < REPORT_SOURCES; i++) {
		const struct track *t = &play->tracks[i];
		char text[ADDR_TEXT_MAX];
		unsigned first = t->at_probe[GRADE_BLOCK] ? t->at_probe[GRADE_BLOCK] : t->at_probe[GRADE_BAN];

		printf("%-34s %-20s %-6s %6u %6u  %7.2f  %+7.2f %+7.2f %+7.2f\n", name, addr_format(&t->addr, text),
		       grade_name((enum grade)t->grade), t->probes, first, t->peak, t->peak - c->alert,
		       t->peak - c->block, t->peak_confirmed - c->ban);
	}
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* 0 passed, 1 failed. */
static int run_file(const char *path, bool with_report)
{
	struct script script;
	struct play play = { 0 };
	unsigned failures = 1;

	if (!script_read(&script, path)) {
		printf("FAIL %s\n  %s:%u: %s\n", path, path, script.error_line, script.error);
	} else if (!play_script(&play, &script, with_report)) {
		printf("FAIL %s\n  out of memory\n", path);
	} else {
		failures = play.failures;
		if (with_report)
			report(&play, base_name(path));
		else
			printf("%s %s\n", failures ? "FAIL" : "PASS", path);
	}
	play_free(&play);
	script_free(&script);
	return failures > 0;
}

int main(int argc, char **argv)
{
	bool with_report = argc > 1 && strcmp(argv[1], "--report") == 0;
	int failed = 0, count = 0;

	if (argc < 2 + with_report) {
		fprintf(stderr, "usage: run [--report] FILE...\n");
		return 2;
	}
	if (with_report)
		printf("%-34s %-20s %-6s %6s %6s  %7s  %7s %7s %7s\n", "scenario", "source", "grade", "probes",
		       "block@", "peak", "-alert", "-block", "-ban");
	for (int i = 1 + with_report; i < argc; i++, count++)
		failed += run_file(argv[i], with_report);
	if (!with_report)
		printf("%d scenarios, %d failed\n", count, failed);
	return failed > 0;
}
