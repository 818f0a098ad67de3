/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much room the history takes.  It is bounded by age and by bytes: what is too much goes in small steps, so that no
 * tick takes longer than TICK_US by much, and the file gives its room back once there is much of it.  Alerts and veils
 * come as fast as anybody cares to forge packets, bans do not: each of the two kinds is sure of half.
 *
 * Limit: when the disk is nearly full nobody's history is worth the host's last bytes; live blocks still are.
 */
#include "internal.h"

#include <sys/statvfs.h>

#include "clock.h"

#define STEP_ROWS    500
#define TICK_ROWS    5000
#define TICK_US      30000
#define FREE_PAGES   2048 /* fewer than these are soon used again */
#define BLOCKS_EVERY 3600 /* ticks between looks for blocks whose end was never told */
#define LOOK_EVERY   10   /* ticks between looks for something to trim */
#define DAY_MS       86400000LL

void store_limit_history(struct store *store, int64_t bytes)
{
	store->history_max = bytes;
	store->trimming = true;
}

static int gone(struct store *store, int64_t rows)
{
	store->stats.trimmed += (uint64_t)rows;
	return rows > 0 ? store_read_extent(store) : SQLITE_OK;
}

static int trim_age(struct store *store, bool *more)
{
	struct store_row trim = store_bind(store, STORE_TRIM_AGE);
	int64_t rows;
	int result;

	/* A clock that is ahead for a moment makes nothing old. */
	*more = false;
	if (store->now_ms < store->trim_age_ms)
		return SQLITE_OK;
	store_bind_int(&trim, store->now_ms - STORE_HISTORY_DAYS * DAY_MS);
	store_bind_int(&trim, STEP_ROWS);
	result = store_run(&trim);
	if (result != SQLITE_OK)
		return result;
	rows = sqlite3_changes(store->db);
	if (rows > 0)
		store->forgeable = store->lasting = -1;
	*more = rows == STEP_ROWS;
	return gone(store, rows);
}

/* The oldest of them lie behind rows of the other kind that are walked over once: forgeable_from remembers how far. */
static int trim_forgeable(struct store *store)
{
	struct store_row find = store_bind(store, STORE_FORGEABLE_UP_TO), trim;
	int64_t up_to = 0, rows;
	int result;

	store_bind_int(&find, store->forgeable_from);
	store_bind_int(&find, STEP_ROWS);
	result = store_number(&find, &up_to);
	if (result != SQLITE_OK)
		return result;
	trim = store_bind(store, STORE_TRIM_FORGEABLE);
	store_bind_int(&trim, store->forgeable_from);
	store_bind_int(&trim, up_to);
	result = store_run(&trim);
	if (result != SQLITE_OK)
		return result;
	rows = sqlite3_changes(store->db);
	store->forgeable_from = up_to;
	store->forgeable = rows > 0 ? store->forgeable - rows : -1;
	return gone(store, rows);
}

static int trim_lasting(struct store *store)
{
	struct store_row trim = store_bind(store, STORE_TRIM_LASTING);
	int64_t rows;
	int result;

	store_bind_int(&trim, STEP_ROWS);
	result = store_run(&trim);
	if (result != SQLITE_OK)
		return result;
	rows = sqlite3_changes(store->db);
	store->lasting = rows > 0 ? store->lasting - rows : -1;
	return gone(store, rows);
}

static int bytes_used(struct store *store, int64_t *out)
{
	int64_t pages, free_pages, size;
	int result = store_first_integer(store, STORE_PAGES, &pages);

	if (result == SQLITE_OK)
		result = store_first_integer(store, STORE_FREE_PAGES, &free_pages);
	if (result == SQLITE_OK)
		result = store_first_integer(store, STORE_PAGE_SIZE, &size);
	if (result == SQLITE_OK)
		*out = (pages - free_pages) * size;
	return result;
}

static int count(struct store *store)
{
	int result = store_first_integer(store, STORE_COUNT_LASTING, &store->lasting);

	if (result == SQLITE_OK)
		result = store_first_integer(store, STORE_COUNT_ALL, &store->forgeable);
	if (result == SQLITE_OK)
		store->forgeable -= store->lasting;
	store->forgeable_from = 0;
	return result;
}

static int trim_bytes(struct store *store, bool *more)
{
	int64_t used;
	int result = bytes_used(store, &used);

	*more = result == SQLITE_OK && store->history_max && used > store->history_max;
	if (*more && (store->forgeable < 0 || store->lasting < 0))
		result = count(store);
	if (result != SQLITE_OK || !*more)
		return result;
	*more = store->forgeable + store->lasting > 0; /* the rest is not history */
	if (!*more)
		return SQLITE_OK;
	return store->forgeable >= store->lasting ? trim_forgeable(store) : trim_lasting(store);
}

static int trim_history(struct store *store)
{
	int64_t end_us = clock_us(CLOCK_MONOTONIC) + TICK_US;
	int result = SQLITE_OK;
	bool more = true;

	for (int rows = 0; result == SQLITE_OK && more && rows < TICK_ROWS && clock_us(CLOCK_MONOTONIC) < end_us;
	     rows += STEP_ROWS) {
		result = trim_age(store, &more);
		if (result == SQLITE_OK && !more)
			result = trim_bytes(store, &more);
	}
	store->trimming = more;
	return result;
}

static int give_back(struct store *store)
{
	int64_t free_pages;
	int result = store_first_integer(store, STORE_FREE_PAGES, &free_pages);

	if (result != SQLITE_OK || free_pages < FREE_PAGES)
		return result;
	store->trimming = true;
	return store_run_plain(store, STORE_VACUUM);
}

/* Free bytes below which only blocks are written. */
static int64_t spare(const struct statvfs *disk)
{
	int64_t percent = (int64_t)(disk->f_blocks * disk->f_frsize / 100 * STORE_FREE_PERCENT);

	return percent < STORE_FREE_BYTES ? percent : STORE_FREE_BYTES;
}

static void look_at_disk(struct store *store)
{
	struct statvfs disk;
	bool low = store->disk_low;

	if (statvfs(store->directory, &disk) < 0)
		return;
	store->disk_low = (int64_t)(disk.f_bavail * disk.f_frsize) < spare(&disk);
	if (store->disk_low && !store->stats.problem[0])
		store_problem(store, false, STORE_NAME ": the disk is nearly full: blocks are kept, no history is");
	else if (low && !store->disk_low && !store->failing && !store->notice)
		store_problem(store, false, "%s", "");
}

void store_trim(struct store *store)
{
	unsigned tick = store->ticks++;
	int result = SQLITE_OK;

	if (tick % LOOK_EVERY == 0)
		look_at_disk(store);
	if (store->failing || store->waiting || store->wal_stuck)
		return;
	if (tick % BLOCKS_EVERY == 0) {
		struct store_row trim = store_bind(store, STORE_TRIM_BLOCKS);
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
