/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The safeguards, shown: flat copies of the allow list and the protected set, and the words for each reason.
 */
#include "internal.h"

uint32_t guard_allow_count(const struct guard *guard)
{
	return prefixset_count(guard->allow);
}

uint32_t guard_protect_count(const struct guard *guard)
{
	return prefixset_count(guard->protect);
}

uint32_t guard_allow_view(const struct guard *guard, uint32_t slot, struct allow_view *out)
{
	const struct allowed *allowed;

	slot = prefixset_next(guard->allow, slot, NULL);
	if (slot == PREFIXSET_NONE)
		return slot;
	allowed = &guard->allowed[slot];
	*out = (struct allow_view){
		.source = *prefixset_at(guard->allow, slot),
		/* One line an entry: what outlasts a reload is said. */
		.origin = allowed->origins & (1u << ALLOW_ADMIN) ? ALLOW_ADMIN : ALLOW_CONFIG,
	};
	out->until_ms = allowed->origins & (1u << ALLOW_CONFIG) ? 0 : allowed->until_ms[out->origin];
	return slot + 1;
}

static uint8_t shown_why(uint16_t whys)
{
	for (unsigned why = PROTECT_NONE + 1; why < PROTECT_WHY_COUNT; why++) {
		if (whys & (1u << why))
			return (uint8_t)why;
	}
	return PROTECT_NONE;
}

uint32_t guard_protect_view(const struct guard *guard, uint32_t slot, struct protected_view *out)
{
	slot = prefixset_next(guard->protect, slot, NULL);
	if (slot == PREFIXSET_NONE)
		return slot;
	*out = (struct protected_view){ *prefixset_at(guard->protect, slot), shown_why(guard->whys[slot]) };
	return slot + 1;
}

const char *guard_why_text(enum protect_why why)
{
	static const char *const texts[PROTECT_WHY_COUNT] = {
		[PROTECT_NONE] = "not protected",
		[PROTECT_OWN] = "our own address",
		[PROTECT_GATEWAY] = "gateway",
		[PROTECT_RESOLVER] = "resolver",
		[PROTECT_NTP] = "NTP server",
		[PROTECT_DHCP] = "DHCP server",
		[PROTECT_LOCAL] = "link-local, loopback or metadata address",
		[PROTECT_LOGIN] = "an admin is logged in from there",
		[PROTECT_ONLINK] = "on-link prefix",
	};

	return (unsigned)why < PROTECT_WHY_COUNT ? texts[why] : texts[PROTECT_NONE];
}
