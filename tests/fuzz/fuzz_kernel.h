/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's end of every netlink socket, played by the fuzzer's input.  The calls of libc that libmnl and the
 * adapters use are defined here, in the program, so that they take the place of libc's; what is no netlink socket goes
 * on to the kernel.  Where the input says nothing this kernel obeys: it acknowledges, and has nothing to list.
 *
 * The input: a byte that says how many decisions follow, one byte each, for the requests that want to be acknowledged
 * (below 0x80: yes; else an error, see fuzz_errors); then parts, each a head (struct fuzz_part) and as many bytes as it
 * says.  A part is a message of the type that it names, and is told to who asks for that type, or as a notification.
 * So that attributes in attributes stay whole while bytes change, a part may be a tree:
 *
 *   0xff        the innermost nest ends
 *   0xfe N      the last attribute says that it is N bytes (signed) longer than it is
 *   0xfd N      the last attribute grows by N times 16 bytes of zero
 *   0x80|TYPE   a nest begins
 *   TYPE LEN    LEN bytes follow; with 0x40 in TYPE a NUL follows them
 */
#ifndef PICKET_FUZZ_KERNEL_H
#define PICKET_FUZZ_KERNEL_H

#include <netinet/in.h> /* before the kernel's headers, which then leave it alone */

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"

#define FUZZ_PORT_ID 4242
#define FUZZ_UNASKED 1
#define FUZZ_OTHER   77 /* another program */
#define FUZZ_FDS     1024
#define FUZZ_PARTS   256
#define FUZZ_GROWTH  4096 /* of a tree in one step, at most */
#define FUZZ_BODY    (3 * FUZZ_GROWTH)
#define FUZZ_NESTS   8

enum {
	PART_MULTI = 1,
	PART_INTERRUPTED = 2,
	PART_OTHER_SEQ = 4, /* of an answer; a notification: the kernel itself made the change */
	PART_MORE = 8,      /* in the same datagram */
	PART_LAST = 16,     /* of this dump */
	PART_TREE = 32,
	PART_FOREIGN = 64, /* another process sent it */
	PART_CUT = 128,    /* it did not fit */
};

struct fuzz_part {
	uint8_t type; /* an index into the program's list of types */
	uint8_t flags;
	uint8_t len[2];
};

/* What the program's sockets are told. */
struct fuzz_type {
	uint16_t answer, request; /* request 0: whatever was asked, or nothing; FUZZ_UNASKED: a notification */
	const void *fixed;        /* that a tree begins with, fixed_len bytes; then head_len of its own */
	uint8_t fixed_len, head_len;
};

static const int fuzz_errors[16] = { ENOENT, EEXIST, EBUSY,        ENFILE, EOPNOTSUPP, EINVAL, EPERM,   ENOMEM,
				     EINTR,  E2BIG,  EAFNOSUPPORT, ENODEV, EPROTO,     ESRCH,  ENOBUFS, 4096 };

/* One played socket. */
struct fuzz_socket {
	bool open, dump, single;
	bool told; /* all there is of the dump, but for its end */
	uint32_t seq;
	uint16_t type; /* that was asked for last */
	unsigned acks;
	bool deletes, makes; /* the table, if the request is acknowledged */
};

static struct {
	const struct fuzz_type *types;
	size_t type_count;
	const uint8_t *decisions;
	size_t decisions_left;
	struct fuzz_told {
		struct fuzz_part head;
		const uint8_t *body;
		size_t len;
		bool used;
	} parts[FUZZ_PARTS];
	size_t part_count;
	bool table_stands;
	bool denies; /* the decisions are about sockets, their options and what is sent, too */
	/* of sockets that are no netlink; NULL: the kernel's own */
	int (*getsockopt)(int level, int option, void *value, socklen_t *len);
	struct fuzz_socket sockets[FUZZ_FDS];
} fuzz_kernel;

static inline void fuzz_kernel_begin(const uint8_t *data, size_t size)
{
	size_t at = size ? 1u + data[0] : 0;

	fuzz_kernel.part_count = 0;
	fuzz_kernel.decisions = size ? data + 1 : data;
	fuzz_kernel.decisions_left = size ? (at < size ? at : size) - 1 : 0;
	while (at + sizeof(struct fuzz_part) <= size && fuzz_kernel.part_count < FUZZ_PARTS) {
		struct fuzz_told *part = &fuzz_kernel.parts[fuzz_kernel.part_count++];

		memcpy(&part->head, data + at, sizeof(part->head));
		at += sizeof(part->head);
		part->len = part->head.len[0] | (size_t)(part->head.len[1] & 7) << 8;
		part->len = part->len < size - at ? part->len : size - at;
		part->body = data + at;
		part->used = false;
		at += part->len;
	}
}

