/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What surrounds the keeper under fuzz_keeper.c: a clock that stands still between steps, a host whose logins and
 * listeners are the input's, clients whose users are.  These functions are defined in the program, so that they take
 * the place of those in the libraries.
 */
#ifndef PICKET_FUZZ_KEEPER_H
#define PICKET_FUZZ_KEEPER_H

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "clock.h"
#include "fuzz.h"
#include "host/listeners.h"
#include "host/logins.h"

#define WORLD_BOOTED_MS 1790000000000LL
#define WORLD_GROUP     4242
#define WORLD_MOST      600 /* logins and listeners; more than the keeper takes */

static struct {
	int64_t up_ms, set_ms; /* since the boot; by how much the clock on the wall was set */
	uid_t uid;             /* of the client that connects */
	gid_t gid;
	unsigned groups;
	size_t login_count, listener_count;
	struct logins_entry logins[WORLD_MOST];
	struct listener listeners[WORLD_MOST];
} world = { .up_ms = 1000000 };

int64_t clock_ms(clockid_t clock)
{
	return world.up_ms + (clock == CLOCK_REALTIME ? WORLD_BOOTED_MS + world.set_ms : 0);
}

int64_t clock_ns(clockid_t clock)
{
	return clock_ms(clock) * 1000000;
}

int64_t clock_us(clockid_t clock)
{
	return clock_ms(clock) * 1000;
}

int64_t clock_s(clockid_t clock)
{
	return clock_ms(clock) / 1000;
}

int64_t clock_wall_ms(void)
{
	int64_t now_ms = clock_ms(CLOCK_REALTIME);

	return now_ms >= CLOCK_WALL_MIN_MS && now_ms < CLOCK_WALL_MAX_MS ? now_ms : 0;
}

/* ---- the host ---- */

size_t logins_read(const struct logins_admins *admins, struct logins_entry *out, size_t max, const char **denied)
{
	size_t count = world.login_count < max ? world.login_count : max;

	(void)admins;
	*denied = world.login_count % 7 == 6 ? "/etc/resolv.conf" : NULL;
	memcpy(out, world.logins, count * sizeof(*out));
	return count;
}

void logins_paths(const char *out[LOGINS_PATHS_MAX + 1])
{
	out[0] = NULL;
}

int listeners_open(struct listeners **out)
{
	*out = (struct listeners *)&world;
	return 0;
}

void listeners_close(struct listeners *listeners)
{
	(void)listeners;
}

int listeners_dump(struct listeners *listeners, struct listener *out, size_t max, size_t *dropped)
{
	size_t count = world.listener_count < max ? world.listener_count : max;

	(void)listeners;
	if (world.listener_count == WORLD_MOST)
		return -EBADMSG;
	memcpy(out, world.listeners, count * sizeof(*out));
	*dropped = world.listener_count - count;
	return (int)count;
}

/* ---- who connects ---- */

int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	const struct ucred who = { .uid = world.uid, .gid = world.gid };
	gid_t *groups = value;
	socklen_t want = world.groups * (socklen_t)sizeof(gid_t);

	if (level != SOL_SOCKET || (option != SO_PEERCRED && option != SO_PEERGROUPS))
		return (int)syscall(SYS_getsockopt, fd, level, option, value, len);
	if (option == SO_PEERCRED) {
		require(*len >= sizeof(who));
		memcpy(value, &who, sizeof(who));
		return 0;
	}
	if (*len < want) {
		*len = want;
		errno = ERANGE;
		return -1;
	}
	for (unsigned i = 0; i < world.groups; i++)
		groups[i] = i + 1 == world.groups ? WORLD_GROUP : 100 + i;
	*len = want;
	return 0;
}

#endif
