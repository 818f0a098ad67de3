/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each limit of the configuration: what lies at it is good, what lies one beyond it is a mistake.
 */
#include "config_place.h"

#include "earlydrop.h"
#include "flowflag.h"
#include "held.h"

struct limit {
	const char *good, *bad; /* a '~' stands for the repeated part */
	const char *part;
	unsigned at, beyond; /* how often the part stands there */
};

static const struct limit limits[] = {
	{ "history_max = 1M", "history_max = 1023K", NULL, 0, 0 },
	{ "history_max = 1024G", "history_max = 1025G", NULL, 0, 0 },
	{ "history_max = 1024K", "history_max = 1048576", NULL, 0, 0 },
	{ "history_max = 2M", "history_max = 2MB", NULL, 0, 0 },
	{ "history_max = 2M", "history_max = M", NULL, 0, 0 },
	{ "history_max = 2M", "history_max = \"2 M\"", NULL, 0, 0 },
	{ "history_max = 0000000001M", "history_max = 00000000001M", NULL, 0, 0 },
	{ "history_max = 1G", "history_max = 1T", NULL, 0, 0 },
	{ "mode = block", "mode = blocks", NULL, 0, 0 },
	{ "reverse_path = loose", "reverse_path = lose", NULL, 0, 0 },
	{ "conntrack = off", "conntrack = no", NULL, 0, 0 },
	{ "flow_flag = auto", "flow_flag = automatic", NULL, 0, 0 },
	{ "early_drop = auto", "early_drop = \"old kernel\"", NULL, 0, 0 },
	{ "score { alert = 0.1 }", "score { alert = \"\" }", NULL, 0, 0 },
	{ "score { alert = 0.1 }", "score { alert = 0.1x }", NULL, 0, 0 },
	{ "score { alert = 0.1 }", "score { alert = 1e-400 }", NULL, 0, 0 },
	{ "trap { udp = { 1-65535 } }", "trap { udp = { 0-5 } }", NULL, 0, 0 },
	{ "trap { udp = { 65535-65535 } }", "trap { udp = { 65535-65536 } }", NULL, 0, 0 },
	{ "trap { udp = { 000001-0000002 } }", "trap { udp = { 0000000001-0000000002 } }", NULL, 0, 0 },
	{ "trap { udp = { all } }", "trap { udp = { ALL } }", NULL, 0, 0 },
	{ "flow_mark_bits = 000024-00000031", "flow_mark_bits = 0000000024-0000000031", NULL, 0, 0 },
	{ "flow_mark_bits = 1-2", "flow_mark_bits = 1-2-3", NULL, 0, 0 },
	{ "interfaces = { \"e~!#\" }", "interfaces = { \"e/0\" }", NULL, 0, 0 },
	{ "interfaces = { e-0 }", "interfaces = { \"e:0\" }", NULL, 0, 0 },
	{ "interfaces = { e-0 }", "interfaces = { \"e 0\" }", NULL, 0, 0 },
	{ "interfaces = { e-0 }", "interfaces = { \"e\x7f\" }", NULL, 0, 0 },
	{ "interfaces = { e-0 }", "interfaces = { \"e\x1f\" }", NULL, 0, 0 },
	{ "admin_groups = { \"a+b\" }", "admin_groups = { \"a:b\" }", NULL, 0, 0 },
	{ "admin_groups = { \"a+b\" }", "admin_groups = { \"a,b\" }", NULL, 0, 0 },
	{ "admin_groups = { \"a+b\" }", "admin_groups = { \"a\x7f\" }", NULL, 0, 0 },
	{ "run_dir = \"/a b\"", "run_dir = \"/a\tb\"", NULL, 0, 0 },
	{ "run_dir = \"/\"", "run_dir = \"\"", NULL, 0, 0 },
	{ "allow_file = \"\"", "allow_file = \"tmp\"", NULL, 0, 0 },
	{ "table = a", "table = \"\"", NULL, 0, 0 },
	{ "table = _", "table = -", NULL, 0, 0 },
	{ "hook a_b-c.9 { on = { ban } command = { /bin/true } user = root }",
	  "hook 'a+' { on = { ban } command = { /bin/true } user = root }", NULL, 0, 0 },
	{ "hook 9 { on = { ban } command = { /bin/true } user = root }",
	  "hook \"\" { on = { ban } command = { /bin/true } user = root }", NULL, 0, 0 },
	{ "queue = 0", "queue = -1", NULL, 0, 0 },
	{ "queue = 65530", "queue = 65534", NULL, 0, 0 },
	{ "queue = 0000000005", "queue = 00000000005", NULL, 0, 0 },
	{ "queue = 5", "queue = \"5 \"", NULL, 0, 0 },
	{ "queue = 5", "queue = \"+5\"", NULL, 0, 0 },
	{ "queue = 5", "queue = \"\"", NULL, 0, 0 },
	{ "score { max_sources = 1024 }", "score { max_sources = 1023 }", NULL, 0, 0 },
	{ "score { max_sources = 4194304 }", "score { max_sources = 4194305 }", NULL, 0, 0 },
	{ "score { ipv6_prefix = 48 }", "score { ipv6_prefix = 47 }", NULL, 0, 0 },
	{ "score { ipv6_prefix = 128 }", "score { ipv6_prefix = 129 }", NULL, 0, 0 },
	{ "score { alert = 0.5 }", "score { alert = 0.500001 }", NULL, 0, 0 },
	{ "score { ban = 1e-12 }", "score { ban = 0.9e-12 }", NULL, 0, 0 },
	{ "score { alert = 0.5 veil = 0.5 ban = 0.5 }", "score { alert = 0.5 veil = 0.5 ban = 0.51 }", NULL, 0, 0 },
	{ "score { alert = 1e-12 veil = 1e-12 ban = 1e-12 }", "score { alert = 1e-12 veil = 1e-12 ban = 1e-13 }", NULL,
	  0, 0 },
	{ "score { alert = 1e-2 }", "score { alert = nan }", NULL, 0, 0 },
	{ "score { alert = 0.25 }", "score { alert = 0x1p-2 }", NULL, 0, 0 },
	{ "score { alert = 0.25 }", "score { alert = \" 0.25\" }", NULL, 0, 0 },
	{ "score { slow_half_life = 1s }", "score { slow_half_life = 999ms }", NULL, 0, 0 },
	{ "score { slow_half_life = 365d }", "score { slow_half_life = 366d }", NULL, 0, 0 },
	{ "veil { max = 1s }", "veil { max = 999ms }", NULL, 0, 0 },
	{ "veil { max = 365d }", "veil { max = 366d }", NULL, 0, 0 },
	{ "ban { first = 1s }", "ban { first = 999ms }", NULL, 0, 0 },
	{ "ban { first = 7d }", "ban { first = 604801s }", NULL, 0, 0 },
	{ "ban { max = 365d }", "ban { max = 366d }", NULL, 0, 0 },
	{ "ban { max = 1h }", "ban { max = 3599s }", NULL, 0, 0 },
	{ "hook a { on = { ban } command = { /bin/true } user = root timeout = 100ms }",
	  "hook a { on = { ban } command = { /bin/true } user = root timeout = 99ms }", NULL, 0, 0 },
	{ "hook a { on = { ban } command = { /bin/true } user = root timeout = 1h }",
	  "hook a { on = { ban } command = { /bin/true } user = root timeout = 3601s }", NULL, 0, 0 },
	{ "trap { tcp = { 1, 65535 } }", "trap { tcp = { 1, 65536 } }", NULL, 0, 0 },
	{ "trap { udp = { 1 } }", "trap { udp = { 0 } }", NULL, 0, 0 },
	{ "trap { udp = { 80-80 } }", "trap { udp = { 81-80 } }", NULL, 0, 0 },
	{ "trap { udp = { 80-81 } }", "trap { udp = { 80- } }", NULL, 0, 0 },
	{ "flow_mark_bits = 30-31", "flow_mark_bits = 31-31", NULL, 0, 0 },
	{ "flow_mark_bits = 0-1", "flow_mark_bits = 1-0", NULL, 0, 0 },
	{ "flow_mark_bits = 0-31", "flow_mark_bits = 0-32", NULL, 0, 0 },
	{ "flow_mark_bits = 3-5", "flow_mark_bits = 35", NULL, 0, 0 },
	{ "interfaces = { eth0.1 }", "interfaces = { \"..\" }", NULL, 0, 0 },
	{ "interfaces = { ... }", "interfaces = { \".\" }", NULL, 0, 0 },
	{ "interfaces = { eth0 }", "interfaces = { \"eth*\" }", NULL, 0, 0 },
	{ "interfaces = { eth0 }", "interfaces = { \"\" }", NULL, 0, 0 },
	{ "gateway { outside = { \"ppp*\" } }", "gateway { outside = { \"p*p\" } }", NULL, 0, 0 },
	{ "gateway { outside = { eth0 } inside = { br-0 } }", "gateway { inside = { br-0 } }", NULL, 0, 0 },
	{ "gateway { outside = { eth0 } }", "gateway { outside = { sixteenletters01 } }", NULL, 0, 0 },
	{ "gateway { outside = { eth0 } guard = { 192.0.2.0/24 } }",
	  "gateway { outside = { eth0 } guard = { 192.0.2.1/24 } }", NULL, 0, 0 },
	{ "gateway { outside = { eth0 } guard = { 192.0.2.1~ } }",
	  "gateway { outside = { eth0 } guard = { 192.0.2.1~ } }", ", 192.0.2.1", 31, 32 },
	{ "admin_groups = { staff }", "admin_groups = { \"a b\" }", NULL, 0, 0 },
	{ "admin_groups = { staff }", "admin_groups = { \"\" }", NULL, 0, 0 },
	{ "run_dir = /a/..b", "run_dir = /a/../b", NULL, 0, 0 },
	{ "run_dir = \"/~\"", "run_dir = \"/~\"", "r", 78, 79 },
	{ "state_dir = \"/~\"", "state_dir = \"/~\"", "r", 4030, 4031 },
	{ "allow_file = \"/tmp/~none\"", "allow_file = \"/tmp/~none\"", "./", 2011, 2012 },
	{ "table = a~", "table = a~", "b", 30, 31 },
	{ "user = a~", "user = a~", "b", 30, 31 },
	{ "table = _-9", "table = 9_-", NULL, 0, 0 },
	{ "table = a_b-c", "table = a.b", NULL, 0, 0 },
	{ "user = a.b-c_9", "user = \"a b\"", NULL, 0, 0 },
	{ "trap { banner = \"~\" }", "trap { banner = \"~\" }", "b", 127, 128 },
	{ "interfaces = { a~ }", "interfaces = { a~ }", "b", 14, 15 },
	{ "admin_groups = { a~ }", "admin_groups = { a~ }", "b", 31, 32 },
	{ "admin_groups = { a~ }", "admin_groups = { a~ }", ", b", 15, 16 },
	{ "trap { tcp = { 1~ } }", "trap { tcp = { 1~ } }", ", 1", 1023, 1024 },
	{ "hook a~ { on = { ban } command = { /bin/true } user = root }",
	  "hook a~ { on = { ban } command = { /bin/true } user = root }", "b", 30, 31 },
	{ "hook a { on = { ban } command = { /bin/true~ } user = root }",
	  "hook a { on = { ban } command = { /bin/true~ } user = root }", ", x", 31, 32 },
	{ "hook a { on = { ban } command = { /bin/true, \"~\" } user = root }",
	  "hook a { on = { ban } command = { /bin/true, \"~\" } user = root }", "x", 511, 512 },
	{ "hook a { on = { ban } command = { /bin/true, \"%{ports}\" } user = root }",
	  "hook a { on = { ban } command = { \"/bin/%{ports}\" } user = root }", NULL, 0, 0 },
};

