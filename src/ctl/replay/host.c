/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watch chain over a capture, in the order of the kernel's rules.  Each address of ours is a host of its own with a
 * picket on it: what one of them sends to another is judged like any other packet.  The allow list is left to the
 * engine, which holds it, too.  Not played: the fair limits (no flood is too fast for a file), the reverse path check
 * (a capture has no routes), reassembly.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include <picket/payload.h>

#define CUSTOMER_MS (24 * 3600 * 1000LL)

struct replay_customer {
	struct addr addr;
	uint16_t port;
	uint8_t protocol, zero[5];
	int64_t last_ms;
};
#define CUSTOMER_KEY_LEN offsetof(struct replay_customer, last_ms)

struct waiting {
	struct replay_flow_key key;
	struct probe report;
	int64_t due_ms;
};

struct replay_host {
	const struct replay_options *options;
	const struct replay_learned *learned;
	const struct config *config;
	struct replay_sources *sources;
	struct replay_flows *flows;
	struct replay_table customers;
	struct replay_host_counts counts;
	struct replay_seen last; /* what the tracker said of the packet judged last */
	bool last_to_trap;
	struct waiting waiting[TRAP_CONNECTIONS_MAX]; /* a ring: all wait equally long, so the oldest is due first */
	size_t waiting_head, waiting_count;
};

struct replay_host *replay_host_new(const struct replay_options *options, const struct replay_learned *learned,
				    const struct config *config, struct replay_sources *sources,
				    const struct hash_key *hash)
{
	struct replay_host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->options = options;
	host->learned = learned;
	host->config = config;
	host->sources = sources;
	host->flows = replay_flows_new(hash);
	if (host->flows && replay_table_init(&host->customers, REPLAY_CUSTOMERS_MAX, CUSTOMER_KEY_LEN,
					     sizeof(struct replay_customer), hash))
		return host;
	replay_host_free(host);
	return NULL;
}

void replay_host_free(struct replay_host *host)
{
	if (!host)
		return;
	replay_flows_free(host->flows);
	replay_table_free(&host->customers);
	free(host);
}

const struct replay_host_counts *replay_host_counts(const struct replay_host *host)
{
	return &host->counts;
}

uint64_t replay_host_evicted(const struct replay_host *host)
{
	return replay_flows_evicted(host->flows) + host->customers.dropped;
}

/* ---- what is ours ---- */

static bool is_local(const struct replay_host *host, const struct addr *addr)
{
	if (!host->options->local_count)
		return replay_learned_local(host->learned, addr);
	for (size_t i = 0; i < host->options->local_count; i++)
		if (prefix_contains(&host->options->local[i], addr))
			return true;
	return false;
}

static enum probe_port_state port_of(const struct replay_host *host, const struct packet *p)
{
	const struct config_ports *tcp = &host->config->trap_tcp, *udp = &host->config->trap_udp;
	const struct replay_ports *given = NULL;

	if (p->protocol == PROTO_TCP)
		given = &host->options->tcp;
	else if (p->protocol == PROTO_UDP)
		given = &host->options->udp;
	if (given && given->given ? replay_ports_has(given, p->dport)
				  : replay_learned_open(host->learned, p->protocol, &p->dst, p->dport))
		return PROBE_PORT_SERVED;
	if ((p->protocol == PROTO_TCP && ports_contain(tcp->ranges, tcp->count, p->dport)) ||
	    (p->protocol == PROTO_UDP && ports_contain(udp->ranges, udp->count, p->dport)))
		return PROBE_PORT_TRAPPED;
	return PROBE_PORT_CLOSED;
}

/* ---- what is never evidence ---- */

static bool is_answer(const struct packet *p)
{
	switch (p->protocol) {
	case PROTO_TCP:
		return replay_tcp_flags_valid(p->tcp_flags) &&
		       ((p->tcp_flags & TCP_RST) || (p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK));
	case PROTO_UDP: /* DHCP and DHCPv6 replies */
		return (p->sport == 67 && p->dport == 68) || (p->sport == 547 && p->dport == 546);
	case PROTO_ICMP:
	case PROTO_ICMPV6: /* errors, replies, neighbour discovery, MLD */ return !replay_icmp_asks(p);
	default: return false;
	}
}

/* ---- customers ---- */

