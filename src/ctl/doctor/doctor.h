/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The doctor's own room: what its checks share.  A check is a row of a table; it may tell any number of findings.
 *
 *   doctor.c           the table, and how findings are shown
 *   doctor_daemon.c    what the daemon says of itself
 *   doctor_lists.c     the allow list, the protected set, you
 *   doctor_host.c      the host around it: conntrack, clock, disk, kernel
 *   doctor_processes.c the sandbox of the three processes
 *   doctor_rules.c     other tables, iptables-legacy, saved rulesets
 *   doctor_firewall.c  which firewall the host has, and how it is told to open a port
 *   doctor_traps.c     every trap, tried through the host's own firewall; the queue's reader
 *   doctor_probe.c     --probe: one packet, followed to the score
 */
#ifndef PICKET_CTL_DOCTOR_H
#define PICKET_CTL_DOCTOR_H

#include "ctl.h"
#include "hostnft.h"

enum severity { SEVERITY_OK, SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_PROBLEM, SEVERITY_COUNT };

struct doctor {
	const struct ctl_args *args;
	json_t *status;       /* the daemon's; NULL: it does not answer */
	struct hostnft *host; /* NULL: not root, or it could not be read */
	const char *check;    /* the name of the one under way */
	unsigned counts[SEVERITY_COUNT];
};

/* meaning: what it is about; advice: what to do, best a line to be pasted.  Either may be NULL. */
void doctor_find(struct doctor *doctor, enum severity severity, const char *meaning, const char *advice,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A counter of the daemon's status. */
long long doctor_count(const struct doctor *doctor, const char *section, const char *key);
const char *doctor_word(const struct doctor *doctor, const char *section, const char *key);

typedef void doctor_check_fn(struct doctor *doctor);

doctor_check_fn doctor_mode, doctor_queue, doctor_kernel, doctor_storm, doctor_tables, doctor_records, doctor_hooks;
doctor_check_fn doctor_allow, doctor_protected, doctor_you;
doctor_check_fn doctor_conntrack, doctor_clock, doctor_disk, doctor_features, doctor_reverse_path;
doctor_check_fn doctor_sandbox;
doctor_check_fn doctor_table, doctor_foreign, doctor_legacy, doctor_saved;
doctor_check_fn doctor_traps;

/* How the host's firewall is told to let TCP or UDP ports in, as a line of shell. */
#define FIREWALL_ADVICE_MAX 2048
const char *doctor_open_ports(const struct doctor *doctor, const char *protocol, const uint16_t *ports, size_t count,
			      char out[FIREWALL_ADVICE_MAX]);

enum ctl_exit doctor_probe(const struct ctl_args *args);

#endif
