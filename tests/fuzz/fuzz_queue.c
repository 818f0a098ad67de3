/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the messages of an NFQUEUE.  What reaches the judge lies within the message, and the queue's number is
 * one of ours.
 */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>

#include "fuzz_kernel.h"
#include "nfqueue/nfqueue.h"

#define QUEUES 4

static const uint16_t types[] = { (NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET, NLMSG_ERROR, NLMSG_NOOP };

static bool judge(void *context, const struct nfqueue_packet *packet)
{
	unsigned sum = 0;

	(void)context;
	require(packet->number < QUEUES && packet->data);
	for (size_t i = 0; i < packet->copied; i++)
		sum += packet->data[i];
	return sum & 1;
}

/* Family, version and the queue's number: one of ours, or one beyond. */
static void begin_packet(uint8_t choice, uint8_t out[FUZZ_PREFIX])
{
	out[2] = 4711 >> 8;
	out[3] = (uint8_t)(4711 + (choice >> 5) % (QUEUES + 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nfqueue_setting settings[QUEUES] = { { .len = 1024, .original = true }, { .len = 1024 } };
	static struct nfqueue *queue;

	fuzz_kernel.types = types;
	fuzz_kernel.type_count = sizeof(types) / sizeof(types[0]);
	fuzz_kernel.acknowledges = true;
	fuzz_kernel.prefix = begin_packet;
	fuzz_kernel_begin(NULL, 0);
	if (!queue)
		require(nfqueue_open(4711, settings, QUEUES, &queue) == 0);
	fuzz_kernel_begin(data, size);
	require(nfqueue_read(queue, 64, judge, NULL) >= 0);
	return 0;
}
