/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions, resolvers, NTP and DHCP servers, read again and again, and sent to the sentry when they have changed.
 * Owns state_dir/logins, lines of "ADDR EPOCH": from where admins were logged in within 30 days, at most LOGINS_MAX of
 * them, the oldest giving way.  A file that makes no sense costs its bad lines, and one that can't be written is told
 * once.
 */
#include "protect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <picket/engine.h>
#include "journal/journal.h"
#include "host/logins.h"
#include "wire/wire.h"

#define SAVE_EVERY_S 3600 /* how stale a remembered time may be in the file */

struct remembered {
	struct addr addr;
	int64_t seen_s;
};

struct address_list {
	size_t count;
	struct addr items[LOGINS_MAX];
};

/* What each kind of finding is to the engine. */
static const enum protect_why why_of[] = {
	[LOGINS_SESSION] = PROTECT_LOGIN,
	[LOGINS_RESOLVER] = PROTECT_RESOLVER,
	[LOGINS_NTP] = PROTECT_NTP,
	[LOGINS_DHCP] = PROTECT_DHCP,
};

#define KIND_COUNT (sizeof(why_of) / sizeof(why_of[0]))

struct protect {
	struct journal *journal;
	char file[PATH_MAX], temporary[PATH_MAX];
	bool complained;
	int64_t saved_s;
	size_t remembered_count;
	struct remembered remembered[LOGINS_MAX];
	struct address_list sent[KIND_COUNT];
	bool was_sent[KIND_COUNT];
	struct logins_entry found[LOGINS_MAX]; /* scratch */
	struct address_list list;              /* scratch */
};

static void remember(struct protect *protect, const struct addr *addr, int64_t seen_s, bool *changed)
{
	struct remembered *oldest = protect->remembered;

	for (size_t i = 0; i < protect->remembered_count; i++) {
		if (addr_equal(&protect->remembered[i].addr, addr)) {
			if (protect->remembered[i].seen_s < seen_s)
				protect->remembered[i].seen_s = seen_s;
			return;
		}
		if (protect->remembered[i].seen_s < oldest->seen_s)
			oldest = &protect->remembered[i];
	}
	if (protect->remembered_count < LOGINS_MAX)
		oldest = &protect->remembered[protect->remembered_count++];
	*oldest = (struct remembered){ .addr = *addr, .seen_s = seen_s };
	*changed = true;
}

static void load(struct protect *protect)
{
	FILE *file = fopen(protect->file, "re");
	char line[ADDR_TEXT_MAX + 32], text[ADDR_TEXT_MAX];
	struct addr addr;
	long long seen_s;
	bool changed = false;

	if (!file) {
		if (errno != ENOENT)
			journal_log_errno(protect->journal, LOG_WARNING, errno,
					  "cannot read %s: earlier logins are not protected", protect->file);
		return;
	}
	for (size_t lines = 0; lines < LOGINS_MAX && fgets(line, sizeof(line), file); lines++)
		if (sscanf(line, "%45s %lld", text, &seen_s) == 2 && addr_parse(text, &addr) && seen_s > 0)
			remember(protect, &addr, seen_s, &changed);
	fclose(file);
}

