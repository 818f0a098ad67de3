/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule of the veil and its three memories, each of which a forger may fill without harm to others:
 *
 * The aging filter knows when a SYN was first seen.  It has a cell of a bucket to itself; a live cell is never written
 * to, so nobody can evict, refresh or poison what is in it.  A SYN whose bucket is full, or whose tag another has, only
 * looks old, which lets it in sooner: at 60,000 live SYNs one in 100,000, at 480,000 one in 60.
 *
 * The quick port is the first served port of a source within an hour: it costs less, so that the one connection that
 * a client came for is hardly late, while a list of ports stays dear.  A collision, or a forger, costs 2 s.
 *
 * The attempts let those in who give up before their stack repeats the SYN: a health check with a time-out of 1 s.
 *
 * They are taken when a SYN asks for them first, and given back an hour after the last one, when nothing in them counts
 * any more: a host where nobody is veiled has no use for 21 MB.  Pages become real as cells are written to.
 */
#include <picket/veil.h>

#include <stdlib.h>
#include <string.h>

#define WAYS     4      /* cells of a bucket, of the filter and of the attempts */
#define UNIT_MS  10     /* of a cell */
#define CYCLE    65535  /* units until a stamp means another time; cell 0 is empty */
#define SWEEP_MS 300000 /* for the whole filter; with VEIL_FORGET_MS well below a cycle of 655 s */

/* Cells for each source that the engine has room for.  More sources than PLACES_MAX need no more: the kernel asks about
 * 50,000 SYNs a second at most. */
#define PLACES_MIN    1024
#define PLACES_MAX    65536
#define FILTER_CELLS  32
#define ATTEMPT_CELLS 16
#define QUICK_CELLS   1

#define QUICK_S 3600

#define ATTEMPTS_WANTED  3
#define ATTEMPT_FIRST_S  120  /* so long ago the first must have been, */
#define ATTEMPT_FORGET_S 3600 /* and not longer */
#define LET_IN_S         60

#define UNUSED_MS ((QUICK_S + LET_IN_S) * 1000LL) /* after so long without a SYN all three hold what is over */
#define RETRY_MS  1000                            /* until memory that was refused is asked for again */

struct sight {
	uint16_t tag;   /* of addresses, ports and sequence number */
	uint16_t stamp; /* of the first sight, in units; 0: empty */
};

struct quick {
	uint16_t port;
	uint32_t until_s; /* since veil_new() */
};

struct attempt {
	uint16_t tag;   /* of source and port; 0 with count 0: empty */
	uint16_t count; /* saturates */
	uint32_t first_s, let_in_until_s;
};

struct veil {
	struct hash_key key;
	int64_t start_ms, now_ms;
	int64_t swept_ms; /* what lies before `hand` was swept up to then */
	int64_t used_ms;  /* the newest SYN that asked for the memories */
	int64_t retry_ms;
	uint32_t hand;
	uint32_t filter_cells, attempt_cells, quick_cells; /* powers of two */
	struct sight *filter;                              /* with the other two: NULL while they are not needed */
	struct quick *quick;
	struct attempt *attempts;
	struct veil_stats stats;
};

/* What a hash is taken of; `use` keeps the three memories apart. */
struct key_bytes {
	uint8_t use, unused;
	uint16_t sport, dport, unused2;
	uint32_t seq;
	uint8_t src[16], dst[16];
};

struct veil *veil_new(const struct hash_key *key, uint32_t max_sources, int64_t now_ms)
{
	struct veil *veil = calloc(1, sizeof(*veil));
	uint32_t places = PLACES_MIN;

	if (!veil)
		return NULL;
	while (places < max_sources && places < PLACES_MAX)
		places *= 2;
	veil->key = *key;
	veil->start_ms = veil->now_ms = veil->swept_ms = now_ms;
	veil->filter_cells = places * FILTER_CELLS;
	veil->attempt_cells = places * ATTEMPT_CELLS;
	veil->quick_cells = places * QUICK_CELLS;
	veil->stats.memory_max = (uint64_t)veil->filter_cells * sizeof(*veil->filter) +
				 (uint64_t)veil->attempt_cells * sizeof(*veil->attempts) +
				 (uint64_t)veil->quick_cells * sizeof(*veil->quick);
	return veil;
}

static void give_memory_back(struct veil *veil)
{
	free(veil->filter);
	free(veil->quick);
	free(veil->attempts);
	veil->filter = NULL;
	veil->quick = NULL;
	veil->attempts = NULL;
	veil->stats.memory = 0;
}

void veil_free(struct veil *veil)
{
	if (!veil)
		return;
	give_memory_back(veil);
	free(veil);
}

static void take_memory(struct veil *veil)
{
	veil->filter = calloc(veil->filter_cells, sizeof(*veil->filter));
	veil->quick = calloc(veil->quick_cells, sizeof(*veil->quick));
	veil->attempts = calloc(veil->attempt_cells, sizeof(*veil->attempts));
	if (!veil->filter || !veil->quick || !veil->attempts) {
		give_memory_back(veil);
		veil->retry_ms = veil->now_ms + RETRY_MS;
		return;
	}
	veil->swept_ms = veil->now_ms;
	veil->stats.memory = veil->stats.memory_max;
}

