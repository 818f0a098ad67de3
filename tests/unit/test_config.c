/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: defaults, every option, the order of files, and the allow file's edits.
 */
#include "config_place.h"
#include "supervisor/internal.h"

/* What the kernel gets of it. */
static const struct nft_rules *rules_of(const struct config *config)
{
	static struct nft_rules rules;

	supervisor_rules_of(config, &rules);
	return &rules;
}

static void empty_file_is_good(void **state)
{
	struct place *place = *state;
	struct config *config = read_text(place, "");

	assert_string_equal(place->told, "");
	assert_non_null(config);
	assert_int_equal(rules_of(config)->mode, NFT_BLOCK);
	assert_int_equal(config->engine.observe, 0);
	assert_string_equal(config->run_dir, "/run/picket");
	assert_string_equal(config->state_dir, "/var/lib/picket");
	assert_string_equal(config->table, "picket");
	assert_string_equal(config->user, "picket");
	assert_int_equal(config->queue, 4711);
	assert_true(config->reverse_path);
	assert_true(config->conntrack && !rules_of(config)->untracked);
	assert_true(config->sandbox);
	assert_false(config->keep_on_stop);
	assert_false(config->cut_running);
	assert_int_equal(config->admin_group_count, 4);
	assert_string_equal(config->admin_groups[3], "picket-admin");
	assert_int_equal(config->engine.protect_auto, 1);
	assert_int_equal(config->engine.ipv6_prefix, 64);
	assert_int_equal(config->engine.max_sources, 65536);
	assert_true(fabs(config->engine.alert - log(99)) < 1e-9);
	assert_true(fabs(config->engine.veil - log(990)) < 1e-9);
	assert_true(fabs(config->engine.ban - log(9900)) < 1e-9);
	assert_int_equal(config->engine.slow_half_life_ms, 24 * 3600 * 1000);
	assert_int_equal(config->engine.veil_max_ms, 3600000);
	assert_int_equal(config->engine.ban_first_ms, 3600000);
	assert_true(config->engine.ban_max_ms == 7 * 24 * 3600000LL);
	assert_int_equal(config->hook_count, 0);
	assert_string_equal(config->allow_file, "/etc/picket/allow");
	assert_true(config->allow_count == 0 || access("/etc/picket/allow", F_OK) == 0);
	assert_int_equal(config->trap_udp.count, 0);
	/* 1 alone first, and neither 22 nor 25 among them. */
	assert_true(config->trap_tcp.count > 40);
	assert_int_equal(config->trap_tcp.ranges[0].first, 1);
	assert_int_equal(config->trap_tcp.ranges[0].last, 1);
	for (size_t i = 0; i < config->trap_tcp.count; i++) {
		const struct port_range *r = &config->trap_tcp.ranges[i];
		assert_false(r->first <= 22 && 22 <= r->last);
		assert_false(r->first <= 25 && 25 <= r->last);
		assert_false(r->first <= 113 && 113 <= r->last);
	}
	config_free(config);
}

/* conf/picket.conf with every option switched on says what an empty file means. */
static void shipped_file_shows_the_defaults(void **state)
{
	struct place *place = *state;
	FILE *file = fopen("conf/picket.conf", "r");
	char text[32768] = "", line[512];
	struct config *shown, *defaults;
	struct nft_rules shown_rules;

	if (!file)
		skip();
	while (fgets(line, sizeof(line), file))
		strcat(text, line[0] == '#' && !strchr(" \n", line[1]) ? line + 1 : line);
	fclose(file);
	shown = read_text(place, text);
	assert_string_equal(place->told, "");
	defaults = read_text(place, "");
	assert_non_null(shown);
	assert_non_null(defaults);
	assert_memory_equal(&shown->engine, &defaults->engine, sizeof(shown->engine));
	supervisor_rules_of(shown, &shown_rules);
	assert_memory_equal(&shown_rules, rules_of(defaults), sizeof(shown_rules));
	assert_string_equal(shown->run_dir, defaults->run_dir);
	assert_string_equal(shown->state_dir, defaults->state_dir);
	assert_string_equal(shown->allow_file, defaults->allow_file);
	assert_string_equal(shown->table, defaults->table);
	assert_string_equal(shown->user, defaults->user);
	assert_string_equal(shown->banner, defaults->banner);
	assert_int_equal(shown->keep_on_stop, defaults->keep_on_stop);
	assert_int_equal(shown->sandbox, defaults->sandbox);
	config_free(shown);
	config_free(defaults);
}

