/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run [--report] FILE...: plays scenarios against the engine.  Prints PASS or FAIL for each, with the line of every
 * expectation that did not hold; exit 1 when one failed, 2 when nothing could be run.  --report prints instead what
 * each source came to and how far that is from the thresholds: the table that weights are chosen from.
 */
#include <stdio.h>
#include <string.h>

#include "play.h"
#include "report.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Nobody honest is ever banned, whatever else a scenario expects. */
static unsigned check_honest(const struct play *play, const char *name)
{
	unsigned failures = 0;

	for (size_t i = 0; strncmp(name, "honest-", 7) == 0 && i < play->track_count; i++) {
		if (play->tracks[i].grade >= GRADE_BAN) {
			printf("  %s: an honest sender was banned\n", play->script->path);
			failures++;
		}
	}
	return failures;
}

/* 0 passed, 1 failed. */
static int run_file(const char *path, struct report *report)
{
	struct script script;
	struct play play = { 0 };
	unsigned failures = 1;

	if (!script_read(&script, path)) {
		printf("FAIL %s\n  %s:%u: %s\n", path, path, script.error_line, script.error);
	} else if (!play_script(&play, &script, report != NULL)) {
		printf("FAIL %s\n  out of memory\n", path);
	} else {
		failures = play.failures + check_honest(&play, base_name(path));
		if (report && !report_take(report, &play, base_name(path)))
			failures++;
		if (!report)
			printf("%s %s\n", failures ? "FAIL" : "PASS", path);
	}
	play_free(&play);
	script_free(&script);
	return failures > 0;
}

int main(int argc, char **argv)
{
	bool with_report = argc > 1 && strcmp(argv[1], "--report") == 0;
	struct report *report = with_report ? report_new() : NULL;
	int failed = 0, count = 0;

	if (argc < 2 + with_report || (with_report && !report)) {
		fprintf(stderr, "usage: run [--report] FILE...\n");
		return 2;
	}
	for (int i = 1 + with_report; i < argc; i++, count++)
		failed += run_file(argv[i], report);
	if (report)
		report_print(report);
	else
		printf("%d scenarios, %d failed\n", count, failed);
	report_free(report);
	return failed > 0;
}
