/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every trap, tried by a packet that enters as a stranger's would, through the host's own firewall to the trap and
 * back.  A trap behind a closed firewall confirms nothing: half-open probes of it are still seen, bans need handshakes.
 * Limit: TRIED_MAX ports of each protocol, spread evenly over what is trapped.
 */
#include "internal.h"

#include <string.h>
#include <unistd.h>

#include <picket/packet.h>

#define TRIED_MAX 128

/* The n-th trapped port, counted from 0; 0: no such. */
static uint16_t nth_port(const json_t *ranges, long long n)
{
	for (size_t i = 0; i < json_array_size(ranges); i++) {
		const json_t *range = json_array_get(ranges, i);
		long long first = (long long)json_integer_value(json_array_get(range, 0));
		long long last = (long long)json_integer_value(json_array_get(range, 1));

		if (first < 1 || last > 65535 || last < first)
			continue;
		if (n <= last - first)
			return (uint16_t)(first + n);
		n -= last - first + 1;
	}
	return 0;
}

static size_t choose(const struct doctor *d, const char *key, uint8_t protocol, long long total, struct reach_port *out)
{
	const json_t *ranges = json_object_get(json_object_get(d->status, "sensors"), key);
	long long wanted = total < TRIED_MAX ? total : TRIED_MAX;
	size_t count = 0;

	for (long long i = 0; i < wanted; i++) {
		uint16_t port = nth_port(ranges, wanted > 1 ? i * (total - 1) / (wanted - 1) : 0);

		if (port && (count == 0 || out[count - 1].port != port))
			out[count++] = (struct reach_port){ .protocol = protocol, .port = port };
	}
	return count;
}

static void tell_closed(struct doctor *d, const struct reach_port *ports, size_t count, size_t closed, long long total)
{
	uint16_t list[TRIED_MAX];
	char advice[FIREWALL_ADVICE_MAX];
	size_t kept = 0, rejected = 0;

	for (size_t i = 0; i < count; i++)
		if (ports[i].tried && ports[i].answer != INJECT_ANSWERED) {
			list[kept++] = ports[i].port;
			rejected += ports[i].answer != INJECT_SILENCE;
		}
	doctor_open_ports(d, "tcp", list, kept, advice);
	doctor_find(
		d, closed == count ? SEVERITY_PROBLEM : SEVERITY_WARNING,
		"scanners cannot finish a handshake with these traps, so they are suspected and veiled, "
		"never confirmed and banned for hours. Behind an open trap there is nothing but picket",
		advice,
		"the host's firewall closes %zu of %zu TCP traps that were tried, of %lld (%zu dropped, %zu rejected)",
		closed, count, total, closed - rejected, rejected);
}

static void tell_tcp(struct doctor *d, const struct reach_port *ports, size_t count, long long total, bool bridged)
{
	size_t closed = 0;

	for (size_t i = 0; i < count; i++)
		closed += ports[i].tried && ports[i].answer != INJECT_ANSWERED;
	if (closed)
		tell_closed(d, ports, count, closed, total);
	else if (count && !bridged)
		doctor_ok(d, "%zu TCP traps were tried, of %lld: all answer through the host's firewall", count, total);
}

/* UDP traps never send: what arrived is counted, for all of them together. */
static void tell_udp(struct doctor *d, const json_t *after, size_t count, long long total, bool bridged)
{
	long long arrived = json_count(after, "traps", "datagrams") - doctor_count(d, "traps", "datagrams");

	if (count == 0)
		return;
	if (arrived <= 0)
		doctor_warning(
			d, "UDP probes of these ports are seen as probes of closed ports", NULL,
			"none of %zu UDP traps that were tried could be reached: the host's firewall closes them",
			count);
	else if (!bridged)
		doctor_ok(d, "%zu UDP traps were tried, of %lld: datagrams arrive", count, total);
}

static void tell_reader(struct doctor *d, const json_t *after, size_t tried)
{
	long long seen = json_count(after, "sensors", "probe_packets") - doctor_count(d, "sensors", "probe_packets");

	if (seen > 0)
		doctor_ok(d, "the queue's reader is alive: it saw %lld packets of %zu probes", seen, tried);
	else
		doctor_problem(d,
			       "nothing that was sent reached picket: rules before picket's take it away, or the "
			       "interface is not guarded",
			       "picketctl status; nft list ruleset",
			       "%zu probes were sent, and the queue's reader saw none", tried);
}

