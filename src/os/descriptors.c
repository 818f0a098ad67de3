/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "descriptors.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

int descriptors_close(unsigned from, unsigned to)
{
	return syscall(__NR_close_range, from, to, 0) < 0 ? -errno : 0;
}
