/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other programs, full and read-only disks, the sandbox: whatever the store lacks is told, bounded and made up for
 * later.
 */
#include "store_fixture.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "sandbox/sandbox.h"

#define NOT_PERMITTED 77

static void test_the_lock_of_another_program(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	sqlite3 *other;

	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	/* Told when it lasts, each time anew. */
	for (uint64_t rows = 5; rows <= 10; rows += 5) {
		assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
		for (int i = 0; i < 5; i++) {
			assert_string_equal(problem(store), "");
			fill(store, 1);
		}
		assert_non_null(strstr(problem(store), "another program holds it locked"));
		assert_int_equal(stats_of(store).queued, 5);
		assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
		assert_true(store_tick(store, NOW_MS));
		assert_string_equal(problem(store), "");
		assert_int_equal(stats_of(store).rows, rows);
	}
	sqlite3_close(other);
	store_close(store);
}

static void test_the_queue_is_bounded(void **state)
{
	struct fixture *f = *state;
	char missing[PATH_MAX];
	struct store *store;
	size_t blocks = 0;

	snprintf(missing, sizeof(missing), "%s/missing", f->directory);
	store = store_open(missing, NOW_MS);
	assert_non_null(strstr(problem(store), "No such file or directory"));
	fill(store, STORE_QUEUE_MAX + 1000);
	assert_int_equal(stats_of(store).queued, STORE_QUEUE_MAX);
	assert_int_equal(stats_of(store).dropped, 1000);
	assert_false(store_wants_blocks(store));
	assert_int_equal(mkdir(missing, 0700), 0);
	assert_false(store_tick(store, NOW_MS + 59999));
	assert_int_equal(stats_of(store).queued, STORE_QUEUE_MAX);
	assert_true(store_tick(store, NOW_MS + 60000));
	assert_string_equal(problem(store), "");
	assert_int_equal(stats_of(store).rows, STORE_QUEUE_MAX);
	/* A thousand blocks were never written. */
	assert_true(store_wants_blocks(store));
	store_save_blocks_begin(store);
	store_save_end(store);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &blocks), 0);
	store_close(store);
	remove_matching(missing, "*");
	rmdir(missing);
}

static void test_half_a_queue_is_written_at_once(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS);
	char log[PATH_MAX + 8];
	struct stat info;
	sqlite3 *other;

	for (int i = 0; i < 2 * STORE_QUEUE_MAX; i++)
		store_event(store, &event);
	assert_int_equal(stats_of(store).dropped, 0);
	assert_int_equal(stats_of(store).written, 2 * STORE_QUEUE_MAX);
	/* The log beside the file is written into it before it grows large. */
	snprintf(log, sizeof(log), "%s-wal", f->path);
	assert_int_equal(stat(log, &info), 0);
	assert_in_range(info.st_size, 1, 6 << 20);
	/* Somebody who reads it holds nothing up. */
	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT * FROM event LIMIT 1", NULL, NULL, NULL), SQLITE_OK);
	for (int i = 0; i < 2 * STORE_QUEUE_MAX; i++)
		store_event(store, &event);
	assert_int_equal(stats_of(store).dropped, 0);
	assert_int_equal(stats_of(store).written, 4 * STORE_QUEUE_MAX);
	sqlite3_close(other);
	store_close(store);
}

static void test_history_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	uint64_t trimmed = 0;

	/* By age, in steps. */
	fill(store, 16384);
	for (int i = 0; i < 600 && stats_of(store).rows > 0; i++) {
		store_tick(store, NOW_MS + (STORE_HISTORY_DAYS + 1) * DAY_MS + i);
		assert_true(stats_of(store).trimmed - trimmed <= 5000);
		trimmed = stats_of(store).trimmed;
	}
	assert_int_equal(trimmed, 16384);
	store_close(store);
}

