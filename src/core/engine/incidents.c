/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of incidents and their sizes.  Numbers rise over restarts as far as restored blocks and sources tell; sizes
 * are kept for the newest ones alone.
 */
#include "incidents.h"

#include <stdlib.h>

#define REMEMBERED 1024

struct incidents {
	uint32_t last;
	struct {
		uint32_t id;
		uint16_t sources;
	} sizes[REMEMBERED];
};

struct incidents *incidents_new(void)
{
	return calloc(1, sizeof(struct incidents));
}

void incidents_free(struct incidents *incidents)
{
	free(incidents);
}

uint32_t incidents_begin(struct incidents *incidents)
{
	uint32_t id = ++incidents->last;

	if (id == 0)
		id = incidents->last = 1;
	incidents->sizes[id % REMEMBERED].id = id;
	incidents->sizes[id % REMEMBERED].sources = 1;
	return id;
}

void incidents_join(struct incidents *incidents, uint32_t id)
{
	if (incidents->sizes[id % REMEMBERED].id == id && incidents->sizes[id % REMEMBERED].sources < UINT16_MAX)
		incidents->sizes[id % REMEMBERED].sources++;
}

uint16_t incidents_sources(const struct incidents *incidents, uint32_t id)
{
	return incidents->sizes[id % REMEMBERED].id == id && id ? incidents->sizes[id % REMEMBERED].sources : 1;
}

void incidents_taken(struct incidents *incidents, uint32_t id)
{
	/* A number far above everything would leave none: it comes from a file. */
	if (id > incidents->last && id < UINT32_MAX / 2)
		incidents->last = id;
}
