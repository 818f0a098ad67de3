/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Own addresses, on-link prefixes, gateways of all routing tables and the interfaces with a default route, by
 * rtnetlink.  Two sockets: one subscribed to changes (routes_fd), one that asks.
 *
 * Why all tables: a host with policy routing or a VPN reaches its admin over a gateway that is not in `main`.
 * Limits: ROUTES_MAX entries of a kind, without duplicates; DUMP_READS_MAX datagrams an answer (a full BGP feed
 * fits); what is beyond is counted.  A dump that changed under way is
 * asked again, three times at most.
 */
#include "routes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "routes_gather.h"

#define DUMP_READS_MAX    65536         /* of some hundred routes each */
#define DUMP_TRIES_MAX    3
#define DRAIN_MAX         256           /* datagrams a call */
#define BUFFER_LEN        32768         /* what the kernel fills at most in a dump */

struct routes {
	struct mnl_socket *watch, *ask;
	uint32_t seq;
	struct routes_gather gather;
	bool interrupted;               /* the dump did not see one state of the tables */
	_Alignas(8) char buffer[BUFFER_LEN];
};

static int socket_open(int flags, struct mnl_socket **out)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags);
	int error;

	if (!s)
		return -errno;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) != 0) {
		error = -errno;
		mnl_socket_close(s);
		return error;
	}
	*out = s;
	return 0;
}

static int watch_join(struct mnl_socket *watch)
{
	static const int groups[] = {
		RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
		RTNLGRP_NEXTHOP,        /* last: kernels before 5.3 don't have it */
	};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(watch, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0 &&
		    group != RTNLGRP_NEXTHOP)
			return -errno;
	}
	return 0;
}

int routes_open(struct routes **out)
{
	const struct timeval patience = { .tv_sec = 2 };
	struct routes *routes = calloc(1, sizeof(*routes));
	int error;

	if (!routes)
		return -ENOMEM;
	error = socket_open(SOCK_NONBLOCK, &routes->watch);
	if (!error)
		error = watch_join(routes->watch);
	if (!error)
		error = socket_open(0, &routes->ask);
	if (!error && setsockopt(mnl_socket_get_fd(routes->ask), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
		error = -errno;
	if (error) {
		routes_close(routes);
		return error;
	}
	routes->seq = (uint32_t)time(NULL);
	*out = routes;
	return 0;
}

void routes_close(struct routes *routes)
{
	if (!routes)
		return;
	if (routes->watch)
		mnl_socket_close(routes->watch);
	if (routes->ask)
		mnl_socket_close(routes->ask);
	free(routes);
}

int routes_fd(const struct routes *routes)
{
	return mnl_socket_get_fd(routes->watch);
}

/* Every message of our groups is of interest, and lost ones (ENOBUFS) as well. */
int routes_drain(struct routes *routes)
{
	int changed = 0;

	for (int i = 0; i < DRAIN_MAX; i++) {
		ssize_t n = mnl_socket_recvfrom(routes->watch, routes->buffer, sizeof(routes->buffer));

		if (n > 0 || (n < 0 && (errno == ENOBUFS || errno == ENOSPC)))
			changed = 1;
		else if (n == 0 || errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return -errno;
	}
	return changed;
}

/* ---- The dump ---- */

/* An answer that nobody reads to its end keeps the socket busy (EBUSY).  The kernel makes the next piece when the last
 * one is read, so that nothing there means that it is over. */
static void dump_abandon(struct routes *routes)
{
	for (unsigned i = 0; i < DUMP_READS_MAX; i++)
		if (recv(mnl_socket_get_fd(routes->ask), routes->buffer, sizeof(routes->buffer), MSG_DONTWAIT) < 0 &&
		    errno == EAGAIN)
			return;
}

/* NLM_F_DUMP_INTR: the tables changed under way.  libmnl would stop at it; what was read is worth keeping all the same,
 * since the tables of a busy router never rest. */
static bool take_interruption(void *buffer, size_t len)
{
	struct nlmsghdr *message = buffer;
	bool interrupted = false;
	int left = (int)len;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		message->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
	}
	return interrupted;
}

/* Reads one answer to its end.  -EAGAIN when the kernel was silent for too long. */
static int dump_read(struct routes *routes, mnl_cb_t on_message)
{
	unsigned portid = mnl_socket_get_portid(routes->ask);

	for (unsigned i = 0; i < DUMP_READS_MAX; i++) {
		ssize_t n = mnl_socket_recvfrom(routes->ask, routes->buffer, sizeof(routes->buffer));
		int result;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		routes->interrupted |= take_interruption(routes->buffer, (size_t)n);
		result = mnl_cb_run(routes->buffer, (size_t)n, routes->seq, portid, on_message, &routes->gather);
		if (result == MNL_CB_STOP)
			return 0;
		/* EPROTO, ESRCH: what was left of an earlier question */
		if (result < 0 && errno != EPROTO && errno != ESRCH)
			return -errno;
	}
	return -EOVERFLOW;
}

struct dump_step {
	uint16_t type;
	uint8_t family;
	bool optional;                  /* the kernel may lack it */
	size_t header_len;
	mnl_cb_t on_message;
};

static const struct dump_step dump_steps[] = {
	{ RTM_GETADDR, AF_UNSPEC, false, sizeof(struct ifaddrmsg), gather_address },
	{ RTM_GETROUTE, AF_INET, false, sizeof(struct rtmsg), gather_route },
	{ RTM_GETROUTE, AF_INET6, true, sizeof(struct rtmsg), gather_route },
	{ RTM_GETNEXTHOP, AF_UNSPEC, true, sizeof(struct nhmsg), gather_nexthop },
	{ RTM_GETNEXTHOP, AF_UNSPEC, true, sizeof(struct nhmsg), gather_nexthop },
	{ RTM_GETLINK, AF_UNSPEC, false, sizeof(struct ifinfomsg), gather_link },
};

static int dump_ask(struct routes *routes, const struct dump_step *step)
{
	_Alignas(8) char buffer[128];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	uint8_t *header;
	int error;

	message->nlmsg_type = step->type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = ++routes->seq;
	header = mnl_nlmsg_put_extra_header(message, step->header_len);
	header[0] = step->family;       /* each of them begins with it; the rest is zero */
	if (mnl_socket_sendto(routes->ask, message, message->nlmsg_len) < 0)
		return -errno;
	error = dump_read(routes, step->on_message);
	if (error)
		dump_abandon(routes);
	return error;
}

static int dump_once(struct routes *routes)
{
	memset(&routes->gather, 0, sizeof(routes->gather));
	routes->interrupted = false;
	for (size_t i = 0; i < sizeof(dump_steps) / sizeof(dump_steps[0]); i++) {
		int error = dump_ask(routes, &dump_steps[i]);
		bool missing = error == -EOPNOTSUPP || error == -EINVAL || error == -EAFNOSUPPORT;

		if (error && !(missing && dump_steps[i].optional))
			return error;
	}
	return 0;
}

int routes_dump(struct routes *routes, struct routes_view *out)
{
	for (int i = 0; i < DUMP_TRIES_MAX; i++) {
		int error = dump_once(routes);

		if (error)
			return error;
		if (!routes->interrupted)
			break;
	}
	*out = routes->gather.view;     /* nearly right at worst: a notification follows a change */
	return 0;
}
