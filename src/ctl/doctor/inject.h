/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes of our own host from outside, without an outside: a packet is handed to the kernel as if an interface had
 * just received it, so that it meets every rule that a stranger's would, `iifname` included.  What the host answers is
 * read where it leaves.
 *
 * How: BPF_PROG_TEST_RUN of an XDP program of two instructions with BPF_F_TEST_XDP_LIVE_FRAMES (Linux 5.18), which
 * nothing has to be attached for: there is nothing to undo, whatever ends this process.  Needs root.
 *
 * Sources are addresses that nobody has (192.0.2.0/24 of RFC 5737 and a /64 of 2001:db8::/32), so the answer ends at
 * the first router; a half-open connection is closed by a reset from the same place.
 */
#ifndef PICKET_INJECT_H
#define PICKET_INJECT_H

#include <stddef.h>
#include <stdint.h>

#include "addr.h"

enum inject_answer {
	INJECT_SILENCE,     /* dropped, or UDP that answers nobody */
	INJECT_ANSWERED,    /* SYN+ACK, or a datagram */
	INJECT_RESET,       /* RST: nobody listens, or a rule rejects so */
	INJECT_UNREACHABLE, /* ICMP: nobody listens (UDP), or a rule rejects so */
};

struct inject_probe {
	struct addr from, to;
	uint16_t from_port, port;
	uint8_t protocol; /* TCP: a SYN; UDP: an empty datagram */
	enum inject_answer answer;
	int64_t answered_ns; /* monotonic; 0: not */
};

struct inject;

/* 0, -ENODEV, -EPERM, -EOPNOTSUPP when the kernel can't, or another -errno. */
int inject_open(const char *interface, struct inject **out);
void inject_close(struct inject *inject);
/* Sends one probe.  0 or -errno. */
int inject_send(struct inject *inject, const struct inject_probe *probe);
/* Reads answers for wait_ms, or until every probe has one; closes what became half open.  How many were answered. */
size_t inject_collect(struct inject *inject, struct inject_probe *probes, size_t count, int wait_ms);

/* The n-th address (1..250) that probes may come from. */
struct addr inject_source(unsigned n, int v6);
/* Our own address and interface towards such a source.  0, or -errno where there is no route back. */
int inject_way(int v6, struct addr *own, char interface[16]);

#endif
