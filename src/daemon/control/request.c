/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of the control socket: one line of JSON in, a typed request out, by two tables: the fields that exist, and
 * which of them each command takes.  Pure: no socket, no clock.
 * Promises: an unknown command or field, a doubled key, a wrong type or a value out of range is named in one line, and
 * the request is untouched then.
 * Defends against hostile lines: only checked values of a line are kept.
 */
#include "control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "duration.h"
#include "writer.h"

#define BIT(field) (1u << CONTROL_FIELD_##field)
#define WHICH      (BIT(SOURCE) | BIT(SOURCES) | BIT(MORE)) /* of an order: one source or many */

enum field_shape {
	SHAPE_LIST,
	SHAPE_PREFIX,
	SHAPE_ADDR,
	SHAPE_SECONDS,
	SHAPE_COUNT,
	SHAPE_TEXT,
	SHAPE_MODE,
	SHAPE_BOOL
};

static const struct {
	const char *name;
	enum field_shape shape;
	size_t offset;
} fields[CONTROL_FIELD_COUNT] = {
	[CONTROL_FIELD_SOURCE] = { "source", SHAPE_PREFIX, offsetof(struct control_request, source) },
	[CONTROL_FIELD_SOURCES] = { "sources", SHAPE_LIST, 0 },
	[CONTROL_FIELD_MORE] = { "more", SHAPE_BOOL, offsetof(struct control_request, more) },
	[CONTROL_FIELD_CALLER] = { "caller", SHAPE_ADDR, offsetof(struct control_request, caller) },
	[CONTROL_FIELD_FOR] = { "for_s", SHAPE_SECONDS, offsetof(struct control_request, for_s) },
	[CONTROL_FIELD_SINCE] = { "since_s", SHAPE_SECONDS, offsetof(struct control_request, since_s) },
	[CONTROL_FIELD_LIMIT] = { "limit", SHAPE_COUNT, offsetof(struct control_request, limit) },
	[CONTROL_FIELD_REASON] = { "reason", SHAPE_TEXT, offsetof(struct control_request, reason) },
	[CONTROL_FIELD_MODE] = { "mode", SHAPE_MODE, offsetof(struct control_request, observe) },
	[CONTROL_FIELD_FORCE] = { "force", SHAPE_BOOL, offsetof(struct control_request, force) },
	[CONTROL_FIELD_ALL] = { "all", SHAPE_BOOL, offsetof(struct control_request, all) },
	[CONTROL_FIELD_SAVE] = { "save", SHAPE_BOOL, offsetof(struct control_request, save) },
	[CONTROL_FIELD_FOLLOW] = { "follow", SHAPE_BOOL, offsetof(struct control_request, follow) },
	[CONTROL_FIELD_ACCEPT] = { "accept", SHAPE_BOOL, offsetof(struct control_request, accept) },
};

static const struct {
	const char *name;
	unsigned required, optional;
} commands[CONTROL_COMMAND_COUNT] = {
	[CONTROL_STATUS] = { "status", 0, 0 },
	[CONTROL_LIST] = { "list", 0, 0 },
	[CONTROL_SOURCES] = { "sources", 0, BIT(LIMIT) },
	[CONTROL_EXPLAIN] = { "explain", BIT(SOURCE), 0 },
	[CONTROL_BLOCK] = { "block", 0, WHICH | BIT(FOR) | BIT(REASON) | BIT(FORCE) | BIT(CALLER) },
	[CONTROL_UNBLOCK] = { "unblock", 0, WHICH | BIT(ALL) },
	[CONTROL_ALLOW_ADD] = { "allow-add", 0, WHICH | BIT(FOR) | BIT(SAVE) },
	[CONTROL_ALLOW_DEL] = { "allow-del", 0, WHICH | BIT(SAVE) },
	[CONTROL_ALLOW_LIST] = { "allow-list", 0, 0 },
	[CONTROL_ALLOW_CHECK] = { "allow-check", BIT(SOURCE), 0 },
	[CONTROL_MODE] = { "mode", BIT(MODE), 0 },
	[CONTROL_PAUSE] = { "pause", 0, BIT(FOR) },
	[CONTROL_RESUME] = { "resume", 0, 0 },
	[CONTROL_HISTORY] = { "history", 0, BIT(SOURCE) | BIT(SINCE) | BIT(LIMIT) },
	[CONTROL_EVENTS] = { "events", 0, BIT(LIMIT) | BIT(FOLLOW) },
	[CONTROL_RELOAD] = { "reload", 0, 0 },
	[CONTROL_VERSION_ASKED] = { "version", 0, 0 },
	[CONTROL_EXPOSURE] = { "exposure", 0, BIT(ACCEPT) },
	[CONTROL_PROBE] = { "probe", 0, BIT(FOR) | BIT(SOURCE) },
};

