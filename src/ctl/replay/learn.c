/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which addresses and ports of a capture are ours.  Every packet that opens a flow is a question from one address to
 * another.  An address that asks and is never asked is a stranger, and an address that a stranger asks is ours.  After
 * that, an address that mostly asks (four questions to one and more) and is not ours counts as a stranger, too: a
 * scanner may be asked back (ident, FTP data).
 * So a server's own calls to the world make no address ours as long as a client calls the server; where a capture shows
 * outgoing calls alone, only --local can tell.  Limit: the tables are bounded, a flood may fill them; what found no
 * room is counted and told.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* A SYN, a datagram, an echo request are questions; a stray ACK or SYN+ACK may answer one that was not captured. */
#define WEIGHT_QUESTION 4
#define WEIGHT_STRAY    1
#define STRANGER_RATIO  4

struct replay_addr {
	struct addr addr;
	uint64_t asks, asked;
	bool local;
};

struct replay_edge {
	struct addr from, to;
};

struct replay_open {
	struct addr addr;
	uint16_t port;
	uint8_t protocol, zero;
};

struct replay_learned *replay_learned_new(const struct hash_key *hash, struct replay_flows *flows)
{
	struct replay_learned *learned = calloc(1, sizeof(*learned));

	if (!learned)
		return NULL;
	learned->flows = flows;
	if (replay_table_init(&learned->addrs, REPLAY_ADDRS_MAX, sizeof(struct addr), sizeof(struct replay_addr),
			      hash) &&
	    replay_table_init(&learned->edges, REPLAY_EDGES_MAX, sizeof(struct replay_edge), sizeof(struct replay_edge),
			      hash) &&
	    replay_table_init(&learned->open, REPLAY_OPEN_MAX, sizeof(struct replay_open), sizeof(struct replay_open),
			      hash))
		return learned;
	replay_learned_free(learned);
	return NULL;
}

void replay_learned_free(struct replay_learned *learned)
{
	if (!learned)
		return;
	replay_table_free(&learned->addrs);
	replay_table_free(&learned->edges);
	replay_table_free(&learned->open);
	free(learned);
}

static bool is_host(const struct addr *addr)
{
	return !addr_is_multicast(addr) && !addr_is_loopback(addr) && !addr_is_unspecified(addr);
}

static void note_question(struct replay_learned *learned, const struct packet *p, unsigned weight)
{
	const struct replay_edge edge = { p->src, p->dst };
	struct replay_addr *from, *to;

	if (!is_host(&p->src) || !is_host(&p->dst) || addr_equal(&p->src, &p->dst))
		return;
	from = replay_table_add(&learned->addrs, &p->src);
	if (from)
		from->asks += weight;
	to = replay_table_add(&learned->addrs, &p->dst);
	if (to)
		to->asked += weight;
	replay_table_add(&learned->edges, &edge);
}

static void note_open(struct replay_learned *learned, uint8_t protocol, const struct addr *addr, uint16_t port)
{
	const struct replay_open key = { .addr = *addr, .port = port, .protocol = protocol };

	if (is_host(addr))
		replay_table_add(&learned->open, &key);
}

/* A packet that no flow explains: scans with strange flags ask; a reset or an ICMP error never does. */
static void learn_stray(struct replay_learned *learned, const struct packet *p)
{
	if (p->protocol == PROTO_ICMP || p->protocol == PROTO_ICMPV6) {
		if (replay_icmp_asks(p))
			note_question(learned, p, WEIGHT_QUESTION);
	} else if (p->protocol != PROTO_TCP || !replay_tcp_flags_valid(p->tcp_flags)) {
		note_question(learned, p, WEIGHT_QUESTION);
	} else if (!(p->tcp_flags & TCP_RST)) {
		note_question(learned, p, WEIGHT_STRAY);
	}
}

