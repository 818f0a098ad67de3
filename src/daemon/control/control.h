/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket's server: it decides which peers may connect, reads lines and sends lines.  What a request does
 * is up to its caller.  A client has one request at a time; its next line is read when that one is finished.
 *
 * Limits, each counted in control_stats: clients at once, bytes in a line, bytes waiting for a client that does not
 * read, requests a second (more wait), seconds of silence.
 */
#ifndef PICKET_CONTROL_H
#define PICKET_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include <picket/engine.h>
#include "addr.h"

/* ---- requests ---- */

#define CONTROL_VERSION   1
#define CONTROL_LINE_MAX  16384 /* bytes, without the newline */
#define CONTROL_ERROR_MAX 256
#define CONTROL_LIMIT_MAX 65536 /* rows that `sources` sorts */

enum control_command {
	CONTROL_STATUS,
	CONTROL_LIST,
	CONTROL_SOURCES,
	CONTROL_EXPLAIN,
	CONTROL_BLOCK,
	CONTROL_UNBLOCK,
	CONTROL_ALLOW_ADD,
	CONTROL_ALLOW_DEL,
	CONTROL_ALLOW_LIST,
	CONTROL_ALLOW_CHECK,
	CONTROL_MODE,
	CONTROL_PAUSE,
	CONTROL_RESUME,
	CONTROL_HISTORY,
	CONTROL_EVENTS,
	CONTROL_RELOAD,
	CONTROL_VERSION_ASKED,
	CONTROL_EXPOSURE,
	CONTROL_PROBE,
	CONTROL_COMMAND_COUNT
};

enum control_field {
	CONTROL_FIELD_SOURCE,
	CONTROL_FIELD_SOURCES,
	CONTROL_FIELD_MORE,
	CONTROL_FIELD_CALLER,
	CONTROL_FIELD_FOR,
	CONTROL_FIELD_SINCE,
	CONTROL_FIELD_LIMIT,
	CONTROL_FIELD_REASON,
	CONTROL_FIELD_MODE,
	CONTROL_FIELD_FORCE,
	CONTROL_FIELD_ALL,
	CONTROL_FIELD_SAVE,
	CONTROL_FIELD_FOLLOW,
	CONTROL_FIELD_ACCEPT,
	CONTROL_FIELD_COUNT
};

struct control_request {
	enum control_command command;
	unsigned given; /* bit per enum control_field; what is not given is zero */
	struct prefix source;
	/* Of an order about many: all of them, those of the requests before that said `more` too.  Not touched by the
	 * parser; they stay until the request is finished. */
	const struct prefix *sources;
	size_t source_count;
	struct addr caller; /* where the admin is logged in from, as picketctl says */
	int64_t for_s, since_s;
	uint32_t limit;
	bool observe; /* `mode`: observe, else block */
	bool force, all, save, follow, accept, more;
	char reason[ENGINE_REASON_MAX]; /* printable ASCII */
};

#define CONTROL_SOURCES_MAX  16384                     /* of one order */
#define CONTROL_LISTED_MAX   (4 * CONTROL_SOURCES_MAX) /* of the unfinished orders of all clients */
#define CONTROL_LISTED_USERS (3 * CONTROL_SOURCES_MAX) /* beyond that root's alone */

/* The sources of an order that is made by several requests. */
struct control_list {
	struct prefix *items;
	size_t count, room;
};

/* 0, or -EINVAL and one clear line in error; nothing else is touched then.  Many sources are added to the list. */
int control_request_parse(const char *line, size_t len, struct control_list *list, struct control_request *out,
			  char error[CONTROL_ERROR_MAX]);
void control_list_clear(struct control_list *list);

/* ---- the server ---- */

#define CONTROL_CLIENTS_MAX     64
#define CONTROL_CLIENTS_RESERVE 8             /* of these, for root alone */
#define CONTROL_CLIENTS_EACH    16            /* of one user other than root */
#define CONTROL_OUTPUT_MAX      (1024 * 1024) /* bytes waiting for one client */
#define CONTROL_OUTPUT_HIGH     (256 * 1024)  /* from here on control_is_full() */
#define CONTROL_OUTPUT_LOW      (64 * 1024)   /* down to here: drained() */
#define CONTROL_IDLE_MS         30000
#define CONTROL_RATE            20  /* requests a second of a client, and in one burst */
#define CONTROL_USER_RATE       100 /* of all clients of one user other than root */

/* Exit codes that an answer carries. */
enum control_code { CONTROL_FAILED = 1, CONTROL_USAGE = 2 };

struct control;
struct control_client;
struct event_base;

struct control_callbacks {
	/* A request; the callee finishes it by control_done() or control_fail(), at once or later. */
	void (*request)(void *context, struct control_client *client, const struct control_request *request);
	/* There is room again for a client with an unfinished request. */
	void (*drained)(void *context, struct control_client *client);
	/* A client with an unfinished request has gone; the callee must not use it any more. */
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
	uint64_t refused;   /* neither root nor in the group */
	uint64_t evicted;   /* closed, or turned away, because all places were taken */
	uint64_t user_full; /* closed, or turned away, because their user had its share of places */
	uint64_t idle;      /* closed for silence, or for not reading */
	uint64_t busy;      /* long orders and lists that were refused, since as many are under way as may be */
	uint32_t clients;
};

/* 0 or -errno. */
int control_open(const struct control_options *options, struct control **out);
void control_close(struct control *control); /* without a call of gone() */
void control_read_stats(const struct control *control, struct control_stats *out);
/* The request was refused by the callee since too many like it are under way. */
void control_count_busy(struct control *control);

/* Sends one object, "v" added; takes the reference.  0, -ENOBUFS when the client has too much waiting, or -ENOMEM. */
int control_send(struct control_client *client, json_t *object);
/* Sends one line that is an object already, "v" and the newline included. */
int control_send_line(struct control_client *client, const char *line, size_t len);
bool control_is_full(const struct control_client *client);
/* The last line of an answer. */
void control_done(struct control_client *client);
void control_fail(struct control_client *client, enum control_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* From now on the request is a stream without an end: the client's input is ignored, and its silence is no reason to
 * close it. */
void control_follow(struct control_client *client);
/* A pointer of the caller's that goes with a client's request. */
void control_set_data(struct control_client *client, void *data);
void *control_data(const struct control_client *client);

#endif
