/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the doctor's checks share.  A check is a row of the table in doctor.c; it may tell any number of findings.
 *
 *   doctor.c    the table, and how findings are shown
 *   daemon.c    what the daemon says of itself, and the sandbox of its processes
 *   lists.c     the allow list, the protected set, the admin
 *   host.c      the host around it: conntrack, clock, disk, kernel
 *   rules.c     other tables, iptables-legacy, saved rulesets; how the host's firewall is told to open a port
 *   hostnft.c   the host's firewall rules, read
 *   traps.c     every trap, tried through the host's own firewall; the queue's reader
 *   probe.c     --probe: one packet, followed to the score
 *   reach.c     which ports a stranger reaches
 *   inject.c    a packet handed to the kernel as if it had come from outside
 *   exposure.c  the command of that name
 */
#ifndef PICKET_CTL_DOCTOR_INTERNAL_H
#define PICKET_CTL_DOCTOR_INTERNAL_H

#include "addr.h"
#include "doctor.h"
#include "result.h"

/* ---- findings ---- */

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
#define doctor_ok(doctor, ...)      doctor_find(doctor, SEVERITY_OK, NULL, NULL, __VA_ARGS__)
#define doctor_note(doctor, ...)    doctor_find(doctor, SEVERITY_NOTE, __VA_ARGS__)
#define doctor_warning(doctor, ...) doctor_find(doctor, SEVERITY_WARNING, __VA_ARGS__)
#define doctor_problem(doctor, ...) doctor_find(doctor, SEVERITY_PROBLEM, __VA_ARGS__)
/* A counter and a word of the daemon's status. */
long long doctor_count(const struct doctor *doctor, const char *section, const char *key);
const char *doctor_word(const struct doctor *doctor, const char *section, const char *key);
bool doctor_mode_is(const struct doctor *doctor, const char *mode);

typedef void doctor_check_fn(struct doctor *doctor);

doctor_check_fn doctor_mode, doctor_queue, doctor_kernel, doctor_tables, doctor_records, doctor_hooks, doctor_sandbox;
doctor_check_fn doctor_allow, doctor_protected, doctor_you;
doctor_check_fn doctor_conntrack, doctor_clock, doctor_disk, doctor_features, doctor_reverse_path, doctor_vrf;
doctor_check_fn doctor_table, doctor_foreign, doctor_legacy, doctor_saved;
doctor_check_fn doctor_traps;

enum ctl_exit doctor_probe(const struct ctl_args *args);

/* How the host's firewall is told to let TCP or UDP ports in, as a line of shell. */
#define FIREWALL_ADVICE_MAX 2048
const char *doctor_open_ports(const struct doctor *doctor, const char *protocol, const uint16_t *ports, size_t count,
			      char out[FIREWALL_ADVICE_MAX]);

/* ---- the host's other firewall rules, read and never touched ---- */

#define HOSTNFT_CHAINS_MAX 2048
#define HOSTNFT_JUMPS_MAX  8192
#define HOSTNFT_NAME_MAX   64

enum hostnft_does {
	HOSTNFT_DROPS = 1,
	HOSTNFT_REJECTS = 2,
	HOSTNFT_PROXIES = 4,
	HOSTNFT_UNTRACKS = 8,
	HOSTNFT_QUEUES = 16,
	HOSTNFT_CLOSES = HOSTNFT_DROPS | HOSTNFT_REJECTS,
};

struct hostnft_chain {
	uint8_t family; /* enum nfproto */
	char table[HOSTNFT_NAME_MAX], name[HOSTNFT_NAME_MAX];
	bool base;
	uint32_t hook; /* base: enum nf_inet_hooks */
	int32_t priority;
	bool policy_drop;
	unsigned does; /* bits of enum hostnft_does, of what it jumps to as well */
};

struct hostnft {
	size_t count, jump_count;
	uint64_t dropped; /* chains and jumps beyond the limits */
	struct hostnft_chain chains[HOSTNFT_CHAINS_MAX];
	struct {
		uint16_t from, to;
	} jumps[HOSTNFT_JUMPS_MAX];
};

/* Needs root.  0 or -errno; to be freed with free(). */
MUST_CHECK int hostnft_read(struct hostnft **out);
const char *hostnft_family(uint8_t family); /* "inet", "ip", ... */

/* Is it a bridge whose packets br_netfilter hands to the rules for IP before they reach us?  Tproxy gives a packet its
 * socket there, and the socket is lost on the way up: no trap answers.  A probe enters above the bridge and cannot show
 * it. */
bool host_bridge_filters(const char *interface, bool v6);

/* ---- probes of our own host from outside, without an outside ---- */

enum inject_answer {
	INJECT_SILENCE,     /* dropped, or UDP that answers nothing */
	INJECT_ANSWERED,    /* SYN+ACK, or a datagram */
	INJECT_RESET,       /* RST: the port is closed, or a rule rejects so */
	INJECT_UNREACHABLE, /* ICMP: the port is closed (UDP), or a rule rejects so */
};

struct inject_probe {
	struct addr from, to;
	uint16_t from_port, port;
	uint8_t protocol; /* TCP: a SYN; UDP: an empty datagram */
	enum inject_answer answer;
	int64_t answered_ns; /* monotonic; 0: not */
};

struct inject;

/* 0, -ENODEV, -EPERM, -EOPNOTSUPP when the kernel can't, or another -errno. */
MUST_CHECK int inject_open(const char *interface, const struct prefix *net, struct inject **out);
void inject_close(struct inject *inject);
/* Sends one probe.  0 or -errno. */
MUST_CHECK int inject_send(struct inject *inject, const struct inject_probe *probe);
/* Reads answers for wait_ms, or until every probe has one; closes what became half open.  How many were answered. */
size_t inject_collect(struct inject *inject, struct inject_probe *probes, size_t count, int wait_ms);

/* A net that probes may come from, and from which no interface of this host is numbered: answers to one of those would
 * stay on the link.  NULL: there is none. */
const struct prefix *inject_net(bool v6);
/* The n-th address of it (1..250). */
struct addr inject_source(unsigned n, const struct prefix *net);
/* A port that probes may come from. */
uint16_t inject_port(void);
/* Our own address and interface towards such a source.  0, or -errno where there is no route back. */
MUST_CHECK int inject_way(const struct prefix *net, struct addr *own, char interface[16]);

#define INJECT_PACKET_MAX 64
#define INJECT_SEQUENCE   0x7069636bu /* no scanner's mark: the engine must take it for no tool's */

/* The bytes of a probe: an IP packet with TCP of these flags, or an empty UDP datagram.  Returns its length. */
size_t inject_packet(const struct inject_probe *probe, uint8_t tcp_flags, uint32_t sequence,
		     uint8_t out[INJECT_PACKET_MAX]);

/* ---- which of our ports can be reached from outside: each is tried with one packet ---- */

#define REACH_PORTS_MAX 2048

struct reach_port {
	uint8_t protocol;
	uint16_t port;
	bool v6;
	struct addr to; /* unspecified: the address that we use towards outside */
	bool tried;
	enum inject_answer answer;
};

/* Root alone can.  0 when some could be tried, or -errno.  why: of those that could not, in words, else empty. */
int reach_try(const struct ctl_args *args, struct reach_port *ports, size_t count, char why[CTL_ERROR_MAX]);
/* From now on such packets are judged like any other. */
void reach_end(const struct ctl_args *args);

#endif
