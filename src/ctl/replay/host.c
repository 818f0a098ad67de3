/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's rules over a capture, in their order, the veil's price among them.  Each address of ours is a host of
 * its own with a picket on it: what one of them sends to another is judged like any other packet.  The allow list is
 * left to the engine, which holds it, too.  Not played: the fair limits (no flood is too fast for a file), the reverse
 * path check (a capture has no routes), reassembly.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include <picket/payload.h>

#define CUSTOMER_MS (24 * 3600 * 1000LL)
#define SESSION_MS  (3600 * 1000LL) /* as in the kernel's set `kin` */

/* Whoever finished a handshake with a served port; IPv6 by its /64.  Port 0: any running session, of this address. */
struct replay_customer {
	struct addr addr;
	uint16_t port;
	uint8_t zero[6];
	int64_t last_ms;
	bool late; /* earned at alert or above: a ban does not spare it */
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
	struct veil *veil;
	struct replay_host_counts counts;
	struct replay_seen last; /* what the tracker said of the packet judged last */
	bool last_to_trap;
	struct waiting waiting[TRAP_CONNECTIONS_MAX]; /* a ring: all wait equally long, so the oldest is due first */
	size_t waiting_head, waiting_count;
};

struct replay_host *replay_host_new(struct replay *replay)
{
	struct replay_host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->options = replay->options;
	host->learned = replay->learned;
	host->config = replay->config;
	host->sources = &replay->sources;
	host->flows = replay->flows;
	host->veil = veil_new(&replay->hash, replay->config->engine.max_sources, replay->learned->first_ms);
	if (host->veil && replay_table_init(&host->customers, REPLAY_CUSTOMERS_MAX, CUSTOMER_KEY_LEN,
					    sizeof(struct replay_customer), &replay->hash))
		return host;
	replay_host_free(host);
	return NULL;
}

void replay_host_free(struct replay_host *host)
{
	if (!host)
		return;
	replay_table_free(&host->customers);
	veil_free(host->veil);
	free(host);
}

const struct replay_host_counts *replay_host_counts(const struct replay_host *host)
{
	return &host->counts;
}

uint64_t replay_host_evicted(const struct replay_host *host)
{
	return host->customers.dropped;
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
	const struct addr addr = addr_is_v4(&p->src) ? p->src : prefix_of(&p->src, 64).addr;

	return (struct replay_customer){ .addr = addr, .port = p->dport };
}

/* A packet of a flow that both ends know: its sender has a session here, and where it finished a handshake with a
 * service of ours it is a customer. */
