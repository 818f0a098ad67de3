/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over what the kernel says of flows (ctnetlink) while flags are cleared, and of who else uses the ct mark or
 * label: rules of nftables, actions of traffic control, and the entries of the older iptables, which are no netlink.
 * The first byte: what is asked.
 */
#include "fuzz_kernel.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/rtnetlink.h>

#include "conntrack/conntrack.h"
#include "netlink.h"

static const uint8_t inet[4] = { 1 /* NFPROTO_INET */ };
static const struct fuzz_type types[] = {
	{ NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, inet, 4, 0 },
	{ NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, inet, 4, 0 },
	{ RTM_GETACTION, RTM_GETACTION, NULL, 0, sizeof(struct tcamsg) },
	{ .answer = NLMSG_ERROR },
	{ .answer = NLMSG_DONE },
	{ .answer = NLMSG_OVERRUN },
};

/* The entries of the older iptables: what the kernel copies for whom it has told their size. */
static struct {
	const uint8_t *data;
	size_t size;
} entries;

static int tell_entries(int level, int option, void *value, socklen_t *len)
{
	struct ipt_getinfo info = { .size = (unsigned)entries.size };

	(void)level, (void)option;
	if (*len == sizeof(info)) {
		memcpy(value, &info, sizeof(info));
		return 0;
	}
	require(*len >= entries.size);
	memcpy((uint8_t *)value + *len - entries.size, entries.data, entries.size);
	return 0;
}

static void look_for_users(const uint8_t *data, size_t size, bool iptables)
{
	struct conntrack_names names;
	struct conntrack_users users;
	int fds[2];

	fuzz_kernel_begin(iptables ? NULL : data, iptables ? 0 : size);
	conntrack_users_open(&names);
	for (size_t i = 0; i < CONNTRACK_FAMILIES; i++) {
		if (names.fds[i] >= 0)
			close(names.fds[i]);
		names.fds[i] = fds[i] = memfd_create("names", MFD_CLOEXEC);
		require(fds[i] >= 0 && write(fds[i], "filter\nmangle-of-another-name-that-is-too-long\n", 47) == 47);
	}
	fuzz_kernel.getsockopt = tell_entries;
	entries.data = data;
	entries.size = iptables ? size : 0;
	require(conntrack_users_look("picket", &names, &users) <= 0);
	netlink_dump_close(names.traffic);
	for (size_t i = 0; i < CONNTRACK_FAMILIES; i++)
		close(fds[i]);
}

static void clear(uint8_t how, const uint8_t *data, size_t size)
{
	const struct flow_flag flags[] = { { .kind = FLOW_FLAG_MARK, .mask = 0xff000000, .value = 0x15000000 },
					   { .kind = FLOW_FLAG_LABEL, .bit = 101 } };
	struct conntrack *conntrack;
	int result = 0;

	fuzz_kernel_begin(data, size);
	if (conntrack_open(&conntrack) < 0)
		return;
	if (conntrack_clear(conntrack, &flags[how & 1], how & 2) == 0)
		for (int i = 0; i < 64 && result == 0; i++)
			result = conntrack_clear_step(conntrack);
	require(result <= 1 && conntrack_clear_step(conntrack) <= 1);
	conntrack_close(conntrack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	fuzz_kernel.types = types;
	fuzz_kernel.type_count = sizeof(types) / sizeof(types[0]);
	fuzz_kernel.denies = data[0] & 4;
	switch (data[0] >> 6) {
	case 0:
	case 1: clear(data[0], data + 1, size - 1); break;
	default: look_for_users(data + 1, size - 1, data[0] >> 6 == 3); break;
	}
	return 0;
}
