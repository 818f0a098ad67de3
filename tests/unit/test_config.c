/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: defaults, every option, every kind of mistake with its line, several mistakes in one run, and the
 * allow file's edits.  Each case writes its files into a directory of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config.h"

struct place {
	char directory[64], file[96], other[96], allow[96];
	char told[8192];
	size_t count;
};

static void tell(void *context, const char *text)
{
	struct place *place = context;
	size_t used = strlen(place->told);

	place->count++;
	snprintf(place->told + used, sizeof(place->told) - used, "%s\n", text);
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int arrange(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	char conf_d[80];

	assert_non_null(place);
	strcpy(place->directory, "/tmp/picket-config-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->file, sizeof(place->file), "%s/picket.conf", place->directory);
	snprintf(place->allow, sizeof(place->allow), "%s/allow", place->directory);
	snprintf(place->other, sizeof(place->other), "%s/conf.d/10-more.conf", place->directory);
	snprintf(conf_d, sizeof(conf_d), "%s/conf.d", place->directory);
	assert_int_equal(mkdir(conf_d, 0700), 0);
	*state = place;
	return 0;
}

static int clear(void **state)
{
	struct place *place = *state;
	char conf_d[80];

	snprintf(conf_d, sizeof(conf_d), "%s/conf.d", place->directory);
	unlink(place->file);
	unlink(place->other);
	unlink(place->allow);
	rmdir(conf_d);
	assert_int_equal(rmdir(place->directory), 0);
	free(place);
	return 0;
}

static struct config *read_text(struct place *place, const char *text)
{
	place->told[0] = '\0';
	place->count = 0;
	put(place->file, text);
	return config_read(place->file, true, tell, place);
}

static void empty_file_is_good(void **state)
{
	struct place *place = *state;
	struct config *config = read_text(place, "");

	assert_string_equal(place->told, "");
	assert_non_null(config);
	assert_int_equal(config->rules.mode, NFT_BLOCK);
	assert_int_equal(config->engine.observe, 0);
	assert_string_equal(config->run_dir, "/run/picket");
	assert_string_equal(config->state_dir, "/var/lib/picket");
	assert_string_equal(config->table, "picket");
	assert_string_equal(config->user, "picket");
	assert_int_equal(config->rules.queue, 4711);
	assert_true(config->rules.way_back);
	assert_true(config->sandbox);
	assert_false(config->keep_on_stop);
	assert_int_equal(config->engine.protect_auto, 1);
	assert_int_equal(config->engine.ipv6_prefix, 64);
	assert_int_equal(config->engine.max_sources, 65536);
	assert_true(fabs(config->engine.alert - log(99)) < 1e-9);
	assert_true(fabs(config->engine.block - log(990)) < 1e-9);
	assert_true(fabs(config->engine.ban - log(9900)) < 1e-9);
	assert_int_equal(config->engine.slow_half_life_ms, 24 * 3600 * 1000);
	assert_int_equal(config->engine.block_first_ms, 600000);
	assert_int_equal(config->engine.block_max_ms, 3600000);
	assert_int_equal(config->engine.ban_first_ms, 3600000);
	assert_true(config->engine.ban_max_ms == 7 * 24 * 3600000LL);
	assert_int_equal(config->engine.storm_rate, 60);
	assert_int_equal(config->engine.storm_live, 4096);
	assert_int_equal(config->hook_count, 0);
	assert_string_equal(config->allow_file, "/etc/picket/allow");
	assert_true(config->allow_count == 0 || access("/etc/picket/allow", F_OK) == 0);
	assert_int_equal(config->rules.trap_udp_count, 0);
	/* 1 alone first, and neither 22 nor 25 among them. */
	assert_true(config->rules.trap_tcp_count > 40);
	assert_int_equal(config->rules.trap_tcp[0].first, 1);
	assert_int_equal(config->rules.trap_tcp[0].last, 1);
	for (size_t i = 0; i < config->rules.trap_tcp_count; i++) {
		const struct nft_port_range *r = &config->rules.trap_tcp[i];
		assert_false(r->first <= 22 && 22 <= r->last);
		assert_false(r->first <= 25 && 25 <= r->last);
		assert_false(r->first <= 113 && 113 <= r->last);
	}
	config_free(config);
}

static void missing_files(void **state)
{
	struct place *place = *state;
	struct config *config = config_read(place->file, false, tell, place);

	assert_non_null(config);
	config_free(config);
	assert_null(config_read(place->file, true, tell, place));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "picket.conf: cannot be read: No such file or directory"));
}

