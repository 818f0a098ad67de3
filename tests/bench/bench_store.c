/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store in figures: rows written a second, how long questions take with ten million rows, and 100,000 live blocks
 * on their way back.  The ten million are put in by SQL with the indexes made afterwards, the first part by the store
 * itself, timed.  The database lies in $TMPDIR or /var/tmp and is removed at the end; ten million rows take some 4 GB
 * and four minutes.
 *
 *     make build/bench/bench_store && build/bench/bench_store [ROWS]
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "store/store.h"

#define ROWS_DEFAULT 10000000
#define NOW_MS       1800000000000LL
#define STEP_MS      3000LL /* between rows: ten million in 347 days */
#define BY_STORE     500000
#define BLOCKS       100000
#define SILENT       300000 /* rows of a prefix that scanned a year ago and never since */
#define ROUNDS       20

static double now_s(void)
{
	return (double)clock_ns(CLOCK_MONOTONIC) / 1e9;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_store: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sql, sqlite3_errmsg(db));
}

/* Row i of all: a few loud sources, many quiet ones, and at the beginning the prefix that fell silent. */
static void source_of(uint32_t i, uint8_t v4[4])
{
	uint32_t mixed = (i * 2654435761u) >> 4;

	v4[0] = i < SILENT ? 100 : i % 10 == 0 ? 203 : (uint8_t)(11 + mixed % 80);
	v4[1] = i < SILENT ? 64 : (uint8_t)(mixed >> 8);
	v4[2] = (uint8_t)(mixed >> 14);
	v4[3] = i < SILENT || i % 10 ? (uint8_t)(mixed >> 20) : 7;
	if (i >= SILENT && i % 10 == 0)
		v4[1] = v4[2] = (uint8_t)(i / 10 % 4);
}

static struct event event_of(uint32_t i, int64_t at_ms, enum event_type type)
{
	struct event event;
	uint8_t v4[4];

	memset(&event, 0, sizeof(event));
	source_of(i, v4);
	event.source.addr = addr_from_v4(v4);
	event.source.len = 128;
	event.type = (uint8_t)type;
	event.grade = GRADE_VEIL;
	event.at_ms = at_ms;
	event.sources = 1;
	event.tool = TOOL_NMAP;
	event.incident = i;
	event.suspected_mn = 7200;
	event.threshold_mn = 6900;
	event.kinds = 1u << EVIDENCE_SYN;
	event.duration_ms = type == EVENT_VEIL ? 3600000 : 0;
	event.piece_count = 5;
	for (size_t k = 0; k < 5; k++)
		event.pieces[k] = (struct evidence){
			.at_s = (uint32_t)(at_ms / 1000), .port = (uint16_t)(20 + k), .weight = 28, .kind = EVIDENCE_SYN
		};
	return event;
}

static void write_by_store(const char *directory, uint32_t rows)
{
	struct store *store = store_open(directory, NOW_MS);
	int64_t at_ms = NOW_MS - STEP_MS * rows;
	struct store_stats stats;
	double began = now_s(), longest = 0;
	uint32_t first = rows < BY_STORE ? rows : BY_STORE;

	for (uint32_t i = 0; i < first; i++) {
		struct event event = event_of(i, at_ms + STEP_MS * i, EVENT_ALERT);
		store_event(store, &event);
		if (i % 2000 == 1999) {
			double tick = now_s();
			store_tick(store, NOW_MS);
			longest = now_s() - tick > longest ? now_s() - tick : longest;
		}
	}
	store_tick(store, NOW_MS);
	store_read_stats(store, &stats);
	printf("rows written          %.0f a second, longest commit of 2,000 rows %.0f ms, %lld bytes a row, %llu "
	       "turned away\n",
	       first / (now_s() - began), longest * 1e3, (long long)(stats.bytes / first),
	       (unsigned long long)stats.dropped);
	store_close(store);
}

