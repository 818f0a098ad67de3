/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor's life: open, start the other two, serve, end.  It judges no packet and parses nothing from the
 * network; it waits, so that whatever happens to the others there is somebody to let held packets pass and to tell the
 * service manager.
 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "background.h"
#include "internal.h"

#define SERVICES_FILE "/etc/services"
#define SERVICES_MAX  (1024 * 1024)

int64_t supervisor_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int open_journal(struct supervisor *s, bool to_stderr)
{
	const struct journal_options options = { .to_stderr = to_stderr,
						 .verbose = s->options->verbose,
						 .name = "picketd" };

	journal_close(s->journal);
	s->journal = journal_open(&options);
	return s->journal ? 0 : -ENOMEM;
}

/* Names are a comfort: without the file ports are told as numbers. */
static void read_services(struct supervisor *s)
{
	FILE *file = fopen(SERVICES_FILE, "re");
	char *text = file ? malloc(SERVICES_MAX) : NULL;

	if (text)
		s->names = service_names_new(text, fread(text, 1, SERVICES_MAX, file));
	free(text);
	if (file)
		fclose(file);
}

/* ---- the loop ---- */

static void on_stop(evutil_socket_t number, short what, void *context)
{
	struct supervisor *s = context;

	(void)what;
	if (s->stage == STAGE_ENDING)
		return;
	journal_log(s->journal, LOG_NOTICE, "stopping on %s", number == SIGINT ? "SIGINT" : "SIGTERM");
	supervisor_end(s, s->stage == STAGE_SERVING ? 0 : BACKGROUND_NOT_STARTED);
}

static void on_reload(evutil_socket_t number, short what, void *context)
{
	(void)number, (void)what;
	supervisor_reload(context, 0);
}

static void on_child(evutil_socket_t number, short what, void *context)
{
	(void)number, (void)what;
	supervisor_children_reap(context);
}

/* A sentry that hangs holds packets and judges none: ended like one that has crashed, it harms nobody. */
static void watch_sentry(struct supervisor *s)
{
	if (s->stage != STAGE_SERVING || !s->sentry.pid || ++s->missed_beats != SUPERVISOR_BEATS_MISSED)
		return;
	journal_log(s->journal, LOG_ERR, "the sentry has not moved for %d s: ending it, what it holds passes",
		    SUPERVISOR_BEATS_MISSED);
	kill(s->sentry.pid, SIGKILL);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct supervisor *s = context;

	(void)fd, (void)what;
	watch_sentry(s);
	supervisor_config_tick(s);
	supervisor_hooks_tick(s);
}

static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
	const struct supervisor *s = context;

	(void)fd, (void)what;
	if (s->stage != STAGE_SERVING || s->missed_beats < SUPERVISOR_BEATS_MISSED)
		sd_notify(0, "WATCHDOG=1");
}

/* One timer for each thing that may take too long: the start, then each child's end. */
static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct supervisor *s = context;

	(void)fd, (void)what;
	if (s->stage == STAGE_ENDING) {
		supervisor_children_kill(s);
		return;
	}
	journal_log(s->journal, LOG_ERR, "the sentry is not ready after %d s, ending", SUPERVISOR_START_S);
	supervisor_end(s, BACKGROUND_NOT_STARTED);
}

