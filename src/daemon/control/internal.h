/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by control.c (the server) and client.c (one connection).
 */
#ifndef PICKET_CONTROL_INTERNAL_H
#define PICKET_CONTROL_INTERNAL_H

#include "control.h"

#include <sys/types.h>

struct bufferevent;
struct event;
struct evconnlistener;

struct control_client {
	struct control *control;
	struct bufferevent *buffer;
	void *data;
	int64_t since_ms;   /* connected, or last request finished */
	int64_t tokens_ms;  /* in the bucket that limits the rate: a request costs REQUEST_MS */
	int64_t filled_ms;  /* when the bucket was last filled up */
	int64_t stalled_ms; /* since when nothing has left the output; 0: nothing waits */
	size_t waiting;     /* bytes of output, when last looked at */
	uid_t uid;
	bool busy; /* a request is unfinished */
	bool following;
	bool serving;   /* inside client_serve(): a request finished at once does not recurse */
	bool throttled; /* more lines wait for the rate */
	bool ended;     /* the client sends nothing more */
	bool closing;   /* to be closed once the output is gone */
};

struct control {
	struct evconnlistener *listener;
	struct event *tick;
	struct event_base *base;
	const struct control_callbacks *callbacks;
	void *context;
	uint32_t admin_gid;
	bool deaf; /* out of descriptors: accepts again at the next tick */
	struct control_stats stats;
	struct control_client *clients[CONTROL_CLIENTS_MAX];
};

/* Takes over fd.  NULL when out of memory (fd is closed). */
struct control_client *client_new(struct control *control, int fd, uid_t uid);
/* Ends the connection at once and clears its place in control->clients. */
void client_free(struct control_client *client);
/* Time-outs and rates; may free it. */
void client_tick(struct control_client *client, int64_t now_ms);

#endif
