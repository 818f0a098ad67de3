/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's other firewall rules: which chains are hooked where, and whether they, or chains they jump to, drop,
 * reject, proxy, queue or switch conntrack off.  Everything that nf_tables holds is seen, the rules of iptables-nft,
 * ufw and firewalld among them.
 *
 * Two dumps, chains and rules.  Of a rule only its expressions' names and verdicts matter.  The elements of a verdict
 * map are not followed: a chain that only they reach is listed, the way to it is not.
 */
#include "internal.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

const char *hostnft_family(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET: return "inet";
	case NFPROTO_IPV4: return "ip";
	case NFPROTO_IPV6: return "ip6";
	case NFPROTO_ARP: return "arp";
	case NFPROTO_NETDEV: return "netdev";
	case NFPROTO_BRIDGE: return "bridge";
	default: return "?";
	}
}

static void copy_name(char out[HOSTNFT_NAME_MAX], const char *from)
{
	snprintf(out, HOSTNFT_NAME_MAX, "%s", from ? from : "");
}

static int on_chain(const struct nlmsghdr *message, void *context)
{
	struct hostnft *host = context;
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct hostnft_chain *out = &host->chains[host->count];

	if (!chain)
		return MNL_CB_ERROR;
	if (nftnl_chain_nlmsg_parse(message, chain) < 0 || !nftnl_chain_is_set(chain, NFTNL_CHAIN_NAME)) {
		nftnl_chain_free(chain);
		return MNL_CB_OK;
	}
	if (host->count == HOSTNFT_CHAINS_MAX) {
		host->dropped++;
	} else {
		host->count++;
		*out = (struct hostnft_chain){ .family = (uint8_t)nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY) };
		copy_name(out->table, nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE));
		copy_name(out->name, nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME));
		out->base = nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM);
		if (out->base) {
			out->hook = nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM);
			out->priority = nftnl_chain_get_s32(chain, NFTNL_CHAIN_PRIO);
			out->policy_drop = nftnl_chain_is_set(chain, NFTNL_CHAIN_POLICY) &&
					   nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == NF_DROP;
		}
	}
	nftnl_chain_free(chain);
	return MNL_CB_OK;
}

static int find(const struct hostnft *host, uint8_t family, const char *table, const char *name)
{
	for (size_t i = 0; i < host->count; i++)
		if (host->chains[i].family == family && strcmp(host->chains[i].table, table) == 0 &&
		    strcmp(host->chains[i].name, name) == 0)
			return (int)i;
	return -1;
}

static void note_jump(struct hostnft *host, int from, const char *name)
{
	const struct hostnft_chain *chain = &host->chains[from];
	int to = name ? find(host, chain->family, chain->table, name) : -1;

	if (to < 0)
		return;
	if (host->jump_count == HOSTNFT_JUMPS_MAX) {
		host->dropped++;
		return;
	}
	host->jumps[host->jump_count].from = (uint16_t)from;
	host->jumps[host->jump_count++].to = (uint16_t)to;
}

static unsigned verdict_does(struct hostnft *host, int from, const struct nftnl_expr *expr)
{
	if (!nftnl_expr_is_set(expr, NFTNL_EXPR_IMM_VERDICT))
		return 0;
	switch ((int)nftnl_expr_get_u32(expr, NFTNL_EXPR_IMM_VERDICT)) {
	case NF_DROP: return HOSTNFT_DROPS;
	case NFT_JUMP:
	case NFT_GOTO: note_jump(host, from, nftnl_expr_get_str(expr, NFTNL_EXPR_IMM_CHAIN)); return 0;
	default: return 0;
	}
}

struct meaning {
	const char *name;
	unsigned does;
};

static const struct meaning expressions[] = {
	{ "reject", HOSTNFT_REJECTS },
	{ "tproxy", HOSTNFT_PROXIES },
	{ "notrack", HOSTNFT_UNTRACKS },
	{ "queue", HOSTNFT_QUEUES },
};

/* Extensions of iptables, by nft_compat. */
static const struct meaning targets[] = {
	{ "DROP", HOSTNFT_DROPS },     { "REJECT", HOSTNFT_REJECTS },   { "TPROXY", HOSTNFT_PROXIES },
	{ "NFQUEUE", HOSTNFT_QUEUES }, { "NOTRACK", HOSTNFT_UNTRACKS }, { "CT", HOSTNFT_UNTRACKS },
};

static unsigned named(const struct meaning *meanings, size_t count, const char *name)
{
	for (size_t i = 0; name && i < count; i++)
		if (strcmp(name, meanings[i].name) == 0)
			return meanings[i].does;
	return 0;
}

struct reading {
	struct hostnft *host;
	int chain;
};

static int on_expr(struct nftnl_expr *expr, void *context)
{
	struct reading *reading = context;
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);
	unsigned does = 0;

	if (!name)
		return 0;
	if (strcmp(name, "immediate") == 0)
		does = verdict_does(reading->host, reading->chain, expr);
	else if (strcmp(name, "target") == 0)
		does = named(targets, sizeof(targets) / sizeof(targets[0]),
			     nftnl_expr_get_str(expr, NFTNL_EXPR_TG_NAME));
	else
		does = named(expressions, sizeof(expressions) / sizeof(expressions[0]), name);
	reading->host->chains[reading->chain].does |= does;
	return 0;
}

static int on_rule(const struct nlmsghdr *message, void *context)
{
	struct reading reading = { .host = context };
	struct nftnl_rule *rule = nftnl_rule_alloc();
	const char *table, *chain;

	if (!rule)
		return MNL_CB_ERROR;
	if (nftnl_rule_nlmsg_parse(message, rule) == 0) {
		table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE);
		chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN);
		reading.chain =
			table && chain
				? find(reading.host, (uint8_t)nftnl_rule_get_u32(rule, NFTNL_RULE_FAMILY), table, chain)
				: -1;
		if (reading.chain >= 0)
			nftnl_expr_foreach(rule, on_expr, &reading);
	}
	nftnl_rule_free(rule);
	return MNL_CB_OK;
}

/* What a chain does counts for each chain that jumps to it, too; nf_tables allows no loops. */
static void follow_jumps(struct hostnft *host)
{
	bool changed = true;

	for (int round = 0; changed && round < 64; round++) {
		changed = false;
		for (size_t i = 0; i < host->jump_count; i++) {
			unsigned *does = &host->chains[host->jumps[i].from].does;
			unsigned more = host->chains[host->jumps[i].to].does & ~*does;

			*does |= more;
			changed |= more != 0;
		}
	}
}

int hostnft_read(struct hostnft **out)
{
	const struct nfgenmsg header = { .nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0 };
	struct hostnft *host = calloc(1, sizeof(*host));
	struct netlink_dump *dump = NULL;
	int error;

	if (!host)
		return -ENOMEM;
	error = netlink_dump_open(NETLINK_NETFILTER, &dump);
	if (!error)
		error = netlink_dump_ask(dump, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, &header, sizeof(header),
					 on_chain, host, NULL);
	if (!error)
		error = netlink_dump_ask(dump, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, &header, sizeof(header),
					 on_rule, host, NULL);
	netlink_dump_close(dump);
	if (error) {
		free(host);
		return error;
	}
	follow_jumps(host);
	*out = host;
	return 0;
}
