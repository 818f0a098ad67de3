/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue against the real kernel: each packet gets its own verdict, however they are gathered into messages; and of
 * too many newcomers at once the first packet is noted, the second judged.
 */
#include "live.h"

#define FIRST_PORT 1000

/* Of the ports from FIRST_PORT on. */
struct plan {
	const char *verdicts; /* 'a' accept, 'd' drop */
	unsigned judged;
};

static bool by_plan(void *context, const struct nfqueue_packet *packet)
{
	struct plan *plan = context;
	unsigned port = (unsigned)packet->data[22] << 8 | packet->data[23];

	plan->judged++;
	return plan->verdicts[port - FIRST_PORT] == 'a';
}

/* Passed ports answer with a reset. */
static unsigned answers(int tun)
{
	unsigned count = 0;

	while (answer(tun, 300) == (RST | ACK))
		count++;
	return count;
}

static void send_all(int tun, const char *verdicts)
{
	for (unsigned i = 0; verdicts[i]; i++)
		send_tcp(tun, 9, (uint16_t)(FIRST_PORT + i), SYN);
}

static struct nfqueue *open_queue(struct nft **nft)
{
	struct nfqueue *queue = NULL;

	*nft = open_loaded(NFT_BLOCK);
	CHECK(nfqueue_open(QUEUE, settings, NFT_QUEUES, &queue) == 0);
	return queue;
}

/* Runs of both kinds, of one packet and of many, more than fit one call; each read ends with all of them given. */
static void runs(void)
{
	static const char mixed[] = "aaaddaddddadaaaaadddddddddaaadadadadaddddddaaaaaaadadadadadaadaddd";
	struct plan plan = { .verdicts = mixed };
	const unsigned count = sizeof(mixed) - 1;
	struct nfqueue_stats stats;
	struct nft *nft;
	struct nfqueue *queue = open_queue(&nft);
	unsigned accepted = 0;
	int tun = tun_up();

	for (unsigned i = 0; i < count; i++)
		accepted += mixed[i] == 'a';
	send_all(tun, mixed);
	CHECK(nfqueue_read(queue, 64, by_plan, &plan) == 64);
	CHECK(nfqueue_read(queue, 64, by_plan, &plan) == (int)count - 64 && plan.judged == count);
	CHECK(answers(tun) == accepted);
	nfqueue_read_stats(queue, &stats);
	CHECK(stats.packets == count && stats.accepted == accepted && stats.dropped == count - accepted);
	CHECK(stats.verdict_errors == 0 && stats.malformed == 0);
	nfqueue_close(queue);
	nft_close(nft);
}

/* A packet whose message was never read is nobody's to drop: it passes with those that pass after it. */
static void unread(void)
{
	static const char after[] = "d?dddada";
	struct plan plan = { .verdicts = after };
	struct nft *nft;
	struct nfqueue *queue = open_queue(&nft);
	struct nfqueue_stats stats;
	uint8_t message[4096];
	int tun = tun_up();

	send_all(tun, after);
	CHECK(nfqueue_read(queue, 1, by_plan, &plan) == 1);
	CHECK(recv(nfqueue_fd(queue), message, sizeof(message), MSG_DONTWAIT) > 0);
	CHECK(nfqueue_read(queue, 3, by_plan, &plan) == 3);
	CHECK(answer(tun, 200) == -1); /* it is still held */
	CHECK(nfqueue_read(queue, 64, by_plan, &plan) == 3 && plan.judged == 7);
	CHECK(answers(tun) == 3);
	nfqueue_read_stats(queue, &stats);
	CHECK(stats.accepted == 2 && stats.dropped == 5 && stats.verdict_errors == 0);
	nfqueue_close(queue);
	nft_close(nft);
}

/* One packet of each neighbour, accepted when it is judged; how many were. */
static unsigned knock(int tun, struct nfqueue *queue, unsigned *answered)
{
	struct plan plan = { .verdicts = "a" };

	*answered = 0;
	for (unsigned host = 2; host < 254; host++) {
		send_tcp(tun, (uint8_t)host, FIRST_PORT, SYN);
		if (host % 16 == 0)
			CHECK(nfqueue_read(queue, 64, by_plan, &plan) >= 0);
	}
	CHECK(nfqueue_read(queue, 64, by_plan, &plan) >= 0);
	*answered = answers(tun);
	return plan.judged;
}

/* On a small machine 156 newcomers a second are judged by their first packet, at most. */
static void newcomers_are_noted_first(void)
{
	const unsigned hosts = 252;
	struct nfqueue *queue = NULL;
	struct nft *nft = open_sized(NFT_BLOCK, 5);
	struct nft_counters counters;
	unsigned first, again, answered;
	int tun = tun_up();

	CHECK(nfqueue_open(QUEUE, settings, NFT_QUEUES, &queue) == 0);
	first = knock(tun, queue, &answered);
	CHECK(nft_read_counters(nft, &counters) == 0);
	CHECK(answered == hosts && first > 0 && counters.noted_once > 0);
	CHECK(first + counters.noted_once == hosts && counters.queued_judge == first);
	again = knock(tun, queue, &answered);
	CHECK(nft_read_counters(nft, &counters) == 0);
	CHECK(answered == hosts && again == hosts); /* noted or judged, it is known by now */
	CHECK(first + counters.noted_once == hosts && counters.over_newcomers == 0);
	nfqueue_close(queue);
	nft_close(nft);
}

int main(void)
{
	const struct CMUnitTest tests[] = { LIVE(runs), LIVE(unread), LIVE(newcomers_are_noted_first) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
