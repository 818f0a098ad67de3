/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allow list and the protected set.  Owns both, says of any prefix whether an entry covers it, and says under which
 * key an address is counted.  An entry may have several origins (configuration and admin; gateway and resolver at once)
 * and is removed with the last of them.  Both are bounded: an entry that does not fit is refused with ENGINE_FULL and
 * never displaces another.
 */
#include "safeguard.h"

#include <stdlib.h>
#include <string.h>

struct allowed {
	int64_t until_ms[ALLOW_ORIGIN_COUNT]; /* 0: for good */
	uint8_t origins;                      /* bit per enum allow_origin */
};

struct safeguard {
	struct hash_key key;
	struct prefixset *allow, *protect;
	struct allowed *allowed; /* beside allow */
	uint16_t *whys;          /* beside protect: bit per enum protect_why */
	int64_t next_expiry_ms;
	unsigned ipv6_prefix;
	struct prefixset *nets; /* IPv6 nets, cut as keys are, that hold allowed or protected hosts */
	uint32_t *net_members;  /* beside nets: how many */
};

/* ---- IPv6 nets ---- */

/* 6to4 (RFC 3056): a /48 is one IPv4 host. */
static bool is_6to4(const struct addr *addr)
{
	static const uint8_t prefix[2] = { 0x20, 0x02 };

	return memcmp(addr->b, prefix, sizeof(prefix)) == 0;
}

struct prefix safeguard_net(const struct safeguard *safeguard, const struct addr *addr)
{
	return prefix_of(addr, is_6to4(addr) ? 48 : safeguard->ipv6_prefix);
}

static void net_add(struct safeguard *safeguard, const struct prefix *entry)
{
	struct prefix net = safeguard_net(safeguard, &entry->addr);
	bool known = prefixset_find(safeguard->nets, &net) != PREFIXSET_NONE;
	uint32_t slot;

	if (prefix_is_v4(entry) || entry->len <= net.len)
		return;
	slot = prefixset_add(safeguard->nets, &net); /* has room for every entry there can be */
	if (slot != PREFIXSET_NONE)
		safeguard->net_members[slot] = known ? safeguard->net_members[slot] + 1 : 1;
}

static void net_remove(struct safeguard *safeguard, const struct prefix *entry)
{
	struct prefix net = safeguard_net(safeguard, &entry->addr);
	uint32_t slot = prefixset_find(safeguard->nets, &net);

	if (prefix_is_v4(entry) || entry->len <= net.len || slot == PREFIXSET_NONE)
		return;
	if (--safeguard->net_members[slot] == 0)
		prefixset_remove(safeguard->nets, slot);
}

static void add_all(struct safeguard *safeguard, const struct prefixset *entries)
{
	uint32_t slot = prefixset_next(entries, 0, NULL);

	for (; slot != PREFIXSET_NONE; slot = prefixset_next(entries, slot + 1, NULL))
		net_add(safeguard, prefixset_at(entries, slot));
}

/* ---- the allow list and the protected set ---- */

struct safeguard *safeguard_new(const struct hash_key *key, unsigned ipv6_prefix)
{
	struct safeguard *safeguard = calloc(1, sizeof(*safeguard));

	if (!safeguard)
		return NULL;
	safeguard->key = *key;
	safeguard->allow = prefixset_new(ENGINE_ALLOW_MAX, key);
	safeguard->protect = prefixset_new(ENGINE_PROTECTED_MAX, key);
	safeguard->allowed = calloc(ENGINE_ALLOW_MAX, sizeof(*safeguard->allowed));
	safeguard->whys = calloc(ENGINE_PROTECTED_MAX, sizeof(*safeguard->whys));
	safeguard->nets = prefixset_new(ENGINE_ALLOW_MAX + ENGINE_PROTECTED_MAX, key);
	safeguard->net_members = calloc(ENGINE_ALLOW_MAX + ENGINE_PROTECTED_MAX, sizeof(*safeguard->net_members));
	safeguard->next_expiry_ms = INT64_MAX;
	safeguard->ipv6_prefix = ipv6_prefix;
	if (safeguard->allow && safeguard->protect && safeguard->allowed && safeguard->whys && safeguard->nets &&
	    safeguard->net_members)
		return safeguard;
	safeguard_free(safeguard);
	return NULL;
}

void safeguard_free(struct safeguard *safeguard)
{
	if (!safeguard)
		return;
	prefixset_free(safeguard->allow);
	prefixset_free(safeguard->protect);
	prefixset_free(safeguard->nets);
	free(safeguard->allowed);
	free(safeguard->whys);
	free(safeguard->net_members);
	free(safeguard);
}

enum engine_result safeguard_allow(struct safeguard *safeguard, const struct prefix *source, int64_t until_ms,
				   enum allow_origin origin)
{
	bool known = prefixset_find(safeguard->allow, source) != PREFIXSET_NONE;
	uint32_t slot = prefixset_add(safeguard->allow, source);

