/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the file; the core parses it.  A file of more than SERVICES_MAX bytes is no list of services.
 */
#include "services.h"

#include <stdlib.h>

#include "file.h"

#define SERVICES_MAX (1024 * 1024)

struct service_names *services_read(void)
{
	struct service_names *names = NULL;
	char *text;
	size_t len;

	if (file_read_whole(SERVICES_FILE, SERVICES_MAX, &text, &len) == 0) {
		names = service_names_new(text, len);
		free(text);
	}
	return names;
}
