/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports that were served lately.  Clients keep coming after a service has stopped: what they send to its port is no
 * evidence, and no trap answers in its place.
 *
 * Nothing that a sender does can put a port here, and hardly anything that a local user does: a service of the system
 * counts at once, anybody else's port after an hour, and no user has more than SERVED_USER_MAX of them; those that are
 * subordinate to one user share their places.  The system's is what root or a system user has open, but not among the
 * ephemeral ports.  What a port has won, only the system or the same user prolongs.  So whoever opens thousands of
 * ports, or has an FTP server open them, gains nothing.  Fixed size.
 */
#include "evidence.h"

#include <stdlib.h>

#include <picket/packet.h>

#define LOOKS_MIN   3
#define MISSED_S    30 /* seen less recently, it has been closed meanwhile */
#define USER_S      3600
#define USER_PLACES 1024 /* ports of users, of all together */
/* The numbers that adduser and useradd give out to be subordinate to users. */
#define SUBORDINATES        100000
#define SUBORDINATES_OF_ONE 65536

enum { SERVED_TCP, SERVED_UDP, SERVED_SCTP, SERVED_PROTOCOLS };

struct port {
	uint32_t first_s, last_s; /* of the present run of looks */
	uint32_t served_s;        /* when it was last known to be served; 0: it does not count */
	uint16_t place;           /* of a user's, counted from 1; it may have gone to another port meanwhile */
	uint8_t looks;            /* of the run; saturates */
};

/* A port of a user's that counts. */
struct user_port {
	uint32_t user;
	uint16_t port;
	uint8_t row, used;
};

struct served {
	/* A bit for each port that ever counted: a probe of any other port looks no further. */
	uint64_t ever[SERVED_PROTOCOLS][65536 / 64];
	struct port ports[SERVED_PROTOCOLS][65536];
	struct user_port users[USER_PLACES];
	uint64_t refused;
};

struct served *served_new(void)
{
	return calloc(1, sizeof(struct served));
}

void served_free(struct served *served)
{
	free(served);
}

static int row_of(uint8_t protocol)
{
	switch (protocol) {
	case PROTO_TCP: return SERVED_TCP;
	case PROTO_UDP: return SERVED_UDP;
	case PROTO_SCTP: return SERVED_SCTP;
	}
	return -1;
}

static void count_from(struct served *served, int row, uint16_t port, int64_t served_s)
{
	served->ports[row][port].served_s = (uint32_t)served_s;
	served->ever[row][port / 64] |= 1ULL << port % 64;
}

static bool is_lately(const struct port *port, int64_t now_s)
{
	return port->served_s > 0 && now_s - port->served_s < SERVED_MEMORY_S;
}

/* All that are subordinate to one user (subuid(5)) are one.  Where the accounts of a directory have numbers as large,
 * some of them share their places. */
static uint32_t user_of(uint32_t uid)
{
	return uid < SUBORDINATES ? uid : uid - (uid - SUBORDINATES) % SUBORDINATES_OF_ONE;
}

/* NULL: the system's, or nobody's. */
static const struct user_port *place_of(const struct served *served, int row, uint16_t port)
{
	uint16_t number = served->ports[row][port].place;
	const struct user_port *place = number ? &served->users[number - 1] : NULL;

	return place && place->used && place->row == row && place->port == port ? place : NULL;
}

static void give_back(struct served *served, int row, uint16_t port)
{
	if (place_of(served, row, port))
		served->users[served->ports[row][port].place - 1].used = 0;
	served->ports[row][port].place = 0;
}

static void note(struct served *served, int row, uint16_t port, int64_t now_s)
{
	give_back(served, row, port);
	count_from(served, row, port, now_s);
}

void served_note(struct served *served, uint8_t protocol, uint16_t port, int64_t now_ms)
{
	int row = row_of(protocol);

	if (row >= 0)
		note(served, row, port, now_ms / 1000);
}

