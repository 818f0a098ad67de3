/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets of the traps: transparent listeners, TCP and UDP on 127.0.0.1 and ::1 (a wildcard listener would
 * expose its own port), each on a port that the kernel chose.  A connection that is accepted becomes a visit (visit.c).
 *
 * Limits: ACCEPTS_MAX a wake-up; a listener pauses when there are no descriptors left, since it would spin otherwise.
 * UDP traps read and throw away: the queue has judged the datagram on its way in, and an answer would make the host a
 * reflector.
 */
#include "internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_MAX 64    /* a wake-up, so that one flood does not starve the queue */
#define BACKLOG     16384 /* the kernel takes no more than net.core.somaxconn */
#define NO_ROOM_MS  100

struct listener {
	struct event event, pause;
	struct trap *trap;
	int fd; /* -1: none */
	uint16_t port;
};

/* A TCP listener has half-open connections of its own, at most net.core.somaxconn (4,096), each for three seconds; when
 * they are full it answers by SYN cookies, which prove nothing.  So several share a port (SO_REUSEPORT), and the kernel
 * chooses by a keyed hash of addresses and ports: together they hold 20,000 forged SYNs a second. */
#define SHARES 16

enum { LISTENER_TCP4, LISTENER_TCP6 = SHARES, LISTENER_UDP4 = 2 * SHARES, LISTENER_UDP6, LISTENER_COUNT };

struct trap {
	struct listener listeners[LISTENER_COUNT];
	struct visit_table visits; /* and the counters */
};

static int listener_type(int index)
{
	return index < LISTENER_UDP4 ? SOCK_STREAM : SOCK_DGRAM;
}

static int listener_family(int index)
{
	return index < LISTENER_TCP6 || index == LISTENER_UDP4 ? AF_INET : AF_INET6;
}

/* The one whose port it shares; itself where it is the first. */
static int listener_first(int index)
{
	return index < LISTENER_TCP6 ? LISTENER_TCP4 : index < LISTENER_UDP4 ? LISTENER_TCP6 : index;
}

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* ---- listeners ---- */

/* V6ONLY must come before bind.  TCP_SYNCNT: one retransmission of the SYN+ACK, then the half-open connection is
 * gone. */
static int listener_options(int fd, int family, int type)
{
	int error = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (!error && family == AF_INET)
		error = set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
	if (!error && family == AF_INET6)
		error = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!error && family == AF_INET6)
		error = set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
	if (!error && type == SOCK_STREAM)
		error = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (!error && type == SOCK_STREAM)
		error = set_int(fd, IPPROTO_TCP, TCP_SYNCNT, 1);
	if (!error && type == SOCK_STREAM)
		error = set_int(fd, IPPROTO_TCP, TCP_SAVE_SYN, 1);
	return error;
}

/* *port: the one to be had, 0 any; becomes the one that it is. */
static int listener_bind(int fd, int family, int type, uint16_t *port)
{
	union any_address at = { 0 };
	socklen_t len = family == AF_INET ? sizeof(at.v4) : sizeof(at.v6);

	at.any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		at.v4.sin_port = htons(*port);
	} else {
		at.v6.sin6_addr = in6addr_loopback;
		at.v6.sin6_port = htons(*port);
	}
	if (bind(fd, &at.any, len) != 0 || (type == SOCK_STREAM && listen(fd, BACKLOG) != 0) ||
	    getsockname(fd, &at.any, &len) != 0)
		return -errno;
	*port = ntohs(family == AF_INET ? at.v4.sin_port : at.v6.sin6_port);
	return 0;
}

static int listener_open(struct listener *listener, int family, int type)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	error = listener_options(fd, family, type);
	if (!error)
		error = listener_bind(fd, family, type, &listener->port);
	if (error) {
		close(fd);
		return error;
	}
	listener->fd = fd;
	return 0;
}

/* One family may be missing (no IPv6), which the ports tell.  Fails when a wanted protocol has neither family. */
static int listeners_open(struct trap *trap, int type)
{
	int first_error = 0, opened = 0;

	for (int i = 0; i < LISTENER_COUNT; i++) {
		int error;

		if (listener_type(i) != type)
			continue;
		trap->listeners[i].port = trap->listeners[listener_first(i)].port;
		error = listener_open(&trap->listeners[i], listener_family(i), type);
		opened += error == 0;
		if (error && !first_error)
			first_error = error;
	}
	return opened ? 0 : first_error;
}

