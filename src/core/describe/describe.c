/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log line of an event, its reason, and its evidence in words.  The lines are a contract (admins and fail2ban match
 * them): the verb, then the address, then how long, then why.  Text that came from a person is escaped; everything else
 * is picket's own vocabulary.
 *
 * The words for the evidence come from the pieces that the event carries and from nothing else.  Where the event says
 * that there were more pieces than it carries, the text says "and N more" instead of passing the part off as the whole.
 * Ports are called closed only where the evidence proves it: an Xmas probe of a served port is evidence as well.
 */
#include <picket/describe.h>
#include <picket/packet.h>

#include <string.h>

#include "duration.h"

/* Items of a sentence: ", " before each but the first. */
struct item_list {
	struct writer *w;
	bool started;
};

/* ---- the evidence: "SYN scan, 5 closed ports (21 ftp, ...), looks like nmap" ---- */

#define BIT(kind) (1u << (kind))

struct port {
	uint16_t number;
	uint8_t protocol;
	bool closed; /* some piece proves it */
};

/* Distinct port numbers, ascending. */
struct ports {
	size_t count;
	struct port items[EVENT_PIECES_MAX];
};

static size_t piece_count(const struct event *event)
{
	return event->piece_count < EVENT_PIECES_MAX ? event->piece_count : EVENT_PIECES_MAX;
}

static void ports_add(struct ports *ports, struct port port)
{
	size_t at = 0;

	while (at < ports->count && ports->items[at].number < port.number)
		at++;
	if (at < ports->count && ports->items[at].number == port.number) {
		ports->items[at].closed |= port.closed;
		return;
	}
	for (size_t i = ports->count; i > at; i--)
		ports->items[i] = ports->items[i - 1];
	ports->items[at] = port;
	ports->count++;
}

/* The ports of all pieces whose kind is in the mask. */
static struct ports collect_ports(const struct event *event, uint32_t mask)
{
	struct ports ports = { .count = 0 };

	for (size_t i = 0; i < piece_count(event); i++) {
		const struct evidence *e = &event->pieces[i];

		if (e->kind < EVIDENCE_KIND_COUNT && (mask & BIT(e->kind)))
			ports_add(&ports, (struct port){ e->port, evidence_protocol((enum evidence_kind)e->kind),
							 evidence_is_closed_port((enum evidence_kind)e->kind) });
	}
	return ports;
}

static uint32_t port_mask(void)
{
	uint32_t mask = 0;

	for (unsigned kind = 0; kind < EVIDENCE_KIND_COUNT; kind++) {
		if (evidence_protocol((enum evidence_kind)kind))
			mask |= BIT(kind);
	}
	return mask;
}

static void item_begin(struct item_list *list)
{
	if (list->started)
		writer_text(list->w, ", ");
	list->started = true;
}

static void write_port_list(struct writer *w, const struct ports *ports, const struct service_names *names, size_t more)
{
	struct item_list list = { .w = w };

	for (size_t i = 0; i < ports->count; i++) {
		const struct port *port = &ports->items[i];
		const char *name = port->protocol ? service_name(names, port->protocol, port->number) : NULL;

		item_begin(&list);
		writer_format(w, "%u", port->number);
		if (name)
			writer_format(w, " %s", name);
	}
	if (more) {
		item_begin(&list);
		writer_format(w, "and %zu more", more);
	}
}

/* How many hosts the pings went to: the event's count where it has no other evidence, else what the pieces show. */
static unsigned swept_hosts(const struct event *event)
{
	unsigned count = 0;

	if ((event->kinds & ~BIT(EVIDENCE_MARK)) == BIT(EVIDENCE_ICMP_ECHO))
		return event->hosts;
	for (size_t i = 0; i < piece_count(event); i++) {
		bool seen = event->pieces[i].kind != EVIDENCE_ICMP_ECHO;

		for (size_t k = 0; k < i && !seen; k++)
			seen = event->pieces[k].kind == EVIDENCE_ICMP_ECHO &&
			       evidence_same_host(&event->pieces[k], &event->pieces[i]);
		count += !seen;
	}
	return count;
}

