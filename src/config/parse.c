/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From statements to fields.  Sections and names are looked up in the table of options; each assignment is given to
 * libconfuse, which reads its value or list of values, and each value to its row's parser with the line where it
 * stands.
 */
#include "internal.h"

#include <confuse.h>
#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRAMMAR "expected NAME = VALUE, NAME = { VALUE, ... } or SECTION { ... }"

/* ---- one assignment ---- */

struct value {
	int line;
	char text[];
};

/* libconfuse gives its callbacks no context: values stay with the option, and its complaint stays as the title. */
static int keep_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	size_t size = strlen(text) + 1;
	struct value *value = malloc(sizeof(*value) + size);

	(void)opt;
	if (!value)
		return -1;
	value->line = cfg->line;
	memcpy(value->text, text, size);
	*(void **)result = value;
	return 0;
}

__attribute__((format(printf, 2, 0))) static void keep_complaint(cfg_t *cfg, const char *format, va_list args)
{
	if (!cfg->title && vasprintf(&cfg->title, format, args) < 0)
		cfg->title = NULL;
}

/* Notes where an option is set; a second time in one file is a mistake, unless it appends. */
static void note_set(struct config_reader *reader, const struct config_option *row,
		     const struct config_statement *statement)
{
	size_t i = (size_t)(row - config_options);
	bool twice = reader->set[i].file == reader->file && !reader->set[i].gone;

	reader->set[i].file = reader->file;
	reader->set[i].line = statement->name.line;
	reader->set[i].gone = false;
	if (twice && !statement->append)
		config_mistake(reader, reader->file, statement->name.line, "%s is given twice%s%s%s, expected once",
			       row->name, row->old_name ? " (" : "", row->old_name ? row->old_name : "",
			       row->old_name ? " is its old name)" : "");
}

static void assign(struct config_reader *reader, struct config_hook *hook, const struct config_option *row,
		   const char *name, struct config_statement *statement)
{
	cfg_opt_t options[] = {
		{ .name = name,
		  .type = CFGT_PTR,
		  .flags = CFGF_NODEFAULT | (row->list ? CFGF_LIST : 0),
		  .parsecb = keep_value,
		  .freecb = free },
		CFG_END(),
	};
	const size_t i = (size_t)(row - config_options);
	const bool append = statement->append && reader->set[i].file == reader->file;
	const int line = statement->name.line - 1; /* libconfuse counts from 1 */
	const char behind = *statement->end;
	cfg_t *cfg = cfg_init(options, CFGF_NONE);

	if (!cfg) {
		config_mistake(reader, reader->file, line + 1, "cannot be parsed: out of memory");
		return;
	}
	cfg_set_error_function(cfg, keep_complaint);
	*statement->end = '\0';
	if (cfg_parse_buf(cfg, statement->start) != CFG_SUCCESS) {
		reader->set[i].bad = true;
		config_mistake(reader, reader->file, line + cfg->line, "%s, %s",
			       cfg->title ? cfg->title : "not understood", GRAMMAR);
	}
	*statement->end = behind;
	note_set(reader, row, statement);
	if (row->list && !append)
		config_clear_list(reader->config, hook, row);
	for (unsigned n = 0; n < cfg_size(cfg, name); n++) {
		const struct value *value = cfg_getnptr(cfg, name, n);
		char words[512];
		struct writer problem = writer_over(words, sizeof(words));

		if (config_set_value(reader->config, hook, row, value->text, &problem))
			continue;
		reader->set[i].bad = true;
		config_mistake(reader, reader->file, line + value->line, "%s", words);
	}
	cfg_free(cfg);
}

/* ---- hooks ---- */

static bool is_hook_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_-.", name[i]))
			return false;
	return len > 0 && len < CONFIG_HOOK_NAME_MAX;
}

/* Where the values of a hook with this title go; when it can have no place, a mistake is told and they go to
 * reader->refused. */
static struct config_hook *place_of_hook(struct config_reader *reader, const struct config_word *title)
{
	struct config *config = reader->config;

