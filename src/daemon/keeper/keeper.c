/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper as a process: start, confinement, loop, the wires to the sentry and the supervisor, end.
 * Promises: nothing that it does holds up the sentry; it needs no capability; when one of the other two ends, it
 * takes what that one said last, and ends too.
 * Defends against a process of ours that was taken over: messages that make no sense are counted and thrown away.
 */
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <event2/event.h>

#include "clock.h"
#include "sandbox/sandbox.h"
#include "services.h"

#define TICK_MS          200  /* while something happens */
#define REST_MS          2500 /* between ticks while nothing does */
#define SAVE_EVERY_MS    1000
#define PROTECT_EVERY_MS 10000
#define PROTECT_ALL_MS   300000 /* all of it again, in case a message got lost */
#define CLOCK_SET_MS     2000   /* less is how a time server corrects it by and by */
#define FAREWELL_US      500000 /* for the last messages of the supervisor, once the sentry is gone */
#define MESSAGES_AT_ONCE 256    /* before clients get their turn */

static void set_tick(struct keeper *keeper, int64_t in_ms)
{
	const struct timeval when = { (time_t)(in_ms / 1000), (suseconds_t)(in_ms % 1000 * 1000) };

	event_add(keeper->tick, &when);
}

void keeper_wake(struct keeper *keeper)
{
	keeper->busy_until_ms = clock_ms(CLOCK_MONOTONIC) + REST_MS;
	if (!keeper->ticks_soon)
		set_tick(keeper, TICK_MS);
	keeper->ticks_soon = true;
}

/* What the store holds by events need not be sent with each save: 16 MB at 100,000 blocks, also at a stop. */
static void tell_keeps_blocks(struct keeper *keeper)
{
	struct wire_flag keeps = { save_keeps_blocks(keeper->save) };
	bool wants = save_wants_blocks(keeper->save), wants_now = wants && !keeper->wanted_blocks;

	keeper->wanted_blocks = wants;
	/* Told once more when they can be written again. */
	if (!keeper->sentry_ready || (keeper->told_keeps_blocks == (keeps.on != 0) && !wants_now))
		return;
	if (wire_send(keeper->start->sentry_fd, WIRE_KEEPS_BLOCKS, 0, &keeps) == 0)
		keeper->told_keeps_blocks = keeps.on != 0;
}

void keeper_event(struct keeper *keeper, const struct event *event)
{
	char line[2048];
	struct writer w = writer_over(line, sizeof(line));
	struct task *task, *next;

	describe_event(&w, event, keeper->names);
	journal_event(keeper->journal, event, line);
	history_add(keeper->history, event);
	save_event(keeper->save, event);
	tell_keeps_blocks(keeper);
	for (task = LIST_FIRST(&keeper->tasks); task; task = next) {
		next = LIST_NEXT(task, entry);
		if (task->streaming)
			history_resume(task);
	}
}

/* Counted each time, logged once a minute: a process that sends nonsense must not fill the log with it. */
static void bad_message(struct keeper *keeper, const char *who)
{
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	keeper->bad_messages++;
	if (keeper->complained_ms && now_ms - keeper->complained_ms < 60000)
		return;
	keeper->complained_ms = now_ms;
	journal_log(keeper->journal, LOG_ERR, "a message of the %s made no sense and was thrown away", who);
}

