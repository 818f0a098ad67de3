/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who else uses the ct mark or the ct label: traffic control, by actions of three kinds.  The kernel keeps those of a
 * kind in one table a namespace, whatever filter they hang on, so one question a kind is enough; for a kind that nobody
 * has loaded the answer is empty.
 */
#include "internal.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

#include "netlink.h"

static int take_actions(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, message, sizeof(struct tcamsg))
		if (mnl_attr_get_type(attr) == TCA_ACT_TAB && mnl_attr_get_payload_len(attr) > 0)
			*(bool *)context = true;
	return MNL_CB_OK;
}

static int ask_for(struct netlink_dump *dump, const char *kind, bool *used)
{
	_Alignas(8) char buffer[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcamsg *head = mnl_nlmsg_put_extra_header(request, sizeof(*head));
	struct nlattr *table, *first;
	int error;

	head->tca_family = AF_UNSPEC;
	table = mnl_attr_nest_start(request, TCA_ACT_TAB);
	first = mnl_attr_nest_start(request, 1);
	mnl_attr_put_strz(request, TCA_ACT_KIND, kind);
	mnl_attr_nest_end(request, first);
	mnl_attr_nest_end(request, table);
	error = netlink_dump_ask(dump, RTM_GETACTION, head, mnl_nlmsg_get_payload_len(request), take_actions, used,
				 NULL);
	return error == -EOPNOTSUPP ? 0 : error; /* a kernel without actions */
}

int conntrack_look_at_traffic(struct netlink_dump *ask, struct conntrack_users *users)
{
	static const struct {
		const char *kind;
		bool label;
	} kinds[] = { { "connmark", false }, { "ctinfo", false }, { "ct", true } };
	int error = ask ? 0 : -ENOTCONN;

	for (size_t i = 0; !error && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool used = false;

		error = ask_for(ask, kinds[i].kind, &used);
		users->mark |= used;
		users->label |= used && kinds[i].label;
	}
	return error;
}
