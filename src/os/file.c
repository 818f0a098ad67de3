/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file is replaced by a new one that is written beside it and then renamed.  The new one's name holds our process id,
 * so that two programs that replace the same file do not write into each other's.  O_EXCL defends against a file or a
 * link that was put there by another program.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Up to size bytes.  How many, or -errno. */
static ssize_t read_all(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t got = read(fd, out + len, size - len);

		if (got == 0)
			break;
		if (got > 0)
			len += (size_t)got;
		else if (errno == EAGAIN && len > 0)
			break; /* a FIFO whose writer has it open still: what came so far */
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)len;
}

/* At most size - 1 bytes and a NUL; closes the descriptor. */
static ssize_t read_and_close(int fd, char *out, size_t size)
{
	ssize_t len = read_all(fd, out, size - 1);

	close(fd);
	out[len < 0 ? 0 : len] = '\0';
	return len;
}

ssize_t file_read(const char *path, char *out, size_t size)
{
	int fd = open(path, READ_FLAGS);

	out[0] = '\0';
	return fd < 0 ? -errno : read_and_close(fd, out, size);
}

int file_open(const char *path)
{
	int fd = open(path, READ_FLAGS);

	return fd < 0 ? -errno : fd;
}

int file_read_open(int fd, size_t max, char **out, size_t *len)
{
	char *text = malloc(max + 2); /* a byte more than allowed tells that it is too long */
	ssize_t got;

	if (!text) {
		close(fd);
		return -ENOMEM;
	}
	got = read_and_close(fd, text, max + 2);
	if (got < 0 || (size_t)got > max) {
		free(text);
		return got < 0 ? (int)got : -EFBIG;
	}
	*out = text;
	*len = (size_t)got;
	return 0;
}

int file_read_whole(const char *path, size_t max, char **out, size_t *len)
{
	int fd = file_open(path);

	return fd < 0 ? fd : file_read_open(fd, max, out, len);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, text, len);

		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0) {
			text += put;
			len -= (size_t)put;
		}
	}
	return 0;
}

/* Only root may give a file away; without that right it stays ours, with the mode. */
static int set_owner_and_mode(int fd, mode_t mode, const struct stat *like)
{
	if (like && fchown(fd, like->st_uid, like->st_gid) < 0 && errno != EPERM)
		return -errno;
	return fchmod(fd, like ? like->st_mode & 07777 : mode) < 0 ? -errno : 0;
}

/* The rename has reached the disk only when its directory has.  A file system that cannot tell, or a directory that may
 * be written to and not read, is no failure: the file is whole either way. */
static void sync_folder(int dir, const char *name)
{
	const char *slash = strrchr(name, '/');
	char folder[PATH_MAX] = ".";
	int fd;

	if (slash && (size_t)(slash - name) < sizeof(folder))
		snprintf(folder, sizeof(folder), "%.*s", slash == name ? 1 : (int)(slash - name), name);
	fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

int file_replace(int dir, const char *name, mode_t mode, const struct stat *like, const void *text, size_t len)
{
	char beside[PATH_MAX];
	int fd, error;

	if (snprintf(beside, sizeof(beside), "%s.%ld.new", name, (long)getpid()) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	unlinkat(dir, beside, 0); /* left by a process that died with our number */
	fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	error = set_owner_and_mode(fd, mode, like);
	if (!error)
		error = write_all(fd, text, len);
	if (!error && fsync(fd) < 0)
		error = -errno;
	if (close(fd) < 0 && !error)
		error = -errno;
	if (!error && renameat(dir, beside, dir, name) < 0)
		error = -errno;
	if (error)
		unlinkat(dir, beside, 0);
	else
		sync_folder(dir, name);
	return error;
}
