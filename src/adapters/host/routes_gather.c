/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What rtnetlink's messages say of our addresses, prefixes, gateways and default routes.  Bounds-checks every
 * attribute and nested list; keeps ROUTES_MAX entries of a kind, without duplicates, and counts what is beyond.
 */
#include "internal.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "addr.h"

#define LOOPBACK_IFINDEX 1 /* the kernel's own constant: lo is the first of every network namespace */

static void keep_prefix(struct routes_gather *gather, struct prefix *list, size_t *count, const struct prefix *what)
{
	for (size_t i = 0; i < *count; i++)
		if (prefix_equal(&list[i], what))
			return;
	if (*count < ROUTES_MAX)
		list[(*count)++] = *what;
	else
		gather->view.dropped++;
}

static void keep_number(struct routes_gather *gather, uint32_t *list, size_t *count, uint32_t what)
{
	if (what == 0)
		return;
	for (size_t i = 0; i < *count; i++)
		if (list[i] == what)
			return;
	if (*count < ROUTES_DEFAULTS_MAX)
		list[(*count)++] = what;
	else
		gather->view.dropped++;
}

static void keep_default_link(struct routes_gather *gather, uint32_t ifindex)
{
	if (ifindex != LOOPBACK_IFINDEX)
		keep_number(gather, gather->default_links, &gather->default_link_count, ifindex);
}

static void keep_default_nexthop(struct routes_gather *gather, uint32_t id)
{
	keep_number(gather, gather->default_nexthops, &gather->default_nexthop_count, id);
}

static bool addr_from_bytes(int family, const void *bytes, size_t len, struct addr *out)
{
	if (family == AF_INET && len == 4)
		*out = addr_from_v4(bytes);
	else if (family == AF_INET6 && len == 16)
		*out = addr_from_v6(bytes);
	else
		return false;
	return true;
}

static bool addr_from_attr(int family, const struct nlattr *attr, struct addr *out)
{
	return attr && addr_from_bytes(family, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr), out);
}

static void keep_gateway(struct routes_gather *gather, const struct addr *gateway)
{
	struct prefix host = prefix_host(gateway);

	if (!addr_is_unspecified(gateway) && !addr_is_loopback(gateway))
		keep_prefix(gather, gather->view.gateways, &gather->view.gateway_count, &host);
}

static uint32_t attr_u32(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) == sizeof(uint32_t) ? mnl_attr_get_u32(attr) : 0;
}

/* ---- Messages ---- */

struct attrs {
	const struct nlattr *by_type[RTA_MAX + 1]; /* the largest of the kinds below */
};

_Static_assert(IFA_MAX <= RTA_MAX && NHA_MAX <= RTA_MAX, "attributes fit");

static int attrs_collect(const struct nlattr *attr, void *context)
{
	struct attrs *attrs = context;
	uint16_t type = mnl_attr_get_type(attr);

	if (type <= RTA_MAX)
		attrs->by_type[type] = attr;
	return MNL_CB_OK;
}

static bool attrs_parse(const struct nlmsghdr *message, size_t header_len, struct attrs *out)
{
	return mnl_nlmsg_get_payload_len(message) >= header_len &&
	       mnl_attr_parse(message, (unsigned)header_len, attrs_collect, out) >= 0;
}

int gather_address(const struct nlmsghdr *message, void *context)
{
	struct routes_gather *gather = context;
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(message);
	struct attrs a = { 0 };
	struct addr own, link;
	struct prefix host;

	if (!attrs_parse(message, sizeof(*m), &a))
		return MNL_CB_OK;
	/* IFA_ADDRESS is the peer's on a point-to-point link; IFA_LOCAL, where it is, our own */
	if (!addr_from_attr(m->ifa_family, a.by_type[IFA_ADDRESS], &link))
		return MNL_CB_OK;
	if (!addr_from_attr(m->ifa_family, a.by_type[IFA_LOCAL], &own))
		own = link;
	host = prefix_host(&own);
	keep_prefix(gather, gather->view.own, &gather->view.own_count, &host);
	if (m->ifa_index != LOOPBACK_IFINDEX && m->ifa_prefixlen < (m->ifa_family == AF_INET ? 32 : 128)) {
		struct prefix onlink = prefix_of(&link, m->ifa_prefixlen + (m->ifa_family == AF_INET ? 96u : 0u));

		keep_prefix(gather, gather->view.onlink, &gather->view.onlink_count, &onlink);
	}
	return MNL_CB_OK;
}

/* A gateway of the route's family (RTA_GATEWAY) or another (RTA_VIA, RFC 5549), on a route or one of its nexthops. */
static void keep_via(struct routes_gather *gather, int family, const struct attrs *a)
{
	const struct nlattr *via = a->by_type[RTA_VIA];
	struct addr gateway;

	if (addr_from_attr(family, a->by_type[RTA_GATEWAY], &gateway))
		keep_gateway(gather, &gateway);
	if (via && mnl_attr_get_payload_len(via) >= sizeof(struct rtvia)) {
		const struct rtvia *v = mnl_attr_get_payload(via);
		size_t len = mnl_attr_get_payload_len(via) - sizeof(*v);

		if (addr_from_bytes(v->rtvia_family, v->rtvia_addr, len, &gateway))
			keep_gateway(gather, &gateway);
	}
}

