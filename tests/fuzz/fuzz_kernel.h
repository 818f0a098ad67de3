/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's end of every netlink socket, played by the fuzzer's input.  The calls of libc that libmnl and the
 * adapters use are defined here, in the program, so that they take the place of libc's.  What is sent is looked at for
 * its sequence number; each answer is the next part of the input, dressed as a netlink message so that what matters,
 * the attributes, is reached.
 *
 * The input: parts of a head (type and flags, see struct part) and as many bytes of payload as it says.  When it has
 * run out a dump ends (NLMSG_DONE), then there is nothing more to read.
 */
#ifndef PICKET_FUZZ_KERNEL_H
#define PICKET_FUZZ_KERNEL_H

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

#define FUZZ_PORT_ID 4242
#define FUZZ_PREFIX  4 /* bytes that the program may put in front of a payload */

struct part {
	uint8_t type;  /* an index into the program's list of types */
	uint8_t flags; /* 1: multipart, 2: interrupted, 4: another sequence number, 8: more of this datagram follows */
	uint8_t len[2];
};

static struct {
	const uint8_t *data;
	size_t left;
	uint32_t seq;
	bool ended;        /* the dump's end was read */
	bool acknowledges; /* requests with NLM_F_ACK get their acknowledgement first */
	unsigned acks;
	void (*prefix)(uint8_t choice, uint8_t out[FUZZ_PREFIX]); /* for messages of the first type; or NULL */
	const uint16_t *types;
	size_t type_count;
} fuzz_kernel;

static inline void fuzz_kernel_begin(const uint8_t *data, size_t size)
{
	fuzz_kernel.data = data;
	fuzz_kernel.left = size;
	fuzz_kernel.ended = false;
	fuzz_kernel.acks = 0;
}

static size_t fuzz_put(uint8_t *out, size_t room, uint16_t type, uint16_t flags, uint32_t seq, const void *body,
		       size_t len)
{
	struct nlmsghdr header = { .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len),
				   .nlmsg_type = type,
				   .nlmsg_flags = flags,
				   .nlmsg_seq = seq,
				   .nlmsg_pid = FUZZ_PORT_ID };
	size_t whole = NLMSG_ALIGN(NLMSG_HDRLEN + len);

	if (whole > room)
		return 0;
	memset(out, 0, whole);
	memcpy(out, &header, sizeof(header));
	if (len)
		memcpy(out + NLMSG_HDRLEN, body, len);
	return whole;
}

/* The next part as a message; 0 when there is none. */
static size_t fuzz_part(uint8_t *out, size_t room, bool *more)
{
	uint8_t body[FUZZ_PREFIX + 2048] = { 0 };
	size_t len, put, before;
	struct part head;
	unsigned type;

	if (fuzz_kernel.left < sizeof(head))
		return 0;
	memcpy(&head, fuzz_kernel.data, sizeof(head));
	fuzz_kernel.data += sizeof(head);
	fuzz_kernel.left -= sizeof(head);
	len = head.len[0] | (size_t)(head.len[1] & 7) << 8;
	if (len > fuzz_kernel.left)
		len = fuzz_kernel.left;
	type = head.type % fuzz_kernel.type_count;
	before = fuzz_kernel.prefix && type == 0 ? FUZZ_PREFIX : 0;
	if (before)
		fuzz_kernel.prefix(head.len[1], body);
	memcpy(body + before, fuzz_kernel.data, len);
	put = fuzz_put(out, room, fuzz_kernel.types[type],
		       (uint16_t)((head.flags & 1 ? NLM_F_MULTI : 0) | (head.flags & 2 ? NLM_F_DUMP_INTR : 0)),
		       head.flags & 4 ? 77 : fuzz_kernel.seq, body, before + len);
	*more = head.flags & 8;
	fuzz_kernel.data += len;
	fuzz_kernel.left -= len;
	return put;
}

static ssize_t fuzz_read(uint8_t *out, size_t room)
{
	const int32_t nothing = 0;
	const struct nlmsgerr ack = { .error = 0 };
	size_t len = 0, put;
	bool more = true;

	if (fuzz_kernel.acks) {
		fuzz_kernel.acks--;
		return (ssize_t)fuzz_put(out, room, NLMSG_ERROR, 0, fuzz_kernel.seq, &ack, sizeof(ack));
	}
	while (more && (put = fuzz_part(out + len, room - len, &more)) > 0)
		len += put;
	if (len == 0 && !fuzz_kernel.ended) {
		fuzz_kernel.ended = true;
		len = fuzz_put(out, room, NLMSG_DONE, NLM_F_MULTI, fuzz_kernel.seq, &nothing, sizeof(nothing));
	}
	if (len > 0)
		return (ssize_t)len;
	errno = EAGAIN;
	return -1;
}

static void fuzz_sent(const void *data, size_t len)
{
	struct nlmsghdr header;

	require(len >= sizeof(header));
	memcpy(&header, data, sizeof(header));
	fuzz_kernel.seq = header.nlmsg_seq;
	fuzz_kernel.ended = false;
	if (fuzz_kernel.acknowledges && header.nlmsg_flags & NLM_F_ACK)
		fuzz_kernel.acks++;
}

int socket(int domain, int type, int protocol)
{
	(void)type, (void)protocol;
	require(domain == AF_NETLINK);
	return memfd_create("netlink", MFD_CLOEXEC);
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	(void)fd, (void)address, (void)len;
	return 0;
}

int getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
	const struct sockaddr_nl own = { .nl_family = AF_NETLINK, .nl_pid = FUZZ_PORT_ID };

	(void)fd;
	require(*len >= sizeof(own));
	memcpy(address, &own, sizeof(own));
	*len = sizeof(own);
	return 0;
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	(void)fd, (void)level, (void)option, (void)value, (void)len;
	return 0;
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	(void)fd, (void)level, (void)option;
	memset(value, 0, *len);
	return 0;
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	(void)fd, (void)flags, (void)to, (void)to_len;
	fuzz_sent(data, len);
	return (ssize_t)len;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	size_t len = 0;

	(void)fd, (void)flags;
	for (size_t i = 0; i < message->msg_iovlen; i++)
		len += message->msg_iov[i].iov_len;
	fuzz_sent(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
	return (ssize_t)len;
}

static ssize_t fuzz_receive(struct msghdr *message)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (message->msg_name) {
		memcpy(message->msg_name, &kernel, sizeof(kernel));
		message->msg_namelen = sizeof(kernel);
	}
	message->msg_flags = 0;
	return fuzz_read(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	(void)fd, (void)flags;
	return fuzz_receive(message);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	unsigned got = 0;

	(void)fd, (void)flags, (void)timeout;
	while (got < count) {
		ssize_t len = fuzz_receive(&messages[got].msg_hdr);

		if (len < 0)
			break;
		messages[got++].msg_len = (unsigned)len;
	}
	return got ? (int)got : -1;
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
	(void)fd, (void)flags;
	return fuzz_read(data, len);
}

#endif
