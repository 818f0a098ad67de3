/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sending and receiving.  Promises: a message arrives whole or not at all, has exactly the length that belongs to its
 * type, and wire_send() never waits.  Defends against a process of ours that an attacker has taken over.
 */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define WIRE_BUFFER (4 * 1024 * 1024)

#define LENGTH(name, body) [WIRE_##name] = sizeof(body),
static const size_t lengths[WIRE_TYPE_COUNT] = { WIRE_TYPES(LENGTH) };
#undef LENGTH

size_t wire_body_len(enum wire_type type)
{
	return (unsigned)type < WIRE_TYPE_COUNT ? lengths[type] : 0;
}

int wire_pair(int fds[2])
{
	const int size = WIRE_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		/* Without CAP_NET_ADMIN (tests) the ordinary limit has to do. */
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
			setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

int wire_send(int fd, enum wire_type type, uint32_t id, const void *body)
{
	struct wire_header header = { .type = (uint16_t)type, .id = id };
	size_t len = wire_body_len(type);
	struct iovec parts[2] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)(uintptr_t)body, .iov_len = len },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t sent;

	if (len == 0 || !body)
		return -EINVAL;
	do
		sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

int wire_send_patiently(int fd, enum wire_type type, const void *body, int patience_ms)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	int result = wire_send(fd, type, 0, body);

	while (result == -EAGAIN && poll(&room, 1, patience_ms) == 1)
		result = wire_send(fd, type, 0, body);
	return result;
}

int wire_receive(int fd, struct wire_message *out)
{
	ssize_t got;

	/* MSG_TRUNC makes an overlong message tell its true length. */
	do
		got = recv(fd, out, sizeof(*out), MSG_DONTWAIT | MSG_TRUNC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	if (got == 0)
		return -EPIPE;
	if ((size_t)got < sizeof(out->header))
		return -EBADMSG;
	size_t len = wire_body_len((enum wire_type)out->header.type);
	if (len == 0 || (size_t)got != offsetof(struct wire_message, body) + len)
		return -EBADMSG;
	return 1;
}
