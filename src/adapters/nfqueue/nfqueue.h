/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NFQUEUE reader: one netlink socket bound to several consecutive queue numbers, so that the packets of all queues
 * arrive in the order in which the kernel queued them.  It fails open: a packet that cannot be judged passes.  A queue
 * lives as long as any process holds the socket.
 */
#ifndef PICKET_NFQUEUE_H
#define PICKET_NFQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "result.h"

#define NFQUEUE_COPY_RANGE 2048

struct nfqueue_packet {
	unsigned number;     /* queue number minus the first one: 0, 1, ... */
	const uint8_t *data; /* the IP packet, `copied` bytes of it */
	size_t copied;
	bool checksum_ready; /* false: left to hardware, must not be verified */
	uint32_t ifindex;    /* incoming interface */
	/* Where its sender sent it, before destination NAT; has_original: conntrack knows, and the queue asks it. */
	bool has_original;
	struct addr original_dst;
	uint16_t original_dport;
};

/* True: accept.  False: drop. */
typedef bool nfqueue_judge_fn(void *context, const struct nfqueue_packet *packet);

struct nfqueue_stats {
	uint64_t packets, accepted, dropped;
	uint64_t lost;      /* ENOBUFS: times the receive buffer overflowed (those packets passed) */
	uint64_t malformed; /* messages that made no sense */
	uint64_t verdict_errors;
};

struct nfqueue;

struct nfqueue_setting {
	uint32_t len;  /* packets that wait; above it they pass unjudged */
	bool original; /* ask conntrack for the original destination */
};

/* Opens the socket and binds queues first..first+count-1, each fail-open and with GSO, behind a receive buffer of 32
 * MiB (SO_RCVBUFFORCE).  The descriptor may be inherited by fork.  0; -EBUSY when another process is bound to one of
 * the queues; or -errno. */
MUST_CHECK int nfqueue_open(uint16_t first, const struct nfqueue_setting *settings, unsigned count,
			    struct nfqueue **out);
void nfqueue_close(struct nfqueue *queue);
int nfqueue_fd(const struct nfqueue *queue);
/* Reads and judges at most max packets without blocking.  Before it returns, each has its verdict: those of a queue in
 * their order, one message for a run of equal ones.  Returns how many were read, or -errno (never -EAGAIN, -EINTR,
 * -ENOBUFS). */
MUST_CHECK int nfqueue_read(struct nfqueue *queue, unsigned max, nfqueue_judge_fn *judge, void *context);
/* For the process that holds a copy of the socket when the reader has died: what the kernel held is accepted, and from
 * now on everything passes.  0 or -errno. */
MUST_CHECK int nfqueue_accept_all(struct nfqueue *queue);
void nfqueue_read_stats(const struct nfqueue *queue, struct nfqueue_stats *out);

#endif
