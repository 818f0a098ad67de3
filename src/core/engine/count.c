/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts a probe against its source: judges it, weighs it by the source's past and adds it to the source's evidence.
 * The consequences are decided in decide.c.
 */
#include "internal.h"
#include "evidence/evidence.h"

#define FRESH_ACKS     20   /* late packets of one source that are excused after a fresh start */
#define KIN_PORT       1024 /* from here on kin may meet closed ports */
#define KIN_MINUTE_MAX 3
#define KIN_DAY_MAX    12

/* One of our addresses, in 16 bits.  The same after a restart, so that nothing is counted twice for it; no secret: a
 * sender does not choose our addresses, and two that share a tag merely count as one. */
static uint16_t tag_of(struct engine *engine, const struct addr *host)
{
	static const struct hash_key key = { 0x7069636b6574, 0x686f737473 };

	if (!addr_equal(&engine->own, host)) {
		engine->own = *host;
		engine->own_tag = (uint16_t)hash_bytes(&key, host->b, sizeof(host->b));
	}
	return engine->own_tag;
}

/* Probes of ports that are or were served prove nothing. */
static bool proves_nothing(const struct engine *engine, const struct probe *probe, const struct finding *finding)
{
	const struct packet *p = &probe->packet;

	if (probe->where != PROBE_LOCAL) /* judged by what came of it */
		return false;
	return finding->service && (probe->port_state == PROBE_PORT_SERVED ||
				    served_is(engine->served, p->protocol, p->dport, engine->now_ms));
}

/* How many pieces that counted nothing the source has shown of these kinds (a bit each), lately. */
static unsigned count_excused(const struct engine *engine, const struct source *source, uint32_t kinds,
			      int64_t within_s)
{
	unsigned count = 0;

	for (int i = 0; source && i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE; i++)
		count += source->pieces[i].weight == 0 && (kinds & (1u << source->pieces[i].kind)) &&
			 engine->now_ms / 1000 - source->pieces[i].at_s < within_s;
	for (int i = 0; source && within_s > 60 && i < SOURCE_OLDER; i++)
		count += kinds & (1u << source->older[i].kind) ? source->older[i].count : 0;
	return count;
}

/*
 * What belongs to a running session of its sender: an FTP server's data connection, the control packets of a call that
 * has ended here, a file transfer's answer.  A few of them, so that having a session is no licence to scan.
 */
static bool is_kin(const struct engine *engine, const struct source *source, const struct probe *probe,
		   const struct finding *finding)
{
	const uint32_t kinds = 1u << EVIDENCE_SYN | 1u << EVIDENCE_UDP;

	return probe->kin && probe->trap == PROBE_TRAP_NONE && finding->port >= KIN_PORT &&
	       (kinds & (1u << finding->kind)) && count_excused(engine, source, kinds, 60) < KIN_MINUTE_MAX &&
	       count_excused(engine, source, kinds, DAY_MS / 1000) < KIN_DAY_MAX;
}

/* A packet of a connection that the kernel has forgotten since the start. */
static bool is_late(const struct engine *engine, const struct source *source, const struct finding *finding)
{
	const uint32_t kinds = 1u << EVIDENCE_ACK | 1u << EVIDENCE_MAIMON;

	return engine->now_ms < engine->fresh_until_ms && (kinds & (1u << finding->kind)) &&
	       count_excused(engine, source, kinds, DAY_MS / 1000) < FRESH_ACKS;
}

void engine_write_piece(struct engine *engine, struct source *source, enum evidence_kind kind, uint16_t port,
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
	score_add(source, &piece, engine->now_ms, &engine->decay);
	if (weight == 0)
		return;
	if (kind != EVIDENCE_MARK && source->probes < UINT16_MAX)
		source->probes++;
	if (source->net) /* counted of its member */
		return;
	engine->counts.evidence[kind]++;
	engine->counts.evidence_total++;
}

static void end_grace(struct engine *engine, struct source *source)
{
	for (int i = 0; i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE; i++) {
		const struct evidence *piece = &source->pieces[i];
		uint8_t weight = piece->weight > 0 ? piece->weight : weigh_without_grace(piece);

		if (weight == piece->weight)
			continue;
		engine->counts.evidence[piece->kind]++;
		engine->counts.evidence_total++;
		if (source->probes < UINT16_MAX)
			source->probes++;
		score_reweigh(source, i, weight, engine->now_ms, &engine->decay);
	}
}

/* All senders of the same probe belong to one incident. */
static void join_decoys(struct engine *engine, struct source *source, const struct decoy_sharers *sharers)
{
	engine->counts.decoys++;
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
	}
}

