/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Weights that depend on what the source did before: the first of its kind, a further port of a family, a third pinged
 * address, a sixth late packet within a minute.  All of it is read from the twelve pieces that are kept; what has
 * fallen out of them is forgotten here, which can only make a busy source weigh more.
 *
 * Families: an honest program tries the ports of one service, perhaps of two (mail, then the web server that says where
 * mail is).  A source that stays within two families on a host, bears no scanner's mark and shows nothing else is
 * forgiven all but the first port of each.  Once it leaves them, the forgiven ports weigh what they always would have.
 * Traps have families of their own (families.c): guessing the port of a service never leads to a ban.
 */
#include "evidence.h"

#define ACK_WINDOW_S       60
#define ACK_FORGIVEN       5
#define ECHO_FORGIVEN      2
#define PLAUSIBLE_FORGIVEN SOURCE_PIECES /* all that is remembered */
#define TRACE_WINDOW_S     10            /* mtr asks each hop once a second: what comes faster is no mtr */
#define FAMILIES_GRACE     2
#define SWEEP_HOSTS        3 /* where the same port was tried: a name has seldom more addresses */
#define FORGIVEN_MAX       8 /* a mail program's seven ports, and a web server's second */

/* Ports that honest programs try together: a mail program guesses all of its ports, a browser 80 and 443. */
enum family {
	FAMILY_NONE,
	FAMILY_MAIL,
	FAMILY_WEB,
	FAMILY_FTP,
	FAMILY_SMB,
	FAMILY_LDAP,
	FAMILY_SIP,
	FAMILY_XMPP,
	FAMILY_PRINT,
	FAMILY_COUNT
};

/* Short on purpose: a scanner enjoys the grace of each row as well, until it leaves the family. */
static enum family family_of_tcp(uint16_t port)
{
	switch (port) {
	case 25:
	case 110:
	case 143:
	case 465:
	case 587:
	case 993:
	case 995:
	case 2525:
	case 4190: return FAMILY_MAIL;
	case 80:
	case 443:
	case 8080:
	case 8443: return FAMILY_WEB;
	case 20:
	case 21:
	case 989:
	case 990: return FAMILY_FTP;
	case 139:
	case 445: return FAMILY_SMB;
	case 389:
	case 636:
	case 3268:
	case 3269: return FAMILY_LDAP;
	case 5060:
	case 5061: return FAMILY_SIP;
	case 5222:
	case 5223:
	case 5269: return FAMILY_XMPP;
	case 515:
	case 631:
	case 9100: return FAMILY_PRINT;
	default: return FAMILY_NONE;
	}
}

/* What is known when a finding is weighed. */
struct past {
	const struct source *source; /* may be NULL */
	int skip;                    /* the piece that is about to be replaced, or -1 */
	bool port_known;             /* some piece has the finding's port */
	bool forgiven;               /* some piece may have weighed nothing */
	uint16_t host_tag;
	int64_t now_s;
	bool marked;
};

/* Walks the pieces that still count: returns the next index from `at` on, or -1. */
static int next_piece(const struct past *past, int at)
{
	for (; past->source && at < SOURCE_PIECES && past->source->pieces[at].kind != EVIDENCE_NONE; at++) {
		if (at != past->skip && past->now_s - past->source->pieces[at].at_s < SCORE_MEMORY_S)
			return at;
	}
	return -1;
}

uint16_t weigh_tag(const struct finding *finding, uint16_t host_tag)
{
	const uint16_t bits = EVIDENCE_FLAG_BITS;

	return judge_group(finding->kind) == GROUP_FLAGS ? (uint16_t)((host_tag & ~bits) | (finding->flags & bits))
							 : host_tag;
}

/* The one look at all pieces: is the same among them, and is a further look worth while? */
static void survey(struct past *past, const struct finding *finding)
{
	past->skip = -1;
	for (int i = 0; past->source && i < SOURCE_PIECES && past->source->pieces[i].kind != EVIDENCE_NONE; i++) {
		const struct evidence *piece = &past->source->pieces[i];

		past->forgiven |= piece->weight == 0;
		if (piece->port != finding->port)
			continue;
		past->port_known = true;
		if (piece->host_tag == past->host_tag && judge_group(piece->kind) == judge_group(finding->kind)) {
			past->skip = i;
			past->forgiven = true; /* nobody looked at those behind it */
			return;
		}
	}
}