/* What is free in the file goes back to the disk, but for what is soon used again. */
static void test_room_is_given_back(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);

	fill(store, 1);
	store_close(store);
	by_hand(f->path,
		"PRAGMA synchronous = OFF;"
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)"
		"INSERT INTO event SELECT NULL, at_ms, type, source, source_key, len, grade, duration_ms,"
		" incident, tool, times, observed, hex(zeroblob(2000)), ports, detail FROM event, n WHERE row = 1");
	store = open_well(f->directory);
	assert_true(stats_of(store).bytes > 16000000);
	for (int i = 0; i < 60; i++)
		store_tick(store, NOW_MS + (STORE_HISTORY_DAYS + 1) * DAY_MS);
	assert_int_equal(stats_of(store).rows, 0);
	store_close(store);
	store = open_well(f->directory);
	assert_in_range(stats_of(store).bytes, 2000 * 4096, 2100 * 4096);
	store_close(store);
}

/* ---- in a child of its own ---- */

static void put_many(struct store *store, enum event_type type, int count, int64_t at_ms)
{
	struct event event = event_of(type, "192.0.2.1", at_ms);

	for (int i = 0; i < count; i++)
		store_event(store, &event);
	store_tick(store, NOW_MS);
}

static int number_of(const char *path, const char *sql)
{
	sqlite3_stmt *statement;
	sqlite3 *db;
	int number;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	number = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

static int rows_of(const char *path, const char *type)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM event WHERE type = '%s'", type);
	return number_of(path, sql);
}

/* A flood of one kind pushes out rows of its kind, down to half. */
static void a_flood_of(struct fixture *f, enum event_type many, enum event_type few, const char *name)
{
	struct store *store = open_well(f->directory);
	uint64_t trimmed;

	store_limit_history(store, 2 << 20);
	put_many(store, few, 1000, NOW_MS);
	for (int i = 0; i < 10; i++)
		put_many(store, many, 2000, NOW_MS + 1 + i);
	put_many(store, few, 10, NOW_MS + 20);
	for (int i = 0; i < 60; i++)
		store_tick(store, NOW_MS);
	trimmed = stats_of(store).trimmed;
	assert_true(trimmed > 10000);
	for (int i = 0; i < 20; i++)
		store_tick(store, NOW_MS);
	assert_int_equal(stats_of(store).trimmed, trimmed);
	/* The file is new: whether it lacks a block that stands, nobody can say before all were saved. */
	assert_true(store_wants_blocks(store));
	store_save_blocks_begin(store);
	store_save_end(store);
	assert_true(store_close(store));
	assert_int_equal(rows_of(f->path, name), 1010);
	/* What is used of the file: the limit, less what one step takes. */
	assert_in_range(4096 * (number_of(f->path, "PRAGMA page_count") - number_of(f->path, "PRAGMA freelist_count")),
			(2 << 20) - (256 << 10), 2 << 20);
}

static void test_alerts_push_out_alerts(void **state)
{
	a_flood_of(*state, EVENT_ALERT, EVENT_BAN, "ban");
}

static void test_bans_push_out_bans(void **state)
{
	a_flood_of(*state, EVENT_BAN, EVENT_ALERT, "alert");
}

/* Floods that come again and again, and what is too old meanwhile: the half that bans are sure of stays theirs. */
static void test_floods_and_years(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event;

	store_limit_history(store, 1 << 20);
	put_many(store, EVENT_BAN, 500, NOW_MS);
	for (int i = 0; i < 8; i++) {
		put_many(store, EVENT_ALERT, 2500, NOW_MS + 1 + i);
		for (int n = 0; n < 10; n++)
			store_tick(store, NOW_MS);
	}
	assert_true(stats_of(store).trimmed > 10000);
	assert_int_equal(rows_of(f->path, "ban"), 500);
	store_close(store);
	remove_matching(f->directory, "*");
	/* A year later only what is younger counts: the few alerts are not the many any more. */
	store = open_well(f->directory);
	store_limit_history(store, 1 << 20);
	put_many(store, EVENT_ALERT, 6000, NOW_MS);
	for (int n = 0; n < 10; n++)
		store_tick(store, NOW_MS);
	event = event_of(EVENT_ALERT, "192.0.2.1", NOW_MS + STORE_HISTORY_DAYS * DAY_MS);
	for (int i = 0; i < 10; i++)
		store_event(store, &event);
	event = event_of(EVENT_BAN, "192.0.2.1", NOW_MS + STORE_HISTORY_DAYS * DAY_MS);
	for (int i = 0; i < 6000; i++)
		store_event(store, &event);
	store_tick(store, NOW_MS + STORE_HISTORY_DAYS * DAY_MS);
	for (int n = 0; n < 30; n++)
		store_tick(store, NOW_MS + 100 + STORE_HISTORY_DAYS * DAY_MS);
	assert_int_equal(rows_of(f->path, "alert"), 10);
	assert_in_range(rows_of(f->path, "ban"), 2000, 5500);
	store_close(store);
}

