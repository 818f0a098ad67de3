/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketctl: what its parts share.  A command is a row of a table: how it is called, what it asks the daemon, and how
 * the answer is shown.
 */
#ifndef PICKET_CTL_H
#define PICKET_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#define CTL_SOCKET    "/run/picket/picket.sock"
#define CTL_WORDS_MAX 4
#define CTL_ERROR_MAX 256

enum ctl_exit { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_NO_DAEMON = 3 };

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
	CTL_OPTION_COUNT
};

#define CTL_BIT(option) (1u << CTL_OPTION_##option)
#define CTL_ANYWHERE    (CTL_BIT(SOCKET) | CTL_BIT(JSON) | CTL_BIT(HELP) | CTL_BIT(VERSION))

struct ctl_command;

struct ctl_args {
	const struct ctl_command *command; /* NULL: none named */
	const char *words[CTL_WORDS_MAX];  /* after the command's name */
	int word_count;
	unsigned given;                       /* bit per enum ctl_option */
	const char *values[CTL_OPTION_COUNT]; /* of options that take one */
	int rest;                             /* `replay`: index of the first argument after the command's name */
	const char *socket;                   /* -s, PICKET_SOCKET or the default */
};

/* One answer being shown. */
struct ctl_view {
	const struct ctl_args *args;
	FILE *out;
	struct table *table; /* of commands that show one */
	json_t *kept;        /* of commands that compute with the answer: its first object */
	json_t *all;         /* or an array of all */
	uint64_t rows;
	enum ctl_exit status; /* what an answer that came whole means */
};

struct ctl_shape {
	/* Shows one object of the answer; not called with --json. */
	void (*row)(struct ctl_view *view, const json_t *object);
	/* The answer is complete. */
	void (*end)(struct ctl_view *view);
	/* What the object means for the exit status, with --json too; NULL: nothing. */
	enum ctl_exit (*judge)(const json_t *object);
	const char *const *columns; /* NULL-terminated titles: makes a table before the first row */
};

struct ctl_command {
	const char *name, *syntax, *summary, *details;
	unsigned options; /* beside CTL_ANYWHERE */
	int words_min, words_max;
	/* The request, or NULL and what is wrong.  Without it the command runs by itself. */
	json_t *(*build)(const struct ctl_args *args, char error[CTL_ERROR_MAX]);
	const struct ctl_shape *shape;
	enum ctl_exit (*run)(const struct ctl_args *args);
	bool raw; /* takes all further arguments as they are */
};

extern const struct ctl_command ctl_commands[]; /* ends with a NULL name */
const struct ctl_command *ctl_command_find(const char *name);

/* 0, or -EINVAL and one line in error.  Checks options and the number of words against the command's row. */
int ctl_args_parse(int argc, char **argv, struct ctl_args *out, char error[CTL_ERROR_MAX]);
bool ctl_given(const struct ctl_args *args, enum ctl_option option);
const char *ctl_option_name(enum ctl_option option); /* "--for" */

int ctl_main(int argc, char **argv);
void ctl_help_all(FILE *out);
void ctl_help_command(FILE *out, const struct ctl_command *command);
enum ctl_exit ctl_complain(enum ctl_exit status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Asks, shows, and returns the exit status; problems are told on stderr.  Takes the reference. */
enum ctl_exit ctl_ask(const struct ctl_args *args, json_t *request, const struct ctl_shape *shape);
/* The same, but keeps the answer's first object for the caller and shows nothing.  quiet: a daemon that isn't there is
 * not told. */
enum ctl_exit ctl_fetch(const struct ctl_args *args, const char *command, bool quiet, json_t **out);

/* Where the admin is logged in from, by the environment of this process or one it descends from.  False: nowhere, it
 * seems. */
bool ctl_caller(char out[64]);

/* The words of the contract's `kind` column, times and such, out of an answer's object; all bounded and printable. */
const char *json_words(const json_t *object, const char *key, const char *otherwise);
double json_value(const json_t *object, const char *key); /* 0 where there is none */
int64_t json_whole(const json_t *object, const char *key);
const char *time_words(const json_t *object, const char *key, char out[32]); /* local time, or "-" */
/* seconds as 10m */
const char *left_words(const json_t *object, const char *key, const char *otherwise, char out[32]);
void print_clean(FILE *out, const char *text);

/* Asks, and keeps every object of the answer in an array.  Takes the reference of the request. */
enum ctl_exit ctl_collect(const struct ctl_args *args, json_t *request, json_t **out);
/* One object of an answer that a command makes itself, on stdout, as --json shows it.  Takes the reference. */
void ctl_print_json(json_t *object);

enum ctl_exit run_help(const struct ctl_args *args);
enum ctl_exit run_version(const struct ctl_args *args);
enum ctl_exit run_metrics(const struct ctl_args *args);
enum ctl_exit run_doctor(const struct ctl_args *args);
enum ctl_exit run_exposure(const struct ctl_args *args);

extern const struct ctl_shape shape_status, shape_list, shape_sources, shape_explain, shape_block, shape_unblock,
	shape_allow, shape_allow_list, shape_allow_check, shape_mode, shape_events, shape_reload;

#endif
