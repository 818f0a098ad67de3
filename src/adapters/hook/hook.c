/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs hooks.  A hook that hangs, fails, forks or floods its output costs the daemon a slot and a log line, no more:
 * slots, queue, time, output and the bytes drained behind it are all bounded, and nothing here waits.
 */
#include "hook.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "duration.h"
#include "process.h"
#include "queue.h"
#include "writer.h"

/* So many bytes are read in all; then the pipe is closed, and a process that writes on gets SIGPIPE. */
#define DRAIN_MAX   (1024 * 1024)
#define DRAIN_CHUNK 16384

struct slot {
	struct hook_runner *runner;
	struct job *job; /* NULL: free */
	pid_t pid;
	int fd;
	bool timed_out;
	struct event *output, *timer;
	size_t kept, drained;
	char kept_text[HOOK_OUTPUT_MAX];
};

struct hook_runner {
	struct event_base *base;
	hook_report_fn *report;
	void *context;
	struct hook_stats stats;
	struct job_queue queue;
	struct slot slots[HOOK_RUNNING_MAX];
};

struct hook_runner *hook_runner_new(struct event_base *base, hook_report_fn *report, void *context)
{
	struct hook_runner *runner = calloc(1, sizeof(*runner));

	if (!runner)
		return NULL;
	runner->base = base;
	runner->report = report;
	runner->context = context;
	job_queue_init(&runner->queue);
	for (size_t i = 0; i < HOOK_RUNNING_MAX; i++)
		runner->slots[i].runner = runner;
	return runner;
}

static void slot_clear(struct slot *slot)
{
	if (slot->output)
		event_free(slot->output);
	if (slot->timer)
		event_free(slot->timer);
	if (slot->job) {
		close(slot->fd);
		slot->runner->stats.running--;
	}
	free(slot->job);
	*slot = (struct slot){ .runner = slot->runner };
}

void hook_runner_free(struct hook_runner *runner)
{
	struct job *job;

	if (!runner)
		return;
	for (size_t i = 0; i < HOOK_RUNNING_MAX; i++)
		if (runner->slots[i].job) {
			kill(runner->slots[i].pid, SIGTERM);
			slot_clear(&runner->slots[i]);
		}
	while ((job = job_queue_take(&runner->queue, 0)) != NULL)
		free(job);
	free(runner);
}

static struct job *job_make(const struct hook_spec *spec, const struct hook_values *values)
{
	const size_t size = HOOK_ARG_MAX + sizeof(struct hook_values);
	struct job *job = malloc(sizeof(*job) + spec->arg_count * size);

	if (!job)
		return NULL;
	memset(job, 0, sizeof(*job));
	memcpy(job->name, spec->name, sizeof(job->name));
	job->uid = spec->uid;
	job->gid = spec->gid;
	job->timeout_ms = spec->timeout_ms;
	job->worth = spec->worth;
	for (size_t i = 0; i < spec->arg_count; i++) {
		job->argv[i] = job->text + i * size;
		/* An argument that names a value many times may be cut; it stays one argument. */
		hook_argument_fill(spec->args[i], values, job->argv[i], size);
	}
	hook_environment(values, job->env_text, job->envp);
	return job;
}

static void tell(struct hook_runner *runner, const char *name, const char *problem, const struct slot *slot)
{
	char line[256] = "";
	struct hook_report report = { .name = name, .problem = problem, .output = line };

	if (slot) {
		size_t len = 0;
		while (len < slot->kept && slot->kept_text[len] != '\n' && slot->kept_text[len] != '\0')
			len++;
		struct writer w = writer_over(line, sizeof(line));
		writer_escaped(&w, slot->kept_text, len);
	}
	runner->report(runner->context, &report);
}

/* Takes what is there; false when no process writes any more, or too much was written. */
static bool take_output(struct slot *slot)
{
	char chunk[DRAIN_CHUNK];
	ssize_t got;

	do
		got = read(slot->fd, chunk, sizeof(chunk));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	size_t left = sizeof(slot->kept_text) - slot->kept, keep = (size_t)got < left ? (size_t)got : left;
	memcpy(slot->kept_text + slot->kept, chunk, keep);
	slot->kept += keep;
	slot->drained += (size_t)got;
	return slot->drained < DRAIN_MAX;
}

static void on_output(evutil_socket_t fd, short what, void *context)
{
	struct slot *slot = context;

	(void)what;
	if (take_output(slot))
		return;
	event_free(slot->output);
	slot->output = NULL;
	if (slot->drained >= DRAIN_MAX) {
		/* The descriptor's number stays ours until the slot is cleared, but the pipe is closed. */
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (null >= 0) {
			dup3(null, fd, O_CLOEXEC);
			close(null);
		}
	}
}