static void missing_files(void **state)
{
	struct place *place = *state;
	struct config *config = config_read(place->file, 0, tell, place);

	assert_non_null(config);
	config_free(config);
	assert_null(config_read(place->file, CONFIG_NAMED, tell, place));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "picket.conf: cannot be read: No such file or directory"));
}

static void every_option(void **state)
{
	struct place *place = *state;
	char text[2048];
	struct config *config;

	put(place->allow, "# admins\n203.0.113.9\n\n2001:db8:1::/48  # office\r\n203.0.113.9\n");
	snprintf(text, sizeof(text),
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
		 "conntrack = off\n"
		 "keep_on_stop = yes\n"
		 "sandbox = off\n"
		 "trap { tcp = all udp = { 53, \"5900-5910\" } banner = \"220 hello\\r\\n\" }\n"
		 "score { alert = 0.1 veil = 1e-4 ban = 1e-5 slow_half_life = 1d12h "
		 "max_sources = 1024 ipv6_prefix = 56 }\n"
		 "admin_groups = { wheel, staff }\n"
		 "veil { max = 5m }\n"
		 "ban { first = 2h max = 2d cut_running = yes }\n"
		 "hook tell { on = { block, ban, expire }\n"
		 " command = { /bin/echo, \"%%{source}\", \"--why=%%{reason}\" }\n"
		 " user = nobody timeout = 500ms }\n",
		 place->allow);
	config = read_text(place, text);
	assert_string_equal(place->told, "");
	assert_non_null(config);
	assert_int_equal(rules_of(config)->mode, NFT_OBSERVE);
	assert_int_equal(config->engine.observe, 1);
	assert_string_equal(config->run_dir, "/run/other");
	assert_int_equal(config->queue, 100);
	assert_int_equal(config->allow_count, 4);
	assert_int_equal(config->public_ports.count, 2);
	assert_int_equal(config->interface_count, 2);
	assert_string_equal(config->interfaces[1], "wan.10");
	assert_false(config->reverse_path);
	assert_true(!config->conntrack && rules_of(config)->untracked);
	assert_true(config->keep_on_stop);
	assert_true(config->cut_running && rules_of(config)->cut_running);
	assert_int_equal(config->admin_group_count, 2);
	assert_string_equal(config->admin_groups[1], "staff");
	assert_int_equal(config->engine.veil_max_ms, 300000);
	assert_false(config->sandbox);
	assert_int_equal(config->engine.protect_auto, 0);
	assert_int_equal(config->trap_udp.count, 2);
	assert_string_equal(config->banner, "220 hello\r\n");
	assert_int_equal(config->engine.ipv6_prefix, 56);
	assert_int_equal(config->engine.slow_half_life_ms, 36 * 3600000);
	assert_true(config->engine.ban_max_ms == 2 * 24 * 3600000LL);
	assert_int_equal(config->hook_count, 1);
	assert_string_equal(config->hooks[0].args[2], "--why=%{reason}");
	assert_int_equal(config->hooks[0].timeout_ms, 500);
	config_free(config);
}

