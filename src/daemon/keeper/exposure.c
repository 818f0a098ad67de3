/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking at what listens, by sock_diag, which needs no privilege: the socket for it is opened before the keeper gives
 * up opening any.  The file is written whole or not at all; one that cannot be read or written costs the memory of what
 * was accepted, never a look.
 */
#include "exposure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "exposure_book.h"
#include "internal.h"

#define FILE_NAME     "exposure"
#define FILE_NEW      "exposure.new"
#define LISTENERS_MAX 4096
#define RANGE_FILE    "/proc/sys/net/ipv4/ip_local_port_range"

struct exposure {
	struct journal *journal;
	struct listeners *listeners; /* NULL: sock_diag can't be had */
	char dir[PATH_MAX];
	struct exposure_book book;
	struct listener found[LISTENERS_MAX];
	size_t found_count;
	bool loaded, complained;
	int64_t next_ms; /* monotonic */
	unsigned told;   /* in the look under way */
	char text[EXPOSURE_TEXT_MAX];
};

static void read_range(struct exposure_book *book)
{
	FILE *file = fopen(RANGE_FILE, "re");
	unsigned first = 32768, last = 60999;

	if (file) {
		if (fscanf(file, "%u %u", &first, &last) != 2 || first > 65535 || last > 65535)
			first = 32768, last = 60999;
		fclose(file);
	}
	book->ephemeral_first = (uint16_t)first;
	book->ephemeral_last = (uint16_t)last;
}

struct exposure *exposure_open(const char *state_dir, struct journal *journal)
{
	struct exposure *exposure = calloc(1, sizeof(*exposure));
	int result;

	if (!exposure)
		return NULL;
	exposure->journal = journal;
	snprintf(exposure->dir, sizeof(exposure->dir), "%s", state_dir);
	read_range(&exposure->book);
	result = listeners_open(&exposure->listeners);
	if (result < 0)
		journal_log_errno(journal, LOG_WARNING, result,
				  "cannot ask the kernel who listens: exposure is not watched");
	return exposure;
}

void exposure_close(struct exposure *exposure)
{
	if (!exposure)
		return;
	listeners_close(exposure->listeners);
	free(exposure);
}

/* ---- the file ---- */

