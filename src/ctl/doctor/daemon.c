/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon itself: what it says of its mode, losses, full tables and failing hooks, and, as the kernel tells, whether
 * each of its three processes has what its job needs and nothing else.
 */
#include "internal.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "procfs.h"

#define CHILDREN_MAX      64
#define CAP_NET_ADMIN_BIT (1ull << 12)

void doctor_mode(struct doctor *d)
{
	const char *mode = json_words(d->status, "mode", "?");

	if (strcmp(mode, "paused") == 0)
		doctor_problem(d, "nothing of picket touches a packet; bans and blocks keep running out",
			       "picketctl resume", "paused: nothing is seen and nothing is done");
	else if (strcmp(mode, "observe") == 0)
		doctor_warning(d, "scans are told, and nothing is done about them",
			       "picketctl mode block; and mode = block in picket.conf, when you trust what you see",
			       "observe mode");
	else
		doctor_ok(d, "mode is %s", mode);
}

void doctor_queue(struct doctor *d)
{
	long long lost = doctor_count(d, "queue", "lost"), open = doctor_count(d, "queue", "fail_open");
	long long errors = doctor_count(d, "queue", "verdict_errors") + doctor_count(d, "queue", "malformed");
	long long over = doctor_count(d, "kernel", "over_newcomers") + doctor_count(d, "kernel", "over_known");

	if (lost > 0 || open > 0)
		doctor_warning(d,
			       "a flood, or a machine without time to spare: those packets passed without being judged",
			       "picketctl status; raise CPUWeight in a drop-in of picket.service if it goes on",
			       "the queue overflowed %lld times, and about %lld packets passed unjudged", lost, open);
	else
		doctor_ok(d, "%lld packets judged, none lost", doctor_count(d, "queue", "packets"));
	if (over > 0)
		doctor_note(d,
			    "a flood: above the fair limits packets pass without being judged, others' are judged all "
			    "the same",
			    NULL, "%lld packets were above the fair limits", over);
	if (errors > 0)
		doctor_warning(d, "the kernel did not take a verdict, or said what made no sense",
			       "journalctl -u picket -n 50", "%lld errors in the queue", errors);
}

void doctor_kernel(struct doctor *d)
{
	if (doctor_count(d, "kernel", "refused") > 0)
		doctor_problem(d,
			       "those veils, bans and blocks do not stand; a full set or somebody's `nft flush` are "
			       "the usual reasons",
			       "journalctl -u picket | grep failed", "the kernel refused %lld elements",
			       doctor_count(d, "kernel", "refused"));
	else
		doctor_ok(d, "the kernel took every veil, ban and block");
}

void doctor_tables(struct doctor *d)
{
	long long sources = doctor_count(d, "counts", "sources"), max = doctor_count(d, "counts", "sources_max");
	long long full = doctor_count(d, "totals", "blocks_full") + doctor_count(d, "totals", "allow_full") +
			 doctor_count(d, "totals", "protect_full");

	if (full > 0)
		doctor_problem(d, "a limit of the daemon was reached, and what came later was left out",
			       "picketctl allow list; picketctl list", "%lld entries found a table full", full);
	if (max > 0 && sources * 10 > max * 9)
		doctor_warning(
			d, "a slow scanner may be forgotten too early",
			"set score { max_sources } in picket.conf to twice as many, then: systemctl restart picket",
			"%lld of at most %lld sources are watched", sources, max);
	else
		doctor_ok(d, "%lld of at most %lld sources are watched", sources, max);
}

void doctor_records(struct doctor *d)
{
	long long lost = doctor_count(d, "events", "lost"), wire = doctor_count(d, "wire", "bad_messages");

	if (lost > 0)
		doctor_warning(d, "the keeper had no time; the guard itself went on", NULL, "%lld events were not kept",
			       lost);
	else
		doctor_ok(d, "every event was kept; %lld log lines were left out",
			  doctor_count(d, "events", "log_left_out"));
	if (wire > 0)
		doctor_problem(d, "a fault, or a process of picket that somebody has taken over",
			       "systemctl restart picket; and please report it",
			       "%lld messages between picket's own processes made no sense", wire);
}

void doctor_hooks(struct doctor *d)
{
	long long bad = doctor_count(d, "hooks", "failed") + doctor_count(d, "hooks", "timed_out") +
			doctor_count(d, "hooks", "turned_away");

	if (bad > 0)
		doctor_warning(d, "the program is missing, may not be run by the hook's user, or is too slow",
			       "journalctl -u picket | grep 'hook '",
			       "%lld hooks failed, ran out of time or found no place", bad);
	else
		doctor_ok(d, "%lld hooks ran, none failed", doctor_count(d, "hooks", "started"));
}

/* ---- the sandbox ---- */

/* The process that listens on the control socket. */
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

static void look_at_process(struct doctor *d, const struct procfs_status *process, uint64_t wanted,
			    const char *wanted_words)
{
	static const char advice[] = "sandbox = true in picket.conf, then: systemctl restart picket";

	if (process->uid == 0)
		doctor_problem(d, "whoever takes it over has the machine", advice, "%s (process %ld) runs as root",
			       process->name, (long)process->pid);
	else if (process->cap_effective != wanted)
		doctor_problem(d, "it should hold no other", NULL,
			       "%s (process %ld) has capabilities 0x%llx, expected %s", process->name,
			       (long)process->pid, (unsigned long long)process->cap_effective, wanted_words);
	else if (process->seccomp != 2 || !process->no_new_privs)
		doctor_warning(d, "a fault in it would be worth more to an attacker", advice,
			       "%s (process %ld) runs without its system call filter", process->name,
			       (long)process->pid);
	else
		doctor_ok(d, "%s (process %ld): uid %u, %s, system calls filtered", process->name, (long)process->pid,
			  process->uid, wanted_words);
}

void doctor_sandbox(struct doctor *d)
{
	struct procfs_status children[CHILDREN_MAX];
	pid_t supervisor = supervisor_of(d->args->socket);
	int count = supervisor > 0 ? procfs_children(supervisor, children, CHILDREN_MAX) : 0;
	bool sentry = false, keeper = false;

	for (int i = 0; i < count && i < CHILDREN_MAX; i++) {
		if (strcmp(children[i].name, "picket-sentry") == 0) {
			look_at_process(d, &children[i], CAP_NET_ADMIN_BIT, "CAP_NET_ADMIN alone");
			sentry = true;
		} else if (strcmp(children[i].name, "picket-keeper") == 0) {
			look_at_process(d, &children[i], 0, "no capability");
			keeper = true;
		}
	}
	if (!sentry || !keeper)
		doctor_note(d, "another pid namespace, or /proc is mounted with hidepid", NULL,
			    "picket's processes cannot be seen from here");
}
