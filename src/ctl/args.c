/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: options may stand anywhere, "--" ends them, and each command takes only its own.
 * Pure but for the environment's PICKET_SOCKET: a mistake is one line that says what was expected.
 */
#include "ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	char letter; /* 0: none */
	bool value;
	const char *name;
} options[CTL_OPTION_COUNT] = {
	[CTL_OPTION_SOCKET] = { 's', true, "--socket" },   [CTL_OPTION_JSON] = { 'j', false, "--json" },
	[CTL_OPTION_HELP] = { 'h', false, "--help" },      [CTL_OPTION_VERSION] = { 'V', false, "--version" },
	[CTL_OPTION_FOR] = { 0, true, "--for" },           [CTL_OPTION_REASON] = { 0, true, "--reason" },
	[CTL_OPTION_FORCE] = { 0, false, "--force" },      [CTL_OPTION_ALL] = { 0, false, "--all" },
	[CTL_OPTION_SAVE] = { 0, false, "--save" },        [CTL_OPTION_SINCE] = { 0, true, "--since" },
	[CTL_OPTION_FOLLOW] = { 'f', false, "--follow" },  [CTL_OPTION_LIMIT] = { 'n', true, "--limit" },
	[CTL_OPTION_ACCEPT] = { 0, false, "--accept" },    [CTL_OPTION_PROBE] = { 0, false, "--probe" },
	[CTL_OPTION_TEXTFILE] = { 0, true, "--textfile" },
};

const char *ctl_option_name(enum ctl_option option)
{
	return options[option].name;
}

bool ctl_given(const struct ctl_args *args, enum ctl_option option)
{
	return args->given & 1u << option;
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
	if (options[option].value && !value)
		return wrong(error, "%s needs a value", options[option].name);
	if (!options[option].value && value)
		return wrong(error, "%s takes no value", options[option].name);
	if (options[option].value && out->given & 1u << option)
		return wrong(error, "%s is given twice", options[option].name);
	out->given |= 1u << option;
	out->values[option] = value;
	return 0;
}

/* "--name", "--name=value" or "--name value". */
static int take_long(int argc, char **argv, int *at, struct ctl_args *out, char *error)
{
	const char *text = argv[*at], *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);

	for (unsigned i = 0; i < CTL_OPTION_COUNT; i++) {
		if (strlen(options[i].name) != len || strncmp(options[i].name, text, len) != 0)
			continue;
		if (equals)
			return take_option(out, i, equals + 1, error);
		if (options[i].value && *at + 1 < argc)
			return take_option(out, i, argv[++*at], error);
		return take_option(out, i, NULL, error);
	}
	return wrong(error, "unknown option %.*s", (int)(len < 40 ? len : 40), text);
}

/* "-j", "-jf", "-sPATH" or "-s PATH". */
static int take_short(int argc, char **argv, int *at, struct ctl_args *out, char *error)
{
	for (const char *letter = argv[*at] + 1; *letter; letter++) {
		unsigned i = 0;

		while (i < CTL_OPTION_COUNT && options[i].letter != *letter)
			i++;
		if (i == CTL_OPTION_COUNT)
			return wrong(error, "unknown option -%c", *letter >= 0x20 && *letter < 0x7f ? *letter : '?');
		if (!options[i].value) {
			if (take_option(out, i, NULL, error) < 0)
				return -EINVAL;
			continue;
		}
		if (letter[1])
			return take_option(out, i, letter + 1, error);
		return take_option(out, i, *at + 1 < argc ? argv[++*at] : NULL, error);
	}
	return 0;
}

static int take_word(struct ctl_args *out, const char *word, char *error)
{
	if (!out->command) {
		out->command = ctl_command_find(word);
		return out->command ? 0 : wrong(error, "unknown command '%.40s'", word);
	}
	if (out->word_count == CTL_WORDS_MAX)
		return wrong(error, "%s: too many arguments: expected %s", out->command->name, out->command->syntax);
	out->words[out->word_count++] = word;
	return 0;
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
	if (args->word_count < command->words_min || args->word_count > command->words_max)
		return wrong(error, "%s: expected %s %s",
			     args->word_count < command->words_min ? "too few arguments" : "too many arguments",
			     command->name, command->syntax);
	return 0;
}

int ctl_args_parse(int argc, char **argv, struct ctl_args *out, char error[CTL_ERROR_MAX])
{
	const char *environment = getenv("PICKET_SOCKET");
	bool only_words = false;
	int result = 0;

	memset(out, 0, sizeof(*out));
	for (int at = 1; at < argc && result == 0; at++) {
		if (!only_words && strcmp(argv[at], "--") == 0)
			only_words = true;
		else if (!only_words && strncmp(argv[at], "--", 2) == 0)
			result = take_long(argc, argv, &at, out, error);
		else if (!only_words && argv[at][0] == '-' && argv[at][1])
			result = take_short(argc, argv, &at, out, error);
		else
			result = take_word(out, argv[at], error);
		if (result == 0 && out->command && out->command->raw) {
			out->rest = at + 1;
			break;
		}
	}
	if (result == 0 && !(out->command && out->command->raw))
		result = check(out, error);
	out->socket = out->values[CTL_OPTION_SOCKET] ? out->values[CTL_OPTION_SOCKET]
		      : environment && *environment  ? environment
						     : CTL_SOCKET;
	return result;
}