static int open_in_dir(const struct exposure *exposure, const char *name, int flags)
{
	int dir = open(exposure->dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	if (dir < 0)
		return -errno;
	fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	if (fd < 0)
		fd = -errno;
	close(dir);
	return fd;
}

/* 1 read, 0 there is none, or -errno. */
static int load(struct exposure *exposure, size_t *bad)
{
	int fd = open_in_dir(exposure, FILE_NAME, O_RDONLY), error = 0;
	size_t len = 0;
	ssize_t got = 1;

	*bad = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	while (len < sizeof(exposure->text) && got > 0) {
		got = read(fd, exposure->text + len, sizeof(exposure->text) - len);
		if (got > 0)
			len += (size_t)got;
		else if (got < 0)
			error = errno;
	}
	close(fd);
	if (error)
		return -error;
	*bad = exposure_book_read(&exposure->book, exposure->text, len);
	return 1;
}

static int save(struct exposure *exposure)
{
	struct writer w = writer_over(exposure->text, sizeof(exposure->text));
	int dir = open(exposure->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, error = 0;

	if (dir < 0)
		return -errno;
	exposure_book_write(&exposure->book, &w);
	unlinkat(dir, FILE_NEW, 0);
	fd = openat(dir, FILE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0) {
		error = -errno;
	} else {
		errno = EIO;
		if (write(fd, w.buf, w.len) != (ssize_t)w.len || fsync(fd) < 0)
			error = -errno;
		if (close(fd) < 0 && !error)
			error = -errno;
		if (!error && renameat(dir, FILE_NEW, dir, FILE_NAME) < 0)
			error = -errno;
	}
	close(dir);
	return error;
}

static void complain(struct exposure *exposure, int error, const char *what)
{
	if (!exposure->complained)
		journal_log_errno(exposure->journal, LOG_WARNING, error,
				  "%s " FILE_NAME " in %s: what is accepted will be forgotten at a restart", what,
				  exposure->dir);
	exposure->complained = true;
}

static void load_once(struct exposure *exposure)
{
	size_t bad = 0;
	int result;

	if (exposure->loaded)
		return;
	exposure->loaded = true;
	result = load(exposure, &bad);
	if (result < 0)
		complain(exposure, result, "cannot read");
	else if (bad)
		journal_log(exposure->journal, LOG_WARNING,
			    "%s/" FILE_NAME ": %zu lines made no sense and are left out", exposure->dir, bad);
}

/* ---- looking ---- */

static const char *protocol_of(const struct listener *listener)
{
	return listener->protocol == PROTO_UDP ? "udp" : "tcp";
}

/* "0.0.0.0:22", "[::]:22" */
static const char *place_of(const struct listener *listener, char out[ADDR_TEXT_MAX + 10])
{
	char text[ADDR_TEXT_MAX];

	snprintf(out, ADDR_TEXT_MAX + 10, addr_is_v4(&listener->addr) ? "%s:%u" : "[%s]:%u",
		 addr_format(&listener->addr, text), listener->port);
	return out;
}

/* To the log, to who follows, and to the hooks, which the supervisor runs. */
static void say(struct keeper *keeper, const char *text)
{
	struct event event = { .at_ms = keeper_now_ms(), .type = EVENT_EXPOSURE, .sources = 1 };

	snprintf(event.text, sizeof(event.text), "%s", text);
	keeper_event(keeper, &event);
	wire_send(keeper->start->supervisor_fd, WIRE_EVENT, 0, &event);
}

static void tell_one(void *context, const struct listener *listener)
{
	struct keeper *keeper = context;
	const char *name = service_name(keeper->names, listener->protocol, listener->port);
	char place[ADDR_TEXT_MAX + 10], text[EVENT_TEXT_MAX];

	if (keeper->exposure->told++ >= EXPOSURE_EVENTS)
		return;
	snprintf(text, sizeof(text), "%s %s%s%.32s, uid %u", protocol_of(listener), place_of(listener, place),
		 name ? " " : "", name ? name : "", listener->uid);
	say(keeper, text);
}

static int look(struct keeper *keeper)
{
	struct exposure *exposure = keeper->exposure;
	size_t dropped = 0;
	int count = exposure->listeners ? listeners_dump(exposure->listeners, exposure->found, LISTENERS_MAX, &dropped)
					: -ENOTSUP;

	if (count < 0)
		return count;
	exposure->found_count = (size_t)count;
	exposure->book.dropped += dropped;
	load_once(exposure);
	exposure->told = 0;
	exposure_book_look(&exposure->book, exposure->found, exposure->found_count, tell_one, keeper);
	if (exposure->told > EXPOSURE_EVENTS) {
		char text[EVENT_TEXT_MAX];

		snprintf(text, sizeof(text), "and %u more ports: picketctl exposure lists them",
			 exposure->told - EXPOSURE_EVENTS);
		say(keeper, text);
	}
	return 0;
}

void exposure_tick(struct keeper *keeper)
{
	struct exposure *exposure = keeper->exposure;
	int64_t clock_ms = control_now_ms();
	bool first = !exposure->loaded;
	int error;

	if (!exposure->listeners || clock_ms < exposure->next_ms)
		return;
	exposure->next_ms = clock_ms + EXPOSURE_EVERY_MS;
	if (look(keeper) < 0 || (!first && !exposure->told))
		return;
	error = save(exposure);
	if (error)
		complain(exposure, error, "cannot write");
	else
		exposure->complained = false;
}

/* ---- the command ---- */

static json_t *view_port(const struct exposure *exposure, const struct listener *listener,
			 const struct service_names *names, bool accepts)
{
	const struct exposure_entry *entry = exposure_book_find(&exposure->book, listener);
	const char *name = service_name(names, listener->protocol, listener->port);
	char text[ADDR_TEXT_MAX];

	return json_pack("{s:s, s:s, s:i, s:s?, s:I, s:I, s:b, s:b, s:b}", "protocol", protocol_of(listener), "address",
			 addr_format(&listener->addr, text), "port", (int)listener->port, "service", name, "uid",
			 (json_int_t)listener->uid, "inode", (json_int_t)listener->inode, "new",
			 !entry || !entry->accepted, "accepted", accepts || (entry && entry->accepted), "passing",
			 listener->protocol == PROTO_UDP && listener->port >= exposure->book.ephemeral_first &&
				 listener->port <= exposure->book.ephemeral_last);
}

/* Tells the log and the hooks as well: an order may be the first to see a new port. */
void exposure_start(struct task *task)
{
	struct keeper *keeper = task->keeper;
	struct exposure *exposure = keeper->exposure;
	bool accepts = task->request.accept;
	int error;

	exposure->next_ms = 0;
	exposure_tick(keeper);
	if (!exposure->listeners || !exposure->loaded) {
		task_fail(task, CONTROL_FAILED, "the kernel does not tell who listens (sock_diag)");
		return;
	}
	for (size_t i = 0; i < exposure->found_count; i++)
		if (exposure_is_exposed(&exposure->found[i]) &&
		    !task_line(task, view_port(exposure, &exposure->found[i], keeper->names, accepts)))
			return;
	if (accepts) {
		exposure_book_accept(&exposure->book);
		error = save(exposure);
		if (error) {
			task_fail(task, CONTROL_FAILED, "accepted until picketd ends: cannot write %.160s: %s",
				  exposure->dir, strerror(-error));
			return;
		}
	}
	task_done(task);
}
