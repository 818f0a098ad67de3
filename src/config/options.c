/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of options.  A row names an option, its field in struct config, its parser, its range and its default;
 * reading, defaults and the list of names in a mistake come from it.  A new option is a row here, a field in config.h,
 * and its use: for the supervisor in daemon/supervisor/config.c, where it is translated for sentry and kernel.
 */
#include "internal.h"

#include <string.h>

#define FIELD(of, field) .offset = offsetof(of, field), .size = sizeof(((of *)0)->field)
#define ROOT(field)      FIELD(struct config, field)
#define COUNT(field)     .count_offset = offsetof(struct config, field)
#define PORTS(field)     ROOT(field.ranges), COUNT(field.count)
#define HOOK(field)      FIELD(struct config_hook, field)
#define SECOND           1000.0
#define DAY              (24 * 3600 * SECOND)

/*
 * Ports that every browser refuses to open (the "bad ports" of the Fetch standard), so that no web page can lead a
 * visitor into a trap; without those that honest programs try by themselves: FTP, SSH, mail, DNS, TFTP, ident, NTP, RPC
 * and NetBIOS, LDAP, SIP, X11.
 */
#define BROWSERS_BAD_PORTS                                                                                             \
	"1 7 9 11 13 15 17 19 23 37 42 43 77 79 87 95 101-104 109 111 115 117 119 161 179 427 512-514 526 "            \
	"530-532 540 548 554 556 563 601 1719 1720 1723 2049 3659 4045 6566 6665-6669 10080"

const struct config_option config_options[] = {
	{ NULL, "mode", config_parse_mode, ROOT(engine.observe), .fallback = "block" },
	{ NULL, "run_dir", config_parse_path, ROOT(run_dir), .high = CONFIG_PATH_MAX - 16, .fallback = "/run/picket" },
	{ NULL, "state_dir", config_parse_path, ROOT(state_dir), .high = PATH_MAX - 64, .fallback = "/var/lib/picket" },
	{ NULL, "history_max", config_parse_size, ROOT(history_max), .low = 1 << 20, .high = 1024.0 * (1 << 30),
	  .fallback = "256M" },
	{ NULL, "log_rate", config_parse_number, ROOT(log_rate), .low = 1, .high = 10000, .fallback = "30" },
	{ NULL, "table", config_parse_table, ROOT(table), .fallback = "picket" },
	{ NULL, "queue", config_parse_number, ROOT(queue), .high = CONFIG_QUEUE_READ_MAX, .fallback = "4711" },
	{ NULL, "user", config_parse_user, ROOT(user), .fallback = "picket" },
	{ NULL, "sentry_user", config_parse_user, ROOT(sentry_user), .fallback = "picket-sentry" },
	{ NULL, "allow", config_parse_prefix, ROOT(allow), COUNT(allow_count), .list = true },
	{ NULL, "allow_file", config_parse_path_or_none, ROOT(allow_file), .high = PATH_MAX - 64,
	  .fallback = CONFIG_DEFAULT_ALLOW },
	{ NULL, "protect_auto", config_parse_bool, ROOT(engine.protect_auto), .fallback = "true" },
	{ NULL, "admin_groups", config_parse_group, ROOT(admin_groups), COUNT(admin_group_count), .list = true,
	  .fallback = "root sudo wheel picket-admin" },
	{ NULL, "public_ports", config_parse_port, PORTS(public_ports), .list = true },
	{ NULL, "interfaces", config_parse_interface, ROOT(interfaces), COUNT(interface_count), .list = true },
	{ NULL, "reverse_path", config_parse_reverse_path, ROOT(reverse_path), .fallback = "strict",
	  .old_name = "way_back" },
	{ NULL, "conntrack", config_parse_conntrack, ROOT(conntrack), .fallback = "auto" },
	{ NULL, "flow_flag", config_parse_flow_flag, ROOT(flow_flag), .fallback = "auto" },
	{ NULL, "flow_mark_bits", config_parse_mark_bits, ROOT(flow_mark_bits), .fallback = "24-31" },
	{ NULL, "early_drop", config_parse_early_drop, ROOT(early_drop), .fallback = "auto" },
	{ NULL, "keep_on_stop", config_parse_bool, ROOT(keep_on_stop), .fallback = "false" },
	{ NULL, "sandbox", config_parse_bool, ROOT(sandbox), .fallback = "true" },

	{ "trap", "tcp", config_parse_port, PORTS(trap_tcp), .list = true, .fallback = BROWSERS_BAD_PORTS },
	{ "trap", "udp", config_parse_port, PORTS(trap_udp), .list = true },
	{ "trap", "banner", config_parse_banner, ROOT(banner) },

	{ "gateway", "outside", config_parse_link, ROOT(outside), COUNT(outside_count), .list = true },
	{ "gateway", "inside", config_parse_link, ROOT(inside), COUNT(inside_count), .list = true },
	{ "gateway", "guard", config_parse_guard, ROOT(guard), COUNT(guard_count), .list = true },

	{ "score", "alert", config_parse_alpha, ROOT(engine.alert), .low = 1e-12, .high = 0.5, .fallback = "1e-2" },
	{ "score", "veil", config_parse_alpha, ROOT(engine.veil), .low = 1e-12, .high = 0.5, .fallback = "1e-3" },
	{ "score", "ban", config_parse_alpha, ROOT(engine.ban), .low = 1e-12, .high = 0.5, .fallback = "1e-4" },
	{ "score", "slow_half_life", config_parse_duration, ROOT(engine.slow_half_life_ms), .low = SECOND,
	  .high = 365 * DAY, .fallback = "24h" },
	{ "score", "max_sources", config_parse_number, ROOT(engine.max_sources), .low = 1024, .high = 4194304,
	  .fallback = "65536" },
	{ "score", "ipv6_prefix", config_parse_number, ROOT(engine.ipv6_prefix), .low = 48, .high = 128,
	  .fallback = "64" },

	{ "veil", "max", config_parse_duration, ROOT(engine.veil_max_ms), .low = SECOND, .high = 365 * DAY,
	  .fallback = "1h" },
	{ "ban", "first", config_parse_duration, ROOT(engine.ban_first_ms), .low = SECOND, .high = 365 * DAY,
	  .fallback = "1h" },
	{ "ban", "cut_running", config_parse_bool, ROOT(cut_running), .fallback = "false" },
	{ "ban", "max", config_parse_duration, ROOT(engine.ban_max_ms), .low = SECOND, .high = 365 * DAY,
	  .fallback = "7d" },

	{ CONFIG_HOOK_SECTION, "on", config_parse_event, HOOK(on), .list = true },
	{ CONFIG_HOOK_SECTION, "command", config_parse_command, HOOK(args),
	  .count_offset = offsetof(struct config_hook, arg_count), .list = true },
	{ CONFIG_HOOK_SECTION, "user", config_parse_user, HOOK(user), .high = CONFIG_USER_MAX,
	  .fallback = "picket-hook" },
	{ CONFIG_HOOK_SECTION, "timeout", config_parse_duration, HOOK(timeout_ms), .low = 100, .high = 3600 * SECOND,
	  .fallback = "10s" },
};
const size_t config_option_count = sizeof(config_options) / sizeof(config_options[0]);
_Static_assert(sizeof(config_options) / sizeof(config_options[0]) <= CONFIG_OPTIONS_MAX, "a row each in config_reader");

