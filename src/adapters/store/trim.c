/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * History is bounded by age and by rows.  What is too much goes in small steps, a tick's worth of them never
 * longer than a blink; the file gives the room back once there is much of it.
 */
#include "internal.h"

#include <time.h>

#define STEP_ROWS    500
#define TICK_ROWS    5000
#define TICK_US      30000
#define FREE_PAGES   2048 /* fewer are used again soon */
#define BLOCKS_EVERY 3600 /* ticks: live blocks whose end was never heard of */
#define LOOK_EVERY   10   /* ticks without anything to trim */
#define DAY_MS       86400000LL

static int64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int first_integer(struct store *store, enum store_statement which, int64_t *out)
{
	struct store_binder query = store_bind(store, which);
	int result = sqlite3_step(query.statement);

	*out = result == SQLITE_ROW ? sqlite3_column_int64(query.statement, 0) : 0;
	sqlite3_reset(query.statement);
	return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_read_extent(struct store *store)
{
	int result = first_integer(store, STORE_FIRST_ROW, &store->first_row);

	if (result == SQLITE_OK)
		result = first_integer(store, STORE_LAST_ROW, &store->last_row);
	/* Numbers that no history of ours reaches: rows would be numbered at random from there. */
	if (result == SQLITE_OK && (store->first_row < 0 || store->last_row > INT64_MAX / 2))
		result = SQLITE_CORRUPT;
	return result;
}

static int trim_step(struct store *store, enum store_statement which, int64_t rows, bool *more)
{
	struct store_binder trim = store_bind(store, which);
	int64_t gone;
	int result;

	if (which == STORE_TRIM_AGE)
		store_bind_int(&trim, store->now_ms - STORE_HISTORY_DAYS * DAY_MS);
	store_bind_int(&trim, rows);
	result = store_run(&trim);
	if (result != SQLITE_OK)
		return result;
	gone = sqlite3_changes64(store->db);
	store->stats.trimmed += (uint64_t)gone;
	*more = gone == STEP_ROWS;
	return gone > 0 ? store_read_extent(store) : SQLITE_OK;
}

static int64_t rows_too_many(const struct store *store)
{
	int64_t rows = store->last_row > 0 ? store->last_row - store->first_row + 1 : 0;

	return rows > STORE_HISTORY_ROWS ? rows - STORE_HISTORY_ROWS : 0;
}

static int trim_history(struct store *store)
{
	int64_t end_us = clock_us() + TICK_US;
	int result = SQLITE_OK;
	bool more = true;

	for (int rows = 0; result == SQLITE_OK && more && rows < TICK_ROWS && clock_us() < end_us; rows += STEP_ROWS) {
		int64_t too_many = rows_too_many(store);
		if (too_many > 0)
			result = trim_step(store, STORE_TRIM_ROWS, too_many < STEP_ROWS ? too_many : STEP_ROWS, &more);
		else
			result = trim_step(store, STORE_TRIM_AGE, STEP_ROWS, &more);
	}
	store->trimming = more;
	return result;
}

static int give_back(struct store *store)
{
	int64_t free_pages;
	int result = first_integer(store, STORE_FREE_PAGES, &free_pages);

	if (result != SQLITE_OK || free_pages < FREE_PAGES)
		return result;
	store->trimming = true;
	return store_run_plain(store, STORE_VACUUM);
}

void store_trim(struct store *store)
{
	unsigned tick = store->ticks++;
	int result = SQLITE_OK;

	if (store->failing || store->waiting || store->wal_stuck)
		return;
	if (tick % BLOCKS_EVERY == 0) {
		struct store_binder trim = store_bind(store, STORE_TRIM_BLOCKS);
		store_bind_int(&trim, store->now_ms);
		result = store_run(&trim);
	}
	if (result == SQLITE_OK && (store->trimming || tick % LOOK_EVERY == 0)) {
		result = trim_history(store);
		if (result == SQLITE_OK)
			result = give_back(store);
	}
	if (result != SQLITE_OK)
		store_failed(store, result, "cannot trim");
}
