/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up root for good.  The order matters: the bounding set can be emptied only with CAP_SETPCAP, groups and
 * ids can be changed only with CAP_SETGID and CAP_SETUID, and the capability that is kept must survive the change
 * of ids.  At the end root is tried again: a process that could still become root must not go on.
 */
#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

static int drop_bounding(void)
{
	/* The kernel may know more capabilities than the header: EINVAL ends the list. */
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) < 0)
			break;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static int become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

/* Permitted and effective: CAP_NET_ADMIN or nothing; inheritable: nothing.  NULL when out of memory. */
static cap_t wanted_capabilities(bool keep_net_admin)
{
	static const cap_value_t kept[] = { CAP_NET_ADMIN };
	cap_t caps = cap_init(); /* all clear */

	if (caps && keep_net_admin &&
	    (cap_set_flag(caps, CAP_PERMITTED, 1, kept, CAP_SET) < 0 ||
	     cap_set_flag(caps, CAP_EFFECTIVE, 1, kept, CAP_SET) < 0)) {
		cap_free(caps);
		return NULL;
	}
	return caps;
}

/* True when exactly the wanted capabilities are left and no id of root can be had. */
static bool is_dropped(uid_t uid, gid_t gid, cap_t want)
{
	cap_t have = cap_get_proc();
	bool same = have && cap_compare(want, have) == 0;

	if (have)
		cap_free(have);
	return same && getuid() == uid && geteuid() == uid && getgid() == gid && getegid() == gid &&
	       getgroups(0, NULL) == 0 && prctl(PR_CAPBSET_READ, CAP_SETUID, 0, 0, 0) == 0 &&
	       (uid == 0 || (setuid(0) < 0 && seteuid(0) < 0)) && (gid == 0 || (setgid(0) < 0 && setegid(0) < 0));
}

int sandbox_drop(uid_t uid, gid_t gid, bool keep_net_admin)
{
	cap_t caps;
	int result;

	/* Without this, permitted capabilities go when the ids leave root. */
	if (prctl(PR_SET_KEEPCAPS, keep_net_admin ? 1 : 0, 0, 0, 0) < 0)
		return -errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	result = drop_bounding();
	if (result == 0)
		result = become(uid, gid);
	if (result < 0)
		return result;
	caps = wanted_capabilities(keep_net_admin);
	if (!caps)
		return -ENOMEM;
	if (cap_set_proc(caps) < 0 || prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		result = -errno;
	else if (!is_dropped(uid, gid, caps))
		result = -EPERM;
	cap_free(caps);
	return result;
}
