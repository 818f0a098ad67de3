/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The visits to the TCP traps, from accept to report to end.
 *
 * Promises: each visit is reported once; nothing is sent but the configured banner; a visit of a banned source ends
 * silently (no FIN, no RST); every visit is gone TRAP_LIFETIME_MS after accept, and without TIME_WAIT, since a
 * connection that lingers makes a service that starts on its port fail with EADDRINUSE.
 *
 * Limits: TRAP_CONNECTIONS_MAX visits.  When the table or the descriptors run out the newest visit of the net that
 * has the most gives way: a crowd displaces itself and nobody else.  What it had shown counts; what it would still
 * have shown is unknown, so silence that was cut short proves nothing.
 */
#include "internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <picket/payload.h>

#include "clock.h"

struct visit {
	TAILQ_ENTRY(visit) link;
	struct event event;
	struct visit_table *table;
	int fd;
	bool saved;   /* a SYN was saved and the handshake is complete */
	uint16_t net; /* its place in the table's crowd */
	int64_t due_ms;
	struct probe probe;
	size_t len;
	uint8_t payload[TRAP_PAYLOAD_MAX];
};

static void visit_wait(struct visit *visit, int64_t due_ms)
{
	int64_t left = due_ms - clock_ms(CLOCK_MONOTONIC);
	struct timeval tv;

	visit->due_ms = due_ms;
	if (left < 1)
		left = 1;
	tv.tv_sec = left / 1000;
	tv.tv_usec = left % 1000 * 1000;
	if (event_add(&visit->event, &tv) != 0)
		visit->table->stats.errors++;
}

/* Silently: in repair mode the kernel forgets a connection without telling the peer (needs CAP_NET_ADMIN).  Otherwise
 * with a reset. */
static void visit_end(struct visit *visit, bool silently)
{
	struct visit_table *table = visit->table;
	const int on = 1;

	if (silently && setsockopt(visit->fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) != 0)
		table->stats.errors++;
	event_del(&visit->event);
	close(visit->fd);
	visit->fd = -1;
	TAILQ_REMOVE(&table->live, visit, link);
	TAILQ_INSERT_HEAD(&table->free, visit, link);
	table->crowd[visit->net]--;
	table->stats.open--;
}

/* The visit is reported and gone, silently when its source is banned or blocked. */
static void visit_finish(struct visit *visit, enum probe_trap outcome)
{
	struct visit_table *table = visit->table;

	visit->probe.trap = (uint8_t)outcome;
	table->stats.hits++;
	table->stats.induced += outcome == PROBE_TRAP_INDUCED;
	table->stats.unsaved += outcome == PROBE_TRAP_UNSAVED;
	visit_end(visit, table->hit(table->context, &visit->probe));
}

/* if_silent: what silence means; a visit that was cut short might have spoken. */
static enum probe_trap visit_outcome(const struct visit *visit, enum probe_trap if_silent)
{
	if (!visit->saved)
		return PROBE_TRAP_UNSAVED;
	if (visit->len == 0)
		return if_silent;
	return payload_classify(visit->payload, visit->len, true) == PAYLOAD_INDUCED ? PROBE_TRAP_INDUCED
										     : PROBE_TRAP_SPOKE;
}

static void visit_cut_short(struct visit *visit)
{
	visit->table->stats.evicted++;
	visit_finish(visit, visit_outcome(visit, PROBE_TRAP_UNSAVED));
}

static struct visit *most_crowded(const struct visit_table *table)
{
	struct visit *visit, *found = NULL;

	TAILQ_FOREACH_REVERSE(visit, &table->live, visits, link)
	if (!found || table->crowd[visit->net] > table->crowd[found->net])
		found = visit;
	return found;
}

bool visit_make_room(struct visit_table *table)
{
	struct visit *visit = most_crowded(table);

	if (visit)
		visit_cut_short(visit);
	return visit != NULL;
}

/* 1: bytes came.  0: nothing there.  -1: the peer closed, reset, or has said as much as we listen to. */
static int visit_receive(struct visit *visit)
{
	size_t room = sizeof(visit->payload) - visit->len;
	ssize_t n = room ? recv(visit->fd, visit->payload + visit->len, room, 0) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -1;
	visit->len += (size_t)n;
	return 1;
}

static void visit_on_event(evutil_socket_t fd, short what, void *context)
{
	struct visit *visit = context;
	int64_t judged_ms;
	bool first;
	int got;

	(void)fd;
	if (what & EV_TIMEOUT) {
		visit_finish(visit, visit_outcome(visit, PROBE_TRAP_SILENT));
		return;
	}
	first = visit->len == 0;
	got = visit_receive(visit);
	if (got == 0 || (got > 0 && visit->len < sizeof(visit->payload) &&
			 payload_classify(visit->payload, visit->len, false) == PAYLOAD_UNDECIDED)) {
		judged_ms = clock_ms(CLOCK_MONOTONIC) + PAYLOAD_WAIT_MS;
		visit_wait(visit, got > 0 && first ? judged_ms : visit->due_ms);
	} else {
		visit_finish(visit, visit_outcome(visit, PROBE_TRAP_SILENT));
	}
}

