/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon is told first: for some seconds it counts what comes from the probes' addresses instead of judging it, so
 * that looking after a host is no scan of it.  Each port is tried from another address, and what stays silent is tried
 * twice.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE  64
#define WAIT_MS  300
#define TRIES    2
#define WINDOW_S 30
#define SOURCES  250

/* One family's injector. */
struct way {
	struct inject *inject;
	const struct prefix *net;
	struct addr own;
};

static int open_way(struct way *way, bool v6, char why[CTL_ERROR_MAX])
{
	char interface[16], net[PREFIX_TEXT_MAX];
	int error;

	way->net = inject_net(v6);
	if (!way->net) {
		snprintf(why, CTL_ERROR_MAX, "this host is numbered from each %s net that probes may come from",
			 v6 ? "IPv6" : "IPv4");
		return -EADDRINUSE;
	}
	error = inject_way(way->net, &way->own, interface);

	if (error)
		snprintf(why, CTL_ERROR_MAX, "no %s route back to %s: %s", v6 ? "IPv6" : "IPv4",
			 prefix_format(way->net, net), strerror(-error));
	else if ((error = inject_open(interface, way->net, &way->inject)) == -EOPNOTSUPP)
		snprintf(why, CTL_ERROR_MAX,
			 "this kernel cannot hand itself a packet (BPF_PROG_TEST_RUN with live frames: Linux 5.18)");
	else if (error == -EPERM || error == -EACCES)
		snprintf(why, CTL_ERROR_MAX, "it takes root");
	else if (error)
		snprintf(why, CTL_ERROR_MAX, "%s: %s", interface, strerror(-error));
	return error;
}

static void fill_probe(const struct reach_port *port, const struct way *way, size_t number, struct inject_probe *out)
{
	*out = (struct inject_probe){
		.from = inject_source((unsigned)(number % SOURCES) + 1, way->net),
		.to = addr_is_unspecified(&port->to) ? way->own : port->to,
		.from_port = (uint16_t)(inject_port() + number / SOURCES),
		.port = port->port,
		.protocol = port->protocol,
	};
}

/* Up to AT_ONCE ports of one family, tried together. */
static int try_some(struct way *way, struct reach_port **some, size_t count, size_t number)
{
	struct inject_probe probes[AT_ONCE];
	int error = 0;

	for (size_t i = 0; i < count; i++)
		fill_probe(some[i], way, number + i, &probes[i]);
	for (int tries = 0; tries < TRIES && !error; tries++) {
		for (size_t i = 0; i < count && !error; i++)
			if (probes[i].answered_ns == 0)
				error = inject_send(way->inject, &probes[i]);
		size_t left = 0;

		for (size_t i = 0; i < count; i++)
			left += probes[i].answered_ns == 0;
		if (!error && inject_collect(way->inject, probes, count, WAIT_MS) == left)
			break;
	}
	for (size_t i = 0; i < count && !error; i++) {
		some[i]->tried = true;
		some[i]->answer = probes[i].answer;
	}
	return error;
}

/* Takes the reference. */
static bool daemon_is_told(const struct ctl_args *args, json_t *request)
{
	json_t *answer = NULL;
	bool told = ctl_collect(args, request, &answer) == CTL_DONE;

	json_decref(answer);
	return told;
}

void reach_end(const struct ctl_args *args)
{
	daemon_is_told(args, ctl_request("probe", NULL));
}

/* For some seconds packets from the net are counted instead of judged. */
static int tell_daemon(const struct ctl_args *args, const struct prefix *net, char why[CTL_ERROR_MAX])
{
	char text[PREFIX_TEXT_MAX];

	if (daemon_is_told(args, json_pack("{s:s, s:s, s:i}", "cmd", "probe", "source", prefix_format(net, text),
					   "for_s", WINDOW_S)))
		return 0;
	snprintf(why, CTL_ERROR_MAX, "picketd would take the probes for a scan: it did not answer");
	return -EAGAIN;
}

static int try_family(const struct ctl_args *args, struct reach_port *ports, size_t count, bool v6,
		      char why[CTL_ERROR_MAX])
{
	struct reach_port *some[AT_ONCE];
	struct way way = { 0 };
	size_t wanted = 0, filled = 0, number = 0;
	int error;

	for (size_t i = 0; i < count; i++)
		wanted += ports[i].v6 == v6;
	if (wanted == 0)
		return 0;
	error = open_way(&way, v6, why);
	if (!error)
		error = tell_daemon(args, way.net, why);
	for (size_t i = 0; i < count && !error; i++) {
		if (ports[i].v6 == v6)
			some[filled++] = &ports[i];
		if (filled == AT_ONCE || (filled && i + 1 == count)) {
			error = try_some(&way, some, filled, number);
			number += filled;
			filled = 0;
			if (error)
				snprintf(why, CTL_ERROR_MAX, "the kernel did not take the packet: %s",
					 strerror(-error));
		}
	}
	inject_close(way.inject);
	reach_end(args);
	return error;
}

int reach_try(const struct ctl_args *args, struct reach_port *ports, size_t count, char why[CTL_ERROR_MAX])
{
	int first, second;

	why[0] = '\0';
	if (geteuid() != 0) {
		snprintf(why, CTL_ERROR_MAX, "it takes root");
		return -EPERM;
	}
	first = try_family(args, ports, count, false, why);
	second = try_family(args, ports, count, true, why);
	/* One family is enough to say something: each port tells whether it was tried. */
	for (size_t i = 0; i < count; i++)
		if (ports[i].tried)
			return 0;
	return first ? first : second;
}
