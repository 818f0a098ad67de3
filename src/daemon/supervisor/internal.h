/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the supervisor's files share.
 */
#ifndef PICKET_SUPERVISOR_INTERNAL_H
#define PICKET_SUPERVISOR_INTERNAL_H

#include <event2/event.h>
#include <sys/types.h>
#include <syslog.h>

#include <picket/describe.h>
#include "hook/hook.h"
#include "host/logins.h"
#include "journal/journal.h"
#include "nfqueue/nfqueue.h"
#include "supervisor.h"
#include "wire/wire.h"

/* A process whose beat is late for so many seconds hangs and is killed.  A sentry that hangs cuts off the hosts whose
 * packets it holds.  Without the keeper nobody is cut off, and a slow disk may hold it up for a while. */
#define SUPERVISOR_SENTRY_LATE_S 3
#define SUPERVISOR_KEEPER_LATE_S 60

#define SUPERVISOR_START_S          30    /* the sentry must be ready by then */
#define SUPERVISOR_PATIENCE_S       6     /* a child told to end has so long, then it is killed */
#define SUPERVISOR_ADMINS_START_MS  10000 /* for the host's accounts to be looked up */
#define SUPERVISOR_ADMINS_RELOAD_MS 3000  /* the same; nothing else is done meanwhile */
#define SUPERVISOR_RELOAD_S         10    /* the sentry must have taken a new configuration by then */
#define SUPERVISOR_TURN             256   /* messages of one process before others get their turn */

#define LOCK_FILE "picket.lock" /* in run_dir */

struct account {
	uid_t uid;
	gid_t gid;
};

struct child {
	const char *name;
	unsigned beat_s, patience_s; /* a beat each beat_s, at most patience_s late */
	const char *killed_for;      /* what the log says about it */
	struct supervisor *owner;
	struct event *late;
	unsigned late_s; /* the beat, in our own seconds: a suspended or starved machine counts none */
	pid_t pid;       /* 0: not running */
	int fd;          /* our end of the wire; -1: closed */
	struct event *wire;
	bool told_to_end;
};

enum stage { STAGE_STARTING, STAGE_SERVING, STAGE_ENDING };

/* A reload under way. */
struct reload {
	struct config *config;    /* NULL: none is */
	uint32_t id;              /* of the question to the sentry */
	uint32_t asked_by;        /* id of the keeper's request; 0: a signal */
	char note[WIRE_TEXT_MAX]; /* what an admin should know when it is done */
	int64_t deadline_ms;
};

struct supervisor {
	const struct options *options;
	struct config *config;
	struct journal *journal;
	struct service_names *names;
	struct event_base *base;
	struct event *signals[4], *tick, *deadline, *watchdog;
	int ready_fd;
	enum stage stage;
	int status;
	bool table_loaded;
	bool saved; /* the keeper ended well, and what stands is on the disk */

	int run_fd, lock_fd, table_fd, control_fd;
	bool control_bound, pid_written;
	struct account sentry_account, keeper_account;
	gid_t admin_gid;             /* UINT32_MAX: there is no such group */
	struct logins_admins admins; /* whose logins are protected */
	struct nfqueue *queue;

	int64_t boot_ms; /* the time of day at which the host was started, as it was known when the children were */
	struct child sentry, keeper;
	uint32_t last_id;
	struct reload reload;
	struct hook_runner *hooks;
	struct hook_stats hooks_told;
	bool hooks_ever_told;
	uint64_t bad_messages;
	int64_t complained_ms;
	struct wire_message message;
};

/* Logs an error, with strerror(error) behind it unless that is 0.  Always -1. */
int supervisor_fail(struct supervisor *supervisor, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Points standard input, output and error at /dev/null.  0 or -errno. */
MUST_CHECK int background_leave_terminal(void);

struct child_limits {
	const char *name;
	uint64_t memory; /* bytes of address space; 0: no limit */
	unsigned descriptors;
};
/* In a child: leaves the session, the terminal, the environment and everything else of the supervisor's but the
 * descriptors that it keeps (-1: none).  0, or -errno, and then it must end. */
MUST_CHECK int supervisor_become(struct supervisor *supervisor, const struct child_limits *limits, int *kept,
				 size_t count);
/* Ends everything in order; the first status counts. */
void supervisor_end(struct supervisor *supervisor, int status);
/* The sentry is ready: tells the launcher, the service manager and the log. */
void supervisor_ready(struct supervisor *supervisor);
/* The child moves. */
void supervisor_beat(struct child *child);
/* A reload is under way or hooks were run: within a second they are looked at. */
void supervisor_tick_soon(struct supervisor *supervisor);

/* Accounts, directories, lock, pid file, queue, control socket.  0, or -1 after logging what is wrong. */
MUST_CHECK int supervisor_place_open(struct supervisor *supervisor);
void supervisor_place_close(struct supervisor *supervisor);
/* Keeps a second picketd off our table, or us off its.  0, or -1 after logging what is wrong. */
MUST_CHECK int supervisor_claim_table(struct supervisor *supervisor);

/* The members of the configuration's admin_groups; those found before stay where it takes too long. */
void supervisor_find_admins(struct supervisor *supervisor, const struct config *config, int patience_ms);

/* Forks both.  0, or -1 after logging what is wrong. */
MUST_CHECK int supervisor_children_start(struct supervisor *supervisor);
void supervisor_children_reap(struct supervisor *supervisor);
/* The next step towards the end: the sentry first, then the keeper, which must get the last messages of the sentry. */
void supervisor_children_end(struct supervisor *supervisor);
void supervisor_children_kill(struct supervisor *supervisor);

/* Receives and checks the messages of both.  0 or -errno. */
MUST_CHECK int supervisor_wire_open(struct supervisor *supervisor);
void supervisor_wire_close(struct child *child);
void supervisor_wire_drain(struct supervisor *supervisor, struct child *child);

/* Translations: the kernel's part (the sentry adds where its traps listen), and one hook. */
void supervisor_rules_of(const struct config *config, struct nft_rules *out);
void supervisor_hook_of(const struct config_hook *hook, struct hook_spec *out);
/* Sends the configuration to the sentry.  0 or -errno. */
MUST_CHECK int supervisor_config_send(struct supervisor *supervisor, const struct config *config, uint32_t id);
void supervisor_config_answered(struct supervisor *supervisor, uint32_t id, const struct wire_result *result);
void supervisor_config_tick(struct supervisor *supervisor);
void supervisor_reload(struct supervisor *supervisor, uint32_t asked_by);
void supervisor_allow_save(struct supervisor *supervisor, uint32_t id, const struct wire_order *order);

/* Runs the hooks that want an event; tells the keeper how many ran.  0 or -errno. */
MUST_CHECK int supervisor_hooks_open(struct supervisor *supervisor);
void supervisor_hooks_event(struct supervisor *supervisor, const struct event *event);
void supervisor_hooks_tick(struct supervisor *supervisor);

#endif
