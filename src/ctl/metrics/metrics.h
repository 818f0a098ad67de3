/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `metrics` prints: rows out of the object that `status --json` shows.
 */
#ifndef PICKET_CTL_METRICS_H
#define PICKET_CTL_METRICS_H

#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

struct metric {
	const char *name, *type, *help; /* help NULL: one more series of the row above */
	const char *section, *key;      /* key NULL: every counter of the section, its name as the label */
	const char *label;              /* with key: label="value"; without: the label's name */
	const char *value;
};

extern const struct metric metrics[];
extern const size_t metric_count;

/* All of it, in Prometheus' text format 0.0.4. */
void metrics_print(FILE *out, const json_t *status);

#endif