static void try_all(struct doctor *d, struct reach_port *ports, size_t tcp, size_t udp, long long tcp_total,
		    long long udp_total, bool bridged)
{
	char why[CTL_ERROR_MAX];
	json_t *after = NULL;

	if (reach_try(d->args, ports, tcp + udp, why) < 0) {
		doctor_note(d, "whether the host's firewall lets scanners reach the traps is not known",
			    geteuid() ? "sudo picketctl doctor" : NULL, "not tried: %s", why);
		return;
	}
	/* The daemon reads its queue within milliseconds; the answers took longer. */
	if (ctl_fetch(d->args, ctl_request("status", NULL), true, &after) == CTL_DONE) {
		tell_udp(d, after, udp, udp_total, bridged);
		tell_reader(d, after, tcp + udp);
	}
	tell_tcp(d, ports, tcp, tcp_total, bridged);
	json_decref(after);
}

static bool on_filtering_bridge(const struct prefix *net, char interface[16])
{
	struct addr own;

	return net && inject_way(net, &own, interface) == 0 && !addr_is_link_local(&own) &&
	       host_bridge_filters(interface, !prefix_is_v4(net));
}

/* True: IPv4 probes, which enter above the bridge, must not be taken for a stranger's. */
static bool tell_bridge(struct doctor *d, const struct prefix *net)
{
	char interface[16] = "?", advice[320];
	bool six = on_filtering_bridge(inject_net(true), interface), four = on_filtering_bridge(net, interface);

	if (!four && !six)
		return false;
	snprintf(advice, sizeof(advice),
		 "sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0; ip link set %s "
		 "type bridge nf_call_iptables 0 nf_call_ip6tables 0. Docker and Kubernetes set it to 1: where they "
		 "need "
		 "it, give this host's address to an interface outside of the bridge",
		 interface);
	doctor_problem(
		d,
		"br_netfilter runs the rules while a packet is still in the bridge, and what leads it to a trap is "
		"lost on the way up: scanners are suspected and veiled, never confirmed and banned "
		"for hours",
		advice, "traps do not work on the bridge %s for %s: bridge-nf-call-%s is on", interface,
		four && six ? "IPv4 and IPv6"
		: four      ? "IPv4"
			    : "IPv6",
		four && six ? "iptables and bridge-nf-call-ip6tables"
		: four      ? "iptables"
			    : "ip6tables");
	return four;
}

static bool sources_are_allowed(const struct doctor *d, const struct prefix *net)
{
	struct addr first = inject_source(1, net);
	char text[ADDR_TEXT_MAX];
	json_t *answer = NULL;
	bool allowed =
		ctl_fetch(d->args, ctl_request("allow-check", addr_format(&first, text)), false, &answer) == CTL_DONE &&
		json_flag(answer, "allowed");

	json_decref(answer);
	return allowed;
}

void doctor_traps(struct doctor *d)
{
	long long tcp = doctor_count(d, "sensors", "trapped_tcp_ports");
	long long udp = doctor_count(d, "sensors", "trapped_udp_ports");
	struct reach_port ports[2 * TRIED_MAX];
	const struct prefix *net = inject_net(false);
	char text[PREFIX_TEXT_MAX];
	size_t tcp_count = choose(d, "trapped_tcp", PROTO_TCP, tcp, ports);
	size_t udp_count = choose(d, "trapped_udp", PROTO_UDP, udp, ports + tcp_count);

	if (tcp == 0)
		doctor_warning(d, "without traps nothing can be confirmed, so nobody is banned",
			       "leave trap { tcp } out of picket.conf, whose default is good; then: picketctl reload",
			       "no TCP port is trapped");
	if (doctor_count(d, "traps", "errors") > 0)
		doctor_warning(d, NULL, "journalctl -u picket -n 50", "%lld errors in traps",
			       doctor_count(d, "traps", "errors"));
	if (doctor_count(d, "traps", "crowded") > 0)
		doctor_note(d, "a flood: traps hold 1,024 connections at most, the oldest gives way", NULL,
			    "%lld trap connections were closed early", doctor_count(d, "traps", "crowded"));
	if (doctor_mode_is(d, "paused")) {
		doctor_note(d, NULL, "picketctl resume", "not tried: picket is paused");
		return;
	}
	if (net && sources_are_allowed(d, net)) {
		doctor_note(d, "whoever is allowed bypasses the traps", NULL,
			    "not tried: %s, where probes come from, is on the allow list", prefix_format(net, text));
		return;
	}
	/* Where nothing is trapped, a port that is hardly ever served shows that the queue is read. */
	if (tcp_count + udp_count == 0)
		ports[udp_count++] = (struct reach_port){ .protocol = PROTO_UDP, .port = 64999 };
	try_all(d, ports, tcp_count, udp_count, tcp, udp, tcp + udp > 0 && tell_bridge(d, net));
}
