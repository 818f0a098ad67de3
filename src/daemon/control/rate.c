/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often a client may ask, and a user over all of its clients: else whoever connects sixteen times asks sixteen
 * times as much.  Root's clients are counted each for itself.
 * Promises: a user's bucket outlives its connections, so that to connect anew gains nothing.
 */
#include "internal.h"

#define BURST_MS 1000

/* It holds a second's worth. */
static bool has_room(const struct control_bucket *bucket, int rate, int64_t now_ms)
{
	return bucket->full_ms - now_ms <= BURST_MS - 1000 / rate;
}

static void take(struct control_bucket *bucket, int rate, int64_t now_ms)
{
	bucket->full_ms = (bucket->full_ms > now_ms ? bucket->full_ms : now_ms) + 1000 / rate;
}

/* A new user gets the place of the bucket that has been full for longest: nothing is lost with that. */
static struct control_bucket *bucket_of(struct control *control, uid_t uid)
{
	struct control_bucket *place = &control->users[0];

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (control->users[i].uid == uid)
			return &control->users[i];
		if (control->users[i].full_ms < place->full_ms)
			place = &control->users[i];
	}
	*place = (struct control_bucket){ .uid = uid };
	return place;
}

bool rate_take(struct control_client *client, int64_t now_ms)
{
	struct control_bucket *user = client->uid ? bucket_of(client->control, client->uid) : NULL;

	if (!has_room(&client->bucket, CONTROL_RATE, now_ms) || (user && !has_room(user, CONTROL_USER_RATE, now_ms)))
		return false;
	take(&client->bucket, CONTROL_RATE, now_ms);
	if (user)
		take(user, CONTROL_USER_RATE, now_ms);
	return true;
}
