/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tracker.  Follows nf_conntrack where a decision of ours depends on it: what opens a flow, what answers it, how
 * long either is remembered (its default timeouts), and the pick-up of connections that began before the capture.  No
 * window checks: a capture has lost packets of its own.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 8
#define SETS (REPLAY_FLOWS_MAX / WAYS)

/* net.netfilter.nf_conntrack_*_timeout*, in milliseconds */
#define TIMEOUT_TCP_UNANSWERED  120000
#define TIMEOUT_TCP_ESTABLISHED 432000000
#define TIMEOUT_TCP_FINISHED    120000
#define TIMEOUT_TCP_CLOSED      10000
#define TIMEOUT_UNANSWERED      30000
#define TIMEOUT_ANSWERED        120000

struct replay_flows {
	struct hash_key hash;
	uint64_t evicted;
	/* Bits of the hash of each flow's key, 0 where there is none: the eight of a set lie in one cache line, and
	 * only the flow that has the mark is looked at. */
	uint32_t marks[REPLAY_FLOWS_MAX];
	struct replay_flow flows[REPLAY_FLOWS_MAX];
};

/* Where a key belongs. */
struct spot {
	size_t first; /* of its set */
	uint32_t mark;
};

struct replay_flows *replay_flows_new(const struct hash_key *hash)
{
	struct replay_flows *flows = calloc(1, sizeof(*flows));

	if (flows)
		flows->hash = *hash;
	return flows;
}

void replay_flows_free(struct replay_flows *flows)
{
	free(flows);
}

void replay_flows_clear(struct replay_flows *flows)
{
	memset(flows->marks, 0, sizeof(flows->marks));
}

uint64_t replay_flows_evicted(const struct replay_flows *flows)
{
	return flows->evicted;
}

bool replay_icmp_asks(const struct packet *p)
{
	if (p->protocol == PROTO_ICMP)
		return p->icmp_type == 8 || p->icmp_type == 13 || p->icmp_type == 17;
	return p->icmp_type == 128;
}

bool replay_is_syn_ack(const struct packet *p)
{
	return (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == (TCP_SYN | TCP_ACK);
}

bool replay_tcp_flags_valid(uint8_t flags)
{
	switch (flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_URG)) {
	case TCP_SYN:
	case TCP_SYN | TCP_URG:
	case TCP_SYN | TCP_ACK:
	case TCP_RST:
	case TCP_RST | TCP_ACK:
	case TCP_FIN | TCP_ACK:
	case TCP_FIN | TCP_ACK | TCP_URG:
	case TCP_ACK:
	case TCP_ACK | TCP_URG: return true;
	default: return false;
	}
}

/* ---- the table ---- */

/* True in *from_low when the packet comes from the low end. */
static struct replay_flow_key key_of(const struct packet *p, bool *from_low)
{
	struct replay_flow_key key = { .protocol = p->protocol };
	int order = memcmp(&p->src, &p->dst, sizeof(p->src));

	*from_low = order < 0 || (order == 0 && p->sport <= p->dport);
	key.low = *from_low ? p->src : p->dst;
	key.high = *from_low ? p->dst : p->src;
	key.low_port = *from_low ? p->sport : p->dport;
	key.high_port = *from_low ? p->dport : p->sport;
	return key;
}

static struct spot spot_of(const struct replay_flows *flows, const struct replay_flow_key *key)
{
	uint64_t hash = hash_quick(&flows->hash, key, sizeof(*key));

	return (struct spot){ .first = hash % SETS * WAYS, .mark = (uint32_t)(hash >> 32) | 1 };
}

static struct replay_flow *find(struct replay_flows *flows, const struct replay_flow_key *key, const struct spot *spot)
{
	for (size_t i = spot->first; i < spot->first + WAYS; i++)
		if (flows->marks[i] == spot->mark && !memcmp(&flows->flows[i].key, key, sizeof(*key)))
			return &flows->flows[i];
	return NULL;
}

struct replay_flow *replay_flows_find(struct replay_flows *flows, const struct replay_flow_key *key)
{
	struct spot spot = spot_of(flows, key);

	return find(flows, key, &spot);
}

static bool expired(const struct replay_flow *flow, int64_t now_ms)
{
	return now_ms - flow->last_ms > flow->timeout_ms;
}

/* How much would be lost with it: nothing, a closed one, an unanswered one, one at work. */
static int worth(const struct replay_flow *flow, int64_t now_ms)
{
	if (expired(flow, now_ms))
		return 0;
	if (flow->closed)
		return 1;
	return flow->answered ? 3 : 2;
}

