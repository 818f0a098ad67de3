/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketd's command line.
 */
#ifndef PICKET_OPTIONS_H
#define PICKET_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *file; /* the configuration */
	bool named;       /* by -c */
	bool foreground;  /* -f: stay, log to stderr */
	bool test;        /* -t: check the configuration and exit */
	bool observe;     /* -n */
	bool verbose;     /* -v */
	int store_format; /* --store-format: rewrite the saved state for an older picket and exit; 0: no */
	int log_fd;       /* in the foreground: where the keeper writes its lines */
};

/* What the configuration must be (enum config_demand).  Where we are not root, nobody obeys it: it is tested alone. */
unsigned options_demands(const struct options *options);
/* -1: go on; else the status to exit with (all has been said). */
int options_parse(int argc, char **argv, struct options *out);

#endif
