/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's actions: the enforcer carries them out, then the engine hears what the kernel refused, and the keeper
 * and the hooks hear what happened.  An event about something that was refused says that instead.  Telling never
 * waits: an event that the keeper or the supervisor does not take at once is counted and lost.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static void tell(struct sentry *sentry, const struct event *event)
{
	if (!ration_allows(&sentry->ration, event, sentry->now_ms))
		return;
	if (wire_send(sentry->start->keeper_fd, WIRE_EVENT, 0, event) < 0)
		sentry->events_lost++;
	/* Where nothing is done, a hook must do nothing either: alerts alone. */
	if (enforcer_mode(sentry->enforcer) != NFT_BLOCK && event->type != EVENT_ALERT)
		return;
	if ((sentry->config.hook_events & (1u << event->type)) && ration_allows_hook(&sentry->ration, event) &&
	    wire_send(sentry->start->supervisor_fd, WIRE_EVENT, 0, event) < 0)
		sentry->events_lost++;
}

void sentry_notice(struct sentry *sentry, enum event_type type, const char *format, ...)
{
	struct event event = { .at_ms = sentry->now_ms, .type = (uint8_t)type, .sources = 1 };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(event.text, sizeof(event.text), format, arguments);
	va_end(arguments);
	tell(sentry, &event);
}

/* The kernel refused what this event is about: the event tells that instead. */
static void tell_refusal(struct sentry *sentry, const struct event *event, int error)
{
	struct event failed = *event;

	failed.type = EVENT_FAILED;
	if (event->type == EVENT_UNBLOCK) {
		failed.grade = GRADE_NONE; /* the block stands */
		snprintf(failed.text, sizeof(failed.text), "the kernel did not let it go: %s; %s", strerror(-error),
			 enforcer_deletes_again(sentry->enforcer, &event->source)
				 ? "trying again each second"
				 : "too many of these to try again: unblock it later");
	} else {
		snprintf(failed.text, sizeof(failed.text), "the kernel refused it: %s",
			 error == -ENFILE ? "its set is full" : strerror(-error));
	}
	tell(sentry, &failed);
}

struct acted sentry_act(struct sentry *sentry)
{
	int errors[ENGINE_ACTIONS_MAX];
	struct acted acted = { 0 };

	if (sentry->actions.count == 0)
		return acted;
	enforcer_act(sentry->enforcer, &sentry->actions, sentry->now_ms, errors);
	for (size_t i = 0; i < sentry->actions.count; i++) {
		const struct action *action = &sentry->actions.items[i];

		acted.error = acted.error ? acted.error : errors[i];
		if (action->type == ACTION_ADD && errors[i]) {
			engine_block_failed(sentry->engine, &action->source, sentry->now_ms);
		} else if (action->type == ACTION_DELETE && errors[i]) {
			engine_unblock_failed(sentry->engine, &action->source, sentry->now_ms);
		} else if (action->type == ACTION_EXEMPT && errors[i]) {
			engine_exempt_failed(sentry->engine, &action->source);
		} else if (action->type == ACTION_EVENT) {
			acted.lifted += action->event.type == EVENT_UNBLOCK && !errors[i];
			acted.kept += action->event.type == EVENT_UNBLOCK && errors[i];
			acted.given_up += action->event.type == EVENT_UNBLOCK && errors[i] &&
					  !enforcer_deletes_again(sentry->enforcer, &action->event.source);
			if (errors[i])
				tell_refusal(sentry, &action->event, errors[i]);
			else
				tell(sentry, &action->event);
		}
	}
	sentry->actions.count = 0;
	return acted;
}

/* ---- what the enforcer has to say ---- */

static void on_notice(void *context, enum event_type type, const char *text)
{
	sentry_notice(context, type, "%s", text);
}

/* What the kernel has queued so far, and what was read so far, is not to be compared. */
static void on_loaded(void *context)
{
	struct sentry *sentry = context;
	struct enforcer_status kernel;
	struct nfqueue_stats read;

	sentry->lately_told = false; /* its set is empty, or unknown */
	sentry_put_learned_back(sentry);
	sentry_world_lately(sentry);
	enforcer_read_status(sentry->enforcer, &kernel);
	nfqueue_read_stats(sentry->start->queue, &read);
	sentry->packets_before_load = read.packets;
	sentry->queued_before_load = nft_counters_queued(&kernel.counters);
}

static void on_freed(void *context, const struct prefix *source)
{
	struct sentry *sentry = context;

	if (engine_unblock_exact(sentry->engine, source, sentry->now_ms, &sentry->actions) == ENGINE_OK)
		sentry_act(sentry);
}

struct enforcer_listener sentry_listener(struct sentry *sentry)
{
	return (struct enforcer_listener){ sentry, on_notice, on_loaded, on_freed };
}

void sentry_sum_up(struct sentry *sentry)
{
	uint64_t left_out = ration_sum_up(&sentry->ration, sentry->now_ms);

	if (left_out > 0)
		sentry_notice(sentry, EVENT_NOTICE,
			      "%llu more alerts and veils, and ends of veils, are not told one by one",
			      (unsigned long long)left_out);
}
