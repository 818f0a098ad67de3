/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NFQUEUE reader: one netlink socket bound to several queues.
 *
 * Each packet that it was given gets a verdict: the judge's, or accept where none can be had (a message that makes
 * no sense, a full buffer, a dead reader).  A flood costs at most one receive buffer: packets that do not fit pass
 * (fail-open), and the overflow is counted.
 *
 * Batch verdicts: the kernel numbers the packets of a queue upwards under the lock under which it sends them, and a
 * batch verdict is for all that it still holds up to a number.  So a run of packets with the same verdict is one
 * message, and all messages of a read go to the kernel in one call.  Where numbers are missing, packets that were not
 * read may be held in the gap: from there on drops are given one by one, and what is in the gap passes with the next
 * run of accepted ones.
 */
#include "nfqueue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

#define QUEUES_MAX     8
#define RECEIVE_BUFFER (32 * 1024 * 1024)
#define BURST          32   /* messages of one recvmmsg() */
#define MESSAGE_MAX    4096 /* NFQUEUE_COPY_RANGE and the attributes around it (under 300 bytes) */
#define REQUEST_MAX    256
#define VERDICT_LEN    32 /* of one verdict's message */
#define VERDICTS_MAX   64 /* messages of one call; with more to say it is made earlier */

_Static_assert(NFQUEUE_COPY_RANGE + 1024 <= MESSAGE_MAX, "a message holds the copied bytes and its attributes");

struct nfqueue {
	struct mnl_socket *socket;
	uint16_t first;
	unsigned count;
	struct nfqueue_stats stats;
	/* acknowledgements of configuration requests, numbered REQUEST_SEQ + queue */
	unsigned acked;
	int request_error;
	/* Per queue: the packets read last that share a verdict, and have not been given it yet. */
	struct run {
		int verdict;
		unsigned packets;
		uint32_t last_id; /* of the queue, also when the run is over */
		bool gap;         /* before it, since packets were accepted last */
	} runs[QUEUES_MAX];
	/* verdicts on their way, and how many packets they are for */
	_Alignas(16) uint8_t verdicts[VERDICTS_MAX * VERDICT_LEN];
	unsigned verdict_count, accepting, dropping;
	struct mmsghdr headers[BURST];
	struct iovec parts[BURST];
	struct sockaddr_nl senders[BURST];
	/* aligned for nlmsghdr */
	_Alignas(16) uint8_t messages[BURST][MESSAGE_MAX];
};

#define REQUEST_SEQ 1U /* verdicts carry sequence 0 */

