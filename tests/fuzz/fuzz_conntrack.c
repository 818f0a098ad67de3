/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libFuzzer over what the kernel says of flows (ctnetlink) while flags are cleared. */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "conntrack/conntrack.h"
#include "fuzz_kernel.h"

static const uint16_t types[] = { (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW, NLMSG_ERROR, NLMSG_DONE };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct flow_flag flags[] = { { .kind = FLOW_FLAG_MARK, .mask = 0xff000000, .value = 0x15000000 },
					   { .kind = FLOW_FLAG_LABEL, .bit = 101 } };
	struct conntrack *conntrack;
	int result = 0;

	if (size == 0)
		return 0;
	fuzz_kernel.types = types;
	fuzz_kernel.type_count = sizeof(types) / sizeof(types[0]);
	fuzz_kernel_begin(data + 1, size - 1);
	require(conntrack_open(&conntrack) == 0);
	if (conntrack_clear(conntrack, &flags[data[0] & 1], data[0] & 2) == 0)
		for (int i = 0; i < 64 && result == 0; i++)
			result = conntrack_clear_step(conntrack);
	require(result <= 1);
	conntrack_close(conntrack);
	return 0;
}
