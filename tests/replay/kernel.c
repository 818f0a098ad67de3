/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's rules make of a packet, before and after the engine judges it: the part of docs/ruleset.md that
 * decides what a sender hears.  Queues, sets and conntrack are left out; system tests have the real ones.
 */
#include "play.h"

static bool is_served(const struct step *step)
{
	return step->published || step->probe.port_state == PROBE_PORT_SERVED;
}

static enum veil_target target_of(const struct step *step)
{
	if (is_served(step))
		return VEIL_SERVED;
	if (step->probe.port_state == PROBE_PORT_TRAPPED)
		return VEIL_TRAP;
	return veil_is_tried(step->probe.packet.dport) ? VEIL_TRIED : VEIL_CLOSED;
}

static bool is_syn(const struct step *step)
{
	return step->probe.trap == PROBE_TRAP_NONE && step->probe.packet_result == PACKET_OK &&
	       veil_is_syn(&step->probe.packet);
}

static enum outcome price(struct play *play, const struct step *step)
{
	struct veil_syn syn = veil_syn_of(&step->probe.packet, target_of(step));

	switch (veil_judge(play->veil, &syn, PLAY_EPOCH_MS + play->now_ms)) {
	case VEIL_PASS: return OUTCOME_PASS;
	case VEIL_REFUSE: return OUTCOME_REFUSE;
	default: return OUTCOME_DROP;
	}
}

/* Of a veiled source: passes without a question. */
static bool passes_veil(const struct step *step)
{
	const struct packet *p = &step->probe.packet;
	bool echo = (p->protocol == PROTO_ICMP && p->icmp_type == 8) ||
		    (p->protocol == PROTO_ICMPV6 && p->icmp_type == 128);

	return echo || (p->protocol == PROTO_UDP && is_served(step));
}

static enum grade standing(const struct play *play, const struct addr *source)
{
	struct prefix about = prefix_host(source);
	struct explain_view view;

	engine_explain(play->engine, &about, PLAY_EPOCH_MS + play->now_ms, &view);
	return view.allowed ? GRADE_NONE : (enum grade)view.block.grade;
}

static enum outcome judge(struct play *play, const struct step *step)
{
	switch (engine_probe(play->engine, &step->probe, PLAY_EPOCH_MS + play->now_ms, play->actions)) {
	case VERDICT_ACCEPT: return OUTCOME_PASS;
	case VERDICT_VEIL: return is_syn(step) ? price(play, step) : OUTCOME_DROP;
	default: return OUTCOME_DROP;
	}
}

enum outcome kernel_send(struct play *play, const struct step *step)
{
	enum grade grade = standing(play, &step->probe.packet.src);

	play->actions->count = 0;
	if (behind_watches(play, &step->probe.packet.dst))
		return behind_send(play, step);
	if (step->probe.trap != PROBE_TRAP_NONE) /* not a packet: what a trap tells of a visit, also one under way */
		return judge(play, step);
	if (grade >= GRADE_BAN)
		return OUTCOME_DROP;
	if (grade == GRADE_VEIL) {
		if (is_syn(step) && is_served(step))
			return price(play, step);
		if (is_syn(step) && target_of(step) == VEIL_TRIED)
			return OUTCOME_REFUSE;
		if (passes_veil(step))
			return OUTCOME_PASS;
	}
	return step->published ? OUTCOME_PASS : judge(play, step);
}