/* ---- kinds, heaviest first ---- */

/* Kinds that remain to be named, and what their pieces weigh. */
struct ranking {
	uint32_t left;
	unsigned weights[EVIDENCE_KIND_COUNT];
};

static struct ranking rank(uint32_t kinds, const struct evidence *pieces, size_t count)
{
	struct ranking ranking = { .left = kinds & (BIT(EVIDENCE_KIND_COUNT) - 1) & ~BIT(EVIDENCE_NONE) };

	for (size_t i = 0; i < count; i++)
		if (pieces[i].kind < EVIDENCE_KIND_COUNT)
			ranking.weights[pieces[i].kind] += pieces[i].weight;
	return ranking;
}

/* The next kind: the heaviest, of equal ones the first.  Those that only older pieces tell of come last, and
 * EVIDENCE_NONE when none is left. */
static enum evidence_kind next_kind(struct ranking *ranking)
{
	unsigned best = EVIDENCE_NONE;

	for (unsigned kind = EVIDENCE_NONE + 1; kind < EVIDENCE_KIND_COUNT; kind++)
		if ((ranking->left & BIT(kind)) &&
		    (best == EVIDENCE_NONE || ranking->weights[kind] > ranking->weights[best]))
			best = kind;
	ranking->left &= ~BIT(best);
	return (enum evidence_kind)best;
}

void describe_kind_names(struct writer *w, uint32_t kinds, const struct evidence *pieces, size_t count)
{
	struct ranking ranking = rank(kinds, pieces, count);
	const char *separator = "";
	enum evidence_kind kind;

	while ((kind = next_kind(&ranking)) != EVIDENCE_NONE) {
		writer_format(w, "%s%s", separator, evidence_name(kind));
		separator = ",";
	}
}

/* As sentences name the kinds of the mask: a name stands once. */
static void write_kinds(struct item_list *list, const struct event *event, uint32_t mask, bool with_hosts)
{
	struct ranking ranking = rank(mask, event->pieces, piece_count(event));
	enum evidence_kind kind;

	/* UDP to a closed port and to a trap share a name: one item, as heavy as both. */
	if ((ranking.left & BIT(EVIDENCE_UDP)) && (ranking.left & BIT(EVIDENCE_UDP_TRAP))) {
		ranking.left &= ~BIT(EVIDENCE_UDP_TRAP);
		ranking.weights[EVIDENCE_UDP] += ranking.weights[EVIDENCE_UDP_TRAP];
	}
	while ((kind = next_kind(&ranking)) != EVIDENCE_NONE) {
		item_begin(list);
		writer_text(list->w, evidence_scan_name(kind));
		if (with_hosts && kind == EVIDENCE_ICMP_ECHO && swept_hosts(event) > 1)
			writer_format(list->w, " of %u hosts", swept_hosts(event));
	}
}

/* ---- the reason ---- */

/* A mark says which tool, not what was done: a kind of its own only where there is no other. */
static uint32_t named_kinds(const struct event *event)
{
	uint32_t others = event->kinds & ~BIT(EVIDENCE_MARK);

	return others ? others : event->kinds;
}

void describe_kinds(struct writer *w, const struct event *event)
{
	struct item_list list = { .w = w };

	write_kinds(&list, event, named_kinds(event), false);
}

void describe_ports(struct writer *w, const struct event *event)
{
	struct ports ports = collect_ports(event, port_mask());

	for (size_t i = 0; i < ports.count; i++)
		writer_format(w, i ? ",%u" : "%u", ports.items[i].number);
}

static void write_traps(struct item_list *list, const struct ports *traps, const struct service_names *names,
			size_t more)
{
	size_t count = traps->count + more;

	item_begin(list);
	writer_format(list->w, count > 1 ? "silent visits to %zu traps (" : "silent visit to %zu trap (", count);
	write_port_list(list->w, traps, names, more);
	writer_text(list->w, ")");
}