static void every_option(void **state)
{
	struct place *place = *state;
	char text[2048];
	struct config *config;

	put(place->allow, "# admins\n203.0.113.9\n\n2001:db8:1::/48  # office\r\n203.0.113.9\n");
	snprintf(
		text, sizeof(text),
		"/* a comment\n"
		"   of two lines */\n"
		"mode = observe // so far\n"
		"run_dir = \"/run/other\"\n"
		"state_dir = /var/lib/other\n"
		"table = other  queue = 100  user = nobody\n"
		"allow = { \"192.0.2.0/24\", 2001:db8::1 }\n"
		"allow_file = \"%s\"\n"
		"protect_auto = false\n"
		"public_ports = { 443, 80-81, 81-90 }\n"
		"interfaces = { eth0, \"wan.10\" }\n"
		"way_back = off\n"
		"keep_on_stop = yes\n"
		"sandbox = off\n"
		"trap { tcp = all udp = { 53, \"5900-5910\" } banner = \"220 hello\\r\\n\" }\n"
		"score { alert = 0.1 block = 1e-4 ban = 1e-5 slow_half_life = 1d12h max_sources = 1024 ipv6_prefix = 56 }\n"
		"block { first = 3s max = 5m storm_rate = 7 storm_live = 8 }\n"
		"ban { first = 2h max = 2d }\n"
		"hook tell { on = { block, ban, expire }\n"
		" command = { /bin/echo, \"%%{source}\", \"--why=%%{reason}\" }\n"
		" user = nobody timeout = 500ms }\n",
		place->allow);
	config = read_text(place, text);
	assert_string_equal(place->told, "");
	assert_non_null(config);
	assert_int_equal(config->rules.mode, NFT_OBSERVE);
	assert_int_equal(config->engine.observe, 1);
	assert_string_equal(config->run_dir, "/run/other");
	assert_int_equal(config->rules.queue, 100);
	assert_int_equal(config->allow_count, 4);
	assert_int_equal(config->rules.public_count, 2);
	assert_int_equal(config->rules.interface_count, 2);
	assert_string_equal(config->rules.interfaces[1], "wan.10");
	assert_false(config->rules.way_back);
	assert_true(config->keep_on_stop);
	assert_false(config->sandbox);
	assert_int_equal(config->engine.protect_auto, 0);
	assert_int_equal(config->rules.trap_udp_count, 2);
	assert_string_equal(config->banner, "220 hello\r\n");
	assert_int_equal(config->engine.ipv6_prefix, 56);
	assert_int_equal(config->engine.slow_half_life_ms, 36 * 3600000);
	assert_int_equal(config->engine.block_first_ms, 3000);
	assert_int_equal(config->engine.storm_live, 8);
	assert_true(config->engine.ban_max_ms == 2 * 24 * 3600000LL);
	assert_int_equal(config->hook_count, 1);
	assert_string_equal(config->hooks[0].args[2], "--why=%{reason}");
	assert_int_equal(config->hooks[0].timeout_ms, 500);
	config_free(config);
}

