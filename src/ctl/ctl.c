/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketctl from the outside: exit codes, help, and which command runs.
 */
#include "ctl.h"

static void help_all(FILE *out)
{
	fputs("usage: picketctl [-s SOCKET] [-j|--json] COMMAND\n\n", out);
	for (const struct ctl_command *command = ctl_commands; command->name; command++)
		fprintf(out, "  %-9s %s\n", command->name, command->summary);
	fputs("\n  -s SOCKET   the daemon's control socket (or PICKET_SOCKET; " CTL_SOCKET ")\n"
	      "  -j, --json  one JSON object, or one a line where the answer is a list\n"
	      "  -h, --help  this list, or more about the command\n\n"
	      "Durations are written 90s, 10m, 4h, 1d. Exit status: 0 done, 1 failed or nothing such, 2 usage, 3 no "
	      "daemon.\n"
	      "`picketctl help COMMAND` tells more; so does picketctl(8).\n",
	      out);
}

static void help_command(FILE *out, const struct ctl_command *command)
{
	fprintf(out, "usage: picketctl %s%s%s\n\n%s.\n", command->name, *command->syntax ? " " : "", command->syntax,
		command->summary);
	if (*command->details)
		fprintf(out, "%s\n", command->details);
}

enum ctl_exit run_help(const struct ctl_args *args)
{
	const struct ctl_command *command;

	if (args->word_count == 0) {
		help_all(stdout);
		return CTL_DONE;
	}
	command = ctl_command_find(args->words[0]);
	if (!command)
		return ctl_complain(CTL_USAGE, "unknown command '%.40s'", args->words[0]);
	help_command(stdout, command);
	return CTL_DONE;
}

enum ctl_exit run_version(const struct ctl_args *args)
{
	json_t *answer = NULL;
	const char *daemon;

	/* The client has a version also where there is no daemon. */
	ctl_fetch(args, ctl_request("version", NULL), true, &answer);
	daemon = json_words(answer, "version", NULL);
	if (ctl_given(args, CTL_OPTION_JSON)) {
		ctl_print_json(json_pack("{s:s, s:s?}", "picketctl", PICKET_VERSION, "picketd", daemon));
	} else {
		printf("picketctl %s\n", PICKET_VERSION);
		if (daemon)
			printf("picketd %s\n", daemon);
		else
			printf("picketd: none answers on %s\n", args->socket);
	}
	json_decref(answer);
	return CTL_DONE;
}

static enum ctl_exit run_command(const struct ctl_args *args)
{
	const struct ctl_command *command = args->command;
	char error[CTL_ERROR_MAX];
	json_t *request;

	if (command->run)
		return command->run(args);
	request = command->build(args, error);
	if (!request)
		return ctl_complain(CTL_USAGE, "%s", error);
	return ctl_show(args, request, ctl_command_shape(args));
}

int ctl_main(int argc, char **argv)
{
	struct ctl_sources sources = { .file = NULL };
	struct ctl_args args;
	char error[CTL_ERROR_MAX];

	if (ctl_args_parse(argc, argv, &args, error) < 0) {
		ctl_complain(CTL_USAGE, "%s", error);
		if (args.command)
			fprintf(stderr, "usage: picketctl %s%s%s\n", args.command->name,
				*args.command->syntax ? " " : "", args.command->syntax);
		else
			fputs("`picketctl help` lists the commands\n", stderr);
		return CTL_USAGE;
	}
	args.sources = &sources;
	if (ctl_given(&args, CTL_OPTION_HELP)) {
		if (args.command)
			help_command(stdout, args.command);
		else
			help_all(stdout);
		return CTL_DONE;
	}
	if (ctl_given(&args, CTL_OPTION_VERSION))
		return run_version(&args);
	return run_command(&args);
}