__attribute__((format(printf, 2, 3))) static int refuse(char error[CONTROL_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, CONTROL_ERROR_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

/* The client's own text, made short and printable, so that an error can quote it. */
static const char *shown(const char *text, char out[64])
{
	struct writer w = writer_over(out, 64);
	size_t len = strlen(text);

	writer_escaped(&w, text, len < 40 ? len : 40);
	return out;
}

static int take_text(const char *name, const char *text, char out[ENGINE_REASON_MAX], char *error)
{
	size_t len = strlen(text);

	if (len == 0 || len >= ENGINE_REASON_MAX)
		return refuse(error, "%s: expected 1 to %d characters", name, ENGINE_REASON_MAX - 1);
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return refuse(error, "%s: expected printable ASCII characters alone", name);
	memcpy(out, text, len + 1);
	return 0;
}

static int take_string(const char *name, enum field_shape shape, const json_t *value, void *out, char *error)
{
	const char *text = json_string_value(value), *why;
	char quoted[64];

	if (!text)
		return refuse(error, "%s: expected a string", name);
	switch (shape) {
	case SHAPE_PREFIX:
		if (!prefix_parse(text, out, &why))
			return refuse(error, "%s \"%s\": %s", name, shown(text, quoted), why);
		return 0;
	case SHAPE_ADDR:
		if (!addr_parse(text, out))
			return refuse(error, "%s \"%s\": expected an IPv4 or IPv6 address", name, shown(text, quoted));
		return 0;
	case SHAPE_MODE:
		if (strcmp(text, "observe") != 0 && strcmp(text, "block") != 0)
			return refuse(error, "%s \"%s\": expected \"observe\" or \"block\"", name, shown(text, quoted));
		*(bool *)out = strcmp(text, "observe") == 0;
		return 0;
	default: return take_text(name, text, out, error);
	}
}

static int take_number(const char *name, const json_t *value, int64_t max, int64_t *out, char *error)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 1 || number > max)
		return refuse(error, "%s: expected a whole number from 1 to %lld", name, (long long)max);
	*out = number;
	return 0;
}

static bool has_room(struct control_list *list, size_t count)
{
	struct prefix *items;

	if (count <= list->room)
		return true;
	items = reallocarray(list->items, count, sizeof(*items));
	if (!items)
		return false;
	list->items = items;
	list->room = count;
	return true;
}

void control_list_clear(struct control_list *list)
{
	free(list->items);
	*list = (struct control_list){ .count = 0 };
}

static int take_list(const char *name, const json_t *value, struct control_list *list, char *error)
{
	size_t count = json_array_size(value), before = list->count;

	if (count == 0)
		return refuse(error, "%s: expected an array of addresses and prefixes", name);
	if (count > CONTROL_SOURCES_MAX - before)
		return refuse(error, "%s: expected %d in one order at most", name, CONTROL_SOURCES_MAX);
	if (!has_room(list, before + count))
		return refuse(error, "picketd is out of memory");
	for (size_t i = 0; i < count; i++)
		if (take_string(name, SHAPE_PREFIX, json_array_get(value, i), &list->items[before + i], error) < 0)
			return -EINVAL;
	list->count = before + count;
	return 0;
}

static int take_field(enum control_field field, const json_t *value, struct control_list *list,
		      struct control_request *out, char *error)
{
	void *place = (char *)out + fields[field].offset;
	const char *name = fields[field].name;
	int64_t number = 0;

