/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts a probe against its source: judges it, weighs it by the source's past, shares it among decoys and adds it
 * to the source's evidence.  The consequences are decided in decide.c.
 */
#include "internal.h"
#include "evidence/evidence.h"

#define RETRY_MS 500 /* a program that comes back after so long means it */

static uint16_t tag_of(const struct engine *engine, const struct addr *host)
{
	return (uint16_t)hash_bytes(&engine->key, host->b, sizeof(host->b));
}

/* Probes of ports that are or were served prove nothing, nor do those of popular dead ports. */
static bool proves_nothing(struct engine *engine, const struct probe *probe, const struct finding *finding,
			   enum evidence_tool mark, const struct prefix *key)
{
	const struct packet *p = &probe->packet;

	if (!finding->service)
		return false;
	if (probe->port_state == PROBE_PORT_SERVED || served_is(engine->served, p->protocol, p->dport, engine->now_ms))
		return true;
	if (probe->port_state != PROBE_PORT_CLOSED || mark != TOOL_NONE ||
	    !popularity_is(engine->popularity, p->protocol, p->dport, engine->now_ms))
		return false;
	popularity_note(engine->popularity, p->protocol, p->dport, key, engine->now_ms);
	return true;
}

static void note_retry(struct engine *engine, const struct source *source, const struct probe *probe,
		       const struct finding *finding)
{
	engine->counts.duplicates++;
	if ((finding->kind == EVIDENCE_SYN || finding->kind == EVIDENCE_UDP) &&
	    probe->port_state == PROBE_PORT_CLOSED && engine->now_ms - source->updated_ms >= RETRY_MS &&
	    weigh_is_alone(source, finding->kind, finding->port))
		popularity_note(engine->popularity, probe->packet.protocol, finding->port, &source->key,
				engine->now_ms);
}

static void write_piece(struct engine *engine, struct source *source, enum evidence_kind kind, uint16_t port,
			uint16_t host_tag, uint8_t weight)
{
	struct evidence piece = {
		.at_s = (uint32_t)(engine->now_ms / 1000),
		.port = port,
		.host_tag = host_tag,
		.weight = weight,
		.kind = (uint8_t)kind,
	};

	if (source->first_s == 0)
		source->first_s = piece.at_s;
	source->kinds |= 1u << kind;
	score_add(source, &piece, engine->now_ms, engine->config.slow_half_life_ms);
	if (weight == 0)
		return;
	engine->counts.evidence[kind]++;
	engine->counts.evidence_total++;
	if (kind != EVIDENCE_MARK && source->probes < UINT16_MAX)
		source->probes++;
}

static void end_grace(struct engine *engine, struct source *source)
{
	for (int i = 0; i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE; i++) {
		const struct evidence *piece = &source->pieces[i];
		uint8_t weight = weigh_without_grace(piece);

		if (weight == piece->weight)
			continue;
		engine->counts.evidence[piece->kind]++;
		engine->counts.evidence_total++;
		if (source->probes < UINT16_MAX)
			source->probes++;
		score_reweigh(source, i, weight, engine->now_ms, engine->config.slow_half_life_ms);
	}
}

/* Another sender of the same probe has turned up: each earlier one now answers for a smaller share of it, and of the
 * mark that it bore. */
static void share_with(struct engine *engine, struct source *source, const struct evidence *newest, unsigned sharers)
{
	for (int i = 0; i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE; i++) {
		const struct evidence *piece = &source->pieces[i];
		bool same = piece->kind == newest->kind && piece->port == newest->port &&
			    piece->host_tag == newest->host_tag;

		if ((same || piece->kind == EVIDENCE_MARK) && newest->at_s - piece->at_s <= 1)
			score_reweigh(source, i, decoys_share(piece->weight, sharers - 1, sharers), engine->now_ms,
				      engine->config.slow_half_life_ms);
	}
}

