/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of sources.  The engine forgets: scores decay, blocks end, a full table lets sources go.  A report is
 * about all of the capture, so the highest of each is kept here.  Bounded: sources, the hosts and ports listed of each,
 * and those counted in all.
 */
#include "internal.h"

#include <string.h>

/* A host has port 0 and protocol 0; a port has no address. */
struct distinct {
	struct addr host;
	uint32_t source;
	uint16_t port;
	uint8_t protocol, is_port;
};

bool replay_sources_init(struct replay_sources *sources, const struct hash_key *hash)
{
	*sources = (struct replay_sources){ .used = { .count = 0 } };
	return replay_table_init(&sources->table, REPLAY_SOURCES_MAX, sizeof(struct replay_source_key),
				 sizeof(struct replay_source), hash) &&
	       replay_table_init(&sources->distinct, REPLAY_DISTINCT_MAX, sizeof(struct distinct),
				 sizeof(struct distinct), hash);
}

void replay_sources_free(struct replay_sources *sources)
{
	replay_table_free(&sources->table);
	replay_table_free(&sources->distinct);
}

static void note_len(struct replay_lens *lens, uint8_t len)
{
	size_t at = lens->count;

	if (memchr(lens->items, len, lens->count))
		return;
	for (; at > 0 && lens->items[at - 1] < len; at--)
		lens->items[at] = lens->items[at - 1];
	lens->items[at] = len;
	lens->count++;
}

static struct replay_source *find_within(const struct replay_sources *sources, const struct addr *addr, uint8_t len)
{
	const struct replay_source_key key = { .addr = prefix_of(addr, len).addr, .len = len };

	return replay_table_find(&sources->table, &key);
}

struct replay_source *replay_sources_find(const struct replay_sources *sources, const struct addr *addr)
{
	struct replay_source *source = NULL;

	for (size_t i = 0; i < sources->used.count && !source; i++)
		source = find_within(sources, addr, sources->used.items[i]);
	return source;
}

enum grade replay_sources_standing(const struct replay_sources *sources, const struct addr *addr, int64_t now_ms)
{
	enum grade strictest = GRADE_NONE;

	for (size_t i = 0; i < sources->stood.count; i++) {
		const struct replay_source *source = find_within(sources, addr, sources->stood.items[i]);

		if (source && source->stands_until_ms > now_ms && source->stands > strictest)
			strictest = (enum grade)source->stands;
	}
	return strictest;
}

/* limit: a new source is taken only below it.  Probes leave a quarter to sources that were decided on, so that a flood
 * of forged addresses cannot keep a real scanner out of the report. */
#define LIMIT_PROBES (REPLAY_SOURCES_MAX / 4 * 3)

static struct replay_source *add(struct replay_sources *sources, const struct prefix *prefix, size_t limit,
				 uint64_t number, int64_t at_ms)
{
	const struct replay_source_key key = { .addr = prefix->addr, .len = prefix->len };
	struct replay_source *source = replay_table_find(&sources->table, &key);

	if (!source && sources->table.count >= limit) {
		sources->table.dropped++;
		return NULL;
	}
	if (!source)
		source = replay_table_add(&sources->table, &key);
	if (source && !source->first_packet) {
		note_len(&sources->used, prefix->len);
		source->first_packet = number;
		source->first_ms = at_ms;
	}
	return source;
}

/* True when the pair was not there before. */
static bool is_new(struct replay_sources *sources, struct replay_source *source, const struct distinct *pair)
{
	size_t before = sources->distinct.count;

	if (!replay_table_add(&sources->distinct, pair))
		source->count_cut = true;
	return sources->distinct.count > before;
}

