/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NFQUEUE reader: one netlink socket bound to several consecutive queue numbers, so that packets of
 * all of them arrive in the order in which the kernel queued them.  Fail-open everywhere: a packet that nobody
 * can judge passes.  The queue lives as long as any process holds the socket.
 */
#ifndef PICKET_NFQUEUE_H
#define PICKET_NFQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NFQUEUE_COPY_RANGE 2048

struct nfqueue_packet {
	unsigned number;     /* queue number minus the first one: 0, 1, 2 */
	const uint8_t *data; /* the IP packet, `copied` bytes of it */
	size_t copied;
	bool checksum_ready; /* false: left to hardware, don't verify */
	uint32_t ifindex;    /* incoming interface */
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

/* Opens and binds queues first..first+count-1 with FAIL_OPEN and GSO, queue length 65,535, 32 MiB receive buffer
 * (SO_RCVBUFFORCE).
 * -EBUSY when another process is bound to one of them.  The fd may be inherited by fork. */
int nfqueue_open(uint16_t first, unsigned count, struct nfqueue **out);
void nfqueue_close(struct nfqueue *queue);
int nfqueue_fd(const struct nfqueue *queue);
/* Reads and judges at most max packets without blocking; verdicts are sent in batches where a run of packets
 * of one queue is accepted, at once where one is dropped, before it returns. Returns how many were read, or -errno
 * (never -EAGAIN, -EINTR, -ENOBUFS). */
int nfqueue_read(struct nfqueue *queue, unsigned max, nfqueue_judge_fn *judge, void *context);
/* For the process that holds a copy when the reader has died: from now on everything passes, and what was held is
 * accepted. */
int nfqueue_accept_all(struct nfqueue *queue);
void nfqueue_read_stats(const struct nfqueue *queue, struct nfqueue_stats *out);

#endif
