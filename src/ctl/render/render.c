/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers for people: what an order did, lists, events.  Plain ASCII in columns; `--json` is for programs.
 */
#include "internal.h"

#include <string.h>
#include <time.h>

#include "duration.h"

/* ---- the answer as it comes ---- */

/* One of many sources that an order was not carried out for, and where it was read. */
static void tell_refused(const struct ctl_view *view, const json_t *object)
{
	const struct ctl_sources *sources = view->args->sources;
	const char *source = json_words(object, "source", "?"), *error = json_words(object, "error", "?");
	int64_t number = json_whole(object, "number");

	if (sources->file && number >= 1 && number <= CTL_SOURCES_MAX)
		ctl_complain(CTL_FAILED, "%s:%u: %s: %s", sources->file, sources->lines[number - 1], source, error);
	else
		ctl_complain(CTL_FAILED, "%s: %s", source, error);
}

static void show(void *context, json_t *object)
{
	struct ctl_view *view = context;

	if (view->args->sources && json_object_get(object, "error") && !ctl_given(view->args, CTL_OPTION_JSON)) {
		tell_refused(view, object);
		return;
	}
	if (view->shape->exit_status && view->shape->exit_status(object) != CTL_DONE)
		view->status = view->shape->exit_status(object);
	view->rows++;
	if (ctl_given(view->args, CTL_OPTION_JSON))
		ctl_print_json(json_incref(object));
	else
		view->shape->object(view, object);
	/* A stream is read while it comes. */
	if (ctl_given(view->args, CTL_OPTION_FOLLOW))
		fflush(view->out);
}

static void show_row(void *context, const struct json_row *row)
{
	struct ctl_view *view = context;

	view->rows++;
	if (ctl_given(view->args, CTL_OPTION_JSON))
		ctl_print_row(view->out, row);
	else
		view->shape->row(view, row);
}

enum ctl_exit ctl_show(const struct ctl_args *args, json_t *request, const struct ctl_shape *shape)
{
	struct ctl_view view = { .args = args, .shape = shape, .out = stdout };
	bool json = ctl_given(args, CTL_OPTION_JSON);
	char problem[CTL_PROBLEM_MAX];
	enum ctl_exit status;

	if (shape->columns && !json) {
		view.table = table_new(stdout, shape->columns);
		if (!view.table) {
			json_decref(request);
			return ctl_complain(CTL_FAILED, "out of memory");
		}
	}
	if (shape->row)
		status = ctl_ask_rows(args, request, show_row, &view, problem);
	else
		status = ctl_ask(args, request, show, &view, problem);
	table_free(view.table);
	if (status != CTL_DONE)
		return ctl_flush(ctl_complain(status, "%s", problem));
	if (view.rows == 0 && shape->nothing && !json)
		fprintf(view.out, "%s\n", shape->nothing);
	if (shape->end && !json)
		shape->end(&view);
	return ctl_flush(view.status);
}

/* ---- values in words ---- */

/* The digits of the pattern's, in the place of each letter; false: another byte stands where they belong. */
static bool read_digits(const char *text, const char *pattern, int out[6])
{
	memset(out, 0, 6 * sizeof(*out));
	for (size_t i = 0; pattern[i]; i++) {
		int part = pattern[i] - 'a';

		if (part < 0 || part >= 6) {
			if (text[i] != pattern[i])
				return false;
		} else if (text[i] < '0' || text[i] > '9') {
			return false;
		} else {
			out[part] = out[part] * 10 + (text[i] - '0');
		}
	}
	return true;
}

/* RFC 3339 in UTC as local time.  A long list has one in each row: no sscanf() or strftime(). */
static const char *local_words(const char *text, char out[32])
{
	struct writer w = writer_over(out, 32);
	struct tm utc = { 0 }, local;
	time_t when;
	int parts[6];

	if (!read_digits(text, "aaaa-bb-ccTdd:ee:ff", parts)) {
		writer_char(&w, '-');
		return out;
	}
	utc.tm_year = parts[0] - 1900;
	utc.tm_mon = parts[1] - 1;
	utc.tm_mday = parts[2];
	utc.tm_hour = parts[3];
	utc.tm_min = parts[4];
	utc.tm_sec = parts[5];
	when = timegm(&utc);
	if (!localtime_r(&when, &local)) {
		writer_char(&w, '-');
		return out;
	}
	writer_date(&w, &local, ' ');
	return out;
}

const char *time_words(const json_t *object, const char *key, char out[32])
{
	return local_words(json_words(object, key, ""), out);
}

static const char *row_time_words(const struct json_row *row, const char *key, char out[32])
{
	char text[32];

	return local_words(row_words(row, key, "", text, sizeof(text)), out);
}

