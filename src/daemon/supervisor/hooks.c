/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From events to hooks: which hooks want this one, and what they are told about it.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

static void on_report(void *context, const struct hook_report *report)
{
	struct supervisor *s = context;

	journal_log(s->journal, LOG_WARNING, "hook %s: %s%s%s", report->name, report->problem,
		    report->output[0] ? ": " : "", report->output);
}

int supervisor_hooks_open(struct supervisor *s)
{
	s->hooks = hook_runner_new(s->base, on_report, s);
	return s->hooks ? 0 : -ENOMEM;
}

static void spec_of(const struct config_hook *hook, struct hook_spec *out)
{
	_Static_assert(sizeof(out->name) == sizeof(hook->name) && sizeof(out->args) == sizeof(hook->args),
		       "one size of each text");
	memcpy(out->name, hook->name, sizeof(out->name));
	memcpy(out->args, hook->args, sizeof(out->args));
	out->arg_count = hook->arg_count;
	out->uid = hook->uid;
	out->gid = hook->gid;
	out->timeout_ms = hook->timeout_ms;
}

void supervisor_hooks_event(struct supervisor *s, const struct event *event)
{
	struct hook_values values;
	struct hook_spec spec;
	bool filled = false;

	/* In observe mode nothing was blocked: whoever acts on a block must not be told of one. */
	if (!s->hooks || s->stage == STAGE_ENDING || (event->observed && event->type != EVENT_ALERT))
		return;
	for (size_t i = 0; i < s->config->hook_count; i++) {
		if (!(s->config->hooks[i].on & (1u << event->type)))
			continue;
		if (!filled)
			hook_values_fill(&values, event, s->names);
		filled = true;
		spec_of(&s->config->hooks[i], &spec);
		hook_run(s->hooks, &spec, &values);
	}
}

void supervisor_hooks_tick(struct supervisor *s)
{
	struct wire_hooks message;
	struct hook_stats stats;

	if (!s->hooks || s->keeper.fd < 0)
		return;
	hook_read_stats(s->hooks, &stats);
	if (s->hooks_ever_told && memcmp(&stats, &s->hooks_told, sizeof(stats)) == 0)
		return;
	message = (struct wire_hooks){ stats.started, stats.succeeded, stats.failed, stats.timed_out,
				       stats.dropped, stats.running,   stats.waiting };
	if (wire_send(s->keeper.fd, WIRE_HOOKS, 0, &message) == 0) {
		s->hooks_told = stats;
		s->hooks_ever_told = true;
	}
}
