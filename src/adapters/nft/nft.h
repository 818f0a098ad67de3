/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel side: one nftables table (`inet picket`), reached by libnftnl over a netlink socket of its own.
 *
 * The adapter owns the chains, sets and elements of that table and touches no other table.  Each call is one
 * transaction: it happens whole or not at all, and the call returns once the kernel has acknowledged it.  Unless a
 * function says otherwise it returns 0 or -errno, -ENOENT when the table is gone, and changes nothing on failure.
 */
#ifndef PICKET_NFT_H
#define PICKET_NFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "earlydrop.h"
#include "flowflag.h"
#include "ports.h"
#include "result.h"

#define NFT_TABLE_NAME_MAX 32
#define NFT_INTERFACES_MAX 32
#define NFT_VRF_MAX        128
#define NFT_PORTS_MAX      1024 /* ranges in a port set */
#define NFT_EARLY_MAX      32   /* interfaces with an early drop at a time */
#define NFT_LINKS_MAX      16   /* of a gateway, each side */
#define NFT_GUARD_MAX      32

/*
 * The lists of sources.  Each is a group of kernel sets, one for each address family and prefix length: IPv4 /32, IPv6
 * /128 and /64 always exist, any other length gets its set with its first element.  Prefixes may overlap.
 *
 * GRADED: a map from a source to its grade; where several prefixes hold an address, the strictest grade counts.
 * ALERTED: what these earn from now on a ban does not spare.  A set of its own, for a map's element gets another
 * value by a deletion alone, for which the kernel waits some 15 ms: no flood of alerts may make each veil that slow.
 * ALLOW: never judged.  EXEMPT: addresses whose net's veil is not theirs.
 */
enum nft_list { NFT_GRADED, NFT_ALERTED, NFT_ALLOW, NFT_EXEMPT, NFT_LIST_COUNT };

/* The values of the map. */
enum nft_grade {
	NFT_GRADE_NONE,     /* of the other lists */
	NFT_GRADE_VEIL = 2, /* its new connections are priced; the numbers are those of enum grade, less one */
	NFT_GRADE_BAN,      /* nothing new of it is let in */
	NFT_GRADE_BLOCK,    /* nothing passes, in or out */
	NFT_GRADE_COUNT
};

/* What is hooked into the kernel. */
enum nft_mode {
	NFT_PAUSED,  /* the table and its sets stay, without any chain: no packet is touched */
	NFT_OBSERVE, /* the chains that sense alone: none that drops */
	NFT_BLOCK
};

/* The queues, by their number behind the first. */
enum nft_queue {
	NFT_QUEUE_JUDGE, /* closed ports, impossible flags, odd packets; those of veiled sources too */
	NFT_QUEUE_VEIL,  /* a SYN to what is served, here or behind, of a source that is veiled or under watch */
	NFT_QUEUE_TRAP,  /* a SYN on its way to a trap: evidence, its verdict is to accept */
	NFT_QUEUE_KIN,   /* as JUDGE, of a source that has a running session with this host */
	NFT_QUEUE_ASK,   /* a first contact of a host behind this one; or the packet that ends its handshake */
	NFT_QUEUE_TOLD,  /* what such a host answers to somebody who was judged lately, or from a port not known yet */
	NFT_QUEUES
};

/* Whom this host passes packets on to, and is to judge who asks them.  A link is an interface's name, or with a `*` at
 * its end the beginning of one. */
struct nft_gateway {
	char outside[NFT_LINKS_MAX][16];    /* where strangers are; none: nothing behind is judged */
	char inside[NFT_LINKS_MAX][16];     /* none: all that is not outside */
	struct prefix guard[NFT_GUARD_MAX]; /* none: all hosts there */
	size_t outside_count, inside_count, guard_count;
};

struct nft_rules {
	enum nft_mode mode;
	struct flow_flag flag;
	uint16_t queue;                          /* the first of NFT_QUEUES numbers */
	enum early_drop early;                   /* EARLY_ON: loud sources are noted, for nft_early_sync() */
	bool cut_running;                        /* a ban ends what runs, too */
	bool out;                                /* somebody is blocked: the chains on the way out are needed */
	bool reverse_path;                       /* a packet whose source is routed elsewhere is no evidence */
	bool untracked;                          /* conntrack is not asked, as where the kernel has none */
	char interfaces[NFT_INTERFACES_MAX][16]; /* guarded; none: all but loopback */
	size_t interface_count;
	char vrf[NFT_VRF_MAX][16]; /* of VRFs: never guarded, whatever is said above */
	size_t vrf_count;
	uint16_t trap_port_v4, trap_port_v6; /* where the TCP trap listens on 127.0.0.1 and ::1; 0: no TCP traps */
	uint16_t trap_udp_v4, trap_udp_v6;   /* the same for UDP */
	struct nft_gateway gateway;
	struct port_range trap_tcp[NFT_PORTS_MAX], trap_udp[NFT_PORTS_MAX], public_ports[NFT_PORTS_MAX];
	size_t trap_tcp_count, trap_udp_count, public_count; /* "all" is {1, 65535} */
};

