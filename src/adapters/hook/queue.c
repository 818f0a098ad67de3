/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "queue.h"

/* So many slots runs of that urgency may fill: hooks of alerts that hang keep none of a ban's waiting. */
static const uint32_t slots[HOOK_URGENCY_COUNT] = {
	[HOOK_FORGEABLE] = HOOK_RUNNING_MAX / 2,
	[HOOK_OTHER] = HOOK_RUNNING_MAX * 3 / 4,
	[HOOK_BAN] = HOOK_RUNNING_MAX,
};

void job_queue_init(struct job_queue *queue)
{
	for (int i = 0; i < HOOK_URGENCY_COUNT; i++)
		TAILQ_INIT(&queue->lists[i]);
}

void job_queue_put(struct job_queue *queue, struct job *job)
{
	TAILQ_INSERT_TAIL(&queue->lists[job->urgency], job, entry);
	queue->waiting++;
}

static struct job *take_out(struct job_queue *queue, struct job *job)
{
	TAILQ_REMOVE(&queue->lists[job->urgency], job, entry);
	queue->waiting--;
	return job;
}

struct job *job_queue_take(struct job_queue *queue, uint32_t running)
{
	for (int i = HOOK_URGENCY_COUNT - 1; i >= 0; i--) {
		struct job *first = TAILQ_FIRST(&queue->lists[i]);

		if (first && running < slots[i])
			return take_out(queue, first);
	}
	return NULL;
}

struct job *job_queue_above(struct job_queue *queue, uint32_t limit)
{
	for (int i = 0; queue->waiting > limit && i < HOOK_URGENCY_COUNT; i++)
		if (!TAILQ_EMPTY(&queue->lists[i]))
			return take_out(queue, TAILQ_LAST(&queue->lists[i], job_list));
	return NULL;
}
