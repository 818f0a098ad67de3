/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock that the times in the file were written by.  Nothing that lasts may depend on a clock that somebody sets,
 * or that was never set: the file remembers this boot of the host and when it was, as the clock on the wall said, and
 * when the file was last written.
 *
 * - In the same boot the boot's clock tells what went by.  When the clock on the wall is set, even while picket does
 *   not run, the boot moves, and with it whatever ends, was seen or happened in it.
 * - Over a reboot nobody can tell a clock that was set from time that went by.  So the time in which the host was down
 *   does not count: what lasts goes on with what was left when the file was last written.  It is never lost, whatever
 *   the clock said before and says now, and never lasts longer than that.
 *
 * Scores are packed: they move as they are restored.  Limits: after a power cut the file may be ten minutes behind (the
 * sentry's saves), and what was left is that much more; of a boot's history the newest HISTORY_MOVED rows move.
 */
#include "internal.h"

#include "clamp.h"

#define CLOCK_SET_MS  2000 /* less is how a time server corrects it by and by */
#define HISTORY_MOVED 10000
#define SETTLE_MS     3600000 /* after a start and a set clock: a time server has spoken by then, if there is one */

int store_write_last(struct store *store)
{
	return store->boot ? store_write_meta(store, "last_ms", store->now_ms) : SQLITE_OK;
}

static int move(struct store *store, enum store_statement which, int64_t by_ms)
{
	struct store_row row = store_bind(store, which);

	store_bind_int(&row, by_ms);
	return store_run(&row);
}

/* What happened since the boot began; before that another clock may have been right. */
static int move_history(struct store *store, int64_t by_ms)
{
	struct store_row row = store_bind(store, STORE_MOVE_EVENTS);
	int64_t after = store->last_row - HISTORY_MOVED;
	int64_t boot_row = INT64_MAX;
	int result = store_read_meta(store, "boot_row", &boot_row);

	store_bind_int(&row, by_ms);
	store_bind_int(&row, after > boot_row ? after : boot_row);
	return result == SQLITE_OK ? store_run(&row) : result;
}

static int write_down(struct store *store, bool same_boot, int64_t by_ms)
{
	static const enum store_statement moves[] = { STORE_MOVE_BLOCKS, STORE_MOVE_SERVED, STORE_MOVE_LEARNED };
	int result = store_run_plain(store, STORE_BEGIN);

	for (size_t i = 0; by_ms && result == SQLITE_OK && i < sizeof(moves) / sizeof(moves[0]); i++)
		result = move(store, moves[i], by_ms);
	if (result == SQLITE_OK && same_boot && by_ms)
		result = move_history(store, by_ms);
	if (result == SQLITE_OK && !same_boot)
		result = store_write_meta(store, "boot_row", store->last_row);
	if (result == SQLITE_OK)
		result = store_write_meta(store, "boot", store->boot);
	if (result == SQLITE_OK)
		result = store_write_meta(store, "boot_ms", store->boot_ms);
	if (result == SQLITE_OK)
		result = store_write_last(store);
	return result == SQLITE_OK ? store_run_plain(store, STORE_COMMIT) : result;
}

/* By how much the times in the file are behind ours. */
static int read_gap(struct store *store, bool *same_boot, int64_t *by_ms)
{
	int64_t boot = 0, boot_ms = 0, started_ms = store->boot_ms + store->started_up_ms, last_ms = started_ms;
	int result = store_read_meta(store, "boot", &boot);

	if (result == SQLITE_OK)
		result = store_read_meta(store, "boot_ms", &boot_ms);
	if (result == SQLITE_OK)
		result = store_read_meta(store, "last_ms", &last_ms);
	/* A file that makes no sense moves nothing to where arithmetic ends. */
	if (result == SQLITE_OK &&
	    (boot_ms < 0 || boot_ms > STORE_TIME_MAX_MS || last_ms < 0 || last_ms > STORE_TIME_MAX_MS)) {
		boot = 0;
		last_ms = started_ms;
	}
	*same_boot = boot == store->boot;
	*by_ms = *same_boot ? store->boot_ms - boot_ms : started_ms - last_ms;
	if (*by_ms<CLOCK_SET_MS && * by_ms> - CLOCK_SET_MS)
		*by_ms = 0;
	return result;
}

int64_t store_settle_clock(struct store *store)
{
	int64_t by_ms = 0;
	bool same_boot;
	int result;

	if (!store->boot || store->clock_settled || !store->db || store->saving != STORE_IDLE)
		return 0;
	result = read_gap(store, &same_boot, &by_ms);
	/* Until it can be written, the rows are moved as they are read. */
	store->unmoved_ms = result == SQLITE_OK ? by_ms : 0;
	if (!store_can_write(store) || store->failing || store->waiting)
		return store->unmoved_ms;
	if (result == SQLITE_OK && (!same_boot || by_ms))
		result = write_down(store, same_boot, by_ms);
	if (result != SQLITE_OK) {
		store_failed(store, result, "cannot write the time");
		return store->unmoved_ms;
	}
	/* From here on the sentry's times count, whatever clock an earlier boot had: they are asked for. */
	store->blocks_stale |= !same_boot || by_ms;
	store->clock_settled = true;
	store->unmoved_ms = 0;
	return by_ms;
}

bool store_clock_is_settled(struct store *store)
{
	store_settle_clock(store);
	return store->clock_settled || !store->boot;
}

int64_t store_clock(struct store *store, int64_t boot, int64_t boot_ms)
{
	int64_t by_ms = boot_ms - store->boot_ms;

	store_flush(store);
	if (store->boot) {
		store->now_ms += by_ms;
		store->retry_ms += by_ms;
		store->save_began_ms += by_ms;
		for (size_t i = 0; i < store->queued; i++)
			store->queue[i].at_ms = clamped_sum(store->queue[i].at_ms, by_ms);
	} else {
		store->started_up_ms = store->now_ms - boot_ms;
	}
	store->boot = boot;
	store->boot_ms = boot_ms;
	store->trim_age_ms = store->now_ms + SETTLE_MS;
	store->clock_settled = false;
	return store_settle_clock(store);
}
