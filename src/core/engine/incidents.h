/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Incidents: one scan as an admin would name it.  A number, and how many sources share it.
 */
#ifndef PICKET_INCIDENTS_H
#define PICKET_INCIDENTS_H

#include <stdint.h>

struct incidents;

struct incidents *incidents_new(void);
void incidents_free(struct incidents *incidents);
/* A new one, of one source.  Never 0. */
uint32_t incidents_begin(struct incidents *incidents);
/* One more source shares it. */
void incidents_join(struct incidents *incidents, uint32_t id);
/* At least 1; exact for the newest 1,024. */
uint16_t incidents_sources(const struct incidents *incidents, uint32_t id);
/* A restored number is taken: go on above it. */
void incidents_taken(struct incidents *incidents, uint32_t id);

#endif
