/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * picketctl's command line: what is understood, what is refused, and what becomes of it as a request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ARGS_MAX     16

/* Splits at blanks; the line must outlive argv. */
static int split(char *line, char *argv[ARGS_MAX])
{
	int argc = 0;

	argv[argc++] = line;
	for (char *at = line; (at = strchr(at, ' ')) && argc < ARGS_MAX - 1; argv[argc++] = at)
		*at++ = '\0';
	argv[argc] = NULL;
	return argc;
}

/* The request as JSON text with sorted keys and without the caller, NULL when refused; to be freed. */
static char *request_of(const char *text, char error[CTL_ERROR_MAX])
{
	struct ctl_sources sources = { .file = NULL };
	char line[512], *argv[ARGS_MAX], *out;
	struct ctl_args args;
	json_t *request;
	int argc;

	snprintf(line, sizeof(line), "%s", text);
	argc = split(line, argv);
	if (ctl_args_parse(argc, argv, &args, error) < 0 || !args.command->build)
		return NULL;
	args.sources = &sources;
	request = args.command->build(&args, error);
	if (!request)
		return NULL;
	json_object_del(request, "caller");
	out = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(request);
	return out;
}

static void test_requests(void **state)
{
	static const struct {
		const char *line, *request;
	} cases[] = {
		{ "picketctl status", "{\"cmd\":\"status\"}" },
		{ "picketctl list --json", "{\"cmd\":\"list\"}" },
		{ "picketctl -j -s /x list", "{\"cmd\":\"list\"}" },
		{ "picketctl sources --limit 5", "{\"cmd\":\"sources\",\"limit\":5}" },
		{ "picketctl sources --all", "{\"cmd\":\"sources\",\"limit\":65536}" },
		{ "picketctl explain 2001:db8::1", "{\"cmd\":\"explain\",\"source\":\"2001:db8::1\"}" },
		{ "picketctl block 192.0.2.1 --for 10m --force",
		  "{\"cmd\":\"block\",\"for_s\":600,\"force\":true,\"source\":\"192.0.2.1\"}" },
		{ "picketctl block --for=1h30m 192.0.2.0/24 --reason noise",
		  "{\"cmd\":\"block\",\"for_s\":5400,\"reason\":\"noise\",\"source\":\"192.0.2.0/24\"}" },
		{ "picketctl block 192.0.2.1 --for 10m 192.0.2.2",
		  "{\"cmd\":\"block\",\"for_s\":600,\"sources\":[\"192.0.2.1\",\"192.0.2.2\"]}" },
		{ "picketctl allow del 192.0.2.1 192.0.2.2",
		  "{\"cmd\":\"allow-del\",\"sources\":[\"192.0.2.1\",\"192.0.2.2\"]}" },
		{ "picketctl unblock --all", "{\"all\":true,\"cmd\":\"unblock\"}" },
		{ "picketctl unblock -- 192.0.2.1", "{\"cmd\":\"unblock\",\"source\":\"192.0.2.1\"}" },
		{ "picketctl allow add 192.0.2.0/24 --save",
		  "{\"cmd\":\"allow-add\",\"save\":true,\"source\":\"192.0.2.0/24\"}" },
		{ "picketctl allow del 192.0.2.0/24", "{\"cmd\":\"allow-del\",\"source\":\"192.0.2.0/24\"}" },
		{ "picketctl allow list", "{\"cmd\":\"allow-list\"}" },
		{ "picketctl allow check 192.0.2.7", "{\"cmd\":\"allow-check\",\"source\":\"192.0.2.7\"}" },
		{ "picketctl mode observe", "{\"cmd\":\"mode\",\"mode\":\"observe\"}" },
		{ "picketctl pause --for 2s", "{\"cmd\":\"pause\",\"for_s\":2}" },
		{ "picketctl resume", "{\"cmd\":\"resume\"}" },
		{ "picketctl history 192.0.2.7 --since 1d",
		  "{\"cmd\":\"history\",\"since_s\":86400,\"source\":\"192.0.2.7\"}" },
		{ "picketctl events -jf -n5", "{\"cmd\":\"events\",\"follow\":true,\"limit\":5}" },
		{ "picketctl reload", "{\"cmd\":\"reload\"}" },
	};
	char error[CTL_ERROR_MAX] = "";

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *request = request_of(cases[i].line, error);

		if (!request)
			fail_msg("%s: %s", cases[i].line, error);
		assert_string_equal(request, cases[i].request);
		free(request);
	}
}

