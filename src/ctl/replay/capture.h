/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Captured packets from a pcap or pcapng file, by libpcap: link headers (Ethernet, VLAN, Linux cooked, raw IP,
 * loopback) taken off.
 */
#ifndef PICKET_CAPTURE_H
#define PICKET_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture_packet {
	int64_t at_ms;       /* since the epoch; the nearest that fits into 32 bits of seconds */
	const uint8_t *data; /* from the IP header on; NULL: not an IP packet */
	size_t copied;       /* bytes present, the link's padding among them */
	bool group;          /* the link says: sent to a broadcast or multicast address */
};

struct capture;
/* On failure returns NULL and *error says what is wrong (a static or thread-local text). */
struct capture *capture_open(const char *path, const char **error);
void capture_close(struct capture *capture);
/* 1: a packet, 0: end of the file, -1: *error says what is wrong (a truncated file). */
int capture_next(struct capture *capture, struct capture_packet *out, const char **error);
/* Bytes read so far and in the file, for progress; total 0 where it can't be told. */
void capture_progress(const struct capture *capture, uint64_t *done, uint64_t *total);

#endif
