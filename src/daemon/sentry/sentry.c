/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sentry: senses, decides, blocks. Runs as the unprivileged user with CAP_NET_ADMIN alone, because the kernel
 * asks it of whoever
 * sends a verdict or an nftables message. Never waits for a disk, a name lookup or another process. When its
 * supervisor is gone it
 * lets everything that it holds pass, and ends; the table stays, so what is blocked stays blocked.
 */
#include "sentry.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "sandbox/sandbox.h"
#include "internal.h"

static int64_t clock_ms(clockid_t which)
{
	struct timespec time;

	clock_gettime(which, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Wall time that never jumps: what is 24 hours old must not depend on the day a time server was found. */
int64_t sentry_now_ms(const struct sentry *sentry)
{
	return sentry->wall_start_ms + clock_ms(CLOCK_BOOTTIME) - sentry->boot_start_ms;
}

static void on_queue(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	sentry_read_queue(context);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	sentry_tick(context);
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
	(void)fd, (void)what;
	sentry_watch(context);
}

static void on_end(evutil_socket_t fd, short what, void *context)
{
	struct sentry *sentry = context;

	(void)fd, (void)what;
	event_base_loopbreak(sentry->base);
}

static struct event *listen_to(struct sentry *sentry, int fd, event_callback_fn callback)
{
	struct event *item = event_new(sentry->base, fd, EV_READ | EV_PERSIST, callback, sentry);

	if (item)
		event_add(item, NULL);
	return item;
}

/* One order a turn: a flood of questions never holds up the queue. */
static void on_keeper(evutil_socket_t fd, short what, void *context)
{
	struct sentry *sentry = context;
	int got = wire_receive(fd, &sentry->in);

	(void)what;
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
	while ((got = wire_receive(fd, &sentry->in)) == 1)
		sentry_config_message(sentry, &sentry->in);
	if (got == -EPIPE)
		event_base_loopbreak(sentry->base);
	/* The kernel's notifications can be had once the first configuration has opened its side, and only then is
	 * there an engine for
	 * what the keeper has to say: it begins with what was remembered. */
	if (!began && sentry->nft &&
	    (!listen_to(sentry, nft_watch_fd(sentry->nft), on_watch) ||
	     !listen_to(sentry, sentry->start->keeper_fd, on_keeper)))
		event_base_loopbreak(sentry->base);
}

static int add_timer(struct sentry *sentry)
{
	const struct timeval every = { .tv_usec = SENTRY_TICK_MS * 1000 };
	struct event *tick = event_new(sentry->base, -1, EV_PERSIST, on_tick, sentry);

	return tick && event_add(tick, &every) == 0 ? 0 : -ENOMEM;
}

static int add_signal(struct sentry *sentry)
{
	struct event *end = evsignal_new(sentry->base, SIGTERM, on_end, sentry);

	signal(SIGINT, SIG_IGN); /* ^C reaches the whole foreground group; the supervisor ends us in order */
	signal(SIGPIPE, SIG_IGN);
	return end && event_add(end, NULL) == 0 ? 0 : -ENOMEM;
}

/* Every visit to a trap is a descriptor. */
static int want_descriptors(void)
{
	const struct rlimit enough = { .rlim_cur = 4096, .rlim_max = 4096 };

	return setrlimit(RLIMIT_NOFILE, &enough) < 0 ? -errno : 0;
}

static int open_senses(struct sentry *sentry)
{
	int error = want_descriptors();

	if (!error)
		error = routes_open(&sentry->routes);

	if (!error)
		error = listeners_open(&sentry->listeners);
	sentry->next_allow = calloc(ENGINE_ALLOW_MAX, sizeof(*sentry->next_allow));
	sentry->base = event_base_new();
	if (error || !sentry->next_allow || !sentry->base)
		return error ? error : -ENOMEM;
	error = add_timer(sentry);
	if (!error)
		error = add_signal(sentry);
	if (error)
		return error;
	return listen_to(sentry, nfqueue_fd(sentry->start->queue), on_queue) &&
			       listen_to(sentry, routes_fd(sentry->routes), on_routes) &&
			       listen_to(sentry, sentry->start->supervisor_fd, on_supervisor)
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
	sentry->wall_start_ms = sentry->started_ms = clock_ms(CLOCK_REALTIME);
	sentry->boot_start_ms = clock_ms(CLOCK_BOOTTIME);
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
	event_base_dispatch(sentry->base);
	/* Nothing that is held here is lost: it passes. */
	nfqueue_accept_all(start->queue);
	if (sentry->engine && sentry->nft)
		sentry_memory_stop(sentry);
	return 0;
}
