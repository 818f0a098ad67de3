/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket's server: who may connect, lines in, lines out.  What a request means is its caller's affair.
 * A client has one request at a time; the next line is read when the last one is finished.
 *
 * Limits, each counted in control_stats: clients at once, bytes in a line, bytes waiting for a client that does not
 * read, requests a second (more wait), seconds of silence.
 */
#ifndef PICKET_CONTROL_H
#define PICKET_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "request.h"

#define CONTROL_CLIENTS_MAX     64
#define CONTROL_CLIENTS_RESERVE 8             /* of these, for root alone */
#define CONTROL_OUTPUT_MAX      (1024 * 1024) /* bytes waiting for one client */
#define CONTROL_OUTPUT_HIGH     (256 * 1024)  /* from here on control_is_full() */
#define CONTROL_OUTPUT_LOW      (64 * 1024)   /* down to here: drained() */
#define CONTROL_IDLE_MS         30000
#define CONTROL_RATE            20 /* requests a second, and in one burst */

/* Exit codes that an answer carries. */
enum control_code { CONTROL_FAILED = 1, CONTROL_USAGE = 2 };

struct control;
struct control_client;
struct event_base;

struct control_callbacks {
	/* A request; to be finished by control_done() or control_fail(), at once or later. */
	void (*request)(void *context, struct control_client *client, const struct control_request *request);
	/* There is room again for a client with an unfinished request. */
	void (*drained)(void *context, struct control_client *client);
	/* A client with an unfinished request went away; it is not to be used any more. */
	void (*gone)(void *context, struct control_client *client);
};

struct control_options {
	struct event_base *base;
	int fd;             /* listening; owned from here on */
	uint32_t admin_gid; /* UINT32_MAX: root alone */
	const struct control_callbacks *callbacks;
	void *context;
};

struct control_stats {
	uint64_t accepted, requests, bad_requests, too_long, throttled;
	uint64_t refused; /* neither root nor in the group */
	uint64_t evicted; /* closed or turned away for want of room */
	uint64_t idle;    /* closed for silence, or for not reading */
	uint32_t clients;
};

/* 0 or -errno. */
int control_open(const struct control_options *options, struct control **out);
void control_close(struct control *control); /* without a call of gone() */
void control_read_stats(const struct control *control, struct control_stats *out);

/* Sends one object, "v" added; takes the reference.  0, -ENOBUFS when the client has too much waiting, or -ENOMEM. */
int control_send(struct control_client *client, json_t *object);
bool control_is_full(const struct control_client *client);
/* The last line of an answer. */
void control_done(struct control_client *client);
void control_fail(struct control_client *client, enum control_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* From now on the request is a stream without an end: what the client says is ignored, and it isn't idle. */
void control_follow(struct control_client *client);
/* What the caller hangs on a client's request. */
void control_set_data(struct control_client *client, void *data);
void *control_data(const struct control_client *client);

int64_t control_now_ms(void); /* monotonic */

/* True for root and members of the group.  own_uid, which the daemon runs as, is no reason to be let in: a process of
 * ours that was taken over must not give orders.  0 allowed, -EACCES, or -errno; *root tells. */
int control_peer_check(int fd, uint32_t admin_gid, uid_t own_uid, bool *root);

#endif
