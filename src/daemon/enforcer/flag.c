/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which value the flag of judged flows has, and when another one.
 *
 * A value lasts FLAG_LIFE_MS: then every flow walks the whole way once and is flagged anew, so that whatever a running
 * packet renews (customers, kin, calls) is renewed.  What cuts running flows makes the flags void: first every packet
 * walks the whole way, then, a second after the last change at the earliest, comes the next value.  Before a value is
 * used it is taken off all flows that still bear it from before.
 *
 * Others' rules may use the ct mark, from one moment to the next: they are looked at again each minute, and after each
 * change of rules.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define FLAG_LIFE_MS  (15 * 60 * 1000)
#define FLAG_SPACE_MS 1000  /* between two values */
#define LOOK_MS       60000 /* at others' rules */
#define LOOK_SPACE_MS 5000
#define FAILED_MS     60000 /* before the next attempt */
#define LABELS_BEGIN  96    /* the upper quarter of the label's bits: others count from below */
#define LABELS_END    128

static bool has_flag(const struct enforcer *enforcer)
{
	return enforcer->rules.flag.kind != FLOW_FLAG_NONE;
}

int enforcer_flag_open(struct enforcer *enforcer)
{
	if (getentropy(&enforcer->flagging.epoch, sizeof(enforcer->flagging.epoch)) < 0)
		return -errno;
	return conntrack_open(&enforcer->flagging.conntrack);
}

void enforcer_flag_close(struct enforcer *enforcer)
{
	conntrack_close(enforcer->flagging.conntrack);
}

static void next_value_at(struct flagging *flagging, int64_t due_ms)
{
	flagging->walk = FLAG_NO_WALK;
	flagging->due_ms = due_ms;
}

void enforcer_flag_drop(struct enforcer *enforcer)
{
	struct flagging *flagging = &enforcer->flagging;

	enforcer->rules.flag = (struct flow_flag){ .kind = FLOW_FLAG_NONE };
	next_value_at(flagging, flagging->set_ms + FLAG_SPACE_MS);
}

int enforcer_flag_void(struct enforcer *enforcer)
{
	int error;

	if (!has_flag(enforcer))
		return 0;
	error = nft_flag_void(enforcer->nft);
	if (!error || error == -ENOENT)
		enforcer_flag_drop(enforcer);
	return error == -ENOENT ? 0 : error;
}

void enforcer_flag_configure(struct enforcer *enforcer, enum flow_flag_kind wish, uint32_t mask,
			     const struct conntrack_names *names)
{
	struct flagging *flagging = &enforcer->flagging;

	if (flagging->kind == FLOW_FLAG_MARK && flagging->mask != mask) {
		flagging->had_mask |= flagging->mask;
		flagging->sweep = true;
	}
	flagging->wish = wish;
	flagging->mask = mask;
	flagging->names = *names;
	flagging->look_ms = 0;
}

/* ---- which kind ---- */

static enum flow_flag_kind kind_for(const struct enforcer *enforcer, const struct conntrack_users *users)
{
	const struct flagging *flagging = &enforcer->flagging;

	if (nft_conntrack(enforcer->nft) != NFT_CONNTRACK_ON)
		return FLOW_FLAG_NONE;
	if (flagging->wish != FLOW_FLAG_AUTO)
		return flagging->wish;
	return !users->mark ? FLOW_FLAG_MARK : !users->label ? FLOW_FLAG_LABEL : FLOW_FLAG_NONE;
}

static void notice_kind(struct enforcer *enforcer, enum flow_flag_kind had)
{
	/* where the admin chose, it is the choice that changed */
	if (had != enforcer->flagging.kind && enforcer->flagging.looked && enforcer->flagging.wish == FLOW_FLAG_AUTO &&
	    nft_conntrack(enforcer->nft) == NFT_CONNTRACK_ON)
		enforcer_notice(enforcer, EVENT_NOTICE, "flow_flag is %s now (was %s): other rules %s the ct mark",
				flow_flag_name(enforcer->flagging.kind), flow_flag_name(had),
				enforcer->flagging.kind == FLOW_FLAG_MARK ? "no longer use" : "use");
}

/* Bits of the mark that others read as theirs must go from all flows. */
static void change_kind(struct enforcer *enforcer, enum flow_flag_kind kind)
{
	struct flagging *flagging = &enforcer->flagging;
	enum flow_flag_kind had = flagging->kind;

	if (kind == had)
		return;
	if (enforcer_flag_void(enforcer) != 0)
		return; /* looked at again */
	flagging->kind = kind;
	if (had == FLOW_FLAG_MARK) {
		flagging->had_mask |= flagging->mask;
		flagging->sweep = true;
	}
	notice_kind(enforcer, had);
}

