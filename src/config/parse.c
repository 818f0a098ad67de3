/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bridge to libconfuse: its option arrays are made from the table, its callbacks hand each value to the row's
 * parser with the right line, and its mistakes of grammar are put in an admin's words.  It stops at the first of those;
 * the statement is then taken out and the file parsed again, so that one run tells everything.
 *
 * libconfuse gives its callbacks no context: the first option of every section, one that no file can name, carries the
 * reader.
 */
#include "internal.h"

#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define SECTIONS_MAX 8
#define GRAMMAR      "expected NAME = VALUE, NAME = { VALUE, ... } or SECTION { ... }"

struct tree {
	cfg_opt_t root[CONFIG_OPTIONS_MAX + SECTIONS_MAX + 2];
	cfg_opt_t inside[SECTIONS_MAX][CONFIG_OPTIONS_MAX + 2];
	const char *names[SECTIONS_MAX];
	size_t used[SECTIONS_MAX], root_used, section_count;
};

static struct config_reader *reader_of(const cfg_t *cfg)
{
	return (struct config_reader *)(void *)cfg->opts[0].simple_value.ptr;
}

static bool is_hook(const cfg_t *cfg)
{
	return strcmp(cfg->name, CONFIG_HOOK_SECTION) == 0;
}

static const struct config_option *row_of(const cfg_t *cfg, const char *name)
{
	return config_find_option(cfg->opts && strcmp(cfg->name, "root") == 0 ? NULL : cfg->name, name);
}

static bool is_hook_name(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_-.", name[i]))
			return false;
	return len > 0 && len < HOOK_NAME_MAX;
}

/* The hook of this title, made when it is new; NULL when there is no room. */
static struct hook_spec *hook_of(struct config_reader *reader, const cfg_t *cfg)
{
	struct config *config = reader->config;
	struct hook_spec *hook;

	if (!cfg->title || !is_hook_name(cfg->title)) {
		config_mistake(reader->mistakes, reader->file, cfg->line,
			       "bad name of a hook, expected letters, digits, '_', '-' or '.', at most %d",
			       HOOK_NAME_MAX - 1);
		return NULL;
	}
	for (size_t i = 0; i < config->hook_count; i++)
		if (strcmp(config->hooks[i].name, cfg->title) == 0) {
			if (i < reader->hooks_before)
				config_mistake(reader->mistakes, reader->file, cfg->line,
					       "hook '%s' is defined in %s already, expected a name of its own",
					       cfg->title, reader->hook_file[i]);
			return &config->hooks[i];
		}
	if (config->hook_count >= CONFIG_HOOKS_MAX) {
		config_mistake(reader->mistakes, reader->file, cfg->line, "too many hooks, expected at most %d",
			       CONFIG_HOOKS_MAX);
		return NULL;
	}
	reader->hook_file[config->hook_count] = reader->file;
	reader->hook_seen[config->hook_count] = 0;
	hook = &config->hooks[config->hook_count++];
	memset(hook, 0, sizeof(*hook));
	memcpy(hook->name, cfg->title, strlen(cfg->title) + 1);
	config_set_defaults(config, hook);
	return hook;
}

/* Notes that a row was set; a second time in one file is a mistake. */
static void note_seen(struct config_reader *reader, const cfg_t *cfg, const struct hook_spec *hook,
		      const struct config_option *row)
{
	size_t i = (size_t)(row - config_options);
	bool twice;

	if (hook) {
		uint64_t *seen = &reader->hook_seen[hook - reader->config->hooks];
		twice = *seen >> i & 1;
		*seen |= (uint64_t)1 << i;
	} else {
		twice = reader->seen[i] != 0;
		reader->seen[i] = cfg->line;
		reader->seen_in[i] = reader->file;
		reader->seen_at[i] = cfg->line;
	}
	if (twice)
		config_mistake(reader->mistakes, reader->file, cfg->line, "%s is given twice, expected once",
			       row->name);
}

static int take_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	struct config_reader *reader = reader_of(cfg);
	const struct config_option *row = row_of(cfg, opt->name);
	struct hook_spec *hook = is_hook(cfg) ? hook_of(reader, cfg) : NULL;
	bool first = !row || !row->list || opt->nvalues <= 1;
	char words[512];
	struct writer problem = writer_over(words, sizeof(words));

	*(const char **)result = text;
	if (!row || (is_hook(cfg) && !hook))
		return 0;
	if (first)
		note_seen(reader, cfg, hook, row);
	if (!config_set_value(reader->config, hook, row, text, first, &problem)) {
		reader->bad[row - config_options] = true;
		config_mistake(reader->mistakes, reader->file, cfg->line, "%s", words);
	}
	return 0;
}

