/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A folder of its own in memory, for what reads or writes files by their names: removed at the end.
 */
#ifndef PICKET_FUZZ_PLACE_H
#define PICKET_FUZZ_PLACE_H

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static char fuzz_place[64]; /* "": not made yet */

static inline void fuzz_place_empty(void)
{
	DIR *directory = opendir(fuzz_place);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
}

static inline void fuzz_place_leave(void)
{
	static const char *const folders[] = { "/conf.d", "" };
	char made[sizeof(fuzz_place)], path[PATH_MAX];

	memcpy(made, fuzz_place, sizeof(made));
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%.60s%s", made, folders[i]);
		snprintf(fuzz_place, sizeof(fuzz_place), "%.63s", path);
		fuzz_place_empty();
		rmdir(path);
	}
}

/* True: it was made just now. */
static inline bool fuzz_place_make(void)
{
	if (fuzz_place[0])
		return false;
	snprintf(fuzz_place, sizeof(fuzz_place), "/dev/shm/picket-fuzz-XXXXXX");
	require(mkdtemp(fuzz_place) != NULL);
	atexit(fuzz_place_leave);
	return true;
}

static inline void fuzz_place_write(const char *name, const void *data, size_t size)
{
	char path[PATH_MAX];
	int fd, len = snprintf(path, sizeof(path), "%s/%s", fuzz_place, name);

	require(len > 0 && (size_t)len < sizeof(path));
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

#endif