/* Netlink takes a request whole or not at all, and works on it before sendto() returns. */
static int send_message(struct nfqueue *queue, const struct nlmsghdr *nlh)
{
	ssize_t sent;

	do {
		sent = mnl_socket_sendto(queue->socket, nlh, nlh->nlmsg_len);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static int send_verdict(struct nfqueue *queue, unsigned number, uint8_t type, uint32_t id, int verdict)
{
	_Alignas(16) char buf[REQUEST_MAX];
	struct nlmsghdr *nlh = nfq_nlmsg_put(buf, type, queue->first + number);

	nfq_nlmsg_verdict_put(nlh, (int)id, verdict);
	return send_message(queue, nlh);
}

/* ---- verdicts ---- */

static void send_verdicts(struct nfqueue *queue)
{
	ssize_t sent;

	if (!queue->verdict_count)
		return;
	do {
		sent = mnl_socket_sendto(queue->socket, queue->verdicts, queue->verdict_count * VERDICT_LEN);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		queue->stats.verdict_errors += queue->verdict_count;
	} else {
		queue->stats.accepted += queue->accepting;
		queue->stats.dropped += queue->dropping;
	}
	queue->verdict_count = queue->accepting = queue->dropping = 0;
}

/* For one packet or, as NFQNL_MSG_VERDICT_BATCH, for all up to it. */
static void put_verdict(struct nfqueue *queue, unsigned number, uint8_t type, uint32_t id, int verdict,
			unsigned packets)
{
	struct nlmsghdr *nlh;

	if (queue->verdict_count == VERDICTS_MAX)
		send_verdicts(queue);
	nlh = nfq_nlmsg_put((char *)queue->verdicts + queue->verdict_count++ * VERDICT_LEN, type,
			    queue->first + number);
	nfq_nlmsg_verdict_put(nlh, (int)id, verdict);
	if (verdict == NF_ACCEPT)
		queue->accepting += packets;
	else
		queue->dropping += packets;
}

static void end_run(struct nfqueue *queue, unsigned number)
{
	struct run *run = &queue->runs[number];

	if (run->packets)
		put_verdict(queue, number, NFQNL_MSG_VERDICT_BATCH, run->last_id, run->verdict, run->packets);
	if (run->packets && run->verdict == NF_ACCEPT)
		run->gap = false;
	run->packets = 0;
}

static void give_verdict(struct nfqueue *queue, unsigned number, uint32_t id, int verdict)
{
	struct run *run = &queue->runs[number];
	const bool gap = id != run->last_id + 1;

	if (gap || run->verdict != verdict)
		end_run(queue, number);
	run->gap = run->gap || gap;
	run->verdict = verdict;
	run->last_id = id;
	if (run->gap && verdict == NF_DROP)
		put_verdict(queue, number, NFQNL_MSG_VERDICT, id, NF_DROP, 1);
	else
		run->packets++;
}

static void end_runs(struct nfqueue *queue)
{
	for (unsigned number = 0; number < queue->count; number++)
		end_run(queue, number);
	send_verdicts(queue);
}

/* NULL where it has another length. */
static const void *nested_bytes(const struct nlattr *nest, uint16_t type, size_t len)
{
	const struct nlattr *attr = netlink_nested(nest, type);

	return attr && mnl_attr_get_payload_len(attr) == len ? mnl_attr_get_payload(attr) : NULL;
}

static void read_original(const struct nlattr *conntrack, struct nfqueue_packet *packet)
{
	const struct nlattr *tuple = netlink_nested(conntrack, CTA_TUPLE_ORIG);
	const struct nlattr *ip = netlink_nested(tuple, CTA_TUPLE_IP);
	const void *v4 = nested_bytes(ip, CTA_IP_V4_DST, 4);
	const void *v6 = nested_bytes(ip, CTA_IP_V6_DST, 16);
	const void *port = nested_bytes(netlink_nested(tuple, CTA_TUPLE_PROTO), CTA_PROTO_DST_PORT, sizeof(uint16_t));
	uint16_t wire_port;

	if ((!v4 && !v6) || !port)
		return;
	memcpy(&wire_port, port, sizeof(wire_port));
	packet->original_dst = v4 ? addr_from_v4(v4) : addr_from_v6(v6);
	packet->original_dport = ntohs(wire_port);
	packet->has_original = true;
}

static void read_packet(struct nfqueue *queue, const struct nlmsghdr *nlh, nfqueue_judge_fn *judge, void *context)
{
	struct nlattr *attr[NFQA_MAX + 1] = { NULL };
	struct nfqnl_msg_packet_hdr header;
	struct nfqueue_packet packet = { .checksum_ready = true };
	const struct nfgenmsg *family;

	if (nlh->nlmsg_len < mnl_nlmsg_size(sizeof(*family)) || nfq_nlmsg_parse(nlh, attr) < 0 ||
	    !attr[NFQA_PACKET_HDR] || mnl_attr_get_payload_len(attr[NFQA_PACKET_HDR]) < sizeof(header)) {
		queue->stats.malformed++;
		return; /* without a number there is no verdict; the next batch covers it */
	}
	family = mnl_nlmsg_get_payload(nlh);
	memcpy(&header, mnl_attr_get_payload(attr[NFQA_PACKET_HDR]), sizeof(header));
	packet.number = (uint16_t)(ntohs(family->res_id) - queue->first);
	if (packet.number >= queue->count) {
		queue->stats.malformed++;
		return;
	}
	queue->stats.packets++;
	if (attr[NFQA_PAYLOAD]) {
		packet.data = mnl_attr_get_payload(attr[NFQA_PAYLOAD]);
		packet.copied = mnl_attr_get_payload_len(attr[NFQA_PAYLOAD]);
	}
	/* A packet that offload merged, or has not yet cut, carries no checksum of the wire either. */
	if (attr[NFQA_SKB_INFO] && mnl_attr_get_payload_len(attr[NFQA_SKB_INFO]) >= sizeof(uint32_t))
		packet.checksum_ready =
			!(ntohl(mnl_attr_get_u32(attr[NFQA_SKB_INFO])) & (NFQA_SKB_CSUMNOTREADY | NFQA_SKB_GSO));
	if (attr[NFQA_IFINDEX_INDEV] && mnl_attr_get_payload_len(attr[NFQA_IFINDEX_INDEV]) >= sizeof(uint32_t))
		packet.ifindex = ntohl(mnl_attr_get_u32(attr[NFQA_IFINDEX_INDEV]));
	read_original(attr[NFQA_CT], &packet);
	give_verdict(queue, packet.number, ntohl(header.packet_id),
		     !packet.data || !judge || judge(context, &packet) ? NF_ACCEPT : NF_DROP);
}

static void read_error(struct nfqueue *queue, const struct nlmsghdr *nlh)
{
	int error = netlink_error(nlh);

	if (error == -EBADMSG) {
		queue->stats.malformed++;
	} else if (nlh->nlmsg_seq == 0) {
		queue->stats.verdict_errors++;
	} else if (error) {
		if (!queue->request_error)
			queue->request_error = error;
	} else {
		queue->acked++;
	}
}

/* One datagram, which the kernel fills with one message, or a packet of them. */
static void read_datagram(struct nfqueue *queue, const void *data, size_t len, nfqueue_judge_fn *judge, void *context)
{
	const struct nlmsghdr *nlh = data;
	int left = (int)len;

	if (!mnl_nlmsg_ok(nlh, left))
		queue->stats.malformed++;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type == NLMSG_ERROR)
			read_error(queue, nlh);
		else if (nlh->nlmsg_type == ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET))
			read_packet(queue, nlh, judge, context);
	}
}

