/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What picketd obeys as root can be changed by root alone: each part of a path, and what a configuration names.
 */
#include "config_place.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/xattr.h>

#include "trusted.h"

#define NOBODY 65534

static int result_of(const char *path, char *why, size_t size)
{
	struct writer w = writer_over(why, size);

	return path_is_trusted(path, &w);
}

/* The path below the test's own folder, in one of a few buffers. */
static const char *below(const struct place *place, const char *name)
{
	static char texts[4][PATH_MAX];
	static unsigned next;
	char *text = texts[next++ % 4];

	snprintf(text, PATH_MAX, "%s/%s", place->directory, name);
	return text;
}

static void assert_trusted(const struct place *place, const char *name)
{
	char why[PATH_MAX + 64] = "";

	assert_int_equal(result_of(below(place, name), why, sizeof(why)), 0);
	assert_string_equal(why, "");
}

static void assert_refused(const struct place *place, const char *name, const char *part, const char *reason)
{
	char why[PATH_MAX + 64] = "", expected[PATH_MAX + 64];

	assert_int_equal(result_of(below(place, name), why, sizeof(why)), -EPERM);
	snprintf(expected, sizeof(expected), "%s%s%s %s", place->directory, part[0] ? "/" : "", part, reason);
	assert_string_equal(why, expected);
}

static int arrange_as_root(void **state)
{
	return geteuid() == 0 ? arrange(state) : 0;
}

static int clear_as_root(void **state)
{
	struct place *place = *state;

	if (!place)
		return 0;
	for (const char *const *name = (const char *const[]){ "link", "back", "absolute", "open/in", "open/out", NULL };
	     *name; name++)
		unlink(below(place, *name));
	rmdir(below(place, "open"));
	return clear(state);
}

static struct place *need_root(void **state)
{
	if (!*state) {
		print_message("SKIPPED: only root can give files away\n");
		skip();
	}
	return *state;
}

static void the_file_itself(void **state)
{
	struct place *place = need_root(state);

	put(place->file, "");
	assert_int_equal(chmod(place->file, 0644), 0);
	assert_trusted(place, "picket.conf");
	assert_int_equal(chmod(place->file, 0664), 0);
	assert_refused(place, "picket.conf", "picket.conf", "can be written by others than root");
	assert_int_equal(chmod(place->file, 0646), 0);
	assert_refused(place, "picket.conf", "picket.conf", "can be written by others than root");
	assert_int_equal(chmod(place->file, 0400), 0);
	assert_int_equal(chown(place->file, NOBODY, 0), 0);
	assert_refused(place, "picket.conf", "picket.conf", "does not belong to root");
	assert_int_equal(chown(place->file, 0, NOBODY), 0);
	assert_trusted(place, "picket.conf");
}

static void every_folder_on_the_way(void **state)
{
	struct place *place = need_root(state);
	char why[64] = "";

	put(place->file, "");
	assert_int_equal(chmod(place->directory, 0775), 0);
	assert_refused(place, "picket.conf", "", "can be written by others than root");
	assert_refused(place, "not-there", "", "can be written by others than root");
	assert_refused(place, "conf.d/../picket.conf", "", "can be written by others than root");
	assert_int_equal(chmod(place->directory, 0700), 0);
	assert_int_equal(chown(place->directory, NOBODY, 0), 0);
	assert_refused(place, "picket.conf", "", "does not belong to root");
	assert_int_equal(chown(place->directory, 0, 0), 0);
	assert_trusted(place, "picket.conf");
	assert_trusted(place, "conf.d/..//./picket.conf");
	assert_int_equal(result_of(below(place, "not-there"), why, sizeof(why)), -ENOENT);
	assert_int_equal(result_of(below(place, "picket.conf/in-a-file"), why, sizeof(why)), -ENOTDIR);
	assert_int_equal(result_of("/", why, sizeof(why)), 0);
	assert_int_equal(result_of("/dev/null", why, sizeof(why)), 0);
}

