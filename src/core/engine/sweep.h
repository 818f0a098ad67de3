/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scan spread over many sources: each tries a port or two, together they sweep.
 */
#ifndef PICKET_SWEEP_H
#define PICKET_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#define SWEEP_SOURCES   10
#define SWEEP_PORTS     20
#define SWEEP_WINDOW_MS 600000LL
#define SWEEP_QUIET_MS  3600000LL /* told once in this time */

struct sweep;

struct sweep *sweep_new(void);
void sweep_free(struct sweep *sweep);
/* A source, of this keyed hash, that has tried one or two ports tried this one. */
void sweep_note(struct sweep *sweep, uint32_t source_hash, uint16_t port, int64_t now_ms);
/* Is a sweep to be told?  Then how many sources and ports, at least. */
bool sweep_tell(struct sweep *sweep, int64_t now_ms, uint16_t *sources, uint16_t *ports);

#endif
