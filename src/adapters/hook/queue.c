/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "queue.h"

/* So many slots runs of that urgency may fill: hooks of alerts that hang keep none of a ban's waiting. */
static const uint32_t slots[EVENT_WORTH_COUNT] = {
	[EVENT_WORTH_FORGEABLE] = HOOK_RUNNING_MAX / 2,
	[EVENT_WORTH_OTHER] = HOOK_RUNNING_MAX * 3 / 4,
	[EVENT_WORTH_BAN] = HOOK_RUNNING_MAX,
};

void job_queue_init(struct job_queue *queue)
{
	for (int i = 0; i < EVENT_WORTH_COUNT; i++)
		TAILQ_INIT(&queue->lists[i]);
}

void job_queue_put(struct job_queue *queue, struct job *job)
{
	TAILQ_INSERT_TAIL(&queue->lists[job->worth], job, entry);
	queue->waiting++;
}

static struct job *take_out(struct job_queue *queue, struct job *job)
{
	TAILQ_REMOVE(&queue->lists[job->worth], job, entry);
	queue->waiting--;
	return job;
}

struct job *job_queue_take(struct job_queue *queue, uint32_t running)
{
	for (int i = EVENT_WORTH_COUNT - 1; i >= 0; i--) {
		struct job *first = TAILQ_FIRST(&queue->lists[i]);

		if (first && running < slots[i])
			return take_out(queue, first);
	}
	return NULL;
}

struct job *job_queue_above(struct job_queue *queue, uint32_t limit)
{
	for (int i = 0; queue->waiting > limit && i < EVENT_WORTH_COUNT; i++)
		if (!TAILQ_EMPTY(&queue->lists[i]))
			return take_out(queue, TAILQ_LAST(&queue->lists[i], job_list));
	return NULL;
}