static const char *seconds_words(int64_t seconds, char out[DURATION_TEXT_MAX])
{
	if (seconds < 0 || seconds > DURATION_MAX_MS / 1000)
		seconds = seconds < 0 ? 0 : DURATION_MAX_MS / 1000;
	return duration_format(seconds * 1000, out);
}

const char *left_words(const json_t *object, const char *key, const char *otherwise, char out[32])
{
	return json_is_integer(json_object_get(object, key)) ? seconds_words(json_whole(object, key), out) : otherwise;
}

static const char *row_left_words(const struct json_row *row, const char *key, char out[DURATION_TEXT_MAX])
{
	int64_t seconds;

	return row_whole(row, key, &seconds) ? seconds_words(seconds, out) : "for good";
}

static void ports_words(const json_t *object, char *out, size_t size)
{
	const json_t *ports = json_object_get(object, "ports");
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < json_array_size(ports) && len + 8 < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%d", i ? "," : "",
					(int)json_integer_value(json_array_get(ports, i)));
	if (len == 0)
		snprintf(out, size, "-");
}

static void print_note(struct ctl_view *view, const json_t *object)
{
	const char *note = json_words(object, "note", NULL);

	if (!note)
		return;
	fprintf(view->out, "note: %s\n", note);
}

/* ---- list ---- */

/* The grades that have something to say about what passes, in order of strictness. */
static const char *const list_grades[LIST_GRADES] = { "veil", "ban", "block" };

static void note_passes(struct ctl_view *view, const struct json_row *row, const char *grade)
{
	for (size_t i = 0; i < LIST_GRADES; i++)
		if (!*view->passes[i] && strcmp(grade, list_grades[i]) == 0)
			row_words(row, "passes", NULL, view->passes[i], sizeof(view->passes[i]));
}

static void list_end(struct ctl_view *view)
{
	const char *before = "\n";

	for (size_t i = 0; i < LIST_GRADES; i++) {
		if (!*view->passes[i])
			continue;
		fprintf(view->out, "%sa %s lets pass: %s\n", before, list_grades[i], view->passes[i]);
		before = "";
	}
}

static void list_row(struct ctl_view *view, const struct json_row *row)
{
	char source[TABLE_CELL_MAX], grade[TABLE_CELL_MAX], left[DURATION_TEXT_MAX], since[32], times[24];
	char reason[TABLE_CELL_MAX];
	struct writer w = writer_over(times, sizeof(times));
	int64_t count = 0;
	const char *cells[] = { row_words(row, "source", "?", source, sizeof(source)),
				row_words(row, "grade", "?", grade, sizeof(grade)),
				row_left_words(row, "expires_in_s", left),
				row_time_words(row, "since", since),
				times,
				row_words(row, "reason", "", reason, sizeof(reason)) };

	row_whole(row, "times", &count);
	writer_number(&w, count, 1);
	table_row(view->table, cells);
	note_passes(view, row, cells[1]);
}

static const char *const list_columns[] = { "SOURCE", "GRADE", ">LEFT", "SINCE", ">TIMES", "REASON", NULL };
const struct ctl_shape shape_list = {
	.row = list_row, .nothing = "nothing is veiled, banned or blocked", .columns = list_columns, .end = list_end
};

/* ---- sources ---- */

static void sources_row(struct ctl_view *view, const json_t *object)
{
	char score[24], confirmed[24], suspected[24], next[48], last[32], ports[64];
	const char *cells[] = { json_words(object, "source", "?"),
				json_words(object, "grade", "-"),
				score,
				confirmed,
				suspected,
				next,
				time_words(object, "last_seen", last),
				json_words(object, "kind", "-"),
				ports };

	snprintf(score, sizeof(score), "%.2f", json_value(object, "score"));
	snprintf(confirmed, sizeof(confirmed), "%.2f", json_value(object, "confirmed"));
	snprintf(suspected, sizeof(suspected), "%.2f", json_value(object, "suspected"));
	if (json_words(object, "next", NULL))
		snprintf(next, sizeof(next), "%.10s in %.2f", json_words(object, "next", ""),
			 json_value(object, "distance"));
	else
		snprintf(next, sizeof(next), "-");
	ports_words(object, ports, sizeof(ports));
	table_row(view->table, cells);
}

static const char *const sources_columns[] = { "SOURCE", "GRADE",     ">SCORE", ">CONFIRMED", ">SUSPECTED",
					       "NEXT",   "LAST SEEN", "KIND",   "PORTS",      NULL };
const struct ctl_shape shape_sources = { .object = sources_row,
					 .nothing = "no source has done anything that weighs",
					 .columns = sources_columns };

/* ---- orders ---- */

