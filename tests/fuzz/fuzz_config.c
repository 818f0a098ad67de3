/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the configuration: the input is picket.conf, then, behind the first vertical tab, a file in conf.d,
 * then, behind a second one, both in one at a reload.  Files are either taken as a whole, or at least one mistake is
 * told, each on one line of printable text.
 */
#include <stdbool.h>
#include <string.h>

#include "config.h"
#include "fuzz_place.h"

#define SEPARATOR '\v'

struct told {
	size_t mistakes;
};

static void count(void *context, const char *text)
{
	struct told *told = context;
	const char *words = text + strcspn(text, ":");

	for (const char *c = text; *c; c++)
		require(*c >= 0x20 && *c <= 0x7e);
	/* Behind the file and the line; a value may say so as well. */
	words += strspn(words, ":0123456789");
	told->mistakes += strncmp(words, " warning: ", 10) != 0;
}

static void look_at(const struct config *config, const struct told *told)
{
	require((config == NULL) == (told->mistakes > 0));
	if (!config)
		return;
	require(config->allow_count <= ENGINE_ALLOW_MAX);
	require(config->hook_count <= CONFIG_HOOKS_MAX);
	for (size_t i = 0; i < config->hook_count; i++)
		require(memchr(config->hooks[i].name, 0, sizeof(config->hooks[i].name)) != NULL);
}

/* Cuts the next file off. */
static size_t cut(const uint8_t **data, size_t *size, const uint8_t **file)
{
	const uint8_t *end = *size ? memchr(*data, SEPARATOR, *size) : NULL;
	size_t len = end ? (size_t)(end - *data) : *size;

	*file = *data;
	*data += len + (end != NULL);
	*size -= len + (end != NULL);
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told told = { 0 };
	struct config *config, *later;
	const uint8_t *file;
	char path[PATH_MAX];
	size_t len;

	if (fuzz_place_make()) {
		snprintf(path, sizeof(path), "%s/conf.d", fuzz_place);
		require(mkdir(path, 0700) == 0);
	}
	snprintf(path, sizeof(path), "%s/picket.conf", fuzz_place);
	len = cut(&data, &size, &file);
	fuzz_place_write("picket.conf", file, len);
	len = cut(&data, &size, &file);
	fuzz_place_write("conf.d/10.conf", file, len);
	config = config_read(path, CONFIG_NAMED, count, &told);
	look_at(config, &told);
	if (config && size > 0) {
		told.mistakes = 0;
		fuzz_place_write("picket.conf", data, size);
		later = config_reread(config, path, CONFIG_NAMED | CONFIG_TRUSTED, count, &told);
		look_at(later, &told);
		config_free(later);
	}
	config_free(config);
	return 0;
}