static bool out_of_room(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void listener_on_pause_over(evutil_socket_t fd, short what, void *context)
{
	struct listener *listener = context;

	(void)fd;
	(void)what;
	event_add(&listener->event, NULL);
}

/* No descriptor is left: a level-triggered listener would spin. */
static void listener_pause(struct listener *listener)
{
	const struct timeval pause = { .tv_usec = NO_ROOM_MS * 1000 };

	listener->trap->visits.stats.errors++;
	event_del(&listener->event);
	if (event_add(&listener->pause, &pause) != 0)
		event_add(&listener->event, NULL);
}

static void listener_on_connections(evutil_socket_t fd, short what, void *context)
{
	struct listener *listener = context;
	struct trap *trap = listener->trap;
	bool accepted = false, made_room = false;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
		union any_address peer = { 0 };
		socklen_t len = sizeof(peer);
		int visitor = accept4(fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (visitor >= 0) {
			accepted = true;
			trap->visits.stats.accepted++;
			visit_begin(&trap->visits, visitor, &peer);
		} else if (out_of_room(errno)) {
			/* perhaps no connection waits (the kernel wants a descriptor before it looks); else the
			 * loop wakes us */
			if (accepted)
				return;
			/* room was made in vain: other files hold the descriptors */
			if (made_room || !visit_make_room(&trap->visits)) {
				listener_pause(listener);
				return;
			}
			made_room = true;
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			trap->visits.stats.errors++;
		}
	}
}

/* A pending error, if any, is cleared by the read. */
static void listener_on_datagrams(evutil_socket_t fd, short what, void *context)
{
	struct listener *listener = context;
	uint8_t byte;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
		if (recv(fd, &byte, sizeof(byte), MSG_TRUNC) >= 0)
			listener->trap->visits.stats.datagrams++;
		else if (errno == EAGAIN)
			return;
	}
}

/* ---- the trap as a whole ---- */

int trap_open(bool tcp, bool udp, const char *banner, struct trap **out)
{
	struct trap *trap = calloc(1, sizeof(*trap));
	int error;

	if (!trap)
		return -ENOMEM;
	for (int i = 0; i < LISTENER_COUNT; i++)
		trap->listeners[i] = (struct listener){ .trap = trap, .fd = -1 };
	error = visit_table_init(&trap->visits, banner);
	if (!error && tcp)
		error = listeners_open(trap, SOCK_STREAM);
	if (!error && udp)
		error = listeners_open(trap, SOCK_DGRAM);
	if (error) {
		trap_close(trap);
		return error;
	}
	*out = trap;
	return 0;
}

int trap_serve(struct trap *trap, struct event_base *base, trap_hit_fn *hit, void *context)
{
	trap->visits.base = base;
	trap->visits.hit = hit;
	trap->visits.context = context;
	for (int i = 0; i < LISTENER_COUNT; i++) {
		struct listener *listener = &trap->listeners[i];

		if (listener->fd < 0)
			continue;
		if (event_assign(&listener->event, base, listener->fd, EV_READ | EV_PERSIST,
				 listener_type(i) == SOCK_STREAM ? listener_on_connections : listener_on_datagrams,
				 listener) != 0 ||
		    event_assign(&listener->pause, base, -1, 0, listener_on_pause_over, listener) != 0 ||
		    event_add(&listener->event, NULL) != 0)
			return -ENOMEM;
	}
	return 0;
}

void trap_close(struct trap *trap)
{
	if (!trap)
		return;
	visit_table_release(&trap->visits);
	for (int i = 0; i < LISTENER_COUNT; i++) {
		if (trap->listeners[i].fd < 0)
			continue;
		if (trap->visits.base && event_initialized(&trap->listeners[i].event)) {
			event_del(&trap->listeners[i].event);
			event_del(&trap->listeners[i].pause);
		}
		close(trap->listeners[i].fd);
	}
	free(trap);
}

void trap_ports(const struct trap *trap, uint16_t *tcp4, uint16_t *tcp6, uint16_t *udp4, uint16_t *udp6)
{
	*tcp4 = trap->listeners[LISTENER_TCP4].port;
	*tcp6 = trap->listeners[LISTENER_TCP6].port;
	*udp4 = trap->listeners[LISTENER_UDP4].port;
	*udp6 = trap->listeners[LISTENER_UDP6].port;
}

void trap_read_stats(const struct trap *trap, struct trap_stats *out)
{
	*out = trap->visits.stats;
}
