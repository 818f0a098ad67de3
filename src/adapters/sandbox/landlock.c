/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Landlock by raw system calls: glibc has no wrappers, and the headers may be older than the kernel.  Every access
 * right that the ABI of the running kernel knows is handled, so that whatever a newer kernel can forbid is
 * forbidden there.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* uapi/linux/landlock.h, as far as ABI 5. */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12,
	FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
};
#define FS_ABI_1              ((1 << 13) - 1)
#define LANDLOCK_VERSION_FLAG 1U
#define LANDLOCK_PATH_BENEATH 1

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4: TCP bind and connect */
	uint64_t scoped;             /* ABI 6: abstract sockets, signals */
};
struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

/* The rights that a rule for a file may hold; the others are rights of directories. */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

static uint64_t handled_fs(int abi)
{
	return FS_ABI_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) | (abi >= 5 ? FS_IOCTL_DEV : 0);
}

static int add_rules(int ruleset, const char *const paths[], uint64_t access)
{
	for (size_t i = 0; paths && paths[i]; i++) {
		struct path_beneath_attr rule = { .allowed_access = access };
		struct stat info;
		int result = 0;

		rule.parent_fd = open(paths[i], O_PATH | O_CLOEXEC);
		if (rule.parent_fd < 0 && errno == ENOENT)
			continue;
		if (rule.parent_fd < 0)
			return -errno;
		if (fstat(rule.parent_fd, &info) < 0)
			result = -errno;
		else if (!S_ISDIR(info.st_mode))
			rule.allowed_access &= FS_OF_FILES;
		if (result == 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0) < 0)
			result = -errno;
		close(rule.parent_fd);
		if (result < 0)
			return result;
	}
	return 0;
}

int sandbox_landlock(const char *const writable[], const char *const readable[], int *abi)
{
	const uint64_t read = FS_READ_FILE | FS_READ_DIR;
	const uint64_t write = read | FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | FS_TRUNCATE;
	struct ruleset_attr attr = { 0 };
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
	size_t size = offsetof(struct ruleset_attr, handled_access_net);
	int ruleset, result;

	if (version < 0) {
		/* Not built in, or switched off at boot. */
		if (errno != ENOSYS && errno != EOPNOTSUPP)
			return -errno;
		*abi = 0;
		return 0;
	}
	attr.handled_access_fs = handled_fs((int)version);
	if (version >= 4) {
		attr.handled_access_net = 3; /* no TCP bind or connect at all */
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (version >= 6) {
		attr.scoped = 3;
		size = sizeof(attr);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return -errno;
	result = add_rules(ruleset, writable, write & attr.handled_access_fs);
	if (result == 0)
		result = add_rules(ruleset, readable, read & attr.handled_access_fs);
	if (result == 0 &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0))
		result = -errno;
	close(ruleset);
	if (result == 0)
		*abi = (int)version;
	return result;
}