static void lists(void **state)
{
	struct place *place = *state;
	struct config *config =
		read_text(place, "public_ports = { 443, 80-81, 81-90, 92 }\ntrap { tcp = { } }\ninterfaces = { }");

	assert_non_null(config);
	assert_int_equal(config->rules.public_count, 3);
	assert_int_equal(config->rules.public_ports[0].first, 80);
	assert_int_equal(config->rules.public_ports[0].last, 90);
	assert_int_equal(config->rules.public_ports[2].first, 443);
	assert_int_equal(config->rules.trap_tcp_count, 0);
	config_free(config);
	config = read_text(place, "trap { tcp = { \"all\" } }");
	assert_non_null(config);
	assert_int_equal(config->rules.trap_tcp_count, 1);
	assert_int_equal(config->rules.trap_tcp[0].first, 1);
	assert_int_equal(config->rules.trap_tcp[0].last, 65535);
	config_free(config);
}

static void hooks(void **state)
{
	struct place *place = *state;
	struct config *config = read_text(place,
		"hook a { on = { block }\ncommand = { /bin/true, '%{ports}' } user = nobody }\n"
		"hook b { on = { alert, unblock } command = { \"/bin/false\" } user = root timeout = 1m }\n");

	assert_string_equal(place->told, "");
	assert_non_null(config);
	assert_int_equal(config->hook_count, 2);
	assert_string_equal(config->hooks[0].name, "a");
	assert_int_equal(config->hooks[0].arg_count, 2);
	assert_string_equal(config->hooks[0].args[1], "%{ports}");
	assert_int_equal(config->hooks[0].on, 1u << EVENT_BLOCK);
	assert_int_equal(config->hooks[0].timeout_ms, 10000);
	assert_int_equal(config->hooks[0].uid, 65534);
	assert_int_equal(config->hooks[1].on, 1u << EVENT_ALERT | 1u << EVENT_UNBLOCK);
	assert_int_equal(config->hooks[1].timeout_ms, 60000);
	assert_int_equal(config->hooks[1].uid, 0);
	config_free(config);
}

static void conf_d_comes_later(void **state)
{
	struct place *place = *state;
	struct config *config;

	put(place->other, "queue = 9 allow_file = \"\"\nallow = { 192.0.2.1 }\nblock { max = 30m }");
	config = read_text(place, "queue = 8\nallow = { 192.0.2.2, 192.0.2.3 }\nblock { first = 20m }");
	assert_string_equal(place->told, "");
	assert_non_null(config);
	assert_int_equal(config->rules.queue, 9);
	assert_int_equal(config->allow_count, 1);
	assert_int_equal(config->engine.block_first_ms, 20 * 60000);
	config_free(config);
	put(place->other, "quue = 9");
	assert_null(read_text(place, "\nmode = blok\n"));
	assert_int_equal(place->count, 2);
	assert_non_null(strstr(place->told, "picket.conf:2: bad value 'blok' for mode, expected observe or block\n"));
	assert_non_null(strstr(place->told, "conf.d/10-more.conf:1: unknown option 'quue', expected one of mode, "));
}

