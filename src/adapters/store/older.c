/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file for an older picket: undoes formats (tables.c) one after the other.  An older picket leaves a file of a
 * newer format alone and forgets what is blocked; so a package that is replaced by an older one rewrites it first.
 *
 * Limit: what an older format has no place for is left out.
 */
#include "internal.h"

#include <stdio.h>

/* older[n] makes a file of format n from one of format n + 1. */
static const char *const older[STORE_FORMAT] = {
	/*
	 * There suspicion blocked, a whole net too: a veil ends instead, and its source, whose score is kept, is judged
	 * anew.  Nets were no sources.  What was learned is customers of TCP alone.  The view of a source was 13 bytes
	 * shorter, and 1 its first.
	 */
	[1] = "UPDATE event SET type = 'block' WHERE type = 'veil';"
	      "UPDATE event SET grade = CASE grade WHEN 'veil' THEN 'block' WHEN 'block' THEN 'manual' ELSE grade END;"
	      "DELETE FROM block WHERE grade = 'veil';"
	      "UPDATE block SET grade = 'manual' WHERE grade = 'block';"
	      "DELETE FROM source WHERE substr(view, 1, 1) = x'02' AND substr(view, -1) <> x'00';"
	      "UPDATE source SET view = CAST(x'01' || substr(view, 2, length(view) - 14) AS BLOB)"
	      " WHERE substr(view, 1, 1) = x'02';"
	      "UPDATE source SET grade = 'alert', view = CAST(x'0102' || substr(view, 3) AS BLOB) WHERE grade = 'veil';"
	      "DELETE FROM learned WHERE kind <> 0;"
	      "ALTER TABLE learned DROP COLUMN kind;"
	      "ALTER TABLE learned DROP COLUMN own_port;"
	      "ALTER TABLE learned RENAME TO customer;"
	      "ALTER TABLE customer ADD COLUMN protocol INTEGER NOT NULL DEFAULT 6;"
	      "ALTER TABLE served DROP COLUMN uid;"
	      "DELETE FROM meta;",
	[2] = "DROP INDEX event_lasting;",
};

static int rewrite(struct store *store, int64_t format)
{
	char end[64];
	int result = sqlite3_exec(store->db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);

	snprintf(end, sizeof(end), "PRAGMA user_version = %d; COMMIT", (int)format);
	for (int64_t n = STORE_FORMAT - 1; result == SQLITE_OK && n >= format; n--)
		result = sqlite3_exec(store->db, older[n], NULL, NULL, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_exec(store->db, end, NULL, NULL, NULL);
	return result;
}

bool store_write_older(struct store *store, int64_t format)
{
	int result;

	store_flush(store);
	if (store->failing || !store_can_write(store) || format < 1 || format > STORE_FORMAT)
		return false;
	store_finish(store);
	result = rewrite(store, format);
	if (result != SQLITE_OK) {
		store_problem(store, false, STORE_NAME ": cannot write format %d: %s", (int)format,
			      sqlite3_errmsg(store->db));
		if (!sqlite3_get_autocommit(store->db))
			sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	}
	/* Nothing more is written: its statements are of another schema. */
	store->blocks_stale = true;
	return result == SQLITE_OK;
}
