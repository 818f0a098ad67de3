/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host around picket: what the kernel can, how full conntrack is, whether the clock can be trusted and the disk
 * written.
 */
#include "internal.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "procfs.h"
#include "writer.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#define LANDLOCK_VERSION_FLAG 1U

#define MIB          (1024LL * 1024)
#define FREE_LITTLE  (256 * MIB)
#define FREE_NOTHING (8 * MIB)
#define BUILT_AFTER  1735689600 /* 2025: no clock of a running picket is older */

void doctor_conntrack(struct doctor *d)
{
	static const char without[] = "what runs is known by its sockets alone: a ban cannot tell datagrams or flows "
				      "through this host that run from new ones; no flow is flagged";
	const json_t *sensors = json_object_get(d->status, "sensors");
	const char *state = json_words(sensors, "conntrack", "on");
	int64_t count, max;

	if (strcmp(state, "off") == 0) {
		doctor_note(d, without, "conntrack = auto in picket.conf, then: picketctl reload",
			    "conntrack is not asked, as configured");
		return;
	}
	if (strcmp(state, "absent") == 0) {
		doctor_warning(d, without, "modprobe nf_conntrack, then: systemctl restart picket",
			       "the kernel has no conntrack; picket works without it");
		return;
	}
	if (doctor_count(d, "kernel", "untracked") > 0)
		doctor_note(d, without, NULL, "%lld packets of connections came past conntrack (NOTRACK)",
			    doctor_count(d, "kernel", "untracked"));
	if (procfs_number("/proc/sys/net/netfilter/nf_conntrack_count", &count) < 0 ||
	    procfs_number("/proc/sys/net/netfilter/nf_conntrack_max", &max) < 0) {
		doctor_note(d, NULL, NULL, "how full conntrack is cannot be read here");
		return;
	}
	if (max > 0 && count >= max)
		doctor_problem(
			d, "the kernel drops new connections of everybody",
			"sysctl -w net.netfilter.nf_conntrack_max=$((2 * $(sysctl -n net.netfilter.nf_conntrack_max)))",
			"conntrack's table is full: %lld of %lld", (long long)count, (long long)max);
	else if (max > 0 && count * 10 > max * 8)
		doctor_warning(
			d, "when it is full, the kernel drops new connections of everybody",
			"sysctl -w net.netfilter.nf_conntrack_max=$((2 * $(sysctl -n net.netfilter.nf_conntrack_max)))",
			"conntrack's table is nearly full: %lld of %lld", (long long)count, (long long)max);
	else
		doctor_ok(d, "conntrack is on, %lld of at most %lld flows", (long long)count, (long long)max);
}

void doctor_clock(struct doctor *d)
{
	struct timex state = { .modes = 0 };
	int result = adjtimex(&state);

	if (time(NULL) < BUILT_AFTER)
		doctor_problem(
			d, "veils, bans and blocks kept over a restart would end at the wrong time, and history lies",
			"timedatectl set-ntp true", "the clock stands before picket was written");
	else if (result == TIME_ERROR)
		doctor_warning(d, "times in the log may be wrong; bans and blocks run by a clock that never jumps",
			       "timedatectl set-ntp true", "the clock is not synchronised");
	else if (result < 0)
		doctor_note(d, NULL, NULL, "the state of the clock cannot be read: %s", strerror(errno));
	else
		doctor_ok(d, "the clock is synchronised");
}

void doctor_disk(struct doctor *d)
{
	const json_t *state = json_object_get(d->status, "state"), *free_bytes = json_object_get(state, "free_bytes");
	const char *dir = json_words(state, "dir", "?");
	long long left = (long long)json_whole(state, "free_bytes");
	char advice[320];

	snprintf(advice, sizeof(advice), "ls -ld %.200s; df -h %.80s", dir, dir);
	if (!json_flag(state, "writable"))
		doctor_problem(d, "history, bans, blocks and customers are forgotten at the next restart", advice,
			       "%.200s cannot be written by picket", dir);
	else if (json_is_integer(free_bytes) && left < FREE_NOTHING)
		doctor_problem(d, "history, bans, blocks and customers are forgotten at the next restart", advice,
			       "%.200s: the disk is full", dir);
	else if (json_is_integer(free_bytes) && left < FREE_LITTLE)
		doctor_warning(d, "history may soon not be kept", advice, "%.200s: %lld MiB are left", dir, left / MIB);
	else
		doctor_ok(d, "%.200s can be written, %lld MiB are left", dir, left / MIB);
}

