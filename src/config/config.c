/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration as a whole: which files are read and in which order, the checks between options, lists
 * brought into the order that the kernel's interval sets want.  Good as a whole or refused as a whole.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int config_file_read(const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t have = 0, room = 8192;
	char *buf;
	int result = 0;

	if (fd < 0)
		return -errno;
	buf = malloc(room + CONFIG_NEST_MAX + 1);
	while (buf) {
		ssize_t n = read(fd, buf + have, room - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			result = n < 0 ? -errno : 0;
			break;
		}
		have += (size_t)n;
		if (have > CONFIG_FILE_MAX) {
			result = -EFBIG;
			break;
		}
		if (have == room) {
			char *grown = realloc(buf, room * 2 + CONFIG_NEST_MAX + 1);
			if (!grown)
				break;
			buf = grown;
			room *= 2;
		}
	}
	close(fd);
	if (result == 0 && (!buf || have == room))
		result = -ENOMEM;
	if (result < 0) {
		free(buf);
		return result;
	}
	buf[have] = '\0';
	*text = buf;
	*len = have;
	return 0;
}

static void read_file(struct config_reader *reader, const char *path, bool may_be_missing)
{
	char *text;
	size_t len;
	int result = config_file_read(path, &text, &len);

	reader->file = path;
	if (result == -ENOENT && may_be_missing)
		return;
	if (result < 0) {
		config_mistake(reader->mistakes, path, 0, "cannot be read: %s, expected a configuration file",
			       strerror(-result));
		return;
	}
	config_parse_text(reader, text, len);
	free(text);
}

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

/* The files of conf.d beside path; names live as long as the reader. */
static void read_directory(struct config_reader *reader, const char *path, struct dirent ***entries, int *count,
			   char ***names)
{
	char copy[PATH_MAX], directory[PATH_MAX];
	struct writer w = writer_over(copy, sizeof(copy));

	writer_text(&w, path);
	w = writer_over(directory, sizeof(directory));
	writer_format(&w, "%s/conf.d", dirname(copy));
	*count = w.truncated ? 0 : scandir(directory, entries, is_conf, alphasort);
	if (*count < 0) {
		*count = 0;
		if (errno != ENOENT && errno != ENOTDIR)
			config_mistake(reader->mistakes, directory, 0, "cannot be read: %s, expected a directory",
				       strerror(errno));
	}
	*names = calloc((size_t)*count + 1, sizeof(**names));
	for (int i = 0; *names && i < *count; i++)
		if (asprintf(&(*names)[i], "%s/%s", directory, (*entries)[i]->d_name) < 0)
			(*names)[i] = NULL;
	for (int i = 0; i < *count; i++)
		if (*names && (*names)[i])
			read_file(reader, (*names)[i], false);
		else
			config_mistake(reader->mistakes, directory, 0, "cannot be read: %s, expected memory",
				       strerror(ENOMEM));
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
	size_t a = (size_t)(config_find_option(section, lower) - config_options);
	size_t b = (size_t)(config_find_option(section, upper) - config_options);
	size_t at = reader->seen_at[b] >= reader->seen_at[a] && reader->seen_in[b] ? b : a;

	if (!good && !reader->broken && !reader->bad[a] && !reader->bad[b])
		config_mistake(reader->mistakes, reader->seen_in[at] ? reader->seen_in[at] : reader->file,
			       reader->seen_at[at], "%s of %s and %s do not fit, expected %s", section, lower, upper,
			       expected);
}

void config_finish(struct config_reader *reader)
{
	struct config *config = reader->config;
	const struct engine_config *engine = &config->engine;
	size_t allow_file = (size_t)(config_find_option(NULL, "allow_file") - config_options);

	check_order(reader, "score", "block", "alert", engine->alert <= engine->block,
		    "a probability for block no higher than that for alert");
	check_order(reader, "score", "ban", "block", engine->block <= engine->ban,
		    "a probability for ban no higher than that for block");
	check_order(reader, "block", "first", "max", engine->block_first_ms <= engine->block_max_ms,
		    "first no longer than max");
	check_order(reader, "ban", "first", "max", engine->ban_first_ms <= engine->ban_max_ms,
		    "first no longer than max");
	if (config->allow_file[0]) {
		if (reader->seen_in[allow_file])
			reader->file = reader->seen_in[allow_file];
		config_allow_file_read(reader, reader->seen_at[allow_file]);
	}
	order_allow(config);
	if (config->allow_count > ENGINE_ALLOW_MAX)
		config_mistake(reader->mistakes, reader->file, 0,
			       "too many allowed addresses (%zu), expected at most %d", config->allow_count,
			       ENGINE_ALLOW_MAX);
	config->rules.trap_tcp_count = ports_merge(config->rules.trap_tcp, config->rules.trap_tcp_count);
	config->rules.trap_udp_count = ports_merge(config->rules.trap_udp, config->rules.trap_udp_count);
	config->rules.public_count = ports_merge(config->rules.public_ports, config->rules.public_count);
}

struct config *config_read(const char *path, bool named, config_error_fn *error, void *context)
{
	struct config *config = calloc(1, sizeof(*config));
	struct config_mistakes *mistakes = config_mistakes_new();
	struct config_reader reader = { .config = config, .mistakes = mistakes, .file = path };
	struct dirent **entries = NULL;
	char **names = NULL;
	int count = 0;

	if (!config || !mistakes) {
		error(context, "out of memory");
		free(config);
		config_mistakes_free(mistakes);
		return NULL;
	}
	engine_config_defaults(&config->engine);
	config_set_defaults(config, NULL);
	read_file(&reader, path, !named);
	read_directory(&reader, path, &entries, &count, &names);
	config_finish(&reader);
	config_mistakes_tell(mistakes, error, context);
	if (config_mistakes_count(mistakes) > 0) {
		config_free(config);
		config = NULL;
	}
	config_mistakes_free(mistakes);
	for (int i = 0; i < count; i++) {
		free(entries[i]);
		if (names)
			free(names[i]);
	}
	free(entries);
	free(names);
	return config;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	free(config->allow);
	free(config);
}
