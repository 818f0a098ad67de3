/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the configuration: the input is picket.conf.  A file is either taken as a whole, or at least one
 * mistake is told, each on one line.
 */
#include <string.h>

#include "config.h"
#include "fuzz.h"

static void count(void *context, const char *text)
{
	require(strchr(text, '\n') == NULL);
	++*(size_t *)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_file file;
	struct config *config;
	size_t mistakes = 0;

	fuzz_file_write(&file, data, size);
	config = config_read(file.path, CONFIG_NAMED, count, &mistakes);
	require((config == NULL) == (mistakes > 0));
	if (config) {
		require(config->allow_count <= ENGINE_ALLOW_MAX);
		require(config->hook_count <= CONFIG_HOOKS_MAX);
	}
	config_free(config);
	return 0;
}