static int refuse_reader(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	(void)cfg, (void)opt, (void)text, (void)result;
	return -1;
}

/* NAME = { } calls nobody back: libconfuse leaves its mark that the next value starts anew. */
static void take_empty_lists(struct config_reader *reader, const cfg_t *cfg, struct hook_spec *hook)
{
	for (cfg_opt_t *opt = cfg->opts + 1; opt->name; opt++) {
		const struct config_option *row = row_of(cfg, opt->name);

		if (!row || !row->list || !(opt->flags & CFGF_RESET))
			continue;
		note_seen(reader, cfg, hook, row);
		if (!is_hook(cfg) || hook)
			config_clear_list(reader->config, hook, row);
	}
}

static void check_hook(struct config_reader *reader, const cfg_t *section, struct hook_spec *hook)
{
	const struct config_option *command = config_find_option(CONFIG_HOOK_SECTION, "command");
	const struct config_option *on = config_find_option(CONFIG_HOOK_SECTION, "on");
	uint64_t seen = reader->hook_seen[hook - reader->config->hooks];
	const struct passwd *user;

	/* One that was given, and was bad, has been told already. */
	if (hook->arg_count == 0 && !(seen >> (command - config_options) & 1))
		config_mistake(reader->mistakes, reader->file, section->line,
			       "hook '%s' has no command, expected command = { \"/path\", ... }", hook->name);
	if (hook->on == 0 && !(seen >> (on - config_options) & 1))
		config_mistake(reader->mistakes, reader->file, section->line,
			       "hook '%s' says not when to run, expected on = { \"block\", ... }", hook->name);
	user = getpwnam(hook->user);
	if (!user) {
		config_mistake(
			reader->mistakes, reader->file, section->line,
			"hook '%s' runs as user '%s', whom this host does not know, expected user = an existing user",
			hook->name, hook->user);
		return;
	}
	hook->uid = user->pw_uid;
	hook->gid = user->pw_gid;
}

/* Called at the end of each section. */
static int close_section(cfg_t *root, cfg_opt_t *opt)
{
	struct config_reader *reader = reader_of(root);
	const cfg_t *section = opt->nvalues ? opt->values[opt->nvalues - 1]->section : NULL;
	struct hook_spec *hook = section && is_hook(section) ? hook_of(reader, section) : NULL;

	if (!section)
		return 0;
	take_empty_lists(reader, section, hook);
	if (hook && !reader->broken)
		check_hook(reader, section, hook);
	return 0;
}

static void list_options(struct writer *w, const cfg_t *cfg)
{
	const char *comma = "";

	for (const cfg_opt_t *opt = cfg->opts + 1; opt->name; opt++, comma = ", ")
		writer_format(w, "%s%s", comma, opt->name);
}

/* libconfuse's own words, which the program never has translated, and ours. */
__attribute__((format(printf, 2, 0))) static void take_error(cfg_t *cfg, const char *format, va_list args)
{
	struct config_reader *reader = reader_of(cfg);
	char told[256], name[sizeof(reader->stopped_word)] = "", words[512];
	struct writer w = writer_over(words, sizeof(words));
	struct writer quoted = writer_over(name, sizeof(name));
	const char *from;
	bool inside = strcmp(cfg->name, "root") != 0;

	vsnprintf(told, sizeof(told), format, args);
	from = strchr(told, '\'');
	if (from)
		writer_format(&quoted, "%.*s", (int)strcspn(from + 1, "'"), from + 1);
	reader->stopped_at = cfg->line;
	memcpy(reader->stopped_word, name, strlen(name) + 1);
	if (strncmp(told, "no such option", 14) == 0) {
		writer_format(&w, "unknown option '%s'%s%s, expected one of ", name, inside ? " in " : "",
			      inside ? cfg->name : "");
		list_options(&w, cfg);
	} else if (strncmp(told, "missing equal sign", 18) == 0) {
		writer_format(&w, "no '=' after '%s', expected %s = VALUE", name, name);
		reader->stopped_at = -1;
	} else if (strncmp(told, "missing opening brace", 21) == 0) {
		writer_format(&w, "no '{' after '%s', expected %s { ... }", name, name);
		reader->stopped_at = -1;
	} else if (strncmp(told, "missing title", 13) == 0) {
		writer_format(&w, "%s without a name, expected %s NAME { ... }", name, name);
	} else if (strncmp(told, "found duplicate title", 21) == 0) {
		writer_format(&w, "hook '%s' is defined twice, expected a name of its own", name);
		memcpy(reader->stopped_word, CONFIG_HOOK_SECTION, sizeof(CONFIG_HOOK_SECTION));
	} else {
		writer_format(&w, "%s, %s", told, GRAMMAR);
		reader->stopped_word[0] = '\0';
	}
	/* The mistake is where the name stands, not where the next word was met. */
	if (reader->stopped_at < 0)
		reader->stopped_at = config_text_find(reader->text, name, cfg->line);
	if (reader->stopped_at <= 0)
		reader->stopped_at = cfg->line;
	config_mistake(reader->mistakes, reader->file, reader->stopped_at, "%s", words);
}