static struct replay_customer customer_key(const struct packet *p)
{
	return (struct replay_customer){ .addr = p->src, .port = p->dport, .protocol = p->protocol };
}

static bool in_seen(const struct replay_host *host, const struct addr *addr, int64_t now_ms)
{
	const struct replay_source *source = replay_sources_find(host->sources, addr);

	return source && (now_ms - source->last_ms < REPLAY_SEEN_MS || source->blocked_until_ms > now_ms);
}

/* A packet with payload to a service of ours, on an established flow, makes its sender a customer. */
static void note_customer(struct replay_host *host, const struct packet *p, int64_t now_ms)
{
	const struct replay_customer key = customer_key(p);
	struct replay_customer *customer;

	if (!p->payload_len || host->last.reply || port_of(host, p) != PROBE_PORT_SERVED ||
	    in_seen(host, &p->src, now_ms))
		return;
	customer = replay_table_add(&host->customers, &key);
	if (customer)
		customer->last_ms = now_ms;
}

static bool is_customer(const struct replay_host *host, const struct packet *p, int64_t now_ms)
{
	const struct replay_customer key = customer_key(p);
	const struct replay_customer *customer = replay_table_find(&host->customers, &key);

	return customer && now_ms - customer->last_ms < CUSTOMER_MS;
}

/* ---- the chain ---- */

static bool pass(uint64_t *count)
{
	(*count)++;
	return false;
}

/* The counter of a packet that is not for us, or for a group; NULL: it is for a host. */
static uint64_t *pass_before_tracking(struct replay_host *host, const struct replay_packet *in)
{
	const struct packet *p = &in->packet;

	switch (in->result) {
	case PACKET_OK:
	case PACKET_SHORT_TRANSPORT:
	case PACKET_BAD_TRANSPORT:
	case PACKET_EXTENSION_LIMIT: break;
	case PACKET_LATER_FRAGMENT: return &host->counts.fragments;
	default: return &host->counts.rejected[in->result < PACKET_RESULT_COUNT ? in->result : PACKET_OK];
	}
	if (in->group || addr_is_multicast(&p->dst) || addr_is_multicast(&p->src))
		return &host->counts.group;
	if (addr_is_loopback(&p->dst) || addr_is_loopback(&p->src) || addr_equal(&p->src, &p->dst) ||
	    addr_is_unspecified(&p->src))
		return &host->counts.foreign;
	return NULL;
}

/* A packet to a served port is a probe only from a source that stands in `seen` and is no customer. */
static bool is_probe_of_served(struct replay_host *host, const struct packet *p, int64_t now_ms)
{
	if (p->protocol == PROTO_TCP && !replay_tcp_flags_valid(p->tcp_flags))
		return true; /* impossible flags are evidence everywhere */
	if (!in_seen(host, &p->src, now_ms))
		return pass(&host->counts.served);
	if (is_customer(host, p, now_ms))
		return pass(&host->counts.customers);
	return true;
}

/* The hard set is asked before anything else; neighbour discovery alone is exempt. */
static bool is_banned(struct replay_host *host, const struct packet *p, int64_t now_ms)
{
	struct replay_source *source;

	if (p->protocol == PROTO_ICMPV6 && p->icmp_type >= 133 && p->icmp_type <= 137)
		return false;
	source = replay_sources_find(host->sources, &p->src);
	if (!source || !source->hard || source->blocked_until_ms <= now_ms)
		return false;
	source->dropped++;
	return true;
}

bool replay_host_queues(struct replay_host *host, const struct replay_packet *in, struct probe *probe)
{
	const struct packet *p = &in->packet;
	uint64_t *why = in->ip ? pass_before_tracking(host, in) : &host->counts.not_ip;
	enum probe_port_state port;

	host->last = (struct replay_seen){ .state = REPLAY_FLOW_INVALID };
	host->last_to_trap = false;
	if (why)
		return pass(why);
	if (!is_local(host, &p->dst) && !is_local(host, &p->src))
		return pass(&host->counts.foreign);
	if (in->result == PACKET_OK)
		host->last = replay_flows_track(host->flows, p, in->at_ms);
	if (!is_local(host, &p->dst))
		return pass(&host->counts.foreign);
	if (is_banned(host, p, in->at_ms))
		return pass(&host->counts.banned);
	port = port_of(host, p);
	host->last_to_trap = port == PROBE_PORT_TRAPPED && p->protocol == PROTO_TCP;
	if (host->last.state == REPLAY_FLOW_ESTABLISHED) {
		note_customer(host, p, in->at_ms);
		return pass(&host->counts.established);
	}
	if (in->result == PACKET_OK && is_answer(p))
		return pass(&host->counts.answers);
	if (port == PROBE_PORT_SERVED && in->result == PACKET_OK && !is_probe_of_served(host, p, in->at_ms))
		return false;
	*probe = (struct probe){ .packet = *p, .port_state = (uint8_t)port, .packet_result = in->result };
	host->counts.queued++;
	return true;
}