static void addr_port_from(const union any_address *from, struct addr *addr, uint16_t *port)
{
	if (from->any.sa_family == AF_INET6) {
		*addr = addr_from_v6(from->v6.sin6_addr.s6_addr);
		*port = ntohs(from->v6.sin6_port);
	} else {
		*addr = addr_from_v4((const uint8_t *)&from->v4.sin_addr);
		*port = ntohs(from->v4.sin_port);
	}
}

/* A SYN cookie leaves no saved SYN, and with deferred accept or Fast Open the handshake is not complete.  A peer that
 * has reset the connection since has completed the handshake all the same. */
static bool handshake_is_proven(int fd)
{
	uint8_t syn[256];
	socklen_t syn_len = sizeof(syn);
	struct tcp_info info = { 0 };
	socklen_t info_len = sizeof(info);
	/* EINVAL: longer than our buffer, and syn_len says so */
	bool saved = getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, syn, &syn_len) == 0 || errno == EINVAL;

	return saved && syn_len > 0 && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_len) == 0 &&
	       info.tcpi_state != TCP_SYN_RECV && info.tcpi_state != TCP_SYN_SENT;
}

/* A place in the table; the crowd gives way when there is none. */
static struct visit *visit_take(struct visit_table *table)
{
	struct visit *visit;

	if (TAILQ_EMPTY(&table->free) && table->touched < TRAP_CONNECTIONS_MAX) {
		visit = &table->items[table->touched++];
		TAILQ_INSERT_HEAD(&table->free, visit, link);
	}
	if (TAILQ_EMPTY(&table->free))
		visit_make_room(table);
	visit = TAILQ_FIRST(&table->free);
	if (!visit)
		return NULL;
	TAILQ_REMOVE(&table->free, visit, link);
	TAILQ_INSERT_TAIL(&table->live, visit, link);
	table->stats.open++;
	return visit;
}

static uint16_t net_of(const struct visit_table *table, const struct addr *addr)
{
	struct prefix net = prefix_of(addr, addr_is_v4(addr) ? 96 + 24 : 48);

	return (uint16_t)(hash_bytes(&table->key, net.addr.b, sizeof(net.addr.b)) % VISIT_NETS);
}

void visit_begin(struct visit_table *table, int fd, const union any_address *peer)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	union any_address local = { 0 };
	socklen_t len = sizeof(local);
	struct visit *visit;

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0 ||
	    getsockname(fd, &local.any, &len) != 0 || !(visit = visit_take(table))) {
		table->stats.errors++;
		close(fd);
		return;
	}
	visit->table = table;
	event_assign(&visit->event, table->base, fd, EV_READ, visit_on_event, visit);
	visit->fd = fd;
	visit->len = 0;
	visit->saved = handshake_is_proven(fd);
	visit->probe = (struct probe){ .port_state = PROBE_PORT_TRAPPED, .packet_result = PACKET_OK };
	visit->probe.packet.protocol = PROTO_TCP;
	addr_port_from(peer, &visit->probe.packet.src, &visit->probe.packet.sport);
	addr_port_from(&local, &visit->probe.packet.dst, &visit->probe.packet.dport);
	if (table->banner_len && send(fd, table->banner, table->banner_len, MSG_NOSIGNAL) < 0)
		errno = 0; /* the peer is gone already: the next read tells */
	visit->net = net_of(table, &visit->probe.packet.src);
	table->crowd[visit->net]++;
	visit_wait(visit, clock_ms(CLOCK_MONOTONIC) + TRAP_LIFETIME_MS);
}

int visit_table_init(struct visit_table *table, const char *banner)
{
	TAILQ_INIT(&table->live);
	TAILQ_INIT(&table->free);
	if (banner) {
		table->banner_len = strnlen(banner, sizeof(table->banner) - 1);
		memcpy(table->banner, banner, table->banner_len);
	}
	if (getentropy(&table->key, sizeof(table->key)) < 0)
		return -errno;
	table->items = calloc(TRAP_CONNECTIONS_MAX, sizeof(*table->items));
	return table->items ? 0 : -ENOMEM;
}

void visit_table_release(struct visit_table *table)
{
	while (!TAILQ_EMPTY(&table->live))
		visit_end(TAILQ_FIRST(&table->live), false);
	free(table->items);
	table->items = NULL;
}