static cfg_opt_t reader_option(struct config_reader *reader)
{
	return (cfg_opt_t){ .name = "",
			    .type = CFGT_PTR,
			    .simple_value = { .ptr = (void **)(void *)reader },
			    .parsecb = refuse_reader };
}

static void tree_make(struct tree *tree, struct config_reader *reader)
{
	const cfg_opt_t end = CFG_END();

	memset(tree, 0, sizeof(*tree));
	tree->root[tree->root_used++] = reader_option(reader);
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *row = &config_options[i];
		cfg_opt_t opt = { .name = row->name,
				  .type = CFGT_STR,
				  .parsecb = take_value,
				  .flags = CFGF_NODEFAULT | (row->list ? CFGF_LIST : 0) };
		size_t s = 0;

		if (!row->section) {
			tree->root[tree->root_used++] = opt;
			continue;
		}
		while (s < tree->section_count && strcmp(tree->names[s], row->section) != 0)
			s++;
		if (s == tree->section_count) {
			tree->names[tree->section_count++] = row->section;
			tree->inside[s][tree->used[s]++] = reader_option(reader);
		}
		tree->inside[s][tree->used[s]++] = opt;
	}
	for (size_t s = 0; s < tree->section_count; s++) {
		bool hook = strcmp(tree->names[s], CONFIG_HOOK_SECTION) == 0;

		tree->inside[s][tree->used[s]] = end;
		tree->root[tree->root_used++] = (cfg_opt_t){
			.name = tree->names[s],
			.type = CFGT_SEC,
			.subopts = tree->inside[s],
			.validcb = close_section,
			.flags = hook ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES : CFGF_NODEFAULT,
		};
	}
	tree->root[tree->root_used] = end;
}

/* One run of libconfuse over the text.  True: no mistake of grammar. */
static bool parse_once(struct config_reader *reader, struct tree *tree, char *text)
{
	size_t len = strlen(text);
	FILE *stream;
	cfg_t *cfg;
	bool good;

	memset(reader->seen, 0, sizeof(reader->seen));
	memset(reader->hook_seen, 0, sizeof(reader->hook_seen));
	reader->config->hook_count = reader->hooks_before;
	reader->stopped_at = 0;
	reader->stopped_word[0] = '\0';
	reader->text = text;
	if (len == 0)
		return true;
	stream = fmemopen(text, len, "r");
	cfg = cfg_init(tree->root, CFGF_NONE);
	if (!stream || !cfg) {
		config_mistake(reader->mistakes, reader->file, 0, "cannot be parsed: %s", strerror(ENOMEM));
		good = true; /* nothing to be gained by another run */
	} else {
		cfg_set_error_function(cfg, take_error);
		good = cfg_parse_fp(cfg, stream) == CFG_SUCCESS;
		if (good)
			take_empty_lists(reader, cfg, NULL);
		else if (!reader->stopped_at) {
			reader->stopped_at = cfg->line;
			config_mistake(reader->mistakes, reader->file, cfg->line, "not understood, %s", GRAMMAR);
		}
	}
	if (cfg)
		cfg_free(cfg);
	if (stream)
		fclose(stream);
	return good;
}

void config_parse_text(struct config_reader *reader, char *text, size_t len)
{
	struct tree tree;

	_Static_assert(SECTIONS_MAX >= 5, "trap, score, block, ban, hook");
	tree_make(&tree, reader);
	config_text_prepare(reader, text, len);
	reader->hooks_before = reader->config->hook_count;
	for (int run = 0; run < CONFIG_MISTAKES_MAX && !parse_once(reader, &tree, text); run++) {
		reader->broken = true;
		if (!config_text_blank(text, reader->stopped_at, reader->stopped_word))
			break;
	}
}
