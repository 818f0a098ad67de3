/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The enforcer as a whole: opening, the rules that should stand, mode and pause, what comes round with time.
 */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the sets of grades a quarter is left to bans and blocks; some of an element's room is free only later, when the
 * kernel has cleared away what ended. */
static void tell_room(struct enforcer *enforcer)
{
	const struct nft *nft = enforcer->nft;
	const uint32_t alerts = nft_room(nft, NFT_ALERTED, false), rare_alerts = nft_room(nft, NFT_ALERTED, true);
	const struct engine_room room = {
		.alerts = alerts - alerts / 16,
		.veils = nft_room(nft, NFT_GRADED, false) / 4 * 3,
		.rare_alerts = rare_alerts - rare_alerts / 16,
		.rare_veils = nft_room(nft, NFT_GRADED, true) / 4 * 3,
	};

	engine_set_room(enforcer->engine, &room);
}

int enforcer_open(const char *table, struct engine *engine, const struct enforcer_listener *listener,
		  struct enforcer **out)
{
	struct enforcer *enforcer = calloc(1, sizeof(*enforcer));
	int error;

	if (!enforcer)
		return -ENOMEM;
	enforcer->engine = engine;
	enforcer->listener = *listener;
	error = nft_open(table, &enforcer->nft);
	if (!error)
		error = enforcer_flag_open(enforcer);
	if (error) {
		enforcer_close(enforcer);
		return error;
	}
	tell_room(enforcer);
	*out = enforcer;
	return 0;
}

void enforcer_close(struct enforcer *enforcer)
{
	if (!enforcer)
		return;
	enforcer_flag_close(enforcer);
	nft_close(enforcer->nft);
	free(enforcer->allowed);
	free(enforcer);
}

