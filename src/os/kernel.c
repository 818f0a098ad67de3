/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static bool parse(const char *text, struct kernel_version *out)
{
	struct kernel_version read = { 0, 0, 0 };

	if (sscanf(text, "%u.%u.%u", &read.major, &read.minor, &read.patch) < 2)
		return false;
	*out = read;
	return true;
}

bool kernel_version_parse(const char *release, const char *version, struct kernel_version *out)
{
	const char *debian = strstr(version, "Debian ");
	struct kernel_version read, whole;

	if (!parse(release, &read))
		return false;
	if (debian && parse(debian + strlen("Debian "), &whole) && whole.major == read.major &&
	    whole.minor == read.minor)
		read = whole;
	*out = read;
	return true;
}

bool kernel_releases_ingress(const struct kernel_version *version)
{
	static const struct kernel_version mended[] = {
		{ 5, 10, 210 }, { 5, 15, 149 }, { 6, 1, 76 }, { 6, 6, 15 }, { 6, 7, 3 }
	};

	if (version->major > 6 || (version->major == 6 && version->minor >= 8))
		return true;
	for (size_t i = 0; i < sizeof(mended) / sizeof(mended[0]); i++)
		if (version->major == mended[i].major && version->minor == mended[i].minor)
			return version->patch >= mended[i].patch;
	return false;
}

bool kernel_here_releases_ingress(void)
{
	struct kernel_version version;
	struct utsname here;

	return uname(&here) == 0 && kernel_version_parse(here.release, here.version, &version) &&
	       kernel_releases_ingress(&version);
}
