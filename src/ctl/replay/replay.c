/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketctl replay, told as a story: options, configuration, names of services, the replay, the report.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "services.h"

/* ---- options ---- */

bool replay_ports_has(const struct replay_ports *ports, uint16_t port)
{
	return ports->bits[port / 8] >> (port % 8) & 1;
}

static bool wrong(const char *option, const char *value, const char *why)
{
	ctl_complain(CTL_USAGE, "replay: %s '%s': %s", option, value, why);
	fputs("usage: picketctl replay " REPLAY_SYNTAX "\n", stderr);
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
	static const char expected[] = "expected ports like 22,80,8000-8010,53/udp, or none";
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
		return wrong("--local", value, "expected at most 64 of them");
	if (!prefix_parse(value, &out->local[out->local_count], &error))
		return wrong("--local", value, error);
	out->local_count++;
	return true;
}

static bool set_speed(struct replay_options *out, const char *value)
{
	out->real = !strcmp(value, "real");
	return out->real || !strcmp(value, "max") ? true : wrong("--speed", value, "expected max or real");
}

static bool read_options(const struct ctl_args *args, struct replay_options *out)
{
	const char *speed = args->values[CTL_OPTION_SPEED];

	out->file = args->words[0];
	out->config = args->values[CTL_OPTION_CONFIG];
	out->json = ctl_given(args, CTL_OPTION_JSON);
	if (speed && !set_speed(out, speed))
		return false;
	for (int i = 0; i < args->repeated_count; i++) {
		const char *value = args->repeated[i].value;

		if (!(args->repeated[i].option == CTL_OPTION_LOCAL ? set_local(out, value) : set_open(out, value)))
			return false;
	}
	return true;
}

/* ---- the command ---- */

static void tell_mistake(void *context, const char *text)
{
	(void)context;
	ctl_complain(CTL_FAILED, "%s", text);
}

static enum ctl_exit replay_and_report(const struct replay_options *options, const struct config *config,
				       const struct service_names *names)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	char problem[REPLAY_PROBLEM_MAX] = "out of memory";
	enum ctl_exit status = CTL_DONE;

	if (replay) {
		replay->options = options;
		replay->config = config;
		replay->names = names;
	}
	if (!replay || replay_run(replay, problem) < 0)
		status = ctl_complain(CTL_FAILED, "%s: %s", options->file, problem);
	else if ((options->json ? replay_report_json(replay) : replay_report_human(replay)) < 0)
		status = ctl_complain(CTL_FAILED, "cannot write the report");
	else if (replay->damage[0])
		status = ctl_complain(CTL_FAILED, "%s: %s; the report covers what comes before", options->file,
				      replay->damage);
	replay_free(replay);
	return status;
}

enum ctl_exit run_replay(const struct ctl_args *args)
{
	struct replay_options *options = calloc(1, sizeof(*options));
	struct service_names *names;
	struct config *config;
	enum ctl_exit status = CTL_FAILED;

	if (!options)
		return ctl_complain(CTL_FAILED, "out of memory");
	if (!read_options(args, options)) {
		free(options);
		return CTL_USAGE;
	}
	/* An empty file is the default configuration: without -c a replay does not depend on this host's own. */
	config = config_read(options->config ? options->config : "/dev/null", options->config ? CONFIG_NAMED : 0,
			     tell_mistake, NULL);
	names = services_read();
	if (config)
		status = replay_and_report(options, config, names);
	service_names_free(names);
	config_free(config);
	free(options);
	return status;
}