static struct replay_flow *make_room(struct replay_flows *flows, const struct spot *spot, int64_t now_ms)
{
	struct replay_flow *set = &flows->flows[spot->first], *best = set;

	for (size_t i = 0; i < WAYS; i++)
		if (!flows->marks[spot->first + i])
			return &set[i];
	for (size_t i = 1; i < WAYS; i++) {
		int one = worth(&set[i], now_ms), other = worth(best, now_ms);

		if (one < other || (one == other && set[i].last_ms < best->last_ms))
			best = &set[i];
	}
	if (worth(best, now_ms) > 1)
		flows->evicted++;
	return best;
}

/* ---- one packet ---- */

/* What a packet that belongs to no flow is: may it open one? */
static bool opens(const struct packet *p)
{
	switch (p->protocol) {
	case PROTO_TCP:
		/* a SYN, or an ACK in the middle (nf_conntrack_tcp_loose) */
		return !(p->tcp_flags & (TCP_RST | TCP_FIN)) &&
		       (p->tcp_flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK);
	case PROTO_SCTP: return p->sctp_chunk == 1;
	default: return true;
	}
}

static bool is_plain_syn(const struct packet *p)
{
	return p->protocol == PROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static void set_timeout(struct replay_flow *flow, int64_t now_ms)
{
	flow->last_ms = now_ms;
	if (flow->key.protocol != PROTO_TCP)
		flow->timeout_ms = flow->answered ? TIMEOUT_ANSWERED : TIMEOUT_UNANSWERED;
	else if (flow->closed)
		flow->timeout_ms = TIMEOUT_TCP_CLOSED;
	else if (flow->fin_low && flow->fin_high)
		flow->timeout_ms = TIMEOUT_TCP_FINISHED;
	else
		flow->timeout_ms = flow->answered ? TIMEOUT_TCP_ESTABLISHED : TIMEOUT_TCP_UNANSWERED;
}

static struct replay_seen open_flow(struct replay_flows *flows, const struct packet *p,
				    const struct replay_flow_key *key, const struct spot *spot, bool from_low,
				    struct replay_flow *old, int64_t now_ms)
{
	struct replay_flow *flow = old ? old : make_room(flows, spot, now_ms);

	flows->marks[flow - flows->flows] = spot->mark;
	*flow = (struct replay_flow){ .key = *key, .opener_low = from_low, .syn = is_plain_syn(p) };
	set_timeout(flow, now_ms);
	return (struct replay_seen){ .state = REPLAY_FLOW_NEW, .flow = flow, .fresh = true };
}

static struct replay_seen follow_flow(struct replay_flow *flow, const struct packet *p, bool from_low, int64_t now_ms)
{
	struct replay_seen seen = { .flow = flow, .reply = from_low != flow->opener_low };

	seen.first_reply = seen.reply && !flow->answered;
	flow->answered |= seen.reply;
	if (p->protocol == PROTO_TCP) {
		if (p->tcp_flags & TCP_FIN)
			*(from_low ? &flow->fin_low : &flow->fin_high) = true;
		flow->closed |= (p->tcp_flags & TCP_RST) != 0;
	}
	set_timeout(flow, now_ms);
	seen.state = flow->answered ? REPLAY_FLOW_ESTABLISHED : REPLAY_FLOW_NEW;
	return seen;
}

struct replay_seen replay_flows_track(struct replay_flows *flows, const struct packet *p, int64_t now_ms)
{
	struct replay_seen nothing = { .state = REPLAY_FLOW_INVALID };
	struct replay_flow_key key;
	struct replay_flow *flow;
	bool from_low, over;
	struct spot spot;

	if (p->protocol == PROTO_ICMP || p->protocol == PROTO_ICMPV6)
		return nothing; /* told apart by their types */
	if (p->protocol == PROTO_TCP && !replay_tcp_flags_valid(p->tcp_flags))
		return nothing;
	key = key_of(p, &from_low);
	spot = spot_of(flows, &key);
	flow = find(flows, &key, &spot);
	/* a port pair used anew after a close, as well as one that was forgotten */
	over = flow &&
	       (expired(flow, now_ms) || ((flow->closed || (flow->fin_low && flow->fin_high)) && is_plain_syn(p)) ||
		(flow->closed && !flow->syn && !(p->tcp_flags & TCP_RST)));
	if (flow && !over)
		return follow_flow(flow, p, from_low, now_ms);
	if (!opens(p))
		return nothing;
	return open_flow(flows, p, &key, &spot, from_low, flow, now_ms);
}
