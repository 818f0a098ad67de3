/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink for the nftables adapter: transactions, collected in a growing buffer and sent whole, and dumps.  The kernel
 * works on a request before sendmsg() returns, so the answer is read without waiting, and a lost answer is an error,
 * never a hang.
 */
#include "internal.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

#define BATCH_MAX   ((size_t)256 * 1024 * 1024)
#define BATCH_FIRST ((size_t)120 * 1024) /* for one message as large as can be, and small ones */
#define ANSWER_MAX  (64 * 1024)          /* the kernel's dumps use messages of up to 32 KiB */
#define LARGE       4096                 /* elements: from here on the watch is suspended */

void nft_batch_init(struct nft_batch *batch)
{
	memset(batch, 0, sizeof(*batch));
	batch->family = NFPROTO_INET;
}

void nft_batch_free(struct nft_batch *batch)
{
	free(batch->data);
	nft_batch_init(batch);
}

/* Makes room for `more` bytes; false, and an error that sticks, when there is none. */
static bool reserve(struct nft_batch *batch, size_t more)
{
	size_t size = batch->size ? batch->size : BATCH_FIRST;
	uint8_t *data;

	if (batch->error)
		return false;
	if (batch->size - batch->len >= more)
		return true;
	if (more > BATCH_MAX - batch->len) {
		batch->error = -E2BIG;
		return false;
	}
	while (size - batch->len < more)
		size *= 2;
	data = realloc(batch->data, size);
	if (!data) {
		batch->error = -ENOMEM;
		return false;
	}
	batch->data = data;
	batch->size = size;
	return true;
}

struct nlmsghdr *nft_batch_open(struct nft_batch *batch, uint16_t type, uint16_t flags)
{
	if (!reserve(batch, NFT_MESSAGE_MAX))
		return NULL;
	return nftnl_nlmsg_build_hdr((char *)batch->data + batch->len, type, batch->family, flags, batch->seq++);
}

void nft_batch_close(struct nft_batch *batch, const struct nlmsghdr *nlh)
{
	batch->last = batch->len;
	batch->len += MNL_ALIGN(nlh->nlmsg_len);
	batch->messages++;
}

static int send_all(struct nft *nft, struct msghdr *message, size_t len)
{
	int fd = mnl_socket_get_fd(nft->socket);
	ssize_t sent;

	/* One request must fit the send buffer as a whole; the kernel doubles what is asked for. */
	if (len > (size_t)nft->send_buffer) {
		const int wanted = (int)len;

		if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0)
			return -errno;
		nft->send_buffer = wanted;
	}
	do {
		sent = sendmsg(fd, message, 0);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

ssize_t nft_receive(struct mnl_socket *socket, void *buf, size_t size)
{
	struct sockaddr_nl sender;
	struct iovec part = { buf, size };
	struct msghdr message = {
		.msg_name = &sender, .msg_namelen = sizeof(sender), .msg_iov = &part, .msg_iovlen = 1
	};
	ssize_t got;

	do {
		got = recvmsg(mnl_socket_get_fd(socket), &message, MSG_DONTWAIT);
		if (got >= 0 && (message.msg_namelen != sizeof(sender) || sender.nl_pid != 0)) {
			got = -1;
			errno = EINTR; /* not from the kernel: as if it had not come */
		}
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : got;
}

/* Reads the answers to a transaction: the first error, or 0 when it was acknowledged. */
static int read_answers(struct nft *nft, uint8_t *buf)
{
	bool acknowledged = false;
	int result = 0, overruns = 0;
	ssize_t got;

	while ((got = nft_receive(nft->socket, buf, ANSWER_MAX)) != 0) {
		const struct nlmsghdr *nlh = (const void *)buf;
		int left = (int)got;

		if (got == -ENOBUFS && overruns++ < 8)
			continue;
		if (got < 0)
			return result ? result : (int)got;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_type != NLMSG_ERROR)
				continue;
			int error = netlink_error(nlh);

			if (error && !result)
				result = error;
			acknowledged = acknowledged || !error;
		}
	}
	if (result)
		return result;
	return acknowledged ? 0 : -ENOBUFS;
}

int nft_batch_run(struct nft *nft, struct nft_batch *batch)
{
	_Alignas(16) char begin[256], end[256];
	struct nlmsghdr *first, *last;
	struct iovec parts[3];
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	uint32_t generation = 0;
	uint8_t *answer;
	int result;

	if (batch->error)
		return batch->error;
	if (!batch->messages)
		return 0;
	answer = malloc(ANSWER_MAX);
	if (!answer)
		return -ENOMEM;
	first = nftnl_batch_begin(begin, nft->seq++);
	last = nftnl_batch_end(end, nft->seq++);
	/* Errors are always told; one acknowledgement, of the last message, is enough for the rest. */
	((struct nlmsghdr *)(void *)(batch->data + batch->last))->nlmsg_flags |= NLM_F_ACK;
	parts[0] = (struct iovec){ first, MNL_ALIGN(first->nlmsg_len) };
	parts[1] = (struct iovec){ batch->data, batch->len };
	parts[2] = (struct iovec){ last, MNL_ALIGN(last->nlmsg_len) };
	message.msg_name = &kernel;
	message.msg_namelen = sizeof(kernel);
	result = batch->elements >= LARGE ? nft_watch_suspend(nft, &generation) : 0;
	if (!result) {
		result = send_all(nft, &message, parts[0].iov_len + parts[1].iov_len + parts[2].iov_len);
		if (!result)
			result = read_answers(nft, answer);
		if (batch->elements >= LARGE) {
			int resumed = nft_watch_resume(nft, generation);

			if (!result)
				result = resumed;
		}
	}
	free(answer);
	return result;
}

