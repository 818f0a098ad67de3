/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the bytes of the store's file, which a disk may have damaged.  The input is laid upon a file that a
 * store has written, as often as there are parts of: three bytes that say where, one how many, and the bytes; or, if
 * it begins so, it is the file as a whole.  The first byte says how the store is used, the second what another program
 * does to the file meanwhile.  The store opens, answers, takes an event and a save, and closes; what it hands out is
 * valid, and what it cannot use it sets aside.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz_place.h"
#include "reader.h"
#include "store/store.h"

#define NOW_MS     1800000000000LL
#define FILE_BYTES (256 * 1024)

static struct {
	char path[PATH_MAX];
	uint8_t good[FILE_BYTES], bad[FILE_BYTES];
	size_t len;
} place;

static struct event some_event(uint8_t host, enum event_type type, enum grade grade)
{
	struct event event = { .at_ms = NOW_MS - 1000 * host,
			       .duration_ms = 3600000,
			       .source = { .len = 128 },
			       .type = type,
			       .grade = grade,
			       .piece_count = 1,
			       .sources = 1,
			       .kinds = 1u << EVIDENCE_SYN };

	event.source.addr = addr_from_v4((const uint8_t[]){ 198, 51, 100, host });
	event.pieces[0] = (struct evidence){ .at_s = 1800000000, .port = 22, .weight = 28, .kind = EVIDENCE_SYN };
	return event;
}

static void save(struct store *store)
{
	const struct event event = some_event(9, EVENT_VEIL, GRADE_VEIL);
	const struct source_view source = { .source = event.source, .grade = GRADE_VEIL, .first_ms = NOW_MS };
	const struct served_view served = { .last_ms = NOW_MS, .port = 80, .protocol = 6 };
	const struct store_learned learned = { .addr = event.source.addr, .until_ms = NOW_MS + 60000, .port = 80 };

	store_save_begin(store);
	store_save(store, STORE_SOURCES, &source);
	store_save(store, STORE_SERVED, &served);
	store_save(store, STORE_LEARNED, &learned);
	store_save_end(store);
}

/* The file as it is after a store has filled and closed it. */
static void make_good(void)
{
	struct store *store = store_open(fuzz_place, NOW_MS);
	FILE *file;

	snprintf(place.path, sizeof(place.path), "%s/picket.db", fuzz_place);
	require(store != NULL);
	for (uint8_t i = 0; i < 40; i++) {
		const struct event event =
			i % 4 ? some_event(i, EVENT_BAN, GRADE_BAN) : some_event(i, EVENT_ALERT, GRADE_ALERT);

		store_event(store, &event);
	}
	save(store);
	store_clock(store, 1234, NOW_MS - 86400000);
	store_close(store);
	file = fopen(place.path, "re");
	require(file != NULL);
	place.len = fread(place.good, 1, sizeof(place.good), file);
	fclose(file);
	require(place.len > 0 && place.len < sizeof(place.good));
}

/* ---- what comes out ---- */

static void look_event(void *context, int64_t row, const struct event *event)
{
	(void)context, (void)row;
	require(event_is_valid(event));
}

static void look_block(void *context, const void *item)
{
	const struct block_view *block = item;

	(void)context;
	require(prefix_is_valid(&block->source) && block->grade < GRADE_COUNT);
	require(memchr(block->reason, 0, sizeof(block->reason)) != NULL);
}

static void look_source(void *context, const void *item)
{
	const struct source_view *source = item;

	(void)context;
	require(prefix_is_valid(&source->source) && source->grade < GRADE_COUNT);
	require(source->piece_count <= EVENT_PIECES_MAX);
}

static void look_served(void *context, const void *item)
{
	const struct served_view *served = item;

	(void)context;
	require(served->protocol == 6 || served->protocol == 17);
}

static void look_learned(void *context, const void *item)
{
	const struct store_learned *learned = item;

	(void)context;
	require(learned->kind <= STORE_LEARNED_KINDS);
}

static void remove_log(void)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s-wal", place.path);
	unlink(path);
}

/* ---- what others do to the file while it is open ---- */

static sqlite3 *other; /* another program's connection; NULL: there is none */

static void do_nothing(void)
{
}

static void remove_file(void)
{
	unlink(place.path);
}

static void lock_it(void)
{
	if (sqlite3_open(place.path, &other) == SQLITE_OK)
		sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
}

static void read_without_end(void)
{
	if (sqlite3_open(place.path, &other) == SQLITE_OK)
		sqlite3_exec(other, "BEGIN; SELECT count(*) FROM event", NULL, NULL, NULL);
}

