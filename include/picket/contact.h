/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First contacts of hosts for which no socket can be looked up: those behind this host, when it is a router or runs
 * containers, and those of a segment that it merely sees.  What a sender is up to is told by what comes of its first
 * contacts: who knows where a service is gets an answer, who looks for one is refused, or hears nothing.
 *
 * The hosts watched are those of one side; who asks is of the other.  The caller knows which side a packet comes from,
 * hands each one in, and gives what it gets back to the engine: a probe whose `outcome` is set.
 *
 * Source: Jung, Paxson, Berger, Balakrishnan 2004 ("Fast portscan detection using sequential hypothesis testing").
 */
#ifndef PICKET_CONTACT_H
#define PICKET_CONTACT_H

#include <picket/packet.h>
#include <picket/probe.h>
#include "hash.h"

#define CONTACT_WAIT_MS  3000 /* without an answer for so long, a contact was silent */
#define CONTACT_OPEN_MAX 16   /* of one source without a success */

struct contacts_config {
	uint8_t where;      /* enum probe_where: BEHIND or WIRE */
	uint32_t newcomers; /* contacts under way of sources that nothing speaks against */
	uint32_t adverse;   /* of sources that were refused or heard nothing before; and how many such sources */
	uint32_t hosts;     /* that are remembered as alive or dark */
	uint32_t services;  /* (host, protocol, port) that are remembered as served */
};

/* What a router, or a busy segment, needs; some 40 MB when all of it is in use, and pages become real as they are. */
void contacts_config_defaults(struct contacts_config *config, enum probe_where where);

struct contacts;

/* NULL: out of memory. */
struct contacts *contacts_new(const struct contacts_config *config, const struct hash_key *key);
void contacts_free(struct contacts *contacts);

enum contact_word {
	CONTACT_KNOWN, /* of a service that is known, or of a contact under way: nobody's business */
	CONTACT_TOLD,  /* *probe tells its outcome at once */
	CONTACT_OPEN,  /* its outcome will be told */
	CONTACT_WAITS, /* too many of its source are under way: it is no contact, and whoever can, drops it */
};

/* A packet to a watched host that belongs to no running flow; of one that does, only what its source sends first after
 * an answer need come.  result: of packet_parse(), of which a packet was set. */
enum contact_word contacts_ask(struct contacts *contacts, const struct packet *packet, enum packet_result result,
			       int64_t now_ms, struct probe *probe);
/* A packet from a watched host.  True: *probe tells the outcome of a contact. */
bool contacts_answer(struct contacts *contacts, const struct packet *packet, int64_t now_ms, struct probe *probe);
/* When the contact that this packet of a watched host would answer was asked; -1: there is none under way. */
int64_t contacts_asked_ms(struct contacts *contacts, const struct packet *packet);
/* Somebody on the way says that a packet did not arrive.  about: that packet, as far as the error quotes it; code: of
 * the ICMP or ICMPv6 error.  True: *probe tells the outcome. */
bool contacts_unreachable(struct contacts *contacts, const struct packet *about, uint8_t code, int64_t now_ms,
			  struct probe *probe);
/* The next contact that was silent for too long.  True: *probe tells it, its sender and its time; call again. */
bool contacts_due(struct contacts *contacts, int64_t now_ms, struct probe *probe);
/* When contacts_due() has something to do next; INT64_MAX: never. */
int64_t contacts_due_ms(const struct contacts *contacts);

/* Nobody answers for this address, says the neighbour table. */
void contacts_dark(struct contacts *contacts, const struct addr *host, int64_t now_ms);

/* What is served where, and which hosts there are: saved, and known again after a restart. */
struct contact_service {
	struct addr host; /* port 0: the host is alive, no more */
	uint16_t port;
	uint8_t protocol, reserved[5];
	int64_t since_ms, last_ms;
};
/* Paging: start with cursor 0; returns the next cursor, 0 when done. */
uint32_t contacts_services(const struct contacts *contacts, uint32_t cursor, struct contact_service *out, size_t max,
			   size_t *count);
void contacts_restore(struct contacts *contacts, const struct contact_service *service, int64_t now_ms);

struct contacts_status {
	uint32_t pending, adverse, sources, hosts, dark,
		services;                                    /* there are now; adverse ones are among the pending */
	uint64_t asked;                                      /* first contacts */
	uint64_t answered, refused, silent, at_dark, proven; /* what came of them */
	uint64_t displaced;     /* contacts of newcomers that gave way to others: they are no evidence */
	uint64_t turned_away;   /* contacts of adverse sources that had to go among those of newcomers */
	uint64_t waited;        /* CONTACT_WAITS */
	uint64_t worth_nothing; /* silent, where nobody could have heard an answer */
	uint64_t forgotten;     /* services and hosts that gave way to others */
	uint32_t one_sided;     /* 1: answers do not come by here, and silence tells nothing */
};
void contacts_status(const struct contacts *contacts, struct contacts_status *out);

#endif