static const char *text_of(char *out, size_t size, const char *pattern, const char *part, unsigned times)
{
	const char *mark = strchr(pattern, '~');
	size_t len = mark ? (size_t)(mark - pattern) : strlen(pattern);

	snprintf(out, size, "%.*s", (int)len, pattern);
	for (unsigned i = 0; mark && i < times; i++) {
		assert_true(len + strlen(part) < size);
		len += (size_t)snprintf(out + len, size - len, "%s", part);
	}
	if (mark)
		snprintf(out + len, size - len, "%s", mark + 1);
	return out;
}

static void each_limit(void **state)
{
	static char text[16384];
	struct place *place = *state;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct limit *limit = &limits[i];
		struct config *config =
			read_text(place, text_of(text, sizeof(text), limit->good, limit->part, limit->at));

		if (!config || place->count)
			fail_msg("%s (%u): %s", limit->good, limit->at, place->told);
		config_free(config);
		config = read_text(place, text_of(text, sizeof(text), limit->bad, limit->part, limit->beyond));
		if (config || place->count != 1)
			fail_msg("%s (%u) is taken, or told %zu times: %s", limit->bad, limit->beyond, place->count,
				 place->told);
	}
}

static void values_at_a_limit(void **state)
{
	struct place *place = *state;
	struct config *config = read_text(place, "flow_mark_bits = 0-31 queue = 65530\n"
						 "score { max_sources = 4194304 ipv6_prefix = 128 alert = 0.5 }\n");

	assert_non_null(config);
	assert_true(config->flow_mark_bits == UINT32_MAX && config->queue == 65530);
	assert_true(config->engine.max_sources == 4194304 && config->engine.ipv6_prefix == 128);
	assert_true(fabs(config->engine.alert - log(1.98)) < 1e-12);
	config_free(config);
	config = read_text(place, "flow_mark_bits = 3-5 protect_auto = no keep_on_stop = on sandbox = true");
	assert_non_null(config);
	assert_int_equal(config->flow_mark_bits, 0x38);
	assert_true(!config->engine.protect_auto && config->keep_on_stop && config->sandbox);
	config_free(config);
	assert_null(read_text(place, "mode = observed"));
	assert_null(read_text(place, "protect_auto = maybe"));
}

