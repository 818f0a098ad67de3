/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mistakes in a configuration: each with its line, several in one run, and noise that must never break the reader.
 */
#include "config_place.h"

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
	{ "\nqueue =\nmode = block", 2, "no value after 'queue =', expected queue = VALUE" },
	{ "\nallow = { 192.0.2.1\nmode = block", 2, "'{' that is never closed, expected '}'" },
	{ "allow = {\n 192.0.2.1,,\n }", 2, "unexpected token ','" },
	{ "/* two\n lines */ queue = x", 2, "bad value 'x' for queue" },
	{ "way_back = maybe", 1, "expected strict or off" },
	{ "conntrack = on", 1, "expected auto or off" },
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
	{ "score { veil = 1e-5 }", 1, "expected a probability for ban no higher than that for veil" },
	{ "score {\nveil = 0.1\n}", 2, "expected a probability for veil no higher than that for alert" },
	{ "score { slow_half_life = 10 }", 1, "a duration from 1s to" },
	{ "ban { first = 8d }", 1, "first no longer than max" },
	{ "veil { first = 2h }", 1, "unknown option 'first' in veil" },
	{ "sandbox = maybe", 1, "expected true or false" },
	{ "mode = \"block\nqueue = 5", 1, "text without an end" },
	{ "\ntrap {\ntcp = { 1 }\n", 2, "'{' that is never closed" },
	{ "mode = block }", 1, "'}' that opens or closes nothing" },
	{ "/* open\nmode = x", 1, "comment without an end" },
	{ "\n= 5\nmode = block", 2, "unexpected token '='" },
	{ "\n\"\" = 5\nmode = block", 2, "unknown option ''" },
	{ "trap { banner = \"a\\\nb\" }", 1, "text without an end" },
	{ "banner = x", 1, "unknown option 'banner'" },
	{ "mode = \"${HOME}\"", 1, "'${' in a value" },
	{ "hook { on = { block } }", 1, "hook without a name" },
	{ "hook a { command = { /bin/true } user = root }", 1, "hook 'a' says not when to run" },
	{ "hook a { on = { block } user = root }", 1, "hook 'a' has no command" },
	{ "hook a { on = { block } command = { true } user = root }", 1, "the absolute path of a program first" },
	{ "hook a { on = { blok } command = { /bin/true } user = root }", 1,
	  "expected veil, ban, block, expire, unblock, alert or exposure" },
	{ "hook a { on = { block } command = { /bin/true, \"%{sauce}\" } user = root }", 1, "(found %{sauce})" },
	{ "hook a { on = { block } command = { /bin/true } user = no-such-user }", 1, "runs as user 'no-such-user'" },
	{ "hook \"a b\" { }", 1, "bad name of a hook" },
	{ "trap x { tcp = { 5 } }", 1, "no '{' after 'trap', expected trap { ... }" },
	{ "\nhook {\n on = { ban }\n}", 2, "hook without a name, expected hook NAME { ... }" },
	{ "hook", 1, "no '{' after 'hook', expected hook { ... }" },
	{ "mode", 1, "no '=' after 'mode', expected mode = VALUE" },
	{ "trap { tcp }", 1, "no '=' after 'tcp'" },
	{ "trap { tcp = }", 1, "no value after 'tcp ='" },
	{ "trap {\n score { alert = 0.1 } }", 2, "unknown option 'score' in trap, expected one of tcp, udp, banner\n" },
	{ "\n, mode = block", 2, "unexpected token ',', expected NAME = VALUE" },
	{ "\n\n( 1 )", 3, "unexpected token '('" },
	{ "mode = ( block )", 1, "unexpected token '('" },
	{ "mode = = block", 1, "unexpected token '='" },
	{ "\ntrap { banner = 'a\n", 2, "text without an end, expected a closing ' on the same line" },
	{ "trap { banner = \"a\\", 1, "text without an end, expected a closing \" on the same line" },
	{ "run_dir = /a${HOME}/b", 1, "'${' in a value" },
	{ "queue = \"\xff\x1f ~\x7f\"", 1, "bad value '?? ~?' for queue" },
	{ "queue = 012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789", 1,
	  "'01234567890123456789012345678901234567890123456789012345678901234567890123456789' for queue" },
	{ "score {\n ban = 1e-2\n veil = 1e-3\n}", 3, "score of ban and veil do not fit" },
	{ "score {\n veil = 1e-3\n ban = 1e-2\n}", 3, "score of ban and veil do not fit" },
	{ "score {\n ban = 1e-2\n alert = 1e-1\n}", 2, "score of ban and veil do not fit" },
	{ "\nban {\n\n max = 59m\n}", 4, "ban of first and max do not fit" },
	{ "block {\n last = 5m\n}", 2, "unknown option 'last' in block" },
	{ "block x { first = 5m }", 1, "unknown option 'block', expected one of mode, " },
	{ "hook a { on = { ban } command = { \"/bin/t%rue\" } user = root }", 1,
	  "the absolute path of a program first" },
	{ "a.conf", 1,
	  "unknown option 'a.conf', expected one of mode, run_dir, state_dir, history_max, log_rate, table, queue, "
	  "user, sentry_user, allow, allow_file, protect_auto, admin_groups, public_ports, interfaces, "
	  "reverse_path, conntrack, flow_flag, flow_mark_bits, early_drop, keep_on_stop, sandbox, trap, gateway, "
	  "score, veil, ban, hook\n" },
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
		":1: bad value 'blok' for mode",        ":3: unknown option 'fu'",
		":5: unknown option 'tpc' in trap",     ":6: bad value '99999' for udp",
		":10: no '=' after 'keep_on_stop'",     ":11: bad value '7x' for queue",
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

