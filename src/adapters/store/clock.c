/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock that the times in the file were written by.  The file remembers this boot of the host and when it was, as
 * the clock on the wall said.  When the clock is set, even while picket does not run, that point moves, and with it
 * whatever ends or was seen at some time.  Scores are packed: they move as they are restored.  The history stays as it
 * was told.  Limit: over a reboot nobody can tell a clock that was set from time that went by.
 */
#include "internal.h"

#include "clamp.h"

#define CLOCK_SET_MS 2000 /* less is how a time server corrects it by and by */

static int write_down(struct store *store, int64_t by_ms)
{
	static const enum store_statement moves[] = { STORE_MOVE_BLOCKS, STORE_MOVE_SERVED, STORE_MOVE_LEARNED };
	int result = store_run_plain(store, STORE_BEGIN);

	for (size_t i = 0; by_ms && result == SQLITE_OK && i < sizeof(moves) / sizeof(moves[0]); i++) {
		struct store_row move = store_bind(store, moves[i]);

		store_bind_int(&move, by_ms);
		result = store_run(&move);
	}
	if (result == SQLITE_OK)
		result = store_write_meta(store, "boot", store->boot);
	if (result == SQLITE_OK)
		result = store_write_meta(store, "boot_ms", store->boot_ms);
	return result == SQLITE_OK ? store_run_plain(store, STORE_COMMIT) : result;
}

int64_t store_settle_clock(struct store *store)
{
	int64_t boot = 0, boot_ms = 0, by_ms;
	int result;

	if (!store->boot || store->clock_settled || !store_can_write(store) || store->failing || store->waiting ||
	    store->saving != STORE_IDLE)
		return 0;
	result = store_read_meta(store, "boot", &boot);
	if (result == SQLITE_OK)
		result = store_read_meta(store, "boot_ms", &boot_ms);
	by_ms = boot == store->boot ? clamped_difference(store->boot_ms, boot_ms) : 0;
	if (by_ms < CLOCK_SET_MS && by_ms > -CLOCK_SET_MS)
		by_ms = 0;
	if (result == SQLITE_OK && (boot != store->boot || by_ms))
		result = write_down(store, by_ms);
	if (result != SQLITE_OK) {
		store_failed(store, result, "cannot write the time");
		return 0;
	}
	/* From here on the sentry's times count, whatever clock an earlier boot had: they are asked for. */
	store->blocks_stale |= boot != store->boot || by_ms;
	store->clock_settled = true;
	return by_ms;
}

int64_t store_clock(struct store *store, int64_t boot, int64_t boot_ms)
{
	store_flush(store);
	store->boot = boot;
	store->boot_ms = boot_ms;
	store->clock_settled = false;
	return store_settle_clock(store);
}
