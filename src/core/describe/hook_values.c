/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a hook is told of an event: placeholders in its arguments, and the same values in its environment.  Another
 * value is a row of `fields` and a member of struct hook_values.
 *
 * A value stays one argument, holds printable ASCII alone and never begins with '-', so that no scanner can smuggle an
 * option or a terminal's control sequence into an admin's program.
 */
#include <picket/hook_values.h>

#include <string.h>

#include <picket/describe.h>

#include "duration.h"
#include "writer.h"

typedef void write_fn(struct writer *w, const struct event *event, const struct service_names *names);

/* Empty for a port that is new, which no source caused: "::/0" in a hook that blocks would be the whole world. */
static void write_source(struct writer *w, const struct event *event, const struct service_names *names)
{
	char text[PREFIX_TEXT_MAX];

	(void)names;
	if (event->type != EVENT_EXPOSURE)
		writer_text(w, prefix_format(&event->source, text));
}

static void write_grade(struct writer *w, const struct event *event, const struct service_names *names)
{
	(void)names;
	writer_text(w, grade_name((enum grade)event->grade));
}

static void write_ports(struct writer *w, const struct event *event, const struct service_names *names)
{
	(void)names;
	describe_ports(w, event);
}

static void write_duration(struct writer *w, const struct event *event, const struct service_names *names)
{
	char text[DURATION_TEXT_MAX];

	(void)names;
	writer_text(w, duration_format(event->duration_ms, text));
}

static void write_incident(struct writer *w, const struct event *event, const struct service_names *names)
{
	(void)names;
	writer_format(w, "%u", event->incident);
}

static void write_event(struct writer *w, const struct event *event, const struct service_names *names)
{
	(void)names;
	writer_text(w, event_type_name((enum event_type)event->type));
}

#define VALUE(field) offsetof(struct hook_values, field), sizeof(((struct hook_values *)0)->field)

static const struct {
	const char *name;
	const char *environment;
	size_t offset, size;
	write_fn *write;
	bool placeholder;
} fields[] = {
	{ "source", "PICKET_SOURCE", VALUE(source), write_source, true },
	{ "grade", "PICKET_GRADE", VALUE(grade), write_grade, true },
	{ "reason", "PICKET_REASON", VALUE(reason), describe_reason, true },
	{ "ports", "PICKET_PORTS", VALUE(ports), write_ports, true },
	{ "duration", "PICKET_DURATION", VALUE(duration), write_duration, true },
	{ "incident", "PICKET_INCIDENT", VALUE(incident), write_incident, true },
	{ "event", "PICKET_EVENT", VALUE(event), write_event, false },
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))
_Static_assert(FIELD_COUNT + 2 < HOOK_ENV_MAX, "PATH, the fields, NULL");

/* The field that the placeholder at text ("%{name}") names, or -1; *len is the placeholder's length. */
static int find_field(const char *text, size_t *len)
{
	const char *end = strchr(text, '}');

	*len = end ? (size_t)(end - text) + 1 : strlen(text);
	for (size_t i = 0; end && i < FIELD_COUNT; i++)
		if (fields[i].placeholder && strlen(fields[i].name) == *len - 3 &&
		    memcmp(text + 2, fields[i].name, *len - 3) == 0)
			return (int)i;
	return -1;
}

bool hook_argument_check(const char *text, char unknown[HOOK_PLACEHOLDER_MAX])
{
	size_t len;

	for (const char *p = text; (p = strchr(p, '%')) != NULL; p += len) {
		len = 1;
		if (p[1] != '{' || find_field(p, &len) >= 0)
			continue;
		struct writer w = writer_over(unknown, HOOK_PLACEHOLDER_MAX);
		writer_escaped(&w, p + 2, strcspn(p + 2, "}"));
		return false;
	}
	return true;
}

bool hook_argument_fill(const char *text, const struct hook_values *values, char *out, size_t size)
{
	struct writer w = writer_over(out, size);

	while (*text) {
		size_t len = 1;
		int field = strncmp(text, "%{", 2) == 0 ? find_field(text, &len) : -1;

		if (field >= 0)
			writer_text(&w, (const char *)values + fields[field].offset);
		else
			writer_format(&w, "%.*s", (int)len, text);
		text += len;
	}
	return !w.truncated;
}

void hook_value_set(char *out, size_t size, const char *text)
{
	size_t len = 0;

	while (*text == '-')
		text++;
	for (; *text && len + 1 < size; text++)
		out[len++] = *text >= ' ' && *text <= '~' ? *text : '?';
	out[len] = '\0';
}

void hook_environment(const struct hook_values *values, char buffer[HOOK_ENV_SIZE], char *envp[HOOK_ENV_MAX])
{
	struct writer w = writer_over(buffer, HOOK_ENV_SIZE);
	size_t count = 0;

	envp[count++] = buffer;
	writer_text(&w, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (w.len + 1 >= w.size)
			break;
		/* The next string starts behind the last one's NUL. */
		w = writer_over(w.buf + w.len + 1, w.size - w.len - 1);
		envp[count++] = w.buf;
		writer_format(&w, "%s=%s", fields[i].environment, (const char *)values + fields[i].offset);
	}
	envp[count] = NULL;
}

void hook_values_fill(struct hook_values *out, const struct event *event, const struct service_names *names)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		char text[512] = "";
		struct writer w = writer_over(text, sizeof(text));

		fields[i].write(&w, event, names);
		hook_value_set((char *)out + fields[i].offset, fields[i].size, text);
	}
}
