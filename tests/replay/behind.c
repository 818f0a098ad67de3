/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts of others: which there are, what they answer, and what the memory of first contacts makes of it.  An answer
 * comes in the same moment.  A source that stands at a veil or above reaches nothing behind but what it is let in to.
 */
#include "play.h"

#include <stdlib.h>
#include <string.h>

static int64_t now(const struct play *play)
{
	return PLAY_EPOCH_MS + play->now_ms;
}

/* ---- who is there ---- */

bool behind_watches(const struct play *play, const struct addr *addr)
{
	return play->contacts && prefix_contains(&play->watched, addr);
}

static const struct behind_host *host_of(const struct play *play, const struct addr *addr)
{
	for (size_t i = play->host_count; i-- > 0;)
		if (addr_equal(&play->hosts[i].addr, addr))
			return &play->hosts[i];
	return NULL;
}

static bool is_open(const struct behind_host *host, uint16_t port)
{
	for (size_t i = 0; i < host->port_count; i++)
		if (host->ports[i] == port)
			return true;
	return false;
}

/* watch behind|wire PREFIX */
bool behind_watch(struct play *play, char **words)
{
	struct contacts_config config;
	struct hash_key key = { play->script->seed, ~play->script->seed };
	const char *error;

	if (strcmp(words[1], "behind") != 0 && strcmp(words[1], "wire") != 0)
		return false;
	contacts_config_defaults(&config, strcmp(words[1], "wire") == 0 ? PROBE_WIRE : PROBE_BEHIND);
	contacts_free(play->contacts);
	play->contacts = contacts_new(&config, &key);
	return play->contacts && prefix_parse(words[2], &play->watched, &error);
}

/* host ADDR[+N] PORTS|none refuses|silent: what is not open is refused, or met with silence. */
bool behind_host(struct play *play, char **words)
{
	struct behind_host host = { .silent = strcmp(words[3], "silent") == 0 };
	unsigned count, len;
	struct addr first;
	char *rest = NULL;

	if (!source_read(words[1], &first, &count, &len) || (!host.silent && strcmp(words[3], "refuses") != 0))
		return false;
	for (char *port = strtok_r(words[2], ",", &rest); port && strcmp(port, "none") != 0;
	     port = strtok_r(NULL, ",", &rest)) {
		if (host.port_count == BEHIND_PORTS_MAX)
			return false;
		host.ports[host.port_count++] = (uint16_t)strtoul(port, NULL, 10);
	}
	for (unsigned i = 0; i < count; i++) {
		if (play->host_count == BEHIND_HOSTS_MAX)
			return false;
		host.addr = source_next(&first, i, len);
		play->hosts[play->host_count++] = host;
	}
	return true;
}

/* answers seen|lost: where routes differ, they do not come by. */
bool behind_answers(struct play *play, char **words)
{
	play->answers_lost = strcmp(words[1], "lost") == 0;
	return play->answers_lost || strcmp(words[1], "seen") == 0;
}

/* failed ADDR[+N]: says the neighbour table. */
bool behind_failed(struct play *play, char **words)
{
	unsigned count, len;
	struct addr first, addr;

	if (!play->contacts || !source_read(words[1], &first, &count, &len))
		return false;
	for (unsigned i = 0; i < count; i++) {
		addr = source_next(&first, i, len);
		contacts_dark(play->contacts, &addr, now(play));
	}
	return true;
}

/* ---- what is sent, and what comes of it ---- */

static void judge(struct play *play, const struct probe *probe)
{
	engine_probe(play->engine, probe, now(play), play->actions);
	play_take(play);
	play_note(play, &probe->packet.src);
}

static enum outcome answer(struct play *play, const struct step *step)
{
	const struct packet *p = &step->probe.packet;
	const struct behind_host *host = host_of(play, &p->dst);
	bool open = host && is_open(host, p->dport);
	struct packet back = { .src = p->dst,
			       .dst = p->src,
			       .protocol = p->protocol,
			       .sport = p->dport,
			       .dport = p->sport,
			       .seq = script_random(play->script),
			       .ack = p->seq + 1 };
	struct packet third = *p;
	struct probe probe;

	if (!host || (!open && host->silent))
		return OUTCOME_DROP;
	if (p->protocol == PROTO_TCP)
		back.tcp_flags = open && !(p->tcp_flags & TCP_ACK) ? TCP_SYN | TCP_ACK : TCP_RST | TCP_ACK;
	else if (p->protocol != PROTO_UDP)
		return OUTCOME_PASS;
	if (play->answers_lost)
		return OUTCOME_PASS;
	if (p->protocol == PROTO_UDP && !open) {
		if (contacts_unreachable(play->contacts, p, addr_is_v4(&p->src) ? 3 : 4, now(play), &probe))
			judge(play, &probe);
		return OUTCOME_PASS;
	}
	if (contacts_answer(play->contacts, &back, now(play), &probe))
		judge(play, &probe);
	if (!step->completes || !open)
		return OUTCOME_PASS;
	third.tcp_flags = TCP_ACK;
	third.ack = back.seq + 1;
	if (contacts_ask(play->contacts, &third, PACKET_OK, now(play), &probe) == CONTACT_TOLD)
		judge(play, &probe);
	return OUTCOME_PASS;
}

enum outcome behind_send(struct play *play, const struct step *step)
{
	struct probe probe;
	enum contact_word word = contacts_ask(play->contacts, &step->probe.packet,
					      (enum packet_result)step->probe.packet_result, now(play), &probe);

	if (word == CONTACT_TOLD)
		judge(play, &probe);
	if (word == CONTACT_WAITS || engine_verdict(play->engine, &step->probe.packet.src) != VERDICT_ACCEPT)
		return OUTCOME_DROP;
	return answer(play, step);
}

void behind_tick(struct play *play)
{
	struct probe probe;

	while (play->contacts && contacts_due(play->contacts, now(play), &probe))
		judge(play, &probe);
}
