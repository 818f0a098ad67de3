/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the last 256 probes of sources that tried one or two ports, and looks at each tick whether they add up to a
 * sweep.  A shared scan differs from the noise of the internet in that its members hardly try the same port twice;
 * in the noise, most sources try 22 and 23.  A sweep is reported; nothing is blocked for it.
 */
#include "sweep.h"

#include <stdlib.h>

#define NOTES 256

struct note {
	int64_t at_ms;
	uint32_t source;
	uint16_t port;
};

struct sweep {
	struct note notes[NOTES];
	unsigned next;
	bool changed;
	int64_t quiet_until_ms;
};

struct sweep *sweep_new(void)
{
	return calloc(1, sizeof(struct sweep));
}

void sweep_free(struct sweep *sweep)
{
	free(sweep);
}

void sweep_note(struct sweep *sweep, uint32_t source_hash, uint16_t port, int64_t now_ms)
{
	sweep->notes[sweep->next] = (struct note){
		.at_ms = now_ms,
		.source = source_hash,
		.port = port,
	};
	sweep->next = (sweep->next + 1) % NOTES;
	sweep->changed = true;
}

/* Sorts in place: qsort() may allocate. */
static unsigned count_distinct(uint32_t *values, unsigned count)
{
	unsigned distinct = 0;

	for (unsigned i = 1; i < count; i++) {
		uint32_t value = values[i];
		unsigned at = i;

		for (; at > 0 && values[at - 1] > value; at--)
			values[at] = values[at - 1];
		values[at] = value;
	}
	for (unsigned i = 0; i < count; i++)
		distinct += i == 0 || values[i] != values[i - 1];
	return distinct;
}

bool sweep_tell(struct sweep *sweep, int64_t now_ms, uint16_t *sources, uint16_t *ports)
{
	uint32_t sources_of[NOTES], ports_of[NOTES];
	unsigned count = 0, distinct_sources, distinct_ports;

	if (!sweep->changed || now_ms < sweep->quiet_until_ms)
		return false;
	sweep->changed = false;
	for (unsigned i = 0; i < NOTES; i++) {
		const struct note *note = &sweep->notes[i];

		if (note->at_ms == 0 || now_ms - note->at_ms > SWEEP_WINDOW_MS)
			continue;
		sources_of[count] = note->source;
		ports_of[count++] = note->port;
	}
	if (count < SWEEP_PORTS)
		return false;
	distinct_sources = count_distinct(sources_of, count);
	distinct_ports = count_distinct(ports_of, count);
	if (distinct_sources < SWEEP_SOURCES || distinct_ports < SWEEP_PORTS || distinct_ports * 5 < count * 4)
		return false;
	*sources = (uint16_t)distinct_sources;
	*ports = (uint16_t)distinct_ports;
	sweep->quiet_until_ms = now_ms + SWEEP_QUIET_MS;
	return true;
}
