/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Actions into kernel sets.  A decision counts from the kernel's acknowledgement, an end as much as a beginning: each
 * action gets its own answer, and a deletion that was refused is tried again until the element is gone.  Defends
 * against a block that stands in the kernel while every tool says that the source is free.
 */
#include "internal.h"

#include <errno.h>
#include <string.h>

#define AGAIN_MAX 64 /* refused deletions that are tried again in one second */
#define WAYS_MAX  8  /* veils that give way to one ban: each takes the kernel some 15 ms */

struct nft_element enforcer_element(enum grade grade, const struct prefix *source, int64_t timeout_ms)
{
	static const enum nft_grade grades[GRADE_COUNT] = {
		[GRADE_VEIL] = NFT_GRADE_VEIL,
		[GRADE_BAN] = NFT_GRADE_BAN,
		[GRADE_BLOCK] = NFT_GRADE_BLOCK,
	};

	return (struct nft_element){
		.list = grade == GRADE_ALERT ? NFT_ALERTED : NFT_GRADED,
		.grade = grades[grade],
		.source = *source,
		.timeout_ms = timeout_ms,
	};
}

/* The source is graded anew, or its element is gone. */
static void forget_undeleted(struct enforcer *enforcer, const struct nft_element *element)
{
	struct undeleted *list = enforcer->undeleted;
	size_t kept = 0;

	for (size_t i = 0; i < enforcer->undeleted_count; i++)
		if (!prefix_equal(&list[i].element.source, &element->source))
			list[kept++] = list[i];
	enforcer->undeleted_count = kept;
}

/* In one transaction.  A table or a set that is gone holds no element any more. */
static int delete_together(struct enforcer *enforcer, const struct nft_element *elements, size_t count)
{
	int error = count ? nft_delete(enforcer->nft, elements, count) : 0;

	return error == -ENOENT ? 0 : error;
}

/* When the list is full it is not retried; the block stays in engine and kernel. */
static void note_deletion(struct enforcer *enforcer, const struct nft_element *element, int error, bool ends_block)
{
	forget_undeleted(enforcer, element);
	if (error && enforcer->undeleted_count < ENFORCER_UNDELETED_MAX)
		enforcer->undeleted[enforcer->undeleted_count++] = (struct undeleted){ *element, ends_block };
}

void enforcer_delete(struct enforcer *enforcer, const struct nft_element *elements, size_t count, int *errors)
{
	int together = delete_together(enforcer, elements, count);

	/* Refused perhaps because of one element alone: one by one. */
	for (size_t i = 0; i < count; i++) {
		int error = together && count > 1 ? delete_together(enforcer, &elements[i], 1) : together;

		note_deletion(enforcer, &elements[i], error, errors != NULL);
		if (errors)
			errors[i] = error;
	}
}

/* All deletions from `from` up to the next addition, together: an admin's word may lift a hundred thousand blocks.
 * Returns where the next addition is. */
static size_t delete_run(struct enforcer *enforcer, const struct actions *actions, size_t from,
			 int errors[ENGINE_ACTIONS_MAX])
{
	struct nft_element elements[ENGINE_ACTIONS_MAX];
	int answers[ENGINE_ACTIONS_MAX];
	size_t places[ENGINE_ACTIONS_MAX], count = 0, i;

	for (i = from; i < actions->count && actions->items[i].type != ACTION_ADD; i++) {
		const struct action *action = &actions->items[i];

		if (action->type != ACTION_DELETE)
			continue;
		places[count] = i;
		elements[count++] = enforcer_element(action->grade, &action->source, 0);
	}
	if (count)
		enforcer_delete(enforcer, elements, count, answers);
	for (size_t k = 0; k < count; k++)
		errors[places[k]] = answers[k];
	return i;
}

/* A ban or a block into a full set: of the veils there the lowest gives way, or a few, should the kernel no longer hold
 * the first. */
static int add_making_way(struct enforcer *enforcer, const struct nft_element *element, int64_t now_ms)
{
	int error = nft_add(enforcer->nft, element, 1);
	struct prefix gone;

	for (int i = 0; i < WAYS_MAX && error == -ENFILE && element->grade >= NFT_GRADE_BAN; i++) {
		struct nft_element veil;

		if (!engine_make_way(enforcer->engine, &element->source, now_ms, &gone))
			break;
		veil = enforcer_element(GRADE_VEIL, &gone, 0);
		enforcer_delete(enforcer, &veil, 1, NULL);
		error = nft_add(enforcer->nft, element, 1);
	}
	return error;
}

