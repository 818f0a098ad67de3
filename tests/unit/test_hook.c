/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hooks: values stay one argument and begin with no '-', the environment is clean, and a hook that hangs, fails,
 * forks or floods is ended, counted and told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <picket/event.h>

#include "hook/hook.h"

struct fixture {
	struct event_base *base;
	struct hook_runner *runner;
	struct event *child;
	unsigned reports, ended, wanted;
	char problem[128], output[256];
};

static void on_report(void *context, const struct hook_report *report)
{
	struct fixture *f = context;

	f->reports++;
	snprintf(f->problem, sizeof(f->problem), "%s", report->problem);
	snprintf(f->output, sizeof(f->output), "%s", report->output);
}

static void on_child(evutil_socket_t fd, short what, void *context)
{
	struct fixture *f = context;
	siginfo_t info;

	(void)fd;
	(void)what;
	for (;;) {
		int status;

		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			break;
		status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
		f->ended += (unsigned)hook_reap(f->runner, info.si_pid, status);
		waitpid(info.si_pid, NULL, 0);
	}
	if (f->ended >= f->wanted)
		event_base_loopbreak(f->base);
}

static int arrange(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->base = event_base_new();
	f->runner = hook_runner_new(f->base, on_report, f);
	f->child = evsignal_new(f->base, SIGCHLD, on_child, f);
	evsignal_add(f->child, NULL);
	*state = f;
	return f->runner ? 0 : -1;
}

static int clear(void **state)
{
	struct fixture *f = *state;

	event_free(f->child);
	hook_runner_free(f->runner);
	event_base_free(f->base);
	free(f);
	return 0;
}

static struct hook_spec spec_of(const char *a, const char *b, const char *c, int64_t timeout_ms)
{
	struct hook_spec spec = { .name = "test", .uid = getuid(), .gid = getgid(), .timeout_ms = timeout_ms };
	const char *const args[] = { a, b, c };

	for (size_t i = 0; i < 3 && args[i]; i++)
		snprintf(spec.args[spec.arg_count++], HOOK_ARG_MAX, "%s", args[i]);
	return spec;
}

static const struct hook_values values = {
	.source = "198.51.100.7",
	.event = "block",
	.grade = "block",
	.reason = "SYN scan; $(reboot) \"quoted\" --evil",
	.ports = "21,22",
	.duration = "10m",
	.incident = "42",
};

static void wait_for(struct fixture *f, unsigned wanted)
{
	const struct timeval limit = { 10, 0 };

	f->wanted = wanted;
	event_base_loopexit(f->base, &limit);
	while (f->ended < wanted)
		if (event_base_dispatch(f->base) != 0 || event_base_got_exit(f->base))
			break;
	assert_int_equal(f->ended, wanted);
}

static void values_are_safe(void **state)
{
	char out[64], unknown[HOOK_NAME_MAX] = "", small[8];

	(void)state;
	hook_value_set(out, sizeof(out), "--rm -rf\n\x1b[2J\xff");
	assert_string_equal(out, "rm -rf??[2J?");
	assert_true(hook_argument_check("a %{source} %{incident}%{ports} 100% {x}", unknown));
	assert_false(hook_argument_check("a %{sauce} b", unknown));
	assert_string_equal(unknown, "sauce");
	assert_false(hook_argument_check("%{source", unknown));
	assert_true(hook_argument_fill("--ip=%{source}%%", &values, out, sizeof(out)));
	assert_string_equal(out, "--ip=198.51.100.7%%");
	assert_false(hook_argument_fill("%{source}", &values, small, sizeof(small)));
	assert_string_equal(small, "198.51.");
}