static void handle(struct keeper *keeper, const char *who)
{
	const struct wire_message *message = &keeper->message;

	switch (message->header.type) {
	case WIRE_EVENT:
		if (event_is_valid(&message->body.event))
			keeper_event(keeper, &message->body.event);
		else
			bad_message(keeper, who);
		break;
	case WIRE_KEEPS_BLOCKS:
		if (!message->body.flag.on)
			save_lacks_blocks(keeper->save);
		tell_keeps_blocks(keeper);
		break;
	case WIRE_SAVED_BEGIN:
	case WIRE_SAVED_BLOCKS:
	case WIRE_SAVED_SOURCES:
	case WIRE_SAVED_SERVED:
	case WIRE_SAVED_LEARNED:
	case WIRE_SAVED_END: save_message(keeper->save, message, keeper_now_ms(keeper)); break;
	case WIRE_ADMINS:
		if (!protect_set_admins(keeper->protect, &message->body.admins))
			bad_message(keeper, who);
		break;
	case WIRE_HOOKS:
		keeper->hooks = message->body.hooks;
		keeper->hooks_known = true;
		break;
	case WIRE_READY:
		keeper->sentry_ready = false; /* a new engine knows nothing: ask, then send it everything */
		break;
	case WIRE_STATUS:
		/* Id 0 answers our own question: there is an engine, which takes the addresses to be protected. */
		if (message->header.id == 0) {
			if (!keeper->sentry_ready)
				protect_refresh(keeper->protect, keeper->start->sentry_fd, keeper_now_ms(keeper) / 1000,
						true);
			keeper->sentry_ready = true;
			break;
		}
		task_answered(keeper, message);
		break;
	case WIRE_RESULT:
	case WIRE_TEXT:
	case WIRE_BLOCKS:
	case WIRE_SOURCES:
	case WIRE_ALLOWS:
	case WIRE_PROTECTS:
	case WIRE_EXPLAIN: task_answered(keeper, message); break;
	default: bad_message(keeper, who);
	}
}

/* All that is shown and saved is by this clock, as the times of the sentry are once they were shifted: it jumps when a
 * set clock was noticed, and not between two lines that belong together. */
int64_t keeper_now_ms(const struct keeper *keeper)
{
	return keeper->start->boot_ms + clock_ms(CLOCK_BOOTTIME) + keeper->clock_set_ms;
}

/* By how much the clock was set since picketd started. */
static int64_t clock_set_ms(const struct keeper *keeper)
{
	int64_t wall_ms = clock_wall_ms();
	int64_t by_ms = wall_ms - clock_ms(CLOCK_BOOTTIME) - keeper->start->boot_ms;

	if (wall_ms == 0)
		return keeper->clock_set_ms; /* it says nothing that could be believed */
	return by_ms < CLOCK_SET_MS && by_ms > -CLOCK_SET_MS ? 0 : by_ms;
}

static void look_at_clock(struct keeper *keeper)
{
	int64_t set_ms = clock_set_ms(keeper), by_ms = set_ms - keeper->clock_set_ms;

	if (by_ms < CLOCK_SET_MS && by_ms > -CLOCK_SET_MS)
		return;
	keeper->clock_set_ms = set_ms;
	save_clock_set(keeper->save, keeper->start->boot_ms + set_ms);
	protect_clock_set(keeper->protect, by_ms / 1000);
	history_clock_set(keeper->history, by_ms);
	journal_log(keeper->journal, LOG_INFO, "the clock was set %s by %lld s: what lasts, lasts as long as before",
		    by_ms > 0 ? "forward" : "back", (long long)(by_ms > 0 ? by_ms : -by_ms) / 1000);
}

static void take(struct keeper *keeper, int fd, const char *who)
{
	keeper_wake(keeper);
	if (fd == keeper->start->sentry_fd && keeper->message.header.type == WIRE_ADMINS) {
		bad_message(keeper, who); /* whom to protect is not the sentry's to say */
		return;
	}
	if (fd == keeper->start->sentry_fd) {
		look_at_clock(keeper); /* first, so that what is written is by the clock that the store knows of */
		wire_shift_times(&keeper->message, keeper->clock_set_ms);
	}
	handle(keeper, who);
}

/* True when the other side is gone. */
static bool read_wire(struct keeper *keeper, int fd, const char *who)
{
	for (int i = 0; i < MESSAGES_AT_ONCE; i++) {
		int got = wire_receive(fd, &keeper->message);

		if (got == 1)
			take(keeper, fd, who);
		else if (got == -EBADMSG)
			bad_message(keeper, who);
		else
			return got < 0;
	}
	return false;
}

static void on_sentry(evutil_socket_t fd, short what, void *context)
{
	const struct timeval farewell = { .tv_usec = FAREWELL_US };
	struct keeper *keeper = context;

	(void)what;
	if (!read_wire(keeper, fd, "sentry"))
		return;
	keeper->sentry_gone = true;
	event_del(keeper->sentry_event);
	task_fail_all(keeper, "picketd is ending");
	event_add(keeper->farewell, &farewell);
}

