/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes a flag off all flows: a dump of the kernel's table, and an update for each that has it.  The kernel picks flows
 * by their mark itself; labels it tells with every flow.  Both sockets never wait.
 */
#include "conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

#define DATAGRAM_MAX   32768
#define DATAGRAMS_STEP 32 /* of some hundred flows each */
#define UPDATES_MAX    (16 * 1024)
#define UPDATE_MAX     512 /* two tuples of IPv6 take less than 200 */

struct conntrack {
	struct mnl_socket *dump; /* while a walk is under way */
	struct mnl_socket *update;
	struct flow_flag flag;
	bool all_values;
	_Alignas(8) uint8_t buffer[DATAGRAM_MAX];
	_Alignas(8) uint8_t updates[UPDATES_MAX];
	size_t updates_len;
};

int conntrack_open(struct conntrack **out)
{
	struct conntrack *conntrack = calloc(1, sizeof(*conntrack));
	int error;

	if (!conntrack)
		return -ENOMEM;
	error = netlink_open(NETLINK_NETFILTER, SOCK_NONBLOCK, 0, &conntrack->update);
	if (error) {
		conntrack_close(conntrack);
		return error;
	}
	*out = conntrack;
	return 0;
}

static void end_walk(struct conntrack *conntrack)
{
	if (conntrack->dump)
		mnl_socket_close(conntrack->dump);
	conntrack->dump = NULL;
}

void conntrack_close(struct conntrack *conntrack)
{
	if (!conntrack)
		return;
	end_walk(conntrack);
	if (conntrack->update)
		mnl_socket_close(conntrack->update);
	free(conntrack);
}

