/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by control.c (the server), client.c (one connection) and rate.c (how often it may ask).
 */
#ifndef PICKET_CONTROL_INTERNAL_H
#define PICKET_CONTROL_INTERNAL_H

#include "control.h"

#include <sys/types.h>

struct bufferevent;
struct event;
struct evconnlistener;

/* A limit to how often, as one time. */
struct control_bucket {
	uid_t uid;
	int64_t full_ms; /* when all that was taken out of it is back */
};

struct control_client {
	struct control *control;
	struct bufferevent *buffer;
	void *data;
	int64_t since_ms;   /* connected, or last request finished */
	int64_t stalled_ms; /* since when nothing has left the output; 0: nothing waits */
	size_t waiting;     /* bytes of output, when last looked at */
	struct control_bucket bucket;
	uid_t uid;
	struct control_list list; /* of the order that is being made, or carried out */
	enum control_command list_command;
	bool list_goes_on;
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
	size_t listed;                                    /* sources in all lists */
	struct control_bucket users[CONTROL_CLIENTS_MAX]; /* other than root */
	struct control_client *clients[CONTROL_CLIENTS_MAX];
};

/* Takes over fd.  NULL when out of memory (fd is closed). */
struct control_client *client_new(struct control *control, int fd, uid_t uid);
/* Ends the connection at once and clears its place in control->clients. */
void client_free(struct control_client *client);
/* Takes one request off what the client and its user may ask now; false: nothing is left. */
bool rate_take(struct control_client *client, int64_t now_ms);
/* Time-outs and rates; may free it. */
void client_tick(struct control_client *client, int64_t now_ms);

#endif