/* Text as it is written: quotes, marks that mean something elsewhere, comments, blanks of every kind. */
static void text_and_comments(void **state)
{
	static const struct {
		const char *text, *banner;
	} rows[] = {
		{ "trap { banner = plain }", "plain" },
		{ "trap { banner = a/b }", "a/b" },
		{ "trap { banner = \"a#b//c/*d*/{e}(f),+=\" }", "a#b//c/*d*/{e}(f),+=" },
		{ "trap { banner = 'a#b//c/*d*/{e}(f),+=' }", "a#b//c/*d*/{e}(f),+=" },
		{ "trap { banner = \"it's\" }", "it's" },
		{ "trap { banner = 'say \"x\"' }", "say \"x\"" },
		{ "trap { banner = \"say \\\"x\\\"\" }", "say \"x\"" },
		{ "trap { banner = \"a\\\\\" }", "a\\" },
		{ "trap { banner = '${HOME}' }", "${HOME}" },
		{ "trap { banner = \"$5 {\" }", "$5 {" },
		{ "trap { banner = \"\" }", "" },
		{ "'trap' { \"banner\" = a }", "a" },
		{ "trap\n{\nbanner\n=\na\n}\n", "a" },
		{ "trap{banner=a}", "a" },
		{ "\ttrap\f{\vbanner\r\n=\ta\r\n}", "a" },
		{ "trap # }\n{ // }\n banner /* = b */ = # b\n a }", "a" },
		{ "/**/trap/***/{/* * / ** */banner = a/*", NULL },
		{ "/**/trap /***/{/* * / ** */banner = a /* # */ } # /*", "a" },
		{ "trap { banner = a }\n#", "a" },
		{ "trap { banner = a }\n//", "a" },
		{ "trap { }\n trap { banner = a }", "a" },
		{ "trap { udp = { } } trap { banner = a }", "a" },
		{ "", "" },
	};
	struct place *place = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *config = read_text(place, rows[i].text);

		if ((config != NULL) != (rows[i].banner != NULL) ||
		    (config && strcmp(config->banner, rows[i].banner) != 0))
			fail_msg("%s\n -> %s%s", rows[i].text, config ? config->banner : "", place->told);
		config_free(config);
	}
}

static void lists_that_are_added_to(void **state)
{
	struct place *place = *state;
	struct config *config = read_text(place, "allow = { 192.0.2.128/25, 192.0.2.0/24 }\n"
						 "allow += { 192.0.2.0/25, 192.0.2.0/24 }\n"
						 "trap { udp = { 7, 5, 6 } udp += { 9 } }\nadmin_groups += { x }");

	assert_string_equal(place->told, "");
	assert_non_null(config);
	/* In order, and each once. */
	assert_int_equal(config->allow_count, 3);
	assert_int_equal(config->allow[0].len, 96 + 24);
	assert_int_equal(config->allow[1].len, 96 + 25);
	assert_int_equal(config->allow[2].addr.b[15], 128);
	assert_int_equal(config->trap_udp.count, 2);
	assert_true(config->trap_udp.ranges[0].first == 5 && config->trap_udp.ranges[0].last == 7);
	assert_int_equal(config->admin_group_count, 1);
	config_free(config);
	/* Of a value there is one. */
	assert_null(read_text(place, "\nqueue += 6"));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "picket.conf:2: "));
}

static void lists(void **state)
{
	struct place *place = *state;
	struct config *config =
		read_text(place, "public_ports = { 443, 80-81, 81-90, 92 }\ntrap { tcp = { } }\ninterfaces = { }");

	assert_non_null(config);
	assert_int_equal(config->public_ports.count, 3);
	assert_int_equal(config->public_ports.ranges[0].first, 80);
	assert_int_equal(config->public_ports.ranges[0].last, 90);
	assert_int_equal(config->public_ports.ranges[2].first, 443);
	assert_int_equal(config->trap_tcp.count, 0);
	config_free(config);
	config = read_text(place, "trap { tcp = { \"all\" } }");
	assert_non_null(config);
	assert_int_equal(config->trap_tcp.count, 1);
	assert_int_equal(config->trap_tcp.ranges[0].first, 1);
	assert_int_equal(config->trap_tcp.ranges[0].last, 65535);
	config_free(config);
}

/* What an older picket's configuration said goes on as what it means now, and is no mistake. */
static void options_that_are_gone_are_read_with_a_warning(void **state)
{
	struct place *place = *state;
	struct config *config =
		read_text(place, "score {\n block = 1e-4\n ban = 1e-5\n}\nblock {\n first = 3s\n max = 5m\n"
				 " storm_rate = 7\n storm_live = 8\n}\n");

	assert_non_null(config);
	assert_true(fabs(config->engine.veil - log(9900)) < 1e-9);
	assert_int_equal(config->engine.veil_max_ms, 300000);
	assert_non_null(strstr(place->told, ":2: warning: score { block } is now score { veil }"));
	assert_non_null(strstr(place->told, ":6: warning: block { first } is ignored"));
	assert_non_null(strstr(place->told, ":7: warning: block { max } is now veil { max }"));
	assert_non_null(strstr(place->told, ":9: warning: block { storm_live } is ignored"));
	config_free(config);
	/* A mistake in one is a mistake. */
	assert_null(read_text(place, "block { max = soon }\n"));
	assert_null(read_text(place, "block { max = \n}\n"));
	assert_null(read_text(place, "block { first = \"x\n}\n"));
	assert_null(read_text(place, "score { first = 3s }\n"));
}