static void values_of_an_event(void **state)
{
	struct event event = {
		.type = EVENT_BLOCK, .grade = GRADE_BLOCK, .duration_ms = 600000, .incident = 42, .piece_count = 1
	};
	const uint8_t v4[4] = { 198, 51, 100, 7 };
	struct hook_values got;
	struct addr addr = addr_from_v4(v4);

	(void)state;
	event.source = prefix_host(&addr);
	event.pieces[0] = (struct evidence){ .port = 22, .kind = EVIDENCE_SYN };
	memset(&got, '-', sizeof(got));
	hook_values_fill(&got, &event, NULL);
	assert_string_equal(got.source, values.source);
	assert_string_equal(got.event, values.event);
	assert_string_equal(got.grade, values.grade);
	assert_string_equal(got.ports, "22");
	assert_string_equal(got.duration, values.duration);
	assert_string_equal(got.incident, values.incident);
	assert_true(got.reason[0] != '\0' && got.reason[0] != '-');
	/* A port that is new has no source. */
	event.type = EVENT_EXPOSURE;
	hook_values_fill(&got, &event, NULL);
	assert_string_equal(got.source, "");
	assert_string_equal(got.event, "exposure");
}

static void arguments_and_environment(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec =
		spec_of("/bin/sh", "-c", "env | LC_ALL=C sort | tr '\\n' ' '; printf '[%s]' \"$0\"; exit 3", 5000);

	snprintf(spec.args[spec.arg_count++], HOOK_ARG_MAX, "%%{reason}");
	assert_int_equal(setenv("SECRET", "1", 1), 0);
	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	assert_string_equal(f->problem, "exit status 3");
	assert_non_null(
		strstr(f->output,
		       "PATH=/usr/sbin:/usr/bin:/sbin:/bin PICKET_DURATION=10m PICKET_EVENT=block PICKET_GRADE=block"));
	assert_non_null(strstr(f->output, "PICKET_SOURCE=198.51.100.7"));
	assert_null(strstr(f->output, "SECRET"));
}

static void another_user(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec = spec_of("/bin/sh", "-c", "id -u; ls -l /proc/$$/fd | wc -l >&2; exit 1", 5000);

	if (getuid() != 0)
		skip();
	spec.uid = spec.gid = 65534;
	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	assert_string_equal(f->output, "65534");
}

static void success_is_silent(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec = spec_of("/bin/true", NULL, NULL, 5000);
	struct hook_stats stats;

	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	hook_read_stats(f->runner, &stats);
	assert_int_equal(f->reports, 0);
	assert_int_equal(stats.succeeded, 1);
	assert_int_equal(stats.running + stats.waiting, 0);
}

static void missing_program(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec = spec_of("/nonexistent/program", NULL, NULL, 5000);

	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	assert_string_equal(f->problem, "exit status 127");
	assert_string_equal(f->output, "cannot start: No such file or directory");
}

/* At each run: a program that was good when the configuration was read may have been opened to others since. */
static void what_others_can_write_is_not_run(void **state)
{
	struct fixture *f = *state;
	char program[] = "/tmp/picket-hook-test-XXXXXX", expected[128];
	struct hook_spec spec = spec_of(program, NULL, NULL, 5000);
	static const char script[] = "#!/bin/sh\necho it ran; exit 3\n";
	int fd = mkstemp(program);

	assert_true(fd >= 0 && write(fd, script, strlen(script)) == (ssize_t)strlen(script) && fchmod(fd, 0755) == 0);
	close(fd);
	strcpy(spec.args[0], program);
	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	assert_string_equal(f->output, "it ran");
	assert_int_equal(chmod(program, 0775), 0);
	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 2);
	unlink(program);
	snprintf(expected, sizeof(expected), "cannot start: %s can be written by others than root", program);
	assert_string_equal(f->output, expected);
	assert_string_equal(f->problem, "exit status 127");
}

static void one_that_hangs(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec = spec_of("/bin/sh", "-c", "trap '' TERM; sleep 60 & sleep 60", 200);
	struct hook_stats stats;

	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	hook_read_stats(f->runner, &stats);
	assert_int_equal(stats.timed_out, 1);
	assert_non_null(strstr(f->problem, "timed out after"));
}

/* A zombie that init has not collected yet is dead as well. */
static bool process_is_alive(int pid)
{
	char path[64], text[256] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	size_t got = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	return got > 0 && !strstr(text, ") Z");
}

