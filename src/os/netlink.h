/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink sockets: how each of them is opened, and questions whose answer is a dump, which is read to its end.
 */
#ifndef PICKET_NETLINK_H
#define PICKET_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "result.h"

/* A bound, close-on-exec socket.  flags: SOCK_NONBLOCK or 0.  receive_buffer: bytes, set by SO_RCVBUFFORCE, which needs
 * CAP_NET_ADMIN; 0: the system's default.  0, with the socket for mnl_socket_close(), or -errno. */
MUST_CHECK int netlink_open(int bus, int flags, int receive_buffer, struct mnl_socket **out);

/* What an NLMSG_ERROR says: 0 (an acknowledgement) or -errno; -EBADMSG when it is no error of the kernel's. */
int netlink_error(const struct nlmsghdr *message);

/* Attributes of a message, bounds checked; each of these takes NULL for "none".  libnftnl reads them too, but ends the
 * program where one is not as it expects. */
const struct nlattr *netlink_attr(const struct nlmsghdr *message, size_t header_len, uint16_t type);
const struct nlattr *netlink_nested(const struct nlattr *nest, uint16_t type);
/* NULL where there is no NUL at its end. */
const char *netlink_text(const struct nlattr *attr);
/* Numbers in the network's order; false where the length is another. */
bool netlink_be32(const struct nlattr *attr, uint32_t *out);
bool netlink_be64(const struct nlattr *attr, uint64_t *out);

/* A socket for questions alone; notifications must have another one. */
struct netlink_dump;

MUST_CHECK int netlink_dump_open(int bus, struct netlink_dump **out);
void netlink_dump_close(struct netlink_dump *dump);
/* Sends a request of that type with header_len bytes of header (64 at most) and hands every message of the answer to
 * the callback.  *interrupted is set when the tables changed under way (never cleared; may be NULL).  0 or -errno;
 * -EAGAIN when the kernel was silent for two seconds. */
MUST_CHECK int netlink_dump_ask(struct netlink_dump *dump, uint16_t type, const void *header, size_t header_len,
				mnl_cb_t on_message, void *context, bool *interrupted);

#endif
