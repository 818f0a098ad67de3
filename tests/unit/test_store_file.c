/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that is damaged, newer, foreign, a link or gone: told in words, and the store lives on.
 */
#include "store_fixture.h"

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
	assert_int_equal(count_matching(f->directory, "picket.db.damaged-*"), 4);
	store = store_open(f->directory, NOW_MS);
	assert_non_null(strstr(problem(store), "4 damaged ones lie there already"));
	remove_matching(f->directory, "picket.db.damaged-*");
	assert_true(store_tick(store, NOW_MS));
	assert_true(store_tick(store, NOW_MS + 60000));
	assert_non_null(strstr(problem(store), "set aside"));
	store_close(store);
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
	by_hand(f->path, "INSERT INTO meta VALUES('x', 1)"); /* so that what is in memory is read again */
	for (off_t page = 1; page < 200; page++)
		write_file(f->path, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, page * 4096);
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
	/* In order again: taken up by itself. */
	unlink(f->path);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_damage_is_set_aside),
		CASE(test_damaged_files_do_not_pile_up),
		CASE(test_damage_while_running),
		CASE(test_newer_and_foreign_files_are_left_alone),
		CASE(test_links_and_other_things_are_refused),
		CASE(test_removed_while_running),
	};

	return cmocka_run_group_tests_name("store_file", tests, NULL, NULL);
}