/* What a veil is has no ration and no escalation. */
static const struct config_gone gone[] = {
	{ "score", "block", "score", "veil", "suspicion veils now" },
	{ "block", "max", "veil", "max", "suspicion veils now" },
	{ "block", "first", NULL, NULL, "a veil lasts as long as its evidence, an hour after the last" },
	{ "block", "storm_rate", NULL, NULL, "veils need no limit" },
	{ "block", "storm_live", NULL, NULL, "veils need no limit" },
};

const struct config_gone *config_find_gone(const char *section, const char *name)
{
	for (size_t i = 0; section && i < sizeof(gone) / sizeof(gone[0]); i++)
		if (strcmp(gone[i].section, section) == 0 && strcmp(gone[i].name, name) == 0)
			return &gone[i];
	return NULL;
}

bool config_is_gone_section(const char *name)
{
	return strcmp(name, "block") == 0;
}

/* NULL stands for what is outside of any section. */
static bool is_in(const struct config_option *option, const char *section)
{
	return section && option->section ? strcmp(option->section, section) == 0 : section == option->section;
}

const struct config_option *config_find_option(const char *section, const char *name)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];

		if (is_in(option, section) &&
		    (strcmp(option->name, name) == 0 || (option->old_name && strcmp(option->old_name, name) == 0)))
			return option;
	}
	return NULL;
}

bool config_is_section(const char *name)
{
	for (size_t i = 0; i < config_option_count; i++)
		if (config_options[i].section && is_in(&config_options[i], name))
			return true;
	return false;
}

void config_list_options(struct writer *w, const char *section)
{
	const char *comma = "", *last = NULL;

	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];

		if (is_in(option, section))
			writer_format(w, "%s%s", comma, option->name);
		else if (!section && !is_in(option, last))
			writer_format(w, "%s%s", comma, option->section);
		else
			continue;
		comma = ", ";
		last = option->section;
	}
}

static void *field_of(struct config *config, struct config_hook *hook, const struct config_option *option,
		      size_t offset)
{
	return is_in(option, CONFIG_HOOK_SECTION) ? (char *)hook + offset : (char *)config + offset;
}

void config_clear_list(struct config *config, struct config_hook *hook, const struct config_option *option)
{
	const size_t none = 0;

	if (option->count_offset)
		memcpy(field_of(config, hook, option, option->count_offset), &none, sizeof(none));
}

bool config_set_value(struct config *config, struct config_hook *hook, const struct config_option *option,
		      const char *text, struct writer *problem)
{
	return option->parse(&(struct config_value){
		.config = config,
		.option = option,
		.text = text,
		.field = field_of(config, hook, option, option->offset),
		.problem = problem,
	});
}

void config_set_defaults(struct config *config, struct config_hook *hook)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *option = &config_options[i];
		const char *rest = option->fallback;

		if (!rest || is_in(option, CONFIG_HOOK_SECTION) != (hook != NULL))
			continue;
		while (*rest) {
			char word[64], ignored[256];
			size_t len = strcspn(rest, " ");
			struct writer problem = writer_over(ignored, sizeof(ignored));
			struct writer copy = writer_over(word, sizeof(word));

			writer_format(&copy, "%.*s", (int)len, rest);
			/* A default that its own parser refuses shows in the unit tests. */
			config_set_value(config, hook, option, word, &problem);
			rest += len + strspn(rest + len, " ");
		}
	}
}
