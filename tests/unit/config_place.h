/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory with configuration files, for the tests of the configuration: made for each case and removed after it.
 */
#ifndef PICKET_TEST_CONFIG_PLACE_H
#define PICKET_TEST_CONFIG_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config.h"

struct place {
	char directory[64], file[96], other[96], allow[96];
	char told[8192];
	size_t count;
};

static inline void tell(void *context, const char *text)
{
	struct place *place = context;
	size_t used = strlen(place->told);

	place->count++;
	snprintf(place->told + used, sizeof(place->told) - used, "%s\n", text);
}

static inline void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static inline int arrange(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	char conf_d[80];

	assert_non_null(place);
	strcpy(place->directory, "/tmp/picket-config-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->file, sizeof(place->file), "%s/picket.conf", place->directory);
	snprintf(place->allow, sizeof(place->allow), "%s/allow", place->directory);
	snprintf(place->other, sizeof(place->other), "%s/conf.d/10-more.conf", place->directory);
	snprintf(conf_d, sizeof(conf_d), "%s/conf.d", place->directory);
	assert_int_equal(mkdir(conf_d, 0700), 0);
	*state = place;
	return 0;
}

static inline int clear(void **state)
{
	struct place *place = *state;
	char conf_d[80];

	snprintf(conf_d, sizeof(conf_d), "%s/conf.d", place->directory);
	unlink(place->file);
	unlink(place->other);
	unlink(place->allow);
	rmdir(conf_d);
	assert_int_equal(rmdir(place->directory), 0);
	free(place);
	return 0;
}

static inline struct config *read_text(struct place *place, const char *text)
{
	place->told[0] = '\0';
	place->count = 0;
	put(place->file, text);
	return config_read(place->file, CONFIG_NAMED, tell, place);
}

#endif