/* ---- traps ---- */

void replay_host_dropped(struct replay_host *host)
{
	if (host->last.flow)
		host->last.flow->trap = REPLAY_TRAP_REFUSED;
}

static bool report_visit(struct replay_host *host, struct replay_flow *flow, const struct packet *p,
			 enum probe_trap what, struct probe *report)
{
	*report = (struct probe){ .port_state = PROBE_PORT_TRAPPED, .trap = (uint8_t)what };
	report->packet.src = p->src;
	report->packet.dst = p->dst;
	report->packet.protocol = p->protocol;
	report->packet.sport = p->sport;
	report->packet.dport = p->dport;
	flow->trap = REPLAY_TRAP_TOLD;
	host->counts.trap_visits++;
	return true;
}

/* A silent visit is reported when the trap's patience ends. */
static void wait_for_payload(struct replay_host *host, struct replay_flow *flow, const struct packet *p, int64_t now_ms)
{
	struct waiting *slot;

	if (host->waiting_count == TRAP_CONNECTIONS_MAX) {
		host->counts.traps_evicted++;
		return;
	}
	slot = &host->waiting[(host->waiting_head + host->waiting_count++) % TRAP_CONNECTIONS_MAX];
	*slot = (struct waiting){ .key = flow->key, .due_ms = now_ms + TRAP_SILENCE_MS };
	report_visit(host, flow, p, PROBE_TRAP_SILENT, &slot->report);
	host->counts.trap_visits--; /* counted when told */
	flow->trap = REPLAY_TRAP_WAITING;
}

bool replay_host_trap_visit(struct replay_host *host, const struct replay_packet *in, struct probe *report)
{
	struct replay_flow *flow = host->last.flow;
	const struct packet *p = &in->packet;

	if (!host->last_to_trap || !flow || host->last.reply || !flow->syn || !flow->answered ||
	    flow->trap == REPLAY_TRAP_TOLD || flow->trap == REPLAY_TRAP_REFUSED || (p->tcp_flags & TCP_SYN))
		return false;
	if (flow->trap == REPLAY_TRAP_UNTOUCHED) {
		if ((p->tcp_flags & (TCP_ACK | TCP_RST)) != TCP_ACK)
			return false; /* a reset in place of the last ACK: no handshake */
		if (!p->payload_len && !(p->tcp_flags & TCP_FIN)) {
			wait_for_payload(host, flow, p, in->at_ms);
			return false;
		}
	}
	if (p->payload_len)
		return report_visit(host, flow, p,
				    payload_classify(in->payload, in->payload_have, true) == PAYLOAD_INDUCED
					    ? PROBE_TRAP_INDUCED
					    : PROBE_TRAP_SILENT,
				    report);
	if (p->tcp_flags & (TCP_FIN | TCP_RST))
		return report_visit(host, flow, p, PROBE_TRAP_SILENT, report);
	return false;
}

bool replay_host_trap_due(struct replay_host *host, int64_t now_ms, struct probe *report, int64_t *at_ms)
{
	while (host->waiting_count && host->waiting[host->waiting_head].due_ms <= now_ms) {
		struct waiting *slot = &host->waiting[host->waiting_head];
		struct replay_flow *flow = replay_flows_find(host->flows, &slot->key);

		host->waiting_head = (host->waiting_head + 1) % TRAP_CONNECTIONS_MAX;
		host->waiting_count--;
		if (!flow || flow->trap != REPLAY_TRAP_WAITING)
			continue; /* told already, by payload or close */
		flow->trap = REPLAY_TRAP_TOLD;
		host->counts.trap_visits++;
		*report = slot->report;
		*at_ms = slot->due_ms;
		return true;
	}
	return false;
}
