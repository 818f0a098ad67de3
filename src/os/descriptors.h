/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Closing many file descriptors at once, by a system call of Linux 5.9.  The C library of Debian 11 has no name for it.
 */
#ifndef PICKET_DESCRIPTORS_H
#define PICKET_DESCRIPTORS_H

#include <limits.h>

#define DESCRIPTORS_LAST UINT_MAX

/* Those from one to the other, both included; 0 or -errno. */
int descriptors_close(unsigned from, unsigned to);

#endif