/* Up to `max` datagrams.  A missing judge accepts.  Returns how many, or -errno. */
static int read_datagrams(struct nfqueue *queue, unsigned max, nfqueue_judge_fn *judge, void *context)
{
	unsigned done = 0, overruns = 0;
	int result = 0;

	while (done < max) {
		unsigned want = max - done < BURST ? max - done : BURST;

		int got = recvmmsg(mnl_socket_get_fd(queue->socket), queue->headers, want, MSG_DONTWAIT, NULL);
		if (got < 0 && errno == ENOBUFS && ++overruns < BURST) {
			queue->stats.lost++; /* reading on is what empties the buffer */
			continue;
		}
		if (got < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
				result = -errno;
			break;
		}
		for (int i = 0; i < got; i++) {
			struct msghdr *header = &queue->headers[i].msg_hdr;

			if (header->msg_namelen != sizeof(queue->senders[i]) || queue->senders[i].nl_pid != 0)
				queue->stats.malformed++; /* not from the kernel */
			else
				read_datagram(queue, queue->messages[i], queue->headers[i].msg_len, judge, context);
			header->msg_namelen = sizeof(queue->senders[i]);
		}
		done += (unsigned)got;
		if ((unsigned)got < want)
			break;
	}
	end_runs(queue);
	return result && !done ? result : (int)done;
}

/* Sends one acknowledged request to each queue, without waiting: netlink answers before send returns.  Packets
 * that came in the meantime are accepted. */
static int request_all(struct nfqueue *queue, void (*fill)(struct nlmsghdr *nlh, const struct nfqueue_setting *setting),
		       const struct nfqueue_setting *settings)
{
	int result = 0;

	queue->acked = 0;
	queue->request_error = 0;
	for (unsigned number = 0; number < queue->count && !result; number++) {
		_Alignas(16) char buf[REQUEST_MAX];
		struct nlmsghdr *nlh = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, queue->first + number);

		nlh->nlmsg_flags |= NLM_F_ACK;
		nlh->nlmsg_seq = REQUEST_SEQ + number;
		fill(nlh, settings ? &settings[number] : NULL);
		result = send_message(queue, nlh);
	}
	if (!result) {
		int got = read_datagrams(queue, RECEIVE_BUFFER / 64, NULL, NULL);

		if (got < 0)
			result = got;
	}
	if (!result)
		result = queue->request_error;
	if (!result && queue->acked != queue->count)
		result = -ENOBUFS; /* the answer did not fit behind the packets */
	return result;
}

