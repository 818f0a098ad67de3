/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of this folder share: contacts.c keeps contacts in pending.c, and asks hosts.c what is known of a host
 * and its ports.  No other folder includes this.
 */
#ifndef PICKET_CONTACT_INTERNAL_H
#define PICKET_CONTACT_INTERNAL_H

#include <picket/contact.h>

#include "pool.h"

/* ---- pending.c ---- */

#define SUCCESSES_MAX 3 /* of one source, as long as it is remembered */

struct contact_key {
	struct addr src, dst;
	uint16_t port;
	uint8_t protocol, zero[5];
};

struct contact {
	struct contact_key key;
	struct packet packet; /* the first one */
	int64_t at_ms;
	uint32_t answer; /* sequence number that the answer began with */
	bool answered;
	bool known; /* to a known service: only its success is of interest */
};

struct asker {
	struct addr key;
	uint16_t open; /* contacts under way */
	bool proven;   /* it completed a handshake since it is remembered */
	uint8_t successes;
	uint32_t success[SUCCESSES_MAX]; /* hashes of what it reached */
};

/* One of the two parts. */
struct part {
	struct pool contact_pool, asker_pool;
	struct contact *contacts;
	struct asker *askers;
};

struct pending {
	struct hash_key key;
	struct part newcomers, adverse;
	uint64_t chance;
	uint64_t displaced, turned_away;
};

bool pending_init(struct pending *pending, const struct contacts_config *config, const struct hash_key *key);
void pending_free(struct pending *pending);
/* Who sends from this address, in whichever part it is: *part, also where it is nobody so far (NULL). */
struct asker *pending_asker(struct pending *pending, const struct addr *src, struct part **part);
/* An outcome told against the source: from now on it is of the other part. */
void pending_note_adverse(struct pending *pending, const struct addr *src);
struct contact *pending_find(struct pending *pending, const struct contact_key *key, struct part **part,
			     uint32_t *slot);
/* The key must not be there.  False: there is no room. */
bool pending_open(struct pending *pending, const struct contact_key *key, const struct packet *packet, bool known,
		  int64_t now_ms);
void pending_remove(struct pending *pending, struct part *part, uint32_t slot);

/* ---- hosts.c ---- */

struct service_key {
	struct addr host;
	uint16_t port;
	uint8_t protocol, zero[5];
};

struct service {
	struct service_key key;
	int64_t since_ms, last_ms;
	int64_t asked_ms; /* a question that waits for its answer; 0: none does */
};

struct host {
	struct addr addr;
	int64_t since_ms, last_ms;
	uint32_t services; /* of it that are remembered */
};

struct dark {
	struct addr addr;
	int64_t failed_ms; /* when the neighbour table said so */
	uint8_t silent;    /* contacts; saturates */
};

/* Pools with their entries beside. */
struct hosts {
	struct hash_key hash;
	uint8_t where;
	struct pool service_pool, passing_pool, host_pool, dark_pool;
	struct service *services; /* for a month */
	struct service *passing;  /* what an ephemeral port does: for an hour, and the oldest gives way */
	struct host *alive;
	struct dark *dark;
	uint32_t asked, answered; /* questions to known services lately, once each until it is answered */
	bool heard;               /* an answer, ever */
	uint64_t forgotten;
};

bool hosts_init(struct hosts *hosts, const struct contacts_config *config, const struct hash_key *key);
void hosts_free(struct hosts *hosts);
/* Is that port known to be served?  It is asked now. */
bool hosts_serves(struct hosts *hosts, const struct addr *host, uint8_t protocol, uint16_t port, int64_t now_ms);
/* The host sent something; served: from a port of this protocol that is open. */
void hosts_note(struct hosts *hosts, const struct addr *host, uint8_t protocol, uint16_t port, bool served,
		int64_t now_ms);
bool hosts_is_alive(const struct hosts *hosts, const struct addr *host, int64_t now_ms);
/* Nobody has answered for it so far, and that is known well enough to be told at once. */
bool hosts_is_dark(const struct hosts *hosts, const struct addr *host, int64_t now_ms);
void hosts_was_silent(struct hosts *hosts, const struct addr *host);
void hosts_failed(struct hosts *hosts, const struct addr *host, int64_t now_ms);
/* Do answers come by here? */
bool hosts_one_sided(const struct hosts *hosts);

#endif
