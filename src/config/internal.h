/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the configuration's files share: the table of options, the collector of mistakes, the text scanner.
 */
#ifndef PICKET_CONFIG_INTERNAL_H
#define PICKET_CONFIG_INTERNAL_H

#include "config.h"
#include "writer.h"

#define CONFIG_FILE_MAX      (1024 * 1024) /* bytes of one file */
#define CONFIG_MISTAKES_MAX  100           /* told in one run */
#define CONFIG_OPTIONS_MAX   48            /* rows of the table */
#define CONFIG_DEFAULT_ALLOW "/etc/picket/allow"
#define CONFIG_NEST_MAX      16 /* braces inside braces */

/* Mistakes, each told once, in the order of files and lines. */
struct config_mistakes;

struct config_mistakes *config_mistakes_new(void);
void config_mistakes_free(struct config_mistakes *mistakes);
/* line 0: the file as a whole. */
void config_mistake(struct config_mistakes *mistakes, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
size_t config_mistakes_count(const struct config_mistakes *mistakes);
void config_mistakes_tell(struct config_mistakes *mistakes, config_error_fn *error, void *context);

/* A whole file with room for CONFIG_NEST_MAX bytes more, NUL-terminated, to be freed.  0 or -errno (-EFBIG above
 * CONFIG_FILE_MAX). */
int config_file_read(const char *path, char **text, size_t *len);

/* One option: a row says all that is to be said about it. */
struct config_option;
struct config_value {
	struct config *config;
	const struct config_option *option;
	const char *text;
	void *field;
	struct writer *problem; /* "what is wrong, expected what" when parse returns false */
};
typedef bool config_parse_fn(const struct config_value *value);

struct config_option {
	const char *section; /* NULL: outside of any; "hook": in each */
	const char *name;
	config_parse_fn *parse; /* one value, or one more value of a list */
	size_t offset;          /* of the field in struct config (struct hook_spec) */
	size_t count_offset;    /* lists: of its size_t count, set to 0 before the first value */
	double low, high;       /* range; a text's longest length */
	const char *fallback;   /* default, as it would be written; a list's values apart by blanks */
	bool list;
};

extern const struct config_option config_options[];
extern const size_t config_option_count;
#define CONFIG_HOOK_SECTION "hook"

/* The parsers of values (config_values.c). */
config_parse_fn config_parse_mode, config_parse_bool, config_parse_reverse_path, config_parse_u8, config_parse_u16,
	config_parse_u32, config_parse_alpha, config_parse_duration, config_parse_path, config_parse_path_or_none,
	config_parse_table, config_parse_user, config_parse_banner, config_parse_prefix, config_parse_port,
	config_parse_interface, config_parse_event, config_parse_command;
/* Adds to the allow list; false when it is full or memory is out. */
bool config_allow_add(struct config *config, const struct prefix *entry);

/* What one file's reading is about. */
struct config_reader {
	struct config *config;
	struct config_mistakes *mistakes;
	const char *file;
	int seen[CONFIG_OPTIONS_MAX];            /* line at which an option stands in this file; 0: not yet */
	const char *seen_in[CONFIG_OPTIONS_MAX]; /* the file that set it last, for checks across options */
	int seen_at[CONFIG_OPTIONS_MAX];
	uint64_t hook_seen[CONFIG_HOOKS_MAX]; /* bit per row, of the hook being read */
	const char *hook_file[CONFIG_HOOKS_MAX];
	size_t hooks_before;          /* that earlier files defined */
	const char *text;             /* as it is being parsed */
	int stopped_at;               /* the line of the mistake of grammar at which libconfuse gave up; 0: none */
	char stopped_word[64];        /* the name with which that statement begins; "" unknown */
	bool broken;                  /* a file had such a mistake: what is missing may be what was taken out */
	bool bad[CONFIG_OPTIONS_MAX]; /* a row's value was refused: no checks across options for it */
};

/* Sets every field to its default, through the same parsers; hook NULL: all that is outside of hooks. */
void config_set_defaults(struct config *config, struct hook_spec *hook);
/* One value, or one more of a list.  False with the problem written. */
bool config_set_value(struct config *config, struct hook_spec *hook, const struct config_option *option,
		      const char *text, bool first, struct writer *problem);
void config_clear_list(struct config *config, struct hook_spec *hook, const struct config_option *option);
/* NULL: no such row. */
const struct config_option *config_find_option(const char *section, const char *name);
/* Parses one file's text (changed on the way) by libconfuse; every mistake is recorded. */
void config_parse_text(struct config_reader *reader, char *text, size_t len);
/* Checks between options, and brings lists into order. */
void config_finish(struct config_reader *reader);

/* Scanner: blanks comments, and records what libconfuse would swallow in silence: open strings, braces, zero bytes. */
void config_text_prepare(struct config_reader *reader, char *text, size_t len);
/* Takes out the statement that begins with word on this line, or ("") all of the line with what it opens, so that
 * parsing can go on behind it.  False: nothing is left to take out. */
bool config_text_blank(char *text, int line, const char *word);
/* The line of the last stand-alone `word` on or before a line; 0 when there is none. */
int config_text_find(const char *text, const char *word, int line);

/* Reads the allow file (config_allow.c). */
void config_allow_file_read(struct config_reader *reader, int line);

#endif