static void drop_tables(void)
{
	if (sqlite3_open(place.path, &other) == SQLITE_OK)
		sqlite3_exec(other, "DROP TABLE event; DROP TABLE meta", NULL, NULL, NULL);
}

/* As a disk that went bad. */
static void overwrite(void)
{
	static const char nonsense[64 * 1024] = { 1 };
	int fd = open(place.path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && pwrite(fd, nonsense, sizeof(nonsense), 0) < 0)
		abort();
	if (fd >= 0)
		close(fd);
	remove_log();
}

static void (*const troubles[])(void) = { do_nothing, remove_file, lock_it, read_without_end, drop_tables, overwrite };

static void leave_it(void)
{
	sqlite3_close(other);
	other = NULL;
}

/* What lies in the place of the file, or beside it, at the start. */
static void lay_about(uint8_t what)
{
	static const char *const kept[] = { "1", "2", "3", "4" };
	char name[PATH_MAX];

	switch (what % 8) {
	case 1:
		unlink(place.path);
		(void)!symlink("/dev/null", place.path);
		break;
	case 2:
		unlink(place.path);
		(void)!mkfifo(place.path, 0600);
		break;
	case 3:
		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
			snprintf(name, sizeof(name), "picket.db.damaged-%s", kept[i]);
			fuzz_place_write(name, "x", 1);
		}
		break;
	case 4: fuzz_place_write("picket.db-wal", "nonsense", 8); break;
	case 5: unlink(place.path); break;
	default: break;
	}
}

static void use(uint8_t how, uint8_t trouble)
{
	static store_item_fn *const looks[STORE_TABLE_COUNT] = {
		[STORE_BLOCKS] = look_block,
		[STORE_SOURCES] = look_source,
		[STORE_SERVED] = look_served,
		[STORE_LEARNED] = look_learned,
	};
	struct store_query query = { .limit = 100, .oldest_first = how & 1 };
	struct store *store = store_open(fuzz_place, NOW_MS);
	const struct event event = some_event(77, EVENT_BLOCK, GRADE_BLOCK);
	struct store_stats stats;

	require(store != NULL);
	store_clock(store, how & 2 ? 1234 : 4321, NOW_MS - 86400000 + (how & 4 ? 3600000 : 0));
	for (int table = 0; table < STORE_TABLE_COUNT; table++)
		store_restore(store, (enum store_table)table, NOW_MS, looks[table], NULL);
	troubles[trouble / 8 % (sizeof(troubles) / sizeof(troubles[0]))]();
	store_history(store, &query, look_event, NULL);
	query.within = event.source;
	query.within.len = how & 8 ? 120 : 128;
	store_history(store, &query, look_event, NULL);
	store_event(store, &event);
	store_limit_history(store, how & 16 ? 4096 : 0);
	for (int i = 1; i < 8; i++)
		store_tick(store, NOW_MS + 1000 * i);
	if (store_wants_blocks(store)) {
		store_save_blocks_begin(store);
		store_save_end(store);
	}
	save(store);
	if (trouble & 0x80)
		leave_it();
	store_event(store, &event);
	store_tick(store, NOW_MS + (how & 32 ? 400LL * 86400000 : 120000));
	store_tick(store, NOW_MS + (how & 64 ? 0 : 240000));
	store_read_stats(store, &stats);
	require(memchr(stats.problem, 0, sizeof(stats.problem)) != NULL);
	store_close(store);
	leave_it();
}

static size_t damage(struct reader *r)
{
	memcpy(place.bad, place.good, place.len);
	reader_skip(r, 2);
	while (reader_left(r) > 4) {
		size_t at = (reader_u8(r) << 16 | reader_be16(r)) % place.len, len = reader_u8(r);

		for (size_t i = 0; i < len && reader_left(r) > 0; i++)
			place.bad[(at + i) % place.len] = reader_u8(r);
	}
	return place.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char whole[] = "SQLite format 3";
	struct reader r = reader_over(data, size);
	size_t len;

	if (size == 0)
		return 0;
	if (fuzz_place_make())
		make_good();
	fuzz_place_empty();
	if (size >= sizeof(whole) && size <= FILE_BYTES && memcmp(data, whole, sizeof(whole)) == 0) {
		memcpy(place.bad, data, size);
		len = size;
	} else {
		len = damage(&r) - (reader_u8(&r) ? place.len / 3 : 0);
	}
	fuzz_place_write("picket.db", place.bad, len);
	lay_about(size > 1 ? data[1] : 0);
	use(data[0], size > 1 ? data[1] : 0);
	return 0;
}