	if (!is_hook_name(title->text, title->len)) {
		config_mistake(reader, reader->file, title->line,
			       "bad name of a hook, expected letters, digits, '_', '-' or '.', at most %d",
			       CONFIG_HOOK_NAME_MAX - 1);
		return &reader->refused;
	}
	for (size_t i = 0; i < config->hook_count; i++) {
		const char *name = config->hooks[i].name;

		if (strlen(name) != title->len || memcmp(name, title->text, title->len) != 0)
			continue;
		if (reader->hook_file[i] == reader->file)
			config_mistake(reader, reader->file, title->line,
				       "hook '%s' is defined twice, expected a name of its own", name);
		else
			config_mistake(reader, reader->file, title->line,
				       "hook '%s' is defined in %s already, expected a name of its own", name,
				       reader->hook_file[i]);
		return &reader->refused;
	}
	if (config->hook_count >= CONFIG_HOOKS_MAX) {
		config_mistake(reader, reader->file, title->line, "too many hooks, expected at most %d",
			       CONFIG_HOOKS_MAX);
		return &reader->refused;
	}
	reader->hook_file[config->hook_count] = reader->file;
	return &config->hooks[config->hook_count++];
}

static struct config_hook *open_hook(struct config_reader *reader, const struct config_word *title)
{
	struct config_hook *hook = place_of_hook(reader, title);

	memset(hook, 0, sizeof(*hook));
	if (hook != &reader->refused)
		memcpy(hook->name, title->text, title->len);
	config_set_defaults(reader->config, hook);
	for (size_t i = 0; i < config_option_count; i++)
		if (config_options[i].section && strcmp(config_options[i].section, CONFIG_HOOK_SECTION) == 0)
			reader->set[i].file = NULL;
	return hook;
}

static bool is_set(const struct config_reader *reader, const char *hook_option)
{
	return reader->set[config_find_option(CONFIG_HOOK_SECTION, hook_option) - config_options].file;
}

static void check_hook(struct config_reader *reader, int line, struct config_hook *hook)
{
	const struct passwd *user = getpwnam(hook->user);

	/* An option that was given, and was bad, has been told already. */
	if (hook->arg_count == 0 && !is_set(reader, "command"))
		config_mistake(reader, reader->file, line,
			       "hook '%s' has no command, expected command = { \"/path\", ... }", hook->name);
	if (hook->arg_count > 0)
		config_is_trusted(reader, hook->args[0], reader->file, line);
	if (hook->on == 0 && !is_set(reader, "on"))
		config_mistake(reader, reader->file, line,
			       "hook '%s' says not when to run, expected on = { \"ban\", ... }", hook->name);
	if (!user) {
		config_mistake(reader, reader->file, line,
			       "hook '%s' runs as user '%s', whom this host does not know, expected user = "
			       "an existing user",
			       hook->name, hook->user);
		return;
	}
	hook->uid = user->pw_uid;
	hook->gid = user->pw_gid;
}

/* An option of an older picket: read as what it means now, unless the file gives that as well, or ignored; with a
 * warning.  False: it is none. */
static bool assign_gone(struct config_reader *reader, const char *section, const char *name,
			struct config_statement *statement)
{
	const struct config_gone *gone = config_find_gone(section, name);
	const struct config_option *row;
	size_t i;

	if (!gone)
		return false;
	if (!gone->now_name) {
		config_warning(reader, reader->file, statement->name.line, "warning: %s { %s } is ignored: %s", section,
			       name, gone->why);
		return true;
	}
	row = config_find_option(gone->now_section, gone->now_name);
	i = (size_t)(row - config_options);
	if (reader->set[i].file == reader->file && !reader->set[i].gone) {
		config_warning(reader, reader->file, statement->name.line,
			       "warning: %s { %s } is ignored: it is now %s { %s }, which this file gives", section,
			       name, gone->now_section, gone->now_name);
		return true;
	}
	config_warning(reader, reader->file, statement->name.line,
		       "warning: %s { %s } is now %s { %s }: %s; read as that", section, name, gone->now_section,
		       gone->now_name, gone->why);
	if (!statement->told) {
		assign(reader, NULL, row, name, statement);
		reader->set[i].gone = true;
	}
	return true;
}

