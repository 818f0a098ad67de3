/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Can anybody but root change what a path names?  A program that takes orders from a file as root, or starts one, lends
 * root's power to whoever can write it, or put another in its place.  The same question as sshd's StrictModes.
 */
#ifndef PICKET_TRUSTED_H
#define PICKET_TRUSTED_H

#include "result.h"
#include "writer.h"

/*
 * 0: every folder and link on the way, and the file itself, belong to root and can be written by nobody else (where we
 * are not root: or to ourselves).  -EPERM:
 * not so, and `why` says which part of it ("/srv/x can be written by others than root").  Another -errno: a part of it
 * cannot be looked at, -ENOENT where it is not there; what stands before that part is trusted then.
 * A folder with the sticky bit (/tmp) may be written by others, for they cannot put anything in the place of what is
 * root's in it; there a file has one name alone, for another could be theirs (a hard link).  Calls only what may be
 * called between fork() and execve().
 */
MUST_CHECK int path_is_trusted(const char *path, struct writer *why);
/* The same of what was opened by this path: what was looked at is what is open, and nothing that was put there in
 * between.  A pipe without a name (/dev/stdin) is its opener's. */
MUST_CHECK int opened_is_trusted(const char *path, int fd, struct writer *why);

#endif
