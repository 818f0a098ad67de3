/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allow list and the protected set.  Owns both, and says of any prefix whether it is covered by them.  An entry of
 * either may have several origins (configured and an admin's; gateway and resolver at once): it goes with the last of
 * them.  Bounded: what does not fit is refused with ENGINE_FULL, never put in another's place.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

struct guard *guard_new(const struct hash_key *key, unsigned ipv6_prefix)
{
	struct guard *guard = calloc(1, sizeof(*guard));

	if (!guard)
		return NULL;
	guard->allow = prefixset_new(ENGINE_ALLOW_MAX, key);
	guard->protect = prefixset_new(ENGINE_PROTECTED_MAX, key);
	guard->customers = prefixset_new(GUARD_CUSTOMERS_MAX, key);
	guard->allowed = calloc(ENGINE_ALLOW_MAX, sizeof(*guard->allowed));
	guard->whys = calloc(ENGINE_PROTECTED_MAX, sizeof(*guard->whys));
	guard->customer_ms = calloc(GUARD_CUSTOMERS_MAX, sizeof(*guard->customer_ms));
	guard->nets = prefixset_new(ENGINE_ALLOW_MAX + ENGINE_PROTECTED_MAX, key);
	guard->net_members = calloc(ENGINE_ALLOW_MAX + ENGINE_PROTECTED_MAX, sizeof(*guard->net_members));
	guard->next_expiry_ms = INT64_MAX;
	guard->ipv6_prefix = ipv6_prefix;
	if (guard->allow && guard->protect && guard->customers && guard->allowed && guard->whys && guard->customer_ms &&
	    guard->nets && guard->net_members)
		return guard;
	guard_free(guard);
	return NULL;
}

void guard_free(struct guard *guard)
{
	if (!guard)
		return;
	prefixset_free(guard->allow);
	prefixset_free(guard->protect);
	prefixset_free(guard->customers);
	prefixset_free(guard->nets);
	free(guard->allowed);
	free(guard->whys);
	free(guard->customer_ms);
	free(guard->net_members);
	free(guard);
}

enum engine_result guard_allow(struct guard *guard, const struct prefix *source, int64_t until_ms,
			       enum allow_origin origin)
{
	bool known = prefixset_find(guard->allow, source) != PREFIXSET_NONE;
	uint32_t slot = prefixset_add(guard->allow, source);

	if (slot == PREFIXSET_NONE)
		return ENGINE_FULL;
	if (!known) {
		guard->allowed[slot] = (struct allowed){ 0 };
		guard_net_add(guard, source);
	}
	guard->allowed[slot].origins |= (uint8_t)(1u << origin);
	guard->allowed[slot].until_ms[origin] = until_ms;
	if (until_ms > 0 && until_ms < guard->next_expiry_ms)
		guard->next_expiry_ms = until_ms;
	return ENGINE_OK;
}

static void allow_remove(struct guard *guard, uint32_t slot)
{
	guard_net_remove(guard, prefixset_at(guard->allow, slot));
	prefixset_remove(guard->allow, slot);
}

enum engine_result guard_disallow(struct guard *guard, const struct prefix *source)
{
	uint32_t slot = prefixset_find(guard->allow, source);

	if (slot == PREFIXSET_NONE)
		return ENGINE_NOT_FOUND;
	allow_remove(guard, slot);
	return ENGINE_OK;
}

static void drop_origin(struct guard *guard, uint32_t slot, unsigned origin)
{
	guard->allowed[slot].origins &= (uint8_t) ~(1u << origin);
	if (guard->allowed[slot].origins == 0)
		allow_remove(guard, slot);
}

void guard_disallow_origin(struct guard *guard, enum allow_origin origin)
{
	uint32_t slot = prefixset_next(guard->allow, 0, NULL);

	for (; slot != PREFIXSET_NONE; slot = prefixset_next(guard->allow, slot + 1, NULL))
		drop_origin(guard, slot, origin);
}

void guard_expire(struct guard *guard, int64_t now_ms)
{
	uint32_t slot;

	if (now_ms < guard->next_expiry_ms)
		return;
	guard->next_expiry_ms = INT64_MAX;
	for (slot = prefixset_next(guard->allow, 0, NULL); slot != PREFIXSET_NONE;
	     slot = prefixset_next(guard->allow, slot + 1, NULL)) {
		for (unsigned origin = 0; origin < ALLOW_ORIGIN_COUNT; origin++) {
			int64_t until_ms = guard->allowed[slot].until_ms[origin];

			if (!(guard->allowed[slot].origins & (1u << origin)) || until_ms == 0)
				continue;
			if (until_ms <= now_ms)
				drop_origin(guard, slot, origin);
			else if (until_ms < guard->next_expiry_ms)
				guard->next_expiry_ms = until_ms;
		}
	}
}

const struct prefix *guard_allowed(const struct guard *guard, const struct prefix *what)
{
	uint32_t slot = prefixset_cover(guard->allow, what, 128);

	return slot == PREFIXSET_NONE ? NULL : prefixset_at(guard->allow, slot);
}

enum engine_result guard_protect(struct guard *guard, const struct prefix *what, enum protect_why why)
{
	bool known = prefixset_find(guard->protect, what) != PREFIXSET_NONE;
	uint32_t slot = prefixset_add(guard->protect, what);

	if (slot == PREFIXSET_NONE)
		return ENGINE_FULL;
	if (!known) {
		guard->whys[slot] = 0;
		guard_net_add(guard, what);
	}
	guard->whys[slot] |= (uint16_t)(1u << why);
	return ENGINE_OK;
}

void guard_protect_clear(struct guard *guard, enum protect_why why)
{
	uint32_t slot = prefixset_next(guard->protect, 0, NULL);

	for (; slot != PREFIXSET_NONE; slot = prefixset_next(guard->protect, slot + 1, NULL)) {
		guard->whys[slot] &= (uint16_t) ~(1u << why);
		if (guard->whys[slot] == 0) {
			guard_net_remove(guard, prefixset_at(guard->protect, slot));
			prefixset_remove(guard->protect, slot);
		}
	}
}

static enum protect_why first_why(uint16_t whys)
{
	for (unsigned why = PROTECT_NONE + 1; why < PROTECT_WHY_COUNT; why++) {
		if (why != PROTECT_ONLINK && (whys & (1u << why)))
			return (enum protect_why)why;
	}
	return PROTECT_NONE;
}

static bool is_local(const struct prefix *what)
{
	static const struct addr metadata = { { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 } };

	if (what->len == 128 && addr_equal(&what->addr, &metadata))
		return true;
	/* A prefix is local as a whole when it lies within the range its first address is of. */
	if (addr_is_v4(&what->addr))
		return (addr_is_loopback(&what->addr) && what->len >= 96 + 8) ||
		       (addr_is_link_local(&what->addr) && what->len >= 96 + 16);
	return (addr_is_loopback(&what->addr) && what->len == 128) ||
	       (addr_is_link_local(&what->addr) && what->len >= 10);
}

enum protect_why guard_protected(const struct guard *guard, const struct prefix *what, struct prefix *by)
{
	uint32_t slot = prefixset_cover(guard->protect, what, 128);

	while (slot != PREFIXSET_NONE) {
		const struct prefix *entry = prefixset_at(guard->protect, slot);
		enum protect_why why = first_why(guard->whys[slot]);

		if (why != PROTECT_NONE) {
			if (by)
				*by = *entry;
			return why;
		}
		slot = prefixset_cover(guard->protect, what, (int)entry->len - 1);
	}
	if (!is_local(what))
		return PROTECT_NONE;
	if (by)
		*by = *what;
	return PROTECT_LOCAL;
}

enum protect_why guard_protected_inside(const struct guard *guard, const struct prefix *what)
{
	uint32_t slot = prefixset_next(guard->protect, 0, what);

	for (; slot != PREFIXSET_NONE; slot = prefixset_next(guard->protect, slot + 1, what)) {
		enum protect_why why = first_why(guard->whys[slot]);

		if (why != PROTECT_NONE)
			return why;
	}
	return PROTECT_NONE;
}

bool guard_is_own(const struct guard *guard, const struct addr *addr)
{
	struct prefix host = prefix_host(addr);
	uint32_t slot = prefixset_find(guard->protect, &host);

	return slot != PREFIXSET_NONE && (guard->whys[slot] & (1u << PROTECT_OWN));
}

bool guard_any_inside(const struct guard *guard, const struct prefix *what)
{
	return prefixset_next(guard->allow, 0, what) != PREFIXSET_NONE ||
	       guard_protected_inside(guard, what) != PROTECT_NONE ||
	       prefixset_next(guard->customers, 0, what) != PREFIXSET_NONE;
}

bool guard_is_onlink(const struct guard *guard, const struct prefix *what)
{
	uint32_t slot = prefixset_cover(guard->protect, what, 128);

	while (slot != PREFIXSET_NONE) {
		if (guard->whys[slot] & (1u << PROTECT_ONLINK))
			return true;
		slot = prefixset_cover(guard->protect, what, (int)prefixset_at(guard->protect, slot)->len - 1);
	}
	return false;
}