	switch (fields[field].shape) {
	case SHAPE_LIST: return take_list(name, value, list, error);
	case SHAPE_SECONDS: return take_number(name, value, DURATION_MAX_MS / 1000, place, error);
	case SHAPE_COUNT:
		if (take_number(name, value, CONTROL_LIMIT_MAX, &number, error) < 0)
			return -EINVAL;
		*(uint32_t *)place = (uint32_t)number;
		return 0;
	case SHAPE_BOOL:
		if (!json_is_boolean(value))
			return refuse(error, "%s: expected true or false", name);
		*(bool *)place = json_is_true(value);
		return 0;
	default: return take_string(name, fields[field].shape, value, place, error);
	}
}

static int take_command(const json_t *object, struct control_request *out, char *error)
{
	const json_t *version = json_object_get(object, "v");
	const char *name = json_string_value(json_object_get(object, "cmd"));
	char quoted[64];

	if (!json_is_integer(version) || json_integer_value(version) != CONTROL_VERSION)
		return refuse(error, "v: expected %d, the version of this protocol", CONTROL_VERSION);
	if (!name)
		return refuse(error, "cmd: expected a string, the name of a command");
	for (unsigned i = 0; i < CONTROL_COMMAND_COUNT; i++)
		if (strcmp(name, commands[i].name) == 0) {
			out->command = (enum control_command)i;
			return 0;
		}
	return refuse(error, "unknown command \"%s\"", shown(name, quoted));
}

static int take_fields(json_t *object, struct control_list *list, struct control_request *out, char *error)
{
	const char *command = commands[out->command].name, *key;
	unsigned known = commands[out->command].required | commands[out->command].optional;
	json_t *value;
	char quoted[64];

	json_object_foreach(object, key, value)
	{
		unsigned field = 0;

		if (strcmp(key, "v") == 0 || strcmp(key, "cmd") == 0)
			continue;
		while (field < CONTROL_FIELD_COUNT && strcmp(key, fields[field].name) != 0)
			field++;
		if (field == CONTROL_FIELD_COUNT || !(known & 1u << field))
			return refuse(error, "%s takes no field \"%s\"", command, shown(key, quoted));
		if (take_field((enum control_field)field, value, list, out, error) < 0)
			return -EINVAL;
		out->given |= 1u << field;
	}
	for (unsigned field = 0; field < CONTROL_FIELD_COUNT; field++)
		if (commands[out->command].required & ~out->given & 1u << field)
			return refuse(error, "%s needs the field \"%s\"", command, fields[field].name);
	return 0;
}

/* Fields that exclude each other. */
static int check_whole(const struct control_request *request, char *error)
{
	unsigned which = request->given & (BIT(SOURCE) | BIT(SOURCES));
	bool both = which == (BIT(SOURCE) | BIT(SOURCES)), takes = commands[request->command].optional & BIT(MORE);

	if (request->command == CONTROL_UNBLOCK && (both || request->all == (which != 0)))
		return refuse(error, "unblock needs either \"source\", \"sources\" or \"all\":true");
	if (takes && !request->all && (both || !which))
		return refuse(error, "%s needs the field \"source\", or \"sources\"", commands[request->command].name);
	if (request->more && !(which & BIT(SOURCES)))
		return refuse(error, "\"more\" says that more of \"sources\" follows");
	if (request->save && which & BIT(SOURCES))
		return refuse(error,
			      "\"save\" takes one \"source\": a list is written into the allow file, and reloaded");
	if (request->save && request->given & BIT(FOR))
		return refuse(error, "what is saved holds for good: \"save\" and \"for_s\" exclude each other");
	return 0;
}

int control_request_parse(const char *line, size_t len, struct control_list *list, struct control_request *out,
			  char error[CONTROL_ERROR_MAX])
{
	size_t before = list->count;
	struct control_request request = { 0 };
	json_error_t where;
	json_t *object;
	int result;

	if (len > CONTROL_LINE_MAX)
		return refuse(error, "a request has at most %d bytes", CONTROL_LINE_MAX);
	object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);
	if (!object)
		return refuse(error, "not a JSON object on one line (byte %d)", where.position);
	if (!json_is_object(object))
		result = refuse(error, "expected a JSON object");
	else if ((result = take_command(object, &request, error)) == 0 &&
		 (result = take_fields(object, list, &request, error)) == 0)
		result = check_whole(&request, error);
	json_decref(object);
	if (result == 0)
		*out = request;
	else
		list->count = before;
	return result;
}