static void on_supervisor(evutil_socket_t fd, short what, void *context)
{
	struct keeper *keeper = context;

	(void)what;
	if (!read_wire(keeper, fd, "supervisor"))
		return;
	keeper->supervisor_gone = true;
	/* Everything that the sentry has sent is still read. */
	while (!keeper->sentry_gone && wire_receive(keeper->start->sentry_fd, &keeper->message) == 1)
		take(keeper, keeper->start->sentry_fd, "sentry");
	task_fail_all(keeper, "picketd is ending");
	event_base_loopbreak(keeper->base);
}

static void on_farewell(evutil_socket_t fd, short what, void *context)
{
	struct keeper *keeper = context;

	(void)fd;
	(void)what;
	event_base_loopbreak(keeper->base);
}

static void tick_protect(struct keeper *keeper, int64_t now_ms)
{
	bool all = now_ms >= keeper->next_protect_all_ms;

	if (now_ms < keeper->next_protect_ms)
		return;
	keeper->next_protect_ms = now_ms + PROTECT_EVERY_MS;
	if (all)
		keeper->next_protect_all_ms = now_ms + PROTECT_ALL_MS;
	protect_refresh(keeper->protect, keeper->start->sentry_fd, keeper_now_ms(keeper) / 1000, all);
}

static void beat(struct keeper *keeper, int64_t now_ms)
{
	if (now_ms < keeper->next_beat_ms || keeper->supervisor_gone)
		return;
	keeper->next_beat_ms = now_ms + WIRE_KEEPER_BEAT_S * 1000 - TICK_MS;
	wire_send(keeper->start->supervisor_fd, WIRE_BEAT, 0, &(struct wire_empty){ 0 });
}

static void tick(struct keeper *keeper, int64_t now_ms)
{
	beat(keeper, now_ms);
	journal_flush(keeper->journal);
	task_expire(keeper);
	if (keeper->sentry_gone)
		return;
	exposure_tick(keeper);
	look_at_clock(keeper);
	if (now_ms >= keeper->next_save_ms) {
		keeper->next_save_ms = now_ms + SAVE_EVERY_MS;
		save_tick(keeper->save, keeper_now_ms(keeper));
		tell_keeps_blocks(keeper);
	}
	if (!keeper->sentry_ready)
		wire_send(keeper->start->sentry_fd, WIRE_ASK_STATUS, 0, &(struct wire_empty){ 0 });
	else
		tick_protect(keeper, now_ms);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct keeper *keeper = context;
	int64_t now_ms = clock_ms(CLOCK_MONOTONIC);

	(void)fd;
	(void)what;
	tick(keeper, now_ms);
	keeper->ticks_soon = !keeper->sentry_ready || !LIST_EMPTY(&keeper->tasks) || now_ms < keeper->busy_until_ms;
	set_tick(keeper, keeper->ticks_soon ? TICK_MS : REST_MS);
}

/* With the loop's usual clock, which moves every 4 ms, each timer wakes it up to three times. */
static struct event_base *open_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

/* Gives up what a keeper never needs.  0 or -errno. */
static int confine(struct keeper *keeper)
{
	const struct keeper_start *start = keeper->start;
	const char *const writable[] = { start->state_dir, NULL };
	/* The local time zone, names of services, the boot's number, and the temporary names of SQLite. */
	static const char *const own[] = { "/etc/localtime", "/usr/share/zoneinfo", SERVICES_FILE,
					   "/proc/sys/kernel/random/boot_id", "/dev/urandom" };
	const size_t own_count = sizeof(own) / sizeof(own[0]);
	const char *readable[sizeof(own) / sizeof(own[0]) + LOGINS_PATHS_MAX + 1];
	int abi = 0, result = sandbox_drop(start->uid, start->gid, false);

	if (result < 0) {
		journal_log_errno(keeper->journal, LOG_ERR, -result, "keeper: cannot give up privilege, ending");
		return result;
	}
	if (!start->sandbox)
		return 0;
	memcpy(readable, own, sizeof(own));
	logins_paths(readable + own_count);
	result = sandbox_landlock(writable, readable, &abi);
	if (result == 0)
		result = sandbox_seccomp(SANDBOX_KEEPER);
	if (result < 0)
		journal_log_errno(keeper->journal, LOG_ERR, -result, "keeper: cannot confine itself, ending");
	else if (abi == 0)
		journal_log(keeper->journal, LOG_INFO,
			    "keeper: this kernel has no Landlock, files are guarded by their modes alone");
	return result;
}

