/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that is damaged, newer, foreign, a link or gone: told in words, and the store lives on.
 */
#include "store_fixture.h"

#include "held.h"

static void make_truncated(const char *path)
{
	struct stat info;

	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(truncate(path, info.st_size / 2), 0);
}

static void make_short(const char *path)
{
	assert_int_equal(truncate(path, 60), 0);
}

static void make_scribbled(const char *path)
{
	char noise[3 * 4096];

	memset(noise, 0xa5, sizeof(noise));
	write_file(path, noise, sizeof(noise), 4 * 4096);
}

static void make_other_schema(const char *path)
{
	by_hand(path, "DROP TABLE block");
}

static void test_damage_is_set_aside(void **state)
{
	static void (*const damages[])(const char *path) = {
		make_garbage, make_truncated, make_short, make_scribbled, make_other_schema,
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct store *store = open_well(f->directory);
		fill(store, 2000);
		store_close(store);
		damages[i](f->path);
		store = store_open(f->directory, NOW_MS);
		assert_non_null(strstr(problem(store), "damaged: set aside as picket.db.damaged-1800000000"));
		assert_int_equal(count_matching(f->directory, "picket.db.damaged-1800000000"), 1);
		/* Told once, then forgotten. */
		assert_true(store_tick(store, NOW_MS));
		assert_string_not_equal(problem(store), "");
		assert_true(store_tick(store, NOW_MS + 1000));
		assert_string_equal(problem(store), "");
		assert_false(store_tick(store, NOW_MS + 2000));
		fill(store, 10);
		assert_int_equal(stats_of(store).rows, 10);
		store_close(store);
		remove_matching(f->directory, "*");
	}
}

static void test_damaged_files_do_not_pile_up(void **state)
{
	struct fixture *f = *state;
	struct store *store;

	for (int i = 0; i < 6; i++) {
		make_garbage(f->path);
		store = store_open(f->directory, NOW_MS);
		store_close(store);
	}
	/* Each has a name of its own. */
	assert_int_equal(count_matching(f->directory, "picket.db.damaged-*"), 4);
	assert_int_equal(count_matching(f->directory, "picket.db.damaged-180000000[0-3]"), 4);
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "4 damaged ones lie there already"));
	remove_matching(f->directory, "picket.db.damaged-*");
	assert_true(store_tick(store, NOW_MS));
	assert_true(store_tick(store, NOW_MS + 60000));
	assert_non_null(strstr(problem(store), "set aside"));
	store_close(store);
}

/* A log belongs to its file, and is not counted beside it. */
static void test_the_log_goes_with_the_damaged_file(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX + 32];
	struct store *store;

	for (int i = 0; i < 9; i++) {
		snprintf(path, sizeof(path), "%s.damaged-%d%s", f->path, i / 3,
			 i % 3 == 1   ? "-wal"
			 : i % 3 == 2 ? "-shm"
				      : "");
		make_garbage(path);
	}
	make_garbage(f->path);
	snprintf(path, sizeof(path), "%s-wal", f->path);
	make_garbage(path);
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "damaged: set aside as picket.db.damaged-1800000000"));
	assert_int_equal(count_matching(f->directory, "picket.db.damaged-1800000000-wal"), 1);
	store_close(store);
}

/* A name may hold what means something in a URI; the mode is put right. */
static void test_any_name_and_mode(void **state)
{
	struct fixture *f = *state;
	char directory[PATH_MAX], path[PATH_MAX + 16];
	struct store *store;
	struct stat info;

	snprintf(directory, sizeof(directory), "%s/a?b#c%%64 &d=", f->directory);
	snprintf(path, sizeof(path), "%s/picket.db", directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	store = open_well(directory);
	fill(store, 3);
	store_close(store);
	assert_int_equal(stat(path, &info), 0);
	assert_true(info.st_size > 0);
	assert_int_equal(chmod(path, 0664), 0);
	store = open_well(directory);
	assert_int_equal(stats_of(store).rows, 3);
	assert_int_equal(stats_of(store).bytes, info.st_size);
	store_close(store);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
	remove_matching(directory, "*");
	rmdir(directory);
}

/* A program that can write the file gets nothing run by it. */
static void test_triggers_and_views_are_not_run(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	size_t blocks = 0;

	store_close(store);
	by_hand(f->path, "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM block; END;"
			 "CREATE TRIGGER u AFTER DELETE ON block BEGIN DELETE FROM event; END;");
	store = open_well(f->directory);
	fill(store, 3);
	fill(store, 3);
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &blocks), 3);
	store_close(store);
	by_hand(f->path, "DROP TABLE learned; CREATE VIEW learned AS SELECT source, source_key, len, 1 AS port,"
			 " 1 AS own_port, until_ms, 1 AS kind FROM block");
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "damaged: set aside"));
	store_close(store);
}

