/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages from sentry and keeper.  Both have fewer rights than we have and may have been taken over: each may send
 * only the messages that its job needs, every field is checked, and a message that makes no sense is counted and
 * dropped.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define COMPLAIN_EVERY_MS 60000

static void refuse(struct supervisor *s, const struct child *child)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC);

	s->bad_messages++;
	if (s->complained_ms && now - s->complained_ms < COMPLAIN_EVERY_MS)
		return;
	s->complained_ms = now;
	journal_log(s->journal, LOG_ERR, "a message of the %s made no sense and was thrown away (%llu so far)",
		    child->name, (unsigned long long)s->bad_messages);
}

static bool result_is_valid(const struct wire_result *result)
{
	return result->result < ENGINE_RESULT_COUNT && memchr(result->text, 0, sizeof(result->text)) != NULL;
}

static bool of_sentry(struct supervisor *s)
{
	const struct wire_message *message = &s->message;

	switch ((enum wire_type)message->header.type) {
	case WIRE_EVENT:
		if (!event_is_valid(&message->body.event))
			return false;
		supervisor_hooks_event(s, &message->body.event);
		return true;
	case WIRE_RESULT:
		if (!result_is_valid(&message->body.result))
			return false;
		supervisor_config_answered(s, message->header.id, &message->body.result);
		return true;
	case WIRE_BEAT: supervisor_beat(&s->sentry); return true;
	case WIRE_READY:
		if (s->stage == STAGE_STARTING)
			supervisor_ready(s);
		return true;
	default: return false;
	}
}

static bool of_keeper(struct supervisor *s)
{
	const struct wire_message *message = &s->message;
	const struct wire_order *order = &message->body.order;

	switch ((enum wire_type)message->header.type) {
	case WIRE_EVENT:
		/* The keeper watches what listens here; every other event is the sentry's to tell. */
		if (!event_is_valid(&message->body.event) || message->body.event.type != EVENT_EXPOSURE)
			return false;
		supervisor_hooks_event(s, &message->body.event);
		return true;
	case WIRE_RELOAD:
		if (message->header.id == 0)
			return false;
		supervisor_reload(s, message->header.id);
		return true;
	case WIRE_BEAT: supervisor_beat(&s->keeper); return true;
	case WIRE_ALLOW_SAVE:
		if (!prefix_is_valid(&order->source) || order->value > 1)
			return false;
		supervisor_allow_save(s, message->header.id, order);
		return true;
	default: return false;
	}
}

void supervisor_wire_drain(struct supervisor *s, struct child *child)
{
	for (int i = 0; i < SUPERVISOR_TURN && child->fd >= 0; i++) {
		int got = wire_receive(child->fd, &s->message);
		bool good = got == 1 && (child == &s->sentry ? of_sentry(s) : of_keeper(s));

		if (got == 1 ? !good : got == -EBADMSG) {
			refuse(s, child);
		} else if (got < 0) {
			/* It has ended or is about to: SIGCHLD tells us. */
			supervisor_wire_close(child);
		}
		if (got == 0)
			return;
	}
}

static void on_sentry(evutil_socket_t fd, short what, void *context)
{
	struct supervisor *s = context;

	(void)fd, (void)what;
	supervisor_wire_drain(s, &s->sentry);
}

static void on_keeper(evutil_socket_t fd, short what, void *context)
{
	struct supervisor *s = context;

	(void)fd, (void)what;
	supervisor_wire_drain(s, &s->keeper);
}

int supervisor_wire_open(struct supervisor *s)
{
	s->sentry.wire = event_new(s->base, s->sentry.fd, EV_READ | EV_PERSIST, on_sentry, s);
	s->keeper.wire = event_new(s->base, s->keeper.fd, EV_READ | EV_PERSIST, on_keeper, s);
	if (!s->sentry.wire || !s->keeper.wire || event_add(s->sentry.wire, NULL) < 0 ||
	    event_add(s->keeper.wire, NULL) < 0)
		return -ENOMEM;
	return 0;
}

void supervisor_wire_close(struct child *child)
{
	if (child->wire)
		event_free(child->wire);
	child->wire = NULL;
	if (child->fd >= 0)
		close(child->fd);
	child->fd = -1;
}
