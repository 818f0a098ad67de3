/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the store and the wire. A page from the sentry is checked before it is kept, one from the store before it
 * is sent
 * (store.h): neither side believes the other. What is wrong with the store is told once, when it begins and when it
 * ends.
 */
#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define MEMORY_PATIENCE_MS 30000 /* a sentry that starts with many blocks of its own reads late */

enum phase { PHASE_IDLE, PHASE_BLOCKS, PHASE_REST };

struct memory {
	struct store *store;
	struct journal *journal;
	enum phase phase; /* of the save under way */
	bool usable;
};

/* One page being filled on its way to the sentry. */
struct sender {
	int fd;
	enum wire_type type;
	uint32_t count, max;
	int error;
	int64_t now_ms;
	union {
		struct wire_blocks blocks;
		struct wire_sources sources;
		struct wire_served served;
		struct wire_customers customers;
	} page;
};

static void tell_problem(struct memory *memory)
{
	struct store_stats stats;

	store_read_stats(memory->store, &stats);
	memory->usable = stats.problem[0] == '\0';
	if (!memory->usable)
		journal_log(memory->journal, LOG_ERR, "memory: %s", stats.problem);
	else
		journal_log(memory->journal, LOG_NOTICE, "memory: all is well again");
}

struct memory *memory_open(const char *state_dir, struct journal *journal, int64_t now_ms)
{
	struct memory *memory = calloc(1, sizeof(*memory));
	struct store_stats stats;

	if (!memory)
		return NULL;
	memory->journal = journal;
	memory->store = store_open(state_dir, now_ms);
	if (!memory->store) {
		free(memory);
		return NULL;
	}
	store_read_stats(memory->store, &stats);
	memory->usable = true;
	if (stats.problem[0])
		tell_problem(memory);
	return memory;
}

void memory_close(struct memory *memory)
{
	if (!memory)
		return;
	store_close(memory->store);
	free(memory);
}

void memory_event(struct memory *memory, const struct event *event)
{
	store_event(memory->store, event);
}

void memory_tick(struct memory *memory, int64_t now_ms)
{
	if (store_tick(memory->store, now_ms))
		tell_problem(memory);
}

struct store *memory_history(struct memory *memory)
{
	return memory->usable ? memory->store : NULL;
}

/* ---- to the sentry ---- */

static void sender_flush(struct sender *sender)
{
	if (sender->count == 0 || sender->error)
		return;
	/* Every page begins with `next` and `count`. */
	sender->page.blocks.count = sender->count;
	sender->error = wire_send_patiently(sender->fd, sender->type, &sender->page, MEMORY_PATIENCE_MS);
	memset(&sender->page, 0, sizeof(sender->page));
	sender->count = 0;
}

static void sender_begin(struct sender *sender, enum wire_type type, uint32_t max)
{
	sender_flush(sender);
	sender->type = type;
	sender->max = max;
}

static void sender_added(struct sender *sender)
{
	if (++sender->count == sender->max)
		sender_flush(sender);
}

static void send_block(void *context, const void *item)
{
	struct sender *sender = context;

	sender->page.blocks.items[sender->count] = *(const struct block_view *)item;
	sender_added(sender);
}

static void send_source(void *context, const void *item)
{
	struct sender *sender = context;

	sender->page.sources.items[sender->count] = *(const struct source_view *)item;
	sender_added(sender);
}

static void send_served(void *context, const void *item)
{
	struct sender *sender = context;

	sender->page.served.items[sender->count] = *(const struct served_view *)item;
	sender_added(sender);
}

static void send_customer(void *context, const void *item)
{
	const struct store_customer *customer = item;
	struct sender *sender = context;

	sender->page.customers.items[sender->count] = (struct nft_customer){
		.addr = customer->addr,
		.left_ms = customer->until_ms - sender->now_ms,
		.port = customer->port,
		.protocol = customer->protocol,
	};
	sender_added(sender);
}