static void note_customer(struct replay_host *host, const struct packet *p, int64_t now_ms)
{
	const struct replay_customer session = { .addr = p->src }, key = customer_key(p);
	struct replay_customer *customer = replay_table_add(&host->customers, &session);
	size_t before;

	if (customer)
		customer->last_ms = now_ms;
	if (p->protocol != PROTO_TCP || host->last.reply || (p->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK ||
	    port_of(host, p) != PROBE_PORT_SERVED)
		return;
	before = host->customers.count;
	customer = replay_table_add(&host->customers, &key);
	if (!customer)
		return;
	customer->last_ms = now_ms;
	if (host->customers.count > before)
		customer->late = replay_sources_standing(host->sources, &p->src, now_ms) >= GRADE_ALERT;
}

static bool is_customer(const struct replay_host *host, const struct packet *p, enum grade grade, int64_t now_ms)
{
	const struct replay_customer key = customer_key(p);
	const struct replay_customer *customer = replay_table_find(&host->customers, &key);

	return customer && now_ms - customer->last_ms < CUSTOMER_MS && (grade < GRADE_BAN || !customer->late);
}

static bool has_session(const struct replay_host *host, const struct packet *p, int64_t now_ms)
{
	const struct replay_customer key = { .addr = p->src };
	const struct replay_customer *session = replay_table_find(&host->customers, &key);

	return session && now_ms - session->last_ms < SESSION_MS;
}

/* ---- the veil ---- */

static bool veil_drops(struct replay_host *host, const struct packet *p, enum veil_target target, int64_t now_ms)
{
	struct veil_syn syn = veil_syn_of(p, target);

	return veil_judge(host->veil, &syn, now_ms) == VEIL_DROP;
}

bool replay_host_drops(struct replay_host *host, const struct probe *probe, enum verdict verdict, int64_t now_ms)
{
	const struct packet *p = &probe->packet;
	bool dropped = verdict == VERDICT_DROP;

	if (probe->trap != PROBE_TRAP_NONE)
		return false; /* a visit that has been */
	if (verdict == VERDICT_VEIL)
		dropped = probe->packet_result != PACKET_OK || !veil_is_syn(p) ||
			  veil_drops(host, p,
				     probe->port_state == PROBE_PORT_TRAPPED ? VEIL_TRAP
				     : veil_is_tried(p->dport)               ? VEIL_TRIED
									     : VEIL_CLOSED,
				     now_ms);
	if (dropped && host->last.flow)
		host->last.flow->trap = REPLAY_TRAP_REFUSED;
	return dropped;
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

static void count_dropped(struct replay_host *host, const struct packet *p, uint64_t *count)
{
	struct replay_source *source = replay_sources_find(host->sources, &p->src);

	if (source)
		source->dropped++;
	++*count;
}

/* What is served is no probe, whatever the grade of its sender: it passes, at once or as the repeat. */
static void pass_served(struct replay_host *host, const struct packet *p, enum grade grade, int64_t now_ms)
{
	if (grade < GRADE_VEIL || !veil_is_syn(p))
		host->counts.served++;
	else if (is_customer(host, p, grade, now_ms))
		host->counts.customers++;
	else if (veil_drops(host, p, VEIL_SERVED, now_ms))
		count_dropped(host, p, &host->counts.held_up);
	else
		host->counts.served++;
}

/* A ban admits nothing new, but for what its source was a customer of before; neighbour discovery is exempt. */
static bool is_banned(struct replay_host *host, const struct packet *p, enum grade grade, int64_t now_ms)
{
	if (grade < GRADE_BAN || (p->protocol == PROTO_ICMPV6 && p->icmp_type >= 133 && p->icmp_type <= 137))
		return false;
	if (grade == GRADE_BAN && (host->last.state == REPLAY_FLOW_ESTABLISHED || is_customer(host, p, grade, now_ms)))
		return false;
	count_dropped(host, p, &host->counts.banned);
	return true;
}

/* Of a veiled source: closed ports that clients try by themselves, and echoes. */
static bool passes_veil(const struct packet *p, enum probe_port_state port)
{
	if (veil_is_syn(p))
		return port == PROBE_PORT_CLOSED && veil_is_tried(p->dport);
	return (p->protocol == PROTO_ICMP && p->icmp_type == 8) || (p->protocol == PROTO_ICMPV6 && p->icmp_type == 128);
}

bool replay_host_queues(struct replay_host *host, const struct replay_packet *in, struct probe *probe)
{
	const struct packet *p = &in->packet;
	uint64_t *why = in->ip ? pass_before_tracking(host, in) : &host->counts.not_ip;
	enum probe_port_state port;
	enum grade grade;
	bool to_us;

	host->last = (struct replay_seen){ .state = REPLAY_FLOW_INVALID };
	host->last_to_trap = false;
	if (why)
		return pass(why);
	to_us = is_local(host, &p->dst);
	if (!to_us && !is_local(host, &p->src))
		return pass(&host->counts.foreign);
	if (in->result == PACKET_OK)
		host->last = replay_flows_track(host->flows, p, in->at_ms);
	if (!to_us)
		return pass(&host->counts.foreign);
	grade = replay_sources_standing(host->sources, &p->src, in->at_ms);
	if (is_banned(host, p, grade, in->at_ms))
		return false;
	port = port_of(host, p);
	host->last_to_trap = port == PROBE_PORT_TRAPPED && p->protocol == PROTO_TCP;
	if (host->last.state == REPLAY_FLOW_ESTABLISHED) {
		note_customer(host, p, in->at_ms);
		return pass(&host->counts.established);
	}
	if (in->result == PACKET_OK && is_answer(p))
		return pass(&host->counts.answers);
	if (port == PROBE_PORT_SERVED && in->result == PACKET_OK &&
	    (p->protocol != PROTO_TCP || replay_tcp_flags_valid(p->tcp_flags))) {
		pass_served(host, p, grade, in->at_ms);
		return false; /* impossible flags alone are evidence everywhere */
	}
	if (grade == GRADE_VEIL && in->result == PACKET_OK && passes_veil(p, port))
		return pass(&host->counts.untouched);
	*probe = (struct probe){ .packet = *p,
				 .port_state = (uint8_t)port,
				 .packet_result = in->result,
				 .kin = has_session(host, p, in->at_ms) };
	host->counts.queued++;
	return true;
}

/* ---- traps ---- */

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

/* A visitor who waits is reported when the trap's patience ends. */
static void wait_for_payload(struct replay_host *host, struct replay_flow *flow, const struct packet *p, int64_t now_ms)
{
	struct waiting *slot;

	if (host->waiting_count == TRAP_CONNECTIONS_MAX) {
		host->counts.traps_evicted++;
		return;
	}
	slot = &host->waiting[(host->waiting_head + host->waiting_count++) % TRAP_CONNECTIONS_MAX];
	*slot = (struct waiting){ .key = flow->key, .due_ms = now_ms + TRAP_LIFETIME_MS };
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
					    : PROBE_TRAP_SPOKE,
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