/* How often each of the lines was told, and that they are in this order. */
static void assert_lines(const struct place *place, const char *const *starts, size_t count)
{
	const char *line = place->told;

	assert_int_equal(place->count, count);
	for (size_t i = 0; i < count; i++) {
		char wanted[160];

		snprintf(wanted, sizeof(wanted), "%s/%s", place->directory, starts[i]);
		if (strncmp(line, wanted, strlen(wanted)) != 0)
			fail_msg("%zu: not %s in\n%s", i, starts[i], place->told);
		line = strchr(line, '\n') + 1;
	}
}

#define ASSERT_LINES(place, ...)                                                                                       \
	assert_lines(place, (const char *const[]){ __VA_ARGS__ },                                                      \
		     sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* Whenever a mistake is found, it is told where it stands, and once. */
static void mistakes_are_told_in_order(void **state)
{
	struct place *place = *state;

	put(place->other, "\nqueue = x\npublic_ports = { x }\n");
	assert_null(read_text(place, "mode = x\nscore {\n ban = 1e-2 }\nqueue = y queue = y\ntable = -\n"));
	ASSERT_LINES(place, "picket.conf:1: bad value 'x' for mode", "picket.conf:3: score of ban and veil",
		     "picket.conf:4: bad value 'y' for queue", "picket.conf:4: queue is given twice",
		     "picket.conf:5: bad value '-' for table", "conf.d/10-more.conf:2: bad value 'x' for queue",
		     "conf.d/10-more.conf:3: bad value 'x' for public_ports");
	put(place->other, "\nban { max = 59m }\nallow_file = /nonexistent/allow\n");
	assert_null(read_text(place, "ban { first = 1h }\nallow_file = /tmp\n"));
	ASSERT_LINES(place, "conf.d/10-more.conf:2: ban of first and max", "conf.d/10-more.conf:3: allow_file '/non");
	/* What was refused, or may be missing, is compared with nothing. */
	put(place->other, "");
	assert_null(read_text(place, "score { veil = x ban = 0.4 }"));
	ASSERT_LINES(place, "picket.conf:1: bad value 'x' for veil");
	assert_null(read_text(place, "score { veil 0.4\n ban = 0.4 }"));
	ASSERT_LINES(place, "picket.conf:1: no '=' after 'veil'");
	assert_null(read_text(place, "score {\n ban = \"x\n veil = 0.4\n}"));
	ASSERT_LINES(place, "picket.conf:2: text without an end");
	assert_null(read_text(place, "score {\n block = \"x\n veil = 0.4\n}"));
	ASSERT_LINES(place, "picket.conf:2: text without an end", "picket.conf:2: warning: score { block }");
	/* In the file that names it, whichever was read last. */
	assert_null(read_text(place, "\nallow_file = /nonexistent/allow"));
	ASSERT_LINES(place, "picket.conf:2: allow_file '/nonexistent/allow'");
	assert_null(read_text(place, "hook a { on = { x } command = { y } user = root }"));
	ASSERT_LINES(place, "picket.conf:1: bad value 'x' for on", "picket.conf:1: bad value 'y' for command");
	assert_null(read_text(place, "hook a {\n on { ban }\n user = root }"));
	ASSERT_LINES(place, "picket.conf:2: no '=' after 'on'");
	/* A hook that has no place is read for its mistakes. */
	assert_null(read_text(place, "hook 'a b' {\n timeout = x\n}\nqueue = y"));
	ASSERT_LINES(place, "picket.conf:1: bad name of a hook", "picket.conf:2: bad value 'x' for timeout",
		     "picket.conf:4: bad value 'y' for queue");
}

/* What the environment holds is neither read nor shown. */
static void variables_are_not_read(void **state)
{
	static const char *const texts[] = { "queue = \"${PICKET_X}\"", "queue = ${PICKET_X}", "queue = \"${PICKET_X\"",
					     "queue = { ${PICKET_X} }" };
	struct place *place = *state;

	assert_int_equal(setenv("PICKET_X", "4242", 1), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_null(read_text(place, texts[i]));
		assert_int_equal(place->count, 2);
		assert_non_null(strstr(place->told, "picket.conf:1: '${' in a value, expected plain text"));
		assert_null(strstr(place->told, "4242"));
	}
	unsetenv("PICKET_X");
}

static void so_many_are_told(void **state)
{
	struct place *place = *state;
	char text[1024];

	for (int count = 99; count <= 102; count++) {
		int len = 0;

		for (int i = 0; i < count; i++)
			len += snprintf(text + len, sizeof(text) - (size_t)len, "foo=%d\n", i % 10);
		place->told[0] = '\0';
		assert_null(read_text(place, text));
		assert_int_equal(place->count, count > 100 ? 101 : count);
	}
}

/* What one mistake takes with it ends where the next statement begins. */
static void the_next_statement_is_read(void **state)
{
	static const char *const before[] = {
		"mode =",
		"mode",
		"mode x",
		"mode = {",
		"mode = { {",
		"mode = x { y }",
		"allow = { 1.1.1.1",
		"allow = { 1.1.1.1 { }",
		"\"mode = x",
		"= { a = 1\n }",
		"mode = \"x",
		"foo { a = { 1 } }",
		"foo bar { a = 1\n }",
		"foo { b { c = 1 } }",
		"trap x { tcp = { } }",
		", a b c",
		"}",
		"} }",
		"( ( a",
		"mode = ( a ) b",
		"mode = , b",
		"foo = { 1, 2",
		"'x' y",
		"queue 5 6",
		"a = 1 }",
	};
	struct place *place = *state;
	char text[128], wanted[64];

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		int line = strchr(before[i], '\n') ? 3 : 2;

		snprintf(text, sizeof(text), "%s\ntable = -\n", before[i]);
		snprintf(wanted, sizeof(wanted), "picket.conf:%d: bad value '-' for table", line);
		assert_null(read_text(place, text));
		if (place->count < 2 || !strstr(place->told, "picket.conf:1: ") || !strstr(place->told, wanted))
			fail_msg("%s\n -> %s", text, place->told);
	}
}