/* 0, or the errno with which a request is refused. */
static int fuzz_decide(void)
{
	uint8_t decision = 0;

	if (fuzz_kernel.decisions_left) {
		decision = *fuzz_kernel.decisions++;
		fuzz_kernel.decisions_left--;
	}
	return decision & 0x80 ? fuzz_errors[decision & 15] : 0;
}

static bool fuzz_denies(void)
{
	int error = fuzz_kernel.denies ? fuzz_decide() : 0;

	if (error)
		errno = error;
	return error != 0;
}

/* ---- messages ---- */

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

struct fuzz_tree {
	uint8_t *out;
	size_t len, nests[FUZZ_NESTS], depth, last;
};

static void fuzz_set_len(struct fuzz_tree *tree, size_t at, size_t len)
{
	const uint16_t wire_len = (uint16_t)len;

	memcpy(tree->out + at, &wire_len, sizeof(wire_len));
}

static void fuzz_open(struct fuzz_tree *tree, uint16_t type)
{
	memset(tree->out + tree->len, 0, NLA_HDRLEN);
	memcpy(tree->out + tree->len + 2, &type, sizeof(type));
	tree->last = tree->len;
	tree->len += NLA_HDRLEN;
}

static void fuzz_close(struct fuzz_tree *tree)
{
	if (tree->depth == 0)
		return;
	tree->last = tree->nests[--tree->depth];
	fuzz_set_len(tree, tree->last, tree->len - tree->last);
}

static void fuzz_leaf(struct fuzz_tree *tree, uint8_t type, const uint8_t *data, size_t len)
{
	size_t whole = len + (type & 0x40 ? 1 : 0);

	fuzz_open(tree, type & 0x3f);
	memset(tree->out + tree->len, 0, NLA_ALIGN(whole));
	if (len)
		memcpy(tree->out + tree->len, data, len);
	fuzz_set_len(tree, tree->last, NLA_HDRLEN + whole);
	tree->len += NLA_ALIGN(whole);
}

/* The last attribute is changed, whose length and contents then differ, or which grows; a nest only while it is open or
 * the last thing that was written. */
static void fuzz_change(struct fuzz_tree *tree, bool grows, uint8_t by)
{
	uint16_t said = 0;

	if (tree->len <= tree->last)
		return;
	memcpy(&said, tree->out + tree->last, sizeof(said));
	fuzz_set_len(tree, tree->last, said + (grows ? 16 * (size_t)by : (size_t)(int8_t)by));
	if (grows) {
		memset(tree->out + tree->len, 0, 16 * (size_t)by);
		tree->len += 16 * (size_t)by;
	}
}

/* One step of the tree; returns how many bytes of its description it took. */
static size_t fuzz_step(struct fuzz_tree *tree, const uint8_t *data, size_t left)
{
	size_t len;

	if (data[0] == 0xff) {
		fuzz_close(tree);
		return 1;
	}
	if (data[0] >= 0xfd) {
		if (left > 1)
			fuzz_change(tree, data[0] == 0xfd, data[1]);
		return 2;
	}
	if (data[0] & 0x80) {
		if (tree->depth < FUZZ_NESTS) {
			fuzz_open(tree, data[0] & 0x3f);
			tree->nests[tree->depth++] = tree->last;
		}
		return 1;
	}
	if (left < 2)
		return 2;
	len = data[1] < left - 2 ? data[1] : left - 2;
	fuzz_leaf(tree, data[0], data + 2, len);
	return 2 + len;
}

/* A part's body as it goes into the message. */
static size_t fuzz_body(const struct fuzz_told *part, const struct fuzz_type *type, uint8_t out[FUZZ_BODY])
{
	struct fuzz_tree tree = { .out = out };
	size_t at = type->head_len < part->len ? type->head_len : part->len;

	if (!(part->head.flags & PART_TREE)) {
		memcpy(out, part->body, part->len);
		return part->len;
	}
	memset(out, 0, type->fixed_len + (size_t)type->head_len + NLA_HDRLEN);
	if (type->fixed_len)
		memcpy(out, type->fixed, type->fixed_len);
	memcpy(out + type->fixed_len, part->body, at);
	tree.len = tree.last = type->fixed_len + (size_t)NLA_ALIGN(type->head_len);
	while (at < part->len && tree.len + FUZZ_GROWTH + 64 < FUZZ_BODY)
		at += fuzz_step(&tree, part->body + at, part->len - at);
	while (tree.depth)
		fuzz_close(&tree);
	return tree.len;
}

/* The next part for that request; NULL: there is none. */
static struct fuzz_told *fuzz_part_for(uint16_t request)
{
	for (size_t i = 0; i < fuzz_kernel.part_count; i++) {
		struct fuzz_told *part = &fuzz_kernel.parts[i];
		const struct fuzz_type *type = &fuzz_kernel.types[part->head.type % fuzz_kernel.type_count];

		if (!part->used && (!type->request || type->request == (request ? request : FUZZ_UNASKED))) {
			part->used = true;
			return part;
		}
	}
	return NULL;
}

