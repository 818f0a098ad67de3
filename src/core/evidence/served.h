/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which ports a local service answered on within 30 days.  Clients keep coming after a service has gone: what they
 * send to its port is no evidence.
 */
#ifndef PICKET_SERVED_H
#define PICKET_SERVED_H

#include <stdbool.h>
#include <stdint.h>

#define SERVED_MEMORY_S (30 * 86400)

struct served;

struct served *served_new(void);
void served_free(struct served *served);
void served_note(struct served *served, uint8_t protocol, uint16_t port, int64_t now_ms);
/* The next port that was ever noted, from *cursor on; moves it past that.  False: no more. */
bool served_next(const struct served *served, uint32_t *cursor, uint8_t *protocol, uint16_t *port, int64_t *last_ms);
bool served_is(const struct served *served, uint8_t protocol, uint16_t port, int64_t now_ms);

#endif
