/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of our ports can be reached from outside: each is tried with one packet through the host's own firewall.
 */
#ifndef PICKET_CTL_REACH_H
#define PICKET_CTL_REACH_H

#include "ctl.h"
#include "inject.h"

#define REACH_PORTS_MAX 2048

struct reach_port {
	uint8_t protocol;
	uint16_t port;
	bool v6;
	struct addr to; /* unspecified: the address that we use towards outside */
	bool tried;
	enum inject_answer answer;
	int64_t took_us;
};

/* Root alone can.  0 when some could be tried, or -errno.  why: of those that could not, in words, else empty. */
int reach_try(const struct ctl_args *args, struct reach_port *ports, size_t count, char why[CTL_ERROR_MAX]);

/* From now on such packets are judged like anybody's. */
void reach_end(const struct ctl_args *args);

#endif
