/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Under which key an address is counted.  An IPv4 host is its address.  An IPv6 host owns a /64 and may change its
 * address within at will, so the /64 is the source; but where strangers share a /64, or one that we must not cut off at
 * all lives in it, each address stands for itself.  A customer is not of those: one request would give a scanner as
 * many sources as it has addresses.  Its /64 is blocked softly at most, which cuts off nobody who is served already.
 */
#include "internal.h"

#include <string.h>

static bool starts_with(const struct addr *addr, const uint8_t *bytes, size_t len)
{
	return memcmp(addr->b, bytes, len) == 0;
}

/* Behind these, one /64 is many unrelated hosts: NAT64 (RFC 6052), Teredo (RFC 4380). */
static bool is_shared(const struct addr *addr)
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b }, teredo[4] = { 0x20, 0x01, 0x00, 0x00 };

	return starts_with(addr, nat64, sizeof(nat64)) || starts_with(addr, teredo, sizeof(teredo));
}

/* 6to4 (RFC 3056): a /48 is one IPv4 host. */
static bool is_6to4(const struct addr *addr)
{
	static const uint8_t prefix[2] = { 0x20, 0x02 };

	return starts_with(addr, prefix, sizeof(prefix));
}

static struct prefix net_of(const struct guard *guard, const struct addr *addr)
{
	return prefix_of(addr, is_6to4(addr) ? 48 : guard->ipv6_prefix);
}

void guard_net_add(struct guard *guard, const struct prefix *entry)
{
	struct prefix net = net_of(guard, &entry->addr);
	bool known = prefixset_find(guard->nets, &net) != PREFIXSET_NONE;
	uint32_t slot;

	if (prefix_is_v4(entry) || entry->len <= net.len)
		return;
	slot = prefixset_add(guard->nets, &net); /* has room for every entry there can be */
	if (slot != PREFIXSET_NONE)
		guard->net_members[slot] = known ? guard->net_members[slot] + 1 : 1;
}

void guard_net_remove(struct guard *guard, const struct prefix *entry)
{
	struct prefix net = net_of(guard, &entry->addr);
	uint32_t slot = prefixset_find(guard->nets, &net);

	if (prefix_is_v4(entry) || entry->len <= net.len || slot == PREFIXSET_NONE)
		return;
	if (--guard->net_members[slot] == 0)
		prefixset_remove(guard->nets, slot);
}

static void add_all(struct guard *guard, const struct prefixset *entries)
{
	uint32_t slot = prefixset_next(entries, 0, NULL);

	for (; slot != PREFIXSET_NONE; slot = prefixset_next(entries, slot + 1, NULL))
		guard_net_add(guard, prefixset_at(entries, slot));
}

void guard_set_ipv6_prefix(struct guard *guard, unsigned ipv6_prefix)
{
	uint32_t slot;

	if (guard->ipv6_prefix == ipv6_prefix)
		return;
	guard->ipv6_prefix = ipv6_prefix;
	while ((slot = prefixset_next(guard->nets, 0, NULL)) != PREFIXSET_NONE)
		prefixset_remove(guard->nets, slot);
	while ((slot = prefixset_next(guard->customers, 0, NULL)) != PREFIXSET_NONE)
		prefixset_remove(guard->customers, slot);
	add_all(guard, guard->allow);
	add_all(guard, guard->protect);
}

void guard_customer(struct guard *guard, const struct addr *addr, int64_t now_ms)
{
	struct prefix net = net_of(guard, addr);
	uint32_t slot;

	if (addr_is_v4(addr))
		return;
	slot = prefixset_add(guard->customers, &net);
	if (slot == PREFIXSET_NONE) {
		prefixset_remove(guard->customers, guard->customer_hand);
		guard->customer_hand = (guard->customer_hand + 1) % GUARD_CUSTOMERS_MAX;
		slot = prefixset_add(guard->customers, &net);
	}
	guard->customer_ms[slot] = now_ms;
}

bool guard_holds_customer(const struct guard *guard, const struct prefix *what, int64_t now_ms)
{
	uint32_t slot = prefixset_find(guard->customers, what);

	if (what->len == 128)
		return false;
	/* Wider than one key, as a merged net is: rare enough to walk. */
	if (slot == PREFIXSET_NONE && what->len < guard->ipv6_prefix)
		slot = prefixset_next(guard->customers, 0, what);
	while (slot != PREFIXSET_NONE && now_ms - guard->customer_ms[slot] >= GUARD_CUSTOMER_MS)
		slot = prefixset_next(guard->customers, slot + 1, what);
	return slot != PREFIXSET_NONE;
}

struct prefix guard_key(const struct guard *guard, const struct addr *addr)
{
	struct prefix host = prefix_host(addr), net;

	if (addr_is_v4(addr) || addr_is_link_local(addr) || is_shared(addr) || guard_is_onlink(guard, &host))
		return host;
	net = net_of(guard, addr);
	return prefixset_find(guard->nets, &net) != PREFIXSET_NONE ? host : net;
}
