/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of commands, and how each one's arguments become a request.  Addresses and durations are checked here too,
 * so that a slip of the finger is a usage error (2) and needs no daemon.
 */
#include "ctl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "doctor/doctor.h"
#include "duration.h"
#include "metrics/metrics.h"
#include "replay/replay.h"

#define LIMIT_ALL    65536
#define EVENTS_SHOWN 20
#define LINES_TOLD   100 /* of a file, that are wrong */

static json_t *refuse(json_t *request, char error[CTL_ERROR_MAX], const char *what, const char *value, const char *why)
{
	json_decref(request);
	snprintf(error, CTL_ERROR_MAX, "%s '%.60s': %s", what, value, why);
	return NULL;
}

/* Each of these adds one field to a request; of NULL it makes NULL. */

static json_t *with_source(json_t *request, const char *text, char error[CTL_ERROR_MAX])
{
	struct prefix prefix;
	const char *why;

	if (!prefix_parse(text, &prefix, &why))
		return refuse(request, error, "address", text, why);
	json_object_set_new(request, "source", json_string(text));
	return request;
}

/* One line of a file: an address or a prefix, and a comment.  False: it is none of that, which has been told. */
static bool take_line(const struct ctl_args *args, char *line, unsigned number, json_t *array)
{
	struct prefix prefix;
	const char *why, *word;

	line[strcspn(line, "#")] = '\0';
	word = strtok(line, " \t\r\n");
	if (!word)
		return true;
	if (strtok(NULL, " \t\r\n"))
		why = "more than one word, expected one address or prefix a line";
	else if (prefix_parse(word, &prefix, &why) && json_array_size(array) >= CTL_SOURCES_MAX)
		why = "too many, expected 16384 in one order at most";
	if (why) {
		ctl_complain(CTL_USAGE, "%s:%u: '%.60s': %s", args->sources->file, number, word, why);
		return false;
	}
	args->sources->lines[json_array_size(array)] = number;
	json_array_append_new(array, json_string(word));
	return true;
}

static bool take_file(const struct ctl_args *args, json_t *array, char error[CTL_ERROR_MAX])
{
	const char *path = args->values[CTL_OPTION_FILE];
	bool from_stdin = strcmp(path, "-") == 0;
	FILE *file = from_stdin ? stdin : fopen(path, "re");
	unsigned number = 0, wrong = 0;
	char *line = NULL;
	size_t room = 0;

	if (!file) {
		snprintf(error, CTL_ERROR_MAX, "--file '%.60s': %s, expected a file with one address or prefix a line",
			 path, strerror(errno));
		return false;
	}
	args->sources->file = from_stdin ? "standard input" : path;
	while (wrong < LINES_TOLD && getline(&line, &room, file) >= 0)
		wrong += !take_line(args, line, ++number, array);
	free(line);
	if (wrong || ferror(file) || json_array_size(array) == 0)
		snprintf(error, CTL_ERROR_MAX, "%.60s: %s; nothing was done", args->sources->file,
			 wrong == LINES_TOLD ? "more is wrong than is told"
			 : wrong             ? "lines are wrong"
			 : ferror(file)      ? "it cannot be read"
					     : "no address, expected one a line");
	if (!from_stdin)
		fclose(file);
	return !*error;
}

/* The words from the first on, or those of the file: as "source" where there is one word, else as "sources". */
static json_t *with_sources(json_t *request, const struct ctl_args *args, int first, char error[CTL_ERROR_MAX])
{
	bool file = ctl_given(args, CTL_OPTION_FILE);
	json_t *array;

	*error = '\0';
	if (args->word_count == first + 1 && !file)
		return with_source(request, args->words[first], error);
	if (file == (args->word_count > first)) {
		json_decref(request);
		snprintf(error, CTL_ERROR_MAX, "%s: expected ADDR[/LEN] ... or --file", args->command->name);
		return NULL;
	}
	array = json_array();
	json_object_set_new(request, "sources", array);
	if (file && !take_file(args, array, error)) {
		json_decref(request);
		return NULL;
	}
	for (int i = first; i < args->word_count; i++) {
		struct prefix prefix;
		const char *why;

		if (i - first == CTL_SOURCES_MAX)
			return refuse(request, error, "address", args->words[i], "too many, expected 16384 at most");
		if (!prefix_parse(args->words[i], &prefix, &why))
			return refuse(request, error, "address", args->words[i], why);
		json_array_append_new(array, json_string(args->words[i]));
	}
	return request;
}

