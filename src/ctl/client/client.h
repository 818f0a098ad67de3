/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every command of picketctl stands on: what the admin asked for, one conversation with the daemon, the values
 * in an answer, and how a problem is told.
 */
#ifndef PICKET_CTL_CLIENT_H
#define PICKET_CTL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "jsonrow.h"

#define CTL_SOCKET       "/run/picket/picket.sock"
#define CTL_REPEATED_MAX 128
#define CTL_ERROR_MAX    256
#define CTL_PROBLEM_MAX  1024

enum ctl_exit { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_NO_DAEMON = 3 };

/* Each is a row of the table in args.c. */
enum ctl_option {
	CTL_OPTION_SOCKET,
	CTL_OPTION_JSON,
	CTL_OPTION_HELP,
	CTL_OPTION_VERSION,
	CTL_OPTION_FOR,
	CTL_OPTION_REASON,
	CTL_OPTION_FORCE,
	CTL_OPTION_ALL,
	CTL_OPTION_SAVE,
	CTL_OPTION_SINCE,
	CTL_OPTION_FOLLOW,
	CTL_OPTION_LIMIT,
	CTL_OPTION_ACCEPT,
	CTL_OPTION_PROBE,
	CTL_OPTION_TEXTFILE,
	CTL_OPTION_CONFIG,
	CTL_OPTION_LOCAL,
	CTL_OPTION_OPEN,
	CTL_OPTION_SPEED,
	CTL_OPTION_FILE,
	CTL_OPTION_COUNT
};

struct ctl_command;

#define CTL_SOURCES_MAX 16384 /* of one order */

/* Where the sources of an order about many were read; by order of mention. */
struct ctl_sources {
	const char *file; /* NULL: from the command line */
	unsigned lines[CTL_SOURCES_MAX];
};

struct ctl_args {
	const struct ctl_command *command; /* NULL: none named */
	char **words;                      /* after the command's name */
	int word_count;
	unsigned given;                       /* bit per enum ctl_option */
	const char *values[CTL_OPTION_COUNT]; /* of options that take one */
	struct ctl_sources *sources;          /* to be filled */
	const char *socket;                   /* -s, PICKET_SOCKET or the default */
	int repeated_count;
	struct {
		enum ctl_option option;
		const char *value;
	} repeated[CTL_REPEATED_MAX]; /* every value of those options that may be given more than once, in order */
};

bool ctl_given(const struct ctl_args *args, enum ctl_option option);

/* ---- the conversation ---- */

/* Gets each object of an answer but the last, which only says how it ended; the object is the caller's. */
typedef void ctl_object_fn(void *context, json_t *object);

/* The request of a command, about a source (NULL: about none).  NULL when out of memory. */
json_t *ctl_request(const char *command, const char *source);
/* One question and its whole answer.  Takes the reference of the request (NULL: there was no memory for it).  Tells
 * nothing: what went wrong is written to problem.  With --follow it waits for as long as the daemon has more to say. */
enum ctl_exit ctl_ask(const struct ctl_args *args, json_t *request, ctl_object_fn *each, void *context,
		      char problem[CTL_PROBLEM_MAX]);
/* The same, but each object as a row: of lists that may be long. */
typedef void ctl_row_fn(void *context, const struct json_row *row);
enum ctl_exit ctl_ask_rows(const struct ctl_args *args, json_t *request, ctl_row_fn *each, void *context,
			   char problem[CTL_PROBLEM_MAX]);
/* As ctl_ask(), and keeps every object in an array; tells problems on stderr. */
enum ctl_exit ctl_collect(const struct ctl_args *args, json_t *request, json_t **out);
/* The same, and keeps the first object alone: there must be one.  quiet: it does not tell that the daemon cannot be
 * reached. */
enum ctl_exit ctl_fetch(const struct ctl_args *args, json_t *request, bool quiet, json_t **out);

/* The address that the admin is logged in from over SSH, by the environment of this process or of one above it.  False
 * when there is none. */
bool ctl_caller(char out[64]);

/* ---- values of an answer; strings of an answer are printable ---- */

const char *json_words(const json_t *object, const char *key, const char *otherwise);
double json_value(const json_t *object, const char *key); /* 0 where there is none */
int64_t json_whole(const json_t *object, const char *key);
bool json_flag(const json_t *object, const char *key);
/* A counter of `status`: sections hold keys. */
long long json_count(const json_t *object, const char *section, const char *key);

/* ---- telling ---- */

/* "picketctl: ..." on stderr; returns the status. */
enum ctl_exit ctl_complain(enum ctl_exit status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The status, or CTL_FAILED and a complaint when standard output did not take everything. */
enum ctl_exit ctl_flush(enum ctl_exit status);
/* One object on stdout as --json shows it.  Takes the reference. */
void ctl_print_json(json_t *object);
void ctl_print_row(FILE *out, const struct json_row *row);
/* Control bytes and non-ASCII as '?': what is shown must not drive the terminal. */
void print_clean(FILE *out, const char *text);

#endif
