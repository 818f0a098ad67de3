/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files, read and replaced as a whole.  Each function that reads has a limit of bytes, and none waits: of a FIFO or a
 * terminal it takes what is there, and is -EAGAIN when nothing is there yet.
 */
#ifndef PICKET_FILE_H
#define PICKET_FILE_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "result.h"

/* Reads at most size - 1 bytes and ends them with a NUL.  The length or -errno; *out is then "".  size is 1 at
 * least. */
MUST_CHECK ssize_t file_read(const char *path, char *out, size_t size);
/* The whole file, allocated, with a NUL behind it that *len does not count.  0; -EFBIG when it has more than max
 * bytes; or -errno, and nothing is allocated. */
MUST_CHECK int file_read_whole(const char *path, size_t max, char **out, size_t *len);
/* The same in two steps.  A descriptor or -errno; it is closed, whatever comes of the reading. */
MUST_CHECK int file_open(const char *path);
MUST_CHECK int file_read_open(int fd, size_t max, char **out, size_t *len);

/*
 * Replaces or makes the file `name` in the directory `dir`, a descriptor or AT_FDCWD.  A program that reads it sees the
 * old text or the new one, never half of it, and after 0 the new one has reached the disk.  A link in the place of the
 * file is replaced, never followed.  The new file gets the owner, group and mode of `like`; where that is NULL, `mode`.
 * 0 or -errno; on failure the old file stands.
 */
MUST_CHECK int file_replace(int dir, const char *name, mode_t mode, const struct stat *like, const void *text,
			    size_t len);

#endif
