/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the views that the sentry sends: the first byte names one, eight more are the time, the rest is its
 * bytes, as if the sentry had been taken over.  Whatever a view holds, what is made of it is valid JSON in printable
 * ASCII, and a row that is written is read as plain; a hook gets values that are no option.
 */
#include <string.h>

#include <picket/hook_values.h>

#include "fuzz.h"
#include "jsonrow.h"
#include "keeper/internal.h"
#include "reader.h"

static void look_at_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		require(text[i] >= 0x20 && text[i] <= 0x7e);
}

/* Takes the reference. */
static void look_at(json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));

	require(text != NULL);
	look_at_text(text, strlen(text));
	free(text);
	json_decref(object);
}

static void look_at_row(const char *text, size_t len)
{
	struct json_row row;

	require(len > 0 && text[len - 1] == '\n');
	look_at_text(text, len - 1);
	require(row_read(&row, text, len - 1) && row.plain);
}

/* What the hooks get of an event, and as its own text has it. */
static void look_at_hook(const struct event *event)
{
	char argument[1024], unknown[HOOK_PLACEHOLDER_MAX], buffer[HOOK_ENV_SIZE], *envp[HOOK_ENV_MAX];
	struct hook_values values;

	hook_values_fill(&values, event, NULL);
	require(values.source[0] != '-' && values.reason[0] != '-');
	if (hook_argument_fill("x%y%{x" HOOK_PLACEHOLDERS, &values, argument, sizeof(argument)))
		look_at_text(argument, strlen(argument));
	if (hook_argument_check(event->text, unknown))
		hook_argument_fill(event->text, &values, argument, 32);
	else
		look_at_text(unknown, strlen(unknown));
	hook_environment(&values, buffer, envp);
	for (char **each = envp; *each; each++)
		require(*each >= buffer && *each < buffer + sizeof(buffer) && strchr(*each, '='));
}

static void look_at_event(const struct event *event)
{
	if (!event_is_valid(event))
		return;
	look_at(view_event(event, NULL));
	look_at_hook(event);
}

static void look_at_source(const struct source_view *view, const struct thresholds *thresholds)
{
	struct source_row row;

	source_row_of(view, &row);
	look_at(view_source(&row, thresholds));
}

static void look_at_status(const struct wire_status *sentry, const struct wire_hooks *hooks)
{
	static struct status status;

	status.sentry = *sentry;
	status.hooks = *hooks;
	status.hooks_known = hooks->running;
	status.state_dir = "/";
	look_at(view_status(&status));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static union {
		struct {
			struct source_view source;
			struct thresholds thresholds;
		} source;
		struct explain_view explain;
		struct event event;
		struct {
			struct wire_status sentry;
			struct wire_hooks hooks;
		} status;
		struct block_view block;
		struct allow_view allow;
		struct protected_view protected;
	} view;
	char text[ROW_MAX];
	struct writer w = writer_over(text, sizeof(text));
	struct reader r = reader_over(data, size);
	uint8_t which = reader_u8(&r);
	int64_t now_ms = (int64_t)((uint64_t)reader_be32(&r) << 32 | reader_be32(&r));

	memset(&view, 0, sizeof(view));
	if (!r.failed)
		memcpy(&view, data + r.pos, reader_left(&r) < sizeof(view) ? reader_left(&r) : sizeof(view));
	switch (which % 7) {
	case 0: look_at_source(&view.source.source, &view.source.thresholds); break;
	case 1: look_at(view_explain(&view.explain, now_ms, NULL)); break;
	case 2: look_at_event(&view.event); break;
	case 3: look_at_status(&view.status.sentry, &view.status.hooks); break;
	case 4:
		row_block(&w, &view.block, which & 8, now_ms);
		look_at_row(text, w.len);
		break;
	case 5:
		row_allow(&w, &view.allow, now_ms);
		look_at_row(text, w.len);
		break;
	default: look_at(view_protected(&view.protected));
	}
	return 0;
}
