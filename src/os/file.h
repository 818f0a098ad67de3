/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files read whole and replaced whole.  Every reading has a limit, and no reading waits: a FIFO or a terminal in the
 * place of a file gives what is there.
 */
#ifndef PICKET_FILE_H
#define PICKET_FILE_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Reads at most size - 1 bytes and ends them with a NUL.  The length or -errno; *out is then "". */
ssize_t file_read(const char *path, char *out, size_t size);
/* The same from an open descriptor, which is closed. */
ssize_t file_read_fd(int fd, char *out, size_t size);
/* The whole file, allocated, with a NUL behind it that *len does not count.  0; -EFBIG when it has more than max
 * bytes; or -errno, and nothing is allocated. */
int file_read_whole(const char *path, size_t max, char **out, size_t *len);

/*
 * Replaces or makes dir/name: whoever reads it sees the old text or the new one, never half of it, and after 0 the
 * new one has reached the disk.  dir: of open(2), or AT_FDCWD.  A link in the place of the file is replaced, never
 * followed.  like: NULL, or whose owner, group and mode the new file gets; else it gets `mode`.  0 or -errno; on
 * failure the old file stands.
 */
int file_replace(int dir, const char *name, mode_t mode, const struct stat *like, const void *text, size_t len);

#endif