/* The report of a trap takes the place of the SYN that began the visit; a silent visit that of any other. */
static bool outranks(enum evidence_kind later, enum evidence_kind earlier)
{
	return (later == EVIDENCE_TRAP && earlier != EVIDENCE_TRAP) ||
	       (later == EVIDENCE_TRAP_WEAK && earlier == EVIDENCE_SYN);
}

/* kinds: a bit for each enum evidence_kind that the source has shown. */
static bool showed_flags(uint32_t kinds)
{
	return kinds & (1u << EVIDENCE_FIN | 1u << EVIDENCE_NULL | 1u << EVIDENCE_XMAS | 1u << EVIDENCE_SYNFIN |
			1u << EVIDENCE_SYNRST | 1u << EVIDENCE_FLAGS);
}

static unsigned count_group(const struct past *past, enum judge_group group, int64_t window_s)
{
	unsigned count = 0;

	for (int i = next_piece(past, 0); i >= 0; i = next_piece(past, i + 1)) {
		const struct evidence *piece = &past->source->pieces[i];

		count += judge_group(piece->kind) == group && past->now_s - piece->at_s < window_s;
	}
	return count;
}

/* Was a port of this family on this host tried before?  traps: reports of traps alone are looked at. */
static bool family_seen(const struct past *past, enum family family, bool traps)
{
	for (int i = next_piece(past, 0); i >= 0; i = next_piece(past, i + 1)) {
		const struct evidence *piece = &past->source->pieces[i];

		if (judge_group(piece->kind) == GROUP_CONNECT && piece->host_tag == past->host_tag &&
		    (!traps || piece->kind != EVIDENCE_SYN) && family_of_tcp(piece->port) == family)
			return true;
	}
	return false;
}

/* Is the source one that stays within its families, also with this one? */
static bool in_grace(const struct past *past, enum family family)
{
	unsigned families = 1u << family, others = 0, forgiven = 0;

	if (family == FAMILY_NONE || past->marked)
		return false;
	if (past->source && past->source->older[0].kind != EVIDENCE_NONE)
		return false;
	for (int i = next_piece(past, 0); i >= 0; i = next_piece(past, i + 1)) {
		const struct evidence *piece = &past->source->pieces[i];

		switch (judge_group(piece->kind)) {
		case GROUP_CONNECT:
			if (family_of_tcp(piece->port) == FAMILY_NONE)
				others++;
			families |= 1u << family_of_tcp(piece->port);
			forgiven += piece->kind == EVIDENCE_SYN && piece->weight == 0;
			break;
		case GROUP_FLAGS:
		case GROUP_SCTP:
		case GROUP_PROTOCOL:
		case GROUP_MALFORMED: others++; break;
		default: break;
		}
	}
	return others == 0 && forgiven < FORGIVEN_MAX &&
	       __builtin_popcount(families & ~(1u << FAMILY_NONE)) <= FAMILIES_GRACE;
}

/* Was this very port tried at another address of ours?  visited: by a visit of its trap.  A name with several addresses
 * makes an honest program try each, one after the other. */
static bool tried_elsewhere(const struct past *past, uint16_t port, bool visited)
{
	for (int i = past->port_known ? next_piece(past, 0) : -1; i >= 0; i = next_piece(past, i + 1)) {
		const struct evidence *piece = &past->source->pieces[i];

		if (piece->port == port && piece->host_tag != past->host_tag &&
		    judge_group(piece->kind) == GROUP_CONNECT && (!visited || piece->kind != EVIDENCE_SYN))
			return true;
	}
	return false;
}

/* At how many further hosts was this port tried? */
static unsigned hosts_tried(const struct past *past, uint16_t port)
{
	unsigned count = 0;

	for (int i = past->port_known ? next_piece(past, 0) : -1; i >= 0; i = next_piece(past, i + 1)) {
		const struct evidence *piece = &past->source->pieces[i];

		count += piece->port == port && piece->host_tag != past->host_tag &&
			 judge_group(piece->kind) == GROUP_CONNECT;
	}
	return count;
}