/* The report follows when the watcher has ended the hook.  One that does not is ended itself. */
static void on_timeout(evutil_socket_t fd, short what, void *context)
{
	const struct timeval patience = { HOOK_CLEAN_S + 1, 0 };
	struct slot *slot = context;

	(void)fd;
	(void)what;
	kill(slot->pid, slot->timed_out ? SIGKILL : SIGTERM);
	if (!slot->timed_out)
		evtimer_add(slot->timer, &patience);
	slot->timed_out = true;
}

static int slot_start(struct slot *slot, struct job *job)
{
	struct hook_runner *runner = slot->runner;
	struct timeval limit_tv = { job->timeout_ms / 1000, (job->timeout_ms % 1000) * 1000 };
	int fds[2], error;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	slot->output = event_new(runner->base, fds[0], EV_READ | EV_PERSIST, on_output, slot);
	slot->timer = evtimer_new(runner->base, on_timeout, slot);
	if (!slot->output || !slot->timer || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ||
	    event_add(slot->output, NULL) < 0 || evtimer_add(slot->timer, &limit_tv) < 0) {
		error = ENOMEM;
	} else {
		slot->pid = hook_start(job, fds[1]);
		error = slot->pid < 0 ? -slot->pid : 0;
	}
	close(fds[1]);
	if (error) {
		close(fds[0]);
		slot_clear(slot);
		return -error;
	}
	slot->fd = fds[0];
	slot->job = job;
	runner->stats.started++;
	runner->stats.running++;
	return 0;
}

/* The slot of a process; of pid 0 a free one. */
static struct slot *find_slot(struct hook_runner *runner, pid_t pid)
{
	for (size_t i = 0; i < HOOK_RUNNING_MAX; i++) {
		struct slot *slot = &runner->slots[i];
		if (pid ? slot->job && slot->pid == pid : !slot->job)
			return slot;
	}
	return NULL;
}

/* Starts what waits, as far as there are slots. */
static void start_waiting(struct hook_runner *runner)
{
	struct slot *slot;
	struct job *job;

	while ((slot = find_slot(runner, 0)) != NULL &&
	       (job = job_queue_take(&runner->queue, runner->stats.running)) != NULL) {
		int result = slot_start(slot, job);

		if (result < 0) {
			char problem[96];
			struct writer w = writer_over(problem, sizeof(problem));

			writer_format(&w, "cannot start: %s", strerror(-result));
			runner->stats.failed++;
			tell(runner, job->name, problem, NULL);
			free(job);
		}
	}
	runner->stats.waiting = runner->queue.waiting;
}

static void turn_away(struct hook_runner *runner, const char *name, const char *why)
{
	runner->stats.dropped++;
	tell(runner, name, why, NULL);
}

int hook_run(struct hook_runner *runner, const struct hook_spec *spec, const struct hook_values *values)
{
	struct job *job = job_make(spec, values), *dropped;
	char why[64];
	struct writer w = writer_over(why, sizeof(why));
	bool this_one;

	if (!job) {
		turn_away(runner, spec->name, "turned away: out of memory");
		return -ENOBUFS;
	}
	job_queue_put(&runner->queue, job);
	start_waiting(runner);
	dropped = job_queue_above(&runner->queue, HOOK_WAITING_MAX);
	if (!dropped)
		return 0;
	runner->stats.waiting = runner->queue.waiting;
	writer_format(&w, "turned away: %d waiting", HOOK_WAITING_MAX);
	turn_away(runner, dropped->name, why);
	this_one = dropped == job;
	free(dropped);
	return this_one ? -ENOBUFS : 0;
}

int hook_reap(struct hook_runner *runner, pid_t pid, int status)
{
	struct slot *slot = pid > 0 ? find_slot(runner, pid) : NULL;
	char problem[80] = "", duration[DURATION_TEXT_MAX];
	struct writer w = writer_over(problem, sizeof(problem));

	if (!slot)
		return 0;
	for (int i = 0; slot->output && i < 4 && take_output(slot); i++)
		;
	if (slot->timed_out) {
		runner->stats.timed_out++;
		writer_format(&w, "timed out after %s", duration_format(slot->job->timeout_ms, duration));
	} else if (WIFSIGNALED(status)) {
		runner->stats.failed++;
		writer_format(&w, "killed by signal %d", WTERMSIG(status));
	} else if (WEXITSTATUS(status) != 0) {
		runner->stats.failed++;
		writer_format(&w, "exit status %d", WEXITSTATUS(status));
	} else {
		runner->stats.succeeded++;
	}
	if (problem[0])
		tell(runner, slot->job->name, problem, slot);
	slot_clear(slot);
	start_waiting(runner);
	return 1;
}

void hook_read_stats(const struct hook_runner *runner, struct hook_stats *out)
{
	*out = runner->stats;
}
