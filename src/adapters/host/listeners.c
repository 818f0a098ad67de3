/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local services by sock_diag: sockets in LISTEN (TCP) and sockets bound without a peer (UDP), of both families.  Needs
 * no privilege and no /proc.  Any user of this host can have thousands of sockets: whoever must not lose one among them
 * takes each as it comes; an array has its limit, and what is beyond it is counted.
 */
#include "listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "netlink.h"

#define LISTENERS_MAX 1048576 /* whatever the caller says */

/* States as in the kernel's enum of TCP states; UDP uses CLOSE for "no peer". */
enum { STATE_CLOSE = 7, STATE_LISTEN = 10 };

struct listeners {
	struct netlink_dump *ask;
};

/* Where a dump goes. */
struct sink {
	listeners_each_fn *each;
	void *context;
	uint8_t protocol;
};

/* An array that a dump goes to. */
struct array {
	struct listener *items;
	size_t count, max, dropped;
};

static const struct {
	uint8_t family, protocol, state;
} questions[] = {
	{ AF_INET, IPPROTO_TCP, STATE_LISTEN },
	{ AF_INET6, IPPROTO_TCP, STATE_LISTEN },
	{ AF_INET, IPPROTO_UDP, STATE_CLOSE },
	{ AF_INET6, IPPROTO_UDP, STATE_CLOSE },
};

int listeners_open(struct listeners **out)
{
	struct listeners *listeners = calloc(1, sizeof(*listeners));
	int error;

	if (!listeners)
		return -ENOMEM;
	error = netlink_dump_open(NETLINK_SOCK_DIAG, &listeners->ask);
	if (error) {
		free(listeners);
		return error;
	}
	*out = listeners;
	return 0;
}

void listeners_close(struct listeners *listeners)
{
	if (!listeners)
		return;
	netlink_dump_close(listeners->ask);
	free(listeners);
}

static int on_socket(const struct nlmsghdr *message, void *context)
{
	struct sink *sink = context;
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(message);
	struct listener found = { .protocol = sink->protocol };

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(message) < sizeof(*m))
		return MNL_CB_OK;
	if (m->idiag_family == AF_INET)
		found.addr = addr_from_v4((const uint8_t *)m->id.idiag_src);
	else if (m->idiag_family == AF_INET6)
		found.addr = addr_from_v6((const uint8_t *)m->id.idiag_src);
	else
		return MNL_CB_OK;
	found.port = ntohs(m->id.idiag_sport);
	if (found.port == 0 || m->id.idiag_dport != 0)
		return MNL_CB_OK;
	found.v6 = m->idiag_family == AF_INET6;
	found.loopback = addr_is_loopback(&found.addr);
	found.uid = m->idiag_uid;
	found.inode = m->idiag_inode;
	sink->each(sink->context, &found);
	return MNL_CB_OK;
}

static int dump(struct netlink_dump *ask, struct sink *sink)
{
	size_t answered = 0;

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		const struct inet_diag_req_v2 request = {
			.sdiag_family = questions[i].family,
			.sdiag_protocol = questions[i].protocol,
			.idiag_states = 1u << questions[i].state,
		};
		int error;

		sink->protocol = questions[i].protocol;
		error = netlink_dump_ask(ask, SOCK_DIAG_BY_FAMILY, &request, sizeof(request), on_socket, sink, NULL);
		/* A kernel without IPv6 or without the module for UDP has nothing to list there. */
		if (error && error != -ENOENT && error != -EAFNOSUPPORT)
			return error;
		answered += error == 0;
	}
	return answered ? 0 : -ENOENT;
}

int listeners_each(struct listeners *listeners, listeners_each_fn *each, void *context)
{
	return dump(listeners->ask, &(struct sink){ .each = each, .context = context });
}

static void keep(void *context, const struct listener *found)
{
	struct array *array = context;

	if (array->count < array->max)
		array->items[array->count++] = *found;
	else
		array->dropped++;
}

int listeners_dump(struct listeners *listeners, struct listener *out, size_t max, size_t *dropped)
{
	struct array array = { .max = max < LISTENERS_MAX ? max : LISTENERS_MAX };
	int error;

	array.items = calloc(array.max ? array.max : 1, sizeof(*array.items));
	if (!array.items)
		return -ENOMEM;
	error = listeners_each(listeners, keep, &array);
	if (!error) {
		memcpy(out, array.items, array.count * sizeof(*out));
		*dropped = array.dropped;
	}
	free(array.items);
	return error ? error : (int)array.count;
}