/* Who has begun to write what it means now need not take out the old one at once. */
static void what_is_gone_gives_way_to_what_it_is_now(void **state)
{
	static const char *const texts[] = { "block { max = 5m }\nveil { max = 20m }\n",
					     "veil { max = 20m }\nblock { max = 5m }\n" };
	struct place *place = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config *config = read_text(place, texts[i]);

		assert_non_null(config);
		assert_int_equal(config->engine.veil_max_ms, 1200000);
		config_free(config);
	}
	assert_non_null(strstr(place->told, ":2: warning: block { max } is ignored: it is now veil { max }, which"));
	assert_null(read_text(place, "block { max = 5m }\nveil { max = 20m }\nveil { max = 30m }\n"));
}

/* It was the highest as long as picket took three numbers. */
static void a_queue_without_room_for_four_is_moved(void **state)
{
	struct place *place = *state;
	struct config *config = read_text(place, "\nqueue = 65533\n");

	assert_non_null(config);
	assert_int_equal(config->queue, 65530);
	assert_non_null(strstr(place->told, ":2: warning: queue 65533 leaves no room for six numbers: 65530 is used"));
	config_free(config);
	config = read_text(place, "queue = 65530\n");
	assert_non_null(config);
	assert_string_equal(place->told, "");
	config_free(config);
}

static void hooks(void **state)
{
	struct place *place = *state;
	struct config *config = read_text(
		place, "hook a { on = { block }\ncommand = { /bin/true, '%{ports}' } user = nobody }\n"
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
	assert_int_equal(config->hooks[0].gid, 65534);
	assert_int_equal(config->hooks[1].on, 1u << EVENT_ALERT | 1u << EVENT_UNBLOCK);
	assert_int_equal(config->hooks[1].timeout_ms, 60000);
	assert_int_equal(config->hooks[1].uid, 0);
	config_free(config);
}

/* way_back is the old name of reverse_path. */
static void old_names_are_read_the_same(void **state)
{
	static const struct {
		const char *text;
		bool strict;
	} rows[] = {
		{ "reverse_path = off", false },   { "way_back = off", false },   { "way_back = loose", false },
		{ "reverse_path = strict", true }, { "way_back = strict", true }, { "reverse_path = loose", false },
	};
	struct place *place = *state;
	struct config *config;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		config = read_text(place, rows[i].text);
		assert_string_equal(place->told, "");
		assert_non_null(config);
		assert_int_equal(config->reverse_path, rows[i].strict);
		assert_int_equal(rules_of(config)->reverse_path, rows[i].strict);
		config_free(config);
	}
	assert_null(read_text(place, "reverse_path = off\n\nway_back = strict\n"));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "picket.conf:3: reverse_path is given twice (way_back is its old name), "
					    "expected once\n"));
	/* A later file has the last word, whichever name it uses. */
	put(place->other, "reverse_path = off\n");
	config = read_text(place, "way_back = strict\n");
	assert_non_null(config);
	assert_false(config->reverse_path);
	config_free(config);
}

static void conf_d_comes_later(void **state)
{
	struct place *place = *state;
	struct config *config;

	put(place->other, "allow += { 192.0.2.4 }");
	config = read_text(place, "allow = { 192.0.2.2, 192.0.2.3 }");
	assert_non_null(config);
	assert_int_equal(config->allow_count, 1); /* a later file begins anew */
	config_free(config);
	put(place->other, "queue = 9 allow_file = \"\"\nallow = { 192.0.2.1 }\nveil { max = 30m }");
	config = read_text(place, "queue = 8\nallow = { 192.0.2.2, 192.0.2.3 }\nban { first = 20m }");
	assert_string_equal(place->told, "");
	assert_non_null(config);
	assert_int_equal(config->queue, 9);
	assert_int_equal(config->allow_count, 1);
	config_free(config);
	put(place->other, "quue = 9");
	assert_null(read_text(place, "\nmode = blok\n"));
	assert_int_equal(place->count, 2);
	assert_non_null(strstr(place->told, "picket.conf:2: bad value 'blok' for mode, expected observe or block\n"));
	assert_non_null(strstr(place->told, "conf.d/10-more.conf:1: unknown option 'quue', expected one of mode, "));
}