/* A program with that one argument, by anybody. */
static bool is_running(const char *program, const char *argument)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], text[256], wanted[64];
	bool found = false;

	assert_non_null(proc);
	snprintf(wanted, sizeof(wanted), "%s %s", program, argument);
	while ((entry = readdir(proc))) {
		FILE *file;
		size_t len;

		snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		file = atoi(entry->d_name) > 0 ? fopen(path, "r") : NULL;
		if (!file)
			continue;
		len = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
		text[len] = '\0';
		for (size_t i = 0; i + 1 < len; i++)
			text[i] = text[i] ? text[i] : ' ';
		found |= strcmp(text, wanted) == 0;
	}
	closedir(proc);
	return found;
}

static void one_that_leaves_children(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec = spec_of("/bin/sh", "-c", "sleep 61 & echo $!; exit 1", 5000);
	const struct timespec moment = { .tv_nsec = 50000000 };
	int child;

	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	child = atoi(f->output);
	assert_true(child > 0);
	for (int i = 0; i < 100 && process_is_alive(child); i++) /* a loaded machine takes its time */
		nanosleep(&moment, NULL);
	assert_false(process_is_alive(child));
}

/* In sessions of their own, orphans while the hook still runs, and one that was made by an orphan. */
static void one_whose_children_leave_it(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec = spec_of("/bin/sh", "-c",
					"(setsid sh -c 'sleep 62 & exec sleep 63' &) ; sleep 0.3; "
					"echo $(cat /proc/[0-9]*/stat 2>/dev/null | grep -c '(sleep) S'); exit 1",
					5000);

	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	assert_true(atoi(f->output) >= 2);
	assert_false(is_running("sleep", "62") || is_running("sleep", "63"));
	assert_string_equal(f->problem, "exit status 1");
}

/* What it does not own is left alone: another hook's, too. */
static void one_that_ends_while_others_run(void **state)
{
	struct fixture *f = *state;
	struct hook_spec other = spec_of("/bin/sh", "-c", "(setsid sleep 0.8 &); sleep 0.8; echo done; exit 1", 5000);
	struct hook_spec spec = spec_of("/bin/sh", "-c", "sleep 0.2; (setsid sleep 64 &)", 5000);

	assert_int_equal(hook_run(f->runner, &other, &values), 0);
	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	assert_true(is_running("sleep", "0.8"));
	wait_for(f, 2);
	assert_string_equal(f->output, "done");
	assert_false(is_running("sleep", "64"));
}

/* A chain of processes each of which starts the next and ends. */
static void one_that_flees(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec =
		spec_of("/bin/sh", "-c",
			"run() { sleep 0.01; run & }; (run; setsid sh -c 'sleep 65 & sleep 66') & exit 0", 5000);
	struct hook_stats stats;

	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	hook_read_stats(f->runner, &stats);
	assert_int_equal(stats.succeeded, 1);
	assert_false(is_running("sleep", "65") || is_running("sleep", "66"));
}

static void the_rest_when_time_is_up(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec = spec_of("/bin/sh", "-c", "setsid sleep 67 & sleep 68", 400);

	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	assert_string_equal(f->problem, "timed out after 400ms");
	assert_false(is_running("sleep", "67") || is_running("sleep", "68"));
}

static void one_that_floods(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec = spec_of("/bin/sh", "-c", "echo start; exec yes", 8000);

	assert_int_equal(hook_run(f->runner, &spec, &values), 0);
	wait_for(f, 1);
	assert_string_equal(f->problem, "killed by signal 13");
	assert_string_equal(f->output, "start");
}

static void no_more_than_so_many(void **state)
{
	struct fixture *f = *state;
	struct hook_spec spec = spec_of("/bin/sleep", "0.05", NULL, 5000);
	struct hook_stats stats;
	unsigned away = 0;

	spec.worth = EVENT_WORTH_BAN;
	for (int i = 0; i < HOOK_RUNNING_MAX + HOOK_WAITING_MAX + 3; i++)
		away += hook_run(f->runner, &spec, &values) == -ENOBUFS;
	assert_int_equal(away, 3);
	assert_string_equal(f->problem, "turned away: 256 waiting");
	hook_read_stats(f->runner, &stats);
	assert_int_equal(stats.running, HOOK_RUNNING_MAX);
	assert_int_equal(stats.waiting, HOOK_WAITING_MAX);
	wait_for(f, HOOK_RUNNING_MAX + HOOK_WAITING_MAX);
	hook_read_stats(f->runner, &stats);
	assert_int_equal(stats.succeeded, HOOK_RUNNING_MAX + HOOK_WAITING_MAX);
	assert_int_equal(stats.dropped, 3);
}

