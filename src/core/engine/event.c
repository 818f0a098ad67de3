/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes events and actions, the block that an event tells of, and the numbers of incidents.  An event carries
 * everything that a log line, a hook, a row of the history or the row of a live block needs.
 */
#include "internal.h"

#include <math.h>
#include <string.h>

#include <picket/describe.h>

int32_t engine_millinats(double nats)
{
	double mn = floor(nats * 1000.0 + 0.5);

	return mn > INT32_MAX ? INT32_MAX : mn < 0 ? 0 : (int32_t)mn;
}

bool engine_has_room(const struct actions *actions, size_t n)
{
	return actions->count + n <= ENGINE_ACTIONS_MAX;
}

void engine_tell(struct actions *actions, const struct event *event)
{
	if (engine_has_room(actions, 1))
		actions->items[actions->count++] = (struct action){ .type = ACTION_EVENT,
								    .source = event->source,
								    .grade = (enum grade)event->grade,
								    .event = *event };
}

void engine_order(struct actions *actions, enum action_type type, enum grade grade, const struct prefix *source,
		  int64_t duration_ms)
{
	struct action *action;

	if (!engine_has_room(actions, 1))
		return;
	action = &actions->items[actions->count++];
	action->type = type;
	action->grade = grade;
	action->source = *source;
	action->duration_ms = duration_ms;
}

void event_text(struct event *event, const char *text)
{
	struct writer w = writer_over(event->text, sizeof(event->text));

	writer_text(&w, text);
}

uint32_t incidents_begin(struct incidents *incidents)
{
	uint32_t id = ++incidents->last;

	if (id == 0)
		id = incidents->last = 1;
	incidents->sizes[id % ENGINE_INCIDENT_SIZES].id = id;
	incidents->sizes[id % ENGINE_INCIDENT_SIZES].sources = 1;
	return id;
}

void incidents_join(struct incidents *incidents, uint32_t id)
{
	if (incidents->sizes[id % ENGINE_INCIDENT_SIZES].id == id &&
	    incidents->sizes[id % ENGINE_INCIDENT_SIZES].sources < UINT16_MAX)
		incidents->sizes[id % ENGINE_INCIDENT_SIZES].sources++;
}

/* At least 1; exact for the newest 1,024. */
static uint16_t incidents_sources(const struct incidents *incidents, uint32_t id)
{
	return incidents->sizes[id % ENGINE_INCIDENT_SIZES].id == id && id
		       ? incidents->sizes[id % ENGINE_INCIDENT_SIZES].sources
		       : 1;
}

void incidents_taken(struct incidents *incidents, uint32_t id)
{
	/* A number far above everything would leave none: it comes from a file. */
	if (id > incidents->last && id < UINT32_MAX / 2)
		incidents->last = id;
}

static void add_piece(struct event *event, const struct evidence *piece)
{
	bool new_port = evidence_protocol(piece->kind) != 0, new_host = piece->kind != EVIDENCE_MARK;

	for (unsigned i = 0; i < event->piece_count; i++) {
		const struct evidence *other = &event->pieces[i];

		if (evidence_protocol(other->kind) && other->port == piece->port)
			new_port = false;
		if (other->kind != EVIDENCE_MARK && evidence_same_host(other, piece))
			new_host = false;
	}
	event->ports += new_port;
	event->hosts += new_host;
	event->pieces[event->piece_count++] = *piece;
}

struct event engine_event(const struct engine *engine, const struct source *source, enum event_type type,
			  enum grade grade)
{
	struct score score = engine_score(engine, source);
	double threshold = policy_threshold(&engine->config, grade) * engine_net_factor(source);
	struct event event = {
		.at_ms = engine->now_ms,
		.source = source->key,
		.type = (uint8_t)type,
		.grade = (uint8_t)grade,
		.tool = source->tool,
		.observed = engine->config.observe,
		.times = source->times,
		.incident = source->incident,
		.confirmed_mn = engine_millinats(score.confirmed),
		.suspected_mn = engine_millinats(score.suspected + score.fast),
		.threshold_mn = engine_millinats(threshold),
		.kinds = source->kinds,
		.probes = source->probes,
		.sources = incidents_sources(&engine->incidents, source->incident),
	};

	for (int i = 0; i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE; i++)
		add_piece(&event, &source->pieces[i]);
	return event;
}

struct event engine_end_event(const struct engine *engine, uint32_t slot, enum event_type type)
{
	const struct block *block = blocks_at(engine->blocks, slot);

	return (struct event){
		.at_ms = engine->now_ms,
		.source = *blocks_source(engine->blocks, slot),
		.type = (uint8_t)type,
		.grade = block->grade,
		.tool = block->tool,
		.times = block->times,
		.incident = block->incident,
		.kinds = block->kinds,
		.sources = 1,
	};
}

/* The first ports that were touched, each once: pieces are newest first. */
static void first_ports(const struct event *event, uint16_t ports[4])
{
	unsigned count = 0;

	for (int i = event->piece_count - 1; i >= 0 && count < 4; i--) {
		bool known = event->pieces[i].port == 0;

		for (unsigned j = 0; j < count; j++)
			known |= ports[j] == event->pieces[i].port;
		if (!known)
			ports[count++] = event->pieces[i].port;
	}
}

/* A reason that did not fit must not end in half a number: it ends at a comma, and says that there was more. */
static void end_at_a_whole_item(char reason[ENGINE_REASON_MAX])
{
	size_t end = ENGINE_REASON_MAX - sizeof("...");

	reason[end] = '\0';
	while (end > 0 && reason[end] != ',')
		end--;
	if (end > 0)
		memcpy(reason + end, "...", sizeof("..."));
}

void event_block(const struct event *event, struct block_view *out)
{
	struct writer reason = writer_over(out->reason, sizeof(out->reason));

	*out = (struct block_view){
		.source = event->source,
		.grade = event->grade,
		.times = event->times,
		.tool = event->tool,
		.incident = event->incident,
		.kinds = event->kinds,
		.since_ms = event->at_ms,
		.until_ms = event->duration_ms > 0 ? event->at_ms + event->duration_ms : 0,
	};
	/* An order stands for itself: it has the admin's own words and no ports. */
	if (event->grade == GRADE_BLOCK) {
		writer_text(&reason, event->text);
		return;
	}
	first_ports(event, out->ports);
	describe_reason(&reason, event, NULL);
	if (reason.truncated)
		end_at_a_whole_item(out->reason);
}
