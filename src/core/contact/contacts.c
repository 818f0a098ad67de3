/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of a contact.  It is told at once where its outcome comes as a packet, and after CONTACT_WAIT_MS where
 * none comes.  That a source completed a handshake speaks for it; each port of a host once, and of those that are known
 * to be served only where something spoke against the source before: so that nobody gathers credit on an open port.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW 65536 /* what a source acknowledges after an answer is no further ahead than that */

struct contacts {
	struct hash_key key;
	uint8_t where;
	struct pending pending;
	struct hosts hosts;
	struct contacts_status counts; /* the counters of it alone */
};

void contacts_config_defaults(struct contacts_config *config, enum probe_where where)
{
	*config = (struct contacts_config){
		.where = (uint8_t)where,
		.newcomers = 131072,
		.adverse = 16384,
		.hosts = 65536,
		.services = 65536,
	};
}

struct contacts *contacts_new(const struct contacts_config *config, const struct hash_key *key)
{
	struct contacts *contacts = calloc(1, sizeof(*contacts));
	bool complete;

	if (!contacts)
		return NULL;
	contacts->key = *key;
	contacts->where = config->where;
	complete = pending_init(&contacts->pending, config, key) && hosts_init(&contacts->hosts, config, key);
	if (complete)
		return contacts;
	contacts_free(contacts);
	return NULL;
}

void contacts_free(struct contacts *contacts)
{
	if (!contacts)
		return;
	pending_free(&contacts->pending);
	hosts_free(&contacts->hosts);
	free(contacts);
}

static struct contact_key key_of(const struct addr *src, const struct addr *dst, uint8_t protocol, uint16_t port)
{
	return (struct contact_key){ .src = *src, .dst = *dst, .port = port, .protocol = protocol };
}

/* ---- outcomes ---- */

static void tell(struct contacts *contacts, const struct packet *packet, enum packet_result result,
		 enum probe_outcome outcome, struct probe *probe)
{
	*probe = (struct probe){
		.packet = *packet,
		.packet_result = (uint8_t)result,
		.where = contacts->where,
		.outcome = (uint8_t)outcome,
	};
	switch (outcome) {
	case PROBE_REFUSED: contacts->counts.refused++; break;
	case PROBE_SILENT: contacts->counts.silent++; break;
	case PROBE_DARK: contacts->counts.at_dark++; break;
	case PROBE_ANSWERED: contacts->counts.proven++; return;
	default: return;
	}
	pending_note_adverse(&contacts->pending, &packet->src);
}

/* A contact ends: *probe tells how. */
static bool end_contact(struct contacts *contacts, struct part *part, uint32_t slot, enum probe_outcome outcome,
			struct probe *probe)
{
	struct contact contact = part->contacts[slot];

	pending_remove(&contacts->pending, part, slot);
	if (contact.known || contact.answered)
		return false;
	tell(contacts, &contact.packet, PACKET_OK, outcome, probe);
	return true;
}

static bool reached_before(struct asker *asker, uint32_t hash)
{
	for (unsigned i = 0; i < asker->successes; i++)
		if (asker->success[i] == hash)
			return true;
	return asker->successes == SUCCESSES_MAX;
}

/* A packet of a source that was answered: does it acknowledge the answer?  Nobody else knows the number. */
static bool proves(const struct contact *contact, const struct packet *packet)
{
	return contact->answered && packet->protocol == PROTO_TCP && (packet->tcp_flags & TCP_ACK) &&
	       !(packet->tcp_flags & (TCP_SYN | TCP_RST)) && packet->ack - (contact->answer + 1) < WINDOW;
}

static bool succeed(struct contacts *contacts, struct part *part, uint32_t slot, struct probe *probe)
{
	struct contact contact = part->contacts[slot];
	uint32_t hash =
		(uint32_t)hash_quick(&contacts->key, &contact.key.dst, sizeof(contact.key) - sizeof(struct addr));
	struct asker *asker = pending_asker(&contacts->pending, &contact.key.src, &part);
	bool again = !asker || reached_before(asker, hash);

	if (asker)
		asker->proven = true;
	if (!again)
		asker->success[asker->successes++] = hash;
	pending_find(&contacts->pending, &contact.key, &part, &slot);
	pending_remove(&contacts->pending, part, slot);
	if (again)
		return false;
	tell(contacts, &contact.packet, PACKET_OK, PROBE_ANSWERED, probe);
	return true;
}