/* What has no end that was told goes by its time; what has no time stays. */
static void test_blocks_that_ran_out_go(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_BAN, "192.0.2.1", NOW_MS);
	size_t count = 0;

	store_event(store, &event);
	event = event_of(EVENT_BLOCK, "192.0.2.2", NOW_MS);
	store_event(store, &event);
	store_tick(store, NOW_MS);
	store_close(store);
	store = open_well(f->directory);
	store_tick(store, NOW_MS + 600000);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &count), 2);
	store_close(store);
	store = open_well(f->directory);
	store_tick(store, NOW_MS + 600001);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &count), 1);
	/* Looked for once an hour. */
	event = event_of(EVENT_BAN, "192.0.2.3", NOW_MS - 600000);
	store_event(store, &event);
	for (int i = 1; i < 3600; i++)
		store_tick(store, NOW_MS + 600001);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS - 1, count_item, &count), 2);
	store_tick(store, NOW_MS + 600001);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS - 1, count_item, &count), 1);
	store_close(store);
}

/* A row goes when it is older than a year, to the millisecond. */
static void test_a_year_is_kept(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct answer *answer = calloc(1, sizeof(*answer));
	struct event event;

	for (int i = 0; i < 1200; i++) {
		event = event_of(EVENT_BAN, "192.0.2.1", NOW_MS - 365 * DAY_MS - (i < 1100));
		store_event(store, &event);
	}
	for (int i = 0; i < 20; i++)
		store_tick(store, NOW_MS);
	assert_int_equal(stats_of(store).trimmed, 1100);
	assert_int_equal(stats_of(store).rows, 100);
	assert_int_equal(ask(store, NULL, 0, answer), 100);
	assert_int_equal(answer->rows[99], 1101);
	/* Numbers are not used again. */
	store_event(store, &event);
	ask(store, NULL, 1, answer);
	assert_int_equal(answer->rows[0], 1201);
	store_close(store);
	free(answer);
}

/* Another program that holds the lock when the clock is told, when it ends, or while all is saved. */
static void test_a_lock_at_the_wrong_time(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct event event = event_of(EVENT_BAN, "192.0.2.1", NOW_MS);
	struct blocks blocks = { 0 };
	sqlite3 *other;

	store_clock(store, 7, NOW_MS - 1000);
	store_event(store, &event);
	store_save_blocks_begin(store);
	store_save_end(store);
	store_tick(store, NOW_MS);
	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(store_clock(store, 7, NOW_MS + 9000), 10000); /* what is read is moved */
	save(store, 3, true);
	assert_string_equal(problem(store), "");
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	/* Made up for. */
	store_tick(store, NOW_MS);
	assert_true(store_wants_blocks(store));
	save(store, 3, true);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, take_block, &blocks), 0);
	assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, count_item, &(size_t){ 0 }), 3);
	store_save_blocks_begin(store);
	store_save_end(store);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	store_event(store, &event);
	assert_false(store_close(store));
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	store = open_well(f->directory);
	assert_true(store_wants_blocks(store));
	assert_false(store_close(store));
}

static int in_child(int (*act)(struct fixture *), struct fixture *f)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	/* Not _exit(), so that a measured program can still say which lines it ran. */
	if (pid == 0)
		exit(act(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED) {
		print_message("skipped: no mounts permitted here\n");
		skip();
	}
	if (WIFSIGNALED(status))
		fail_msg("ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static bool mount_small(const char *directory)
{
	return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", directory, "tmpfs", 0, "size=8m,mode=0700") == 0;
}

#define EXPECT(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition);                                \
			return 1;                                                                                      \
		}                                                                                                      \
	} while (0)

