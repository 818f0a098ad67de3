/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over picketctl, whose daemon is a false one: the first byte names a command line, the rest is what answers
 * it.  Whatever comes, picketctl ends with one of its exit statuses and prints nothing that could drive a terminal.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "ctl.h"
#include "fuzz.h"

#define WORDS_MAX 8

static const char *const commands[][WORDS_MAX] = {
	{ "picketctl", "list" },
	{ "picketctl", "-j", "list" },
	{ "picketctl", "status" },
	{ "picketctl", "status", "--all" },
	{ "picketctl", "sources" },
	{ "picketctl", "explain", "198.51.100.7" },
	{ "picketctl", "history" },
	{ "picketctl", "events", "--follow" },
	{ "picketctl", "-j", "events" },
	{ "picketctl", "allow", "list" },
	{ "picketctl", "allow", "check", "192.0.2.1" },
	{ "picketctl", "allow", "add", "192.0.2.1", "--for", "1h" },
	{ "picketctl", "allow", "del", "192.0.2.1", "--save" },
	{ "picketctl", "block", "192.0.2.1", "192.0.2.2", "--reason", "x" },
	{ "picketctl", "unblock", "--all" },
	{ "picketctl", "mode", "observe" },
	{ "picketctl", "pause", "--for", "5m" },
	{ "picketctl", "resume" },
	{ "picketctl", "reload" },
	{ "picketctl", "metrics" },
	{ "picketctl", "version" },
	{ "picketctl", "-j", "status" },
	{ "picketctl", "-j", "allow", "list" },
};

/* The daemon's end of the conversation, and ours until picketctl takes it. */
static int ends[2] = { -1, -1 };

int socket(int domain, int type, int protocol)
{
	int own = ends[0];

	(void)type, (void)protocol;
	require(domain == AF_UNIX);
	ends[0] = -1;
	if (own < 0)
		errno = EMFILE;
	return own;
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	(void)fd, (void)address, (void)len;
	return 0;
}

static void look_at_output(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		require(text[i] == '\n' || (text[i] >= 0x20 && text[i] <= 0x7e));
}

static enum ctl_exit run(unsigned which)
{
	char text[WORDS_MAX][32], *words[WORDS_MAX + 1] = { NULL };
	int count = 0;

	for (; count < WORDS_MAX && commands[which][count]; count++) {
		snprintf(text[count], sizeof(text[count]), "%s", commands[which][count]);
		words[count] = text[count];
	}
	return (enum ctl_exit)ctl_main(count, words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *out = stdout, *err = stderr;
	char *said = NULL;
	size_t len = 0;
	enum ctl_exit status;

	if (size == 0)
		return 0;
	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	if (send(ends[1], data + 1, size - 1, MSG_DONTWAIT) < (ssize_t)size - 1 || shutdown(ends[1], SHUT_WR) < 0)
		goto done;
	stdout = stderr = open_memstream(&said, &len);
	require(stdout != NULL);
	status = run(data[0] % (sizeof(commands) / sizeof(commands[0])));
	fclose(stdout);
	stdout = out;
	stderr = err;
	require(status >= CTL_DONE && status <= CTL_NO_DAEMON);
	look_at_output(said, len);
	free(said);
done:
	if (ends[0] >= 0)
		close(ends[0]);
	close(ends[1]);
	return 0;
}
