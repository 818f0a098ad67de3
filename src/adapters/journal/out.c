/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways out: stderr, the socket of systemd's journal (its "Native Journal Protocol": lines of NAME=value), or
 * /dev/log (RFC 3164).  Nothing here waits.  sd_journal_sendv(3) and syslog(3) both do, once the reader's queue is
 * full (net.unix.max_dgram_qlen, 10 on older kernels): a stopped journald would stop the guard.  So the socket is our
 * own and does not block; it is made once and names its reader at each line, since the sandbox allows no new one and
 * the reader may be restarted.
 *
 * What the reader does not take waits, a list a class, each with its limit: whatever the flood was made of, a ban's
 * line waits behind other bans alone.
 */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "journal.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SYSLOG_SOCKET  "/dev/log"

static const unsigned limits[EVENT_WORTH_COUNT] = {
	[EVENT_WORTH_FORGEABLE] = JOURNAL_WAITING_FORGEABLE,
	[EVENT_WORTH_OTHER] = JOURNAL_WAITING_OTHER,
	[EVENT_WORTH_BAN] = JOURNAL_WAITING_BANS,
};

/* systemd names the stream in JOURNAL_STREAM: lines then go to the journal itself, with their fields. */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat info;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &info) == 0 &&
	       info.st_dev == device && info.st_ino == inode;
}

static bool answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool connected = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

	if (fd >= 0)
		close(fd);
	return connected;
}

void out_open(struct out *out, bool to_stderr, int stderr_fd)
{
	*out = (struct out){ .kind = OUT_STDERR, .fd = stderr_fd };
	for (int worth = 0; worth < EVENT_WORTH_COUNT; worth++)
		STAILQ_INIT(&out->lists[worth]);
	if (to_stderr && !is_journal(stderr_fd))
		return;
	out->address = (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
	out->kind = OUT_JOURNAL;
	if (!answers(&out->address)) {
		out->address = (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = SYSLOG_SOCKET };
		out->kind = OUT_SYSLOG;
	}
	out->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void out_close(struct out *out)
{
	out_flush(out);
	for (int worth = 0; worth < EVENT_WORTH_COUNT; worth++)
		while (!STAILQ_EMPTY(&out->lists[worth])) {
			struct waiting *first = STAILQ_FIRST(&out->lists[worth]);

			STAILQ_REMOVE_HEAD(&out->lists[worth], entry);
			free(first);
		}
	if (out->kind != OUT_STDERR && out->fd >= 0)
		close(out->fd);
}

bool out_has_fields(const struct out *out)
{
	return out->kind == OUT_JOURNAL;
}

static void encode_syslog(const char *name, int priority, const char *line, struct writer *w)
{
	/* RFC 3164 wants English names of the months, whatever the locale. */
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = time(NULL);
	struct tm tm = { .tm_mday = 1 };

	localtime_r(&now, &tm);
	writer_format(w, "<%d>%s %2d %02d:%02d:%02d %s[%d]: %s", LOG_MAKEPRI(LOG_DAEMON, priority),
		      months[tm.tm_mon % 12], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, name, (int)getpid(), line);
}

void out_encode(const struct out *out, const char *name, int priority, const char *line, const char *fields,
		struct writer *w)
{
	switch (out->kind) {
	case OUT_STDERR: writer_format(w, "%s: %s\n", name, line); break;
	case OUT_SYSLOG: encode_syslog(name, priority, line, w); break;
	case OUT_JOURNAL:
		writer_format(w, "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%s\n%sMESSAGE=%s\n", priority,
			      LOG_DAEMON >> 3, name, fields, line);
		break;
	}
}

/* A pipe is said to be writable when PIPE_BUF bytes fit, more than a line; then a write does not wait. */
static bool takes_a_line(int fd)
{
	struct pollfd out = { .fd = fd, .events = POLLOUT };

	return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT);
}

/* 1: taken.  0: not now.  -1: never. */
static int send_line(const struct out *out, const char *bytes, size_t len)
{
	ssize_t sent;

	if (out->kind == OUT_STDERR) {
		if (!takes_a_line(out->fd))
			return 0;
		/* One write for each line, since three processes share the terminal. */
		sent = write(out->fd, bytes, len);
	} else {
		sent = sendto(out->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&out->address,
			      sizeof(out->address));
	}
	if (sent >= 0)
		return 1;
	/* The reader is full, or away: ECONNREFUSED, ENOENT. */
	return errno == EMSGSIZE || errno == EBADF || errno == EPIPE ? -1 : 0;
}

static bool keep(struct out *out, enum event_worth worth, const char *bytes, size_t len)
{
	struct waiting *line = out->counts[worth] < limits[worth] ? malloc(sizeof(*line) + len) : NULL;

	if (!line)
		return false;
	line->len = len;
	memcpy(line->bytes, bytes, len);
	STAILQ_INSERT_TAIL(&out->lists[worth], line, entry);
	out->counts[worth]++;
	return true;
}

bool out_put(struct out *out, enum event_worth worth, const char *bytes, size_t len)
{
	int sent;

	out_flush(out);
	if (out_waiting(out) > 0)
		return keep(out, worth, bytes, len);
	sent = send_line(out, bytes, len);
	return sent > 0 || (sent == 0 && keep(out, worth, bytes, len));
}

void out_flush(struct out *out)
{
	for (int worth = EVENT_WORTH_COUNT - 1; worth >= 0; worth--)
		while (!STAILQ_EMPTY(&out->lists[worth])) {
			struct waiting *first = STAILQ_FIRST(&out->lists[worth]);

			if (send_line(out, first->bytes, first->len) == 0)
				return;
			STAILQ_REMOVE_HEAD(&out->lists[worth], entry);
			out->counts[worth]--;
			free(first);
		}
}

unsigned out_waiting(const struct out *out)
{
	unsigned sum = 0;

	for (int worth = 0; worth < EVENT_WORTH_COUNT; worth++)
		sum += out->counts[worth];
	return sum;
}