/* Hooks of what anybody can forge, whether they hang or come by the hundred, keep no ban's hook waiting. */
static void bans_first(void **state)
{
	struct fixture *f = *state;
	struct hook_spec forged = spec_of("/bin/sleep", "0.3", NULL, 5000), ban = forged;
	struct hook_stats stats;

	forged.worth = EVENT_WORTH_FORGEABLE;
	ban.worth = EVENT_WORTH_BAN;
	for (int i = 0; i < HOOK_RUNNING_MAX / 2 + HOOK_WAITING_MAX; i++)
		assert_int_equal(hook_run(f->runner, &forged, &values), 0);
	assert_int_equal(hook_run(f->runner, &forged, &values), -ENOBUFS);
	hook_read_stats(f->runner, &stats);
	assert_int_equal(stats.running, HOOK_RUNNING_MAX / 2);
	for (int i = 0; i < HOOK_RUNNING_MAX; i++)
		assert_int_equal(hook_run(f->runner, &ban, &values), 0);
	hook_read_stats(f->runner, &stats);
	assert_int_equal(stats.running, HOOK_RUNNING_MAX);
	assert_int_equal(stats.waiting, HOOK_WAITING_MAX);
	assert_int_equal(stats.dropped, 1 + HOOK_RUNNING_MAX / 2);
}

/* The list that a mistake shows has each value that the environment has, but for the event's own name. */
static void the_list_of_placeholders_is_whole(void **state)
{
	static const struct hook_values none;
	char buffer[HOOK_ENV_SIZE], *envp[HOOK_ENV_MAX], unknown[HOOK_PLACEHOLDER_MAX];
	unsigned found = 0;

	(void)state;
	assert_true(hook_argument_check(HOOK_PLACEHOLDERS, unknown));
	hook_environment(&none, buffer, envp);
	for (size_t i = 0; envp[i]; i++) {
		char name[64];

		if (sscanf(envp[i], "PICKET_%60[A-Z]=", name) != 1 || strcmp(name, "EVENT") == 0)
			continue;
		for (char *at = name; *at; at++)
			*at = (char)(*at + 'a' - 'A');
		found++;
		assert_non_null(strstr(HOOK_PLACEHOLDERS, name));
	}
	assert_int_equal(found, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_safe),
		cmocka_unit_test(the_list_of_placeholders_is_whole),
		cmocka_unit_test(values_of_an_event),
		cmocka_unit_test_setup_teardown(arguments_and_environment, arrange, clear),
		cmocka_unit_test_setup_teardown(another_user, arrange, clear),
		cmocka_unit_test_setup_teardown(success_is_silent, arrange, clear),
		cmocka_unit_test_setup_teardown(missing_program, arrange, clear),
		cmocka_unit_test_setup_teardown(what_others_can_write_is_not_run, arrange, clear),
		cmocka_unit_test_setup_teardown(one_that_hangs, arrange, clear),
		cmocka_unit_test_setup_teardown(one_that_leaves_children, arrange, clear),
		cmocka_unit_test_setup_teardown(one_whose_children_leave_it, arrange, clear),
		cmocka_unit_test_setup_teardown(one_that_ends_while_others_run, arrange, clear),
		cmocka_unit_test_setup_teardown(one_that_flees, arrange, clear),
		cmocka_unit_test_setup_teardown(the_rest_when_time_is_up, arrange, clear),
		cmocka_unit_test_setup_teardown(one_that_floods, arrange, clear),
		cmocka_unit_test_setup_teardown(no_more_than_so_many, arrange, clear),
		cmocka_unit_test_setup_teardown(bans_first, arrange, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
