/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Evidence: what a probe proves, and how much.  Weights are log-likelihood ratios in nats (Jung, Paxson, Berger,
 * Balakrishnan 2004: sequential hypothesis testing), kept in steps of 0.05 so that what `explain` prints adds up to the
 * score exactly.
 */
#ifndef PICKET_EVIDENCE_H
#define PICKET_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#define EVIDENCE_FLAG_BITS 0x3f /* of a host_tag: where impossible flags are told apart, they take these bits */
#define EVIDENCE_NAT       20   /* weight units in one nat: 1.40 nats = 28 */

/* The order is part of messages and saved state: append only. */
enum evidence_kind {
	EVIDENCE_NONE,
	EVIDENCE_TRAP,      /* silent visit to a trap that proves something: confirmed */
	EVIDENCE_TRAP_WEAK, /* any other visit to a trap: suspected */
	EVIDENCE_SYN,       /* SYN to a closed or trapped port */
	EVIDENCE_FIN,       /* FIN alone */
	EVIDENCE_NULL,      /* no flags */
	EVIDENCE_XMAS,      /* FIN+PSH+URG */
	EVIDENCE_SYNFIN,
	EVIDENCE_SYNRST,
	EVIDENCE_FLAGS,  /* any other combination that no stack sends */
	EVIDENCE_MAIMON, /* FIN+ACK to a never-open port */
	EVIDENCE_ACK,    /* ACK (and window) scan of never-open ports */
	EVIDENCE_UDP,
	EVIDENCE_UDP_TRAP, /* datagram to a UDP trap: forgeable, so suspected */
	EVIDENCE_SCTP_INIT,
	EVIDENCE_SCTP_COOKIE,
	EVIDENCE_PROTOCOL,  /* IP protocol that is not used here */
	EVIDENCE_ICMP_ECHO, /* echo to many of our addresses */
	EVIDENCE_ICMP_TIMESTAMP,
	EVIDENCE_ICMP_MASK,
	EVIDENCE_FRAGMENT,  /* tiny first fragment */
	EVIDENCE_TRUNCATED, /* transport header cut short by the sender */
	EVIDENCE_CHECKSUM,  /* bad checksum */
	EVIDENCE_MARK,      /* mark of a scanning tool, once for each source */
	EVIDENCE_KIND_COUNT
};

/* Which of the three sums a kind adds to. */
enum evidence_class { EVIDENCE_CONFIRMED, EVIDENCE_SUSPECTED, EVIDENCE_FAST, EVIDENCE_CLASS_COUNT };

enum evidence_tool { TOOL_NONE, TOOL_NMAP, TOOL_MASSCAN, TOOL_ZMAP, TOOL_MIRAI, TOOL_COUNT };

/* One piece of evidence as tables, messages and saved state hold it: 10 bytes. */
struct evidence {
	uint32_t at_s;     /* seconds since the epoch */
	uint16_t port;     /* destination port; IP protocol number for EVIDENCE_PROTOCOL; 0 where none */
	uint16_t host_tag; /* keyed hash of our address that was probed */
	uint8_t weight;    /* in 1/EVIDENCE_NAT nats; 0: seen, counted nothing (yet) */
	uint8_t kind;      /* enum evidence_kind; EVIDENCE_NONE: an empty place, and all behind it are empty too */
} __attribute__((packed));
_Static_assert(sizeof(struct evidence) == 10, "a piece of evidence is 10 bytes");

/* Which families of traps a source has visited, once counted each: a bit for each, of the last one or two days. */
struct trap_families {
	uint32_t now, before;
	uint32_t since_s; /* when the window of `now` began */
};

static inline enum evidence_class evidence_class(enum evidence_kind kind)
{
	/* Late packets of forgotten connections look like these, so they leak away fast. */
	const uint32_t fast = 1u << EVIDENCE_MAIMON | 1u << EVIDENCE_ACK | 1u << EVIDENCE_CHECKSUM;

	/* A silent visit is its source's own deed; everything else can be forged, or caused by a third party. */
	if (kind == EVIDENCE_TRAP)
		return EVIDENCE_CONFIRMED;
	return kind < EVIDENCE_KIND_COUNT && fast >> kind & 1 ? EVIDENCE_FAST : EVIDENCE_SUSPECTED;
}

/* The protocol (PROTO_TCP, ...) that the port of a piece belongs to; 0 where the port says nothing. */
uint8_t evidence_protocol(enum evidence_kind kind);
/* Whether that port was closed or trapped; false also where it may have been any. */
bool evidence_is_closed_port(enum evidence_kind kind);
/* Are they about one address of ours?  As far as their tags tell. */
bool evidence_same_host(const struct evidence *a, const struct evidence *b);
const char *evidence_name(enum evidence_kind kind);      /* "syn", "xmas", ...: JSON and metrics */
const char *evidence_scan_name(enum evidence_kind kind); /* "SYN scan", "Xmas scan", ...: log lines */
const char *evidence_tool_name(enum evidence_tool tool); /* "nmap", "masscan", "ZMap", "Mirai"; "" for none */

#endif
