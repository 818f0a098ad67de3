/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration as a whole: which files are read and in which order, every mistake with its file and line, and
 * the checks across options.  It is good as a whole or refused as a whole.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "trusted.h"

/* ---- mistakes ---- */

#define MISTAKES_MAX     100 /* told in one run */
#define MISTAKE_TEXT_MAX 640

struct mistake {
	const char *file;
	int line;
	char text[MISTAKE_TEXT_MAX];
};

/* In the order in which files were read, and of lines. */
struct config_mistakes {
	struct mistake items[MISTAKES_MAX];
	size_t count, warnings; /* of them */
	bool more;
};

/* False: it was told before, or there is no room. */
static bool add_line(struct config_reader *reader, const char *file, int line, const char *format, va_list args)
	__attribute__((format(printf, 4, 0)));
static bool add_line(struct config_reader *reader, const char *file, int line, const char *format, va_list args)
{
	struct config_mistakes *mistakes = reader->mistakes;
	struct mistake new = { .file = file, .line = line };
	size_t at = mistakes->count;
	bool known = false;

	vsnprintf(new.text, sizeof(new.text), format, args);
	/* It repeats words of the file, and goes to a terminal. */
	for (char *c = new.text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	for (size_t i = 0; i < mistakes->count; i++) {
		const struct mistake *old = &mistakes->items[i];

		if (old->file != file)
			continue;
		if (old->line == line && strcmp(old->text, new.text) == 0)
			return false;
		if (old->line <= line || !known)
			at = old->line <= line ? i + 1 : i;
		known = true;
	}
	if (mistakes->count == MISTAKES_MAX) {
		mistakes->more = true;
		return false;
	}
	memmove(&mistakes->items[at + 1], &mistakes->items[at], (mistakes->count++ - at) * sizeof(new));
	mistakes->items[at] = new;
	return true;
}

void config_mistake(struct config_reader *reader, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_line(reader, file, line, format, args);
	va_end(args);
}

void config_warning(struct config_reader *reader, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (add_line(reader, file, line, format, args))
		reader->mistakes->warnings++;
	va_end(args);
}

static void tell_mistakes(const struct config_mistakes *mistakes, config_error_fn *error, void *context)
{
	char line[PATH_MAX + MISTAKE_TEXT_MAX + 32];

	for (size_t i = 0; i < mistakes->count; i++) {
		const struct mistake *m = &mistakes->items[i];
		struct writer w = writer_over(line, sizeof(line));

		writer_format(&w, "%s:", m->file);
		if (m->line > 0)
			writer_format(&w, "%d:", m->line);
		writer_format(&w, " %s", m->text);
		error(context, line);
	}
	if (mistakes->more) {
		struct writer w = writer_over(line, sizeof(line));

		writer_format(&w, "%s: more mistakes, not listed", mistakes->items[0].file);
		error(context, line);
	}
}

/* ---- files ---- */

void config_blank_mark(char *text)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (strncmp(text, mark, strlen(mark)) == 0)
		memset(text, ' ', strlen(mark));
}

/* False, and told, when the answer is that others can change it. */
static bool is_trusted(struct config_reader *reader, int answer, const char *why, const char *file, int line)
{
	if (answer != -EPERM)
		return true;
	config_mistake(reader, file, line, "%s, expected that root alone can change what picketd obeys", why);
	return false;
}

bool config_is_trusted(struct config_reader *reader, const char *path, const char *file, int line)
{
	char text[PATH_MAX + 64] = "";
	struct writer why = writer_over(text, sizeof(text));

	return !reader->guarded || is_trusted(reader, path_is_trusted(path, &why), text, file, line);
}

int config_read_text(struct config_reader *reader, const struct config_place *place, size_t max, char **out,
		     size_t *len)
{
	char text[PATH_MAX + 64] = "";
	struct writer why = writer_over(text, sizeof(text));
	int fd, answer = 0;

	/* Before it is opened too: root must not open what others let a link point to, such as a watchdog. */
	if (!config_is_trusted(reader, place->path, place->file, place->line))
		return -EPERM;
	fd = file_open(place->path);
	if (fd < 0)
		return fd;
	if (reader->guarded)
		answer = opened_is_trusted(place->path, fd, &why);
	if (answer >= 0)
		return file_read_open(fd, max, out, len);
	close(fd);
	return is_trusted(reader, answer, text, place->file, place->line) ? answer : -EPERM;
}

/* Whether the file was there. */
static bool read_file(struct config_reader *reader, const char *path, bool may_be_missing)
{
	char *text = NULL;
	size_t len = 0;
	int result;

	reader->file = path;
	result = config_read_text(reader, &(struct config_place){ path, path, 0 }, CONFIG_FILE_MAX, &text, &len);
	if (result == -EPERM)
		return true;
	if (result == -ENOENT && may_be_missing)
		return false;
	if (result == -ENOENT && reader->before && reader->before->file_was_there) {
		config_mistake(reader, path, 0, "is gone, expected the file that was read before, or an empty one");
		return false;
	}
	if (result < 0) {
		config_mistake(reader, path, 0, "cannot be read: %s, expected a configuration file", strerror(-result));
		return result != -ENOENT;
	}
	config_blank_mark(text);
	config_parse_text(reader, text, len);
	free(text);
	return true;
}

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