static bool flags_seen_at(const struct past *past, uint16_t port)
{
	for (int i = past->port_known ? next_piece(past, 0) : -1; i >= 0; i = next_piece(past, i + 1)) {
		const struct evidence *piece = &past->source->pieces[i];

		if (piece->port == port && judge_group(piece->kind) == GROUP_FLAGS)
			return true;
	}
	return false;
}

static uint8_t least(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

static uint8_t weigh_syn(const struct past *past, const struct finding *finding, bool *grace_over)
{
	enum family family = family_of_tcp(finding->port);
	bool web = family == FAMILY_WEB && finding->stack;

	if (finding->elsewhere && hosts_tried(past, finding->port) >= SWEEP_HOSTS)
		return WEIGHT_SWEEP;
	if (!past->marked && tried_elsewhere(past, finding->port, !web))
		return least(finding->weight, WEIGHT_SAME_PORT);
	*grace_over = !in_grace(past, family);
	return !*grace_over && family_seen(past, family, false) ? 0 : finding->weight;
}

/* A visit counts once a family, whatever it showed; one that turns out to be silent takes the place of its own
 * port's. */
static uint8_t weigh_trap(const struct past *past, const struct finding *finding, int64_t now_ms)
{
	const struct evidence *same = past->skip >= 0 ? &past->source->pieces[past->skip] : NULL;
	enum family family = family_of_tcp(finding->port);
	bool again = same && same->kind == EVIDENCE_TRAP_WEAK && same->weight > 0;

	if (past->source && !again && trap_family_seen(&past->source->visited, trap_family(finding->port), now_ms))
		return 0;
	if (!past->marked && family != FAMILY_NONE && finding->kind != EVIDENCE_TRAP && !again &&
	    family_seen(past, family, true))
		return 0;
	if (!past->marked && tried_elsewhere(past, finding->port, true))
		return least(finding->weight, WEIGHT_SAME_PORT);
	return finding->weight;
}

static uint8_t weigh_flags(const struct past *past, const struct finding *finding)
{
	if (flags_seen_at(past, finding->port))
		return WEIGHT_FLAGS_SAME_PORT;
	return past->source && showed_flags(past->source->kinds) ? WEIGHT_FLAGS_FURTHER : finding->weight;
}

struct weighing weigh(const struct source *source, const struct finding *finding, uint16_t host_tag, bool marked,
		      int64_t now_ms)
{
	struct past past = { .source = source, .host_tag = host_tag, .now_s = now_ms / 1000, .marked = marked };
	struct weighing w = { .weight = finding->weight };

	survey(&past, finding);
	w.replaces = past.skip;
	w.forgiven = past.forgiven;
	if (w.replaces >= 0) {
		const struct evidence *same = &source->pieces[w.replaces];

		w.duplicate = past.now_s - same->at_s < SCORE_MEMORY_S && !outranks(finding->kind, same->kind);
		if (w.duplicate)
			return w;
	}
	switch (judge_group(finding->kind)) {
	case GROUP_CONNECT:
		if (finding->kind == EVIDENCE_SYN)
			w.weight = weigh_syn(&past, finding, &w.grace_over);
		else
			w.weight = weigh_trap(&past, finding, now_ms);
		break;
	case GROUP_FLAGS:
		w.grace_over = true;
		w.weight = weigh_flags(&past, finding);
		break;
	case GROUP_ACK:
		if (count_group(&past, GROUP_ACK, ACK_WINDOW_S) <
		    (finding->plausible ? PLAUSIBLE_FORGIVEN : ACK_FORGIVEN))
			w.weight = 0;
		break;
	case GROUP_UDP:
		if (finding->plausible && count_group(&past, GROUP_UDP, TRACE_WINDOW_S) < PLAUSIBLE_FORGIVEN)
			w.weight = 0;
		break;
	case GROUP_ECHO:
		if (count_group(&past, GROUP_ECHO, SCORE_MEMORY_S) < ECHO_FORGIVEN)
			w.weight = 0;
		break;
	case GROUP_SCTP:
	case GROUP_PROTOCOL:
	case GROUP_MALFORMED: w.grace_over = true; break;
	default: break;
	}
	return w;
}

uint8_t weigh_without_grace(const struct evidence *piece)
{
	bool forgiven = piece->kind == EVIDENCE_SYN && piece->weight == 0 && family_of_tcp(piece->port) != FAMILY_NONE;

	return forgiven ? judge_syn_weight(piece->port) : piece->weight;
}
