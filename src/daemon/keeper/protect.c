/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses that the sentry must never block, as far as files tell them: the sentry has no file system, so the
 * keeper reads sessions, resolvers, NTP and DHCP servers again and again and sends what has changed.
 * Owns state_dir/admin-logins, lines of "ADDR EPOCH": the addresses from which admins were logged in within 30 days,
 * at most LOGINS_MAX of them; the oldest gives way.  A file that makes no sense costs its bad lines; one that cannot
 * be written is logged once.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "file.h"
#include "host/logins.h"

#define KEEP_S       (30 * 24 * 3600) /* an admin's address, after the last login was seen */
#define SAVE_EVERY_S 3600             /* how much a time in the file may be behind */
#define LINE_BYTES   (ADDR_TEXT_MAX + 32)

struct login {
	struct addr addr;
	int64_t seen_s;
};

struct address_list {
	size_t count;
	struct addr items[LOGINS_MAX];
};

/* The reason for protection that each kind of finding is to the engine. */
static const enum protect_why why_of[] = {
	[LOGINS_SESSION] = PROTECT_LOGIN,
	[LOGINS_RESOLVER] = PROTECT_RESOLVER,
	[LOGINS_NTP] = PROTECT_NTP,
	[LOGINS_DHCP] = PROTECT_DHCP,
};

#define KIND_COUNT (sizeof(why_of) / sizeof(why_of[0]))

struct protect {
	struct logins_admins admins;
	struct journal *journal;
	char file[PATH_MAX];
	bool complained, denied; /* told */
	int64_t saved_s;
	size_t login_count;
	struct login logins[LOGINS_MAX];
	struct address_list sent[KIND_COUNT];
	bool was_sent[KIND_COUNT];
	struct logins_entry found[LOGINS_MAX]; /* scratch */
	struct address_list list;              /* scratch */
};

static void note_login(struct protect *protect, const struct addr *addr, int64_t seen_s, bool *changed)
{
	struct login *oldest = protect->logins;

	for (size_t i = 0; i < protect->login_count; i++) {
		if (addr_equal(&protect->logins[i].addr, addr)) {
			if (protect->logins[i].seen_s < seen_s)
				protect->logins[i].seen_s = seen_s;
			return;
		}
		if (protect->logins[i].seen_s < oldest->seen_s)
			oldest = &protect->logins[i];
	}
	if (protect->login_count < LOGINS_MAX)
		oldest = &protect->logins[protect->login_count++];
	*oldest = (struct login){ .addr = *addr, .seen_s = seen_s };
	*changed = true;
}

static void load(struct protect *protect)
{
	char text[LINE_BYTES * LOGINS_MAX], address[ADDR_TEXT_MAX], *rest = text, *line;
	ssize_t len = file_read(protect->file, text, sizeof(text));
	bool changed = false;
	struct addr addr;
	long long seen_s;

	if (len < 0 && len != -ENOENT)
		journal_log_errno(protect->journal, LOG_WARNING, (int)len,
				  "cannot read %s: earlier logins are not protected", protect->file);
	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%45s %lld", address, &seen_s) == 2 && addr_parse(address, &addr) && seen_s > 0)
			note_login(protect, &addr, seen_s, &changed);
}

static int write_lines(const struct protect *protect)
{
	char text[LINE_BYTES * LOGINS_MAX], address[ADDR_TEXT_MAX];
	struct writer w = writer_over(text, sizeof(text));

	for (size_t i = 0; i < protect->login_count; i++)
		writer_format(&w, "%s %lld\n", addr_format(&protect->logins[i].addr, address),
			      (long long)protect->logins[i].seen_s);
	return file_replace(AT_FDCWD, protect->file, 0600, NULL, text, w.len);
}

static void save(struct protect *protect, int64_t now_s)
{
	int result = write_lines(protect);

	/* After a failure, too: a full disk is tried again in an hour, not in 10 s. */
	protect->saved_s = now_s;
	if (result < 0 && !protect->complained)
		journal_log_errno(protect->journal, LOG_WARNING, -result,
				  "cannot write %s: logins will be forgotten by a restart", protect->file);
	protect->complained = result < 0;
}

static void drop_old(struct protect *protect, int64_t now_s, bool *changed)
{
	size_t kept = 0;

	for (size_t i = 0; i < protect->login_count; i++) {
		struct login *login = &protect->logins[i];

		/* A time ahead comes from a clock that was, or is, wrong: it would be kept for ever. */
		if (login->seen_s > now_s)
			login->seen_s = now_s;
		if (now_s - login->seen_s < KEEP_S)
			protect->logins[kept++] = *login;
	}
	*changed |= kept != protect->login_count;
	protect->login_count = kept;
}

void protect_clock_set(struct protect *protect, int64_t by_s)
{
	for (size_t i = 0; i < protect->login_count; i++)
		protect->logins[i].seen_s += by_s;
	if (by_s != 0)
		protect->saved_s = 0; /* the file is behind by that much */
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
		for (size_t i = 0; i < protect->login_count; i++)
			list->items[list->count++] = protect->logins[i].addr;
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
	const char *denied;
	size_t found = logins_read(&protect->admins, protect->found, LOGINS_MAX, &denied);
	bool changed = false;

	if (denied && !protect->denied)
		journal_log(
			protect->journal, LOG_INFO,
			"%s may not be read, what it names is not protected; if it came or was replaced since picket "
			"started, a restart mends that",
			denied);
	protect->denied = denied != NULL;

	drop_old(protect, now_s, &changed);
	for (size_t i = 0; i < found; i++)
		if (protect->found[i].kind == LOGINS_SESSION)
			note_login(protect, &protect->found[i].addr, now_s, &changed);
	if (changed || (protect->login_count > 0 && now_s - protect->saved_s >= SAVE_EVERY_S))
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

struct protect *protect_new(const char *state_dir, const struct logins_admins *admins, struct journal *journal)
{
	struct protect *protect = calloc(1, sizeof(*protect));

	if (!protect)
		return NULL;
	protect->journal = journal;
	protect->admins = *admins;
	if (snprintf(protect->file, sizeof(protect->file), "%s/admin-logins", state_dir) >=
	    (int)sizeof(protect->file)) {
		free(protect);
		return NULL;
	}
	load(protect);
	return protect;
}

bool protect_set_admins(struct protect *protect, const struct logins_admins *admins)
{
	if (admins->count > LOGINS_ADMINS_MAX)
		return false;
	for (size_t i = 0; i < admins->count; i++)
		if (!memchr(admins->items[i].name, '\0', sizeof(admins->items[i].name)))
			return false;
	protect->admins = *admins;
	return true;
}

void protect_free(struct protect *protect)
{
	free(protect);
}
