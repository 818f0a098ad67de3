/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Save and restore, between the store and the wire: events go into the store as they come; the sentry's tables come
 * from it by pages, and after a start they go back to it by pages.
 * Promises: the store checks each item in both directions, since a process of ours may have been taken over and the
 * file may be damaged.  A problem of the store is logged once when it begins and once when it ends.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "clamp.h"
#include "procfs.h"
#include "store/store.h"

#define RESTORE_PATIENCE_MS 30000 /* a sentry that starts with many blocks of its own reads late */

enum phase { PHASE_IDLE, PHASE_BLOCKS, PHASE_REST };

struct save {
	struct store *store;
	struct journal *journal;
	enum phase phase; /* of the save under way */
	int64_t boot;     /* of the host: which it is */
	int64_t history_max;
	int64_t moved_ms; /* what was saved before this start */
	bool usable;
};

/* How the items of a table travel, in the order in which they are restored: first what no trap may answer for. */
static const struct page {
	enum store_table table;
	enum wire_type type;
	uint32_t max;
	size_t offset, size; /* of the first item within the body, of one item */
} pages[] = {
/* clang-format off */
#define PAGE(table, type, max, shape) \
	{ table, type, max, offsetof(struct shape, items), sizeof(((struct shape *)0)->items[0]) }
	PAGE(STORE_SERVED, WIRE_SAVED_SERVED, WIRE_SERVED_BATCH, wire_served),
	PAGE(STORE_SOURCES, WIRE_SAVED_SOURCES, WIRE_SOURCE_BATCH, wire_sources),
	PAGE(STORE_BLOCKS, WIRE_SAVED_BLOCKS, WIRE_BLOCK_BATCH, wire_blocks),
	PAGE(STORE_LEARNED, WIRE_SAVED_LEARNED, WIRE_LEARNED_BATCH, wire_learned),
	/* clang-format on */
};

_Static_assert((int)STORE_LEARNED_KINDS == (int)NFT_LEARNED_KINDS, "each kind is stored");

#define PAGE_KINDS (sizeof(pages) / sizeof(pages[0]))

static void tell_problem(struct save *save)
{
	struct store_stats stats;

	store_read_stats(save->store, &stats);
	save->usable = stats.problem[0] == '\0';
	if (!save->usable)
		journal_log(save->journal, LOG_ERR, "memory: %s", stats.problem);
	else
		journal_log(save->journal, LOG_NOTICE, "memory: all is well again");
}

struct save *save_open(const struct keeper_start *start, struct journal *journal, int64_t now_ms)
{
	struct save *save = calloc(1, sizeof(*save));
	struct store_stats stats;

	if (!save)
		return NULL;
	save->journal = journal;
	save->store = store_open(start->state_dir, now_ms);
	if (!save->store) {
		free(save);
		return NULL;
	}
	save->history_max = start->history_max;
	store_limit_history(save->store, start->history_max);
	if (procfs_boot(&save->boot) == 0)
		save->moved_ms = store_clock(save->store, save->boot, start->boot_ms);
	if (save->moved_ms)
		journal_log(
			journal, LOG_INFO,
			"memory: the host was down, or its clock was set: times of earlier runs move by %lld s, what "
			"lasts goes on with what was left",
			(long long)save->moved_ms / 1000);
	store_read_stats(save->store, &stats);
	save->usable = true;
	if (stats.problem[0])
		tell_problem(save);
	return save;
}

bool save_close(struct save *save)
{
	bool saved;

	if (!save)
		return false;
	saved = store_close(save->store);
	free(save);
	return saved;
}

void save_event(struct save *save, const struct event *event)
{
	store_event(save->store, event);
}

void save_tick(struct save *save, int64_t now_ms)
{
	if (store_tick(save->store, now_ms))
		tell_problem(save);
}

bool save_keeps_blocks(const struct save *save)
{
	return store_keeps_blocks(save->store);
}

int64_t save_moved_ms(const struct save *save)
{
	return save->moved_ms;
}

bool save_wants_blocks(const struct save *save)
{
	return store_wants_blocks(save->store);
}

void save_lacks_blocks(struct save *save)
{
	store_lacks_blocks(save->store);
}

void save_clock_set(struct save *save, int64_t boot_ms)
{
	if (save->boot)
		store_clock(save->store, save->boot, boot_ms);
}

void save_read_kept(const struct save *save, struct kept *out)
{
	struct store_stats stats;

	store_read_stats(save->store, &stats);
	*out = (struct kept){
		.rows = stats.rows,
		.bytes = stats.bytes > 0 ? (uint64_t)stats.bytes : 0,
		.bytes_max = save->history_max > 0 ? (uint64_t)save->history_max : 0,
		.trimmed = stats.trimmed,
		.left_out = stats.left_out,
		.dropped = stats.dropped,
	};
}

