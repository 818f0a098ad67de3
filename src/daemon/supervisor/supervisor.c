/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor's life: open, start sentry and keeper, serve, end.  It judges no packet and parses nothing from the
 * network: when another process crashes, it is still there to let held packets pass and to tell the service manager.
 */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "nft/nft.h"
#include "services.h"

int supervisor_fail(struct supervisor *s, int error, const char *format, ...)
{
	char text[PATH_MAX + 256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (error)
		journal_log_errno(s->journal, LOG_ERR, error, "%s", text);
	else
		journal_log(s->journal, LOG_ERR, "%s", text);
	return -1;
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

/* ---- the loop ---- */

static void on_stop(evutil_socket_t number, short what, void *context)
{
	struct supervisor *s = context;

	(void)what;
	if (s->stage == STAGE_ENDING)
		return;
	journal_log(s->journal, LOG_NOTICE, "stopping on %s", number == SIGINT ? "SIGINT" : "SIGTERM");
	supervisor_end(s, s->stage == STAGE_SERVING ? 0 : SUPERVISOR_NOT_STARTED);
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

void supervisor_beat(struct child *child)
{
	const struct timeval late = { child->beat_s + 1, 0 };

	child->late_s = 0;
	evtimer_add(child->late, &late);
	journal_flush(child->owner->journal);
}

static void on_late(evutil_socket_t fd, short what, void *context)
{
	const struct timeval second = { 1, 0 };
	struct child *child = context;
	struct supervisor *s = child->owner;

	(void)fd, (void)what;
	if (s->stage != STAGE_SERVING || !child->pid)
		return;
	if (++child->late_s < child->patience_s) {
		evtimer_add(child->late, &second);
		return;
	}
	journal_log(s->journal, LOG_ERR, "the %s has not moved for %u s: ending it%s", child->name,
		    child->beat_s + child->patience_s, child->killed_for);
	kill(child->pid, SIGKILL);
}

void supervisor_tick_soon(struct supervisor *s)
{
	const struct timeval second = { 1, 0 };

	if (!evtimer_pending(s->tick, NULL))
		evtimer_add(s->tick, &second);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct supervisor *s = context;

	(void)fd, (void)what;
	supervisor_config_tick(s);
	supervisor_hooks_tick(s);
	if (s->reload.config)
		supervisor_tick_soon(s);
}

static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
	const struct supervisor *s = context;

	(void)fd, (void)what;
	if (s->stage != STAGE_SERVING || s->sentry.late_s < s->sentry.patience_s)
		sd_notify(0, "WATCHDOG=1");
}

/* The one timer for what may take too long: the start, then the end of each child. */
static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct supervisor *s = context;

	(void)fd, (void)what;
	if (s->stage == STAGE_ENDING) {
		supervisor_children_kill(s);
		return;
	}
	journal_log(s->journal, LOG_ERR, "the sentry is not ready after %d s, ending", SUPERVISOR_START_S);
	supervisor_end(s, SUPERVISOR_NOT_STARTED);
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
	const struct timeval start = { SUPERVISOR_START_S, 0 };
	struct timeval alive;
	uint64_t watchdog_us = 0;

	s->base = event_base_new();
	if (!s->base || listen_to_signals(s) < 0 || supervisor_hooks_open(s) < 0 || supervisor_wire_open(s) < 0)
		return -ENOMEM;
	s->tick = evtimer_new(s->base, on_tick, s);
	s->sentry.late = evtimer_new(s->base, on_late, &s->sentry);
	s->keeper.late = evtimer_new(s->base, on_late, &s->keeper);
	s->deadline = evtimer_new(s->base, on_deadline, s);
	s->watchdog = event_new(s->base, -1, EV_PERSIST, on_watchdog, s);
	if (!s->tick || !s->sentry.late || !s->keeper.late || !s->deadline || !s->watchdog ||
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
	struct event *events[] = { s->signals[0], s->signals[1],  s->signals[2],  s->signals[3], s->tick,
				   s->deadline,   s->sentry.late, s->keeper.late, s->watchdog };

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

	if (open_journal(s, false) < 0)
		return; /* lines are lost, nothing else */
	if (background_leave_terminal() < 0)
		journal_log(s->journal, LOG_WARNING, "cannot leave the terminal: /dev/null cannot be used");
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
	supervisor_beat(&s->sentry);
	supervisor_beat(&s->keeper);
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
	if (!s->saved) {
		supervisor_fail(s, 0,
				"what is blocked could not be saved: table inet %s stays in the kernel, the next "
				"start takes it over",
				s->config->table);
		return;
	}
	result = nft_open(s->config->table, &nft);
	if (result == 0)
		result = nft_unload(nft);
	if (nft)
		nft_close(nft);
	if (result < 0)
		supervisor_fail(s, result, "cannot remove table inet %s: it stays in the kernel", s->config->table);
}

static int serve(struct supervisor *s)
{
	int result;

	if (supervisor_place_open(s) < 0 || supervisor_children_start(s) < 0)
		return SUPERVISOR_NOT_STARTED;
	result = open_loop(s);
	if (result == 0)
		result = supervisor_config_send(s, s->config, ++s->last_id);
	/* A child may have died before we listened for SIGCHLD. */
	if (result == 0) {
		supervisor_children_reap(s);
		result = event_base_dispatch(s->base) < 0 ? -EIO : 0;
	}
	if (result == 0)
		return s->status;
	supervisor_fail(s, result, "cannot serve");
	if (s->sentry.pid)
		kill(s->sentry.pid, SIGKILL);
	if (s->keeper.pid)
		kill(s->keeper.pid, SIGKILL);
	return SUPERVISOR_NOT_STARTED;
}

int supervisor_run(const struct options *options, struct config *config, int ready_fd)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int status;

	if (!s) {
		fputs("picketd: out of memory\n", stderr);
		config_free(config);
		return SUPERVISOR_NOT_STARTED;
	}
	s->options = options;
	s->config = config;
	s->ready_fd = ready_fd;
	s->run_fd = s->lock_fd = s->table_fd = s->control_fd = -1;
	s->sentry = (struct child){ .name = "sentry",
				    .owner = s,
				    .fd = -1,
				    .beat_s = WIRE_SENTRY_BEAT_S,
				    .patience_s = SUPERVISOR_SENTRY_LATE_S,
				    .killed_for = ", what it holds passes" };
	s->keeper = (struct child){ .name = "keeper",
				    .owner = s,
				    .fd = -1,
				    .beat_s = WIRE_KEEPER_BEAT_S,
				    .patience_s = SUPERVISOR_KEEPER_LATE_S,
				    .killed_for = ", what is blocked stays blocked" };
	s->status = status = SUPERVISOR_NOT_STARTED;
	/* Until it is ready, a daemon on its way into the background logs to its launcher's terminal. */
	if (open_journal(s, options->foreground || ready_fd >= 0) == 0) {
		s->names = services_read();
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