static void fuzz_set_sender(uint8_t *message, uint32_t port_id)
{
	memcpy(message + offsetof(struct nlmsghdr, nlmsg_pid), &port_id, sizeof(port_id));
}

/* A part of type NLMSG_OVERRUN: messages were lost. */
static bool fuzz_lost(const struct fuzz_told *part)
{
	return fuzz_kernel.types[part->head.type % fuzz_kernel.type_count].answer == NLMSG_OVERRUN;
}

/* Length of the datagram, 0: there is none, -1: ones before it were lost. */
static ssize_t fuzz_tell(struct fuzz_socket *s, uint8_t *out, size_t room, struct msghdr *message)
{
	uint8_t body[FUZZ_BODY];
	size_t len = 0, put;
	bool more = !s->told;

	while (more) {
		struct fuzz_told *part = fuzz_part_for(s->type);
		const struct fuzz_type *type;
		uint8_t flags;

		if (!part)
			break;
		if (fuzz_lost(part))
			return -1;
		type = &fuzz_kernel.types[part->head.type % fuzz_kernel.type_count];
		flags = part->head.flags;
		put = fuzz_put(out + len, room - len, type->answer,
			       (uint16_t)((flags & PART_MULTI ? NLM_F_MULTI : 0) |
					  (flags & PART_INTERRUPTED ? NLM_F_DUMP_INTR : 0)),
			       flags & PART_OTHER_SEQ ? FUZZ_OTHER : s->seq, body, fuzz_body(part, type, body));
		if (put && type->request == FUZZ_UNASKED)
			fuzz_set_sender(out + len, flags & PART_OTHER_SEQ ? 0 : FUZZ_OTHER);
		len += put;
		s->told = s->dump && flags & PART_LAST;
		s->single = false;
		if (message && flags & PART_FOREIGN && message->msg_name)
			((struct sockaddr_nl *)message->msg_name)->nl_pid = 99;
		if (message && flags & PART_CUT)
			message->msg_flags |= MSG_TRUNC;
		more = flags & PART_MORE && put && !s->told;
	}
	return (ssize_t)len;
}

/* ---- requests and answers ---- */

static void fuzz_take(struct fuzz_socket *s, const struct nlmsghdr *header, const uint8_t *body, size_t len)
{
	const uint16_t type = header->nlmsg_type;
	bool probe = false;

	for (size_t i = 0; i + 6 < len && i < 64; i++)
		probe |= memcmp(body + i, "-probe", 6) == 0;
	if (type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE) && !probe)
		s->makes = true, s->deletes = false;
	if (type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE) && !probe)
		s->deletes = true, s->makes = false;
	if (type == NFNL_MSG_BATCH_BEGIN)
		s->makes = s->deletes = false;
	if (header->nlmsg_flags & NLM_F_ACK)
		s->acks++;
	else if ((header->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
		s->dump = true;
	else if (type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE) ||
		 type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM) ||
		 type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN))
		s->single = true;
	if (type > NFNL_MSG_BATCH_END && (s->acks || s->dump || s->single)) { /* a question, not a verdict */
		s->told = false;
		s->seq = header->nlmsg_seq;
		s->type = type;
	}
}

static void fuzz_sent(int fd, const uint8_t *data, size_t len)
{
	struct fuzz_socket *s = &fuzz_kernel.sockets[fd];
	struct nlmsghdr header;

	while (len >= sizeof(header)) {
		memcpy(&header, data, sizeof(header));
		require(header.nlmsg_len >= sizeof(header) && header.nlmsg_len <= len);
		fuzz_take(s, &header, data + sizeof(header), header.nlmsg_len - sizeof(header));
		data += NLMSG_ALIGN(header.nlmsg_len) < len ? NLMSG_ALIGN(header.nlmsg_len) : len;
		len -= NLMSG_ALIGN(header.nlmsg_len) < len ? NLMSG_ALIGN(header.nlmsg_len) : len;
	}
}

static size_t fuzz_answer(struct fuzz_socket *s, uint8_t *out, size_t room, int error)
{
	const struct nlmsgerr answer = { .error = -error };

	return fuzz_put(out, room, NLMSG_ERROR, 0, s->seq, &answer, sizeof(answer));
}

static size_t fuzz_acknowledge(struct fuzz_socket *s, uint8_t *out, size_t room)
{
	int error = fuzz_decide();

	s->acks--;
	if (!error && (s->makes || s->deletes))
		fuzz_kernel.table_stands = s->makes;
	return fuzz_answer(s, out, room, error);
}

