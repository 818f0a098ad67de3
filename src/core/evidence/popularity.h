/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Popular dead ports: closed ports that many honest hosts still try, because of an old torrent or a service that moved.
 */
#ifndef PICKET_POPULARITY_H
#define PICKET_POPULARITY_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "hash.h"

#define POPULARITY_PORTS   16 /* popular at once */
#define POPULARITY_SOURCES 20 /* that make a port popular */

struct popularity;

struct popularity *popularity_new(const struct hash_key *key);
void popularity_free(struct popularity *popularity);
/* A source with no other evidence came to this closed port again. */
void popularity_note(struct popularity *popularity, uint8_t protocol, uint16_t port, const struct prefix *source,
		     int64_t now_ms);
bool popularity_is(const struct popularity *popularity, uint8_t protocol, uint16_t port, int64_t now_ms);

#endif
