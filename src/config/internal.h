/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the configuration share: the table of options, the list of mistakes, the statements of a file.
 */
#ifndef PICKET_CONFIG_INTERNAL_H
#define PICKET_CONFIG_INTERNAL_H

#include "config.h"
#include "writer.h"

#define CONFIG_FILE_MAX (1024 * 1024) /* bytes of one file */
/* As many entries as there can be, with the longest text that an address has and as much again for comments. */
#define CONFIG_ALLOW_FILE_MAX (ENGINE_ALLOW_MAX * 2 * PREFIX_TEXT_MAX)
#define CONFIG_OPTIONS_MAX    48 /* rows of the table */
#define CONFIG_DEFAULT_ALLOW  "/etc/picket/allow"
#define CONFIG_HOOK_SECTION   "hook"

/* ---- options: each row says all that is to be said about one (options.c) ---- */

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
	size_t offset, size;    /* of the field in struct config, or in struct config_hook */
	size_t count_offset;    /* lists: of the size_t that counts the values */
	double low, high;       /* range of a number; high of a path: it is shorter than that */
	const char *fallback;   /* default, as it would be written; a list's values apart by blanks */
	const char *old_name;   /* read the same */
	bool list;
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

/* By its name or its old name; NULL: no such row. */
const struct config_option *config_find_option(const char *section, const char *name);
bool config_is_section(const char *name);
/* "a, b, c": what may stand in a section, or (NULL) outside of all. */
void config_list_options(struct writer *w, const char *section);
/* Sets every field to its default, through the same parsers; hook NULL: all that is outside of hooks. */
void config_set_defaults(struct config *config, struct config_hook *hook);
/* Sets a field, or adds one more value to a list.  False with the problem written. */
bool config_set_value(struct config *config, struct config_hook *hook, const struct config_option *option,
		      const char *text, struct writer *problem);
void config_clear_list(struct config *config, struct config_hook *hook, const struct config_option *option);

#define CONFIG_QUEUE_MAX      65530 /* the first of six */
#define CONFIG_QUEUE_READ_MAX 65533 /* the same of three */

/* The parsers of values (values.c). */
config_parse_fn config_parse_mode, config_parse_bool, config_parse_reverse_path, config_parse_flow_flag,
	config_parse_early_drop, config_parse_mark_bits, config_parse_number, config_parse_size, config_parse_alpha,
	config_parse_duration, config_parse_path, config_parse_path_or_none, config_parse_table, config_parse_user,
	config_parse_banner, config_parse_prefix, config_parse_port, config_parse_interface, config_parse_group,
	config_parse_event, config_parse_command, config_parse_conntrack, config_parse_link, config_parse_guard;
/* Adds to the allow list; false when it is full or memory is out. */
bool config_allow_add(struct config *config, const struct prefix *entry);

/* An option of an older picket that is gone. */
struct config_gone {
	const char *section, *name;
	const char *now_section, *now_name; /* what it is read as; NULL: it is ignored */
	const char *why;                    /* for the warning */
};
const struct config_gone *config_find_gone(const char *section, const char *name);
/* Has some option that is gone, but none of today's, this section? */
bool config_is_gone_section(const char *name);

/* ---- reading ---- */

struct config_mistakes;

/* Files are told apart by their pointers: a name lives until all mistakes are told. */
struct config_reader {
	struct config *config;
	const struct config *before; /* in force now; NULL at the start */
	struct config_mistakes *mistakes;
	const char *file; /* being read */
	struct {
		const char *file; /* that set the option last; NULL: none has */
		int line;
		bool bad;  /* a value was refused: no checks across options for it */
		bool gone; /* by the name of an option that is gone */
	} set[CONFIG_OPTIONS_MAX];
	const char *hook_file[CONFIG_HOOKS_MAX]; /* that defines the hook */
	struct config_hook refused;              /* takes the values of a hook that has no place in config */
	bool guarded;                            /* CONFIG_TRUSTED */
	bool broken; /* a statement was dropped: an option that seems to be missing may have stood there */
};

/* line 0: the file as a whole. */
void config_mistake(struct config_reader *reader, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* About what is read all the same. */
void config_warning(struct config_reader *reader, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Whether what the path names may be read, or run; else a mistake is told, once a reason (config.c). */
bool config_is_trusted(struct config_reader *reader, const char *path, const char *file, int line);
/* A file that the configuration names, and where it does. */
struct config_place {
	const char *path, *file;
	int line;
};
/* Reads it as it was found to be trusted, by one descriptor.  0, -EPERM when a mistake was told, or another -errno
 * (config.c). */
int config_read_text(struct config_reader *reader, const struct config_place *place, size_t max, char **out,
		     size_t *len);
/* Blanks a UTF-8 byte order mark at the start of a file's text: some editors put one there (config.c). */
void config_blank_mark(char *text);
/* Reads one file's text, which changes on the way (parse.c). */
void config_parse_text(struct config_reader *reader, char *text, size_t len);
/* Reads the allow file (allow.c); line: where the configuration names it. */
void config_allow_file_read(struct config_reader *reader, int line);

/* ---- statements of a file (scan.c) ---- */

struct config_scan {
	struct config_reader *reader;
	char *at;
	int line;
};

struct config_word {
	const char *text; /* without the quotes */
	size_t len;
	int line;
};

enum config_form {
	FORM_END,        /* of the file */
	FORM_CLOSE,      /* the '}' of a section */
	FORM_ASSIGNMENT, /* NAME = VALUE, NAME = { VALUE, ... }, or the same with += */
	FORM_NO_VALUE,   /* NAME = */
	FORM_SECTION,    /* NAME { or NAME TITLE {, scanned up to the brace */
	FORM_NAME,       /* NAME, and neither '=' nor '{' */
	FORM_NOISE,      /* no name where one must stand */
};

struct config_statement {
	enum config_form form;
	struct config_word name, title; /* title.text NULL: none.  FORM_NOISE: name is what stands there */
	char *start, *end;              /* FORM_ASSIGNMENT: its text */
	bool append;                    /* += */
	bool told;                      /* it cannot be used, and a mistake was told */
};

/* The next statement of the file, or of the section that was entered. */
void config_scan_statement(struct config_scan *scan, struct config_statement *out);
/* Enters the section of a FORM_SECTION. */
void config_scan_enter(struct config_scan *scan);
/* Skips it with all that is in it. */
void config_scan_skip(struct config_scan *scan);

#endif
