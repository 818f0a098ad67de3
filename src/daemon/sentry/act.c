/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Acting: the engine's actions, carried out in their order. A decision counts from the kernel's acknowledgement:
 * when the
 * kernel refuses an element, the engine is told to forget the block and the event says so.  Telling never waits: an
 * event that the keeper or the supervisor does not take at once is counted and lost.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define EXPIRY_PAGES 32 /* of ENGINE_ACTIONS_MAX, in one turn: the rest comes with the next */

static struct nft_element element_of(const struct action *action)
{
	return (struct nft_element){
		.list = action->grade == GRADE_BLOCK ? NFT_SOFT : NFT_HARD,
		.source = action->source,
		.timeout_ms = action->duration_ms,
	};
}

static void tell(struct sentry *sentry, const struct event *event)
{
	if (wire_send(sentry->start->keeper_fd, WIRE_EVENT, 0, event) < 0)
		sentry->events_lost++;
	/* Where nothing is blocked, a hook must not block either: alerts alone. */
	if (sentry->rules.mode != NFT_BLOCK && event->type != EVENT_ALERT)
		return;
	if ((sentry->config.hook_events & (1u << event->type)) &&
	    wire_send(sentry->start->supervisor_fd, WIRE_EVENT, 0, event) < 0)
		sentry->events_lost++;
}

void sentry_notice(struct sentry *sentry, enum event_type type, const char *format, ...)
{
	struct event event = { .at_ms = sentry_now_ms(sentry), .type = (uint8_t)type, .sources = 1 };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(event.text, sizeof(event.text), format, arguments);
	va_end(arguments);
	tell(sentry, &event);
}

/* Adds one element; when the whole table has gone under us, puts it back first. */
static int add_element(struct sentry *sentry, const struct nft_element *element)
{
	int error = nft_add(sentry->nft, element, 1);

	if (error == -ENOENT) {
		sentry_heal(sentry);
		error = nft_add(sentry->nft, element, 1);
	}
	return error;
}

/* The kernel refused what this event is about: the event tells that instead. */
static void tell_refusal(struct sentry *sentry, const struct event *event, int error)
{
	struct event failed = *event;

	failed.type = EVENT_FAILED;
	snprintf(failed.text, sizeof(failed.text), "the kernel refused the block: %s",
		 error == -ENFILE ? "its set is full" : strerror(-error));
	tell(sentry, &failed);
}

/* Nothing but lifting: in one transaction, for an admin's word may lift a hundred thousand. */
static bool only_lifts(const struct actions *actions)
{
	for (size_t i = 0; i < actions->count; i++)
		if (actions->items[i].type == ACTION_ADD)
			return false;
	return true;
}

static void lift_together(struct sentry *sentry)
{
	struct nft_element elements[ENGINE_ACTIONS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < sentry->actions.count; i++)
		if (sentry->actions.items[i].type == ACTION_DELETE)
			elements[count++] = element_of(&sentry->actions.items[i]);
	if (count)
		nft_delete(sentry->nft, elements, count);
	sentry_act_tell(sentry);
}

void sentry_act_tell(struct sentry *sentry)
{
	for (size_t i = 0; i < sentry->actions.count; i++)
		if (sentry->actions.items[i].type == ACTION_EVENT)
			tell(sentry, &sentry->actions.items[i].event);
	sentry->actions.count = 0;
}

int sentry_act_first_error(struct sentry *sentry)
{
	int first = 0, error = 0;
	struct prefix refused;

	if (only_lifts(&sentry->actions)) {
		lift_together(sentry);
		return 0;
	}
	for (size_t i = 0; i < sentry->actions.count; i++) {
		const struct action *action = &sentry->actions.items[i];
		struct nft_element element;

		switch (action->type) {
		case ACTION_ADD:
			element = element_of(action);
			error = add_element(sentry, &element);
			if (error) {
				sentry->kernel_refused++;
				refused = action->source;
				engine_block_failed(sentry->engine, &refused, sentry_now_ms(sentry));
				first = first ? first : error;
			}
			break;
		case ACTION_DELETE:
			element = element_of(action);
			nft_delete(sentry->nft, &element, 1);
			break;
		case ACTION_EVENT:
			if (error && prefix_equal(&refused, &action->event.source))
				tell_refusal(sentry, &action->event, error);
			else
				tell(sentry, &action->event);
			break;
		}
	}
	sentry->actions.count = 0;
	return first;
}

void sentry_act(struct sentry *sentry)
{
	if (sentry->actions.count > 0)
		sentry_act_first_error(sentry);
}

/* What comes round once a second or more seldom. */
static void tick_second(struct sentry *sentry, int64_t now_ms)
{
	struct engine_status status;

	wire_send(sentry->start->supervisor_fd, WIRE_BEAT, 0, &(struct wire_empty){ 0 });
	if (sentry->routes_stale)
		sentry_world_routes(sentry);
	if (now_ms >= sentry->next_listeners_ms) {
		sentry->next_listeners_ms = now_ms + 5000;
		sentry_world_listeners(sentry);
	}
	if (now_ms >= sentry->next_customers_ms)
		sentry_world_customers(sentry);

	engine_status(sentry->engine, &status);
	if (status.allow != sentry->allow_entries) /* one ran out */
		sentry_allow_sync(sentry);
	sentry_watch(sentry); /* what was lost during a large transaction of our own wakes nobody */
	if (sentry->paused && sentry->paused_until_ms && now_ms >= sentry->paused_until_ms)
		sentry_resume(sentry);
	else if (sentry->heal_failed)
		sentry_heal(sentry);
}

void sentry_tick(struct sentry *sentry)
{
	int64_t now_ms = sentry_now_ms(sentry);
	size_t count = ENGINE_ACTIONS_MAX;

	if (!sentry->engine)
		return;
	for (unsigned i = 0; i < EXPIRY_PAGES && count == ENGINE_ACTIONS_MAX; i++) {
		engine_tick(sentry->engine, now_ms, &sentry->actions);
		count = sentry->actions.count;
		sentry_act(sentry);
	}
	sentry_heal_if_due(sentry);
	sentry_orders_go_on(sentry);
	sentry_memory_tick(sentry, now_ms);
	if (now_ms >= sentry->next_second_ms) {
		sentry->next_second_ms = now_ms + 1000;
		tick_second(sentry, now_ms);
	}
}