static void look(struct enforcer *enforcer, int64_t now_ms)
{
	struct flagging *flagging = &enforcer->flagging;
	struct conntrack_users users = { false, false };

	flagging->changed |= nft_others_changed(enforcer->nft);
	if (now_ms < flagging->look_ms && !(flagging->changed && now_ms >= flagging->look_ms - LOOK_MS + LOOK_SPACE_MS))
		return;
	flagging->look_ms = now_ms + LOOK_MS;
	flagging->changed = false;
	/* What cannot be seen may use both. */
	if (flagging->wish == FLOW_FLAG_AUTO &&
	    conntrack_users_look(nft_table_name(enforcer->nft), &flagging->names, &users) != 0)
		users = (struct conntrack_users){ true, true };
	change_kind(enforcer, kind_for(enforcer, &users));
	flagging->looked = true;
}

/* ---- the next value ---- */

static struct flow_flag next_flag(struct flagging *flagging)
{
	const uint32_t mask = flagging->mask;
	unsigned shift = 0;

	flagging->epoch++;
	if (flagging->kind == FLOW_FLAG_LABEL)
		return (struct flow_flag){ .kind = FLOW_FLAG_LABEL,
					   .bit = LABELS_BEGIN + flagging->epoch % (LABELS_END - LABELS_BEGIN) };
	while (!(mask >> shift & 1))
		shift++;
	return (struct flow_flag){ .kind = FLOW_FLAG_MARK,
				   .mask = mask,
				   .value = (1 + flagging->epoch % (mask >> shift)) << shift };
}

static void give_up(struct enforcer *enforcer, int error, int64_t now_ms)
{
	struct flagging *flagging = &enforcer->flagging;

	if (!flagging->failing)
		enforcer_notice(
			enforcer, EVENT_FAILED,
			"flows cannot be flagged: %s; every packet walks the whole way, trying again each minute",
			strerror(-error));
	flagging->failing = true;
	next_value_at(flagging, now_ms + FAILED_MS);
}

static int begin_walk(struct flagging *flagging)
{
	const struct flow_flag all = { .kind = FLOW_FLAG_MARK, .mask = flagging->had_mask };

	flagging->walk = flagging->sweep ? FLAG_SWEEP : FLAG_CLEAR;
	if (flagging->walk == FLAG_SWEEP)
		return conntrack_clear(flagging->conntrack, &all, true);
	flagging->next = next_flag(flagging);
	return conntrack_clear(flagging->conntrack, &flagging->next, false);
}

static int set_next(struct enforcer *enforcer, int64_t now_ms)
{
	struct flagging *flagging = &enforcer->flagging;
	int error = nft_flag_set(enforcer->nft, &flagging->next);

	if (error == -ENOENT)
		return 0; /* the table is gone: it comes back with this flag's successor */
	if (error)
		return error;
	enforcer->rules.flag = flagging->next;
	flagging->set_ms = now_ms;
	flagging->failing = false;
	flagging->count++;
	return 0;
}

static int walk_on(struct enforcer *enforcer, int64_t now_ms)
{
	struct flagging *flagging = &enforcer->flagging;
	int result = flagging->walk == FLAG_NO_WALK ? begin_walk(flagging) : 0;

	if (result == 0)
		result = conntrack_clear_step(flagging->conntrack);
	if (result <= 0)
		return result;
	if (flagging->walk == FLAG_SWEEP) {
		flagging->sweep = false;
		flagging->had_mask = 0;
		next_value_at(flagging, now_ms);
		return 0;
	}
	next_value_at(flagging, now_ms + FLAG_LIFE_MS);
	return set_next(enforcer, now_ms);
}

static bool is_waiting(const struct enforcer *enforcer)
{
	return enforcer->rules.mode == NFT_PAUSED || enforcer->reconcile_failed;
}

int64_t enforcer_flag_due_ms(const struct enforcer *enforcer)
{
	const struct flagging *flagging = &enforcer->flagging;

	if (is_waiting(enforcer) || (flagging->kind == FLOW_FLAG_NONE && !flagging->sweep))
		return INT64_MAX;
	return flagging->due_ms;
}

void enforcer_flag_tick(struct enforcer *enforcer, int64_t now_ms)
{
	int error;

	if (is_waiting(enforcer))
		return;
	look(enforcer, now_ms);
	if (now_ms < enforcer_flag_due_ms(enforcer))
		return;
	error = walk_on(enforcer, now_ms);
	if (error < 0)
		give_up(enforcer, error, now_ms);
}
