/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the control socket share: a server on a socket of its own, and clients that talk to it.
 */
#ifndef PICKET_TEST_CONTROL_FIXTURE_H
#define PICKET_TEST_CONTROL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "control/control.h"
#include "control/internal.h"
#include "seed.h"
#include "writer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the server ---- */

struct server {
	struct event_base *base;
	struct control *control;
	char directory[64], path[96];
	struct control_client *waiting; /* of a request that is left unfinished */
	unsigned requests, gone;
	size_t sources; /* of the last request */
	bool hold, big;
};

static inline void on_request(void *context, struct control_client *client, const struct control_request *request)
{
	struct server *server = context;

	server->requests++;
	server->sources = request->source_count;
	if (server->hold) {
		server->waiting = client;
		return;
	}
	control_send(client, json_pack("{s:s}", "echo", request->command == CONTROL_LIST ? "list" : "status"));
	while (server->big && !control_is_full(client))
		control_send(client, json_pack("{s:s}", "filler", "0123456789012345678901234567890123456789"));
	control_done(client);
}

static inline void on_drained(void *context, struct control_client *client)
{
	(void)context, (void)client;
}

static inline void on_gone(void *context, struct control_client *client)
{
	struct server *server = context;

	server->gone += client == server->waiting;
}

static inline int server_start(void **state)
{
	static const struct control_callbacks callbacks = { on_request, on_drained, on_gone };
	struct server *server = calloc(1, sizeof(*server));
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct control_options options = { .admin_gid = UINT32_MAX, .callbacks = &callbacks, .context = server };

	snprintf(server->directory, sizeof(server->directory), "/tmp/picket-control-XXXXXX");
	if (!mkdtemp(server->directory))
		return -1;
	snprintf(server->path, sizeof(server->path), "%s/sock", server->directory);
	memcpy(address.sun_path, server->path, strlen(server->path) + 1);
	options.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	options.base = server->base = event_base_new();
	*state = server;
	return bind(options.fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(options.fd, 128) < 0 ||
			       control_open(&options, &server->control) < 0
		       ? -1
		       : 0;
}

static inline int server_stop(void **state)
{
	struct server *server = *state;

	control_close(server->control);
	event_base_free(server->base);
	unlink(server->path);
	rmdir(server->directory);
	free(server);
	return 0;
}

static inline int dial(const struct server *server)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, server->path, strlen(server->path) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static inline void turn(struct server *server)
{
	for (int i = 0; i < 20; i++)
		event_base_loop(server->base, EVLOOP_NONBLOCK);
}

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Everything that can be read now, as a string; -1 at the end of the connection is told by *closed. */
static inline char *hear(int fd, char *out, size_t size, bool *closed)
{
	size_t len = 0;
	ssize_t got = -1;

	while (len < size - 1 && (got = recv(fd, out + len, size - 1 - len, 0)) > 0)
		len += (size_t)got;
	if (closed)
		*closed = got == 0;
	out[len] = '\0';
	return out;
}

#define ASK "{\"v\":1,\"cmd\":\"status\"}\n"

/* Only root and a group may talk to the socket. */
static inline void needs_root(void)
{
	if (getuid() != 0)
		skip();
}

#endif
