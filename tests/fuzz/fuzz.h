/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzers share: a promise that must hold, and input as a file that is never on a disk.
 */
#ifndef PICKET_FUZZ_H
#define PICKET_FUZZ_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(int condition)
{
	if (!condition)
		abort();
}

/* A file in memory; path names it for open(2) in this process. */
struct fuzz_file {
	int fd;
	char path[32];
};

static inline void fuzz_file_write(struct fuzz_file *file, const void *data, size_t size)
{
	if (!file->path[0]) {
		file->fd = memfd_create("input", MFD_CLOEXEC);
		require(file->fd >= 0);
		snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
	}
	require(ftruncate(file->fd, 0) == 0);
	require(pwrite(file->fd, data, size, 0) == (ssize_t)size);
}

/*
 * Where state is kept over inputs, the last of them alone tells little.  With FUZZ_HISTORY=FILE all inputs since the
 * state began are in that file: since an input is a row of whole steps, it is one input that leads to the same place.
 */
static struct {
	int fd; /* 0: not asked for; -1: it is not wanted */
} fuzz_history;

static inline void fuzz_history_begin(void)
{
	const char *path = getenv("FUZZ_HISTORY");

	if (fuzz_history.fd == 0)
		fuzz_history.fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (fuzz_history.fd > 0)
		require(ftruncate(fuzz_history.fd, 0) == 0 && lseek(fuzz_history.fd, 0, SEEK_SET) == 0);
}

static inline void fuzz_history_add(const void *data, size_t size)
{
	if (fuzz_history.fd > 0 && size > 0)
		require(write(fuzz_history.fd, data, size) == (ssize_t)size);
}

#endif
