/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc changes while it is read: a process that ends meanwhile is passed over.  A process chooses its own name, so
 * that names are made printable here.
 */
#include "procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

int procfs_number(const char *path, int64_t *out)
{
	char text[32], *end;
	ssize_t len = file_read(path, text, sizeof(text));
	long long value;

	if (len < 0)
		return (int)len;
	value = strtoll(text, &end, 10);
	if (end == text)
		return -EBADMSG;
	*out = value;
	return 0;
}

int procfs_boot(int64_t *out)
{
	char text[64];
	ssize_t len = file_read("/proc/sys/kernel/random/boot_id", text, sizeof(text));
	int64_t number = 0;

	if (len < 0)
		return (int)len;
	for (int i = 0; i < len && number < 1LL << 58; i++)
		if (isxdigit((unsigned char)text[i]))
			number = number << 4 |
				 (isdigit((unsigned char)text[i]) ? text[i] - '0' : (text[i] | 0x20) - 'a' + 10);
	if (number == 0)
		return -EBADMSG;
	*out = number;
	return 0;
}

/* The value of "KEY:\tVALUE" in a status file; NULL: not there. */
static const char *field(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, key, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	return NULL;
}

static void copy_name(char out[16], const char *from)
{
	size_t len = 0;

	for (; len < 15 && from[len] && from[len] != '\n'; len++)
		out[len] = from[len] > 0x20 && from[len] < 0x7f ? from[len] : '?';
	out[len] = '\0';
}

int procfs_status(pid_t pid, struct procfs_status *out)
{
	struct procfs_status status = { .pid = pid, .seccomp = -1 };
	char path[64], text[8192];
	const char *name, *parent, *uid, *value;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	len = file_read(path, text, sizeof(text));
	if (len < 0)
		return (int)len;
	name = field(text, "Name");
	parent = field(text, "PPid");
	uid = field(text, "Uid");
	if (!name || !parent || !uid)
		return -EBADMSG;
	copy_name(status.name, name);
	status.parent = (pid_t)strtol(parent, NULL, 10);
	status.real_uid = (uid_t)strtoul(uid, NULL, 10);
	uid += strcspn(uid, " \t"); /* real, then effective */
	status.uid = (uid_t)strtoul(uid, NULL, 10);
	if ((value = field(text, "Seccomp")))
		status.seccomp = (int)strtol(value, NULL, 10);
	if ((value = field(text, "NoNewPrivs")))
		status.no_new_privs = *value == '1';
	if ((value = field(text, "CapEff")))
		status.cap_effective = strtoull(value, NULL, 16);
	*out = status;
	return 0;
}

/* The next process in a directory stream over /proc; 0: there are no more. */
static pid_t next_pid(DIR *proc)
{
	const struct dirent *entry;

	while ((entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			return (pid_t)strtol(entry->d_name, NULL, 10);
	return 0;
}

int procfs_children(pid_t parent, struct procfs_status *out, size_t max)
{
	DIR *proc = opendir("/proc");
	struct procfs_status status;
	int count = 0;
	pid_t pid;

	if (!proc)
		return -errno;
	for (size_t i = 0; i < PROCFS_PROCESSES_MAX && (pid = next_pid(proc)) > 0; i++)
		if (procfs_status(pid, &status) == 0 && status.parent == parent) {
			if ((size_t)count < max)
				out[count] = status;
			count++;
		}
	closedir(proc);
	return count;
}

/* ---- holders of sockets ---- */

static int by_inode(const void *left, const void *right)
{
	uint32_t a = ((const struct procfs_owner *)left)->inode, b = ((const struct procfs_owner *)right)->inode;

	return a < b ? -1 : a > b;
}

/* Workers inherit their master's socket: the lowest process number is kept. */
static void claim(struct procfs_owner *owners, size_t count, uint32_t inode, pid_t pid)
{
	const struct procfs_owner key = { .inode = inode };
	struct procfs_owner *owner = bsearch(&key, owners, count, sizeof(*owners), by_inode);
	struct procfs_status status;

	while (owner && owner > owners && owner[-1].inode == inode)
		owner--;
	for (; owner && owner < owners + count && owner->inode == inode; owner++) {
		if ((owner->pid && owner->pid <= pid) || procfs_status(pid, &status) < 0)
			continue;
		owner->pid = pid;
		memcpy(owner->program, status.name, sizeof(owner->program));
	}
}

static size_t look_at(struct procfs_owner *owners, size_t count, pid_t pid)
{
	char path[64], target[64];
	const struct dirent *entry;
	unsigned long inode;
	size_t looked = 0;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	fds = opendir(path);
	if (!fds)
		return 0; /* it has ended, or we may not look */
	while ((entry = readdir(fds)) && looked < PROCFS_DESCRIPTORS_MAX) {
		ssize_t len = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1);

		looked++;
		if (len <= 0)
			continue;
		target[len] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) == 1)
			claim(owners, count, (uint32_t)inode, pid);
	}
	closedir(fds);
	return looked;
}

int procfs_owners(struct procfs_owner *owners, size_t count)
{
	size_t looked = 0;
	pid_t pid;
	DIR *proc;

	if (count == 0)
		return 0;
	proc = opendir("/proc");
	if (!proc)
		return -errno;
	qsort(owners, count, sizeof(*owners), by_inode);
	for (size_t i = 0; i < PROCFS_PROCESSES_MAX && looked < PROCFS_DESCRIPTORS_MAX && (pid = next_pid(proc)) > 0;
	     i++)
		looked += look_at(owners, count, pid);
	closedir(proc);
	return 0;
}
