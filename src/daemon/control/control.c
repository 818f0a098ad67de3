/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket's server: it accepts clients, checks their identity as the kernel states it, and decides which
 * one gives way when all places are taken.  The socket's mode keeps most other users out already; the check holds
 * where that mode was loosened by hand.
 * Promises: no user, however many clients it connects, silent or busy, keeps root or another admin out.  A peer that
 * is neither root nor in the admins' group gets one line, and never a place.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "clock.h"

#define TICK_US    200000
#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

/* 1 when gid is among the peer's supplementary groups, 0 when not, -errno. */
static int in_groups(int fd, gid_t gid)
{
	gid_t few[64], *groups = few, *many = NULL;
	socklen_t len = sizeof(few);
	int found = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0) {
		/* The kernel has written the length that it takes. */
		if (errno != ERANGE || len > GROUPS_MAX * sizeof(gid_t))
			return -errno;
		groups = many = malloc(len);
		if (!many)
			return -ENOMEM;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0) {
			int error = errno;

			free(many);
			return -error;
		}
	}
	for (size_t i = 0; i < len / sizeof(gid_t) && !found; i++)
		found = groups[i] == gid;
	free(many);
	return found;
}

/* Root and members of the group may give orders.  own_uid, which the daemon runs as, must not, even as a member: a
 * process of ours may have been taken over.  0 allowed, -EACCES, or -errno. */
static int check_peer(int fd, uint32_t admin_gid, uid_t own_uid, uid_t *uid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int found;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	*uid = peer.uid;
	if (peer.uid == 0)
		return 0;
	if (peer.uid == own_uid || admin_gid == UINT32_MAX)
		return -EACCES;
	if (peer.gid == admin_gid)
		return 0;
	found = in_groups(fd, admin_gid);
	return found < 0 ? found : found ? 0 : -EACCES;
}

/* Closes the connection of a peer that gets no place, after one line if that fits into the socket. */
static void turn_away(int fd, const char *why)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "{\"v\":%d,\"end\":true,\"ok\":false,\"code\":1,\"error\":\"%s\"}\n",
			   CONTROL_VERSION, why);

	(void)!send(fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static bool is_idle(const struct control_client *client)
{
	return !client->busy && !client->closing;
}

static size_t count_of(const struct control *control, uid_t uid)
{
	size_t count = 0;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		count += control->clients[i] && control->clients[i]->uid == uid;
	return count;
}

/* Of the users other than root the one with the most clients; 0: there is none. */
static uid_t find_crowd(const struct control *control)
{
	uid_t crowd = 0;
	size_t most = 0;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		const struct control_client *client = control->clients[i];
		size_t count = client && client->uid ? count_of(control, client->uid) : 0;

		if (count <= most)
			continue;
		crowd = client->uid;
		most = count;
	}
	return crowd;
}

/* Of a user's clients the one that has been idle longest; with `busy`, else any. */
static struct control_client *find_victim(const struct control *control, uid_t uid, bool busy)
{
	struct control_client *victim = NULL, *any = NULL;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *client = control->clients[i];

		if (!client || client->uid != uid)
			continue;
		any = client;
		if (is_idle(client) && (!victim || client->since_ms < victim->since_ms))
			victim = client;
	}
	return victim || !busy ? victim : any;
}

/* Makes a place for a new client.  A user with its share of places gives way to itself; when all are taken, the user
 * with the most does, and root only to root. */
static bool make_place(struct control *control, uid_t uid)
{
	size_t own = count_of(control, uid), others = control->stats.clients - count_of(control, 0);
	bool full = control->stats.clients >= CONTROL_CLIENTS_MAX ||
		    (uid && others >= CONTROL_CLIENTS_MAX - CONTROL_CLIENTS_RESERVE);
	uid_t crowd = find_crowd(control);
	struct control_client *victim;

	if (uid && own >= CONTROL_CLIENTS_EACH) {
		control->stats.user_full++;
		victim = find_victim(control, uid, false);
	} else if (full) {
		control->stats.evicted++;
		victim = find_victim(control, crowd, crowd && (!uid || count_of(control, crowd) > own));
	} else {
		return true;
	}
	if (victim)
		client_free(victim);
	return victim != NULL;
}

/* While somebody is connected. */
static void start_ticks(struct control *control)
{
	const struct timeval tick = { .tv_usec = TICK_US };

	if (!event_pending(control->tick, EV_TIMEOUT, NULL))
		event_add(control->tick, &tick);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int len,
		      void *context)
{
	struct control *control = context;
	struct control_client *client;
	uid_t uid = (uid_t)-1;
	size_t place = 0;

	(void)listener;
	(void)from;
	(void)len;
	if (check_peer(fd, control->admin_gid, getuid(), &uid) < 0) {
		control->stats.refused++;
		turn_away(fd, "only root and members of the group picket-admin may talk to picketd");
		return;
	}
	if (!make_place(control, uid)) {
		turn_away(fd, "too many clients of this user are connected, all of them busy: try again");
		return;
	}
	client = client_new(control, fd, uid);
	if (!client)
		return;
	while (control->clients[place])
		place++;
	control->clients[place] = client;
	control->stats.clients++;
	control->stats.accepted++;
	start_ticks(control);
}

/* Out of descriptors or memory: without a pause this would be called again and again. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
	struct control *control = context;

	evconnlistener_disable(listener);
	control->deaf = true;
	start_ticks(control);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct control *control = context;
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	(void)fd;
	(void)what;
	if (control->deaf && evconnlistener_enable(control->listener) == 0)
		control->deaf = false;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i])
			client_tick(control->clients[i], now_ms);
	if (!control->deaf && control->stats.clients == 0)
		event_del(control->tick);
}

int control_open(const struct control_options *options, struct control **out)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control) {
		close(options->fd);
		return -ENOMEM;
	}
	control->base = options->base;
	control->callbacks = options->callbacks;
	control->context = options->context;
	control->admin_gid = options->admin_gid;
	if (evutil_make_socket_nonblocking(options->fd) == 0)
		control->listener = evconnlistener_new(options->base, on_accept, control,
						       LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE, 0, options->fd);
	if (control->listener)
		control->tick = event_new(options->base, -1, EV_PERSIST, on_tick, control);
	else
		close(options->fd);
	if (!control->tick) {
		control_close(control);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(control->listener, on_accept_error);
	*out = control;
	return 0;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i]) {
			control->clients[i]->busy = false;
			client_free(control->clients[i]);
		}
	if (control->tick)
		event_free(control->tick);
	if (control->listener)
		evconnlistener_free(control->listener);
	free(control);
}

void control_read_stats(const struct control *control, struct control_stats *out)
{
	*out = control->stats;
}

void control_count_busy(struct control *control)
{
	control->stats.busy++;
}