static void write_ports(struct item_list *list, const struct ports *ports, const struct service_names *names,
			size_t more)
{
	size_t count = ports->count + more;
	bool closed = true;

	for (size_t i = 0; i < ports->count; i++)
		closed = closed && ports->items[i].closed;
	item_begin(list);
	writer_format(list->w, "%zu %s%s (", count, closed ? "closed " : "", count == 1 ? "port" : "ports");
	write_port_list(list->w, ports, names, more);
	writer_text(list->w, ")");
}

static void write_pieces(struct item_list *list, const struct event *event, const struct service_names *names)
{
	struct ports all = collect_ports(event, port_mask());
	struct ports traps = collect_ports(event, BIT(EVIDENCE_TRAP));
	struct ports ports = collect_ports(event, port_mask() & ~BIT(EVIDENCE_TRAP));
	struct ports protocols = collect_ports(event, BIT(EVIDENCE_PROTOCOL));
	/* The event may know of ports that its pieces no longer show.  It may count IP protocols as ports or not. */
	size_t shown = all.count + protocols.count;
	size_t more = event->ports > shown ? event->ports - shown : 0;
	uint32_t kinds = named_kinds(event);

	if (traps.count) {
		write_traps(list, &traps, names, ports.count ? 0 : more);
		kinds &= ~BIT(EVIDENCE_TRAP); /* the handshakes are what there is to say of it */
	}
	write_kinds(list, event, kinds, true);
	if (ports.count)
		write_ports(list, &ports, names, more);
	if (protocols.count) {
		item_begin(list);
		more = all.count ? 0 : more;
		writer_format(list->w, "%zu %s (", protocols.count + more,
			      protocols.count + more == 1 ? "protocol" : "protocols");
		write_port_list(list->w, &protocols, NULL, more);
		writer_text(list->w, ")");
	}
	if (event->hosts > 1 && (kinds & ~BIT(EVIDENCE_ICMP_ECHO))) {
		item_begin(list);
		writer_format(list->w, "%u hosts", event->hosts);
	}
	if (event->tool) {
		item_begin(list);
		writer_format(list->w, "looks like %s", evidence_tool_name((enum evidence_tool)event->tool));
	}
	if (event->sources > 1 && event->type != EVENT_DISTRIBUTED) {
		item_begin(list);
		writer_format(list->w, "together with %u other %s", event->sources - 1u,
			      event->sources == 2 ? "source" : "sources");
	}
}

/* ---- the line ---- */

/* How a line of each type is built. */
struct line {
	const char *verb;
	bool conditional; /* "would ..." in observe mode */
	bool duration;
	bool incident;
	const char *reason; /* where the event's text is the whole reason: the words for an empty one */
};

static const struct line lines[EVENT_TYPE_COUNT] = {
	[EVENT_NONE] = { "notice", false, false, false, "nothing" },
	[EVENT_ALERT] = { "alert", false, false, true, NULL },
	[EVENT_VEIL] = { "veil", true, false, true, NULL },
	[EVENT_BAN] = { "ban", true, true, true, NULL },
	[EVENT_UNBLOCK] = { "unblock", true, false, false, "by an admin" },
	[EVENT_EXPIRE] = { "unblock", true, false, false, "expired" },
	[EVENT_EXEMPT] = { "spared", false, false, true, NULL },
	[EVENT_BLOCK] = { "block", true, true, true, NULL },
	[EVENT_DISTRIBUTED] = { "distributed scan", false, false, true, NULL },
	[EVENT_FAILED] = { "failed", false, true, true, "the kernel refused it" },
	[EVENT_NOTICE] = { "notice", false, false, false, "nothing" },
	[EVENT_EXPOSURE] = { "exposed", false, false, false, "a new port" },
};

static const struct line *line_of(const struct event *event)
{
	return &lines[event->type < EVENT_TYPE_COUNT ? event->type : EVENT_NONE];
}

static void write_text(struct writer *w, const struct event *event)
{
	writer_escaped(w, event->text, strnlen(event->text, sizeof(event->text)));
}