/* A file that grew large is checked in what is restored; its history where it is read. */
static void test_a_large_file(void **state)
{
	static const char noise[3 * 4096] = { 1 };
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct stat info;

	fill(store, 100);
	store_close(store);
	by_hand(f->path, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;"
			 "CREATE TABLE ballast(x); INSERT INTO ballast VALUES(zeroblob(67108864))");
	assert_int_equal(stat(f->path, &info), 0);
	write_file(f->path, noise, sizeof(noise), info.st_size - (off_t)sizeof(noise));
	store = open_well(f->directory);
	assert_int_equal(stats_of(store).rows, 100);
	store_close(store);
	by_hand(f->path, "UPDATE block SET grade = 'veil' WHERE rowid < 50; PRAGMA writable_schema = ON;"
			 "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema"
			 " WHERE name = 'ballast') WHERE name = 'block'");
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "damaged: set aside"));
	store_close(store);
}

static void scribble_while_open(const char *path)
{
	by_hand(path, "INSERT INTO meta VALUES('x', 1)"); /* so that what is in memory is read again */
	for (off_t page = 1; page < 200; page++)
		write_file(path, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, page * 4096);
}

/* As many damaged files as are kept: this one stays where it is, and nothing is read or written, until there is room.
 */
static void test_damage_without_a_place(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct answer *answer = calloc(1, sizeof(*answer));
	char path[PATH_MAX + 32];

	fill(store, 4000);
	store_close(store);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s.damaged-%d", f->path, i);
		make_garbage(path);
	}
	store = open_well(f->directory);
	scribble_while_open(f->path);
	ask(store, NULL, 0, answer);
	assert_non_null(strstr(problem(store), "is damaged and cannot be set aside"));
	assert_int_equal(ask(store, NULL, 0, answer), 0);
	fill(store, 5);
	assert_int_equal(stats_of(store).queued, 5);
	assert_false(store_wants_blocks(store));
	unlink(path);
	assert_false(store_tick(store, NOW_MS + 59999));
	assert_true(store_tick(store, NOW_MS + 60000));
	assert_non_null(strstr(problem(store), "set aside as picket.db.damaged-1800000060"));
	assert_int_equal(stats_of(store).rows, 5);
	assert_true(store_wants_blocks(store));
	store_close(store);
	free(answer);
}

/* Damage that shows while running: the history begins anew, and the engine is asked for its blocks. */
static void test_damage_while_running(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);
	struct answer *answer = calloc(1, sizeof(*answer));
	struct block_view block = { .source = prefix("192.0.2.77"), .grade = GRADE_BAN, .until_ms = NOW_MS + 5000 };
	struct blocks blocks = { 0 };

	fill(store, 4000);
	store_close(store);
	store = open_well(f->directory);
	scribble_while_open(f->path);
	ask(store, NULL, 0, answer);
	assert_non_null(strstr(problem(store), "is damaged (cannot read): set aside as picket.db.damaged-"));
	assert_int_equal(count_matching(f->directory, "picket.db.damaged-1800000000"), 1);
	assert_true(store_wants_blocks(store));
	store_save_blocks_begin(store);
	store_save(store, STORE_BLOCKS, &block);
	store_save_end(store);
	assert_false(store_wants_blocks(store));
	assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, take_block, &blocks), 1);
	fill(store, 5);
	assert_int_equal(stats_of(store).rows, 5);
	store_close(store);
	free(answer);
}

static void *contents(const char *path, size_t *len)
{
	struct stat info;
	int fd = open(path, O_RDONLY);
	char *data;

	assert_true(fd >= 0 && fstat(fd, &info) == 0);
	data = malloc((size_t)info.st_size);
	*len = (size_t)info.st_size;
	assert_int_equal(read(fd, data, *len), (ssize_t)*len);
	close(fd);
	return data;
}

