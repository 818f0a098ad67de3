/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may give orders: root, and members of the admins' group, as the kernel says and nobody else.
 * The socket's mode keeps most strangers away already; this holds where a mode was loosened by hand.
 */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

/* 1 when gid is among the peer's supplementary groups, 0 when not, -errno. */
static int in_groups(int fd, gid_t gid)
{
	gid_t few[64], *groups = few, *many = NULL;
	socklen_t len = sizeof(few);
	int found = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0) {
		/* The kernel has written the length that it takes. */
		if (errno != ERANGE || len > GROUPS_MAX * sizeof(gid_t))
			return -errno;
		groups = many = malloc(len);
		if (!many)
			return -ENOMEM;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0) {
			int error = errno;

			free(many);
			return -error;
		}
	}
	for (size_t i = 0; i < len / sizeof(gid_t) && !found; i++)
		found = groups[i] == gid;
	free(many);
	return found;
}

int control_peer_check(int fd, uint32_t admin_gid, uid_t own_uid, bool *root)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int found;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	*root = peer.uid == 0;
	if (peer.uid == 0)
		return 0;
	if (peer.uid == own_uid || admin_gid == UINT32_MAX)
		return -EACCES;
	if (peer.gid == admin_gid)
		return 0;
	found = in_groups(fd, admin_gid);
	return found < 0 ? found : found ? 0 : -EACCES;
}