/* Each word that an option knows, and what it means. */
static void words(void **state)
{
	static const struct {
		const char *text;
		size_t offset;
		int value;
	} rows[] = {
		{ "flow_flag = none", offsetof(struct config, flow_flag), FLOW_FLAG_NONE },
		{ "flow_flag = mark", offsetof(struct config, flow_flag), FLOW_FLAG_MARK },
		{ "flow_flag = label", offsetof(struct config, flow_flag), FLOW_FLAG_LABEL },
		{ "flow_flag = auto", offsetof(struct config, flow_flag), FLOW_FLAG_AUTO },
		{ "early_drop = off", offsetof(struct config, early_drop), EARLY_OFF },
		{ "early_drop = on", offsetof(struct config, early_drop), EARLY_ON },
		{ "early_drop = auto", offsetof(struct config, early_drop), EARLY_AUTO },
		{ "", offsetof(struct config, flow_flag), FLOW_FLAG_AUTO },
		{ "", offsetof(struct config, early_drop), EARLY_AUTO },
		{ "mode = observe", offsetof(struct config, engine.observe), 1 },
		{ "mode = block", offsetof(struct config, engine.observe), 0 },
		{ "conntrack = auto", offsetof(struct config, conntrack), 1 },
		{ "conntrack = off", offsetof(struct config, conntrack), 0 },
		{ "sandbox = true", offsetof(struct config, sandbox), 1 },
		{ "sandbox = false", offsetof(struct config, sandbox), 0 },
		{ "keep_on_stop = yes", offsetof(struct config, keep_on_stop), 1 },
		{ "sandbox = no", offsetof(struct config, sandbox), 0 },
		{ "keep_on_stop = on", offsetof(struct config, keep_on_stop), 1 },
		{ "sandbox = off", offsetof(struct config, sandbox), 0 },
	};
	static const struct {
		const char *word;
		enum event_type type;
	} events[] = {
		{ "veil", EVENT_VEIL },         { "ban", EVENT_BAN },         { "block", EVENT_BLOCK },
		{ "expire", EVENT_EXPIRE },     { "unblock", EVENT_UNBLOCK }, { "alert", EVENT_ALERT },
		{ "exposure", EVENT_EXPOSURE },
	};
	struct place *place = *state;
	struct config *config;
	char text[160];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		config = read_text(place, rows[i].text);
		assert_non_null(config);
		if (((const uint8_t *)config)[rows[i].offset] != rows[i].value)
			fail_msg("%s", rows[i].text);
		config_free(config);
	}
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		snprintf(text, sizeof(text), "hook a { on = { %s } command = { /bin/true } user = root }",
			 events[i].word);
		config = read_text(place, text);
		assert_non_null(config);
		assert_int_equal(config->hooks[0].on, 1u << events[i].type);
		config_free(config);
	}
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} rows[] = {
		{ "", 256LL << 20 },
		{ "history_max = 1025K", 1025LL << 10 },
		{ "history_max = 3M", 3LL << 20 },
		{ "history_max = 5G", 5LL << 30 },
	};
	struct place *place = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *config = read_text(place, rows[i].text);

		assert_non_null(config);
		assert_int_equal(config->history_max, rows[i].bytes);
		config_free(config);
	}
	assert_null(read_text(place, "history_max = 5"));
	assert_non_null(
		strstr(place->told, "bad value '5' for history_max, expected a size from 1M to 1024G, such as "));
	assert_null(read_text(place, "hook a { on = { ban } command = { /bin/true } user = root timeout = 1 }"));
	assert_non_null(strstr(place->told, "expected a duration from 100ms to 1h, such as "));
	assert_null(read_text(place, "veil { max = 1ms }"));
	assert_non_null(strstr(place->told, "expected a duration from 1s to 365d, such as "));
}

