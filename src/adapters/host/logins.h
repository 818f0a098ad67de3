/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses that must never be cut off, as this host tells them: remote hosts of sessions (logind, utmp), resolvers,
 * NTP servers and DHCP servers (resolv.conf, systemd-resolved, -timesyncd, -networkd, chrony, ntp, dhclient).
 * Addresses alone: names are not looked up, since a lookup can hang.
 */
#ifndef PICKET_LOGINS_H
#define PICKET_LOGINS_H

#include <stddef.h>

#include "addr.h"

#define LOGINS_MAX 512

enum logins_kind { LOGINS_SESSION, LOGINS_RESOLVER, LOGINS_NTP, LOGINS_DHCP };

struct logins_entry {
	struct addr addr;
	enum logins_kind kind;
};

/* Looks everywhere anew; at most max entries, no duplicates.  Missing files are no error.  Returns the count. */
size_t logins_read(struct logins_entry *out, size_t max);

#endif
