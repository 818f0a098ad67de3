/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns the rows of the report and their order.  Sources of one scenario that came out alike are one row.
 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum side { SIDE_SCAN, SIDE_HONEST, SIDE_OTHER };

struct row {
	char name[56], source[ADDR_TEXT_MAX];
	enum side side;
	unsigned sources, probes, decided_at;
	uint8_t grade;
	double peak, decided, confirmed; /* decided: the score when it was veiled or banned, 0 if it never was */
	double alert, veil, ban;
};

struct report {
	struct row *rows;
	size_t count, capacity;
};

struct report *report_new(void)
{
	return calloc(1, sizeof(struct report));
}

void report_free(struct report *report)
{
	if (report)
		free(report->rows);
	free(report);
}

static bool alike(const struct row *a, const struct row *b)
{
	return strcmp(a->name, b->name) == 0 && a->grade == b->grade && a->probes == b->probes &&
	       a->decided_at == b->decided_at && a->decided - b->decided < 0.01 && b->decided - a->decided < 0.01 &&
	       (a->decided > 0 || (a->peak - b->peak < 0.01 && b->peak - a->peak < 0.01));
}

static bool add(struct report *report, const struct row *row)
{
	struct row *rows;

	for (size_t i = 0; i < report->count; i++) {
		if (alike(&report->rows[i], row)) {
			report->rows[i].sources++;
			return true;
		}
	}
	if (report->count == report->capacity) {
		report->capacity = report->capacity ? 2 * report->capacity : 256;
		rows = realloc(report->rows, report->capacity * sizeof(*rows));
		if (!rows)
			return false;
		report->rows = rows;
	}
	report->rows[report->count++] = *row;
	return true;
}

bool report_take(struct report *report, const struct play *play, const char *name)
{
	for (size_t i = 0; i < play->track_count; i++) {
		const struct track *t = &play->tracks[i];
		struct row row = {
			.side = strncmp(name, "scan-", 5) == 0     ? SIDE_SCAN
				: strncmp(name, "honest-", 7) == 0 ? SIDE_HONEST
								   : SIDE_OTHER,
			.sources = 1,
			.probes = t->probes,
			.grade = t->grade,
			.peak = t->peak,
			.decided = t->decided,
			.decided_at = t->at_probe[GRADE_VEIL] ? t->at_probe[GRADE_VEIL] : t->at_probe[GRADE_BAN],
			.confirmed = t->peak_confirmed,
			.alert = play->config.alert,
			.veil = play->config.veil,
			.ban = play->config.ban,
		};

		if (t->probes == 0)
			continue;
		snprintf(row.name, sizeof(row.name), "%.*s", (int)strcspn(name, "."), name);
		addr_format(&t->addr, row.source);
		if (!add(report, &row))
			return false;
	}
	return true;
}

/* Scans: those that took longest first; all others: the highest score first. */
static int compare(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;

	if (x->side == SIDE_SCAN && x->decided_at != y->decided_at) {
		if (!x->decided_at || !y->decided_at)
			return x->decided_at ? 1 : -1;
		return x->decided_at < y->decided_at ? 1 : -1;
	}
	if (x->peak > y->peak || x->peak < y->peak)
		return x->peak < y->peak ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void print_row(const struct row *row)
{
	double score = row->decided > 0 ? row->decided : row->peak;
	char many[16] = "", at[16] = "-";

	if (row->sources > 1)
		snprintf(many, sizeof(many), " x%u", row->sources);
	if (row->decided_at)
		snprintf(at, sizeof(at), "%u", row->decided_at);
	printf("%-34s %-18s%-6s %-6s %6u %6s %7.2f  %+6.2f  %+6.2f  %+6.2f\n", row->name, row->source, many,
	       grade_name((enum grade)row->grade), row->probes, at, score, score - row->alert, score - row->veil,
	       row->confirmed - row->ban);
}

static void print_side(const struct report *report, enum side side, const char *title)
{
	const struct row **rows = calloc(report->count ? report->count : 1, sizeof(const struct row *));
	size_t count = 0;

	for (size_t i = 0; rows && i < report->count; i++) {
		if (report->rows[i].side == side)
			rows[count++] = &report->rows[i];
	}
	printf("\n%s\n%-34s %-24s %-6s %6s %6s %7s  %6s  %6s  %6s\n", title, "scenario", "source", "grade", "probes",
	       "veil", "score", "alert", "veil", "ban");
	if (count)
		qsort(rows, count, sizeof(*rows), compare);
	for (size_t i = 0; i < count; i++)
		print_row(rows[i]);
	free(rows);
}

/* Nobody honest may be banned; a veil costs them a second. */
static void print_summary(const struct report *report)
{
	unsigned sources = 0, veiled = 0, banned = 0;
	const struct row *nearest = NULL;

	for (size_t i = 0; i < report->count; i++) {
		const struct row *row = &report->rows[i];

		if (row->side != SIDE_HONEST)
			continue;
		sources += row->sources;
		veiled += row->grade == GRADE_VEIL ? row->sources : 0;
		banned += row->grade >= GRADE_BAN ? row->sources : 0;
		if (!nearest || row->confirmed - row->ban > nearest->confirmed - nearest->ban)
			nearest = row;
	}
	printf("\nOf %u honest senders %u were veiled and %u banned", sources, veiled, banned);
	if (nearest)
		printf("; nearest to a ban came %s, by %.2f", nearest->name, nearest->ban - nearest->confirmed);
	puts(".");
}

void report_print(const struct report *report)
{
	printf("Score: when it was veiled or banned, else the highest.  The last three columns: how far above (+) or "
	       "below (-)\n"
	       "the threshold that is, for a ban by confirmed evidence alone.\n");
	print_side(report, SIDE_SCAN, "SCANS, hardest to see first (those without a veil are out of reach)");
	print_side(report, SIDE_HONEST, "HONEST SENDERS, nearest to a veil first");
	print_side(report, SIDE_OTHER, "FORGED ADDRESSES AND THE MACHINERY");
	print_summary(report);
}