static struct event *listen_to(struct keeper *keeper, int fd, event_callback_fn callback)
{
	struct event *event = event_new(keeper->base, fd, EV_READ | EV_PERSIST, callback, keeper);

	if (event && event_add(event, NULL) < 0) {
		event_free(event);
		return NULL;
	}
	return event;
}

static int set_up(struct keeper *keeper)
{
	const struct keeper_start *start = keeper->start;
	struct control_options options = {
		.fd = start->control_fd,
		.admin_gid = start->admin_gid,
		.callbacks = task_callbacks(),
		.context = keeper,
	};

	/* The names of services are a comfort: without them numbers do. */
	keeper->names = services_read();
	if (!keeper->names)
		journal_log(keeper->journal, LOG_INFO,
			    "no names of services from " SERVICES_FILE ": ports are shown as numbers");
	keeper->history = history_new();
	keeper->save = save_open(start, keeper->journal, keeper_now_ms(keeper));
	keeper->protect = protect_new(start->state_dir, &start->admins, keeper->journal);
	keeper->base = options.base = open_base();
	if (!keeper->history || !keeper->save || !keeper->protect || !keeper->base ||
	    control_open(&options, &keeper->control) < 0)
		return -ENOMEM;
	protect_clock_set(keeper->protect, save_moved_ms(keeper->save) / 1000);
	/* The sentry first gets the addresses that it must not block, then the blocks of earlier runs, before anything
	 * of this run is saved. */
	protect_refresh(keeper->protect, start->sentry_fd, keeper_now_ms(keeper) / 1000, true);
	save_restore(keeper->save, start->sentry_fd, keeper_now_ms(keeper));
	keeper->sentry_event = listen_to(keeper, start->sentry_fd, on_sentry);
	keeper->supervisor_event = listen_to(keeper, start->supervisor_fd, on_supervisor);
	keeper->tick = evtimer_new(keeper->base, on_tick, keeper);
	keeper->farewell = event_new(keeper->base, -1, 0, on_farewell, keeper);
	if (!keeper->sentry_event || !keeper->supervisor_event || !keeper->tick || !keeper->farewell)
		return -ENOMEM;
	keeper_wake(keeper);
	return 0;
}

/* True when all was saved. */
static bool clean_up(struct keeper *keeper)
{
	bool saved;

	struct event *events[] = { keeper->sentry_event, keeper->supervisor_event, keeper->tick, keeper->farewell };

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	control_close(keeper->control);
	if (keeper->base)
		event_base_free(keeper->base);
	exposure_close(keeper->exposure);
	protect_free(keeper->protect);
	saved = save_close(keeper->save);
	history_free(keeper->history);
	service_names_free(keeper->names);
	journal_close(keeper->journal);
	free(keeper);
	return saved;
}

/* The keeper ends when the supervisor does.  A signal of the service manager or the terminal goes to all three
 * processes; it must not cost the last lines of the log. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

int keeper_run(const struct keeper_start *start)
{
	struct journal_options options = { .to_stderr = start->log_fd >= 0,
					   .stderr_fd = start->log_fd >= 0 ? start->log_fd : 0,
					   .verbose = start->verbose,
					   .rate = start->log_rate,
					   .name = "picketd" };
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	int status = EXIT_FAILURE;

	if (!keeper)
		return status;
	keeper->start = start;
	LIST_INIT(&keeper->tasks);
	ignore_signals();
	keeper->journal = journal_open(&options);
	if (keeper->journal)
		keeper->exposure = exposure_open(start->state_dir, keeper->journal);
	if (keeper->exposure && confine(keeper) == 0) {
		int result = set_up(keeper);

		if (result < 0)
			journal_log_errno(keeper->journal, LOG_ERR, -result, "keeper: cannot start, ending");
		else if (event_base_dispatch(keeper->base) >= 0)
			status = EXIT_SUCCESS;
	}
	return clean_up(keeper) ? status : EXIT_FAILURE;
}