struct store *save_history(struct save *save)
{
	return save->usable ? save->store : NULL;
}

/* ---- restore: to the sentry ---- */

struct sender {
	int fd, error;
	const struct page *page; /* the kind of the one that is being filled */
	uint32_t count;
	int64_t now_ms, moved_ms;
	struct wire_message message;
};

/* Sends the page and begins a new one; after a failure the pages are only dropped. */
static void send_page(struct sender *sender)
{
	if (sender->count == 0)
		return;
	/* Every page begins with `next` and `count`. */
	sender->message.body.blocks.count = sender->count;
	sender->message.header.type = sender->page->type;
	if (sender->page->table == STORE_SOURCES)
		wire_shift_times(&sender->message, sender->moved_ms);
	if (!sender->error)
		sender->error =
			wire_send_patiently(sender->fd, sender->page->type, &sender->message.body, RESTORE_PATIENCE_MS);
	memset(&sender->message, 0, sizeof(sender->message));
	sender->count = 0;
}

static void send_item(void *context, const void *item)
{
	struct sender *sender = context;
	char *place = (char *)&sender->message.body + sender->page->offset + sender->count * sender->page->size;

	if (sender->page->table == STORE_LEARNED) {
		const struct store_learned *saved = item;

		*(struct nft_learned *)(void *)place = (struct nft_learned){
			.addr = saved->addr,
			.left_ms = clamped_difference(saved->until_ms, sender->now_ms),
			.port = saved->port,
			.own_port = saved->own_port,
			.kind = saved->kind,
		};
	} else {
		memcpy(place, item, sender->page->size);
	}
	if (++sender->count == sender->page->max)
		send_page(sender);
}

void save_restore(struct save *save, int sentry_fd, int64_t now_ms)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	const struct wire_empty nothing = { 0 };

	if (!sender)
		return;
	sender->fd = sentry_fd;
	sender->now_ms = now_ms;
	sender->moved_ms = save->moved_ms;
	for (size_t i = 0; i < PAGE_KINDS; i++) {
		sender->page = &pages[i];
		store_restore(save->store, pages[i].table, now_ms, send_item, sender);
		send_page(sender);
	}
	if (!sender->error)
		sender->error = wire_send_patiently(sentry_fd, WIRE_SAVED_END, &nothing, RESTORE_PATIENCE_MS);
	if (sender->error)
		journal_log_errno(save->journal, LOG_ERR, -sender->error,
				  "memory: the sentry did not take all that was remembered");
	free(sender);
}

/* ---- save: from the sentry ---- */

static void begin_rest(struct save *save)
{
	if (save->phase == PHASE_REST)
		return;
	if (save->phase == PHASE_BLOCKS)
		store_save_end(save->store);
	store_save_begin(save->store);
	save->phase = PHASE_REST;
}

static void take_item(struct save *save, enum store_table table, const void *item, int64_t now_ms)
{
	struct store_learned saved;

	if (table == STORE_LEARNED) {
		const struct nft_learned *learned = item;

		saved = (struct store_learned){
			.addr = learned->addr,
			.until_ms = clamped_sum(now_ms, learned->left_ms),
			.port = learned->port,
			.own_port = learned->own_port,
			.kind = learned->kind,
		};
		item = &saved;
	}
	store_save(save->store, table, item);
}

static void take_page(struct save *save, const struct wire_message *message, int64_t now_ms)
{
	uint32_t count = message->body.blocks.count;

	for (size_t kind = 0; kind < PAGE_KINDS; kind++) {
		const struct page *page = &pages[kind];
		const char *items = (const char *)&message->body + page->offset;

		/* Blocks are saved by events; by pages only where the store asked for it. */
		if (page->type != message->header.type || (page->table == STORE_BLOCKS && save->phase != PHASE_BLOCKS))
			continue;
		for (uint32_t i = 0; i < count && i < page->max; i++)
			take_item(save, page->table, items + i * page->size, now_ms);
	}
}

void save_message(struct save *save, const struct wire_message *message, int64_t now_ms)
{
	enum wire_type type = (enum wire_type)message->header.type;

	if (type == WIRE_SAVED_BEGIN) {
		store_save_abandon(save->store); /* that a stop cut short: half of the blocks do not pass for all */
		save->phase = PHASE_BLOCKS;
		if (store_wants_blocks(save->store))
			store_save_blocks_begin(save->store);
		else
			begin_rest(save);
		return;
	}
	if (save->phase == PHASE_IDLE)
		return;
	if (type != WIRE_SAVED_BLOCKS)
		begin_rest(save);
	if (type == WIRE_SAVED_END) {
		store_save_end(save->store);
		save->phase = PHASE_IDLE;
	} else {
		take_page(save, message, now_ms);
	}
}