static void assert_file(const char *path, const char *expected)
{
	char text[1024] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(text, expected);
}

static void edits_of_the_allow_file(void **state)
{
	struct place *place = *state;
	struct prefix entry;
	const char *error;
	struct stat info;
	FILE *file;

	assert_true(prefix_parse("198.51.100.0/24", &entry, &error));
	put(place->allow, "# mine\n192.0.2.1 # keep\nno newline");
	assert_int_equal(chmod(place->allow, 0640), 0);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, false), -ENOENT);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), 0);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), -EEXIST);
	assert_file(place->allow, "# mine\n192.0.2.1 # keep\nno newline\n198.51.100.0/24\n");
	assert_int_equal(stat(place->allow, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0640);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, false), 0);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, false), -ENOENT);
	assert_file(place->allow, "# mine\n192.0.2.1 # keep\nno newline\n");
	/* What follows a zero byte is not lost. */
	file = fopen(place->allow, "w");
	assert_int_equal(fwrite("192.0.2.1\n\0\n192.0.2.2\n", 1, 22, file), 22);
	fclose(file);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), -EBADMSG);
	assert_int_equal(stat(place->allow, &info), 0);
	assert_int_equal(info.st_size, 22);
	/* A file that is not there yet. */
	unlink(place->allow);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, false), -ENOENT);
	assert_int_equal(access(place->allow, F_OK), -1);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), 0);
	assert_int_equal(stat(place->allow, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0644);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), -EEXIST);
	assert_file(place->allow, "198.51.100.0/24\n");
}

/* Whatever else a file holds stays; an entry is known however it is written. */
static void an_edit_leaves_the_rest(void **state)
{
	struct place *place = *state;
	struct prefix entry;
	const char *error;
	char text[1024], after[1024], path[128];
	struct stat info;

	assert_true(prefix_parse("192.0.2.1", &entry, &error));
	for (int len = 254; len <= 258; len++) {
		snprintf(text, sizeof(text),
			 "#%0*d\n\n \t192.0.2.1/32 \t\r\n192.0.2.1#twice\n::ffff:192.0.2.1\n\n192.0.2.1/31", len - 1,
			 0);
		put(place->allow, text);
		assert_int_equal(config_allow_file_edit(place->allow, &entry, true), -EEXIST);
		assert_int_equal(config_allow_file_edit(place->allow, &entry, false), 0);
		snprintf(after, sizeof(after), "#%0*d\n\n\n192.0.2.1/31\n", len - 1, 0);
		assert_file(place->allow, after);
	}
	/* Behind a link the file is replaced, not the link. */
	snprintf(path, sizeof(path), "%s/conf.d/10-more.conf", place->directory);
	assert_int_equal(symlink(place->allow, path), 0);
	put(place->allow, "");
	assert_int_equal(config_allow_file_edit(path, &entry, true), 0);
	assert_int_equal(lstat(path, &info), 0);
	assert_true(S_ISLNK(info.st_mode));
	assert_file(place->allow, "192.0.2.1\n");
	assert_int_equal(config_allow_file_edit("/nonexistent/allow", &entry, true), -ENOENT);
	assert_int_equal(config_allow_file_edit(place->directory, &entry, true), -EISDIR);
}

/* In the folder that is there, a file that is not allows nothing; and what it says is read as it is edited. */
static void the_allow_file_is_read(void **state)
{
	struct place *place = *state;
	struct config *config;
	char text[160];

	snprintf(text, sizeof(text), "allow_file = \"%s\"\nallow = { 192.0.2.9 }", place->allow);
	config = read_text(place, text);
	assert_non_null(config);
	assert_int_equal(config->allow_count, 1);
	config_free(config);
	put(place->allow, "#\n \t \n\r\n\t192.0.2.1\t#x\r\n#192.0.2.2\n2001:db8::/32");
	config = read_text(place, text);
	assert_non_null(config);
	assert_int_equal(config->allow_count, 3);
	config_free(config);
}

