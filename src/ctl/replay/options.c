/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the command line of a replay.  Options and the file may stand in any order; "--" ends the options.
 * The first mistake is told, with what was expected.
 */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool replay_ports_has(const struct replay_ports *ports, uint16_t port)
{
	return ports->bits[port / 8] >> (port % 8) & 1;
}

static bool wrong(const char *what, const char *value, const char *expected)
{
	fprintf(stderr, "picketctl: replay: %s '%s': expected %s\n", what, value, expected);
	return false;
}

static bool read_number(const char **text, unsigned *out)
{
	unsigned value = 0;
	const char *p = *text;

	while (*p >= '0' && *p <= '9' && value <= 65535)
		value = value * 10 + (unsigned)(*p++ - '0');
	if (p == *text || value < 1 || value > 65535)
		return false;
	*text = p;
	*out = value;
	return true;
}

/* PORT, FIRST-LAST, either with /tcp or /udp behind it; TCP where nothing is said. */
static bool read_range(const char *text, struct replay_options *out)
{
	struct replay_ports *ports = &out->tcp;
	unsigned first, last;

	if (!read_number(&text, &first))
		return false;
	last = first;
	if (*text == '-') {
		text++;
		if (!read_number(&text, &last) || last < first)
			return false;
	}
	if (!strcmp(text, "/udp"))
		ports = &out->udp;
	else if (*text && strcmp(text, "/tcp"))
		return false;
	ports->given = true;
	for (; first <= last; first++)
		ports->bits[first / 8] |= (uint8_t)(1u << (first % 8));
	return true;
}

static bool set_open(struct replay_options *out, const char *value)
{
	static const char expected[] = "ports like 22,80,8000-8010,53/udp, or none";
	char part[32];

	if (!strcmp(value, "none"))
		return out->tcp.given = out->udp.given = true;
	for (const char *at = value;;) {
		size_t len = strcspn(at, ",");

		if (len >= sizeof(part))
			return wrong("--open", value, expected);
		memcpy(part, at, len);
		part[len] = '\0';
		if (!read_range(part, out))
			return wrong("--open", value, expected);
		if (!at[len])
			return true;
		at += len + 1;
	}
}

static bool set_local(struct replay_options *out, const char *value)
{
	const char *error;

	if (out->local_count == REPLAY_LOCAL_MAX)
		return wrong("--local", value, "at most 64 of them");
	if (!prefix_parse(value, &out->local[out->local_count], &error)) {
		fprintf(stderr, "picketctl: replay: --local '%s': %s\n", value, error);
		return false;
	}
	out->local_count++;
	return true;
}

static bool set_speed(struct replay_options *out, const char *value)
{
	out->real = !strcmp(value, "real");
	return out->real || !strcmp(value, "max") ? true : wrong("--speed", value, "max or real");
}

static bool set_config(struct replay_options *out, const char *value)
{
	out->config = value;
	return true;
}

static const struct {
	const char *name;
	bool (*set)(struct replay_options *out, const char *value);
} valued[] = {
	{ "-c", set_config },   { "--config", set_config }, { "--local", set_local },
	{ "--open", set_open }, { "--speed", set_speed },
};

/* -1: not one of them.  Takes the value from "--name=value" or the next argument. */
static int try_valued(struct replay_options *out, char **argv, int argc, int *at)
{
	for (size_t i = 0; i < sizeof(valued) / sizeof(valued[0]); i++) {
		size_t len = strlen(valued[i].name);

		if (strncmp(argv[*at], valued[i].name, len))
			continue;
		if (argv[*at][len] == '=' && len > 2)
			return valued[i].set(out, argv[*at] + len + 1);
		if (argv[*at][len])
			continue;
		if (*at + 1 >= argc)
			return wrong("option", valued[i].name, "a value behind it");
		return valued[i].set(out, argv[++*at]);
	}
	return -1;
}

bool replay_options_parse(int argc, char **argv, struct replay_options *out)
{
	bool options = true;
	int result;

	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i];

		if (options && !strcmp(arg, "--")) {
			options = false;
		} else if (!options || arg[0] != '-' || !arg[1]) {
			if (out->file)
				return wrong("argument", arg, "one capture file");
			out->file = arg;
		} else if (!strcmp(arg, "-j") || !strcmp(arg, "--json")) {
			out->json = true;
		} else if (!strcmp(arg, "-h") || !strcmp(arg, "--help")) {
			out->help = true;
			return true;
		} else {
			result = try_valued(out, argv, argc, &i);
			if (result < 0)
				return wrong("option", arg, "-c, --local, --open, --speed, -j or --json");
			if (!result)
				return false;
		}
	}
	if (!out->file)
		fprintf(stderr, "picketctl: replay: no file given, expected replay FILE.pcap\n");
	return out->file != NULL;
}