static void zero_bytes(void **state)
{
	static const char bytes[] = "mode = block\n\nqueue = \0 5\n";
	static const char entries[] = "192.0.2.1\n192.0.2.2\0\n";
	struct place *place = *state;
	FILE *file = fopen(place->file, "w");
	char text[160];

	fwrite(bytes, 1, sizeof(bytes) - 1, file);
	fclose(file);
	place->count = 0;
	assert_null(config_read(place->file, CONFIG_NAMED, tell, place));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "picket.conf:3: a zero byte, expected text"));
	file = fopen(place->allow, "w");
	fwrite(entries, 1, sizeof(entries) - 1, file);
	fclose(file);
	snprintf(text, sizeof(text), "allow_file = \"%s\"\n", place->allow);
	assert_null(read_text(place, text));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "allow: a zero byte, expected text"));
}

/* A file that is named, or is there, and cannot be read. */
static void files_that_cannot_be_read(void **state)
{
	struct place *place = *state;
	char text[160];

	assert_int_equal(symlink("/nonexistent/conf", place->other), 0);
	assert_null(read_text(place, ""));
	ASSERT_LINES(place, "conf.d/10-more.conf: cannot be read: No such file or directory, expected a");
	unlink(place->other);
	snprintf(text, sizeof(text), "allow_file = \"%s/conf.d\"\n", place->directory);
	assert_null(read_text(place, text));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "conf.d' cannot be read: "));
	place->count = 0;
	assert_null(config_read(place->directory, 0, tell, place));
	assert_true(place->count > 0);
	/* conf.d that is none. */
	snprintf(text, sizeof(text), "%s/conf.d", place->directory);
	rmdir(text);
	assert_int_equal(symlink("conf.d", text), 0);
	assert_null(read_text(place, ""));
	ASSERT_LINES(place, "conf.d: cannot be read: Too many levels of symbolic links, expected a directory");
	unlink(text);
	config_free(read_text(place, ""));
	assert_int_equal(place->count, 0);
	put(text, "");
	config_free(read_text(place, ""));
	assert_int_equal(place->count, 0);
	unlink(text);
	assert_int_equal(mkdir(text, 0700), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_mistake_has_its_line, arrange, clear),
		cmocka_unit_test_setup_teardown(all_mistakes_in_one_run, arrange, clear),
		cmocka_unit_test_setup_teardown(mistakes_are_told_in_order, arrange, clear),
		cmocka_unit_test_setup_teardown(variables_are_not_read, arrange, clear),
		cmocka_unit_test_setup_teardown(so_many_are_told, arrange, clear),
		cmocka_unit_test_setup_teardown(the_next_statement_is_read, arrange, clear),
		cmocka_unit_test_setup_teardown(zero_bytes, arrange, clear),
		cmocka_unit_test_setup_teardown(files_that_cannot_be_read, arrange, clear),
		cmocka_unit_test_setup_teardown(allow_file_lines, arrange, clear),
		cmocka_unit_test_setup_teardown(random_text_never_breaks, arrange, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
