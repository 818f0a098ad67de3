/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the command line of a replay says.
 */
#ifndef PICKET_REPLAY_OPTIONS_H
#define PICKET_REPLAY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"

#define REPLAY_LOCAL_MAX 64

struct replay_ports {
	bool given; /* false: learned from the capture */
	uint8_t bits[65536 / 8];
};

struct replay_options {
	const char *file, *config; /* config NULL: the built-in defaults */
	struct prefix local[REPLAY_LOCAL_MAX];
	size_t local_count; /* 0: learned */
	struct replay_ports tcp, udp;
	bool real, json, help;
};

/* True, or false after one line on stderr that says what is wrong and what is expected. */
bool replay_options_parse(int argc, char **argv, struct replay_options *out);
bool replay_ports_has(const struct replay_ports *ports, uint16_t port);

#endif
