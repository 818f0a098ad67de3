/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentry: senses, decides, blocks.  It runs as the unprivileged user with CAP_NET_ADMIN alone, which the kernel
 * asks of every process that sends a verdict or an nftables message.  It never waits for a disk, a name lookup or
 * another process.  When its supervisor is gone it lets everything pass that it holds, and ends; the table stays, so
 * what is blocked stays blocked.
 */
#include "sentry/sentry.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include <picket/veil.h>

#include "internal.h"
#include "sandbox/sandbox.h"

#define EXPIRY_PAGES 32 /* of ENGINE_ACTIONS_MAX, in one tick: the rest comes with the next */

/*
 * One timer, for the next deadline: where nothing happens the sentry wakes once a second.  It is the kernel's and not
 * the loop's, which wakes up to three times for each of its own (it reads a clock that moves every 4 ms).
 */
static void set_timer(const struct sentry *sentry, int64_t in_ms)
{
	const struct itimerspec when = { .it_value = { .tv_sec = (time_t)(in_ms / 1000),
						       .tv_nsec = (long)(in_ms % 1000 * 1000000) } };

	/* It fails only for a descriptor that is no timer. */
	(void)!timerfd_settime(sentry->timer, 0, &when, NULL);
}

/* Something has happened, which may have brought work: the next tick comes soon. */
static void tick_within(struct sentry *sentry, int64_t in_ms)
{
	if (sentry->ticks_soon)
		return;
	sentry->ticks_soon = true;
	set_timer(sentry, in_ms);
}

/* Wall time that never jumps: what is 24 hours old must not depend on the day a time server was found. */
void sentry_begin_turn(struct sentry *sentry)
{
	sentry->now_ms = sentry->start->boot_ms + clock_ms(CLOCK_BOOTTIME);
	tick_within(sentry, SENTRY_TICK_MS);
}

/* What comes round once a second or more seldom. */
static void tick_second(struct sentry *sentry)
{
	if (sentry->seconds++ % WIRE_SENTRY_BEAT_S == 0)
		wire_send(sentry->start->supervisor_fd, WIRE_BEAT, 0, &(struct wire_empty){ 0 });
	sentry_sum_up(sentry);
	sentry_tell_veil_memory(sentry);
	sentry_save_learned_tick(sentry);
	if (sentry->routes_stale)
		sentry_world_routes(sentry);
	if (sentry->now_ms >= sentry->next_listeners_ms)
		sentry_world_listeners(sentry);
	if (sentry->now_ms >= sentry->next_lately_ms || !sentry->lately_told) {
		sentry->next_lately_ms = sentry->now_ms + 30000;
		sentry_world_lately(sentry);
	}
}

