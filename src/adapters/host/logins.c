/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who must never be cut off, read from the host's own files by one table: which file, which lines, what they name.
 *
 * Addresses alone: a name is never looked up, that can hang on the way to a block.  A mere TCP peer of sshd is in
 * none of these files; only who has authenticated is.
 * Limits: FILE_MAX bytes a file, FILES_MAX files a directory, regular files alone (a FIFO would hang), LINE_MAX_LEN
 * bytes a line; what is longer is passed over.
 */
#include "logins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmpx.h>

#define FILE_MAX     (256 * 1024)
#define FILES_MAX    1024
#define LINE_MAX_LEN 1024

enum line_effect {
	LINE_TAKE,    /* the addresses on it */
	LINE_RESTART, /* what the file said so far is out of date (a later lease follows) */
	LINE_VOID     /* the file names nobody (a session that is closing) */
};

/* A line that begins with the word, after blanks; a blank follows it unless it ends in '='. */
struct line_rule {
	const char *word;
	enum line_effect effect;
	enum logins_kind kind;
};

#define RULES_END                                                                                                      \
	{                                                                                                              \
		NULL, LINE_TAKE, LOGINS_SESSION                                                                        \
	}

static const struct line_rule session_rules[] = {
	{ "REMOTE_HOST=", LINE_TAKE, LOGINS_SESSION },
	{ "STATE=closing", LINE_VOID, LOGINS_SESSION },
	RULES_END,
};
static const struct line_rule resolv_rules[] = {
	{ "nameserver", LINE_TAKE, LOGINS_RESOLVER },
	RULES_END,
};
static const struct line_rule networkd_rules[] = {
	{ "SERVER_ADDRESS=", LINE_TAKE, LOGINS_DHCP },
	{ "ROUTER=", LINE_TAKE, LOGINS_DHCP },
	{ "DNS=", LINE_TAKE, LOGINS_RESOLVER },
	{ "NTP=", LINE_TAKE, LOGINS_NTP },
	RULES_END,
};
static const struct line_rule dhclient_rules[] = {
	{ "lease", LINE_RESTART, LOGINS_DHCP },
	{ "lease6", LINE_RESTART, LOGINS_DHCP },
	{ "option dhcp-server-identifier", LINE_TAKE, LOGINS_DHCP },
	{ "option domain-name-servers", LINE_TAKE, LOGINS_RESOLVER },
	{ "option dhcp6.name-servers", LINE_TAKE, LOGINS_RESOLVER },
	{ "option ntp-servers", LINE_TAKE, LOGINS_NTP },
	{ "option dhcp6.sntp-servers", LINE_TAKE, LOGINS_NTP },
	RULES_END,
};
static const struct line_rule ntp_rules[] = {
	{ "server", LINE_TAKE, LOGINS_NTP },
	{ "pool", LINE_TAKE, LOGINS_NTP },
	{ "peer", LINE_TAKE, LOGINS_NTP },
	RULES_END,
};
static const struct line_rule timesyncd_rules[] = {
	{ "NTP=", LINE_TAKE, LOGINS_NTP },
	{ "FallbackNTP=", LINE_TAKE, LOGINS_NTP },
	RULES_END,
};

static const struct {
	const char *path;
	const char *suffix; /* NULL: a file; else a directory, and its files that end so */
	const struct line_rule *rules;
} sources[] = {
	/* sessions first: when the caller's room is short, they matter most (utmp comes before these) */
	{ "/run/systemd/sessions", "", session_rules },
	{ "/etc/resolv.conf", NULL, resolv_rules },
	{ "/run/systemd/resolve/resolv.conf", NULL, resolv_rules },
	{ "/run/NetworkManager/no-stub-resolv.conf", NULL, resolv_rules },
	{ "/run/systemd/netif/leases", "", networkd_rules },
	{ "/run/systemd/netif/links", "", networkd_rules },
	{ "/var/lib/dhcp", ".leases", dhclient_rules },
	{ "/etc/chrony/chrony.conf", NULL, ntp_rules },
	{ "/etc/chrony/conf.d", ".conf", ntp_rules },
	{ "/etc/chrony/sources.d", ".sources", ntp_rules },
	{ "/run/chrony-dhcp", ".sources", ntp_rules },
	{ "/etc/chrony.conf", NULL, ntp_rules },
	{ "/etc/ntp.conf", NULL, ntp_rules },
	{ "/etc/ntpsec/ntp.conf", NULL, ntp_rules },
	{ "/etc/systemd/timesyncd.conf", NULL, timesyncd_rules },
	{ "/etc/systemd/timesyncd.conf.d", ".conf", timesyncd_rules },
};

struct gathering {
	struct logins_entry *out;
	size_t count, max;
	char *buffer; /* FILE_MAX + 1 */
};

static void gather(struct gathering *g, const struct addr *addr, enum logins_kind kind)
{
	if (addr_is_loopback(addr) || addr_is_unspecified(addr) || addr_is_multicast(addr))
		return;
	for (size_t i = 0; i < g->count; i++)
		if (g->out[i].kind == kind && addr_equal(&g->out[i].addr, addr))
			return;
	if (g->count < g->max)
		g->out[g->count++] = (struct logins_entry){ .addr = *addr, .kind = kind };
}