/* One mistake a row: the line and some of the words. */
static const struct {
	const char *text;
	int line;
	const char *words;
} mistakes[] = {
	{ "mode = yes", 1, "expected observe or block" },
	{ "\nfoo = 1\n", 2, "unknown option 'foo', expected one of mode, run_dir" },
	{ "trap {\n\nport = 1\n}", 3, "unknown option 'port' in trap, expected one of tcp, udp, banner" },
	{ "frap {\n tcp = { 1 }\n}\n", 1, "unknown option 'frap'" },
	{ "queue = 65534", 1, "expected a number from 0 to 65533" },
	{ "queue = -1", 1, "expected a number" },
	{ "queue = 12x", 1, "bad value '12x' for queue" },
	{ "queue = 1\nqueue = 2", 2, "queue is given twice, expected once" },
	{ "allow = { 192.0.2.1 }\nallow = { 192.0.2.2 }", 2, "allow is given twice" },
	{ "queue = { 1, 2 }", 1, "unexpected token '{'" },
	{ "queue 5", 1, "no '=' after 'queue'" },
	{ "queue\nmode = block", 1, "no '=' after 'queue', expected queue = VALUE" },
	{ "trap = 5", 1, "no '{' after 'trap'" },
	{ "allow = { 192.0.2.1/24 }", 1, "expected an address or prefix" },
	{ "allow = {\n 192.0.2.1,\n localhost }", 3, "bad value 'localhost' for allow" },
	{ "run_dir = run", 1, "expected an absolute path" },
	{ "run_dir = \"/run/0123456789012345678901234567890123456789"
	  "012345678901234567890123456789012345678901234567890\"",
	  1, "less than" },
	{ "table = \"my table\"", 1, "name of an nftables table" },
	{ "interfaces = { 0123456789abcdef }", 1, "at most 15 characters" },
	{ "trap { tcp = { 0 } }", 1, "ports from 1 to 65535" },
	{ "trap { tcp = { 10-5 } }", 1, "the smaller one first" },
	{ "trap { udp = { ssh } }", 1, "a port, a range such as 5900-5910, or all" },
	{ "score { alert = 2 }", 1, "a probability from" },
	{ "score { alert = x }", 1, "a probability from" },
	{ "score { block = 1e-5 }", 1, "expected a probability for ban no higher than that for block" },
	{ "score {\nblock = 0.1\n}", 2, "expected a probability for block no higher than that for alert" },
	{ "score { slow_half_life = 10 }", 1, "a duration from 1s to" },
	{ "block { first = 2h }", 1, "first no longer than max" },
	{ "block { storm_live = 0 }", 1, "a number from 1 to" },
	{ "sandbox = maybe", 1, "expected true or false" },
	{ "mode = \"block\nqueue = 5", 1, "text without an end" },
	{ "\ntrap {\ntcp = { 1 }\n", 2, "'{' that is never closed" },
	{ "mode = block }", 1, "'}' that opens or closes nothing" },
	{ "/* open\nmode = x", 1, "comment without an end" },
	{ "banner = x", 1, "unknown option 'banner'" },
	{ "mode = \"${HOME}\"", 1, "'${' in a value" },
	{ "hook { on = { block } }", 1, "hook without a name" },
	{ "hook a { command = { /bin/true } user = root }", 1, "hook 'a' says not when to run" },
	{ "hook a { on = { block } user = root }", 1, "hook 'a' has no command" },
	{ "hook a { on = { block } command = { true } user = root }", 1, "the absolute path of a program first" },
	{ "hook a { on = { blok } command = { /bin/true } user = root }", 1,
	  "expected block, ban, expire, unblock or alert" },
	{ "hook a { on = { block } command = { /bin/true, \"%{sauce}\" } user = root }", 1, "(found %{sauce})" },
	{ "hook a { on = { block } command = { /bin/true } user = no-such-user }", 1, "runs as user 'no-such-user'" },
	{ "hook \"a b\" { }", 1, "bad name of a hook" },
	{ "allow_file = /nonexistent/allow", 1, "allow_file '/nonexistent/allow' cannot be read" },
};

static void each_mistake_has_its_line(void **state)
{
	struct place *place = *state;
	char start[160];

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct config *config = read_text(place, mistakes[i].text);

		snprintf(start, sizeof(start), "%s:%d: ", place->file, mistakes[i].line);
		if (config || !strstr(place->told, start) || !strstr(place->told, mistakes[i].words))
			fail_msg("%s\n -> %s (expected line %d, %s)", mistakes[i].text, place->told, mistakes[i].line,
				 mistakes[i].words);
	}
}