static int listen_to_signals(struct supervisor *s)
{
	static const struct {
		int number;
		event_callback_fn callback;
	} wanted[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload }, { SIGCHLD, on_child } };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		s->signals[i] = evsignal_new(s->base, wanted[i].number, wanted[i].callback, s);
		if (!s->signals[i] || evsignal_add(s->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int open_loop(struct supervisor *s)
{
	const struct timeval second = { 1, 0 }, start = { SUPERVISOR_START_S, 0 };
	struct timeval alive;
	uint64_t watchdog_us = 0;

	s->base = event_base_new();
	if (!s->base || listen_to_signals(s) < 0 || supervisor_hooks_open(s) < 0 || supervisor_wire_open(s) < 0)
		return -ENOMEM;
	s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
	s->deadline = evtimer_new(s->base, on_deadline, s);
	s->watchdog = event_new(s->base, -1, EV_PERSIST, on_watchdog, s);
	if (!s->tick || !s->deadline || !s->watchdog || event_add(s->tick, &second) < 0 ||
	    evtimer_add(s->deadline, &start) < 0)
		return -ENOMEM;
	if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
		watchdog_us /= 2;
		alive = (struct timeval){ (time_t)(watchdog_us / 1000000), (suseconds_t)(watchdog_us % 1000000) };
		event_add(s->watchdog, &alive);
	}
	return 0;
}

static void close_loop(struct supervisor *s)
{
	struct event *events[] = { s->signals[0], s->signals[1], s->signals[2], s->signals[3],
				   s->tick,       s->deadline,   s->watchdog };

	supervisor_wire_close(&s->sentry);
	supervisor_wire_close(&s->keeper);
	hook_runner_free(s->hooks);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	if (s->base)
		event_base_free(s->base);
}

/* ---- ready, and the end ---- */

static void leave_terminal(struct supervisor *s)
{
	const unsigned char status = 0;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (open_journal(s, false) < 0)
		return; /* lines are lost, nothing else */
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	/* The launcher may be gone. */
	if (write(s->ready_fd, &status, 1) < 0)
		journal_log_errno(s->journal, LOG_DEBUG, errno, "nobody waits for the start");
	close(s->ready_fd);
	s->ready_fd = -1;
}

void supervisor_ready(struct supervisor *s)
{
	s->stage = STAGE_SERVING;
	s->table_loaded = true;
	evtimer_del(s->deadline);
	supervisor_hooks_tick(s);
	if (s->ready_fd >= 0)
		leave_terminal(s);
	journal_log(s->journal, LOG_NOTICE, "picketd " PICKET_VERSION " is on guard: mode %s, configuration %s",
		    s->config->engine.observe ? "observe" : "block", s->options->file);
	sd_notify(0, "READY=1\nSTATUS=on guard");
}

void supervisor_end(struct supervisor *s, int status)
{
	if (s->stage == STAGE_ENDING)
		return;
	s->stage = STAGE_ENDING;
	s->status = status;
	evtimer_del(s->deadline);
	sd_notify(0, "STOPPING=1\nSTATUS=ending");
	supervisor_children_end(s);
}

/* After a clean stop no rule is left; after a failure the table stays, and with it what is blocked. */
static void unload_table(struct supervisor *s)
{
	struct nft *nft = NULL;
	int result;

	if (!s->table_loaded || s->status != 0 || s->config->keep_on_stop)
		return;
	result = nft_open(s->config->table, &nft);
	if (result == 0)
		result = nft_unload(nft);
	if (nft)
		nft_close(nft);
	if (result < 0)
		journal_log_errno(s->journal, LOG_ERR, result, "cannot remove table inet %s: it stays in the kernel",
				  s->config->table);
}

static int serve(struct supervisor *s)
{
	int result;

	if (supervisor_place_open(s) < 0 || supervisor_children_start(s) < 0)
		return BACKGROUND_NOT_STARTED;
	result = open_loop(s);
	if (result == 0)
		result = supervisor_config_send(s, s->config, ++s->last_id);
	/* One that died before we listened. */
	if (result == 0) {
		supervisor_children_reap(s);
		result = event_base_dispatch(s->base) < 0 ? -EIO : 0;
	}
	if (result == 0)
		return s->status;
	journal_log_errno(s->journal, LOG_ERR, result, "cannot serve");
	if (s->sentry.pid)
		kill(s->sentry.pid, SIGKILL);
	if (s->keeper.pid)
		kill(s->keeper.pid, SIGKILL);
	return BACKGROUND_NOT_STARTED;
}

int supervisor_run(const struct options *options, struct config *config, int ready_fd)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int status;

	if (!s) {
		fputs("picketd: out of memory\n", stderr);
		config_free(config);
		return BACKGROUND_NOT_STARTED;
	}
	s->options = options;
	s->config = config;
	s->ready_fd = ready_fd;
	s->run_fd = s->lock_fd = s->table_fd = s->control_fd = -1;
	s->sentry = (struct child){ .name = "sentry", .fd = -1 };
	s->keeper = (struct child){ .name = "keeper", .fd = -1 };
	s->status = BACKGROUND_NOT_STARTED;
	status = BACKGROUND_NOT_STARTED;
	/* Until it is ready, a daemon on its way into the background tells its launcher's terminal. */
	if (open_journal(s, options->foreground || ready_fd >= 0) == 0) {
		read_services(s);
		status = serve(s);
		unload_table(s);
	}
	close_loop(s);
	supervisor_place_close(s);
	if (status == 0)
		journal_log(s->journal, LOG_NOTICE, "stopped");
	journal_close(s->journal);
	service_names_free(s->names);
	config_free(s->reload.config);
	config_free(s->config);
	free(s);
	return status;
}