static json_t *with_seconds(json_t *request, const struct ctl_args *args, enum ctl_option option, const char *field,
			    char error[CTL_ERROR_MAX])
{
	const char *text = args->values[option];
	int64_t ms;

	if (!request || !ctl_given(args, option))
		return request;
	if (!duration_parse(text, &ms) || ms < 1000)
		return refuse(request, error, ctl_option_name(option), text,
			      "expected a duration of 1s or more such as 10m, 4h or 1d");
	json_object_set_new(request, field, json_integer(ms / 1000));
	return request;
}

static json_t *with_limit(json_t *request, const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	const char *text = args->values[CTL_OPTION_LIMIT];
	char *end;
	long number;

	if (!request || !ctl_given(args, CTL_OPTION_LIMIT))
		return request;
	number = strtol(text, &end, 10);
	if (*end || end == text || number < 1 || number > LIMIT_ALL)
		return refuse(request, error, "--limit", text, "expected a number from 1 to 65536");
	json_object_set_new(request, "limit", json_integer(number));
	return request;
}

static void set_flag(json_t *request, const struct ctl_args *args, enum ctl_option option, const char *field)
{
	if (request && ctl_given(args, option))
		json_object_set_new(request, field, json_true());
}

/* ---- one function a command ---- */

static json_t *build_plain(const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	(void)error;
	return ctl_request(args->command->name, NULL);
}

static json_t *build_source(const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	return with_source(ctl_request(args->command->name, NULL), args->words[0], error);
}

static json_t *build_sources(const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	json_t *request = with_limit(ctl_request("sources", NULL), args, error);

	if (request && ctl_given(args, CTL_OPTION_ALL) && ctl_given(args, CTL_OPTION_LIMIT))
		return refuse(request, error, "sources", "", "expected --limit or --all, not both");
	if (request && ctl_given(args, CTL_OPTION_ALL))
		json_object_set_new(request, "limit", json_integer(LIMIT_ALL));
	return request;
}

static json_t *build_block(const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	json_t *request = with_seconds(with_sources(ctl_request("block", NULL), args, 0, error), args, CTL_OPTION_FOR,
				       "for_s", error);
	const char *reason = args->values[CTL_OPTION_REASON];
	char caller[64];

	if (!request)
		return NULL;
	if (reason) {
		json_t *text = json_string(reason);

		if (!text || !*reason)
			return refuse(request, error, "--reason", "", "expected printable ASCII text");
		json_object_set_new(request, "reason", text);
	}
	set_flag(request, args, CTL_OPTION_FORCE, "force");
	if (ctl_caller(caller))
		json_object_set_new(request, "caller", json_string(caller));
	return request;
}

static json_t *build_unblock(const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	bool some = args->word_count > 0 || ctl_given(args, CTL_OPTION_FILE);
	json_t *request;

	if (some == ctl_given(args, CTL_OPTION_ALL)) {
		snprintf(error, CTL_ERROR_MAX, "unblock: expected ADDR[/LEN] ..., --file or --all");
		return NULL;
	}
	request = ctl_request("unblock", NULL);
	set_flag(request, args, CTL_OPTION_ALL, "all");
	return some ? with_sources(request, args, 0, error) : request;
}