static void note_sweep(struct engine *engine, const struct source *source, const struct finding *finding)
{
	unsigned tried = 0;

	for (int i = 0; i < SOURCE_PIECES && tried <= 2 && source->pieces[i].kind != EVIDENCE_NONE; i++)
		tried += source->pieces[i].kind != EVIDENCE_MARK;
	if (tried <= 2 && (judge_group(finding->kind) == GROUP_CONNECT || judge_group(finding->kind) == GROUP_UDP ||
			   judge_group(finding->kind) == GROUP_FLAGS))
		sweep_note(engine->sweep, source->hash, finding->port, engine->now_ms);
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

	score_remove(source, at, engine->now_ms, &engine->decay);
	if (gone.weight > 0 && source->probes > 0)
		source->probes--;
	if (!shows(source, gone.kind))
		source->kinds &= ~(1u << gone.kind);
}

/* Everything about the finding goes into the source's entry. */
static void write_down(struct engine *engine, struct source *source, const struct probe *probe,
		       const struct finding *finding, uint16_t host_tag, const struct weighing *w,
		       enum evidence_tool mark)
{
	const struct decoy_sharers *sharers = NULL;

	if (w->replaces >= 0)
		drop_replaced(engine, source, w->replaces);
	if (probe->trap == PROBE_TRAP_NONE)
		sharers = decoys_see(engine->decoys, &probe->packet, &source->key, engine->now_ms);
	engine_write_piece(engine, source, finding->kind, finding->port, host_tag, w->weight);
	if (probe->trap != PROBE_TRAP_NONE)
		trap_family_note(&source->visited, trap_family(finding->port), engine->now_ms);
	if (mark != TOOL_NONE && source->tool == TOOL_NONE && w->weight > 0) {
		source->tool = (uint8_t)mark & 15;
		engine_write_piece(engine, source, EVIDENCE_MARK, 0, 0, WEIGHT_MARK);
	}
	if (w->grace_over && w->forgiven)
		end_grace(engine, source);
	if (sharers)
		join_decoys(engine, source, sharers);
	note_sweep(engine, source, finding);
}

#define SUCCESSES_MAX 3 /* that speak for a source within a day */

/* A contact of a host of others succeeded: as much as that speaks for its source, the newest failure is taken back. */
static void take_back(struct engine *engine, const struct engine_sender *sender)
{
	const uint32_t kinds = 1u << EVIDENCE_SYN | 1u << EVIDENCE_UDP;
	struct source *source = sources_find(engine->sources, &sender->key);

	if (!source || count_excused(engine, source, kinds, DAY_MS / 1000) >= SUCCESSES_MAX)
		return;
	for (int i = 0; i < SOURCE_PIECES && source->pieces[i].kind != EVIDENCE_NONE; i++) {
		if (source->pieces[i].weight == 0 || !(kinds & 1u << source->pieces[i].kind))
			continue;
		score_reweigh(source, i, 0, engine->now_ms, &engine->decay);
		source->probes -= source->probes > 0;
		engine_rank(engine, source);
		return;
	}
}

bool engine_count(struct engine *engine, const struct probe *probe, struct engine_sender *sender,
		  struct actions *actions)
{
	struct finding finding = judge_probe(probe);
	enum evidence_tool mark;
	uint32_t hash;
	uint16_t host_tag;
	struct source *source;
	struct weighing w;
	struct score score;

	if (probe->where != PROBE_LOCAL && probe->outcome == PROBE_ANSWERED)
		take_back(engine, sender);
	if (finding.kind == EVIDENCE_NONE || proves_nothing(engine, probe, &finding))
		return false;
	hash = prefix_hashes_of(&sender->hashes, sender->key.len);
	mark = probe->trap == PROBE_TRAP_NONE ? judge_mark(&probe->packet) : TOOL_NONE;
	host_tag = weigh_tag(&finding, tag_of(engine, &probe->packet.dst));
	source = sources_find_hashed(engine->sources, &sender->key, hash);
	if (source)
		sources_prefetch_rank(engine->sources, source);
	w = weigh(source, &finding, host_tag, mark != TOOL_NONE || (source && source->tool != TOOL_NONE),
		  engine->now_ms);
	if (w.duplicate) {
		engine->counts.duplicates++;
		return true;
	}
	if (is_kin(engine, source, probe, &finding) || is_late(engine, source, &finding)) {
		w.weight = 0;
		w.grace_over = false;
	}
	if (!source) {
		source = sources_add_hashed(engine->sources, &sender->key, hash);
		if (source)
			engine_recall(engine, source, sender->own);
	}
	if (!source) {
		engine->counts.dropped++;
		return true;
	}
	engine_settle(engine, source, sender->own);
	write_down(engine, source, probe, &finding, host_tag, &w, mark);
	score = engine_score(engine, source);
	engine_rank_by(engine, source, sender->own, &score);
	if (w.weight > 0 || w.grace_over)
		engine_decide(engine, source, sender, &score, actions);
	/* Who is suspected by itself answers for itself. */
	if (w.weight > 0 && score_total(&score) < engine->config.alert)
		engine_feed_nets(engine, sender, probe, &finding, host_tag, actions);
	return true;
}
