/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sandbox, as the kernel tells of it: each of the three processes has what its job needs and nothing else.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"
#include "procfs.h"

#define CHILDREN_MAX      64
#define CAP_NET_ADMIN_BIT (1ull << 12)

/* Who listens on the control socket: the supervisor. */
static pid_t supervisor_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		peer.pid = 0;
	if (fd >= 0)
		close(fd);
	return peer.pid;
}

static void look_at(struct doctor *d, const struct procfs_status *process, uint64_t wanted, const char *wanted_words)
{
	static const char advice[] = "sandbox = true in picket.conf, then: systemctl restart picket";

	if (process->uid == 0)
		doctor_find(d, SEVERITY_PROBLEM, "whoever takes it over has the machine", advice,
			    "%s (process %ld) runs as root", process->name, (long)process->pid);
	else if (process->cap_effective != wanted)
		doctor_find(d, SEVERITY_PROBLEM, "it should hold no other", NULL,
			    "%s (process %ld) has capabilities 0x%llx, expected %s", process->name, (long)process->pid,
			    (unsigned long long)process->cap_effective, wanted_words);
	else if (process->seccomp != 2 || !process->no_new_privs)
		doctor_find(d, SEVERITY_WARNING, "a fault in it would be worth more to an attacker", advice,
			    "%s (process %ld) runs without its system call filter", process->name, (long)process->pid);
	else
		doctor_find(d, SEVERITY_OK, NULL, NULL, "%s (process %ld): uid %u, %s, system calls filtered",
			    process->name, (long)process->pid, process->uid, wanted_words);
}

void doctor_sandbox(struct doctor *d)
{
	struct procfs_status children[CHILDREN_MAX];
	pid_t supervisor = supervisor_of(d->args->socket);
	int count = supervisor > 0 ? procfs_children(supervisor, children, CHILDREN_MAX) : 0;
	bool sentry = false, keeper = false;

	for (int i = 0; i < count && i < CHILDREN_MAX; i++) {
		if (strcmp(children[i].name, "picket-sentry") == 0) {
			look_at(d, &children[i], CAP_NET_ADMIN_BIT, "CAP_NET_ADMIN alone");
			sentry = true;
		} else if (strcmp(children[i].name, "picket-keeper") == 0) {
			look_at(d, &children[i], 0, "no capability");
			keeper = true;
		}
	}
	if (!sentry || !keeper)
		doctor_find(d, SEVERITY_NOTE, "another pid namespace, or /proc is mounted with hidepid", NULL,
			    "picket's processes cannot be seen from here");
}