static int write_lines(const struct protect *protect)
{
	int fd = open(protect->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	char text[ADDR_TEXT_MAX];
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	int error = 0;

	if (!file) {
		error = errno;
		if (fd >= 0)
			close(fd);
		return -error;
	}
	for (size_t i = 0; i < protect->remembered_count; i++)
		fprintf(file, "%s %lld\n", addr_format(&protect->remembered[i].addr, text),
			(long long)protect->remembered[i].seen_s);
	if (fflush(file) != 0 || fsync(fd) < 0)
		error = errno;
	if (fclose(file) != 0 && error == 0)
		error = errno;
	if (error == 0 && rename(protect->temporary, protect->file) < 0)
		error = errno;
	if (error)
		unlink(protect->temporary);
	return -error;
}

static void save(struct protect *protect, int64_t now_s)
{
	int result = write_lines(protect);

	/* Also after a failure: a full disk is tried again in an hour, not in 10 s. */
	protect->saved_s = now_s;
	if (result < 0 && !protect->complained)
		journal_log_errno(protect->journal, LOG_WARNING, -result,
				  "cannot write %s: logins will be forgotten by a restart", protect->file);
	protect->complained = result < 0;
}

static void forget_old(struct protect *protect, int64_t now_s, bool *changed)
{
	size_t kept = 0;

	for (size_t i = 0; i < protect->remembered_count; i++)
		/* A time far ahead is a clock that was wrong: it would be remembered for ever. */
		if (now_s - protect->remembered[i].seen_s < PROTECT_REMEMBER_S &&
		    protect->remembered[i].seen_s <= now_s + 86400)
			protect->remembered[kept++] = protect->remembered[i];
	*changed |= kept != protect->remembered_count;
	protect->remembered_count = kept;
}

static int send_list(int fd, enum protect_why why, const struct address_list *list)
{
	struct wire_protect body;
	size_t done = 0;

	do {
		size_t count = list->count - done < WIRE_PROTECT_BATCH ? list->count - done : WIRE_PROTECT_BATCH;
		int result;

		memset(&body, 0, sizeof(body));
		body.why = why;
		body.first = done == 0;
		body.more = done + count < list->count;
		body.count = (uint32_t)count;
		memcpy(body.items, list->items + done, count * sizeof(body.items[0]));
		result = wire_send(fd, WIRE_PROTECT, 0, &body);
		if (result < 0)
			return result;
		done += count;
	} while (done < list->count);
	return 0;
}

static void gather(struct protect *protect, size_t kind, size_t found_count)
{
	struct address_list *list = &protect->list;

	list->count = 0;
	if (kind == LOGINS_SESSION) {
		for (size_t i = 0; i < protect->remembered_count; i++)
			list->items[list->count++] = protect->remembered[i].addr;
		return;
	}
	for (size_t i = 0; i < found_count; i++)
		if (protect->found[i].kind == kind)
			list->items[list->count++] = protect->found[i].addr;
}

static bool same(const struct address_list *a, const struct address_list *b)
{
	return a->count == b->count && memcmp(a->items, b->items, a->count * sizeof(a->items[0])) == 0;
}

void protect_refresh(struct protect *protect, int sentry_fd, int64_t now_s, bool everything)
{
	size_t found = logins_read(protect->found, LOGINS_MAX);
	bool changed = false;

	forget_old(protect, now_s, &changed);
	for (size_t i = 0; i < found; i++)
		if (protect->found[i].kind == LOGINS_SESSION)
			remember(protect, &protect->found[i].addr, now_s, &changed);
	if (changed || (protect->remembered_count > 0 && now_s - protect->saved_s >= SAVE_EVERY_S))
		save(protect, now_s);
	for (size_t kind = 0; kind < KIND_COUNT; kind++) {
		gather(protect, kind, found);
		if (!everything && protect->was_sent[kind] && same(&protect->list, &protect->sent[kind]))
			continue;
		/* What could not be sent counts as unsent and is tried again. */
		protect->was_sent[kind] = send_list(sentry_fd, why_of[kind], &protect->list) == 0;
		protect->sent[kind] = protect->list;
	}
}

struct protect *protect_new(const char *state_dir, struct journal *journal)
{
	struct protect *protect = calloc(1, sizeof(*protect));

	if (!protect)
		return NULL;
	protect->journal = journal;
	if (snprintf(protect->file, sizeof(protect->file), "%s/logins", state_dir) >= (int)sizeof(protect->file) ||
	    snprintf(protect->temporary, sizeof(protect->temporary), "%s/logins.new", state_dir) >=
		    (int)sizeof(protect->temporary)) {
		free(protect);
		return NULL;
	}
	load(protect);
	return protect;
}

void protect_free(struct protect *protect)
{
	free(protect);
}