static const char *const refused[] = {
	"picketctl",
	"picketctl nonsense",
	"picketctl status extra",
	"picketctl --nonsense status",
	"picketctl -x status",
	"picketctl --js status",
	"picketctl block 192.0.2.1 --forc",
	"picketctl status -- --json",
	"picketctl status -c /x",
	"picketctl replay",
	"picketctl replay a b",
	"picketctl replay a --for 1h",
	"picketctl status --for 1h",
	"picketctl block",
	"picketctl block nonsense",
	"picketctl block 192.0.2.1/33",
	"picketctl block 192.0.2.1/24",
	"picketctl block 192.0.2.1 --for 10",
	"picketctl block 192.0.2.1 --for 500ms",
	"picketctl block 192.0.2.1 --for",
	"picketctl block 192.0.2.1 --force=yes",
	"picketctl block 192.0.2.1 192.0.2.2/24",
	"picketctl block 192.0.2.1 --file /dev/null",
	"picketctl block --file /dev/null",
	"picketctl block --file /nowhere/at/all",
	"picketctl unblock --all --file /dev/null",
	"picketctl allow list --file /dev/null",
	"picketctl allow add 192.0.2.1 192.0.2.2 --save",
	"picketctl explain 192.0.2.1 192.0.2.2",
	"picketctl block 192.0.2.1 --for 1h --for 2h",
	"picketctl unblock",
	"picketctl unblock 192.0.2.1 --all",
	"picketctl allow",
	"picketctl allow add",
	"picketctl allow list 192.0.2.1",
	"picketctl allow check 192.0.2.1 --save",
	"picketctl allow del 192.0.2.1 --for 1h",
	"picketctl allow add 192.0.2.1 --for 1h --save",
	"picketctl allow drop 192.0.2.1",
	"picketctl mode",
	"picketctl mode maybe",
	"picketctl pause 5m",
	"picketctl events --limit 0",
	"picketctl events --limit x",
	"picketctl sources --limit 65537",
	"picketctl -s",
	"picketctl explain host.example",
};

static void test_refused(void **state)
{
	char error[CTL_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		char *request;

		error[0] = '\0';
		request = request_of(refused[i], error);
		if (request)
			fail_msg("taken for good: %s", refused[i]);
		assert_true(strlen(error) > 0);
	}
}

static void test_around(void **state)
{
	char line[] = "picketctl -j replay -c /x file.pcap --local 192.0.2.0/24 --open 22 --local 2001:db8::/32",
	     help[] = "picketctl block -h", *argv[ARGS_MAX];
	char error[CTL_ERROR_MAX];
	struct ctl_args args;
	int argc = split(line, argv);

	(void)state;
	unsetenv("PICKET_SOCKET");
	assert_int_equal(ctl_args_parse(argc, argv, &args, error), 0);
	assert_string_equal(args.command->name, "replay");
	assert_true(ctl_given(&args, CTL_OPTION_JSON));
	assert_string_equal(args.values[CTL_OPTION_CONFIG], "/x");
	assert_int_equal(args.word_count, 1);
	assert_string_equal(args.words[0], "file.pcap");
	assert_int_equal(args.repeated_count, 3);
	assert_int_equal(args.repeated[1].option, CTL_OPTION_OPEN);
	assert_string_equal(args.repeated[1].value, "22");
	assert_int_equal(args.repeated[2].option, CTL_OPTION_LOCAL);
	assert_string_equal(args.repeated[2].value, "2001:db8::/32");
	assert_string_equal(args.socket, CTL_SOCKET);
	setenv("PICKET_SOCKET", "/elsewhere", 1);
	argc = split(help, argv);
	assert_int_equal(ctl_args_parse(argc, argv, &args, error), 0);
	assert_true(ctl_given(&args, CTL_OPTION_HELP));
	assert_string_equal(args.command->name, "block");
	assert_string_equal(args.socket, "/elsewhere");
	unsetenv("PICKET_SOCKET");
}

static void test_every_command_is_whole(void **state)
{
	(void)state;
	for (const struct ctl_command *command = ctl_commands; command->name; command++) {
		assert_true(command->summary && command->syntax && command->details);
		assert_int_equal(!!command->build + !!command->run, 1);
		assert_true(!command->build == !command->shape);
		assert_ptr_equal(ctl_command_find(command->name), command);
	}
}

static void test_caller(void **state)
{
	char caller[64];

	(void)state;
	setenv("SSH_CONNECTION", "2001:db8::5 50000 2001:db8::1 22", 1);
	assert_true(ctl_caller(caller));
	assert_string_equal(caller, "2001:db8::5");
	setenv("SSH_CONNECTION", "fe80::1%eth0 50000 fe80::2 22", 1);
	assert_true(ctl_caller(caller));
	assert_string_equal(caller, "fe80::1");
	setenv("SSH_CONNECTION", "; rm -rf /", 1);
	setenv("SSH_CLIENT", "192.0.2.9 50000 22", 1);
	assert_true(ctl_caller(caller));
	assert_string_equal(caller, "192.0.2.9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_around),   cmocka_unit_test(test_every_command_is_whole),
		cmocka_unit_test(test_caller),
	};

	return cmocka_run_group_tests_name("ctl args", tests, NULL, NULL);
}
