/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The evidence of the core: what a probe proves, what it weighs for a source with a past, which ports were served, and
 * which sources sent the same probe.
 */
#ifndef PICKET_CORE_EVIDENCE_H
#define PICKET_CORE_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <picket/engine.h>
#include <picket/evidence.h>
#include <picket/probe.h>
#include "hash.h"
#include "source/source.h"

/* ---- judge.c ---- */

/*
 * What one probe proves by itself, without knowing its sender's past.
 */

/* Weights in 1/EVIDENCE_NAT nats. */
enum {
	WEIGHT_TRAP = 45,         /* five are a ban, four are not */
	WEIGHT_TRAP_WEAK = 46,    /* any other visit */
	WEIGHT_TRAP_INDUCED = 20, /* that a third party can have caused */
	WEIGHT_SAME_PORT =
		10,        /* a port at a further address of ours, tried as a program tries the addresses of a name */
	WEIGHT_SWEEP = 20, /* a port at a further host of others, beyond what a name has addresses */
	WEIGHT_DARK = 30,  /* the least that a contact of nobody weighs */
	WEIGHT_SYN_LOW = 28,
	WEIGHT_SYN_MIDDLE = 20,
	WEIGHT_SYN_HIGH = 10,
	WEIGHT_FLAGS_FIRST = 50,
	WEIGHT_FLAGS_FURTHER = 28,
	WEIGHT_FLAGS_SAME_PORT = 25, /* half of the first */
	WEIGHT_ACK = 14,
	WEIGHT_CHECKSUM = 6,
	WEIGHT_UDP = 14,
	WEIGHT_UDP_ANSWER = 4,
	WEIGHT_UDP_TRAP = 20,
	WEIGHT_SCTP_INIT = 28,
	WEIGHT_SCTP_COOKIE = 40,
	WEIGHT_PROTOCOL = 35,
	WEIGHT_ICMP_QUERY = 14,
	WEIGHT_ICMP_ECHO = 32,
	WEIGHT_FRAGMENT = 40,
	WEIGHT_TRUNCATED = 40,
	WEIGHT_HIDDEN = 150,
	WEIGHT_MARK = 30,
};

struct finding {
	enum evidence_kind kind; /* EVIDENCE_NONE: proves nothing */
	uint8_t weight;          /* the most it can weigh */
	uint16_t port;           /* as struct evidence has it */
	bool service;            /* weighs nothing where the port is, or lately was, served */
	uint8_t flags;           /* of GROUP_FLAGS: the TCP flags */
	bool stack;              /* a SYN with the options of a real stack */
	bool elsewhere;          /* at a host of others: judged by its outcome */
	bool plausible;          /* of a shape that honest hosts send, too: the first dozen weigh nothing */
};

struct finding judge_probe(const struct probe *probe);

/* Kinds of one group are one piece of evidence at one port: a SYN and the handshake that it began, say. */
enum judge_group {
	GROUP_NONE,
	GROUP_CONNECT,
	GROUP_FLAGS,
	GROUP_ACK,
	GROUP_UDP,
	GROUP_SCTP,
	GROUP_PROTOCOL,
	GROUP_ECHO,
	GROUP_TIMESTAMP,
	GROUP_MASK,
	GROUP_MALFORMED,
	GROUP_CHECKSUM,
	GROUP_MARK,
};

static inline enum judge_group judge_group(enum evidence_kind kind)
{
	static const uint8_t groups[EVIDENCE_KIND_COUNT] = {
		[EVIDENCE_TRAP] = GROUP_CONNECT,
		[EVIDENCE_TRAP_WEAK] = GROUP_CONNECT,
		[EVIDENCE_SYN] = GROUP_CONNECT,
		[EVIDENCE_FIN] = GROUP_FLAGS,
		[EVIDENCE_NULL] = GROUP_FLAGS,
		[EVIDENCE_XMAS] = GROUP_FLAGS,
		[EVIDENCE_SYNFIN] = GROUP_FLAGS,
		[EVIDENCE_SYNRST] = GROUP_FLAGS,
		[EVIDENCE_FLAGS] = GROUP_FLAGS,
		[EVIDENCE_MAIMON] = GROUP_ACK,
		[EVIDENCE_ACK] = GROUP_ACK,
		[EVIDENCE_UDP] = GROUP_UDP,
		[EVIDENCE_UDP_TRAP] = GROUP_UDP,
		[EVIDENCE_SCTP_INIT] = GROUP_SCTP,
		[EVIDENCE_SCTP_COOKIE] = GROUP_SCTP,
		[EVIDENCE_PROTOCOL] = GROUP_PROTOCOL,
		[EVIDENCE_ICMP_ECHO] = GROUP_ECHO,
		[EVIDENCE_ICMP_TIMESTAMP] = GROUP_TIMESTAMP,
		[EVIDENCE_ICMP_MASK] = GROUP_MASK,
		[EVIDENCE_FRAGMENT] = GROUP_MALFORMED,
		[EVIDENCE_TRUNCATED] = GROUP_MALFORMED,
		[EVIDENCE_CHECKSUM] = GROUP_CHECKSUM,
		[EVIDENCE_MARK] = GROUP_MARK,
	};

	return (unsigned)kind < EVIDENCE_KIND_COUNT ? groups[kind] : GROUP_NONE;
}