/* A port that answers is served.  Of a connection that began before the capture, both ends have a socket. */
static void learn_answer(struct replay_learned *learned, const struct replay_seen *seen, const struct packet *p)
{
	switch (p->protocol) {
	case PROTO_TCP:
		if (replay_is_syn_ack(p)) {
			note_open(learned, PROTO_TCP, &p->src, p->sport);
		} else if (seen->first_reply && !seen->flow->syn && !(p->tcp_flags & TCP_RST)) {
			note_open(learned, PROTO_TCP, &p->src, p->sport);
			note_open(learned, PROTO_TCP, &p->dst, p->dport);
		}
		break;
	case PROTO_UDP:
		if (seen->first_reply)
			note_open(learned, PROTO_UDP, &p->src, p->sport);
		break;
	case PROTO_SCTP:
		if (p->sctp_chunk == 2) /* INIT ACK */
			note_open(learned, PROTO_SCTP, &p->src, p->sport);
		break;
	default: break;
	}
}

static void note_time(struct replay_learned *learned, int64_t at_ms)
{
	learned->packets++;
	if (!learned->any)
		learned->first_ms = learned->last_ms = at_ms;
	learned->any = true;
	if (at_ms < learned->last_ms)
		learned->late++;
	else
		learned->last_ms = at_ms;
}

void replay_learn_packet(struct replay_learned *learned, const struct replay_packet *in)
{
	const struct packet *p = &in->packet;
	struct replay_seen seen;

	note_time(learned, in->at_ms);
	if (!in->ip || in->group)
		return;
	if (in->result != PACKET_OK) {
		if (in->result == PACKET_SHORT_TRANSPORT || in->result == PACKET_BAD_TRANSPORT)
			note_question(learned, p, WEIGHT_QUESTION);
		return;
	}
	if (p->checksum == PACKET_CHECKSUM_GOOD)
		learned->sums_good++;
	else if (p->checksum == PACKET_CHECKSUM_BAD)
		learned->sums_bad++;
	seen = replay_flows_track(learned->flows, p, in->at_ms);
	if (!seen.flow)
		learn_stray(learned, p);
	else if (seen.fresh)
		note_question(learned, p, seen.flow->syn || p->protocol != PROTO_TCP ? WEIGHT_QUESTION : WEIGHT_STRAY);
	else
		learn_answer(learned, &seen, p);
}

/* sure: it was never asked anything. */
static bool is_stranger(const struct replay_addr *one, bool sure)
{
	return one && one->asks > 0 && (sure ? one->asked == 0 : one->asks >= STRANGER_RATIO * one->asked);
}

/* An address that a stranger asks is ours.  Returns how many were found. */
static size_t mark_asked(struct replay_learned *learned, bool sure)
{
	size_t found = 0;

	for (size_t i = 0; i < learned->edges.count; i++) {
		const struct replay_edge *edge = replay_table_at(&learned->edges, i);
		const struct replay_addr *from = replay_table_find(&learned->addrs, &edge->from);
		struct replay_addr *to = replay_table_find(&learned->addrs, &edge->to);

		if (!to || to->local || is_stranger(to, sure) || !is_stranger(from, sure) || from->local)
			continue;
		to->local = true;
		found++;
	}
	return found;
}

void replay_learn_finish(struct replay_learned *learned)
{
	size_t found = mark_asked(learned, true);

	if (found + mark_asked(learned, false))
		return;
	/* All ask each other: ours are those that are asked at least as much as they ask. */
	for (size_t i = 0; i < learned->addrs.count; i++) {
		struct replay_addr *one = replay_table_at(&learned->addrs, i);

		one->local = one->asked > 0 && one->asked >= one->asks;
	}
}

bool replay_learned_local(const struct replay_learned *learned, const struct addr *addr)
{
	const struct replay_addr *one = replay_table_find(&learned->addrs, addr);

	return one && one->local;
}

bool replay_learned_open(const struct replay_learned *learned, uint8_t protocol, const struct addr *addr, uint16_t port)
{
	const struct replay_open key = { .addr = *addr, .port = port, .protocol = protocol };

	return replay_table_find(&learned->open, &key) != NULL;
}

bool replay_learned_trust_sums(const struct replay_learned *learned)
{
	return learned->sums_bad * 10 < learned->sums_good + learned->sums_bad;
}

size_t replay_learned_locals(const struct replay_learned *learned, struct addr *out, size_t max)
{
	size_t found = 0;

	for (size_t i = 0; i < learned->addrs.count; i++) {
		const struct replay_addr *one = replay_table_at(&learned->addrs, i);

		if (!one->local)
			continue;
		if (found < max)
			out[found] = one->addr;
		found++;
	}
	return found;
}