static void fill_disk(const struct fixture *f)
{
	char ballast[PATH_MAX + 16], noise[4096];
	int fd;

	snprintf(ballast, sizeof(ballast), "%s/ballast", f->directory);
	fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	memset(noise, 1, sizeof(noise));
	while (write(fd, noise, sizeof(noise)) > 0)
		;
	close(fd);
}

static int full_disk(struct fixture *f)
{
	char ballast[PATH_MAX + 16];
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store;
	uint64_t rows;

	if (!mount_small(f->directory))
		return NOT_PERMITTED;
	store = store_open(f->directory, NOW_MS);
	fill(store, 100);
	EXPECT(problem(store)[0] == '\0');
	snprintf(ballast, sizeof(ballast), "%s/ballast", f->directory);
	fill_disk(f);
	fill(store, 6000);
	EXPECT(strstr(problem(store), "No space left on device; history is not kept, the guard goes on"));
	rows = stats_of(store).rows;
	EXPECT(rows == (uint64_t)rows_of(f->path, "veil") && rows >= 100 && rows < 6100);
	EXPECT(stats_of(store).queued == 6100 - rows && stats_of(store).dropped == 0);
	/* What is there is still read; a retry while it is full changes nothing. */
	EXPECT(ask(store, NULL, 50, answer) == 50);
	store_tick(store, NOW_MS + 60000);
	EXPECT(strstr(problem(store), "No space left on device"));
	EXPECT(ask(store, NULL, 50, answer) == 50);
	unlink(ballast);
	EXPECT(!store_tick(store, NOW_MS + 64000));
	EXPECT(store_tick(store, NOW_MS + 65000));
	EXPECT(problem(store)[0] == '\0');
	store_tick(store, NOW_MS + 121000);
	EXPECT(stats_of(store).rows == 6100 && stats_of(store).queued == 0);
	/* A save fails as well, and what is wrong is told for as long as it is, whether or not anything waits. */
	fill_disk(f);
	save(store, 30000, true);
	EXPECT(strstr(problem(store), "cannot save: No space left on device"));
	store_tick(store, NOW_MS + 121000 + 60000);
	EXPECT(strstr(problem(store), "cannot save: No space left on device"));
	EXPECT(store_restore(store, STORE_SOURCES, NOW_MS, count_item, &(size_t){ 0 }) == 0);
	unlink(ballast);
	store_tick(store, NOW_MS + 121000 + 120000);
	EXPECT(problem(store)[0] == '\0');
	save(store, 100, true);
	EXPECT(store_restore(store, STORE_SOURCES, NOW_MS, count_item, &(size_t){ 0 }) == 100);
	store_close(store);
	free(answer);
	return 0;
}

static void test_full_disk(void **state)
{
	assert_int_equal(in_child(full_disk, *state), 0);
}

/* Nearly full: what is blocked is written, what was told is not. */
static int nearly_full_disk(struct fixture *f)
{
	char path[PATH_MAX + 16];
	struct statvfs disk;
	off_t ballast = 0;
	size_t blocks = 0;
	struct store *store;
	int fd;

	if (!mount_small(f->directory))
		return NOT_PERMITTED;
	store = store_open(f->directory, NOW_MS);
	fill(store, 100);
	snprintf(path, sizeof(path), "%s/ballast", f->directory);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	/* A tenth of it is nearly nothing. */
	for (int beyond = 0; beyond < 2; beyond++) {
		EXPECT(statvfs(f->directory, &disk) == 0);
		ballast += (off_t)(disk.f_bavail * disk.f_frsize) - (off_t)(disk.f_blocks * disk.f_frsize / 10) +
			   (beyond ? 8192 : -8192);
		EXPECT(posix_fallocate(fd, 0, ballast) == 0);
		for (int i = 0; i < 10; i++)
			store_tick(store, NOW_MS);
		EXPECT(beyond || problem(store)[0] == '\0');
	}
	EXPECT(strstr(problem(store), "the disk is nearly full: blocks are kept, no history is"));
	fill(store, 150);
	EXPECT(stats_of(store).rows == 100 && stats_of(store).left_out == 150 && stats_of(store).queued == 0);
	store_close(store);
	store = store_open(f->directory, NOW_MS);
	EXPECT(store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &blocks) == 150);
	EXPECT(ftruncate(fd, 0) == 0);
	for (int i = 0; i < 10; i++)
		store_tick(store, NOW_MS);
	EXPECT(problem(store)[0] == '\0');
	fill(store, 50);
	EXPECT(stats_of(store).rows == 150);
	store_close(store);
	return 0;
}

