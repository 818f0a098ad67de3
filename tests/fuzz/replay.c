/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fuzzer without a fuzzing engine, for any compiler: plays every file of the folders and files that are named, and
 * the empty input.  Where a sanitizer or a broken promise ends it, the last line that it wrote names the input.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX (1024 * 1024)

static void play(const char *path)
{
	uint8_t *read_into = malloc(INPUT_MAX), *exact;
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file || !read_into) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(2);
	}
	len = fread(read_into, 1, INPUT_MAX, file);
	fclose(file);
	/* Of its own size, so that a sanitizer sees a read beyond it. */
	exact = malloc(len ? len : 1);
	require(exact != NULL);
	memcpy(exact, read_into, len);
	free(read_into);
	puts(path);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void play_all(const char *path)
{
	struct dirent **entries;
	char name[PATH_MAX];
	struct stat info;
	int count;

	if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode)) {
		play(path);
		return;
	}
	count = scandir(path, &entries, no_dots, alphasort);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		play(name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		play_all(argv[i]);
	return 0;
}
