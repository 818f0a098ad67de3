/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses that must never be cut off.  Remote hosts of sessions come from sd-login and utmp, everything else from the
 * host's own files by one table: which file, which lines, what they name.
 *
 * A name is never looked up, since a lookup can hang on the way to a block.  A mere TCP peer of sshd is in none of
 * these sources; only an admin who has authenticated is.  Where logind runs, its word alone counts: any user can have a
 * record in utmp made (utempter).  Without it a record counts if it is an admin's and its process is root's own sshd or
 * login; a setuid program under that name has its caller's real user.
 * Limits: FILE_MAX bytes of a file, FILES_MAX files of a directory and sessions, LINE_MAX_LEN bytes of a line; what is
 * longer is passed over.
 */
#include "logins.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <systemd/sd-login.h>
#include <unistd.h>
#include <utmpx.h>

#include "file.h"
#include "procfs.h"

#define SESSIONS     "/run/systemd/sessions"
#define FILE_MAX     (256 * 1024)
#define FILES_MAX    1024
#define LINE_MAX_LEN 1024

/* A line that begins with the word, after blanks; a blank follows it unless it ends in '='.  It names addresses, or
 * begins a later lease: what the file said so far is out of date. */
struct line_rule {
	const char *word;
	enum logins_kind kind;
	bool restart;
};

static const struct line_rule resolv_rules[] = {
	{ "nameserver", LOGINS_RESOLVER, false },
	{ 0 },
};
static const struct line_rule networkd_rules[] = {
	{ "SERVER_ADDRESS=", LOGINS_DHCP, false },
	{ "ROUTER=", LOGINS_DHCP, false },
	{ "DNS=", LOGINS_RESOLVER, false },
	{ "NTP=", LOGINS_NTP, false },
	{ 0 },
};
static const struct line_rule dhclient_rules[] = {
	{ "lease", LOGINS_DHCP, true },
	{ "lease6", LOGINS_DHCP, true },
	{ "option dhcp-server-identifier", LOGINS_DHCP, false },
	{ "option domain-name-servers", LOGINS_RESOLVER, false },
	{ "option dhcp6.name-servers", LOGINS_RESOLVER, false },
	{ "option ntp-servers", LOGINS_NTP, false },
	{ "option dhcp6.sntp-servers", LOGINS_NTP, false },
	{ 0 },
};
static const struct line_rule ntp_rules[] = {
	{ "server", LOGINS_NTP, false },
	{ "pool", LOGINS_NTP, false },
	{ "peer", LOGINS_NTP, false },
	{ 0 },
};
static const struct line_rule timesyncd_rules[] = {
	{ "NTP=", LOGINS_NTP, false },
	{ "FallbackNTP=", LOGINS_NTP, false },
	{ 0 },
};

static const struct {
	const char *path;
	const char *suffix; /* NULL: a file; else a directory, and its files that end so */
	const struct line_rule *rules;
} sources[] = {
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
	const struct logins_admins *admins;
	struct logins_entry *out;
	size_t count, max;
	char *buffer; /* FILE_MAX + 1 */
	const char *denied;
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

static void gather_line(struct gathering *g, char *line, const struct line_rule *rules, size_t before)
{
	line += strspn(line, " \t");
	for (const struct line_rule *rule = rules; rule->word; rule++) {
		char *value = match_rule(rule, line);

		if (!value)
			continue;
		if (rule->restart)
			g->count = before;
		else
			gather_tokens(g, value, rule->kind);
		return;
	}
}

/* named: what the table calls it, for whoever must be told that it cannot be read. */
static void gather_file(struct gathering *g, const char *path, const char *named, const struct line_rule *rules)
{
	ssize_t len = file_read(path, g->buffer, FILE_MAX + 1);
	char *line = g->buffer, *end = g->buffer + (len > 0 ? len : 0);
	size_t before = g->count;

	if (len == -EACCES)
		g->denied = named;
	while (line < end) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		char *stop = newline ? newline : end;

		*stop = '\0';
		if (stop - line <= LINE_MAX_LEN)
			gather_line(g, line, rules, before);
		line = stop + 1;
	}
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t name_len = strlen(name), suffix_len = strlen(suffix);

	return name_len >= suffix_len && strcmp(name + name_len - suffix_len, suffix) == 0;
}

static void gather_directory(struct gathering *g, const char *path, const char *suffix, const struct line_rule *rules)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char file[PATH_MAX];

	if (!directory && errno == EACCES)
		g->denied = path;
	if (!directory)
		return;
	for (unsigned files = 0; files < FILES_MAX && (entry = readdir(directory)); files++) {
		if (entry->d_name[0] == '.' || !ends_with(entry->d_name, suffix))
			continue;
		if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) < (int)sizeof(file))
			gather_file(g, file, path, rules);
	}
	closedir(directory);
}

static bool is_admin(const struct gathering *g, uint32_t uid)
{
	for (size_t i = 0; i < g->admins->count; i++)
		if (g->admins->items[i].uid == uid)
			return true;
	return false;
}

static bool is_admins_name(const struct gathering *g, const char *name)
{
	for (size_t i = 0; i < g->admins->count; i++)
		if (strcmp(g->admins->items[i].name, name) == 0)
			return true;
	return false;
}

