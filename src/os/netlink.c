/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink dumps, synchronous and bounded: READS_MAX datagrams for an answer, PATIENCE_S seconds of silence.  After an
 * error the rest of the answer is discarded, so that the next question finds the socket free.
 */
#include "netlink.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define READS_MAX  65536 /* of some hundred messages each: a full BGP feed fits */
#define PATIENCE_S 2
#define BUFFER_LEN 32768 /* what the kernel fills at most in a dump */
#define HEADER_MAX 64
#define ERRNO_MAX  4095 /* MAX_ERRNO of the kernel, include/linux/err.h */

struct netlink_dump {
	struct mnl_socket *socket;
	uint32_t seq;
	_Alignas(8) char buffer[BUFFER_LEN];
};

int netlink_open(int bus, int flags, int receive_buffer, struct mnl_socket **out)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC | flags);
	int error = 0;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    (receive_buffer && setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer,
					  sizeof(receive_buffer)) < 0))
		error = -errno;
	if (error) {
		mnl_socket_close(socket);
		return error;
	}
	*out = socket;
	return 0;
}

static bool is_errno(int error)
{
	return error > 0 && error <= ERRNO_MAX;
}

int netlink_error(const struct nlmsghdr *message)
{
	struct nlmsgerr error;

	if (message->nlmsg_len < mnl_nlmsg_size(sizeof(error)))
		return -EBADMSG;
	memcpy(&error, mnl_nlmsg_get_payload(message), sizeof(error));
	return error.error == 0 || (error.error >= -ERRNO_MAX && error.error < 0) ? error.error : -EBADMSG;
}

const struct nlattr *netlink_attr(const struct nlmsghdr *message, size_t header_len, uint16_t type)
{
	const struct nlattr *attr;

	if (message->nlmsg_len < mnl_nlmsg_size(header_len))
		return NULL;
	mnl_attr_for_each (attr, message, (unsigned)header_len) {
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

const struct nlattr *netlink_nested(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	if (!nest)
		return NULL;
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

const char *netlink_text(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(attr) : NULL;
}

bool netlink_be32(const struct nlattr *attr, uint32_t *out)
{
	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(*out))
		return false;
	*out = be32toh(mnl_attr_get_u32(attr));
	return true;
}

bool netlink_be64(const struct nlattr *attr, uint64_t *out)
{
	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(*out))
		return false;
	*out = be64toh(mnl_attr_get_u64(attr));
	return true;
}

int netlink_dump_open(int bus, struct netlink_dump **out)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct netlink_dump *dump = calloc(1, sizeof(*dump));
	int error;

	if (!dump)
		return -ENOMEM;
	error = netlink_open(bus, 0, 0, &dump->socket);
	if (!error &&
	    setsockopt(mnl_socket_get_fd(dump->socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
		error = -errno;
	if (error) {
		netlink_dump_close(dump);
		return error;
	}
	*out = dump;
	return 0;
}

void netlink_dump_close(struct netlink_dump *dump)
{
	if (!dump)
		return;
	if (dump->socket)
		mnl_socket_close(dump->socket);
	free(dump);
}

/* An answer that is not read to its end keeps the socket busy (EBUSY).  The kernel makes the next part when the
 * last one is read, so that nothing to read means that the answer is over. */
static void dump_abandon(struct netlink_dump *dump)
{
	int fd = mnl_socket_get_fd(dump->socket);

	for (unsigned i = 0; i < READS_MAX; i++)
		if (recv(fd, dump->buffer, sizeof(dump->buffer), MSG_DONTWAIT) < 0 && errno == EAGAIN)
			return;
}

/* NLM_F_DUMP_INTR: the tables changed during the dump.  libmnl would stop at it, but what was read must be kept, since
 * the tables of a busy host change all the time. */
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

static int dump_read(struct netlink_dump *dump, mnl_cb_t on_message, void *context, bool *interrupted)
{
	unsigned portid = mnl_socket_get_portid(dump->socket);

	for (unsigned i = 0; i < READS_MAX; i++) {
		ssize_t n = mnl_socket_recvfrom(dump->socket, dump->buffer, sizeof(dump->buffer));
		int result;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (take_interruption(dump->buffer, (size_t)n) && interrupted)
			*interrupted = true;
		result = mnl_cb_run(dump->buffer, (size_t)n, dump->seq, portid, on_message, context);
		if (result == MNL_CB_STOP)
			return 0;
		/* EPROTO, ESRCH: what was left of an earlier answer. */
		if (result < 0 && errno != EPROTO && errno != ESRCH)
			return is_errno(errno) ? -errno : -EBADMSG; /* libmnl hands on what a message says */
	}
	return -EOVERFLOW;
}

int netlink_dump_ask(struct netlink_dump *dump, uint16_t type, const void *header, size_t header_len,
		     mnl_cb_t on_message, void *context, bool *interrupted)
{
	_Alignas(8) char buffer[sizeof(struct nlmsghdr) + HEADER_MAX];
	struct nlmsghdr *message;
	int error;

	if (header_len > HEADER_MAX)
		return -EINVAL;
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = ++dump->seq;
	memcpy(mnl_nlmsg_put_extra_header(message, header_len), header, header_len);
	if (mnl_socket_sendto(dump->socket, message, message->nlmsg_len) < 0)
		return -errno;
	error = dump_read(dump, on_message, context, interrupted);
	if (error)
		dump_abandon(dump);
	return error;
}