static void note_target(struct replay_sources *sources, struct replay_source *source, const struct packet *p)
{
	uint32_t number = (uint32_t)((size_t)((uint8_t *)source - sources->table.entries) / sources->table.entry_size);
	struct distinct host = { .host = p->dst, .source = number };
	struct distinct port = { .source = number, .port = p->dport, .protocol = p->protocol, .is_port = 1 };

	/* Most probes go to the host of the one before: no need to look that up. */
	if (!(source->host_count && addr_equal(&p->dst, &source->last_host)) && is_new(sources, source, &host)) {
		source->host_count++;
		if (source->host_listed < REPLAY_HOSTS_LISTED)
			source->hosts[source->host_listed++] = p->dst;
	}
	source->last_host = p->dst;
	if (p->dport && is_new(sources, source, &port)) {
		source->port_count++;
		if (source->port_listed < REPLAY_PORTS_LISTED)
			source->ports[source->port_listed++] = p->dport;
	}
}

void replay_sources_probe(struct replay_sources *sources, const struct source_view *view,
			  const struct replay_packet *in, const struct packet *p, bool dropped)
{
	struct replay_source *source;
	int32_t score;

	if (view->grade == GRADE_NONE)
		return; /* the engine knows nothing of it */
	source = add(sources, &view->source, LIMIT_PROBES, in->number, in->at_ms);
	if (!source)
		return;
	source->probes++;
	source->last_ms = in->at_ms;
	source->dropped += dropped;
	source->kinds |= view->kinds;
	if (view->tool)
		source->tool = view->tool;
	if (view->incident)
		source->incident = view->incident;
	note_target(sources, source, p);
	score = view->confirmed_mn + view->suspected_mn + view->fast_mn;
	source->evidence |= score > 0 || view->kinds;
	if (view->confirmed_mn > source->confirmed_mn)
		source->confirmed_mn = view->confirmed_mn;
	/* The score up to the decision counts: what comes after it tells how persistent a source is, not how plain. */
	if (score >= source->peak_mn && (source->stands < GRADE_VEIL || source->stands_until_ms <= in->at_ms)) {
		source->peak_mn = score;
		source->peak = *view;
	}
}

static void note_event(struct replay_sources *sources, const struct event *event, uint64_t packet_number,
		       int64_t now_ms)
{
	struct replay_source *source;

	if (event->type != EVENT_ALERT && !event_is_beginning(event) && event->type != EVENT_EXEMPT)
		return;
	if (!event->source.len)
		return; /* a distributed scan */
	source = add(sources, &event->source, REPLAY_SOURCES_MAX, packet_number, now_ms);
	if (!source)
		return;
	source->evidence = true;
	source->kinds |= event->kinds;
	if (event->type == EVENT_EXEMPT) {
		memcpy(source->exempt, event->text, sizeof(source->exempt));
		return;
	}
	if (event->incident)
		source->incident = event->incident;
	if (event->grade <= source->grade)
		return;
	source->grade = event->grade;
	source->deciding_packet = packet_number;
	source->deciding_probes = source->probes;
	if (source->probes < event->probes) { /* no room while it was only watched, or several became one */
		source->deciding_probes = event->probes;
		source->count_cut = true;
	}
	source->event = *event;
	if (event->tool)
		source->tool = event->tool;
}

void replay_sources_act(struct replay_sources *sources, const struct action *action, uint64_t packet_number,
			int64_t now_ms)
{
	const struct replay_source_key key = { .addr = action->source.addr, .len = action->source.len };
	struct replay_source *source;

	if (action->type == ACTION_EVENT) {
		note_event(sources, &action->event, packet_number, now_ms);
		return;
	}
	source = replay_table_find(&sources->table, &key);
	if (!source && action->type == ACTION_ADD)
		source = add(sources, &action->source, REPLAY_SOURCES_MAX, packet_number, now_ms);
	if (!source)
		return;
	source->stands_until_ms = action->type == ACTION_ADD ? now_ms + action->duration_ms : 0;
	source->stands = action->type == ACTION_ADD ? (uint8_t)action->grade : GRADE_NONE;
	note_len(&sources->stood, source->key.len);
}
