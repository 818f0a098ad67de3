/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the allow file.  Every line is an entry, a comment or a mistake that is told; entries are prefixes
 * whose host bits are clear.  An entry that is added and taken out again leaves the file as it was, but for the end of
 * its last line.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "config.h"
#include "file.h"
#include "fuzz_place.h"

#define FILE_MOST 65536

static void count(void *context, const char *text)
{
	(void)text;
	++*(size_t *)context;
}

/* True: the file holds what it held before. */
static bool is_as_before(const char *path, const uint8_t *data, size_t size)
{
	char *text;
	size_t len;
	bool same;

	require(file_read_whole(path, FILE_MOST, &text, &len) == 0);
	same = len >= size && memcmp(text, data, size) == 0 && (len == size || (len == size + 1 && text[size] == '\n'));
	free(text);
	return same;
}

static void edit(const char *path, const uint8_t *data, size_t size)
{
	const struct prefix entry = prefix_host(&(struct addr){ { 0x20, 1, 0xd, 0xb8, 9 } });
	int result = config_allow_file_edit(path, &entry, true);

	require(result == 0 || is_as_before(path, data, size));
	if (result == 0) {
		require(config_allow_file_edit(path, &entry, true) == -EEXIST);
		require(config_allow_file_edit(path, &entry, false) == 0);
		require(is_as_before(path, data, size));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config;
	size_t mistakes = 0;
	char text[PATH_MAX + 32], path[PATH_MAX];

	fuzz_place_make();
	fuzz_place_empty();
	snprintf(path, sizeof(path), "%s/allow", fuzz_place);
	if (size > 0)
		fuzz_place_write("allow", data, size);
	fuzz_place_write("picket.conf", text, (size_t)snprintf(text, sizeof(text), "allow_file = \"%s\"\n", path));
	snprintf(text, sizeof(text), "%s/picket.conf", fuzz_place);
	config = config_read(text, CONFIG_NAMED, count, &mistakes);
	require((config == NULL) == (mistakes > 0));
	for (size_t i = 0; config && i < config->allow_count; i++) {
		struct prefix entry = config->allow[i], clean = prefix_of(&entry.addr, entry.len);

		require(entry.len <= 128 && prefix_equal(&entry, &clean));
	}
	config_free(config);
	if (size > 0 && size < FILE_MOST)
		edit(path, data, size);
	return 0;
}
