/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who else uses the ct mark or the ct label: the rules of nftables, those of iptables in both its forms among them.
 * The older iptables keeps its tables by itself and tells nobody of changes.  A question about a table that is not in
 * use would make it, with hooks that every packet pays for, so only those are asked about that the kernel names.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

#define ENTRIES_MAX (16u * 1024 * 1024)
#define NAMES_MAX   512 /* there are five tables */

/* ---- nftables ---- */

struct look {
	const char *own_table;
	struct conntrack_users *users;
};

static void take_name(struct conntrack_users *users, const char *name)
{
	users->mark |= strcmp(name, "CONNMARK") == 0 || strcmp(name, "connmark") == 0;
	users->label |= strcmp(name, "connlabel") == 0;
}

static void take_expression(const struct nlattr *expression, struct conntrack_users *users)
{
	const struct nlattr *data = netlink_nested(expression, NFTA_EXPR_DATA);
	const char *kind = netlink_text(netlink_nested(expression, NFTA_EXPR_NAME));
	const char *name = NULL;
	uint32_t key;

	if (!kind)
		return;
	if (strcmp(kind, "ct") == 0 && netlink_be32(netlink_nested(data, NFTA_CT_KEY), &key)) {
		users->mark |= key == NFT_CT_MARK;
		users->label |= key == NFT_CT_LABELS;
	} else if (strcmp(kind, "match") == 0) {
		name = netlink_text(netlink_nested(data, NFTA_MATCH_NAME));
	} else if (strcmp(kind, "target") == 0) {
		name = netlink_text(netlink_nested(data, NFTA_TARGET_NAME));
	}
	if (name)
		take_name(users, name);
}

static int take_rule(const struct nlmsghdr *message, void *context)
{
	const struct look *look = context;
	const size_t head = sizeof(struct nfgenmsg);
	const struct nlattr *list = netlink_attr(message, head, NFTA_RULE_EXPRESSIONS), *expression;
	const char *table = netlink_text(netlink_attr(message, head, NFTA_RULE_TABLE));
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(message);

	if (!list || (table && nfg->nfgen_family == NFPROTO_INET && strcmp(table, look->own_table) == 0))
		return MNL_CB_OK;
	/* cppcheck-suppress unknownMacro */
	mnl_attr_for_each_nested(expression, list) take_expression(expression, look->users);
	return MNL_CB_OK;
}

static int look_at_nftables(const char *own_table, struct conntrack_users *users)
{
	const struct nfgenmsg header = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	struct look look = { own_table, users };
	struct netlink_dump *dump;
	int error = netlink_dump_open(NETLINK_NETFILTER, &dump);

	if (error)
		return error;
	error = netlink_dump_ask(dump, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, &header, sizeof(header), take_rule,
				 &look, NULL);
	netlink_dump_close(dump);
	return error;
}

/* ---- the older iptables ---- */

/* Both families' structures have this shape, but for the size of an entry's head. */
struct family {
	const char *names; /* of the tables in use, a line each */
	int domain, level, get_info, get_entries;
	size_t entry_size, target_offset, next_offset; /* of the fields in an entry */
};

static const struct family families[CONNTRACK_FAMILIES] = {
	{ "/proc/net/ip_tables_names", AF_INET, IPPROTO_IP, IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES,
	  sizeof(struct ipt_entry), offsetof(struct ipt_entry, target_offset),
	  offsetof(struct ipt_entry, next_offset) },
	{ "/proc/net/ip6_tables_names", AF_INET6, IPPROTO_IPV6, IP6T_SO_GET_INFO, IP6T_SO_GET_ENTRIES,
	  sizeof(struct ip6t_entry), offsetof(struct ip6t_entry, target_offset),
	  offsetof(struct ip6t_entry, next_offset) },
};

static uint16_t read_u16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* A match or a target begins with its size and its name. */
static size_t take_extension(const uint8_t *at, size_t left, struct conntrack_users *users)
{
	struct xt_entry_match head;

	if (left < sizeof(head))
		return 0;
	memcpy(&head, at, sizeof(head));
	head.u.user.name[sizeof(head.u.user.name) - 1] = '\0';
	take_name(users, head.u.user.name);
	return head.u.match_size >= sizeof(head) && head.u.match_size <= left ? head.u.match_size : 0;
}

/* The kernel's own copy of the rules, bounds checked all the same. */
static void take_entries(const struct family *family, const uint8_t *at, size_t left, struct conntrack_users *users)
{
	while (left >= family->entry_size) {
		const uint16_t target = read_u16(at + family->target_offset), next = read_u16(at + family->next_offset);
		size_t offset = family->entry_size, step;

		if (target < family->entry_size || next < target || next > left)
			return;
		for (; offset < target; offset += step) {
			step = take_extension(at + offset, target - offset, users);
			if (!step)
				break;
		}
		take_extension(at + target, next - target, users);
		if (next == 0)
			return;
		at += next;
		left -= next;
	}
}

static void look_at_table(int fd, const struct family *family, const char *table, struct conntrack_users *users)
{
	struct ipt_getinfo info = { 0 };
	struct ipt_get_entries *entries;
	socklen_t len = sizeof(info);

	if (strlen(table) >= sizeof(info.name))
		return;
	strcpy(info.name, table);
	if (getsockopt(fd, family->level, family->get_info, &info, &len) < 0 || info.size > ENTRIES_MAX)
		return;
	len = (socklen_t)(sizeof(*entries) + info.size);
	entries = calloc(1, len);
	if (!entries)
		return;
	strcpy(entries->name, table);
	entries->size = info.size;
	if (getsockopt(fd, family->level, family->get_entries, entries, &len) == 0)
		take_entries(family, (const uint8_t *)entries + offsetof(struct ipt_get_entries, entrytable), info.size,
			     users);
	free(entries);
}

void conntrack_users_open(struct conntrack_names *names)
{
	for (size_t f = 0; f < CONNTRACK_FAMILIES; f++)
		names->fds[f] = open(families[f].names, O_RDONLY | O_CLOEXEC);
	if (netlink_dump_open(NETLINK_ROUTE, &names->traffic) != 0)
		names->traffic = NULL; /* no use of others' can be ruled out then: conntrack_users_look() fails */
}

static void look_at_iptables(const struct conntrack_names *names, struct conntrack_users *users)
{
	for (size_t f = 0; f < CONNTRACK_FAMILIES; f++) {
		char text[NAMES_MAX], *rest = text, *table;
		ssize_t len = -1;
		int fd;

		if (names->fds[f] >= 0 && lseek(names->fds[f], 0, SEEK_SET) == 0)
			len = read(names->fds[f], text, sizeof(text) - 1);
		fd = len > 0 ? socket(families[f].domain, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
		if (fd < 0)
			continue;
		text[len] = '\0';
		while ((table = strsep(&rest, "\n")) != NULL)
			if (table[0])
				look_at_table(fd, &families[f], table, users);
		close(fd);
	}
}

int conntrack_users_look(const char *own_table, const struct conntrack_names *names, struct conntrack_users *out)
{
	struct conntrack_users users = { false, false };
	int error = look_at_nftables(own_table, &users);

	if (!error)
		error = conntrack_look_at_traffic(names->traffic, &users);
	if (error)
		return error;
	look_at_iptables(names, &users);
	*out = users;
	return 0;
}
