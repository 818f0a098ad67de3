/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers for people: what an order did, lists, events.  Plain ASCII in columns; `--json` is for programs.
 */
#include "internal.h"

#include <string.h>
#include <time.h>

#include "duration.h"

/* ---- the answer as it comes ---- */

static void show(void *context, json_t *object)
{
	struct ctl_view *view = context;

	if (view->shape->exit_status && view->shape->exit_status(object) != CTL_DONE)
		view->status = view->shape->exit_status(object);
	view->rows++;
	if (ctl_given(view->args, CTL_OPTION_JSON))
		ctl_print_json(json_incref(object));
	else
		view->shape->row(view, object);
	/* A stream is read while it comes. */
	if (ctl_given(view->args, CTL_OPTION_FOLLOW))
		fflush(view->out);
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

const char *time_words(const json_t *object, const char *key, char out[32])
{
	const char *text = json_words(object, key, "");
	struct tm utc = { 0 }, local;
	time_t when;

	strcpy(out, "-");
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour, &utc.tm_min,
		   &utc.tm_sec) != 6)
		return out;
	utc.tm_year -= 1900;
	utc.tm_mon -= 1;
	when = timegm(&utc);
	if (!localtime_r(&when, &local) || strftime(out, 32, "%Y-%m-%d %H:%M:%S", &local) == 0)
		strcpy(out, "-");
	return out;
}

const char *left_words(const json_t *object, const char *key, const char *otherwise, char out[32])
{
	int64_t seconds = json_whole(object, key);
	char text[DURATION_TEXT_MAX];

	if (seconds < 0 || seconds > DURATION_MAX_MS / 1000)
		seconds = seconds < 0 ? 0 : DURATION_MAX_MS / 1000;
	snprintf(out, 32, "%s",
		 json_is_integer(json_object_get(object, key)) ? duration_format(seconds * 1000, text) : otherwise);
	return out;
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

static void note_passes(struct ctl_view *view, const json_t *object)
{
	for (size_t i = 0; i < LIST_GRADES; i++)
		if (strcmp(json_words(object, "grade", ""), list_grades[i]) == 0 && !*view->passes[i])
			snprintf(view->passes[i], sizeof(view->passes[i]), "%s", json_words(object, "passes", ""));
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

static void list_row(struct ctl_view *view, const json_t *object)
{
	char left[32], since[32], times[16];
	const char *cells[] = { json_words(object, "source", "?"),
				json_words(object, "grade", "?"),
				left_words(object, "expires_in_s", "for good", left),
				time_words(object, "since", since),
				times,
				json_words(object, "reason", "") };

	snprintf(times, sizeof(times), "%d", (int)json_whole(object, "times"));
	table_row(view->table, cells);
	note_passes(view, object);
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
const struct ctl_shape shape_sources = { .row = sources_row,
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

const struct ctl_shape shape_block = { .row = block_row };

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

const struct ctl_shape shape_unblock = { .row = unblock_row };

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

const struct ctl_shape shape_allow = { .row = allow_row };

static void allow_list_row(struct ctl_view *view, const json_t *object)
{
	char left[32];
	const char *cells[] = { json_words(object, "source", "?"), left_words(object, "expires_in_s", "for good", left),
				json_words(object, "origin", "?") };

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

const struct ctl_shape shape_allow_check = { .row = allow_check_row, .exit_status = allow_check_status };

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

const struct ctl_shape shape_mode = { .row = mode_row };

static void reload_row(struct ctl_view *view, const json_t *object)
{
	const char *mistake = json_words(object, "mistake", NULL);

	fprintf(view->out, "%s\n", mistake ? mistake : "the configuration is reloaded");
	print_note(view, object);
}

const struct ctl_shape shape_reload = { .row = reload_row };

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

const struct ctl_shape shape_events = { .row = events_row, .nothing = "nothing was decided" };
