/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts behind this one: their first contacts come by one queue, what they answer by another, and what became of each
 * contact is told to the engine.  A packet's verdict is given before its outcome is known, since an answer cannot come
 * otherwise; what a source may not learn any more is held back on the way out.
 */
#include <errno.h>

#include "internal.h"

int sentry_through_configure(struct sentry *sentry)
{
	const bool wanted = sentry->config.rules.gateway.outside_count > 0;
	struct contacts_config config;

	if (!wanted) {
		contacts_free(sentry->behind);
		sentry->behind = NULL;
		return 0;
	}
	if (sentry->behind)
		return 0;
	contacts_config_defaults(&config, PROBE_BEHIND);
	sentry->behind = contacts_new(&config, &sentry->contacts_key);
	return sentry->behind ? 0 : -ENOMEM;
}

static void tell(struct sentry *sentry, const struct probe *probe)
{
	engine_probe(sentry->engine, probe, sentry->now_ms, &sentry->actions);
	sentry_act(sentry);
}

/* A packet of a source with a grade.  A veiled one's SYN has been priced before destination NAT; one that was on its
 * way when the veil began was not, and is now. */
static bool may_ask(struct sentry *sentry, const struct packet *p, const struct nfqueue_packet *queued)
{
	switch (engine_verdict(sentry->engine, &p->src)) {
	case VERDICT_ACCEPT: return true;
	case VERDICT_DROP: return false;
	default: break;
	}
	if (p->protocol != PROTO_TCP)
		return true;
	return sentry_may_pass_veil(sentry, p, queued, VEIL_SERVED);
}

bool sentry_through_ask(struct sentry *sentry, const struct nfqueue_packet *queued)
{
	struct packet p;
	struct probe probe;
	enum packet_result result = packet_parse(queued->data, queued->copied, queued->checksum_ready, &p);
	enum contact_word word;

	sentry->rejected[result]++;
	if (!sentry->engine || !sentry->behind || !packet_is_set(result) || result == PACKET_LATER_FRAGMENT)
		return true;
	word = contacts_ask(sentry->behind, &p, result, sentry->now_ms, &probe);
	if (word == CONTACT_TOLD)
		tell(sentry, &probe);
	if (enforcer_mode(sentry->enforcer) != NFT_BLOCK)
		return true;
	return word != CONTACT_WAITS && may_ask(sentry, &p, queued);
}

/* May the source hear this?  Since when it has a grade decides about answers: what was asked before that, and what
 * refuses it, tells a scanner what is there. */
static bool may_hear(struct sentry *sentry, const struct addr *source, bool refused, int64_t asked_ms)
{
	const struct prefix about = prefix_host(source);
	struct explain_view view;

	if (enforcer_mode(sentry->enforcer) != NFT_BLOCK || engine_verdict(sentry->engine, source) == VERDICT_ACCEPT)
		return true;
	if (refused)
		return false;
	engine_explain(sentry->engine, &about, sentry->now_ms, &view);
	return asked_ms < 0 || asked_ms > view.block.since_ms;
}

bool sentry_through_told(struct sentry *sentry, const struct nfqueue_packet *queued)
{
	struct packet p, about;
	struct probe probe;
	uint8_t code;
	enum packet_result result = packet_parse(queued->data, queued->copied, false, &p);
	int64_t asked_ms;

	if (!sentry->engine || !sentry->behind || result != PACKET_OK)
		return true;
	if (packet_quoted(queued->data, queued->copied, &about, &code)) {
		if (contacts_unreachable(sentry->behind, &about, code, sentry->now_ms, &probe))
			tell(sentry, &probe);
		return may_hear(sentry, &about.src, true, -1);
	}
	asked_ms = contacts_asked_ms(sentry->behind, &p);
	if (contacts_answer(sentry->behind, &p, sentry->now_ms, &probe))
		tell(sentry, &probe);
	return may_hear(sentry, &p.dst, p.protocol == PROTO_TCP && (p.tcp_flags & TCP_RST), asked_ms);
}

void sentry_through_tick(struct sentry *sentry)
{
	struct probe probe;

	while (sentry->behind && contacts_due(sentry->behind, sentry->now_ms, &probe))
		tell(sentry, &probe);
}

int64_t sentry_through_due_ms(const struct sentry *sentry)
{
	return sentry->behind ? contacts_due_ms(sentry->behind) : INT64_MAX;
}