int enforcer_ensure(struct enforcer *enforcer, const struct nft_element *elements, size_t count, bool least,
		    int64_t now_ms)
{
	int error = (least ? nft_ensure_least : nft_ensure)(enforcer->nft, elements, count), second;

	if (error != -ENFILE)
		return error;
	if (count > 1) {
		error = enforcer_ensure(enforcer, elements, count / 2, least, now_ms);
		second = enforcer_ensure(enforcer, elements + count / 2, count - count / 2, least, now_ms);
		return error ? error : second;
	}
	if (elements->grade >= NFT_GRADE_BAN)
		return add_making_way(enforcer, elements, now_ms);
	enforcer->refused++;
	engine_block_failed(enforcer->engine, &elements->source, now_ms);
	return 0;
}

/* When the whole table has gone under us, it is put back first.  During a pause it may stay away: then the block takes
 * effect when the table is loaded with all that the engine holds. */
static int add(struct enforcer *enforcer, const struct action *action, int64_t now_ms)
{
	const struct nft_element element = enforcer_element(action->grade, &action->source, action->duration_ms);
	int error = add_making_way(enforcer, &element, now_ms);

	if (error == -ENOENT) {
		enforcer_reconcile(enforcer, now_ms);
		error = nft_add(enforcer->nft, &element, 1);
	}
	if (error == -ENOENT && enforcer->rules.mode == NFT_PAUSED)
		error = 0;
	if (error)
		enforcer->refused++;
	else
		forget_undeleted(enforcer, &element);
	if (!error &&
	    (element.grade == NFT_GRADE_BLOCK || (element.grade == NFT_GRADE_BAN && enforcer->rules.cut_running)))
		error = enforcer_flag_void(enforcer);
	if (!error && element.grade == NFT_GRADE_BLOCK)
		enforcer_way_out(enforcer, true, now_ms);
	return error;
}

static int exempt(struct enforcer *enforcer, const struct action *action)
{
	const struct nft_element element = { .list = NFT_EXEMPT,
					     .source = action->source,
					     .timeout_ms = action->duration_ms };
	int error = nft_add(enforcer->nft, &element, 1);

	if (error == -ENOENT && enforcer->rules.mode == NFT_PAUSED)
		return 0;
	enforcer->refused += error != 0;
	return error;
}

/* The answer to the last order before the event on its source. */
static int error_before(const struct actions *actions, size_t event, const int errors[ENGINE_ACTIONS_MAX])
{
	for (size_t i = event; i-- > 0;)
		if (actions->items[i].type != ACTION_EVENT &&
		    prefix_equal(&actions->items[i].source, &actions->items[event].event.source))
			return errors[i];
	return 0;
}

void enforcer_act(struct enforcer *enforcer, const struct actions *actions, int64_t now_ms,
		  int errors[ENGINE_ACTIONS_MAX])
{
	size_t deleted = 0; /* deletions before this place are done */

	for (size_t i = 0; i < actions->count; i++) {
		switch (actions->items[i].type) {
		case ACTION_ADD: errors[i] = add(enforcer, &actions->items[i], now_ms); break;
		case ACTION_DELETE:
			if (i >= deleted)
				deleted = delete_run(enforcer, actions, i, errors);
			break;
		case ACTION_EXEMPT: errors[i] = exempt(enforcer, &actions->items[i]); break;
		case ACTION_EVENT: errors[i] = error_before(actions, i, errors); break;
		}
	}
}

bool enforcer_deletes_again(const struct enforcer *enforcer, const struct prefix *source)
{
	for (size_t i = 0; i < enforcer->undeleted_count; i++)
		if (prefix_equal(&enforcer->undeleted[i].element.source, source))
			return true;
	return false;
}

void enforcer_delete_again(struct enforcer *enforcer)
{
	size_t tries = enforcer->undeleted_count < AGAIN_MAX ? enforcer->undeleted_count : AGAIN_MAX;

	/* Each time the oldest; what is refused again goes to the end. */
	for (; tries > 0 && enforcer->undeleted_count > 0; tries--) {
		const struct undeleted oldest = enforcer->undeleted[0];

		if (delete_together(enforcer, &oldest.element, 1) != 0) {
			note_deletion(enforcer, &oldest.element, -EAGAIN, oldest.ends_block);
			continue;
		}
		forget_undeleted(enforcer, &oldest.element);
		if (oldest.ends_block)
			enforcer->listener.freed(enforcer->listener.context, &oldest.element.source);
	}
}

int enforcer_flush(struct enforcer *enforcer)
{
	static const enum nft_list lists[] = { NFT_GRADED, NFT_ALERTED };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		int error = nft_flush(enforcer->nft, lists[i]);

		if (error && error != -ENOENT)
			return error;
	}
	enforcer->undeleted_count = 0;
	return 0;
}
