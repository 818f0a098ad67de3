/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses that must never be cut off, as this host tells them: remote hosts of admins' sessions (logind, utmp),
 * resolvers, NTP servers and DHCP servers (resolv.conf, systemd-resolved, -timesyncd, -networkd, chrony, ntp,
 * dhclient).  Addresses alone: names are not looked up, since a lookup can hang.
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

/* Whose sessions count: others' are their own affair, and a local user can have a session recorded from anywhere. */
#define LOGINS_ADMINS_MAX 128
#define LOGINS_NAME_MAX   33
struct logins_admins {
	size_t count;
	struct {
		uint32_t uid;
		char name[LOGINS_NAME_MAX];
	} items[LOGINS_ADMINS_MAX];
};
/* Root, and the members of these groups, as the host's accounts tell: may look them up over the network.  Returns how
 * many found no room. */
size_t logins_find_admins(const char groups[][LOGINS_NAME_MAX], size_t count, struct logins_admins *out);

/* Looks everywhere anew; at most max entries, no duplicates.  Missing files are no error.  Returns the count.
 * *denied becomes a file or directory that is there and may not be read, or NULL. */
size_t logins_read(const struct logins_admins *admins, struct logins_entry *out, size_t max, const char **denied);

/* What that takes from the file system, for a sandbox, ending with NULL: directories whose files come and go, and
 * files.  As it is now: without logind all of /proc is among them, where it looks whose a login's process is. */
#define LOGINS_PATHS_MAX 20
void logins_paths(const char *out[LOGINS_PATHS_MAX + 1]);

#endif
