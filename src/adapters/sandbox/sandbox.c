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
#include <sys/resource.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZED true /* it takes the whole address space, and a process more to look for leaks */
#else
#define SANITIZED false
#endif

/* What the supervisor and its hooks keep, as picket.service has it: the queue and nftables; to become the user of a
 * process; to give up everything else in a new process; to end the processes of other users; to give the state and the
 * control socket to their owners. */
static const cap_value_t root_keeps[] = { CAP_NET_ADMIN, CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_KILL, CAP_CHOWN };
#define ROOT_KEEPS (sizeof(root_keeps) / sizeof(root_keeps[0]))

static int drop_bounding(const cap_value_t *kept, size_t count)
{
	/* The kernel may know more capabilities than the header: EINVAL ends the list. */
	for (int cap = 0; cap < 64; cap++) {
		bool keep = false;

		for (size_t i = 0; i < count; i++)
			keep |= kept[i] == cap;
		if (prctl(PR_CAPBSET_READ, (unsigned long)cap, 0, 0, 0) < 0)
			break;
		if (!keep && prctl(PR_CAPBSET_DROP, (unsigned long)cap, 0, 0, 0) < 0)
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
	result = drop_bounding(NULL, 0);
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

int sandbox_lay_down(bool down)
{
	static const cap_value_t cap = CAP_NET_ADMIN;
	cap_t caps = cap_get_proc();
	int result = 0;

	if (!caps)
		return -ENOMEM;
	if (cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, down ? CAP_CLEAR : CAP_SET) < 0 || cap_set_proc(caps) < 0)
		result = -errno;
	cap_free(caps);
	return result;
}

/* Those of root_keeps that we have: a container may have given us fewer.  NULL when out of memory. */
static cap_t root_capabilities(void)
{
	cap_t have = cap_get_proc(), caps = cap_init();
	bool failed = !have || !caps;

	for (size_t i = 0; !failed && i < ROOT_KEEPS; i++) {
		cap_flag_value_t value = CAP_CLEAR;

		failed = cap_get_flag(have, root_keeps[i], CAP_PERMITTED, &value) < 0 ||
			 cap_set_flag(caps, CAP_PERMITTED, 1, &root_keeps[i], value) < 0 ||
			 cap_set_flag(caps, CAP_EFFECTIVE, 1, &root_keeps[i], value) < 0;
	}
	if (have)
		cap_free(have);
	if (failed && caps)
		cap_free(caps);
	return failed ? NULL : caps;
}

int sandbox_keep_root(void)
{
	cap_t caps;
	int result;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	result = drop_bounding(root_keeps, ROOT_KEEPS);
	if (result < 0)
		return result;
	caps = root_capabilities();
	if (!caps)
		return -ENOMEM;
	if (cap_set_proc(caps) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		result = -errno;
	else if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0)
		result = -EPERM;
	cap_free(caps);
	return result;
}

static int set_limit(int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return -errno;
	/* What we were given may be less. */
	if (limit.rlim_max > most)
		limit.rlim_max = most;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

int sandbox_limit(uint64_t memory, unsigned descriptors)
{
	int result = set_limit(RLIMIT_CORE, 0);

	if (result == 0)
		result = set_limit(RLIMIT_NOFILE, descriptors);
	if (result == 0 && !SANITIZED)
		result = set_limit(RLIMIT_NPROC, 0);
	if (result == 0 && !SANITIZED && memory > 0)
		result = set_limit(RLIMIT_AS, memory);
	return result;
}
