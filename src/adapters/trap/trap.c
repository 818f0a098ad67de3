/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The traps' sockets: four transparent listeners, TCP and UDP on 127.0.0.1 and ::1 (a wildcard one would expose
 * its own port), each on a port the kernel chose.  What is accepted becomes a visit (trap_visit.c).
 *
 * Limits: ACCEPTS_MAX a wake-up; without descriptors a listener pauses, it would spin else.  UDP traps read
 * to throw away: the queue has judged the datagram on its way in, and an answer would make us a reflector.
 */
#include "trap.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "visit.h"

#define ACCEPTS_MAX 64 /* a wake-up, so that one flood does not starve the queue */
#define BACKLOG     1024
#define NO_ROOM_MS  100

struct door {
	struct event event, pause;
	struct trap *trap;
	int fd; /* -1: none */
	uint16_t port;
};

enum { DOOR_TCP4, DOOR_TCP6, DOOR_UDP4, DOOR_UDP6, DOOR_COUNT };

struct trap {
	struct door doors[DOOR_COUNT];
	struct visit_table visits; /* and the counters */
};

static const struct {
	int family, type;
} door_kinds[DOOR_COUNT] = {
	[DOOR_TCP4] = { AF_INET, SOCK_STREAM },
	[DOOR_TCP6] = { AF_INET6, SOCK_STREAM },
	[DOOR_UDP4] = { AF_INET, SOCK_DGRAM },
	[DOOR_UDP6] = { AF_INET6, SOCK_DGRAM },
};

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* ---- Doors ---- */

/* V6ONLY has to come before bind.  TCP_SYNCNT: one retransmission of SYN+ACK, then the half-open is gone. */
static int door_options(int fd, int family, int type)
{
	int error = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (!error && family == AF_INET)
		error = set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
	if (!error && family == AF_INET6)
		error = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!error && family == AF_INET6)
		error = set_int(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
	if (!error && type == SOCK_STREAM)
		error = set_int(fd, IPPROTO_TCP, TCP_SYNCNT, 1);
	if (!error && type == SOCK_STREAM)
		error = set_int(fd, IPPROTO_TCP, TCP_SAVE_SYN, 1);
	return error;
}

static int door_bind(int fd, int family, int type, uint16_t *port)
{
	union any_address at = { 0 };
	socklen_t len = family == AF_INET ? sizeof(at.v4) : sizeof(at.v6);

	at.any.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		at.v6.sin6_addr = in6addr_loopback;
	if (bind(fd, &at.any, len) != 0 || (type == SOCK_STREAM && listen(fd, BACKLOG) != 0) ||
	    getsockname(fd, &at.any, &len) != 0)
		return -errno;
	*port = ntohs(family == AF_INET ? at.v4.sin_port : at.v6.sin6_port);
	return 0;
}

static int door_open(struct door *door, int family, int type)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	error = door_options(fd, family, type);
	if (!error)
		error = door_bind(fd, family, type, &door->port);
	if (error) {
		close(fd);
		return error;
	}
	door->fd = fd;
	return 0;
}

/* One family may be missing (no IPv6): the ports tell.  Fails when a wanted protocol has neither. */
static int doors_open(struct trap *trap, int type)
{
	int first_error = 0, opened = 0;

	for (int i = 0; i < DOOR_COUNT; i++) {
		int error;

		if (door_kinds[i].type != type)
			continue;
		error = door_open(&trap->doors[i], door_kinds[i].family, type);
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

static void door_on_pause_over(evutil_socket_t fd, short what, void *context)
{
	struct door *door = context;

	(void)fd;
	(void)what;
	event_add(&door->event, NULL);
}

/* No descriptor left: a level-triggered listener would spin. */
static void door_pause(struct door *door)
{
	const struct timeval pause = { .tv_usec = NO_ROOM_MS * 1000 };

	door->trap->visits.stats.errors++;
	event_del(&door->event);
	if (event_add(&door->pause, &pause) != 0)
		event_add(&door->event, NULL);
}

static void door_on_visitors(evutil_socket_t fd, short what, void *context)
{
	struct door *door = context;
	struct trap *trap = door->trap;
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
			/* perhaps nobody waits (the kernel wants a descriptor before it looks); else we are woken */
			if (accepted)
				return;
			/* room that does not help: others hold the descriptors */
			if (made_room || !visit_evict_oldest(&trap->visits)) {
				door_pause(door);
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
static void door_on_datagrams(evutil_socket_t fd, short what, void *context)
{
	struct door *door = context;
	uint8_t byte;

	(void)what;
	for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
		if (recv(fd, &byte, sizeof(byte), MSG_TRUNC) >= 0)
			door->trap->visits.stats.datagrams++;
		else if (errno == EAGAIN)
			return;
	}
}

/* ---- The whole ---- */

int trap_open(bool tcp, bool udp, const char *banner, struct trap **out)
{
	struct trap *trap = calloc(1, sizeof(*trap));
	int error;

	if (!trap)
		return -ENOMEM;
	for (int i = 0; i < DOOR_COUNT; i++)
		trap->doors[i] = (struct door){ .trap = trap, .fd = -1 };
	error = visit_table_init(&trap->visits, banner);
	if (!error && tcp)
		error = doors_open(trap, SOCK_STREAM);
	if (!error && udp)
		error = doors_open(trap, SOCK_DGRAM);
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
	for (int i = 0; i < DOOR_COUNT; i++) {
		struct door *door = &trap->doors[i];

		if (door->fd < 0)
			continue;
		if (event_assign(&door->event, base, door->fd, EV_READ | EV_PERSIST,
				 door_kinds[i].type == SOCK_STREAM ? door_on_visitors : door_on_datagrams, door) != 0 ||
		    event_assign(&door->pause, base, -1, 0, door_on_pause_over, door) != 0 ||
		    event_add(&door->event, NULL) != 0)
			return -ENOMEM;
	}
	return 0;
}

void trap_close(struct trap *trap)
{
	if (!trap)
		return;
	visit_table_release(&trap->visits);
	for (int i = 0; i < DOOR_COUNT; i++) {
		if (trap->doors[i].fd < 0)
			continue;
		if (trap->visits.base && event_initialized(&trap->doors[i].event)) {
			event_del(&trap->doors[i].event);
			event_del(&trap->doors[i].pause);
		}
		close(trap->doors[i].fd);
	}
	free(trap);
}

void trap_silence(struct trap *trap, const struct prefix *source)
{
	visits_silence(&trap->visits, source);
}

void trap_ports(const struct trap *trap, uint16_t *tcp4, uint16_t *tcp6, uint16_t *udp4, uint16_t *udp6)
{
	*tcp4 = trap->doors[DOOR_TCP4].port;
	*tcp6 = trap->doors[DOOR_TCP6].port;
	*udp4 = trap->doors[DOOR_UDP4].port;
	*udp6 = trap->doors[DOOR_UDP6].port;
}

void trap_read_stats(const struct trap *trap, struct trap_stats *out)
{
	*out = trap->visits.stats;
}
