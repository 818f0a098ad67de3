/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's other firewall rules, read and never touched: which chains are hooked where, and whether they, or chains
 * they jump to, drop, reject, proxy, queue or switch conntrack off.  Everything that nf_tables holds is seen, the
 * rules of iptables-nft, ufw and firewalld among them; iptables-legacy has /proc/net/ip_tables_names.
 */
#ifndef PICKET_HOSTNFT_H
#define PICKET_HOSTNFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOSTNFT_CHAINS_MAX 2048
#define HOSTNFT_JUMPS_MAX  8192
#define HOSTNFT_NAME_MAX   64

enum hostnft_does {
	HOSTNFT_DROPS = 1,
	HOSTNFT_REJECTS = 2,
	HOSTNFT_PROXIES = 4,
	HOSTNFT_UNTRACKS = 8,
	HOSTNFT_QUEUES = 16,
};

struct hostnft_chain {
	uint8_t family; /* enum nfproto */
	char table[HOSTNFT_NAME_MAX], name[HOSTNFT_NAME_MAX];
	bool base;
	uint32_t hook; /* base: enum nf_inet_hooks */
	int32_t priority;
	bool policy_drop;
	uint32_t rules;
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
int hostnft_read(struct hostnft **out);
const char *hostnft_family(uint8_t family); /* "inet", "ip", ... */

#endif
