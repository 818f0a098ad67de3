/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketd: reads the command line and the configuration, and then serves, here or in the background.
 */
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "options.h"
#include "supervisor/supervisor.h"

#define MAPPED_FROM (128 * 1024) /* bytes */
#define KEPT_FREE   (512 * 1024) /* more than a transaction or a dump needs for a moment */

struct start {
	struct options options;
	struct config *config;
	char file[PATH_MAX];
};

static void tell_mistake(void *context, const char *text)
{
	(void)context;
	fprintf(stderr, "%s\n", text);
}

/* The option -n wins over the file. */
static struct config *read_config(const struct options *options)
{
	struct config *config = config_read(options->file, options_demands(options), tell_mistake, NULL);

	if (config && options->observe)
		config->engine.observe = 1;
	return config;
}

static int serve(void *context, int ready_fd, unsigned attempt)
{
	struct start *start = context;
	/* After a restart the file counts as it is now, if it has no mistake. */
	struct config *anew = attempt > 0 ? read_config(&start->options) : NULL;

	return supervisor_run(&start->options, anew ? anew : start->config, ready_fd);
}

int main(int argc, char **argv)
{
	struct start start;
	int status = options_parse(argc, argv, &start.options);

	/* Large tables are mappings of their own: untouched pages cost nothing, and what is freed goes back.  Left to
	 * itself the C library raises this limit with each large piece that is freed, up to 32 MB. */
	mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
	mallopt(M_TRIM_THRESHOLD, KEPT_FREE);
	if (status >= 0)
		return status;
	start.config = read_config(&start.options);
	if (!start.config)
		return 2;
	if (start.options.test) {
		printf("%s: ok\n", start.options.file);
		config_free(start.config);
		return 0;
	}
	if (geteuid() != 0) {
		fputs("picketd: must be started as root (it gives up what it does not need)\n", stderr);
		return 1;
	}
	if (start.options.store_format) {
		status = supervisor_write_older(start.config, start.options.store_format);
		config_free(start.config);
		return status;
	}
	/* A reload reads the same file, whatever the working directory is then. */
	if (realpath(start.options.file, start.file))
		start.options.file = start.file;
	if (!start.options.foreground && !getenv("NOTIFY_SOCKET"))
		return background_run(start.config, serve, &start);
	start.options.log_fd = supervisor_log_fd();
	if (start.options.log_fd < 0) {
		fprintf(stderr, "picketd: cannot open standard error for the log: %s\n",
			strerror(-start.options.log_fd));
		return 1;
	}
	if (supervisor_confine(start.config) < 0)
		return 1;
	status = serve(&start, -1, 0);
	return status == SUPERVISOR_NOT_STARTED ? 1 : status;
}
