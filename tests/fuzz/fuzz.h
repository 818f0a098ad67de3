/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzers share: a promise that must hold, and input as a file that is never on a disk.
 */
#ifndef PICKET_FUZZ_H
#define PICKET_FUZZ_H

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

#endif
