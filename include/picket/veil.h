/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The veil: what a suspect's new TCP connection costs, instead of a refusal.  Suspicion can be forged by anybody, so
 * a veiled source is never told no: its SYN passes as soon as it is repeated unchanged, as every TCP stack repeats
 * it (RFC 6298 section 5.7, RFC 9293 section 3.8.1).  A port scanner that sends each SYN once, or repeats it with
 * another sequence number, learns nothing.
 *
 * A price and never a cap: nothing here can be used up in another's name.  Memory is bounded.  Time is milliseconds
 * since the epoch and must not run backwards; a smaller value is taken as the last one seen.
 */
#ifndef PICKET_VEIL_H
#define PICKET_VEIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <picket/packet.h>
#include "hash.h"

/* How old a repeat must be, in ms.  Linux, Windows, XNU and BSD repeat after 1 s, lwIP and older stacks after 3 s. */
#define VEIL_QUICK_MS  800   /* a source's first served port within an hour, for a real stack's options */
#define VEIL_PRICE_MS  2500  /* every other served port */
#define VEIL_REFUSE_MS 6000  /* a closed port: then its RST, so that nobody waits two minutes for a fallback */
#define VEIL_FORGET_MS 12000 /* an older one is a first sight again: 3 s stacks repeat at 3 and 9 s */

/* Who would answer the SYN, as the kernel's look-ups told. */
enum veil_target {
	VEIL_SERVED, /* a listener of this host, a published port, a host behind this one */
	VEIL_TRAP,
	VEIL_TRIED,  /* closed, and one that clients try by themselves before another: 80, 113, 443, 853 */
	VEIL_CLOSED, /* any other closed port */
	VEIL_TARGET_COUNT
};

enum veil_verdict {
	VEIL_DROP,   /* in silence */
	VEIL_PASS,   /* to the listener, or to the trap */
	VEIL_REFUSE, /* to the closed port, whose RST is the answer */
	VEIL_VERDICT_COUNT
};

/* One pure SYN (FIN, SYN, RST, ACK = SYN) of a veiled source. */
struct veil_syn {
	struct addr src, dst; /* dst, dport: before DNAT, so that published ports are told apart */
	uint16_t sport, dport;
	uint32_t seq;
	uint16_t mss;         /* 0: no MSS option, which every stack sends (RFC 9293 section 3.7.1) */
	uint8_t option_count; /* options other than NOP and END */
	uint8_t target;       /* enum veil_target */
	bool tool; /* bears the exact mark of a tool that is no stack (masscan, ZMap, Mirai; not nmap's pattern) */
};

bool veil_is_syn(const struct packet *packet);
/* Where the port is closed: one that clients try by themselves before another. */
bool veil_is_tried(uint16_t port);
/* Of a packet that is one, as it came here. */
struct veil_syn veil_syn_of(const struct packet *packet, enum veil_target target);

struct veil_stats {
	uint64_t syns;
	uint64_t first_sights, early; /* dropped: seen for the first time; repeated before the price was paid */
	uint64_t repeats;             /* passed: repeated as a stack does */
	uint64_t attempts;            /* passed: the third attempt, for those who give up before they repeat */
	uint64_t again;               /* passed: let in within the minute before */
	uint64_t raw;                 /* dropped: a tool's mark, or no MSS */
	uint64_t trapped, refused;
	uint64_t quick_taken;  /* a source's first port took its quick place */
	uint64_t evicted;      /* attempts that gave way in a full bucket */
	uint64_t crowded;      /* SYNs that found no room for their first sight, and count as old */
	uint64_t unremembered; /* the same of those for whom there was no memory at all */
	uint64_t memory;       /* bytes that are taken now */
	uint64_t memory_max;   /* bytes that are taken when a SYN asks for them */
};

struct veil;

/* NULL when out of memory.  max_sources: the engine's; the memories follow it, up to 21 MB from 65,536 on, and are
 * taken by the first SYN of a veiled source.  Where the machine refuses them every SYN counts as old: want of memory
 * must let in, not shut out.  key: of this start alone; without it nobody can aim at another's cells. */
struct veil *veil_new(const struct hash_key *key, uint32_t max_sources, int64_t now_ms);
void veil_free(struct veil *veil);

enum veil_verdict veil_judge(struct veil *veil, const struct veil_syn *syn, int64_t now_ms);
/* To be called at least every ten seconds: sweeps a part of the aging filter, and gives memory back. */
void veil_tick(struct veil *veil, int64_t now_ms);
void veil_stats(const struct veil *veil, struct veil_stats *out);

#endif
