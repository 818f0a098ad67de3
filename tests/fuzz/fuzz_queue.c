/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the messages of an NFQUEUE.  What reaches the judge lies within the message, and the queue's number is
 * one of ours.  The first byte: 1: the queue is opened anew, 2: it is let go of, 4: calls are denied, too.
 */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include "fuzz_kernel.h"
#include "nfqueue/nfqueue.h"

#define QUEUES 4
#define FIRST  4711

/* Whole messages as they are, and packets of two of the queues, whose family and number need not be found. */
static const uint8_t judged[4] = { 0, 0, FIRST >> 8, FIRST & 255 }, veiled[4] = { 0, 0, FIRST >> 8, (FIRST & 255) + 1 };
static const struct fuzz_type types[] = {
	{ .answer = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET, .fixed = judged, .fixed_len = 4 },
	{ .answer = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET, .fixed = veiled, .fixed_len = 4 },
	{ .answer = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET, .head_len = 4 },
	{ .answer = NLMSG_ERROR },
	{ .answer = NLMSG_NOOP },
	{ .answer = NLMSG_OVERRUN },
};

static bool judge(void *context, const struct nfqueue_packet *packet)
{
	unsigned sum = 0;

	(void)context;
	require(packet->number < QUEUES && packet->data);
	for (size_t i = 0; i < packet->copied; i++)
		sum += packet->data[i];
	return sum & 1;
}

static struct nfqueue *open_queue(void)
{
	const struct nfqueue_setting settings[QUEUES] = { { .len = 1024, .original = true }, { .len = 1024 } };
	struct nfqueue *queue = NULL;
	int error = nfqueue_open(FIRST, settings, QUEUES, &queue);

	require(error == 0 ? queue != NULL : queue == NULL && error < 0);
	return queue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nfqueue *queue;
	struct nfqueue_stats before, after;
	int got;

	if (size == 0)
		return 0;
	fuzz_kernel.types = types;
	fuzz_kernel.type_count = sizeof(types) / sizeof(types[0]);
	fuzz_kernel_begin((const uint8_t *)"", 0);
	fuzz_kernel.denies = false;
	if (!queue)
		queue = open_queue();
	nfqueue_read_stats(queue, &before);
	fuzz_kernel_begin(data + 1, size - 1);
	fuzz_kernel.denies = data[0] & 4;
	if (data[0] & 1) {
		nfqueue_close(queue);
		queue = open_queue();
		return 0;
	}
	if (data[0] & 2)
		require(nfqueue_accept_all(queue) <= 0);
	got = nfqueue_read(queue, 64, judge, NULL);
	nfqueue_read_stats(queue, &after);
	require(got >= 0 &&
		after.packets - before.packets >= after.accepted + after.dropped - before.accepted - before.dropped);
	return 0;
}
