/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel side: one nftables table of ours (`inet picket`), by libnftnl over one netlink socket of its own.
 * Owns the table's chains, sets and elements; touches nobody else's.  Every call is
 * one transaction: it happens whole or not at all, and returns once the kernel
 * has acknowledged it.
 */
#ifndef PICKET_NFT_H
#define PICKET_NFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "ports.h"

#define NFT_TABLE_NAME_MAX 32
#define NFT_INTERFACES_MAX 32
#define NFT_PORTS_MAX      1024 /* ranges in a port set */

/* The sets that hold sources.  Each stands for its family of kernel sets, one a prefix length
 * (v4 /32; v6 /128, masked /64, /56, /48; any other length gets its own with its first element). Prefixes may
 * overlap. */
enum nft_list { NFT_SOFT, NFT_HARD, NFT_ALLOW, NFT_LIST_COUNT };

/* What is hooked into the kernel. */
enum nft_mode {
	NFT_PAUSED,  /* table and sets stay; no chain, nothing of ours touches a packet */
	NFT_OBSERVE, /* sensors alone: no hard, soft or mute chain */
	NFT_BLOCK
};

struct nft_rules {
	enum nft_mode mode;
	uint16_t queue;                          /* first of three queue numbers: +0 closed ports and the rest,
					 * +1 served ports (a source in `seen`), +2 trapped ports */
	bool reverse_path;                       /* a source routed elsewhere is no evidence */
	char interfaces[NFT_INTERFACES_MAX][16]; /* guarded; none: all but loopback */
	size_t interface_count;
	uint16_t trap_port_v4, trap_port_v6; /* where the TCP trap listens on 127.0.0.1 and ::1; 0: no TCP traps */
	uint16_t trap_udp_v4, trap_udp_v6;   /* the same for UDP */
	struct port_range trap_tcp[NFT_PORTS_MAX], trap_udp[NFT_PORTS_MAX], public_ports[NFT_PORTS_MAX];
	size_t trap_tcp_count, trap_udp_count, public_count; /* "all" is {1, 65535} */
};

struct nft_element {
	enum nft_list list;
	struct prefix source;
	int64_t timeout_ms; /* 0: no timeout.  Adding again sets a new one. */
};

struct nft_counters {
	/* packets */
	uint64_t queued_closed, queued_served, queued_trapped;
	uint64_t over_newcomers, over_known; /* passed above the fair limits */
	uint64_t dropped_hard, dropped_soft, muted, trapped_tcp, trapped_udp;
	uint64_t way_back; /* passed: routed elsewhere */
};

struct nft;

/* Opens the sockets (needs CAP_NET_ADMIN in the network namespace from here on).  0 or -errno. */
int nft_open(const char *table, struct nft **out);
void nft_close(struct nft *nft); /* closes the sockets; the table stays */

/* A block that stood in a table of ours found at start. */
typedef void nft_adopt_fn(void *context, enum nft_list list, const struct prefix *source, int64_t left_ms);

/* Takes the standing table over as it is, if it is of this version's format: 1. Its sets, elements and counters
 * stay, what
 * misses is made, and its rules work on until nft_rules_replace(), which is due next. Tells the allow elements, and
 * with
 * `blocks` the soft and hard ones.  0: there is none, or of another format; -EBUSY as below, or -errno. */
int nft_take_over(struct nft *nft, bool blocks, nft_adopt_fn *adopt, void *context);
/* Tells the soft and hard elements of the loaded table.  It takes long over many: seconds for 100,000.  0 or -errno. */
int nft_read_blocks(struct nft *nft, nft_adopt_fn *adopt, void *context);
/* Replaces whatever table of ours there is by a fresh one with these rules, in one transaction, carrying its
 * live soft and hard elements along; tells each soft and hard one (adopt may be NULL).
 * -EBUSY when the table is owned by another process (NFT_TABLE_F_OWNER). 0 or -errno; on failure the old table
 * stands. */
int nft_load(struct nft *nft, const struct nft_rules *rules, nft_adopt_fn *adopt, void *context);
/* New rules in the standing table: chains are rebuilt, sets and elements stay. The brake, mode changes, reloads and
 * traps changes are this. */
int nft_rules_replace(struct nft *nft, const struct nft_rules *rules);
/* Deletes the table.  0 also when there is none. */
int nft_unload(struct nft *nft);
/* True when the native queue expression is in use, false for the xt target. */
bool nft_queue_is_native(const struct nft *nft);

/* Add or delete elements, all in one transaction. Adding what is there renews its timeout; deleting what is not
 * there is fine.
 * -ENFILE: a set is full (nothing was added).  -ENOENT: the table is gone. */
int nft_add(struct nft *nft, const struct nft_element *elements, size_t count);
/* The same for what may be there: that stays, and whether its timeout is renewed is the kernel's to say (it is
 * since 6.12). */
int nft_ensure(struct nft *nft, const struct nft_element *elements, size_t count);
int nft_delete(struct nft *nft, const struct nft_element *elements, size_t count);
int nft_flush(struct nft *nft, enum nft_list list);
int nft_read_counters(struct nft *nft, struct nft_counters *out);
/* Who may reach one port of ours even while blocked on suspicion: they exchanged data with it within 24 h. */
struct nft_customer {
	struct addr addr;
	int64_t left_ms;
	uint16_t port;
	uint8_t protocol; /* TCP or UDP */
};
/* At most max, those of TCP first; an IPv6 one is its /64. Returns the count or -errno. The kernel takes long over
 * large
 * books: seconds for some 100,000 entries. */
int nft_read_customers(struct nft *nft, struct nft_customer *out, size_t max);
/* Those of TCP over IPv6 alone. */
int nft_read_customers_v6(struct nft *nft, struct nft_customer *out, size_t max);
int nft_add_customers(struct nft *nft, const struct nft_customer *customers, size_t count);

/* Notifications (NFNLGRP_NFTABLES): a second socket, to be polled for reading. */
int nft_watch_fd(const struct nft *nft);
enum nft_change {
	NFT_CHANGE_NONE,    /* only others' tables, or our own doing */
	NFT_CHANGE_FOREIGN, /* somebody changed or removed something of ours */
	NFT_CHANGE_LOST     /* messages were lost (ENOBUFS): assume the worst */
};
/* Reads what has come, without blocking, and sums it up. */
enum nft_change nft_watch_read(struct nft *nft);
/* Are the table, its chains and as many rules as were loaded in place?  1 yes, 0 no, -errno. */
int nft_check(struct nft *nft);

#endif