/* What is there of one thing that was asked for. */
static size_t fuzz_answer_one(struct fuzz_socket *s, uint8_t *out, size_t room)
{
	int error = fuzz_decide();

	s->single = false;
	if (!error && s->type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE) && !fuzz_kernel.table_stands)
		error = ENOENT;
	if (!error && s->type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM))
		error = ENOENT;
	return fuzz_answer(s, out, room, error);
}

static ssize_t fuzz_read(int fd, uint8_t *out, size_t room, struct msghdr *message)
{
	const int32_t nothing = 0;
	struct fuzz_socket *s = &fuzz_kernel.sockets[fd];
	ssize_t len;

	if (s->acks)
		return (ssize_t)fuzz_acknowledge(s, out, room);
	len = fuzz_tell(s, out, room, message);
	if (len == 0 && s->single)
		len = (ssize_t)fuzz_answer_one(s, out, room);
	if (len == 0 && s->dump) {
		s->dump = s->told = false;
		len = (ssize_t)fuzz_put(out, room, NLMSG_DONE, NLM_F_MULTI, s->seq, &nothing, sizeof(nothing));
	}
	if (len > 0)
		return len;
	errno = len < 0 ? ENOBUFS : EAGAIN;
	return -1;
}

/* ---- libc's calls ---- */

static bool fuzz_is_played(int fd)
{
	return fd >= 0 && fd < FUZZ_FDS && fuzz_kernel.sockets[fd].open;
}

int socket(int domain, int type, int protocol)
{
	int fd;

	if (domain != AF_NETLINK)
		return (int)syscall(SYS_socket, domain, type, protocol);
	if (fuzz_denies())
		return -1;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	require(fd >= 0 && fd < FUZZ_FDS);
	fuzz_kernel.sockets[fd] = (struct fuzz_socket){ .open = true };
	return fd;
}

int close(int fd)
{
	if (fuzz_is_played(fd))
		fuzz_kernel.sockets[fd].open = false;
	return (int)syscall(SYS_close, fd);
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
	return fuzz_is_played(fd) ? 0 : (int)syscall(SYS_bind, fd, address, len);
}

int getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
	const struct sockaddr_nl own = { .nl_family = AF_NETLINK, .nl_pid = FUZZ_PORT_ID };

	if (!fuzz_is_played(fd))
		return (int)syscall(SYS_getsockname, fd, address, len);
	require(*len >= sizeof(own));
	memcpy(address, &own, sizeof(own));
	*len = sizeof(own);
	return 0;
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (!fuzz_is_played(fd))
		return (int)syscall(SYS_setsockopt, fd, level, option, value, len);
	return fuzz_denies() ? -1 : 0;
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	if (!fuzz_is_played(fd))
		return fuzz_kernel.getsockopt ? fuzz_kernel.getsockopt(level, option, value, len)
					      : (int)syscall(SYS_getsockopt, fd, level, option, value, len);
	memset(value, 0, *len);
	return 0;
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	if (!fuzz_is_played(fd))
		return syscall(SYS_sendto, fd, data, len, flags, to, to_len);
	if (fuzz_denies())
		return -1;
	fuzz_sent(fd, data, len);
	return (ssize_t)len;
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	return sendto(fd, data, len, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	size_t len = 0;

	if (!fuzz_is_played(fd))
		return syscall(SYS_sendmsg, fd, message, flags);
	if (fuzz_denies())
		return -1;
	for (size_t i = 0; i < message->msg_iovlen; i++) {
		fuzz_sent(fd, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
		len += message->msg_iov[i].iov_len;
	}
	return (ssize_t)len;
}

static ssize_t fuzz_receive(int fd, struct msghdr *message)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (message->msg_name) {
		memcpy(message->msg_name, &kernel, sizeof(kernel));
		message->msg_namelen = sizeof(kernel);
	}
	message->msg_flags = 0;
	return fuzz_read(fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len, message);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	return fuzz_is_played(fd) ? fuzz_receive(fd, message) : syscall(SYS_recvmsg, fd, message, flags);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
	unsigned got = 0;

	if (!fuzz_is_played(fd))
		return (int)syscall(SYS_recvmmsg, fd, messages, count, flags, timeout);
	while (got < count) {
		ssize_t len = fuzz_receive(fd, &messages[got].msg_hdr);

		if (len < 0)
			break;
		messages[got++].msg_len = (unsigned)len;
	}
	return got ? (int)got : -1;
}

ssize_t recvfrom(int fd, void *data, size_t len, int flags, struct sockaddr *from, socklen_t *from_len)
{
	return fuzz_is_played(fd) ? fuzz_read(fd, data, len, NULL)
				  : syscall(SYS_recvfrom, fd, data, len, flags, from, from_len);
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
	return recvfrom(fd, data, len, flags, NULL, NULL);
}

#endif