/* Bind and configure in one request: a packet that meets a bound but unconfigured queue is lost. */
static void fill_bind(struct nlmsghdr *nlh, const struct nfqueue_setting *setting)
{
	const uint32_t flags = NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO;

	nfq_nlmsg_cfg_put_cmd(nlh, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	nfq_nlmsg_cfg_put_params(nlh, NFQNL_COPY_PACKET, NFQUEUE_COPY_RANGE);
	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(flags));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(flags));
	nfq_nlmsg_cfg_put_qmaxlen(nlh, setting->len);
}

/* By itself: a kernel without ctnetlink refuses it, and then the destination that the packet shows must do. */
static void fill_original(struct nlmsghdr *nlh, const struct nfqueue_setting *setting)
{
	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(setting->original ? NFQA_CFG_F_CONNTRACK : 0));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(NFQA_CFG_F_CONNTRACK));
}

/* No room and fail-open: everything passes. */
static void fill_closed(struct nlmsghdr *nlh, const struct nfqueue_setting *setting)
{
	(void)setting;
	nfq_nlmsg_cfg_put_qmaxlen(nlh, 0);
}

int nfqueue_open(uint16_t first, const struct nfqueue_setting *settings, unsigned count, struct nfqueue **out)
{
	struct nfqueue *queue;
	int result;

	if (!count || count > QUEUES_MAX || first + count > 65536U)
		return -EINVAL;
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return -ENOMEM;
	queue->first = first;
	queue->count = count;
	for (unsigned i = 0; i < BURST; i++) {
		queue->parts[i] = (struct iovec){ queue->messages[i], MESSAGE_MAX };
		queue->headers[i].msg_hdr = (struct msghdr){ .msg_iov = &queue->parts[i],
							     .msg_iovlen = 1,
							     .msg_name = &queue->senders[i],
							     .msg_namelen = sizeof(queue->senders[i]) };
	}
	result = netlink_open(NETLINK_NETFILTER, 0, RECEIVE_BUFFER, &queue->socket);
	if (!result) {
		result = request_all(queue, fill_bind, settings);
		/* The forced buffer proves the capability: a queue that is refused now belongs to another socket. */
		if (result == -EPERM)
			result = -EBUSY;
		if (!result)
			result = request_all(queue, fill_original, settings);
		if (result == -EOPNOTSUPP)
			result = 0;
	}
	if (result) {
		nfqueue_close(queue);
		return result;
	}
	*out = queue;
	return 0;
}

void nfqueue_close(struct nfqueue *queue)
{
	if (!queue)
		return;
	if (queue->socket)
		mnl_socket_close(queue->socket);
	free(queue);
}

int nfqueue_fd(const struct nfqueue *queue)
{
	return mnl_socket_get_fd(queue->socket);
}

int nfqueue_read(struct nfqueue *queue, unsigned max, nfqueue_judge_fn *judge, void *context)
{
	return read_datagrams(queue, max, judge, context);
}

/*
 * The numbers of the packets that the kernel holds are unknown here.  The kernel compares numbers by their signed
 * difference and stops at the first packet beyond: 0x7fffffff covers the lower half, 0xffffffff the upper one, and the
 * third covers a lower half that stood behind an upper one after the numbers wrapped.
 */
int nfqueue_accept_all(struct nfqueue *queue)
{
	static const uint32_t last_ids[] = { 0x7fffffff, 0xffffffff, 0x7fffffff };
	const uint64_t errors_before = queue->stats.verdict_errors;
	int result = request_all(queue, fill_closed, NULL);
	int got;

	if (result == -ENOBUFS) /* the buffer was full of packets; it is empty now */
		result = request_all(queue, fill_closed, NULL);
	for (unsigned number = 0; number < queue->count; number++) {
		for (size_t i = 0; i < sizeof(last_ids) / sizeof(last_ids[0]); i++) {
			int sent = send_verdict(queue, number, NFQNL_MSG_VERDICT_BATCH, last_ids[i], NF_ACCEPT);

			if (sent && !result)
				result = sent;
		}
	}
	got = read_datagrams(queue, RECEIVE_BUFFER / 64, NULL, NULL);
	if (got < 0 && !result)
		result = got;
	queue->stats.verdict_errors = errors_before; /* a batch that finds nothing to accept answers ENOENT */
	return result;
}

void nfqueue_read_stats(const struct nfqueue *queue, struct nfqueue_stats *out)
{
	*out = queue->stats;
}
