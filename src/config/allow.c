/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allow file: one address or prefix a line, # comments.  It is read as part of the configuration and edited for
 * `picketctl allow ... --save`.  An edit replaces the file, so that a crash leaves the old or the new one, whole.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "trusted.h"

/* Cuts the entry of one line out: no comment, no blanks around it.  NULL: there is none. */
static char *entry_of(char *line)
{
	size_t len;

	line[strcspn(line, "#")] = '\0';
	line += strspn(line, " \t\r");
	len = strlen(line);
	while (len > 0 && strchr(" \t\r", line[len - 1]))
		line[--len] = '\0';
	return len ? line : NULL;
}

static bool directory_exists(const char *path)
{
	char copy[PATH_MAX];
	struct writer w = writer_over(copy, sizeof(copy));
	struct stat info;

	writer_text(&w, path);
	return stat(dirname(copy), &info) == 0 && S_ISDIR(info.st_mode);
}

/* At a reload: the file was there before, or another one is named that is not there. */
static bool is_gone(const struct config *before, const char *path)
{
	return before && (strcmp(before->allow_file, path) == 0 ? before->allow_file_was_there
								: strcmp(path, CONFIG_DEFAULT_ALLOW) != 0);
}

void config_allow_file_read(struct config_reader *reader, int line)
{
	const char *path = reader->config->allow_file;
	char *text, *rest, *next;
	size_t len;
	int number = 0;
	int result;

	result = config_read_text(reader, &(struct config_place){ path, line ? reader->file : path, line },
				  CONFIG_ALLOW_FILE_MAX, &text, &len);
	if (result == -EPERM)
		return;
	if (result == -ENOENT && is_gone(reader->before, path)) {
		config_mistake(reader, line ? reader->file : path, line,
			       "allow_file '%s' is not there, expected the file with what is allowed "
			       "(an empty one, or allow_file = \"\", allows nothing)",
			       path);
		return;
	}
	/* A file that is not there yet allows nothing; a folder that is not there is a slip of the pen. */
	if (result == -ENOENT && (strcmp(path, CONFIG_DEFAULT_ALLOW) == 0 || directory_exists(path)))
		return;
	if (result < 0) {
		config_mistake(reader, reader->file, line,
			       "allow_file '%s' cannot be read: %s, expected a file with one address or prefix a line",
			       path, strerror(-result));
		return;
	}
	reader->config->allow_file_was_there = true;
	if (strlen(text) != len)
		config_mistake(reader, path, 0, "a zero byte, expected text");
	config_blank_mark(text);
	for (rest = text; (next = strsep(&rest, "\n")) != NULL;) {
		struct prefix prefix;
		const char *error = NULL;
		char *entry = entry_of(next);

		number++;
		if (!entry)
			continue;
		if (!prefix_parse(entry, &prefix, &error)) {
			config_mistake(reader, path, number,
				       "bad entry '%.60s', expected an address or prefix such as 192.0.2.0/24 (%s)",
				       entry, error ? error : "malformed");
		} else if (reader->config->allow_count >= 2 * ENGINE_ALLOW_MAX ||
			   !config_allow_add(reader->config, &prefix)) {
			config_mistake(reader, path, number, "too many addresses, expected at most %d",
				       ENGINE_ALLOW_MAX);
			break;
		}
	}
	free(text);
}

/* The file as it is to be: all lines but those that say entry, and entry at the end when it is added. */
static int edit(const char *text, const struct prefix *entry, bool add, FILE *out)
{
	const char *start = text;
	char printed[PREFIX_TEXT_MAX];
	bool found = false;

	while (*text) {
		size_t len = strcspn(text, "\n");
		struct prefix prefix;
		const char *error;
		char line[256] = "", *own;
		bool same;

		if (len < sizeof(line))
			memcpy(line, text, len);
		if (text == start)
			config_blank_mark(line);
		own = entry_of(line);
		same = own && prefix_parse(own, &prefix, &error) && prefix_equal(&prefix, entry);
		found |= same;
		if (add || !same)
			fprintf(out, "%.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
	if (add == found)
		return add ? -EEXIST : -ENOENT;
	if (add)
		fprintf(out, "%s\n", prefix_format(entry, printed));
	return 0;
}

int config_allow_file_edit(const char *path, const struct prefix *entry, bool add)
{
	char *real, *text = NULL, *edited = NULL, why[PATH_MAX + 64];
	struct writer reason = writer_over(why, sizeof(why));
	struct stat like;
	size_t len = 0;
	int result = path_is_trusted(path, &reason);

	if (result < 0 && result != -ENOENT)
		return result;
	real = realpath(path, NULL); /* behind a link the file itself is replaced, not the link */
	result = real ? file_read_whole(real, CONFIG_ALLOW_FILE_MAX, &text, &len) : -errno;
	FILE *out = NULL;

	if (real && result == 0 && stat(real, &like) < 0)
		result = -errno;
	/* What follows a zero byte would be lost. */
	if (result == 0 && text && strlen(text) != len)
		result = -EBADMSG;
	if (result == -ENOENT && !real && add)
		result = 0; /* made new */
	if (result == 0) {
		out = open_memstream(&edited, &len);
		result = out ? edit(text ? text : "", entry, add, out) : -ENOMEM;
	}
	if (out && fclose(out) != 0 && result == 0)
		result = -ENOMEM;
	if (result == 0)
		result = file_replace(AT_FDCWD, real ? real : path, 0644, real ? &like : NULL, edited, len);
	free(edited);
	free(text);
	free(real);
	return result;
}