/* Reads the answer to a request; *interrupted says that the table changed in the meantime.  Reads to the end even when
 * fn has failed: the rest would spoil the next answer. */
static int read_reply(struct nft *nft, uint32_t seq, bool dump, nft_dump_fn *fn, void *context, bool *interrupted)
{
	uint8_t *buf = malloc(ANSWER_MAX);
	bool done = false;
	int result = 0;

	if (!buf)
		return -ENOMEM;
	while (!done) {
		ssize_t got = nft_receive(nft->socket, buf, ANSWER_MAX);
		const struct nlmsghdr *nlh = (const void *)buf;
		int left = (int)got;

		if (got <= 0) {
			result = got ? (int)got : -EIO;
			break;
		}
		for (; mnl_nlmsg_ok(nlh, left) && !done; nlh = mnl_nlmsg_next(nlh, &left)) {
			if (nlh->nlmsg_seq != seq)
				continue;
			if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
				*interrupted = true;
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				int error = netlink_error(nlh);

				result = result ? result : error;
				done = true;
			} else if (nlh->nlmsg_type == NLMSG_DONE) {
				done = true;
			} else {
				int answer = result || !fn ? 0 : fn(context, nlh);

				if (answer < 0)
					result = answer;
				done = !dump;
			}
		}
	}
	free(buf);
	return result;
}

static int request(struct nft *nft, struct nlmsghdr *nlh, bool dump, nft_dump_fn *fn, void *context, bool *interrupted)
{
	struct iovec part = { nlh, nlh->nlmsg_len };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct msghdr message = {
		.msg_name = &kernel, .msg_namelen = sizeof(kernel), .msg_iov = &part, .msg_iovlen = 1
	};
	int result = send_all(nft, &message, nlh->nlmsg_len);

	return result ? result : read_reply(nft, nlh->nlmsg_seq, dump, fn, context, interrupted);
}

int nft_ask(struct nft *nft, uint16_t type, nft_dump_fn *fn, void *context)
{
	_Alignas(16) char buf[512];
	bool interrupted;
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf, type, NFPROTO_INET, 0, nft->seq++);

	if (type == NFT_MSG_GETTABLE)
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, nft->table);
	return request(nft, nlh, false, fn, context, &interrupted);
}

int nft_ask_element(struct nft *nft, const char *set, const void *key, size_t len, nft_dump_fn *fn, void *context)
{
	_Alignas(16) char buf[512];
	bool interrupted;
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETSETELEM, NFPROTO_INET, 0, nft->seq++);
	struct nlattr *list, *element, *value;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, nft->table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	value = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, len, key);
	mnl_attr_nest_end(nlh, value);
	mnl_attr_nest_end(nlh, element);
	mnl_attr_nest_end(nlh, list);
	return request(nft, nlh, false, fn, context, &interrupted);
}

struct ours {
	const struct nft *nft;
	nft_dump_fn *fn;
	void *context;
};

/* Older kernels ignore the table in a request for chains, and dump those of all tables. */
static int only_ours(void *context, const struct nlmsghdr *nlh)
{
	const struct ours *ours = context;

	return nft_is_ours(ours->nft, nlh) ? ours->fn(ours->context, nlh) : 0;
}

int nft_dump(struct nft *nft, uint16_t type, const char *set, nft_dump_fn *fn, void *context)
{
	_Alignas(16) char buf[512];
	struct ours ours = { nft, fn, context };
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf, type, NFPROTO_INET, NLM_F_DUMP, nft->seq++);
	bool interrupted = false;
	int result;

	/* the table's name has one number in every kind of message */
	_Static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 && NFTA_SET_TABLE == 1 &&
			       NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1,
		       "the kernel's interface does not change");
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, nft->table);
	if (set)
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	result = request(nft, nlh, true, only_ours, &ours, &interrupted);
	return !result && interrupted ? -EINTR : result;
}

const struct nlattr *nft_attr(const struct nlmsghdr *nlh, uint16_t type)
{
	return netlink_attr(nlh, sizeof(struct nfgenmsg), type);
}

bool nft_attr_is(const struct nlattr *attr, const char *text)
{
	size_t len = strlen(text) + 1;

	return attr && mnl_attr_get_payload_len(attr) == len && memcmp(mnl_attr_get_payload(attr), text, len) == 0;
}

bool nft_is_ours(const struct nft *nft, const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *family;

	if (nlh->nlmsg_len < mnl_nlmsg_size(sizeof(*family)))
		return false;
	family = mnl_nlmsg_get_payload(nlh);
	return family->nfgen_family == NFPROTO_INET && nft_attr_is(nft_attr(nlh, NFTA_TABLE_NAME), nft->table);
}
