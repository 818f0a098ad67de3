/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketd's command line by getopt(3).  A usage error is exit status 2.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"

static const char usage[] = "usage: picketd [-c FILE] [-f] [-t] [-n] [-v] [-V]\n"
			    "  -c FILE  configuration (default " CONFIG_DEFAULT_FILE ")\n"
			    "  -f       stay in the foreground, log to stderr\n"
			    "  -t       test the configuration and exit\n"
			    "  -n       observe only: tell what would be done, do nothing\n"
			    "  -v       verbose\n"
			    "  -V       version\n"
			    "  -h       this help\n"
			    "  --store-format N  rewrite what is saved for an older picket, and exit\n";

#define STORE_FORMAT_OPTION 256
#define STORE_FORMAT_MAX    9999

unsigned options_demands(const struct options *options)
{
	return (options->named ? CONFIG_NAMED : 0) | (geteuid() == 0 ? CONFIG_TRUSTED : 0);
}

/* 0, told: it is none. */
static int parse_format(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (number >= 1 && number <= STORE_FORMAT_MAX && !*end)
		return (int)number;
	fprintf(stderr, "picketd: --store-format %s: expected the number of a format\n", text);
	return 0;
}

int options_parse(int argc, char **argv, struct options *out)
{
	static const struct option words[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "store-format", required_argument, NULL, STORE_FORMAT_OPTION },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	*out = (struct options){ .file = CONFIG_DEFAULT_FILE };
	while ((letter = getopt_long(argc, argv, "c:ftnvVh", words, NULL)) != -1)
		switch (letter) {
		case 'c':
			out->file = optarg;
			out->named = true;
			break;
		case 'f': out->foreground = true; break;
		case 't': out->test = true; break;
		case 'n': out->observe = true; break;
		case 'v': out->verbose = true; break;
		case STORE_FORMAT_OPTION:
			out->store_format = parse_format(optarg);
			if (out->store_format == 0)
				return 2;
			break;
		case 'V': puts("picketd " PICKET_VERSION); return 0;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	if (optind < argc) {
		fprintf(stderr, "picketd: unexpected argument '%s'\n%s", argv[optind], usage);
		return 2;
	}
	return -1;
}