/* All senders of the same probe belong to one incident; the share of the earlier ones shrinks. */
static void join_decoys(struct engine *engine, struct source *source, const struct decoy_sharers *sharers)
{
	const struct evidence newest = source->pieces[0].kind == EVIDENCE_MARK ? source->pieces[1] : source->pieces[0];

	engine->counts.exempt_decoy++;
	for (unsigned i = 0; i + 1 < sharers->count; i++) {
		struct source *other = sources_find(engine->sources, &sharers->keys[i]);

		if (!other || other == source)
			continue;
		if (other->incident == 0)
			other->incident = incidents_begin(&engine->incidents);
		if (source->incident == 0) {
			source->incident = other->incident;
			incidents_join(&engine->incidents, source->incident);
		}
		if (sharers->grew)
			share_with(engine, other, &newest, sharers->count);
		engine_rank(engine, other);
	}
}

static void note_sweep(struct engine *engine, const struct source *source, const struct finding *finding)
{
	unsigned tried = 0;

	for (int i = 0; i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE; i++)
		tried += source->pieces[i].kind != EVIDENCE_MARK;
	if (tried <= 2 && (judge_group(finding->kind) == GROUP_CONNECT || judge_group(finding->kind) == GROUP_UDP ||
			   judge_group(finding->kind) == GROUP_FLAGS))
		sweep_note(engine->sweep, &source->key, finding->port, engine->now_ms);
}

static bool shows(const struct source *source, uint8_t kind)
{
	for (int i = 0; i < SOURCE_PIECES; i++)
		if (source->pieces[i].kind == kind)
			return true;
	for (int i = 0; i < SOURCE_OLDER; i++)
		if (source->older[i].kind == kind)
			return true;
	return false;
}

/* A handshake replaces its own SYN, which was the same probe and must not be counted beside it. */
static void drop_replaced(struct engine *engine, struct source *source, int at)
{
	struct evidence gone = source->pieces[at];

	score_remove(source, at, engine->now_ms, engine->config.slow_half_life_ms);
	if (gone.weight > 0 && source->probes > 0)
		source->probes--;
	if (!shows(source, gone.kind))
		source->kinds &= ~(1u << gone.kind);
}

/* Everything about the finding goes into the source's entry. */
static void write_down(struct engine *engine, struct source *source, const struct probe *probe,
		       const struct finding *finding, const struct weighing *w, enum evidence_tool mark)
{
	struct decoy_sharers sharers = { .count = 1 };
	uint16_t host_tag = tag_of(engine, &probe->packet.dst);

	if (w->replaces >= 0)
		drop_replaced(engine, source, w->replaces);
	if (probe->trap == PROBE_TRAP_NONE)
		sharers = decoys_see(engine->decoys, &probe->packet, &source->key, engine->now_ms);
	write_piece(engine, source, finding->kind, finding->port, host_tag, decoys_share(w->weight, 1, sharers.count));
	if (mark != TOOL_NONE && source->tool == TOOL_NONE && w->weight > 0) {
		source->tool = (uint8_t)mark;
		write_piece(engine, source, EVIDENCE_MARK, 0, 0, decoys_share(WEIGHT_MARK, 1, sharers.count));
	}
	if (w->grace_over)
		end_grace(engine, source);
	if (sharers.count > 1)
		join_decoys(engine, source, &sharers);
	note_sweep(engine, source, finding);
}

void engine_count(struct engine *engine, const struct probe *probe, const struct prefix *key, struct actions *actions)
{
	struct finding finding = judge_probe(probe);
	enum evidence_tool mark = probe->trap == PROBE_TRAP_NONE ? judge_mark(&probe->packet) : TOOL_NONE;
	struct source *source;
	struct weighing w;
	double confirmed;

	if (finding.kind == EVIDENCE_NONE || proves_nothing(engine, probe, &finding, mark, key))
		return;
	source = sources_find(engine->sources, key);
	confirmed = source ? engine_score(engine, source).confirmed : 0;
	w = weigh(source, &finding, tag_of(engine, &probe->packet.dst),
		  mark != TOOL_NONE || (source && source->tool != TOOL_NONE), confirmed, engine->now_ms);
	if (w.duplicate) {
		note_retry(engine, source, probe, &finding);
		return;
	}
	if (!source)
		source = sources_add(engine->sources, key);
	if (!source) {
		engine->counts.dropped++;
		return;
	}
	engine_settle(engine, source);
	write_down(engine, source, probe, &finding, &w, mark);
	engine_rank(engine, source);
	if (w.weight > 0 || w.grace_over)
		engine_decide(engine, source, &probe->packet.src, actions);
}