void memory_restore(struct memory *memory, int sentry_fd, int64_t now_ms)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	const struct wire_empty nothing = { 0 };

	if (!sender)
		return;
	sender->fd = sentry_fd;
	sender->now_ms = now_ms;
	sender_begin(sender, WIRE_MEMORY_SOURCES, WIRE_SOURCE_BATCH);
	store_restore(memory->store, STORE_SOURCES, now_ms, send_source, sender);
	sender_begin(sender, WIRE_MEMORY_BLOCKS, WIRE_BLOCK_BATCH);
	store_restore(memory->store, STORE_BLOCKS, now_ms, send_block, sender);
	sender_begin(sender, WIRE_MEMORY_SERVED, WIRE_SERVED_BATCH);
	store_restore(memory->store, STORE_SERVED, now_ms, send_served, sender);
	sender_begin(sender, WIRE_MEMORY_CUSTOMERS, WIRE_CUSTOMER_BATCH);
	store_restore(memory->store, STORE_CUSTOMERS, now_ms, send_customer, sender);
	sender_flush(sender);
	if (!sender->error)
		sender->error = wire_send_patiently(sentry_fd, WIRE_MEMORY_END, &nothing, MEMORY_PATIENCE_MS);
	if (sender->error)
		journal_log_errno(memory->journal, LOG_ERR, -sender->error,
				  "memory: the sentry did not take all that was remembered");
	free(sender);
}

/* ---- from the sentry ---- */

static void save_rest_begins(struct memory *memory)
{
	if (memory->phase == PHASE_REST)
		return;
	if (memory->phase == PHASE_BLOCKS)
		store_save_end(memory->store);
	store_save_begin(memory->store);
	memory->phase = PHASE_REST;
}

static void save_page(struct memory *memory, const struct wire_message *message, int64_t now_ms)
{
	uint32_t count = message->body.blocks.count;

	switch ((enum wire_type)message->header.type) {
	case WIRE_MEMORY_BLOCKS:
		for (uint32_t i = 0; memory->phase == PHASE_BLOCKS && i < count && i < WIRE_BLOCK_BATCH; i++)
			store_save(memory->store, STORE_BLOCKS, &message->body.blocks.items[i]);
		break;
	case WIRE_MEMORY_SOURCES:
		for (uint32_t i = 0; i < count && i < WIRE_SOURCE_BATCH; i++)
			store_save(memory->store, STORE_SOURCES, &message->body.sources.items[i]);
		break;
	case WIRE_MEMORY_SERVED:
		for (uint32_t i = 0; i < count && i < WIRE_SERVED_BATCH; i++)
			store_save(memory->store, STORE_SERVED, &message->body.served.items[i]);
		break;
	default:
		for (uint32_t i = 0; i < count && i < WIRE_CUSTOMER_BATCH; i++) {
			const struct nft_customer *item = &message->body.customers.items[i];

			store_save(memory->store, STORE_CUSTOMERS,
				   &(struct store_customer){ item->addr, now_ms + item->left_ms, item->port,
							     item->protocol });
		}
		break;
	}
}

void memory_save(struct memory *memory, const struct wire_message *message, int64_t now_ms)
{
	enum wire_type type = (enum wire_type)message->header.type;

	if (type == WIRE_MEMORY_BEGIN) {
		memory->phase = PHASE_BLOCKS;
		if (store_wants_blocks(memory->store))
			store_save_blocks_begin(memory->store);
		else
			save_rest_begins(memory);
		return;
	}
	if (memory->phase == PHASE_IDLE)
		return;
	if (type != WIRE_MEMORY_BLOCKS)
		save_rest_begins(memory);
	if (type == WIRE_MEMORY_END) {
		store_save_end(memory->store);
		memory->phase = PHASE_IDLE;
	} else {
		save_page(memory, message, now_ms);
	}
}