static void a_byte_order_mark_is_read_past(void **state)
{
	static const char mark[] = "\xef\xbb\xbf";
	struct place *place = *state;
	struct config *config;
	struct prefix entry;
	const char *error;
	char text[256];

	snprintf(text, sizeof(text), "%s192.0.2.1\n192.0.2.2\n", mark);
	put(place->allow, text);
	snprintf(text, sizeof(text), "%sveil { max = 7m }\n", mark);
	put(place->other, text);
	snprintf(text, sizeof(text), "%smode = observe\nallow_file = \"%s\"\n", mark, place->allow);
	config = read_text(place, text);
	assert_string_equal(place->told, "");
	assert_non_null(config);
	assert_true(config->engine.observe);
	assert_int_equal(config->allow_count, 2);
	config_free(config);
	/* An edit knows the first entry, too. */
	assert_true(prefix_parse("192.0.2.1", &entry, &error));
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), -EEXIST);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, false), 0);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, false), -ENOENT);
	/* Alone, a file is empty; elsewhere it is a mistake with its line. */
	config = read_text(place, mark);
	assert_non_null(config);
	config_free(config);
	snprintf(text, sizeof(text), "\n%smode = observe\n", mark);
	assert_null(read_text(place, text));
	assert_non_null(strstr(place->told, "picket.conf:2: "));
}

/* What was read before and has gone would take with it what it allowed. */
static void a_file_that_has_gone_is_a_mistake_at_a_reload(void **state)
{
	struct place *place = *state;
	char text[256];
	struct config *before, *after;

	snprintf(text, sizeof(text), "mode = observe\nallow_file = \"%s\"\n", place->allow);
	put(place->file, text);
	before = config_read(place->file, 0, tell, place);
	assert_non_null(before);
	after = config_reread(before, place->file, 0, tell, place); /* it never was there */
	assert_non_null(after);
	config_free(after);
	config_free(before);
	put(place->allow, "192.0.2.1\n");
	before = config_read(place->file, 0, tell, place);
	unlink(place->allow);
	assert_null(config_reread(before, place->file, 0, tell, place));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "picket.conf:2: allow_file '"));
	assert_non_null(strstr(place->told, "/allow' is not there, expected "));
	/* Another name, and none there. */
	snprintf(text, sizeof(text), "allow_file = \"%s-2\"\n", place->allow);
	put(place->file, text);
	assert_null(config_reread(before, place->file, 0, tell, place));
	assert_int_equal(place->count, 2);
	/* None, said so. */
	put(place->file, "allow_file = \"\"\n");
	after = config_reread(before, place->file, 0, tell, place);
	assert_non_null(after);
	config_free(after);
	unlink(place->file);
	assert_null(config_reread(before, place->file, 0, tell, place));
	assert_non_null(strstr(place->told, "picket.conf: is gone, expected "));
	config_free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(empty_file_is_good, arrange, clear),
		cmocka_unit_test_setup_teardown(a_file_that_has_gone_is_a_mistake_at_a_reload, arrange, clear),
		cmocka_unit_test_setup_teardown(a_byte_order_mark_is_read_past, arrange, clear),
		cmocka_unit_test_setup_teardown(shipped_file_shows_the_defaults, arrange, clear),
		cmocka_unit_test_setup_teardown(missing_files, arrange, clear),
		cmocka_unit_test_setup_teardown(every_option, arrange, clear),
		cmocka_unit_test_setup_teardown(text_and_comments, arrange, clear),
		cmocka_unit_test_setup_teardown(lists, arrange, clear),
		cmocka_unit_test_setup_teardown(lists_that_are_added_to, arrange, clear),
		cmocka_unit_test_setup_teardown(an_edit_leaves_the_rest, arrange, clear),
		cmocka_unit_test_setup_teardown(the_allow_file_is_read, arrange, clear),
		cmocka_unit_test_setup_teardown(options_that_are_gone_are_read_with_a_warning, arrange, clear),
		cmocka_unit_test_setup_teardown(what_is_gone_gives_way_to_what_it_is_now, arrange, clear),
		cmocka_unit_test_setup_teardown(a_queue_without_room_for_four_is_moved, arrange, clear),
		cmocka_unit_test_setup_teardown(hooks, arrange, clear),
		cmocka_unit_test_setup_teardown(old_names_are_read_the_same, arrange, clear),
		cmocka_unit_test_setup_teardown(conf_d_comes_later, arrange, clear),
		cmocka_unit_test_setup_teardown(edits_of_the_allow_file, arrange, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