static void write_the_rest(const char *path, uint32_t rows)
{
	sqlite3_stmt *insert;
	sqlite3 *db;

	if (rows <= BY_STORE)
		return;
	if (sqlite3_open(path, &db) != SQLITE_OK)
		die(path, sqlite3_errmsg(db));
	run(db, "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; DROP INDEX event_time; DROP INDEX event_source;"
		" DROP INDEX event_stretch; BEGIN");
	if (sqlite3_prepare_v2(db,
			       "INSERT INTO event SELECT NULL, ?1, type, ?2, ?3, 128, grade, duration_ms, incident,"
			       " tool, times, observed, reason, ports, detail FROM event WHERE row = 1",
			       -1, &insert, NULL) != SQLITE_OK)
		die("insert", sqlite3_errmsg(db));
	for (uint32_t i = BY_STORE; i < rows; i++) {
		struct event event = event_of(i, 0, EVENT_ALERT);
		char text[PREFIX_TEXT_MAX];

		sqlite3_bind_int64(insert, 1, NOW_MS - STEP_MS * (rows - i));
		sqlite3_bind_text(insert, 2, prefix_format(&event.source, text), -1, SQLITE_STATIC);
		sqlite3_bind_blob(insert, 3, event.source.addr.b, 16, SQLITE_STATIC);
		if (sqlite3_step(insert) != SQLITE_DONE)
			die("insert", sqlite3_errmsg(db));
		sqlite3_reset(insert);
		if (i % 500000 == 0)
			run(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE); BEGIN");
	}
	sqlite3_finalize(insert);
	run(db, "COMMIT; CREATE INDEX event_time ON event(at_ms);"
		"CREATE INDEX event_source ON event(source_key, len, at_ms);"
		"CREATE INDEX event_stretch ON event(at_ms >> 24, source_key, len, at_ms);"
		"PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_close(db);
}

static void nothing(void *context, int64_t row, const struct event *event)
{
	(void)event;
	*(int64_t *)context = row;
}

static void ask(struct store *store, const char *what, const char *within, int64_t since_ms, int64_t before_row,
		bool oldest_first)
{
	struct store_query query = {
		.since_ms = since_ms,
		.before_row = before_row,
		.limit = 100,
		.oldest_first = oldest_first,
	};
	double first = 0, worst = 0, sum = 0;
	const char *error;
	size_t rows = 0;
	int64_t last;

	if (within && !prefix_parse(within, &query.within, &error))
		die(within, error);
	for (int i = 0; i < ROUNDS; i++) {
		double began = now_s(), took;
		rows = store_history(store, &query, nothing, &last);
		took = now_s() - began;
		first = i == 0 ? took : first;
		worst = i > 0 && took > worst ? took : worst;
		sum += took;
	}
	printf("  %-52s %4zu rows  first %8.2f ms  mean %8.2f ms  worst later %8.2f ms\n", what, rows, first * 1e3,
	       sum / ROUNDS * 1e3, worst * 1e3);
}

/* So that the first question of each kind finds nothing in memory. */
static void forget(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd >= 0) {
		fsync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
}

static void ask_everything(const char *directory, const char *path, uint32_t rows)
{
	struct store_stats stats;
	struct store *store;
	double began;

	forget(path);
	began = now_s();
	store = store_open(directory, NOW_MS);
	printf("opened                in %.0f ms\n", (now_s() - began) * 1e3);
	store_read_stats(store, &stats);
	printf("history of            %llu rows, %.2f GB, a page of 100 (first: nothing in memory)\n",
	       (unsigned long long)stats.rows, (double)stats.bytes / 1e9);
	ask(store, "newest", NULL, 0, 0, false);
	ask(store, "newest since an hour", NULL, NOW_MS - 3600000, 0, false);
	ask(store, "page from the middle", NULL, 0, rows / 2, false);
	ask(store, "oldest first", NULL, 0, 0, true);
	ask(store, "oldest first since 30 days", NULL, NOW_MS - 30 * 86400000LL, 0, true);
	ask(store, "one loud address (250,000 rows)", "203.2.2.7", 0, 0, false);
	ask(store, "the same, page from the middle", "203.2.2.7", 0, rows / 2, false);
	ask(store, "an address with no rows", "198.51.100.7", 0, 0, false);
	ask(store, "an IPv6 /64 with no rows", "2001:db8::/64", 0, 0, false);
	ask(store, "a /24", "42.1.1.0/24", 0, 0, false);
	ask(store, "a /16", "42.1.0.0/16", 0, 0, false);
	ask(store, "a /8 (110,000 rows)", "42.0.0.0/8", 0, 0, false);
	ask(store, "a /8 (a million rows)", "203.0.0.0/8", 0, 0, false);
	ask(store, "a /16 with 300,000 rows, silent for a year", "100.64.0.0/16", 0, 0, false);
	store_close(store);
}

static void count_item(void *context, const void *item)
{
	(void)item;
	++*(size_t *)context;
}

static void restore_blocks(const char *directory)
{
	struct store *store = store_open(directory, NOW_MS);
	double began = now_s(), written;
	size_t blocks = 0;

	for (uint32_t i = 0; i < BLOCKS; i++) {
		struct event event = event_of(SILENT + i, NOW_MS, EVENT_VEIL);
		event.source.addr.b[12] = 10;
		event.source.addr.b[13] = (uint8_t)(i >> 16);
		event.source.addr.b[14] = (uint8_t)(i >> 8);
		event.source.addr.b[15] = (uint8_t)i;
		store_event(store, &event);
	}
	store_tick(store, NOW_MS);
	store_close(store);
	written = now_s() - began;
	began = now_s();
	store = store_open(directory, NOW_MS);
	store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &blocks);
	printf("live blocks           %d written in %.2f s; opened and %zu given back in %.3f s\n", BLOCKS, written,
	       blocks, now_s() - began);
	store_close(store);
}

int main(int argc, char *argv[])
{
	const char *where = getenv("TMPDIR");
	char directory[PATH_MAX - 32], path[PATH_MAX];
	uint32_t rows = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : ROWS_DEFAULT;
	double began = now_s();

	snprintf(directory, sizeof(directory), "%s/picket-bench-XXXXXX", where ? where : "/var/tmp");
	if (!mkdtemp(directory))
		die(directory, strerror(errno));
	snprintf(path, sizeof(path), "%s/picket.db", directory);
	setvbuf(stdout, NULL, _IOLBF, 0);
	write_by_store(directory, rows);
	write_the_rest(path, rows);
	printf("database built        in %.0f s\n", now_s() - began);
	ask_everything(directory, path, rows);
	restore_blocks(directory);
	unlink(path);
	if (rmdir(directory) < 0)
		die(directory, strerror(errno));
	return EXIT_SUCCESS;
}