static void doctor_early_drop(struct doctor *d, const char *release)
{
	const char *state = d->status ? doctor_word(d, "sensors", "early_drop") : "";

	if (strcmp(state, "no hook") == 0)
		doctor_note(d, "packets of banned sources that flood are dropped later, at twice the price", NULL,
			    "kernel %s has no ingress hook for tables of the family inet", release);
	if (strcmp(state, "old kernel") == 0)
		doctor_note(d, "packets of banned sources that flood are dropped later, at twice the price",
			    "update the kernel; or, if CVE-2024-26808 is mended in it, set early_drop = on",
			    "kernel %s may not survive it when an interface with an ingress hook goes away", release);
}

void doctor_features(struct doctor *d)
{
	long landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
	char actions[256];
	struct utsname kernel;

	uname(&kernel);
	if (file_read("/proc/sys/kernel/seccomp/actions_avail", actions, sizeof(actions)) < 0 ||
	    !strstr(actions, "kill_process"))
		doctor_warning(d, "a process of picket that is taken over could do more", NULL,
			       "kernel %s has no seccomp filters", kernel.release);
	if (landlock < 0)
		doctor_note(d, "the keeper's files are guarded by their modes alone",
			    "add landlock to lsm= on the kernel's command line", "kernel %s has no Landlock",
			    kernel.release);
	if (d->status && strcmp(doctor_word(d, "sensors", "queue"), "native") != 0)
		doctor_note(d, "the xt target NFQUEUE stands in for it. A ruleset saved with it does not load again",
			    "stop picket before you save: systemctl stop picket; nft list ruleset > FILE",
			    "kernel %s has no native queue expression", kernel.release);
	doctor_early_drop(d, kernel.release);
	doctor_ok(d, "kernel %s: Landlock ABI %ld%s%s", kernel.release, landlock < 0 ? 0 : landlock,
		  d->status ? ", queue by " : "", d->status ? doctor_word(d, "sensors", "queue") : "");
}

static int64_t reverse_path_of(const char *interface)
{
	char path[96];
	int64_t value = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%.15s/rp_filter", interface);
	return procfs_number(path, &value) < 0 ? 0 : value;
}

/* Of the values for `all` and for an interface the kernel takes the larger. */
void doctor_reverse_path(struct doctor *d)
{
	const json_t *interfaces = json_object_get(json_object_get(d->status, "sensors"), "interfaces");
	int64_t all = reverse_path_of("all");
	size_t strict = 0, count = json_array_size(interfaces);

	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(interfaces, i));
		int64_t own = name && !strchr(name, '/') ? reverse_path_of(name) : 0;

		strict += (own > all ? own : all) == 1;
	}
	if (strict > 0 && count > 1)
		doctor_warning(d,
			       "packets whose way back leaves by another interface are dropped before picket sees them",
			       "sysctl -w net.ipv4.conf.all.rp_filter=2",
			       "the reverse path filter is strict, and there are %zu guarded interfaces", count);
	else if (doctor_count(d, "kernel", "way_back") > 0)
		doctor_note(d, "their senders are forged, or this host's routes are asymmetric",
			    "where the routes are meant so: reverse_path = off in picket.conf, then: picketctl reload",
			    "%lld packets came by another way than answers take: no evidence",
			    doctor_count(d, "kernel", "way_back"));
	else
		doctor_ok(d, "the reverse path filter is %s",
			  strict     ? "strict"
			  : all == 2 ? "loose"
				     : "off or by interface");
}

void doctor_vrf(struct doctor *d)
{
	const json_t *names = json_object_get(json_object_get(d->status, "sensors"), "vrf");
	char list[160];
	struct writer w = writer_over(list, sizeof(list));

	for (size_t i = 0; i < json_array_size(names); i++)
		writer_format(&w, "%s%s", i ? ", " : "", json_string_value(json_array_get(names, i)));
	if (json_array_size(names) == 0)
		return;
	doctor_warning(d,
		       "a packet that comes to a VRF shows the interface below it first, where it cannot be told what "
		       "is served: no traps and no evidence there; bans and blocks hold there as well",
		       "let what must be guarded come by an interface outside of the VRF",
		       "VRF: what comes by %s is not guarded", list);
}

static bool is_bridge(const char *interface)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (void *)&info };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	if (fd < 0)
		return false;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	found = ioctl(fd, SIOCETHTOOL, &request) == 0 && strcmp(info.driver, "bridge") == 0;
	close(fd);
	return found;
}

bool host_bridge_filters(const char *interface, bool v6)
{
	const char *const all_path =
		v6 ? "/proc/sys/net/bridge/bridge-nf-call-ip6tables" : "/proc/sys/net/bridge/bridge-nf-call-iptables";
	char own_path[96];
	int64_t all, own;

	/* Without the module there is no such file. */
	if (!is_bridge(interface) || procfs_number(all_path, &all) < 0)
		return false;
	snprintf(own_path, sizeof(own_path), "/sys/class/net/%.15s/bridge/nf_call_ip%stables", interface,
		 v6 ? "6" : "");
	return all != 0 || (procfs_number(own_path, &own) == 0 && own != 0);
}