/* Names given twice take one place: the limit is of interfaces, not of words. */
static void so_many_interfaces(void **state)
{
	struct place *place = *state;
	char text[1024];

	for (int count = CONFIG_INTERFACES_MAX; count <= CONFIG_INTERFACES_MAX + 1; count++) {
		int len = snprintf(text, sizeof(text), "interfaces = { eth0");
		struct config *config;

		for (int i = 0; i < count; i++)
			len += snprintf(text + len, sizeof(text) - (size_t)len, ", eth%d", i);
		snprintf(text + len, sizeof(text) - (size_t)len, " }");
		config = read_text(place, text);
		assert_true((config != NULL) == (count == CONFIG_INTERFACES_MAX));
		if (config)
			assert_int_equal(config->interface_count, CONFIG_INTERFACES_MAX);
		else
			assert_non_null(strstr(place->told, "too many interfaces, expected at most 32"));
		config_free(config);
	}
}

static void so_many_hooks(void **state)
{
	struct place *place = *state;
	char text[4096];

	for (int count = CONFIG_HOOKS_MAX; count <= CONFIG_HOOKS_MAX + 1; count++) {
		int len = 0;
		struct config *config;

		for (int i = 0; i < count; i++)
			len += snprintf(text + len, sizeof(text) - (size_t)len,
					"hook h%d { on = { ban } command = { /bin/true } user = root }\n", i);
		config = read_text(place, text);
		assert_true((config != NULL) == (count == CONFIG_HOOKS_MAX));
		if (config)
			assert_int_equal(config->hook_count, CONFIG_HOOKS_MAX);
		else
			assert_non_null(strstr(place->told, ":17: too many hooks, expected at most 16"));
		config_free(config);
	}
	assert_null(read_text(place, "hook a { on = { ban } command = { /bin/true } user = root }\n"
				     "hook a { on = { ban } command = { /bin/true } user = root }\n"));
	assert_non_null(strstr(place->told, ":2: hook 'a' is defined twice"));
	put(place->other, "hook a { on = { ban } command = { /bin/true } user = root }\n");
	assert_null(read_text(place, "hook a { on = { ban } command = { /bin/true } user = root }\n"));
	assert_non_null(strstr(place->told, "more.conf:1: hook 'a' is defined in "));
}