/* logind's sessions of admins.  One that is closing protects no longer.  False: logind is not here. */
static bool gather_sessions(struct gathering *g)
{
	char **sessions = NULL;
	int count = sd_get_sessions(&sessions);

	for (int i = 0; i < count; i++) {
		char *state = NULL, *host = NULL;
		uid_t uid;

		if (i < FILES_MAX && sd_session_get_uid(sessions[i], &uid) >= 0 && is_admin(g, uid) &&
		    (sd_session_get_state(sessions[i], &state) < 0 || strcmp(state, "closing") != 0) &&
		    sd_session_get_remote_host(sessions[i], &host) >= 0)
			gather_tokens(g, host, LOGINS_SESSION);
		free(state);
		free(host);
		free(sessions[i]);
	}
	free(sessions);
	return access(SESSIONS, F_OK) == 0;
}

static bool is_root_login(pid_t pid)
{
	static const char *const programs[] = { "sshd", "sshd-session", "login" };
	struct procfs_status status;

	if (pid <= 0 || procfs_status(pid, &status) < 0 || status.real_uid != 0 || status.uid != 0)
		return false;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (strcmp(status.name, programs[i]) == 0)
			return true;
	return false;
}

/* The host that a login came from, as an address (IPv4: the first word alone) or, from programs that do not fill that
 * in, as text. */
static void gather_record(struct gathering *g, const struct utmpx *record)
{
	char user[sizeof(record->ut_user) + 1] = "", host[sizeof(record->ut_host) + 1] = "";
	struct addr addr;

	memcpy(user, record->ut_user, sizeof(record->ut_user));
	if (record->ut_type != USER_PROCESS || !is_admins_name(g, user) || !is_root_login(record->ut_pid))
		return;
	if (record->ut_addr_v6[1] == 0 && record->ut_addr_v6[2] == 0 && record->ut_addr_v6[3] == 0)
		addr = addr_from_v4((const uint8_t *)record->ut_addr_v6);
	else
		addr = addr_from_v6((const uint8_t *)record->ut_addr_v6);
	gather(g, &addr, LOGINS_SESSION);
	memcpy(host, record->ut_host, sizeof(record->ut_host));
	if (parse_token(host, &addr))
		gather(g, &addr, LOGINS_SESSION);
}

/* utmp(5) */
static void gather_utmp(struct gathering *g)
{
	ssize_t len = file_read("/run/utmp", g->buffer, FILE_MAX + 1);

	for (ssize_t at = 0; len - at >= (ssize_t)sizeof(struct utmpx); at += (ssize_t)sizeof(struct utmpx)) {
		struct utmpx record;

		memcpy(&record, g->buffer + at, sizeof(record));
		gather_record(g, &record);
	}
}

/* False: no room. */
static bool add_admin(struct logins_admins *admins, uint32_t uid, const char *name)
{
	for (size_t i = 0; i < admins->count; i++)
		if (admins->items[i].uid == uid)
			return true;
	if (admins->count == LOGINS_ADMINS_MAX)
		return false;
	admins->items[admins->count].uid = uid;
	snprintf(admins->items[admins->count++].name, LOGINS_NAME_MAX, "%s", name);
	return true;
}

size_t logins_find_admins(const char groups[][LOGINS_NAME_MAX], size_t count, struct logins_admins *out)
{
	size_t refused = 0;

	*out = (struct logins_admins){ .count = 0 };
	add_admin(out, 0, "root");
	for (size_t i = 0; i < count; i++) {
		const struct group *group = getgrnam(groups[i]);
		const struct passwd *user;
		gid_t gid;

		if (!group)
			continue;
		gid = group->gr_gid;
		for (char **member = group->gr_mem; *member; member++)
			if ((user = getpwnam(*member)))
				refused += !add_admin(out, user->pw_uid, user->pw_name);
		setpwent();
		while ((user = getpwent()))
			if (user->pw_gid == gid)
				refused += !add_admin(out, user->pw_uid, user->pw_name);
		endpwent();
	}
	return refused;
}

/* Directories where the files are replaced: Landlock holds on to a file, not to its name. */
void logins_paths(const char *out[LOGINS_PATHS_MAX + 1])
{
	static const char *const paths[] = {
		"/etc/resolv.conf",   "/etc/chrony",         "/etc/chrony.conf", "/etc/ntp.conf",
		"/etc/ntpsec",        "/etc/systemd",        SESSIONS,           "/run/systemd/resolve",
		"/run/systemd/netif", "/run/NetworkManager", "/run/chrony-dhcp", "/var/lib/dhcp",
		"/run/utmp",
	};
	size_t count = sizeof(paths) / sizeof(paths[0]);

	_Static_assert(sizeof(paths) / sizeof(paths[0]) < LOGINS_PATHS_MAX, "room for /proc");
	memcpy(out, paths, sizeof(paths));
	if (access(SESSIONS, F_OK) != 0)
		out[count++] = "/proc";
	out[count] = NULL;
}

size_t logins_read(const struct logins_admins *admins, struct logins_entry *out, size_t max, const char **denied)
{
	struct gathering g = { .admins = admins, .out = out, .max = max, .buffer = malloc(FILE_MAX + 1) };

	*denied = NULL;
	if (!g.buffer)
		return 0;
	/* Sessions first: they matter most where max is small. */
	if (!gather_sessions(&g))
		gather_utmp(&g);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (sources[i].suffix)
			gather_directory(&g, sources[i].path, sources[i].suffix, sources[i].rules);
		else
			gather_file(&g, sources[i].path, sources[i].path, sources[i].rules);
	}
	free(g.buffer);
	*denied = g.denied;
	return g.count;
}