/* ---- statements ---- */

/* A statement that cannot be used: says why. */
static void refuse(struct config_reader *reader, const char *section, const char *name,
		   const struct config_statement *statement)
{
	char words[512];
	struct writer w = writer_over(words, sizeof(words));

	if (statement->form == FORM_NOISE) {
		writer_format(&w, "unexpected token '%s', %s", name, GRAMMAR);
	} else if (!section && config_is_section(name)) {
		if (statement->form == FORM_SECTION && !statement->title.text)
			writer_format(&w, "%s without a name, expected %s NAME { ... }", name, name);
		else
			writer_format(&w, "no '{' after '%s', expected %s { ... }", name, name);
	} else if (!config_find_option(section, name)) {
		writer_format(&w, "unknown option '%s'%s%s, expected one of ", name, section ? " in " : "",
			      section ? section : "");
		config_list_options(&w, section);
	} else if (statement->form == FORM_NO_VALUE) {
		writer_format(&w, "no value after '%s =', expected %s = VALUE", name, name);
	} else {
		writer_format(&w, "no '=' after '%s', expected %s = VALUE", name, name);
	}
	config_mistake(reader, reader->file, statement->name.line, "%s", words);
}

/* Sections stand at the top alone: what is inside one is read here, statement by statement. */
static void parse_section(struct config_reader *reader, struct config_scan *scan, const char *section,
			  struct config_hook *hook, int open_line)
{
	for (;;) {
		struct config_statement statement;
		const struct config_option *row;
		char name[64];
		struct writer copy = writer_over(name, sizeof(name));
		bool is_hook, titled;

		config_scan_statement(scan, &statement);
		if (statement.form == FORM_END && section)
			config_mistake(reader, reader->file, open_line, "'{' that is never closed, expected '}'");
		if (statement.form == FORM_END || (statement.form == FORM_CLOSE && section))
			return;
		if (statement.form == FORM_CLOSE) {
			config_mistake(reader, reader->file, statement.name.line,
				       "'}' that opens or closes nothing, expected a '{' before it");
			continue;
		}
		writer_format(&copy, "%.*s", (int)statement.name.len, statement.name.text);
		row = config_find_option(section, name);
		is_hook = strcmp(name, CONFIG_HOOK_SECTION) == 0;
		titled = statement.title.text != NULL;
		if (statement.form == FORM_ASSIGNMENT && row) {
			if (!statement.told)
				assign(reader, hook, row, name, &statement);
			reader->broken |= statement.told;
		} else if (statement.form == FORM_ASSIGNMENT && assign_gone(reader, section, name, &statement)) {
			reader->broken |= statement.told;
		} else if (statement.form == FORM_SECTION && !section &&
			   (config_is_section(name) || config_is_gone_section(name)) && is_hook == titled) {
			struct config_hook *inner = is_hook ? open_hook(reader, &statement.title) : NULL;

			config_scan_enter(scan);
			parse_section(reader, scan, name, inner, statement.name.line);
			if (inner && inner != &reader->refused && !reader->broken)
				check_hook(reader, statement.name.line, inner);
		} else {
			reader->broken = true;
			if (statement.form == FORM_SECTION)
				config_scan_skip(scan);
			if (!statement.told)
				refuse(reader, section, name, &statement);
		}
	}
}

void config_parse_text(struct config_reader *reader, char *text, size_t len)
{
	struct config_scan scan = { .reader = reader, .at = text, .line = 1 };
	int line = 1;

	for (size_t i = 0; i < len; i++) {
		line += text[i] == '\n';
		if (text[i])
			continue;
		config_mistake(reader, reader->file, line, "a zero byte, expected text");
		text[i] = ' ';
	}
	parse_section(reader, &scan, NULL, NULL, 0);
}