/* Lines of the allow file: so many addresses, each of them `times` over.  Whether they are taken. */
static bool takes(struct place *place, unsigned addresses, unsigned times)
{
	FILE *file = fopen(place->allow, "w");
	struct config *config;
	char text[128];
	bool taken;

	assert_non_null(file);
	for (unsigned i = 0; i < addresses * times; i++)
		fprintf(file, "::%x:%x\n", i % addresses >> 16, i % addresses & 0xffff);
	fclose(file);
	snprintf(text, sizeof(text), "allow_file = \"%s\"\n", place->allow);
	config = read_text(place, text);
	taken = config != NULL;
	if (taken) {
		assert_int_equal(config->allow_count, addresses);
		for (unsigned i = 1; i < addresses; i++)
			assert_true(memcmp(&config->allow[i - 1], &config->allow[i], sizeof(config->allow[i])) < 0);
	}
	config_free(config);
	return taken;
}

static void so_many_allowed(void **state)
{
	struct place *place = *state;

	assert_true(takes(place, ENGINE_ALLOW_MAX, 1));
	assert_true(takes(place, 40000, 2));
	assert_false(takes(place, ENGINE_ALLOW_MAX + 1, 1));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "too many allowed addresses (65537), expected at most 65536"));
	/* As often as that an address may stand there; more is a mistake, told once. */
	assert_true(takes(place, 1, 2 * ENGINE_ALLOW_MAX));
	assert_false(takes(place, 1, 2 * ENGINE_ALLOW_MAX + 3));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "allow:131073: too many addresses, expected at most 65536"));
}

/* The same address over and over is one.  In lists of some thousands, since libconfuse grows them by one value at a
 * time. */