/* Returns the bytes read, with a NUL behind them; 0 when there is nothing to read. */
static size_t read_file(const char *root, const char *path, char *buffer)
{
	char full[PATH_MAX];
	struct stat st;
	size_t len = 0;
	int fd, path_len = snprintf(full, sizeof(full), "%s%s", root, path);

	if (path_len < 0 || (size_t)path_len >= sizeof(full))
		return 0;
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return 0;
	while (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && len < FILE_MAX) {
		ssize_t n = read(fd, buffer + len, FILE_MAX - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	buffer[len] = '\0';
	return len;
}

/* "192.0.2.1", "192.0.2.1:53", "fe80::1%eth0", "[2001:db8::1]:853#name", each perhaps in quotes. */
static bool parse_token(char *token, struct addr *out)
{
	char *colon;

	token += strspn(token, "\"'[");
	token[strcspn(token, "\"'%#]")] = '\0';
	colon = strchr(token, ':');
	if (colon && strchr(token, '.') && strchr(token, '.') < colon)
		*colon = '\0';
	return addr_parse(token, out);
}

static void gather_tokens(struct gathering *g, char *text, enum logins_kind kind)
{
	char *rest = NULL;

	for (char *token = strtok_r(text, " \t\r,;{}", &rest); token; token = strtok_r(NULL, " \t\r,;{}", &rest)) {
		struct addr addr;

		if (token[0] == '#' || token[0] == '!')
			return; /* a comment up to the end of the line */
		if (parse_token(token, &addr))
			gather(g, &addr, kind);
	}
}

/* What follows the rule's word, or NULL when the line is none of it.  Keywords in any case, as chrony takes them. */
static char *match_rule(const struct line_rule *rule, char *line)
{
	size_t len = strlen(rule->word);

	if (strncasecmp(line, rule->word, len) != 0)
		return NULL;
	if (strchr(rule->word, '=') || line[len] == '\0' || line[len] == ' ' || line[len] == '\t')
		return line + len;
	return NULL;
}

/* Returns false when the rest of the file is of no interest. */
static bool gather_line(struct gathering *g, char *line, const struct line_rule *rules, size_t before)
{
	line += strspn(line, " \t");
	for (const struct line_rule *rule = rules; rule->word; rule++) {
		char *value = match_rule(rule, line);

		if (!value)
			continue;
		if (rule->effect == LINE_TAKE)
			gather_tokens(g, value, rule->kind);
		else
			g->count = before;
		return rule->effect != LINE_VOID;
	}
	return true;
}

static void gather_file(struct gathering *g, const char *root, const char *path, const struct line_rule *rules)
{
	size_t before = g->count, len = read_file(root, path, g->buffer);
	char *line = g->buffer, *end = g->buffer + len;

	while (line < end) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		char *stop = newline ? newline : end;

		*stop = '\0';
		if (stop - line <= LINE_MAX_LEN && !gather_line(g, line, rules, before))
			return;
		line = stop + 1;
	}
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t name_len = strlen(name), suffix_len = strlen(suffix);

	return name_len >= suffix_len && strcmp(name + name_len - suffix_len, suffix) == 0;
}

static void gather_directory(struct gathering *g, const char *root, const char *path, const char *suffix,
			     const struct line_rule *rules)
{
	char full[PATH_MAX];
	int len = snprintf(full, sizeof(full), "%s%s", root, path);
	DIR *directory = len > 0 && (size_t)len < sizeof(full) ? opendir(full) : NULL;
	struct dirent *entry;

	if (!directory)
		return;
	for (unsigned files = 0; files < FILES_MAX && (entry = readdir(directory)); files++) {
		if (entry->d_name[0] == '.' || !ends_with(entry->d_name, suffix))
			continue;
		len = snprintf(full, sizeof(full), "%s/%s", path, entry->d_name);
		if (len > 0 && (size_t)len < sizeof(full))
			gather_file(g, root, full, rules);
	}
	closedir(directory);
}

/* utmp(5): a user's login with the host it came from, as an address (IPv4: the first word alone) or, from programs
 * that don't fill that in, as text. */
static void gather_utmp(struct gathering *g, const char *root, const char *path)
{
	size_t len = read_file(root, path, g->buffer);

	for (size_t at = 0; len - at >= sizeof(struct utmpx); at += sizeof(struct utmpx)) {
		struct utmpx record;
		struct addr addr;
		char host[sizeof(record.ut_host) + 1];

		memcpy(&record, g->buffer + at, sizeof(record));
		if (record.ut_type != USER_PROCESS)
			continue;
		if (record.ut_addr_v6[1] == 0 && record.ut_addr_v6[2] == 0 && record.ut_addr_v6[3] == 0)
			addr = addr_from_v4((const uint8_t *)record.ut_addr_v6);
		else
			addr = addr_from_v6((const uint8_t *)record.ut_addr_v6);
		gather(g, &addr, LOGINS_SESSION);
		memcpy(host, record.ut_host, sizeof(record.ut_host));
		host[sizeof(record.ut_host)] = '\0';
		if (parse_token(host, &addr))
			gather(g, &addr, LOGINS_SESSION);
	}
}

size_t logins_read(const char *root, struct logins_entry *out, size_t max)
{
	struct gathering g = { .out = out, .max = max, .buffer = malloc(FILE_MAX + 1) };

	if (!g.buffer)
		return 0;
	gather_utmp(&g, root, "/run/utmp");
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (sources[i].suffix)
			gather_directory(&g, root, sources[i].path, sources[i].suffix, sources[i].rules);
		else
			gather_file(&g, root, sources[i].path, sources[i].rules);
	}
	free(g.buffer);
	return g.count;
}