void enforcer_notice(struct enforcer *enforcer, enum event_type type, const char *format, ...)
{
	char text[EVENT_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	enforcer->listener.notice(enforcer->listener.context, type, text);
}

/* ---- what should stand ---- */

static bool is_paused(const struct enforcer *enforcer)
{
	return enforcer->rules.mode == NFT_PAUSED && enforcer->resumed_mode != NFT_PAUSED;
}

static void take_mode(struct enforcer *enforcer, enum nft_mode mode, bool paused)
{
	enforcer->resumed_mode = mode;
	enforcer->rules.mode = paused ? NFT_PAUSED : mode;
}

/* Something cuts what runs, or may at any moment. */
bool enforcer_needs_out(const struct enforcer *enforcer)
{
	struct engine_status status;

	engine_status(enforcer->engine, &status);
	return status.blocks > 0 || enforcer->rules.cut_running;
}

static void take_guarded(struct nft_rules *rules, const char names[NFT_INTERFACES_MAX][16], size_t count)
{
	memcpy(rules->interfaces, names, sizeof(rules->interfaces));
	rules->interface_count = count;
}

static void take_vrf(struct nft_rules *rules, const char names[NFT_VRF_MAX][16], size_t count)
{
	memcpy(rules->vrf, names, sizeof(rules->vrf));
	rules->vrf_count = count;
}

void enforcer_configure(struct enforcer *enforcer, const struct nft_rules *rules)
{
	struct nft_rules had = enforcer->rules;
	bool paused = is_paused(enforcer);

	enforcer_flag_drop(enforcer); /* other rules, other judgements */

	enforcer->rules = *rules;
	if (had.queue)
		enforcer->rules.queue = had.queue;
	enforcer->interfaces_found = rules->interface_count == 0;
	if (enforcer->interfaces_found)
		take_guarded(&enforcer->rules, had.interfaces, had.interface_count);
	take_vrf(&enforcer->rules, had.vrf, had.vrf_count);
	enforcer->rules.out = enforcer_needs_out(enforcer);
	take_mode(enforcer, rules->mode, paused);
}

/* What a change may replace, kept until the kernel has agreed to it. */
struct settings {
	struct nft_rules rules;
	enum nft_mode resumed_mode;
	int64_t paused_until_ms;
	bool interfaces_found;
};

static struct settings settings_of(const struct enforcer *enforcer)
{
	return (struct settings){ enforcer->rules, enforcer->resumed_mode, enforcer->paused_until_ms,
				  enforcer->interfaces_found };
}

/* The rules into the standing table, or into a new one if it is gone.  0 or -errno. */
static int apply(struct enforcer *enforcer, int64_t now_ms, bool *gone)
{
	int error = nft_rules_replace(enforcer->nft, &enforcer->rules);

	*gone = error == -ENOENT;
	return *gone ? enforcer_load(enforcer, now_ms) : error;
}

/* Applies what has been changed since `had`, or takes all of it back.  0 or -errno. */
static int apply_or_take_back(struct enforcer *enforcer, const struct settings *had, int64_t now_ms)
{
	bool gone;
	int error = apply(enforcer, now_ms, &gone);

	if (!error)
		return 0;
	enforcer->rules = had->rules;
	enforcer->resumed_mode = had->resumed_mode;
	enforcer->paused_until_ms = had->paused_until_ms;
	enforcer->interfaces_found = had->interfaces_found;
	/* The old rules do not stand either: they are put back, tried again each second. */
	if (gone && enforcer->rules.mode != NFT_PAUSED)
		enforcer->reconcile_failed = true;
	return error;
}

int enforcer_change(struct enforcer *enforcer, const struct nft_rules *rules, int64_t now_ms)
{
	const struct settings had = settings_of(enforcer);

	enforcer_configure(enforcer, rules);
	return apply_or_take_back(enforcer, &had, now_ms);
}

static bool are_in_force(const struct enforcer *enforcer, const struct enforcer_interfaces *found)
{
	const struct nft_rules *rules = &enforcer->rules;

	return found->vrf_count == rules->vrf_count && memcmp(found->vrf, rules->vrf, sizeof(rules->vrf)) == 0 &&
	       (!enforcer->interfaces_found ||
		(found->guarded_count == rules->interface_count &&
		 memcmp(found->guarded, rules->interfaces, sizeof(rules->interfaces)) == 0));
}

int enforcer_set_interfaces(struct enforcer *enforcer, const struct enforcer_interfaces *found, int64_t now_ms)
{
	const struct settings had = settings_of(enforcer);
	int error;

	if (are_in_force(enforcer, found))
		return 0;
	if (enforcer->interfaces_found)
		take_guarded(&enforcer->rules, found->guarded, found->guarded_count);
	take_vrf(&enforcer->rules, found->vrf, found->vrf_count);
	error = apply_or_take_back(enforcer, &had, now_ms);
	if (error && !enforcer->interfaces_refused)
		enforcer_notice(enforcer, EVENT_FAILED, "the kernel refused the rules for other interfaces: %s",
				strerror(-error));
	enforcer->interfaces_refused = error != 0;
	return error;
}

const struct nft_rules *enforcer_rules(const struct enforcer *enforcer)
{
	return &enforcer->rules;
}

enum nft_mode enforcer_mode(const struct enforcer *enforcer)
{
	return enforcer->rules.mode;
}

int enforcer_set_mode(struct enforcer *enforcer, enum nft_mode mode, int64_t now_ms)
{
	const struct settings had = settings_of(enforcer);

	enforcer_flag_drop(enforcer); /* what was not dropped so far may carry one */
	take_mode(enforcer, mode, is_paused(enforcer));
	return apply_or_take_back(enforcer, &had, now_ms);
}

int enforcer_pause(struct enforcer *enforcer, int64_t until_ms, int64_t now_ms)
{
	const struct settings had = settings_of(enforcer);

	take_mode(enforcer, enforcer->resumed_mode, true);
	enforcer->paused_until_ms = until_ms;
	return apply_or_take_back(enforcer, &had, now_ms);
}

int enforcer_resume(struct enforcer *enforcer, int64_t now_ms)
{
	bool gone;
	int error;

	enforcer_flag_drop(enforcer); /* nobody minded the flows meanwhile */
	take_mode(enforcer, enforcer->resumed_mode, false);
	enforcer->paused_until_ms = 0;
	error = apply(enforcer, now_ms, &gone);
	if (error) {
		enforcer->reconcile_failed = true; /* tried again each second */
		enforcer_notice(enforcer, EVENT_FAILED, "cannot resume yet: %s; trying again each second",
				strerror(-error));
	} else {
		enforcer_notice(enforcer, EVENT_NOTICE, "resumed: picket is on guard again");
	}
	return error;
}

void enforcer_way_out(struct enforcer *enforcer, bool blocked, int64_t now_ms)
{
	const struct settings had = settings_of(enforcer);

	if (enforcer->rules.out == blocked)
		return;
	enforcer->rules.out = blocked;
	if (enforcer->rules.mode == NFT_PAUSED)
		return; /* no chains now: they come with the rules */
	if (apply_or_take_back(enforcer, &had, now_ms) != 0)
		return; /* tried again each second */
}

/* ---- the loop ---- */

int enforcer_watch_fd(const struct enforcer *enforcer)
{
	return nft_watch_fd(enforcer->nft);
}

static void tick_second(struct enforcer *enforcer, int64_t now_ms)
{
	enforcer_allow_tick(enforcer);
	enforcer_watch(enforcer); /* what was lost during a large transaction of our own makes no descriptor readable */
	if (is_paused(enforcer) && enforcer->paused_until_ms && now_ms >= enforcer->paused_until_ms)
		enforcer_resume(enforcer, now_ms);
	else if (enforcer->reconcile_failed)
		enforcer_reconcile(enforcer, now_ms);
	enforcer_put_blocks_again(enforcer, now_ms);
	enforcer_way_out(enforcer, enforcer_needs_out(enforcer), now_ms);
	enforcer_delete_again(enforcer);
	enforcer_early_tick(enforcer);
}

void enforcer_tick(struct enforcer *enforcer, int64_t now_ms)
{
	if (enforcer->reconcile_due) {
		nft_watch_read(enforcer->nft); /* what has come meanwhile is about the same change */
		enforcer->reconcile_due = false;
		enforcer_reconcile(enforcer, now_ms);
	}
	enforcer_flag_tick(enforcer, now_ms);
	if (enforcer->allow_more)
		enforcer_allow_sync(enforcer);
	if (now_ms >= enforcer->next_second_ms) {
		enforcer->next_second_ms = now_ms + 1000;
		tick_second(enforcer, now_ms);
	}
}

int64_t enforcer_due_ms(const struct enforcer *enforcer)
{
	return enforcer->reconcile_due || enforcer->allow_more ? 0 : enforcer_flag_due_ms(enforcer);
}

void enforcer_read_status(struct enforcer *enforcer, struct enforcer_status *out)
{
	*out = (struct enforcer_status){
		.refused = enforcer->refused,
		.paused_until_ms = enforcer->paused_until_ms,
		.failing = enforcer->reconcile_failed,
		.native_queue = nft_queue_is_native(enforcer->nft),
		.conntrack = nft_conntrack(enforcer->nft),
		.flag = enforcer->rules.flag.kind,
		.flag_values = enforcer->flagging.count,
		.early = enforcer_early(enforcer),
		.early_links = enforcer->early_links,
	};
	if (nft_read_counters(enforcer->nft, &out->counters) < 0)
		memset(&out->counters, 0, sizeof(out->counters));
}

/* ---- what the kernel has learned ---- */

int enforcer_read_learned(struct enforcer *enforcer, struct nft_learned *out, size_t max)
{
	return nft_read_learned(enforcer->nft, out, max);
}

int enforcer_add_learned(struct enforcer *enforcer, const struct nft_learned *learned, size_t count)
{
	return nft_add_learned(enforcer->nft, learned, count);
}

int enforcer_set_lately(struct enforcer *enforcer, uint8_t protocol, const struct port_range *ports, size_t count)
{
	return nft_set_lately(enforcer->nft, protocol, ports, count);
}

int enforcer_read_published(struct enforcer *enforcer, struct nft_published *out, size_t max)
{
	return nft_read_published(enforcer->nft, out, max);
}