/* The path of the folder conf.d beside path, then of the files in it by name, then NULL.  NULL when out of memory. */
static char **list_directory(struct config_reader *reader, const char *path)
{
	char copy[PATH_MAX], *directory;
	struct writer w = writer_over(copy, sizeof(copy));
	struct dirent **entries = NULL;
	char **names;
	int found, error;
	bool good;

	writer_text(&w, path);
	if (asprintf(&directory, "%s/conf.d", dirname(copy)) < 0)
		directory = NULL;
	found = directory ? scandir(directory, &entries, is_conf, alphasort) : 0;
	error = found < 0 && errno != ENOENT && errno != ENOTDIR ? errno : 0;
	names = calloc((size_t)(found > 0 ? found : 0) + 2, sizeof(*names));
	good = names && directory;
	if (good)
		names[0] = directory;
	else
		free(directory);
	for (int i = 0; i < found; i++) {
		good = good && asprintf(&names[i + 1], "%s/%s", directory, entries[i]->d_name) >= 0;
		free(entries[i]);
	}
	free(entries);
	if (!good)
		config_mistake(reader, path, 0, "cannot be read: out of memory");
	else if (error)
		config_mistake(reader, directory, 0, "cannot be read: %s, expected a directory", strerror(error));
	else
		config_is_trusted(reader, directory, directory, 0);
	return names;
}

static int compare_prefixes(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;
	int order = memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));

	return order ? order : (int)a->len - (int)b->len;
}

static void order_allow(struct config *config)
{
	size_t kept = 0;

	if (config->allow_count == 0)
		return;
	qsort(config->allow, config->allow_count, sizeof(config->allow[0]), compare_prefixes);
	for (size_t i = 0; i < config->allow_count; i++)
		if (kept == 0 || !prefix_equal(&config->allow[kept - 1], &config->allow[i]))
			config->allow[kept++] = config->allow[i];
	config->allow_count = kept;
}

/* Two options of which the first must not be above the second. */
static void check_order(struct config_reader *reader, const char *section, const char *lower, const char *upper,
			bool good, const char *expected)
{
	const size_t a = (size_t)(config_find_option(section, lower) - config_options);
	const size_t b = (size_t)(config_find_option(section, upper) - config_options);
	const size_t at = reader->set[b].file && reader->set[b].line >= reader->set[a].line ? b : a;

	if (!good && !reader->broken && !reader->set[a].bad && !reader->set[b].bad)
		config_mistake(reader, reader->set[at].file ? reader->set[at].file : reader->file, reader->set[at].line,
			       "%s of %s and %s do not fit, expected %s", section, lower, upper, expected);
}

static void merge(struct config_ports *ports)
{
	ports->count = ports_merge(ports->ranges, ports->count);
}

/* An older picket took three numbers, the last of which could be the highest there is. */
static void fit_queue(struct config_reader *reader)
{
	const size_t i = (size_t)(config_find_option(NULL, "queue") - config_options);

	if (reader->config->queue <= CONFIG_QUEUE_MAX)
		return;
	config_warning(reader, reader->set[i].file, reader->set[i].line,
		       "warning: queue %u leaves no room for six numbers: %d is used", reader->config->queue,
		       CONFIG_QUEUE_MAX);
	reader->config->queue = CONFIG_QUEUE_MAX;
}

/* Checks across options, then the allow file, then lists in the order that their users want. */
static void finish(struct config_reader *reader)
{
	struct config *config = reader->config;
	const struct engine_config *engine = &config->engine;
	const size_t allow_file = (size_t)(config_find_option(NULL, "allow_file") - config_options);

	check_order(reader, "score", "veil", "alert", engine->alert <= engine->veil,
		    "a probability for veil no higher than that for alert");
	check_order(reader, "score", "ban", "veil", engine->veil <= engine->ban,
		    "a probability for ban no higher than that for veil");
	check_order(reader, "ban", "first", "max", engine->ban_first_ms <= engine->ban_max_ms,
		    "first no longer than max");
	fit_queue(reader);
	if (!config->outside_count && (config->inside_count || config->guard_count) && !reader->broken)
		config_mistake(reader, reader->file, 0,
			       "gateway: inside and guard without outside, expected the links where strangers are");
	if (config->allow_file[0]) {
		if (reader->set[allow_file].file)
			reader->file = reader->set[allow_file].file;
		config_allow_file_read(reader, reader->set[allow_file].line);
	}
	order_allow(config);
	if (config->allow_count > ENGINE_ALLOW_MAX)
		config_mistake(reader, reader->file, 0, "too many allowed addresses (%zu), expected at most %d",
			       config->allow_count, ENGINE_ALLOW_MAX);
	merge(&config->public_ports);
	merge(&config->trap_tcp);
	merge(&config->trap_udp);
}

struct config *config_reread(const struct config *before, const char *path, unsigned demands, config_error_fn *error,
			     void *context)
{
	struct config *config = calloc(1, sizeof(*config));
	struct config_mistakes *mistakes = calloc(1, sizeof(*mistakes));
	struct config_reader *reader = calloc(1, sizeof(*reader));
	char **names = NULL;

	if (!config || !mistakes || !reader) {
		error(context, "out of memory");
		goto failed;
	}
	*reader = (struct config_reader){ .config = config, .before = before, .mistakes = mistakes, .file = path };
	reader->guarded = demands & CONFIG_TRUSTED;
	engine_config_defaults(&config->engine);
	config_set_defaults(config, NULL);
	config->file_was_there =
		read_file(reader, path, !(demands & CONFIG_NAMED) && !(before && before->file_was_there));
	names = list_directory(reader, path);
	for (size_t i = 1; names && names[i]; i++)
		read_file(reader, names[i], false);
	finish(reader);
	tell_mistakes(mistakes, error, context);
failed:
	if (!reader || !mistakes || mistakes->count > mistakes->warnings) {
		config_free(config);
		config = NULL;
	}
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
	free(reader);
	free(mistakes);
	return config;
}

struct config *config_read(const char *path, unsigned demands, config_error_fn *error, void *context)
{
	return config_reread(NULL, path, demands, error, context);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	free(config->allow);
	free(config);
}