static void keep_multipath(struct routes_gather *gather, int family, const struct nlattr *multipath, bool is_default)
{
	const char *at = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *hop = (const void *)at;
		size_t len = hop->rtnh_len, step = RTNH_ALIGN(len);
		struct attrs a = { 0 };

		if (len < sizeof(*hop) || len > left)
			return;
		if (mnl_attr_parse_payload(at + sizeof(*hop), len - sizeof(*hop), attrs_collect, &a) >= 0)
			keep_via(gather, family, &a);
		if (is_default)
			keep_default_link(gather, (uint32_t)hop->rtnh_ifindex);
		if (step >= left)
			return;
		at += step;
		left -= step;
	}
}

int gather_route(const struct nlmsghdr *message, void *context)
{
	struct routes_gather *gather = context;
	const struct rtmsg *m = mnl_nlmsg_get_payload(message);
	struct attrs a = { 0 };
	bool is_default;

	if (!attrs_parse(message, sizeof(*m), &a))
		return MNL_CB_OK;
	if (m->rtm_type != RTN_UNICAST || (m->rtm_flags & RTM_F_CLONED))
		return MNL_CB_OK;
	is_default = m->rtm_dst_len == 0;
	keep_via(gather, m->rtm_family, &a);
	if (a.by_type[RTA_MULTIPATH])
		keep_multipath(gather, m->rtm_family, a.by_type[RTA_MULTIPATH], is_default);
	if (is_default) {
		keep_default_link(gather, attr_u32(a.by_type[RTA_OIF]));
		keep_default_nexthop(gather, attr_u32(a.by_type[RTA_NH_ID]));
	}
	return MNL_CB_OK;
}

/* Routes may name nexthop objects instead of gateways, and do so alone with net.ipv4.nexthop_compat_mode=0.
 * A group names others. */
int gather_nexthop(const struct nlmsghdr *message, void *context)
{
	struct routes_gather *gather = context;
	const struct nhmsg *m = mnl_nlmsg_get_payload(message);
	struct attrs a = { 0 };
	struct addr gateway;
	bool is_default = false;
	uint32_t id;

	if (!attrs_parse(message, sizeof(*m), &a))
		return MNL_CB_OK;
	if (addr_from_attr(m->nh_family, a.by_type[NHA_GATEWAY], &gateway))
		keep_gateway(gather, &gateway);
	id = attr_u32(a.by_type[NHA_ID]);
	for (size_t i = 0; i < gather->default_nexthop_count; i++)
		is_default |= id && gather->default_nexthops[i] == id;
	if (!is_default)
		return MNL_CB_OK;
	keep_default_link(gather, attr_u32(a.by_type[NHA_OIF]));
	if (a.by_type[NHA_GROUP]) {
		const struct nexthop_grp *members = mnl_attr_get_payload(a.by_type[NHA_GROUP]);
		size_t count = mnl_attr_get_payload_len(a.by_type[NHA_GROUP]) / sizeof(*members);

		for (size_t i = 0; i < count; i++)
			keep_default_nexthop(gather, members[i].id);
	}
	return MNL_CB_OK;
}

static bool is_text(const struct nlattr *attr, const char *text)
{
	return attr && mnl_attr_get_payload_len(attr) == strlen(text) + 1 &&
	       memcmp(mnl_attr_get_payload(attr), text, strlen(text) + 1) == 0;
}

/* A VRF, or enslaved to one. */
static bool is_of_vrf(const struct nlattr *info)
{
	struct attrs a = { 0 };

	return info && mnl_attr_parse_nested(info, attrs_collect, &a) >= 0 &&
	       (is_text(a.by_type[IFLA_INFO_KIND], "vrf") || is_text(a.by_type[IFLA_INFO_SLAVE_KIND], "vrf"));
}

/* name: NUL included; the view was zeroed */
static void keep_name(struct routes_gather *gather, char (*list)[16], size_t *count, size_t max,
		      const struct nlattr *name)
{
	if (*count < max)
		memcpy(list[(*count)++], mnl_attr_get_str(name), mnl_attr_get_payload_len(name));
	else
		gather->view.dropped++;
}

int gather_link(const struct nlmsghdr *message, void *context)
{
	struct routes_gather *gather = context;
	struct routes_view *view = &gather->view;
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(message);
	struct attrs a = { 0 };
	const struct nlattr *name;
	bool is_default = false;

	if (!attrs_parse(message, sizeof(*m), &a))
		return MNL_CB_OK;
	name = a.by_type[IFLA_IFNAME];
	if (!name || mnl_attr_validate(name, MNL_TYPE_NUL_STRING) < 0 || mnl_attr_get_payload_len(name) > IFNAMSIZ)
		return MNL_CB_OK;
	for (size_t i = 0; i < gather->default_link_count; i++)
		is_default |= gather->default_links[i] == (uint32_t)m->ifi_index;
	if (is_of_vrf(a.by_type[IFLA_LINKINFO]))
		keep_name(gather, view->vrf, &view->vrf_count, ROUTES_VRF_MAX, name);
	else if (is_default)
		keep_name(gather, view->interfaces, &view->interface_count, ROUTES_INTERFACES_MAX, name);
	return MNL_CB_OK;
}