struct nft_element {
	enum nft_list list;
	enum nft_grade grade; /* of NFT_GRADED */
	struct prefix source;
	int64_t timeout_ms; /* 0: no timeout.  Adding again sets a new one. */
};

/* Packets. */
struct nft_counters {
	uint64_t queued_judge, queued_veil, queued_trap, queued_kin, queued_ask, queued_told;
	uint64_t noted_once; /* passed: the first packets of newcomers that came too many at once to be judged by it */
	uint64_t over_newcomers, over_known;      /* above the fair limits: passed, of a veiled source dropped */
	uint64_t over_veil;                       /* dropped: more than 50,000 SYNs of veiled sources a second */
	uint64_t over_customers;                  /* not made customers: too many of one net at a time */
	uint64_t dropped_ban, dropped_block, cut; /* cut: on the way out to a blocked source */
	uint64_t dropped_early;                   /* of either, at the ingress hook: not in those two */
	uint64_t early_refused;                   /* of loud sources for which the sets had no room */
	uint64_t trapped_tcp, trapped_udp;
	uint64_t way_back;  /* passed: the source is routed elsewhere */
	uint64_t untracked; /* passed: to a socket here, past conntrack (NOTRACK) */
};

/* To all queues. */
static inline uint64_t nft_counters_queued(const struct nft_counters *c)
{
	return c->queued_judge + c->queued_veil + c->queued_trap + c->queued_kin + c->queued_ask + c->queued_told;
}

struct nft;

/* Opens the sockets, which needs CAP_NET_ADMIN in the network namespace from here on. */
MUST_CHECK int nft_open(const char *table, struct nft **out);
/* Closes the sockets; the table stays. */
void nft_close(struct nft *nft);

/* An element that stands in the table; its timeout is what is left of it. */
typedef void nft_element_fn(void *context, const struct nft_element *element);

/*
 * Takes the standing table over as it is, if it is of this version's format: 1.  Its sets, elements and counters stay,
 * missing ones are made, and its rules work on until nft_rules_replace(), which the caller must call next.  Tells the
 * allow elements.
 * 0: there is no table, or it has another format.  -EBUSY as below, or -errno.
 */
MUST_CHECK int nft_take_over(struct nft *nft, nft_element_fn *tell, void *context);
/* Tells the graded elements of the loaded table.  This takes seconds for 100,000 elements. */
MUST_CHECK int nft_read_blocks(struct nft *nft, nft_element_fn *tell, void *context);
/*
 * Replaces any standing table by a fresh one with these rules, in one transaction that keeps the live graded
 * elements; tells each of them (tell may be NULL).  On failure the old table stands.
 * -EBUSY: another process owns the table (NFT_TABLE_F_OWNER).
 */
MUST_CHECK int nft_load(struct nft *nft, const struct nft_rules *rules, nft_element_fn *tell, void *context);
/* Rebuilds the chains of the standing table with these rules; the lists and what the kernel has learned stay. */
MUST_CHECK int nft_rules_replace(struct nft *nft, const struct nft_rules *rules);
/* Flags of that kind count from now on, and no others.  FLOW_FLAG_NONE: every packet walks the whole way. */
MUST_CHECK int nft_flag_set(struct nft *nft, const struct flow_flag *flag);
/* No flag counts any more; what writes them stays, so that conntrack keeps its room for labels. */
MUST_CHECK int nft_flag_void(struct nft *nft);
/* Can the kernel hook our table at ingress?  Known from the first load on. */
bool nft_early_is_possible(const struct nft *nft);
/* Makes the ingress hooks of interfaces where somebody is loud now, and removes those of others.  Nothing else counts
 * them.  Returns how many stand, or -errno. */
