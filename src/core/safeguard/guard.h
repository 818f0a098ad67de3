/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The safeguards: who is allowed, who is protected, and how finely an IPv6 address must be told from its neighbours so
 * that nobody of these is cut off with them.
 */
#ifndef PICKET_GUARD_H
#define PICKET_GUARD_H

#include <picket/engine.h>
#include "prefixset.h"

#define GUARD_CUSTOMERS_MAX 16384      /* IPv6 nets that hold a customer */
#define GUARD_CUSTOMER_MS   86400000LL /* since last heard of */

struct guard;

/* ipv6_prefix: the length of an ordinary IPv6 key. */
struct guard *guard_new(const struct hash_key *key, unsigned ipv6_prefix);
void guard_set_ipv6_prefix(struct guard *guard, unsigned ipv6_prefix);
void guard_free(struct guard *guard);

enum engine_result guard_allow(struct guard *guard, const struct prefix *source, int64_t until_ms,
			       enum allow_origin origin);
enum engine_result guard_disallow(struct guard *guard, const struct prefix *source);
void guard_disallow_origin(struct guard *guard, enum allow_origin origin);
/* Takes off what has run out. */
void guard_expire(struct guard *guard, int64_t now_ms);
/* The entry that allows the whole of `what`, or NULL. */
const struct prefix *guard_allowed(const struct guard *guard, const struct prefix *what);

enum engine_result guard_protect(struct guard *guard, const struct prefix *what, enum protect_why why);
void guard_protect_clear(struct guard *guard, enum protect_why why);
/* Why the whole of `what` is protected; *by (may be NULL) is the entry that says so.  PROTECT_NONE: it is not. */
enum protect_why guard_protected(const struct guard *guard, const struct prefix *what, struct prefix *by);
/* One of our own addresses? */
bool guard_is_own(const struct guard *guard, const struct addr *addr);
/* Is some allowed, protected or customer's address inside `what`?  For orders and rare decisions: walks the tables. */
bool guard_any_inside(const struct guard *guard, const struct prefix *what);
/* The same for protected ones alone. */
enum protect_why guard_protected_inside(const struct guard *guard, const struct prefix *what);

void guard_customer(struct guard *guard, const struct addr *addr, int64_t now_ms);

/* Was a customer heard of in this net, which is not a single address, within GUARD_CUSTOMER_MS? */
bool guard_holds_customer(const struct guard *guard, const struct prefix *what, int64_t now_ms);

/* The key under which an address is counted. */
struct prefix guard_key(const struct guard *guard, const struct addr *addr);

uint32_t guard_allow_count(const struct guard *guard);
uint32_t guard_protect_count(const struct guard *guard);
/* Both return the next slot, or PREFIXSET_NONE. */
uint32_t guard_allow_view(const struct guard *guard, uint32_t slot, struct allow_view *out);
uint32_t guard_protect_view(const struct guard *guard, uint32_t slot, struct protected_view *out);

/* "gateway", "resolver", "an admin is logged in from there", ... */
const char *guard_why_text(enum protect_why why);

#endif