/* Millinats with one decimal, rounded to the nearest. */
static void write_nats(struct writer *w, int32_t mn)
{
	int64_t tenths = ((int64_t)mn + (mn < 0 ? -50 : 50)) / 100;

	writer_format(w, "%s%lld.%lld", tenths < 0 ? "-" : "", (long long)(tenths < 0 ? -tenths : tenths) / 10,
		      (long long)(tenths < 0 ? -tenths : tenths) % 10);
}

/* A ban rests on confirmation alone; anything less on the sum of both, so both are told. */
static void write_score(struct item_list *list, const struct event *event)
{
	bool confirmed = event->confirmed_mn > 0;

	item_begin(list);
	if (confirmed) {
		writer_text(list->w, "confirmed ");
		write_nats(list->w, event->confirmed_mn);
		if (event->type == EVENT_BAN)
			return;
		if (event->suspected_mn > 0)
			writer_text(list->w, " and ");
	}
	if (!confirmed || event->suspected_mn > 0) {
		writer_text(list->w, "suspected ");
		write_nats(list->w, event->suspected_mn);
	}
	if (event->threshold_mn > 0) {
		writer_text(list->w, " of ");
		write_nats(list->w, event->threshold_mn);
	}
}

static void write_findings(struct writer *w, const struct event *event, const struct service_names *names)
{
	struct item_list list = { .w = w };

	if (event->type == EVENT_DISTRIBUTED) {
		item_begin(&list);
		writer_format(w, "%u %s", event->sources, event->sources == 1 ? "source" : "sources");
	} else {
		write_score(&list, event);
	}
	write_pieces(&list, event, names);
	if (event->text[0] && event->type != EVENT_EXEMPT) {
		item_begin(&list);
		write_text(w, event);
	}
}

void describe_reason(struct writer *w, const struct event *event, const struct service_names *names)
{
	const struct line *line = line_of(event);

	if (line->reason) {
		if (event->text[0] && event->type != EVENT_EXPIRE)
			write_text(w, event);
		else
			writer_text(w, line->reason);
		return;
	}
	if (event->grade == GRADE_BLOCK) {
		writer_text(w, "by an admin");
		if (event->text[0]) {
			writer_text(w, ", ");
			write_text(w, event);
		}
		return;
	}
	if (event->type == EVENT_EXEMPT && event->text[0]) {
		write_text(w, event);
		writer_text(w, "; ");
	}
	write_findings(w, event, names);
}

/* A failure, a notice and a distributed scan may have no source. */
static bool has_source(const struct event *event)
{
	return event->source.len > 0 || !addr_is_unspecified(&event->source.addr);
}

/* What the kernel refused: a grade, or, without one, to let go of it. */
static const char *verb_of(const struct event *event)
{
	static const char *const refused[GRADE_COUNT] = {
		"failed to unblock", "failed to watch", "failed to alert",
		"failed to veil",    "failed to ban",   "failed to block",
	};

	if (event->type == EVENT_FAILED && has_source(event) && event->grade < GRADE_COUNT)
		return refused[event->grade];
	return line_of(event)->verb;
}

static void write_head(struct writer *w, const struct event *event)
{
	const struct line *line = line_of(event);
	char source[PREFIX_TEXT_MAX], duration[DURATION_TEXT_MAX];

	if (line->conditional && event->observed)
		writer_text(w, "would ");
	writer_text(w, verb_of(event));
	if (has_source(event))
		writer_format(w, " %s", prefix_format(&event->source, source));
	if (line->duration && event->duration_ms > 0)
		writer_format(w, " for %s", duration_format(event->duration_ms, duration));
	writer_text(w, ": ");
}

void describe_event(struct writer *w, const struct event *event, const struct service_names *names)
{
	/* A notice without a source is its text alone. */
	if (event->type != EVENT_NOTICE || has_source(event))
		write_head(w, event);
	describe_reason(w, event, names);
	if (line_of(event)->incident && event->incident)
		writer_format(w, " [incident %u]", event->incident);
}
