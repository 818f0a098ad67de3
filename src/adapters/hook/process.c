/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hook may start others and leave them behind, in sessions of their own.  Who loses its parent gets the nearest
 * subreaper for one: each hook has a watcher of its own that is one.  So what a hook leaves behind becomes the
 * watcher's child, whatever it does, and is killed when the hook has ended; what other hooks started meanwhile is not
 * touched.
 * Limit: what forks faster than it can be killed is given up after HOOK_CLEAN_S.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"
#include "trusted.h"
#include "writer.h"

#define CHILDREN_FILE "/proc/thread-self/children"
#define CHILDREN_TEXT 4096 /* as many as it names are killed in a round */

static void limit(int resource, rlim_t most)
{
	const struct rlimit both = { most, most };

	setrlimit((__rlimit_resource_t)resource, &both);
}

static void reset_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };

	for (int signal = 1; signal < 32; signal++)
		sigaction(signal, &standard, NULL);
}

/* In the child.  What can be written by others than its admin at this very run is not started. */
static void check_program(const char *program, const char *prefix)
{
	char text[PATH_MAX + 64];
	struct writer why = writer_over(text, sizeof(text));
	int result;

	writer_text(&why, prefix);
	result = path_is_trusted(program, &why);
	if (result == 0)
		return;
	/* Also what cannot be looked at: it may be there a moment later, and whose is it then? */
	if (result != -EPERM && strerrordesc_np(-result))
		writer_text(&why, strerrordesc_np(-result));
	_exit(write(2, text, why.len) < 0 ? 126 : 127);
}

/* In the child.  Whatever fails ends it: a hook never runs with more rights than it should. */
static void __attribute__((noreturn)) become_hook(const struct job *job, int output)
{
	static const char prefix[] = "cannot start: ";
	const char *problem;
	sigset_t none;
	int null;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	null = open("/dev/null", O_RDONLY);
	if (null < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 || dup2(null, 0) < 0 ||
	    descriptors_close(3, DESCRIPTORS_LAST) < 0)
		_exit(126);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, 256);
	limit(RLIMIT_FSIZE, 64 * 1024 * 1024);
	limit(RLIMIT_CPU, (rlim_t)(job->timeout_ms / 1000 + 1));
	umask(022);
	check_program(job->argv[0], prefix);
	if (chdir("/") == 0 && setgroups(0, NULL) == 0 && setresgid(job->gid, job->gid, job->gid) == 0 &&
	    setresuid(job->uid, job->uid, job->uid) == 0)
		execve(job->argv[0], job->argv, job->envp);
	problem = strerror(errno);
	if (write(2, prefix, sizeof(prefix) - 1) > 0 && write(2, problem, strlen(problem)) < 0)
		_exit(126);
	_exit(127);
}

/* ---- the watcher ---- */

/* The hook's own group, and whoever is our child now.  When they die, what they started becomes our child, and SIGCHLD
 * calls for the next round. */
static void kill_all(pid_t hook)
{
	char text[CHILDREN_TEXT + 1], *at = text, *end;
	int fd = open(CHILDREN_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, CHILDREN_TEXT);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	if (hook > 0)
		kill(-hook, SIGKILL);
	/* A number that is cut off at the end of the text has no blank behind it. */
	for (long pid = strtol(at, &end, 10); end != at && *end == ' '; at = end, pid = strtol(at, &end, 10))
		kill((pid_t)pid, SIGKILL);
}

/* Collects who has ended.  False: no child is left.  *hook becomes 0 when it was among them. */
static bool collect(pid_t *hook, int *status)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			return false;
		if (info.si_pid == 0)
			return true;
		if (info.si_pid == *hook) {
			/* While it is not collected, its number is nobody else's. */
			kill(-*hook, SIGKILL);
			*hook = 0;
			waitpid(info.si_pid, status, 0);
		} else {
			waitpid(info.si_pid, NULL, 0);
		}
	}
}

/* As the hook did. */
static void __attribute__((noreturn)) end_like(int status)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (WIFSIGNALED(status))
		raise(WTERMSIG(status));
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 126);
}

static void __attribute__((noreturn)) watch(pid_t hook, const sigset_t *signals)
{
	const struct timespec second = { .tv_sec = 1 };
	int64_t give_up_s = 0;
	int status = SIGKILL; /* of a hook that is still running when we give up */
	int number = 0;

	while (collect(&hook, &status)) {
		int64_t now_s = clock_s(CLOCK_MONOTONIC);

		if (!give_up_s && (hook == 0 || number == SIGTERM))
			give_up_s = now_s + HOOK_CLEAN_S;
		if (give_up_s)
			kill_all(hook);
		if (give_up_s && now_s >= give_up_s)
			break;
		number = sigtimedwait(signals, NULL, &second);
	}
	end_like(status);
}

static void __attribute__((noreturn)) become_watcher(const struct job *job, int output, pid_t parent)
{
	sigset_t signals;
	pid_t hook;

	reset_signals();
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	limit(RLIMIT_CORE, 0);
	if (setsid() < 0 || prctl(PR_SET_NAME, "picket-hook", 0, 0, 0) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0 ||
	    getppid() != parent)
		_exit(126);
	hook = fork();
	if (hook == 0)
		become_hook(job, output);
	if (hook < 0 || descriptors_close(0, DESCRIPTORS_LAST) < 0)
		_exit(126);
	watch(hook, &signals);
}

pid_t hook_start(const struct job *job, int output)
{
	pid_t parent = getpid(), watcher = fork();

	if (watcher == 0)
		become_watcher(job, output, parent);
	return watcher < 0 ? -errno : watcher;
}