static void test_nearly_full_disk(void **state)
{
	assert_int_equal(in_child(nearly_full_disk, *state), 0);
}

static int read_only_disk(struct fixture *f)
{
	struct store *store;
	size_t blocks = 0;

	if (!mount_small(f->directory))
		return NOT_PERMITTED;
	store = store_open(f->directory, NOW_MS);
	fill(store, 100);
	store_close(store);
	EXPECT(mount("none", f->directory, NULL, MS_REMOUNT | MS_RDONLY, "size=8m") == 0);
	store = store_open(f->directory, NOW_MS);
	EXPECT(strstr(problem(store), "Read-only file system; history is not kept, the guard goes on"));
	/* The blocks come back all the same. */
	EXPECT(store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &blocks) == 100);
	fill(store, 50);
	EXPECT(stats_of(store).queued == 50);
	EXPECT(mount("none", f->directory, NULL, MS_REMOUNT, "size=8m") == 0);
	store_tick(store, NOW_MS + 60000);
	EXPECT(problem(store)[0] == '\0');
	EXPECT(stats_of(store).rows == 150);
	store_close(store);
	/* And an empty one. */
	unlink(f->path);
	EXPECT(mount("none", f->directory, NULL, MS_REMOUNT | MS_RDONLY, "size=8m") == 0);
	store = store_open(f->directory, NOW_MS);
	EXPECT(strstr(problem(store), "Read-only file system"));
	fill(store, 50);
	store_close(store);
	return 0;
}

static void test_read_only_disk(void **state)
{
	assert_int_equal(in_child(read_only_disk, *state), 0);
}

/* As the keeper runs it: no privilege, seccomp, Landlock. */
static int confined(struct fixture *f)
{
	const char *const writable[] = { f->directory, NULL }, *const readable[] = { NULL };
	struct answer *answer = calloc(1, sizeof(*answer));
	struct store *store;
	int abi;

	if (chown(f->directory, 65534, 65534) < 0 || sandbox_drop(65534, 65534, false) < 0)
		return NOT_PERMITTED;
	EXPECT(sandbox_landlock(writable, readable, &abi) == 0);
	EXPECT(sandbox_seccomp(SANDBOX_KEEPER) == 0);
	for (int i = 0; i < 3; i++) {
		store = store_open(f->directory, NOW_MS);
		EXPECT(i == 2 || problem(store)[0] == '\0');
		EXPECT(i < 2 || strstr(problem(store), "set aside"));
		fill(store, 9000);
		save(store, 100, true);
		EXPECT(ask(store, "192.0.0.0/16", 0, answer) == STORE_PAGE_MAX);
		store_tick(store, NOW_MS + (STORE_HISTORY_DAYS + 1) * DAY_MS);
		store_close(store);
		if (i == 1)
			make_garbage(f->path);
	}
	_exit(0); /* nothing else is permitted in here */
}

static void test_inside_the_sandbox(void **state)
{
	assert_int_equal(in_child(confined, *state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_lock_of_another_program),
		CASE(test_the_queue_is_bounded),
		CASE(test_half_a_queue_is_written_at_once),
		CASE(test_history_is_bounded),
		CASE(test_room_is_given_back),
		CASE(test_alerts_push_out_alerts),
		CASE(test_bans_push_out_bans),
		CASE(test_floods_and_years),
		CASE(test_blocks_that_ran_out_go),
		CASE(test_a_year_is_kept),
		CASE(test_a_lock_at_the_wrong_time),
		CASE(test_nearly_full_disk),
		CASE(test_full_disk),
		CASE(test_read_only_disk),
		CASE(test_inside_the_sandbox),
	};

	return cmocka_run_group_tests_name("store_limits", tests, NULL, NULL);
}
