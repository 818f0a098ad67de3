/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The running kernel's version.  Debian's release ("6.1.0-18-amd64") leaves out the number that tells which mends are
 * in it; its version ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)") has it.
 */
#ifndef PICKET_KERNEL_H
#define PICKET_KERNEL_H

#include <stdbool.h>

struct kernel_version {
	unsigned major, minor, patch;
};

/* Of uname's release and version; false when there is no number. */
bool kernel_version_parse(const char *release, const char *version, struct kernel_version *out);

/*
 * Does it let go of an ingress hook of our table when the hook's interface goes away?  Before CVE-2024-26808 was mended
 * it kept a pointer to what was gone.  A distribution may have mended an older number: that is not seen.
 */
bool kernel_releases_ingress(const struct kernel_version *version);
/* The same of the running kernel. */
bool kernel_here_releases_ingress(void);

#endif