/* The weight of a SYN to a closed port. */
uint8_t judge_syn_weight(uint16_t port);

/* ---- weigh.c ---- */

/*
 * What a finding weighs for a source with a past.
 */

struct weighing {
	bool duplicate; /* counted before, within 24 h */
	int replaces;   /* the piece whose place it takes, or -1 */
	uint8_t weight;
	bool grace_over; /* ports that were forgiven as a family's are so no longer */
	bool forgiven;   /* there may be such ports */
};

/* source NULL: one without a past.  marked: it bears, or bore, a scanner's mark. */
struct weighing weigh(const struct source *source, const struct finding *finding, uint16_t host_tag, bool marked,
		      int64_t now_ms);
/* What a piece of this finding bears as its host_tag: that of the address; for impossible flags their lowest bits are
 * the flags, since each combination counts by itself. */
uint16_t weigh_tag(const struct finding *finding, uint16_t host_tag);
/* The weight that a forgiven piece has when grace is over; its own weight for any other. */
uint8_t weigh_without_grace(const struct evidence *piece);

/* ---- families.c ---- */

enum trap_family {
	TRAPS_NONE, /* no port of the default list */
	TRAPS_SMALL,
	TRAPS_TELNET,
	TRAPS_NAMES,
	TRAPS_RJE,
	TRAPS_FINGER,
	TRAPS_TERMINAL,
	TRAPS_OSI,
	TRAPS_POP2,
	TRAPS_RPC,
	TRAPS_SFTP,
	TRAPS_UUCP,
	TRAPS_NEWS,
	TRAPS_SNMP,
	TRAPS_BGP,
	TRAPS_APPLE,
	TRAPS_REMOTE,
	TRAPS_TEMPO,
	TRAPS_COURIER,
	TRAPS_RTSP,
	TRAPS_RFS,
	TRAPS_H323,
	TRAPS_VPN,
	TRAPS_SCANNER,
	TRAPS_IRC,
	TRAPS_BACKUP,
	TRAPS_COUNT
};
_Static_assert(TRAPS_COUNT <= 32, "a bit for each in struct trap_families");

enum trap_family trap_family(uint16_t port);
/* Can a silent visit to this port be proof? */
bool trap_proves(uint16_t port);
/* Was a visit to this family counted within 24 h? */
bool trap_family_seen(const struct trap_families *seen, enum trap_family family, int64_t now_ms);
void trap_family_note(struct trap_families *seen, enum trap_family family, int64_t now_ms);

/* ---- served.c ---- */

/*
 * Which ports were served lately: see the file.
 */

#define SERVED_MEMORY_S 86400
#define SERVED_USER_MAX 64 /* ports of one user of this host */

struct served;

struct served *served_new(void);
void served_free(struct served *served);
/* What listens now, as one look at the host's sockets found it; the more often, the better: at least every 30 s. */
void served_look(struct served *served, const struct served_socket *sockets, size_t count, int64_t now_ms);
/* It is served, as something says that no user can cause. */
void served_note(struct served *served, uint8_t protocol, uint16_t port, int64_t now_ms);
void served_restore(struct served *served, uint8_t protocol, uint16_t port, uint32_t uid, int64_t last_ms,
		    int64_t now_ms);
bool served_is(const struct served *served, uint8_t protocol, uint16_t port, int64_t now_ms);
/* The next port that counts, or did, from *cursor on; moves it past that.  False: no more. */
bool served_next(const struct served *served, uint32_t *cursor, struct served_view *out);
/* Ports of users that found no place. */
uint64_t served_refused(const struct served *served);

/* ---- decoys.c ---- */

/*
 * Decoys: the same probe (protocol, ports, sequence) from several sources within a second.  One scanner sends it and
 * forges the others; which one, the packet doesn't tell.  They are one incident; each is judged by itself.
 */

#define DECOYS_SHARERS 4 /* told apart at a time */

struct decoys;

struct decoys *decoys_new(const struct hash_key *key);
void decoys_free(struct decoys *decoys);

/* Those who sent the same probe within the last second, this sender last. */
struct decoy_sharers {
	unsigned count;
	struct prefix keys[DECOYS_SHARERS];
};
/* NULL: nobody else did.  What it returns holds until the next call. */
const struct decoy_sharers *decoys_see(struct decoys *decoys, const struct packet *packet, const struct prefix *sender,
				       int64_t now_ms);

#endif
