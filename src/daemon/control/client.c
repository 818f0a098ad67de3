/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection to the control socket: it takes lines from the client and sends objects to it.
 * Promises: memory for a client is bounded both ways (input by a watermark, output by CONTROL_OUTPUT_MAX), a line is
 * handled only when the one before it is finished, and a client that sends faster than the rate simply waits.
 * Defends against endless lines, floods of requests, clients that never read and clients that never write.
 */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "clock.h"

#define INPUT_MAX  (2 * CONTROL_LINE_MAX)
#define JSON_FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6))

static size_t output_len(const struct control_client *client)
{
	return evbuffer_get_length(bufferevent_get_output(client->buffer));
}

int control_send_line(struct control_client *client, const char *line, size_t len)
{
	struct evbuffer *output = bufferevent_get_output(client->buffer);

	if (evbuffer_get_length(output) + len > CONTROL_OUTPUT_MAX)
		return -ENOBUFS;
	return evbuffer_add(output, line, len) < 0 ? -ENOMEM : 0;
}

int control_send(struct control_client *client, json_t *object)
{
	char *text = NULL;
	int result = -ENOMEM;
	size_t len;

	if (object && json_object_set_new(object, "v", json_integer(CONTROL_VERSION)) == 0)
		text = json_dumps(object, JSON_FLAGS);
	json_decref(object);
	if (text) {
		len = strlen(text);
		text[len++] = '\n'; /* in the place of its NUL */
		result = control_send_line(client, text, len);
	}
	free(text);
	return result;
}

bool control_is_full(const struct control_client *client)
{
	return output_len(client) >= CONTROL_OUTPUT_HIGH;
}

void control_set_data(struct control_client *client, void *data)
{
	client->data = data;
}

void *control_data(const struct control_client *client)
{
	return client->data;
}

void control_follow(struct control_client *client)
{
	client->following = true;
	evbuffer_drain(bufferevent_get_input(client->buffer), INPUT_MAX);
}

/* The length of the next line, -EAGAIN when its end has not come yet, or -EMSGSIZE. */
static ssize_t line_len(struct evbuffer *input)
{
	struct evbuffer_ptr end = evbuffer_search(input, "\n", 1, NULL);

	if (end.pos > CONTROL_LINE_MAX || (end.pos < 0 && evbuffer_get_length(input) > CONTROL_LINE_MAX))
		return -EMSGSIZE;
	if (end.pos < 0)
		return -EAGAIN;
	return end.pos;
}

static void drop_list(struct control_client *client)
{
	client->control->listed -= client->list.count;
	client->list_goes_on = false;
	control_list_clear(&client->list);
}

/* One part of an order about many sources, before the others are there.  False: it was refused. */
static bool take_part(struct control_client *client, const struct control_request *request, size_t before)
{
	client->control->listed += client->list.count - before;
	if (before > 0 && client->list_command != request->command) {
		control_fail(client, CONTROL_USAGE, "\"more\" of one order was followed by another");
		return false;
	}
	if (client->control->listed > (client->uid == 0 ? CONTROL_LISTED_MAX : CONTROL_LISTED_USERS)) {
		client->control->stats.busy++;
		control_fail(client, CONTROL_FAILED, "too many long orders are being given: try again");
		return false;
	}
	client->list_command = request->command;
	client->list_goes_on = request->more;
	return true;
}

static void handle_line(struct control_client *client, const char *line, size_t len)
{
	struct control *control = client->control;
	size_t before = client->list.count;
	struct control_request request;
	char error[CONTROL_ERROR_MAX];

	client->busy = true;
	client->list_goes_on = false;
	if (control_request_parse(line, len, &client->list, &request, error) < 0) {
		control->stats.bad_requests++;
		control_fail(client, CONTROL_USAGE, "%s", error);
		return;
	}
	control->stats.requests++;
	if (request.given & 1u << CONTROL_FIELD_SOURCES) {
		if (!take_part(client, &request, before))
			return;
		if (request.more) {
			control_done(client);
			return;
		}
		request.sources = client->list.items;
		request.source_count = client->list.count;
	}
	control->callbacks->request(control->context, client, &request);
}

