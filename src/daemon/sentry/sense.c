/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sensing: a packet from the queue or a visit to a trap becomes a probe, the engine judges it, and what it decided is
 * carried out before the verdict is given.  So the packet that tips the score is dropped with its source already in
 * the kernel's set.
 *
 * A veiled source's SYN passes or falls by what core/veil says it costs; anything else of it that comes here falls.
 *
 * Packets that make no sense are counted by name and pass, because the host's own stack rejects them; only those that
 * hide what they are behind a chain of headers are dropped.
 */
#include "internal.h"

#include <picket/veil.h>

#include "clock.h"
#include "probenet.h"

_Static_assert(NFQUEUE_COPY_RANGE >= 40 + PACKET_EXTENSIONS_MAX + 60, "the copy holds what the parser looks at");

#define READ_BATCH 64 /* packets a read: other work is never far away */

/*
 * A read costs a wake-up and three calls, whether for one packet or for many.  In a rush (above 5,000 a second, told
 * over 10 ms) the packets of half a millisecond share one; with the timer's own slack none waits for a whole one.
 * Where processors are so short that one has waited longer for its turn, reads are put off no more for a second.
 * After a few reads the loop sees to the rest of its work.
 */
#define RUSH_PER_MS    5
#define RUSH_WINDOW_MS 10
#define RUSH_WAIT_US   500
#define RUSH_LATE_US   1000
#define RUSH_REST_MS   1000
#define RUSH_READS     8

/* The chain of headers is so long that it hides what follows: no honest stack builds one, but ours would walk to its
 * end and answer. */
static bool hides_behind_headers(enum packet_result result)
{
	return result == PACKET_EXTENSION_LIMIT || result == PACKET_CUT;
}

/* While the doctor tries every trap, it must neither be graded nor reported as a scan. */
static bool is_doctors(struct sentry *sentry, const struct packet *packet)
{
	const struct prefix *net =
		sentry->probe_net.len ? &sentry->probe_net : probenet_at(!addr_is_v4(&packet->src), 0);

	if (!sentry->probe_until_ms || sentry->now_ms >= sentry->probe_until_ms) {
		sentry->probe_until_ms = 0;
		return false;
	}
	return prefix_contains(net, &packet->src);
}

bool sentry_probe_window(struct sentry *sentry, const struct prefix *net, int64_t duration_ms)
{
	if (net->len && !probenet_is(net))
		return false;
	if (duration_ms > WIRE_PROBE_MS_MAX)
		duration_ms = WIRE_PROBE_MS_MAX;
	sentry->probe_net = *net;
	sentry->probe_until_ms = sentry->now_ms + duration_ms;
	return true;
}

static bool changes_sets(const struct actions *actions)
{
	for (size_t i = 0; i < actions->count; i++)
		if (actions->items[i].type == ACTION_ADD)
			return true;
	return false;
}

static bool is_trapped(const struct sentry *sentry, uint16_t port)
{
	const struct nft_rules *rules = &sentry->config.rules;

	for (size_t i = 0; i < rules->trap_tcp_count; i++)
		if (port >= rules->trap_tcp[i].first && port <= rules->trap_tcp[i].last)
			return true;
	return false;
}

/* What a veiled source's packet comes to.  A published port is told from this host's by where it was sent. */
bool sentry_may_pass_veil(struct sentry *sentry, const struct packet *p, const struct nfqueue_packet *queued,
			  enum veil_target target)
{
	struct veil_syn syn = veil_syn_of(p, target);

	if (queued->has_original) {
		syn.dst = queued->original_dst;
		syn.dport = queued->original_dport;
	}
	if (!veil_is_syn(p))
		return false;
	return veil_judge(sentry->veil, &syn, sentry->now_ms) != VEIL_DROP;
}

/* To what is served: of a veiled source, or of one that was watched when the packet came and may be graded since. */
static bool may_enter(struct sentry *sentry, const struct packet *p, const struct nfqueue_packet *queued)
{
	switch (engine_verdict(sentry->engine, &p->src)) {
	case VERDICT_VEIL: return sentry_may_pass_veil(sentry, p, queued, VEIL_SERVED);
	case VERDICT_DROP: return false;
	default: return true;
	}
}

/* The time is read only for what changes the kernel's sets. */
static void act_timed(struct sentry *sentry)
{
	const bool changes = changes_sets(&sentry->actions);
	const int64_t decided_ns = changes ? clock_ns(CLOCK_MONOTONIC) : 0;

	sentry_act(sentry);
	if (changes)
		latency_add(&sentry->deciding, clock_ns(CLOCK_MONOTONIC) - decided_ns);
}

/* The evidence, and what follows from it, before the packet goes on. */
static bool judge_probe_of(struct sentry *sentry, const struct probe *probe, const struct nfqueue_packet *queued)
{
	enum verdict verdict = engine_probe(sentry->engine, probe, sentry->now_ms, &sentry->actions);

	act_timed(sentry);
	if (verdict != VERDICT_VEIL || probe->packet_result != PACKET_OK)
		return verdict == VERDICT_ACCEPT;
	return sentry_may_pass_veil(sentry, &probe->packet, queued,
				    is_trapped(sentry, probe->packet.dport) ? VEIL_TRAP : VEIL_CLOSED);
}