static void all_mistakes_in_one_run(void **state)
{
	struct place *place = *state;
	static const char *const expected[] = {
		":1: bad value 'blok' for mode", ":3: unknown option 'fu'", ":5: unknown option 'tpc' in trap",
		":6: bad value '99999' for udp", ":10: no '=' after 'keep_on_stop'", ":11: bad value '7x' for queue",
		":14: unknown option 'colour' in hook", ":16: bad value 'never' for timeout",
	};
	char wanted[160];

	put(place->allow, "192.0.2.1\nnonsense\n");
	assert_null(read_text(
		place,
		"mode = blok\n\nfu = { 1,\n 2 }\ntrap { tpc = { \"1\" }\n udp = { 99999 }\n}\nother {\n x = 1 }\n"
		"keep_on_stop yes\nqueue = 7x\nhook a {\n on = { block }\n colour = red\n user = root\n"
		" timeout = never\n command = { /bin/true }\n}\n"));
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		snprintf(wanted, sizeof(wanted), "%s%s", place->file, expected[i]);
		if (!strstr(place->told, wanted))
			fail_msg("%s is not in:\n%s", wanted, place->told);
	}
	/* "other" is the ninth. */
	assert_int_equal(place->count, 9);
}

static void allow_file_lines(void **state)
{
	struct place *place = *state;
	char text[200];

	put(place->allow, "192.0.2.1\n# fine\n  192.0.2.0/23  \nnonsense # here\n192.0.2.3/24\n");
	snprintf(text, sizeof(text), "\nallow_file = \"%s\"\n", place->allow);
	assert_null(read_text(place, text));
	assert_int_equal(place->count, 2);
	assert_non_null(strstr(place->told, "allow:4: bad entry 'nonsense'"));
	assert_non_null(strstr(place->told, "allow:5: bad entry '192.0.2.3/24'"));
}

static void random_text_never_breaks(void **state)
{
	static const char *const words[] = { "mode", "=",    "{",   "}",    "\"",   "'",     "#",     "\n",
					     " ",    "trap", "tcp", "hook", "a",    ",",     "1",     "${",
					     "/*",   "*/",   "//",  "\\",   "+=",   "\"x\"", "allow", "(",
					     ")",    "on",   "\t",  "\x01", "\xff", "score", "block" };
	struct place *place = *state;
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	for (int i = 0; i < 300; i++) {
		char text[512] = "";

		seed = seed * 1103515245u + 12345u;
		for (unsigned n = 5 + (seed >> 16) % 40; n > 0; n--) {
			seed = seed * 1103515245u + 12345u;
			strcat(text, words[(seed >> 16) % (sizeof(words) / sizeof(words[0]))]);
		}
		struct config *config = read_text(place, text);
		assert_true((config == NULL) == (place->count > 0));
		config_free(config);
	}
}

static void edits_of_the_allow_file(void **state)
{
	struct place *place = *state;
	struct prefix entry;
	const char *error;
	char text[256] = "";
	struct stat info;
	FILE *file;

	assert_true(prefix_parse("198.51.100.0/24", &entry, &error));
	put(place->allow, "# mine\n192.0.2.1 # keep\nno newline");
	assert_int_equal(chmod(place->allow, 0640), 0);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, false), -ENOENT);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), 0);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), -EEXIST);
	file = fopen(place->allow, "r");
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_string_equal(text, "# mine\n192.0.2.1 # keep\nno newline\n198.51.100.0/24\n");
	assert_int_equal(stat(place->allow, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0640);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, false), 0);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, false), -ENOENT);
	/* A file that is not there yet. */
	unlink(place->allow);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), 0);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(empty_file_is_good, arrange, clear),
		cmocka_unit_test_setup_teardown(missing_files, arrange, clear),
		cmocka_unit_test_setup_teardown(every_option, arrange, clear),
		cmocka_unit_test_setup_teardown(lists, arrange, clear),
		cmocka_unit_test_setup_teardown(hooks, arrange, clear),
		cmocka_unit_test_setup_teardown(conf_d_comes_later, arrange, clear),
		cmocka_unit_test_setup_teardown(each_mistake_has_its_line, arrange, clear),
		cmocka_unit_test_setup_teardown(all_mistakes_in_one_run, arrange, clear),
		cmocka_unit_test_setup_teardown(allow_file_lines, arrange, clear),
		cmocka_unit_test_setup_teardown(random_text_never_breaks, arrange, clear),
		cmocka_unit_test_setup_teardown(edits_of_the_allow_file, arrange, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