/* False: the machine has none to spare just now. */
static bool has_memory(struct veil *veil)
{
	if (!veil->filter && veil->now_ms >= veil->retry_ms)
		take_memory(veil);
	veil->used_ms = veil->now_ms;
	return veil->filter != NULL;
}

void veil_stats(const struct veil *veil, struct veil_stats *out)
{
	*out = veil->stats;
}

/* ---- the aging filter ---- */

static uint16_t stamp(int64_t now_ms)
{
	return (uint16_t)(now_ms / UNIT_MS % CYCLE + 1);
}

/* How long ago the cell was written, in units; it must not be empty. */
static uint32_t age(const struct veil *veil, const struct sight *cell)
{
	return (uint32_t)((stamp(veil->now_ms) - cell->stamp + CYCLE) % CYCLE);
}

static bool is_live(const struct veil *veil, const struct sight *cell)
{
	return cell->stamp != 0 && age(veil, cell) <= VEIL_FORGET_MS / UNIT_MS;
}

/* Writes where there is something to clear alone: what was never written to stays without memory. */
static void sweep(struct veil *veil, uint32_t cells, bool all)
{
	for (; cells > 0; cells--) {
		struct sight *cell = &veil->filter[veil->hand++ & (veil->filter_cells - 1)];

		if (cell->stamp != 0 && (all || !is_live(veil, cell)))
			cell->stamp = 0;
	}
}

/* A stamp comes round after 655 s: by then its cell has been swept, also after a silence. */
static void advance(struct veil *veil, int64_t now_ms)
{
	int64_t due;

	if (now_ms > veil->now_ms)
		veil->now_ms = now_ms;
	due = veil->now_ms - veil->swept_ms;
	if (!veil->filter || due < UNIT_MS)
		return;
	if (due < SWEEP_MS)
		sweep(veil, (uint32_t)((due * veil->filter_cells + SWEEP_MS - 1) / SWEEP_MS), false);
	else /* nothing in it is as young as VEIL_FORGET_MS */
		sweep(veil, veil->filter_cells, true);
	veil->swept_ms = veil->now_ms;
}

void veil_tick(struct veil *veil, int64_t now_ms)
{
	advance(veil, now_ms);
	if (veil->filter && veil->now_ms - veil->used_ms > UNUSED_MS)
		give_memory_back(veil);
}

/* How old the identical SYN is, in ms; -1: not seen within VEIL_FORGET_MS, and from now on it is.  One that finds no
 * room is as old as can be: want of room must let in, not shut out. */
static int64_t first_seen(struct veil *veil, const struct veil_syn *syn)
{
	struct key_bytes key = { .use = 1, .sport = syn->sport, .dport = syn->dport, .seq = syn->seq };
	struct sight *bucket, *room = NULL;
	uint64_t hash;

	memcpy(key.src, syn->src.b, sizeof(key.src));
	memcpy(key.dst, syn->dst.b, sizeof(key.dst));
	hash = hash_bytes(&veil->key, &key, sizeof(key));
	bucket = &veil->filter[hash & (veil->filter_cells - WAYS)];
	for (int i = 0; i < WAYS; i++) {
		if (!is_live(veil, &bucket[i]))
			room = &bucket[i];
		else if (bucket[i].tag == (uint16_t)(hash >> 48))
			return (int64_t)age(veil, &bucket[i]) * UNIT_MS;
	}
	if (!room) {
		veil->stats.crowded++;
		return VEIL_FORGET_MS;
	}
	*room = (struct sight){ .tag = (uint16_t)(hash >> 48), .stamp = stamp(veil->now_ms) };
	return -1;
}

/* ---- what a source is known by: its address, or the /64 that it has for itself ---- */

static uint64_t source_hash(const struct veil *veil, uint8_t use, const struct veil_syn *syn, uint16_t port)
{
	struct key_bytes key = { .use = use, .dport = port };

	memcpy(key.src, syn->src.b, addr_is_v4(&syn->src) || addr_is_translated(&syn->src) ? 16 : 8);
	return hash_bytes(&veil->key, &key, sizeof(key));
}

static uint32_t seconds(const struct veil *veil)
{
	return (uint32_t)((veil->now_ms - veil->start_ms) / 1000);
}

/* ---- the quick port ---- */

/* The source's place, if it is free or this port's; NULL: another port has it. */
static struct quick *quick_place(struct veil *veil, const struct veil_syn *syn)
{
	struct quick *quick = &veil->quick[source_hash(veil, 2, syn, 0) & (veil->quick_cells - 1)];

	return quick->until_s <= seconds(veil) || quick->port == syn->dport ? quick : NULL;
}

/* By a SYN that was repeated in time alone: else any forged packet took it, whatever its port. */
static void take_quick(struct veil *veil, struct quick *quick, const struct veil_syn *syn)
{
	if (quick->until_s > seconds(veil))
		return;
	*quick = (struct quick){ .port = syn->dport, .until_s = seconds(veil) + QUICK_S };
	veil->stats.quick_taken++;
}