/* `allow` is one command with several actions, whose answers are shown each in their own way. */
static const struct action {
	const char *name, *command;
	unsigned options;
	bool source;
	const struct ctl_shape *shape;
} actions[] = {
	{ "add", "allow-add", CTL_BIT(FOR) | CTL_BIT(SAVE) | CTL_BIT(FILE), true, &shape_allow },
	{ "del", "allow-del", CTL_BIT(SAVE) | CTL_BIT(FILE), true, &shape_allow },
	{ "list", "allow-list", 0, false, &shape_allow_list },
	{ "check", "allow-check", 0, true, &shape_allow_check },
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(name, actions[i].name) == 0)
			return &actions[i];
	return NULL;
}

static json_t *build_allow(const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	const struct action *action = find_action(args->words[0]);
	const unsigned both = CTL_BIT(FOR) | CTL_BIT(SAVE);
	unsigned foreign = action ? args->given & (both | CTL_BIT(FILE)) & ~action->options : 0;
	bool many = action && action->options & CTL_BIT(FILE);
	bool one = args->word_count == 2 && !ctl_given(args, CTL_OPTION_FILE);
	json_t *request;

	if (!action)
		return refuse(NULL, error, "allow", args->words[0], "expected add, del, list or check");
	if (foreign)
		snprintf(error, CTL_ERROR_MAX, "allow %s takes no %s", action->name,
			 foreign & CTL_BIT(FOR)    ? "--for"
			 : foreign & CTL_BIT(SAVE) ? "--save"
						   : "--file");
	else if (!many && args->word_count != 1 + action->source)
		snprintf(error, CTL_ERROR_MAX, "allow %s: expected %s", action->name,
			 action->source ? "one ADDR[/LEN]" : "nothing more");
	else if ((args->given & both) == both)
		snprintf(error, CTL_ERROR_MAX, "allow add: what is saved holds for good: --for or --save, not both");
	else if (args->given & CTL_BIT(SAVE) && !one)
		snprintf(error, CTL_ERROR_MAX,
			 "allow %s: --save takes one ADDR[/LEN]; write a list into the allow file, and reload",
			 action->name);
	else {
		request = with_seconds(ctl_request(action->command, NULL), args, CTL_OPTION_FOR, "for_s", error);
		set_flag(request, args, CTL_OPTION_SAVE, "save");
		return request && many             ? with_sources(request, args, 1, error)
		       : request && action->source ? with_source(request, args->words[1], error)
						   : request;
	}
	return NULL;
}

static json_t *build_mode(const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	if (strcmp(args->words[0], "observe") != 0 && strcmp(args->words[0], "block") != 0)
		return refuse(NULL, error, "mode", args->words[0], "expected observe or block");
	return json_pack("{s:s, s:s}", "cmd", "mode", "mode", args->words[0]);
}

static json_t *build_pause(const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	return with_seconds(ctl_request("pause", NULL), args, CTL_OPTION_FOR, "for_s", error);
}

static json_t *build_history(const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	json_t *request = with_limit(
		with_seconds(ctl_request("history", NULL), args, CTL_OPTION_SINCE, "since_s", error), args, error);

	return request && args->word_count ? with_source(request, args->words[0], error) : request;
}

static json_t *build_events(const struct ctl_args *args, char error[CTL_ERROR_MAX])
{
	json_t *request = with_limit(ctl_request("events", NULL), args, error);

	if (request && !ctl_given(args, CTL_OPTION_LIMIT))
		json_object_set_new(request, "limit", json_integer(EVENTS_SHOWN));
	set_flag(request, args, CTL_OPTION_FOLLOW, "follow");
	return request;
}