/* As /tmp: what is root's there cannot be replaced, but anything can be added. */
static void a_sticky_folder(void **state)
{
	struct place *place = need_root(state);

	assert_int_equal(mkdir(below(place, "open"), 0700), 0);
	put(below(place, "open/in"), "");
	assert_int_equal(chmod(below(place, "open"), 0777), 0);
	assert_refused(place, "open/in", "open", "can be written by others than root");
	assert_int_equal(chmod(below(place, "open"), 01777), 0);
	assert_trusted(place, "open/in");
	assert_refused(place, "open", "open", "can be written by others than root");
	assert_int_equal(chown(below(place, "open/in"), NOBODY, 0), 0);
	assert_refused(place, "open/in", "open/in", "does not belong to root");
	assert_int_equal(symlink("../picket.conf", below(place, "open/out")), 0);
	put(place->file, "");
	assert_trusted(place, "open/out");
	assert_int_equal(lchown(below(place, "open/out"), NOBODY, 0), 0);
	assert_refused(place, "open/out", "open/out", "does not belong to root");
}

static void links_are_followed(void **state)
{
	struct place *place = need_root(state);
	char why[PATH_MAX] = "", long_name[NAME_MAX + 32];

	put(place->other, "");
	assert_int_equal(symlink("conf.d", below(place, "link")), 0);
	assert_int_equal(symlink("back", below(place, "back")), 0);
	assert_int_equal(symlink(place->other, below(place, "absolute")), 0);
	assert_trusted(place, "link/10-more.conf");
	assert_trusted(place, "absolute");
	assert_int_equal(result_of(below(place, "back"), why, sizeof(why)), -ELOOP);
	assert_int_equal(chmod(place->other, 0666), 0);
	assert_refused(place, "link/10-more.conf", "conf.d/10-more.conf", "can be written by others than root");
	assert_refused(place, "absolute", "conf.d/10-more.conf", "can be written by others than root");
	assert_int_equal(chmod(place->other, 0600), 0);
	assert_int_equal(chdir(place->directory), 0);
	assert_int_equal(result_of("conf.d/10-more.conf", why, sizeof(why)), 0);
	assert_int_equal(chmod(place->other, 0666), 0);
	assert_int_equal(result_of("conf.d/10-more.conf", why, sizeof(why)), -EPERM);
	assert_int_equal(chdir("/"), 0);
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(result_of(below(place, long_name), why, sizeof(why)), -ENAMETOOLONG);
}

/* A list of access rights shows in the bits of the group, as its mask. */
static void an_access_list(void **state)
{
	struct place *place = need_root(state);
	const struct {
		uint32_t version;
		struct {
			uint16_t tag, rights;
			uint32_t id;
		} entries[5];
	} list = { 2, { { 1, 6, -1U }, { 2, 6, NOBODY }, { 4, 4, -1U }, { 16, 6, -1U }, { 32, 4, -1U } } };

	put(place->file, "");
	assert_int_equal(chmod(place->file, 0644), 0);
	if (setxattr(place->file, "system.posix_acl_access", &list, sizeof(list), 0) < 0) {
		print_message("SKIPPED: no access lists here\n");
		skip();
	}
	assert_refused(place, "picket.conf", "picket.conf", "can be written by others than root");
}

/* A name that others gave to a file of root's, where they may give names. */
static void a_hard_link(void **state)
{
	struct place *place = need_root(state);

	assert_int_equal(mkdir(below(place, "open"), 0700), 0);
	put(place->file, "");
	assert_int_equal(link(place->file, below(place, "open/in")), 0);
	assert_trusted(place, "open/in");
	assert_int_equal(chmod(below(place, "open"), 01777), 0);
	assert_refused(place, "open/in", "open/in", "has another name, which others may have given it");
	assert_trusted(place, "picket.conf");
}

