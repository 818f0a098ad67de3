/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One parser for each kind of value.  Each is strict (the whole text or nothing) and says what is wrong and what was
 * expected; a bad value leaves the field as it was.
 */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <picket/hook_values.h>
#include "duration.h"
#include "earlydrop.h"
#include "flowflag.h"

/* Writes "bad value 'x' for queue, expected a number from 0 to 65533".  Always false. */
static bool refuse(const struct config_value *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(const struct config_value *v, const char *format, ...)
{
	char expected[200];
	va_list args;

	va_start(args, format);
	vsnprintf(expected, sizeof(expected), format, args);
	va_end(args);
	writer_format(v->problem, "bad value '%.80s' for %s, expected %s", v->text, v->option->name, expected);
	return false;
}

bool config_parse_mode(const struct config_value *v)
{
	bool observe = strcmp(v->text, "observe") == 0;

	if (!observe && strcmp(v->text, "block") != 0)
		return refuse(v, "observe or block");
	*(uint8_t *)v->field = observe;
	return true;
}

/* Both bool and the engine's uint8_t switches are one byte that holds 0 or 1. */
bool config_parse_bool(const struct config_value *v)
{
	static const char *const words[][2] = { { "false", "true" }, { "no", "yes" }, { "off", "on" } };

	_Static_assert(sizeof(bool) == 1, "a switch is one byte");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (uint8_t is = 0; is < 2; is++)
			if (strcmp(v->text, words[i][is]) == 0) {
				memcpy(v->field, &is, 1);
				return true;
			}
	return refuse(v, "true or false");
}

bool config_parse_reverse_path(const struct config_value *v)
{
	bool strict = strcmp(v->text, "strict") == 0;

	if (!strict && strcmp(v->text, "off") != 0 && strcmp(v->text, "loose") != 0)
		return refuse(v, "strict or off");
	*(bool *)v->field = strict;
	return true;
}

bool config_parse_conntrack(const struct config_value *v)
{
	bool wanted = strcmp(v->text, "auto") == 0;

	if (!wanted && strcmp(v->text, "off") != 0)
		return refuse(v, "auto or off");
	*(bool *)v->field = wanted;
	return true;
}

/* Decimal digits alone: no sign, no blanks, no octal surprise. */
static bool whole_number(const char *text, unsigned long *out)
{
	char *end;

	if (!isdigit((unsigned char)text[0]) || strlen(text) > 10)
		return false;
	errno = 0;
	*out = strtoul(text, &end, 10);
	return errno == 0 && *end == '\0';
}

bool config_parse_flow_flag(const struct config_value *v)
{
	for (uint8_t i = 0; flow_flag_name(i); i++)
		if (strcmp(v->text, flow_flag_name(i)) == 0) {
			*(uint8_t *)v->field = i;
			return true;
		}
	return refuse(v, "auto, mark, label or none");
}

bool config_parse_early_drop(const struct config_value *v)
{
	for (unsigned i = EARLY_OFF; i <= EARLY_AUTO; i++)
		if (strcmp(v->text, early_drop_name(i)) == 0) {
			*(uint8_t *)v->field = (uint8_t)i;
			return true;
		}
	return refuse(v, "auto, on or off");
}

/* Into a field of 1, 2 or 4 bytes. */
bool config_parse_number(const struct config_value *v)
{
	const struct config_option *option = v->option;
	unsigned long n;

	if (!whole_number(v->text, &n) || (double)n < option->low || (double)n > option->high)
		return refuse(v, "a number from %.0f to %.0f", option->low, option->high);
	if (option->size == sizeof(uint8_t))
		*(uint8_t *)v->field = (uint8_t)n;
	else if (option->size == sizeof(uint16_t))
		*(uint16_t *)v->field = (uint16_t)n;
	else
		*(uint32_t *)v->field = (uint32_t)n;
	return true;
}

/* Bytes, as K, M or G of 1,024 to the step. */
bool config_parse_size(const struct config_value *v)
{
	static const char units[] = "KMG";
	size_t digits = strspn(v->text, "0123456789");
	const char *unit = digits > 0 && digits <= 10 && v->text[digits] ? strchr(units, v->text[digits]) : NULL;
	int64_t bytes = 0;

	if (unit && !v->text[digits + 1])
		bytes = (int64_t)strtoull(v->text, NULL, 10) << (10 * (unit - units + 1));
	if (!unit || (double)bytes < v->option->low || (double)bytes > v->option->high)
		return refuse(v, "a size from %.0fM to %.0fG, such as 256M", v->option->low / (1 << 20),
			      v->option->high / (1 << 30));
	*(int64_t *)v->field = bytes;
	return true;
}

/* An admin writes the chance of a wrong decision that he accepts; the engine wants ln(0.99/alpha). */
bool config_parse_alpha(const struct config_value *v)
{
	char *end;
	double alpha;

	errno = 0;
	alpha = strtod(v->text, &end);
	if (end == v->text || *end || errno || !isfinite(alpha) || strpbrk(v->text, "xXpP") ||
	    isspace((unsigned char)v->text[0]) || alpha < v->option->low || alpha > v->option->high)
		return refuse(v, "a probability from %g to %g, such as 1e-3", v->option->low, v->option->high);
	*(double *)v->field = log(0.99 / alpha);
	return true;
}

bool config_parse_duration(const struct config_value *v)
{
	char low[DURATION_TEXT_MAX], high[DURATION_TEXT_MAX];
	int64_t ms;

	if (!duration_parse(v->text, &ms) || (double)ms < v->option->low || (double)ms > v->option->high)
		return refuse(v, "a duration from %s to %s, such as 10m, 4h or 1d",
			      v->option->low < 1000 ? "100ms" : duration_format((int64_t)v->option->low, low),
			      duration_format((int64_t)v->option->high, high));
	*(int64_t *)v->field = ms;
	return true;
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			return false;
	return true;
}

/* For a text that its parser has found to fit. */
static bool copy_text(const struct config_value *v)
{
	memcpy(v->field, v->text, strlen(v->text) + 1);
	return true;
}

bool config_parse_path(const struct config_value *v)
{
	if (v->text[0] != '/' || (double)strlen(v->text) >= v->option->high || !is_printable(v->text) ||
	    strstr(v->text, "/../"))
		return refuse(v, "an absolute path of less than %.0f characters", v->option->high);
	return copy_text(v);
}

bool config_parse_path_or_none(const struct config_value *v)
{
	return v->text[0] ? config_parse_path(v) : copy_text(v);
}

/* Letters, digits and some marks, beginning with a letter or '_'. */
static bool is_name(const char *text, const char *marks, size_t max)
{
	if (!isalpha((unsigned char)text[0]) && text[0] != '_')
		return false;
	for (size_t i = 1; text[i]; i++)
		if (i + 1 >= max || (!isalnum((unsigned char)text[i]) && !strchr(marks, text[i])))
			return false;
	return true;
}

bool config_parse_table(const struct config_value *v)
{
	if (!is_name(v->text, "_-", v->option->size))
		return refuse(v,
			      "the name of an nftables table: a letter, then letters, digits, '_' or '-', at most %zu",
			      v->option->size - 1);
	return copy_text(v);
}

bool config_parse_user(const struct config_value *v)
{
	return is_name(v->text, "_-.", v->option->size) ? copy_text(v) : refuse(v, "the name of a user");
}

bool config_parse_banner(const struct config_value *v)
{
	if (strlen(v->text) >= v->option->size)
		return refuse(v, "at most %zu characters", v->option->size - 1);
	return copy_text(v);
}

bool config_allow_add(struct config *config, const struct prefix *entry)
{
	/* Doubling: the capacity is the next power of two, so it needs no field of its own. */
	size_t count = config->allow_count;

	if ((count & (count - 1)) == 0) {
		struct prefix *grown = realloc(config->allow, (count ? count * 2 : 1) * sizeof(*grown));
		if (!grown)
			return false;
		config->allow = grown;
	}
	config->allow[config->allow_count++] = *entry;
	return true;
}

bool config_parse_prefix(const struct config_value *v)
{
	struct prefix prefix;
	const char *error = NULL;

	if (!prefix_parse(v->text, &prefix, &error))
		return refuse(v, "an address or prefix such as 192.0.2.0/24 or 2001:db8::/32 (%s)",
			      error ? error : "malformed");
	/* Duplicates are removed at the end, hence the factor. */
	if (v->config->allow_count >= 2 * ENGINE_ALLOW_MAX || !config_allow_add(v->config, &prefix)) {
		writer_format(v->problem, "too many addresses, expected at most %d", ENGINE_ALLOW_MAX);
		return false;
	}
	return true;
}

/* A list's count lies as far behind its field as the row says. */
static size_t *count_of(const struct config_value *v)
{
	return (size_t *)(void *)((char *)v->field + (v->option->count_offset - v->option->offset));
}

bool config_parse_port(const struct config_value *v)
{
	size_t *count = count_of(v);
	struct port_range *ranges = v->field;
	unsigned long first, last;
	char text[16];
	struct writer copy = writer_over(text, sizeof(text));
	char *dash;

	if (*count >= CONFIG_PORTS_MAX) {
		writer_format(v->problem, "too many ports for %s, expected at most %d values", v->option->name,
			      CONFIG_PORTS_MAX);
		return false;
	}
	writer_text(&copy, strcmp(v->text, "all") == 0 ? "1-65535" : v->text);
	dash = strchr(text, '-');
	if (dash)
		*dash = '\0';
	if (copy.truncated || !whole_number(text, &first) || !whole_number(dash ? dash + 1 : text, &last))
		return refuse(v, "a port, a range such as 5900-5910, or all");
	if (first < 1 || last > 65535 || first > last)
		return refuse(v, "ports from 1 to 65535, the smaller one first");
	ranges[(*count)++] = (struct port_range){ (uint16_t)first, (uint16_t)last };
	return true;
}

/* The lowest and the highest bit. */
bool config_parse_mark_bits(const struct config_value *v)
{
	unsigned long first, last;
	char text[16];
	struct writer copy = writer_over(text, sizeof(text));
	char *dash;

	writer_text(&copy, v->text);
	dash = strchr(text, '-');
	if (dash)
		*dash = '\0';
	if (copy.truncated || !dash || !whole_number(text, &first) || !whole_number(dash + 1, &last) || last > 31 ||
	    first + 1 > last)
		return refuse(v, "at least two bits of the ct mark, such as 24-31");
	*(uint32_t *)v->field = (uint32_t)((1ull << (last + 1)) - (1ull << first));
	return true;
}

bool config_parse_interface(const struct config_value *v)
{
	struct config *config = v->config;
	size_t len = strlen(v->text);

	/* What the kernel's dev_valid_name() takes; '*' would be a wildcard to nftables. */
	if (len == 0 || len >= sizeof(config->interfaces[0]) || !is_printable(v->text) || strpbrk(v->text, " /:*\"") ||
	    strcmp(v->text, ".") == 0 || strcmp(v->text, "..") == 0)
		return refuse(v, "the name of an interface, at most 15 characters");
	if (config->interface_count >= CONFIG_INTERFACES_MAX) {
		writer_format(v->problem, "too many interfaces, expected at most %d", CONFIG_INTERFACES_MAX);
		return false;
	}
	for (size_t i = 0; i < config->interface_count; i++)
		if (strcmp(config->interfaces[i], v->text) == 0)
			return true;
	memcpy(config->interfaces[config->interface_count++], v->text, len + 1);
	return true;
}

/* An interface, or all whose names begin so. */
bool config_parse_link(const struct config_value *v)
{
	char(*links)[16] = v->field;
	size_t *count = count_of(v), len = strlen(v->text);

	if (len == 0 || len >= sizeof(links[0]) || !is_printable(v->text) || strpbrk(v->text, " /:\"") ||
	    strcmp(v->text, ".") == 0 || strcmp(v->text, "..") == 0 || strcspn(v->text, "*") + 1 < len)
		return refuse(v, "the name of an interface, at most 15 characters, or its beginning and a *");
	if (*count >= CONFIG_LINKS_MAX) {
		writer_format(v->problem, "too many links, expected at most %d", CONFIG_LINKS_MAX);
		return false;
	}
	for (size_t i = 0; i < *count; i++)
		if (strcmp(links[i], v->text) == 0)
			return true;
	memcpy(links[(*count)++], v->text, len + 1);
	return true;
}

bool config_parse_guard(const struct config_value *v)
{
	struct prefix *guard = v->field;
	size_t *count = count_of(v);
	const char *error = NULL;

	if (*count >= CONFIG_GUARD_MAX) {
		writer_format(v->problem, "too many prefixes, expected at most %d", CONFIG_GUARD_MAX);
		return false;
	}
	if (!prefix_parse(v->text, &guard[*count], &error))
		return refuse(v, "an address or prefix such as 192.0.2.0/24 or 2001:db8::/32 (%s)",
			      error ? error : "malformed");
	(*count)++;
	return true;
}

bool config_parse_group(const struct config_value *v)
{
	struct config *config = v->config;
	size_t len = strlen(v->text);

	if (len == 0 || len >= sizeof(config->admin_groups[0]) || !is_printable(v->text) || strpbrk(v->text, " :,"))
		return refuse(v, "the name of a group, at most 32 characters");
	if (config->admin_group_count >= CONFIG_GROUPS_MAX) {
		writer_format(v->problem, "too many groups, expected at most %d", CONFIG_GROUPS_MAX);
		return false;
	}
	memcpy(config->admin_groups[config->admin_group_count++], v->text, len + 1);
	return true;
}

bool config_parse_event(const struct config_value *v)
{
	static const struct {
		const char *name;
		enum event_type type;
	} wanted[] = {
		{ "veil", EVENT_VEIL },         { "ban", EVENT_BAN },         { "block", EVENT_BLOCK },
		{ "expire", EVENT_EXPIRE },     { "unblock", EVENT_UNBLOCK }, { "alert", EVENT_ALERT },
		{ "exposure", EVENT_EXPOSURE },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strcmp(v->text, wanted[i].name) == 0) {
			*(uint32_t *)v->field |= 1u << wanted[i].type;
			return true;
		}
	return refuse(v, "veil, ban, block, expire, unblock, alert or exposure");
}

/* One argument; the first is the program. */
bool config_parse_command(const struct config_value *v)
{
	size_t *count = count_of(v), len = strlen(v->text);
	char(*args)[CONFIG_HOOK_ARG_MAX] = v->field;
	char unknown[HOOK_PLACEHOLDER_MAX];

	if (*count >= CONFIG_HOOK_ARGS_MAX) {
		writer_format(v->problem, "too many arguments, expected at most %d", CONFIG_HOOK_ARGS_MAX);
		return false;
	}
	if (len >= CONFIG_HOOK_ARG_MAX)
		return refuse(v, "at most %d characters an argument", CONFIG_HOOK_ARG_MAX - 1);
	if (*count == 0 && (v->text[0] != '/' || strchr(v->text, '%')))
		return refuse(v, "the absolute path of a program first");
	if (!hook_argument_check(v->text, unknown))
		return refuse(v, "no placeholder but %s (found %%{%s})", HOOK_PLACEHOLDERS, unknown);
	memcpy(args[(*count)++], v->text, len + 1);
	return true;
}