	if (slot == PREFIXSET_NONE)
		return ENGINE_FULL;
	if (!known) {
		safeguard->allowed[slot] = (struct allowed){ 0 };
		net_add(safeguard, source);
	}
	safeguard->allowed[slot].origins |= (uint8_t)(1u << origin);
	safeguard->allowed[slot].until_ms[origin] = until_ms;
	if (until_ms > 0 && until_ms < safeguard->next_expiry_ms)
		safeguard->next_expiry_ms = until_ms;
	return ENGINE_OK;
}

static void allow_remove(struct safeguard *safeguard, uint32_t slot)
{
	net_remove(safeguard, prefixset_at(safeguard->allow, slot));
	prefixset_remove(safeguard->allow, slot);
}

enum engine_result safeguard_disallow(struct safeguard *safeguard, const struct prefix *source)
{
	uint32_t slot = prefixset_find(safeguard->allow, source);

	if (slot == PREFIXSET_NONE)
		return ENGINE_NOT_FOUND;
	allow_remove(safeguard, slot);
	return ENGINE_OK;
}

static void drop_origin(struct safeguard *safeguard, uint32_t slot, unsigned origin)
{
	safeguard->allowed[slot].origins &= (uint8_t) ~(1u << origin);
	if (safeguard->allowed[slot].origins == 0)
		allow_remove(safeguard, slot);
}

void safeguard_expire(struct safeguard *safeguard, int64_t now_ms)
{
	uint32_t slot;

	if (now_ms < safeguard->next_expiry_ms)
		return;
	safeguard->next_expiry_ms = INT64_MAX;
	for (slot = prefixset_next(safeguard->allow, 0, NULL); slot != PREFIXSET_NONE;
	     slot = prefixset_next(safeguard->allow, slot + 1, NULL)) {
		for (unsigned origin = 0; origin < ALLOW_ORIGIN_COUNT; origin++) {
			int64_t until_ms = safeguard->allowed[slot].until_ms[origin];

			if (!(safeguard->allowed[slot].origins & (1u << origin)) || until_ms == 0)
				continue;
			if (until_ms <= now_ms)
				drop_origin(safeguard, slot, origin);
			else if (until_ms < safeguard->next_expiry_ms)
				safeguard->next_expiry_ms = until_ms;
		}
	}
}

const struct prefix *safeguard_allowed(const struct safeguard *safeguard, const struct prefix *what)
{
	uint32_t slot = prefixset_cover(safeguard->allow, what, 128);

	return slot == PREFIXSET_NONE ? NULL : prefixset_at(safeguard->allow, slot);
}

bool safeguard_allows(const struct safeguard *safeguard, struct prefix_hashes *sender)
{
	uint32_t entries[129];

	return prefixset_holders(safeguard->allow, sender, entries) > 0;
}

enum engine_result safeguard_protect(struct safeguard *safeguard, const struct prefix *what, enum protect_why why)
{
	bool known = prefixset_find(safeguard->protect, what) != PREFIXSET_NONE;
	uint32_t slot = prefixset_add(safeguard->protect, what);

	if (slot == PREFIXSET_NONE)
		return ENGINE_FULL;
	if (!known) {
		safeguard->whys[slot] = 0;
		net_add(safeguard, what);
	}
	safeguard->whys[slot] |= (uint16_t)(1u << why);
	return ENGINE_OK;
}