static void block_row(struct ctl_view *view, const json_t *object)
{
	char left[32];

	fprintf(view->out, "blocked %s ", json_words(object, "source", "?"));
	if (json_is_integer(json_object_get(object, "expires_in_s")))
		fprintf(view->out, "for %s\n", left_words(object, "expires_in_s", "", left));
	else
		fputs("until it is unblocked\n", view->out);
	print_note(view, object);
}

const struct ctl_shape shape_block = { .object = block_row };

static void unblock_row(struct ctl_view *view, const json_t *object)
{
	const char *source = json_words(object, "source", NULL);
	long long count = json_whole(object, "unblocked");

	if (source && (count <= 1 || !strchr(source, '/')))
		fprintf(view->out, "unblocked %s\n", source);
	else
		fprintf(view->out, "unblocked %s%s%lld sources\n", source ? source : "", source ? ": " : "", count);
	print_note(view, object);
}

const struct ctl_shape shape_unblock = { .object = unblock_row };

static void allow_row(struct ctl_view *view, const json_t *object)
{
	bool added = json_flag(object, "allowed");
	char left[32];

	fprintf(view->out, "%s %s", json_words(object, "source", "?"),
		added ? "is allowed" : "is not allowed any more");
	if (json_is_integer(json_object_get(object, "expires_in_s")))
		fprintf(view->out, " for %s", left_words(object, "expires_in_s", "", left));
	if (json_flag(object, "saved"))
		fputs(added ? ", and saved in the allow file" : ", and taken out of the allow file", view->out);
	if (json_whole(object, "unblocked") > 0)
		fprintf(view->out, "; %lld that stood there were lifted", (long long)json_whole(object, "unblocked"));
	fputc('\n', view->out);
	print_note(view, object);
}

const struct ctl_shape shape_allow = { .object = allow_row };

static void allow_list_row(struct ctl_view *view, const struct json_row *row)
{
	char source[TABLE_CELL_MAX], left[DURATION_TEXT_MAX], origin[TABLE_CELL_MAX];
	const char *cells[] = { row_words(row, "source", "?", source, sizeof(source)),
				row_left_words(row, "expires_in_s", left),
				row_words(row, "origin", "?", origin, sizeof(origin)) };

	table_row(view->table, cells);
}

static const char *const allow_columns[] = { "SOURCE", ">LEFT", "BY", NULL };
const struct ctl_shape shape_allow_list = { .row = allow_list_row,
					    .nothing = "nothing is allowed",
					    .columns = allow_columns };

static void allow_check_row(struct ctl_view *view, const json_t *object)
{
	const char *by = json_words(object, "allowed_by", NULL), *why = json_words(object, "protected_why", NULL);

	fprintf(view->out, "%s is %s%s", json_words(object, "source", "?"), by ? "allowed by " : "not allowed",
		by ? by : "");
	if (why && strcmp(why, "no-source") == 0)
		fputs(", and no host can send from it", view->out);
	else if (why)
		fprintf(view->out, ", but protected: %s", why);
	fputc('\n', view->out);
}

static enum ctl_exit allow_check_status(const json_t *object)
{
	return json_flag(object, "allowed") ? CTL_DONE : CTL_FAILED;
}

const struct ctl_shape shape_allow_check = { .object = allow_check_row, .exit_status = allow_check_status };

static void mode_row(struct ctl_view *view, const json_t *object)
{
	const char *mode = json_words(object, "mode", NULL);
	char left[32];

	if (!mode)
		fputs("picket is at work again\n", view->out);
	else if (strcmp(mode, "paused") != 0)
		fprintf(view->out, "mode is %s\n", mode);
	else if (json_is_integer(json_object_get(object, "expires_in_s")))
		fprintf(view->out, "paused for %s: nothing of picket touches a packet\n",
			left_words(object, "expires_in_s", "", left));
	else
		fputs("paused until `picketctl resume`: nothing of picket touches a packet\n", view->out);
	print_note(view, object);
}

const struct ctl_shape shape_mode = { .object = mode_row };

static void reload_row(struct ctl_view *view, const json_t *object)
{
	const char *mistake = json_words(object, "mistake", NULL);

	fprintf(view->out, "%s\n", mistake ? mistake : "the configuration is reloaded");
	print_note(view, object);
}

const struct ctl_shape shape_reload = { .object = reload_row };

/* ---- history, events ---- */

static void events_row(struct ctl_view *view, const json_t *object)
{
	const json_t *lost = json_object_get(object, "lost");
	char at[32];

	if (lost) {
		fprintf(view->out, "(%lld events were lost: they came faster than they were read)\n",
			(long long)json_integer_value(lost));
		return;
	}
	fprintf(view->out, "%s  %s\n", time_words(object, "at", at), json_words(object, "line", "?"));
}

const struct ctl_shape shape_events = { .object = events_row, .nothing = "nothing was decided" };