static void many_times_the_same(void **state)
{
	enum { LISTS = 16, VALUES = 2 * ENGINE_ALLOW_MAX / LISTS };
	struct place *place = *state;
	char *text = malloc(LISTS * (VALUES * 4 + 16) + 32), *end = text;
	struct config *config;

	assert_non_null(text);
	for (int list = 0; list < LISTS; list++) {
		end += sprintf(end, "allow += { ::1");
		for (int i = 1; i < VALUES; i++)
			end += sprintf(end, ",::1");
		end += sprintf(end, " }\n");
	}
	config = read_text(place, text);
	assert_non_null(config);
	assert_int_equal(config->allow_count, 1);
	config_free(config);
	strcpy(end, "allow += { ::1 }\n");
	assert_null(read_text(place, text));
	assert_int_equal(place->count, 1);
	assert_non_null(strstr(place->told, "picket.conf:17: too many addresses, expected at most 65536"));
	free(text);
}

/* What an editor or a package manager leaves in conf.d is not read. */
static void names_in_conf_d(void **state)
{
	static const char *const not_read[] = { ".conf",   ".a.conf", "conf",           "aconf",
						"a.confx", "a.conf~", "a.conf.dpkg-old" };
	struct place *place = *state;
	struct config *config;
	char path[128];

	for (size_t i = 0; i < sizeof(not_read) / sizeof(not_read[0]); i++) {
		snprintf(path, sizeof(path), "%s/conf.d/%s", place->directory, not_read[i]);
		put(path, "queue = 9");
		config = read_text(place, "queue = 8");
		assert_non_null(config);
		assert_int_equal(config->queue, 8);
		config_free(config);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/conf.d/a.conf", place->directory);
	put(path, "queue = 9");
	config = read_text(place, "queue = 8");
	unlink(path);
	assert_non_null(config);
	assert_int_equal(config->queue, 9);
	config_free(config);
}

static void a_file_of_so_many_bytes(void **state)
{
	struct place *place = *state;

	for (size_t len = 1024 * 1024; len <= 1024 * 1024 + 1; len++) {
		char *text = malloc(len + 1);
		struct config *config;

		assert_non_null(text);
		memset(text, '\n', len);
		text[len] = '\0';
		config = read_text(place, text);
		assert_true((config != NULL) == (len == 1024 * 1024));
		config_free(config);
		free(text);
	}
}

static void read_it(void *context)
{
	struct place *place = context;
	char text[256];

	put(place->allow, "192.0.2.1\n192.0.2.0/24\n");
	put(place->other, "allow = { 192.0.2.2, 192.0.2.3, 192.0.2.4 }\n");
	snprintf(text, sizeof(text),
		 "allow = { 192.0.2.2 }\nallow_file = \"%s\"\n"
		 "hook a { on = { ban } command = { /bin/true, '%%{ports}' } user = root }\n",
		 place->allow);
	config_free(read_text(place, text));
	config_free(config_read("/nonexistent/picket.conf", 0, tell, place));
}

static void read_mistakes(void *context)
{
	struct place *place = context;

	put(place->other, "allow = { 192.0.2.2, nonsense,, }\ntrap { banner = \"x");
	assert_null(read_text(place, "allow = { 192.0.2.2 }\nallow_file = /tmp\nqueue = { 1 }\nblock { max = 1 }\n"
				     "score { veil = 0.4 }\nhook a { command = { x } }\nfoo { bar = 1 }\n"));
	assert_null(config_read(place->directory, CONFIG_NAMED | CONFIG_TRUSTED, tell, place));
}

static void edit_it(void *context)
{
	struct place *place = context;
	struct prefix entry;
	const char *error;

	assert_true(prefix_parse("192.0.2.9", &entry, &error));
	put(place->allow, "192.0.2.1\n");
	assert_int_equal(config_allow_file_edit(place->allow, &entry, false), -ENOENT);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), 0);
	assert_int_equal(config_allow_file_edit(place->allow, &entry, true), -EEXIST);
	assert_int_equal(config_allow_file_edit(place->directory, &entry, true), -EISDIR);
	assert_int_equal(config_allow_file_edit("/nonexistent/allow", &entry, true), -ENOENT);
}

static void what_is_taken_is_given_back(void **state)
{
	assert_gives_back(read_it, *state, 1);
	assert_gives_back(read_mistakes, *state, 1);
	assert_gives_back(edit_it, *state, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, arrange, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_limit),
		CASE(values_at_a_limit),
		CASE(so_many_interfaces),
		CASE(so_many_hooks),
		CASE(so_many_allowed),
		CASE(a_file_of_so_many_bytes),
		CASE(many_times_the_same),
		CASE(names_in_conf_d),
		CASE(words),
		CASE(sizes),
		CASE(what_is_taken_is_given_back),
	};

	return cmocka_run_group_tests_name("limits of the configuration", tests, NULL, NULL);
}