static void client_serve(struct control_client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->buffer);
	char line[CONTROL_LINE_MAX + 1];
	bool waited = client->throttled;

	if (client->serving)
		return;
	client->serving = true;
	client->throttled = false;
	while (!client->busy && !client->closing && !control_is_full(client)) {
		ssize_t len = line_len(input);

		if (len >= 0 && !rate_take(client, clock_ms(CLOCK_MONOTONIC))) {
			client->throttled = true;
			client->control->stats.throttled += !waited;
			break;
		}
		waited = false;
		if (len == -EAGAIN) {
			/* Half a line, when the client sends nothing more, is no request. */
			client->closing = client->ended;
			break;
		}
		if (len < 0) {
			client->control->stats.too_long++;
			client->closing = true;
			control_fail(client, CONTROL_USAGE, "a request has at most %d bytes", CONTROL_LINE_MAX);
		} else {
			evbuffer_remove(input, line, (size_t)len + 1);
			line[len] = '\0';
			handle_line(client, line, (size_t)len);
		}
	}
	client->serving = false;
	/* With its input at the watermark libevent calls on_read() in each turn, and at its end on_event(), unless
	 * reading is off: a client that waits must cost nothing. */
	if (client->ended || evbuffer_get_length(input) >= INPUT_MAX)
		bufferevent_disable(client->buffer, EV_READ);
	else
		bufferevent_enable(client->buffer, EV_READ);
}

static void finish(struct control_client *client)
{
	client->busy = false;
	client->following = false;
	client->data = NULL;
	if (!client->list_goes_on)
		drop_list(client);
	client->since_ms = clock_ms(CLOCK_MONOTONIC);
	client_serve(client);
}

/* A client must get its end line or, when that has no room, the end of the connection. */
static void send_end(struct control_client *client, json_t *object)
{
	if (control_send(client, object) < 0)
		client->closing = true;
}

void control_done(struct control_client *client)
{
	send_end(client, json_pack("{s:b, s:b}", "end", 1, "ok", 1));
	finish(client);
}

void control_fail(struct control_client *client, enum control_code code, const char *format, ...)
{
	char text[CONTROL_ERROR_MAX * 2];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send_end(client, json_pack("{s:b, s:b, s:i, s:s}", "end", 1, "ok", 0, "code", (int)code, "error", text));
	finish(client);
}

static void on_read(struct bufferevent *buffer, void *context)
{
	struct control_client *client = context;

	if (client->following)
		evbuffer_drain(bufferevent_get_input(buffer), INPUT_MAX);
	client_serve(client);
}

static void on_written(struct bufferevent *buffer, void *context)
{
	struct control_client *client = context;

	(void)buffer;
	if (client->busy)
		client->control->callbacks->drained(client->control->context, client);
	client_serve(client);
	if (client->closing && output_len(client) == 0)
		client_free(client);
}

static void on_event(struct bufferevent *buffer, short what, void *context)
{
	struct control_client *client = context;

	(void)buffer;
	/* After a plain end of input the client may still read its answer; after anything else it is gone. */
	if (!(what & BEV_EVENT_EOF) || client->following) {
		client_free(client);
		return;
	}
	client->ended = true;
	client_serve(client);
	if (client->closing && output_len(client) == 0)
		client_free(client);
}

struct control_client *client_new(struct control *control, int fd, uid_t uid)
{
	struct control_client *client = calloc(1, sizeof(*client));

	if (client)
		client->buffer = bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!client || !client->buffer) {
		free(client);
		close(fd);
		return NULL;
	}
	client->control = control;
	client->uid = uid;
	client->since_ms = clock_ms(CLOCK_MONOTONIC);
	bufferevent_setcb(client->buffer, on_read, on_written, on_event, client);
	bufferevent_setwatermark(client->buffer, EV_READ, 0, INPUT_MAX);
	bufferevent_setwatermark(client->buffer, EV_WRITE, CONTROL_OUTPUT_LOW, 0);
	bufferevent_enable(client->buffer, EV_READ | EV_WRITE);
	return client;
}

void client_free(struct control_client *client)
{
	struct control *control = client->control;

	if (client->busy)
		control->callbacks->gone(control->context, client);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i] == client)
			control->clients[i] = NULL;
	control->stats.clients--;
	drop_list(client);
	bufferevent_free(client->buffer);
	free(client);
}

/* Has waiting output stood still for too long? */
static bool is_stalled(struct control_client *client, int64_t now_ms)
{
	size_t waiting = output_len(client);

	if (waiting == 0 || waiting < client->waiting)
		client->stalled_ms = 0;
	else if (client->stalled_ms == 0)
		client->stalled_ms = now_ms;
	client->waiting = waiting;
	return client->stalled_ms != 0 && now_ms - client->stalled_ms > CONTROL_IDLE_MS;
}

void client_tick(struct control_client *client, int64_t now_ms)
{
	bool silent = !client->busy && now_ms - client->since_ms > CONTROL_IDLE_MS;

	if (is_stalled(client, now_ms) || (silent && !client->throttled)) {
		client->control->stats.idle++;
		client_free(client);
		return;
	}
	if (client->throttled)
		client_serve(client);
	if (client->closing && output_len(client) == 0)
		client_free(client);
}
