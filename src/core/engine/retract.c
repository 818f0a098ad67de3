/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Retracts evidence.  When a port turns out to be served, the packets that tried it before were no probes: they came
 * from clients of a service that starts later than the host, moves here with its address, or was just installed.
 * Blocks that rest on nothing but such evidence end.  Only a socket of our own can cause this, never a sender.
 *
 * Each tick looks at a bounded number of sources; a port that is reported meanwhile makes the walk begin again.
 */
#include "internal.h"

#define RETRACT_STEP 16384 /* entries looked at in one tick */

static int row_of(uint8_t protocol)
{
	static const uint8_t protocols[ENGINE_RETRACT_PROTOCOLS] = { PROTO_TCP, PROTO_UDP, PROTO_SCTP };

	for (int i = 0; i < ENGINE_RETRACT_PROTOCOLS; i++) {
		if (protocols[i] == protocol)
			return i;
	}
	return -1;
}

void engine_note_served(struct engine *engine, uint8_t protocol, uint16_t port, int64_t at_ms)
{
	int row = row_of(protocol);

	if (row >= 0 && !served_is(engine->served, protocol, port, engine->now_ms) &&
	    sources_count(engine->sources) > 0) {
		engine->retract.ports[row][port / 8] |= (uint8_t)(1u << port % 8);
		engine->retract.left = sources_max(engine->sources);
	}
	served_note(engine->served, protocol, port, at_ms);
}

static bool is_retracted(const struct engine *engine, const struct evidence *piece)
{
	int row;

	switch (judge_group(piece->kind)) {
	case GROUP_CONNECT:
	case GROUP_ACK: row = row_of(PROTO_TCP); break;
	case GROUP_UDP: row = row_of(PROTO_UDP); break;
	case GROUP_SCTP: row = row_of(PROTO_SCTP); break;
	default: return false;
	}
	return engine->retract.ports[row][piece->port / 8] & (1u << piece->port % 8);
}

static bool retract(struct engine *engine, struct source *source)
{
	bool any = false;

	for (int i = 0; i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE;) {
		if (!is_retracted(engine, &source->pieces[i])) {
			i++;
			continue;
		}
		any = true;
		if (source->pieces[i].weight > 0 && source->probes > 0)
			source->probes--;
		score_remove(source, i, engine->now_ms, engine->config.slow_half_life_ms);
	}
	return any;
}

/* What stood on the evidence that is gone. */
static void reconsider(struct engine *engine, struct source *source, struct actions *actions)
{
	struct score score = engine_score(engine, source);
	uint32_t slot = blocks_find(engine->blocks, &source->key);

	if (slot != BLOCKS_NONE) {
		enum grade grade = (enum grade)blocks_at(engine->blocks, slot)->grade;

		if (grade != GRADE_BLOCK && policy_grade(&engine->config, &score) < grade)
			engine_lift(engine, slot, "the ports it tried are served now", actions);
	} else if (source->grade > GRADE_WATCH && policy_grade(&engine->config, &score) < GRADE_ALERT) {
		source->grade = GRADE_WATCH;
	}
	engine_rank(engine, source);
}

void engine_retract(struct engine *engine, struct actions *actions)
{
	uint32_t max = sources_max(engine->sources);

	/* Lifting a block takes two orders and an event. */
	for (unsigned step = 0; step < RETRACT_STEP && engine->retract.left > 0 && engine_has_room(actions, 4);
	     step++) {
		struct source *source = sources_at(engine->sources, max - engine->retract.left--);

		if (source && retract(engine, source))
			reconsider(engine, source, actions);
		if (engine->retract.left == 0)
			engine->retract = (struct engine_retract){ .left = 0 };
	}
}
