/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the allow file.  Every line is an entry, a comment or a mistake that is told; entries are prefixes
 * whose host bits are clear.
 */
#include <string.h>

#include "config.h"
#include "fuzz.h"

static void count(void *context, const char *text)
{
	(void)text;
	++*(size_t *)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_file file, settings;
	struct config *config;
	size_t mistakes = 0;
	char text[64];

	fuzz_file_write(&file, data, size);
	snprintf(text, sizeof(text), "allow_file = \"%s\"\n", file.path);
	fuzz_file_write(&settings, text, strlen(text));
	config = config_read(settings.path, CONFIG_NAMED, count, &mistakes);
	require((config == NULL) == (mistakes > 0));
	for (size_t i = 0; config && i < config->allow_count; i++) {
		struct prefix entry = config->allow[i], clean = prefix_of(&entry.addr, entry.len);

		require(entry.len <= 128 && prefix_equal(&entry, &clean));
	}
	config_free(config);
	return 0;
}