const struct ctl_command ctl_commands[] = {
	{ .name = "status",
	  .syntax = "[--all]",
	  .summary = "mode, sensors, counts, losses, who is protected",
	  .details = "--all shows every protected address.",
	  .options = CTL_BIT(ALL),
	  .build = build_plain,
	  .shape = &shape_status },
	{ .name = "list",
	  .syntax = "",
	  .summary = "who is veiled, banned or blocked: time left, since, times seen, reason",
	  .details = "  veil   on suspicion, which can be forged: new connections wait for a repeat of their SYN\n"
		     "  ban    on proof, silent visits to five families of traps: nothing new is let in\n"
		     "  block  an admin's word: everything is dropped, what runs included\n"
		     "A veil ends when its score has fallen; LEFT is how long it can last without new evidence.",
	  .build = build_plain,
	  .shape = &shape_list },
	{ .name = "sources",
	  .syntax = "[--limit N | --all]",
	  .summary = "watched sources, highest score first",
	  .details = "NEXT is the next grade and how many nats are missing. 100 are shown where nothing else is asked "
		     "for.",
	  .options = CTL_BIT(LIMIT) | CTL_BIT(ALL),
	  .build = build_sources,
	  .shape = &shape_sources },
	{ .name = "explain",
	  .syntax = "ADDR[/LEN]",
	  .summary = "why: every piece of evidence, its weight and age, the safeguards",
	  .details = "WEIGHT is what a piece counted when it was seen, NOW what is left of it. The sum is the score.\n"
		     "Exit status 1 when nothing at all is known of the address.",
	  .words = { 1, 1 },
	  .build = build_source,
	  .shape = &shape_explain },
	{ .name = "block",
	  .syntax = "ADDR[/LEN] ... | --file FILE [--for DUR] [--reason TEXT] [--force]",
	  .summary = "drop everything from a source",
	  .details = "Without --for it holds until it is unblocked. Everything from the source is dropped, what runs "
		     "included.\n"
		     "Own, protected and your own address and prefixes shorter than /8 (IPv6: /32) need --force.\n"
		     "Allowed addresses are never blocked: take them off the allow list first.\n"
		     "--file reads one address or prefix a line, # comments; - is standard input. Of many all are\n"
		     "blocked, or none, and each that cannot be is named with its line.",
	  .options = CTL_BIT(FOR) | CTL_BIT(REASON) | CTL_BIT(FORCE) | CTL_BIT(FILE),
	  .words = { 0, INT_MAX },
	  .build = build_block,
	  .shape = &shape_block },
	{ .name = "unblock",
	  .syntax = "ADDR[/LEN] ... | --file FILE | --all",
	  .summary = "lift a veil, a ban or a block, and forget the score",
	  .details =
		  "It acts at once. An address inside a veiled net is freed of that veil for a day.\n"
		  "Exit status 1 when there is nothing to lift. Of many, or with --file, those that stand are lifted.",
	  .options = CTL_BIT(ALL) | CTL_BIT(FILE),
	  .words = { 0, INT_MAX },
	  .build = build_unblock,
	  .shape = &shape_unblock },
	{ .name = "allow",
	  .syntax = "add|del|list|check [ADDR[/LEN] ... | --file FILE] [--for DUR] [--save]",
	  .summary = "the allow list: never judged, veiled, banned or blocked, and past the traps",
	  .details = "  add    allow a source and lift what stands on it; --for ends it, --save also writes it to "
		     "the allow file\n"
		     "  del    take it off; --save takes it out of the allow file too\n"
		     "  list   what is allowed, until when, and who said so\n"
		     "  check  exit status 0 when the address is allowed, 1 when it is not",
	  .options = CTL_BIT(FOR) | CTL_BIT(SAVE) | CTL_BIT(FILE),
	  .words = { 1, INT_MAX },
	  .build = build_allow,
	  .shape = &shape_allow },
	{ .name = "mode",
	  .syntax = "observe|block",
	  .summary = "only tell (observe), or veil, ban and block (block)",
	  .details = "Holds until the next reload or restart; the configuration file says what holds then.",
	  .words = { 1, 1 },
	  .build = build_mode,
	  .shape = &shape_mode },
	{ .name = "pause",
	  .syntax = "[--for DUR]",
	  .summary = "the emergency brake: nothing of picket touches a packet",
	  .details = "Bans and blocks keep running out meanwhile. Without --for it holds until `picketctl resume`.",
	  .options = CTL_BIT(FOR),
	  .build = build_pause,
	  .shape = &shape_mode },
	{ .name = "resume",
	  .syntax = "",
	  .summary = "end a pause",
	  .details = "Exit status 1 when picket is not paused.",
	  .build = build_plain,
	  .shape = &shape_mode },
	{ .name = "history",
	  .syntax = "[ADDR[/LEN]] [--since DUR] [--limit N]",
	  .summary = "what was decided, when, why",
	  .details = "Oldest first. --limit shows the newest N.",
	  .options = CTL_BIT(SINCE) | CTL_BIT(LIMIT),
	  .words = { 0, 1 },
	  .build = build_history,
	  .shape = &shape_events },
	{ .name = "events",
	  .syntax = "[-f|--follow] [--limit N]",
	  .summary = "the latest decisions, and with --follow those to come",
	  .details = "Begins with the newest 20. Interrupt it to end.",
	  .options = CTL_BIT(FOLLOW) | CTL_BIT(LIMIT),
	  .build = build_events,
	  .shape = &shape_events },
	{ .name = "reload",
	  .syntax = "",
	  .summary = "read the configuration again",
	  .details = "All of it or nothing: mistakes are listed, the status is 1, and the old configuration runs on.\n"
		     "Scores, veils, bans and blocks stay.",
	  .build = build_plain,
	  .shape = &shape_reload },
	{ .name = "doctor",
	  .syntax = "[--probe]",
	  .summary = "check that what is configured works",
	  .details = "Every finding says what it means and what to do. Exit status 1 when there is a problem.\n"
		     "As root it tries the traps with packets from 192.0.2.0/24 or another net of nobody's.\n"
		     "--probe sends one such packet and follows it through the kernel to the score.",
	  .options = CTL_BIT(PROBE),
	  .run = run_doctor },
	{ .name = "exposure",
	  .syntax = "[--accept]",
	  .summary = "what this host offers to the outside, and what of it is new",
	  .details = "Every socket that listens and is not bound to loopback. PROGRAM and FIREWALL need root: each\n"
		     "port is tried with one packet through the host's own firewall. --accept takes the list as it\n"
		     "is: from now on NEW is what comes later. A new port is a log line and a hook event as well.",
	  .options = CTL_BIT(ACCEPT),
	  .run = run_exposure },
	{ .name = "metrics",
	  .syntax = "[--textfile PATH]",
	  .summary = "counters in Prometheus' text format",
	  .details = "--textfile writes PATH whole or not at all, for node_exporter's textfile collector.",
	  .options = CTL_BIT(TEXTFILE),
	  .run = run_metrics },
	{ .name = "replay",
	  .syntax = REPLAY_SYNTAX,
	  .summary = "what picket would have decided on a capture, without a daemon",
	  .details = "The real engine in the capture's own time. --local names our addresses, --open our ports.\n"
		     "  -c CONF        thresholds, traps and allow list from this file (default: the built-in ones)\n"
		     "  --local CIDR   addresses that are ours; may be repeated (default: learned from the capture)\n"
		     "  --open PORTS   ports that real services have, like 22,80,8000-8010,53/udp, or none (default: "
		     "those that answered)\n"
		     "  --speed real   as slowly as it was captured (default: max)",
	  .options = CTL_BIT(CONFIG) | CTL_BIT(LOCAL) | CTL_BIT(OPEN) | CTL_BIT(SPEED),
	  .words = { 1, 1 },
	  .run = run_replay },
	{ .name = "version",
	  .syntax = "",
	  .summary = "version of picketctl, and of picketd where it runs",
	  .details = "",
	  .run = run_version },
	{ .name = "help",
	  .syntax = "[COMMAND]",
	  .summary = "this list, or more about one command",
	  .details = "",
	  .words = { 0, 1 },
	  .run = run_help },
	{ .name = NULL },
};

const struct ctl_command *ctl_command_find(const char *name)
{
	for (const struct ctl_command *command = ctl_commands; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

const struct ctl_shape *ctl_command_shape(const struct ctl_args *args)
{
	const struct action *action = args->command->build == build_allow ? find_action(args->words[0]) : NULL;

	return action ? action->shape : args->command->shape;
}
