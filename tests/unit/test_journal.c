/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log while its reader takes nothing, and in a flood: nothing waits, what is left out is counted and told, and a
 * ban's line is never left out for lines that anybody can bring about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <picket/event.h>

#include "clock.h"
#include "journal/journal.h"

struct fixture {
	struct journal *journal;
	int out, stderr_was;
	char text[1 << 20];
	size_t len;
};

static int arrange(void **state)
{
	struct journal_options options = { .to_stderr = true, .name = "test" };
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	unsetenv("JOURNAL_STREAM");
	/* The smallest pipe, a page. */
	if (!f || pipe2(fds, O_NONBLOCK) < 0 || fcntl(fds[1], F_SETPIPE_SZ, 4096) < 0)
		return -1;
	f->out = fds[0];
	f->stderr_was = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	f->journal = journal_open(&options);
	*state = f;
	return f->journal ? 0 : -1;
}

static int clear(void **state)
{
	struct fixture *f = *state;

	journal_close(f->journal);
	dup2(f->stderr_was, STDERR_FILENO);
	close(f->stderr_was);
	close(f->out);
	free(f);
	return 0;
}

/* The reader takes what is there. */
static void empty(struct fixture *f)
{
	ssize_t got;

	while (f->len < sizeof(f->text) - 1 && (got = read(f->out, f->text + f->len, sizeof(f->text) - 1 - f->len)) > 0)
		f->len += (size_t)got;
	f->text[f->len] = '\0';
}

static unsigned count(const struct fixture *f, const char *what)
{
	unsigned n = 0;

	for (const char *at = f->text; (at = strstr(at, what)) != NULL; at += strlen(what))
		n++;
	return n;
}

static void tell(struct fixture *f, enum event_type type, unsigned n)
{
	struct event event = { .type = (uint8_t)type };

	for (unsigned i = 0; i < n; i++)
		journal_event(f->journal, &event, type == EVENT_BAN ? "a ban" : "an alert");
}

static void a_flood_leaves_room(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2000; i++) {
		tell(f, EVENT_ALERT, 1);
		empty(f);
	}
	assert_in_range(count(f, "an alert\n"), JOURNAL_BURST_S * JOURNAL_RATE, (JOURNAL_BURST_S + 1) * JOURNAL_RATE);
	for (int i = 0; i < 50; i++) {
		tell(f, EVENT_BAN, 1);
		empty(f);
		journal_flush(f->journal); /* the line about those left out filled the pipe */
	}
	empty(f);
	for (int i = 0; i < 50; i++) {
		journal_log(f->journal, LOG_ERR, "something else");
		empty(f);
	}
	assert_int_equal(count(f, "a ban\n"), 50);
	assert_int_equal(count(f, "something else\n"), 50);
	assert_int_equal(count(f, "lines were left out"), 1);
	assert_int_equal(journal_stats(f->journal).left_out, 2000 - count(f, "an alert\n"));
}

/* As many lines as the burst holds are written, one more is left out. */
static void a_rate_of_ones_own(void **state)
{
	struct fixture *f = *state;
	const struct journal_options options = { .to_stderr = true, .name = "test", .rate = 2 };
	struct journal *slow = journal_open(&options);
	struct event event = { .type = EVENT_ALERT };

	assert_non_null(slow);
	for (int i = 0; i < 2 * JOURNAL_BURST_S + 1; i++) {
		journal_event(slow, &event, "an alert");
		empty(f);
	}
	assert_int_equal(count(f, "an alert\n"), 2 * JOURNAL_BURST_S);
	assert_int_equal(journal_stats(slow).left_out, 1);
	journal_close(slow);
}

static void nobody_reads(void **state)
{
	struct fixture *f = *state;
	int64_t started = clock_ms(CLOCK_MONOTONIC);
	struct journal_stats stats;

	while (journal_stats(f->journal).waiting == 0)
		tell(f, EVENT_BAN, 1);
	tell(f, EVENT_ALERT, 3 * JOURNAL_WAITING_FORGEABLE);
	tell(f, EVENT_BAN, 20);
	assert_true(clock_ms(CLOCK_MONOTONIC) - started < 2000);
	stats = journal_stats(f->journal);
	/* The one more says that lines were left out. */
	assert_int_equal(stats.waiting, 1 + JOURNAL_WAITING_FORGEABLE + 20 + 1);
	assert_int_equal(stats.left_out, 2 * JOURNAL_WAITING_FORGEABLE);
	while (journal_stats(f->journal).waiting > 0) {
		empty(f);
		journal_flush(f->journal);
	}
	empty(f);
	assert_int_equal(count(f, "an alert\n"), JOURNAL_WAITING_FORGEABLE);
	assert_true(strstr(f->text, "an alert\n") > strstr(f->text, "a ban\n"));
	assert_null(strstr(strstr(f->text, "an alert\n"), "a ban\n"));
}

static void lines_are_printable(void **state)
{
	struct fixture *f = *state;

	journal_log(f->journal, LOG_INFO, "one\ntwo\x1b[2J\xff");
	empty(f);
	assert_string_equal(f->text, "test: one?two?[2J?\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_flood_leaves_room, arrange, clear),
		cmocka_unit_test_setup_teardown(a_rate_of_ones_own, arrange, clear),
		cmocka_unit_test_setup_teardown(nobody_reads, arrange, clear),
		cmocka_unit_test_setup_teardown(lines_are_printable, arrange, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