/* Between the look and the reading: what is open is what was looked at. */
static void what_is_exchanged(void **state)
{
	struct place *place = need_root(state);
	char why[PATH_MAX + 64] = "";
	struct writer w = writer_over(why, sizeof(why));
	int fd, pipes[2];

	put(place->file, "");
	put(place->other, "");
	fd = open(place->file, O_RDONLY);
	assert_int_equal(opened_is_trusted(place->file, fd, &w), 0);
	assert_int_equal(rename(place->other, place->file), 0);
	assert_int_equal(opened_is_trusted(place->file, fd, &w), -EPERM);
	assert_non_null(strstr(why, "was exchanged while it was read"));
	unlink(place->file);
	assert_int_equal(opened_is_trusted(place->file, fd, &w), -EPERM);
	close(fd);
	assert_int_equal(pipe(pipes), 0);
	snprintf(why, sizeof(why), "/dev/fd/%d", pipes[0]);
	assert_int_equal(opened_is_trusted(why, pipes[0], &w), 0);
	close(pipes[0]);
	close(pipes[1]);
}

/* `allow add --save` while the file is not there yet: root's files are not written to by a link of others. */
static void a_link_to_be_saved_through(void **state)
{
	struct place *place = need_root(state);
	const struct prefix entry = { .addr = { { 0x20, 1 } }, .len = 16 };
	char text[64] = "";
	FILE *file;

	put(place->other, "root's own\n");
	assert_int_equal(mkdir(below(place, "open"), 0700), 0);
	assert_int_equal(chmod(below(place, "open"), 01777), 0);
	assert_int_equal(symlink(place->other, below(place, "open/in")), 0);
	assert_int_equal(lchown(below(place, "open/in"), NOBODY, NOBODY), 0);
	assert_int_equal(config_allow_file_edit(below(place, "open/in"), &entry, true), -EPERM);
	file = fopen(place->other, "r");
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "root's own\n");
	assert_null(fgets(text, sizeof(text), file));
	fclose(file);
}

static struct config *read_trusted(struct place *place)
{
	place->told[0] = '\0';
	place->count = 0;
	return config_read(place->file, CONFIG_NAMED | CONFIG_TRUSTED, tell, place);
}

/* One line, with the part and the reason, and nothing is obeyed. */
static void assert_untrusted(struct place *place, const char *part)
{
	char expected[256];

	assert_null(read_trusted(place));
	assert_int_equal(place->count, 1);
	snprintf(expected, sizeof(expected), "%s can be written by others than root, expected that root alone", part);
	assert_non_null(strstr(place->told, expected));
	config_free(config_read(place->file, CONFIG_NAMED, tell, place));
	assert_int_equal(place->count, 1);
}

static void what_a_configuration_names(void **state)
{
	struct place *place = need_root(state);
	char text[256], conf_d[80];
	struct config *config;

	snprintf(text, sizeof(text),
		 "allow_file = \"%s\"\nhook x { on = { \"ban\" } command = { \"%s/open\" } user = \"root\" }\n",
		 place->allow, place->directory);
	snprintf(conf_d, sizeof(conf_d), "%s/conf.d", place->directory);
	put(place->file, text);
	put(place->other, "");
	put(place->allow, "192.0.2.1\n");
	assert_int_equal(mkdir(below(place, "open"), 0700), 0);
	config = read_trusted(place);
	assert_non_null(config);
	assert_int_equal(config->allow_count, 1);
	config_free(config);

	const char *const parts[] = { place->file, place->other, place->allow, conf_d, below(place, "open") };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		assert_int_equal(chmod(parts[i], 0722), 0);
		if (i == 3)
			unlink(place->other); /* an empty folder is one that others can put a file into */
		assert_untrusted(place, parts[i]);
		assert_int_equal(chmod(parts[i], 0700), 0);
	}
	config_free(config = read_trusted(place));
	assert_non_null(config);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, arrange_as_root, clear_as_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_file_itself),    CASE(every_folder_on_the_way),    CASE(a_sticky_folder),
		CASE(links_are_followed), CASE(what_a_configuration_names), CASE(an_access_list),
		CASE(a_hard_link),        CASE(what_is_exchanged),          CASE(a_link_to_be_saved_through),
	};

	return cmocka_run_group_tests_name("trusted", tests, NULL, NULL);
}