/* ---- the attempts ---- */

static bool is_over(const struct attempt *attempt, uint32_t now_s)
{
	return attempt->count == 0 || (now_s - attempt->first_s > ATTEMPT_FORGET_S && attempt->let_in_until_s <= now_s);
}

/* The cell of a source's port; with `make` always one, whichever has to give way for it. */
static struct attempt *find_attempt(struct veil *veil, const struct veil_syn *syn, bool make)
{
	uint64_t hash = source_hash(veil, 3, syn, syn->dport);
	struct attempt *bucket = &veil->attempts[hash & (veil->attempt_cells - WAYS)], *victim = bucket;
	uint16_t tag = (uint16_t)(hash >> 48);
	uint32_t now_s = seconds(veil);

	for (int i = 0; i < WAYS; i++) {
		if (is_over(&bucket[i], now_s))
			bucket[i] = (struct attempt){ .count = 0 };
		else if (bucket[i].tag == tag)
			return &bucket[i];
		if (bucket[i].count < victim->count)
			victim = &bucket[i];
	}
	if (!make)
		return NULL;
	veil->stats.evicted += victim->count > 0;
	*victim = (struct attempt){ .tag = tag, .count = 0, .first_s = now_s };
	return victim;
}

static bool is_let_in(struct veil *veil, const struct veil_syn *syn)
{
	const struct attempt *attempt = find_attempt(veil, syn, false);

	return attempt && attempt->let_in_until_s > seconds(veil);
}

/* A listener whose backlog is full does not answer who is let in; its stack goes on for longer than VEIL_FORGET_MS. */
static void let_in(struct veil *veil, const struct veil_syn *syn)
{
	struct attempt *attempt = find_attempt(veil, syn, true);

	attempt->let_in_until_s = seconds(veil) + LET_IN_S;
	if (attempt->count == 0)
		attempt->count = 1;
}

/* Counts an attempt; true when there were enough for long enough. */
static bool try_again(struct veil *veil, const struct veil_syn *syn)
{
	struct attempt *attempt = find_attempt(veil, syn, true);
	uint32_t waited_s = seconds(veil) - attempt->first_s;

	if (attempt->count < UINT16_MAX)
		attempt->count++;
	return attempt->count >= ATTEMPTS_WANTED && waited_s >= ATTEMPT_FIRST_S && waited_s <= ATTEMPT_FORGET_S;
}

/* ---- the rule ---- */

/* Anything beyond the MSS: timestamps, window scale, SACK; raw senders leave them out. */
static bool has_stack_options(const struct veil_syn *syn)
{
	return syn->mss != 0 && syn->option_count > 1;
}

static enum veil_verdict pass(struct veil *veil, const struct veil_syn *syn, uint64_t *why)
{
	++*why;
	let_in(veil, syn);
	return VEIL_PASS;
}

static enum veil_verdict served(struct veil *veil, const struct veil_syn *syn)
{
	bool stack = has_stack_options(syn);
	struct quick *quick = stack ? quick_place(veil, syn) : NULL;
	int64_t age_ms;

	if (is_let_in(veil, syn))
		return pass(veil, syn, &veil->stats.again);
	age_ms = first_seen(veil, syn);
	if (age_ms >= (quick ? VEIL_QUICK_MS : VEIL_PRICE_MS)) {
		if (quick)
			take_quick(veil, quick, syn);
		return pass(veil, syn, &veil->stats.repeats);
	}
	if (age_ms >= 0) {
		veil->stats.early++;
		return VEIL_DROP;
	}
	if (stack && try_again(veil, syn))
		return pass(veil, syn, &veil->stats.attempts);
	veil->stats.first_sights++;
	return VEIL_DROP;
}

static enum veil_verdict closed(struct veil *veil, const struct veil_syn *syn)
{
	int64_t age_ms = first_seen(veil, syn);

	if (age_ms >= VEIL_REFUSE_MS) {
		veil->stats.refused++;
		return VEIL_REFUSE;
	}
	veil->stats.early += age_ms >= 0;
	veil->stats.first_sights += age_ms < 0;
	return VEIL_DROP;
}

enum veil_verdict veil_judge(struct veil *veil, const struct veil_syn *syn, int64_t now_ms)
{
	advance(veil, now_ms);
	veil->stats.syns++;
	if (!syn->tool && syn->target == VEIL_TRIED) {
		veil->stats.refused++;
		return VEIL_REFUSE;
	}
	if (syn->tool || syn->mss == 0 || (syn->target == VEIL_TRAP && !has_stack_options(syn))) {
		veil->stats.raw++;
		return VEIL_DROP;
	}
	if (syn->target == VEIL_TRAP) {
		veil->stats.trapped++;
		return VEIL_PASS;
	}
	if (!has_memory(veil)) {
		veil->stats.unremembered++;
		return syn->target == VEIL_SERVED ? VEIL_PASS : VEIL_REFUSE;
	}
	return syn->target == VEIL_SERVED ? served(veil, syn) : closed(veil, syn);
}
