/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The traps: transparent listeners on 127.0.0.1 and ::1, to which the kernel's `trap` chain leads connections to unused
 * ports.  A trap accepts, reads a little payload, may send a banner, and closes with a reset within 3 s, so that none
 * of its connections stands in the way of a service that starts on the port.
 *
 * Limits: connections at once (TRAP_CONNECTIONS_MAX; above it the newest of the net that has the most gives way, a
 * /24 or a /48), bytes read (TRAP_PAYLOAD_MAX), time (TRAP_LIFETIME_MS).
 */
#ifndef PICKET_TRAP_H
#define PICKET_TRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <picket/probe.h>

#include "result.h"

#define TRAP_CONNECTIONS_MAX 1024
#define TRAP_PAYLOAD_MAX     512
#define TRAP_LIFETIME_MS     2000 /* longer than a program takes to speak over any distance; then the trap closes */
#define TRAP_BANNER_MAX      128

/* Called once for each visit, with a complete probe.  Returns true when the source is (now) banned or blocked:
 * the trap then closes without sending anything. */
typedef bool trap_hit_fn(void *context, const struct probe *probe);

struct trap_stats {
	uint64_t accepted, datagrams, hits, induced, unsaved;
	uint64_t evicted; /* closed early to make room */
	uint64_t errors;
	uint32_t open;
};

struct event_base;
struct trap;

/* Opens the listeners, which needs CAP_NET_ADMIN (IP_TRANSPARENT).  trap_ports() tells which families could be had.
 * 0 or -errno. */
MUST_CHECK int trap_open(bool tcp, bool udp, const char *banner, struct trap **out);
/* Starts serving in the caller's event loop.  0 or -errno. */
MUST_CHECK int trap_serve(struct trap *trap, struct event_base *base, trap_hit_fn *hit, void *context);
void trap_close(struct trap *trap);
/* Local ports chosen by the kernel, in host order; 0: no such listener. */
void trap_ports(const struct trap *trap, uint16_t *tcp4, uint16_t *tcp6, uint16_t *udp4, uint16_t *udp6);
void trap_read_stats(const struct trap *trap, struct trap_stats *out);

#endif
