/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allow file: one address or prefix a line, # comments.  Read as part of the configuration; edited for
 * `picketctl allow ... --save` by writing a new file beside it and renaming it, so that a crash leaves the old or the
 * new one, whole.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

void config_allow_file_read(struct config_reader *reader, int line)
{
	const char *path = reader->config->allow_file;
	char *text, *rest, *next;
	size_t len;
	int number = 0;
	int result = config_file_read(path, &text, &len);

	/* One that is not there yet allows nobody; a directory that isn't there is a slip of the pen. */
	if (result == -ENOENT && (strcmp(path, CONFIG_DEFAULT_ALLOW) == 0 || directory_exists(path)))
		return;
	if (result < 0) {
		config_mistake(reader->mistakes, reader->file, line,
			       "allow_file '%s' cannot be read: %s, expected a file with one address or prefix a line",
			       path, strerror(-result));
		return;
	}
	if (strlen(text) != len)
		config_mistake(reader->mistakes, path, 0, "a zero byte, expected text");
	for (rest = text; (next = strsep(&rest, "\n")) != NULL;) {
		struct prefix prefix;
		const char *error = NULL;
		char *entry = entry_of(next);

		number++;
		if (!entry)
			continue;
		if (!prefix_parse(entry, &prefix, &error)) {
			config_mistake(reader->mistakes, path, number,
				       "bad entry '%.60s', expected an address or prefix such as 192.0.2.0/24 (%s)",
				       entry, error ? error : "malformed");
		} else if (reader->config->allow_count >= 2 * ENGINE_ALLOW_MAX ||
			   !config_allow_add(reader->config, &prefix)) {
			config_mistake(reader->mistakes, path, number, "too many addresses, expected at most %d",
				       ENGINE_ALLOW_MAX);
			break;
		}
	}
	free(text);
}

/* The file as it is to be: all lines but those that say entry, and entry at the end when it is added. */
static int edited(const char *text, const struct prefix *entry, bool add, FILE *out)
{
	char printed[PREFIX_TEXT_MAX];
	bool found = false;

	while (*text) {
		size_t len = strcspn(text, "\n");
		struct prefix prefix;
		const char *error;
		char line[256] = "", *own;

		if (len < sizeof(line))
			memcpy(line, text, len);
		own = entry_of(line);
		if (own && prefix_parse(own, &prefix, &error) && prefix_equal(&prefix, entry))
			found = true;
		if (!(own && !add && prefix_parse(own, &prefix, &error) && prefix_equal(&prefix, entry)))
			fprintf(out, "%.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
	if (add == found)
		return add ? -EEXIST : -ENOENT;
	if (add)
		fprintf(out, "%s\n", prefix_format(entry, printed));
	return 0;
}

static int write_new(const char *path, const char *text, size_t len, const struct stat *like)
{
	int fd, result = 0;

	/* A leftover of a crash; a link that somebody laid there is not followed. */
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < len && result == 0;) {
		ssize_t n = write(fd, text + done, len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR)
			result = -errno;
	}
	if (result == 0 &&
	    (fchmod(fd, like->st_mode & 0777) < 0 || fchown(fd, like->st_uid, like->st_gid) < 0 || fsync(fd) < 0))
		result = -errno;
	if (close(fd) < 0 && result == 0)
		result = -errno;
	return result;
}

static void sync_directory(const char *path)
{
	char copy[PATH_MAX];
	struct writer w = writer_over(copy, sizeof(copy));
	int fd;

	writer_text(&w, path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

int config_allow_file_edit(const char *path, const struct prefix *entry, bool add)
{
	char real[PATH_MAX], new_path[PATH_MAX + 8];
	char *text = NULL, *changed = NULL;
	struct stat like = { .st_mode = 0644 };
	size_t len = 0, changed_len = 0;
	FILE *out;
	int result;

	/* Behind a link the file itself is replaced, not the link. */
	if (!realpath(path, real)) {
		if (errno != ENOENT || !add)
			return -errno;
		struct writer w = writer_over(real, sizeof(real));
		writer_text(&w, path);
	} else {
		result = config_file_read(real, &text, &len);
		if (result < 0)
			return result;
		if (stat(real, &like) < 0) {
			result = -errno;
			goto done;
		}
	}
	out = open_memstream(&changed, &changed_len);
	if (!out) {
		result = -ENOMEM;
		goto done;
	}
	result = edited(text ? text : "", entry, add, out);
	if (fclose(out) != 0 && result == 0)
		result = -ENOMEM;
	if (result < 0)
		goto done;
	struct writer w = writer_over(new_path, sizeof(new_path));
	writer_format(&w, "%s.new", real);
	result = write_new(new_path, changed, changed_len, &like);
	if (result == 0 && rename(new_path, real) < 0)
		result = -errno;
	if (result < 0)
		unlink(new_path);
	else
		sync_directory(real);
done:
	free(changed);
	free(text);
	return result;
}
