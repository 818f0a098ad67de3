/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper's lasting memory: the store behind history, and what goes to the sentry after a start and comes from
 * it before a stop.
 */
#ifndef PICKET_KEEPER_MEMORY_H
#define PICKET_KEEPER_MEMORY_H

#include "journal/journal.h"
#include "store/store.h"
#include "wire/wire.h"

struct memory;

struct memory *memory_open(const char *state_dir, struct journal *journal, int64_t now_ms); /* NULL: out of memory */
void memory_close(struct memory *memory);
void memory_event(struct memory *memory, const struct event *event);
/* Once a second. */
void memory_tick(struct memory *memory, int64_t now_ms);
/* All that is remembered, to a sentry that has just come to life. Waits for it to read, MEMORY_PATIENCE_MS at a
 * time. */
void memory_restore(struct memory *memory, int sentry_fd, int64_t now_ms);
/* A WIRE_MEMORY_... message of the sentry: to be remembered. */
void memory_save(struct memory *memory, const struct wire_message *message, int64_t now_ms);
/* The history; NULL while the store cannot be used. */
struct store *memory_history(struct memory *memory);

#endif
