/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs that wait for a slot: the urgent first, and when there is no room the least urgent gives way. */
#ifndef PICKET_HOOK_QUEUE_H
#define PICKET_HOOK_QUEUE_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "hook.h"

/* A run, complete before fork(): between fork() and execve() only async-signal-safe functions may be called. */
struct job {
	TAILQ_ENTRY(job) entry;
	enum event_worth worth;
	char name[HOOK_NAME_MAX];
	uid_t uid;
	gid_t gid;
	int64_t timeout_ms;
	char *argv[HOOK_ARGS_MAX + 1];
	char *envp[HOOK_ENV_MAX];
	char env_text[HOOK_ENV_SIZE];
	char text[]; /* what argv points into */
};
TAILQ_HEAD(job_list, job);

struct job_queue {
	struct job_list lists[EVENT_WORTH_COUNT];
	uint32_t waiting;
};

void job_queue_init(struct job_queue *queue);
void job_queue_put(struct job_queue *queue, struct job *job);
/* The next run that may start beside `running` others, taken out; NULL: none. */
struct job *job_queue_take(struct job_queue *queue, uint32_t running);
/* While more than `limit` wait: the newest of the least urgent, taken out; NULL: no more than that. */
struct job *job_queue_above(struct job_queue *queue, uint32_t limit);

#endif
