/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the admin sits: the address that ssh wrote into the environment of the session.  sudo takes it out of the
 * environment of what it runs, so the processes above are asked as well, as far as we may read them. It guards an admin
 * against himself, nothing more: whoever forges it can only have his own orders refused.
 */
#include "ctl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"

#define ANCESTORS_MAX   32
#define ENVIRONMENT_MAX (128 * 1024)

static const char *const names[] = { "SSH_CONNECTION", "SSH_CLIENT" };

/* "192.0.2.1 50000 ...": the first word, without an IPv6 zone. */
static bool take_address(const char *value, char out[64])
{
	size_t len = strcspn(value, " %");
	struct addr addr;
	char text[64];

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, value, len);
	text[len] = '\0';
	if (!addr_parse(text, &addr))
		return false;
	addr_format(&addr, out);
	return true;
}

static size_t read_file(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return 0;
	while (len < size - 1 && (got = read(fd, out + len, size - 1 - len)) > 0)
		len += (size_t)got;
	close(fd);
	out[len] = '\0';
	return len;
}

static bool search_environment(const char *text, size_t len, char out[64])
{
	for (size_t at = 0; at < len; at += strlen(text + at) + 1)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			size_t name_len = strlen(names[i]);

			if (strncmp(text + at, names[i], name_len) == 0 && text[at + name_len] == '=' &&
			    take_address(text + at + name_len + 1, out))
				return true;
		}
	return false;
}

/* 0 when there is none. */
static long parent_of(long pid)
{
	char path[64], stat[1024], *end;
	long parent = 0;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (read_file(path, stat, sizeof(stat)) == 0)
		return 0;
	/* The name in brackets may hold brackets and blanks of its own. */
	end = strrchr(stat, ')');
	return end && sscanf(end + 1, " %*c %ld", &parent) == 1 ? parent : 0;
}

bool ctl_caller(char out[64])
{
	long pid = getpid();
	char *environment, path[64];
	bool found = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && take_address(value, out))
			return true;
	}
	environment = malloc(ENVIRONMENT_MAX);
	for (int i = 0; environment && i < ANCESTORS_MAX && !found && (pid = parent_of(pid)) > 1; i++) {
		snprintf(path, sizeof(path), "/proc/%ld/environ", pid);
		found = search_environment(environment, read_file(path, environment, ENVIRONMENT_MAX), out);
	}
	free(environment);
	return found;
}
