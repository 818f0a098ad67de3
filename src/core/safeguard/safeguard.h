/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The safeguards: which addresses are allowed, which are protected, and how finely an IPv6 address must be told from
 * its neighbours so that none of these is cut off together with a scanner.
 */
#ifndef PICKET_SAFEGUARD_H
#define PICKET_SAFEGUARD_H

#include <picket/engine.h>
#include "prefixset.h"

struct safeguard;

/* ipv6_prefix: the length of an ordinary IPv6 key. */
struct safeguard *safeguard_new(const struct hash_key *key, unsigned ipv6_prefix);
void safeguard_set_ipv6_prefix(struct safeguard *safeguard, unsigned ipv6_prefix);
void safeguard_free(struct safeguard *safeguard);

enum engine_result safeguard_allow(struct safeguard *safeguard, const struct prefix *source, int64_t until_ms,
				   enum allow_origin origin);
enum engine_result safeguard_disallow(struct safeguard *safeguard, const struct prefix *source);
/* Takes off what has run out. */
void safeguard_expire(struct safeguard *safeguard, int64_t now_ms);
/* The entry that allows the whole of `what`, or NULL. */
const struct prefix *safeguard_allowed(const struct safeguard *safeguard, const struct prefix *what);
/* Is this sender allowed?  What is asked of each packet takes the sender's hashes (prefixset.h). */
bool safeguard_allows(const struct safeguard *safeguard, struct prefix_hashes *sender);

enum engine_result safeguard_protect(struct safeguard *safeguard, const struct prefix *what, enum protect_why why);
void safeguard_protect_clear(struct safeguard *safeguard, enum protect_why why);
/* Why the whole of `what` is protected; *by (may be NULL) is the entry that says so.  PROTECT_NONE: it is not. */
enum protect_why safeguard_protected(const struct safeguard *safeguard, const struct prefix *what, struct prefix *by);
/* All that the protected set says of a sender. */
struct safeguard_word {
	bool own;    /* one of our own addresses */
	bool onlink; /* a neighbour's: it stands for itself, whatever its family */
	enum protect_why why;
};
struct safeguard_word safeguard_protects(const struct safeguard *safeguard, struct prefix_hashes *sender);
/* The next protected prefix inside `within`, from slot on; the slot after it, or PREFIXSET_NONE. */
uint32_t safeguard_protected_next(const struct safeguard *safeguard, uint32_t slot, const struct prefix *within,
				  struct prefix *out);
/* The same of some address inside `what`.  For orders and rare decisions: walks the table. */
enum protect_why safeguard_protected_inside(const struct safeguard *safeguard, const struct prefix *what);

/* The net that an IPv6 address is counted with unless it must stand for itself. */
struct prefix safeguard_net(const struct safeguard *safeguard, const struct addr *addr);
/* The key under which an address is counted. */
struct prefix safeguard_key(const struct safeguard *safeguard, const struct addr *addr);
struct prefix safeguard_key_of(const struct safeguard *safeguard, struct prefix_hashes *sender, bool onlink);

uint32_t safeguard_allow_count(const struct safeguard *safeguard);
uint32_t safeguard_protect_count(const struct safeguard *safeguard);
/* Both return the next slot, or PREFIXSET_NONE. */
uint32_t safeguard_allow_view(const struct safeguard *safeguard, uint32_t slot, struct allow_view *out);
uint32_t safeguard_protect_view(const struct safeguard *safeguard, uint32_t slot, struct protected_view *out);

/* "gateway", "resolver", "an admin is logged in from there", ... */
const char *safeguard_why_text(enum protect_why why);

#endif