static bool judge(struct sentry *sentry, const struct nfqueue_packet *packet)
{
	struct probe probe = {
		.port_state = packet->number == NFT_QUEUE_TRAP ? PROBE_PORT_TRAPPED : PROBE_PORT_CLOSED,
		.kin = packet->number == NFT_QUEUE_KIN,
	};
	enum packet_result result = packet_parse(packet->data, packet->copied, packet->checksum_ready, &probe.packet);
	bool blocking;

	sentry->rejected[result]++;
	if (!sentry->engine)
		return true;
	blocking = enforcer_mode(sentry->enforcer) == NFT_BLOCK;
	if (!packet_is_set(result))
		return !blocking || (!hides_behind_headers(result) && packet->number != NFT_QUEUE_VEIL);
	if (is_doctors(sentry, &probe.packet)) {
		sentry->probe_packets++;
		return true;
	}
	probe.packet_result = (uint8_t)result;
	if (packet->number == NFT_QUEUE_VEIL)
		return !blocking || (result == PACKET_OK && may_enter(sentry, &probe.packet, packet));
	return judge_probe_of(sentry, &probe, packet) && (!hides_behind_headers(result) || !blocking);
}

static bool dispatch(struct sentry *sentry, const struct nfqueue_packet *packet)
{
	switch (packet->number) {
	case NFT_QUEUE_ASK: return sentry_through_ask(sentry, packet);
	case NFT_QUEUE_TOLD: return sentry_through_told(sentry, packet);
	default: return judge(sentry, packet);
	}
}

/* One packet a read stands for all of them in the histogram: a clock is not asked for each. */
static bool on_packet(void *context, const struct nfqueue_packet *packet)
{
	struct sentry *sentry = context;
	int64_t started_ns;
	bool pass;

	if (sentry->judging_timed)
		return dispatch(sentry, packet);
	sentry->judging_timed = true;
	started_ns = clock_ns(CLOCK_MONOTONIC);
	pass = dispatch(sentry, packet);
	latency_add(&sentry->judging, clock_ns(CLOCK_MONOTONIC) - started_ns);
	return pass;
}

void sentry_tell_veil_memory(struct sentry *sentry)
{
	struct veil_stats stats;

	veil_stats(sentry->veil, &stats);
	if (stats.unremembered > sentry->unremembered_told && !sentry->veil_lacks_memory) {
		sentry->veil_lacks_memory = true;
		sentry_notice(
			sentry, EVENT_FAILED,
			"no memory for veils, which take %llu MB: new connections of veiled sources pass at once, "
			"counted, until there is",
			(unsigned long long)(stats.memory_max >> 20) + 1);
	} else if (stats.memory && sentry->veil_lacks_memory) {
		sentry->veil_lacks_memory = false;
		sentry_notice(sentry, EVENT_NOTICE, "veils have their memory; %llu new connections passed at once",
			      (unsigned long long)(stats.unremembered - sentry->unremembered_told));
	}
	if (!sentry->veil_lacks_memory)
		sentry->unremembered_told = stats.unremembered;
}

/* Whether packets come so fast that waiting for more of them pays. */
static void note_rush(struct sentry_rush *rush, unsigned got, int64_t now_ms)
{
	int64_t elapsed_ms = now_ms - rush->since_ms;

	rush->packets += got;
	if (elapsed_ms < RUSH_WINDOW_MS)
		return;
	rush->now = elapsed_ms < 2 * RUSH_WINDOW_MS && rush->packets > RUSH_PER_MS * elapsed_ms;
	rush->packets = 0;
	rush->since_ms = now_ms;
}

/* Returns how many it read. */
static int read_once(struct sentry *sentry)
{
	int got;

	sentry_begin_turn(sentry);
	sentry->judging_timed = false;
	got = nfqueue_read(sentry->start->queue, READ_BATCH, on_packet, sentry);
	if (got < 0)
		event_base_loopbreak(sentry->base); /* the queue is gone: end, and be started anew */
	else
		note_rush(&sentry->rush, (unsigned)got, sentry->now_ms);
	return got;
}

static bool may_wait(const struct sentry *sentry)
{
	return sentry->rush.now && sentry->now_ms >= sentry->rush.rest_until_ms;
}

static void wait_for_more(struct sentry *sentry)
{
	const struct timespec share = { .tv_nsec = RUSH_WAIT_US * 1000 };
	const int64_t began_us = clock_us(CLOCK_MONOTONIC);

	nanosleep(&share, NULL);
	if (clock_us(CLOCK_MONOTONIC) - began_us > RUSH_LATE_US)
		sentry->rush.rest_until_ms = sentry->now_ms + RUSH_REST_MS;
}

void sentry_read_queue(struct sentry *sentry)
{
	int got = 0;

	for (unsigned reads = 0; reads < RUSH_READS; reads++) {
		if (got < READ_BATCH && may_wait(sentry))
			wait_for_more(sentry);
		got = read_once(sentry);
		if (got < 0 || !may_wait(sentry))
			return;
	}
}

bool sentry_trap_hit(void *context, const struct probe *probe)
{
	struct sentry *sentry = context;

	sentry_begin_turn(sentry);
	if (is_doctors(sentry, &probe->packet))
		return true;
	enum verdict verdict = engine_probe(sentry->engine, probe, sentry->now_ms, &sentry->actions);

	sentry_act(sentry);
	return verdict == VERDICT_DROP;
}