static void test_newer_and_foreign_files_are_left_alone(void **state)
{
	static const struct {
		const char *sql, *words;
	} cases[] = {
		{ "PRAGMA user_version = 99", "is of a newer picket (format 99, this one knows " },
		{ "PRAGMA application_id = 7", "is not picket's" },
		{ "PRAGMA application_id = 0", "is not picket's" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store *store = open_well(f->directory);
		size_t before_len, after_len, count = 0;
		void *before, *after;

		fill(store, 10);
		store_close(store);
		by_hand(f->path, cases[i].sql);
		before = contents(f->path, &before_len);
		store = store_open(f->directory, NOW_MS);
		assert_non_null(strstr(problem(store), cases[i].words));
		fill(store, 10);
		store_tick(store, NOW_MS + 60000);
		assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, count_item, &count), 0);
		store_close(store);
		after = contents(f->path, &after_len);
		assert_int_equal(before_len, after_len);
		assert_memory_equal(before, after, after_len);
		free(before);
		free(after);
		remove_matching(f->directory, "*");
	}
}

static void test_links_and_other_things_are_refused(void **state)
{
	struct fixture *f = *state;
	char target[PATH_MAX + 16];
	struct store *store;

	snprintf(target, sizeof(target), "%s/elsewhere", f->directory);
	assert_int_equal(symlink(target, f->path), 0);
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "is a symbolic link: refused"));
	fill(store, 10);
	store_close(store);
	assert_int_equal(access(target, F_OK), -1);
	unlink(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "not a regular file"));
	store_close(store);
	unlink(f->path);
	assert_int_equal(mkdir(f->path, 0700), 0);
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "cannot open: Is a directory"));
	/* In order again: taken up by itself. */
	rmdir(f->path);
	fill(store, 10);
	store_tick(store, NOW_MS + 60000);
	assert_string_equal(problem(store), "");
	assert_int_equal(stats_of(store).rows, 10);
	store_close(store);
}

static void test_removed_while_running(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);

	fill(store, 10);
	unlink(f->path);
	assert_true(store_tick(store, NOW_MS + 1000));
	assert_non_null(strstr(problem(store), "was removed or replaced: begun anew"));
	assert_true(store_wants_blocks(store));
	fill(store, 3);
	assert_int_equal(stats_of(store).rows, 3);
	store_close(store);
}

/* It is tried again after a minute; when the clock was set back, at once. */
static void test_tried_again(void **state)
{
	struct fixture *f = *state;

	for (int back = 0; back < 2; back++) {
		struct store *store;

		assert_int_equal(mkdir(f->path, 0700), 0);
		store = store_open(f->directory, NOW_MS);
		assert_true(store_tick(store, NOW_MS));
		rmdir(f->path);
		assert_false(store_tick(store, NOW_MS + 59999));
		assert_true(store_tick(store, back ? NOW_MS + 59998 : NOW_MS + 60000));
		assert_string_equal(problem(store), "");
		store_close(store);
		remove_matching(f->directory, "*");
	}
}

/* The format of the first edition, with what an admin then had in it; and the one after it. */
static const char *const older[] = {
	"DROP INDEX event_lasting; ALTER TABLE served DROP COLUMN uid; ALTER TABLE learned DROP COLUMN kind;"
	"ALTER TABLE learned DROP COLUMN own_port; ALTER TABLE learned RENAME TO customer;"
	"ALTER TABLE customer ADD COLUMN protocol INTEGER NOT NULL DEFAULT 6;"
	"UPDATE event SET type = 'block', grade = 'block' WHERE type = 'veil';"
	"UPDATE block SET grade = iif(grade = 'veil', 'block', iif(grade = 'block', 'manual', grade));"
	"PRAGMA user_version = 1",
	"DROP INDEX event_lasting; PRAGMA user_version = 2",
};