void safeguard_protect_clear(struct safeguard *safeguard, enum protect_why why)
{
	uint32_t slot = prefixset_next(safeguard->protect, 0, NULL);

	for (; slot != PREFIXSET_NONE; slot = prefixset_next(safeguard->protect, slot + 1, NULL)) {
		safeguard->whys[slot] &= (uint16_t) ~(1u << why);
		if (safeguard->whys[slot] == 0) {
			net_remove(safeguard, prefixset_at(safeguard->protect, slot));
			prefixset_remove(safeguard->protect, slot);
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

/* What is protected without an entry. */
static enum protect_why protected_by_nature(const struct prefix *what)
{
	if (prefix_no_source(what))
		return PROTECT_NO_SOURCE;
	return is_local(what) ? PROTECT_LOCAL : PROTECT_NONE;
}

enum protect_why safeguard_protected(const struct safeguard *safeguard, const struct prefix *what, struct prefix *by)
{
	uint32_t slot = prefixset_cover(safeguard->protect, what, 128);
	enum protect_why why = PROTECT_NONE;

	while (slot != PREFIXSET_NONE && why == PROTECT_NONE) {
		const struct prefix *entry = prefixset_at(safeguard->protect, slot);

		why = first_why(safeguard->whys[slot]);
		if (why != PROTECT_NONE && by)
			*by = *entry;
		slot = prefixset_cover(safeguard->protect, what, (int)entry->len - 1);
	}
	if (why != PROTECT_NONE)
		return why;
	why = protected_by_nature(what);
	if (why != PROTECT_NONE && by)
		*by = *what;
	return why;
}

struct safeguard_word safeguard_protects(const struct safeguard *safeguard, struct prefix_hashes *sender)
{
	struct prefix host = prefix_host(&sender->addr);
	struct safeguard_word word = { .why = PROTECT_NONE };
	uint32_t entries[129];
	unsigned count = prefixset_holders(safeguard->protect, sender, entries);

	for (unsigned i = 0; i < count; i++) {
		uint16_t whys = safeguard->whys[entries[i]];

		word.own |= prefixset_at(safeguard->protect, entries[i])->len == 128 && (whys & (1u << PROTECT_OWN));
		word.onlink |= (whys & (1u << PROTECT_ONLINK)) != 0;
		if (word.why == PROTECT_NONE)
			word.why = first_why(whys);
	}
	if (word.why == PROTECT_NONE)
		word.why = protected_by_nature(&host);
	return word;
}

enum protect_why safeguard_protected_inside(const struct safeguard *safeguard, const struct prefix *what)
{
	uint32_t slot = prefixset_next(safeguard->protect, 0, what);

	for (; slot != PREFIXSET_NONE; slot = prefixset_next(safeguard->protect, slot + 1, what)) {
		enum protect_why why = first_why(safeguard->whys[slot]);

		if (why != PROTECT_NONE)
			return why;
	}
	return PROTECT_NONE;
}

uint32_t safeguard_protected_next(const struct safeguard *safeguard, uint32_t slot, const struct prefix *within,
				  struct prefix *out)
{
	for (slot = prefixset_next(safeguard->protect, slot, within); slot != PREFIXSET_NONE;
	     slot = prefixset_next(safeguard->protect, slot + 1, within)) {
		if (first_why(safeguard->whys[slot]) == PROTECT_NONE)
			continue;
		*out = *prefixset_at(safeguard->protect, slot);
		return slot + 1;
	}
	return PREFIXSET_NONE;
}

/* ---- under which key an address is counted ---- */

/*
 * An IPv4 host is its address.  An IPv6 host owns a /64 and may change its address within it at will, so the /64 is the
 * source.  But where strangers share a /64, or where a host lives in it that must not be cut off at all, each address
 * stands for itself.
 */
void safeguard_set_ipv6_prefix(struct safeguard *safeguard, unsigned ipv6_prefix)
{
	uint32_t slot;

	if (safeguard->ipv6_prefix == ipv6_prefix)
		return;
	safeguard->ipv6_prefix = ipv6_prefix;
	while ((slot = prefixset_next(safeguard->nets, 0, NULL)) != PREFIXSET_NONE)
		prefixset_remove(safeguard->nets, slot);
	add_all(safeguard, safeguard->allow);
	add_all(safeguard, safeguard->protect);
}

struct prefix safeguard_key_of(const struct safeguard *safeguard, struct prefix_hashes *sender, bool onlink)
{
	const struct addr *addr = &sender->addr;
	struct prefix net;

	if (addr_is_v4(addr) || addr_is_link_local(addr) || addr_is_translated(addr) || onlink)
		return prefix_host(addr);
	net = safeguard_net(safeguard, addr);
	if (prefixset_find_hashed(safeguard->nets, &net, prefix_hashes_of(sender, net.len)) != PREFIXSET_NONE)
		return prefix_host(addr);
	return net;
}

struct prefix safeguard_key(const struct safeguard *safeguard, const struct addr *addr)
{
	struct prefix_hashes hashes;

	prefix_hashes_begin(&hashes, &safeguard->key, addr);
	return safeguard_key_of(safeguard, &hashes, safeguard_protects(safeguard, &hashes).onlink);
}

/* ---- flat copies, and the words for each reason ---- */

uint32_t safeguard_allow_count(const struct safeguard *safeguard)
{
	return prefixset_count(safeguard->allow);
}

uint32_t safeguard_protect_count(const struct safeguard *safeguard)
{
	return prefixset_count(safeguard->protect);
}

uint32_t safeguard_allow_view(const struct safeguard *safeguard, uint32_t slot, struct allow_view *out)
{
	const struct allowed *allowed;

	slot = prefixset_next(safeguard->allow, slot, NULL);
	if (slot == PREFIXSET_NONE)
		return slot;
	allowed = &safeguard->allowed[slot];
	*out = (struct allow_view){
		.source = *prefixset_at(safeguard->allow, slot),
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

uint32_t safeguard_protect_view(const struct safeguard *safeguard, uint32_t slot, struct protected_view *out)
{
	slot = prefixset_next(safeguard->protect, slot, NULL);
	if (slot == PREFIXSET_NONE)
		return slot;
	*out = (struct protected_view){ *prefixset_at(safeguard->protect, slot), shown_why(safeguard->whys[slot]) };
	return slot + 1;
}

const char *safeguard_why_text(enum protect_why why)
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
		[PROTECT_NO_SOURCE] = "no host can send from it",
	};

	return (unsigned)why < PROTECT_WHY_COUNT ? texts[why] : texts[PROTECT_NONE];
}
