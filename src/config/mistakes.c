/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mistakes of one run: collected while files are read, told at the end in the order of files and lines, each once.
 * Bounded: beyond CONFIG_MISTAKES_MAX they are counted and one line says so.
 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MISTAKE_TEXT_MAX 640
#define FILES_MAX        256

struct mistake {
	size_t file; /* index into the files, in the order they were read */
	int line;
	char text[MISTAKE_TEXT_MAX];
};

struct config_mistakes {
	struct mistake items[CONFIG_MISTAKES_MAX];
	size_t count, suppressed;
	char files[FILES_MAX][PATH_MAX];
	size_t file_count;
};

struct config_mistakes *config_mistakes_new(void)
{
	return calloc(1, sizeof(struct config_mistakes));
}

void config_mistakes_free(struct config_mistakes *mistakes)
{
	free(mistakes);
}

size_t config_mistakes_count(const struct config_mistakes *mistakes)
{
	return mistakes->count;
}

static size_t file_index(struct config_mistakes *mistakes, const char *file)
{
	size_t i = 0;

	while (i < mistakes->file_count && strcmp(mistakes->files[i], file) != 0)
		i++;
	if (i == mistakes->file_count && mistakes->file_count < FILES_MAX) {
		struct writer w = writer_over(mistakes->files[i], PATH_MAX);
		writer_text(&w, file);
		mistakes->file_count++;
	}
	return i < mistakes->file_count ? i : mistakes->file_count - 1;
}

void config_mistake(struct config_mistakes *mistakes, const char *file, int line, const char *format, ...)
{
	struct mistake new = { .file = file_index(mistakes, file), .line = line };
	va_list args;

	va_start(args, format);
	vsnprintf(new.text, sizeof(new.text), format, args);
	va_end(args);
	/* Words of the file are repeated in it, and it goes to a terminal. */
	for (char *c = new.text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	/* A file is parsed again behind each mistake of grammar: the others come back. */
	for (size_t i = 0; i < mistakes->count; i++) {
		const struct mistake *old = &mistakes->items[i];
		if (old->file == new.file && old->line == new.line &&strcmp(old->text, new.text) == 0)
			return;
	}
	if (mistakes->count < CONFIG_MISTAKES_MAX)
		mistakes->items[mistakes->count++] = new;
	else
		mistakes->suppressed++;
}

static int compare(const void *left, const void *right)
{
	const struct mistake *a = left, *b = right;

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

void config_mistakes_tell(struct config_mistakes *mistakes, config_error_fn *error, void *context)
{
	char line[PATH_MAX + MISTAKE_TEXT_MAX + 32];

	qsort(mistakes->items, mistakes->count, sizeof(mistakes->items[0]), compare);
	for (size_t i = 0; i < mistakes->count; i++) {
		const struct mistake *m = &mistakes->items[i];
		struct writer w = writer_over(line, sizeof(line));

		writer_format(&w, "%s:", mistakes->files[m->file]);
		if (m->line > 0)
			writer_format(&w, "%d:", m->line);
		writer_format(&w, " %s", m->text);
		error(context, line);
	}
	if (mistakes->suppressed) {
		struct writer w = writer_over(line, sizeof(line));
		writer_format(&w, "%s: more mistakes, not listed", mistakes->files[0]);
		error(context, line);
	}
}