static void test_an_older_file_is_brought_up(void **state)
{
	struct fixture *f = *state;
	struct answer *answer = calloc(1, sizeof(*answer));

	for (size_t i = 0; i < sizeof(older) / sizeof(older[0]); i++) {
		struct store *store = open_well(f->directory);
		struct event event = event_of(EVENT_BLOCK, "192.0.2.200", NOW_MS);
		struct blocks blocks = { 0 };
		size_t count = 0;

		fill(store, 2);
		event.grade = GRADE_BLOCK;
		store_event(store, &event);
		save(store, 1, true);
		store_close(store);
		by_hand(f->path, older[i]);
		store = open_well(f->directory);
		assert_int_equal(ask(store, NULL, 0, answer), 3);
		assert_int_equal(answer->events[2].type, EVENT_VEIL);
		assert_int_equal(store_restore(store, STORE_BLOCKS, NOW_MS, take_block, &blocks), 3);
		for (size_t n = 0; n < 3; n++)
			assert_int_equal(blocks.views[n].grade,
					 blocks.views[n].source.addr.b[15] == 200 ? GRADE_BLOCK : GRADE_VEIL);
		assert_int_equal(store_restore(store, STORE_SOURCES, NOW_MS, count_item, &count), 1);
		assert_int_equal(store_restore(store, STORE_SERVED, NOW_MS, count_item, &count), 1);
		assert_int_equal(store_restore(store, STORE_LEARNED, NOW_MS, count_item, &count), 1);
		fill(store, 2);
		store_close(store);
		/* For good: it is not brought up again. */
		store = open_well(f->directory);
		assert_int_equal(stats_of(store).rows, 5);
		store_close(store);
		remove_matching(f->directory, "*");
	}
	free(answer);
}

/* No picket made a file without a format. */
static void test_a_file_without_a_format(void **state)
{
	struct fixture *f = *state;
	struct store *store = open_well(f->directory);

	store_close(store);
	by_hand(f->path, "PRAGMA user_version = 0");
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "damaged: set aside"));
	store_close(store);
	/* One that was created and then nothing: begun. */
	remove_matching(f->directory, "*");
	write_file(f->path, "", 0, 0);
	store = open_well(f->directory);
	fill(store, 1);
	assert_int_equal(stats_of(store).rows, 1);
	store_close(store);
}

static void pass_over(void *context, int64_t row, const struct event *event)
{
	(void)context;
	(void)row;
	(void)event;
}

static void make_a_link(const char *path)
{
	assert_int_equal(symlink("/nonexistent/picket.db", path), 0);
}

static void make_a_folder(const char *path)
{
	assert_int_equal(mkdir(path, 0700), 0);
}

static void make_another_program_s(const char *path)
{
	by_hand(path, "CREATE TABLE t(x)");
}

static void use_it(void *context)
{
	struct fixture *f = context;
	struct store *store = open_well(f->directory);
	struct store_query query = { .within = prefix("192.0.0.0/8") };
	size_t count = 0;

	store_clock(store, 7, NOW_MS);
	fill(store, 5);
	save(store, 2, true);
	save(store, 2, false);
	store_history(store, &query, pass_over, NULL);
	store_restore(store, STORE_SOURCES, NOW_MS, count_item, &count);
	store_close(store);
}

static void fail_in_every_way(void *context)
{
	struct fixture *f = context;
	void (*const makers[])(const char *) = { make_garbage, make_a_link, make_a_folder, make_another_program_s };

	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		makers[i](f->path);
		store_close(store_open(f->directory, NOW_MS));
		rmdir(f->path);
		remove_matching(f->directory, "*");
	}
	store_close(store_open("/nonexistent", NOW_MS));
}

/* Damage and loss are met while running, as often as they come. */
static void lose_it(void *context)
{
	struct fixture *f = context;
	struct store *store = store_open(f->directory, NOW_MS);

	fill(store, 3);
	unlink(f->path);
	store_tick(store, NOW_MS + 1000);
	fill(store, 3);
	store_close(store);
	remove_matching(f->directory, "*");
}

static void test_what_is_taken_is_given_back(void **state)
{
	assert_gives_back(use_it, *state, 2048);
	assert_gives_back(lose_it, *state, 2048);
	assert_gives_back(fail_in_every_way, *state, 2048);
	assert_int_equal(sqlite3_memory_used(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_damage_is_set_aside),
		CASE(test_damaged_files_do_not_pile_up),
		CASE(test_damage_while_running),
		CASE(test_damage_without_a_place),
		CASE(test_newer_and_foreign_files_are_left_alone),
		CASE(test_links_and_other_things_are_refused),
		CASE(test_removed_while_running),
		CASE(test_the_log_goes_with_the_damaged_file),
		CASE(test_any_name_and_mode),
		CASE(test_triggers_and_views_are_not_run),
		CASE(test_a_large_file),
		CASE(test_an_older_file_is_brought_up),
		CASE(test_tried_again),
		CASE(test_a_file_without_a_format),
		CASE(test_what_is_taken_is_given_back),
	};

	return cmocka_run_group_tests_name("store_file", tests, NULL, NULL);
}