static struct nlmsghdr *begin_message(void *buffer, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

int conntrack_clear(struct conntrack *conntrack, const struct flow_flag *flag, bool all_values)
{
	struct nlmsghdr *nlh;
	int error;

	end_walk(conntrack); /* a socket of its own for each dump: what is left of another one goes with it */
	error = netlink_open(NETLINK_NETFILTER, SOCK_NONBLOCK, 0, &conntrack->dump);
	if (error)
		return error;
	conntrack->flag = *flag;
	conntrack->all_values = all_values;
	conntrack->updates_len = 0;
	nlh = begin_message(conntrack->buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);
	if (flag->kind == FLOW_FLAG_MARK && !all_values) {
		mnl_attr_put_u32(nlh, CTA_MARK, htonl(flag->value));
		mnl_attr_put_u32(nlh, CTA_MARK_MASK, htonl(flag->mask));
	}
	if (mnl_socket_sendto(conntrack->dump, nlh, nlh->nlmsg_len) < 0) {
		error = -errno;
		end_walk(conntrack);
		return error;
	}
	return 0;
}

struct flow {
	const struct nlattr *tuple, *zone, *mark, *labels;
};

static int take_attribute(const struct nlattr *attr, void *context)
{
	struct flow *flow = context;

	switch (mnl_attr_get_type(attr)) {
	case CTA_TUPLE_ORIG: flow->tuple = attr; break;
	case CTA_ZONE: flow->zone = mnl_attr_get_payload_len(attr) == sizeof(uint16_t) ? attr : NULL; break;
	case CTA_MARK: flow->mark = mnl_attr_get_payload_len(attr) == sizeof(uint32_t) ? attr : NULL; break;
	case CTA_LABELS: flow->labels = mnl_attr_get_payload_len(attr) == FLOW_LABEL_BYTES ? attr : NULL; break;
	default: break;
	}
	return MNL_CB_OK;
}

static bool has_flag(const struct conntrack *conntrack, const struct flow *flow)
{
	const struct flow_flag *flag = &conntrack->flag;
	uint8_t label[FLOW_LABEL_BYTES];
	const uint8_t *has;

	if (flag->kind == FLOW_FLAG_MARK) {
		uint32_t mark = flow->mark ? ntohl(mnl_attr_get_u32(flow->mark)) & flag->mask : 0;

		return conntrack->all_values ? mark != 0 : mark == flag->value;
	}
	flow_flag_label(flag->bit, label);
	has = flow->labels ? mnl_attr_get_payload(flow->labels) : NULL;
	for (size_t i = 0; has && i < FLOW_LABEL_BYTES; i++)
		if (has[i] & label[i])
			return true;
	return false;
}

static int send_updates(struct conntrack *conntrack)
{
	ssize_t sent = conntrack->updates_len
			       ? mnl_socket_sendto(conntrack->update, conntrack->updates, conntrack->updates_len)
			       : 0;

	conntrack->updates_len = 0;
	return sent < 0 ? -errno : 0;
}

/* What the kernel answers is dropped: an update that finds its flow gone is none. */
static void drain_answers(struct conntrack *conntrack)
{
	while (mnl_socket_recvfrom(conntrack->update, conntrack->buffer, sizeof(conntrack->buffer)) > 0)
		;
}

static void put_cleared(struct nlmsghdr *nlh, const struct flow_flag *flag)
{
	static const uint8_t none[FLOW_LABEL_BYTES];
	uint8_t label[FLOW_LABEL_BYTES];

	if (flag->kind == FLOW_FLAG_MARK) {
		mnl_attr_put_u32(nlh, CTA_MARK, 0);
		mnl_attr_put_u32(nlh, CTA_MARK_MASK, htonl(flag->mask));
		return;
	}
	flow_flag_label(flag->bit, label);
	mnl_attr_put(nlh, CTA_LABELS, FLOW_LABEL_BYTES, none);
	mnl_attr_put(nlh, CTA_LABELS_MASK, FLOW_LABEL_BYTES, label);
}

static int take_flow(const struct nlmsghdr *told, void *context)
{
	struct conntrack *conntrack = context;
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(told);
	struct flow flow = { 0 };
	struct nlmsghdr *nlh;

	if (mnl_attr_parse(told, sizeof(*nfg), take_attribute, &flow) < 0)
		return MNL_CB_ERROR;
	if (!flow.tuple || mnl_attr_get_len(flow.tuple) > UPDATE_MAX / 2 || !has_flag(conntrack, &flow))
		return MNL_CB_OK;
	nlh = begin_message(conntrack->updates + conntrack->updates_len, IPCTNL_MSG_CT_NEW, 0, nfg->nfgen_family);
	mnl_attr_put(nlh, CTA_TUPLE_ORIG | NLA_F_NESTED, mnl_attr_get_payload_len(flow.tuple),
		     mnl_attr_get_payload(flow.tuple));
	if (flow.zone)
		mnl_attr_put(nlh, CTA_ZONE, mnl_attr_get_payload_len(flow.zone), mnl_attr_get_payload(flow.zone));
	put_cleared(nlh, &conntrack->flag);
	conntrack->updates_len += MNL_ALIGN(nlh->nlmsg_len);
	return MNL_CB_OK;
}

/* The updates of one datagram's flows fit: else they are sent in between, before the answers' buffer is used again. */
static int take_datagram(struct conntrack *conntrack, size_t len)
{
	const struct nlmsghdr *nlh = (const void *)conntrack->buffer;
	int left = (int)len;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type == NLMSG_DONE)
			return 1;
		if (nlh->nlmsg_type == NLMSG_ERROR) {
			int error = netlink_error(nlh);

			return error ? error : -EBADMSG;
		}
		if (take_flow(nlh, conntrack) != MNL_CB_OK)
			return -EBADMSG;
		if (conntrack->updates_len > UPDATES_MAX - UPDATE_MAX) {
			int error = send_updates(conntrack);

			if (error)
				return error;
		}
	}
	return 0;
}

int conntrack_clear_step(struct conntrack *conntrack)
{
	int result = conntrack->dump ? 0 : -EINVAL;

	for (int i = 0; result == 0 && i < DATAGRAMS_STEP; i++) {
		ssize_t got = mnl_socket_recvfrom(conntrack->dump, conntrack->buffer, sizeof(conntrack->buffer));

		if (got < 0 && errno == EAGAIN)
			return 0;
		result = got < 0 ? -errno : take_datagram(conntrack, (size_t)got);
		if (result >= 0) {
			int error = send_updates(conntrack);

			drain_answers(conntrack);
			result = error ? error : result;
		}
	}
	if (result)
		end_walk(conntrack);
	return result;
}