static void tick(struct sentry *sentry)
{
	size_t count = ENGINE_ACTIONS_MAX;

	for (unsigned i = 0; i < EXPIRY_PAGES && count == ENGINE_ACTIONS_MAX; i++) {
		engine_tick(sentry->engine, sentry->now_ms, &sentry->actions);
		count = sentry->actions.count;
		sentry_act(sentry);
	}
	enforcer_tick(sentry->enforcer, sentry->now_ms);
	veil_tick(sentry->veil, sentry->now_ms);
	sentry_through_tick(sentry);
	sentry_lift_tick(sentry);
	sentry_allow_tick(sentry);
	sentry_save_tick(sentry);
	if (sentry->now_ms >= sentry->next_second_ms) {
		sentry->next_second_ms = sentry->now_ms + 1000;
		tick_second(sentry);
	}
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* In how many ms there is something to do, at least one tick and at most a second. */
static int64_t next_tick_ms(const struct sentry *sentry)
{
	int64_t due_ms = earlier(sentry->next_second_ms, engine_due_ms(sentry->engine));

	due_ms = earlier(due_ms, enforcer_due_ms(sentry->enforcer));
	due_ms = earlier(due_ms, sentry_through_due_ms(sentry));
	if (sentry->next_save_ms)
		due_ms = earlier(due_ms, sentry->next_save_ms); /* in the past while one is under way */
	if (sentry->lift_count > 0 || sentry->ready_by_ms)
		due_ms = sentry->now_ms;
	due_ms -= sentry->now_ms;
	return due_ms > SENTRY_TICK_MS ? due_ms : SENTRY_TICK_MS;
}

/* ---- the callbacks of the loop ---- */

static void on_queue(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	sentry_read_queue(context);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct sentry *sentry = context;
	uint64_t expirations;

	(void)what;
	if (read(fd, &expirations, sizeof(expirations)) < 0)
		return;            /* it was set anew meanwhile */
	sentry->ticks_soon = true; /* what this turn brings is looked at below */
	sentry_begin_turn(sentry);
	if (sentry->engine) {
		tick(sentry);
		set_timer(sentry, next_tick_ms(sentry));
	}
	sentry->ticks_soon = false;
}

static void on_routes(evutil_socket_t fd, short what, void *context)
{
	struct sentry *sentry = context;

	(void)fd, (void)what;
	if (routes_drain(sentry->routes) != 0)
		sentry->routes_stale = true;
}

static void on_watch(evutil_socket_t fd, short what, void *context)
{
	struct sentry *sentry = context;

	(void)fd, (void)what;
	enforcer_watch(sentry->enforcer);
	tick_within(sentry, SENTRY_TICK_MS / 2);
}

static void on_end(evutil_socket_t fd, short what, void *context)
{
	struct sentry *sentry = context;

	(void)fd, (void)what;
	event_base_loopbreak(sentry->base);
}

/* A descriptor or a signal (EV_SIGNAL). */
static bool listen_to(struct sentry *sentry, int fd, short what, event_callback_fn callback)
{
	struct event *item = event_new(sentry->base, fd, what | EV_PERSIST, callback, sentry);

	return item && event_add(item, NULL) == 0;
}

/* One order a turn: a flood of questions never holds up the queue. */
static void on_keeper(evutil_socket_t fd, short what, void *context)
{
	struct sentry *sentry = context;
	int got = wire_receive(fd, &sentry->in);

	(void)what;
	sentry_begin_turn(sentry);
	if (got == 1)
		sentry_order(sentry, &sentry->in);
	else if (got == -EPIPE)
		event_base_loopbreak(sentry->base);
}

static void on_supervisor(evutil_socket_t fd, short what, void *context)
{
	struct sentry *sentry = context;
	bool began = sentry->engine != NULL;
	int got;

	(void)what;
	sentry_begin_turn(sentry);
	while ((got = wire_receive(fd, &sentry->in)) == 1)
		sentry_config_message(sentry, &sentry->in);
	if (got == -EPIPE)
		event_base_loopbreak(sentry->base);
	/* The first configuration opens the kernel side, which has notifications, and the engine, for which the keeper
	 * has messages: what is to be restored comes first. */
	if (!began && sentry->engine &&
	    (!listen_to(sentry, enforcer_watch_fd(sentry->enforcer), EV_READ, on_watch) ||
	     !listen_to(sentry, sentry->start->keeper_fd, EV_READ, on_keeper)))
		event_base_loopbreak(sentry->base);
}

/* Before the file system is gone.  It rarely changes, and a restart follows. */
static void read_ephemeral(struct sentry *sentry)
{
	char text[64] = "";
	unsigned first = 32768, last = 60999;

	if (file_read("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text) - 1) > 0 &&
	    (sscanf(text, "%u %u", &first, &last) != 2 || first > last || last > 65535)) {
		first = 32768;
		last = 60999;
	}
	sentry->ephemeral_first = (uint16_t)first;
	sentry->ephemeral_last = (uint16_t)last;
}

static int open_senses(struct sentry *sentry)
{
	int error;

	read_ephemeral(sentry);
	conntrack_users_open(&sentry->names);
	/* These only ask: no address, route or interface can be changed through them. */
	error = sandbox_lay_down(true);
	if (!error)
		error = routes_open(&sentry->routes);
	if (!error)
		error = listeners_open(&sentry->listeners);
	if (!error)
		error = sandbox_lay_down(false);
	if (error)
		return error;
	signal(SIGINT, SIG_IGN); /* ^C reaches the whole foreground group; the supervisor ends us in order */
	signal(SIGPIPE, SIG_IGN);
	sentry->next_allow = calloc(ENGINE_ALLOW_MAX, sizeof(*sentry->next_allow));
	sentry->base = event_base_new();
	sentry->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	return sentry->next_allow && sentry->base && sentry->timer >= 0 &&
			       listen_to(sentry, sentry->timer, EV_READ, on_tick) &&
			       listen_to(sentry, SIGTERM, EV_SIGNAL, on_end) &&
			       listen_to(sentry, nfqueue_fd(sentry->start->queue), EV_READ, on_queue) &&
			       listen_to(sentry, routes_fd(sentry->routes), EV_READ, on_routes) &&
			       listen_to(sentry, sentry->start->supervisor_fd, EV_READ, on_supervisor)
		       ? 0
		       : -ENOMEM;
}

static int confine(const struct sentry_start *start)
{
	int error = sandbox_drop(start->uid, start->gid, true);

	if (!error && start->sandbox)
		error = sandbox_seccomp(SANDBOX_SENTRY);
	return error;
}

static void tell_failure(const struct sentry_start *start, const char *what, int error)
{
	struct wire_result result = { .result = ENGINE_INVALID, .error = -error };

	strncpy(result.text, what, sizeof(result.text) - 1);
	wire_send(start->supervisor_fd, WIRE_RESULT, 0, &result);
}

int sentry_run(const struct sentry_start *start)
{
	struct sentry *sentry = calloc(1, sizeof(*sentry));
	int error;

	if (!sentry)
		return 1;
	sentry->start = start;
	sentry->ticks_soon = true; /* no timer yet */
	sentry_begin_turn(sentry);
	sentry->started_ms = sentry->now_ms;
	error = open_senses(sentry);
	if (error) {
		tell_failure(start, "the sentry cannot open its sensors", error);
		return 1;
	}
	error = confine(start);
	if (error) {
		tell_failure(start, "the sentry cannot give up its privileges", error);
		return 1;
	}
	sentry->ticks_soon = false;
	event_base_dispatch(sentry->base);
	/* What the kernel holds for the sentry passes.  An error is the supervisor's to report: when the sentry has
	 * ended, it does the same with its copy of the queue. */
	(void)!nfqueue_accept_all(start->queue);
	sentry_begin_turn(sentry);
	sentry_save_at_once(sentry);
	return 0;
}
