/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one probe proves by itself, without knowing its sender's past.
 */
#ifndef PICKET_JUDGE_H
#define PICKET_JUDGE_H

#include <stdbool.h>

#include <picket/evidence.h>
#include <picket/probe.h>

/* Weights in 1/EVIDENCE_NAT nats. */
enum {
	WEIGHT_TRAP_FIRST = 94,
	WEIGHT_TRAP_FURTHER = 92,
	WEIGHT_TRAP_WEAK = 20,
	WEIGHT_TRAP_SAME_PORT = 10,
	WEIGHT_SYN_LOW = 28,
	WEIGHT_SYN_MIDDLE = 20,
	WEIGHT_SYN_HIGH = 10,
	WEIGHT_FLAGS_FIRST = 50,
	WEIGHT_FLAGS_FURTHER = 28,
	WEIGHT_ACK = 14,
	WEIGHT_CHECKSUM = 6,
	WEIGHT_UDP = 14,
	WEIGHT_UDP_ANSWER = 4,
	WEIGHT_UDP_TRAP = 20,
	WEIGHT_SCTP_INIT = 28,
	WEIGHT_SCTP_COOKIE = 40,
	WEIGHT_PROTOCOL = 35,
	WEIGHT_ICMP_QUERY = 14,
	WEIGHT_ICMP_ECHO = 32,
	WEIGHT_FRAGMENT = 40,
	WEIGHT_TRUNCATED = 40,
	WEIGHT_MARK = 30,
};

struct finding {
	enum evidence_kind kind; /* EVIDENCE_NONE: proves nothing */
	uint8_t weight;          /* the most it can weigh */
	uint16_t port;           /* as struct evidence has it */
	bool service;            /* weighs nothing where the port is, or lately was, served */
	bool plausible;          /* of a shape that honest hosts send, too: the first dozen weigh nothing */
};

struct finding judge_probe(const struct probe *probe);

/* The tool whose mark the packet bears, or TOOL_NONE.  A mark alone proves nothing: an honest packet may bear one by
 * chance. */
enum evidence_tool judge_mark(const struct packet *packet);

/* Kinds of one group are one piece of evidence at one port: a SYN and the handshake that it began, say. */
enum judge_group {
	GROUP_NONE,
	GROUP_CONNECT,
	GROUP_FLAGS,
	GROUP_ACK,
	GROUP_UDP,
	GROUP_SCTP,
	GROUP_PROTOCOL,
	GROUP_ECHO,
	GROUP_TIMESTAMP,
	GROUP_MASK,
	GROUP_MALFORMED,
	GROUP_CHECKSUM,
	GROUP_MARK,
};
enum judge_group judge_group(enum evidence_kind kind);

/* The weight of a SYN to a closed port. */
uint8_t judge_syn_weight(uint16_t port);

#endif