/* A place among the user's ports; places of ports that count no longer are free. */
static bool take_place(struct served *served, uint32_t uid, int row, uint16_t port, int64_t now_s)
{
	struct user_port *free_place = NULL;
	uint32_t user = user_of(uid);
	unsigned count = 0;

	for (unsigned i = 0; i < USER_PLACES; i++) {
		struct user_port *place = &served->users[i];

		if (place->used && !is_lately(&served->ports[place->row][place->port], now_s))
			place->used = 0;
		if (!place->used)
			free_place = place;
		else
			count += place->user == user;
	}
	if (!free_place || count >= SERVED_USER_MAX) {
		served->refused++;
		return false;
	}
	*free_place = (struct user_port){ .user = user, .port = port, .row = (uint8_t)row, .used = 1 };
	served->ports[row][port].place = (uint16_t)(free_place - served->users + 1);
	return true;
}

void served_restore(struct served *served, uint8_t protocol, uint16_t port, uint32_t uid, int64_t last_ms,
		    int64_t now_ms)
{
	int row = row_of(protocol);

	if (row < 0 || now_ms - last_ms >= SERVED_MEMORY_S * 1000LL)
		return;
	if (is_lately(&served->ports[row][port], now_ms / 1000))
		return;
	if (uid != SERVED_SYSTEM && !take_place(served, uid, row, port, now_ms / 1000))
		return;
	count_from(served, row, port, last_ms / 1000);
}

static void look_at_users(struct served *served, uint32_t uid, int row, uint16_t number, int64_t now_s)
{
	struct port *port = &served->ports[row][number];

	if (is_lately(port, now_s)) {
		const struct user_port *place = place_of(served, row, number);

		if (place && place->user == user_of(uid))
			port->served_s = (uint32_t)now_s;
		return;
	}
	if (port->looks < LOOKS_MIN || now_s - port->first_s < USER_S)
		return;
	if (take_place(served, uid, row, number, now_s))
		count_from(served, row, number, now_s);
	else
		port->first_s = (uint32_t)now_s; /* again in an hour */
}

static void look_at(struct served *served, const struct served_socket *socket, int64_t now_s)
{
	int row = row_of(socket->protocol);
	struct port *port;

	if (row < 0)
		return;
	port = &served->ports[row][socket->port];
	if (port->looks == 0 || now_s - port->last_s > MISSED_S) {
		port->first_s = (uint32_t)now_s;
		port->looks = 0;
	}
	port->last_s = (uint32_t)now_s;
	port->looks += port->looks < UINT8_MAX;
	if (socket->uid == SERVED_SYSTEM)
		note(served, row, socket->port, now_s);
	else
		look_at_users(served, socket->uid, row, socket->port, now_s);
}

void served_look(struct served *served, const struct served_socket *sockets, size_t count, int64_t now_ms)
{
	for (size_t i = 0; i < count; i++)
		look_at(served, &sockets[i], now_ms / 1000);
}

bool served_is(const struct served *served, uint8_t protocol, uint16_t port, int64_t now_ms)
{
	int row = row_of(protocol);

	return row >= 0 && served->ever[row][port / 64] >> port % 64 & 1 &&
	       is_lately(&served->ports[row][port], now_ms / 1000);
}

bool served_next(const struct served *served, uint32_t *cursor, struct served_view *out)
{
	static const uint8_t protocols[SERVED_PROTOCOLS] = {
		[SERVED_TCP] = PROTO_TCP,
		[SERVED_UDP] = PROTO_UDP,
		[SERVED_SCTP] = PROTO_SCTP,
	};

	for (; *cursor < SERVED_PROTOCOLS * 65536; (*cursor)++) {
		int row = (int)(*cursor >> 16);
		uint16_t port = (uint16_t)*cursor;
		const struct user_port *place;

		if (served->ports[row][port].served_s == 0)
			continue;
		place = place_of(served, row, port);
		*out = (struct served_view){
			.protocol = protocols[row],
			.port = port,
			.last_ms = (int64_t)served->ports[row][port].served_s * 1000,
			.uid = place ? place->user : SERVED_SYSTEM,
		};
		(*cursor)++;
		return true;
	}
	return false;
}

uint64_t served_refused(const struct served *served)
{
	return served->refused;
}
