/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketctl replay, told as a story: options, configuration, names of services, the replay, the report.  Needs no
 * daemon and no privilege, and changes nothing.
 */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "run.h"

#define SERVICES_FILE "/etc/services"
#define SERVICES_MAX  (1024 * 1024)

static const char usage[] =
	"usage: picketctl replay FILE.pcap [-c CONF] [--local CIDR]... [--open PORTS] [--speed max|real] [-j|--json]\n"
	"Runs picket's engine over a capture (pcap or pcapng) and says whom it would have blocked, at which packet and "
	"why.\n"
	"  -c CONF        thresholds, traps and allow list from this file (default: the built-in ones)\n"
	"  --local CIDR   addresses that are ours; may be repeated (default: learned from the capture)\n"
	"  --open PORTS   ports that real services have, like 22,80,8000-8010,53/udp, or none (default: those that "
	"answered)\n"
	"  --speed real   as slowly as it was captured (default: max)\n"
	"  -j, --json     one JSON object a source\n";

static void tell_mistake(void *context, const char *text)
{
	(void)context;
	fprintf(stderr, "picketctl: %s\n", text);
}

/* NULL when there is no such file or no memory: numbers alone, then. */
static struct service_names *read_services(void)
{
	struct service_names *names = NULL;
	FILE *file = fopen(SERVICES_FILE, "re");
	char *text = file ? malloc(SERVICES_MAX) : NULL;

	if (text)
		names = service_names_new(text, fread(text, 1, SERVICES_MAX, file));
	free(text);
	if (file)
		fclose(file);
	return names;
}

static int run(const struct replay_options *options, const struct config *config, const struct service_names *names)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	const char *error = "out of memory";
	int result = -1;

	if (replay) {
		replay->options = options;
		replay->config = config;
		replay->names = names;
		result = replay_run(replay, &error);
	}
	if (result < 0) {
		fprintf(stderr, "picketctl: %s: %s\n", options->file, error);
	} else if ((options->json ? replay_report_json(replay) : replay_report_human(replay)) < 0) {
		fprintf(stderr, "picketctl: cannot write the report\n");
		result = -1;
	} else if (replay->damage) {
		fprintf(stderr, "picketctl: %s: %s; the report covers what comes before\n", options->file,
			replay->damage);
		result = -1;
	}
	if (replay)
		replay_free(replay);
	free(replay);
	return result < 0 ? 1 : 0;
}

int ctl_replay(int argc, char **argv)
{
	struct replay_options *options = calloc(1, sizeof(*options));
	struct service_names *names = NULL;
	struct config *config = NULL;
	int status = 1;

	if (!options) {
		fprintf(stderr, "picketctl: out of memory\n");
	} else if (!replay_options_parse(argc, argv, options)) {
		fputs(usage, stderr);
		status = 2;
	} else if (options->help) {
		fputs(usage, stdout);
		status = 0;
	} else {
		/* An empty file is the default configuration: without -c a replay does not depend on this host's
		 * own. */
		config = config_read(options->config ? options->config : "/dev/null", options->config != NULL,
				     tell_mistake, NULL);
		names = read_services();
		if (config)
			status = run(options, config, names);
	}
	service_names_free(names);
	config_free(config);
	free(options);
	return status;
}
