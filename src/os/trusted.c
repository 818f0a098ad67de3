/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A path is walked from the root of the file system, part by part and by descriptors, links too: each part is looked at
 * in the very folder that was found good before it.
 */
#include "trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel */

struct walk {
	int at;               /* the folder that was reached */
	char rest[PATH_MAX];  /* to be walked from there */
	char names[PATH_MAX]; /* what was walked, for people */
	unsigned links;
	bool shared; /* others may put names into the folder that was reached */
};

static bool put(char *to, const char *first, const char *second)
{
	struct writer w = writer_over(to, PATH_MAX);

	writer_text(&w, first);
	if (second[0]) {
		writer_text(&w, "/");
		writer_text(&w, second);
	}
	return !w.truncated;
}

static int start_at_root(struct walk *walk)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return -errno;
	if (walk->at >= 0)
		close(walk->at);
	walk->at = root;
	walk->shared = false;
	walk->names[0] = '\0';
	return 0;
}

/* Cuts the next part off; false at the end of the path. */
static bool next_part(struct walk *walk, char part[NAME_MAX + 1])
{
	size_t blank = strspn(walk->rest, "/"), len = strcspn(walk->rest + blank, "/");

	if (len == 0 || len > NAME_MAX)
		return false;
	memcpy(part, walk->rest + blank, len);
	part[len] = '\0';
	blank += len;
	blank += strspn(walk->rest + blank, "/");
	memmove(walk->rest, walk->rest + blank, strlen(walk->rest + blank) + 1);
	return true;
}

/* What others write to a device, the device takes; all else must be root's to write. */
static int check_part(const struct walk *walk, const struct stat *info, struct writer *why)
{
	bool own = info->st_uid == 0 || info->st_uid == geteuid();
	bool writable = !S_ISLNK(info->st_mode) && !S_ISCHR(info->st_mode) && (info->st_mode & (S_IWGRP | S_IWOTH));
	bool guarded = S_ISDIR(info->st_mode) && (info->st_mode & S_ISVTX) && walk->rest[0];
	bool linked = walk->shared && S_ISREG(info->st_mode) && info->st_nlink > 1;

	if (own && (!writable || guarded) && !linked)
		return 0;
	writer_text(why, walk->names[0] ? walk->names : "/");
	writer_text(why, !own     ? " does not belong to root"
			 : linked ? " has another name, which others may have given it"
				  : " can be written by others than root");
	return -EPERM;
}

/* The path goes on where the link points. */
static int follow(struct walk *walk, int link)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t len = readlinkat(link, "", target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	target[len] = '\0';
	memcpy(rest, walk->rest, sizeof(rest));
	if (++walk->links > LINKS_MAX)
		return -ELOOP;
	if (!put(walk->rest, target, rest))
		return -ENAMETOOLONG;
	return target[0] == '/' ? start_at_root(walk) : 0;
}

static int step(struct walk *walk, const char *part, struct writer *why)
{
	char before[PATH_MAX];
	struct stat info;
	int found = openat(walk->at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int result;

	if (found < 0)
		return -errno;
	memcpy(before, walk->names, sizeof(before));
	if (!put(walk->names, before, part))
		result = -ENAMETOOLONG;
	else
		result = fstat(found, &info) < 0 ? -errno : check_part(walk, &info, why);
	if (result == 0 && S_ISLNK(info.st_mode)) {
		memcpy(walk->names, before, sizeof(before));
		result = follow(walk, found);
	} else if (result == 0) {
		int folder = walk->at;

		walk->at = found;
		walk->shared = S_ISDIR(info.st_mode) && (info.st_mode & (S_IWGRP | S_IWOTH));
		found = folder;
	}
	close(found);
	return result;
}

/* *info: what is at the end of the way. */
static int walk_to(const char *path, struct writer *why, struct stat *info)
{
	struct walk walk = { .at = -1 };
	char part[NAME_MAX + 1], folder[PATH_MAX] = "";
	int result;

	if (path[0] != '/' && !getcwd(folder, sizeof(folder)))
		return -errno;
	if (!put(walk.rest, folder, path))
		return -ENAMETOOLONG;
	result = start_at_root(&walk);
	if (result == 0)
		result = fstat(walk.at, info) < 0 ? -errno : check_part(&walk, info, why);
	while (result == 0 && next_part(&walk, part))
		result = step(&walk, part, why);
	if (result == 0 && walk.rest[strspn(walk.rest, "/")])
		result = -ENAMETOOLONG;
	if (result == 0 && fstat(walk.at, info) < 0)
		result = -errno;
	if (walk.at >= 0)
		close(walk.at);
	return result;
}

int path_is_trusted(const char *path, struct writer *why)
{
	struct stat info;

	return walk_to(path, why, &info);
}

int opened_is_trusted(const char *path, int fd, struct writer *why)
{
	struct stat opened = { 0 }, found = { 0 };
	int result = fstat(fd, &opened) < 0 ? -errno : walk_to(path, why, &found);

	if (result == -ENOENT && S_ISFIFO(opened.st_mode))
		return 0;
	if (result == -ENOENT || (result == 0 && (opened.st_dev != found.st_dev || opened.st_ino != found.st_ino))) {
		writer_text(why, path);
		writer_text(why, " was exchanged while it was read");
		return -EPERM;
	}
	return result;
}
