/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line, read by getopt_long(3) from one table: options may stand anywhere, "--" ends them, and each
 * command takes only its own.  Options are never abbreviated, so that a new one cannot make an old script ambiguous.
 * Pure but for the environment's PICKET_SOCKET; a mistake is one line that says what was expected.
 */
#include "ctl.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LONG_FIRST 256 /* getopt's values of long options begin here: row 0 */

static const struct {
	char letter; /* 0: none */
	bool value, repeated;
	const char *name; /* with its dashes */
} options[CTL_OPTION_COUNT] = {
	[CTL_OPTION_SOCKET] = { 's', true, false, "--socket" },
	[CTL_OPTION_JSON] = { 'j', false, false, "--json" },
	[CTL_OPTION_HELP] = { 'h', false, false, "--help" },
	[CTL_OPTION_VERSION] = { 'V', false, false, "--version" },
	[CTL_OPTION_FOR] = { 0, true, false, "--for" },
	[CTL_OPTION_REASON] = { 0, true, false, "--reason" },
	[CTL_OPTION_FORCE] = { 0, false, false, "--force" },
	[CTL_OPTION_ALL] = { 0, false, false, "--all" },
	[CTL_OPTION_SAVE] = { 0, false, false, "--save" },
	[CTL_OPTION_SINCE] = { 0, true, false, "--since" },
	[CTL_OPTION_FOLLOW] = { 'f', false, false, "--follow" },
	[CTL_OPTION_LIMIT] = { 'n', true, false, "--limit" },
	[CTL_OPTION_ACCEPT] = { 0, false, false, "--accept" },
	[CTL_OPTION_PROBE] = { 0, false, false, "--probe" },
	[CTL_OPTION_TEXTFILE] = { 0, true, false, "--textfile" },
	[CTL_OPTION_CONFIG] = { 'c', true, false, "--config" },
	[CTL_OPTION_LOCAL] = { 0, true, true, "--local" },
	[CTL_OPTION_OPEN] = { 0, true, true, "--open" },
	[CTL_OPTION_SPEED] = { 0, true, false, "--speed" },
	[CTL_OPTION_FILE] = { 0, true, false, "--file" },
};

const char *ctl_option_name(enum ctl_option option)
{
	return options[option].name;
}

__attribute__((format(printf, 2, 3))) static int wrong(char error[CTL_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, CTL_ERROR_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

static int take_option(struct ctl_args *out, unsigned option, const char *value, char *error)
{
	if (options[option].repeated) {
		if (out->repeated_count == CTL_REPEATED_MAX)
			return wrong(error, "%s is given too often", options[option].name);
		out->repeated[out->repeated_count].option = option;
		out->repeated[out->repeated_count++].value = value;
	} else if (value && out->given & 1u << option) {
		return wrong(error, "%s is given twice", options[option].name);
	}
	out->given |= 1u << option;
	out->values[option] = value;
	return 0;
}

/* Words are gathered at the beginning of argv, which has been read that far. */
static int take_word(struct ctl_args *out, char *word, char *error)
{
	if (!out->command) {
		out->command = ctl_command_find(word);
		return out->command ? 0 : wrong(error, "unknown command '%.40s'", word);
	}
	out->words[out->word_count++] = word;
	return 0;
}

/* The table as getopt_long() wants it: long options, and letters in order of arguments, missing values told apart. */
static void fill_getopt(struct option longs[CTL_OPTION_COUNT + 1], char letters[2 * CTL_OPTION_COUNT + 3])
{
	*letters++ = '-';
	*letters++ = ':';
	for (int i = 0; i < CTL_OPTION_COUNT; i++) {
		longs[i] = (struct option){ .name = options[i].name + 2,
					    .has_arg = options[i].value ? required_argument : no_argument,
					    .val = LONG_FIRST + i };
		if (options[i].letter)
			*letters++ = options[i].letter;
		if (options[i].letter && options[i].value)
			*letters++ = ':';
	}
	*letters = '\0';
	longs[CTL_OPTION_COUNT] = (struct option){ .name = NULL };
}

/* The row of a letter or of a long option's value, CTL_OPTION_COUNT: none. */
static unsigned row_of(int code)
{
	unsigned row = 0;

	if (code >= LONG_FIRST)
		return (unsigned)(code - LONG_FIRST);
	while (row < CTL_OPTION_COUNT && (code == 0 || options[row].letter != code))
		row++;
	return row;
}

/* One answer of getopt_long(); text: the argument that it looked at. */
static int take(struct ctl_args *out, int code, const char *text, char *error)
{
	int name_len = (int)strcspn(text, "=");
	unsigned row;

	if (code == 1)
		return take_word(out, optarg, error);
	row = row_of(code == ':' || code == '?' ? optopt : code);
	if (code == ':')
		return wrong(error, "%s needs a value", options[row].name);
	if (code == '?' && row < CTL_OPTION_COUNT)
		return wrong(error, "%s takes no value", options[row].name);
	if (code == '?' && optopt)
		return wrong(error, "unknown option -%c", optopt >= 0x20 && optopt < 0x7f ? optopt : '?');
	if (code == '?' || (code >= LONG_FIRST && (size_t)name_len != strlen(options[row].name)))
		return wrong(error, "unknown option %.*s", name_len < 40 ? name_len : 40, text);
	return take_option(out, row, optarg, error);
}

static int check(const struct ctl_args *args, char *error)
{
	const struct ctl_command *command = args->command;
	unsigned foreign;

	if (args->given & (CTL_BIT(HELP) | CTL_BIT(VERSION)))
		return 0;
	if (!command)
		return wrong(error, "expected a command");
	foreign = args->given & ~(command->options | CTL_ANYWHERE);
	for (unsigned i = 0; i < CTL_OPTION_COUNT; i++)
		if (foreign & 1u << i)
			return wrong(error, "%s takes no %s", command->name, options[i].name);
	if (args->word_count < command->words[0] || args->word_count > command->words[1])
		return wrong(error, "%s: %s", command->name,
			     args->word_count < command->words[0] ? "too few arguments" : "too many arguments");
	return 0;
}

int ctl_args_parse(int argc, char **argv, struct ctl_args *out, char error[CTL_ERROR_MAX])
{
	const char *environment = getenv("PICKET_SOCKET");
	struct option longs[CTL_OPTION_COUNT + 1];
	char letters[2 * CTL_OPTION_COUNT + 3];
	int result = 0;

	*out = (struct ctl_args){ .socket = environment && *environment ? environment : CTL_SOCKET, .words = argv };
	fill_getopt(longs, letters);
	opterr = 0;
	optind = 0; /* GNU: begin anew */
	while (result == 0) {
		int at = optind ? optind : 1, code = getopt_long(argc, argv, letters, longs, NULL);

		if (code < 0)
			break;
		result = take(out, code, argv[at], error);
	}
	while (result == 0 && optind < argc) /* behind "--" */
		result = take_word(out, argv[optind++], error);
	if (result == 0)
		result = check(out, error);
	if (out->values[CTL_OPTION_SOCKET])
		out->socket = out->values[CTL_OPTION_SOCKET];
	return result;
}
