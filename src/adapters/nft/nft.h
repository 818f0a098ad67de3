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
#include "ports.h"
#include "result.h"

#define NFT_TABLE_NAME_MAX 32
#define NFT_INTERFACES_MAX 32
#define NFT_PORTS_MAX      1024 /* ranges in a port set */

/*
 * The lists of sources.  Each is a group of kernel sets, one for each address family and prefix length: IPv4 /32, IPv6
 * /128, /64, /56 and /48 always exist, any other length gets its set with its first element.  Prefixes may overlap.
 */
enum nft_list { NFT_SOFT, NFT_HARD, NFT_ALLOW, NFT_LIST_COUNT };

/* What is hooked into the kernel. */
enum nft_mode {
	NFT_PAUSED,  /* the table and its sets stay, without any chain: no packet is touched */
	NFT_OBSERVE, /* the chains that sense alone: none that drops */
	NFT_BLOCK
};

struct nft_rules {
	enum nft_mode mode;
	/* The first of three queue numbers: +0 closed ports and the rest, +1 served ports (a source in `seen`), +2
	 * trapped ports. */
	uint16_t queue;
	bool reverse_path;                       /* a packet whose source is routed elsewhere is no evidence */
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

/* Packets. */
struct nft_counters {
	uint64_t queued_closed, queued_served, queued_trapped;
	uint64_t over_newcomers, over_known; /* passed above the fair limits */
	uint64_t dropped_hard, dropped_soft, muted, trapped_tcp, trapped_udp;
	uint64_t way_back; /* passed: the source is routed elsewhere */
};

struct nft;

/* Opens the sockets, which needs CAP_NET_ADMIN in the network namespace from here on. */
MUST_CHECK int nft_open(const char *table, struct nft **out);
/* Closes the sockets; the table stays. */
void nft_close(struct nft *nft);

/* An element that stands in the table.  left_ms 0: without a timeout. */
typedef void nft_element_fn(void *context, enum nft_list list, const struct prefix *source, int64_t left_ms);

/*
 * Takes the standing table over as it is, if it is of this version's format: 1.  Its sets, elements and counters stay,
 * missing ones are made, and its rules work on until nft_rules_replace(), which the caller must call next.  Tells the
 * allow elements.
 * 0: there is no table, or it has another format.  -EBUSY as below, or -errno.
 */
MUST_CHECK int nft_take_over(struct nft *nft, nft_element_fn *tell, void *context);
/* Tells the soft and hard elements of the loaded table.  This takes seconds for 100,000 elements. */
MUST_CHECK int nft_read_blocks(struct nft *nft, nft_element_fn *tell, void *context);
/*
 * Replaces any standing table by a fresh one with these rules, in one transaction that keeps the live soft and hard
 * elements; tells each of them (tell may be NULL).  On failure the old table stands.
 * -EBUSY: another process owns the table (NFT_TABLE_F_OWNER).
 */
MUST_CHECK int nft_load(struct nft *nft, const struct nft_rules *rules, nft_element_fn *tell, void *context);
/* Rebuilds the chains of the standing table with these rules; the lists and what the kernel has learned stay. */
MUST_CHECK int nft_rules_replace(struct nft *nft, const struct nft_rules *rules);
/* Deletes the table.  0 also when there is none. */
MUST_CHECK int nft_unload(struct nft *nft);
/* True when the rules use the native queue expression, false when they use the xt target. */
bool nft_queue_is_native(const struct nft *nft);

/* Adds elements; one that stands already gets the new timeout.  -ENFILE: a set is full, and nothing was added. */
MUST_CHECK int nft_add(struct nft *nft, const struct nft_element *elements, size_t count);
/* Adds the elements that are missing.  Whether the others get the new timeout is up to the kernel: since 6.12 yes. */
MUST_CHECK int nft_ensure(struct nft *nft, const struct nft_element *elements, size_t count);
/* Deletes elements; one that does not stand is no error, nor is a full set.  An error is the first one of the
 * transaction, and then all of the elements still stand: a caller that must know which one the kernel refuses deletes
 * them one by one.  -EAGAIN: others change the set at the same time. */
MUST_CHECK int nft_delete(struct nft *nft, const struct nft_element *elements, size_t count);
MUST_CHECK int nft_flush(struct nft *nft, enum nft_list list);
MUST_CHECK int nft_read_counters(struct nft *nft, struct nft_counters *out);

/* A source that exchanged data with a port of this host within 24 h and keeps that port when it is blocked softly. */
struct nft_customer {
	struct addr addr; /* an IPv6 customer is its /64 */
	int64_t left_ms;
	uint16_t port;
	uint8_t protocol; /* TCP or UDP */
};
/* Reads at most max customers, those of TCP first.  Returns how many, or -errno.  This takes seconds for some 100,000
 * customers. */
MUST_CHECK int nft_read_customers(struct nft *nft, struct nft_customer *out, size_t max);
/* The same for those of TCP over IPv6 alone. */
MUST_CHECK int nft_read_customers_v6(struct nft *nft, struct nft_customer *out, size_t max);
MUST_CHECK int nft_add_customers(struct nft *nft, const struct nft_customer *customers, size_t count);

/* Notifications (NFNLGRP_NFTABLES) come by a second socket: the caller polls it for reading. */
int nft_watch_fd(const struct nft *nft);
enum nft_change {
	NFT_CHANGE_NONE,    /* other tables, or changes of our own */
	NFT_CHANGE_FOREIGN, /* another program changed or removed something in our table */
	NFT_CHANGE_LOST     /* notifications were lost: the caller must assume the worst */
};
/* Reads what has come, without blocking, and sums it up. */
enum nft_change nft_watch_read(struct nft *nft);
/* Does the table stand with as many chains, rules and sets as were loaded?  1 yes, 0 no, or -errno. */
MUST_CHECK int nft_check(struct nft *nft);

#endif
