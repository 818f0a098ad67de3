/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A damaged file is evidence and may hold what an admin wants back, so it is kept; but only a few of them, for a
 * disk that damages files would otherwise be filled by them.
 */
#include "aside.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

#define MARK STORE_NAME ".damaged-"

/* The database itself first: once it has its new name, a new one can be begun whatever becomes of the rest. */
static const char *const parts[] = { "", "-wal", "-shm" };

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

/* How many lie in the directory; -errno. */
static int count(const char *directory)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;
	int found = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		found += strncmp(entry->d_name, MARK, strlen(MARK)) == 0 && !ends_with(entry->d_name, parts[1]) &&
			 !ends_with(entry->d_name, parts[2]);
	closedir(dir);
	return found;
}

/* Two in one second: the next free name. */
static int free_name(const char *directory, int64_t epoch_s, char name[STORE_ASIDE_NAME_MAX])
{
	char path[PATH_MAX];
	struct stat info;

	for (int i = 0; i <= STORE_DAMAGED_MAX; i++) {
		snprintf(name, STORE_ASIDE_NAME_MAX, MARK "%lld", (long long)(epoch_s + i));
		if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
			return -ENAMETOOLONG;
		if (lstat(path, &info) < 0)
			return errno == ENOENT ? 0 : -errno;
	}
	return -EEXIST;
}

int store_aside_put(const char *path, int64_t epoch_s, char name[STORE_ASIDE_NAME_MAX])
{
	char directory[PATH_MAX], from[PATH_MAX + 8], to[2 * PATH_MAX];
	int result;

	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path), path);
	result = count(directory);
	if (result >= STORE_DAMAGED_MAX)
		return -EMFILE;
	if (result >= 0)
		result = free_name(directory, epoch_s, name);
	for (size_t i = 0; result == 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(from, sizeof(from), "%s%s", path, parts[i]);
		snprintf(to, sizeof(to), "%s/%s%s", directory, name, parts[i]);
		if (rename(from, to) < 0 && errno != ENOENT)
			result = -errno;
	}
	return result;
}

int64_t store_aside_log_len(const char *path)
{
	char log[PATH_MAX + 8];
	struct stat info;

	snprintf(log, sizeof(log), "%s-wal", path);
	return lstat(log, &info) == 0 ? info.st_size : 0;
}