/* ---- packets to the watched ---- */

static bool has_ports(const struct packet *p)
{
	return p->protocol == PROTO_TCP || p->protocol == PROTO_UDP || p->protocol == PROTO_SCTP;
}

/* Of a stack that opens something, or of a scanner that looks for what is open; of plain ACKs a router alone knows that
 * they belong to no flow. */
static bool is_contact_packet(const struct contacts *contacts, const struct packet *p)
{
	switch (p->protocol) {
	case PROTO_TCP:
		if ((p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN)
			return true;
		return (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_ACK && contacts->where == PROBE_BEHIND;
	case PROTO_UDP: return true;
	case PROTO_SCTP: return p->sctp_chunk == 1 || p->sctp_chunk == 10;
	}
	return false;
}

/* Evidence in itself, or nothing, whatever comes of it: flags that no stack sends, pings, what is malformed. */
static enum contact_word pass_on(struct contacts *contacts, const struct packet *packet, enum packet_result result,
				 int64_t now_ms, struct probe *probe)
{
	bool dark = hosts_is_dark(&contacts->hosts, &packet->dst, now_ms);

	tell(contacts, packet, result, PROBE_PENDING, probe);
	probe->outcome = dark ? PROBE_DARK : PROBE_PENDING;
	return CONTACT_TOLD;
}

static bool has_too_many(struct contacts *contacts, const struct addr *src)
{
	struct part *part;
	const struct asker *asker = pending_asker(&contacts->pending, src, &part);

	return asker && !asker->proven && asker->open >= CONTACT_OPEN_MAX;
}

/* A service that is known: of a source that something speaks against, its success is waited for. */
static enum contact_word ask_known(struct contacts *contacts, const struct contact_key *key,
				   const struct packet *packet, int64_t now_ms)
{
	struct part *part;
	const struct asker *asker = pending_asker(&contacts->pending, &key->src, &part);

	if (asker && part == &contacts->pending.adverse && packet->protocol == PROTO_TCP &&
	    asker->successes < SUCCESSES_MAX && !has_too_many(contacts, &key->src))
		pending_open(&contacts->pending, key, packet, true, now_ms);
	return CONTACT_KNOWN;
}

enum contact_word contacts_ask(struct contacts *contacts, const struct packet *packet, enum packet_result result,
			       int64_t now_ms, struct probe *probe)
{
	const struct contact_key key = key_of(&packet->src, &packet->dst, packet->protocol, packet->dport);
	struct contact *contact;
	struct part *part;
	uint32_t slot;

	if (result != PACKET_OK || !has_ports(packet))
		return pass_on(contacts, packet, result, now_ms, probe);
	contact = pending_find(&contacts->pending, &key, &part, &slot);
	if (contact && proves(contact, packet))
		return succeed(contacts, part, slot, probe) ? CONTACT_TOLD : CONTACT_KNOWN;
	if (!is_contact_packet(contacts, packet))
		return packet->protocol == PROTO_TCP ? pass_on(contacts, packet, result, now_ms, probe) : CONTACT_KNOWN;
	if (contact)
		return CONTACT_KNOWN; /* repeated */
	if (hosts_serves(&contacts->hosts, &packet->dst, packet->protocol, packet->dport, now_ms))
		return ask_known(contacts, &key, packet, now_ms);
	if (hosts_is_dark(&contacts->hosts, &packet->dst, now_ms)) {
		contacts->counts.asked++;
		tell(contacts, packet, PACKET_OK, PROBE_DARK, probe);
		return CONTACT_TOLD;
	}
	if (has_too_many(contacts, &packet->src)) {
		contacts->counts.waited++;
		return CONTACT_WAITS;
	}
	if (!pending_open(&contacts->pending, &key, packet, false, now_ms))
		return CONTACT_KNOWN;
	contacts->counts.asked++;
	return CONTACT_OPEN;
}

/* ---- packets of the watched ---- */

enum answer { ANSWER_NONE, ANSWER_SERVED, ANSWER_REFUSED };

static enum answer answer_of(const struct packet *p)
{
	switch (p->protocol) {
	case PROTO_TCP:
		if (p->tcp_flags & TCP_RST)
			return ANSWER_REFUSED;
		return (p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) ? ANSWER_SERVED : ANSWER_NONE;
	case PROTO_UDP: return ANSWER_SERVED; /* whoever sends from a port has it open */
	case PROTO_SCTP:
		if (p->sctp_chunk == 6) /* ABORT */
			return ANSWER_REFUSED;
		return p->sctp_chunk == 2 ? ANSWER_SERVED : ANSWER_NONE; /* INIT ACK */
	}
	return ANSWER_NONE;
}

int64_t contacts_asked_ms(struct contacts *contacts, const struct packet *packet)
{
	const struct contact_key key = key_of(&packet->dst, &packet->src, packet->protocol, packet->sport);
	struct part *part;
	uint32_t slot;
	const struct contact *contact = pending_find(&contacts->pending, &key, &part, &slot);

	return contact ? contact->at_ms : -1;
}

bool contacts_answer(struct contacts *contacts, const struct packet *packet, int64_t now_ms, struct probe *probe)
{
	const struct contact_key key = key_of(&packet->dst, &packet->src, packet->protocol, packet->sport);
	enum answer answer = answer_of(packet);
	struct contact *contact;
	struct part *part;
	uint32_t slot;

	hosts_note(&contacts->hosts, &packet->src, packet->protocol, packet->sport, answer == ANSWER_SERVED, now_ms);
	if (answer == ANSWER_NONE)
		return false;
	contact = pending_find(&contacts->pending, &key, &part, &slot);
	if (!contact || contact->answered)
		return false;
	contacts->hosts.heard = true;
	if (answer == ANSWER_REFUSED)
		return end_contact(contacts, part, slot, PROBE_REFUSED, probe);
	contacts->counts.answered += !contact->known;
	if (packet->protocol != PROTO_TCP) {
		pending_remove(&contacts->pending, part, slot);
		return false;
	}
	contact->answered = true;
	contact->answer = packet->seq;
	return false;
}

/* Of an error that a packet met on its way: is its destination out of reach, or did somebody there refuse it? */
static bool out_of_reach(const struct packet *about, uint8_t code)
{
	if (addr_is_v4(&about->src)) /* RFC 792, 1122, 1812 */
		return code != 2 && code != 3 && code != 9 && code != 10 && code != 13;
	return code == 0 || code == 3; /* RFC 4443: no route, address unreachable */
}

bool contacts_unreachable(struct contacts *contacts, const struct packet *about, uint8_t code, int64_t now_ms,
			  struct probe *probe)
{
	const struct contact_key key = key_of(&about->src, &about->dst, about->protocol, about->dport);
	struct part *part;
	uint32_t slot;

	if (out_of_reach(about, code))
		hosts_failed(&contacts->hosts, &about->dst, now_ms);
	if (!pending_find(&contacts->pending, &key, &part, &slot))
		return false;
	contacts->hosts.heard = true;
	return end_contact(contacts, part, slot, out_of_reach(about, code) ? PROBE_DARK : PROBE_REFUSED, probe);
}

/* ---- silence ---- */

static uint32_t first_due(const struct part *part, int64_t now_ms)
{
	uint32_t slot = part->contact_pool.oldest;

	return slot != POOL_NONE && now_ms - part->contacts[slot].at_ms >= CONTACT_WAIT_MS ? slot : POOL_NONE;
}

/* What silence tells: nothing where answers do not come by, nor from a host that is there about a datagram, which many
 * services never answer. */
static enum probe_outcome silence_of(struct contacts *contacts, const struct packet *packet, int64_t now_ms)
{
	if (hosts_one_sided(&contacts->hosts))
		return PROBE_PENDING;
	if (!hosts_is_alive(&contacts->hosts, &packet->dst, now_ms)) {
		hosts_was_silent(&contacts->hosts, &packet->dst);
		return PROBE_DARK;
	}
	return packet->protocol == PROTO_UDP ? PROBE_PENDING : PROBE_SILENT;
}

static bool end_silent(struct contacts *contacts, struct part *part, uint32_t slot, int64_t now_ms, struct probe *probe)
{
	const struct contact *contact = &part->contacts[slot];
	enum probe_outcome outcome = PROBE_PENDING;

	if (!contact->known && !contact->answered) {
		outcome = silence_of(contacts, &contact->packet, now_ms);
		contacts->counts.worth_nothing += outcome == PROBE_PENDING;
	}
	if (outcome != PROBE_PENDING)
		return end_contact(contacts, part, slot, outcome, probe);
	pending_remove(&contacts->pending, part, slot);
	return false;
}

bool contacts_due(struct contacts *contacts, int64_t now_ms, struct probe *probe)
{
	struct part *parts[] = { &contacts->pending.adverse, &contacts->pending.newcomers };

	for (unsigned i = 0; i < 2; i++) {
		for (uint32_t slot = first_due(parts[i], now_ms); slot != POOL_NONE; slot = first_due(parts[i], now_ms))
			if (end_silent(contacts, parts[i], slot, now_ms, probe))
				return true;
	}
	return false;
}

int64_t contacts_due_ms(const struct contacts *contacts)
{
	const struct part *parts[] = { &contacts->pending.adverse, &contacts->pending.newcomers };
	int64_t due_ms = INT64_MAX;

	for (unsigned i = 0; i < 2; i++) {
		uint32_t slot = parts[i]->contact_pool.oldest;

		if (slot != POOL_NONE && parts[i]->contacts[slot].at_ms + CONTACT_WAIT_MS < due_ms)
			due_ms = parts[i]->contacts[slot].at_ms + CONTACT_WAIT_MS;
	}
	return due_ms;
}

/* ---- what is known, told and restored ---- */

void contacts_dark(struct contacts *contacts, const struct addr *host, int64_t now_ms)
{
	hosts_failed(&contacts->hosts, host, now_ms);
}

uint32_t contacts_services(const struct contacts *contacts, uint32_t cursor, struct contact_service *out, size_t max,
			   size_t *count)
{
	const struct hosts *hosts = &contacts->hosts;
	const struct pool *services = &hosts->service_pool, *alive = &hosts->host_pool;

	*count = 0;
	for (; cursor < services->high + alive->high; cursor++) {
		uint32_t at = cursor < services->high ? cursor : cursor - services->high;

		if (!(cursor < services->high ? services : alive)->links[at].used)
			continue;
		if (*count == max)
			return cursor;
		if (cursor < services->high)
			out[*count] = (struct contact_service){ .host = hosts->services[at].key.host,
								.port = hosts->services[at].key.port,
								.protocol = hosts->services[at].key.protocol,
								.since_ms = hosts->services[at].since_ms,
								.last_ms = hosts->services[at].last_ms };
		else
			out[*count] = (struct contact_service){ .host = hosts->alive[at].addr,
								.since_ms = hosts->alive[at].since_ms,
								.last_ms = hosts->alive[at].last_ms };
		++*count;
	}
	return 0;
}

void contacts_restore(struct contacts *contacts, const struct contact_service *service, int64_t now_ms)
{
	int64_t last_ms = service->last_ms < now_ms ? service->last_ms : now_ms;

	hosts_note(&contacts->hosts, &service->host, service->protocol, service->port, service->port > 0, last_ms);
}

void contacts_status(const struct contacts *contacts, struct contacts_status *out)
{
	*out = contacts->counts;
	out->adverse = contacts->pending.adverse.contact_pool.count;
	out->pending = contacts->pending.newcomers.contact_pool.count + out->adverse;
	out->sources = contacts->pending.newcomers.asker_pool.count + contacts->pending.adverse.asker_pool.count;
	out->hosts = contacts->hosts.host_pool.count;
	out->dark = contacts->hosts.dark_pool.count;
	out->services = contacts->hosts.service_pool.count;
	out->displaced = contacts->pending.displaced;
	out->turned_away = contacts->pending.turned_away;
	out->forgotten = contacts->hosts.forgotten;
	out->one_sided = hosts_one_sided(&contacts->hosts);
}
