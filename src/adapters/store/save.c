/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is replaced as a whole: scores, served ports, customers; live blocks after they went astray.  One
 * transaction, so that a save that is cut short leaves the one before it.  Meanwhile events wait in the queue.
 */
#include "internal.h"

#include <string.h>

#include "codec.h"
#include "writer.h"

static const enum store_statement clear_memory[] = { STORE_CLEAR_SOURCES, STORE_CLEAR_SERVED, STORE_CLEAR_CUSTOMERS };
static const enum store_statement clear_blocks[] = { STORE_CLEAR_BLOCKS };

static void begin(struct store *store, enum store_saving what, const enum store_statement *clear, size_t count)
{
	int result;

	store_save_abandon(store);
	store->waiting = false;
	store_flush(store);
	store->saving = what;
	store->save_began_ms = store->now_ms;
	if (!store_can_write(store) || store->failing || store->waiting) {
		store->saving = STORE_SAVE_FAILED;
		return;
	}
	/* Scores are saved at a stop: worth a longer wait for another program's lock. */
	sqlite3_busy_timeout(store->db, STORE_BUSY_SAVE_MS);
	result = store_run_plain(store, STORE_BEGIN);
	sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
	for (size_t i = 0; result == SQLITE_OK && i < count; i++)
		result = store_run_plain(store, clear[i]);
	if (result != SQLITE_OK)
		store_failed(store, result, "cannot save");
}

void store_save_begin(struct store *store)
{
	begin(store, STORE_SAVES_MEMORY, clear_memory, sizeof(clear_memory) / sizeof(clear_memory[0]));
}

void store_save_blocks_begin(struct store *store)
{
	begin(store, STORE_SAVES_BLOCKS, clear_blocks, 1);
}

static void finish_row(struct store *store, struct store_binder *row)
{
	int result = store_run(row);

	if (result != SQLITE_OK)
		store_failed(store, result, "cannot save");
}

void store_save_source(struct store *store, const struct source_view *source)
{
	uint8_t view[STORE_PACKED_MAX];
	struct store_source_text text;
	struct store_binder row;

	if (store->saving != STORE_SAVES_MEMORY || source->piece_count > EVENT_PIECES_MAX)
		return;
	row = store_bind(store, STORE_PUT_SOURCE);
	store_bind_source(&row, &source->source, &text);
	store_bind_text(&row, store_grade_name(source->grade));
	store_bind_blob(&row, view, store_pack_source(source, view));
	finish_row(store, &row);
}

void store_save_served(struct store *store, const struct store_served *served)
{
	struct store_binder row;

	if (store->saving != STORE_SAVES_MEMORY)
		return;
	row = store_bind(store, STORE_PUT_SERVED);
	store_bind_int(&row, served->protocol);
	store_bind_int(&row, served->port);
	store_bind_int(&row, served->last_ms);
	finish_row(store, &row);
}

void store_save_customer(struct store *store, const struct store_customer *customer)
{
	struct prefix host = prefix_host(&customer->addr);
	struct store_source_text text;
	struct store_binder row;

	if (store->saving != STORE_SAVES_MEMORY)
		return;
	row = store_bind(store, STORE_PUT_CUSTOMER);
	store_bind_source(&row, &host, &text);
	store_bind_int(&row, customer->protocol);
	store_bind_int(&row, customer->port);
	store_bind_int(&row, customer->until_ms);
	finish_row(store, &row);
}

int store_put_block(struct store *store, enum store_statement how, const struct block_view *block)
{
	struct store_binder row = store_bind(store, how);
	struct store_source_text text;
	char ports[4 * 6 + 1];
	struct writer w = writer_over(ports, sizeof(ports));

	for (size_t i = 0; i < 4 && block->ports[i] != 0; i++)
		writer_format(&w, i == 0 ? "%u" : ",%u", block->ports[i]);
	store_bind_source(&row, &block->source, &text);
	store_bind_text(&row, store_grade_name(block->grade));
	store_bind_int(&row, block->times);
	store_bind_text(&row, store_tool_name(block->tool));
	store_bind_int(&row, block->incident);
	store_bind_int(&row, block->kinds);
	store_bind_int(&row, block->since_ms);
	store_bind_int(&row, block->until_ms);
	store_bind_text(&row, ports);
	store_bind_text(&row, block->reason);
	return store_run(&row);
}

void store_save_block(struct store *store, const struct block_view *block)
{
	int result;

	if (store->saving != STORE_SAVES_BLOCKS || !memchr(block->reason, '\0', sizeof(block->reason)))
		return;
	result = store_put_block(store, STORE_PUT_BLOCK, block);
	if (result != SQLITE_OK)
		store_failed(store, result, "cannot save");
}

void store_save_end(struct store *store)
{
	bool blocks = store->saving == STORE_SAVES_BLOCKS;
	int result;

	if (store->saving == STORE_SAVES_MEMORY || blocks) {
		result = store_run_plain(store, STORE_COMMIT);
		if (result != SQLITE_OK)
			store_failed(store, result, "cannot save");
		else if (blocks)
			store->blocks_stale = false;
	}
	store->saving = STORE_IDLE;
}

void store_save_abandon(struct store *store)
{
	if (store->saving == STORE_SAVES_MEMORY || store->saving == STORE_SAVES_BLOCKS)
		store_run_plain(store, STORE_ROLLBACK);
	store->saving = STORE_IDLE;
}