MUST_CHECK int nft_early_sync(struct nft *nft);
/* Deletes the table.  0 also when there is none. */
MUST_CHECK int nft_unload(struct nft *nft);
const char *nft_table_name(const struct nft *nft);
/* True when the rules use the native queue expression, false when they use the xt target. */
bool nft_queue_is_native(const struct nft *nft);
/* Once rules are loaded: does what they say come from conntrack? */
enum nft_conntrack {
	NFT_CONNTRACK_ON,
	NFT_CONNTRACK_OFF,   /* the rules are not to ask it */
	NFT_CONNTRACK_ABSENT /* the kernel has none */
};
enum nft_conntrack nft_conntrack(const struct nft *nft);

/* Adds elements; one that stands already gets the new timeout.  -ENFILE: a set is full, and nothing was added. */
MUST_CHECK int nft_add(struct nft *nft, const struct nft_element *elements, size_t count);
/* Adds the elements that are missing.  Whether the others get the new timeout is up to the kernel: since 6.12 yes. */
MUST_CHECK int nft_ensure(struct nft *nft, const struct nft_element *elements, size_t count);
/* The same, and what stands at a stricter grade is left as it is. */
MUST_CHECK int nft_ensure_least(struct nft *nft, const struct nft_element *elements, size_t count);
/* Deletes elements; one that does not stand is no error, nor is a full set.  An error is the first one of the
 * transaction, and then all of the elements still stand: a caller that must know which one the kernel refuses deletes
 * them one by one.  -EAGAIN: others change the set at the same time. */
MUST_CHECK int nft_delete(struct nft *nft, const struct nft_element *elements, size_t count);
/* How many elements the sets of a list take, each: those of addresses and /64s, or of all other lengths. */
uint32_t nft_room(const struct nft *nft, enum nft_list list, bool rare);
MUST_CHECK int nft_flush(struct nft *nft, enum nft_list list);
MUST_CHECK int nft_read_counters(struct nft *nft, struct nft_counters *out);

/* What the rules have learned about whoever speaks with this host.  In order of what weighs most. */
enum nft_learned_kind {
	/* Finished a connection with a TCP port of this host, or one published here, within 24 h: it keeps that port
	 * under a veil, and under a ban. */
	NFT_LEARNED_CUSTOMER,
	NFT_LEARNED_LATE,   /* the same, but earned at alert or above: not under a ban */
	NFT_LEARNED_CALLED, /* this host connected to it */
	NFT_LEARNED_KIN,    /* has a running session with this host */
	NFT_LEARNED_ASKED,  /* this host sent it a datagram */
	NFT_LEARNED_KINDS
};
struct nft_learned {
	struct addr addr; /* of IPv6 the /64, but for one that was asked */
	int64_t left_ms;
	uint16_t port;     /* a customer's of this host, else its own; 0 for kin */
	uint16_t own_port; /* that this host asked from, else 0 */
	uint8_t kind;      /* enum nft_learned_kind */
};
/* Reads at most max, kind by kind.  Returns how many, or -errno.  This takes some 3 ms for 1,000 of them. */
MUST_CHECK int nft_read_learned(struct nft *nft, struct nft_learned *out, size_t max);
/* None lasts longer than its kind does; what stands is left as it is. */
MUST_CHECK int nft_add_learned(struct nft *nft, const struct nft_learned *learned, size_t count);

/* Replaces the ports (of TCP or UDP) that were served lately: they are neither trapped nor evidence. */
MUST_CHECK int nft_set_lately(struct nft *nft, uint8_t protocol, const struct port_range *ports, size_t count);
/* A port that is, or within 24 h was, published by destination NAT. */
struct nft_published {
	uint16_t port; /* as its clients name it */
	uint8_t protocol;
};
/* Returns how many, at most max, or -errno. */
MUST_CHECK int nft_read_published(struct nft *nft, struct nft_published *out, size_t max);

/* Notifications (NFNLGRP_NFTABLES) come by a second socket: the caller polls it for reading. */
int nft_watch_fd(const struct nft *nft);
enum nft_change {
	NFT_CHANGE_NONE,    /* other tables, or changes of our own */
	NFT_CHANGE_FOREIGN, /* another program changed or removed something in our table */
	NFT_CHANGE_LOST     /* notifications were lost: the caller must assume the worst */
};
/* Reads what has come, without blocking, and sums it up. */
enum nft_change nft_watch_read(struct nft *nft);
/* Have other programs changed rules of theirs since this was asked last?  False alarms are possible. */
bool nft_others_changed(struct nft *nft);
/* Does the table stand with as many chains, rules and sets as were loaded?  1 yes, 0 no, or -errno. */
MUST_CHECK int nft_check(struct nft *nft);

#endif
