/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer over the host's files that say who is logged in and which resolvers, NTP and DHCP servers it has, over
 * /proc/PID/status, and over services(5).  Each file that is read, each folder and each session is the next part of
 * the input: two bytes of length (from 0xfff0 on: an error), then what stands in it.  The functions that read them are
 * defined here, in the program, so that they take the place of the libraries'; outside of an input, where the fuzzing
 * engine reads its own folders, they are those.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <systemd/sd-login.h>

#include <picket/describe.h>

#include "file.h"
#include "fuzz.h"
#include "host/logins.h"
#include "procfs.h"
#include "reader.h"
#include "services.h"

#define ERROR_FROM 0xfff0

static struct reader input;
static bool playing;

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* The next part, at most size - 1 bytes and a NUL; how many, or -errno. */
static ssize_t next_part(char *out, size_t size)
{
	static const int errors[] = { ENOENT, EACCES, EIO, EISDIR };
	size_t len = reader_be16(&input), have = reader_left(&input);

	out[0] = '\0';
	if (input.failed)
		return -ENOENT;
	if (len >= ERROR_FROM)
		return -errors[len % (sizeof(errors) / sizeof(errors[0]))];
	len = len < have ? len : have;
	len = len < size - 1 ? len : size - 1;
	memcpy(out, input.data + input.pos, len);
	out[len] = '\0';
	reader_skip(&input, len);
	return (ssize_t)len;
}

ssize_t file_read(const char *path, char *out, size_t size)
{
	(void)path;
	return next_part(out, size);
}

int file_read_whole(const char *path, size_t max, char **out, size_t *len)
{
	char *text = malloc(max + 1);
	ssize_t got;

	(void)path;
	require(text != NULL);
	got = next_part(text, max + 1);
	if (got < 0) {
		free(text);
		return (int)got;
	}
	*out = text;
	*len = (size_t)got;
	return 0;
}

/* ---- folders ---- */

static struct {
	struct dirent entry;
	int left;
} folder;

DIR *opendir(const char *path)
{
	if (!playing)
		return REAL(opendir)(path); /* cppcheck-suppress CastIntegerToAddressAtReturn */
	folder.left = reader_u8(&input) % 4;
	if (folder.left == 3) {
		errno = EACCES;
		return NULL;
	}
	return (DIR *)&folder;
}

struct dirent *readdir(DIR *directory)
{
	if (!playing)
		return REAL(readdir)(directory); /* cppcheck-suppress CastIntegerToAddressAtReturn */
	if (folder.left-- <= 0)
		return NULL;
	next_part(folder.entry.d_name, sizeof(folder.entry.d_name));
	return &folder.entry;
}

int closedir(DIR *directory)
{
	return playing ? 0 : REAL(closedir)(directory);
}

int dirfd(DIR *directory)
{
	return playing ? -1 : REAL(dirfd)(directory);
}

ssize_t readlinkat(int fd, const char *path, char *out, size_t size)
{
	return playing ? next_part(out, size) : REAL(readlinkat)(fd, path, out, size);
}

int access(const char *path, int mode)
{
	if (!playing)
		return REAL(access)(path, mode);
	return reader_u8(&input) & 1 ? 0 : -1;
}

/* ---- logind ---- */

static char *next_string(void)
{
	char text[256];

	return next_part(text, sizeof(text)) < 0 ? NULL : strdup(text);
}

int sd_get_sessions(char ***sessions)
{
	int count = reader_u8(&input) % 4;

	*sessions = calloc((size_t)count + 1, sizeof(char *));
	require(*sessions != NULL);
	for (int i = 0; i < count; i++) {
		(*sessions)[i] = strdup("c1");
		require((*sessions)[i] != NULL);
	}
	return count;
}

int sd_session_get_uid(const char *session, uid_t *uid)
{
	(void)session;
	*uid = reader_u8(&input) % 3;
	return 0;
}

int sd_session_get_state(const char *session, char **state)
{
	(void)session;
	*state = next_string();
	return *state ? 0 : -ENODATA;
}

int sd_session_get_remote_host(const char *session, char **host)
{
	(void)session;
	*host = next_string();
	return *host ? 0 : -ENODATA;
}

/* ---- accounts ---- */

struct group *getgrnam(const char *name)
{
	static char first[] = "alice", second[] = "bob", *members[] = { first, second, NULL };
	static struct group group = { .gr_mem = members };

	(void)name;
	group.gr_gid = reader_u8(&input) % 4;
	return group.gr_gid == 3 ? NULL : &group;
}

static struct passwd *next_account(void)
{
	static struct passwd account;
	static char name[256];

	account.pw_name = name;
	account.pw_uid = reader_be16(&input);
	account.pw_gid = account.pw_uid % 4;
	return next_part(name, sizeof(name)) < 0 ? NULL : &account;
}

struct passwd *getpwnam(const char *name)
{
	(void)name;
	return next_account();
}

void setpwent(void)
{
}

struct passwd *getpwent(void)
{
	return next_account();
}

void endpwent(void)
{
}

/* ---- */

static void look_at_logins(void)
{
	static const char groups[2][LOGINS_NAME_MAX] = { "root", "sudo" };
	struct logins_entry found[LOGINS_MAX];
	struct logins_admins admins;
	const char *denied, *paths[LOGINS_PATHS_MAX + 1];
	size_t count;

	logins_find_admins(groups, 2, &admins);
	require(admins.count >= 1 && admins.count <= LOGINS_ADMINS_MAX && admins.items[0].uid == 0);
	for (size_t i = 0; i < admins.count; i++)
		require(memchr(admins.items[i].name, 0, LOGINS_NAME_MAX) != NULL);
	count = logins_read(&admins, found, LOGINS_MAX, &denied);
	require(count <= LOGINS_MAX);
	for (size_t i = 0; i < count; i++) {
		require(found[i].kind <= LOGINS_DHCP);
		require(!addr_is_loopback(&found[i].addr) && !addr_is_unspecified(&found[i].addr) &&
			!addr_is_multicast(&found[i].addr));
		for (size_t j = 0; j < i; j++)
			require(found[i].kind != found[j].kind || !addr_equal(&found[i].addr, &found[j].addr));
	}
	logins_paths(paths);
}

static void look_at_processes(void)
{
	struct procfs_owner owners[4] = { { .inode = 3 }, { .inode = 1 }, { .inode = 3 }, { .inode = 2 } };
	struct procfs_status status[2];
	int64_t number;
	int count = procfs_children(1, status, 2);

	for (int i = 0; i < count && i < 2; i++)
		for (const char *c = status[i].name; *c; c++)
			require(*c > 0x20 && *c < 0x7f);
	if (procfs_boot(&number) == 0)
		require(number != 0);
	if (procfs_number("/proc/sys/x", &number) < 0)
		require(true);
	require(procfs_owners(owners, 4) <= 0);
	for (int i = 0; i < 4; i++)
		require(memchr(owners[i].program, 0, sizeof(owners[i].program)) != NULL);
}

static void look_at_services(void)
{
	struct service_names *names = services_read();

	for (unsigned port = 0; names && port < 1024; port++) {
		const char *name = service_name(names, port & 1 ? 6 : 17, (uint16_t)port);

		for (; name && *name; name++)
			require(*name > 0x20 && *name < 0x7f);
	}
	service_names_free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = reader_over(data, size);
	playing = true;
	switch (reader_u8(&input) % 3) {
	case 0: look_at_logins(); break;
	case 1: look_at_processes(); break;
	default: look_at_services();
	}
	playing = false;
	return 0;
}
